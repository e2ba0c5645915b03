//! Numbers and times as people read them on the screen: local clock times, never seconds.

use crate::model::local_time;
use crate::model::snapshot::Ready;
use crate::model::units::{Blocks, Timestamp, iec};
use crate::model::untrusted::Untrusted;
use jiff::tz::TimeZone;

/// Wall time for the screen. The instant is set from outside, so that a frame is a function of the state.
#[derive(Debug, Clone)]
pub struct Clock {
    pub now: Timestamp,
    zone: TimeZone,
    /// The time zone that was asked for is not known: times are UTC.
    zone_unknown: bool,
}

/// A time by so much ahead of the clock is said to be in the future.
const FUTURE_MILLIS: i64 = 2 * 60 * Timestamp::SECOND;

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Clock {
    pub fn new(now: Timestamp, zone: TimeZone) -> Self {
        Self { now, zone, zone_unknown: false }
    }

    /// In the time zone of `TZ` or the system. One that is not known is said, with its sentence, and is UTC.
    pub fn of_system(now: Timestamp) -> (Self, Option<String>) {
        if let Ok(zone) = TimeZone::try_system() {
            return (Self::new(now, zone), None);
        }
        let name = std::env::var("TZ").map_or_else(|_| "of this system".to_owned(), |name| format!("TZ={name}"));
        let text = format!("the time zone {} is not known: times are UTC", Untrusted::new(name).escaped());
        (Self { zone_unknown: true, ..Self::new(now, TimeZone::UTC) }, Some(text))
    }

    /// The zone of the times on the screen: `CET`, `UTC`, `+0530`.
    pub fn zone(&self) -> String {
        if self.zone_unknown {
            return "UTC, TZ unknown".to_owned();
        }
        let Ok(now) = jiff::Timestamp::from_millisecond(self.now.0) else { return String::new() };
        self.zone.to_offset_info(now).abbreviation().to_owned()
    }

    /// `01:31`; with its offset, `02:30+02`, where the clock shows this time twice.
    pub fn minute(&self, at: Timestamp) -> String {
        let minutes = self.local(at).rem_euclid(Timestamp::DAY) / 60_000;
        format!("{:02}:{:02}{}", minutes / 60, minutes % 60, self.repeated(at))
    }

    /// The offset of a time that comes twice, when clocks are set back; else nothing.
    fn repeated(&self, at: Timestamp) -> String {
        let Ok(instant) = jiff::Timestamp::from_millisecond(at.0) else { return String::new() };
        let offset = self.zone.to_offset(instant);
        if !self.zone.to_ambiguous_timestamp(offset.to_datetime(instant)).is_ambiguous() {
            return String::new();
        }
        let minutes = offset.seconds() / 60;
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, rest) = (minutes.abs() / 60, minutes.abs() % 60);
        if rest == 0 { format!("{sign}{hours:02}") } else { format!("{sign}{hours:02}{rest:02}") }
    }

    /// Whether a time is still to come by so much that no two clocks' difference explains it.
    pub fn is_future(&self, at: Timestamp) -> bool {
        at.since(self.now) > FUTURE_MILLIS
    }

    /// `Tue 02:00` within a week, `12 Nov` before, `Nov 2025` in other years: nine columns at most, and the offset
    /// of a time that comes twice.
    pub fn moment(&self, at: Timestamp) -> String {
        let days = self.day(self.now) - self.day(at);
        if (-6..=6).contains(&days) {
            return format!("{} {}", self.weekday(at), self.minute(at));
        }
        let date = |at: Timestamp| jiff::Timestamp::from_millisecond(at.0).map(|at| self.zone.to_datetime(at).date());
        let (Ok(then), Ok(now)) = (date(at), date(self.now)) else {
            return "?".to_owned();
        };
        let month = MONTHS[usize::try_from(then.month() - 1).unwrap_or(0) % 12];
        if then.year() == now.year() { format!("{} {month}", then.day()) } else { format!("{month} {}", then.year()) }
    }

    /// A night to come: `Tue 02:00` within a week, else `Tue 12 Jan`.
    pub fn night(&self, at: Timestamp) -> String {
        let days = self.day(self.now) - self.day(at);
        if (-6..=6).contains(&days) { self.moment(at) } else { format!("{} {}", self.weekday(at), self.moment(at)) }
    }

    /// The same to the second: `Tue 02:00:07`, or `12 Nov 02:00:07`.
    pub fn moment_to_the_second(&self, at: Timestamp) -> String {
        let seconds = self.local(at).rem_euclid(60_000) / 1_000;
        let time = format!("{}:{seconds:02}", self.minute(at));
        match self.moment(at).strip_suffix(&self.minute(at)) {
            Some(day) => format!("{day}{time}"),
            None => format!("{} {time}", self.moment(at)),
        }
    }

    /// A moment that has passed, as somebody writes it: `18:00`, `Mon 02:00`, `2d`.
    ///
    /// # Errors
    /// It is no time, or has not come yet.
    pub fn past(&self, text: &str) -> Result<Timestamp, String> {
        local_time::past(text, self.now, &self.zone)
    }

    /// The time today, else with its weekday or date.
    pub fn moment_or_minute(&self, at: Timestamp) -> String {
        if self.day(at) == self.day(self.now) { self.minute(at) } else { self.moment(at) }
    }

    /// When a backup becomes possible, in at most `width` columns: `now`, `01:47`, `01:50-01:55`, `~01:55`, `Wed 02:10`, `Wed`.
    pub fn ready(&self, ready: Ready, width: u16) -> String {
        match ready {
            Ready::Now => "now".to_owned(),
            Ready::NotYetKnown => "?".to_owned(),
            Ready::Never => "-".to_owned(),
            Ready::Between { earliest, latest } => {
                // A time that has passed while the copy goes on would read as a lie.
                let (earliest, latest) = (earliest.max(self.now), latest.max(self.now));
                let (from, to) = (self.moment_or_minute(earliest), self.moment_or_minute(latest));
                let range = format!("{from}-{to}");
                if from == to && fits(&to, width) {
                    to
                } else if from != to && fits(&range, width) {
                    range
                } else if from != to && to.len() < usize::from(width) {
                    format!("~{to}")
                } else if fits(&to, width) {
                    to
                } else {
                    self.weekday(latest).to_owned()
                }
            }
        }
    }

    /// How old something is, in words that do not count seconds: `3 min`, `5 h`, `2 days`.
    pub fn age(earlier: Timestamp, later: Timestamp) -> String {
        let minutes = later.since(earlier).max(0) / 60_000;
        match minutes {
            0 => "under 1 min".to_owned(),
            1..=119 => format!("{minutes} min"),
            120..=2879 => format!("{} h", minutes / 60),
            _ => format!("{} days", minutes / 1440),
        }
    }

    /// A span of time that is to come: `under 1 min`, `12 min`, `3 h 20 min`.
    pub fn span(millis: i64) -> String {
        let minutes = (millis.max(0) + 59_999) / 60_000;
        match minutes {
            0 | 1 => "about 1 min".to_owned(),
            2..=119 => format!("{minutes} min"),
            _ => format!("{} h {} min", minutes / 60, minutes % 60),
        }
    }

    /// Milliseconds until the clock on the screen changes.
    pub fn until_next_minute(now: Timestamp) -> u64 {
        u64::try_from(60_000 - now.0.rem_euclid(60_000)).unwrap_or(60_000)
    }

    fn weekday(&self, at: Timestamp) -> &'static str {
        // 1970-01-01 was a Thursday.
        WEEKDAYS[usize::try_from((self.day(at) + 3).rem_euclid(7)).unwrap_or(0)]
    }

    fn day(&self, at: Timestamp) -> i64 {
        self.local(at).div_euclid(Timestamp::DAY)
    }

    fn local(&self, at: Timestamp) -> i64 {
        let offset = jiff::Timestamp::from_millisecond(at.0).map_or(0, |at| self.zone.to_offset(at).seconds());
        at.0.saturating_add(i64::from(offset) * Timestamp::SECOND)
    }
}

fn fits(text: &str, width: u16) -> bool {
    text.len() <= usize::from(width)
}

/// `12 MiB/s`, to two digits: a third one would change every second and tell nobody anything.
pub fn rate(bytes_per_second: u64) -> String {
    let mut step = 1;
    while bytes_per_second / step >= 100 && step < u64::MAX / 1024 {
        step *= 2;
    }
    format!("{}/s", iec(bytes_per_second / step * step))
}

/// What is left, to two digits, for the same reason.
pub fn left(blocks: Blocks) -> String {
    const MIB: u64 = 1 << 20;
    let bytes = blocks.bytes();
    if bytes >= 10 * MIB { iec(bytes / MIB * MIB) } else { iec(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60 * Timestamp::SECOND;
    /// Tuesday, 24 November 2026, 01:31 UTC.
    const NOW: Timestamp = Timestamp(1_795_483_860_000);

    fn clock() -> Clock {
        Clock::new(NOW, TimeZone::UTC)
    }

    #[test]
    fn times_are_told_as_people_tell_them() {
        let clock = clock();
        assert_eq!(clock.minute(NOW), "01:31");
        assert_eq!(clock.moment(NOW.plus_millis(-Timestamp::DAY)), "Mon 01:31");
        assert_eq!(clock.moment(NOW.plus_millis(-12 * Timestamp::DAY)), "12 Nov");
        assert_eq!(clock.moment(NOW.plus_millis(-400 * Timestamp::DAY)), "Oct 2025");
        assert_eq!(clock.moment(Timestamp(i64::MAX)), "?");
    }

    #[test]
    fn a_time_that_comes_twice_has_its_offset_and_a_zone_has_its_name() {
        // POSIX rules: no database is needed.
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // 25 October 2026, 00:30 UTC: 02:30 in summer time, and an hour later again.
        let first = Timestamp(1_792_888_200_000);
        let clock = Clock::new(first, zone);
        let second = first.plus_millis(60 * MINUTE);
        assert_eq!((clock.minute(first), clock.minute(second)), ("02:30+02".to_owned(), "02:30+01".to_owned()));
        assert_eq!(clock.minute(first.plus_millis(-60 * MINUTE)), "01:30");
        assert_eq!(clock.minute(second.plus_millis(60 * MINUTE)), "03:30");
        assert_eq!((clock.zone(), Clock::new(NOW, clock.zone.clone()).zone()), ("CEST".to_owned(), "CET".to_owned()));
        assert!(clock.is_future(second) && !clock.is_future(first));
    }

    #[test]
    fn ready_is_a_clock_time_or_a_range_in_the_room_there_is() {
        let clock = clock();
        let at = |minutes| NOW.plus_millis(minutes * MINUTE);
        let between = |from, to| Ready::Between { earliest: at(from), latest: at(to) };
        assert_eq!(clock.ready(between(16, 16), 6), "01:47");
        assert_eq!(clock.ready(between(19, 24), 11), "01:50-01:55");
        assert_eq!(clock.ready(between(19, 24), 6), "~01:55");
        assert_eq!(clock.ready(between(1500, 1500), 9), "Wed 02:31");
        assert_eq!(clock.ready(between(1500, 1500), 6), "Wed");
        assert_eq!(clock.ready(between(-9, -5), 11), "01:31");
        assert_eq!(clock.ready(Ready::Now, 5), "now");
    }

    #[test]
    fn a_rate_keeps_two_digits_or_so() {
        assert_eq!(rate(12 << 20), "12 MiB/s");
        assert_eq!(rate((12 << 20) + 4_321), "12 MiB/s");
        assert_eq!(rate(0), "0 B/s");
        assert!(rate(u64::MAX).ends_with("EiB/s"));
    }
}
