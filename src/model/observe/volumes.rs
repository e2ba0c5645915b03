//! What a transaction volume and a backup volume are called, and what is wrong with them.

use super::along::SortedCursor;
use super::halves::is_read;
use super::{Index, Lost, Sources, restores};
use crate::model::backup_window::WindowView;
use crate::model::codes::Code;
use crate::model::group_alarm;
use crate::model::group_watch::GroupStateView;
use crate::model::identity::{BoxId, VolumeId};
use crate::model::plan::legality::{Facts, Legality, PairVerb, legality};
use crate::model::records::{BackupVolume, Claim, Generation, Policy, TransactionVolume};
use crate::model::rows::Rows;
use crate::model::sentence::error_meaning;
use crate::model::session::{ArrayVolume, Direction, Others, Pair, Phase, Status};
use crate::model::snapshot::{
    BackupState, BackupVolumeView, ClaimView, Due, Halves, Problem, Reach, Ready, RestoreView, SessionView,
    TransactionState, TransactionVolumeView,
};
use crate::model::take_over::{TakeOverState, program};
use crate::model::units::{Blocks, Timestamp};
use crate::model::window::{WindowFacts, judge};

pub(super) fn transaction_views(sources: &Sources<'_>, index: &Index<'_>) -> Rows<TransactionVolumeView> {
    let mut place = Place::new(index);
    let mut sessions = SortedCursor::new(index.sessions, |session| session.pair.source);
    let mut generations = SortedCursor::new(&index.generations, |generation| generation.transaction_volume);
    let mut lost = SortedCursor::new(&index.lost_from, |lost| lost.source);
    let mut inbound = SortedCursor::new(&index.inbound, |(volume, _)| *volume);
    let view = |volume: &TransactionVolume| {
        let (id, here) = (volume.id, place.at(sources, volume.id, volume.blocks));
        let around = Around {
            sessions: sessions.at(id),
            generations: generations.at(id),
            lost: lost.at(id),
            inbound: inbound.at(id),
        };
        transaction_view(sources, index, volume, here, &around)
    };
    sources.records.transaction_volumes.values().map(view).collect()
}

pub(super) fn backup_views(sources: &Sources<'_>, index: &Index<'_>) -> Rows<BackupVolumeView> {
    let mut place = Place::new(index);
    let mut sessions = SortedCursor::new(&index.by_target, |(volume, _)| *volume);
    let mut generations = SortedCursor::new(&index.generation_on, |generation| generation.backup_volume);
    let mut lost = SortedCursor::new(&index.lost_to, |lost| lost.target);
    let mut inbound = SortedCursor::new(&index.inbound, |(volume, _)| *volume);
    let view = |volume: &BackupVolume| {
        let (id, here) = (volume.id, place.at(sources, volume.id, volume.blocks));
        let generation = generations.at(id).last().copied();
        let by_unknown_row = inbound.at(id).iter().any(|(_, session)| session.is_none());
        let restore = index.restore_to(id).map(|restore| (restore, restores::problem(sources, restore)));
        let mut view =
            backup_view(volume, here, (sessions.at(id), by_unknown_row), generation, lost.at(id).last(), restore);
        if let Some(state) = group_state(sources, volume) {
            let lost = || Some(Box::new(group_alarm::problem(volume.group.as_deref()?, &state)?));
            view.problem = view.problem.or_else(lost);
            view.group_state = Some(Box::new(state));
        }
        view
    };
    sources.records.backup_volumes.values().map(view).collect()
}

/// What there is of a transaction volume.
struct Around<'a> {
    sessions: &'a [SessionView],
    generations: &'a [&'a Generation],
    lost: &'a [Lost],
    inbound: &'a [(VolumeId, Option<&'a SessionView>)],
}

/// What is the case of a volume in either role.
struct Here {
    problem: Option<Problem>,
    claimed: Option<Box<ClaimView>>,
    /// The array refuses to copy to it.
    inhibited: bool,
}

/// Goes along the volumes that the arrays report and those that operations have claimed.
struct Place<'a> {
    reported: SortedCursor<'a, &'a ArrayVolume, VolumeId>,
    claims: SortedCursor<'a, &'a Claim, VolumeId>,
}

impl<'a> Place<'a> {
    fn new(index: &'a Index<'a>) -> Self {
        Self {
            reported: SortedCursor::new(index.reported, |volume| volume.id),
            claims: SortedCursor::new(&index.claims, |claim| claim.volume),
        }
    }

    fn at(&mut self, sources: &Sources<'_>, id: VolumeId, blocks: Blocks) -> Here {
        let reported = self.reported.at(id).first().copied();
        let claimed = self.claims.at(id).first().and_then(|claim| claim_view(sources, claim));
        let inhibited = reported.is_some_and(|volume| volume.copy_inhibited == Some(true));
        Here { problem: location_problem(sources, id, blocks, reported), claimed, inhibited }
    }
}

/// The one word for a session.
pub fn session_state(session: &SessionView) -> TransactionState {
    if session.direction == Direction::Reversed {
        return TransactionState::Reversed;
    }
    if session.direction == Direction::Unknown || !session.has_known_kind() {
        return TransactionState::Unknown;
    }
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
    volume: &TransactionVolume,
    here: Here,
    around: &Around<'_>,
) -> TransactionVolumeView {
    let Around { sessions, generations, lost, inbound } = *around;
    let ours = || sessions.iter().filter(|session| session.ours && session.pair.kind.is_synchronization());
    let worst = ours().max_by_key(|session| session_state(session));
    let state = worst.map_or(TransactionState::None, session_state);
    let is_unread = lost.iter().any(|lost| !lost.vanished);
    let state = if is_unread { state.max(TransactionState::Unknown) } else { state };
    let state = if inbound.is_empty() { state } else { state.max(TransactionState::Inbound) };
    let restore = index.restore_to(volume.id);
    let state = restore.map_or(state, |restore| state.max(restores::transaction_state(restore)));
    // One whose backup volume holds a generation does not count: it was suspended, the generation is whole.
    let has_vanished = || lost.iter().any(|lost| lost.vanished && !index.holds_generation(lost.target));
    let last_backup = generations.iter().rev().find(|generation| !generation.is_before_restore());
    let last_backup = last_backup.map(|generation| (generation.version, generation.taken_at));
    let box_id = volume.id.box_id;
    let answers = sources.array(box_id).is_some_and(|array| array.reach == Reach::Reachable);
    let may_back_up = volume.policy.is_some()
        && here.problem.is_none()
        && answers
        && is_read(sources, box_id)
        && !others_failed(sources, box_id);
    let may_back_up = may_back_up && inbound.is_empty() && restore.is_none();
    let has_group = |session: &&SessionView| group_problem(sources, session.pair.target).is_none();
    let ready = worst.filter(|_| may_back_up).filter(has_group).map_or(Ready::Never, ready);
    TransactionVolumeView {
        state,
        window: window_view(sources, volume, generations, (state, ready, worst.map(|session| session.since))),
        kept: u16::try_from(generations.len()).unwrap_or(u16::MAX),
        last_backup,
        due: due(volume.policy, last_known(volume, generations, sources.now), sources.now),
        ready,
        claimed: here.claimed,
        problem: here
            .problem
            .or_else(|| restore.and_then(|restore| restores::problem(sources, restore)))
            .or_else(|| (state == TransactionState::Inbound).then(|| inbound_problem(sources, inbound)))
            .or_else(|| other_program(sources, volume.id, sessions))
            .or_else(|| worst.and_then(session_problem))
            .or_else(|| ours().find_map(|session| group_problem(sources, session.pair.target)))
            .or_else(|| has_vanished().then(vanished))
            .map(Box::new),
        volume: volume.clone(),
    }
}

fn window_view(
    sources: &Sources<'_>,
    volume: &TransactionVolume,
    generations: &[&Generation],
    (state, ready, changed): (TransactionState, Ready, Option<Timestamp>),
) -> Option<Box<WindowView>> {
    let policy = volume.policy.filter(|policy| policy.window.is_some())?;
    let now = sources.now;
    let last = || generations.iter().rev().filter(|kept| !kept.is_before_restore() && kept.taken_at <= now);
    let facts = WindowFacts {
        policy,
        since: volume.window_since,
        last_backup: last().next().map(|kept| kept.taken_at),
        state,
        ready,
        changed,
        copied_in: last().find_map(|kept| i64::try_from(kept.copied_in?.millis).ok()),
        now,
    };
    judge(&facts, sources.zone).map(Box::new)
}

/// The state of the group of a backup volume that a session of ours is onto.
fn group_state(sources: &Sources<'_>, volume: &BackupVolume) -> Option<GroupStateView> {
    let group = volume.group.as_deref()?;
    sources.records.sessions.keys().find(|pair| pair.target == volume.id)?;
    let watch = sources.records.group_watches.get(&volume.id);
    Some(GroupStateView::of(group, sources.kernels.get(&group.host), watch, sources.now))
}

fn group_problem(sources: &Sources<'_>, backup_volume: VolumeId) -> Option<Problem> {
    let volume = sources.records.backup_volumes.get(&backup_volume)?;
    group_alarm::problem(volume.group.as_deref()?, &group_state(sources, volume)?)
}

/// When the session's copy can be backed up, as far as the session goes: never, where the table refuses it for another reason
/// than that it still copies.
fn ready(session: &SessionView) -> Ready {
    let now_or_later = match legality(&Facts::of(session), PairVerb::Backup) {
        Legality::Legal | Legality::Force => true,
        Legality::Refused(code) => code == Code::NOT_EQUIVALENT,
    };
    if now_or_later && !session.is_half_open() { session.ready } else { Ready::Never }
}

/// A volume that was taken over has a session that is not ours: the program that it was taken from goes on.
fn other_program(sources: &Sources<'_>, id: VolumeId, sessions: &[SessionView]) -> Option<Problem> {
    let taken = sources.records.take_overs.get(&id).filter(|known| known.state == TakeOverState::Adopted)?;
    let session = sessions.iter().find(|session| !session.ours)?;
    let by = if session.requestor.is_empty() { program(&taken.by) } else { program(&session.requestor) };
    let text = format!(
        "{by} still runs on {}: a session ({}) with {} that ecdeck did not make",
        sources.place(id),
        session.reported_kind,
        sources.place(session.pair.target)
    );
    Some(Problem { code: Code::OTHER_PROGRAM_RUNS, text, array_error: None, since: Some(session.since) })
}

fn others_failed(sources: &Sources<'_>, box_id: BoxId) -> bool {
    let reading = sources.array(box_id).and_then(|array| array.reading.as_ref());
    reading.is_some_and(|reading| matches!(reading.others, Others::Failed { .. }))
}

fn inbound_problem(sources: &Sources<'_>, inbound: &[(VolumeId, Option<&SessionView>)]) -> Problem {
    let known = inbound.iter().find_map(|(volume, session)| session.map(|session| (*volume, session)));
    let text = match known {
        Some((volume, session)) => {
            let Pair { source, target, .. } = session.pair;
            let from = sources.place(if volume == target { source } else { target });
            let by =
                if session.requestor.is_empty() { "another program".to_owned() } else { session.requestor.escaped() };
            let kind = session.reported_kind;
            format!("a copy ({kind} of {by}) writes into it from {from}: {}, {}", session.status, session.phase)
        }
        None => "a line of its array that could not be read may be a copy into it".to_owned(),
    };
    let since = known.map(|(_, session)| session.since);
    Problem { code: Code::INBOUND, text, array_error: None, since }
}

fn backup_view(
    volume: &BackupVolume,
    here: Here,
    (sessions, may_be_written): (&[(VolumeId, &SessionView)], bool),
    generation: Option<&Generation>,
    lost: Option<&Lost>,
    restore: Option<(&RestoreView, Option<Problem>)>,
) -> BackupVolumeView {
    let ours = sessions
        .iter()
        .map(|(_, session)| *session)
        .find(|session| session.ours && session.pair.kind.is_synchronization());
    let state = if may_be_written || sessions.iter().any(|(_, session)| !session.ours) {
        BackupState::Foreign
    } else if let Some((restore, _)) = &restore {
        restores::backup_state(restore)
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
        group_state: None,
        session_gone: lost.filter(|lost| ours.is_none() && lost.vanished).map(|lost| lost.source),
        session_unread: ours.is_none() && lost.is_some_and(|lost| !lost.vanished),
        transaction_volume: of_session.or(generation.map(|generation| generation.transaction_volume)).or(of_lost),
        generation: generation.map(|generation| generation.version),
        claimed: here.claimed,
        problem: here
            .problem
            .or_else(|| restore.and_then(|(_, problem)| problem))
            .or_else(|| ours.and_then(session_problem))
            .or_else(|| here.inhibited.then(inhibited))
            .or_else(|| (state == BackupState::Unverified && lost.is_some_and(|lost| lost.vanished)).then(vanished))
            .map(Box::new),
        volume: volume.clone(),
    }
}

/// The one word for a backup volume with this session of ours.
pub fn backup_state(session: TransactionState, generation: bool) -> BackupState {
    match (session, generation) {
        (TransactionState::Suspended, true) => BackupState::SuspendedGeneration,
        (TransactionState::Suspended, false) => BackupState::Bound,
        (TransactionState::Equivalent, _) => BackupState::Equivalent,
        (TransactionState::Copying | TransactionState::Restoring, _) => BackupState::Copying,
        (TransactionState::Error | TransactionState::Halted | TransactionState::HalfOpen, _) => BackupState::Error,
        (TransactionState::Unknown, _) => BackupState::Unverified,
        (TransactionState::Reversed | TransactionState::Inbound, _) => BackupState::Reversed,
        (TransactionState::RestoreIncomplete, _) => BackupState::RestoreIncomplete,
        (TransactionState::None, true) => BackupState::Generation,
        (TransactionState::None, false) => BackupState::Unused,
    }
}

fn claim_view(sources: &Sources<'_>, claim: &Claim) -> Option<Box<ClaimView>> {
    let verb = sources.records.operations.get(&claim.operation)?.item.verb;
    let (operation, holder, since) = (claim.operation, claim.holder.clone(), claim.since);
    Some(Box::new(ClaimView { operation, verb, holder, since }))
}

/// The newest backup whose age is known. One that is dated in the future is of no known age, so it never silences what is
/// overdue; nor does a registration that is.
fn last_known(volume: &TransactionVolume, generations: &[&Generation], now: Timestamp) -> Option<Timestamp> {
    let backups = generations.iter().rev().filter(|generation| !generation.is_before_restore());
    let dated = backups.map(|generation| generation.taken_at).chain([volume.registered_at]);
    dated.into_iter().find(|at| *at <= now)
}

/// Overdue from the moment that interval and grace have passed, since the registration where there is no backup. Counted
/// from the end of the interval, the first day as one.
fn due(policy: Option<Policy>, last: Option<Timestamp>, now: Timestamp) -> Due {
    let Some(policy) = policy else { return Due::NoPolicy };
    let Some(last) = last else { return Due::Overdue(1) };
    let late = now.since(last) - policy.interval();
    if late <= policy.grace() {
        Due::Ok
    } else {
        Due::Overdue(u32::try_from(late / Timestamp::DAY + 1).unwrap_or(u32::MAX))
    }
}

fn location_problem(
    sources: &Sources<'_>,
    id: VolumeId,
    blocks: Blocks,
    reported: Option<&ArrayVolume>,
) -> Option<Problem> {
    let array = sources.array(id.box_id)?;
    let problem = |code, text| Some(Problem { code, text, array_error: None, since: None });
    if let Reach::IdentityChanged { found } = array.reach {
        return problem(Code::IDENTITY_CHANGED, format!("box {found} answers under the name {}", array.name));
    }
    array.volumes.as_ref()?;
    match reported {
        None if array.reading.as_ref().is_some_and(|reading| reading.unread_volumes.may_be(id)) => {
            let text = format!("its line in the list of volumes of {} could not be read", array.name);
            problem(Code::ROW_UNREADABLE, text)
        }
        None => problem(Code::VOLUME_MISSING, format!("{} no longer reports volume {}", array.name, id.olu)),
        Some(found) if found.blocks != blocks => problem(
            Code::VOLUME_MISSING,
            format!("{} reports {} blocks for {}, registered are {}", array.name, found.blocks.0, id.olu, blocks.0),
        ),
        Some(_) => None,
    }
}

fn inhibited() -> Problem {
    let text = "the array inhibits copies to it".to_owned();
    Problem { code: Code::COPY_INHIBITED, text, array_error: None, since: None }
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
        TransactionState::Reversed => {
            (Code::REVERSED, "the copy runs backwards, from the backup volume into the transaction volume".to_owned())
        }
        TransactionState::Unknown if !session.has_known_kind() => {
            (Code::KIND_UNKNOWN, "the array's word for the kind of its copy is not known here".to_owned())
        }
        TransactionState::Unknown if session.direction == Direction::Unknown => {
            (Code::DIRECTION_UNKNOWN, "which way its copy runs is not known".to_owned())
        }
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
