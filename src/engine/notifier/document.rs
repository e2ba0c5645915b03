//! What the notification hook reads on its input: one JSON document a delivery. `docs/notify.md` describes it.

use super::jobs::JobSummary;
use crate::model::codes::Code;
use crate::model::hook::ScriptReport;
use crate::model::identity::VolumeId;
use crate::model::notice_record::TroubleNotice;
use crate::model::request::Verb;
use crate::model::since_report::{JobOutcome, JobVolume, ReportJob};
use crate::model::snapshot::Snapshot;
use crate::model::trouble_kind::TroubleKind;
use crate::model::units::{Timestamp, count};
use crate::model::untrusted::{Untrusted, escaped};
use jiff::tz::TimeZone;
use serde::Serialize;

/// Notifications in one document; `left_out` counts the others.
const MAX_NOTIFICATIONS: usize = 500;
/// Volumes of a job that are named in it, and in its line.
const MAX_VOLUMES: usize = 500;
const NAMED: usize = 10;

/// What is given to the hook.
pub struct Delivery<'a> {
    pub number: u64,
    pub at: Timestamp,
    pub notices: Vec<&'a (String, TroubleNotice)>,
    pub summaries: &'a [JobSummary],
}

impl Delivery<'_> {
    pub fn is_empty(&self) -> bool {
        self.notices.is_empty() && self.summaries.is_empty()
    }
}

#[derive(Serialize)]
pub struct NotifyDocument<'a> {
    schema: u32,
    site: &'a str,
    demo: bool,
    /// A person tests the hook: nothing has happened.
    dry_run: bool,
    number: u64,
    at: String,
    /// One line for people: a subject, a short message.
    text: String,
    notifications: Vec<Entry<'a>>,
    left_out: usize,
    jobs: Vec<JobEntry>,
}

#[derive(Serialize)]
struct Entry<'a> {
    id: &'a str,
    kind: TroubleKind,
    state: State,
    code: Option<Code>,
    volume: Option<String>,
    volume_id: Option<VolumeId>,
    array: Option<String>,
    text: String,
    since: String,
    /// How often it was notified before.
    repeated: u32,
}

#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum State {
    New,
    Lasts,
    Recovered,
}

#[derive(Serialize)]
struct JobEntry {
    verb: Verb,
    by: String,
    began: String,
    ended: String,
    done: usize,
    total: usize,
    text: String,
    /// Those that were not done.
    volumes: Vec<VolumeEntry>,
}

#[derive(Serialize)]
struct VolumeEntry {
    volume: String,
    volume_id: VolumeId,
    outcome: JobOutcome,
    code: Option<Code>,
    why: String,
}

impl<'a> NotifyDocument<'a> {
    pub fn new(delivery: &Delivery<'a>, snapshot: &'a Snapshot) -> Self {
        let notices = &delivery.notices;
        let shown = notices.iter().take(MAX_NOTIFICATIONS);
        let notifications: Vec<Entry<'_>> = shown.map(|(key, notice)| entry(key, notice, snapshot)).collect();
        let jobs: Vec<JobEntry> = delivery.summaries.iter().map(|summary| job(&summary.job, snapshot)).collect();
        Self {
            schema: 1,
            site: &snapshot.site.name,
            demo: snapshot.site.demo,
            dry_run: false,
            number: delivery.number,
            at: stamp(delivery.at),
            text: line(notices, &notifications, &jobs),
            left_out: notices.len() - notifications.len(),
            notifications,
            jobs,
        }
    }

    /// What the hook is given when a person tests it.
    pub fn of_a_test(at: Timestamp, snapshot: &'a Snapshot) -> Self {
        let site = &snapshot.site.name;
        let text = format!("test of the notification hook of site {}: nothing has happened", escaped(site));
        let (notifications, jobs) = (Vec::new(), Vec::new());
        let (demo, at) = (snapshot.site.demo, stamp(at));
        Self { schema: 1, site, demo, dry_run: true, number: 0, at, text, notifications, left_out: 0, jobs }
    }

    /// One line of JSON. Text from outside is escaped in it before, and no other control character can be there.
    pub fn to_json(&self) -> Vec<u8> {
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

fn state(notice: &TroubleNotice) -> State {
    match (notice.over, notice.times) {
        (true, _) => State::Recovered,
        (false, 0) => State::New,
        (false, _) => State::Lasts,
    }
}

fn entry<'a>(key: &'a str, notice: &TroubleNotice, snapshot: &Snapshot) -> Entry<'a> {
    Entry {
        id: key.strip_prefix("trouble ").unwrap_or(key),
        kind: notice.kind,
        state: state(notice),
        code: notice.code,
        volume: notice.volume.map(|id| escaped(&snapshot.label(id))),
        volume_id: notice.volume,
        array: notice.array.as_ref().map(ToString::to_string),
        text: escaped(&notice.text),
        since: stamp(notice.since),
        repeated: notice.times,
    }
}

fn job(job: &ReportJob, snapshot: &Snapshot) -> JobEntry {
    let bad: Vec<(VolumeId, &JobVolume)> =
        job.volumes.iter().filter(|(_, volume)| !volume.outcome.is_good()).map(|(id, volume)| (*id, volume)).collect();
    let entry = |(id, volume): &(VolumeId, &JobVolume)| VolumeEntry {
        volume: escaped(&snapshot.label(*id)),
        volume_id: *id,
        outcome: volume.outcome,
        code: volume.code,
        why: Untrusted::new(volume.why.as_str()).escaped(),
    };
    let (good, total) = (job.volumes.len() - bad.len(), job.volumes.len());
    let mut parts = vec![format!("{good} of {total}")];
    parts.extend(bad.iter().take(NAMED).map(|(id, volume)| how(&escaped(&snapshot.label(*id)), volume)));
    if bad.len() > NAMED {
        parts.push(format!("{} more", bad.len() - NAMED));
    }
    JobEntry {
        verb: job.verb,
        by: job.by.clone(),
        began: stamp(job.began),
        ended: stamp(job.last_activity()),
        done: good,
        total,
        text: format!("{}: {}", job.verb, parts.join(", ")),
        volumes: bad.iter().take(MAX_VOLUMES).map(entry).collect(),
    }
}

/// `db31 refused ecd-1201`; `db07 late`: its copy was not equivalent in time.
fn how(name: &str, volume: &JobVolume) -> String {
    match volume.code {
        _ if volume.outcome == JobOutcome::Late => format!("{name} late"),
        Some(Code::NOT_EQUIVALENT) => format!("{name} late"),
        Some(code) => format!("{name} {} {code}", volume.outcome.word()),
        None => format!("{name} {}", volume.outcome.word()),
    }
}

/// `2 new, 1 recovered: db07 halted, DX1 unreachable; backup: 58 of 60`.
fn line(notices: &[&(String, TroubleNotice)], entries: &[Entry<'_>], jobs: &[JobEntry]) -> String {
    let counted = |wanted: State, word: &str| {
        let number = notices.iter().filter(|(_, notice)| state(notice) == wanted).count();
        (number > 0).then(|| format!("{number} {word}"))
    };
    let counts = [(State::New, "new"), (State::Lasts, "still there"), (State::Recovered, "recovered")];
    let counts: Vec<String> = counts.into_iter().filter_map(|(state, word)| counted(state, word)).collect();
    let name = |entry: &Entry<'_>| {
        let place = entry.volume.as_deref().or(entry.array.as_deref());
        let kind = entry.kind.word();
        let what = place.map_or_else(|| kind.to_owned(), |place| format!("{place} {kind}"));
        if entry.state == State::Recovered { format!("{what} is over") } else { what }
    };
    let mut names: Vec<String> = entries.iter().take(NAMED).map(name).collect();
    if notices.len() > NAMED {
        names.push(count(notices.len() - NAMED, "more", "more"));
    }
    let mut parts = Vec::new();
    if !names.is_empty() {
        parts.push(format!("{}: {}", counts.join(", "), names.join(", ")));
    }
    parts.extend(jobs.iter().map(|job| job.text.clone()));
    parts.join("; ")
}

/// Why the hook did not take a delivery, with the end of what it printed.
pub fn failure(report: &ScriptReport) -> String {
    let text = report.to_string();
    let output = report.output.escaped();
    let last = output.trim_end().rsplit("\\n").next().unwrap_or_default();
    let last: String = last.chars().take(200).collect();
    if last.is_empty() || text.contains(&last) { text } else { format!("{text}: {last}") }
}

/// `2026-11-28T18:03:12+01:00`.
fn stamp(at: Timestamp) -> String {
    let local = jiff::Timestamp::from_millisecond(at.0).map(|at| at.to_zoned_datetime(TimeZone::system()));
    local.map_or_else(|_| at.0.to_string(), |at| at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}
