//! Durations of the configuration.

use crate::model::duration::millis;
use std::time::Duration;

/// As [`millis`] reads them, which is as the command line does.
pub fn parse(text: &str) -> Result<Duration, String> {
    millis(text).map(Duration::from_millis)
}
