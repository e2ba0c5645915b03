//! The log of hot extents: before the first write into 4 MiB of a volume in a session, that extent is marked durably.
//!
//! After a crash everything in a marked extent counts as dirty, so a write that reached one side only is never taken for
//! equal. One log a box, for all its volumes and sessions; a checkpoint of the maps starts a new one.

use super::held;
use crate::model::identity::Olu;
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

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
}

#[derive(Debug)]
pub(super) struct ExtentLog {
    folder: PathBuf,
    state: Mutex<State>,
    synced: Condvar,
}

#[derive(Debug)]
struct State {
    generation: u64,
    file: File,
    hot: BTreeSet<Extent>,
    /// Waiting for the next write to the log.
    pending: BTreeSet<Extent>,
    /// Somebody is writing and syncing.
    syncing: bool,
    /// The log could not be made durable once: final, as the kernel may have dropped the data.
    failed: bool,
}

const RECORD: usize = 12;

impl ExtentLog {
    /// Reads what earlier logs of the folder say and begins a new one. They stay until [`Self::forget_before`].
    pub(super) fn open(folder: &Path) -> io::Result<(Self, Recovered)> {
        let mut recovered = Recovered::default();
        let mut newest = 0;
        for (generation, path) in logs(folder)? {
            // A gap means that the logs before it have served; those after it go on.
            if generation != newest + 1 {
                recovered.oldest = generation;
            }
            newest = generation;
            read_log(&path, &mut recovered)?;
        }
        let generation = newest + 1;
        if recovered.oldest == 0 {
            recovered.oldest = if newest == 0 { generation } else { 1 };
        }
        let state = State {
            generation,
            file: create(folder, generation)?,
            hot: BTreeSet::new(),
            pending: BTreeSet::new(),
            syncing: false,
            failed: false,
        };
        Ok((Self { folder: folder.to_owned(), state: Mutex::new(state), synced: Condvar::new() }, recovered))
    }

    /// Returns when every extent that the bytes touch is marked durably. Writers that come together share one sync.
    pub(super) fn mark(&self, volume: Olu, bytes: &Range<u64>) -> io::Result<()> {
        let wanted: Vec<Extent> =
            (bytes.start / EXTENT..bytes.end.div_ceil(EXTENT)).map(|extent| (volume, extent as u32)).collect();
        let mut state = held(&self.state);
        loop {
            if state.failed {
                return Err(io::Error::other("the log of hot extents could not be made durable"));
            }
            let missing: Vec<Extent> = wanted.iter().filter(|extent| !state.hot.contains(extent)).copied().collect();
            if missing.is_empty() {
                return Ok(());
            }
            state.pending.extend(missing);
            if state.syncing {
                state = self.synced.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.syncing = true;
            let batch = std::mem::take(&mut state.pending);
            let mut file = state.file.try_clone()?;
            drop(state);
            let written = file.write_all(&records(&batch)).and_then(|()| file.sync_data());
            state = held(&self.state);
            state.syncing = false;
            match written {
                Ok(()) => state.hot.extend(batch),
                Err(_) => state.failed = true,
            }
            self.synced.notify_all();
        }
    }

    /// The present log's generation.
    pub(super) fn generation(&self) -> u64 {
        held(&self.state).generation
    }

    /// Begins a new log; no write may be under way. Its generation, and the volumes that were hot in the one before.
    pub(super) fn begin_next(&self) -> io::Result<(u64, BTreeSet<Olu>)> {
        let mut state = held(&self.state);
        let generation = state.generation + 1;
        state.file = create(&self.folder, generation)?;
        state.generation = generation;
        let hot = std::mem::take(&mut state.hot).into_iter().map(|(volume, _)| volume).collect();
        Ok((generation, hot))
    }

    /// The maps of this generation are durable: older logs have served.
    pub(super) fn forget_before(&self, generation: u64) -> io::Result<()> {
        for (old, path) in logs(&self.folder)? {
            if old < generation {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Whether anything was marked since the last checkpoint.
    pub(super) fn is_hot(&self) -> bool {
        !held(&self.state).hot.is_empty()
    }
}

fn create(folder: &Path, generation: u64) -> io::Result<File> {
    let path = folder.join(format!("hot-{generation}.log"));
    let file = OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)?;
    File::open(folder)?.sync_all()?;
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
    /// A bad record is followed by a good one.
    pub(super) damaged: bool,
    /// Bytes before the first bad record.
    pub(super) good_length: u64,
}

/// A bad record at the end was never acknowledged: the write that it was for did not begin. One before the end is damage.
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

    #[test]
    fn what_was_marked_is_hot_after_a_crash_until_the_maps_were_saved() {
        let folder = tempfile::tempdir().unwrap();
        let (log, _) = ExtentLog::open(folder.path()).unwrap();
        log.mark(Olu(1), &(EXTENT - 1..EXTENT + 1)).unwrap();
        drop(log);
        let (log, recovered) = ExtentLog::open(folder.path()).unwrap();
        assert_eq!(recovered.hot, BTreeSet::from([(Olu(1), 0), (Olu(1), 1)]));
        let (generation, hot) = log.begin_next().unwrap();
        assert!(hot.is_empty());
        log.mark(Olu(2), &(0..1)).unwrap();
        log.forget_before(generation).unwrap();
        let (_, recovered) = ExtentLog::open(folder.path()).unwrap();
        assert_eq!(recovered.hot, BTreeSet::from([(Olu(2), 0)]));
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
}
