//! Which 64 KiB regions of a pair may differ: a bit each, dirty or clean. Erring is towards dirty.

use crate::model::units::Blocks;
use std::ops::Range;

/// Bytes of a region, the grain in which differences are known.
pub const REGION: u64 = 64 << 10;
/// Blocks of a region.
pub const REGION_BLOCKS: u64 = REGION / Blocks::BYTES;

/// Regions `start..end`, numbered from the volume's beginning.
pub type Run = Range<u32>;

/// The regions that a range of bytes touches.
pub fn regions_of(bytes: &Range<u64>) -> Run {
    (bytes.start / REGION) as u32..bytes.end.div_ceil(REGION) as u32
}

/// The bytes of a run, which at the volume's end may be shorter than its regions.
pub fn bytes_of(run: &Run, blocks: Blocks) -> Range<u64> {
    u64::from(run.start) * REGION..(u64::from(run.end) * REGION).min(blocks.bytes())
}

/// The dirty regions of one session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RegionMap {
    blocks: Blocks,
    words: Vec<u64>,
    dirty: u32,
    /// Grows with every change, so that a writer of checkpoints can tell what it need not write.
    changes: u64,
}

impl RegionMap {
    pub fn all_clean(blocks: Blocks) -> Self {
        let regions = blocks.0.div_ceil(REGION_BLOCKS) as usize;
        Self { blocks, words: vec![0; regions.div_ceil(64)], dirty: 0, changes: 0 }
    }

    pub fn all_dirty(blocks: Blocks) -> Self {
        let mut map = Self::all_clean(blocks);
        map.mark(&(0..map.regions()));
        map
    }

    /// A map from stored words. Bits beyond the volume's end are dropped; `None` when the count of words does not fit.
    pub fn from_words(blocks: Blocks, words: &[u64]) -> Option<Self> {
        let mut map = Self::all_clean(blocks);
        if words.len() != map.words.len() {
            return None;
        }
        for region in 0..map.regions() {
            if words[region as usize / 64] >> (region % 64) & 1 == 1 {
                map.mark(&(region..region + 1));
            }
        }
        Some(map)
    }

    pub fn words(&self) -> &[u64] {
        &self.words
    }

    pub fn changes(&self) -> u64 {
        self.changes
    }

    pub fn regions(&self) -> u32 {
        self.blocks.0.div_ceil(REGION_BLOCKS) as u32
    }

    pub fn is_dirty(&self, region: u32) -> bool {
        self.words.get(region as usize / 64).is_some_and(|word| word >> (region % 64) & 1 == 1)
    }

    pub fn is_clean(&self) -> bool {
        self.dirty == 0
    }

    pub fn dirty_regions(&self) -> u32 {
        self.dirty
    }

    /// Blocks in dirty regions, exact at the volume's end.
    pub fn dirty_blocks(&self) -> Blocks {
        let whole = u64::from(self.dirty) * REGION_BLOCKS;
        let last = self.regions().saturating_sub(1);
        let missing = u64::from(self.regions()) * REGION_BLOCKS - self.blocks.0;
        Blocks(if self.is_dirty(last) { whole - missing } else { whole })
    }

    pub fn mark(&mut self, run: &Run) {
        for region in run.start..run.end.min(self.regions()) {
            let (word, bit) = (&mut self.words[region as usize / 64], 1 << (region % 64));
            if *word & bit == 0 {
                *word |= bit;
                self.dirty += 1;
                self.changes += 1;
            }
        }
    }

    pub fn clear(&mut self, run: &Run) {
        for region in run.start..run.end.min(self.regions()) {
            let (word, bit) = (&mut self.words[region as usize / 64], 1 << (region % 64));
            if *word & bit != 0 {
                *word &= !bit;
                self.dirty -= 1;
                self.changes += 1;
            }
        }
    }

    /// The first run of dirty regions at or after `from`, at most `longest` regions, that `skip` does not touch.
    pub fn next_dirty(&self, from: u32, longest: u32, skip: &[Run]) -> Option<Run> {
        let free = |region: u32| !skip.iter().any(|run| run.contains(&region));
        let start = self.first_dirty(from, &free)?;
        let mut end = start + 1;
        while end - start < longest && self.is_dirty(end) && free(end) {
            end += 1;
        }
        Some(start..end)
    }

    fn first_dirty(&self, from: u32, free: &impl Fn(u32) -> bool) -> Option<u32> {
        let mut region = from;
        while region < self.regions() {
            let rest = self.words[region as usize / 64] >> (region % 64);
            if rest == 0 {
                region = (region / 64 + 1) * 64;
            } else {
                region += rest.trailing_zeros();
                if free(region) {
                    return Some(region);
                }
                region += 1;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_last_region_of_an_odd_volume_counts_only_its_blocks() {
        let mut map = RegionMap::all_dirty(Blocks(REGION_BLOCKS + 5));
        assert_eq!(map.regions(), 2);
        assert_eq!(map.dirty_blocks(), Blocks(REGION_BLOCKS + 5));
        map.clear(&(1..2));
        assert_eq!(map.dirty_blocks(), Blocks(REGION_BLOCKS));
        assert_eq!(bytes_of(&(1..2), Blocks(REGION_BLOCKS + 5)), REGION..REGION + 5 * 512);
    }

    proptest! {
        #[test]
        fn the_map_agrees_with_a_plain_list(ops in prop::collection::vec((any::<bool>(), 0_u32..300, 1_u32..70), 0..40)) {
            let mut map = RegionMap::all_clean(Blocks(257 * REGION_BLOCKS));
            let mut list = vec![false; 257];
            for (dirty, start, length) in ops {
                let run = start..start + length;
                if dirty { map.mark(&run) } else { map.clear(&run) }
                for region in run.filter(|region| *region < 257) {
                    list[region as usize] = dirty;
                }
            }
            prop_assert_eq!(map.dirty_regions() as usize, list.iter().filter(|dirty| **dirty).count());
            let (mut found, mut from) = (vec![false; 257], 0);
            while let Some(run) = map.next_dirty(from, 16, &[]) {
                prop_assert!(run.len() <= 16);
                from = run.end;
                run.for_each(|region| found[region as usize] = true);
            }
            prop_assert_eq!(&found, &list);
            let again = RegionMap::from_words(Blocks(257 * REGION_BLOCKS), map.words()).unwrap();
            prop_assert_eq!(again.words(), map.words());
        }
    }
}
