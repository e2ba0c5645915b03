//! How the array writes its files: the few operations that a full or failing disk can refuse, each in one place, so that a
//! test can make every one of them fail.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// What a person does about an error of the disk, to follow the error's own words.
pub fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free space there and repeat it: nothing has to be started again"
        }
        io::ErrorKind::FileTooLarge => "; this file system takes no file of that size",
        io::ErrorKind::ReadOnlyFilesystem => "; the file system is read-only: see what `dmesg` says of it",
        io::ErrorKind::PermissionDenied => "; correct the owner and the rights there",
        _ if error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error()) => {
            "; the disk fails: see what `dmesg` says of it"
        }
        _ => "",
    }
}

/// The disk below the array's files. In the program it does what is asked; a test can hand it errors.
#[derive(Debug, Clone, Default)]
pub struct Disk {
    #[cfg(test)]
    faults: Option<std::sync::Arc<faults::DiskFaults>>,
    #[cfg(test)]
    record: Option<std::sync::Arc<super::disk_record::DiskRecord>>,
}

impl Disk {
    /// Opens a file of the array for writing, and makes it (mode 0600).
    ///
    /// # Errors
    /// Those of `open(2)`, as with all that follows.
    pub fn create(&self, path: &Path, options: &mut OpenOptions) -> io::Result<File> {
        self.step()?;
        let file = options.mode(0o600).open(path)?;
        #[cfg(test)]
        self.note(|record| record.created(path));
        Ok(file)
    }

    pub fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.step() {
            // As a disk that is full in the middle of a write.
            let _ = file.write_all_at(&bytes[..bytes.len() / 2], offset);
            return Err(error);
        }
        file.write_all_at(bytes, offset)?;
        #[cfg(test)]
        self.note(|record| record.written(file, offset, bytes));
        Ok(())
    }

    pub fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.step() {
            let _ = file.write_all(&bytes[..bytes.len() / 2]);
            return Err(error);
        }
        #[cfg(test)]
        let end = file.metadata()?.len();
        file.write_all(bytes)?;
        #[cfg(test)]
        self.note(|record| record.written(file, end, bytes));
        Ok(())
    }

    pub fn set_len(&self, file: &File, length: u64) -> io::Result<()> {
        self.step()?;
        file.set_len(length)?;
        #[cfg(test)]
        self.note(|record| record.resized(file, length));
        Ok(())
    }

    /// Makes a file's bytes durable. An error is final for what was written since the last sync that succeeded: the kernel
    /// may have dropped it.
    pub fn sync(&self, file: &File) -> io::Result<()> {
        self.step()?;
        // What is written while the flush goes on may miss it.
        #[cfg(test)]
        self.note(|record| record.flushed(file));
        file.sync_data()
    }

    /// Makes a file durable with its length and all else that is known of it.
    pub fn sync_all(&self, file: &File) -> io::Result<()> {
        self.step()?;
        #[cfg(test)]
        self.note(|record| record.flushed(file));
        file.sync_all()
    }

    /// Makes the names in a folder durable.
    pub fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        #[cfg(test)]
        self.note(|record| record.names_flushed(folder));
        File::open(folder)?.sync_all()
    }

    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        std::fs::rename(from, to)
    }

    pub fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        std::fs::remove_file(path)?;
        #[cfg(test)]
        self.note(|record| record.removed(path));
        Ok(())
    }

    #[cfg(test)]
    pub fn recorded_by(record: &std::sync::Arc<super::disk_record::DiskRecord>) -> Self {
        Self { faults: None, record: Some(std::sync::Arc::clone(record)) }
    }

    #[cfg(test)]
    fn note(&self, note: impl FnOnce(&super::disk_record::DiskRecord)) {
        if let Some(record) = &self.record {
            note(record);
        }
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "in tests it counts, and may fail")]
    fn step(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        self.faults.as_ref().map_or(Ok(()), |faults| faults.step())
    }
}

#[cfg(test)]
pub mod faults {
    //! A disk that fails when a test says so.

    use super::Disk;
    use parking_lot::{Condvar, Mutex};
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Fails operations by their number, counted from the disk's first one.
    #[derive(Debug)]
    pub struct DiskFaults {
        done: AtomicU64,
        from: u64,
        /// The first that succeeds again.
        until: AtomicU64,
        error: rustix::io::Errno,
        hang: Mutex<Hang>,
        changed: Condvar,
    }

    /// An operation that does not come back, by its number, until it is let go on.
    #[derive(Debug, Default)]
    struct Hang {
        at: Option<u64>,
        is_reached: bool,
    }

    impl DiskFaults {
        /// From operation `from` on, `times` of them fail.
        pub fn new(from: u64, times: u64, error: rustix::io::Errno) -> Arc<Self> {
            let until = AtomicU64::new(from.saturating_add(times));
            let (hang, changed) = (Mutex::default(), Condvar::new());
            Arc::new(Self { done: AtomicU64::new(0), from, until, error, hang, changed })
        }

        /// A disk that never fails, and counts.
        pub fn never() -> Arc<Self> {
            Self::new(u64::MAX, 0, rustix::io::Errno::IO)
        }

        pub fn disk(self: &Arc<Self>) -> Disk {
            Disk { faults: Some(Arc::clone(self)), record: None }
        }

        /// Operations so far.
        pub fn count(&self) -> u64 {
            self.done.load(Ordering::SeqCst)
        }

        /// The cause is gone.
        pub fn repair(&self) {
            self.until.store(0, Ordering::SeqCst);
        }

        /// The operation that comes after `more` others from now on hangs.
        pub fn hang_after(&self, more: u64) {
            let at = Some(self.count() + more);
            *self.hang.lock() = Hang { at, is_reached: false };
        }

        /// Waits until the operation that hangs has begun.
        pub fn wait_for_hang(&self) {
            self.changed.wait_while(&mut self.hang.lock(), |hang| !hang.is_reached);
        }

        /// The operation that hangs goes on.
        pub fn go_on(&self) {
            self.hang.lock().at = None;
            self.changed.notify_all();
        }

        fn hang(&self, number: u64) {
            let mut hang = self.hang.lock();
            if hang.at == Some(number) {
                hang.is_reached = true;
                self.changed.notify_all();
                self.changed.wait_while(&mut hang, |hang| hang.at == Some(number));
            }
        }

        pub(super) fn step(&self) -> io::Result<()> {
            let number = self.done.fetch_add(1, Ordering::SeqCst);
            self.hang(number);
            let fails = (self.from..self.until.load(Ordering::SeqCst)).contains(&number);
            if fails { Err(self.error.into()) } else { Ok(()) }
        }
    }
}
