//! What the array did to its disk, so that a test can cut the power at every flush: what was flushed is there, and of what
//! was not, any part.

use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A disk keeps or loses so much of an unflushed write at once.
const SECTOR: usize = 4096;

#[derive(Debug, Clone)]
enum Done {
    Created,
    Written(u64, Vec<u8>),
    Resized(u64),
    Removed,
    Flushed,
    NamesFlushed,
}

/// Everything that was done, in order. A write is here once it has returned, a flush when it begins: a write that a flush may
/// miss stands behind it.
#[derive(Debug, Default)]
pub struct DiskRecord(Mutex<Vec<(PathBuf, Done)>>);

impl DiskRecord {
    fn note(&self, path: PathBuf, done: Done) {
        self.0.lock().push((path, done));
    }

    pub fn created(&self, path: &Path) {
        self.note(path.to_owned(), Done::Created);
    }

    pub fn written(&self, file: &File, offset: u64, bytes: &[u8]) {
        self.note(path_of(file), Done::Written(offset, bytes.to_vec()));
    }

    pub fn resized(&self, file: &File, length: u64) {
        self.note(path_of(file), Done::Resized(length));
    }

    pub fn removed(&self, path: &Path) {
        self.note(path.to_owned(), Done::Removed);
    }

    pub fn flushed(&self, file: &File) {
        self.note(path_of(file), Done::Flushed);
    }

    pub fn names_flushed(&self, folder: &Path) {
        self.note(folder.to_owned(), Done::NamesFlushed);
    }

    /// Where the power may fail: right after each flush began and was done, and at the end.
    pub fn cuts(&self) -> Vec<usize> {
        let done = self.0.lock();
        let flushes =
            done.iter().enumerate().filter(|(_, (_, done))| matches!(done, Done::Flushed | Done::NamesFlushed));
        flushes.map(|(at, _)| at + 1).chain([done.len()]).collect()
    }

    /// Does to a copy of the first state of `from`, in `to`, what the disk has after the power failed there. `keep` says of
    /// each part that was not flushed whether it is there all the same; `lies` names files whose flushes do nothing.
    pub fn replay(
        &self,
        cut: usize,
        [from, to]: [&Path; 2],
        lies: impl Fn(&Path) -> bool,
        mut keep: impl FnMut() -> bool,
    ) {
        let done = self.0.lock();
        let done = &done[..cut];
        let mut last_flush = BTreeMap::new();
        for (at, (path, step)) in done.iter().enumerate() {
            if matches!(step, Done::Flushed | Done::NamesFlushed) && !lies(path) {
                last_flush.insert(path.as_path(), at);
            }
        }
        let flushed = |path: &Path, at: usize| last_flush.get(path).is_some_and(|flush| at < *flush);
        for (at, (path, step)) in done.iter().enumerate() {
            let place = to.join(path.strip_prefix(from).unwrap());
            let durable = flushed(path, at);
            let name_durable = path.parent().is_some_and(|folder| flushed(folder, at));
            match step {
                // A file whose name is lost is lost with all that was flushed into it.
                Done::Created if !place.exists() && (name_durable || keep()) => fs::write(&place, "").unwrap(),
                Done::Removed if name_durable || keep() => drop(fs::remove_file(&place)),
                Done::Written(offset, bytes) if place.exists() => {
                    let file = OpenOptions::new().write(true).open(&place).unwrap();
                    for (sector, part) in bytes.chunks(SECTOR).enumerate() {
                        if durable || keep() {
                            file.write_all_at(part, offset + (sector * SECTOR) as u64).unwrap();
                        }
                    }
                }
                Done::Resized(length) if place.exists() && (durable || keep()) => {
                    OpenOptions::new().write(true).open(&place).unwrap().set_len(*length).unwrap();
                }
                _ => {}
            }
        }
    }
}

fn path_of(file: &File) -> PathBuf {
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).unwrap()
}
