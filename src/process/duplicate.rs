//! A duplicate of a file: durable, readable by its owner only, and never over a file that is there.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Copies a file to a new one. Of a copy that fails nothing is left.
///
/// # Errors
/// With the path that they are about. `AlreadyExists`: there is a file of the new name, and it is as it was.
pub fn duplicate<'a>(from: &'a Path, to: &'a Path) -> Result<(), (&'a Path, io::Error)> {
    let mut source = File::open(from).map_err(|error| (from, error))?;
    let made = File::options().write(true).create_new(true).mode(0o600).open(to);
    let mut target = made.map_err(|error| (to, error))?;
    io::copy(&mut source, &mut target).and_then(|_| target.sync_all()).map_err(|error| {
        // A part of a copy is of no use.
        let _ = std::fs::remove_file(to);
        (to, error)
    })
}
