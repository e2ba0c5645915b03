//! What is agreed to with a plan, in words, the same in a terminal's dialog, in a printed plan, in JSON and in the audit.

use super::{Plan, PlanItem, PlanStep};
use crate::model::identity::VolumeId;
use crate::model::snapshot::Snapshot;
use crate::model::units::count;
use crate::model::verb::Verb;
use crate::model::volume_names::VolumeNames;

/// A step as half a sentence that begins with what is done. Nothing in it can act on a terminal.
pub fn step(step: &PlanStep, snapshot: &Snapshot) -> String {
    step.sentence(snapshot)
}

/// Parts of a step that are listed at most, where people read them.
pub const MAX_PARTS: usize = 40;

/// The parts of a step, a line each; the last line counts what is left off.
pub fn parts(step: &PlanStep, snapshot: &Snapshot) -> Vec<String> {
    let parts = step.parts();
    let line = |part: &PlanStep| match part {
        // In a plan of one volume, the volume stands above it.
        PlanStep::SetPolicy(set) => format!("{}: {}", snapshot.label(set.volume), part.sentence(snapshot)),
        part => part.sentence(snapshot),
    };
    let mut lines: Vec<String> = parts.iter().take(MAX_PARTS).map(line).collect();
    let more = parts.len().saturating_sub(MAX_PARTS);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Items that are listed in words at most, and characters of each.
const MAX_LISTED: usize = 100;
const MAX_LINE: usize = 500;

/// What is agreed to with a plan, for the audit: a line an item, with the names of this snapshot.
pub fn agreed(plan: &Plan, snapshot: &Snapshot) -> Vec<String> {
    let line = |item: &PlanItem| {
        let steps: Vec<String> = item.steps.iter().map(|one| step(one, snapshot)).collect();
        let line = format!("{} {}: {}", item.verb, subject(item, snapshot), steps.join("; "));
        line.chars().take(MAX_LINE).collect()
    };
    let mut lines: Vec<String> = plan.items().iter().take(MAX_LISTED).map(line).collect();
    let more = plan.items().len().saturating_sub(MAX_LISTED);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// What an item is about, for people: a map set, several volumes, the site, else its volume.
pub fn subject(item: &PlanItem, snapshot: &Snapshot) -> String {
    match item.steps.first() {
        Some(PlanStep::PutMapSet(put)) => put.set.name.to_string(),
        Some(PlanStep::RemoveMapSet(remove)) => remove.name.to_string(),
        Some(PlanStep::AddToSet(step)) => step.name.to_string(),
        Some(PlanStep::RemoveFromSet(step)) => step.name.to_string(),
        Some(PlanStep::ChangeSite(_)) if item.verb == Verb::ApplySite => snapshot.site.name.clone(),
        Some(PlanStep::ChangeSite(step)) => count(step.parts.len(), "volume", "volumes"),
        _ => match &item.set {
            Some(set) => format!("set {set}"),
            None => snapshot.label(item.volume),
        },
    }
}

/// A volume by its name and by where it is, once where both are the same.
pub fn place(id: VolumeId, snapshot: &Snapshot) -> String {
    VolumeNames::place(snapshot, id)
}
