//! Commits to the catalogue, one after the other, and what the engine knows by them.

use super::clock;
use super::core::Core;
use super::operation::Commit;
use crate::catalog::{Catalogue, CatalogueError, EventRange};
use crate::model::event::{Event, EventKind, NewEvent};
use crate::model::records::{Change, Records};
use crate::model::snapshot::Snapshot;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Between two tries to find out whether a commit was kept.
const LOOK_UP_PAUSE: Duration = Duration::from_secs(1);

/// The one way to change what outlasts the engine.
#[derive(Clone)]
pub struct Ledger {
    catalogue: Arc<dyn Catalogue>,
    core: Arc<Core>,
    /// One commit at a time. Holds the place of the newest event.
    order: Arc<Mutex<u64>>,
}

impl Ledger {
    /// `newest_event` is the place of the catalogue's newest event.
    pub fn new(catalogue: Arc<dyn Catalogue>, core: Arc<Core>, newest_event: u64) -> Self {
        Self { catalogue, core, order: Arc::new(Mutex::new(newest_event)) }
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

    async fn keep(&self, commit: Commit, newest_event: &mut u64) -> Result<(), CatalogueError> {
        match self.catalogue.commit(commit.changes.clone(), commit.events.clone()).await {
            Ok(events) => {
                *newest_event = events.last().map_or(*newest_event, |event| event.sequence);
                self.core.apply(&commit.changes, &events);
                Ok(())
            }
            Err(error @ CatalogueError::OutcomeUnknown { .. }) => {
                tracing::warn!(%error, "looking up whether the commit was kept");
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
                Err(error) => tracing::warn!(%error, "the catalogue cannot be looked up yet"),
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
        _ => None,
    });
    journal.unwrap_or(new_events)
}

fn stopped(error: &tokio::task::JoinError) -> CatalogueError {
    CatalogueError::Unreachable { place: "of this engine".to_owned(), detail: error.to_string() }
}
