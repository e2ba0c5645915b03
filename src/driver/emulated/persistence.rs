//! What an array server keeps beside images and maps, and what goes wrong with arrays.

use super::core::{Core, CoreError};
use super::data::{DataError, FileStamp};
use super::disk::{Disk, remedy};
use super::wire::{FORMAT, Failure, FailureKind, OLDEST_FORMAT, Work};
use crate::model::identity::VolumeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum ArraysError {
    #[error(transparent)]
    Core(#[from] CoreError),
    #[error(transparent)]
    Data(#[from] DataError),
    #[error("{}: {error}{}", path.display(), remedy(error))]
    File { path: PathBuf, error: std::io::Error },
    #[error("{} cannot be read: {error}. It is left as it is; move the folder away to begin again", path.display())]
    Damaged { path: PathBuf, error: serde_json::Error },
    #[error("{} has format {found}, this program knows format {FORMAT}: use the version that wrote it", path.display())]
    Format { path: PathBuf, found: u32 },
    #[error(
        "{} is missing, and {images} images of volumes lie beside it: put it back; to begin again, move the folder away",
        path.display()
    )]
    Lost { path: PathBuf, images: usize },
    #[error("{0}")]
    Request(String),
}

impl From<ArraysError> for Failure {
    fn from(error: ArraysError) -> Self {
        let kind = match &error {
            ArraysError::Core(CoreError::NoBox(_) | CoreError::NoVolume(_) | CoreError::NoSession(_)) => {
                FailureKind::NotFound
            }
            ArraysError::Data(DataError::File { .. } | DataError::OutOfService { .. })
            | ArraysError::File { .. }
            | ArraysError::Damaged { .. }
            | ArraysError::Lost { .. }
            | ArraysError::Format { .. } => FailureKind::Internal,
            ArraysError::Core(_) | ArraysError::Request(_) | ArraysError::Data(_) => FailureKind::Refused,
        };
        Self { kind, text: error.to_string() }
    }
}

/// Boxes, volumes, sessions and paths with what goes on at them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Kept {
    pub format: u32,
    pub core: Core,
    pub bytes_per_second: Option<u64>,
    pub workloads: BTreeMap<VolumeId, Work>,
    /// The folder in which the images lay. In another one (a copied, moved or restored home) their files are other ones too.
    #[serde(default)]
    pub place: Option<FileStamp>,
    /// The last process ended cleanly: maps and images belong together, in a copy of the home too.
    #[serde(default)]
    pub clean: bool,
}

/// Read first: what follows is only understood when the number is one of ours.
#[derive(Deserialize)]
struct Head {
    format: u32,
}

/// Reads the file; none is a home without arrays, or one that has lost it.
pub(super) fn read(file: &Path) -> Result<Option<Kept>, ArraysError> {
    let text = match std::fs::read(file) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ArraysError::File { path: file.to_owned(), error }),
    };
    let damaged = |error| ArraysError::Damaged { path: file.to_owned(), error };
    let head: Head = serde_json::from_slice(&text).map_err(damaged)?;
    if !(OLDEST_FORMAT..=FORMAT).contains(&head.format) {
        return Err(ArraysError::Format { path: file.to_owned(), found: head.format });
    }
    serde_json::from_slice(&text).map(Some).map_err(damaged)
}

/// Whether a change that was written would outlast a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    Yes,
    /// The new file is in place, but its folder could not be synced: either may be there after a loss of power.
    Unknown,
}

/// Replaces the file; at any moment the old one or the new one is there, whole.
///
/// # Errors
/// When the old one is still in place.
pub(super) fn write(file: &Path, kept: &Kept, disk: &Disk) -> Result<Durable, ArraysError> {
    let failed = |error| ArraysError::File { path: file.to_owned(), error };
    let draft = file.with_extension("new");
    let made = write_draft(&draft, kept, disk).and_then(|()| disk.rename(&draft, file));
    if let Err(error) = made {
        // A draft whose sync failed is not written again: the kernel may have dropped parts of it.
        let _ = std::fs::remove_file(&draft);
        return Err(failed(error));
    }
    let folder = file.parent().unwrap_or(Path::new("/"));
    let synced = disk.sync_folder(folder).or_else(|_| disk.sync_folder(folder));
    Ok(if synced.is_ok() { Durable::Yes } else { Durable::Unknown })
}

fn write_draft(draft: &Path, kept: &Kept, disk: &Disk) -> std::io::Result<()> {
    let out = disk.create(draft, OpenOptions::new().write(true).create(true).truncate(true))?;
    disk.append(&out, &serde_json::to_vec(kept)?)?;
    disk.sync_all(&out)
}
