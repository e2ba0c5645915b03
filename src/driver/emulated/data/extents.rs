//! The log of hot extents: before the first write into 4 MiB of a volume in a session, that extent is marked durably.
//!
//! After a crash everything in a marked extent counts as dirty, so a write that reached one side only is never taken for
//! equal. One log a box, for all its volumes and sessions; a checkpoint of the maps starts a new one.

use crate::driver::emulated::disk::Disk;
use crate::model::identity::Olu;
use parking_lot::{Condvar, Mutex};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Bytes of an extent.
pub const EXTENT: u64 = 4 << 20;

/// A volume of the box and the number of one of its extents.
pub(super) type Extent = (Olu, u32);

/// What the logs of an earlier life say.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    pub(super) hot: BTreeSet<Extent>,
    /// A record in the middle of a log is bad: what it marked is not known.
    pub(super) damaged: bool,
    /// The first generation from which on all logs are there.
    pub(super) oldest: u64,
    /// The last generation of which there is a log.
    pub(super) newest: u64,
}

#[derive(Debug)]
pub(super) struct ExtentLog {
    folder: PathBuf,
    disk: Disk,
    state: Mutex<State>,
    synced: Condvar,
}

#[derive(Debug)]
struct State {
    generation: u64,
    /// `None`: a log could not be made, written or synced. The next mark begins another one.
    file: Option<File>,
    /// Marked durably, in this log or in an earlier one that is still there.
    hot: BTreeSet<Extent>,
    /// Waiting for the next write to the log.
    pending: BTreeSet<Extent>,
    /// Somebody is writing and syncing.
    syncing: bool,
    /// Counts the writes that failed, so that whoever waited for one of them knows.
    failures: u64,
}

const RECORD: usize = 12;

impl ExtentLog {
    /// Reads what earlier logs of the folder say and begins a new one. They stay until [`Self::forget_before`].
    pub(super) fn open(folder: &Path, disk: &Disk) -> io::Result<(Self, Recovered)> {
        let mut recovered = Recovered::default();
        for (generation, path) in logs(folder)? {
            // A gap means that the logs before it have served; those after it go on.
            if generation != recovered.newest + 1 {
                recovered.oldest = generation;
            }
            recovered.newest = generation;
            read_log(&path, &mut recovered)?;
        }
        let generation = recovered.newest + 1;
        if recovered.oldest == 0 {
            recovered.oldest = if recovered.newest == 0 { generation } else { 1 };
        }
        // On a full disk the array starts all the same; the first mark that finds room makes the log.
        let file = create(folder, generation, disk).ok();
        let (hot, pending) = (BTreeSet::new(), BTreeSet::new());
        let state = State { generation, file, hot, pending, syncing: false, failures: 0 };
        let log =
            Self { folder: folder.to_owned(), disk: disk.clone(), state: Mutex::new(state), synced: Condvar::new() };
        Ok((log, recovered))
    }

    /// Returns when every extent that the bytes touch is marked durably. Writers that come together share one sync.
    ///
    /// # Errors
    /// When the disk took no mark: the write that it is for must not happen. A log whose write failed may end in the middle
    /// of a record, and one whose sync failed may have lost any: neither is written again, the next mark begins another log.
    pub(super) fn mark(&self, volume: Olu, bytes: &Range<u64>) -> io::Result<()> {
        let wanted = || (bytes.start / EXTENT..bytes.end.div_ceil(EXTENT)).map(|extent| (volume, extent as u32));
        let mut state = self.state.lock();
        let seen = state.failures;
        loop {
            // Most writes find their extents hot: they pay for a look and nothing else.
            if wanted().all(|extent| state.hot.contains(&extent)) {
                return Ok(());
            }
            let missing: Vec<Extent> = wanted().filter(|extent| !state.hot.contains(extent)).collect();
            if state.failures != seen {
                return Err(io::Error::other("the log of hot extents could not be written"));
            }
            state.pending.extend(missing);
            if state.syncing {
                self.synced.wait(&mut state);
                continue;
            }
            state.syncing = true;
            let mut batch = std::mem::take(&mut state.pending);
            let (file, mut generation) = (state.file.take(), state.generation);
            if file.is_none() {
                // What an earlier log holds is marked once more: its last sync may have failed.
                batch.extend(state.hot.iter().copied());
            }
            drop(state);
            let written = self.write(file, &mut generation, &batch);
            state = self.state.lock();
            state.syncing = false;
            state.generation = generation;
            let ended = match written {
                Ok(file) => {
                    state.file = Some(file);
                    state.hot.extend(batch);
                    None
                }
                Err(error) => {
                    state.failures += 1;
                    Some(error)
                }
            };
            self.synced.notify_all();
            if let Some(error) = ended {
                return Err(error);
            }
        }
    }

    /// Writes records to the log, or to a new one of the next generation; gives the log that is good.
    fn write(&self, file: Option<File>, generation: &mut u64, batch: &BTreeSet<Extent>) -> io::Result<File> {
        let file = if let Some(file) = file {
            file
        } else {
            let file = create(&self.folder, *generation + 1, &self.disk)?;
            *generation += 1;
            file
        };
        self.disk.append(&file, &records(batch))?;
        self.disk.sync(&file)?;
        Ok(file)
    }

    /// The present log's generation.
    pub(super) fn generation(&self) -> u64 {
        self.state.lock().generation
    }

    /// Begins a new log, unless nothing is marked in the present one; no write may be under way. Its generation, and the
    /// volumes that were hot in the one before.
    pub(super) fn begin_next(&self) -> io::Result<(u64, BTreeSet<Olu>)> {
        let mut state = self.state.lock();
        if state.hot.is_empty() && state.file.is_some() {
            return Ok((state.generation, BTreeSet::new()));
        }
        let generation = state.generation + 1;
        state.file = Some(create(&self.folder, generation, &self.disk)?);
        state.generation = generation;
        let hot = std::mem::take(&mut state.hot).into_iter().map(|(volume, _)| volume).collect();
        Ok((generation, hot))
    }

    /// The maps of this generation are durable: older logs have served.
    pub(super) fn forget_before(&self, generation: u64) -> io::Result<()> {
        for (old, path) in logs(&self.folder)? {
            if old < generation {
                self.disk.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Whether anything was marked since the last checkpoint.
    pub(super) fn is_hot(&self) -> bool {
        !self.state.lock().hot.is_empty()
    }
}

/// A log that is there, durably and empty. One that an earlier try left was never used.
fn create(folder: &Path, generation: u64, disk: &Disk) -> io::Result<File> {
    let path = folder.join(format!("hot-{generation}.log"));
    let file = disk.create(&path, OpenOptions::new().append(true).create(true))?;
    let made = disk.set_len(&file, 0).and_then(|()| disk.sync_folder(folder));
    if let Err(error) = made {
        let _ = fs::remove_file(&path);
        return Err(error);
    }
    Ok(file)
}

fn logs(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix("hot-")?.strip_suffix(".log"));
        if let Some(generation) = digits.and_then(|digits| digits.parse().ok()) {
            found.push((generation, entry.path()));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// As they are written.
pub(super) fn records(extents: &BTreeSet<Extent>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(extents.len() * RECORD);
    for (volume, extent) in extents {
        let start = bytes.len();
        bytes.extend_from_slice(&volume.0.to_le_bytes());
        bytes.extend_from_slice(&extent.to_le_bytes());
        let sum = crc32fast::hash(&bytes[start..]);
        bytes.extend_from_slice(&sum.to_le_bytes());
    }
    bytes
}

/// What a file of records says.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) extents: BTreeSet<Extent>,
    /// A bad record is followed by a good one, or is whole and was written: it is no torn end.
    pub(super) damaged: bool,
    /// Bytes before the first bad record.
    pub(super) good_length: u64,
}

/// A record at the end that is cut off, or of which the disk has only zeros, was never acknowledged: the write that it was for
/// did not begin. A bad one before the end is damage; so is a whole one at the end, which may have been good once.
pub(super) fn parse(bytes: &[u8]) -> Found {
    let mut found = Found::default();
    let mut bad = false;
    for record in bytes.chunks_exact(RECORD) {
        let number = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
        if number(8) == crc32fast::hash(&record[..8]) {
            found.damaged |= bad;
            found.extents.insert((Olu(number(0)), number(4)));
            found.good_length += if bad { 0 } else { RECORD as u64 };
        } else {
            found.damaged |= record.iter().any(|byte| *byte != 0);
            bad = true;
        }
    }
    found
}

fn read_log(path: &Path, recovered: &mut Recovered) -> io::Result<()> {
    let found = parse(&fs::read(path)?);
    recovered.damaged |= found.damaged;
    recovered.hot.extend(found.extents);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::emulated::disk::faults::DiskFaults;

    #[test]
    fn what_was_marked_is_hot_after_a_crash_until_the_maps_were_saved() {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = ExtentLog::open(folder.path(), &Disk::default()).unwrap();
        log.mark(Olu(1), &(EXTENT - 1..EXTENT + 1)).unwrap();
        drop(log);
        let (log, recovered) = ExtentLog::open(folder.path(), &Disk::default()).unwrap();
        assert_eq!(recovered.hot, BTreeSet::from([(Olu(1), 0), (Olu(1), 1)]));
        let (generation, hot) = log.begin_next().unwrap();
        assert!(hot.is_empty());
        log.mark(Olu(2), &(0..1)).unwrap();
        log.forget_before(generation).unwrap();
        let (_, recovered) = ExtentLog::open(folder.path(), &Disk::default()).unwrap();
        assert_eq!(recovered.hot, BTreeSet::from([(Olu(2), 0)]));
    }

    #[test]
    fn a_disk_that_was_full_loses_no_mark_and_takes_the_next_one() {
        // The log is made by three operations, each mark takes two.
        for failing in 0..12 {
            let folder = tempfile::tempdir().unwrap();
            let faults = DiskFaults::new(failing, 2, rustix::io::Errno::NOSPC);
            let (log, _) = ExtentLog::open(folder.path(), &faults.disk()).unwrap();
            let mut marked = BTreeSet::new();
            for extent in 0..5 {
                let bytes = u64::from(extent) * EXTENT..u64::from(extent) * EXTENT + 1;
                if log.mark(Olu(1), &bytes).is_ok() {
                    marked.insert((Olu(1), extent));
                }
            }
            faults.repair();
            log.mark(Olu(2), &(0..1)).unwrap();
            marked.insert((Olu(2), 0));
            let (again, recovered) = ExtentLog::open(folder.path(), &Disk::default()).unwrap();
            assert!(recovered.hot.is_superset(&marked), "operation {failing}: {:?} of {marked:?}", recovered.hot);
            assert!(!recovered.damaged, "operation {failing}");
            let (generation, _) = again.begin_next().unwrap();
            again.forget_before(generation).unwrap();
        }
    }

    #[test]
    fn a_checkpoint_without_marks_makes_no_log() {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = ExtentLog::open(folder.path(), &Disk::default()).unwrap();
        let first = log.begin_next().unwrap().0;
        assert_eq!(log.begin_next().unwrap().0, first);
        log.mark(Olu(1), &(0..1)).unwrap();
        assert_eq!(log.begin_next().unwrap().0, first + 1);
    }

    #[test]
    fn a_torn_tail_is_left_out_and_a_bad_middle_is_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hot-1.log");
        let mut bytes = records(&BTreeSet::from([(Olu(1), 0), (Olu(1), 1)]));
        fs::write(&path, &bytes[..RECORD + 5]).unwrap();
        let mut recovered = Recovered::default();
        read_log(&path, &mut recovered).unwrap();
        assert_eq!((recovered.hot.len(), recovered.damaged), (1, false));
        bytes[2] ^= 1;
        fs::write(&path, &bytes).unwrap();
        read_log(&path, &mut recovered).unwrap();
        assert!(recovered.damaged);
    }

    #[test]
    fn a_rotten_last_record_is_damage_and_zeros_are_a_torn_end() {
        let good = records(&BTreeSet::from([(Olu(1), 0), (Olu(1), 1)]));
        for byte in 0..RECORD {
            let mut rotten = good.clone();
            rotten[RECORD + byte] ^= 4;
            let found = parse(&rotten);
            assert!(found.damaged && found.extents.len() == 1, "byte {byte}");
        }
        let found = parse(&[&good[..], &[0; 3 * RECORD]].concat());
        assert!(!found.damaged && found.extents.len() == 2);
        assert!(!parse(&good[..RECORD + 5]).damaged);
    }
}
