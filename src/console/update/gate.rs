//! The gate before everything that runs. Nothing else makes an [`Effect::Run`].
//!
//! It opens for the plan on top when the **end** of that plan has been on the screen, at the present size, for a moment. It
//! shuts when another plan, other lines or another size come. The agreeing key passes only if it came alone in its read.

use crate::console::app::App;
use crate::console::dialog::plan::Stage;
use crate::console::dialog::{Dialog, text_width};
use crate::console::gate::{GateState, Readiness, Shown, last_line};
use crate::console::messages::Effect;
use crate::console::types::Link;
use crate::console::view::dialog::plan;
use crate::model::snapshot::Severity;
use std::time::Duration;

/// So long the end of a plan is on the screen before it can be agreed to.
pub const REST: Duration = Duration::from_millis(400);

/// A frame of the present state has reached the terminal.
pub fn drawn(app: &mut App) {
    let present = present(app);
    let known = match (&app.gate.state, &present) {
        (GateState::Resting(shown) | GateState::Open(shown), Some((now, _))) => shown == now,
        _ => false,
    };
    if known {
        return;
    }
    app.gate.state = match present {
        Some((shown, true)) => {
            app.gate.number += 1;
            GateState::Resting(shown)
        }
        _ => GateState::Shut,
    };
}

/// The rest of that number is over.
pub fn rested(app: &mut App, number: u64) {
    if app.gate.number != number {
        return;
    }
    if let GateState::Resting(shown) = std::mem::take(&mut app.gate.state) {
        app.gate.state = GateState::Open(shown);
    }
}

/// The plan on top, and whether its end is on the screen now.
fn present(app: &App) -> Option<(Shown, bool)> {
    let Some(Dialog::Plan(plan)) = app.dialogs.last() else { return None };
    let lines = plan::body(app, plan, text_width(app.size))?.lines.len();
    Some((Shown::of(app.size, plan, lines)?, last_line(app.size, plan, lines) >= lines))
}

/// Whether the agreeing key may pass now; if not, what a person has to know.
pub fn allows(app: &App) -> Result<(), &'static str> {
    let Some(Dialog::Plan(plan)) = app.dialogs.last() else { return Err("there is no plan to agree to") };
    let Some(body) = plan::body(app, plan, text_width(app.size)) else { return Err("there is no plan yet") };
    match app.gate.readiness(app.size, plan, body.lines.len()) {
        Readiness::Unseen { .. } => Err("read the plan to its end first"),
        Readiness::Resting => Err("too soon after the plan was drawn: nothing was sent; press the key again"),
        Readiness::Open if !app.came_alone => {
            Err("the agreeing key came together with other bytes: nothing was sent; press it alone")
        }
        Readiness::Open => Ok(()),
    }
}

/// Asks the engine to run the plan on top by the wrong name that was typed: it refuses, and so has it in the audit, as from a
/// shell. The dialog stays as it is, so nobody waits for the answer.
pub fn refused_by_name(app: &mut App) -> Vec<Effect> {
    let ticket = app.ticket();
    let Some(Dialog::Plan(plan)) = app.dialogs.last() else { return Vec::new() };
    let Some(answer) = plan.answer().filter(|_| matches!(app.link, Link::Live) && allows(app).is_ok()) else {
        return Vec::new();
    };
    let (agreed, given) = (answer.plan.agreement(), plan.name.value().to_owned());
    vec![Effect::Run { ticket, request: plan.request.clone(), agreed, confirmation: Some(given) }]
}

/// Runs the plan on top, if the gate and the line to the engine let it.
/// Runs the plan on top, if the gate and the line to the engine let it.
pub fn agree(app: &mut App, confirmation: Option<String>) -> Vec<Effect> {
    let hindrance = match (&app.link, allows(app)) {
        (_, Err(why)) => Some(why.to_owned()),
        (Link::Live, Ok(())) => None,
        (Link::Silent { since, engine }, _) => {
            let since = app.clock.moment_or_minute(*since);
            Some(format!("{engine} has given no sign of life since {since}: nothing was sent"))
        }
        (Link::Connecting | Link::Lost { .. }, _) => {
            Some("there is no line to the engine: nothing was sent".to_owned())
        }
    };
    if let Some(text) = hindrance {
        app.tell(Severity::Warning, text);
        return Vec::new();
    }
    let ticket = app.ticket();
    let Some(Dialog::Plan(plan)) = app.dialogs.last_mut() else { return Vec::new() };
    let Stage::Shown(answer) = &plan.stage else { return Vec::new() };
    let answer = answer.clone();
    let agreed = answer.plan.agreement();
    plan.ticket = Some(ticket);
    plan.typing = false;
    plan.note = None;
    plan.slow = false;
    plan.stage = Stage::Running(answer);
    vec![Effect::Run { ticket, request: plan.request.clone(), agreed, confirmation }]
}
