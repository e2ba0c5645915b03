//! The backup window of a policy: the time of day by whose end a backup should be made, and what a volume is called that has
//! one. Starts nothing. Pure: the time zone is given.

use super::local_time;
use super::units::Timestamp;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A time of day from and to, in local time: `22:00-05:00` ends on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct BackupWindow {
    /// Minutes since midnight. The two differ.
    from: u16,
    to: u16,
}

const MINUTES_OF_DAY: u16 = 24 * 60;
const HOUR: u16 = 60;

impl BackupWindow {
    /// `None`: no times of day, or no time between them.
    pub fn new(from: u16, to: u16) -> Option<Self> {
        (from != to && from < MINUTES_OF_DAY && to < MINUTES_OF_DAY).then_some(Self { from, to })
    }

    /// Minutes since midnight: its begin and its end.
    pub fn minutes(self) -> (u16, u16) {
        (self.from, self.to)
    }

    /// The one that ended last at this moment, and the one that ends next. `None` where the calendar has no such day.
    pub fn around(self, zone: &TimeZone, at: Timestamp) -> Option<(WindowTimes, WindowTimes)> {
        let local = zone.to_datetime(jiff::Timestamp::from_millisecond(at.0).ok()?).date();
        let days = (-2_i64..=2).filter_map(|days| local.checked_add(days.days()).ok());
        let times: Vec<WindowTimes> = days.filter_map(|day| self.ending_on(zone, day)).collect();
        let last = times.iter().rev().find(|times| times.end <= at)?;
        let next = times.iter().find(|times| times.end > at)?;
        Some((*last, *next))
    }

    /// `None` where the clocks go forward over all of it.
    fn ending_on(self, zone: &TimeZone, day: Date) -> Option<WindowTimes> {
        let begins_on = if self.from < self.to { day } else { day.yesterday().ok()? };
        // A time that the clocks leave out is the moment at which they go forward; of two the window takes the wider.
        let start = local_time::first(time_of(begins_on, self.from)?, zone)?;
        let end = local_time::last(time_of(day, self.to)?, zone)?;
        (start < end).then_some(WindowTimes { start, end })
    }
}

/// The local time so many minutes after midnight.
fn time_of(day: Date, minutes: u16) -> Option<DateTime> {
    let (hour, minute) = (i8::try_from(minutes / HOUR).ok()?, i8::try_from(minutes % HOUR).ok()?);
    Some(day.at(hour, minute, 0, 0))
}

impl fmt::Display for BackupWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = [self.from, self.to].map(|minutes| (minutes / HOUR, minutes % HOUR));
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.0, from.1, to.0, to.1)
    }
}

impl FromStr for BackupWindow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a window: write two different times of day, as 22:00-05:00");
        let (from, to) = text.split_once('-').ok_or_else(wrong)?;
        let time = |text: &str| {
            let (hour, minute) = text.trim().split_once(':')?;
            let is_number =
                |text: &str| (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
            let number = |text: &str| text.parse::<u16>().ok().filter(|_| is_number(text));
            let (hour, minute) = (number(hour)?, number(minute).filter(|_| minute.len() == 2)?);
            (hour < 24 && minute < HOUR).then_some(hour * HOUR + minute)
        };
        let (from, to) = (time(from).ok_or_else(wrong)?, time(to).ok_or_else(wrong)?);
        Self::new(from, to).ok_or_else(wrong)
    }
}

impl From<BackupWindow> for String {
    fn from(window: BackupWindow) -> Self {
        window.to_string()
    }
}

impl TryFrom<String> for BackupWindow {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// One night's window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowTimes {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// How a volume stands to its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WindowState {
    /// No backup is due by its end.
    NotDue,
    /// The backup was made in it.
    Done,
    /// It is not over, and no copy runs yet.
    Waiting,
    /// Equivalent, or by its end as it goes.
    InTime,
    /// The copy has only begun: there is no rate yet.
    Estimating,
    /// Whether it will be in time cannot be told.
    Unknown,
    /// It may not, or will not, be equivalent by its end.
    Late,
    /// It is over, and the backup was not made since it began.
    Missed,
}

impl WindowState {
    pub const ALL: [Self; 8] = [
        Self::NotDue,
        Self::Done,
        Self::Waiting,
        Self::InTime,
        Self::Estimating,
        Self::Unknown,
        Self::Late,
        Self::Missed,
    ];

    pub fn word(self) -> &'static str {
        match self {
            Self::NotDue => "not-due",
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::InTime => "in-time",
            Self::Estimating => "estimating",
            Self::Unknown => "unknown",
            Self::Late => "late",
            Self::Missed => "missed",
        }
    }

    /// Somebody has to know.
    pub fn is_trouble(self) -> bool {
        matches!(self, Self::Unknown | Self::Late | Self::Missed)
    }
}

/// A volume and its window. Of a missed one the times are those of the window that was missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowView {
    pub start: Timestamp,
    pub end: Timestamp,
    pub state: WindowState,
    /// Why it is a trouble, as half a sentence with local times; else empty.
    pub why: String,
}

impl WindowView {
    /// For a column.
    pub fn short(&self) -> &'static str {
        match self.state {
            WindowState::Unknown => "late?",
            state => state.word(),
        }
    }

    /// `late: equivalent at 05:40, the window ends at 05:00`.
    pub fn sentence(&self) -> String {
        let word = match self.state {
            WindowState::Unknown => "in time or late is not known",
            state => state.word(),
        };
        if self.why.is_empty() { word.to_owned() } else { format!("{word}: {}", self.why) }
    }
}

#[cfg(test)]
#[path = "backup_window_tests.rs"]
mod tests;
