//! Restore of a set: the generations of one instant back onto all of its volumes, as one operation, or not at all.
//!
//! First the present state of every volume is kept, then every volume is marked as restore-incomplete, then one after the other is
//! copied: whatever ends it in between, each volume is known to be as it was, restored, or restore-incomplete.

use super::case::Case;
use super::present_state::{self, Spares};
use super::restore::{item, may_be_read, may_overwrite};
use super::{Confirmation, PlanItem, PlanStep, Refusal, Remedy, hooks};
use crate::model::advice::Advice;
use crate::model::codes::Code;
use crate::model::identity::{Name, VolumeId};
use crate::model::records::{Generation, OperationId};
use crate::model::request::{Action, Request};
use crate::model::set_instants::generation_of;
use crate::model::snapshot::Snapshot;
use crate::model::step::HookPhase;

type Answer = Result<PlanItem, Refusal>;

/// One volume of the set with what comes back to it.
struct Part<'a> {
    case: Case<'a>,
    generation: &'a Generation,
}

impl<'a> Part<'a> {
    fn of(snapshot: &'a Snapshot, request: &'a Request, id: VolumeId, instant: OperationId) -> Result<Self, Refusal> {
        let case = Case::new(snapshot, request, id)?;
        let Some(generation) = generation_of(snapshot, id, instant) else {
            let reason = format!("{} keeps no generation of that instant", case.name());
            return Err(Refusal::new(Code::NO_SUCH_GENERATION, reason).about(id));
        };
        may_be_read(&case, generation)?;
        may_overwrite(&case, generation, id)?;
        Ok(Self { case, generation })
    }
}

pub(super) fn restore(
    snapshot: &Snapshot,
    request: &Request,
    volumes: &[VolumeId],
    instant: OperationId,
    unmounted: bool,
) -> Vec<Answer> {
    let set = volumes.first().and_then(|first| snapshot.volume_set_of(*first)).filter(|set| set.members == volumes);
    let Some(set) = set else {
        return vec![Err(Refusal::new(Code::SET_CHANGED, "no set has these volumes now, and no others"))];
    };
    let name = &set.name;
    let parts: Vec<Result<Part<'_>, Refusal>> =
        volumes.iter().map(|&id| Part::of(snapshot, request, id, instant)).collect();
    if parts.iter().any(Result::is_err) {
        return parts.into_iter().filter_map(Result::err).map(Err).collect();
    }
    let parts: Vec<Part<'_>> = parts.into_iter().flatten().collect();
    if !unmounted {
        return vec![Err(not_said_unmounted(snapshot, request, volumes))];
    }
    // Of a set that is partly restored there is no state of one instant to keep.
    let is_partly = volumes.iter().any(|id| snapshot.restores_to(*id).next().is_some());
    let mut spares = Spares::new(snapshot, volumes);
    let mut kept = Vec::new();
    let mut refused = Vec::new();
    for part in &parts {
        if is_partly {
            kept.push(None);
            continue;
        }
        let id = part.case.id();
        match present_state::steps(snapshot, request, id, &mut spares) {
            Ok(steps) => kept.push(steps),
            Err(refusal) => refused.push(Err(refusal.about(id))),
        }
    }
    if !refused.is_empty() {
        return refused;
    }
    let is_kept = kept.iter().any(Option::is_some);
    let items: Vec<PlanItem> =
        parts.iter().zip(kept).map(|(part, kept)| item(&part.case, part.generation, part.case.id(), kept)).collect();
    vec![Ok(as_one(snapshot, name, &parts, items, is_kept))]
}

/// The items of the volumes as one: what is kept first stands before all marks, and all marks before the first copy.
fn as_one(snapshot: &Snapshot, name: &Name, parts: &[Part<'_>], items: Vec<PlanItem>, is_kept: bool) -> PlanItem {
    let volumes: Vec<VolumeId> = parts.iter().map(|part| part.case.id()).collect();
    let (before, after) = hooks::of_restore(snapshot, &volumes);
    let (mut steps, mut claims, mut notices) = (Vec::new(), Vec::new(), Vec::new());
    let verb = parts[0].case.verb();
    for item in items {
        steps.extend(item.steps.into_iter().filter(|step| !is_script(step)));
        claims.extend(item.claims);
        notices.extend(item.notices);
    }
    // Stable: the steps of one volume stay in their order.
    steps.sort_by_key(phase);
    let steps = before.into_iter().chain(steps).chain(after).collect();
    let mut one = PlanItem { notices, ..PlanItem::new(verb, volumes[0], steps, claims) };
    let recorded = parts[0].generation.set.as_ref();
    if let Some(then) = recorded.filter(|then| then.volumes as usize != volumes.len()) {
        let text = format!("the set had {} volumes at that instant, and has {} now", then.volumes, volumes.len());
        one.notice(Code::SET_CHANGED, text);
    }
    let versions: Vec<String> =
        parts.iter().map(|part| format!("{} {}", part.case.name(), part.generation.version)).collect();
    let fate = if is_kept { "what was written since is kept aside first" } else { "what was written since is lost" };
    let what =
        format!("the live data of set {name} are overwritten with one instant ({}); {fate}", versions.join(", "));
    one.confirmation = Some(Confirmation::new(name.to_string(), what));
    one
}

fn is_script(step: &PlanStep) -> bool {
    matches!(step, PlanStep::Hook(hook) if hook.identity.is_none() && hook.phase != HookPhase::AfterBackup)
}

/// When a step of a volume comes among those of the others.
fn phase(step: &PlanStep) -> u8 {
    match step {
        PlanStep::EndOpc(_) => 0,
        PlanStep::BeginPresentState(_) | PlanStep::CopyPresentState(_) | PlanStep::KeepPresentState(_) => 1,
        PlanStep::BeginRestore(_) => 2,
        _ => 3,
    }
}

fn not_said_unmounted(snapshot: &Snapshot, request: &Request, volumes: &[VolumeId]) -> Refusal {
    let labels: Vec<String> = volumes.iter().map(|id| snapshot.label(*id)).collect();
    let labels = labels.join(", ");
    let mut action = request.action.clone();
    if let Action::RestoreSet { unmounted, .. } = &mut action {
        *unmounted = true;
    }
    let mut remedy = Remedy { destroys: true, ..Remedy::new("restore, as all of them are unmounted", action) };
    remedy.request.set.clone_from(&request.set);
    let reason = format!("whether a host has {labels} mounted is not checked");
    let advice = Advice::new(format!("unmount {labels} on every host that sees them"));
    Refusal::new(Code::NOT_SAID_UNMOUNTED, reason).with_advice([advice]).with_remedy(remedy)
}
