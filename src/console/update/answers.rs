//! What the engine answers.

use super::ask;
use crate::console::app::App;
use crate::console::dialog::Dialog;
use crate::console::dialog::plan::{Note, PlanDialog, Stage};
use crate::console::dialog::refused::RefusedDialog;
use crate::console::dialog::text::TextDialog;
use crate::console::messages::Effect;
use crate::engine::protocol::{Answer, PlannedAnswer};
use crate::model::plan::Refusal;
use crate::model::records::OperationId;
use crate::model::request::Request;
use crate::model::snapshot::Severity;
use crate::model::units::count;
use std::fmt::Write as _;

/// Takes an answer. One whose dialog is gone, or that asked again meanwhile, concerns nobody.
pub fn take(app: &mut App, ticket: u64, answer: Answer) -> Vec<Effect> {
    let asked = |dialog: &Dialog| match dialog {
        Dialog::Plan(plan) => plan.ticket == Some(ticket),
        Dialog::Refused(refused) => refused.ticket == Some(ticket),
        _ => false,
    };
    let Some(at) = app.dialogs.iter().position(asked) else { return Vec::new() };
    match answer {
        Answer::Planned(planned) => planned_at(app, at, planned, None),
        Answer::PlanChanged(planned) => planned_at(app, at, planned, Some(Note::NothingRan)),
        Answer::Refused { refusal } => refused_at(app, at, refusal),
        Answer::Running { operations, refused, changed, .. } => {
            let request = running_at(app, at, operations, &refused);
            if let (Some(request), Some(changed)) = (request, changed) {
                // Only these volumes have another plan by now; it is seen before it can be agreed to.
                let volumes: Vec<_> = changed.plan.items().iter().map(|item| item.volume).collect();
                let mut plan = PlanDialog::new(request.only(|volume| volumes.contains(&volume)), app.ticket());
                plan.show(*changed, Some(Note::NothingRan));
                app.dialogs.push(Dialog::Plan(Box::new(plan)));
            }
        }
        Answer::AlreadySo { .. } => {
            app.dialogs.truncate(at);
            app.tell(Severity::Info, "nothing to do: it is already so");
        }
        Answer::Failed { why, .. } => {
            app.dialogs.truncate(at);
            let title = "The engine could not".to_owned();
            app.dialogs.push(Dialog::Text(TextDialog { title, text: why, severity: Severity::Problem, scroll: 0 }));
        }
        _ => {}
    }
    Vec::new()
}

/// The line was lost, or there was none, before an answer came.
pub fn none(app: &mut App, ticket: u64, why: &str) {
    let asked = |dialog: &Dialog| match dialog {
        Dialog::Plan(plan) => plan.ticket == Some(ticket),
        Dialog::Refused(refused) => refused.ticket == Some(ticket),
        _ => false,
    };
    if app.dialogs.iter().any(asked) {
        app.notice = None;
        ask::forget(app, why);
        if app.notice.is_none() {
            app.tell(Severity::Warning, why);
        }
    }
}

/// An answer takes longer than a moment.
pub fn slow(app: &mut App, ticket: u64) {
    for dialog in &mut app.dialogs {
        if let Dialog::Plan(plan) = dialog {
            plan.slow |= plan.ticket == Some(ticket);
        }
    }
}

fn planned_at(app: &mut App, at: usize, planned: PlannedAnswer, note: Option<Note>) {
    let number = app.ticket();
    match &mut app.dialogs[at] {
        Dialog::Plan(plan) => plan.show(planned, note),
        Dialog::Refused(refused) => {
            // What was refused has become possible: its plan, to be seen before it can be agreed to.
            let note = refused.by_engine.then_some(Note::Changed);
            let mut plan = PlanDialog::new(refused.request.clone(), number);
            plan.show(planned, note);
            app.dialogs[at] = Dialog::Plan(Box::new(plan));
        }
        _ => {}
    }
}

fn refused_at(app: &mut App, at: usize, refusal: Refusal) {
    let is_early = ask::is_early(app, &refusal);
    match &mut app.dialogs[at] {
        // The next snapshot asks again.
        Dialog::Plan(plan) if is_early && matches!(plan.stage, Stage::Asking) => plan.ticket = None,
        Dialog::Plan(plan) => {
            let refused = RefusedDialog { by_engine: true, ..RefusedDialog::new(plan.request.clone(), refusal) };
            app.dialogs[at] = Dialog::Refused(Box::new(refused));
        }
        Dialog::Refused(refused) => {
            refused.refusal = refusal;
            refused.by_engine = true;
            refused.ticket = None;
        }
        _ => {}
    }
}

/// Gives the request that runs, if the dialog asked for it.
fn running_at(app: &mut App, at: usize, operations: Vec<OperationId>, refused: &[Refusal]) -> Option<Request> {
    let Dialog::Plan(plan) = &app.dialogs[at] else { return None };
    if !matches!(plan.stage, Stage::Running(_)) {
        return None;
    }
    let request = plan.request.clone();
    let verb = request.action.verb();
    // The refusals and details that led here have served.
    app.dialogs.clear();
    app.screens.retain(|screen| !screen.is_passing());
    app.main.marks.clear();
    let names: Vec<String> = operations.iter().take(3).map(ToString::to_string).collect();
    let more = if operations.len() > 3 { " and so on" } else { "" };
    let mut text =
        format!("{verb}: {} begun ({}{more})", count(operations.len(), "operation", "operations"), names.join(", "));
    if !refused.is_empty() {
        let _ = write!(text, ", {} refused", refused.len());
    }
    app.watching.extend(operations);
    app.tell(Severity::Info, text);
    Some(request)
}
