//! Copies of the catalogue, each checked: after the last backup of a burst, and whenever somebody asks. The newest few are kept.
//!
//! Belongs here: when a copy is made, where it goes, how many are kept. Does not: how a database is copied (`sql`), putting
//! one in the catalogue's place (`setup::load`, while no engine runs).

use super::layer::Layer;
use super::{Catalogue, CatalogueError};
use crate::model::catalogue_copy::{CatalogueCopies, CatalogueCopy};
use crate::model::event::{Event, NewEvent};
use crate::model::records::{Change, EntityChange};
use crate::model::units::Timestamp;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Copies that are kept.
pub const KEPT: usize = 3;
/// The ending of a copy that is whole.
const ENDING: &str = "db";
/// A copy that is being made: what a crash leaves of it is overwritten by the next one.
const UNFINISHED: &str = "unfinished";
/// Beside the folder of the copies: why the last copy was not made, for the next engine.
const FAILED: &str = "failed";
/// So long after the last change nothing more is expected of its burst.
const QUIET: Duration = Duration::from_secs(5);
/// Between the beginnings of two copies.
const SPACING: Duration = Duration::from_mins(1);
/// After a copy that was not made it is tried again, also when nothing changes. Each pause after it is twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(30);
const MAX_RETRY: Duration = Duration::from_mins(15);
/// How long an engine that ends takes for a copy that is due.
const LAST_COPY: Duration = Duration::from_secs(10);

/// The name of a copy: the number of its newest event, so that names sort as the copies do.
fn name(sequence: u64) -> String {
    format!("catalogue-{sequence:012}.{ENDING}")
}

fn sequence_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_prefix("catalogue-")?.strip_suffix(ENDING)?.strip_suffix('.')?.parse().ok()
}

fn copy(path: &Path, sequence: u64) -> io::Result<CatalogueCopy> {
    let metadata = path.metadata()?;
    let at = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = Timestamp(i64::try_from(at.as_millis()).unwrap_or(i64::MAX));
    Ok(CatalogueCopy { file: path.to_string_lossy().into_owned(), sequence, bytes: metadata.len(), at })
}

/// The copies in a folder, the newest first; none where there is no folder.
pub fn list(folder: &Path) -> io::Result<Vec<CatalogueCopy>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if let Some(sequence) = sequence_of(&path) {
            found.push(copy(&path, sequence)?);
        }
    }
    found.sort_by_key(|copy| std::cmp::Reverse(copy.sequence));
    Ok(found)
}

/// Where copies are made, and whether the last one was.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// Why the last copy was not made.
    failed: Mutex<Option<String>>,
    /// One copy at a time.
    making: tokio::sync::Mutex<()>,
}

impl Folder {
    /// Makes a copy, checked and durable, and gives up the oldest ones beyond [`KEPT`].
    async fn make(&self, catalogue: &dyn Catalogue) -> Result<CatalogueCopy, CatalogueError> {
        let _alone = self.making.lock().await;
        let made = self.try_make(catalogue).await;
        let failed = made.as_ref().err().map(ToString::to_string);
        if *self.failed.lock() != failed {
            self.keep(failed.as_deref());
            *self.failed.lock() = failed;
        }
        made
    }

    fn note(path: &Path) -> PathBuf {
        path.with_extension(FAILED)
    }

    /// Whether the last copy was made outlives the engine. Where it cannot be written, the next engine finds out by itself.
    fn keep(&self, failed: Option<&str>) {
        let note = Self::note(&self.path);
        let kept = match failed {
            Some(why) => std::fs::write(&note, why),
            None => std::fs::remove_file(&note),
        };
        if let Err(error) =
            kept.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })
        {
            tracing::warn!(%error, "whether the last copy of the catalogue was made is not kept");
        }
    }

    async fn try_make(&self, catalogue: &dyn Catalogue) -> Result<CatalogueCopy, CatalogueError> {
        let unfinished = self.path.join(UNFINISHED);
        self.blocking(&unfinished, {
            let (folder, unfinished) = (self.path.clone(), unfinished.clone());
            move || {
                DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
                match std::fs::remove_file(&unfinished) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
        })
        .await?;
        let head = catalogue.copy_to(unfinished.clone()).await?;
        let folder = self.path.clone();
        let from = unfinished.clone();
        let to = folder.join(name(head.sequence));
        self.blocking(&unfinished, move || {
            std::fs::rename(&from, &to)?;
            File::open(&folder)?.sync_all()?;
            for surplus in list(&folder)?.iter().skip(KEPT) {
                std::fs::remove_file(&surplus.file)?;
            }
            copy(&to, head.sequence)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        what: &Path,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, CatalogueError> {
        let place = what.display().to_string();
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.unwrap_or_else(|error| Err(io::Error::other(error.to_string())));
        done.map_err(|error| CatalogueError::NotCopied { place, detail: error.to_string() })
    }
}

/// A catalogue that is copied after the last change of a burst that recorded a backup, or changed what the site is made of.
pub struct Copied {
    catalogue: Arc<dyn Catalogue>,
    folder: Arc<Folder>,
    due: Arc<Due>,
    task: JoinHandle<()>,
}

/// Whether there is something that no copy has.
#[derive(Debug, Default)]
struct Due {
    is: AtomicBool,
    changed: Notify,
}

impl Drop for Copied {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Copied {
    /// Copies go into `folder`, which is made with the first one.
    pub fn new(catalogue: Arc<dyn Catalogue>, folder: PathBuf) -> Self {
        // An engine before this one may have made none.
        let failed = std::fs::read_to_string(Folder::note(&folder)).ok();
        let folder =
            Arc::new(Folder { path: folder, failed: Mutex::new(failed), making: tokio::sync::Mutex::default() });
        let due = Arc::new(Due::default());
        let task = tokio::spawn(after_each_burst(Arc::clone(&catalogue), Arc::clone(&folder), Arc::clone(&due)));
        Self { catalogue, folder, due, task }
    }
}

async fn after_each_burst(catalogue: Arc<dyn Catalogue>, folder: Arc<Folder>, due: Arc<Due>) {
    let mut last: Option<Instant> = None;
    let mut pause = FIRST_RETRY;
    loop {
        if tokio::time::timeout(pause, due.changed.notified()).await.is_ok() {
            let first = Instant::now();
            // The end of the burst, but a copy a minute at least while there is none.
            while first.elapsed() < SPACING && tokio::time::timeout(QUIET, due.changed.notified()).await.is_ok() {}
        } else if folder.failed.lock().is_some() {
            due.is.store(true, Ordering::SeqCst);
        } else {
            continue;
        }
        if let Some(last) = last {
            tokio::time::sleep_until(last + SPACING).await;
        }
        last = Some(Instant::now());
        if !due.is.swap(false, Ordering::SeqCst) {
            continue;
        }
        match folder.make(&*catalogue).await {
            Ok(copy) => {
                pause = FIRST_RETRY;
                tracing::info!(file = copy.file, "the catalogue was copied");
            }
            Err(error) => {
                tracing::error!(%error, "the catalogue was not copied");
                // The next change tries again, and so do time and the end of the engine.
                pause = (pause * 2).min(MAX_RETRY);
                due.is.store(true, Ordering::SeqCst);
            }
        }
    }
}

/// Whether a change is worth a copy: what is kept and what the site is made of. The journal of operations is not.
fn is_worth_a_copy(change: &Change) -> bool {
    let Change::Entity(entity) = change else { return false };
    matches!(
        entity,
        EntityChange::AddGeneration(_) | EntityChange::PutTransactionVolume(_) | EntityChange::PutBackupVolume(_)
    )
}

impl Layer for Copied {
    fn below(&self) -> &dyn Catalogue {
        &*self.catalogue
    }

    fn commit(&self, changes: Vec<Change>, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>> {
        let is_worth_it = changes.iter().any(is_worth_a_copy);
        Box::pin(async move {
            let kept = self.catalogue.commit(changes, events).await?;
            if is_worth_it {
                self.due.is.store(true, Ordering::SeqCst);
                self.due.changed.notify_one();
            }
            Ok(kept)
        })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let is_due = self.due.is.swap(false, Ordering::SeqCst);
            if is_due && tokio::time::timeout(LAST_COPY, self.folder.make(&*self.catalogue)).await.is_err() {
                tracing::error!("the engine ended before the catalogue was copied");
            }
            self.catalogue.close().await;
        })
    }

    fn save_copy(&self) -> BoxFuture<'_, Result<CatalogueCopy, CatalogueError>> {
        Box::pin(self.folder.make(&*self.catalogue))
    }

    fn copy_failed(&self) -> Option<String> {
        self.folder.failed.lock().clone()
    }

    fn copies(&self) -> io::Result<CatalogueCopies> {
        Ok(CatalogueCopies {
            folder: self.folder.path.to_string_lossy().into_owned(),
            kept: list(&self.folder.path)?,
            failed: Layer::copy_failed(self),
        })
    }
}
