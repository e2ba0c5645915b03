//! Locks on byte ranges of a volume: who writes and who copies the same bytes takes turns.

use parking_lot::{Condvar, Mutex};
use std::ops::Range;

/// The page cache keeps up to so much in one piece. A direct write to a part of it while a host's write makes another
/// part dirty would leave old bytes in the cache.
const CACHED_PIECE: u64 = 2 << 20;

/// The ranges that are held now. Overlapping holders wait for each other, others do not meet.
///
/// Host writes exclude each other too where they overlap: mirrored in two orders, they would leave the two sides different.
#[derive(Debug, Default)]
pub(super) struct RangeLock {
    held: Mutex<Vec<Held>>,
    freed: Condvar,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Held {
    range: Range<u64>,
    /// It is written past the page cache.
    direct: bool,
}

impl Held {
    fn excludes(&self, other: &Self) -> bool {
        let (one, two) = if self.direct == other.direct {
            (self.range.clone(), other.range.clone())
        } else {
            (self.in_cache(), other.in_cache())
        };
        one.start < two.end && two.start < one.end
    }

    /// What is kept in one piece with it.
    fn in_cache(&self) -> Range<u64> {
        if !self.direct {
            return self.range.clone();
        }
        self.range.start / CACHED_PIECE * CACHED_PIECE..self.range.end.next_multiple_of(CACHED_PIECE)
    }
}

/// Lets go of its range when dropped.
#[derive(Debug)]
pub(super) struct RangeGuard<'a> {
    lock: &'a RangeLock,
    held: Held,
}

impl RangeLock {
    /// Waits until nobody holds a byte of the range, and holds it.
    pub(super) fn lock(&self, range: Range<u64>) -> RangeGuard<'_> {
        self.hold(Held { range, direct: false })
    }

    /// As [`RangeLock::lock`], for copying past the page cache where that is so.
    pub(super) fn lock_to_copy(&self, range: Range<u64>, direct: bool) -> RangeGuard<'_> {
        self.hold(Held { range, direct })
    }

    fn hold(&self, wanted: Held) -> RangeGuard<'_> {
        let mut all = self.held.lock();
        while all.iter().any(|other| other.excludes(&wanted)) {
            self.freed.wait(&mut all);
        }
        all.push(wanted.clone());
        RangeGuard { lock: self, held: wanted }
    }
}

impl Drop for RangeGuard<'_> {
    fn drop(&mut self) {
        let mut all = self.lock.held.lock();
        if let Some(index) = all.iter().position(|other| *other == self.held) {
            all.swap_remove(index);
        }
        self.lock.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copiers_past_the_cache_share_a_piece_of_it_that_hosts_stay_out_of() {
        let of = |start: u64, direct| Held { range: start << 20..(start + 1) << 20, direct };
        assert!(!of(0, true).excludes(&of(1, true)), "two copiers side by side");
        assert!(!of(0, false).excludes(&of(1, false)), "two hosts side by side");
        assert!(of(0, true).excludes(&of(1, false)) && of(1, false).excludes(&of(0, true)));
        assert!(!of(0, true).excludes(&of(2, false)) && !of(2, false).excludes(&of(1, true)));
        for (one, other) in [(true, true), (false, false), (true, false)] {
            assert!(of(0, one).excludes(&of(0, other)));
        }
    }
}
