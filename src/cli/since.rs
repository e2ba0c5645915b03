//! `--since`: a moment that has passed, as a clock time, a span or a date.

use super::{times, until};
use crate::model::duration::millis;
use crate::model::units::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

/// `18:00` (the last one that has passed), `2d` (so long ago), `2026-11-27T18:00`, or a moment with its offset.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    read(text, times::now(), &TimeZone::system())
}

fn read(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let wrong = || format!("{text:?} is not a time: write 18:00, 2d, or 2026-11-27T18:00");
    let at = if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        Timestamp(moment.as_millisecond())
    } else if let Ok(local) = text.parse::<DateTime>().or_else(|_| DateTime::strptime("%Y-%m-%d %H:%M", text)) {
        until::first(local, zone).ok_or_else(wrong)?
    } else if let Ok(time) = Time::strptime("%H:%M", text) {
        let today = jiff::Timestamp::from_millisecond(now.0).map_err(|_| wrong())?.to_zoned_datetime(zone.clone());
        let days = [Ok(today.date()), today.date().yesterday()];
        let mut days = days.into_iter().flatten().filter_map(|day| until::first(day.to_datetime(time), zone));
        days.find(|at| *at <= now).ok_or_else(wrong)?
    } else {
        // A number alone would be seconds, which nobody means here.
        let span = Some(text).filter(|text| text.ends_with(char::is_alphabetic)).and_then(|text| millis(text).ok());
        let span = span.and_then(|span| i64::try_from(span).ok()).ok_or_else(wrong)?;
        Timestamp(now.0.checked_sub(span).ok_or_else(wrong)?)
    };
    if at > now { Err(format!("{text:?} has not come yet: give a time that has passed")) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(text: &str, now: &str) -> Result<String, String> {
        let now = Timestamp(now.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let at = read(text, now, &TimeZone::get("Europe/Berlin").unwrap())?;
        Ok(jiff::Timestamp::from_millisecond(at.0).unwrap().to_string())
    }

    #[test]
    fn a_time_is_the_last_one_that_has_passed() {
        let morning = "2026-11-28T06:00:00Z";
        assert_eq!(since("18:00", morning).unwrap(), "2026-11-27T17:00:00Z", "yesterday evening");
        assert_eq!(since("07:00", morning).unwrap(), "2026-11-28T06:00:00Z", "now");
        assert_eq!(since("2d", morning).unwrap(), "2026-11-26T06:00:00Z");
        assert_eq!(since("90m", morning).unwrap(), "2026-11-28T04:30:00Z");
        assert_eq!(since("2026-11-27T18:00", morning).unwrap(), "2026-11-27T17:00:00Z");
        assert_eq!(since("2026-11-27T18:00:00+02:00", morning).unwrap(), "2026-11-27T16:00:00Z");
        assert!(since("2026-11-29T18:00", morning).unwrap_err().contains("has not come yet"));
        for wrong in ["", "18", "24:00", "-2d", "yesterday", "2w", "18446744073709551615ms"] {
            assert!(since(wrong, morning).is_err(), "{wrong}");
        }
    }
}
