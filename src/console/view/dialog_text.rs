//! Sentences about plans and their steps.

use crate::console::app::App;
use crate::console::sessions;
use crate::model::identity::VolumeId;
use crate::model::plan::{Plan, Refusal, step_text};
use crate::model::snapshot::{Ready, SessionView, Snapshot, TransactionState};
use crate::model::step::PlanItem;
use crate::model::units::{Progress, count};
use std::fmt::Write as _;

/// A plan's first item in one line, for the hint under the keys.
pub fn in_short(snapshot: &Snapshot, plan: &Plan) -> String {
    let Some(item) = plan.items().first() else { return "nothing to do".to_owned() };
    let steps: Vec<String> = item.steps.iter().map(|step| step_text::step(step, snapshot)).collect();
    steps.join("; ")
}

/// What a verb's dialog is called.
pub fn title(snapshot: &Snapshot, plan: &Plan) -> String {
    let request = plan.request();
    let verb = request.action.verb().info().title;
    if let Some(name) = request.action.map_set() {
        return format!("{verb}: {name}");
    }
    match request.action.volumes() {
        [one] => format!("{verb}: {}", snapshot.label(*one)),
        [] => format!("{verb}: {}", plan.items().first().map_or_else(String::new, |item| item_name(snapshot, item))),
        several => format!("{verb}: {}", count(several.len(), "volume", "volumes")),
    }
}

/// How a transaction volume stands before its plan runs.
pub fn situation(snapshot: &Snapshot, volume: VolumeId) -> Option<String> {
    let view = snapshot.transaction_volume(volume)?;
    let target = |session: &SessionView| step_text::place(session.pair.target, snapshot);
    let session = sessions::governing(snapshot, volume);
    let state = match (view.state, session) {
        (TransactionState::Equivalent, Some(session)) => format!("equivalent with {}", target(session)),
        (TransactionState::Copying, Some(session)) => match session.progress.and_then(Progress::percent) {
            Some(percent) => format!("{percent} copied to {}", target(session)),
            None => format!("being copied to {}", target(session)),
        },
        (TransactionState::None, _) => "without a copy".to_owned(),
        (state, _) => state.to_string(),
    };
    let kept = match view.volume.policy {
        Some(policy) => format!("{} of {}", view.kept, count(policy.generations.into(), "generation", "generations")),
        None => count(view.kept.into(), "generation", "generations"),
    };
    Some(format!("Now: {}, {state}; {kept} kept.", view.volume.blocks))
}

/// What an item is about.
pub fn item_name(snapshot: &Snapshot, item: &PlanItem) -> String {
    step_text::subject(item, snapshot)
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
