//! Order by number and age by a clock that never jumps: what decides which reading came first, and how old it is.

use super::units::Timestamp;
use serde::{Deserialize, Serialize};

/// One start of an engine. Numbers of two starts say nothing about each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EngineStart(pub u64);

/// How many readings an engine had begun at a moment. A reading whose number is higher began after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadingMark {
    pub start: EngineStart,
    pub count: u64,
}

/// A moment on the engine host's clock since it was started, in milliseconds. Only the time between two moments of the same
/// start of an engine means anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub i64);

impl Moment {
    /// Milliseconds from an earlier moment to this one.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Where nothing steps the clock, as in tests and fixtures, both clocks tell the same time.
    pub fn at(wall: Timestamp) -> Self {
        Self(wall.0)
    }
}
