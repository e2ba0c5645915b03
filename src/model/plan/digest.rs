//! The digest of a plan: what people agree to, and nothing that changes while they read.

use super::{Digest, PlanItem, PlanStep};
use crate::model::request::{Action, Request};
use crate::model::session::Pair;
use std::fmt::{self, Write};

/// The digest of one item: pairs, full or differential, releases, force, hooks, names and policies; neither bytes nor
/// times, nor which of several equal unused volumes the planner chose.
pub(super) fn of_item(request: &Request, item: &PlanItem) -> Digest {
    let mut text = String::from("ecdeck plan 2\n");
    let _ = writeln!(text, "{} {}", item.verb, item.volume);
    for step in &item.steps {
        match step {
            // The box says EC or REC, the blocks say how much: any unused volume that is equal in both may serve.
            PlanStep::StartFull { pair, blocks, modes } if is_chosen(request, pair) => {
                let (kind, source, there) = (pair.kind, pair.source, pair.target.box_id);
                let _ = writeln!(text, " full {kind} {source}>any unused of {} in {there} {modes:?}", blocks.0);
            }
            step => agreed(&mut text, step),
        }
    }
    if let Some(confirmation) = &item.confirmation {
        let _ = writeln!(text, " names {:?}", confirmation.name);
    }
    hash(&text)
}

/// The digest of a whole plan: that of its items in their order.
pub(super) fn of_items(items: &[Digest]) -> Digest {
    let items: Vec<&str> = items.iter().map(Digest::as_str).collect();
    hash(&items.join("\n"))
}

/// Whether the planner chose the target of a full copy, and neither a device map nor a version named it.
pub(super) fn is_chosen(request: &Request, pair: &Pair) -> bool {
    match &request.action {
        Action::Start { targets, .. } => targets.iter().all(|(source, _)| *source != pair.source),
        _ => false,
    }
}

fn hash(text: &str) -> Digest {
    Digest(blake3::hash(text.as_bytes()).to_hex().to_string())
}

/// One line a step. Writing to a `String` cannot fail.
fn agreed(text: &mut String, step: &PlanStep) {
    let _ = match step {
        PlanStep::StartFull { pair, modes, .. } => writeln!(text, " full {} {modes:?}", arrow(pair)),
        PlanStep::Resume { pair, .. } => writeln!(text, " difference {}", arrow(pair)),
        PlanStep::Suspend { pairs, force } => {
            let pairs: Vec<String> = pairs.iter().map(|pair| arrow(pair).to_string()).collect();
            writeln!(text, " suspend force={force} {}", pairs.join(" "))
        }
        PlanStep::Stop { pair, force } => writeln!(text, " stop force={force} {}", arrow(pair)),
        PlanStep::StopLeftOver { pair } => writeln!(text, " stop what is left over of {}", arrow(pair)),
        PlanStep::Record { generations } => generations.iter().try_for_each(|new| {
            writeln!(text, " record {} on {} {}", new.transaction_volume, new.backup_volume, new.mode)
        }),
        PlanStep::GiveUp { transaction_volume, version, backup_volume, why } => {
            writeln!(text, " give up {version} of {transaction_volume} on {backup_volume} {why:?}")
        }
        PlanStep::Hook { phase, volume, argv } => writeln!(text, " hook {phase:?} {volume} {argv:?}"),
        PlanStep::SetPolicy { volume, policy } => {
            writeln!(text, " policy {volume} {} {} {}", policy.generations, policy.interval_days, policy.mode)
        }
        PlanStep::RegisterTransaction { volume } => writeln!(text, " transaction volume {} {}", volume.id, volume.name),
        PlanStep::RegisterBackup { volume } => writeln!(text, " backup volume {} {:?}", volume.id, volume.name),
        PlanStep::Unregister { volume } => writeln!(text, " unregister {volume}"),
        PlanStep::Hold { volume, version, why } => writeln!(text, " hold {version} of {volume} {why:?}"),
        PlanStep::SetGenerationState { volume, version, state } => {
            writeln!(text, " state {version} of {volume} {state:?}")
        }
    };
}

fn arrow(pair: &Pair) -> impl fmt::Display {
    fmt::from_fn(move |f| write!(f, "{} {}>{}", pair.kind, pair.source, pair.target))
}
