//! Plans and refusals for people: what happens, the exact commands, what is given up, what was refused and the ways on.

use super::{request_line, times};
use crate::engine::protocol::PlannedAnswer;
use crate::model::identity::VolumeId;
use crate::model::plan::{PlanItem, PlanStep, Refusal};
use crate::model::records::{GenerationState, Policy, ReleaseReason};
use crate::model::session::Pair;
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
        let _ = writeln!(out, "    - {}", self::step(step, snapshot));
    }
    for command in commands {
        let _ = writeln!(out, "      $ {}", Untrusted::new(command.as_str()).escaped());
    }
    for notice in &item.notices {
        let _ = writeln!(out, "    ! {} ({})", sentence(&notice.text), notice.code);
    }
}

/// One step in words.
pub fn step(step: &PlanStep, snapshot: &Snapshot) -> String {
    match step {
        PlanStep::StartFull { pair, blocks, modes } => {
            let modes = modes.map_or_else(String::new, |modes| format!(", {modes}"));
            format!("copy everything, {blocks}, {}{modes}", arrow(*pair, snapshot))
        }
        PlanStep::Resume { pair, difference } => {
            let much = difference.map_or_else(|| "as much as differs".to_owned(), |blocks| blocks.to_string());
            format!("copy the difference, {much}, {}", arrow(*pair, snapshot))
        }
        PlanStep::Suspend { pairs, force } => {
            let all: Vec<String> = pairs.iter().map(|pair| arrow(*pair, snapshot)).collect();
            let instant = if pairs.len() > 1 { " at one instant" } else { "" };
            format!("suspend{}{instant} {}", forced(*force), all.join(", "))
        }
        PlanStep::Stop { pair, force } => format!("end the session{} {}", forced(*force), arrow(*pair, snapshot)),
        PlanStep::StopLeftOver { pair } => {
            format!("end what the target's box has left of the session {}", arrow(*pair, snapshot))
        }
        PlanStep::Record { generations } => {
            let each = generations.iter().map(|new| {
                let version = snapshot.transaction_volume(new.transaction_volume).map(|view| view.volume.next_version);
                let version = version.map_or_else(String::new, |version| format!(" {version}"));
                format!(
                    "generation{version} of {} on {}",
                    snapshot.label(new.transaction_volume),
                    place(new.backup_volume, snapshot)
                )
            });
            format!("record {}", each.collect::<Vec<_>>().join(", "))
        }
        PlanStep::GiveUp { transaction_volume, version, backup_volume, why } => {
            let why = match why {
                ReleaseReason::Retention => "pushed out by the policy",
                ReleaseReason::Deleted => "as asked",
                ReleaseReason::Overwritten => "its volume is overwritten",
                ReleaseReason::Reconciled => "as reconciled",
            };
            let (owner, volume) = (snapshot.label(*transaction_volume), place(*backup_volume, snapshot));
            format!("give up {version} of {owner} on {volume}: {why}")
        }
        PlanStep::Hook { argv, volume, .. } => {
            let argv: Vec<String> = argv.iter().map(|word| Untrusted::new(word.as_str()).escaped()).collect();
            format!("run {} for {}", argv.join(" "), snapshot.label(*volume))
        }
        PlanStep::SetPolicy { policy, .. } => format!("set the policy: {}", policy_text(*policy)),
        PlanStep::RegisterTransaction { volume } => {
            format!(
                "register {}, {}, as transaction volume {}",
                snapshot.location(volume.id),
                volume.blocks,
                volume.name
            )
        }
        PlanStep::RegisterBackup { volume } => {
            let name = volume.name.as_ref().map_or_else(String::new, |name| format!(" as {name}"));
            format!("register {}, {}, in the pool{name}", snapshot.location(volume.id), volume.blocks)
        }
        PlanStep::Unregister { volume } => format!("take {} out of the site", place(*volume, snapshot)),
        PlanStep::Hold { version, why: Some(why), .. } => format!("hold {version}: {}", why.escaped()),
        PlanStep::Hold { version, why: None, .. } => format!("hold {version} no longer"),
        PlanStep::SetGenerationState { version, state, .. } => format!("mark {version} {}", state_text(state)),
    }
}

/// `valid`, or what is the matter.
pub fn state_text(state: &GenerationState) -> String {
    let escaped = |why: &String| Untrusted::new(why.as_str()).escaped();
    match state {
        GenerationState::Valid => "valid".to_owned(),
        GenerationState::InDoubt(why) => format!("in doubt: {}", escaped(why)),
        GenerationState::NeedsAttention(why) => format!("needs attention: {}", escaped(why)),
    }
}

/// `3 generations, every 1 day, suspend`.
pub fn policy_text(policy: Policy) -> String {
    let plural = |count: u16, one: &str, many: &str| format!("{count} {}", if count == 1 { one } else { many });
    format!(
        "{}, every {}, {}",
        plural(policy.generations, "generation", "generations"),
        plural(policy.interval_days, "day", "days"),
        policy.mode
    )
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
    for remedy in &refusal.remedies {
        let warning = if remedy.destroys { ", gives data up" } else { "" };
        let line = request_line::text(&remedy.request, snapshot)
            .map_or_else(String::new, |line| format!(": {}", escaped(&line)));
        let _ = write!(out, "\n  way on: {}{warning}{line}", escaped(&remedy.label));
    }
    out
}

/// A name with its place, where they differ.
pub fn place(id: VolumeId, snapshot: &Snapshot) -> String {
    let (label, location) = (snapshot.label(id), snapshot.location(id));
    if label == location { location } else { format!("{label} ({location})") }
}

fn arrow(pair: Pair, snapshot: &Snapshot) -> String {
    format!("{} {} -> {}", pair.kind, snapshot.label(pair.source), place(pair.target, snapshot))
}

fn forced(force: bool) -> &'static str {
    if force { " with force" } else { "" }
}

/// Reasons may quote what an array or a person wrote.
fn escaped(text: &str) -> String {
    Untrusted::new(text).escaped()
}

fn sentence(text: &str) -> String {
    escaped(text.trim_end_matches('.'))
}
