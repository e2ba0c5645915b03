//! What happened since a moment, and which troubles a person knows of.

use super::clock;
use super::core::Core;
use super::ledger::Ledger;
use super::operation::Commit;
use super::protocol::Answer;
use super::roles::Caller;
use crate::catalog::{Catalogue, CatalogueError, EventRange};
use crate::model::acknowledgement::MAX_REASON;
use crate::model::codes::Code;
use crate::model::event::{Event, EventKind, NewEvent};
use crate::model::notice::{NoticeSight, pool_short, short_tonight};
use crate::model::plan::Refusal;
use crate::model::records::{Change, EntityChange};
use crate::model::since_report::SinceReport;
use crate::model::snapshot::Snapshot;
use crate::model::trouble::{OpenTrouble, open_troubles};
use crate::model::trouble_kind::{TroubleId, TroubleKind};
use crate::model::units::Timestamp;
use crate::model::untrusted::Untrusted;
use crate::model::verb::Role;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// Events read at once.
const PAGE: u64 = 500;
/// Events before the moment that are read as well: an operation that ended after it was asked for there.
const EARLIER: u64 = 2_000;
/// Between two looks whether troubles that a person knows of are over.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What happened since a moment. `snapshot`: from before the events are read.
pub async fn since(catalogue: &dyn Catalogue, snapshot: &Arc<Snapshot>, since: Timestamp) -> Answer {
    match events_since(catalogue, since).await {
        Ok(events) => {
            let planned = Arc::clone(snapshot);
            let short = tokio::task::spawn_blocking(move || short_tonight(&planned)).await.unwrap_or_default();
            let report = SinceReport { short, ..SinceReport::new(&events, since, snapshot, &TimeZone::system()) };
            Answer::Report { report: Box::new(report) }
        }
        Err(error) => Answer::Failed { why: error.to_string(), code: Some(error.code()) },
    }
}

/// The events since a moment with some before it, oldest first: pages are read from the newest back. What has no place in the
/// answer is dropped with its page.
async fn events_since(catalogue: &dyn Catalogue, since: Timestamp) -> Result<Vec<Event>, CatalogueError> {
    let mut newest = catalogue.head().await?.sequence;
    let (mut pages, mut earlier) = (Vec::new(), 0);
    while newest > 0 && earlier < EARLIER {
        let first = newest.saturating_sub(PAGE - 1).max(1);
        let most = u32::try_from(newest - first + 1).unwrap_or(u32::MAX);
        let mut page = catalogue.events(EventRange::From { sequence: first, most }).await?;
        if page.len() != most as usize {
            let detail = format!("events from {first} to {newest} are not all there: run `ecdeck audit verify`");
            return Err(CatalogueError::Corrupt { place: "of this site".to_owned(), detail });
        }
        // Clocks are set back at times: a page counts as earlier only if all of it is.
        if page.iter().all(|event| event.event.at < since) {
            earlier += PAGE;
        }
        page.retain(|event| SinceReport::concerns(&event.event.kind));
        newest = first - 1;
        pages.push(page);
    }
    Ok(pages.into_iter().rev().flatten().collect())
}

/// The volumes whose next start finds no backup volume. On a thread of its own: a large site has many volumes.
async fn next_night(snapshot: &Arc<Snapshot>) -> Vec<OpenTrouble> {
    let planned = Arc::clone(snapshot);
    tokio::task::spawn_blocking(move || pool_short(&planned)).await.unwrap_or_default()
}

/// Keeps that a person knows of a trouble that is there now.
pub async fn acknowledge(
    core: &Core,
    ledger: &Ledger,
    trouble: &TroubleId,
    (reason, until): (Untrusted, Timestamp),
    caller: &Caller,
) -> Answer {
    let refused = |code, text: String| Answer::Refused { refusal: Refusal::new(code, text) };
    if let Err(refusal) = caller.needs(Role::Operator, "acknowledging a trouble") {
        return Answer::Refused { refusal };
    }
    let snapshot = core.look();
    let now = clock::now();
    let mut open = open_troubles(&snapshot);
    if !open.iter().any(|open| open.id == *trouble) {
        open.extend(next_night(&snapshot).await);
    }
    let Some(found) = open.iter().find(|open| open.id == *trouble) else {
        let text = format!("there is no trouble {trouble} now; `ecdeck report --since 1d` shows those that there are");
        return refused(Code::NO_SUCH_TROUBLE, text);
    };
    if until <= now {
        return refused(Code::PAST_LIMIT, "that time has passed: write a later one".to_owned());
    }
    let text = reason.raw().trim();
    if text.is_empty() || text.chars().count() > MAX_REASON {
        let why = format!("a reason has 1 to {MAX_REASON} characters");
        return refused(Code::NO_SUCH_TROUBLE, why);
    }
    let known = found.acknowledge(Untrusted::new(text), now, until, caller.actor.to_string());
    let event = NewEvent {
        at: now,
        actor: Some(caller.actor.clone()),
        operation: None,
        kind: EventKind::Acknowledged {
            trouble: known.trouble.clone(),
            volume: known.volume,
            text: known.text.clone(),
            reason: known.reason.clone(),
            until,
        },
    };
    let change = Change::Entity(EntityChange::Acknowledge(Box::new(known.clone())));
    match ledger.commit(Commit { changes: vec![change], events: vec![event] }).await {
        Ok(()) => Answer::Acknowledged { known: Box::new(known) },
        Err(error) => Answer::Failed { why: error.to_string(), code: Some(error.code()) },
    }
}

/// Ends acknowledgements whose time has come or whose trouble is over: the same trouble that comes back is a new one.
pub async fn run(core: Arc<Core>, ledger: Ledger) {
    let kinds: BTreeSet<TroubleKind> = TroubleKind::ALL.iter().copied().collect();
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        let snapshot = Arc::clone(&core.snapshots().borrow());
        if snapshot.acknowledged.is_empty() || snapshot.catalogue.is_some() {
            continue;
        }
        let mut open = open_troubles(&snapshot);
        if snapshot.acknowledged.iter().any(|known| known.kind == TroubleKind::PoolShort) {
            open.extend(next_night(&snapshot).await);
        }
        let ended = NoticeSight::new(&snapshot, &kinds).ended(&open, clock::now());
        let end = |trouble: &TroubleId| Change::Entity(EntityChange::EndAcknowledgement { trouble: trouble.clone() });
        let changes: Vec<Change> = ended.into_iter().map(end).collect();
        if let Err(error) = ledger.commit(Commit { changes, events: Vec::new() }).await {
            tracing::warn!(%error, "acknowledgements that are over wait for the catalogue");
        }
    }
}
