//! What is asked of a SQLite file's surroundings, and how the file becomes this process's own.

use crate::catalog::CatalogueError;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// A SQLite file that is this process's own: the lock is held until this is dropped.
#[derive(Debug)]
pub struct OwnedFile {
    lock: File,
}

impl Drop for OwnedFile {
    fn drop(&mut self) {
        // Closing alone does not unlock while a child that is just being started has a copy of the descriptor.
        let _ = self.lock.unlock();
    }
}

/// Makes folder and file private and takes the lock. Nothing is written to a file that is there already.
pub fn own_file(path: &Path) -> Result<OwnedFile, CatalogueError> {
    let place = path.display().to_string();
    let failed = |error: &std::io::Error| unusable(&place, error);
    let folder = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| failed(&error))?;
    refuse_network(folder, &place)?;
    let mode = folder.metadata().map_err(|error| failed(&error))?.mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(CatalogueError::Exposed { place, mode });
    }
    let lock = take_lock(path, &place)?;
    let private =
        OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(|error| failed(&error))?;
    if private.metadata().map_err(|error| failed(&error))?.mode() & 0o077 != 0 {
        private.set_permissions(PermissionsExt::from_mode(0o600)).map_err(|error| failed(&error))?;
    }
    Ok(OwnedFile { lock })
}

/// The engine's own lock is on its home; this one also meets two homes that name the same file.
fn take_lock(path: &Path, place: &str) -> Result<File, CatalogueError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let options = OpenOptions::new().create(true).append(true).mode(0o600).open(name);
    let file = options.map_err(|error| unusable(place, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CatalogueError::InUse { place: place.to_owned() }),
        Err(TryLockError::Error(error)) => Err(unusable(place, &error)),
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
