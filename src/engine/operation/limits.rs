//! How long and how often an operation tries: every bound has a name here.

use std::time::Duration;

/// The bounds of one operation. Tests and the simulator give shorter ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For one call of the driver, all in.
    pub send: Duration,
    /// First pause; each one after it is twice as long, up to `longest_pause`.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// Pauses spent on an array that says busy, or is not reached before anything was sent.
    pub busy: Duration,
    /// Pauses spent looking for what the array said is done.
    pub observe: Duration,
    /// Pauses spent looking for what the array said it goes on with after its answer.
    pub accepted: Duration,
    /// Pauses spent on an array that cannot be read after something may have been sent.
    pub unreadable: Duration,
    /// Sends of one step whose outcome is unknown, all together.
    pub unknown_sends: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            send: Duration::from_secs(30),
            first_pause: Duration::from_millis(100),
            longest_pause: Duration::from_secs(5),
            busy: Duration::from_mins(1),
            observe: Duration::from_secs(30),
            accepted: Duration::from_mins(3),
            unreadable: Duration::from_mins(15),
            unknown_sends: 5,
        }
    }
}

/// Pauses that grow, and how much was spent on them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pauses {
    last: Duration,
    spent: Duration,
}

impl Pauses {
    /// The next pause, or `None` when `limit` has been spent.
    pub(super) fn next(&mut self, limits: &Limits, limit: Duration) -> Option<Duration> {
        if self.spent >= limit {
            return None;
        }
        let pause = (self.last * 2).clamp(limits.first_pause, limits.longest_pause);
        self.last = pause;
        self.spent += pause;
        Some(pause)
    }

    /// The next pause, however much has been spent.
    pub(super) fn endless(&mut self, limits: &Limits) -> Duration {
        self.next(limits, Duration::MAX).unwrap_or(limits.longest_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let limits = Limits { busy: Duration::from_secs(1), ..Limits::default() };
        let mut pauses = Pauses::default();
        let taken: Vec<u128> =
            std::iter::from_fn(|| pauses.next(&limits, limits.busy)).map(|pause| pause.as_millis()).collect();
        assert_eq!(taken, [100, 200, 400, 800]);
    }
}
