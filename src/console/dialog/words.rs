//! Sentences about plans and their steps.

use super::super::app::App;
use super::super::format::count;
use crate::model::plan::{HookPhase, Plan, PlanItem, PlanStep, Refusal};
use crate::model::records::{GenerationState, ReleaseReason};
use crate::model::request::Verb;
use crate::model::session::CopyKind;
use crate::model::snapshot::{Ready, Snapshot};
use std::fmt::Write as _;

/// A plan's first item in one line, for the hint under the keys.
pub fn in_short(snapshot: &Snapshot, plan: &Plan) -> String {
    let Some(item) = plan.items().first() else { return "nothing to do".to_owned() };
    let steps: Vec<String> = item.steps.iter().map(|step| step_words(snapshot, step)).collect();
    steps.join("; ")
}

/// What a verb's dialog is called.
pub fn title(snapshot: &Snapshot, plan: &Plan) -> String {
    let request = plan.request();
    let verb = verb_noun(request.action.verb());
    match request.action.volumes() {
        [one] => format!("{verb}: {}", snapshot.label(*one)),
        several => format!("{verb}: {}", count(several.len(), "volume", "volumes")),
    }
}

pub fn verb_noun(verb: Verb) -> &'static str {
    match verb {
        Verb::Start => "Start synchronization",
        Verb::Resume => "Resume synchronization",
        Verb::Overwrite => "Overwrite a generation",
        Verb::Suspend => "Suspend synchronization",
        Verb::Cancel => "Cancel synchronization",
        Verb::ForceStop => "Forced stop",
        Verb::Backup => "Backup",
        Verb::SetPolicy => "Set the policy",
        Verb::Register => "Register a volume",
        Verb::Unregister => "Take a volume out of the site",
        Verb::Hold => "Hold a generation",
        Verb::Unhold => "No longer hold a generation",
        Verb::DeleteGeneration => "Delete a generation",
    }
}

/// A step as half a sentence, beginning with what is done.
pub fn step_words(snapshot: &Snapshot, step: &PlanStep) -> String {
    let label = |id| snapshot.label(id);
    match step {
        PlanStep::StartFull { pair, blocks, modes } => {
            let kind = pair.kind;
            let far = if kind == CopyKind::Rec { ", on another box" } else { "" };
            let modes = modes.map_or_else(String::new, |modes| format!("; {modes}"));
            format!("copy all {blocks} to {} ({kind}{far}{modes})", label(pair.target))
        }
        PlanStep::Resume { pair, difference: Some(difference) } => {
            format!("copy the difference, {difference}, to {}", label(pair.target))
        }
        PlanStep::Resume { pair, difference: None } => format!("copy the difference to {}", label(pair.target)),
        PlanStep::Suspend { pairs, force } => {
            let targets: Vec<String> = pairs.iter().map(|pair| label(pair.target)).collect();
            let how = if *force { " by force" } else { "" };
            let together = if pairs.len() > 1 { ", all at one instant" } else { "" };
            format!("suspend {}{how}{together}", targets.join(", "))
        }
        PlanStep::Stop { pair, force } => {
            let how = if *force { " by force" } else { "" };
            format!("end the session to {}{how}", label(pair.target))
        }
        PlanStep::StopLeftOver { pair } => format!("end what is left over of the session to {}", label(pair.target)),
        PlanStep::Record { generations } => {
            let records: Vec<String> = generations
                .iter()
                .map(|new| {
                    let next = snapshot.transaction_volume(new.transaction_volume).map(|view| view.volume.next_version);
                    let version = next.map_or_else(|| "a generation".to_owned(), |next| next.to_string());
                    format!("{version} on {}", label(new.backup_volume))
                })
                .collect();
            format!("record {}", records.join(", "))
        }
        PlanStep::GiveUp { version, backup_volume, why, .. } => {
            let why = match why {
                ReleaseReason::Retention => "the oldest",
                ReleaseReason::Deleted => "as asked",
                ReleaseReason::Overwritten => "it is overwritten",
                ReleaseReason::Reconciled => "reconciled",
            };
            format!("give up {version} on {} ({why})", label(*backup_volume))
        }
        PlanStep::Hook { phase, argv, .. } => {
            let when = match phase {
                HookPhase::BeforeBackup => "before the backup",
                HookPhase::AfterBackup => "after the backup",
                HookPhase::BeforeRestore => "before the restore",
                HookPhase::AfterRestore => "after the restore",
            };
            format!("run {} {when}", argv.first().map_or("a script", String::as_str))
        }
        PlanStep::SetPolicy { policy, .. } => format!(
            "keep {}, every {}, mode {}",
            count(usize::from(policy.generations), "generation", "generations"),
            count(usize::from(policy.interval_days), "day", "days"),
            policy.mode
        ),
        PlanStep::RegisterTransaction { volume } => format!("register {} as a transaction volume", volume.name),
        PlanStep::RegisterBackup { volume } => format!("add {} to the backup pool", snapshot.location(volume.id)),
        PlanStep::Unregister { volume } => format!("take {} out of the site", label(*volume)),
        PlanStep::Hold { version, why: Some(why), .. } => format!("hold {version}: {}", why.escaped()),
        PlanStep::Hold { version, why: None, .. } => format!("hold {version} no longer"),
        PlanStep::SetGenerationState { version, state, .. } => {
            let state = match state {
                GenerationState::Valid => "valid".to_owned(),
                GenerationState::InDoubt(why) => format!("in doubt: {why}"),
                GenerationState::NeedsAttention(why) => format!("in need of attention: {why}"),
            };
            format!("mark {version} as {state}")
        }
    }
}

/// What an item is about.
pub fn item_name(snapshot: &Snapshot, item: &PlanItem) -> String {
    snapshot.label(item.volume)
}

/// A refusal in one line: the reason, its code, and what is waited for.
pub fn refusal(app: &App, refusal: &Refusal) -> String {
    let mut text = refusal.to_string();
    if let Some(ready @ (Ready::Now | Ready::Between { .. })) = refusal.ready {
        let _ = write!(text, "; ready {}", app.clock.ready(ready, 21));
    }
    if let Some(claim) = &refusal.held_by {
        let _ = write!(text, "; since {}", app.clock.moment_or_minute(claim.since));
    }
    text
}
