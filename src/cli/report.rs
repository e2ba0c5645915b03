//! `ecdeck report`: what happened since a moment, and whether anything needs a person.

use super::arguments::{AcknowledgeArguments, ReportArguments, ReportVerb};
use super::document::{AcknowledgedEntry, MaintenanceEntry, Stamp};
use super::link::{Link, Need, SiteContext, unexpected};
use super::table::{Align, Table};
use super::{CliError, Exit, json, out, times};
use crate::engine::protocol::{Answer, Ask};
use crate::model::codes::Code;
use crate::model::duration::people;
use crate::model::identity::VolumeId;
use crate::model::notice::pool_short;
use crate::model::report_text::{self, ReportLine};
use crate::model::request::Verb;
use crate::model::since_report::{JobOutcome, JobVolume, ReportJob, SinceReport};
use crate::model::snapshot::Snapshot;
use crate::model::trouble::{OpenTrouble, mark_known, open_troubles};
use crate::model::trouble_kind::{TroubleId, TroubleKind};
use crate::model::units::{Timestamp, Version};
use crate::model::untrusted::Untrusted;
use serde::Serialize;
use std::fmt::Write;

pub async fn run(asked: &ReportArguments, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    if let Some(ReportVerb::Acknowledge(asked)) = &asked.verb {
        return acknowledge(asked, &mut site_context.open(Need::Changing).await?).await;
    }
    let Some(since) = asked.since else { return Err(CliError::usage("give --since TIME")) };
    let mut link = site_context.open(Need::Reading).await?;
    let snapshot = link.snapshot().await?;
    let report = match link.ask(Ask::Report { since }).await? {
        Answer::Report { report } => *report,
        other => return Err(unexpected(&other)),
    };
    let mut troubles = open_troubles(&snapshot);
    troubles.extend(pool_short(&snapshot));
    mark_known(&snapshot, &mut troubles);
    if asked.json {
        json::print(snapshot.site.demo, &Document::new(since, &report, &troubles, &snapshot))?;
    } else {
        out::print(&text(since, &report, &troubles, &snapshot))?;
    }
    Ok(Exit::Done)
}

async fn acknowledge(asked: &AcknowledgeArguments, link: &mut Link) -> Result<Exit, CliError> {
    let AcknowledgeArguments { id, reason, until, json } = asked;
    if *until <= times::now() {
        let text = format!("{} has passed: write a later time, with its date", times::minute(*until));
        return Err(CliError::usage(text));
    }
    let ask = Ask::Acknowledge { trouble: id.clone(), reason: Untrusted::from(reason.as_str()), until: *until };
    let known = match link.ask(ask).await? {
        Answer::Acknowledged { known } => *known,
        Answer::Refused { refusal } => return Err(CliError::coded(refusal.code, refusal.to_string())),
        other => return Err(unexpected(&other)),
    };
    let demo = link.is_demo().await?;
    if *json {
        json::print(demo, &AcknowledgedEntry::new(&known))?;
    } else {
        let (until, text) = (times::minute(known.until), &known.text);
        out::print(&format!("{id} is acknowledged until {until}: {text}\n"))?;
    }
    Ok(Exit::Done)
}

/// What a person has to look at: what is wrong now, and what failed and was not done since.
fn needs_person(report: &SinceReport, troubles: &[OpenTrouble]) -> usize {
    troubles.iter().filter(|trouble| trouble.acknowledged.is_none()).count() + report.failures().len()
}

fn text(since: Timestamp, report: &SinceReport, troubles: &[OpenTrouble], snapshot: &Snapshot) -> String {
    let mut out = match needs_person(report, troubles) {
        0 => "Nothing needs a person.\n".to_owned(),
        1 => "1 thing needs a person.\n".to_owned(),
        many => format!("{many} things need a person.\n"),
    };
    super::status::maintenance(&mut out, snapshot);
    for line in report_text::failures(report, snapshot) {
        let _ = writeln!(out, "! {}", line.text);
    }
    let id = |line: &ReportLine| line.trouble.as_ref().map_or_else(String::new, |id| format!("  [{id}]"));
    for line in report_text::unknown_troubles(troubles, snapshot) {
        let _ = writeln!(out, "! {}{}", line.text, id(&line));
    }
    for line in report_text::known_troubles(troubles, snapshot, &times::minute) {
        let _ = writeln!(out, "  {}{}", line.text, id(&line));
    }
    let _ = writeln!(out, "\nSince {}:", times::minute(since));
    let lines = report_text::happened(report, snapshot, &times::minute);
    if lines.is_empty() {
        out.push_str("  nothing happened\n");
        return out;
    }
    for line in lines {
        let _ = writeln!(out, "  {}", line.text);
    }
    let table = volumes(report, snapshot);
    if !table.is_empty() {
        let _ = write!(out, "\n{}", table.render());
    }
    out
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
                if volume.outcome.is_good() { String::new() } else { report_text::why(volume) },
            ]);
        }
    }
    table
}

#[derive(Serialize)]
struct Document {
    since: Stamp,
    until: Stamp,
    /// How many things a person has to look at: `troubles` that are not acknowledged, and `failures`.
    needs_person: usize,
    troubles: Vec<TroubleEntry>,
    maintenance: Vec<MaintenanceEntry>,
    failures: Vec<VolumeEntry>,
    jobs: Vec<JobEntry>,
    states: Vec<StateEntry>,
    overdue: Vec<StateEntry>,
    released: Vec<GenerationMoved>,
    restored: Vec<GenerationMoved>,
}

#[derive(Serialize)]
struct TroubleEntry {
    id: TroubleId,
    kind: TroubleKind,
    code: Option<Code>,
    volume: Option<String>,
    text: String,
    /// Null where nobody knows of it.
    acknowledged: Option<AcknowledgedEntry>,
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
            id: trouble.id.clone(),
            kind: trouble.kind,
            acknowledged: trouble.acknowledged.as_ref().map(AcknowledgedEntry::new),
            code: trouble.code,
            volume: trouble.volume.map(|id| snapshot.label(id)),
            text: trouble.text.clone(),
        };
        Self {
            since: Stamp(since),
            until: Stamp(snapshot.taken_at),
            needs_person: needs_person(report, troubles),
            troubles: troubles.iter().map(trouble).collect(),
            maintenance: snapshot.maintenance.iter().map(|known| MaintenanceEntry::new(known, snapshot)).collect(),
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
