//! What must outlast the process: registered volumes, policies, generations, our sessions, open operations, the audit.
//!
//! Belongs here: keeping records and events, whole or not at all. Does not: deciding anything (model), doing anything (engine).

pub mod anchor;
pub mod copies;
mod holder;
pub mod layer;
pub mod sql;

pub use holder::Holder;
use holder::{named, now};

use crate::model::audit::AuditReport;
use crate::model::catalogue_copy::{CatalogueCopies, CatalogueCopy};
use crate::model::chain::ChainLink;
use crate::model::codes::Code;
use crate::model::event::{ChainHash, ChainHead, Event, NewEvent};
use crate::model::fingerprint::VolumeLeaves;
use crate::model::identity::VolumeId;
use crate::model::records::{Change, ChangeError, OperationEnd, OperationId, PastGeneration, Records};
use futures_util::future::BoxFuture;
use std::path::PathBuf;

/// Why the catalogue did not do what it was asked. `place` is the file or the database, without any secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    #[error(transparent)]
    Change(#[from] ChangeError),
    #[error(
        "the disk or the size limit of the catalogue {place} is full: {detail}; nothing was written; free space, then repeat"
    )]
    Full { place: String, detail: String },
    #[error("the catalogue {place} cannot be written: {detail}; check the file's and folder's rights and the mount")]
    ReadOnly { place: String, detail: String },
    #[error("the catalogue {place} is damaged: {detail}; nothing was changed; put a saved copy in its place")]
    Corrupt { place: String, detail: String },
    #[error(
        "the catalogue {place} has format {found}, this program knows up to {known}; it was not touched; use the newer program"
    )]
    Newer { place: String, found: u32, known: u32 },
    #[error("the catalogue {place} is in use by another engine{holder}; end that one first", holder = named(holder.as_ref()))]
    InUse { place: String, holder: Option<Holder> },
    #[error("the catalogue {place} was taken over by another engine{holder}; nothing was written; end this engine",
        holder = named(Some(holder)))]
    TakenOver { place: String, holder: Holder },
    #[error(
        "the catalogue {place} is no longer the one that this engine opened: {detail}; nothing was written; put that same file \
         back; or end the engine, which then wants a saved copy in its place"
    )]
    Replaced { place: String, detail: String },
    #[error(
        "the disk of the catalogue {place} fails: {detail}; nothing was written; check the disk and the kernel's log"
    )]
    Device { place: String, detail: String },
    #[error("the catalogue {place} does not answer: {detail}; {remedy}", remedy = reach_remedy(place))]
    Unreachable { place: String, detail: String },
    /// The line was lost at COMMIT: look the operation up before anything else.
    #[error("the catalogue {place} was lost while committing: {detail}; whether the change was kept is looked up next")]
    OutcomeUnknown { place: String, detail: String },
    #[error(
        "the catalogue {place} lies on a network file system ({kind}), where two hosts could write to it at once; put it on a local disk, or use PostgreSQL"
    )]
    NetworkFolder { place: String, kind: &'static str },
    #[error(
        "the folder of the catalogue {place} can be written by others (mode {mode:03o}); take that right away: chmod go-w"
    )]
    Exposed { place: String, mode: u32 },
    #[error("the catalogue was not copied to {place}: {detail}; the catalogue itself is as it was")]
    NotCopied { place: String, detail: String },
    #[error(
        "the catalogue {place} is on PostgreSQL, whose own tools copy it and put it back (pg_dump, pg_restore); nothing was \
         copied"
    )]
    CopiedByItsServer { place: String },
    #[error(
        "a record cannot be written as JSON ({detail}); nothing was written; this is a fault of the program: report it"
    )]
    Unfit { detail: String },
}

impl CatalogueError {
    pub(crate) fn unfit(error: &serde_json::Error) -> Self {
        Self::Unfit { detail: error.to_string() }
    }

    /// Whether it tells of a catalogue that takes no writes now, and not of what was to be written.
    pub fn refuses_writes(&self) -> bool {
        !matches!(self, Self::Change(_) | Self::Unfit { .. } | Self::NotCopied { .. } | Self::CopiedByItsServer { .. })
    }

    pub fn code(&self) -> Code {
        match self {
            Self::InUse { .. } | Self::TakenOver { .. } => Code::CATALOGUE_IN_USE,
            Self::Corrupt { .. } | Self::Replaced { .. } => Code::CATALOGUE_DAMAGED,
            Self::Newer { .. } => Code::ENGINE_MISMATCH,
            _ => Code::CATALOGUE_UNAVAILABLE,
        }
    }
}

/// What to do about a catalogue that is not reached depends on what it is.
fn reach_remedy(place: &str) -> &'static str {
    if place.starts_with("postgres") {
        "check that the PostgreSQL server runs and can be reached from this host, and that its user may log in"
    } else {
        "check the file's folder, its disk and its mount"
    }
}

/// Which events are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventRange {
    /// The newest so many, given oldest first.
    Newest(u32),
    /// From this sequence on, at most so many.
    From { sequence: u64, most: u32 },
}

/// What is known of the audit from outside the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outside {
    /// Heads with their places.
    pub anchors: Vec<ChainHead>,
    /// Hashes that somebody noted elsewhere.
    pub heads: Vec<ChainHash>,
}

/// Whose generations are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generations {
    All,
    OfTransactionVolume(VolumeId),
    OnBackupVolume(VolumeId),
}

/// Which generations are wanted, kept and released ones, newest first: those of one transaction volume by version, others by
/// time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryQuery {
    pub of: Generations,
    pub most: u32,
}

/// What a catalogue answers to [`Catalogue::save_copy`] that keeps no copies by itself.
pub fn keeps_no_copies() -> BoxFuture<'static, Result<CatalogueCopy, CatalogueError>> {
    let (place, detail) = (String::from("a file"), "no folder for copies is known".to_owned());
    Box::pin(std::future::ready(Err(CatalogueError::NotCopied { place, detail })))
}

/// A catalogue. One writer has it at a time; every change and its events are kept together or not at all.
pub trait Catalogue: Send + Sync {
    /// Everything that is in force.
    fn load(&self) -> BoxFuture<'_, Result<Records, CatalogueError>>;

    /// Makes all changes and appends all events in one durable transaction; the events come back with their places.
    fn commit(&self, changes: Vec<Change>, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>>;

    fn events(&self, range: EventRange) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>>;

    /// The same events as they are stored, for verifying the chain.
    fn links(&self, range: EventRange) -> BoxFuture<'_, Result<Vec<ChainLink>, CatalogueError>>;

    fn head(&self) -> BoxFuture<'_, Result<ChainHead, CatalogueError>>;

    fn history(&self, query: HistoryQuery) -> BoxFuture<'_, Result<Vec<PastGeneration>, CatalogueError>>;

    /// How an operation ended; `None` while it is open or when there is none of that number.
    fn operation_end(&self, id: OperationId) -> BoxFuture<'_, Result<Option<OperationEnd>, CatalogueError>>;

    /// The leaves of what a backup volume was read to hold last.
    fn leaves(&self, backup_volume: VolumeId) -> BoxFuture<'_, Result<Option<VolumeLeaves>, CatalogueError>>;

    /// Whether it is still the catalogue that was opened. Writes nothing.
    fn check(&self) -> BoxFuture<'_, Result<(), CatalogueError>>;

    /// Ends in good order: what a log beside the catalogue holds goes into it. Nothing is read or written any more.
    fn close(&self) -> BoxFuture<'_, ()>;

    /// Checks the audit: its chain, what is known from outside, and the tables against the events.
    fn verify(&self, outside: Outside) -> BoxFuture<'_, Result<AuditReport, CatalogueError>>;

    /// Writes a copy, of one moment, to a file that is not there yet, checks it and makes it durable; its head.
    fn copy_to(&self, file: PathBuf) -> BoxFuture<'_, Result<ChainHead, CatalogueError>>;

    /// Makes a copy now, where copies of this catalogue are kept.
    fn save_copy(&self) -> BoxFuture<'_, Result<CatalogueCopy, CatalogueError>>;

    /// Why the copy that was due was not made; `None` where it was, or none is made.
    fn copy_failed(&self) -> Option<String>;

    /// The copies that are kept.
    ///
    /// # Errors
    /// When their folder cannot be read.
    fn copies(&self) -> std::io::Result<CatalogueCopies>;
}
