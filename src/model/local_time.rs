//! Times as people write them, in their zone: the turn of summer time, and moments that have passed.

use super::duration::millis;
use super::units::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, AmbiguousTimestamp, TimeZone};

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The first moment at which clocks of the zone show this time or a later one of the same day.
pub fn first(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    moment(local, zone, AmbiguousTimestamp::earlier)
}

/// The same, but the last moment where the clocks show this time twice.
pub fn last(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    moment(local, zone, AmbiguousTimestamp::later)
}

fn moment(
    local: DateTime,
    zone: &TimeZone,
    of_two: fn(AmbiguousTimestamp) -> Result<jiff::Timestamp, jiff::Error>,
) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    let at = match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } => ambiguous.unambiguous().ok()?,
        AmbiguousOffset::Fold { .. } => of_two(ambiguous).ok()?,
        AmbiguousOffset::Gap { .. } => {
            let before = ambiguous.earlier().ok()?;
            zone.following(before).next()?.timestamp()
        }
    };
    Some(Timestamp(at.as_millisecond()))
}

/// `18:00` (the last one that has passed), `Mon 02:00` (the same), `2d` (so long ago), `2026-11-27T18:00`, or a moment with its
/// offset.
///
/// # Errors
/// It is no time, or it has not come yet.
pub fn past(text: &str, now: Timestamp, zone: &TimeZone) -> Result<Timestamp, String> {
    let wrong = || format!("{text:?} is not a time: write 18:00, Mon 02:00, 2d, or 2026-11-27T18:00");
    let at = if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        Timestamp(moment.as_millisecond())
    } else if let Ok(local) = text.parse::<DateTime>().or_else(|_| DateTime::strptime("%Y-%m-%d %H:%M", text)) {
        first(local, zone).ok_or_else(wrong)?
    } else if let Some((weekday, time)) = of_the_clock(text) {
        let today = jiff::Timestamp::from_millisecond(now.0).map_err(|_| wrong())?.to_zoned_datetime(zone.clone());
        last_passed(today.date(), weekday, time, now, zone).ok_or_else(wrong)?
    } else {
        // A number alone would be seconds, which nobody means here.
        let span = Some(text).filter(|text| text.ends_with(char::is_alphabetic)).and_then(|text| millis(text).ok());
        let span = span.and_then(|span| i64::try_from(span).ok()).ok_or_else(wrong)?;
        Timestamp(now.0.checked_sub(span).ok_or_else(wrong)?)
    };
    if at > now { Err(format!("{text:?} has not come yet: give a time that has passed")) } else { Ok(at) }
}

/// `18:00`, or `Mon 18:00` with the number of the weekday.
fn of_the_clock(text: &str) -> Option<(Option<usize>, Time)> {
    let (weekday, time) = match text.split_once(' ') {
        Some((day, time)) => {
            let day = day.to_ascii_lowercase();
            (Some(WEEKDAYS.iter().position(|known| *known == day)?), time.trim_start())
        }
        None => (None, text),
    };
    Some((weekday, Time::strptime("%H:%M", time).ok()?))
}

/// The last moment of this time of day, on such a weekday, that has passed.
fn last_passed(today: Date, weekday: Option<usize>, time: Time, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let is_meant = |day: &Date| {
        let number = usize::try_from(day.weekday().to_monday_zero_offset()).ok();
        weekday.is_none_or(|wanted| number == Some(wanted))
    };
    let days = std::iter::successors(Some(today), |day| day.yesterday().ok()).take(9);
    days.filter(is_meant).filter_map(|day| first(day.to_datetime(time), zone)).find(|at| *at <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn since(text: &str, now: &str) -> Result<String, String> {
        let now = Timestamp(now.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let at = past(text, now, &TimeZone::get("Europe/Berlin").unwrap())?;
        Ok(jiff::Timestamp::from_millisecond(at.0).unwrap().to_string())
    }

    #[test]
    fn a_time_is_the_last_one_that_has_passed() {
        let morning = "2026-11-28T06:00:00Z";
        assert_eq!(since("18:00", morning).unwrap(), "2026-11-27T17:00:00Z", "yesterday evening");
        assert_eq!(since("07:00", morning).unwrap(), "2026-11-28T06:00:00Z", "now");
        assert_eq!(since("2d", morning).unwrap(), "2026-11-26T06:00:00Z");
        assert_eq!(
            since("Sat 07:00", morning).unwrap(),
            "2026-11-28T06:00:00Z",
            "today is a Saturday, and it is 07:00"
        );
        assert_eq!(since("sat 08:00", morning).unwrap(), "2026-11-21T07:00:00Z", "it has not come yet today");
        assert_eq!(since("Mon 02:00", morning).unwrap(), "2026-11-23T01:00:00Z");
        assert_eq!(since("90m", morning).unwrap(), "2026-11-28T04:30:00Z");
        assert_eq!(since("2026-11-27T18:00", morning).unwrap(), "2026-11-27T17:00:00Z");
        assert_eq!(since("2026-11-27T18:00:00+02:00", morning).unwrap(), "2026-11-27T16:00:00Z");
        assert!(since("2026-11-29T18:00", morning).unwrap_err().contains("has not come yet"));
        for wrong in
            ["", "18", "24:00", "-2d", "yesterday", "2w", "Mon", "Mon 25:00", "Moon 02:00", "18446744073709551615ms"]
        {
            assert!(since(wrong, morning).is_err(), "{wrong}");
        }
    }
}
