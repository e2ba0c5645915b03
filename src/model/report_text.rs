//! A report in words, the same on the command line and in the console: what needs a person, and what happened. Pure.

use super::identity::VolumeId;
use super::request::Verb;
use super::since_report::{JobOutcome, JobVolume, ReportJob, SinceReport};
use super::snapshot::Snapshot;
use super::trouble::OpenTrouble;
use super::trouble_kind::TroubleId;
use super::units::{Timestamp, count};
use super::untrusted::Untrusted;
use std::collections::BTreeSet;

/// A line of a report; escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportLine {
    pub volume: Option<VolumeId>,
    /// Of a trouble that is there now.
    pub trouble: Option<TroubleId>,
    pub text: String,
}

/// How a moment is written where the report is shown.
pub type Moments<'a> = &'a dyn Fn(Timestamp) -> String;

/// What failed and was not done since.
pub fn failures(report: &SinceReport, snapshot: &Snapshot) -> Vec<ReportLine> {
    let line = |(verb, id, volume): (Verb, VolumeId, &JobVolume)| {
        let text = format!("{} {verb} {}: {}", snapshot.label(id), volume.outcome.word(), why(volume));
        ReportLine { volume: Some(id), trouble: None, text }
    };
    report.failures().into_iter().map(line).collect()
}

/// What is wrong now and nobody knows of.
pub fn unknown_troubles(troubles: &[OpenTrouble], snapshot: &Snapshot) -> Vec<ReportLine> {
    let new = troubles.iter().filter(|trouble| trouble.acknowledged.is_none());
    let line = |trouble: &OpenTrouble| {
        let text = trouble_text(trouble, snapshot);
        ReportLine { volume: trouble.volume, trouble: Some(trouble.id.clone()), text }
    };
    new.map(line).collect()
}

/// What is wrong now and a person knows of.
pub fn known_troubles(troubles: &[OpenTrouble], snapshot: &Snapshot, at: Moments) -> Vec<ReportLine> {
    let line = |trouble: &OpenTrouble| {
        let known = trouble.acknowledged.as_ref()?;
        let (until, by, reason) = (at(known.until), &known.by, known.reason.escaped());
        let text = format!("{}; acknowledged until {until} by {by}: {reason}", trouble_text(trouble, snapshot));
        Some(ReportLine { volume: trouble.volume, trouble: Some(trouble.id.clone()), text })
    };
    troubles.iter().filter_map(line).collect()
}

fn trouble_text(trouble: &OpenTrouble, snapshot: &Snapshot) -> String {
    let whose = trouble.volume.map_or_else(String::new, |id| format!("{}: ", snapshot.label(id)));
    let code = trouble.code.map_or_else(String::new, |code| format!(" ({code})"));
    // Some sentences name their code already.
    let code = if trouble.text.contains(code.trim()) { String::new() } else { code };
    format!("{whose}{}{code}", trouble.text)
}

/// The code with the sentence of the case; the sentence may name the code itself.
pub fn why(volume: &JobVolume) -> String {
    let why = Untrusted::new(volume.why.as_str()).escaped();
    match volume.code.map(|code| code.to_string()) {
        Some(code) if !why.contains(&code) => format!("{why} ({code})"),
        _ => why,
    }
}

/// `backup: 58 of 60 done, 1 failed, 1 refused`.
fn job(job: &ReportJob) -> String {
    let mut parts = vec![format!("{} of {} done", job.count(JobOutcome::Done), job.volumes.len())];
    let others = [
        JobOutcome::Late,
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

/// Of all backups: the volumes that were backed up, and those that should have been.
fn backed_up(report: &SinceReport) -> (usize, usize) {
    let backups = || report.jobs.iter().filter(|job| job.verb == Verb::Backup);
    let volumes: BTreeSet<VolumeId> = backups().flat_map(|job| job.volumes.keys().copied()).collect();
    let is_done = |id: &&VolumeId| {
        backups().any(|job| job.volumes.get(id).is_some_and(|volume| volume.outcome == JobOutcome::Done))
    };
    (volumes.iter().filter(is_done).count(), volumes.len())
}

/// What happened, a line each.
pub fn happened(report: &SinceReport, snapshot: &Snapshot, at: Moments) -> Vec<ReportLine> {
    let mut lines = Vec::new();
    let mut say = |volume, text| lines.push(ReportLine { volume, trouble: None, text });
    if report.jobs.iter().filter(|job| job.verb == Verb::Backup).count() > 1 {
        let (done, all) = backed_up(report);
        say(None, format!("in total: {done} of {all} backed up"));
    }
    for one in &report.jobs {
        say(None, format!("{} {}, by {}", at(one.began), job(one), one.by));
    }
    for (moment, id, state) in &report.states {
        say(Some(*id), format!("{} {}: {state}", at(*moment), snapshot.label(*id)));
    }
    for (moment, id) in &report.overdue {
        say(Some(*id), format!("{} the backup of {} was overdue", at(*moment), snapshot.label(*id)));
    }
    for (moment, id, version, target) in &report.restored {
        let (name, target) = (snapshot.label(*id), snapshot.label(*target));
        say(Some(*id), format!("{} {version} of {name} was restored to {target}", at(*moment)));
    }
    if !report.released.is_empty() {
        say(None, format!("{} released", count(report.released.len(), "generation", "generations")));
    }
    lines
}

/// What happened while a person was away, in counts; `None`: nothing that anybody would ask about.
pub fn in_counts(report: &SinceReport) -> Option<String> {
    let mut parts = Vec::new();
    let (done, all) = backed_up(report);
    if all > 0 {
        parts.push(format!("{done} of {all} backed up"));
    }
    let others = report.jobs.iter().filter(|job| job.verb != Verb::Backup).flat_map(|job| job.volumes.values());
    let failed = others.filter(|volume| !volume.outcome.is_good()).count();
    if failed > 0 {
        parts.push(format!("{} not done", count(failed, "other request", "other requests")));
    }
    let volumes_of = |ids: &mut dyn Iterator<Item = VolumeId>| ids.collect::<BTreeSet<VolumeId>>().len();
    let in_trouble = volumes_of(&mut report.states.iter().map(|(_, id, _)| *id));
    if in_trouble > 0 {
        parts.push(format!("{} in trouble", count(in_trouble, "volume was", "volumes were")));
    }
    let overdue = volumes_of(&mut report.overdue.iter().map(|(_, id)| *id));
    if overdue > 0 {
        parts.push(format!("{overdue} overdue"));
    }
    if !report.restored.is_empty() {
        parts.push(count(report.restored.len(), "restore", "restores"));
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}
