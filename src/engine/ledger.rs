//! Commits to the catalogue, one after the other, and what the engine knows by them.

use super::clock;
use super::core::Core;
use super::operation::Commit;
use crate::catalog::{Catalogue, CatalogueError, EventRange};
use crate::model::event::{Event, EventKind, NewEvent};
use crate::model::records::{Change, Records};
use crate::model::snapshot::Snapshot;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// Before the first look whether a catalogue takes writes again; each pause after it is twice as long.
const FIRST_PROBE: Duration = Duration::from_millis(500);
const MAX_PROBE_PAUSE: Duration = Duration::from_secs(4);
/// Between two looks whether the catalogue is still the one that was opened.
const CHECK_PAUSE: Duration = Duration::from_secs(5);
/// Between two tries to find out whether a commit was kept.
const LOOK_UP_PAUSE: Duration = Duration::from_secs(1);

/// The one way to change what outlasts the engine.
#[derive(Clone)]
pub struct Ledger {
    catalogue: Arc<dyn Catalogue>,
    core: Arc<Core>,
    /// One commit at a time. Holds the place of the newest event.
    order: Arc<Mutex<u64>>,
    /// Somebody looks already whether the catalogue takes writes again.
    probing: Arc<AtomicBool>,
}

impl Ledger {
    /// `newest_event` is the place of the catalogue's newest event.
    pub fn new(catalogue: Arc<dyn Catalogue>, core: Arc<Core>, newest_event: u64) -> Self {
        Self { catalogue, core, order: Arc::new(Mutex::new(newest_event)), probing: Arc::default() }
    }

    pub fn catalogue(&self) -> &dyn Catalogue {
        &*self.catalogue
    }

    /// Keeps a commit durably, then makes it known. An error means that surely nothing was kept.
    pub async fn commit(&self, commit: Commit) -> Result<(), CatalogueError> {
        if commit.changes.is_empty() && commit.events.is_empty() {
            return Ok(());
        }
        let this = self.clone();
        // A task of its own: whoever waits may go away, the outcome may not.
        let kept = tokio::spawn(async move {
            let mut newest_event = this.order.lock().await;
            this.keep(commit, &mut newest_event).await
        });
        kept.await.unwrap_or_else(|error| Err(stopped(&error)))
    }

    /// Keeps the engine's own events; they change nothing.
    pub async fn tell(&self, kinds: impl IntoIterator<Item = EventKind>) -> Result<(), CatalogueError> {
        let at = clock::now();
        let events = kinds.into_iter().map(|kind| NewEvent::by_engine(at, kind)).collect();
        self.commit(Commit { changes: Vec::new(), events }).await
    }

    /// Looks now and then whether the catalogue is still the one that was opened, also while nobody writes.
    pub async fn watch(self) {
        // What an engine before this one saw is in the events already.
        let mut told = self.catalogue.copy_failed();
        self.core.show_not_copied(told.as_deref());
        loop {
            tokio::time::sleep(CHECK_PAUSE).await;
            if let Err(error) = self.catalogue.check().await {
                self.refused(&error);
            }
            // Each time that copies begin to fail, or fail in another way.
            let failed = self.catalogue.copy_failed();
            self.core.show_not_copied(failed.as_deref());
            if failed != told
                && let Some(why) = failed.clone()
                && self.tell([EventKind::CatalogueNotCopied { why }]).await.is_err()
            {
                continue;
            }
            told = failed;
        }
    }

    /// The catalogue took no write: that is shown until it does, and looked after.
    fn refused(&self, error: &CatalogueError) {
        if !error.refuses_writes() {
            return;
        }
        self.core.catalogue_refuses(error);
        if !self.probing.swap(true, Ordering::Relaxed) {
            tokio::spawn(self.clone().probe());
        }
    }

    /// Writes nothing but the catalogue's own counter, until that works.
    async fn probe(self) {
        let mut pause = FIRST_PROBE;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PROBE_PAUSE);
            let order = self.order.lock().await;
            let written = self.catalogue.commit(Vec::new(), Vec::new()).await;
            drop(order);
            match written {
                Ok(_) => break,
                Err(error) => self.core.catalogue_refuses(&error),
            }
        }
        self.probing.store(false, Ordering::Relaxed);
        self.core.catalogue_writes();
    }

    async fn keep(&self, commit: Commit, newest_event: &mut u64) -> Result<(), CatalogueError> {
        match self.catalogue.commit(commit.changes.clone(), commit.events.clone()).await {
            Ok(events) => {
                *newest_event = events.last().map_or(*newest_event, |event| event.sequence);
                self.core.apply(&commit.changes, &events);
                self.core.catalogue_writes();
                Ok(())
            }
            Err(error @ CatalogueError::OutcomeUnknown { .. }) => {
                tracing::warn!(%error, "looking up whether the commit was kept");
                self.refused(&error);
                if self.look_up(&commit, newest_event).await { Ok(()) } else { Err(error) }
            }
            Err(error) => {
                // The catalogue's rules and ours saw different records: somebody else wrote to it.
                if matches!(error, CatalogueError::Change(_))
                    && let Ok((records, events)) = self.read_back().await
                {
                    *newest_event = events.last().map_or(*newest_event, |event| event.sequence);
                    self.core.replace_records(records, &events);
                }
                self.refused(&error);
                Err(error)
            }
        }
    }

    /// Whether a commit whose outcome is in doubt was kept. Nothing else is committed meanwhile.
    async fn look_up(&self, commit: &Commit, newest_event: &mut u64) -> bool {
        loop {
            match self.read_back().await {
                Ok((records, events)) => {
                    let newest = events.last().map_or(0, |event| event.sequence);
                    let kept = was_kept(commit, &records, newest > *newest_event);
                    *newest_event = newest;
                    self.core.replace_records(records, &events);
                    return kept;
                }
                Err(error) => {
                    tracing::warn!(%error, "the catalogue cannot be looked up yet");
                    self.core.catalogue_refuses(&error);
                }
            }
            tokio::time::sleep(LOOK_UP_PAUSE).await;
        }
    }

    async fn read_back(&self) -> Result<(Records, Vec<Event>), CatalogueError> {
        let records = self.catalogue.load().await?;
        let newest = EventRange::Newest(u32::try_from(Snapshot::RECENT_EVENTS).unwrap_or(u32::MAX));
        Ok((records, self.catalogue.events(newest).await?))
    }
}

/// Every commit of an operation journals, opens or closes something, and every other one tells an event.
fn was_kept(commit: &Commit, records: &Records, new_events: bool) -> bool {
    let journal = commit.changes.iter().rev().find_map(|change| match change {
        Change::Open { operation, .. } => Some(records.operations.contains_key(&operation.id)),
        Change::Close { operation, .. } => Some(!records.operations.contains_key(operation)),
        Change::Journal { operation, entry } => {
            Some(records.operations.get(operation).is_none_or(|open| open.journal.last() == Some(entry)))
        }
        Change::Entity(_) => None,
    });
    journal.unwrap_or(new_events)
}

fn stopped(error: &tokio::task::JoinError) -> CatalogueError {
    CatalogueError::Unreachable { place: "of this engine".to_owned(), detail: error.to_string() }
}
