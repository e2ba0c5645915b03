//! What happened since a moment, from the durable events: jobs with each volume's end, changes of state, releases, restores.
//! Pure.

use super::codes::Code;
use super::entity::{OperationEnd, ReleaseReason};
use super::event::{Event, EventKind, NewEvent};
use super::identity::VolumeId;
use super::request::{Action, Request, Verb};
use super::snapshot::{Snapshot, TransactionState};
use super::units::{Timestamp, Version};
use super::window::missed_before;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Everything since a moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SinceReport {
    /// In the order in which they began.
    pub jobs: Vec<ReportJob>,
    /// Volumes that came into a bad state, however it ended.
    pub states: Vec<(Timestamp, VolumeId, TransactionState)>,
    pub overdue: Vec<(Timestamp, VolumeId)>,
    pub released: Vec<(Timestamp, VolumeId, Version, ReleaseReason)>,
    pub restored: Vec<(Timestamp, VolumeId, Version, VolumeId)>,
    /// The volumes whose next start finds no backup volume, and why. What is due tonight is no event: the engine looks.
    #[serde(default)]
    pub short: Vec<(VolumeId, Code, String)>,
}

/// What one process asked for of one kind: a line of a timer, a script, or a person's console.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportJob {
    pub verb: Verb,
    pub began: Timestamp,
    /// Who asked, for people; escaped.
    pub by: String,
    pub volumes: BTreeMap<VolumeId, JobVolume>,
    /// The number of its first event: no other job has it.
    pub first: u64,
    process: (u32, u32),
}

/// One volume of a job: how it ended last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobVolume {
    pub asked: Timestamp,
    pub ended: Option<Timestamp>,
    pub outcome: JobOutcome,
    pub code: Option<Code>,
    pub why: String,
    /// Requested as one with the other volumes of its set.
    together: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobOutcome {
    Done,
    /// A backup that came after the end of its window, or that was not made because its copy was not equivalent in time.
    Late,
    /// It was as wanted before.
    AlreadySo,
    /// It has not ended.
    Running,
    /// It was named, and no operation began for it: it was as wanted.
    NotBegun,
    Refused,
    NotDone,
    Failed,
    OutcomeUnknown,
}

impl JobOutcome {
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Late => "late",
            Self::AlreadySo => "already so",
            Self::Running => "running",
            Self::NotBegun => "not begun",
            Self::Refused => "refused",
            Self::NotDone => "not done",
            Self::Failed => "failed",
            Self::OutcomeUnknown => "outcome unknown",
        }
    }

    pub fn is_good(self) -> bool {
        matches!(self, Self::Done | Self::AlreadySo | Self::Running | Self::NotBegun)
    }
}

impl SinceReport {
    /// Whether an event has a place in a report.
    pub fn concerns(kind: &EventKind) -> bool {
        match kind {
            EventKind::StateChanged { to, .. } => to.is_trouble(),
            EventKind::Requested { .. }
            | EventKind::Refused { .. }
            | EventKind::OperationEnded { .. }
            | EventKind::Overdue { .. }
            | EventKind::GenerationReleased { .. }
            | EventKind::Restored { .. } => true,
            _ => false,
        }
    }

    /// `events`: oldest first, from before the moment on where there are such: an operation that ends after it began there.
    /// `snapshot`: from before the events were read. What it does not show as claimed had ended by then.
    pub fn new(events: &[Event], since: Timestamp, snapshot: &Snapshot, zone: &TimeZone) -> Self {
        let mut report = Self::default();
        for Event { sequence, event, .. } in events {
            report.add_to_jobs(*sequence, event);
            if event.at < since {
                continue;
            }
            match &event.kind {
                EventKind::StateChanged { volume, to, .. } if to.is_trouble() => {
                    report.states.push((event.at, *volume, *to));
                }
                EventKind::Overdue { volume, .. } => report.overdue.push((event.at, *volume)),
                EventKind::GenerationReleased { volume, version, why, .. } => {
                    report.released.push((event.at, *volume, *version, *why));
                }
                EventKind::Restored { volume, version, target } => {
                    report.restored.push((event.at, *volume, *version, *target));
                }
                _ => {}
            }
        }
        let is_claimed = |id: VolumeId| snapshot.transaction_volume(id).is_some_and(|view| view.claimed.is_some());
        let is_open = |id: VolumeId| snapshot.operations.iter().any(|open| open.volume == id && open.end.is_none());
        for (id, volume) in report.jobs.iter_mut().flat_map(|job| &mut job.volumes) {
            let runs = is_claimed(*id) || is_open(*id) || volume.asked >= snapshot.taken_at;
            if volume.outcome == JobOutcome::Running && !runs {
                (volume.outcome, volume.ended) = (JobOutcome::NotBegun, Some(volume.asked));
            }
        }
        for job in report.jobs.iter_mut().filter(|job| job.verb == Verb::Backup) {
            for (id, volume) in &mut job.volumes {
                volume.judge_late(*id, snapshot, zone);
            }
        }
        let is_since = |volume: &JobVolume| volume.ended.is_none_or(|ended| ended >= since);
        for job in &mut report.jobs {
            job.volumes.retain(|_, volume| is_since(volume));
        }
        report.jobs.retain(|job| !job.volumes.is_empty());
        report
    }

    fn add_to_jobs(&mut self, sequence: u64, event: &NewEvent) {
        match &event.kind {
            EventKind::Requested { request, .. } => {
                let together = is_together(request);
                self.ask((sequence, event), request, |asked| JobVolume {
                    asked,
                    ended: None,
                    outcome: JobOutcome::Running,
                    code: None,
                    why: String::new(),
                    together,
                });
            }
            EventKind::Refused { request, code, reason } => {
                let outcome = if *code == Code::ALREADY_SO { JobOutcome::AlreadySo } else { JobOutcome::Refused };
                self.ask((sequence, event), request, |asked| JobVolume {
                    asked,
                    ended: Some(asked),
                    outcome,
                    code: Some(*code),
                    why: reason.clone(),
                    together: false,
                });
            }
            EventKind::OperationEnded { volume, end } => self.end(event, *volume, end),
            _ => {}
        }
    }

    /// Each volume of a request into its job. A later answer about a volume takes the place of an earlier one.
    fn ask(&mut self, (first, event): (u64, &NewEvent), request: &Request, volume: impl Fn(Timestamp) -> JobVolume) {
        let volumes = request.action.volumes();
        let Some(actor) = event.actor.as_ref().filter(|_| !volumes.is_empty()) else { return };
        let (process, verb) = ((actor.uid, actor.pid), request.action.verb());
        let found = self.jobs.iter().rposition(|job| job.process == process && job.verb == verb);
        let index = found.unwrap_or_else(|| {
            let (began, by) = (event.at, actor.to_string());
            self.jobs.push(ReportJob { verb, began, by, volumes: BTreeMap::new(), first, process });
            self.jobs.len() - 1
        });
        for id in volumes {
            let new = volume(event.at);
            let there = self.jobs[index].volumes.get(id);
            // Its own operation holds it: the refusal is about a second request.
            let is_second =
                new.code == Some(Code::HELD_BY_OTHER) && there.is_some_and(|it| it.outcome == JobOutcome::Running);
            if !is_second {
                self.jobs[index].volumes.insert(*id, new);
            }
        }
    }

    /// One volume has one operation at a time: its end is that of the last request for it by this process. An event names
    /// a bounded number of volumes: the end of another one belongs to the last job of its process.
    fn end(&mut self, event: &NewEvent, id: VolumeId, end: &OperationEnd) {
        let Some(process) = event.actor.as_ref().map(|actor| (actor.uid, actor.pid)) else { return };
        let runs = |job: &ReportJob| job.volumes.get(&id).is_some_and(|there| there.outcome == JobOutcome::Running);
        let last =
            |is: &dyn Fn(&ReportJob) -> bool| self.jobs.iter().rposition(|job| job.process == process && is(job));
        let at = last(&runs).or_else(|| last(&|job| job.volumes.contains_key(&id))).or_else(|| last(&|_| true));
        let Some(job) = at.and_then(|at| self.jobs.get_mut(at)) else { return };
        let (outcome, code, why) = match end {
            OperationEnd::Done => (JobOutcome::Done, None, ""),
            OperationEnd::NotDone { code, why } => (JobOutcome::NotDone, Some(*code), why.as_str()),
            OperationEnd::Failed { code, why } => (JobOutcome::Failed, Some(*code), why.as_str()),
            OperationEnd::OutcomeUnknown { why } => {
                (JobOutcome::OutcomeUnknown, Some(Code::OUTCOME_UNKNOWN), why.as_str())
            }
        };
        let ended =
            |asked, together| JobVolume { asked, ended: Some(event.at), outcome, code, why: why.to_owned(), together };
        let together = job.volumes.get(&id).is_some_and(|there| there.together);
        for (other, there) in &mut job.volumes {
            let is_one = *other == id || (together && there.together && there.outcome == JobOutcome::Running);
            if is_one {
                *there = ended(there.asked, there.together);
            }
        }
        job.volumes.entry(id).or_insert_with(|| ended(job.began, false));
    }

    /// The volumes of jobs that a person has to look at: the last answer to this verb is not a good one. A refused key was
    /// answered when it was pressed; a backup that is refused at night was not.
    pub fn failures(&self) -> Vec<(Verb, VolumeId, &JobVolume)> {
        let mut last: BTreeMap<(&'static str, VolumeId), (Verb, &JobVolume)> = BTreeMap::new();
        for job in &self.jobs {
            for (id, volume) in &job.volumes {
                let key = (job.verb.info().title, *id);
                if last.get(&key).is_none_or(|(_, there)| there.asked <= volume.asked) {
                    last.insert(key, (job.verb, volume));
                }
            }
        }
        let counts = |verb: Verb, volume: &JobVolume| match volume.outcome {
            JobOutcome::Failed | JobOutcome::OutcomeUnknown => true,
            // With a code it was not made at all.
            JobOutcome::Late => volume.code.is_some(),
            JobOutcome::Refused | JobOutcome::NotDone => verb == Verb::Backup,
            JobOutcome::Done | JobOutcome::AlreadySo | JobOutcome::Running | JobOutcome::NotBegun => false,
        };
        let all = last.into_iter().map(|((_, id), (verb, volume))| (verb, id, volume));
        all.filter(|(verb, _, volume)| counts(*verb, volume)).collect()
    }
}

fn is_together(request: &Request) -> bool {
    matches!(request.action, Action::Backup { together: true, .. } | Action::Start { together: true, .. })
}

impl JobVolume {
    /// A backup that was given up because its copy was not equivalent in time, and one that was made after its window.
    fn judge_late(&mut self, id: VolumeId, snapshot: &Snapshot, zone: &TimeZone) {
        let is_bad = matches!(self.outcome, JobOutcome::Refused | JobOutcome::NotDone);
        if is_bad && self.code == Some(Code::PAST_LIMIT) {
            self.outcome = JobOutcome::Late;
            return;
        }
        let (JobOutcome::Done, Some(ended)) = (self.outcome, self.ended) else { return };
        let Some(volume) = snapshot.transaction_volume(id).map(|view| &view.volume) else { return };
        let Some((policy, window)) = volume.policy.and_then(|policy| Some((policy, policy.window?))) else { return };
        // What it made is not older than the request.
        let backups = snapshot.generations_of(id).iter().rev().filter(|kept| !kept.is_before_restore());
        let earlier = backups.map(|kept| kept.taken_at).find(|at| *at < self.asked);
        if let Some(times) = missed_before(policy, volume.window_since, earlier, ended, zone) {
            let after = super::duration::people(ended.since(times.end));
            self.outcome = JobOutcome::Late;
            self.why = format!("made {after} after the end of its window {window}");
        }
    }
}

impl ReportJob {
    /// The process that asked.
    pub fn pid(&self) -> u32 {
        self.process.1
    }

    /// When something was asked or ended last.
    pub fn last_activity(&self) -> Timestamp {
        self.volumes.values().map(|volume| volume.ended.unwrap_or(volume.asked)).fold(self.began, Timestamp::max)
    }

    /// Nothing of it is under way.
    pub fn rests(&self) -> bool {
        self.count(JobOutcome::Running) == 0
    }

    pub fn count(&self, outcome: JobOutcome) -> usize {
        self.volumes.values().filter(|volume| volume.outcome == outcome).count()
    }
}
