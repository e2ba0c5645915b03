//! The clocks of this process: the one place that asks what time it is.
//!
//! The wall clock may jump: it is for people, for the ages of generations and for due dates. Whatever decides what came
//! first, or how old a reading is, goes by numbers and by [`steady`].

use crate::model::units::Timestamp;
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The wall clock.
#[expect(clippy::disallowed_methods, reason = "this is the place that the rule names")]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// Time since this host was started, with the time that it slept: no step of the wall clock changes it.
pub fn steady() -> Duration {
    let since = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(since.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(since.tv_nsec).unwrap_or_default())
}
