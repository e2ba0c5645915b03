//! Between agreement and act: the volumes are claimed, the array is read afresh, and only the plan agreed to runs.

use super::Commit;
use crate::model::actor::Actor;
use crate::model::codes::Code;
use crate::model::event::{EventKind, NewEvent};
use crate::model::identity::{BoxId, VolumeId};
use crate::model::plan::{Plan, Refusal};
use crate::model::records::{Change, OpenOperation, OperationEnd, OperationId, Records};
use crate::model::request::Verb;
use crate::model::step::PlanItem;
use crate::model::units::Timestamp;
use std::collections::BTreeSet;

/// Whether an item that was agreed to may run on a fresh reading.
#[derive(Debug, Clone, PartialEq)]
pub enum Admission {
    Run,
    /// An unused volume that the planner had chosen is taken: the same would run with an equal one in its place.
    Exchanged,
    /// Another plan would run now: it is shown.
    Changed,
    /// Nothing would run now.
    Refused(Box<Refusal>),
}

/// Compares each item that was agreed to with what the rules say on a fresh reading; `fresh` keeps the choices of `agreed`
/// as far as they are still possible. One answer an item, in their order.
pub fn admit(agreed: &Plan, fresh: &Result<Plan, Refusal>) -> Vec<Admission> {
    let digests = agreed.agreement();
    let fresh_digests = fresh.as_ref().map(Plan::agreement).unwrap_or_default();
    let one = |item: &PlanItem| {
        let plan = match fresh {
            Ok(plan) => plan,
            Err(refusal) => return Admission::Refused(Box::new(about(refusal, item.volume))),
        };
        let Some(now) = plan.items().iter().find(|now| now.volume == item.volume) else {
            let refusal = plan.refused().iter().find(|refusal| refusal.volume == Some(item.volume));
            return refusal.map_or(Admission::Changed, |refusal| Admission::Refused(Box::new(refusal.clone())));
        };
        if fresh_digests.of(item.volume) != digests.of(item.volume) {
            // A generation that may be released only since the agreement costs no backup: it stays, and the next one releases it.
            if plan.only_releases_more(agreed, item.volume) { Admission::Run } else { Admission::Changed }
        } else if now.claims == item.claims {
            Admission::Run
        } else {
            Admission::Exchanged
        }
    };
    agreed.items().iter().map(one).collect()
}

/// Of the refusals of a whole request, the one that is about this volume.
fn about(refusal: &Refusal, volume: VolumeId) -> Refusal {
    let own = std::iter::once(refusal).chain(&refusal.also).find(|refusal| refusal.volume == Some(volume));
    Refusal { also: Vec::new(), ..own.unwrap_or(refusal).clone() }
}

/// The boxes that must be read before a plan may run: those of all its items.
pub fn boxes_to_read(plan: &Plan) -> BTreeSet<BoxId> {
    plan.items().iter().flat_map(boxes_of_item).collect()
}

/// The boxes that must be read before an item may run: all that it touches, if it has a command. A forced stop is there for
/// when a box is gone, so it wants only those that are commanded.
pub fn boxes_of_item(item: &PlanItem) -> Vec<BoxId> {
    let commanded: Vec<BoxId> = item.commands().map(|(_, command)| command.array).collect();
    match (item.verb, commanded.is_empty()) {
        (_, true) | (Verb::ForceStop, false) => commanded,
        _ => item.claims.iter().map(|volume| volume.box_id).collect(),
    }
}

/// Opens an operation for each item of a plan and claims all their volumes, as one commit. `words`: what was agreed to, for
/// the audit.
pub fn opening(
    plan: &Plan,
    words: Vec<String>,
    actor: &Actor,
    records: &Records,
    now: Timestamp,
) -> (Vec<OpenOperation>, Commit) {
    let request = plan.request();
    let operations: Vec<OpenOperation> = plan
        .items()
        .iter()
        .zip(records.next_operation.max(1)..)
        .map(|(item, number)| OpenOperation {
            id: OperationId(number),
            actor: actor.clone(),
            started: now,
            reason: request.reason.clone(),
            item: item.clone(),
            journal: Vec::new(),
        })
        .collect();
    let open = |(operation, epoch): (&OpenOperation, u64)| Change::Open {
        operation: operation.clone(),
        claims: operation.item.claims.clone(),
        epoch,
    };
    let requested = EventKind::Requested { request: request.abridged(), agreed: words, digest: plan.digest().clone() };
    let commit = Commit {
        changes: operations.iter().zip(records.next_epoch..).map(open).collect(),
        events: vec![NewEvent { at: now, actor: Some(actor.clone()), operation: None, kind: requested }],
    };
    (operations, commit)
}

/// Closes operations of which nothing was done, because another plan would run now.
pub fn close_all(operations: &[OpenOperation], code: Code, why: &str, now: Timestamp) -> Commit {
    let mut commit = Commit::default();
    for operation in operations {
        let end = OperationEnd::NotDone { code, why: why.to_owned() };
        commit.changes.push(Change::Close { operation: operation.id, end: end.clone(), at: now });
        commit.events.push(NewEvent {
            at: now,
            actor: Some(operation.actor.clone()),
            operation: Some(operation.id),
            kind: EventKind::OperationEnded { volume: operation.item.volume, end },
        });
    }
    commit
}
