//! Which leaves of a volume were written to, since any moment of this process: by whomever, for fingerprints.

use crate::model::fingerprint::{ChangedLeaves, LEAF_BYTES, leaf_count, ranges};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

/// The moment of the last write to each leaf. It is kept from the first question on: most volumes are never asked about.
/// It ends with the process; a mark of an earlier one is not known, and then every leaf may have changed.
#[derive(Debug)]
pub(super) struct Changes {
    leaves: u64,
    /// A mark of another process, or from before the file was replaced, is of another number.
    epoch: AtomicU64,
    /// Counts the marks that were given.
    now: AtomicU64,
    last: OnceLock<Box<[AtomicU64]>>,
}

impl Changes {
    pub(super) fn new(bytes: u64) -> Self {
        Self {
            leaves: leaf_count(bytes),
            epoch: AtomicU64::new(fastrand::u64(..)),
            now: AtomicU64::new(1),
            last: OnceLock::new(),
        }
    }

    /// Bytes were written, or are about to be.
    pub(super) fn note(&self, range: &Range<u64>) {
        let Some(last) = self.last.get() else { return };
        let now = self.now.load(SeqCst);
        let leaves = range.start / LEAF_BYTES..range.end.div_ceil(LEAF_BYTES);
        for leaf in last.iter().take(leaves.end as usize).skip(leaves.start as usize) {
            leaf.fetch_max(now, SeqCst);
        }
    }

    /// Nothing is known of the bytes any more: no earlier mark is.
    pub(super) fn forget(&self) {
        self.epoch.store(fastrand::u64(..), SeqCst);
    }

    /// The leaves that were written to since the mark was given, and a mark of now.
    pub(super) fn since(&self, mark: Option<&str>) -> ChangedLeaves {
        let last = self.last.get_or_init(|| (0..self.leaves).map(|_| AtomicU64::new(0)).collect());
        let epoch = self.epoch.load(SeqCst);
        let now = self.now.fetch_add(1, SeqCst);
        let known = mark.and_then(|mark| mark.strip_prefix(&format!("{epoch:016x}."))?.parse::<u64>().ok());
        let changed = known.map(|known| {
            let written = (0..).zip(last).filter(|(_, leaf)| leaf.load(SeqCst) > known);
            ranges(written.map(|(at, _)| at))
        });
        ChangedLeaves { mark: Some(format!("{epoch:016x}.{now}")), changed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ranges by their ends.
    fn changed(changes: &Changes, since: &ChangedLeaves) -> Option<Vec<(u64, u64)>> {
        let ranges = changes.since(since.mark.as_deref()).changed?;
        Some(ranges.iter().map(|range| (range.start, range.end)).collect())
    }

    #[test]
    fn a_mark_tells_what_was_written_after_it_and_nothing_else() {
        let changes = Changes::new(10 << 20);
        changes.note(&(0..10));
        let first = changes.since(None);
        assert_eq!(first.changed, None);
        changes.note(&(LEAF_BYTES - 1..LEAF_BYTES + 1));
        let second = changes.since(first.mark.as_deref());
        assert_eq!(changed(&changes, &first), Some(vec![(0, 2)]));
        changes.note(&(9 << 20..10 << 20));
        assert_eq!(changed(&changes, &second), Some(vec![(9, 10)]));
        assert_eq!(changes.since(first.mark.as_deref()).changed, Some(vec![0..2, 9..10]), "marks stay");
        changes.forget();
        assert_eq!(changes.since(second.mark.as_deref()).changed, None);
        assert_eq!(Changes::new(10 << 20).since(second.mark.as_deref()).changed, None, "of another process");
    }
}
