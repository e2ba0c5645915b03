//! Which scripts belong to a backup or a restore, in which order, and how long writes may stand still because of them.

use super::case::{Case, unclaimed};
use super::synchronize::generation;
use super::{PlanItem, PlanStep, Refusal};
use crate::model::codes::Code;
use crate::model::entity::GenerationState;
use crate::model::hook::{Hook, seconds};
use crate::model::identity::VolumeId;
use crate::model::request::Request;
use crate::model::snapshot::Snapshot;
use crate::model::step::{HookPhase, HookStep, IdentityTask, SetGenerationStateStep};
use crate::model::units::Version;

/// The scripts of one item.
#[derive(Debug, Default)]
pub(super) struct ItemHooks {
    pub before: Vec<PlanStep>,
    /// In the reverse order.
    pub after: Vec<PlanStep>,
    /// The longest time that writes stand still, in milliseconds; `None` without a script before the backup.
    longest_pause: Option<u64>,
    /// Names of hooks that were left out because that was asked for.
    left_out: Vec<String>,
}

/// The hooks of volumes that are backed up together: each once, for the first of its volumes.
pub(super) fn of_backup(snapshot: &Snapshot, request: &Request, cases: &[&Case<'_>]) -> ItemHooks {
    let mut found = ItemHooks::default();
    for hook in &snapshot.site.hooks {
        let mine = cases.iter().find(|case| hook.is_for(&case.view.volume.name));
        let Some(case) = mine else { continue };
        if request.crash_consistent {
            found.left_out.push(hook.name.to_string());
            continue;
        }
        found.before.extend(step(hook, HookPhase::BeforeBackup, case.id()));
        if let Some(after) = step(hook, HookPhase::AfterBackup, case.id()) {
            found.after.insert(0, after);
        }
    }
    found.longest_pause = longest_pause(&snapshot.site.hooks, &found);
    found
}

/// The hooks of a restore: those of the transaction volumes that are overwritten, each once, for the first of its volumes. One
/// that is restored to a volume that nobody uses has none.
pub(super) fn of_restore(snapshot: &Snapshot, targets: &[VolumeId]) -> (Vec<PlanStep>, Vec<PlanStep>) {
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for hook in &snapshot.site.hooks {
        let is_for =
            |id: &&VolumeId| snapshot.transaction_volume(**id).is_some_and(|view| hook.is_for(&view.volume.name));
        let Some(target) = targets.iter().find(is_for) else { continue };
        before.extend(step(hook, HookPhase::BeforeRestore, *target));
        after.extend(step(hook, HookPhase::AfterRestore, *target));
    }
    after.reverse();
    (before, after)
}

fn step(hook: &Hook, phase: HookPhase, volume: VolumeId) -> Option<PlanStep> {
    let (argv, hook) = (hook.script(phase)?.clone(), Some(Box::new(hook.clone())));
    Some(PlanStep::Hook(HookStep { phase, volume, argv, hook, identity: None, node: None }))
}

/// From the first script before the backup to the end of the last one after it: the guard begins to run those at its
/// deadline, and each of them ends by force.
fn longest_pause(hooks: &[Hook], found: &ItemHooks) -> Option<u64> {
    let of = |steps: &[PlanStep]| -> Vec<Hook> {
        let hook = |step: &PlanStep| match step {
            PlanStep::Hook(step) => step.hook.as_deref().cloned(),
            _ => None,
        };
        steps.iter().filter_map(hook).collect()
    };
    let before = of(&found.before);
    let deadline = before.iter().map(|hook| hook.pause_millis).min()?;
    // A script that runs at the deadline is ended first.
    let end = Hook::GRACE_MILLIS + Hook::REAP_MILLIS;
    let undone = of(&found.after).into_iter().filter(|hook| before.iter().any(|other| other.name == hook.name));
    let after: u64 = undone.map(|hook| hook.limit_millis + end).sum();
    debug_assert!(before.iter().all(|hook| hooks.contains(hook)));
    Some(deadline + end + after)
}

impl ItemHooks {
    /// What people should know of them before they agree.
    pub(super) fn notices(&self, item: &mut PlanItem) {
        if let Some(millis) = self.longest_pause {
            let text =
                format!("scripts may pause writes, for {} s at the longest, even if the engine dies", seconds(millis));
            item.notice(Code::WRITES_PAUSED, text);
        }
        if !self.left_out.is_empty() {
            let names = self.left_out.join(", ");
            let text = format!("without {names}: what is recorded is what a power cut would leave");
            item.notice(Code::CRASH_CONSISTENT, text);
        }
    }
}

/// What restores the identity of the backup volume's group after a copy; `None` where that is no group.
fn identity(case: &Case<'_>, target: VolumeId) -> Option<PlanStep> {
    let transaction = case.view.volume.group.as_deref()?;
    let volume = &case.snapshot.backup_volume(target)?.volume;
    let (blocks, backup) = (volume.blocks, volume.group.as_deref()?.clone());
    let task = IdentityTask { target, blocks, transaction: transaction.clone(), backup };
    Some(PlanStep::Hook(HookStep::restoring(case.id(), task)))
}

/// The identities that are restored after the copies of these pairs, and what people should know of that.
pub(super) fn identities<'a>(
    cases: impl Iterator<Item = (&'a Case<'a>, VolumeId)>,
) -> (Vec<PlanStep>, Vec<(Code, String)>) {
    let (mut steps, mut notices) = (Vec::new(), Vec::new());
    for (case, target) in cases {
        let Some(group) = &case.view.volume.group else { continue };
        let label = case.snapshot.label(target);
        if let Some(step) = identity(case, target) {
            steps.push(step);
            let text = format!(
                "from the suspend until the identity on {label} is restored, {} cannot change {group}",
                group.host
            );
            notices.push((Code::GROUP_IDENTITY_RESTORED, text));
        } else {
            let text = format!("{label} is no volume group: it keeps the identity of {group} until a restore");
            notices.push((Code::BACKUP_GROUP_MISSING, text));
        }
    }
    (steps, notices)
}

/// The scripts after a backup again, for a generation that needs attention; when all have succeeded, it is in order.
pub(super) fn post_process(
    snapshot: &Snapshot,
    request: &Request,
    id: VolumeId,
    version: Version,
) -> Result<PlanItem, Refusal> {
    let case = Case::new(snapshot, request, id)?;
    case.unclaimed()?;
    let generation = generation(&case, version)?;
    let target = generation.backup_volume;
    unclaimed(snapshot, target).map_err(|refusal| refusal.about(id))?;
    case.host_side_allowed(target)?;
    if !matches!(generation.state, GenerationState::NeedsAttention(_)) {
        let reason = format!(
            "{version} of {} is {}: only one that needs attention is post-processed again",
            case.name(),
            generation.state
        );
        return Err(Refusal::new(Code::ALREADY_SO, reason).about(id));
    }
    let hooks = snapshot.site.hooks.iter().rev().filter(|hook| hook.is_for(&case.view.volume.name));
    let mut steps: Vec<PlanStep> = hooks.filter_map(|hook| step(hook, HookPhase::AfterBackup, id)).collect();
    steps.extend(identity(&case, target));
    if steps.is_empty() {
        let reason = format!("no hook of {} has a script after the backup", case.name());
        return Err(Refusal::new(Code::NO_HOOKS, reason).about(id));
    }
    steps.push(PlanStep::SetGenerationState(SetGenerationStateStep {
        volume: id,
        version,
        state: GenerationState::Valid,
    }));
    Ok(PlanItem::new(case.verb(), id, steps, vec![id, target]))
}
