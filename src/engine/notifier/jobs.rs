//! Jobs that are over and were not summed up yet.

use crate::catalog::{Catalogue, CatalogueError, EventRange};
use crate::model::event::{Event, EventKind};
use crate::model::notice_record::NoticeLog;
use crate::model::request::Verb;
use crate::model::since_report::{JobOutcome, ReportJob, SinceReport};
use crate::model::snapshot::Snapshot;
use crate::model::units::Timestamp;
use jiff::tz::TimeZone;
use rustix::process::{Pid, test_kill_process};

/// Events that are read at once.
const PAGE: u32 = 500;
/// Events of jobs that are kept; of a longer night the oldest ones are not summed up.
const MAX_EVENTS: usize = 50_000;
/// A process that lives on and asked for nothing in this time has done its job, as far as anybody can tell.
const QUIET: i64 = 15 * 60 * Timestamp::SECOND;

/// A job that is over.
pub struct JobSummary {
    pub job: ReportJob,
}

/// The events of jobs that are not done with.
pub struct JobWatch {
    events: Vec<Event>,
    /// The first event that was not read yet.
    next: u64,
    done: Vec<u64>,
}

impl JobWatch {
    pub fn new(log: &NoticeLog) -> Self {
        Self { events: Vec::new(), next: log.from, done: log.done.clone() }
    }

    /// Reads what is new, if the snapshot shows that something is.
    pub async fn read(&mut self, catalogue: &dyn Catalogue, snapshot: &Snapshot) -> Result<(), CatalogueError> {
        if snapshot.events.last().is_none_or(|newest| newest.sequence < self.next) {
            return Ok(());
        }
        loop {
            let page = catalogue.events(EventRange::From { sequence: self.next, most: PAGE }).await?;
            let Some(newest) = page.last().map(|event| event.sequence) else { break };
            self.next = newest + 1;
            let is_last = page.len() < PAGE as usize;
            self.events.extend(page.into_iter().filter(|event| is_of_jobs(&event.event.kind)));
            if is_last {
                break;
            }
        }
        let surplus = self.events.len().saturating_sub(MAX_EVENTS);
        self.events.drain(..surplus);
        Ok(())
    }

    /// The jobs that are over and say something. Those that say nothing are done with.
    pub fn over(&mut self, snapshot: &Snapshot, now: Timestamp) -> Vec<JobSummary> {
        if self.events.is_empty() {
            return Vec::new();
        }
        let jobs = SinceReport::new(&self.events, Timestamp(i64::MIN), snapshot, &TimeZone::system()).jobs;
        let is_over =
            |job: &ReportJob| job.rests() && (!is_alive(job.pid()) || now.since(job.last_activity()) >= QUIET);
        let (over, open): (Vec<ReportJob>, Vec<ReportJob>) = jobs.into_iter().partition(is_over);
        let (telling, silent): (Vec<ReportJob>, Vec<ReportJob>) =
            over.into_iter().filter(|job| !self.done.contains(&job.first)).partition(says_something);
        self.done.extend(silent.iter().map(|job| job.first));
        // Nothing before the first job that is not done with is needed any more.
        let waiting = open.iter().chain(&telling).map(|job| job.first).min();
        self.events.retain(|event| waiting.is_some_and(|first| event.sequence >= first));
        let from = self.from();
        self.done.retain(|first| *first >= from);
        telling.into_iter().map(|job| JobSummary { job }).collect()
    }

    /// The hook was given these.
    pub fn done(&mut self, summaries: &[JobSummary]) {
        self.done.extend(summaries.iter().map(|summary| summary.job.first));
    }

    fn from(&self) -> u64 {
        self.events.first().map_or(self.next, |event| event.sequence)
    }

    /// What is kept with a delivery.
    pub fn log(&self, number: u64) -> NoticeLog {
        NoticeLog { number, from: self.from(), done: self.done.clone() }
    }
}

fn is_of_jobs(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Requested { .. } | EventKind::Refused { .. } | EventKind::OperationEnded { .. })
}

/// Work on copies and restores, of which something was done or should have been.
fn says_something(job: &ReportJob) -> bool {
    let is_work = matches!(job.verb, Verb::Start | Verb::Resume | Verb::Backup | Verb::Snapshot | Verb::Restore);
    let idle = job.count(JobOutcome::AlreadySo) + job.count(JobOutcome::NotBegun);
    is_work && idle < job.volumes.len()
}

fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // A process of another user is there, too.
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}
