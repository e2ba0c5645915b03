//! Plans and refusals for people: what happens, the exact commands, what is given up, what was refused and the ways on.

use super::request_line::{self, RenderContext};
use super::times;
use crate::engine::protocol::{PlannedAnswer, StepCommand};
use crate::model::device_map::rounds;
use crate::model::plan::{AroundRestore, Refusal, step_text};
use crate::model::snapshot::Ready;
use crate::model::step::PlanItem;
use crate::model::untrusted::escaped;
use crate::model::verb::Verb;
use std::fmt::Write;

/// The whole plan. Ends with a newline.
pub fn plan(planned: &PlannedAnswer, render_context: RenderContext<'_>) -> String {
    let snapshot = render_context.snapshot;
    let mut out = String::new();
    let site = if snapshot.site.demo { ", demonstration site" } else { "" };
    let _ = writeln!(out, "Plan{site}:");
    for line in rounds::in_words(&planned.plan, snapshot) {
        let _ = writeln!(out, "  {line}");
    }
    for (index, item) in planned.plan.items().iter().enumerate() {
        item_lines(&mut out, item, planned.commands.get(index).map_or(&[], Vec::as_slice), render_context);
    }
    if let Some(confirmation) = planned.plan.confirmation() {
        let _ = writeln!(out, "  ! {}; wants --confirm {}", sentence(&confirmation.what), confirmation.name);
    }
    if !planned.plan.refused().is_empty() {
        let _ = writeln!(out, "Not done:");
        for refused in planned.plan.refused() {
            let _ = writeln!(out, "  {}", refusal(refused, render_context).replace('\n', "\n  "));
        }
    }
    out
}

/// Each step with the commands that do it below it.
fn item_lines(out: &mut String, item: &PlanItem, commands: &[StepCommand], render_context: RenderContext<'_>) {
    let _ = writeln!(out, "  {} {}", item.verb, step_text::subject(item, render_context.snapshot));
    let around = AroundRestore::of(render_context.snapshot, item);
    for lost in &around.lost {
        let since = lost.since.map_or_else(String::new, times::weekday);
        let _ = writeln!(out, "    ! {}", sentence(&lost.sentence(&since)));
    }
    for line in &around.before {
        let _ = writeln!(out, "    by hand: {}", escaped(line));
    }
    for (index, step) in item.steps.iter().enumerate() {
        let _ = writeln!(out, "    - {}", step_text::step(step, render_context.snapshot));
        // What a site file changes stands above its plan, line by line.
        let parts =
            if item.verb == Verb::ApplySite { Vec::new() } else { step_text::parts(step, render_context.snapshot) };
        for part in parts {
            let _ = writeln!(out, "        {part}");
        }
        for command in commands.iter().filter(|command| command.step == index) {
            let _ = writeln!(out, "      $ {}", escaped(&command.line));
        }
    }
    for line in &around.after {
        let _ = writeln!(out, "    by hand: {}", escaped(line));
    }
    for job in &around.next_jobs {
        let _ = writeln!(out, "    the next job, about {}: {}", times::weekday(job.at), sentence(&job.text));
    }
    for notice in &item.notices {
        let _ = writeln!(out, "    ! {} ({})", sentence(&notice.text), notice.code);
    }
}

/// Reason, near misses and remedies; lines after the first are indented.
pub fn refusal(refusal: &Refusal, render_context: RenderContext<'_>) -> String {
    let in_its_tools = refusal.array_code.as_ref().map(|code| format!(", the array would say {}", escaped(code)));
    let mut out = format!("{} ({}{})", sentence(&refusal.reason), refusal.code, in_its_tools.unwrap_or_default());
    if let Some(claim) = &refusal.held_by {
        let _ = write!(out, ", since {}", times::second(claim.since));
    }
    match refusal.ready {
        Some(Ready::Between { latest, .. }) => {
            let _ = write!(out, "; ready {}", times::clock(latest));
        }
        Some(Ready::NotYetKnown) => out.push_str("; when it is ready is not known yet"),
        Some(Ready::Now | Ready::Never) | None => {}
    }
    for near in &refusal.near_misses {
        let name = if near.why.contains(&near.name) { String::new() } else { format!("{}: ", escaped(&near.name)) };
        let _ = write!(out, "\n  nearly: {name}{}", sentence(&near.why));
    }
    if refusal.near_misses_left_off > 0 {
        let _ = write!(out, "\n  and {} more", refusal.near_misses_left_off);
    }
    for advice in &refusal.advice {
        let _ = write!(out, "\n  first: {}", sentence(&advice.text));
        for line in &advice.lines {
            // From the first column on: a terminal's selection can be pasted into the file.
            let _ = write!(out, "\n{}", escaped(line));
        }
    }
    for remedy in &refusal.remedies {
        let warning = if remedy.destroys { ", destroys data" } else { "" };
        let _ = write!(out, "\n  way on: {}{warning}", escaped(&remedy.label));
        if let Some(line) = request_line::text(remedy, render_context) {
            let _ = write!(out, "\n    {}", escaped(&line));
        }
    }
    out
}

/// A reason within a longer line: it may quote what an array or a person wrote.
pub fn sentence(text: &str) -> String {
    escaped(text.trim_end_matches('.'))
}
