//! Values of common kinds: names, times, paths, numbers in a range.

use super::Fault;
use crate::model::duration::millis;
use crate::model::identity::Name;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use toml::Spanned;

/// A limit of nothing refuses everything; one of a day is none.
pub const LIMIT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(24);

/// A text that its type checks.
pub fn checked<T: FromStr<Err: Display>>(written: &Spanned<String>) -> Result<T, Fault> {
    written.get_ref().parse().map_err(|why| Fault::at(written, format!("{why}")))
}

pub fn name(written: &Spanned<String>) -> Result<Name, Fault> {
    checked(written)
}

pub fn time(
    written: Option<&Spanned<String>>,
    usual: Duration,
    range: RangeInclusive<Duration>,
) -> Result<Duration, Fault> {
    let Some(written) = written else { return Ok(usual) };
    let time = millis(written.get_ref()).map(Duration::from_millis).map_err(|why| Fault::at(written, why))?;
    if range.contains(&time) {
        return Ok(time);
    }
    let (least, most) = range.into_inner();
    Err(Fault::at(written, format!("{time:?} is out of range: give a time from {least:?} to {most:?}")))
}

pub fn absolute(path: &Spanned<PathBuf>) -> Result<PathBuf, Fault> {
    if path.get_ref().is_absolute() {
        return Ok(path.get_ref().clone());
    }
    let written = path.get_ref().display();
    Err(Fault::at(path, format!("{written} depends on where the program was started: write the path from / on")))
}

pub fn in_range<T: PartialOrd + Copy + Display>(written: &Spanned<T>, range: &RangeInclusive<T>) -> Result<T, Fault> {
    let value = *written.get_ref();
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Fault::at(written, format!("{value} is out of range: give {} to {}", range.start(), range.end())))
}
