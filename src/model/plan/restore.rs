//! Restore: a one-point copy of a generation to another volume of its array, or to its own; and the way out of one.

use super::case::{Case, claim_on, judge, readable, unclaimed};
use super::legality::{Legality, PairVerb};
use super::present_state::{self, Spares};
use super::synchronize::generation;
use super::{Confirmation, PlanItem, PlanStep, Refusal, Remedy, hooks, maps};
use crate::model::advice::Advice;
use crate::model::codes::Code;
use crate::model::copy::CommandVerb;
use crate::model::identity::VolumeId;
use crate::model::records::{Generation, GenerationState};
use crate::model::request::{Action, CancelScope, Request, Verb};
use crate::model::session::{CopyKind, Pair, Status};
use crate::model::snapshot::{ArrayView, BackupState, RestoreView, SessionView, Snapshot, TransactionState};
use crate::model::step::{
    AwaitOpcStep, BeginRestoreStep, CancelRestoreStep, EndOpcStep, EndRestoreStep, ForgetRestoreStep, HookStep,
    IdentityTask, StartOpcStep,
};
use crate::model::units::{Blocks, Version, count};
use crate::model::volume_group::BackupGroup;

type Answer = Result<PlanItem, Refusal>;

/// A volume that a generation may be restored to, or why it may not.
#[derive(Debug, Clone)]
pub struct RestoreTarget {
    pub volume: VolumeId,
    pub label: String,
    /// What it is now, in a few words.
    pub what: String,
    pub refusal: Option<Refusal>,
}

/// The volumes of the generation's array with as many blocks, the best first: those that nothing uses, then those of the pool,
/// its own last. Those that cannot be overwritten follow, each with its reason.
pub fn restore_targets(snapshot: &Snapshot, volume: VolumeId, version: Version) -> Vec<RestoreTarget> {
    let action = Action::Restore { volume, version, to: None, unmounted: true, without_present_state: false };
    let request = Request::new(action);
    let Ok(case) = Case::new(snapshot, &request, volume) else { return Vec::new() };
    let Ok(generation) = generation(&case, version) else { return Vec::new() };
    let mut targets: Vec<(u8, RestoreTarget)> = candidates(snapshot, generation)
        .map(|(rank, id, what)| {
            let refusal = may_overwrite(&case, generation, id).err();
            let rank = if refusal.is_some() { rank + 10 } else { rank };
            (rank, RestoreTarget { volume: id, label: snapshot.label(id), what, refusal })
        })
        .collect();
    targets.sort_by_key(|(rank, target)| (*rank, target.volume));
    targets.into_iter().map(|(_, target)| target).collect()
}

/// Every volume of the array with as many blocks but the generation's own, with its rank and what it is.
fn candidates<'a>(
    snapshot: &'a Snapshot,
    generation: &'a Generation,
) -> impl Iterator<Item = (u8, VolumeId, String)> + 'a {
    let fits = |id: VolumeId, blocks: Blocks| {
        id != generation.backup_volume && id.box_id == generation.backup_volume.box_id && blocks == generation.blocks
    };
    let free = snapshot.unregistered.iter().filter(move |volume| fits(volume.id, volume.blocks));
    let free = free.map(|volume| (0, volume.id, "not registered".to_owned()));
    let pool = snapshot.pool.iter().filter(move |view| fits(view.volume.id, view.volume.blocks));
    let pool = pool.map(|view| (1, view.volume.id, format!("in the pool, {}", view.state)));
    let live = snapshot.transaction_volumes.iter().filter(move |view| fits(view.volume.id, view.volume.blocks));
    let live = live.map(|view| {
        let own = view.volume.id == generation.transaction_volume;
        let what = if own { "its own volume" } else { "another transaction volume" };
        (if own { 2 } else { 3 }, view.volume.id, format!("{what}, {}", view.state))
    });
    free.chain(pool).chain(live)
}

/// Whether a restore reads this generation now.
pub(super) fn is_read(snapshot: &Snapshot, generation: &Generation) -> bool {
    let claim = claim_on(snapshot, generation.backup_volume);
    claim.is_some_and(|claim| claim.verb == Verb::Restore)
}

/// A restore of a generation. Without `to`, the first volume that nothing uses is proposed; its own only where it is named.
pub(super) fn restore(
    snapshot: &Snapshot,
    request: &Request,
    id: VolumeId,
    version: Version,
    to: Option<VolumeId>,
    unmounted: bool,
) -> Answer {
    let case = Case::new(snapshot, request, id)?;
    let generation = generation(&case, version)?;
    may_be_read(&case, generation)?;
    let target = match to {
        Some(target) => target,
        None => propose(&case, generation)?,
    };
    may_overwrite(&case, generation, target)?;
    if !unmounted {
        let reason = format!("whether a host has {} mounted is not checked", snapshot.label(target));
        let mut action = request.action.clone();
        if let Action::Restore { to, unmounted, .. } = &mut action {
            (*to, *unmounted) = (Some(target), true);
        }
        let remedy = Remedy {
            destroys: true,
            ..Remedy::new(format!("restore, as {} is unmounted", snapshot.label(target)), action)
        };
        let advice = Advice::new(format!("unmount {} on every host that sees it", snapshot.label(target)));
        return Err(Refusal::new(Code::NOT_SAID_UNMOUNTED, reason).about(id).with_advice([advice]).with_remedy(remedy));
    }
    let mut spares = Spares::new(snapshot, &[target]);
    let kept = present_state::steps(snapshot, request, target, &mut spares).map_err(|refusal| refusal.about(id))?;
    Ok(item(&case, generation, target, kept))
}

/// The generation's side: its bytes are at rest, and its array can copy them.
pub(super) fn may_be_read(case: &Case<'_>, generation: &Generation) -> Result<(), Refusal> {
    let (snapshot, source) = (case.snapshot, generation.backup_volume);
    let label = snapshot.label(source);
    case.other_side_ready(source)?;
    case.others_are_read(source)?;
    array_copies(case, source)?;
    if let Some(view) = snapshot.backup_volume(source)
        && let Some(problem) = view.problem.as_ref().filter(|problem| problem.code == Code::VOLUME_MISSING)
    {
        return Err(Refusal::new(problem.code, format!("{label}: {}", problem.text)).about(case.id()));
    }
    if let Some(session) = snapshot.session(&Pair::new(case.id(), source)).filter(|session| session.ours)
        && let Legality::Refused(code) = judge(session, PairVerb::Restore)
    {
        return Err(case.refusal(session, code));
    }
    if let Some(session) = snapshot.foreign_session_on(source).filter(|session| !session.is_at_rest()) {
        let reason = format!("another program copies from {} onto {label}", snapshot.label(session.pair.source));
        return Err(Refusal::new(Code::SESSION_OF_OTHERS, reason).about(case.id()));
    }
    has_a_session_left(case, source)
}

/// The array of this volume can make one-point copies.
pub(super) fn array_copies(case: &Case<'_>, source: VolumeId) -> Result<(), Refusal> {
    let array = case.snapshot.array(source.box_id);
    let capabilities = array.and_then(|array| array.capabilities.as_ref());
    if capabilities.is_some_and(|known| known.can(CopyKind::Opc, CommandVerb::StartOpc)) {
        return Ok(());
    }
    let name = array.map_or_else(|| source.box_id.to_string(), |array| array.name.to_string());
    let why = array.and_then(ArrayView::limited).map_or_else(String::new, |why| format!(": {why}"));
    let reason = format!("{name} cannot make one-point copies (OPC) through its driver{why}");
    Err(Refusal::new(Code::UNSUPPORTED, reason).about(case.id()))
}

/// The array grants this volume one more session as a source.
pub(super) fn has_a_session_left(case: &Case<'_>, source: VolumeId) -> Result<(), Refusal> {
    let capabilities = case.snapshot.array(source.box_id).and_then(|array| array.capabilities.as_ref());
    let limit = capabilities.map_or(0, |known| usize::from(known.sessions_per_source));
    if case.snapshot.sessions_of(source).len() < limit {
        return Ok(());
    }
    let label = case.snapshot.label(source);
    let reason = format!("{label} is the source of {limit} sessions already, which is all that its array grants");
    Err(Refusal::new(Code::SESSION_LIMIT, reason).about(case.id()))
}

/// The first volume that nothing uses, never a transaction volume.
fn propose(case: &Case<'_>, generation: &Generation) -> Result<VolumeId, Refusal> {
    let mut wanted: Vec<(u8, VolumeId)> =
        candidates(case.snapshot, generation).map(|(rank, id, _)| (rank, id)).filter(|(rank, _)| *rank < 2).collect();
    wanted.sort_unstable();
    if let Some((_, id)) = wanted.into_iter().find(|(_, id)| may_overwrite(case, generation, *id).is_ok()) {
        return Ok(id);
    }
    let array = case.snapshot.array(generation.backup_volume.box_id);
    let name = array.map_or_else(|| "the array".to_owned(), |array| array.name.to_string());
    let reason = format!("no volume of {name} of {} ({} blocks) is unused", generation.blocks, generation.blocks.0);
    let refusal = Refusal::new(Code::NO_RESTORE_TARGET, reason).about(case.id());
    let own = Action::Restore {
        volume: case.id(),
        version: generation.version,
        to: Some(case.id()),
        unmounted: true,
        without_present_state: false,
    };
    let fits = may_overwrite(case, generation, case.id()).is_ok();
    let remedy =
        Remedy { destroys: true, ..Remedy::new(format!("restore onto {} itself, unmounted", case.name()), own) };
    Err(refusal.with_remedies(fits.then_some(remedy)))
}

/// The target's side: it is in the same array, as large, nobody else's, and nothing that is relied on is lost but its content.
pub(super) fn may_overwrite(case: &Case<'_>, generation: &Generation, target: VolumeId) -> Result<(), Refusal> {
    let (snapshot, source) = (case.snapshot, generation.backup_volume);
    let label = snapshot.label(target);
    let refuse = |code, reason: String| Refusal::new(code, reason).about(case.id());
    if target == source {
        let reason = format!("{label} holds {} itself", generation.version);
        return Err(refuse(Code::RESTORE_TARGET_IN_USE, reason));
    }
    if target.box_id != source.box_id {
        let from = snapshot.location(source);
        let reason = format!("{} is on {from}, and {label} is in another array", generation.version);
        return Err(refuse(Code::RESTORE_OTHER_BOX, reason).with_advice(way_to_other_box(case, generation, target)));
    }
    unclaimed(snapshot, target).map_err(|refusal| refusal.about(case.id()))?;
    not_restored_to(snapshot, target).map_err(|refusal| refusal.about(case.id()))?;
    readable(snapshot, target.box_id).map_err(|refusal| refusal.about(case.id()))?;
    let blocks = snapshot.blocks_of(target).ok_or_else(|| {
        refuse(Code::UNKNOWN_VOLUME, format!("no array reports the volume {}", snapshot.location(target)))
    })?;
    if blocks != generation.blocks {
        let reason = format!("{label} has {} blocks, {} has {}", blocks.0, generation.version, generation.blocks.0);
        return Err(refuse(Code::UNEQUAL_SIZE, reason));
    }
    if snapshot.unregistered.iter().any(|volume| volume.id == target && volume.copy_inhibited == Some(true)) {
        return Err(refuse(Code::COPY_INHIBITED, format!("the array inhibits copies to {label}")));
    }
    pool_allows(case, target)?;
    transaction_volume_allows(case, target)?;
    let mut others = snapshot.sessions.iter().filter(|session| !session.ours && touches(session, target));
    if let Some(session) = others.find(|session| !session.is_at_rest()) {
        let kind = session.reported_kind;
        return Err(refuse(Code::SESSION_OF_OTHERS, format!("another program has a session ({kind}) with {label}")));
    }
    Ok(())
}

/// The way to a volume of another array, step by step: beside the generation by OPC, to the other array by a new REC, and from
/// that backup to the target by OPC again.
fn way_to_other_box(case: &Case<'_>, generation: &Generation, target: VolumeId) -> [Advice; 5] {
    let (snapshot, name, version) = (case.snapshot, case.name(), generation.version.0);
    let array = |id: VolumeId| snapshot.array(id.box_id).map_or_else(|| id.box_id.to_string(), |a| a.name.to_string());
    let (here, there, label) = (array(generation.backup_volume), array(target), snapshot.label(target));
    let blocks = generation.blocks.0;
    [
        format!(
            "`ecdeck restore {name} --version N --unmounted`, with N = {version}, copies it to another volume of {here}"
        ),
        format!("`ecdeck volume add --transaction VOLUME --name {name}-back` registers that volume"),
        format!(
            "`ecdeck volume add --backup VOLUME` registers a volume of {there} with {blocks} blocks, if none is unused"
        ),
        format!(
            "`ecdeck sync start {name}-back --wait`, then `ecdeck backup {name}-back`: a new REC brings it to {there}"
        ),
        format!("`ecdeck restore {name}-back --version 1 --to {label} --unmounted` copies it to {label} there"),
    ]
    .map(Advice::new)
}

fn touches(session: &SessionView, volume: VolumeId) -> bool {
    session.pair.source == volume || session.pair.target == volume
}

/// Nothing is being restored to a volume. One that is not registered has no claim that a snapshot shows: its restore does.
pub(super) fn not_restored_to(snapshot: &Snapshot, target: VolumeId) -> Result<(), Refusal> {
    let Some(running) = snapshot.restores_to(target).find(|restore| restore.running.is_some()) else {
        return Ok(());
    };
    let what = running.generation.map_or_else(|| "a generation".to_owned(), |(_, version)| version.to_string());
    let reason = format!("{what} is being restored to {}", snapshot.label(target));
    Err(Refusal::new(Code::HELD_BY_OTHER, reason).about(target).with_remedy(cancel_remedy(snapshot, target)))
}

/// A backup volume must be unused, or the target of a restore that did not end.
fn pool_allows(case: &Case<'_>, target: VolumeId) -> Result<(), Refusal> {
    let Some(view) = case.snapshot.backup_volume(target) else { return Ok(()) };
    let label = case.snapshot.label(target);
    let refuse = |reason: String| Refusal::new(Code::RESTORE_TARGET_IN_USE, reason).about(case.id());
    let problem = view.problem.as_ref().filter(|problem| problem.code != Code::RESTORE_INCOMPLETE);
    if let Some(problem) = problem {
        return Err(Refusal::new(problem.code, format!("{label}: {}", problem.text)).about(case.id()));
    }
    let owner = view.transaction_volume.map_or_else(|| "another volume".to_owned(), |id| case.snapshot.label(id));
    match view.state {
        BackupState::Unused | BackupState::RestoreIncomplete => Ok(()),
        BackupState::Bound => {
            let refusal = refuse(format!("{label} is suspended with {owner}"));
            let cancel = |id| Action::Cancel { volumes: vec![id], scope: CancelScope::One(target) };
            let remedy = view
                .transaction_volume
                .map(|id| Remedy::new(format!("cancel the session of {owner} with {label}"), cancel(id)));
            Err(refusal.with_remedies(remedy))
        }
        BackupState::Generation | BackupState::SuspendedGeneration => {
            let version = view.generation.map_or_else(|| "a generation".to_owned(), |version| version.to_string());
            Err(refuse(format!("{label} holds {version} of {owner}")))
        }
        state => Err(refuse(format!("{label} is {state}"))),
    }
}

/// A transaction volume must not be copied from now, nor copied into; its suspended pairs stay.
fn transaction_volume_allows(case: &Case<'_>, target: VolumeId) -> Result<(), Refusal> {
    let snapshot = case.snapshot;
    let Some(view) = snapshot.transaction_volume(target) else { return Ok(()) };
    let of_target = Case::new(snapshot, case.request, target)?;
    of_target.ready_to_act()?;
    of_target.all_read()?;
    if let Some(session) = of_target.blocking()
        && let Legality::Refused(code) = judge(session, PairVerb::Restore)
    {
        let refusal = of_target.refusal(session, code);
        let suspend = Action::Suspend { volumes: vec![target], target: Some(session.pair.target) };
        let suspend = session.is_equivalent().then(|| Remedy::new(format!("suspend {}", of_target.name()), suspend));
        let cancel = Action::Cancel { volumes: vec![target], scope: CancelScope::Live };
        let cancel = Remedy::new(format!("end the live session of {}", of_target.name()), cancel);
        let reason = format!("{}: a live session would copy the restored data on while it is restored", refusal.reason);
        let live = session.status == Status::Active || session.status == Status::Reserved;
        if live {
            return Err(Refusal::new(code, reason).about(case.id()).with_remedies(suspend).with_remedy(cancel));
        }
        return Err(refusal);
    }
    if view.state == TransactionState::Inbound {
        let text = view.problem.as_ref().map_or("another copy writes into it", |problem| problem.text.as_str());
        return Err(Refusal::new(Code::INBOUND, format!("{}: {text}", of_target.name())).about(case.id()));
    }
    Ok(())
}

/// `kept`: the backup volume that keeps the present state of the target, and the steps for that.
pub(super) fn item(
    case: &Case<'_>,
    generation: &Generation,
    target: VolumeId,
    kept: Option<(VolumeId, Vec<PlanStep>)>,
) -> PlanItem {
    let (snapshot, id, version) = (case.snapshot, case.id(), generation.version);
    let pair = Pair::opc(generation.backup_volume, target);
    let label = snapshot.label(target);
    // What an earlier restore left on the array would keep the target.
    let left = snapshot.sessions.iter().filter(|session| session.ours && session.pair.kind == CopyKind::Opc);
    let left = left.filter(|session| session.pair.target == target);
    let (mut steps, after) = hooks::of_restore(snapshot, &[target]);
    steps.extend(left.map(|session| PlanStep::EndOpc(EndOpcStep { pair: session.pair })));
    let mut claims: Vec<VolumeId> = vec![generation.backup_volume, target];
    claims.extend(snapshot.restores_to(target).map(|restore| restore.source));
    let identity = identity(case, generation, target);
    let spare = kept.as_ref().map(|(spare, _)| *spare);
    claims.extend(spare);
    steps.extend(kept.into_iter().flat_map(|(_, steps)| steps));
    steps.extend([
        PlanStep::BeginRestore(BeginRestoreStep { transaction_volume: id, version, pair }),
        PlanStep::StartOpc(StartOpcStep { pair, version, blocks: generation.blocks }),
        PlanStep::AwaitOpc(AwaitOpcStep { transaction_volume: id, version, pair, keeps_mark: identity.is_some() }),
    ]);
    let restores_identity = identity.is_some();
    if let Some(identity) = identity {
        let end = PlanStep::EndRestore(EndRestoreStep { transaction_volume: id, version, pair });
        steps.extend([PlanStep::Hook(identity), end]);
    }
    steps.extend(after);
    let mut item = PlanItem::new(case.verb(), id, steps, claims);
    present_state::notices(snapshot, target, spare, &mut item);
    notice_of_group(case, generation, &label, restores_identity, &mut item);
    item.notice(Code::MOUNT_NOT_CHECKED, format!("whether a host has {label} mounted was not checked"));
    notices_of_generation(generation, &mut item);
    if snapshot.restores_to(target).next().is_some() {
        item.notice(Code::RESTORE_INCOMPLETE, format!("an earlier restore to {label} did not come to its end"));
    }
    if snapshot.backup_volume(target).is_some() {
        item.notice(
            Code::LEAVES_THE_POOL,
            format!("{label} leaves the pool once it is restored, so that no start uses it"),
        );
        let maps = maps::that_use(snapshot, target);
        if !maps.is_empty() {
            let names: Vec<&str> = maps.iter().map(|name| name.as_str()).collect();
            item.notice(Code::MAP_USES_VOLUME, format!("{label} is in map {}: its rows stop there", names.join(", ")));
        }
    }
    let suspended = snapshot.sessions_of(target).iter();
    let suspended = suspended.filter(|session| session.ours && session.status == Status::Suspended).count();
    if suspended > 0 {
        let pairs = count(suspended, "suspended pair", "suspended pairs");
        let blocks = generation.blocks;
        let text = format!("{pairs} of {label} stay; the next resume of each copies all {blocks} in full");
        item.notice(Code::NEXT_COPY_FULL, text);
    }
    let what = match (target == id, snapshot.transaction_volume(target).is_some()) {
        (true, _) if spare.is_some() => {
            format!(
                "the live data of {label} are overwritten with {version}; what was written since is kept aside first"
            )
        }
        (true, _) => format!("the live data of {label} are overwritten with {version}; what was written since is lost"),
        (false, true) => format!(
            "the live data of {label}, another transaction volume, are overwritten with {version} of {}",
            case.name()
        ),
        (false, false) => format!("the content of {label} is overwritten with {version} of {}", case.name()),
    };
    item.confirmation = Some(Confirmation::new(label, what));
    item
}

/// What gives a group its own identity back: the copy on the backup volume has that of the backup volume's group. A generation
/// without a kept text has still the identity of the group that was copied.
fn identity(case: &Case<'_>, generation: &Generation, target: VolumeId) -> Option<HookStep> {
    let volume = &case.view.volume;
    let (group, kept) = (volume.group.as_deref()?, generation.group.as_deref()?);
    let own = BackupGroup { host: group.host.clone(), identity: kept.copied.clone(), disk: group.disk.clone() };
    let task = IdentityTask { target, blocks: generation.blocks, transaction: group.clone(), backup: own };
    (target == volume.id).then(|| HookStep::restoring_own(volume.id, task))
}

fn notice_of_group(
    case: &Case<'_>,
    generation: &Generation,
    label: &str,
    restores_identity: bool,
    item: &mut PlanItem,
) {
    let Some(kept) = &generation.group else { return };
    if let Some(group) = case.view.volume.group.as_ref().filter(|_| restores_identity) {
        let text = format!(
            "deactivate {group} on {} before; until its identity is restored, LVM sees the one of {} twice",
            group.host,
            kept.identity.name.as_str()
        );
        item.notice(Code::GROUP_IDENTITY_OF_RESTORE, text);
    } else {
        let name = kept.identity.name.as_str();
        let text = format!(
            "{label} then has the LVM identity of {name}, the group of its backup volume: a host that sees both needs \
             vgimportclone on {label}"
        );
        item.notice(Code::GROUP_TWICE, text);
    }
}

fn notices_of_generation(generation: &Generation, item: &mut PlanItem) {
    let version = generation.version;
    match &generation.state {
        GenerationState::Valid => {}
        GenerationState::InDoubt(_) => item.notice(Code::STILL_IN_DOUBT, format!("{version} is {}", generation.state)),
        GenerationState::NeedsAttention(_) => {
            item.notice(Code::NEEDS_ATTENTION, format!("{version} {}", generation.state));
        }
    }
    if let Some(why) = &generation.crash_consistent {
        item.notice(Code::CRASH_CONSISTENT, format!("{version} is crash-consistent only: {}", why.escaped()));
    }
}

/// The remedy that ends a restore, or gives up one that did not end.
pub(super) fn cancel_remedy(snapshot: &Snapshot, target: VolumeId) -> Remedy {
    Remedy::new(format!("cancel the restore to {}", snapshot.label(target)), Action::CancelRestore { target })
}

/// Ends a restore that runs; takes the mark from the target of one that did not come to its end.
pub(super) fn cancel(snapshot: &Snapshot, request: &Request, target: VolumeId) -> Answer {
    let label = snapshot.label(target);
    // While its present state is copied, the mark is on the backup volume that takes it.
    let keeps = |restore: &&RestoreView| restore.source == target && restore.running.is_some() && !restore.practice;
    if let Some(keeping) = snapshot.restores.iter().find(keeps) {
        let step = PlanStep::CancelRestore(CancelRestoreStep { pair: keeping.pair(), practice: false });
        return Ok(PlanItem::new(request.action.verb(), target, vec![step], Vec::new()));
    }
    let marks: Vec<&RestoreView> = snapshot.restores_to(target).collect();
    let verb = request.action.verb();
    if marks.is_empty() {
        let reason = format!("no restore to {label} runs or was left unfinished");
        return Err(Refusal::new(Code::NO_RESTORE, reason).about(target));
    }
    if let Some(running) = marks.iter().find(|restore| restore.running.is_some()) {
        let step = PlanStep::CancelRestore(CancelRestoreStep { pair: running.pair(), practice: running.practice });
        // The operation that restores has the volumes, and ends the copy itself.
        let mut item = PlanItem::new(verb, target, vec![step], Vec::new());
        if !running.practice {
            let text = format!("{label} is then neither what it was nor the generation");
            item.notice(Code::RESTORE_INCOMPLETE, text);
        }
        return Ok(item);
    }
    let mut claims = vec![target];
    claims.extend(marks.iter().map(|restore| restore.source));
    for claim in &claims {
        unclaimed(snapshot, *claim).map_err(|refusal| refusal.about(target))?;
    }
    readable(snapshot, target.box_id).map_err(|refusal| refusal.about(target))?;
    let left = marks.iter().filter_map(|restore| snapshot.session(&restore.pair())).filter(|session| session.ours);
    let mut steps: Vec<PlanStep> = left.map(|session| PlanStep::EndOpc(EndOpcStep { pair: session.pair })).collect();
    steps.push(PlanStep::ForgetRestore(ForgetRestoreStep { target }));
    let mut item = PlanItem::new(verb, target, steps, claims);
    let what = format!("nothing says any more that {label} is only partly restored");
    item.confirmation = Some(Confirmation::new(label, what));
    Ok(item)
}
