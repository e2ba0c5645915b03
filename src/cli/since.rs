//! `--since`: a moment that has passed, as a clock time, a span or a date.

use super::times;
use crate::model::local_time;
use crate::model::units::Timestamp;
use jiff::tz::TimeZone;

/// `18:00` (the last one that has passed), `Mon 02:00`, `2d` (so long ago), `2026-11-27T18:00`, or a moment with its offset.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    local_time::past(text, times::now(), &TimeZone::system())
}
