//! What stands around the steps of a restore, drawn: what is lost, what is done by hand, and what the next job does.

use super::Body;
use crate::console::app::App;
use crate::model::plan::{AroundRestore, Plan, step_text};
use crate::model::snapshot::Snapshot;
use crate::model::step::{PlanItem, PlanStep};
use crate::model::units::count;

/// What each target loses, in a sentence.
pub fn losses(app: &App, around: &AroundRestore) -> Vec<String> {
    let sentence = |lost: &crate::model::plan::Lost| {
        let since = lost.since.map_or_else(String::new, |since| app.clock.moment(since));
        lost.sentence(&since)
    };
    around.lost.iter().map(sentence).collect()
}

/// What people do themselves.
pub fn by_hand(app: &App, lines: &[String], indent: usize, body: &mut Body) {
    let theme = app.look.theme;
    for line in lines {
        body.hanging(indent, "- by hand: ", line, theme.dim, theme.text);
    }
}

/// What the next job does with what was restored.
pub fn next_jobs(app: &App, around: &AroundRestore, indent: usize, body: &mut Body) {
    let theme = app.look.theme;
    for job in &around.next_jobs {
        let lead = format!("- next job, about {}: ", app.clock.moment(job.at));
        body.hanging(indent, &lead, &job.text, theme.dim, theme.text);
    }
}

/// The whole plan as one list.
pub fn plan(app: &App, snapshot: &Snapshot, item: &PlanItem, around: &AroundRestore, body: &mut Body) {
    let theme = app.look.theme;
    by_hand(app, &around.before, 1, body);
    for (number, step) in item.steps.iter().enumerate() {
        body.hanging(1, &format!("{} ", number + 1), &step_text::step(step, snapshot), theme.dim, theme.text);
    }
    by_hand(app, &around.after, 1, body);
    next_jobs(app, around, 1, body);
}

/// What agreeing to a restore does: `overwrite db01 with v17`; `None` for every other plan.
pub fn what_it_overwrites(snapshot: &Snapshot, plan: &Plan) -> Option<String> {
    let steps = plan.items().iter().flat_map(|item| &item.steps);
    let begun = steps.filter_map(|step| match step {
        PlanStep::BeginRestore(begin) => Some(begin),
        _ => None,
    });
    let begun: Vec<_> = begun.collect();
    match begun[..] {
        [] => None,
        [one] => Some(format!("overwrite {} with {}", snapshot.label(one.pair.target), one.version)),
        [..] => Some(format!("overwrite {}", count(begun.len(), "volume", "volumes"))),
    }
}
