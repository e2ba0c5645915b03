//! Locks on byte ranges of a volume: who writes and who copies the same bytes takes turns.

use super::held;
use std::ops::Range;
use std::sync::{Condvar, Mutex};

/// The ranges that are held now. Overlapping holders wait for each other, others do not meet.
///
/// Host writes exclude each other too where they overlap: mirrored in two orders, they would leave the two sides different.
#[derive(Debug, Default)]
pub(super) struct RangeLock {
    held: Mutex<Vec<Range<u64>>>,
    freed: Condvar,
}

/// Lets go of its range when dropped.
#[derive(Debug)]
pub(super) struct RangeGuard<'a> {
    lock: &'a RangeLock,
    range: Range<u64>,
}

impl RangeLock {
    /// Waits until nobody holds a byte of the range, and holds it.
    pub(super) fn lock(&self, range: Range<u64>) -> RangeGuard<'_> {
        let mut ranges = held(&self.held);
        while ranges.iter().any(|other| other.start < range.end && range.start < other.end) {
            ranges = self.freed.wait(ranges).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
        ranges.push(range.clone());
        RangeGuard { lock: self, range }
    }
}

impl Drop for RangeGuard<'_> {
    fn drop(&mut self) {
        let mut ranges = held(&self.lock.held);
        if let Some(index) = ranges.iter().position(|range| *range == self.range) {
            ranges.swap_remove(index);
        }
        self.lock.freed.notify_all();
    }
}
