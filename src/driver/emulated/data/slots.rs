//! How the map of an EC or REC is kept: which of its states are on disk, and writing the next one.

use super::map::{Logs, MapFile, RegionMap};
use parking_lot::Mutex;
use std::io;

#[derive(Debug)]
pub(super) struct Slots {
    file: MapFile,
    epoch: Mutex<u64>,
    /// [`RegionMap::changes`] before the map was read that is on disk; `None`: no slot is known to hold
    /// this session's map.
    saved: Mutex<Option<u64>>,
}

/// A map on its way to disk.
#[derive(Debug)]
pub(super) struct MapToSave {
    logs: Logs,
    changes: u64,
    regions: u64,
    bits: Vec<u8>,
}

impl MapToSave {
    /// The map as it is now; what changes from now on must be in these logs or later ones.
    pub(super) fn of(map: &RegionMap, logs: Logs) -> Self {
        Self { logs, changes: map.changes(), regions: map.regions(), bits: map.to_bytes() }
    }
}

impl Slots {
    pub(super) fn new(file: MapFile, epoch: u64) -> Self {
        Self { file, epoch: Mutex::new(epoch), saved: Mutex::new(None) }
    }

    /// Whether the map on disk says the same as this one.
    pub(super) fn hold(&self, map: &RegionMap) -> bool {
        *self.saved.lock() == Some(map.changes())
    }

    /// The stored map is this one, as it is now.
    pub(super) fn take_as_saved(&self, map: &RegionMap) {
        *self.saved.lock() = Some(map.changes());
    }

    /// Writes a map into the next slot. After an error the same slot is next again: the other one is the last good map.
    /// Where no map on disk is known to be this session's, both slots are written: what they hold may be of an earlier
    /// session, or could not be read, and must not be believed at a later start.
    ///
    /// A map that was read before the one that is on disk is not written: a checkpoint reads its maps long before it has
    /// written them, and marks that no log holds may have been saved meanwhile.
    pub(super) fn save(&self, map: &MapToSave) -> io::Result<()> {
        let mut epoch = self.epoch.lock();
        if self.saved.lock().is_some_and(|saved| saved > map.changes) {
            return Ok(());
        }
        let slots = if self.saved.lock().is_none() { 2 } else { 1 };
        for _ in 0..slots {
            self.file.save(*epoch + 1, map.logs, map.regions, &map.bits)?;
            *epoch += 1;
        }
        *self.saved.lock() = Some(map.changes);
        Ok(())
    }

    pub(super) fn remove(&self) {
        self.file.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::emulated::data::map::REGION;
    use crate::driver::emulated::disk::Disk;

    #[test]
    fn an_older_map_never_replaces_a_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pair.map");
        let slots = Slots::new(MapFile::open(&path, &Disk::default()).unwrap(), 0);
        let map = RegionMap::new(10 * REGION, false);
        let of_a_checkpoint = MapToSave::of(&map, [2, 2]);
        map.set(0..3 * REGION);
        slots.save(&MapToSave::of(&map, [1, 1])).unwrap();
        slots.save(&of_a_checkpoint).unwrap();
        let stored = || MapFile::open(&path, &Disk::default()).unwrap().load(10).unwrap();
        assert_eq!(stored().map.dirty(), 3);
        assert!(slots.hold(&map));
        map.clear(0..1);
        slots.save(&MapToSave::of(&map, [2, 2])).unwrap();
        assert_eq!(stored().map.dirty(), 2);
    }
}
