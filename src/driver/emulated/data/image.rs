//! A volume as an image file, with the faults that administration can give it.

use super::held;
use super::ranges::RangeLock;
use crate::model::units::Blocks;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// A megabyte in one piece, aligned as direct I/O wants it.
pub(super) struct Buffer(Vec<u8>);

const ALIGNMENT: usize = 4096;

impl Buffer {
    pub(super) const LENGTH: usize = 1 << 20;

    pub(super) fn new() -> Self {
        Self(vec![0; Self::LENGTH + ALIGNMENT])
    }

    pub(super) fn bytes(&mut self) -> &mut [u8] {
        let start = self.0.as_ptr().align_offset(ALIGNMENT);
        &mut self.0[start..start + Self::LENGTH]
    }
}

/// An open image. Reads and writes go through the page cache; direct I/O has its place here when copying is tuned.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) path: PathBuf,
    file: File,
    pub(super) blocks: Blocks,
    pub(super) locks: RangeLock,
    bad: Mutex<Vec<Range<u64>>>,
    failing: AtomicBool,
}

impl Image {
    /// A new image, sparse: blocks never written read as zeros.
    pub(super) fn create(path: &Path, blocks: Blocks) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        file.set_len(blocks.bytes())?;
        file.sync_all()?;
        Ok(Self::with(path, file, blocks))
    }

    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let bytes = file.metadata()?.len();
        let blocks = Blocks::from_bytes(bytes)
            .ok_or_else(|| io::Error::other(format!("{} ends inside a block: {bytes} bytes", path.display())))?;
        Ok(Self::with(path, file, blocks))
    }

    fn with(path: &Path, file: File, blocks: Blocks) -> Self {
        let (locks, bad, failing) = (RangeLock::default(), Mutex::default(), AtomicBool::new(false));
        Self { path: path.to_owned(), file, blocks, locks, bad, failing }
    }

    pub(super) fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let range = offset..offset + bytes.len() as u64;
        if held(&self.bad).iter().any(|bad| bad.start < range.end && range.start < bad.end) {
            return Err(io::Error::other("bad sector"));
        }
        self.file.read_exact_at(bytes, offset)
    }

    /// Writes, and tells whether that made something good again: a bad sector that is wholly overwritten, as on a disk.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        if self.failing.load(Ordering::Relaxed) {
            return Err(io::Error::other("the volume does not take writes"));
        }
        self.file.write_all_at(bytes, offset)?;
        let range = offset..offset + bytes.len() as u64;
        let mut bad = held(&self.bad);
        let before = bad.len();
        bad.retain(|bad| !(range.start <= bad.start && bad.end <= range.end));
        Ok(bad.len() < before)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(super) fn set_bad(&self, range: Range<u64>) {
        held(&self.bad).push(range);
    }

    pub(super) fn is_bad(&self, offset: u64) -> bool {
        held(&self.bad).iter().any(|bad| bad.contains(&offset))
    }

    pub(super) fn heal(&self) {
        held(&self.bad).clear();
    }

    pub(super) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }
}
