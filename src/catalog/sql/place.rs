//! Where a catalogue is: a SQLite file or a PostgreSQL database, and what is asked of the file's surroundings.

use crate::catalog::CatalogueError;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A catalogue's address. Its `Display` has neither user nor parameters, so it fits into any message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CataloguePlace {
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

/// An address of a PostgreSQL database, without a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Host and database only.
    fn shown(&self) -> String {
        let (_, rest) = self.0.split_once("://").unwrap_or(("", ""));
        let before_parameters = rest.split(['?', '#']).next().unwrap_or("");
        let (authority, database) = before_parameters.split_once('/').unwrap_or((before_parameters, ""));
        let host = authority.rsplit('@').next().unwrap_or("");
        let host = if host.is_empty() { "local" } else { host };
        format!("postgres://{host}/{database}")
    }
}

impl fmt::Display for CataloguePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => f.write_str(&url.shown()),
        }
    }
}

impl FromStr for CataloguePlace {
    type Err = CatalogueError;

    /// `sqlite:PATH` with an absolute path, or `postgres://USER@HOST/DATABASE` without a password.
    fn from_str(text: &str) -> Result<Self, CatalogueError> {
        let wrong = |why: &str| CatalogueError::Url(format!("the catalogue's url {why}"));
        if let Some(rest) = text.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if !path.starts_with('/') {
                return Err(wrong("names no absolute path: write sqlite:/var/lib/ecdeck/catalogue.db"));
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        let Some(rest) = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) else {
            return Err(wrong("begins with neither sqlite: nor postgres://"));
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
        let password = authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'));
        if password || rest.contains("password=") {
            return Err(wrong(
                "has a password in it, where everybody reads it: take it out, and use peer authentication or a .pgpass file of mode 0600",
            ));
        }
        Ok(Self::Postgres(PostgresUrl(text.to_owned())))
    }
}

/// A SQLite file that is this process's own: the lock is held until this is dropped.
#[derive(Debug)]
pub struct OwnedFile {
    _lock: File,
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
    Ok(OwnedFile { _lock: lock })
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
    fn a_url_with_a_password_is_refused_and_not_repeated() {
        for url in ["postgres://ana:s3cret@db/ec", "postgresql://db/ec?password=s3cret", "postgres://a:s3cret@/ec"] {
            let error = url.parse::<CataloguePlace>().unwrap_err().to_string();
            assert!(!error.contains("s3cret") && error.contains("password"), "{error}");
        }
    }

    #[test]
    fn a_place_is_shown_without_user_and_parameters() {
        let shown = |url: &str| url.parse::<CataloguePlace>().unwrap().to_string();
        assert_eq!(shown("postgres://ana@db01:5433/ec?host=/run/pg"), "postgres://db01:5433/ec");
        assert_eq!(shown("postgres:///ec?host=/run/pg&user=ana"), "postgres://local/ec");
        assert_eq!(shown("sqlite:/var/lib/ecdeck/c.db"), "/var/lib/ecdeck/c.db");
        assert_eq!(shown("sqlite:///var/lib/ecdeck/c.db"), "/var/lib/ecdeck/c.db");
    }

    #[test]
    fn relative_and_foreign_urls_are_refused() {
        for url in ["", "catalogue.db", "sqlite:c.db", "sqlite://c.db", "mysql://db/ec"] {
            assert!(url.parse::<CataloguePlace>().is_err(), "{url}");
        }
    }

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        assert_eq!(network_kind(0xFFFF_FFFF_FF53_4D42), Some("CIFS"));
        assert_eq!(network_kind(0xEF53), None);
    }
}
