//! What is asked of a SQLite file's surroundings, and how the file becomes this process's own.

use crate::catalog::{CatalogueError, Holder, now};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::fs::{DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Which file it is, whatever path leads to it: device and inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileIdentity {
    device: u64,
    inode: u64,
}

impl FileIdentity {
    fn of(found: &Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino() }
    }

    fn at(path: &Path) -> std::io::Result<Self> {
        std::fs::metadata(path).map(|found| Self::of(&found))
    }
}

/// The files that this process owns. To open and close one of them once more would drop SQLite's own locks on it.
static OWNED: Mutex<BTreeSet<FileIdentity>> = Mutex::new(BTreeSet::new());

/// A SQLite file that is this process's own: the locks are held until this is dropped.
///
/// One lock lies on the file itself, so that links and bind mounts lead to the same lock; the other one lies on the file
/// with `.lock` after its name, where engines of catalogue format 1 have theirs.
#[derive(Debug)]
pub struct OwnedFile {
    path: PathBuf,
    identity: FileIdentity,
    file: File,
    lock: File,
}

impl OwnedFile {
    /// The file itself: no link is left in it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn identity(&self) -> FileIdentity {
        self.identity
    }
}

impl Drop for OwnedFile {
    fn drop(&mut self) {
        // Closing alone does not unlock while a child that is just being started has a copy of the descriptor.
        let _ = self.lock.unlock();
        let _ = self.file.unlock();
        OWNED.lock().remove(&self.identity);
    }
}

/// Makes folder and file private and takes the locks. Nothing is written to a file that is there already.
pub fn own_file(path: &Path) -> Result<OwnedFile, CatalogueError> {
    let place = path.display().to_string();
    let failed = |error: &std::io::Error| unusable(&place, error);
    let folder = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(&error))?;
    let mut owned = OWNED.lock();
    if FileIdentity::at(path).is_ok_and(|identity| owned.contains(&identity)) {
        return Err(CatalogueError::InUse { place, holder: Some(Holder::this_process(now())) });
    }
    let real = real_path(path).map_err(|error| failed(&error))?;
    let folder = real.parent().unwrap_or(Path::new("/"));
    refuse_network(folder, &place)?;
    let mode = folder.metadata().map_err(|error| failed(&error))?.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(CatalogueError::Exposed { place, mode });
    }
    let lock = take_lock(&real, &place)?;
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&real).map_err(|error| failed(&error))?;
    // Another path to the same file: who has it stands beside that one.
    lock_or_say_who(&file, None, &place)?;
    store_holder(&lock);
    let found = file.metadata().map_err(|error| failed(&error))?;
    if found.mode() & 0o077 != 0 {
        file.set_permissions(PermissionsExt::from_mode(0o600)).map_err(|error| failed(&error))?;
    }
    let identity = FileIdentity::of(&found);
    owned.insert(identity);
    drop(owned);
    Ok(OwnedFile { path: real, identity, file, lock })
}

/// Where the file lies, or will lie, without any link on the way.
fn real_path(path: &Path) -> std::io::Result<PathBuf> {
    match std::fs::canonicalize(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let folder = std::fs::canonicalize(path.parent().unwrap_or(Path::new("/")))?;
            Ok(path.file_name().map_or(folder.clone(), |name| folder.join(name)))
        }
        found => found,
    }
}

/// Beside the file: here engines of every format meet, and here the holder says who it is.
fn take_lock(path: &Path, place: &str) -> Result<File, CatalogueError> {
    let name = beside(path, ".lock");
    let options = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(name);
    let file = options.map_err(|error| unusable(place, &error))?;
    lock_or_say_who(&file, Some(&file), place)?;
    Ok(file)
}

fn lock_or_say_who(wanted: &File, holder: Option<&File>, place: &str) -> Result<(), CatalogueError> {
    match wanted.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(CatalogueError::InUse { place: place.to_owned(), holder: holder.and_then(read_holder) })
        }
        Err(TryLockError::Error(error)) => Err(unusable(place, &error)),
    }
}

/// Longer than any holder's line.
const MAX_HOLDER_BYTES: u64 = 1_024;

fn read_holder(mut lock: &File) -> Option<Holder> {
    let mut line = String::new();
    lock.rewind().ok()?;
    lock.take(MAX_HOLDER_BYTES).read_to_string(&mut line).ok()?;
    Holder::from_line(&line)
}

/// On a full disk the holder stays unnamed; the lock holds all the same.
fn store_holder(mut lock: &File) {
    let line = Holder::this_process(now()).to_line();
    let _ = lock.set_len(0).and_then(|()| lock.write_all(line.as_bytes()));
}

/// The file whose name has a suffix more: SQLite's log, a lock.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Database, write-ahead log and its index, as they were opened.
#[derive(Debug)]
pub struct OpenedFiles {
    path: PathBuf,
    database: FileIdentity,
    /// Log and index, by the ends of their names.
    beside: [(&'static str, FileIdentity); 2],
}

impl OpenedFiles {
    /// While a connection has all three open.
    pub fn look(path: &Path) -> std::io::Result<Self> {
        let at = |suffix| Ok::<_, std::io::Error>((suffix, FileIdentity::at(&beside(path, suffix))?));
        Ok(Self { path: path.to_owned(), database: FileIdentity::at(path)?, beside: [at("-wal")?, at("-shm")?] })
    }

    pub fn is_database(&self, identity: FileIdentity) -> bool {
        self.database == identity
    }

    /// Whether the paths still lead to the files that were opened.
    pub fn are_there(&self) -> bool {
        self.lost_database().is_none() && self.beside.iter().all(|(suffix, identity)| self.is_at(suffix, *identity))
    }

    fn is_at(&self, suffix: &str, identity: FileIdentity) -> bool {
        FileIdentity::at(&beside(&self.path, suffix)).is_ok_and(|found| found == identity)
    }

    /// What became of the database itself; `None` while it is where it was opened.
    pub fn lost_database(&self) -> Option<String> {
        let path = self.path.display();
        match FileIdentity::at(&self.path) {
            Ok(found) if found == self.database => None,
            Ok(_) => Some(format!("another file lies at {path}")),
            Err(error) => Some(format!("{path}: {error}")),
        }
    }

    /// Renames a log or index that is not the one that was opened, so that nothing reads it as this catalogue's.
    pub fn set_strangers_aside(&self) -> std::io::Result<()> {
        for (suffix, identity) in &self.beside {
            let path = beside(&self.path, suffix);
            match FileIdentity::at(&path) {
                Ok(found) if found != *identity => std::fs::rename(&path, beside(&path, ".not-ours"))?,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn unusable(place: &str, error: &std::io::Error) -> CatalogueError {
    use std::io::ErrorKind;
    let (place, detail) = (place.to_owned(), error.to_string());
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => CatalogueError::ReadOnly { place, detail },
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => CatalogueError::Full { place, detail },
        _ => CatalogueError::Unreachable { place, detail },
    }
}

/// WAL keeps its index in shared memory of one host, and locks over a network are promises.
fn refuse_network(folder: &Path, place: &str) -> Result<(), CatalogueError> {
    let stat = rustix::fs::statfs(folder).map_err(|error| unusable(place, &error.into()))?;
    match network_kind(stat.f_type.cast_unsigned()) {
        Some(kind) => Err(CatalogueError::NetworkFolder { place: place.to_owned(), kind }),
        None => Ok(()),
    }
}

/// By the kernel's magic numbers (linux/magic.h).
fn network_kind(magic: u64) -> Option<&'static str> {
    match magic & 0xFFFF_FFFF {
        0x6969 => Some("NFS"),
        0x517B => Some("SMB"),
        0xFE53_4D42 => Some("SMB2"),
        0xFF53_4D42 => Some("CIFS"),
        0x5346_414F => Some("AFS"),
        0x00C3_6400 => Some("Ceph"),
        0x0116_1970 => Some("GFS2"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_that_is_being_started_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("catalogue.db");
        let owned = own_file(&path).unwrap();
        let copy_of_a_child = owned.lock.try_clone().unwrap();
        assert!(matches!(own_file(&path), Err(CatalogueError::InUse { .. })));
        drop(owned);
        own_file(&path).unwrap();
        drop(copy_of_a_child);
    }

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        assert_eq!(network_kind(0xFFFF_FFFF_FF53_4D42), Some("CIFS"));
        assert_eq!(network_kind(0xEF53), None);
    }
}
