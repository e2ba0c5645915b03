//! `ecdeck status`: the site now, as tables or as a document; with `--watch` what changes, as lines.

use super::arguments::Status;
use super::document::StatusDocument;
use super::link::Link;
use super::table::{Lean, Table};
use super::{Exit, Trouble, json, times};
use crate::model::snapshot::{
    BackupState, BackupVolumeView, Due, Reach, Ready, SessionView, Snapshot, TransactionVolumeView,
};
use crate::model::units::{Blocks, Progress, iec};
use crate::model::untrusted::Untrusted;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;
use tokio::time::Instant;

pub async fn run(asked: &Status, link: &mut Link) -> Result<Exit, Trouble> {
    let snapshot = link.snapshot().await?;
    let Some(seconds) = asked.watch else {
        if asked.json {
            json::print(snapshot.site.demo, &StatusDocument::new(&snapshot))?;
        } else {
            json::write_out(text(&snapshot).as_bytes())?;
        }
        return Ok(Exit::Done);
    };
    watch(link, &snapshot, asked.json, Duration::from_secs(seconds.into())).await
}

/// Prints until Ctrl-C, which is its good end.
async fn watch(link: &mut Link, first: &Snapshot, as_json: bool, every: Duration) -> Result<Exit, Trouble> {
    let mut told = BTreeMap::new();
    print_watched(first, as_json, &mut told)?;
    loop {
        let until = Instant::now() + every;
        tokio::select! {
            newest = newest_at(link, until) => print_watched(&*newest?, as_json, &mut told)?,
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
        }
    }
}

/// The newest snapshot when the time has come.
async fn newest_at(link: &mut Link, until: Instant) -> Result<std::sync::Arc<Snapshot>, Trouble> {
    tokio::time::sleep_until(until).await;
    link.snapshot().await
}

/// A document a line; or a line for every transaction volume that reads otherwise than before.
fn print_watched(snapshot: &Snapshot, as_json: bool, told: &mut BTreeMap<String, String>) -> Result<(), Trouble> {
    if as_json {
        return json::print_line(snapshot.site.demo, &StatusDocument::new(snapshot));
    }
    let mut out = String::new();
    for view in &snapshot.transaction_volumes {
        let line = format!("{}  {}  ready {}", view.volume.name, synchronization(view, snapshot), ready(view.ready));
        let before = told.insert(view.volume.name.to_string(), line.clone());
        if before.is_none_or(|before| before != line) {
            let mark = if snapshot.site.demo { "DEMO  " } else { "" };
            let _ = writeln!(out, "{}  {mark}{line}", times::second(snapshot.taken_at));
        }
    }
    json::write_out(out.as_bytes())
}

/// Everything that a person at a prompt wants to know.
fn text(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    head(&mut out, snapshot);
    out.push('\n');
    out.push_str(&transaction_volumes(snapshot));
    problems(&mut out, snapshot);
    section(&mut out, "Pool", &pool(snapshot));
    section(&mut out, "Copies", &copies(snapshot));
    section(&mut out, "Operations", &operations(snapshot));
    out
}

fn section(out: &mut String, title: &str, table: &Table) {
    if !table.is_empty() {
        let _ = write!(out, "\n{title}:\n{}", table.render());
    }
}

fn head(out: &mut String, snapshot: &Snapshot) {
    let demo = if snapshot.site.demo { " (demonstration site)" } else { "" };
    let site = Untrusted::new(snapshot.site.name.as_str()).escaped();
    let _ = writeln!(out, "{site}{demo}, {}", times::minute(snapshot.taken_at));
    for array in &snapshot.arrays {
        let reach = match &array.reach {
            Reach::Reachable if snapshot.is_stale(array, snapshot.taken_at) => "its last reading is too old".to_owned(),
            Reach::Reachable => match array.limited() {
                Some(why) => format!("reachable, but {}", Untrusted::new(why).escaped()),
                None => "reachable".to_owned(),
            },
            Reach::Waiting => "not read yet".to_owned(),
            Reach::Unreachable { since, why } => {
                format!("not reachable since {}: {}", times::minute(*since), why.escaped())
            }
            Reach::IdentityChanged { found } => format!("another box answers here: {found}; all verbs stop"),
        };
        let _ = writeln!(out, "array {}: {reach}", array.name);
    }
}

fn transaction_volumes(snapshot: &Snapshot) -> String {
    if snapshot.transaction_volumes.is_empty() {
        return "no transaction volumes: `ecdeck volume add --transaction VOLUME --name N`\n".to_owned();
    }
    let mut table = Table::new(&[
        ("volume", Lean::Left),
        ("size", Lean::Right),
        ("synchronization", Lean::Left),
        ("ready", Lean::Right),
        ("kept", Lean::Right),
        ("last backup", Lean::Left),
        ("due", Lean::Left),
    ]);
    for view in &snapshot.transaction_volumes {
        let of = view.volume.policy.map_or_else(|| "-".to_owned(), |policy| policy.generations.to_string());
        table.row([
            view.volume.name.to_string(),
            view.volume.blocks.to_string(),
            synchronization(view, snapshot),
            ready(view.ready),
            format!("{}/{of}", view.kept),
            view.last_backup
                .map_or_else(|| "never".to_owned(), |(version, at)| format!("{version} {}", times::minute(at))),
            due(view.due),
        ]);
    }
    table.render()
}

/// The state's word, with how far the live copy is or what differs.
fn synchronization(view: &TransactionVolumeView, snapshot: &Snapshot) -> String {
    let word = view.state.to_string();
    if let Some(claim) = &view.claimed {
        return format!("{word} ({} runs)", claim.verb);
    }
    let live = snapshot.sessions_of(view.volume.id).iter().find(|session| session.progress.is_some());
    if let Some(percent) = live.and_then(|session| session.progress).and_then(Progress::percent)
        && view.state == crate::model::snapshot::TransactionState::Copying
    {
        return format!("{word} {percent}");
    }
    match view.problem.as_ref().and_then(|problem| problem.array_error) {
        Some(error) => format!("{word} {error}"),
        None => word,
    }
}

fn ready(ready: Ready) -> String {
    match ready {
        Ready::Now => "now".to_owned(),
        Ready::Between { earliest, latest } => {
            let (earliest, latest) = (times::clock(earliest), times::clock(latest));
            if earliest == latest { latest } else { format!("{earliest}-{latest}") }
        }
        Ready::NotYetKnown => "?".to_owned(),
        Ready::Never => "-".to_owned(),
    }
}

fn due(due: Due) -> String {
    match due {
        Due::NoPolicy => "no policy".to_owned(),
        Due::Ok => "ok".to_owned(),
        Due::Overdue(1) => "! 1 day".to_owned(),
        Due::Overdue(days) => format!("! {days} days"),
    }
}

fn problems(out: &mut String, snapshot: &Snapshot) {
    let of_volumes = snapshot.transaction_volumes.iter().map(|view| (view.volume.id, &view.problem));
    let of_pool = snapshot.pool.iter().map(|view| (view.volume.id, &view.problem));
    for (id, problem) in of_volumes.chain(of_pool) {
        if let Some(problem) = problem {
            let text = Untrusted::new(problem.text.trim_end_matches('.')).escaped();
            let _ = writeln!(out, "! {}: {text} ({})", snapshot.label(id), problem.code);
        }
    }
}

/// How many volumes of each size are in which state.
fn pool(snapshot: &Snapshot) -> Table {
    let mut by_size: BTreeMap<Blocks, [usize; 4]> = BTreeMap::new();
    for view in &snapshot.pool {
        by_size.entry(view.volume.blocks).or_default()[column(view)] += 1;
    }
    let mut table = Table::new(&[
        ("size", Lean::Right),
        ("unused", Lean::Right),
        ("bound", Lean::Right),
        ("generations", Lean::Right),
        ("other", Lean::Right),
    ]);
    for (blocks, counts) in by_size {
        table.row([blocks.to_string()].into_iter().chain(counts.map(|count| count.to_string())));
    }
    table
}

fn column(view: &BackupVolumeView) -> usize {
    match view.state {
        BackupState::Unused => 0,
        BackupState::Bound => 1,
        BackupState::Generation | BackupState::SuspendedGeneration => 2,
        _ => 3,
    }
}

fn copies(snapshot: &Snapshot) -> Table {
    let mut table = Table::new(&[
        ("from", Lean::Left),
        ("to", Lean::Left),
        ("kind", Lean::Left),
        ("state", Lean::Left),
        ("done", Lean::Right),
        ("left", Lean::Right),
        ("rate", Lean::Right),
    ]);
    for session in &snapshot.sessions {
        let left = session.progress.map_or_else(|| "-".to_owned(), |progress| progress.left().to_string());
        let differs = session.difference.map(|blocks| format!("{blocks} new"));
        table.row([
            snapshot.label(session.pair.source),
            snapshot.location(session.pair.target),
            kind(session),
            session_state(session),
            session.progress.and_then(Progress::percent).map_or_else(|| "-".to_owned(), |percent| percent.to_string()),
            differs.unwrap_or(left),
            session.rate.map_or_else(|| "-".to_owned(), |rate| format!("{}/s", iec(rate))),
        ]);
    }
    table
}

fn kind(session: &SessionView) -> String {
    let how = match session.full {
        Some(true) => " full",
        Some(false) => " difference",
        None => " (of others)",
    };
    format!("{}{how}", session.pair.kind)
}

fn session_state(session: &SessionView) -> String {
    let error = session.error.map_or_else(String::new, |error| format!(" {error}"));
    format!("{}, {}{error}", session.status, session.phase)
}

fn operations(snapshot: &Snapshot) -> Table {
    let mut table = Table::new(&[
        ("operation", Lean::Left),
        ("verb", Lean::Left),
        ("volume", Lean::Left),
        ("by", Lean::Left),
        ("since", Lean::Left),
        ("now", Lean::Left),
    ]);
    for operation in snapshot.operations.iter().filter(|operation| operation.end.is_none()) {
        table.row([
            operation.id.to_string(),
            operation.verb.to_string(),
            snapshot.label(operation.volume),
            operation.actor.to_string(),
            times::second(operation.started),
            Untrusted::new(operation.step.as_str()).escaped(),
        ]);
    }
    table
}
