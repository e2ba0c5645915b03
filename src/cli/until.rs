//! `--until`: a limit by the clock, with what happens at the turn of a day and of summer time.

use super::times;
use crate::model::local_time::first;
use crate::model::units::Timestamp;
use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;

/// A clock time that was no longer ago than this has passed; what is longer ago is meant for the next day.
const PASSED: i64 = 6 * 60 * 60 * Timestamp::SECOND;

/// `04:00`, `2026-11-28T04:00`, or a moment with its offset.
pub fn parse(text: &str) -> Result<Timestamp, String> {
    read(text, times::now(), &TimeZone::system())
}

/// A clock time is the one that passed within the last six hours, else the next one. Where the clock shows it twice, the
/// first counts; where it skips it, the moment of the skip.
fn read(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(Timestamp(moment.as_millisecond()));
    }
    if let Ok(local) = text.parse::<DateTime>().or_else(|_| DateTime::strptime("%Y-%m-%d %H:%M", text)) {
        return first(local, zone).ok_or_else(|| format!("{text:?} is no time of this zone"));
    }
    let wrong = || format!("{text:?} is not a time: write 04:00, or 2026-11-28T04:00");
    let time = Time::strptime("%H:%M", text).map_err(|_| wrong())?;
    let today = jiff::Timestamp::from_millisecond(now.0).map_err(|_| wrong())?.to_zoned_datetime(zone.clone()).date();
    let days = [today.yesterday(), Ok(today), today.tomorrow()];
    let mut days: Vec<Timestamp> =
        days.into_iter().flatten().filter_map(|day| first(day.to_datetime(time), zone)).collect();
    days.sort();
    let meant = days.into_iter().find(|at| now.since(*at) <= PASSED);
    meant.ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn until(text: &str, now: &str) -> String {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let read = read(text, at(now), &berlin).unwrap();
        jiff::Timestamp::from_millisecond(read.0).unwrap().to_string()
    }

    #[test]
    fn a_clock_time_is_the_next_one_unless_it_has_just_passed() {
        assert_eq!(until("04:00", "2026-11-27T21:00:00Z"), "2026-11-28T03:00:00Z");
        assert_eq!(until("04:00", "2026-11-28T02:59:59Z"), "2026-11-28T03:00:00Z");
        assert_eq!(until("04:00", "2026-11-28T03:00:30Z"), "2026-11-28T03:00:00Z", "it has passed");
        assert_eq!(until("04:00", "2026-11-28T09:00:30Z"), "2026-11-29T03:00:00Z", "the next night");
        assert_eq!(until("23:59", "2026-11-28T00:10:00Z"), "2026-11-27T22:59:00Z", "it has passed, yesterday");
    }

    #[test]
    fn a_time_that_the_clock_shows_twice_is_the_first_and_one_that_it_skips_is_the_skip() {
        // Summer time ends: 02:30 is at 00:30 and at 01:30 UTC.
        assert_eq!(until("02:30", "2026-10-24T21:00:00Z"), "2026-10-25T00:30:00Z");
        assert_eq!(until("02:30", "2026-10-25T01:00:00Z"), "2026-10-25T00:30:00Z");
        // It begins: 02:00 to 03:00 does not exist, the clock jumps at 01:00 UTC.
        assert_eq!(until("02:30", "2026-03-28T21:00:00Z"), "2026-03-29T01:00:00Z");
    }

    #[test]
    fn a_date_says_which_day_is_meant() {
        assert_eq!(until("2026-11-30T04:00", "2026-11-28T03:00:30Z"), "2026-11-30T03:00:00Z");
        assert_eq!(until("2026-11-30 04:00", "2026-11-28T03:00:30Z"), "2026-11-30T03:00:00Z");
        assert_eq!(until("2026-11-30T04:00:00+02:00", "2026-11-28T03:00:30Z"), "2026-11-30T02:00:00Z");
        for wrong in ["", "4", "24:00", "04:60", "noon", "-1:00"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
