//! Notifications: the site's hook is given what is new, what lasts and what is over, and a summary of each job.
//!
//! Belongs here: when it is looked, what is kept before and after a delivery, running the hook. Does not: which troubles
//! there are and which are said (model), what a document looks like (`document`).
//!
//! What is to be said is durable before the hook runs, and that it was said is durable after it. A hook that hangs, fails
//! or is missing delays nothing: this task alone waits for it.

mod document;
mod jobs;
mod trial;

pub use trial::NotifyTest;

use self::document::{Delivery, NotifyDocument};
use self::jobs::{JobSummary, JobWatch};
use super::clock;
use super::core::Core;
use super::hooks::HookSettings;
use super::ledger::Ledger;
use super::operation::Commit;
use crate::catalog::CatalogueError;
use crate::host::script::{self, Script};
use crate::model::event::{EventKind, NewEvent};
use crate::model::hook::ScriptReport;
use crate::model::notice::{self, NoticeSight, NotifyHook};
use crate::model::notice_record::{NoticeLog, NoticeRecord, NotifyTrouble, TroubleNotice};
use crate::model::records::{Change, EntityChange};
use crate::model::snapshot::Snapshot;
use crate::model::trouble::{OpenTrouble, mark_known, open_troubles};
use crate::model::trouble_kind::TroubleKind;
use crate::model::untrusted::Untrusted;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What comes within this time of the first news goes into one delivery.
const GATHERING: Duration = Duration::from_secs(2);
/// Looked at again although nothing changed: repeats come due, and processes end.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
/// Between two looks at the nights to come; and where the pool changed meanwhile.
const PREVIEW_PAUSE: Duration = Duration::from_mins(10);
const MIN_PREVIEW_PAUSE: Duration = Duration::from_secs(20);
/// After a failure of the hook. Each pause after it is twice as long.
const FIRST_RETRY: Duration = Duration::from_mins(1);
const MAX_RETRY: Duration = Duration::from_hours(1);
/// A clean end waits so long for a hook that runs.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// The task of a running engine.
pub struct Notifier {
    task: JoinHandle<()>,
    end: watch::Sender<bool>,
}

impl Notifier {
    /// `newest`: the newest event of the catalogue before anybody can ask for anything.
    pub fn start(hook: NotifyHook, settings: HookSettings, core: Arc<Core>, ledger: Ledger, newest: u64) -> Self {
        let (end, ended) = watch::channel(false);
        let work = Work {
            hook: Arc::new(hook),
            settings,
            core,
            ledger,
            preview: PreviewWatch::default(),
            of_catalogue: BTreeMap::new(),
            retry: None,
        };
        Self { task: tokio::spawn(work.run(ended, newest)), end }
    }

    /// Starts nothing more, and waits a moment for a hook that runs.
    pub async fn end(mut self) {
        self.end.send_replace(true);
        if tokio::time::timeout(END_TIMEOUT, &mut self.task).await.is_err() {
            tracing::warn!("the notification hook still runs; the next engine gives it the same delivery again");
        }
    }
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Work {
    hook: Arc<NotifyHook>,
    settings: HookSettings,
    core: Arc<Core>,
    ledger: Ledger,
    preview: PreviewWatch,
    /// The notices of a catalogue that takes no writes: they cannot be kept in it.
    of_catalogue: BTreeMap<String, NoticeRecord>,
    /// The hook failed: when it is tried again, and the pause after the next failure.
    retry: Option<(Instant, Duration)>,
}

impl Work {
    async fn run(mut self, mut ended: watch::Receiver<bool>, newest: u64) {
        let mut snapshots = self.core.snapshots();
        if let Err(why) = self.script().check() {
            self.core.show_notify(Some(NotifyTrouble {
                since: clock::now(),
                why: Untrusted::from(why.as_str()),
                waiting: 0,
            }));
        }
        let mut jobs = self.begin(newest).await;
        loop {
            tokio::select! {
                _ = ended.changed() => return,
                changed = snapshots.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(LOOK_AGAIN) => {}
            }
            tokio::select! {
                _ = ended.changed() => return,
                () = tokio::time::sleep(GATHERING) => {}
            }
            let snapshot = Arc::clone(&snapshots.borrow_and_update());
            if let Err(error) = self.look(&snapshot, &mut jobs).await {
                tracing::warn!(%error, "notifications wait for the catalogue");
            }
        }
    }

    /// Where the jobs begin that were not summed up. The first engine with a hook says nothing of what was before it.
    async fn begin(&self, newest: u64) -> JobWatch {
        loop {
            if let Some(log) = self.kept_log() {
                return JobWatch::new(&log);
            }
            let log = NoticeLog { from: newest + 1, ..NoticeLog::default() };
            if let Err(error) = self.keep(vec![put_log(log)], Vec::new()).await {
                tracing::warn!(%error, "notifications wait for the catalogue");
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    fn kept_log(&self) -> Option<NoticeLog> {
        self.core.with_records(|records| match records.notices.get(NoticeLog::KEY) {
            Some(NoticeRecord::Log(log)) => Some(log.clone()),
            _ => None,
        })
    }

    async fn keep(&self, changes: Vec<EntityChange>, events: Vec<EventKind>) -> Result<(), CatalogueError> {
        let now = clock::now();
        let changes = changes.into_iter().map(Change::Entity).collect();
        let events = events.into_iter().map(|kind| NewEvent::by_engine(now, kind)).collect();
        self.ledger.commit(Commit { changes, events }).await
    }

    /// One look: what is news is kept, and what waits is delivered.
    async fn look(&mut self, snapshot: &Arc<Snapshot>, jobs: &mut JobWatch) -> Result<(), CatalogueError> {
        let hook = Arc::clone(&self.hook);
        let sight = NoticeSight::new(snapshot, &hook.kinds);
        if hook.kinds.contains(&TroubleKind::PoolShort) && sight.is_whole() {
            self.preview.look(snapshot).await;
        }
        let mut troubles = open_troubles(snapshot);
        troubles.extend(self.preview.short.iter().cloned());
        mark_known(snapshot, &mut troubles);
        let (of_catalogue, others): (Vec<OpenTrouble>, Vec<OpenTrouble>) =
            sight.worth_saying(troubles).into_iter().partition(|trouble| trouble.kind == TroubleKind::Catalogue);
        let (now, repeat) = (clock::now(), hook.repeat_millis);
        let judge = |notice: &TroubleNotice| sight.judge(notice);
        for change in notice::compare(&self.of_catalogue, &of_catalogue, &judge, now, repeat) {
            remember(&mut self.of_catalogue, change);
        }
        if snapshot.catalogue.is_none() {
            let changes =
                self.core.with_records(|records| notice::compare(&records.notices, &others, &judge, now, repeat));
            self.keep(changes, Vec::new()).await?;
            if hook.jobs {
                jobs.read(self.ledger.catalogue(), snapshot).await?;
            }
        }
        if self.retry.is_some_and(|(at, _)| Instant::now() < at) {
            return Ok(());
        }
        let summaries = if hook.jobs { jobs.over(snapshot, now) } else { Vec::new() };
        self.deliver(snapshot, jobs, summaries).await
    }

    /// Gives the hook what waits, and keeps that it took it.
    async fn deliver(
        &mut self,
        snapshot: &Snapshot,
        jobs: &mut JobWatch,
        summaries: Vec<JobSummary>,
    ) -> Result<(), CatalogueError> {
        let kept = self.core.with_records(|records| pending(&records.notices));
        let unkept = pending(&self.of_catalogue);
        let number = self.kept_log().map_or(0, |log| log.number) + 1;
        let delivery =
            Delivery { number, at: clock::now(), notices: unkept.iter().chain(&kept).collect(), summaries: &summaries };
        if delivery.is_empty() {
            // It was missing when this engine began, and may have been put there since.
            if snapshot.notify.is_some() && self.retry.is_none() && self.script().check().is_ok() {
                self.core.show_notify(None);
            }
            return Ok(());
        }
        let document = NotifyDocument::new(&delivery, snapshot).to_json();
        let notifications = delivery.notices.len();
        let report = self.give(document).await;
        if !report.is_success() {
            return self.failed(&report, notifications + summaries.len()).await;
        }
        self.retry = None;
        self.core.show_notify(None);
        for (key, notice) in unkept {
            remember(&mut self.of_catalogue, sent(key, notice));
        }
        jobs.done(&summaries);
        let mut changes: Vec<EntityChange> = kept.into_iter().map(|(key, notice)| sent(key, notice)).collect();
        changes.push(put_log(jobs.log(number)));
        let told = EventKind::Notified { number, notifications, jobs: summaries.len() };
        self.keep(changes, vec![told]).await
    }

    async fn failed(&mut self, report: &ScriptReport, waiting: usize) -> Result<(), CatalogueError> {
        let why = Untrusted::from(document::failure(report).as_str());
        let pause = self.retry.map_or(FIRST_RETRY, |(_, pause)| pause);
        let is_first = self.retry.is_none();
        self.retry = Some((Instant::now() + pause, (pause * 2).min(MAX_RETRY)));
        let shown = self.core.snapshots().borrow().notify.clone();
        let since = shown.map_or_else(clock::now, |trouble| trouble.since);
        self.core.show_notify(Some(NotifyTrouble { since, why: why.clone(), waiting }));
        tracing::warn!(why = %why.escaped(), waiting, "the notification hook failed");
        if is_first { self.keep(Vec::new(), vec![EventKind::NotifyFailed { why }]).await } else { Ok(()) }
    }

    /// Runs the hook on a thread of its own.
    async fn give(&self, document: Vec<u8>) -> ScriptReport {
        let script = self.script();
        let ran = tokio::task::spawn_blocking(move || script::run_with_input(&script, document)).await;
        ran.unwrap_or_else(|error| ScriptReport::unknown(error.to_string()))
    }

    fn script(&self) -> Script {
        script_of(&self.hook, &self.settings)
    }
}

fn script_of(hook: &NotifyHook, settings: &HookSettings) -> Script {
    let mut environment = hook.environment.clone();
    environment.push(("ECDECK_SITE".to_owned(), settings.site.clone()));
    Script {
        argv: hook.command.clone(),
        run_as: hook.run_as.clone(),
        ssh: hook.host.as_ref().and_then(|host| settings.destination(host)),
        environment,
        limit_millis: hook.limit_millis,
    }
}

fn put_log(log: NoticeLog) -> EntityChange {
    EntityChange::PutNotice { key: NoticeLog::KEY.to_owned(), notice: Box::new(NoticeRecord::Log(log)) }
}

fn sent(key: String, notice: TroubleNotice) -> EntityChange {
    EntityChange::PutNotice { key, notice: Box::new(NoticeRecord::Trouble(TroubleNotice { sent: true, ..notice })) }
}

fn pending(notices: &BTreeMap<String, NoticeRecord>) -> Vec<(String, TroubleNotice)> {
    let of = |(key, notice): (&String, &NoticeRecord)| match notice {
        NoticeRecord::Trouble(notice) if !notice.sent => Some((key.clone(), notice.clone())),
        _ => None,
    };
    notices.iter().filter_map(of).collect()
}

fn remember(notices: &mut BTreeMap<String, NoticeRecord>, change: EntityChange) {
    match change {
        EntityChange::PutNotice { key, notice } => {
            notices.insert(key, *notice);
        }
        EntityChange::RemoveNotice { key } => {
            notices.remove(&key);
        }
        _ => {}
    }
}

/// The volumes whose next start finds no backup volume, as they were found last.
#[derive(Default)]
struct PreviewWatch {
    short: Vec<OpenTrouble>,
    looked: Option<(Instant, Arc<Snapshot>)>,
}

impl PreviewWatch {
    /// Plans the next night again when it is time. On a thread of its own: a large site has many volumes.
    async fn look(&mut self, snapshot: &Arc<Snapshot>) {
        let is_due = self.looked.as_ref().is_none_or(|(at, of)| {
            let changed = !of.pool.are(&snapshot.pool)
                || !of.generations.are(&snapshot.generations)
                || !of.transaction_volumes.are(&snapshot.transaction_volumes);
            at.elapsed() >= if changed { MIN_PREVIEW_PAUSE } else { PREVIEW_PAUSE }
        });
        if !is_due {
            return;
        }
        let planned = Arc::clone(snapshot);
        match tokio::task::spawn_blocking(move || notice::pool_short(&planned)).await {
            Ok(short) => self.short = short,
            Err(error) => tracing::error!(%error, "the next night could not be planned"),
        }
        self.looked = Some((Instant::now(), Arc::clone(snapshot)));
    }
}
