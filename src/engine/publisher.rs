//! Makes snapshots when something changed, and tells what is worth an event.

use super::clock;
use super::core::Core;
use super::doubts;
use super::ledger::Ledger;
use super::notices::Notices;
use super::operation::Commit;
use crate::catalog::CatalogueError;
use crate::model::event::NewEvent;
use crate::model::snapshot::Snapshot;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Changes that come closer together make one snapshot.
const MIN_SPACING: Duration = Duration::from_millis(30);
/// Events that wait for a catalogue that cannot be written; older ones are dropped, and the log says so.
const MAX_UNTOLD: usize = 10_000;

/// Between two tries to tell them.
const TRY_AGAIN: Duration = Duration::from_secs(5);

/// Keeps what the snapshot puts in doubt.
async fn keep_doubts(core: &Core, ledger: &Ledger, snapshot: &Snapshot) -> Result<(), CatalogueError> {
    let commit = core.with_records(|records| doubts::to_commit(snapshot, records, clock::now()));
    ledger.commit(commit).await
}

/// Publishes snapshots for as long as the engine lives.
pub async fn run(core: Arc<Core>, ledger: Ledger, mut notices: Notices) {
    let mut last = core.publish();
    let mut pending_events: Vec<NewEvent> = Vec::new();
    let mut next_try = Instant::now();
    let mut made = Instant::now();
    loop {
        core.changed().await;
        // The first change after a while is shown at once; what follows closely is collected.
        tokio::time::sleep_until(made + MIN_SPACING).await;
        made = Instant::now();
        let snapshot = core.publish();
        let now = clock::now();
        let news = notices.compare(&last, &snapshot);
        pending_events.extend(news.into_iter().map(|kind| NewEvent::by_engine(now, kind)));
        if Instant::now() >= next_try
            && let Err(error) = keep_doubts(&core, &ledger, &snapshot).await
        {
            tracing::warn!(%error, "generations in doubt wait for the catalogue");
            next_try = Instant::now() + TRY_AGAIN;
        }
        last = snapshot;
        if !pending_events.is_empty() && Instant::now() >= next_try {
            let commit = Commit { changes: Vec::new(), events: pending_events.clone() };
            match ledger.commit(commit).await {
                Ok(()) => pending_events.clear(),
                Err(error) => {
                    tracing::warn!(%error, waiting = pending_events.len(), "events wait for the catalogue");
                    next_try = Instant::now() + TRY_AGAIN;
                }
            }
            let surplus = pending_events.len().saturating_sub(MAX_UNTOLD);
            if surplus > 0 {
                tracing::error!(surplus, "events are lost: the catalogue cannot be written for too long");
                pending_events.drain(..surplus);
            }
        }
    }
}
