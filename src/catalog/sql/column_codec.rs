//! How values of the model become columns, and back.

use super::failure::Failure;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::str::FromStr;

/// A value as JSON text.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<String, Failure> {
    serde_json::to_string(value).map_err(Failure::Unfit)
}

pub fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Damaged(format!("a row cannot be read ({error})")))
}

pub fn optional_json<T: Serialize>(value: Option<&T>) -> Result<Option<String>, Failure> {
    value.map(json).transpose()
}

pub fn from_optional_json<T: DeserializeOwned>(text: Option<String>) -> Result<Option<T>, Failure> {
    text.map(|text| from_json(&text)).transpose()
}

/// The bare word of an enum without content: `suspend`, not `"suspend"`.
pub fn word<T: Serialize>(value: &T) -> Result<String, Failure> {
    Ok(json(value)?.trim_matches('"').to_owned())
}

pub fn from_word<T: DeserializeOwned>(word: &str) -> Result<T, Failure> {
    T::deserialize(serde::de::value::StrDeserializer::<serde::de::value::Error>::new(word))
        .map_err(|error| Failure::Damaged(format!("a row cannot be read ({error})")))
}

pub fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, Failure> {
    text.parse().map_err(|error| Failure::Damaged(format!("a row cannot be read ({error})")))
}

/// BIGINT has a sign; counters do not reach it, and what does comes back as it was.
pub fn signed(number: u64) -> i64 {
    number.cast_signed()
}

pub fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}

pub fn small<T: TryFrom<i64>>(number: i64) -> Result<T, Failure> {
    T::try_from(number).map_err(|_| Failure::Damaged(format!("a row has {number} where a small number belongs")))
}
