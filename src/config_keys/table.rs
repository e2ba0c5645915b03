//! A table that is read by somebody else than the one who found it.

use super::Fault;
use super::fault::{meant, missing};
use serde::Deserialize;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

/// The keys of a table that nobody has read yet, with their places.
#[derive(Debug)]
pub struct Table<'i> {
    /// As people write it between brackets: `array.forced_stop`.
    path: String,
    span: Range<usize>,
    keys: DeTable<'i>,
}

impl<'i> Table<'i> {
    /// # Errors
    /// When it is no table.
    pub fn new(path: &str, value: Spanned<DeValue<'i>>) -> Result<Self, Fault> {
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(keys) => Ok(Self { path: path.to_owned(), span, keys }),
            other => Err(Fault::at(
                &Spanned::new(span, ()),
                format!("here stands a {}: write a table, [{path}]", other.type_str()),
            )),
        }
    }

    /// A table inside, as people write it: `[array.forced_stop]`.
    pub fn section(&self, key: &str) -> String {
        format!("[{}.{key}]", self.path)
    }

    /// Takes a key out.
    pub fn take<T: Deserialize<'i>>(&mut self, key: &str) -> Result<Option<Spanned<T>>, Fault> {
        let Some(value) = self.keys.remove(key) else { return Ok(None) };
        let span = value.span();
        Ok(Some(Spanned::new(span, T::deserialize(ValueDeserializer::from(value))?)))
    }

    /// Takes out a key that must be there.
    pub fn take_needed<T: Deserialize<'i>>(&mut self, key: &str) -> Result<Spanned<T>, Fault> {
        let place = Spanned::new(self.span.clone(), ());
        self.take(key)?.ok_or_else(|| Fault::at(&place, missing(key)))
    }

    /// Takes out a table inside.
    pub fn take_table(&mut self, key: &str) -> Result<Option<Self>, Fault> {
        let path = format!("{}.{key}", self.path);
        self.keys.remove(key).map(|value| Self::new(&path, value)).transpose()
    }

    /// A key that is none of those, with what to say of it. `taken`: keys that were taken out already.
    pub fn first_unknown(&self, known: &[&str], taken: &[&str]) -> Option<(Spanned<String>, String)> {
        let (key, _) = self.keys.iter().find(|(key, _)| !known.contains(&key.get_ref().as_ref()))?;
        let all: Vec<&str> = taken.iter().chain(known).copied().collect();
        let text = key.get_ref().to_string();
        let said = format!("there is no such key; {}", meant(&text, &all));
        Some((Spanned::new(key.span(), text), said))
    }

    /// Reads all that is left.
    pub fn read<T: Deserialize<'i>>(self) -> Result<T, Fault> {
        let value = Spanned::new(self.span, DeValue::Table(self.keys));
        Ok(T::deserialize(ValueDeserializer::from(value))?)
    }
}
