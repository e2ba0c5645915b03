//! The gate before everything that runs. Nothing else makes an [`Effect::Run`].
//!
//! It opens for the plan on top when the **end** of that plan has been on the screen, at the present size, for a moment. It
//! shuts when another plan, other lines or another size come. The agreeing key passes only if it came alone in its read.

use super::super::app::{App, Effect, Link};
use super::super::dialog::plan::{self, PlanDialog, Stage};
use super::super::dialog::{self, Dialog};
use super::super::view::layout::Shape;
use super::tell;
use crate::model::plan::Digest;
use crate::model::snapshot::Severity;
use std::time::Duration;

/// So long the end of a plan is on the screen before it can be agreed to.
pub const REST: Duration = Duration::from_millis(400);

/// What an agreement is to. All of it must be as it was when it was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    /// The dialog, and which plan in it.
    dialog: u64,
    revision: u32,
    digest: Digest,
    lines: usize,
    size: (u16, u16),
}

/// How far the plan on top is from being agreed to.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    state: State,
    /// The last rest's number.
    number: u64,
}

#[derive(Debug, Clone, Default)]
enum State {
    #[default]
    Shut,
    /// Its end has been shown, just now.
    Resting(Shown),
    Open(Shown),
}

/// What the dialog's button says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Its end has not been shown: the last line that is, and how many there are.
    Unseen {
        last: usize,
        of: usize,
    },
    Resting,
    Open,
}

impl Gate {
    /// A rest that has begun and not ended: whoever has a clock says when it is over, by this number.
    pub fn resting(&self) -> Option<u64> {
        matches!(self.state, State::Resting(_)).then_some(self.number)
    }
}

/// A frame of the present state has reached the terminal.
pub fn drawn(app: &mut App) {
    let present = present(app);
    let known = match (&app.gate.state, &present) {
        (State::Resting(shown) | State::Open(shown), Some((now, _))) => shown == now,
        _ => false,
    };
    if known {
        return;
    }
    app.gate.state = match present {
        Some((shown, true)) => {
            app.gate.number += 1;
            State::Resting(shown)
        }
        _ => State::Shut,
    };
}

/// The rest of that number is over.
pub fn rested(app: &mut App, number: u64) {
    if app.gate.number != number {
        return;
    }
    if let State::Resting(shown) = std::mem::take(&mut app.gate.state) {
        app.gate.state = State::Open(shown);
    }
}

/// How near a plan dialog of so many lines is to being agreed to.
pub fn readiness(app: &App, plan: &PlanDialog, lines: usize) -> Readiness {
    let now = shown(app, plan, lines);
    match (&app.gate.state, now) {
        (State::Open(shown), Some(now)) if *shown == now => Readiness::Open,
        (State::Resting(shown), Some(now)) if *shown == now => Readiness::Resting,
        _ => {
            let last = last_line(app, plan, lines);
            if last < lines { Readiness::Unseen { last, of: lines } } else { Readiness::Resting }
        }
    }
}

/// The last line of a plan that is on the screen.
fn last_line(app: &App, plan: &PlanDialog, lines: usize) -> usize {
    let rows = dialog::rows(lines, plan::bottom_lines(plan), app.size.1);
    plan.scroll.min(lines.saturating_sub(rows)) + rows
}

/// The plan on top, and whether its end is on the screen now.
fn present(app: &App) -> Option<(Shown, bool)> {
    let Some(Dialog::Plan(plan)) = app.dialogs.last() else { return None };
    let lines = plan::body(app, plan, dialog::text_width(app))?.lines.len();
    Some((shown(app, plan, lines)?, last_line(app, plan, lines) >= lines))
}

fn shown(app: &App, plan: &PlanDialog, lines: usize) -> Option<Shown> {
    let Stage::Shown(answer) = &plan.stage else { return None };
    if app.layout().shape == Shape::TooSmall {
        return None;
    }
    let digest = answer.plan.digest().clone();
    Some(Shown { dialog: plan.number, revision: plan.revision, digest, lines, size: app.size })
}

/// Whether the agreeing key may pass now; if not, what a person has to know.
pub fn allows(app: &App) -> Result<(), &'static str> {
    let Some(Dialog::Plan(plan)) = app.dialogs.last() else { return Err("there is no plan to agree to") };
    let Some(body) = plan::body(app, plan, dialog::text_width(app)) else { return Err("there is no plan yet") };
    match readiness(app, plan, body.lines.len()) {
        Readiness::Unseen { .. } => Err("read the plan to its end first"),
        Readiness::Resting => Err("too soon after the plan was drawn: nothing was sent; press the key again"),
        Readiness::Open if !app.came_alone => {
            Err("the agreeing key came together with other bytes: nothing was sent; press it alone")
        }
        Readiness::Open => Ok(()),
    }
}

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
        tell(app, Severity::Warning, text);
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
