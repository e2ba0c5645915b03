//! The steps of a plan as people read them, the same in a terminal's dialog, in a printed plan and in JSON.

use super::{HookPhase, NewGeneration, Plan, PlanItem, PlanStep};
use crate::model::identity::VolumeId;
use crate::model::records::ReleaseReason;
use crate::model::session::{CopyKind, Pair};
use crate::model::snapshot::Snapshot;
use crate::model::untrusted::Untrusted;

/// A step as half a sentence that begins with what is done. Nothing in it can act on a terminal.
pub fn step(step: &PlanStep, snapshot: &Snapshot) -> String {
    let place = |id: &VolumeId| place(*id, snapshot);
    match step {
        PlanStep::StartFull { pair, blocks, modes } => {
            let far = if pair.kind == CopyKind::Rec { ", on another box" } else { "" };
            let modes = modes.map_or_else(String::new, |modes| format!("; {modes}"));
            format!("copy all {blocks} to {} ({}{far}{modes})", place(&pair.target), pair.kind)
        }
        PlanStep::Resume { pair, difference } => {
            let much = difference.map_or_else(String::new, |difference| format!(", {difference},"));
            format!("copy the difference{much} to {}", place(&pair.target))
        }
        PlanStep::Suspend { pairs, force } => suspend(pairs, *force, snapshot),
        PlanStep::Stop { pair, force } => format!("end the session to {}{}", place(&pair.target), forced(*force)),
        PlanStep::StopLeftOver { pair } => {
            format!("end what the target's box has left of the session to {}", place(&pair.target))
        }
        PlanStep::Record { generations } => {
            let each = generations.iter().map(|generation| new_generation(generation, snapshot));
            format!("record {}", each.collect::<Vec<_>>().join(", "))
        }
        PlanStep::GiveUp { version, backup_volume, why, .. } => {
            let why = match why {
                ReleaseReason::Retention => "the oldest, beyond the policy",
                ReleaseReason::Deleted => "as asked",
                ReleaseReason::Overwritten => "its volume is overwritten",
                ReleaseReason::Reconciled => "as reconciled",
            };
            format!("give up {version} on {}: {why}", place(backup_volume))
        }
        PlanStep::Hook { phase, argv, .. } => {
            let when = match phase {
                HookPhase::BeforeBackup => "before the backup",
                HookPhase::AfterBackup => "after the backup",
                HookPhase::BeforeRestore => "before the restore",
                HookPhase::AfterRestore => "after the restore",
            };
            let argv: Vec<String> = argv.iter().map(|word| Untrusted::new(word.as_str()).escaped()).collect();
            format!("run {} {when}", argv.join(" "))
        }
        PlanStep::SetPolicy { policy, .. } => format!("set the policy: {policy}"),
        PlanStep::RegisterTransaction { volume } => {
            let location = snapshot.location(volume.id);
            format!("register {location}, {}, as transaction volume {}", volume.blocks, volume.name)
        }
        PlanStep::RegisterBackup { volume } => {
            let name = volume.name.as_ref().map_or_else(String::new, |name| format!(" as {name}"));
            format!("add {}, {}, to the pool{name}", snapshot.location(volume.id), volume.blocks)
        }
        PlanStep::Unregister { volume } => format!("take {} out of the site", place(volume)),
        PlanStep::Hold { version, why: Some(why), .. } => format!("hold {version}: {}", why.escaped()),
        PlanStep::Hold { version, why: None, .. } => format!("hold {version} no longer"),
        PlanStep::SetGenerationState { version, state, .. } => format!("mark {version}: {state}"),
    }
}

/// Items that are listed in words at most, and characters of each.
const MAX_LISTED: usize = 100;
const MAX_LINE: usize = 500;

/// What is agreed to with a plan, for the audit: a line an item, with the names of this snapshot.
pub fn agreed(plan: &Plan, snapshot: &Snapshot) -> Vec<String> {
    let line = |item: &PlanItem| {
        let steps: Vec<String> = item.steps.iter().map(|one| step(one, snapshot)).collect();
        let line = format!("{} {}: {}", item.verb, snapshot.label(item.volume), steps.join("; "));
        line.chars().take(MAX_LINE).collect()
    };
    let mut lines: Vec<String> = plan.items().iter().take(MAX_LISTED).map(line).collect();
    let more = plan.items().len().saturating_sub(MAX_LISTED);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

/// A volume by its name and by where it is, once where both are the same.
pub fn place(id: VolumeId, snapshot: &Snapshot) -> String {
    let (label, location) = (snapshot.label(id), snapshot.location(id));
    if label == location { location } else { format!("{label} ({location})") }
}

fn suspend(pairs: &[Pair], force: bool, snapshot: &Snapshot) -> String {
    let targets: Vec<String> = pairs.iter().map(|pair| place(pair.target, snapshot)).collect();
    let together = if pairs.len() > 1 { ", all at one instant" } else { "" };
    format!("suspend {}{}{together}", targets.join(", "), forced(force))
}

fn new_generation(new: &NewGeneration, snapshot: &Snapshot) -> String {
    let next = snapshot.transaction_volume(new.transaction_volume).map(|view| view.volume.next_version);
    let version = next.map_or_else(|| "a generation".to_owned(), |next| next.to_string());
    format!("{version} on {}", place(new.backup_volume, snapshot))
}

fn forced(force: bool) -> &'static str {
    if force { " by force" } else { "" }
}
