//! What a transaction volume and a backup volume are called, and what is wrong with them.

use super::halves::is_read;
use super::{Index, Sources, Walk};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::records::{BackupVolume, Policy, TransactionVolume};
use crate::model::sentence::error_meaning;
use crate::model::session::{CopyKind, Phase, Status};
use crate::model::snapshot::{
    BackupState, BackupVolumeView, ClaimView, Due, Halves, Problem, Reach, Ready, SessionView, TransactionState,
    TransactionVolumeView,
};
use crate::model::units::{Blocks, Timestamp};

pub(super) fn transaction_views(sources: &Sources<'_>, index: &Index<'_>) -> Vec<TransactionVolumeView> {
    let mut walk = index.walk();
    let volumes = sources.records.transaction_volumes.values();
    volumes.map(|volume| transaction_view(sources, index, &mut walk, volume)).collect()
}

pub(super) fn backup_views(sources: &Sources<'_>, index: &Index<'_>) -> Vec<BackupVolumeView> {
    let mut walk = index.walk();
    let volumes = sources.records.backup_volumes.values();
    volumes.map(|volume| backup_view(sources, index, &mut walk, volume)).collect()
}

/// The one word for a session.
pub fn session_state(session: &SessionView) -> TransactionState {
    if !session.says_unknown_words() && session.is_half_open() {
        return TransactionState::HalfOpen;
    }
    match (session.status, session.phase) {
        (Status::Idle, _) => TransactionState::None,
        (Status::ErrorSuspended, _) => TransactionState::Error,
        (Status::Halted, _) => TransactionState::Halted,
        (_, Phase::Unknown) | (Status::Unknown, _) => TransactionState::Unknown,
        (Status::Suspended, _) => TransactionState::Suspended,
        (Status::Active, Phase::Equivalent) => TransactionState::Equivalent,
        (Status::Active | Status::Reserved, _) => TransactionState::Copying,
    }
}

fn transaction_view(
    sources: &Sources<'_>,
    index: &Index<'_>,
    walk: &mut Walk<'_>,
    volume: &TransactionVolume,
) -> TransactionVolumeView {
    let id = volume.id;
    let ours = || index.sessions_of(id).iter().filter(|session| session.ours && is_synchronization(session));
    let worst = ours().max_by_key(|session| session_state(session));
    let unread = lost_from(index, id, false);
    let state = match worst {
        Some(session) => session_state(session),
        None if unread => TransactionState::Unknown,
        None => TransactionState::None,
    };
    let mut kept = 0;
    let mut last_backup = None;
    for generation in sources.records.generations_of(id) {
        kept += 1;
        last_backup = Some((generation.version, generation.taken_at));
    }
    let located = location_problem(index, walk, id, volume.blocks);
    let answers = index.boxes.get(&id.box_id).is_some_and(|array| array.reach == Reach::Reachable);
    let may_back_up = volume.policy.is_some() && located.is_none() && answers && is_read(sources, id.box_id);
    TransactionVolumeView {
        state,
        kept,
        last_backup,
        due: due(volume.policy, last_backup.map_or(volume.registered_at, |(_, at)| at), sources.now),
        ready: worst.filter(|_| may_back_up).map_or(Ready::Never, ready),
        claimed: claim(sources, id),
        problem: located
            .or_else(|| worst.and_then(session_problem))
            .or_else(|| lost_from(index, id, true).then(vanished)),
        volume: volume.clone(),
    }
}

/// When the session's copy can be backed up, as far as the session goes.
fn ready(session: &SessionView) -> Ready {
    match session_state(session) {
        TransactionState::Equivalent | TransactionState::Copying => session.ready,
        _ => Ready::Never,
    }
}

fn backup_view(
    sources: &Sources<'_>,
    index: &Index<'_>,
    walk: &mut Walk<'_>,
    volume: &BackupVolume,
) -> BackupVolumeView {
    let id = volume.id;
    let sessions = index.by_target.get(&id).map_or(&[][..], Vec::as_slice);
    let generation = index.generation_on.get(&id);
    let ours = sessions.iter().find(|session| session.ours);
    let lost = index.lost_to.get(&id);
    let state = if sessions.iter().any(|session| !session.ours) {
        BackupState::Foreign
    } else if let Some(session) = ours {
        backup_state(session_state(session), generation.is_some())
    } else if lost.is_some_and(|lost| !lost.vanished) {
        BackupState::Unverified
    } else if generation.is_some() {
        BackupState::Generation
    } else if lost.is_some() {
        BackupState::Unverified
    } else {
        BackupState::Unused
    };
    let of_session = ours.map(|session| session.pair.source);
    let of_lost = lost.map(|lost| lost.source);
    BackupVolumeView {
        state,
        transaction_volume: of_session.or(generation.map(|generation| generation.transaction_volume)).or(of_lost),
        generation: generation.map(|generation| generation.version),
        claimed: claim(sources, id),
        problem: location_problem(index, walk, id, volume.blocks)
            .or_else(|| ours.and_then(|session| session_problem(session)))
            .or_else(|| (state == BackupState::Unverified && lost.is_some_and(|lost| lost.vanished)).then(vanished)),
        volume: volume.clone(),
    }
}

fn backup_state(session: TransactionState, generation: bool) -> BackupState {
    match (session, generation) {
        (TransactionState::Suspended, true) => BackupState::SuspendedGeneration,
        (TransactionState::Suspended, false) => BackupState::Bound,
        (TransactionState::Equivalent, _) => BackupState::Equivalent,
        (TransactionState::Copying | TransactionState::Restoring, _) => BackupState::Copying,
        (TransactionState::Error | TransactionState::Halted | TransactionState::HalfOpen, _) => BackupState::Error,
        (TransactionState::Unknown, _) => BackupState::Unverified,
        (TransactionState::None, true) => BackupState::Generation,
        (TransactionState::None, false) => BackupState::Unused,
    }
}

fn is_synchronization(session: &SessionView) -> bool {
    matches!(session.pair.kind, CopyKind::Ec | CopyKind::Rec)
}

/// Whether one of our sessions of this source vanished, or (`vanished` false) stands on a box that was not read yet.
/// A vanished one whose backup volume holds a generation does not count: it was suspended, the generation is whole.
fn lost_from(index: &Index<'_>, source: VolumeId, vanished: bool) -> bool {
    let lost = index.lost_from.get(&source).map_or(&[][..], Vec::as_slice);
    lost.iter().any(|lost| lost.vanished == vanished && !(vanished && index.generation_on.contains_key(&lost.target)))
}

fn claim(sources: &Sources<'_>, id: VolumeId) -> Option<ClaimView> {
    let claim = sources.records.claims.get(&id)?;
    let verb = sources.records.operations.get(&claim.operation)?.item.verb;
    Some(ClaimView { operation: claim.operation, verb, holder: claim.holder.clone(), since: claim.since })
}

/// Overdue from the moment that the interval has passed; the first day of it counts as one.
fn due(policy: Option<Policy>, last: Timestamp, now: Timestamp) -> Due {
    let Some(policy) = policy else { return Due::NoPolicy };
    let late = now.since(last) - i64::from(policy.interval_days) * Timestamp::DAY;
    if late <= 0 { Due::Ok } else { Due::Overdue(u32::try_from(late / Timestamp::DAY + 1).unwrap_or(u32::MAX)) }
}

fn location_problem(index: &Index<'_>, walk: &mut Walk<'_>, id: VolumeId, blocks: Blocks) -> Option<Problem> {
    let reported = walk.blocks(id);
    let array = index.boxes.get(&id.box_id)?;
    let problem = |code, text| Some(Problem { code, text, array_error: None, since: None });
    if let Reach::IdentityChanged { found } = array.reach {
        return problem(Code::IDENTITY_CHANGED, format!("box {found} answers under the name {}", array.name));
    }
    array.volumes.as_ref()?;
    match reported {
        None => problem(Code::VOLUME_MISSING, format!("{} no longer reports volume {}", array.name, id.olu)),
        Some(found) if found != blocks => problem(
            Code::VOLUME_MISSING,
            format!("{} reports {} blocks for {}, registered are {}", array.name, found.0, id.olu, blocks.0),
        ),
        Some(_) => None,
    }
}

fn vanished() -> Problem {
    let text = "its session is gone from the array without us".to_owned();
    Problem { code: Code::VANISHED, text, array_error: None, since: None }
}

fn session_problem(session: &SessionView) -> Option<Problem> {
    let (code, text) = match session_state(session) {
        TransactionState::Error => {
            let text = match session.error.map(|error| (error, error_meaning(error))) {
                Some((error, Some(meaning))) => format!("the array stopped the copy: {error}, {meaning}"),
                Some((error, None)) => format!("the array stopped the copy: error {error}"),
                None => "the array stopped the copy and gave no code".to_owned(),
            };
            (Code::ERROR_SUSPENDED, text)
        }
        TransactionState::Halted => (Code::HALTED, "the path to the other box is lost".to_owned()),
        TransactionState::HalfOpen => (Code::HALF_OPEN, half_open(&session.halves)),
        TransactionState::Unknown => {
            (Code::UNKNOWN_WORDS, format!("the array says \"{}\", which is not known here", session.words))
        }
        _ => return None,
    };
    Some(Problem { code, text, array_error: session.error, since: Some(session.since) })
}

fn half_open(halves: &Halves) -> String {
    match halves {
        Halves::Disagree { other_status: Status::Unknown, other_words, .. }
        | Halves::Disagree { other_phase: Phase::Unknown, other_words, .. } => {
            format!("the target's box says \"{other_words}\", which is not known here")
        }
        Halves::Disagree { other_status, other_phase, .. } => {
            format!("the target's box says {other_status}, {other_phase}")
        }
        Halves::Missing { source_reports: true } => "the target's box has no such session".to_owned(),
        _ => "the source's box has no such session".to_owned(),
    }
}
