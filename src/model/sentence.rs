//! Events as lines for people: one sentence each, names instead of identities, nothing unescaped.

use super::copy::{Command, Outcome};
use super::duration;
use super::entity::{GenerationState, OperationEnd, ReleaseReason};
use super::event::{Event, EventKind, NewEvent};
use super::identity::VolumeId;
use super::request::{Action, Request, VolumeRole};
use super::session::ErrorByte;
use super::snapshot::{EventLine, TransactionState};
use super::take_over::program;
use super::units::{count, listed};
use super::untrusted::escaped;

/// The line for an event. `label` gives a volume's name for people.
pub fn line(event: &Event, label: &dyn Fn(VolumeId) -> String) -> EventLine {
    EventLine {
        sequence: event.sequence,
        at: event.event.at,
        severity: event.event.severity(),
        volume: event.event.volume(),
        text: sentence(&event.event, label),
        news: event.event.is_news(),
    }
}

/// The sentence alone, for a place that shows who asked beside it.
pub fn beside_actor(event: &NewEvent, label: &dyn Fn(VolumeId) -> String) -> String {
    match &event.kind {
        EventKind::Requested { request, .. } => {
            let (names, verb) = (subject(request, label), request.action.verb());
            format!("{names}: {verb} asked for{}", because(request))
        }
        _ => sentence(event, label),
    }
}

/// What array error bytes mean, as far as it is published.
pub fn error_meaning(error: ErrorByte) -> Option<&'static str> {
    (error.0 == 0xBA).then_some("bad sector on the source")
}

fn sentence(event: &NewEvent, label: &dyn Fn(VolumeId) -> String) -> String {
    let who = || event.actor.as_ref().map_or_else(|| "the engine".to_owned(), ToString::to_string);
    match &event.kind {
        EventKind::CatalogueMade { demo: true, .. } => "the demonstration site was set up".to_owned(),
        EventKind::CatalogueMade { .. } => "the catalogue was made".to_owned(),
        EventKind::EngineStarted { version } => format!("the engine started, version {version}"),
        EventKind::EngineStopped => "the engine ended".to_owned(),
        EventKind::RecordsWritten => "records were written".to_owned(),
        EventKind::AuditBaseline { format, tables } => {
            let rows = tables.iter().map(|table| table.rows).sum::<u64>();
            format!(
                "the catalogue has format {format} now; from here on its rows ({rows}) are compared with the events"
            )
        }
        EventKind::Acknowledged { volume, text, reason, .. } => {
            let whose = volume.map_or_else(String::new, |id| format!("{}: ", label(id)));
            format!("{} knows of this: {whose}{text}; {}", who(), reason.escaped())
        }
        EventKind::MaintenanceBegun { array, reason, .. } => {
            let reason = reason.as_ref().map_or_else(String::new, |reason| format!(": {}", reason.escaped()));
            format!("{} began a maintenance of {array}{reason}", who())
        }
        EventKind::MaintenanceEnded { array } => format!("{} ended the maintenance of {array}", who()),
        EventKind::Notified { number, notifications, jobs } => {
            let troubles = count(*notifications, "notification", "notifications");
            format!("notification hook: delivery {number}, {troubles}, {}", count(*jobs, "summary", "summaries"))
        }
        EventKind::NotifyTested { why: None } => format!("{} tested the notification hook", who()),
        EventKind::NotifyTested { why: Some(why) } => {
            format!("{} tested the notification hook, and it failed: {}", who(), why.escaped())
        }
        EventKind::NotifyFailed { why } => format!("the notification hook failed: {}", why.escaped()),
        EventKind::CatalogueNotCopied { why } => {
            format!("no copy of the catalogue was made: {}", super::untrusted::escaped(why))
        }
        EventKind::CatalogueDoubted { why } => {
            format!("kept generations are in doubt: {}", super::untrusted::escaped(why))
        }
        EventKind::Requested { request, .. } => {
            let (names, verb) = (subject(request, label), request.action.verb());
            format!("{names}: {verb} asked for by {}{}", who(), because(request))
        }
        EventKind::Refused { request, code, reason } => {
            let names = subject(request, label);
            let reason = escaped(reason);
            format!("{names}: {} refused: {reason} ({code}){}", request.action.verb(), because(request))
        }
        EventKind::Sent { command, .. } => {
            let targets: Vec<VolumeId> = command.pairs().iter().map(|pair| pair.target).collect();
            let forced = matches!(command, Command::Suspend { force: true, .. } | Command::Stop { force: true, .. });
            let force = if forced { " with force" } else { "" };
            let names = names(&targets, label);
            format!("{}: {}{force} sent, backup volume {names}", source(event, label), command.verb())
        }
        EventKind::Answered { outcomes, .. } => {
            let words: Vec<String> = outcomes.iter().map(|pair| outcome(&pair.outcome)).collect();
            format!("{}: the array answered {}", source(event, label), words.join(", "))
        }
        EventKind::OperationEnded { volume, end } => format!("{}: {}", label(*volume), operation_end(end)),
        EventKind::Recovered { volume } => format!("{}: an operation was taken up again after a stop", label(*volume)),
        EventKind::SessionMade { pair, full } => {
            let kind = if *full { "full" } else { "differential" };
            format!("{}: {} to {}, {kind} copy", label(pair.source), pair.kind, label(pair.target))
        }
        EventKind::SessionEnded { pair } => {
            format!("{}: the session to {} ended", label(pair.source), label(pair.target))
        }
        EventKind::SessionAdopted { pair, by, version } => {
            let kept = version.map_or_else(String::new, |version| format!(", kept as {version}"));
            let target = label(pair.target);
            format!("{}: the pair with {target} was adopted from {}{kept}", label(pair.source), program(by))
        }
        EventKind::SessionForgotten { pair } => {
            format!(
                "{}: the session to {}, which the array has not, was forgotten",
                label(pair.source),
                label(pair.target)
            )
        }
        EventKind::VolumeGivenBack { volume, by, sessions } => {
            let sessions = count(*sessions, "session", "sessions");
            format!("{}: given back to {} with {sessions}", label(*volume), program(by))
        }
        EventKind::GenerationRecorded { volume, version, backup_volume, provisioned } => {
            let made = if *provisioned { "provisioned" } else { "recorded" };
            format!("{}: {version} {made} on {}", label(*volume), label(*backup_volume))
        }
        EventKind::GenerationReleased { volume, version, backup_volume, why } => {
            let why = match why {
                ReleaseReason::Retention => "released, newer ones are kept",
                ReleaseReason::Deleted => "deleted",
                ReleaseReason::Overwritten => "released to be overwritten",
                ReleaseReason::Reused => "released, its volume is used again",
                ReleaseReason::Reconciled => "taken out by reconcile",
            };
            format!("{}: {version} on {} {why}", label(*volume), label(*backup_volume))
        }
        EventKind::GenerationReinstated { volume, version, backup_volume, state } => {
            format!("{}: {version} on {} is kept again: {state}", label(*volume), label(*backup_volume))
        }
        EventKind::ReleasedLost { volume, version, backup_volume } => {
            format!(
                "{}: the released {version} on {} was overwritten without ecdeck",
                label(*volume),
                label(*backup_volume)
            )
        }
        EventKind::GenerationHeld { volume, version, held: Some(why) } => {
            format!("{}: {version} is held: {}", label(*volume), why.escaped())
        }
        EventKind::GenerationHeld { volume, version, held: None } => {
            format!("{}: {version} is no longer held", label(*volume))
        }
        EventKind::GenerationFingerprinted { volume, version, blake3, leaves, read } => {
            let digits = super::untrusted::escaped(&blake3.chars().take(16).collect::<String>());
            format!("{}: {version} is fingerprinted: {digits} ({read} of {leaves} MiB read)", label(*volume))
        }
        EventKind::GenerationVerified { volume, version, differs: None } => {
            format!("{}: {version} is verified: its bytes are those of its fingerprint", label(*volume))
        }
        EventKind::GenerationVerified { volume, version, differs: Some(what) } => {
            format!(
                "{}: {version} is not what its fingerprint says: {} differ",
                label(*volume),
                super::untrusted::escaped(what)
            )
        }
        EventKind::GenerationStateSet { volume, version, state } => {
            let is = if matches!(state, GenerationState::NeedsAttention(_)) { "" } else { "is " };
            format!("{}: {version} {is}{state}", label(*volume))
        }
        EventKind::HookRan { volume, hook, phase, run, .. } => {
            let when = if phase.is_before() { "before" } else { "after" };
            let by = if run.by_deadline { ", run by its guard at the end of the pause" } else { "" };
            format!("{}: the script of {} {when} the backup{by} {}", label(*volume), escaped(hook), run.report)
        }
        EventKind::ReleasesStopped { volume, version, left } => {
            let name = label(*volume);
            let next = match left {
                0 => "its next start has no backup volume".to_owned(),
                left => format!("{} left for its next start", count(*left, "backup volume is", "backup volumes are")),
            };
            format!("{name}: nothing is released until {version} is in order; {next}")
        }
        EventKind::CrashConsistent { volume, version, why } => {
            format!("{}: {version} is crash-consistent only: {}", label(*volume), why.escaped())
        }
        EventKind::PresentStateKept { volume, version, backup_volume } => {
            let (name, on) = (label(*volume), label(*backup_volume));
            format!("{name}: what it was before the restore is kept as {version} on {on}, held")
        }
        EventKind::RestoreBegun { volume, version, target } => {
            format!(
                "{}: {version} is being restored to {}, whose content is overwritten",
                label(*volume),
                label(*target)
            )
        }
        EventKind::Restored { volume, version, target } => {
            format!("{}: {version} was restored to {}", label(*volume), label(*target))
        }
        EventKind::PracticeBegun { volume, version, target } => {
            format!("{}: the restore of {version} is practised on {}", label(*volume), label(*target))
        }
        EventKind::Practised { volume, version, target, millis, differs } => {
            let time = duration::people(i64::try_from(*millis).unwrap_or(i64::MAX));
            let (name, on) = (label(*volume), label(*target));
            match differs {
                None => format!(
                    "{name}: {version} was practised on {on} in {time}: the copy has the bytes of its fingerprint"
                ),
                Some(what) => {
                    format!(
                        "{name}: {version} was practised on {on}, and the copy differs from its fingerprint: {}",
                        escaped(what)
                    )
                }
            }
        }
        EventKind::RestoreCancelled { pair } => {
            format!("{}: its restore was cancelled; it is restore-incomplete", label(pair.target))
        }
        EventKind::RestoreForgotten { target } => {
            format!("{}: it is no longer marked as restore-incomplete", label(*target))
        }
        EventKind::PolicySet { volume, policy } => {
            format!("{}: policy set to {policy}", label(*volume))
        }
        EventKind::VolumeAdded { volume, role, .. } => {
            let role = match role {
                VolumeRole::Transaction => "transaction",
                VolumeRole::Backup => "backup",
            };
            format!("{} registered as a {role} volume", label(*volume))
        }
        EventKind::VolumeRenamed { volume, before, name } => {
            let before = before.as_ref().map_or_else(|| "a volume without a name".to_owned(), ToString::to_string);
            format!("{before} is now called {name} ({volume})")
        }
        EventKind::VolumeRemoved { volume } => format!("{} is no longer registered", label(*volume)),
        EventKind::MapStored { map, rounds, pairs, edited } => {
            let done = if *edited { "edited" } else { "imported" };
            let (rounds, pairs) = (count(rounds.len(), "round", "rounds"), count(*pairs, "pair", "pairs"));
            format!("map set {map} {done}: {rounds}, {pairs}")
        }
        EventKind::MapRemoved { map } => format!("map set {map} removed"),
        EventKind::SetExtended { set, added, members } => {
            let added: Vec<String> = added.iter().map(|id| label(*id)).collect();
            format!("set {set}: {} added, it has {} now", added.join(", "), count(*members, "volume", "volumes"))
        }
        EventKind::SetReduced { set, members: 0, .. } => format!("set {set} removed"),
        EventKind::SetReduced { set, taken, members } => {
            let taken: Vec<String> = taken.iter().map(|id| label(*id)).collect();
            format!("set {set}: {} taken out, it has {} left", taken.join(", "), count(*members, "volume", "volumes"))
        }
        EventKind::MapUsed { map, round, volume, backup_volume } => {
            format!("{}: round {round} of map set {map} used, backup volume {}", label(*volume), label(*backup_volume))
        }
        EventKind::StateChanged { volume, to, error, .. } => state_change(&label(*volume), *to, *error),
        EventKind::SessionVanished { pair } => {
            format!("{}: the session to {} is gone without us", label(pair.source), label(pair.target))
        }
        EventKind::GroupDeactivated { pair, group } => {
            let (name, target) = (label(pair.source), label(pair.target));
            format!(
                "{name}: the volume group {group} was deactivated while {target} is synchronized; a forced stop on the array is the way out"
            )
        }
        EventKind::ForeignSession { pair, kind, requestor } => {
            format!("{}: another program ({}) made a {kind} session", label(pair.source), requestor.escaped())
        }
        EventKind::Overdue { volume, days } => {
            // The first day begins with the moment that the interval has passed.
            match days {
                0 | 1 => format!("{}: backup overdue since less than a day", label(*volume)),
                _ => format!("{}: backup overdue by {}", label(*volume), count(*days as usize, "day", "days")),
            }
        }
        EventKind::ArrayUnreachable { array, why } => format!("{array} does not answer: {}", why.escaped()),
        EventKind::ArrayReachable { array } => format!("{array} answers"),
        EventKind::ArrayIdentityChanged { array, known, found } => {
            format!("{array}: box {found} answers, known is {known}: all verbs stop there")
        }
    }
}

/// Why it was asked for, if that was said.
fn because(request: &Request) -> String {
    request.reason.as_ref().map_or_else(String::new, |reason| format!(", because: {}", reason.escaped()))
}

fn state_change(name: &str, to: TransactionState, error: Option<ErrorByte>) -> String {
    match (to, error) {
        (TransactionState::Equivalent, _) => format!("{name} is equivalent, ready to back up"),
        (TransactionState::Error, Some(error)) => match error_meaning(error) {
            Some(meaning) => format!("{name}: error {error}, {meaning}"),
            None => format!("{name}: error {error}"),
        },
        (TransactionState::None, _) => format!("{name} has no session any more"),
        (TransactionState::RestoreIncomplete, _) => {
            format!("{name} is restore-incomplete: a restore to it did not end")
        }
        (TransactionState::Reversed, _) => format!("{name} is reversed: its backup volume is copied into it"),
        (TransactionState::Inbound, _) => format!("{name} is inbound: another copy writes into it"),
        _ => format!("{name} is {to}"),
    }
}

fn operation_end(end: &OperationEnd) -> String {
    match end {
        OperationEnd::Done => "done".to_owned(),
        OperationEnd::NotDone { code, why } => format!("not done: {why} ({code})"),
        OperationEnd::Failed { code, why } => format!("failed: {why} ({code})"),
        OperationEnd::OutcomeUnknown { why } => format!("outcome unknown: {why}"),
    }
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done => "done".to_owned(),
        Outcome::AlreadyDone => "already done".to_owned(),
        Outcome::Accepted => "accepted".to_owned(),
        Outcome::Refused(refusal) => format!("refused {} {}", escaped(&refusal.code), refusal.text.escaped()),
        Outcome::Unknown { why } => format!("nothing that could be read: {}", escaped(why)),
    }
}

fn source(event: &NewEvent, label: &dyn Fn(VolumeId) -> String) -> String {
    event.volume().map_or_else(String::new, label)
}

/// What a request is about: its volumes, or a map set.
fn subject(request: &Request, label: &dyn Fn(VolumeId) -> String) -> String {
    match (request.action.map_set(), &request.action) {
        (Some(name), _) => format!("map set {name}"),
        (None, Action::ApplySite { .. }) => "the site".to_owned(),
        (None, Action::RegisterAll { volumes }) => {
            let ids: Vec<VolumeId> = volumes.iter().map(|new| new.volume).collect();
            names(&ids, label)
        }
        (None, _) => names(request.action.volumes(), label),
    }
}

/// Up to three names, and how many more.
fn names(volumes: &[VolumeId], label: &dyn Fn(VolumeId) -> String) -> String {
    const SHOWN: usize = 3;
    listed(volumes.iter().map(|volume| label(*volume)), SHOWN)
}
