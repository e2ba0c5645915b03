//! Start, resume and overwrite: what makes a transaction volume synchronize.

use super::allocate::{self, Allocation, Pool};
use super::case::{Case, start as start_remedy};
use super::legality::PairVerb;
use super::{Confirmation, PlanItem, PlanStep, Refusal};
use super::{maps, release};
use crate::model::codes::Code;
use crate::model::copy::CommandVerb;
use crate::model::duration::people;
use crate::model::identity::{Name, VolumeId};
use crate::model::map_set::MapSet;
use crate::model::records::ReleaseReason;
use crate::model::request::Request;
use crate::model::session::{Pair, TransferMode};
use crate::model::snapshot::{BackupState, SessionView, Snapshot};
use crate::model::step::{GiveUpStep, ResumeStep, StartFullStep};
use crate::model::units::Version;
use crate::model::volume_group::RegisteredGroup;
use std::collections::BTreeMap;

type Answer = Result<PlanItem, Refusal>;

/// Start for one or several volumes: a differential copy to a bound volume where there is one, else a full copy to an
/// unused one. `targets` are the pairs of a device map, `choices` the unused volumes that are taken first. A volume of a map
/// set is paired by it. `together`: one round of a set for all of its volumes.
pub(super) fn start(
    snapshot: &Snapshot,
    request: &Request,
    volumes: &[VolumeId],
    targets: &[(VolumeId, VolumeId)],
    together: bool,
    choices: &[(VolumeId, VolumeId)],
) -> Vec<Answer> {
    let mapped: BTreeMap<VolumeId, VolumeId> = targets.iter().copied().collect();
    let choices: BTreeMap<VolumeId, VolumeId> = choices.iter().copied().collect();
    let mut answers: Vec<Option<Answer>> = Vec::with_capacity(volumes.len());
    let mut waiting: Vec<(usize, Case<'_>)> = Vec::new();
    let wanted = || volumes.iter().filter_map(|id| snapshot.transaction_volume(*id)).map(|view| view.volume.blocks);
    let mut obstacles: Vec<(usize, Refusal)> = Vec::new();
    let mut pool = None;
    let mut of_sets: BTreeMap<&Name, OfSet<'_>> = BTreeMap::new();
    for (at, &id) in volumes.iter().enumerate() {
        let answer = match may_start(snapshot, request, id) {
            Err(refusal) => Some(Err(refusal)),
            Ok(case) => {
                if let Some(&target) = mapped.get(&id) {
                    let pool = pool.get_or_insert_with(|| Pool::new(snapshot, &wanted().collect()));
                    Some(pool.named(&case, target).and_then(|allocation| item(&case, allocation)))
                } else if let Some(set) = snapshot.map_set_of(id) {
                    let pool = pool.get_or_insert_with(|| Pool::new(snapshot, &wanted().collect()));
                    if together {
                        let of_set = of_sets.entry(&set.name).or_insert_with(|| OfSet { set, cases: Vec::new() });
                        of_set.cases.push((at, case));
                        None
                    } else {
                        Some(maps::start(&case, set, pool))
                    }
                } else if let Some(group) = &case.view.volume.group {
                    Some(Err(wants_a_map(&case, group)))
                } else {
                    match allocate::bound(&case) {
                        Ok(Some(session)) => Some(item(&case, Allocation::Differential(session))),
                        unusable => {
                            let obstacle = unusable.err().filter(|why| why.code != Code::HOLDS_A_GENERATION);
                            obstacles.extend(obstacle.map(|why| (at, why)));
                            waiting.push((at, case));
                            None
                        }
                    }
                }
            }
        };
        answers.push(answer);
    }
    for OfSet { set, cases } in of_sets.into_values() {
        let pool = pool.get_or_insert_with(|| Pool::new(snapshot, &wanted().collect()));
        let (places, cases): (Vec<usize>, Vec<Case<'_>>) = cases.into_iter().unzip();
        match maps::start_together(snapshot, set, &cases, pool) {
            Ok(items) => {
                for (at, item) in places.into_iter().zip(items) {
                    answers[at] = Some(Ok(item));
                }
            }
            Err(refusal) => answers[places[0]] = Some(Err(refusal)),
        }
    }
    if !waiting.is_empty() {
        let pool = pool.get_or_insert_with(|| Pool::new(snapshot, &wanted().collect()));
        allocate_unused(pool, waiting, &choices, &mut answers);
    }
    for (at, why) in obstacles {
        if let Some(Ok(item)) = &mut answers[at] {
            let text = format!("the difference would do, but {}: everything is copied", why.reason);
            item.notice(Code::BOUND_NOT_USABLE, text);
        }
    }
    answers.into_iter().flatten().collect()
}

/// A volume group is paired by a device map only.
fn wants_a_map(case: &Case<'_>, group: &RegisteredGroup) -> Refusal {
    let reason = format!("{} is the volume group {group}, and no device map pairs it", case.name());
    Refusal::new(Code::GROUP_NEEDS_MAP, reason).about(case.id())
}

/// The volumes of one map set that are started together, with their places in the answers.
struct OfSet<'a> {
    set: &'a MapSet,
    cases: Vec<(usize, Case<'a>)>,
}

/// The earlier choices first. Then volumes of the same box for all, so that nobody takes another's near one while his own
/// box has some.
fn allocate_unused(
    pool: &mut Pool<'_>,
    waiting: Vec<(usize, Case<'_>)>,
    choices: &BTreeMap<VolumeId, VolumeId>,
    answers: &mut [Option<Answer>],
) {
    let mut without = Vec::new();
    for (at, case) in waiting {
        match allocate::room_for_a_session(&case) {
            Err(refusal) => answers[at] = Some(Err(refusal)),
            Ok(()) => match choices.get(&case.id()).and_then(|choice| pool.chosen(&case, *choice)) {
                Some(target) => answers[at] = Some(item(&case, Allocation::Full(Pair::new(case.id(), target)))),
                None => without.push((at, case)),
            },
        }
    }
    let mut far = Vec::new();
    for (at, case) in without {
        match pool.near(&case) {
            Some(target) => answers[at] = Some(item(&case, Allocation::Full(Pair::new(case.id(), target)))),
            None => far.push((at, case)),
        }
    }
    for (at, case) in far {
        answers[at] = Some(match pool.far(&case) {
            Some(target) => item(&case, Allocation::Full(Pair::new(case.id(), target))),
            // What a map keeps for others is not taken, nor is another one's generation.
            None => release::release_for_start(&case, |_| true).unwrap_or_else(|| Err(pool.exhausted(&case))),
        });
    }
}

/// Start restricted to differential.
pub(super) fn resume(snapshot: &Snapshot, request: &Request, id: VolumeId, target: Option<VolumeId>) -> Answer {
    let case = may_start(snapshot, request, id)?;
    let session = match target {
        Some(target) => {
            let session = case.session_to(target).map_err(|refusal| nothing_to_resume(&case, refusal))?;
            allocate::resumable(&case, session)?;
            session
        }
        None => match allocate::bound(&case) {
            Ok(Some(session)) => session,
            Ok(None) => {
                let reason = format!("{} has no suspended session", case.name());
                return Err(nothing_to_resume(&case, case.absent(Code::NOTHING_TO_RESUME, reason)));
            }
            Err(refusal) if refusal.code == Code::HOLDS_A_GENERATION => {
                let reason = format!("every suspended session of {} holds a generation", case.name());
                let held = Refusal::new(Code::NOTHING_TO_RESUME, reason).about(id);
                return Err(held.with_remedy(start_remedy(&case)).with_remedies(refusal.remedies));
            }
            Err(refusal) => return Err(refusal),
        },
    };
    item(&case, Allocation::Differential(session))
}

fn nothing_to_resume(case: &Case<'_>, refusal: Refusal) -> Refusal {
    if matches!(refusal.code, Code::NO_SESSION | Code::NOTHING_TO_RESUME) {
        let remedy = start_remedy(case);
        Refusal { code: Code::NOTHING_TO_RESUME, ..refusal }.with_remedy(remedy)
    } else {
        refusal
    }
}

/// The transaction volume's side: there, free, read, nothing live.
fn may_start<'a>(snapshot: &'a Snapshot, request: &'a Request, id: VolumeId) -> Result<Case<'a>, Refusal> {
    let case = Case::new(snapshot, request, id)?;
    case.ready_to_act()?;
    if let Some(session) = case.blocking() {
        case.judge(session, PairVerb::Start)?;
    }
    case.surroundings(PairVerb::Start)?;
    allocate::can_copy_now(snapshot, id.box_id).map_err(|refusal| refusal.about(id))?;
    Ok(case)
}

pub(super) fn item(case: &Case<'_>, allocation: Allocation<'_>) -> Answer {
    let (step, pair) = match allocation {
        Allocation::Differential(session) => {
            (PlanStep::Resume(ResumeStep { pair: session.pair, difference: session.difference }), session.pair)
        }
        Allocation::Full(pair) => {
            allocate::room_for_a_session(case)?;
            (start_full(case, pair), pair)
        }
    };
    let mut item = PlanItem::new(case.verb(), case.id(), vec![step], vec![pair.source, pair.target]);
    if let Allocation::Differential(session) = allocation {
        new_data_lost(case, session, &mut item);
        if session.other_half_waits() {
            let label = case.snapshot.label(pair.target);
            item.notice(Code::HALTED, format!("the box of {label} still waits for the path: the resume needs it back"));
        }
    }
    if let Some(released) = case.snapshot.released_on(pair.target) {
        let (version, of) = (released.generation.version, case.snapshot.label(released.generation.transaction_volume));
        // Its age, not its date: a plan knows no time zone.
        let age = case.snapshot.taken_at.since(released.generation.taken_at);
        let age = if age < 0 { "dated in the future".to_owned() } else { format!("{} old", people(age)) };
        let on = case.snapshot.label(pair.target);
        let text = format!("overwrites the released {version} of {of} on {on}, {age}: it cannot come back then");
        item.notice(Code::RELEASED_ENDS, text);
    }
    no_backup_later(case, &pair, &mut item);
    not_seen(case, &pair, &mut item);
    Ok(item)
}

/// What a start cannot know of the two arrays, said in each plan.
fn not_seen(case: &Case<'_>, pair: &Pair, item: &mut PlanItem) {
    let boxes = [Some(pair.source.box_id), Some(pair.target.box_id).filter(|other| *other != pair.source.box_id)];
    let arrays = boxes.into_iter().flatten().filter_map(|box_id| case.snapshot.array(box_id));
    for attention in arrays.flat_map(|array| &array.attentions) {
        // A reading that failed refuses by itself, where the start depends on it.
        if !attention.failed {
            item.notice(attention.code, attention.text.as_str());
        }
    }
}

fn start_full(case: &Case<'_>, pair: Pair) -> PlanStep {
    PlanStep::StartFull(StartFullStep { pair, blocks: case.view.volume.blocks, modes: case.snapshot.modes_of(&pair) })
}

/// Said before the copy is made, not when the backup is due.
fn no_backup_later(case: &Case<'_>, pair: &Pair, item: &mut PlanItem) {
    let shown = case.snapshot.session(pair).filter(|session| !session.shows_mode_of_suspension());
    let running = shown.and_then(|session| session.modes);
    let Some(modes) = running.or_else(|| case.snapshot.modes_of(pair)) else { return };
    if matches!(modes.transfer, TransferMode::Stack | TransferMode::Through) {
        let label = case.snapshot.label(pair.target);
        let text = format!("{} cannot be backed up from {label}: the mode is {modes}", case.name());
        item.notice(Code::NO_BACKUP_IN_THIS_MODE, text);
    }
}

fn new_data_lost(case: &Case<'_>, session: &SessionView, item: &mut PlanItem) {
    let text = format!("what a host wrote on {} since its suspend is lost", case.snapshot.label(session.pair.target));
    item.notice(Code::NEW_DATA_LOST, text);
}

/// Resume onto the volume of a generation, which is given up before; in full where its session has ended.
pub(super) fn overwrite(snapshot: &Snapshot, request: &Request, id: VolumeId, version: Version) -> Answer {
    let case = may_start(snapshot, request, id)?;
    let generation = generation(&case, version)?;
    let target = generation.backup_volume;
    let label = snapshot.label(target);
    not_held(&case, version)?;
    allocate::fitting(&case, target)?;
    case.other_side_ready(target)?;
    case.others_are_read(target)?;
    if snapshot.backup_volume(target).is_some_and(|view| view.state == BackupState::Foreign) {
        let reason = format!("another program has a session on {label}, or a line that could not be read names it");
        return Err(Refusal::new(Code::SESSION_OF_OTHERS, reason).about(id));
    }
    let foreign = snapshot.foreign_session_on(target);
    if let Some(session) = foreign {
        let reason = format!("another program has a session of {} with {label}", snapshot.label(session.pair.source));
        return Err(Refusal::new(Code::SESSION_OF_OTHERS, reason).about(id));
    }
    let pair = Pair::new(id, target);
    let step = if let Some(session) = snapshot.session(&pair).filter(|session| session.ours) {
        case.group_allows(target, PairVerb::ResumeOnto)?;
        allocate::may_overwrite(session).map_err(|code| case.refusal(session, code))?;
        allocate::able(snapshot, &pair, CommandVerb::Resume).map_err(|refusal| refusal.about(id))?;
        PlanStep::Resume(ResumeStep { pair, difference: session.difference })
    } else {
        allocate::able(snapshot, &pair, CommandVerb::Start).map_err(|refusal| refusal.about(id))?;
        allocate::room_for_a_session(&case)?;
        start_full(&case, pair)
    };
    let give_up = PlanStep::GiveUp(GiveUpStep {
        transaction_volume: id,
        version,
        backup_volume: target,
        why: ReleaseReason::Overwritten,
    });
    let mut item = PlanItem::new(case.verb(), id, vec![give_up, step], vec![id, target]);
    no_backup_later(&case, &pair, &mut item);
    not_seen(&case, &pair, &mut item);
    item.confirmation =
        Some(Confirmation::new(label.clone(), format!("{version} of {} on {label} is overwritten", case.name())));
    Ok(item)
}

/// The kept generation of this version.
pub(super) fn generation<'a>(
    case: &Case<'a>,
    version: Version,
) -> Result<&'a crate::model::records::Generation, Refusal> {
    case.generations().iter().find(|generation| generation.version == version).ok_or_else(|| {
        let reason = format!("{} keeps no {version}", case.name());
        Refusal::new(Code::NO_SUCH_GENERATION, reason).about(case.id())
    })
}

/// A held generation is never given up.
pub(super) fn not_held(case: &Case<'_>, version: Version) -> Result<(), Refusal> {
    let generation = generation(case, version)?;
    let Some(why) = &generation.held else { return Ok(()) };
    let reason = format!("{version} of {} is held: {}", case.name(), why.escaped());
    Err(Refusal::new(Code::GENERATION_HELD, reason).about(case.id()).with_remedy(allocate::unhold(case, version)))
}
