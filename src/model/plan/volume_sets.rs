//! Sets: which transaction volumes may come into one, and what it means for their backups.

use super::backup::not_at_one_instant;
use super::case::{not_a_transaction_volume, unclaimed};
use super::{PlanItem, PlanStep, Refusal, Remedy};
use crate::model::codes::Code;
use crate::model::identity::{Name, VolumeId};
use crate::model::request::{Action, Request};
use crate::model::snapshot::{Snapshot, TransactionState};
use crate::model::step::{AddToSetStep, RemoveFromSetStep};
use crate::model::volume_set::VolumeSet;

type Answer = Result<PlanItem, Refusal>;

/// Puts volumes into a set: all of them, or none. What is in it already stays.
pub(super) fn add(snapshot: &Snapshot, request: &Request, name: &Name, volumes: &[VolumeId]) -> Vec<Answer> {
    let stored = snapshot.volume_set(name.as_str());
    let new: Vec<VolumeId> = volumes.iter().filter(|id| !stored.is_some_and(|set| set.has(**id))).copied().collect();
    let wrong: Vec<Answer> = new.iter().filter_map(|id| may_join(snapshot, *id).err()).map(Err).collect();
    if !wrong.is_empty() {
        return wrong;
    }
    let Some(&first) = new.first() else {
        let refusal = match volumes.first() {
            Some(id) => Refusal::new(Code::ALREADY_SO, format!("set {name} has these volumes already")).about(*id),
            None => Refusal::new(Code::UNKNOWN_VOLUME, format!("name the volumes that set {name} is to have")),
        };
        return vec![Err(refusal)];
    };
    let after = match stored {
        Some(set) => set.with(&new),
        None => VolumeSet::new(name.clone(), new.clone()),
    };
    let most = VolumeSet::MAX_MEMBERS;
    if after.members.len() > most {
        let reason = format!("set {name} would have {} volumes, at most {most} are in one", after.members.len());
        return vec![Err(Refusal::new(Code::SET_TOO_LARGE, reason).about(first))];
    }
    let step = PlanStep::AddToSet(AddToSetStep { name: name.clone(), volumes: new.clone() });
    let mut item = PlanItem::new(request.action.verb(), first, vec![step], new);
    if let Some(why) = not_at_one_instant(snapshot, &after.members) {
        item.notice(Code::SET_NOT_AT_ONE_INSTANT, format!("`backup --set {name}` will be refused: {why}"));
    }
    vec![Ok(item)]
}

fn may_join(snapshot: &Snapshot, id: VolumeId) -> Result<(), Refusal> {
    if snapshot.transaction_volume(id).is_none() {
        return Err(not_a_transaction_volume(snapshot, id));
    }
    if let Some(other) = snapshot.volume_set_of(id) {
        let label = snapshot.label(id);
        let action = Action::RemoveFromSet { name: other.name.clone(), volumes: vec![id] };
        let remedy = Remedy::new(format!("take {label} out of set {}", other.name), action);
        let reason = format!("{label} is in set {} already", other.name);
        return Err(Refusal::new(Code::IN_ANOTHER_SET, reason).about(id).with_remedy(remedy));
    }
    unclaimed(snapshot, id)
}

/// Takes volumes out of a set; none named: all of them.
pub(super) fn remove(snapshot: &Snapshot, request: &Request, name: &Name, volumes: &[VolumeId]) -> Vec<Answer> {
    let Some(set) = snapshot.volume_set(name.as_str()) else {
        return vec![Err(unknown(name))];
    };
    let gone = if volumes.is_empty() { set.members.clone() } else { volumes.to_vec() };
    let foreign = |id: &VolumeId| {
        let reason = format!("{} is not in set {name}", snapshot.label(*id));
        Err(Refusal::new(Code::SET_UNKNOWN, reason).about(*id))
    };
    // With `ensure`, what is not in it any more is as it was asked for.
    let (gone, others): (Vec<VolumeId>, Vec<VolumeId>) = gone.into_iter().partition(|id| set.has(*id));
    if !others.is_empty() && (!request.ensure || gone.is_empty()) {
        return others.iter().map(foreign).collect();
    }
    let held: Vec<Answer> = gone.iter().filter_map(|id| unclaimed(snapshot, *id).err()).map(Err).collect();
    if !held.is_empty() {
        return held;
    }
    let Some(&first) = gone.first() else { return vec![Err(unknown(name))] };
    let whole = set.without(&gone).members.is_empty();
    let step = PlanStep::RemoveFromSet(RemoveFromSetStep { name: name.clone(), volumes: gone.clone(), whole });
    vec![Ok(PlanItem::new(request.action.verb(), first, vec![step], gone))]
}

/// Whether a request that names a set still names its volumes.
pub(super) fn unchanged(snapshot: &Snapshot, request: &Request, volumes: &[VolumeId]) -> Result<(), Refusal> {
    let Some(name) = &request.set else { return Ok(()) };
    match snapshot.volume_set(name.as_str()) {
        None => Err(unknown(name)),
        Some(set) if set.members == volumes => Ok(()),
        Some(_) => Err(Refusal::new(Code::SET_CHANGED, format!("set {name} has other volumes now"))),
    }
}

/// The state of the volume of a set that is furthest from a backup.
pub fn state_of_set(snapshot: &Snapshot, set: &VolumeSet) -> TransactionState {
    let far = |state: &TransactionState| match state {
        TransactionState::Equivalent => 0,
        TransactionState::Copying => 1,
        TransactionState::Suspended => 2,
        TransactionState::None => 3,
        _ => 4,
    };
    let state = |id: &VolumeId| snapshot.transaction_volume(*id).map_or(TransactionState::Unknown, |view| view.state);
    let states = set.members.iter().map(state);
    states.max_by_key(|state| (far(state), *state)).unwrap_or(TransactionState::None)
}

/// What is said when a volume of a set is backed up without the others.
pub(super) fn alone(snapshot: &Snapshot, id: VolumeId) -> Option<String> {
    let set = snapshot.volume_set_of(id).filter(|set| set.members.len() > 1)?;
    Some(format!("{} is in set {}: this backup is not at one instant with the others", snapshot.label(id), set.name))
}

fn unknown(name: &Name) -> Refusal {
    Refusal::new(Code::SET_UNKNOWN, format!("there is no set {name}"))
}
