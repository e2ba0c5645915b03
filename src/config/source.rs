//! The text of a configuration file: a regular file of a reasonable size that nobody else can write, or a reason.

use crate::config_keys::ConfigError;
use crate::process::ownership::{folders, trusted};
use rustix::fs::{Mode, OFlags};
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

/// Bytes of a configuration file. Ten thousand arrays fit.
pub const MAX_CONFIG_BYTES: u64 = 4 << 20;

/// Reads a configuration file. `Ok(None)`: it does not exist.
///
/// Whoever can write the file, or put another one into its place, decides which commands the engine runs. So the file and
/// its folder must belong to this user or to root, and nobody else may write them.
pub fn text(path: &Path) -> Result<Option<String>, ConfigError> {
    let unreadable = |why: String| ConfigError::Unreadable { file: path.to_owned(), why };
    // Without NONBLOCK, opening a FIFO waits for a writer that may never come.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(rustix::io::Errno::NXIO) => return Err(unreadable("it is a socket: give a regular file".to_owned())),
        Err(error) => return Err(unreadable(std::io::Error::from(error).to_string())),
    };
    let found = file.metadata().map_err(|error| unreadable(error.to_string()))?;
    if !found.is_file() {
        return Err(unreadable(format!("it is {}: give a regular file", kind(&found))));
    }
    let uid = rustix::process::geteuid().as_raw();
    trusted(path, &found, uid).map_err(unreadable)?;
    folders(path, uid).map_err(unreadable)?;
    if found.len() > MAX_CONFIG_BYTES {
        return Err(unreadable(too_long()));
    }
    let mut bytes = Vec::new();
    // The file may grow while it is read, and some file systems do not know its size.
    file.take(MAX_CONFIG_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_CONFIG_BYTES {
        return Err(unreadable(too_long()));
    }
    let text = String::from_utf8(bytes);
    text.map(Some).map_err(|_| unreadable("it is not UTF-8 text: write it with a text editor".to_owned()))
}

fn too_long() -> String {
    format!("it is longer than {} MiB: this is no configuration", MAX_CONFIG_BYTES >> 20)
}

fn kind(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_char_device() || kind.is_block_device() {
        "a device"
    } else {
        "no regular file"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::ownership::is_private_group;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::path::PathBuf;

    struct Place {
        _folder: tempfile::TempDir,
        file: PathBuf,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        Place { _folder: folder, file }
    }

    fn set_mode(path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn refused(path: &Path) -> String {
        text(path).unwrap_err().to_string()
    }

    #[test]
    fn a_regular_file_of_ours_is_read() {
        let place = place();
        assert_eq!(text(&place.file), Ok(None));
        std::fs::write(&place.file, "site = \"db01\"\n").unwrap();
        set_mode(&place.file, 0o644);
        assert_eq!(text(&place.file).unwrap().unwrap(), "site = \"db01\"\n");
        let link = place.file.with_file_name("link.toml");
        std::os::unix::fs::symlink(&place.file, &link).unwrap();
        assert!(text(&link).unwrap().is_some());
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() {
        let place = place();
        let fifo = place.file.with_file_name("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(refused(&fifo).contains("it is a FIFO: give a regular file"));
        assert!(refused(Path::new("/dev/zero")).contains("it is a device"));
        assert!(refused(place.file.parent().unwrap()).contains("it is a folder"));
        let socket = place.file.with_file_name("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(refused(&socket).contains("it is a socket"));
    }

    #[test]
    fn a_giant_file_is_refused_unread() {
        let place = place();
        std::fs::File::create(&place.file).unwrap().set_len(3 << 30).unwrap();
        set_mode(&place.file, 0o600);
        assert!(refused(&place.file).contains("longer than 4 MiB"));
        std::fs::write(&place.file, [0xFF, 0xFE]).unwrap();
        assert!(refused(&place.file).contains("not UTF-8"));
    }

    #[test]
    fn what_others_can_write_is_refused() {
        let place = place();
        let folder = place.file.parent().unwrap();
        std::fs::write(&place.file, "site = \"db01\"\n").unwrap();
        for mode in [0o602, 0o606, 0o646] {
            set_mode(&place.file, mode);
            let why = refused(&place.file);
            assert!(why.contains(&format!("mode 0{mode:o}")) && why.contains("chmod go-w"), "{why}");
        }
        set_mode(&place.file, 0o600);
        set_mode(folder, 0o707);
        assert!(refused(&place.file).contains("other users can write"));
        set_mode(folder, 0o700);
        let inside = folder.join("sub");
        std::fs::create_dir(&inside).unwrap();
        set_mode(&inside, 0o755);
        let deeper = inside.join("config.toml");
        std::fs::write(&deeper, "site = \"db01\"\n").unwrap();
        set_mode(&deeper, 0o644);
        set_mode(folder, 0o707);
        assert!(refused(&deeper).contains("all users can write the folder"));
        // A link elsewhere is no way round.
        let elsewhere = self::place();
        std::os::unix::fs::symlink(&deeper, &elsewhere.file).unwrap();
        assert!(refused(&elsewhere.file).contains("all users can write the folder"));
    }

    #[test]
    fn a_file_that_a_shared_group_can_write_is_refused() {
        let place = place();
        std::fs::write(&place.file, "site = \"db01\"\n").unwrap();
        set_mode(&place.file, 0o664);
        let found = std::fs::metadata(&place.file).unwrap();
        assert_eq!(text(&place.file).is_ok(), is_private_group(found.gid(), found.uid()));
        if found.uid() == 0 {
            rustix::fs::chown(&place.file, None, Some(rustix::fs::Gid::from_raw(34))).unwrap();
            assert!(refused(&place.file).contains("other users can write"));
        }
    }

    #[test]
    fn what_belongs_to_another_user_is_refused() {
        let place = place();
        std::fs::write(&place.file, "site = \"db01\"\n").unwrap();
        let found = std::fs::metadata(&place.file).unwrap();
        let (owner, other) = (found.uid(), found.uid() + 1);
        assert!(trusted(&place.file, &found, owner).is_ok());
        let refused = trusted(&place.file, &found, other);
        // Root's files are read by everybody.
        assert_eq!(refused.is_ok(), owner == 0);
        if owner == 0 {
            rustix::fs::chown(&place.file, Some(rustix::fs::Uid::from_raw(4_242)), None).unwrap();
            let why = self::refused(&place.file);
            assert!(why.contains("belongs to uid 4242") && why.contains("belong to root"), "{why}");
        }
    }
}
