//! Beginning and ending the maintenance of an array, on a person's word.

use super::clock;
use super::core::Core;
use super::ledger::Ledger;
use super::operation::Commit;
use super::protocol::Answer;
use super::roles::Caller;
use crate::model::acknowledgement::MAX_REASON;
use crate::model::codes::Code;
use crate::model::event::{EventKind, NewEvent};
use crate::model::identity::Name;
use crate::model::maintained::live_sessions;
use crate::model::maintenance::Maintenance;
use crate::model::plan::Refusal;
use crate::model::records::{Change, EntityChange};
use crate::model::units::Timestamp;
use crate::model::untrusted::Untrusted;
use crate::model::verb::Role;

/// Begins the maintenance of an array, or gives the present one another time. `dry_run`: says what it would be.
pub async fn begin(
    (core, ledger): (&Core, &Ledger),
    array: &Name,
    (until, reason): (Timestamp, Option<Untrusted>),
    dry_run: bool,
    caller: &Caller,
) -> Answer {
    let refused = |code, text: String| Answer::Refused { refusal: Refusal::new(code, text) };
    if let Err(refusal) = must_be_operator(caller) {
        return Answer::Refused { refusal };
    }
    let (snapshot, now) = (core.look(), clock::now());
    if !snapshot.arrays.iter().any(|view| view.name == *array) {
        return refused(Code::NO_MAINTENANCE, format!("no array is called {array}: `ecdeck array list` shows them"));
    }
    if until <= now {
        return refused(Code::PAST_LIMIT, "that time has passed: write a later one".to_owned());
    }
    let too_long = reason.as_ref().is_some_and(|reason| reason.raw().chars().count() > MAX_REASON);
    let reason = reason.filter(|reason| !reason.raw().trim().is_empty());
    if too_long {
        return refused(Code::PAST_LIMIT, format!("a reason has at most {MAX_REASON} characters"));
    }
    // What was live before the first one is to run again after the last one.
    let before = snapshot.maintenance.iter().find(|known| known.array == *array);
    let mut live = live_sessions(&snapshot, array);
    live.extend(before.iter().flat_map(|known| &known.live));
    live.sort_unstable();
    live.dedup();
    let since = before.filter(|known| known.is_in_force(now)).map_or(now, |known| known.since);
    let known = Maintenance { array: array.clone(), since, until, by: caller.actor.to_string(), reason, live };
    if dry_run {
        return Answer::Maintenance { known: Box::new(known) };
    }
    let kind = EventKind::MaintenanceBegun { array: array.clone(), until, reason: known.reason.clone() };
    let change = EntityChange::PutMaintenance(Box::new(known.clone()));
    keep(ledger, change, kind, known, caller).await
}

/// Ends it. What is to run again is the caller's to ask for.
pub async fn end((core, ledger): (&Core, &Ledger), array: &Name, dry_run: bool, caller: &Caller) -> Answer {
    if let Err(refusal) = must_be_operator(caller) {
        return Answer::Refused { refusal };
    }
    let found = core.with_records(|records| records.maintenance.get(array).cloned());
    let Some(known) = found else {
        let text = format!("{array} is not in maintenance: `ecdeck status` shows what is");
        return Answer::Refused { refusal: Refusal::new(Code::NO_MAINTENANCE, text) };
    };
    if dry_run {
        return Answer::Maintenance { known: Box::new(known) };
    }
    let kind = EventKind::MaintenanceEnded { array: array.clone() };
    keep(ledger, EntityChange::EndMaintenance { array: array.clone() }, kind, known, caller).await
}

fn must_be_operator(caller: &Caller) -> Result<(), Refusal> {
    caller.needs(Role::Operator, "the maintenance of an array")
}

async fn keep(ledger: &Ledger, change: EntityChange, kind: EventKind, known: Maintenance, caller: &Caller) -> Answer {
    let event = NewEvent { at: clock::now(), actor: Some(caller.actor.clone()), operation: None, kind };
    match ledger.commit(Commit { changes: vec![Change::Entity(change)], events: vec![event] }).await {
        Ok(()) => Answer::Maintenance { known: Box::new(known) },
        Err(error) => Answer::Failed { why: error.to_string(), code: Some(error.code()) },
    }
}
