//! Instants as people and scripts read them.

use crate::model::units::Timestamp;
use jiff::tz::TimeZone;

fn local(at: Timestamp) -> Option<jiff::ZonedDateTime> {
    Some(jiff::Timestamp::from_millisecond(at.0).ok()?.to_zoned_datetime(TimeZone::system()))
}

/// `2026-11-23 02:00`, local time.
pub fn minute(at: Timestamp) -> String {
    local(at).map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M").to_string())
}

/// `2026-11-23 02:00:07`, local time.
pub fn second(at: Timestamp) -> String {
    local(at).map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// `Mon 2026-11-23 02:00`, local time: nights are known by their weekday.
pub fn weekday(at: Timestamp) -> String {
    local(at).map_or_else(|| "-".to_owned(), |at| at.strftime("%a %Y-%m-%d %H:%M").to_string())
}

/// `01:47`, local time: windows are clock times.
pub fn clock(at: Timestamp) -> String {
    local(at).map_or_else(|| "-".to_owned(), |at| at.strftime("%H:%M").to_string())
}

/// `2026-11-23T01:00:07.123Z`, for documents.
pub fn stamp(at: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(|_| at.0.to_string(), |at| format!("{at:.3}"))
}

/// The clock of this host.
pub use crate::process::clock::now;
