//! What only the catalogue knows: policies, registered volumes, holds, deleting a generation.

use super::case::{Case, judge, not_a_transaction_volume, readable, unclaimed};
use super::legality::{Legality, PairVerb};
use super::rotation::{self, Rotation};
use super::synchronize::{generation, not_held};
use super::{Confirmation, PlanItem, PlanStep, Refusal, Remedy};
use crate::model::codes::Code;
use crate::model::doubt::cause_now;
use crate::model::duration::people;
use crate::model::identity::VolumeId;
use crate::model::pool::PoolKey;
use crate::model::records::{BackupMode, GenerationState, Policy, ReleaseReason};
use crate::model::request::{Action, CancelScope, Request, VolumeRole};
use crate::model::session::Pair;
use crate::model::snapshot::{BackupState, BackupVolumeView, Snapshot};
use crate::model::step::{GiveUpStep, HoldStep, SetGenerationStateStep, SetPolicyStep, UnregisterStep};
use crate::model::units::{Timestamp, Version, count};
use crate::model::untrusted::Untrusted;
use std::collections::BTreeMap;

type Answer = Result<PlanItem, Refusal>;

pub(super) fn set_policy(snapshot: &Snapshot, request: &Request, id: VolumeId, policy: Policy) -> Answer {
    let case = Case::new(snapshot, request, id)?;
    let mut item = policy_item(&case, policy)?;
    warn_of_pool(&case, policy, &mut item);
    Ok(item)
}

/// The item of a policy, without what it means for the pool.
pub(super) fn policy_item(case: &Case<'_>, policy: Policy) -> Answer {
    let id = case.id();
    let in_range = (1..=Policy::MAX_GENERATIONS).contains(&policy.generations)
        && (1..=Policy::MAX_DAYS).contains(&policy.interval_days);
    if !in_range {
        let reason = format!("{} generations, {} days", policy.generations, policy.interval_days);
        return Err(Refusal::new(Code::POLICY_OUT_OF_RANGE, reason).about(id));
    }
    if policy.floor() < 1 || policy.floor() > policy.generations {
        let reason = format!(
            "a floor of {} sound generations does not fit a policy that keeps {}",
            policy.floor(),
            count(policy.generations.into(), "generation", "generations")
        );
        return Err(Refusal::new(Code::FLOOR_OUT_OF_RANGE, reason).about(id));
    }
    // A longer one would keep every backup of a site that is in time from releasing anything.
    if policy.min_interval() > policy.interval() || policy.grace() > i64::from(Policy::MAX_DAYS) * Timestamp::DAY {
        let reason = format!(
            "min-interval {} and grace {} do not fit an interval of {}",
            people(policy.min_interval()),
            people(policy.grace()),
            count(policy.interval_days.into(), "day", "days")
        );
        return Err(Refusal::new(Code::POLICY_OUT_OF_RANGE, reason).about(id));
    }
    case.unclaimed()?;
    if case.view.volume.policy == Some(policy) {
        let reason = format!("{} has this policy already", case.name());
        return Err(Refusal::new(Code::ALREADY_SO, reason).about(id));
    }
    let mut item =
        PlanItem::new(case.verb(), id, vec![PlanStep::SetPolicy(SetPolicyStep { volume: id, policy })], vec![id]);
    if policy.reuse_oldest && !case.view.volume.policy.is_some_and(|now| now.reuse_oldest) {
        let what = format!(
            "where no backup volume is free, a start ends the oldest generation of {} before the new backup exists",
            case.name()
        );
        item.confirmation = Some(Confirmation::new(case.name(), what));
    }
    warn_of_sessions(case, policy, &mut item);
    name_releases(case, policy, &mut item);
    Ok(item)
}

/// A policy that keeps fewer has its effect only with the next backups, which nobody may ask about: it is said now.
fn name_releases(case: &Case<'_>, policy: Policy, item: &mut PlanItem) {
    let (id, snapshot) = (case.id(), case.snapshot);
    let versions = |policy| -> Vec<Version> {
        Rotation::of_backup(snapshot, id, policy).beyond().iter().map(|generation| generation.version).collect()
    };
    let before = case.view.volume.policy.map_or_else(Vec::new, versions);
    let (beyond, of) = (versions(policy), case.name());
    let condemned: Vec<Version> = beyond.iter().copied().filter(|version| !before.contains(version)).collect();
    if let ([first, rest @ ..], false) = (beyond.as_slice(), condemned.is_empty()) {
        let all = rotation::versions(&beyond);
        let are = if rest.is_empty() { "is" } else { "are" };
        let text = format!("{all} of {of} {are} beyond this policy: the next due backup releases {first}");
        let way = format!(", --confirm {of} with a backup releases all of them");
        let way = if rest.is_empty() { String::new() } else { way };
        item.notice(Code::NEXT_BACKUP_RELEASES, format!("{text}{way}"));
    }
}

fn warn_of_pool(case: &Case<'_>, policy: Policy, item: &mut PlanItem) {
    let key = case.snapshot.pool_key(case.view);
    let size = pool_sizes(case.snapshot).remove(&key).unwrap_or_default();
    let (own, before) = (policy.backup_volumes(), case.view.volume.policy.map_or(0, Policy::backup_volumes));
    let (have, needed) = (size.total, size.needed - before + own);
    if have < needed {
        let text = format!(
            "{} of {key} missing: {} needs {own}, all volumes of this size together {needed}, the pool has {have}",
            count(needed - have, "backup volume", "backup volumes"),
            case.name()
        );
        item.notice(Code::POOL_TOO_SMALL_FOR_POLICY, text);
    }
}

fn warn_of_sessions(case: &Case<'_>, policy: Policy, item: &mut PlanItem) {
    let array = case.snapshot.array(case.id().box_id);
    let Some(capabilities) = array.and_then(|array| array.capabilities.as_ref()) else { return };
    let limit = usize::from(capabilities.sessions_per_source);
    let own = match policy.mode {
        BackupMode::Suspend => policy.backup_volumes(),
        BackupMode::Dissolve => 1,
    };
    let foreign = case.snapshot.sessions_of(case.id()).iter().filter(|session| !session.ours).count();
    if own + foreign > limit {
        let text = format!(
            "{} needs {} and other programs have {foreign}; the array grants a source volume {limit}",
            case.name(),
            count(own, "session", "sessions")
        );
        item.notice(Code::TOO_MANY_SESSIONS_FOR_POLICY, text);
    }
}

pub(super) fn role_of(snapshot: &Snapshot, id: VolumeId) -> Option<VolumeRole> {
    let transaction = snapshot.transaction_volume(id).map(|_| VolumeRole::Transaction);
    transaction.or_else(|| snapshot.backup_volume(id).map(|_| VolumeRole::Backup))
}

pub(super) fn word(role: VolumeRole) -> &'static str {
    match role {
        VolumeRole::Transaction => "transaction",
        VolumeRole::Backup => "backup",
    }
}

pub(super) fn unregister(snapshot: &Snapshot, request: &Request, id: VolumeId) -> Answer {
    let Some(role) = role_of(snapshot, id) else {
        return Err(not_a_transaction_volume(snapshot, id));
    };
    unclaimed(snapshot, id)?;
    let label = snapshot.label(id);
    let in_use = |what: String, remedies: Vec<Remedy>| {
        let reason = format!("{label} still has {what}");
        Err(Refusal::new(Code::VOLUME_IN_USE, reason).about(id).with_remedies(remedies))
    };
    if let Some(set) = snapshot.volume_set_of(id) {
        let action = Action::RemoveFromSet { name: set.name.clone(), volumes: vec![id] };
        let remedy = Remedy::new(format!("take {label} out of set {}", set.name), action);
        let reason = format!("{label} is in set {}", set.name);
        return Err(Refusal::new(Code::IN_A_SET, reason).about(id).with_remedy(remedy));
    }
    match role {
        VolumeRole::Transaction => {
            let sessions = snapshot.sessions_of(id).iter().filter(|session| session.ours).count();
            let kept = snapshot.generations_of(id).len();
            Case::new(snapshot, request, id)?.all_read()?;
            if sessions > 0 {
                let action = Action::Cancel { volumes: vec![id], scope: CancelScope::All };
                return in_use(
                    count(sessions, "session", "sessions"),
                    vec![Remedy::new(format!("end all sessions of {label}"), action)],
                );
            }
            if let Some(oldest) = snapshot.generations_of(id).first() {
                let action = Action::DeleteGeneration { volume: id, version: oldest.version };
                let remedy = Remedy::destroying(format!("delete {} of {label}", oldest.version), action);
                return in_use(count(kept, "generation", "generations"), vec![remedy]);
            }
        }
        VolumeRole::Backup => {
            let Some(view) = snapshot.backup_volume(id) else { return in_use("a role".to_owned(), Vec::new()) };
            let owner = view.transaction_volume.map_or_else(|| "another volume".to_owned(), |id| snapshot.label(id));
            if let (Some(version), Some(owner_id)) = (view.generation, view.transaction_volume) {
                let action = Action::DeleteGeneration { volume: owner_id, version };
                let remedy = Remedy::destroying(format!("delete {version} of {owner}"), action);
                return in_use(format!("{version} of {owner}"), vec![remedy]);
            }
            if view.session_unread || !matches!(view.state, BackupState::Unused | BackupState::Foreign) {
                let cancel = |owner_id| {
                    let action = Action::Cancel { volumes: vec![owner_id], scope: CancelScope::One(id) };
                    Remedy::new(format!("cancel the session of {owner} with {label}"), action)
                };
                let remedies = view.transaction_volume.map(cancel).into_iter().collect();
                return in_use(format!("a session with {owner}"), remedies);
            }
        }
    }
    let steps = vec![PlanStep::Unregister(UnregisterStep { volume: id })];
    let mut item = PlanItem::new(request.action.verb(), id, steps, vec![id]);
    let maps = super::maps::that_use(snapshot, id);
    if !maps.is_empty() {
        let names: Vec<&str> = maps.iter().map(|name| name.as_str()).collect();
        let text = format!(
            "map {} {} {} {label}: the rows stay, marked not registered, and stop only themselves",
            if names.len() == 1 { "set" } else { "sets" },
            names.join(", "),
            if names.len() == 1 { "uses" } else { "use" },
        );
        item.notice(Code::MAP_USES_VOLUME, text);
    }
    Ok(item)
}

/// Hold or, without a reason, let go of a hold.
pub(super) fn hold(
    snapshot: &Snapshot,
    request: &Request,
    id: VolumeId,
    version: Version,
    why: Option<&Untrusted>,
) -> Answer {
    let case = Case::new(snapshot, request, id)?;
    case.unclaimed()?;
    let generation = generation(&case, version)?;
    unclaimed(snapshot, generation.backup_volume).map_err(|refusal| refusal.about(id))?;
    if generation.held.as_ref() == why {
        let word = if why.is_some() { "held for this reason" } else { "not held" };
        return Err(Refusal::new(Code::ALREADY_SO, format!("{version} of {} is {word}", case.name())).about(id));
    }
    let step = PlanStep::Hold(HoldStep { volume: id, version, why: why.cloned() });
    Ok(PlanItem::new(case.verb(), id, vec![step], vec![id, generation.backup_volume]))
}

/// Takes the doubt from a generation, once nothing is seen any more that puts it there.
pub(super) fn accept(snapshot: &Snapshot, request: &Request, id: VolumeId, version: Version) -> Answer {
    let case = Case::new(snapshot, request, id)?;
    case.unclaimed()?;
    let generation = generation(&case, version)?;
    let target = generation.backup_volume;
    unclaimed(snapshot, target).map_err(|refusal| refusal.about(id))?;
    let name = case.name();
    let (what, why) = match &generation.state {
        GenerationState::InDoubt(why) => ("it was in doubt", why),
        GenerationState::NeedsAttention(why) => ("it needed attention", why),
        GenerationState::Valid => {
            let reason = format!("{version} of {name} is {}", generation.state);
            return Err(Refusal::new(Code::NOT_IN_DOUBT, reason).about(id));
        }
    };
    // What is not read now may be there still.
    readable(snapshot, target.box_id).map_err(|refusal| refusal.about(id))?;
    case.others_are_read(target)?;
    if let Some(why) = cause_now(snapshot, generation) {
        let reason = format!("{version} of {name} is in doubt, and what puts it there lasts: {why}");
        return Err(Refusal::new(Code::STILL_IN_DOUBT, reason).about(id));
    }
    let state = GenerationState::Valid;
    let step = PlanStep::SetGenerationState(SetGenerationStateStep { volume: id, version, state });
    let mut item = PlanItem::new(case.verb(), id, vec![step], vec![id, target]);
    let what = format!("{version} of {name} counts as good again; {what}: {}", Untrusted::new(why.as_str()).escaped());
    item.confirmation = Some(Confirmation::new(name, what));
    Ok(item)
}

/// Every generation of a volume that is in doubt, but those whose cause lasts. The site's name agrees to all of them.
pub(super) fn accept_all(snapshot: &Snapshot, request: &Request, id: VolumeId) -> Answer {
    let case = Case::new(snapshot, request, id)?;
    let name = case.name();
    let (mut steps, mut claims, mut accepted, mut stay) = (Vec::new(), vec![id], Vec::new(), Vec::new());
    for generation in case.generations().iter().filter(|generation| generation.state != GenerationState::Valid) {
        match accept(snapshot, request, id, generation.version) {
            Ok(item) => {
                steps.extend(item.steps);
                claims.extend(item.claims.into_iter().filter(|claim| *claim != id));
                accepted.extend(item.confirmation.map(|one| one.what));
            }
            Err(refusal) => stay.push(refusal),
        }
    }
    if steps.is_empty() {
        let reason = format!("no generation of {name} is in doubt");
        return Err(stay.into_iter().next().unwrap_or_else(|| Refusal::new(Code::NOT_IN_DOUBT, reason).about(id)));
    }
    let mut item = PlanItem::new(case.verb(), id, steps, claims);
    for refusal in stay {
        item.notice(refusal.code, refusal.reason);
    }
    item.confirmation = Some(Confirmation::new(snapshot.site.name.as_str(), accepted.join("; ")));
    Ok(item)
}

/// Gives a generation up. Its session, if it has one, stays.
pub(super) fn delete(snapshot: &Snapshot, request: &Request, id: VolumeId, version: Version) -> Answer {
    let case = Case::new(snapshot, request, id)?;
    case.unclaimed()?;
    let generation = generation(&case, version)?;
    not_held(&case, version)?;
    let target = generation.backup_volume;
    unclaimed(snapshot, target).map_err(|refusal| refusal.about(id))?;
    if let Some(session) = snapshot.session(&Pair::new(id, target)).filter(|session| session.ours)
        && let Legality::Refused(code) = judge(session, PairVerb::Delete)
    {
        return Err(case.refusal(session, code));
    }
    let label = snapshot.label(target);
    let give_up = PlanStep::GiveUp(GiveUpStep {
        transaction_volume: id,
        version,
        backup_volume: target,
        why: ReleaseReason::Deleted,
    });
    let mut item = PlanItem::new(case.verb(), id, vec![give_up], vec![id, target]);
    item.confirmation =
        Some(Confirmation::new(label.clone(), format!("{version} of {} on {label} is released", case.name())));
    Ok(item)
}

/// One size of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PoolSize {
    pub unused: usize,
    pub bound: usize,
    /// With a generation on them, suspended or not.
    pub kept: usize,
    /// All that are registered, but those in the hands of another program and those that doubt locks.
    pub total: usize,
    /// What the policies of the transaction volumes of this size need: G + 1 each, and one for each generation that is held.
    pub needed: usize,
}

impl PoolSize {
    pub fn missing(&self) -> usize {
        self.needed.saturating_sub(self.total)
    }
}

/// The pools by size, with what the policies need of each.
pub fn pool_sizes(snapshot: &Snapshot) -> BTreeMap<PoolKey, PoolSize> {
    let mut sizes: BTreeMap<PoolKey, PoolSize> = BTreeMap::new();
    for view in &snapshot.pool {
        let size = sizes.entry(snapshot.backup_key(view)).or_default();
        size.total += usize::from(view.state != BackupState::Foreign && !is_locked(view));
        match view.state {
            // A practice gives way.
            BackupState::Unused | BackupState::Practice => size.unused += 1,
            BackupState::Bound => size.bound += 1,
            BackupState::Generation | BackupState::SuspendedGeneration => size.kept += 1,
            BackupState::Copying
            | BackupState::Equivalent
            | BackupState::Error
            | BackupState::Foreign
            | BackupState::Unverified
            | BackupState::Reversed
            | BackupState::Restoring
            | BackupState::RestoreIncomplete => {}
        }
    }
    for view in &snapshot.transaction_volumes {
        if let Some(policy) = view.volume.policy {
            sizes.entry(snapshot.pool_key(view)).or_default().needed += policy.backup_volumes();
            // What is outside the policy's count. The present state of a volume group is on a plain volume.
            let generations = snapshot.generations_of(view.volume.id).iter();
            for kept in generations.filter(|kept| kept.held.is_some() || kept.is_before_restore()) {
                let on = snapshot.backup_volume(kept.backup_volume);
                let key = on.map_or_else(|| snapshot.pool_key(view), |on| snapshot.backup_key(on));
                sizes.entry(key).or_default().needed += 1;
            }
        }
    }
    sizes
}

/// Nobody knows what is on it, or its session ended in an error: no start takes it before somebody has looked.
fn is_locked(view: &BackupVolumeView) -> bool {
    let failed = view.problem.as_ref().is_some_and(|problem| problem.code == Code::ERROR_SUSPENDED);
    match view.state {
        BackupState::Unverified | BackupState::Reversed => true,
        BackupState::Error => failed && view.generation.is_none(),
        _ => false,
    }
}
