//! The file that a collector reads: replaced as a whole, so that nobody reads half of it.

use crate::cli::CliError;
use crate::model::untrusted::Untrusted;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The collector runs as another user.
const MODE: u32 = 0o644;

/// Writes a file beside the wanted one and gives it its name.
pub fn replace(path: &Path, text: &str) -> Result<(), CliError> {
    let shown = Untrusted::new(path.to_string_lossy()).escaped();
    let failed = |error: io::Error| {
        CliError::failed(format!(
            "{shown} cannot be written: {error}; it is as it was. Look at its folder and its disk"
        ))
    };
    let not_a_file = || CliError::usage(format!("{shown} is no regular file: give the name of a file"));
    // A name is given to a new file here: a device or a folder in its place would be gone.
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => return Err(not_a_file()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    let draft = draft_of(path).ok_or_else(not_a_file)?;
    let written = write(&draft, text).and_then(|()| fs::rename(&draft, path));
    written.map_err(|error| {
        let _ = fs::remove_file(&draft);
        failed(error)
    })
}

/// A name of this process in the same folder. A collector takes files that end with `.prom`; this one does not.
fn draft_of(path: &Path) -> Option<PathBuf> {
    let name = path.file_name()?.to_string_lossy();
    Some(path.with_file_name(format!(".{name}.{}.new", std::process::id())))
}

fn write(draft: &Path, text: &str) -> io::Result<()> {
    // What is left of a process that had the same number is nobody's now.
    match fs::remove_file(draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(draft)?;
    file.write_all(text.as_bytes())?;
    // The umask may be that of a service that keeps everything to itself.
    rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(MODE))?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_is_replaced_as_a_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ecdeck.prom");
        replace(&path, "one\n").unwrap();
        let mut before = fs::File::open(&path).unwrap();
        replace(&path, "two\n").unwrap();
        let mut read = String::new();
        io::Read::read_to_string(&mut before, &mut read).unwrap();
        assert_eq!((read.as_str(), fs::read_to_string(&path).unwrap().as_str()), ("one\n", "two\n"));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_a_link_or_a_device_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).unwrap();
        for path in [folder.path(), &link, Path::new("/dev/null"), Path::new("/"), &folder.path().join("none/x")] {
            assert!(replace(path, "text").is_err(), "{path:?}");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
