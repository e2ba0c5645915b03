//! Events of the audit as sentences for people.

use super::change::end_text;
use super::plan_text::{place, policy_text, state_text};
use crate::model::copy::{Outcome, PairOutcome};
use crate::model::event::{EventKind, NewEvent};
use crate::model::request::{Request, VolumeRole};
use crate::model::session::Pair;
use crate::model::snapshot::Snapshot;
use crate::model::untrusted::Untrusted;

/// One line, escaped.
pub fn text(event: &NewEvent, snapshot: &Snapshot) -> String {
    let operation = event.operation.map_or_else(String::new, |operation| format!("{operation}: "));
    format!("{operation}{}", what(&event.kind, snapshot))
}

fn what(kind: &EventKind, snapshot: &Snapshot) -> String {
    let label = |id| snapshot.label(id);
    match kind {
        EventKind::CatalogueMade { format, demo } => {
            format!("catalogue made, format {format}{}", if *demo { ", demonstration site" } else { "" })
        }
        EventKind::EngineStarted { version } => format!("engine {} started", escaped(version)),
        EventKind::EngineStopped => "engine stopped".to_owned(),
        EventKind::Requested { request, .. } => {
            format!("asked: {}{}", request_text(request, snapshot), reason(request))
        }
        EventKind::Refused { request, code, reason } => {
            format!("refused: {}: {} ({code})", request_text(request, snapshot), escaped(reason))
        }
        EventKind::Sent { array, command } => {
            let pairs: Vec<String> = command.pairs().iter().map(|pair| pair_text(*pair, snapshot)).collect();
            format!("sent to {}: {} {}", array_name(*array, snapshot), command.verb(), pairs.join(", "))
        }
        EventKind::Answered { array, outcomes } => {
            let outcomes: Vec<String> = outcomes.iter().map(|outcome| outcome_text(outcome, snapshot)).collect();
            format!("{} answered: {}", array_name(*array, snapshot), outcomes.join(", "))
        }
        EventKind::OperationEnded { volume, end } => format!("{}: {}", label(*volume), end_text(end)),
        EventKind::Recovered { volume } => format!("{}: taken up again after a restart", label(*volume)),
        EventKind::SessionMade { pair, full } => {
            format!("{}: {} copy", pair_text(*pair, snapshot), if *full { "full" } else { "differential" })
        }
        EventKind::SessionEnded { pair } => format!("{}: session ended", pair_text(*pair, snapshot)),
        EventKind::GenerationRecorded { volume, version, backup_volume, provisioned } => {
            let provisioned = if *provisioned { ", provisioned" } else { "" };
            format!("{}: {version} recorded on {}{provisioned}", label(*volume), place(*backup_volume, snapshot))
        }
        EventKind::GenerationReleased { volume, version, backup_volume, why } => {
            let why = format!("{why:?}").to_lowercase();
            format!("{}: {version} on {} given up: {why}", label(*volume), place(*backup_volume, snapshot))
        }
        EventKind::GenerationHeld { volume, version, held: Some(why) } => {
            format!("{}: {version} held: {}", label(*volume), why.escaped())
        }
        EventKind::GenerationHeld { volume, version, held: None } => {
            format!("{}: {version} no longer held", label(*volume))
        }
        EventKind::GenerationStateSet { volume, version, state } => {
            format!("{}: {version} {}", label(*volume), state_text(state))
        }
        EventKind::PolicySet { volume, policy } => format!("{}: policy {}", label(*volume), policy_text(policy)),
        EventKind::VolumeAdded { volume, role, name } => {
            let role = match role {
                VolumeRole::Transaction => "transaction volume",
                VolumeRole::Backup => "backup volume",
            };
            let name = name.as_ref().map_or_else(String::new, |name| format!(" as {name}"));
            format!("{} registered{name}, {role}", snapshot.location(*volume))
        }
        EventKind::VolumeRemoved { volume } => format!("{} taken out of the site", snapshot.location(*volume)),
        EventKind::StateChanged { volume, from, to, error } => {
            let error = error.map_or_else(String::new, |error| format!(" {error}"));
            format!("{}: {to}{error} (was {from})", label(*volume))
        }
        EventKind::SessionVanished { pair } => format!("{}: session gone without us", pair_text(*pair, snapshot)),
        EventKind::ForeignSession { pair, kind, requestor } => {
            format!("{}: {kind} of another program ({})", pair_text(*pair, snapshot), requestor.escaped())
        }
        EventKind::Overdue { volume, days: 1 } => format!("{}: backup overdue by 1 day", label(*volume)),
        EventKind::Overdue { volume, days } => format!("{}: backup overdue by {days} days", label(*volume)),
        EventKind::ArrayUnreachable { array, why } => format!("array {array} does not answer: {}", why.escaped()),
        EventKind::ArrayReachable { array } => format!("array {array} answers"),
        EventKind::ArrayIdentityChanged { array, known, found } => {
            format!("another box answers as {array}: {found} instead of {known}")
        }
    }
}

fn request_text(request: &Request, snapshot: &Snapshot) -> String {
    let volumes: Vec<String> = request.action.volumes().iter().map(|id| snapshot.label(*id)).collect();
    format!("{} {}", request.action.verb(), volumes.join(" "))
}

fn reason(request: &Request) -> String {
    request.reason.as_ref().map_or_else(String::new, |reason| format!(", because: {}", reason.escaped()))
}

fn pair_text(pair: Pair, snapshot: &Snapshot) -> String {
    format!("{} -> {}", snapshot.label(pair.source), snapshot.location(pair.target))
}

fn outcome_text(outcome: &PairOutcome, snapshot: &Snapshot) -> String {
    let what = match &outcome.outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::AlreadyDone => "done already".to_owned(),
        Outcome::Accepted => "accepted".to_owned(),
        Outcome::Refused(refusal) => format!("refused: {} {}", escaped(&refusal.code), refusal.text.escaped()),
        Outcome::Unknown { why } => format!("unknown: {}", escaped(why)),
    };
    format!("{} {what}", pair_text(outcome.pair, snapshot))
}

fn array_name(box_id: crate::model::identity::BoxId, snapshot: &Snapshot) -> String {
    snapshot.array(box_id).map_or_else(|| box_id.to_string(), |array| array.name.to_string())
}

fn escaped(text: &str) -> String {
    Untrusted::new(text).escaped()
}
