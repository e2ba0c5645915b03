//! Plans and refusals for people: what happens, the exact commands, what is given up, what was refused and the ways on.

use super::{request_line, times};
use crate::engine::protocol::PlannedAnswer;
use crate::model::plan::{PlanItem, Refusal, words};
use crate::model::snapshot::{Ready, Snapshot};
use crate::model::untrusted::Untrusted;
use std::fmt::Write;

/// The whole plan. Ends with a newline.
pub fn plan(planned: &PlannedAnswer, snapshot: &Snapshot) -> String {
    let mut out = String::new();
    let site = if snapshot.site.demo { ", demonstration site" } else { "" };
    let _ = writeln!(out, "Plan{site}:");
    let no_commands = Vec::new();
    for (index, item) in planned.plan.items().iter().enumerate() {
        item_lines(&mut out, item, planned.commands.get(index).unwrap_or(&no_commands), snapshot);
    }
    if let Some(confirmation) = planned.plan.confirmation() {
        let _ = writeln!(out, "  ! {}; wants --confirm {}", sentence(&confirmation.what), confirmation.name);
    }
    if !planned.plan.refused().is_empty() {
        let _ = writeln!(out, "Not done:");
        for refused in planned.plan.refused() {
            let _ = writeln!(out, "  {}", refusal(refused, snapshot).replace('\n', "\n  "));
        }
    }
    out
}

fn item_lines(out: &mut String, item: &PlanItem, commands: &[String], snapshot: &Snapshot) {
    let _ = writeln!(out, "  {} {}", item.verb, snapshot.label(item.volume));
    for step in &item.steps {
        let _ = writeln!(out, "    - {}", words::step(step, snapshot));
    }
    for command in commands {
        let _ = writeln!(out, "      $ {}", Untrusted::new(command.as_str()).escaped());
    }
    for notice in &item.notices {
        let _ = writeln!(out, "    ! {} ({})", sentence(&notice.text), notice.code);
    }
}

/// Reason, near misses and remedies; lines after the first are indented.
pub fn refusal(refusal: &Refusal, snapshot: &Snapshot) -> String {
    let mut out = format!("{} ({})", sentence(&refusal.reason), refusal.code);
    if let Some(code) = &refusal.array_code {
        let _ = write!(out, ", {} on the array", Untrusted::new(code.as_str()).escaped());
    }
    if let Some(claim) = &refusal.held_by {
        let since = times::second(claim.since);
        let _ = write!(out, "; {} by {} has it since {since} ({})", claim.verb, claim.holder, claim.operation);
    }
    match refusal.ready {
        Some(Ready::Between { latest, .. }) => {
            let _ = write!(out, "; ready {}", times::clock(latest));
        }
        Some(Ready::NotYetKnown) => out.push_str("; when it is ready is not known yet"),
        Some(Ready::Now | Ready::Never) | None => {}
    }
    for near in &refusal.near_misses {
        let _ = write!(out, "\n  not {}: {}", escaped(&near.name), sentence(&near.why));
    }
    if refusal.near_misses_left_off > 0 {
        let _ = write!(out, "\n  and {} more", refusal.near_misses_left_off);
    }
    for remedy in &refusal.remedies {
        let warning = if remedy.destroys { ", gives data up" } else { "" };
        let line = request_line::text(&remedy.request, snapshot)
            .map_or_else(String::new, |line| format!(": {}", escaped(&line)));
        let _ = write!(out, "\n  way on: {}{warning}{line}", escaped(&remedy.label));
    }
    out
}

/// Reasons may quote what an array or a person wrote.
fn escaped(text: &str) -> String {
    Untrusted::new(text).escaped()
}

fn sentence(text: &str) -> String {
    escaped(text.trim_end_matches('.'))
}
