//! What a one-point copy keeps on disk: the extents of the target that hold the moment for certain.

use super::extents::{EXTENT, parse, records};
use super::map::RegionMap;
use crate::driver::emulated::disk::Disk;
use crate::model::identity::Olu;
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The record of extents that need no more copying.
#[derive(Debug)]
pub(super) struct PointInTimeCopy {
    path: PathBuf,
    /// Its records carry it, so that a file of another copy is not taken for this one's.
    target: Olu,
    disk: Disk,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` when it is lost, or could not be made durable once: final, as the kernel may have dropped the data.
    file: Option<File>,
    settled: BTreeSet<u32>,
}

impl PointInTimeCopy {
    /// Begins with nothing copied.
    pub(super) fn create(path: &Path, target: Olu, disk: &Disk) -> io::Result<Self> {
        let file = disk.create(path, OpenOptions::new().append(true).create(true))?;
        disk.set_len(&file, 0)?;
        disk.sync_all(&file)?;
        disk.sync_folder(path.parent().unwrap_or(Path::new("/")))?;
        Ok(Self::with(path, target, disk, Some(file), BTreeSet::new()))
    }

    /// The moment is lost. What is on disk stays as it is, so that it is lost after the next start too.
    pub(super) fn lost(path: &Path, target: Olu, disk: &Disk) -> Self {
        Self::with(path, target, disk, None, BTreeSet::new())
    }

    /// What was recorded before; `None` when that cannot be known any more.
    pub(super) fn open(path: &Path, target: Olu, disk: &Disk) -> io::Result<Option<Self>> {
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = parse(&bytes);
        if found.damaged || found.extents.iter().any(|(volume, _)| *volume != target) {
            return Ok(None);
        }
        let file = OpenOptions::new().append(true).open(path)?;
        // A torn record at the end was never acknowledged; the next one must not come behind it.
        disk.set_len(&file, found.good_length)?;
        disk.sync_all(&file)?;
        let settled = found.extents.into_iter().map(|(_, extent)| extent).collect();
        Ok(Some(Self::with(path, target, disk, Some(file), settled)))
    }

    fn with(path: &Path, target: Olu, disk: &Disk, file: Option<File>, settled: BTreeSet<u32>) -> Self {
        Self { path: path.to_owned(), target, disk: disk.clone(), state: Mutex::new(State { file, settled }) }
    }

    /// What is left to copy of a volume of so many bytes.
    pub(super) fn map(&self, size: u64) -> RegionMap {
        let map = RegionMap::new(size, true);
        for extent in &self.state.lock().settled {
            map.clear(RegionMap::regions_of(&bytes_of(*extent, size)));
        }
        map
    }

    pub(super) fn is_settled(&self, extent: u32) -> bool {
        self.state.lock().settled.contains(&extent)
    }

    /// Records that these extents are on the target, durably. The target was synced before.
    pub(super) fn record(&self, extents: &[u32]) -> io::Result<()> {
        let mut state = self.state.lock();
        let fresh = extents.iter().filter(|extent| !state.settled.contains(extent));
        let fresh: BTreeSet<_> = fresh.map(|extent| (self.target, *extent)).collect();
        let Some(file) = &state.file else {
            return Err(io::Error::other("the record of what is copied is lost, or could not be made durable"));
        };
        if !fresh.is_empty()
            && let Err(error) = self.disk.append(file, &records(&fresh)).and_then(|()| self.disk.sync(file))
        {
            state.file = None;
            return Err(error);
        }
        state.settled.extend(fresh.into_iter().map(|(_, extent)| extent));
        Ok(())
    }

    pub(super) fn remove(&self) {
        // A file that stays behind is overwritten by the next copy of this pair.
        let _ = std::fs::remove_file(&self.path);
    }
}

pub(super) fn bytes_of(extent: u32, size: u64) -> Range<u64> {
    let start = u64::from(extent) * EXTENT;
    start..(start + EXTENT).min(size)
}

#[cfg(test)]
mod tests {
    use super::super::map::REGION;
    use super::*;

    #[test]
    fn what_was_recorded_is_settled_again_and_a_torn_tail_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pair.opc");
        let moment = PointInTimeCopy::create(&path, Olu(7), &Disk::default()).unwrap();
        moment.record(&[2]).unwrap();
        moment.record(&[2, 0]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [whole.as_slice(), &[1, 2, 3]].concat()).unwrap();
        let again = PointInTimeCopy::open(&path, Olu(7), &Disk::default()).unwrap().unwrap();
        assert!(again.is_settled(0) && !again.is_settled(1) && again.is_settled(2));
        assert_eq!(again.map(3 * EXTENT - 512).dirty(), EXTENT / REGION);
        again.record(&[1]).unwrap();
        let last = PointInTimeCopy::open(&path, Olu(7), &Disk::default()).unwrap().unwrap();
        assert_eq!(last.map(3 * EXTENT - 512).dirty(), 0);
    }

    #[test]
    fn a_record_that_is_gone_damaged_or_of_another_copy_is_a_lost_moment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pair.opc");
        assert!(PointInTimeCopy::open(&path, Olu(7), &Disk::default()).unwrap().is_none());
        let moment = PointInTimeCopy::create(&path, Olu(7), &Disk::default()).unwrap();
        moment.record(&[0, 1]).unwrap();
        assert!(PointInTimeCopy::open(&path, Olu(8), &Disk::default()).unwrap().is_none());
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[1] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(PointInTimeCopy::open(&path, Olu(7), &Disk::default()).unwrap().is_none());
    }
}
