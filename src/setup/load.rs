//! Putting a saved copy of the catalogue in the catalogue's place, while no engine runs.
//!
//! The copy is older than what the volumes hold. So everything that it keeps is in doubt when the engine starts again, and
//! generations that only the present catalogue knows are named before anything is done.

use crate::catalog::anchor::FileAnchor;
use crate::catalog::sql::{OpenOptions, SqlCatalogue, beside};
use crate::catalog::{Catalogue, CatalogueError, EventRange, Outside};
use crate::config::Config;
use crate::model::catalogue_copy::{CatalogueContents, LoadSummary, UnknownGeneration};
use crate::model::catalogue_url::CataloguePlace;
use crate::model::codes::Code;
use crate::model::records::{Generation, Records};
use crate::model::untrusted::path as shown;
use crate::process::duplicate::duplicate;
use crate::process::instance::{self, Claim, InstanceError, InstanceLock};
use crate::process::paths::Home;
use crate::serve::{anchor_file, place_of};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// What is beside a database of SQLite while it is open.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// Why a copy is not loaded. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("the engine runs{}: end it first (`systemctl stop ecdeck`, or `kill {}`), then repeat", pid_words(*.0), pid_word(*.0))]
    EngineRuns(Option<u32>),
    #[error("{0}")]
    Catalogue(#[from] CatalogueError),
    #[error("{0}")]
    Instance(#[from] InstanceError),
    #[error("{}: {error}", shown(.path))]
    File { path: PathBuf, error: io::Error },
    #[error("{} is not a whole copy: {why}; nothing was changed", shown(.path))]
    NotWhole { path: PathBuf, why: String },
    #[error(
        "the catalogue is on PostgreSQL, whose own tools put a copy back (pg_restore); then move {} away, so that all that is \
         kept counts as in doubt", shown(.heads)
    )]
    ByItsServer { heads: PathBuf },
}

fn pid_words(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

fn pid_word(pid: Option<u32>) -> String {
    pid.map_or_else(|| "PID".to_owned(), |pid| pid.to_string())
}

impl LoadError {
    pub fn code(&self) -> Code {
        match self {
            Self::EngineRuns(_) => Code::CATALOGUE_IN_USE,
            Self::Catalogue(error) => error.code(),
            Self::NotWhole { .. } => Code::CATALOGUE_DAMAGED,
            Self::Instance(_) | Self::File { .. } | Self::ByItsServer { .. } => Code::CATALOGUE_UNAVAILABLE,
        }
    }
}

fn file_error(path: &Path) -> impl Fn(io::Error) -> LoadError + '_ {
    move |error| LoadError::File { path: path.to_owned(), error }
}

/// A copy that was checked and can be put in the catalogue's place. No engine starts as long as this lives.
#[derive(Debug)]
pub struct Load {
    pub summary: LoadSummary,
    catalogue: PathBuf,
    heads: PathBuf,
    /// The checked copy, beside the catalogue.
    checked: PathBuf,
    _lock: InstanceLock,
}

/// Checks a copy. The file itself is only read.
///
/// # Errors
/// While an engine runs, and for a file that is no whole catalogue.
pub async fn prepare(home: &Home, config: &Config, file: &Path) -> Result<Load, LoadError> {
    let heads = anchor_file(home);
    let CataloguePlace::Sqlite(catalogue) = place_of(home, config) else {
        return Err(LoadError::ByItsServer { heads });
    };
    let Claim::Ours(lock) = instance::claim(&home.engine())? else {
        return Err(LoadError::EngineRuns(instance::pid_of(&home.engine())));
    };
    let checked = catalogue.with_extension("loading");
    remove(&checked)?;
    for ending in BESIDE.into_iter().chain([".lock"]) {
        remove(&beside(&checked, ending))?;
    }
    let not_whole = |why: String| LoadError::NotWhole { path: file.to_owned(), why };
    if !file.metadata().map_err(file_error(file))?.is_file() {
        return Err(not_whole("it is no regular file".to_owned()));
    }
    duplicate(file, &checked).map_err(|(path, error)| file_error(path)(error))?;
    let (copy, records) = match read(&checked, true).await {
        Ok(found) => found,
        Err(why) => {
            remove(&checked)?;
            return Err(not_whole(why));
        }
    };
    let (present, unknown) = match catalogue.try_exists() {
        Ok(false) => (Err("there is none".to_owned()), Vec::new()),
        Ok(true) => match read(&catalogue, false).await {
            Ok((contents, present)) => (Ok(contents), unknown(&present, &records)),
            Err(why) => (Err(why), Vec::new()),
        },
        Err(error) => return Err(file_error(&catalogue)(error)),
    };
    let newest_head = FileAnchor::newest(&heads).ok().flatten().map(|head| head.sequence);
    let summary = LoadSummary { copy, present, unknown, newest_head };
    Ok(Load { summary, catalogue, heads, checked, _lock: lock })
}

/// Reads a catalogue. `whole`: its audit is verified from the first event on.
async fn read(file: &Path, whole: bool) -> Result<(CatalogueContents, Records), String> {
    let place = CataloguePlace::Sqlite(file.to_owned());
    let catalogue = SqlCatalogue::open(&place, OpenOptions::default()).await.map_err(|error| error.to_string())?;
    let found = contents(&catalogue, whole).await;
    Catalogue::close(&catalogue).await;
    found
}

async fn contents(catalogue: &SqlCatalogue, whole: bool) -> Result<(CatalogueContents, Records), String> {
    let words = |error: CatalogueError| error.to_string();
    if whole {
        let report = catalogue.verify(Outside::default()).await.map_err(words)?;
        if !report.is_intact() {
            return Err("its audit and its tables do not agree".to_owned());
        }
    }
    let records = catalogue.load().await.map_err(words)?;
    let head = catalogue.head().await.map_err(words)?;
    if head.sequence == 0 {
        return Err("there is nothing in it".to_owned());
    }
    let newest = catalogue.events(EventRange::Newest(1)).await.map_err(words)?;
    let contents = CatalogueContents {
        sequence: head.sequence,
        newest: newest.last().map(|event| event.event.at),
        transaction_volumes: records.transaction_volumes.len(),
        generations: records.generations.len(),
    };
    Ok((contents, records))
}

/// What the present catalogue keeps and the copy does not.
fn unknown(present: &Records, copy: &Records) -> Vec<UnknownGeneration> {
    let name = |generation: &Generation| {
        let volume = present.transaction_volumes.get(&generation.transaction_volume);
        volume.map_or_else(|| generation.transaction_volume.to_string(), |volume| volume.name.to_string())
    };
    let is_known = |generation: &Generation| {
        let known = copy.generations.get(&(generation.transaction_volume, generation.version));
        known.is_some_and(|known| known.backup_volume == generation.backup_volume)
    };
    let lost = present.generations.values().filter(|generation| !is_known(generation));
    let unknown = |generation: &Generation| UnknownGeneration {
        volume: name(generation),
        version: generation.version,
        taken_at: generation.taken_at,
        backup_volume: generation.backup_volume,
    };
    lost.map(unknown).collect()
}

impl Load {
    /// Puts the copy in the catalogue's place; where the former one is now, if there was one. A crash leaves one of the two
    /// in its place, whole; then an engine either refuses to start, as the heads of the audit are newer, or all is done.
    ///
    /// # Errors
    /// When a file cannot be renamed; what was done by then can be repeated.
    pub fn put_in_place(self) -> Result<Option<PathBuf>, LoadError> {
        let former = free_name(&self.catalogue)?;
        let kept = self.catalogue.try_exists().map_err(file_error(&self.catalogue))?;
        if kept {
            for ending in std::iter::once("").chain(BESIDE) {
                let (from, to) = (beside(&self.catalogue, ending), beside(&former, ending));
                match std::fs::hard_link(&from, &to) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file_error(&to)(error)),
                    _ => {}
                }
            }
        }
        // A log that is left beside another database would be read into it.
        for ending in BESIDE {
            remove(&beside(&self.catalogue, ending))?;
        }
        std::fs::rename(&self.checked, &self.catalogue).map_err(file_error(&self.checked))?;
        let folder = self.catalogue.parent().unwrap_or(Path::new("/"));
        sync(folder)?;
        remove(&beside(&self.checked, ".lock"))?;
        // Last: an older catalogue without them is in doubt as a whole, and one with newer heads is refused.
        if self.heads.try_exists().map_err(file_error(&self.heads))? {
            let aside = free_name(&self.heads)?;
            std::fs::rename(&self.heads, &aside).map_err(file_error(&self.heads))?;
            sync(self.heads.parent().unwrap_or(Path::new("/")))?;
        }
        Ok(kept.then_some(former))
    }

    /// Leaves everything as it was.
    ///
    /// # Errors
    /// When the checked copy cannot be removed.
    pub fn give_up(self) -> Result<(), LoadError> {
        remove(&beside(&self.checked, ".lock"))?;
        remove(&self.checked)
    }
}

/// `catalogue.db.former-1`, or the first number that is free.
fn free_name(path: &Path) -> Result<PathBuf, LoadError> {
    let mut number = 1_u32;
    loop {
        let name = beside(path, &format!(".former-{number}"));
        if !name.try_exists().map_err(file_error(&name))? {
            return Ok(name);
        }
        number += 1;
    }
}

fn remove(path: &Path) -> Result<(), LoadError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(path)(error)),
        _ => Ok(()),
    }
}

fn sync(path: &Path) -> Result<(), LoadError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(file_error(path))
}
