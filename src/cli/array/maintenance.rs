//! `ecdeck array maintenance`: nothing is started on an array until its end; what was live then runs again.

use crate::cli::array_arguments::MaintenanceVerb;
use crate::cli::change::{self, Then};
use crate::cli::document::MaintenanceEntry;
use crate::cli::link::{Link, Need, SiteContext, unexpected};
use crate::cli::wait::Deadline;
use crate::cli::{CliError, Exit, json, out, times};
use crate::engine::protocol::{Answer, Ask};
use crate::model::identity::Name;
use crate::model::maintained::{Afterwards, afterwards};
use crate::model::maintenance::Maintenance;
use crate::model::request::{Action, Request};
use crate::model::session::Pair;
use crate::model::snapshot::Snapshot;
use crate::model::untrusted::Untrusted;
use std::fmt::Write;

pub async fn run(array: &Name, verb: &MaintenanceVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    match verb {
        MaintenanceVerb::Begin { until, reason, dry_run, json: as_json } => {
            if *until <= times::now() {
                let text = format!("{} has passed: write a later time, with its date", times::minute(*until));
                return Err(CliError::usage(text));
            }
            let mut link = site_context.open(Need::Changing).await?;
            let reason = reason.as_deref().map(Untrusted::from);
            let ask = Ask::BeginMaintenance { array: array.clone(), until: *until, reason, dry_run: *dry_run };
            let known = asked(&mut link, ask).await?;
            let snapshot = link.snapshot().await?;
            if *as_json {
                json::print(snapshot.site.demo, &MaintenanceEntry::new(&known, &snapshot))?;
            } else {
                out::print(&begun(&known, &snapshot, *dry_run))?;
            }
            Ok(Exit::Done)
        }
        MaintenanceVerb::End { change } => {
            let deadline = Deadline::new(change.time_limit);
            let mut link = crate::cli::opened(site_context, deadline).await?;
            // What a resume needs is read before the word is taken back: an array that is away stays in maintenance.
            let dry_run = Ask::EndMaintenance { array: array.clone(), dry_run: true };
            let known = asked(&mut link, dry_run).await?;
            let snapshot = link.reread().await?;
            let after = afterwards(&snapshot, &known);
            if change.dry_run {
                let text = format!("{array} is in maintenance until {}\n", times::minute(known.until));
                return printed(&snapshot, &known, change.json, &(text + &ended(&after, &snapshot, "to be resumed")));
            }
            asked(&mut link, Ask::EndMaintenance { array: array.clone(), dry_run: false }).await?;
            let text = format!("the maintenance of {array} is over\n") + &ended(&after, &snapshot, "resumed");
            if after.suspended.is_empty() {
                return printed(&snapshot, &known, change.json, &text);
            }
            if !change.json {
                out::print(&text)?;
            }
            let targets: Vec<_> = after.suspended.iter().map(|pair| (pair.source, pair.target)).collect();
            let volumes = targets.iter().map(|(source, _)| *source).collect();
            let action = Action::Start { volumes, targets, together: false };
            let request = Request { ..change::request(action, change) };
            change::run(&mut link, change, request, deadline, Then::Return).await
        }
    }
}

async fn asked(link: &mut Link, ask: Ask) -> Result<Maintenance, CliError> {
    match link.ask(ask).await? {
        Answer::Maintenance { known } => Ok(*known),
        Answer::Refused { refusal } => Err(CliError::coded(refusal.code, refusal.to_string())),
        other => Err(unexpected(&other)),
    }
}

fn printed(snapshot: &Snapshot, known: &Maintenance, as_json: bool, text: &str) -> Result<Exit, CliError> {
    if as_json {
        json::print(snapshot.site.demo, &MaintenanceEntry::new(known, snapshot))?;
    } else {
        out::print(text)?;
    }
    Ok(Exit::Done)
}

fn begun(known: &Maintenance, snapshot: &Snapshot, dry_run: bool) -> String {
    let array = &known.array;
    let is = if dry_run { "would be" } else { "is" };
    let mut text = format!(
        "{array} {is} in maintenance until {}: no start, resume or backup runs there\n",
        times::minute(known.until)
    );
    for pair in &known.live {
        let _ = writeln!(text, "  live now: {}", named(pair, snapshot));
    }
    if !known.live.is_empty() {
        let _ =
            writeln!(text, "they go on; `ecdeck array maintenance {array} end` resumes those that are suspended then");
    }
    text
}

fn ended(after: &Afterwards, snapshot: &Snapshot, resumed: &str) -> String {
    let mut text = String::new();
    for pair in &after.live {
        let _ = writeln!(text, "  live: {}", named(pair, snapshot));
    }
    for pair in &after.suspended {
        let _ = writeln!(text, "  {resumed}: {}", named(pair, snapshot));
    }
    for (pair, word) in &after.others {
        let _ = writeln!(text, "! not resumed, {word}: {}", named(pair, snapshot));
    }
    text
}

fn named(pair: &Pair, snapshot: &Snapshot) -> String {
    format!("{} to {}", snapshot.label(pair.source), snapshot.location(pair.target))
}
