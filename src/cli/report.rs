//! `ecdeck report`: what happened since a moment, and whether anything needs a person.

use super::arguments::ReportArguments;
use super::document::Stamp;
use super::link::{Link, Need, SiteContext, unexpected};
use super::table::{Align, Table};
use super::{CliError, Exit, json, out, times};
use crate::engine::protocol::{Answer, Ask};
use crate::model::codes::Code;
use crate::model::duration::people;
use crate::model::event::Event;
use crate::model::identity::VolumeId;
use crate::model::request::Verb;
use crate::model::since_report::{JobOutcome, JobVolume, ReportJob, SinceReport};
use crate::model::snapshot::Snapshot;
use crate::model::trouble::{OpenTrouble, open_troubles};
use crate::model::units::{Timestamp, Version, count};
use crate::model::untrusted::Untrusted;
use serde::Serialize;
use std::fmt::Write;

/// Events asked for at once.
const PAGE: u64 = 500;
/// Events before the moment that are read as well: an operation that ended after it was asked for there.
const EARLIER: u64 = 2_000;

pub async fn run(asked: &ReportArguments, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    let mut link = site_context.open(Need::Reading).await?;
    let snapshot = link.snapshot().await?;
    let events = events_since(&mut link, asked.since).await?;
    let report = SinceReport::new(&events, asked.since, &snapshot);
    let troubles = open_troubles(&snapshot);
    if asked.json {
        json::print(snapshot.site.demo, &Document::new(asked.since, &report, &troubles, &snapshot))?;
    } else {
        out::print(&text(asked.since, &report, &troubles, &snapshot))?;
    }
    Ok(Exit::Done)
}

/// The events since a moment with some before it, oldest first: pages are read from the newest back.
async fn events_since(link: &mut Link, since: Timestamp) -> Result<Vec<Event>, CliError> {
    let mut newest = match link.ask(Ask::ChainHead).await? {
        Answer::ChainHead { head } => head.sequence,
        other => return Err(unexpected(&other)),
    };
    let (mut pages, mut earlier) = (Vec::new(), 0);
    while newest > 0 && earlier < EARLIER {
        let first = newest.saturating_sub(PAGE - 1).max(1);
        let most = u32::try_from(newest - first + 1).unwrap_or(u32::MAX);
        let page = match link.ask(Ask::EventsFrom { sequence: first, most }).await? {
            Answer::Events { events } => events,
            other => return Err(unexpected(&other)),
        };
        if page.len() != most as usize {
            let code = Code::CATALOGUE_DAMAGED;
            let text = format!("events from {first} to {newest} are not all there: run `ecdeck audit verify` ({code})");
            return Err(CliError::coded(code, text));
        }
        // Clocks are set back at times: a page counts as earlier only if all of it is.
        if page.iter().all(|event| event.event.at < since) {
            earlier += PAGE;
        }
        newest = first - 1;
        pages.push(page);
    }
    Ok(pages.into_iter().rev().flatten().collect())
}

/// What a person has to look at: what is wrong now, and what failed and was not done since.
fn needs_person(report: &SinceReport, troubles: &[OpenTrouble]) -> usize {
    troubles.len() + report.failures().len()
}

fn text(since: Timestamp, report: &SinceReport, troubles: &[OpenTrouble], snapshot: &Snapshot) -> String {
    let mut out = match needs_person(report, troubles) {
        0 => "Nothing needs a person.\n".to_owned(),
        1 => "1 thing needs a person.\n".to_owned(),
        many => format!("{many} things need a person.\n"),
    };
    let failures = report.failures();
    for (verb, id, volume) in &failures {
        let _ = writeln!(out, "! {} {}: {}", snapshot.label(*id), ended(*verb, volume.outcome), why(volume));
    }
    for trouble in troubles {
        let whose = trouble.volume.map_or_else(String::new, |id| format!("{}: ", snapshot.label(id)));
        let code = trouble.code.map_or_else(String::new, |code| format!(" ({code})"));
        // Some sentences name their code already.
        let code = if trouble.text.contains(code.trim()) { String::new() } else { code };
        let _ = writeln!(out, "! {whose}{}{code}", trouble.text);
    }
    let _ = writeln!(out, "\nSince {}:", times::minute(since));
    let lines = summary(report, snapshot);
    if lines.is_empty() {
        out.push_str("  nothing happened\n");
        return out;
    }
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
    let table = volumes(report, snapshot);
    if !table.is_empty() {
        let _ = write!(out, "\n{}", table.render());
    }
    out
}

fn ended(verb: Verb, outcome: JobOutcome) -> String {
    format!("{verb} {}", outcome.word())
}

/// The code with the sentence of the case; the sentence may name the code itself.
fn why(volume: &JobVolume) -> String {
    let why = Untrusted::new(volume.why.as_str()).escaped();
    match volume.code.map(|code| code.to_string()) {
        Some(code) if !why.contains(&code) => format!("{why} ({code})"),
        _ => why,
    }
}

/// `backup: 58 of 60 done, 1 failed, 1 refused`.
fn job_line(job: &ReportJob) -> String {
    let mut parts = vec![format!("{} of {} done", job.count(JobOutcome::Done), job.volumes.len())];
    let others = [
        JobOutcome::AlreadySo,
        JobOutcome::Running,
        JobOutcome::NotBegun,
        JobOutcome::Refused,
        JobOutcome::NotDone,
        JobOutcome::Failed,
        JobOutcome::OutcomeUnknown,
    ];
    let others = others.into_iter().map(|outcome| (job.count(outcome), outcome.word()));
    parts.extend(others.filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}")));
    format!("{}: {}", job.verb, parts.join(", "))
}

fn summary(report: &SinceReport, snapshot: &Snapshot) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let backups = || report.jobs.iter().filter(|job| job.verb == Verb::Backup);
    if backups().count() > 1 {
        let mut volumes: Vec<VolumeId> = backups().flat_map(|job| job.volumes.keys().copied()).collect();
        volumes.sort();
        volumes.dedup();
        let is_done = |id: &&VolumeId| {
            backups().any(|job| job.volumes.get(id).is_some_and(|volume| volume.outcome == JobOutcome::Done))
        };
        lines.push(format!("in total: {} of {} backed up", volumes.iter().filter(is_done).count(), volumes.len()));
    }
    for job in &report.jobs {
        lines.push(format!("{} {}, by {}", times::minute(job.began), job_line(job), job.by));
    }
    for (at, id, state) in &report.states {
        lines.push(format!("{} {}: {state}", times::minute(*at), snapshot.label(*id)));
    }
    for (at, id) in &report.overdue {
        lines.push(format!("{} the backup of {} was overdue", times::minute(*at), snapshot.label(*id)));
    }
    for (at, id, version, target) in &report.restored {
        let (name, target) = (snapshot.label(*id), snapshot.label(*target));
        lines.push(format!("{} {version} of {name} was restored to {target}", times::minute(*at)));
    }
    if !report.released.is_empty() {
        lines.push(format!("{} released", count(report.released.len(), "generation", "generations")));
    }
    lines
}

fn volumes(report: &SinceReport, snapshot: &Snapshot) -> Table {
    let mut table = Table::new(&[
        ("volume", Align::Left),
        ("asked for", Align::Left),
        ("at", Align::Left),
        ("took", Align::Right),
        ("ended", Align::Left),
        ("why", Align::Left),
    ]);
    for job in &report.jobs {
        for (id, volume) in &job.volumes {
            table.row([
                snapshot.label(*id),
                job.verb.to_string(),
                times::minute(volume.asked),
                volume.ended.map_or_else(|| "-".to_owned(), |ended| people(ended.since(volume.asked).max(0))),
                volume.outcome.word().to_owned(),
                if volume.outcome.is_good() { String::new() } else { why(volume) },
            ]);
        }
    }
    table
}

#[derive(Serialize)]
struct Document {
    since: Stamp,
    until: Stamp,
    /// How many things a person has to look at: `troubles` and `failures`.
    needs_person: usize,
    troubles: Vec<TroubleEntry>,
    failures: Vec<VolumeEntry>,
    jobs: Vec<JobEntry>,
    states: Vec<StateEntry>,
    overdue: Vec<StateEntry>,
    released: Vec<GenerationMoved>,
    restored: Vec<GenerationMoved>,
}

#[derive(Serialize)]
struct TroubleEntry {
    code: Option<Code>,
    volume: Option<String>,
    text: String,
}

#[derive(Serialize)]
struct VolumeEntry {
    id: VolumeId,
    name: String,
    verb: Verb,
    asked: Stamp,
    /// Null while it runs.
    ended: Option<Stamp>,
    seconds: Option<i64>,
    outcome: JobOutcome,
    code: Option<Code>,
    why: String,
}

#[derive(Serialize)]
struct JobEntry {
    verb: Verb,
    began: Stamp,
    by: String,
    done: usize,
    total: usize,
    volumes: Vec<VolumeEntry>,
}

#[derive(Serialize)]
struct StateEntry {
    at: Stamp,
    id: VolumeId,
    name: String,
    state: String,
}

#[derive(Serialize)]
struct GenerationMoved {
    at: Stamp,
    id: VolumeId,
    name: String,
    version: Version,
    /// Where a restore went to.
    target: Option<String>,
}

impl VolumeEntry {
    fn new(verb: Verb, id: VolumeId, volume: &JobVolume, snapshot: &Snapshot) -> Self {
        Self {
            id,
            name: snapshot.label(id),
            verb,
            asked: Stamp(volume.asked),
            ended: volume.ended.map(Stamp),
            seconds: volume.ended.map(|ended| ended.since(volume.asked).max(0) / 1_000),
            outcome: volume.outcome,
            code: volume.code,
            why: volume.why.clone(),
        }
    }
}

impl Document {
    fn new(since: Timestamp, report: &SinceReport, troubles: &[OpenTrouble], snapshot: &Snapshot) -> Self {
        let entry = |verb, id, volume: &JobVolume| VolumeEntry::new(verb, id, volume, snapshot);
        let job = |job: &ReportJob| JobEntry {
            verb: job.verb,
            began: Stamp(job.began),
            by: job.by.clone(),
            done: job.count(JobOutcome::Done),
            total: job.volumes.len(),
            volumes: job.volumes.iter().map(|(id, volume)| entry(job.verb, *id, volume)).collect(),
        };
        let state = |at, id, state| StateEntry { at: Stamp(at), id, name: snapshot.label(id), state };
        let moved = |at, id, version, target: Option<VolumeId>| GenerationMoved {
            at: Stamp(at),
            id,
            name: snapshot.label(id),
            version,
            target: target.map(|target| snapshot.label(target)),
        };
        let trouble = |trouble: &OpenTrouble| TroubleEntry {
            code: trouble.code,
            volume: trouble.volume.map(|id| snapshot.label(id)),
            text: trouble.text.clone(),
        };
        Self {
            since: Stamp(since),
            until: Stamp(snapshot.taken_at),
            needs_person: needs_person(report, troubles),
            troubles: troubles.iter().map(trouble).collect(),
            failures: report.failures().into_iter().map(|(verb, id, volume)| entry(verb, id, volume)).collect(),
            jobs: report.jobs.iter().map(job).collect(),
            states: report.states.iter().map(|(at, id, to)| state(*at, *id, to.to_string())).collect(),
            overdue: report.overdue.iter().map(|(at, id)| state(*at, *id, "overdue".to_owned())).collect(),
            released: report.released.iter().map(|(at, id, version, _)| moved(*at, *id, *version, None)).collect(),
            restored: {
                let all = report.restored.iter();
                all.map(|(at, id, version, target)| moved(*at, *id, *version, Some(*target))).collect()
            },
        }
    }
}
