//! The digest of a plan: what people agree to, and nothing that changes while they read.

use crate::model::digest::Digest;
use crate::model::request::{Action, Request};
use crate::model::session::Pair;
use crate::model::step::{DigestText, PlanItem, PlanStep};

/// The digest of one item: pairs, full or differential, releases, force, hooks, names and policies; neither bytes nor
/// times, nor which of several equal unused volumes the planner chose.
pub(super) fn of_item(request: &Request, item: &PlanItem) -> Digest {
    let mut text = DigestText::default();
    text.line(format_args!("ecdeck plan 2\n{} {}", item.verb, item.volume));
    if let Some(set) = &item.set {
        text.line(format_args!(" all of set {set}"));
    }
    for step in &item.steps {
        match step {
            PlanStep::StartFull(start) if is_chosen(request, &item.steps, &start.pair) => {
                start.agree_to_any_target(&mut text);
            }
            step => step.agree(&mut text),
        }
    }
    if let Some(confirmation) = &item.confirmation {
        text.line(format_args!(" names {:?}", confirmation.name));
    }
    Digest::of(text.as_str())
}

/// The digest of a whole plan: that of its items in their order.
pub(super) fn of_items(items: &[Digest]) -> Digest {
    let items: Vec<&str> = items.iter().map(Digest::as_str).collect();
    Digest::of(&items.join("\n"))
}

/// Whether the planner chose the target of a full copy, and neither a device map nor a version named it. `steps`: those of
/// the pair's item.
pub(super) fn is_chosen(request: &Request, steps: &[PlanStep], pair: &Pair) -> bool {
    let by_map = |step: &PlanStep| matches!(step, PlanStep::UseMapRow(used) if used.transaction_volume == pair.source);
    if steps.iter().any(by_map) {
        return false;
    }
    match &request.action {
        Action::Start { targets, .. } => targets.iter().all(|(source, _)| *source != pair.source),
        _ => false,
    }
}
