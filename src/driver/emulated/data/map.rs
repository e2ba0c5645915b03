//! The dirty map of a session: one bit for each 64 KiB region, in memory, and in two slots on disk.

use crate::driver::emulated::disk::Disk;
use crate::model::units::Blocks;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a region.
pub const REGION: u64 = 64 << 10;

/// Which regions differ, or may differ. Bits are set before the bytes change and cleared after both sides are equal.
#[derive(Debug)]
pub(super) struct RegionMap {
    words: Vec<AtomicU64>,
    regions: u64,
    dirty: AtomicU64,
    /// Grows with every bit that changes.
    changes: AtomicU64,
}

impl RegionMap {
    /// A map for so many bytes, all dirty or all clean.
    pub(super) fn new(bytes: u64, dirty: bool) -> Self {
        let regions = bytes.div_ceil(REGION);
        let words = (0..regions.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        let map = Self { words, regions, dirty: AtomicU64::new(0), changes: AtomicU64::new(0) };
        if dirty {
            map.set(0..bytes);
        }
        map
    }

    /// Regions that a byte range touches.
    pub(super) fn regions_of(range: &Range<u64>) -> Range<u64> {
        if range.is_empty() { 0..0 } else { range.start / REGION..range.end.div_ceil(REGION) }
    }

    /// Marks every region that the bytes touch. What lies beyond the map's end is no part of the pair.
    pub(super) fn set(&self, bytes: Range<u64>) {
        let touched = Self::regions_of(&bytes);
        for region in touched.start..touched.end.min(self.regions) {
            let bit = 1 << (region % 64);
            if let Some(word) = self.words.get((region / 64) as usize)
                && word.fetch_or(bit, Ordering::SeqCst) & bit == 0
            {
                self.dirty.fetch_add(1, Ordering::SeqCst);
                self.changes.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    /// Says of whole regions that both sides are equal.
    pub(super) fn clear(&self, regions: Range<u64>) {
        for region in regions {
            let bit = 1 << (region % 64);
            if let Some(word) = self.words.get((region / 64) as usize)
                && word.fetch_and(!bit, Ordering::SeqCst) & bit != 0
            {
                self.dirty.fetch_sub(1, Ordering::SeqCst);
                self.changes.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    pub(super) fn is_dirty(&self, region: u64) -> bool {
        let word = self.words.get((region / 64) as usize);
        word.is_some_and(|word| word.load(Ordering::SeqCst) & (1 << (region % 64)) != 0)
    }

    /// All of them, dirty or not.
    pub(super) fn regions(&self) -> u64 {
        self.regions
    }

    /// Whether none of these is dirty.
    pub(super) fn is_clean(&self, regions: &Range<u64>) -> bool {
        !regions.clone().any(|region| self.is_dirty(region))
    }

    /// Dirty regions.
    pub(super) fn dirty(&self) -> u64 {
        self.dirty.load(Ordering::SeqCst)
    }

    /// How often a bit has changed. A stored map is this one as long as the number is that of before it was read.
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// The blocks of so many regions, never more than the volume has.
    pub(super) fn blocks(regions: u64, volume: Blocks) -> Blocks {
        Blocks((regions * (REGION / Blocks::BYTES)).min(volume.0))
    }

    /// The first run of dirty regions at or after `from`, at most `most` long.
    pub(super) fn next_run(&self, from: u64, most: u64) -> Option<Range<u64>> {
        let mut region = from;
        while region < self.regions {
            let rest = self.words[(region / 64) as usize].load(Ordering::SeqCst) >> (region % 64);
            if rest == 0 {
                region = (region / 64 + 1) * 64;
                continue;
            }
            let start = region + u64::from(rest.trailing_zeros());
            let mut end = start + 1;
            while end < self.regions && end - start < most && self.is_dirty(end) {
                end += 1;
            }
            return Some(start..end);
        }
        None
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.words.iter().flat_map(|word| word.load(Ordering::SeqCst).to_le_bytes()).collect()
    }

    fn from_bytes(regions: u64, bytes: &[u8]) -> Self {
        let words: Vec<u64> = bytes
            .chunks_exact(8)
            .map(|chunk| chunk.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)))
            .collect();
        let dirty = words.iter().map(|word| u64::from(word.count_ones())).sum();
        Self {
            words: words.into_iter().map(AtomicU64::new).collect(),
            regions,
            dirty: AtomicU64::new(dirty),
            changes: AtomicU64::new(0),
        }
    }
}

/// The two slots of a map on disk. A slot is written while the other one stays as it was.
#[derive(Debug)]
pub(super) struct MapFile {
    path: PathBuf,
    file: File,
    disk: Disk,
}

/// The generations of the two boxes' logs, source's first, that say what changed after a map was read.
pub(super) type Logs = [u64; 2];

/// A map that was read back.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) epoch: u64,
    pub(super) logs: Logs,
    pub(super) map: RegionMap,
    /// The other slot is bad and may have been newer: this one holds only while its logs are all there.
    pub(super) in_doubt: bool,
}

/// What a slot holds.
enum Slot {
    NeverWritten,
    Bad,
    Good(Stored),
}

const MAGIC: &[u8; 8] = b"ECDKMAP2";
const HEADER: u64 = 48;
const SLOT_ALIGNMENT: u64 = 4096;

impl MapFile {
    pub(super) fn open(path: &Path, disk: &Disk) -> io::Result<Self> {
        let file = disk.create(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))?;
        Ok(Self { path: path.to_owned(), file, disk: disk.clone() })
    }

    /// Writes a slot and makes it durable. Epochs grow; the slot is chosen by the epoch's parity.
    pub(super) fn save(&self, epoch: u64, logs: Logs, regions: u64, bits: &[u8]) -> io::Result<()> {
        let mut slot = Vec::with_capacity(HEADER as usize + bits.len());
        slot.extend_from_slice(MAGIC);
        for number in [epoch, regions, logs[0], logs[1]] {
            slot.extend_from_slice(&number.to_le_bytes());
        }
        slot.extend_from_slice(&checksum(&slot, bits).to_le_bytes());
        slot.extend_from_slice(&[0; 4]);
        slot.extend_from_slice(bits);
        self.disk.write_at(&self.file, &slot, epoch % 2 * Self::slot_length(regions))?;
        self.disk.sync(&self.file)
    }

    /// The newest good slot; `None` when neither is good.
    pub(super) fn load(&self, regions: u64) -> Option<Stored> {
        let slots = [0, 1].map(|slot| self.read_slot(slot, regions));
        let in_doubt = slots.iter().any(|slot| matches!(slot, Slot::Bad));
        let good = slots.into_iter().filter_map(|slot| if let Slot::Good(stored) = slot { Some(stored) } else { None });
        good.max_by_key(|stored| stored.epoch).map(|stored| Stored { in_doubt, ..stored })
    }

    pub(super) fn remove(&self) {
        // A file that stays behind is overwritten by the next session of this pair.
        let _ = std::fs::remove_file(&self.path);
    }

    fn read_slot(&self, slot: u64, regions: u64) -> Slot {
        let bits_length = regions.div_ceil(64) * 8;
        let mut bytes = vec![0; (HEADER + bits_length) as usize];
        match self.file.read_exact_at(&mut bytes, slot * Self::slot_length(regions)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => bytes.fill(0),
            Err(_) => return Slot::Bad,
        }
        if bytes.iter().all(|byte| *byte == 0) {
            return Slot::NeverWritten;
        }
        let (header, bits) = bytes.split_at(HEADER as usize);
        let number = |at: usize| header[at..at + 8].iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        let sum = u64::from(checksum(&header[..40], bits));
        if !header.starts_with(MAGIC) || number(16) != regions || number(40) != sum {
            return Slot::Bad;
        }
        let (epoch, logs) = (number(8), [number(24), number(32)]);
        Slot::Good(Stored { epoch, logs, map: RegionMap::from_bytes(regions, bits), in_doubt: false })
    }

    fn slot_length(regions: u64) -> u64 {
        (HEADER + regions.div_ceil(64) * 8).next_multiple_of(SLOT_ALIGNMENT)
    }
}

fn checksum(header: &[u8], bits: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(bits);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_map_counts_and_walks_what_was_marked(
            ranges in prop::collection::vec((0_u64..45_000_000, 1_u64..3_000_000), 0..12),
            cleared in prop::collection::vec((0_u64..700, 1_u64..50), 0..6),
        ) {
            let bytes = 43_000_001;
            let map = RegionMap::new(bytes, false);
            let mut expected = std::collections::BTreeSet::new();
            for (start, length) in ranges {
                map.set(start..start + length);
                expected.extend(RegionMap::regions_of(&(start..start + length)));
            }
            for (start, length) in cleared {
                map.clear(start..start + length);
                expected.retain(|region| !(start..start + length).contains(region));
            }
            expected.retain(|region| *region < bytes.div_ceil(REGION));
            let mut walked = Vec::new();
            let mut from = 0;
            while let Some(run) = map.next_run(from, 16) {
                prop_assert!(run.end - run.start <= 16);
                from = run.end;
                walked.extend(run);
            }
            prop_assert_eq!(walked, expected.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(map.dirty(), expected.len() as u64);
            let copy = RegionMap::from_bytes(bytes.div_ceil(REGION), &map.to_bytes());
            prop_assert_eq!(copy.to_bytes(), map.to_bytes());
        }
    }

    #[test]
    fn a_torn_slot_leaves_the_other_in_doubt_and_two_torn_slots_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pair.map");
        let file = MapFile::open(&path, &Disk::default()).unwrap();
        let map = RegionMap::new(100 * REGION, false);
        let found = || file.load(100).map(|stored| (stored.epoch, stored.map.dirty(), stored.logs, stored.in_doubt));
        assert!(found().is_none(), "an empty file has no good slot");
        map.set(0..1);
        file.save(6, [1, 2], 100, &map.to_bytes()).unwrap();
        assert_eq!(found(), Some((6, 1, [1, 2], false)));
        map.set(5 * REGION..6 * REGION);
        file.save(7, [3, 4], 100, &map.to_bytes()).unwrap();
        assert_eq!(found(), Some((7, 2, [3, 4], false)));
        file.file.write_all_at(&[0xFF], MapFile::slot_length(100) + HEADER + 3).unwrap();
        assert_eq!(found(), Some((6, 1, [1, 2], true)));
        file.file.write_all_at(&[0xFF], 8).unwrap();
        assert!(found().is_none());
        assert!(file.load(101).is_none(), "a map of another size is no map of this volume");
    }
}
