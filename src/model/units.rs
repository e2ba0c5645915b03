//! Numbers that have a unit: blocks, percentages, versions, instants.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A count of 512-byte blocks, the array's unit of capacity. Equal capacity means equal blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Blocks(pub u64);

impl Blocks {
    /// Bytes in one block.
    pub const BYTES: u64 = 512;

    pub const fn from_mib(mib: u64) -> Self {
        Self(mib * (1 << 20) / Self::BYTES)
    }

    /// The blocks that hold exactly so many bytes; `None` when the bytes end inside a block.
    pub const fn from_bytes(bytes: u64) -> Option<Self> {
        if bytes.is_multiple_of(Self::BYTES) { Some(Self(bytes / Self::BYTES)) } else { None }
    }

    pub const fn bytes(self) -> u64 {
        self.0 * Self::BYTES
    }

    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// IEC units, at most four significant digits: `192 MiB`, `4.1 MiB`, `512 B`.
impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&iec(self.bytes()))
    }
}

/// `1 volume`, `3 volumes`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {many}") }
}

/// The first `most` of several names, and how many more there are: `a, b and 3 more`.
pub fn listed(names: impl IntoIterator<IntoIter: ExactSizeIterator<Item = String>>, most: usize) -> String {
    let names = names.into_iter();
    let more = names.len().saturating_sub(most);
    let shown = names.take(most).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// Bytes in IEC units: whole numbers from ten on and for exact values, one decimal below.
pub fn iec(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut unit = 0;
    let mut scale = 1_u64;
    while unit + 1 < UNITS.len() && bytes / scale >= 1024 {
        scale <<= 10;
        unit += 1;
    }
    let whole = bytes / scale;
    let tenths = (u128::from(bytes % scale) * 10 / u128::from(scale)) as u64;
    if whole >= 10 || bytes.is_multiple_of(scale) {
        format!("{whole} {}", UNITS[unit])
    } else {
        format!("{whole}.{tenths} {}", UNITS[unit])
    }
}

/// What a copy run has done of what it has to do. Absent where the array gives no total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub done: Blocks,
    pub total: Blocks,
}

impl Progress {
    /// Whole percent, 0 to 100. 100 only when everything is done; `None` without a total.
    pub fn percent(self) -> Option<Percent> {
        if self.total.0 == 0 {
            return None;
        }
        let done = self.done.0.min(self.total.0);
        Some(Percent((u128::from(done) * 100 / u128::from(self.total.0)) as u8))
    }

    /// Share done, 0.0 to 1.0; `None` without a total.
    pub fn share(self) -> Option<f64> {
        (self.total.0 > 0).then(|| self.done.0.min(self.total.0) as f64 / self.total.0 as f64)
    }

    pub fn left(self) -> Blocks {
        self.total.saturating_sub(self.done)
    }
}

/// Whole percent, never outside 0 to 100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Percent(u8);

impl Percent {
    pub fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0)
    }
}

/// Absolute number of a generation of one transaction volume, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u64);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// An instant: milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    pub const SECOND: i64 = 1_000;
    pub const DAY: i64 = 86_400 * Self::SECOND;

    /// Milliseconds from `earlier` to this instant; negative when the clock went back.
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    #[must_use]
    pub const fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        assert_eq!(Blocks::from_mib(192).to_string(), "192 MiB");
        assert_eq!(Blocks(8396).to_string(), "4.0 MiB");
        assert_eq!(Blocks(1).to_string(), "512 B");
        assert_eq!(iec(0), "0 B");
        assert_eq!(iec(u64::MAX), "15 EiB");
    }

    proptest! {
        #[test]
        fn progress_never_leaves_0_to_100(done: u64, total: u64) {
            let progress = Progress { done: Blocks(done), total: Blocks(total) };
            match progress.percent() {
                None => prop_assert_eq!(total, 0),
                Some(percent) => {
                    prop_assert!(percent.get() <= 100);
                    prop_assert_eq!(percent.get() == 100, done >= total);
                }
            }
        }
    }
}
