//! Rotation, checked by a formulation of its own: what a plan may release, and that the guard costs no night.

use super::{Checked, violated};
use ecdeck::model::codes::Code;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::plan::rotation::is_sound;
use ecdeck::model::plan::{Plan, Refusal, plan};
use ecdeck::model::records::{Generation, GenerationState, Policy, Records, ReleaseReason};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::snapshot::Snapshot;
use ecdeck::model::step::PlanStep;
use ecdeck::model::units::Version;

/// The age of the newest generation that nothing is known against, in milliseconds; one of the future has none.
fn youngest(snapshot: &Snapshot, id: VolumeId) -> Option<i64> {
    let valid = snapshot.generations_of(id).iter().filter(|kept| kept.state == GenerationState::Valid);
    valid.map(|kept| snapshot.taken_at.since(kept.taken_at)).filter(|age| *age >= 0).min()
}

/// A plan releases one generation of a volume at most by itself, and none while the newest sound one is too young.
pub fn check_plan(snapshot: &Snapshot, planned: &Plan) -> Checked {
    for item in planned.items() {
        let released: Vec<(VolumeId, Version)> = item
            .steps
            .iter()
            .filter_map(|step| match step {
                PlanStep::GiveUp(give_up)
                    if matches!(give_up.why, ReleaseReason::Retention | ReleaseReason::Reused) =>
                {
                    Some((give_up.transaction_volume, give_up.version))
                }
                _ => None,
            })
            .collect();
        for (volume, version) in &released {
            if planned.request().release_backlog == Some(*volume) {
                continue;
            }
            if released.iter().filter(|(other, _)| other == volume).count() > 1 {
                return violated(format!("a plan releases several generations of {volume} unasked"));
            }
            let view = snapshot.transaction_volume(*volume);
            let policy = view.and_then(|view| view.volume.policy);
            let limit = policy.map_or(0, Policy::min_interval);
            if youngest(snapshot, *volume).is_some_and(|age| age < limit) {
                return violated(format!("{version} of {volume} is released within the min-interval"));
            }
        }
    }
    Ok(())
}

/// A start is not refused for want of a volume while one could be had that the policy has let go.
pub fn check_refusal(snapshot: &Snapshot, request: &Request, refusal: &Refusal) -> Checked {
    let (Action::Start { volumes, targets, .. }, Code::NO_BACKUP_VOLUME) = (&request.action, refusal.code) else {
        return Ok(());
    };
    let (&[id], true) = (volumes.as_slice(), targets.is_empty()) else { return Ok(()) };
    let Some(policy) = snapshot.transaction_volume(id).and_then(|view| view.volume.policy) else { return Ok(()) };
    let kept = snapshot.generations_of(id);
    let all_valid = kept.iter().all(|generation| is_sound(snapshot, generation));
    if !all_valid || youngest(snapshot, id).is_some_and(|age| age < policy.min_interval()) {
        return Ok(());
    }
    let older = kept.len().saturating_sub(usize::from(policy.generations));
    let beyond = kept[..older].iter().filter(|generation| generation.held.is_none());
    let possible = |generation: &&Generation| {
        kept.len() > usize::from(policy.floor())
            && plan(snapshot, &Request::new(Action::Overwrite { volume: id, version: generation.version })).is_ok()
    };
    match { beyond }.find(possible) {
        Some(generation) => violated(format!("the guard costs {id} a night: {} could go", generation.version)),
        None => Ok(()),
    }
}

/// As many valid generations are left as the floor says. `recorded`: a new one is in the same commit.
pub fn check_floor(before: &Records, volume: VolumeId, version: Version, recorded: bool) -> Checked {
    let policy = before.transaction_volumes[&volume].policy;
    let valid = |generation: &&Generation| generation.state == GenerationState::Valid;
    let is_valid = before.generations.get(&(volume, version)).as_ref().is_some_and(valid);
    let left = before.generations_of(volume).filter(|kept| kept.version != version).filter(valid).count();
    let floor = policy.map_or(0, Policy::floor);
    if is_valid && left + usize::from(recorded) < usize::from(floor) {
        return violated(format!("{version} of {volume} is released below the floor of {floor}"));
    }
    Ok(())
}
