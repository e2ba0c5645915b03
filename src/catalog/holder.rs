//! Who has a catalogue: the host, the process and since when.

use crate::model::units::Timestamp;
use crate::model::untrusted::escaped;
use std::fmt;

/// The process that has a catalogue to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub host: String,
    pub pid: u32,
    pub since: Timestamp,
}

impl Holder {
    pub fn this_process(since: Timestamp) -> Self {
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self { host: host.trim().to_owned(), pid: std::process::id(), since }
    }

    /// `host pid milliseconds`, on a line.
    pub fn to_line(&self) -> String {
        format!("{} {} {}\n", self.host, self.pid, self.since.0)
    }

    pub fn from_line(line: &str) -> Option<Self> {
        let mut words = line.trim_end().rsplitn(3, ' ');
        let (since, pid, host) = (words.next()?, words.next()?, words.next()?);
        Some(Self { host: host.to_owned(), pid: pid.parse().ok()?, since: Timestamp(since.parse().ok()?) })
    }
}

/// `process 4711 on host db01, since 2026-11-23T01:00:07.123Z`.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = jiff::Timestamp::from_millisecond(self.since.0);
        let since = since.map_or_else(|_| self.since.0.to_string(), |since| format!("{since:.3}"));
        write!(f, "process {} on host {}, since {since}", self.pid, escaped(&self.host))
    }
}

/// ` (HOLDER)`, or nothing where the holder did not say who it is.
pub(super) fn named(holder: Option<&Holder>) -> String {
    holder.map_or_else(String::new, |holder| format!(" ({holder})"))
}

/// The wall clock of this host.
pub(super) fn now() -> Timestamp {
    crate::process::clock::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_read_back_from_its_line() {
        let holder = Holder { host: "db 01".into(), pid: 7, since: Timestamp(1_000) };
        assert_eq!(Holder::from_line(&holder.to_line()), Some(holder.clone()));
        assert_eq!(Holder::from_line(""), None);
        assert_eq!(holder.to_string(), "process 7 on host db 01, since 1970-01-01T00:00:01.000Z");
    }
}
