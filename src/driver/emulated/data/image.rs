//! A volume as an image file: which file that is, whether it still is, and the faults that administration can give it.
//!
//! What the array knows of a volume and what lies on the disk are two truths. They are compared when an image is opened, at
//! every barrier and whenever somebody looks: kind, size, the file's identity, its place. A volume whose image does not
//! pass is out of service; no other one is.

use super::changes::Changes;
use super::ranges::RangeLock;
use crate::driver::emulated::disk::Disk;
use crate::model::units::Blocks;
use parking_lot::{Mutex, RwLock};
use rustix::fs::{AtFlags, FlockOperation, OFlags, Statx, StatxFlags};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A megabyte in one piece, aligned as direct I/O wants it.
pub(super) struct Buffer(Vec<u8>);

/// Of offsets, lengths and memory; enough for every file system.
pub(super) const ALIGNMENT: usize = 4096;
/// How long a look at the file is good enough for what hosts do. Barriers always look anew.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a process that was killed may take to let go of an image, and the pause before that is looked at again.
const LOCK_LIMIT: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(10);

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

/// Which file it is, as its file system says: its number there, and when it was made. A file that takes the place of another
/// one differs in one of them; what is written into it changes neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp(u64, Option<i64>);

impl FileStamp {
    /// # Errors
    /// Those of `statx(2)`.
    pub fn of(path: &Path) -> io::Result<Self> {
        let found = rustix::fs::statx(rustix::fs::CWD, path, AtFlags::empty(), wanted())?;
        Ok(Self::from_statx(&found))
    }

    fn of_file(file: &File) -> io::Result<Self> {
        let found = rustix::fs::statx(file, "", AtFlags::EMPTY_PATH, wanted())?;
        Ok(Self::from_statx(&found))
    }

    fn from_statx(found: &Statx) -> Self {
        let born = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
        let nanos = || found.stx_btime.tv_sec.wrapping_mul(1_000_000_000).wrapping_add(found.stx_btime.tv_nsec.into());
        if found.stx_rdev_major > 0 {
            // A block device: its node in /dev is made anew at every start of the machine.
            return Self(u64::from(found.stx_rdev_major) << 32 | u64::from(found.stx_rdev_minor), None);
        }
        Self(found.stx_ino, born.then(nanos))
    }
}

fn wanted() -> StatxFlags {
    StatxFlags::BASIC_STATS | StatxFlags::BTIME
}

/// What is known of a volume before its image is opened.
#[derive(Debug, Clone, Copy)]
pub struct Registered {
    pub blocks: Blocks,
    /// `None`: any file of this size will do, and becomes the one.
    pub stamp: Option<FileStamp>,
}

/// The open file of an image. The lock on it is held for as long as it is open.
#[derive(Debug)]
struct Files {
    file: File,
    /// Opened when it is first wanted: most volumes are never copied in the life of a process.
    direct: OnceLock<Option<File>>,
}

/// The image of a volume. Hosts read and write through the page cache; copying goes past it where that is possible.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) path: PathBuf,
    disk: Disk,
    /// `None` while there is no file that could be opened.
    files: RwLock<Option<Arc<Files>>>,
    pub(super) blocks: Blocks,
    stamp: Mutex<Option<FileStamp>>,
    is_out: AtomicBool,
    /// When the file was last looked at, and why the volume is out of service.
    looked: Mutex<(Instant, Option<String>)>,
    pub(super) locks: RangeLock,
    /// Host writes to this volume share it; a barrier that concerns the volume takes it alone.
    pub(super) admission: RwLock<()>,
    bad: Mutex<Vec<Range<u64>>>,
    failing: AtomicBool,
    /// Which of its bytes were written, for fingerprints.
    pub(super) changes: Changes,
}

impl Image {
    /// A new image, sparse: blocks never written read as zeros. Where it cannot be made, nothing of it stays.
    pub(super) fn create(path: &Path, blocks: Blocks, disk: &Disk) -> io::Result<Self> {
        let file = disk.create(path, OpenOptions::new().read(true).write(true).create_new(true))?;
        let made = disk.set_len(&file, blocks.bytes()).and_then(|()| disk.sync_all(&file)).and_then(|()| lock(&file));
        let made = made.and_then(|()| FileStamp::of_file(&file));
        let stamp = made.inspect_err(|_| {
            // Nobody is to meet it: it has no bytes yet.
            let _ = std::fs::remove_file(path);
        })?;
        let files = Files { file, direct: OnceLock::new() };
        Ok(Self::with(path, disk, Some(files), Registered { blocks, stamp: Some(stamp) }))
    }

    /// Opens an image. One that does not pass is an image all the same, out of service. `None`: its size is what it is.
    pub(super) fn open(path: &Path, registered: Option<Registered>, disk: &Disk) -> Self {
        let registered = registered.unwrap_or_else(|| {
            let bytes = std::fs::metadata(path).map_or(0, |found| found.len());
            Registered { blocks: Blocks(bytes / Blocks::BYTES), stamp: None }
        });
        let image = Self::with(path, disk, None, registered);
        image.look();
        image
    }

    /// The same image with more blocks, which are zeros. Where it cannot be made so large, it keeps its size.
    pub(super) fn grown(&self, blocks: Blocks) -> io::Result<Self> {
        let open = self.files.read().clone().ok_or_else(|| io::Error::other("its image is not open"))?;
        if !open.file.metadata()?.is_file() {
            return Err(io::Error::other("its image is a block device: make that larger"));
        }
        let made = self.disk.set_len(&open.file, blocks.bytes()).and_then(|()| self.disk.sync_all(&open.file));
        if let Err(error) = made {
            // What cannot be cut off either is seen as an image of another size.
            let _ = self.disk.set_len(&open.file, self.blocks.bytes());
            return Err(error);
        }
        let grown = Self::with(&self.path, &self.disk, None, Registered { blocks, stamp: self.stamp() });
        *grown.files.write() = Some(open);
        grown.bad.lock().clone_from(&self.bad.lock());
        Ok(grown)
    }

    fn with(path: &Path, disk: &Disk, files: Option<Files>, registered: Registered) -> Self {
        Self {
            path: path.to_owned(),
            disk: disk.clone(),
            files: RwLock::new(files.map(Arc::new)),
            blocks: registered.blocks,
            stamp: Mutex::new(registered.stamp),
            is_out: AtomicBool::new(false),
            looked: Mutex::new((Instant::now(), None)),
            locks: RangeLock::default(),
            admission: RwLock::default(),
            bad: Mutex::default(),
            failing: AtomicBool::new(false),
            changes: Changes::new(registered.blocks.bytes()),
        }
    }

    /// Which file it is, once one was opened.
    pub(super) fn stamp(&self) -> Option<FileStamp> {
        *self.stamp.lock()
    }

    /// Why the volume is out of service, as far as was last seen.
    pub(super) fn why_out(&self) -> Option<String> {
        if self.is_out.load(Ordering::SeqCst) { self.looked.lock().1.clone() } else { None }
    }

    /// Looks at the file anew, unless that was done just now; gives why the volume is out of service.
    pub(super) fn look_if_due(&self) -> Option<String> {
        if self.looked.lock().0.elapsed() < LOOK_EVERY { self.why_out() } else { self.look() }
    }

    /// Compares the file with what is registered, and gives why the volume is out of service. It is in service again when
    /// the right file is back.
    pub(super) fn look(&self) -> Option<String> {
        let mut looked = self.looked.lock();
        let open = self.files.read().clone();
        let why = match open {
            Some(files) => self.is_still(&files.file).err(),
            None => self.open_now().err(),
        };
        self.is_out.store(why.is_some(), Ordering::SeqCst);
        *looked = (Instant::now(), why.clone());
        why
    }

    /// Takes whatever file of the right size lies there as the volume's.
    pub(super) fn accept(&self) -> Result<(), String> {
        let before = std::mem::take(&mut *self.stamp.lock());
        let open = self.files.write().take();
        let why = self.look();
        if let Some(why) = why {
            // Whatever was open stays: it may be what the file's owner puts back.
            *self.stamp.lock() = before;
            *self.files.write() = open;
            return Err(why);
        }
        self.changes.forget();
        Ok(())
    }

    fn open_now(&self) -> Result<(), String> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            // A FIFO would hang.
            .custom_flags(i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default())
            .open(&self.path)
            .map_err(|error| format!("its image cannot be opened: {error}"))?;
        self.is_image(&file)?;
        let stamp = FileStamp::of_file(&file).map_err(|error| format!("its image cannot be examined: {error}"))?;
        let mut known = self.stamp.lock();
        if known.is_some_and(|known| known != stamp) {
            return Err(REPLACED.to_owned());
        }
        lock_within(&file, LOCK_LIMIT)
            .map_err(|error| format!("its image cannot be locked: {error}; does another array server use it?"))?;
        *known = Some(stamp);
        let files = Files { file, direct: OnceLock::new() };
        *self.files.write() = Some(Arc::new(files));
        Ok(())
    }

    /// Kind and size.
    fn is_image(&self, file: &File) -> Result<(), String> {
        let found = file.metadata().map_err(|error| format!("its image cannot be examined: {error}"))?;
        let bytes = if found.is_file() {
            found.len()
        } else if found.file_type().is_block_device() {
            let mut device = file;
            device.seek(SeekFrom::End(0)).map_err(|error| format!("its block device cannot be examined: {error}"))?
        } else {
            return Err("its image is neither a regular file nor a block device".to_owned());
        };
        if bytes != self.blocks.bytes() {
            return Err(format!("its image has {bytes} bytes, the volume has {}", self.blocks.bytes()));
        }
        if found.is_file() && found.nlink() == 0 {
            return Err("its image was deleted".to_owned());
        }
        Ok(())
    }

    /// Whether the open file is still a whole image, and what lies in its place.
    fn is_still(&self, file: &File) -> Result<(), String> {
        self.is_image(file)?;
        let there = FileStamp::of(&self.path).map_err(|error| format!("its image is not in its place: {error}"))?;
        let open = FileStamp::of_file(file).map_err(|error| format!("its image cannot be examined: {error}"))?;
        if there == open { Ok(()) } else { Err(REPLACED.to_owned()) }
    }

    pub(super) fn read(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.read_from(false, offset, bytes)
    }

    /// Writes, and tells whether that made something good again: a bad sector that is wholly overwritten, as on a disk.
    pub(super) fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        self.write_to(false, offset, bytes)
    }

    /// As [`Image::read`], past the page cache if wanted. The bytes are of a [`Buffer`].
    pub(super) fn read_to_copy(&self, direct: bool, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.read_from(direct, offset, bytes)
    }

    /// As [`Image::write`], past the page cache if wanted. The bytes are of a [`Buffer`].
    pub(super) fn write_copied(&self, direct: bool, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        self.write_to(direct, offset, bytes)
    }

    /// Whether copying can go past the page cache here.
    pub(super) fn takes_direct(&self) -> bool {
        self.files().is_ok_and(|files| self.direct(&files).is_some())
    }

    /// The open file, while the volume is in service.
    fn files(&self) -> io::Result<Arc<Files>> {
        if let Some(why) = self.why_out() {
            return Err(io::Error::other(format!("the volume is out of service: {why}")));
        }
        let open = self.files.read().clone();
        open.ok_or_else(|| io::Error::other("the volume is out of service: its image is not open"))
    }

    fn direct<'a>(&self, files: &'a Files) -> Option<&'a File> {
        let open = || open_direct(&self.path).filter(|_| self.blocks.bytes().is_multiple_of(ALIGNMENT as u64));
        files.direct.get_or_init(open).as_ref()
    }

    fn read_from(&self, direct: bool, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let range = offset..offset + bytes.len() as u64;
        if self.bad.lock().iter().any(|bad| bad.start < range.end && range.start < bad.end) {
            return Err(io::Error::other("bad sector"));
        }
        let files = self.files()?;
        let file = self.direct(&files).filter(|_| direct).unwrap_or(&files.file);
        let read = file.read_exact_at(bytes, offset);
        if read.is_err() {
            // It may have become shorter.
            self.look();
        }
        read
    }

    fn write_to(&self, direct: bool, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        if self.failing.load(Ordering::Relaxed) {
            return Err(io::Error::other("the volume does not take writes"));
        }
        let files = self.files()?;
        let file = self.direct(&files).filter(|_| direct).unwrap_or(&files.file);
        let range = offset..offset + bytes.len() as u64;
        // Before, for whoever asks what changed; and after, for whoever has begun to read meanwhile.
        self.changes.note(&range);
        let written = self.disk.write_at(file, bytes, offset);
        self.changes.note(&range);
        written?;
        let mut bad = self.bad.lock();
        let before = bad.len();
        bad.retain(|bad| !(range.start <= bad.start && bad.end <= range.end));
        Ok(bad.len() < before)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.disk.sync(&self.files()?.file)
    }

    pub(super) fn set_bad(&self, range: Range<u64>) {
        self.bad.lock().push(range);
    }

    pub(super) fn is_bad(&self, offset: u64) -> bool {
        self.bad.lock().iter().any(|bad| bad.contains(&offset))
    }

    pub(super) fn heal(&self) {
        self.bad.lock().clear();
    }

    pub(super) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::Relaxed);
    }
}

const REPLACED: &str = "another file lies in the place of its image";

/// Locks the file itself, by whatever name it was reached.
fn lock(file: &File) -> io::Result<()> {
    Ok(rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive)?)
}

fn lock_within(file: &File, limit: Duration) -> io::Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        match lock(file) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {
                std::thread::sleep(LOCK_PAUSE);
            }
            ended => return ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(folder: &Path, name: &str, bytes: u64) -> Image {
        Image::create(&folder.join(name), Blocks::from_bytes(bytes).unwrap(), &Disk::default()).unwrap()
    }

    #[test]
    fn what_is_copied_past_the_cache_is_what_hosts_read_and_an_odd_size_goes_through_it() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!image(folder.path(), "odd", (1 << 20) + 512).takes_direct());
        let even = image(folder.path(), "even", 1 << 20);
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

    #[test]
    fn an_image_that_is_not_what_was_registered_is_out_of_service_until_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let one = image(folder.path(), "one", 1 << 20);
        let (path, aside, other) =
            (folder.path().join("one"), folder.path().join("aside"), folder.path().join("other"));
        let registered = Registered { blocks: one.blocks, stamp: one.stamp() };
        assert_eq!(one.look(), None);
        let out = |expected: &str| {
            let why = one.look().unwrap();
            assert!(why.contains(expected), "{why}");
            assert!(one.read(0, &mut [0; 512]).is_err() && one.write(0, &[0; 512]).is_err() && one.sync().is_err());
        };
        std::fs::rename(&path, &aside).unwrap();
        out("not in its place");
        std::fs::write(&path, vec![0; 1 << 20]).unwrap();
        out("another file");
        std::fs::rename(&aside, &path).unwrap();
        assert_eq!(one.look(), None, "the right file is back");
        one.write(0, b"x").unwrap();
        File::options().write(true).open(&path).unwrap().set_len(1 << 19).unwrap();
        out("524288 bytes");
        File::options().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
        assert_eq!(one.look(), None);
        std::fs::copy(&path, &other).unwrap();
        std::fs::remove_file(&path).unwrap();
        out("deleted");
        std::fs::rename(&other, &path).unwrap();
        drop(one);
        let again = Image::open(&path, Some(registered), &Disk::default());
        assert!(again.why_out().unwrap().contains("another file"));
        again.accept().unwrap();
        assert_eq!(again.look(), None);
        assert_ne!(again.stamp(), registered.stamp);
        again.write(0, b"x").unwrap();
    }

    #[test]
    fn what_is_no_file_of_the_right_size_is_no_image() {
        let folder = tempfile::tempdir().unwrap();
        let registered = Registered { blocks: Blocks(2048), stamp: None };
        let open = |name: &str| Image::open(&folder.path().join(name), Some(registered), &Disk::default());
        assert!(open("missing").why_out().unwrap().contains("cannot be opened"));
        std::fs::create_dir(folder.path().join("folder")).unwrap();
        assert!(open("folder").why_out().is_some());
        rustix::fs::mknodat(
            rustix::fs::CWD,
            folder.path().join("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(open("fifo").why_out().unwrap().contains("neither"));
        std::fs::write(folder.path().join("empty"), "").unwrap();
        assert!(open("empty").why_out().unwrap().contains("0 bytes"));
    }

    #[test]
    fn an_image_has_one_user_by_whatever_name_it_is_reached() {
        let folder = tempfile::tempdir().unwrap();
        let _one = image(folder.path(), "one", 1 << 20);
        std::fs::hard_link(folder.path().join("one"), folder.path().join("two")).unwrap();
        let file = File::open(folder.path().join("two")).unwrap();
        assert!(lock_within(&file, Duration::ZERO).is_err());
    }

    #[test]
    fn an_image_that_cannot_be_made_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        for failing in 0..3 {
            let faults = super::super::super::disk::faults::DiskFaults::new(failing, 1, rustix::io::Errno::FBIG);
            let path = folder.path().join("big");
            assert!(Image::create(&path, Blocks(2048), &faults.disk()).is_err());
            assert!(!path.exists(), "operation {failing}");
        }
    }
}
