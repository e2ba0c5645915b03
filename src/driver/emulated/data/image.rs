//! A volume as an image file, with the faults that administration can give it.

use super::held;
use super::ranges::RangeLock;
use crate::model::units::Blocks;
use rustix::fs::OFlags;
use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};

/// A megabyte in one piece, aligned as direct I/O wants it.
pub(super) struct Buffer(Vec<u8>);

/// Of offsets, lengths and memory; enough for every file system.
pub(super) const ALIGNMENT: usize = 4096;

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

/// Some file systems refuse the flag, others the reads: both are quietly done without.
fn open_direct(path: &Path) -> Option<File> {
    let flags = i32::try_from(OFlags::DIRECT.bits()).ok()?;
    let file = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).ok()?;
    file.read_exact_at(&mut Buffer::new().bytes()[..ALIGNMENT], 0).ok()?;
    Some(file)
}

/// An open image. Hosts read and write through the page cache; copying goes past it where that is possible.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) path: PathBuf,
    file: File,
    /// Opened when it is first wanted: most volumes are never copied in the life of a process.
    direct: OnceLock<Option<File>>,
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
        Self { path: path.to_owned(), file, direct: OnceLock::new(), blocks, locks, bad, failing }
    }

    pub(super) fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.read_from(&self.file, offset, bytes)
    }

    /// Writes, and tells whether that made something good again: a bad sector that is wholly overwritten, as on a disk.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        self.write_to(&self.file, offset, bytes)
    }

    /// As [`Image::read`], past the page cache if wanted. The bytes are of a [`Buffer`].
    pub(super) fn read_to_copy(&self, direct: bool, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.read_from(self.file_for(direct), offset, bytes)
    }

    /// As [`Image::write`], past the page cache if wanted. The bytes are of a [`Buffer`].
    pub(super) fn write_copied(&self, direct: bool, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        self.write_to(self.file_for(direct), offset, bytes)
    }

    /// Whether copying can go past the page cache here.
    pub(super) fn takes_direct(&self) -> bool {
        self.direct().is_some()
    }

    fn file_for(&self, direct: bool) -> &File {
        self.direct().filter(|_| direct).unwrap_or(&self.file)
    }

    fn direct(&self) -> Option<&File> {
        let open = || open_direct(&self.path).filter(|_| self.blocks.bytes().is_multiple_of(ALIGNMENT as u64));
        self.direct.get_or_init(open).as_ref()
    }

    fn read_from(&self, file: &File, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let range = offset..offset + bytes.len() as u64;
        if held(&self.bad).iter().any(|bad| bad.start < range.end && range.start < bad.end) {
            return Err(io::Error::other("bad sector"));
        }
        file.read_exact_at(bytes, offset)
    }

    fn write_to(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        if self.failing.load(Ordering::Relaxed) {
            return Err(io::Error::other("the volume does not take writes"));
        }
        file.write_all_at(bytes, offset)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_copied_past_the_cache_is_what_hosts_read_and_an_odd_size_goes_through_it() {
        let folder = tempfile::tempdir().unwrap();
        let image = |name: &str, bytes: u64| {
            Image::create(&folder.path().join(name), Blocks::from_bytes(bytes).unwrap()).unwrap()
        };
        assert!(!image("odd", (1 << 20) + 512).takes_direct());
        let even = image("even", 1 << 20);
        even.write(5000, b"of a host").unwrap();
        let mut buffer = Buffer::new();
        even.read_to_copy(even.takes_direct(), 4096, &mut buffer.bytes()[..4096]).unwrap();
        assert_eq!(&buffer.bytes()[904..913], b"of a host");
        buffer.bytes()[904..913].copy_from_slice(b"of a copy");
        even.write_copied(even.takes_direct(), 4096, &buffer.bytes()[..4096]).unwrap();
        let mut read = [0; 9];
        even.read(5000, &mut read).unwrap();
        assert_eq!(&read, b"of a copy");
    }
}
