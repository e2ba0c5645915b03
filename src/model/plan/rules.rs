//! The one way to a plan: each volume is judged by its verb's rules, then the answers are put together.

use super::{
    Plan, PlanItem, PlanStep, Refusal, Remedy, backup, cancel, digest, harmless, hooks, maps, practice, reconcile,
    register, registry, reinstate, restore, restore_set, site, snapshot_backup, suspend, synchronize, volume_sets,
};
use crate::model::codes::Code;
use crate::model::identity::{BoxId, Name, VolumeId};
use crate::model::proposal_kind::ProposalKind;
use crate::model::records::ReleaseReason;
use crate::model::request::{Action, CancelScope, Request, Verb, VolumeRole};
use crate::model::session::{Pair, Status};
use crate::model::site_change::NewVolume;
use crate::model::snapshot::Snapshot;
use crate::model::step::GiveUpStep;
use std::collections::BTreeMap;

type Answer = Result<PlanItem, Refusal>;

/// What would be done for a request on a snapshot, or why nothing of it can be. The same snapshot and request give the
/// same plan. A refusal tells of the first volume; the others' are in `also`.
pub fn plan(snapshot: &Snapshot, request: &Request) -> Result<Plan, Refusal> {
    plan_keeping(snapshot, request, &[])
}

/// As [`plan`], with the unused volumes that an earlier plan chose for full copies, as far as they are still unused.
pub fn plan_keeping(snapshot: &Snapshot, request: &Request, choices: &[(VolumeId, VolumeId)]) -> Result<Plan, Refusal> {
    // A practice gives way to every other verb.
    let gives_way = !matches!(request.action, Action::Practice { .. } | Action::CancelRestore { .. });
    let Some((without, given)) = gives_way.then(|| snapshot.without_practices()).flatten() else {
        return judged(snapshot, request, choices);
    };
    let mut plan = judged(&without, request, choices)?;
    for (volume, text) in given {
        plan.notice_of_claim(volume, Code::PRACTICE_ENDS, &text);
    }
    Ok(plan)
}

fn judged(snapshot: &Snapshot, request: &Request, choices: &[(VolumeId, VolumeId)]) -> Result<Plan, Refusal> {
    let volumes = distinct(request.action.volumes());
    let each = |rule: &dyn Fn(VolumeId) -> Answer| volumes.iter().map(|&id| rule(id)).collect::<Vec<_>>();
    volume_sets::unchanged(snapshot, request, &volumes)?;
    let mut all_or_nothing = false;
    let answers = match &request.action {
        Action::Start { targets, together, .. } => {
            all_or_nothing = *together;
            if *together {
                // What is synchronized already needs no start; all the rest is started, or nothing.
                let live = |id: &VolumeId| has_live_session(snapshot, *id);
                let (live, rest): (Vec<VolumeId>, Vec<VolumeId>) = volumes.iter().copied().partition(live);
                let wanted = if rest.is_empty() { &volumes } else { &rest };
                let started = synchronize::start(snapshot, request, wanted, targets, true, choices);
                let mut answers = merge_items(started);
                if let (Some(Ok(item)), false) = (answers.first_mut(), rest.is_empty()) {
                    for id in live {
                        let text = format!("{} is synchronized already", snapshot.label(id));
                        item.notice(Code::ALREADY_SYNCHRONIZING, text);
                    }
                }
                answers
            } else {
                synchronize::start(snapshot, request, &volumes, targets, false, choices)
            }
        }
        Action::Resume { target, .. } => each(&|id| synchronize::resume(snapshot, request, id, *target)),
        Action::Overwrite { version, .. } => each(&|id| synchronize::overwrite(snapshot, request, id, *version)),
        Action::Restore { version, to, unmounted, .. } => {
            each(&|id| restore::restore(snapshot, request, id, *version, *to, *unmounted))
        }
        Action::RestoreSet { instant, unmounted, .. } => {
            all_or_nothing = true;
            restore_set::restore(snapshot, request, &volumes, *instant, *unmounted)
        }
        Action::CancelRestore { .. } => each(&|id| restore::cancel(snapshot, request, id)),
        Action::Suspend { target, .. } => each(&|id| suspend::suspend(snapshot, request, id, *target)),
        Action::Cancel { scope, .. } => each(&|id| cancel::cancel(snapshot, request, id, *scope)),
        Action::ForceStop { target, .. } => each(&|id| cancel::force_stop(snapshot, request, id, *target)),
        Action::Backup { mode, together: true, .. } => {
            all_or_nothing = true;
            backup::together(snapshot, request, &volumes, *mode)
        }
        Action::Backup { mode, together: false, .. } => each(&|id| backup::each(snapshot, request, id, *mode)),
        Action::Snapshot { .. } => each(&|id| snapshot_backup::snapshot(snapshot, request, id)),
        Action::Practice { version, .. } => each(&|id| practice::practice(snapshot, request, id, *version)),
        Action::SetPolicy { policy, .. } => each(&|id| registry::set_policy(snapshot, request, id, *policy)),
        Action::Register { role, name, .. } => each(&|volume| {
            register::register(
                snapshot,
                request,
                &NewVolume { volume, role: *role, name: name.clone(), group: None },
                snapshot,
            )
        }),
        Action::RegisterGroup { name, group, .. } => each(&|volume| {
            let new = NewVolume { volume, role: VolumeRole::Transaction, name: name.clone(), group: None };
            register::register_group(snapshot, request, &new, group, snapshot)
        }),
        Action::RegisterBackupGroup { name, group, .. } => each(&|volume| {
            let new = NewVolume { volume, role: VolumeRole::Backup, name: name.clone(), group: None };
            register::register_backup_group(snapshot, request, &new, group, snapshot)
        }),
        Action::RegisterAll { volumes } => {
            all_or_nothing = true;
            site::register_all(snapshot, request, volumes)
        }
        Action::ApplySite { change } => {
            all_or_nothing = true;
            site::apply(snapshot, request, change)
        }
        Action::Rename { name, .. } => each(&|id| register::rename(snapshot, request, id, name, snapshot)),
        Action::Unregister { .. } => each(&|id| registry::unregister(snapshot, request, id)),
        Action::Hold { version, why, .. } => each(&|id| registry::hold(snapshot, request, id, *version, Some(why))),
        Action::Unhold { version, .. } => each(&|id| registry::hold(snapshot, request, id, *version, None)),
        Action::Reinstate { version, .. } => each(&|id| reinstate::reinstate(snapshot, request, id, *version)),
        Action::AcceptGeneration { version, .. } => each(&|id| registry::accept(snapshot, request, id, *version)),
        Action::AcceptAll { .. } => each(&|id| registry::accept_all(snapshot, request, id)),
        Action::Reconcile { only, kinds, listed, .. } => {
            reconcile::reconcile(snapshot, request, &volumes, &reconcile::Asked { only, kinds, listed })
        }
        Action::GiveBack { .. } => each(&|id| reconcile::give_back(snapshot, request, id)),
        Action::PostProcess { version, .. } => each(&|id| hooks::post_process(snapshot, request, id, *version)),
        Action::ImportMap { set } => vec![maps::store(snapshot, request, set, None)],
        Action::EditMap { set, before } => vec![maps::store(snapshot, request, set, Some(before))],
        Action::RemoveMap { name } => vec![maps::remove(snapshot, request, name)],
        Action::AddToSet { name, .. } => {
            all_or_nothing = true;
            volume_sets::add(snapshot, request, name, &volumes)
        }
        Action::RemoveFromSet { name, .. } => {
            all_or_nothing = true;
            volume_sets::remove(snapshot, request, name, &volumes)
        }
        Action::DeleteGeneration { version, .. } => each(&|id| registry::delete(snapshot, request, id, *version)),
    };
    let answers = without_maintenance(snapshot, request, answers);
    let answers = without_observed(snapshot, request, answers);
    assemble(snapshot, request, answers, all_or_nothing)
}

/// The verbs that make copies, resume or record them.
const STARTS: [Verb; 7] =
    [Verb::Start, Verb::Resume, Verb::Backup, Verb::Overwrite, Verb::Restore, Verb::Snapshot, Verb::Practice];

/// Why nothing is started on this box now.
fn in_maintenance(snapshot: &Snapshot, box_id: BoxId, about: VolumeId) -> Option<Refusal> {
    let known = snapshot.maintenance_of(box_id)?;
    let reason =
        format!("no copy of {} is started, resumed or backed up now: {}", snapshot.label(about), known.in_words());
    Some(Refusal::new(Code::IN_MAINTENANCE, reason).about(about))
}

/// On an array in maintenance no copy is started and no backup is made. What is so already stays so.
fn without_maintenance(snapshot: &Snapshot, request: &Request, mut answers: Vec<Answer>) -> Vec<Answer> {
    if !STARTS.contains(&request.action.verb()) || snapshot.maintenance.is_empty() {
        return answers;
    }
    for answer in &mut answers {
        let refusal = match answer {
            Ok(item) => item.claims.iter().find_map(|id| in_maintenance(snapshot, id.box_id, item.volume)),
            Err(refusal) if refusal.code == Code::ALREADY_SO => None,
            Err(refusal) => refusal.volume.and_then(|id| in_maintenance(snapshot, id.box_id, id)),
        };
        if let Some(refusal) = refusal {
            *answer = Err(refusal);
        }
    }
    answers
}

/// Nothing is started on a volume whose backups another program makes, nor written over it.
fn without_observed(snapshot: &Snapshot, request: &Request, mut answers: Vec<Answer>) -> Vec<Answer> {
    if !STARTS.contains(&request.action.verb()) {
        return answers;
    }
    for answer in &mut answers {
        let Ok(item) = answer else { continue };
        let observed = item.claims.iter().find_map(|id| Some((*id, snapshot.observed(*id)?)));
        if let Some((id, by)) = observed {
            let reason = format!("the backups of {} are made by {by}: ecdeck only shows them", snapshot.label(id));
            let take = Action::Reconcile {
                volumes: vec![id],
                only: Vec::new(),
                kinds: vec![ProposalKind::Adopt],
                listed: Vec::new(),
            };
            let refusal = Refusal::new(Code::VOLUME_OBSERVED, reason).about(item.volume);
            let remedy = Remedy::new(format!("take {} over from {by}", snapshot.label(id)), take);
            let is_open = plan(snapshot, &remedy.request).is_ok();
            *answer = Err(if is_open { refusal.with_remedy(remedy) } else { refusal });
        }
    }
    answers
}

/// Sorted and each once, so that the order of asking changes nothing.
fn distinct(volumes: &[VolumeId]) -> Vec<VolumeId> {
    let mut volumes = volumes.to_vec();
    volumes.sort_unstable();
    volumes.dedup();
    volumes
}

/// The items of volumes that belong together as one item, where all of them are possible.
fn merge_items(answers: Vec<Answer>) -> Vec<Answer> {
    if answers.iter().any(Result::is_err) {
        return answers.into_iter().filter(Result::is_err).collect();
    }
    let mut items = answers.into_iter().flatten();
    let Some(first) = items.next() else { return Vec::new() };
    let one = items.fold(first, |mut one, next| {
        let claims = one.claims.iter().chain(&next.claims).copied().collect();
        let steps = one.steps.drain(..).chain(next.steps).collect();
        let notices = one.notices.drain(..).chain(next.notices).collect();
        PlanItem { notices, ..PlanItem::new(one.verb, one.volume, steps, claims) }
    });
    vec![Ok(one)]
}

fn assemble(
    snapshot: &Snapshot,
    request: &Request,
    answers: Vec<Answer>,
    all_or_nothing: bool,
) -> Result<Plan, Refusal> {
    let mut items: Vec<PlanItem> = Vec::new();
    let mut refused: Vec<Refusal> = Vec::new();
    let mut taken: BTreeMap<VolumeId, VolumeId> = BTreeMap::new();
    for answer in answers {
        match answer.and_then(|item| reject_conflicts(snapshot, item, &mut taken)) {
            Ok(item) => items.push(PlanItem { until: request.until, set: request.set.clone(), ..item }),
            Err(refusal) => {
                let refusal = if request.ensure { apply_ensure(snapshot, request, refusal) } else { refusal };
                refused.push(harmless::before_the_rest(refusal));
            }
        }
    }
    if items.is_empty() || (all_or_nothing && !refused.is_empty()) {
        let nothing_named = || Refusal::new(Code::UNKNOWN_VOLUME, "the request names no volume");
        return Err(Refusal::for_all(refused).unwrap_or_else(nothing_named));
    }
    let agreed: Vec<_> = items.iter().map(|item| digest::of_item(request, item)).collect();
    let digest = digest::of_items(&agreed);
    Ok(Plan { request: request.clone(), items, agreed, refused, digest })
}

/// Two items of one plan never need the same volume: they start together.
fn reject_conflicts(snapshot: &Snapshot, item: PlanItem, taken: &mut BTreeMap<VolumeId, VolumeId>) -> Answer {
    if let Some((shared, other)) = item.claims.iter().find_map(|claim| taken.get_key_value(claim)) {
        let reason =
            format!("{} is needed for {} of this request too", snapshot.label(*shared), snapshot.label(*other));
        return Err(Refusal::new(Code::BACKUP_VOLUME_BUSY, reason).about(item.volume));
    }
    taken.extend(item.claims.iter().map(|&claim| (claim, item.volume)));
    Ok(item)
}

/// With `ensure`, a refusal because the wish has come true already has the code that says so.
fn apply_ensure(snapshot: &Snapshot, request: &Request, refusal: Refusal) -> Refusal {
    let id = refusal.volume;
    let synchronizing = || {
        let sessions = id.map_or(&[][..], |id| snapshot.sessions_of(id));
        sessions.iter().any(|session| session.ours && session.status == Status::Active)
    };
    let is_so = match (&request.action, refusal.code) {
        (Action::Start { targets, .. }, Code::ALREADY_SYNCHRONIZING) => {
            synchronizing() && targets.iter().all(|(tv, bv)| Some(*tv) != id || is_live(snapshot, *tv, *bv))
        }
        (Action::Resume { target, .. }, Code::ALREADY_SYNCHRONIZING) => {
            synchronizing() && target.is_none_or(|bv| id.is_some_and(|tv| is_live(snapshot, tv, bv)))
        }
        (Action::Cancel { .. } | Action::ForceStop { .. }, Code::NO_SESSION)
        | (Action::Cancel { scope: CancelScope::Live, .. }, Code::ONLY_SUSPENDED)
        | (Action::Reconcile { .. }, Code::NOTHING_TO_RECONCILE)
        | (Action::Unregister { .. }, Code::UNKNOWN_VOLUME)
        | (Action::RemoveMap { .. }, Code::MAP_UNKNOWN)
        | (Action::RemoveFromSet { .. }, Code::SET_UNKNOWN) => true,
        (Action::Register { role, name, .. }, Code::ALREADY_REGISTERED) => {
            id.is_some_and(|id| is_registered(snapshot, id, *role, name.as_ref()))
        }
        (Action::DeleteGeneration { volume, version }, Code::NO_SUCH_GENERATION) => {
            snapshot.transaction_volume(*volume).is_some_and(|view| *version < view.volume.next_version)
        }
        _ => false,
    };
    if is_so {
        Refusal { code: Code::ALREADY_SO, advice: Vec::new(), remedies: Vec::new(), ..refusal }
    } else {
        refusal
    }
}

/// Whether a copy of ours runs or mirrors from this volume.
fn has_live_session(snapshot: &Snapshot, source: VolumeId) -> bool {
    snapshot.sessions_of(source).iter().any(|session| session.ours && session.status == Status::Active)
}

fn is_live(snapshot: &Snapshot, source: VolumeId, target: VolumeId) -> bool {
    let pair = Pair::new(source, target);
    snapshot.session(&pair).is_some_and(|session| session.ours && session.status == Status::Active)
}

fn is_registered(snapshot: &Snapshot, id: VolumeId, role: VolumeRole, name: Option<&Name>) -> bool {
    match role {
        VolumeRole::Transaction => {
            snapshot.transaction_volume(id).is_some_and(|view| name.is_none_or(|name| view.volume.name == *name))
        }
        VolumeRole::Backup => snapshot
            .backup_volume(id)
            .is_some_and(|view| name.is_none_or(|name| view.volume.name.as_ref() == Some(name))),
    }
}

impl Plan {
    /// Whether running this gives up a generation that retention alone would not.
    pub fn destroys(&self) -> bool {
        let steps = self.items.iter().flat_map(|item| &item.steps);
        steps.into_iter().any(|step| {
            matches!(
                step,
                PlanStep::GiveUp(GiveUpStep { why: ReleaseReason::Deleted | ReleaseReason::Overwritten, .. })
            )
        })
    }
}
