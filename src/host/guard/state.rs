//! What a guard knows: which scripts have begun and ended, and whether the pause still holds. All of it changes under one lock.

use super::protocol::{GuardHook, GuardOrder, GuardView, HookRun};
use crate::host::script::{self, Script};
use crate::model::hook::HookResult;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// A script within its guard.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    NotStarted,
    Running,
    Ended(HookRun),
}

impl Stage {
    fn run(&self) -> Option<HookRun> {
        match self {
            Self::Ended(run) => Some(run.clone()),
            _ => None,
        }
    }
}

#[derive(Debug)]
struct Stages {
    before: Vec<Stage>,
    after: Vec<Stage>,
    /// No script after the backup has begun.
    holds: bool,
    /// When the scripts after the backup run by themselves; set with the first script.
    deadline: Option<Instant>,
    left: bool,
}

/// The state of a guard, for all its threads.
pub(super) struct State {
    order: GuardOrder,
    stages: Mutex<Stages>,
    changed: Condvar,
}

impl State {
    pub(super) fn new(order: GuardOrder) -> Self {
        let stages = vec![Stage::NotStarted; order.hooks.len()];
        let stages = Stages { before: stages.clone(), after: stages, holds: true, deadline: None, left: false };
        Self { order, stages: Mutex::new(stages), changed: Condvar::new() }
    }

    pub(super) fn order(&self) -> &GuardOrder {
        &self.order
    }

    fn lock(&self) -> MutexGuard<'_, Stages> {
        self.stages.lock()
    }

    fn wait<'a>(&self, mut stages: MutexGuard<'a, Stages>, limit: Duration) -> MutexGuard<'a, Stages> {
        self.changed.wait_for(&mut stages, limit);
        stages
    }

    /// Runs the script before the backup of a hook, unless it has begun; gives its end either way.
    pub(super) fn before(&self, hook: usize) -> Result<HookRun, String> {
        let script = self.script(hook, |hook| hook.before.as_ref())?;
        let mut stages = self.lock();
        if stages.before[hook] == Stage::NotStarted {
            if !stages.holds {
                return Err("the pause is over: no script before the backup runs any more".to_owned());
            }
            if let (None, Some(pause)) = (stages.deadline, self.order.pause_millis) {
                stages.deadline = Some(Instant::now() + Duration::from_millis(pause));
            }
            let deadline = stages.deadline;
            stages.before[hook] = Stage::Running;
            self.changed.notify_all();
            drop(stages);
            // Never beyond the deadline: then the script after it has its turn.
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()).as_millis() as u64);
            let limit_millis = script.limit_millis.min(left.map_or(u64::MAX, |left| left.max(1)));
            let script = Script { limit_millis, ..script };
            let run = HookRun { report: script::run(&script), by_deadline: false, group: None };
            stages = self.lock();
            stages.before[hook] = Stage::Ended(run);
            self.changed.notify_all();
        }
        loop {
            if let Some(run) = stages.before[hook].run() {
                return Ok(run);
            }
            stages = self.wait(stages, Duration::from_mins(1));
        }
    }

    /// Runs the script after the backup of a hook, unless it has begun; gives its end either way.
    pub(super) fn after(&self, hook: usize, result: HookResult, version: Option<&str>) -> Result<HookRun, String> {
        self.after_by(hook, result, version, false)
    }

    fn after_by(
        &self,
        hook: usize,
        result: HookResult,
        version: Option<&str>,
        by_deadline: bool,
    ) -> Result<HookRun, String> {
        let script = self.script(hook, |hook| hook.after.as_ref())?;
        let mut stages = self.lock();
        if stages.after[hook] == Stage::NotStarted {
            stages.holds = false;
            stages.after[hook] = Stage::Running;
            self.changed.notify_all();
            // One that still runs has been given its end: what it did is known before it is undone.
            while stages.before[hook] == Stage::Running {
                stages = self.wait(stages, Duration::from_mins(1));
            }
            drop(stages);
            let mut script = script;
            script.environment.push((self.order.result_variable.clone(), result.word().to_owned()));
            script.environment.extend(version.map(|version| ("ECDECK_VERSION".to_owned(), version.to_owned())));
            let run = HookRun { report: script::run(&script), by_deadline, group: None };
            stages = self.lock();
            stages.after[hook] = Stage::Ended(run);
            self.changed.notify_all();
        }
        loop {
            if let Some(run) = stages.after[hook].run() {
                return Ok(run);
            }
            stages = self.wait(stages, Duration::from_mins(1));
        }
    }

    fn script(&self, hook: usize, of: impl Fn(&GuardHook) -> Option<&Script>) -> Result<Script, String> {
        let found = self.order.hooks.get(hook).and_then(of);
        found.cloned().ok_or_else(|| format!("hook {hook} has no such script"))
    }

    pub(super) fn view(&self) -> GuardView {
        let stages = self.lock();
        let is_late = stages.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        GuardView {
            holds: stages.holds && !is_late,
            before: stages.before.iter().map(Stage::run).collect(),
            after: stages.after.iter().map(Stage::run).collect(),
        }
    }

    /// Whether no script after the backup is due any more.
    pub(super) fn may_leave(&self) -> bool {
        due(&self.order, &self.lock()).is_none()
    }

    /// The engine has recorded everything, and has its answer: the process may end.
    pub(super) fn leave(&self) {
        self.lock().left = true;
        self.changed.notify_all();
    }

    /// Waits until the guard may end: the engine has left, or everything that was due has run and nobody came for so long.
    /// Gives whether the engine has left.
    pub(super) fn until_end(&self, linger: Duration) -> bool {
        let mut stages = self.lock();
        // Nothing of it may ever begin: the engine may have ended before its first question.
        let mut idle_until = Instant::now() + linger;
        loop {
            let now = Instant::now();
            if stages.left {
                return true;
            }
            let Some(deadline) = stages.deadline else {
                if stages.before.iter().chain(&stages.after).any(|stage| *stage == Stage::Running) {
                    idle_until = now + linger;
                }
                if now >= idle_until {
                    return false;
                }
                stages = self.wait(stages, idle_until.saturating_duration_since(now));
                continue;
            };
            if now < deadline {
                stages = self.wait(stages, deadline - now);
                idle_until = Instant::now() + linger;
                continue;
            }
            stages.holds = false;
            if let Some(hook) = due(&self.order, &stages) {
                drop(stages);
                // It waits for one that the engine asked for, too.
                let _ = self.after_by(hook, HookResult::Unknown, None, true);
                self.leave_record();
                stages = self.lock();
                idle_until = Instant::now() + linger;
                continue;
            }
            if now >= idle_until {
                return false;
            }
            stages = self.wait(stages, idle_until.saturating_duration_since(now));
        }
    }

    /// Writes the report for an engine that comes later; only once nothing is frozen any more.
    fn leave_record(&self) {
        if due(&self.order, &self.lock()).is_some() {
            return;
        }
        let Ok(text) = serde_json::to_vec(&self.view()) else { return };
        let new = self.order.record.with_extension("new");
        // Without a record the next engine runs the scripts after the backup once more.
        let _ = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &self.order.record));
    }
}

/// The hook whose script after the backup has to run next: the last one of those that began before and are not undone.
fn due(order: &GuardOrder, stages: &Stages) -> Option<usize> {
    let is_due = |hook: &usize| {
        order.hooks[*hook].after.is_some()
            && stages.before[*hook] != Stage::NotStarted
            && !matches!(stages.after[*hook], Stage::Ended(_))
    };
    (0..order.hooks.len()).rev().find(is_due)
}
