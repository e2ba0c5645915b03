//! What the data plane speaks of: states of copies, reports, errors.

use crate::model::identity::VolumeId;
use crate::model::session::Pair;
use crate::model::units::{Blocks, Progress};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The error byte of a bad sector on the source.
pub const BAD_SECTOR: u8 = 0xBA;
/// The error byte of a target that does not take writes. The number is this array's own.
pub const TARGET_FAILED: u8 = 0xB1;
/// The error byte of a one-point copy of which nobody can tell any more what was copied. The number is this array's own.
pub const POINT_IN_TIME_LOST: u8 = 0xB2;

/// The error byte of a volume whose image is not what is registered. The number is this array's own.
pub const OUT_OF_SERVICE: u8 = 0xB3;

/// Why the data plane did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("the array has no volume {0}")]
    NoVolume(VolumeId),
    #[error("volume {0} exists already")]
    Exists(VolumeId),
    #[error("there is no session from {} to {}", .0.source, .0.target)]
    NoSession(Pair),
    #[error("bytes {offset} to {end} are not within volume {volume}, which has {size}")]
    OutOfRange { volume: VolumeId, offset: u64, end: u64, size: u64 },
    #[error("volume {0} is the target of a running copy and takes no writes")]
    NotReady(VolumeId),
    #[error("the copy of {} to {} runs: its direction is turned while it is suspended", .0.source, .0.target)]
    Running(Pair),
    #[error("{} is not equivalent to {}", .0.target, .0.source)]
    NotEquivalent(Pair),
    #[error("{} has {file} bytes, more than volume {volume} holds", path.display())]
    TooLong { path: PathBuf, file: u64, volume: VolumeId },
    #[error("volume {volume} is out of service: {why} ({})", image.display())]
    OutOfService { volume: VolumeId, why: String, image: PathBuf },
    #[error("{} cannot be a copy of {}: it is smaller", .0.target, .0.source)]
    Shorter(Pair),
    #[error("{}: {error}{}", path.display(), crate::driver::emulated::disk::remedy(error))]
    File { path: PathBuf, error: io::Error },
}

/// Whether a session copies and mirrors, or only remembers what changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    Running,
    /// A one-point copy that is to copy later: its target already is what the source was at its start.
    Holding,
    Tracking,
}

/// What is known of a session's two sides when it is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attach {
    /// Nothing: everything is to be copied.
    Full,
    /// They are equal, as the caller knows.
    Clean,
    /// What the stored map and the hot extents say.
    Stored,
}

/// What attaching a stored session found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttachReport {
    pub dirty: Blocks,
    /// The stored map was unusable, so everything counts as dirty; a one-point copy must not go on.
    pub map_lost: bool,
}

/// How a session's bytes stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyState {
    /// What differs, or may differ.
    pub dirty: Blocks,
    /// Of the run that goes on, or of the last one.
    pub run: Progress,
    pub flow: Flow,
    /// 64 KiB regions copied since the session was attached, over all its runs.
    pub copied_regions: u64,
}

/// What the data plane has to say by itself. The receiver must not call back from within: it queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Nothing is left to copy.
    Equivalent(Pair),
    /// Bad blocks of a volume were overwritten.
    Healed(VolumeId),
    /// The image of a volume is not what is registered: whatever copies to or from it has ended.
    OutOfService { volume: VolumeId, why: String },
    /// The run ended; the session only tracks now.
    Failed { pair: Pair, error: u8, detail: String },
}

pub(super) fn make_folder(folder: &Path) -> Result<(), DataError> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(at(folder))
}

pub(super) fn at(path: &Path) -> impl Fn(io::Error) -> DataError + '_ {
    move |error| DataError::File { path: path.to_owned(), error }
}
