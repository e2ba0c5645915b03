//! What a script waits for of a transaction volume: whether it is so, may still come, or can no longer come.

use super::codes::Code;
use super::group_alarm;
use super::identity::{BoxId, VolumeId};
use super::moment::ReadingMark;
use super::request::Verb;
use super::session::{Automation, Status};
use super::snapshot::{Problem, Reach, SessionView, Snapshot, TransactionState, TransactionVolumeView};
use super::units::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The state that is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Awaited {
    /// Synchronized: ready to back up.
    Equivalent,
    /// Its session is suspended.
    Suspended,
    /// Nothing is copied or mirrored, and no operation has the volume.
    Idle,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Equivalent => "equivalent",
            Self::Suspended => "suspended",
            Self::Idle => "idle",
        })
    }
}

/// How far a volume is from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Reached,
    /// It may still come: a copy runs, an operation has the volume, or its array has to be read first.
    Moving,
    /// It does not come without somebody's help.
    Never(Code, String),
    /// Its array does not answer.
    NotReachable(String),
}

/// An array that is silent for less, in milliseconds, may come back by itself: it is started again, or one reading was lost.
pub const OUTAGE: i64 = 10 * Timestamp::SECOND;

/// Looks at one volume. `now`: by the clock, because a snapshot stays as it is while nothing changes. `since`: readings that
/// had begun by then may be older than what a script did just before.
pub fn progress(snapshot: &Snapshot, id: VolumeId, awaited: Awaited, since: ReadingMark, now: Timestamp) -> Progress {
    let Some(view) = snapshot.transaction_volume(id) else {
        let why = format!("{} is no longer a transaction volume of this site", snapshot.label(id));
        return Progress::Never(Code::NOT_A_TRANSACTION_VOLUME, why);
    };
    let boxes = boxes_of(snapshot, id);
    if let Some(why) = boxes.iter().find_map(|&box_id| silent(snapshot, box_id, now)) {
        return Progress::NotReachable(why);
    }
    // What a silent array showed last is not how it is.
    let is_read = |box_id: &BoxId| {
        let array = snapshot.array(*box_id);
        snapshot.mark.start == since.start
            && array.is_some_and(|array| array.reach == Reach::Reachable && array.reading > since.count)
    };
    if !boxes.iter().all(is_read) {
        return Progress::Moving;
    }
    if let Some((code, why)) = lost_group(snapshot, id).filter(|_| awaited != Awaited::Idle) {
        return Progress::Never(code, format!("{}: {why}", view.volume.name));
    }
    match (awaited, view.state) {
        (Awaited::Equivalent, TransactionState::Equivalent) | (Awaited::Suspended, TransactionState::Suspended) => {
            Progress::Reached
        }
        (Awaited::Idle, TransactionState::None | TransactionState::Suspended) => {
            if view.claimed.is_some() {
                Progress::Moving
            } else {
                Progress::Reached
            }
        }
        // What comes after a restore is judged then.
        (_, TransactionState::Copying | TransactionState::Equivalent | TransactionState::Restoring) => Progress::Moving,
        (_, TransactionState::None | TransactionState::Suspended) => not_started(snapshot, view, awaited),
        (_, TransactionState::Halted) if !waits_for_people(snapshot, id) => Progress::Moving,
        // What is not known may be known with the next reading.
        (_, TransactionState::Unknown) if view.problem.is_none() => Progress::Moving,
        (_, state) => stopped(view, state),
    }
}

/// Why nothing comes of the live session although the array says that it is well: its backup volume's group was deactivated.
fn lost_group(snapshot: &Snapshot, id: VolumeId) -> Option<(Code, String)> {
    let live = snapshot.sessions_of(id).iter().filter(|session| session.ours && session.status != Status::Suspended);
    let mut refused = live.filter_map(|session| group_alarm::refuses(snapshot.backup_volume(session.pair.target)?));
    refused.find(|(code, _)| *code == Code::GROUP_DEACTIVATED)
}

/// The box of the volume, and those of its sessions' other sides.
fn boxes_of(snapshot: &Snapshot, id: VolumeId) -> Vec<BoxId> {
    let targets = snapshot.sessions_of(id).iter().filter(|session| session.ours);
    let mut boxes: Vec<BoxId> = targets.map(SessionView::reported_by).chain([id.box_id]).collect();
    boxes.sort_unstable();
    boxes.dedup();
    boxes
}

fn silent(snapshot: &Snapshot, box_id: BoxId, now: Timestamp) -> Option<String> {
    let Some(array) = snapshot.array(box_id) else {
        return Some(format!("no configured array is the box {box_id}"));
    };
    let name = &array.name;
    match &array.reach {
        Reach::IdentityChanged { found } => Some(format!("another box answers as {name}: {found}")),
        Reach::Unreachable { since, why }
            if now.since(*since)
                > Snapshot::max_reading_age(snapshot.site.poll_millis, array.took_millis).max(OUTAGE) =>
        {
            Some(format!("{name} does not answer: {}", why.escaped()))
        }
        Reach::Unreachable { .. } | Reach::Waiting | Reach::Reachable => None,
    }
}

/// Nothing is copied to it. An operation that has it may still start or suspend a copy.
fn not_started(snapshot: &Snapshot, view: &TransactionVolumeView, awaited: Awaited) -> Progress {
    let leads_there = |verb| {
        matches!(verb, Verb::Start | Verb::Resume | Verb::Overwrite)
            || (awaited == Awaited::Suspended && matches!(verb, Verb::Suspend | Verb::Backup))
    };
    if view.claimed.as_ref().is_some_and(|claim| leads_there(claim.verb)) {
        return Progress::Moving;
    }
    let name = &view.volume.name;
    let suspended = snapshot.sessions_of(view.volume.id).iter().any(|session| session.status == Status::Suspended);
    if suspended {
        Progress::Never(Code::RESUME_FIRST, format!("{name} is suspended, and nobody resumes it"))
    } else {
        Progress::Never(Code::NO_SESSION, format!("{name} has no session, and nobody starts one"))
    }
}

fn waits_for_people(snapshot: &Snapshot, id: VolumeId) -> bool {
    let halted = snapshot.sessions_of(id).iter().filter(|session| session.ours && session.status == Status::Halted);
    { halted }.any(|session| session.modes.is_some_and(|modes| modes.recovery == Automation::Manual))
}

fn stopped(view: &TransactionVolumeView, state: TransactionState) -> Progress {
    let name = &view.volume.name;
    let known: Option<&Problem> = view.problem.as_deref();
    let code = known.map_or(code_of(state), |problem| problem.code);
    let why = known.map_or_else(|| format!("{name} is {state}"), |problem| format!("{name}: {}", problem.text));
    Progress::Never(code, why)
}

fn code_of(state: TransactionState) -> Code {
    match state {
        TransactionState::Halted => Code::HALTED,
        TransactionState::HalfOpen => Code::HALF_OPEN,
        TransactionState::Inbound => Code::INBOUND,
        TransactionState::Reversed => Code::REVERSED,
        TransactionState::RestoreIncomplete => Code::RESTORE_INCOMPLETE,
        TransactionState::Error => Code::ERROR_SUSPENDED,
        _ => Code::UNKNOWN_WORDS,
    }
}
