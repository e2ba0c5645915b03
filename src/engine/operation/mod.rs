//! An operation as a step machine without I/O: it is told what came of the last thing, and says what to do next.
//!
//! Belongs here: the order of journal, command, reading and record; what each answer and each sight leads to; going on after
//! a crash. Does not: doing any of it (`runner`, or the simulator), what is legal (`model::plan`).
//!
//! A crash may come between any two outputs. What is durable then is what the answered [`Output::Commit`]s hold.

mod admission;
mod commits;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod hook_tests;
mod hooks;
mod judge;
mod limits;
mod observe;
mod practice;
mod recovery;
mod restore;
mod sends;
mod step_progress;
#[cfg(test)]
mod tests;
mod undo;
mod verdict;

pub use admission::{Admission, admit, boxes_of_item, boxes_to_read, close_all, opening};
pub use hooks::HookTask;
pub use limits::Limits;
pub use practice::in_the_way;

use crate::catalog::CatalogueError;
use crate::engine::ReadError;
use crate::model::codes::Code;
use crate::model::copy::{ArrayRefusal, Command, ErrorClass, PairOutcome};
use crate::model::event::{EventKind, NewEvent};
use crate::model::hook::HookRun;
use crate::model::identity::BoxId;
use crate::model::records::{Change, ChangeError, JournalEntry, OpenOperation, OperationEnd, OperationId, Records};
use crate::model::session::{Pair, Reading};
use crate::model::step::{CompareCopyStep, Compared, NotKeepable, OwnSuspend, PlanStep, StepEffect};
use crate::model::units::Timestamp;
use crate::model::untrusted::Untrusted;
use limits::Pauses;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use step_progress::{FarHalf, StepProgress};

/// What an operation may look at when it decides.
pub struct World<'a> {
    pub now: Timestamp,
    pub records: &'a Records,
}

/// What came of the last output.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// Begin, or go on after a crash.
    Go,
    Committed,
    /// Surely nothing of it was kept.
    NotCommitted {
        why: String,
        cause: NotKept,
    },
    /// One outcome for each pair of the command.
    Answered(Vec<PairOutcome>),
    /// A reading whose call began after the last answer, or why there is none.
    Read(Result<Arc<Reading>, ReadError>),
    Slept,
    HookEnded(HookRun),
    /// Whether the pause that scripts made still holds.
    Pause {
        holds: bool,
    },
    /// What came of reading a copy.
    Compared(Result<Compared, NotCompared>),
}

/// Why a copy was not read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCompared {
    /// Somebody took the mark from the operation meanwhile.
    GaveWay,
    Failed(String),
}

/// Why a commit was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotKept {
    /// The catalogue cannot be written now.
    Unavailable,
    /// Another engine has the volumes now.
    Lost,
    /// The records are others than the commit takes for granted: it is never going to be kept.
    Unfit,
}

impl NotKept {
    pub fn of(error: &CatalogueError) -> Self {
        match error {
            CatalogueError::Change(ChangeError::LostClaim(_)) => Self::Lost,
            CatalogueError::Change(_) => Self::Unfit,
            _ => Self::Unavailable,
        }
    }
}

/// What to do next; its result is the next input.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Keep all of it durably, in one transaction.
    Commit(Commit),
    /// Send once; the answer comes within `limit` or is unknown.
    Send {
        array: BoxId,
        command: Command,
        limit: Duration,
    },
    Read {
        array: BoxId,
    },
    Sleep(Duration),
    Hook(HookTask),
    /// Read a copy and compare it.
    Compare(Box<CompareCopyStep>),
    Done(OperationEnd),
}

/// Changes and the events that tell of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Commit {
    pub changes: Vec<Change>,
    pub events: Vec<NewEvent>,
}

/// What an operation is at, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Activity {
    Beginning,
    Telling {
        array: BoxId,
        what: String,
    },
    Looking {
        array: BoxId,
    },
    /// A copy that ends by itself; how much of it is there, in words.
    Copying {
        array: BoxId,
        percent: Option<String>,
    },
    WaitingForBusy {
        array: BoxId,
        why: String,
    },
    WaitingToRead {
        array: BoxId,
        why: String,
    },
    WaitingForCatalogue {
        why: String,
    },
    Recording,
    Script,
    Comparing,
    Ended,
}

#[derive(Debug, Clone)]
enum Phase {
    New {
        recovered: bool,
    },
    Committing {
        commit: Commit,
        then: Then,
    },
    Sending,
    Reading,
    Pausing(Next),
    Hooking,
    Comparing,
    /// For the guard's word on the pause.
    Asking(hooks::Asked),
    Ended(OperationEnd),
}

/// What follows a commit.
#[derive(Debug, Clone)]
enum Then {
    Send(Command),
    Judge(Vec<PairOutcome>),
    Hook,
    /// A script that failed counts as run.
    FinishHook,
    /// The scripts that are due, then the end.
    Undo,
    NextStep(usize),
    End(OperationEnd),
}

/// What follows a pause.
#[derive(Debug, Clone)]
enum Next {
    Send,
    Read,
    Commit(Box<(Commit, Then)>),
}

/// One operation that has been opened in the catalogue.
#[derive(Debug, Clone)]
pub struct Operation {
    open: OpenOperation,
    limits: Limits,
    /// The step that is being done.
    step: usize,
    phase: Phase,
    step_progress: StepProgress,
    /// Un-forced suspends and one-point copies that this operation issued and then observed.
    own_suspends: BTreeMap<Pair, OwnSuspend>,
    /// What is resumed because not all volumes of one instant were suspended.
    undo: Option<undo::Undo>,
    hooking: hooks::Hooking,
    /// What came of reading a copy.
    compared: Option<Compared>,
    /// Told with the next commit.
    pending_events: Vec<NewEvent>,
    commit_pauses: Pauses,
    doing: Activity,
}

impl Operation {
    /// An operation that was opened just now, on a reading just taken.
    pub fn new(open: OpenOperation, limits: Limits) -> Self {
        Self::build(open, limits, false)
    }

    fn build(open: OpenOperation, limits: Limits, recovered: bool) -> Self {
        Self {
            open,
            limits,
            step: 0,
            phase: Phase::New { recovered },
            step_progress: StepProgress::default(),
            own_suspends: BTreeMap::new(),
            undo: None,
            hooking: hooks::Hooking::default(),
            compared: None,
            pending_events: Vec::new(),
            commit_pauses: Pauses::default(),
            doing: Activity::Beginning,
        }
    }

    pub fn id(&self) -> OperationId {
        self.open.id
    }

    pub fn doing(&self) -> &Activity {
        &self.doing
    }

    /// Steps done, and all of them.
    pub fn progress(&self) -> (usize, usize) {
        let total = self.open.item.steps.len();
        (self.step.min(total), total)
    }

    /// How it will end, while only the catalogue is waited for and nothing happened that could be forgotten.
    pub fn foreseen_end(&self) -> Option<&OperationEnd> {
        let then = match &self.phase {
            Phase::Committing { then, .. } => then,
            Phase::Pausing(Next::Commit(waiting)) => &waiting.1,
            _ => return None,
        };
        match then {
            Then::End(end @ OperationEnd::NotDone { .. }) => Some(end),
            _ => None,
        }
    }

    /// Takes what came of the last output, says what to do next.
    pub fn advance(&mut self, input: Input, world: &World<'_>) -> Output {
        let phase = std::mem::replace(&mut self.phase, Phase::Sending);
        match (phase, input) {
            (Phase::New { recovered: false }, Input::Go) => self.enter(world),
            (Phase::New { recovered: true }, Input::Go) => self.go_on(world),
            (Phase::Committing { then, .. }, Input::Committed) => {
                self.commit_pauses = Pauses::default();
                self.committed(then, world)
            }
            (Phase::Committing { commit, then }, Input::NotCommitted { why, cause }) => match cause {
                NotKept::Lost => self.done(OperationEnd::Failed { code: Code::HELD_BY_OTHER, why }),
                NotKept::Unfit => self.unfit(commit, why, world),
                NotKept::Unavailable => self.not_committed(commit, then, why, world),
            },
            (Phase::Sending, Input::Answered(outcomes)) => self.answered(outcomes, world),
            (Phase::Reading, Input::Read(Ok(reading))) => self.read(&reading, world),
            (Phase::Reading, Input::Read(Err(why))) => self.unread(why.to_string(), world),
            (Phase::Pausing(next), Input::Slept) => match next {
                Next::Send => self.send(world),
                Next::Read => self.look(),
                Next::Commit(waiting) => self.commit(waiting.0, waiting.1),
            },
            (Phase::Hooking, Input::HookEnded(run)) => self.hook_ended(&run, world),
            (Phase::Comparing, Input::Compared(came)) => self.compared(came, world),
            (Phase::Asking(then), Input::Pause { holds }) => self.pause_is(then, holds, world),
            (Phase::Ended(end), _) => self.done(end),
            (phase, input) => {
                debug_assert!(false, "{input:?} does not answer {phase:?}");
                self.done(OperationEnd::OutcomeUnknown { why: "the engine lost track of this operation".into() })
            }
        }
    }

    /// Begins the present step.
    fn enter(&mut self, world: &World<'_>) -> Output {
        self.step_progress = StepProgress::default();
        if let Some(output) = self.not_begun(world) {
            return output;
        }
        match self.effect(self.step) {
            Some(StepEffect::Array(step)) => {
                self.step_progress.left = step.command.pairs().to_vec();
                self.send(world)
            }
            Some(StepEffect::Records) => self.finish(world.now, world),
            Some(StepEffect::Await(_)) => self.look(),
            Some(StepEffect::Compare(step)) => self.begin_compare(step, world),
            Some(StepEffect::Script { .. }) => self.begin_hook(world),
            None if self.step < self.open.item.steps.len() => {
                self.fail(Code::STEP_FAILED, format!("step {} names no session", self.step + 1), world)
            }
            None => self.end(OperationEnd::Done, world),
        }
    }

    /// Journals the intent to send the step's command; the command itself follows the commit.
    fn send(&mut self, world: &World<'_>) -> Output {
        let left = self.step_progress.left.clone();
        let Some(StepEffect::Array(step)) = self.effect(self.step) else {
            return self.fail(Code::STEP_FAILED, format!("step {} has no command", self.step + 1), world);
        };
        let command = step.command.for_pairs(left);
        if self.is_too_late(&command, world) {
            return self.too_late(world);
        }
        if let Some(output) = self.cancelled_before(&command, world) {
            return output;
        }
        self.step_progress.attempt += 1;
        self.step_progress.looked = false;
        let entry = JournalEntry::Intent { step: self.step, attempt: self.step_progress.attempt, at: world.now };
        let array = self.array();
        let events = vec![self.event(world.now, EventKind::Sent { array, command: command.clone() })];
        self.doing = Activity::Recording;
        self.commit(Commit { changes: vec![self.journal(entry)], events }, Then::Send(command))
    }

    /// Whether the request's limit by the clock has passed for this command.
    fn is_too_late(&self, command: &Command, world: &World<'_>) -> bool {
        matches!(command, Command::Suspend { .. }) && self.open.item.until.is_some_and(|until| world.now > until)
    }

    fn too_late(&mut self, world: &World<'_>) -> Output {
        self.fail(
            Code::PAST_LIMIT,
            "the time until which it may be suspended has passed: nothing was sent".into(),
            world,
        )
    }

    /// Right before sending: the journal may have been slow.
    fn sent(&mut self, command: Command, world: &World<'_>) -> Output {
        if self.is_too_late(&command, world) {
            return self.too_late(world);
        }
        if let Some(output) = self.cancelled_before(&command, world) {
            return output;
        }
        if self.asks_before(&command, world) {
            return self.ask_pause(hooks::Asked::Send(command));
        }
        self.send_now(command)
    }

    /// Whether a command that waited for its turn is still to be sent. What is refused here is not sent, and the operation
    /// finds out for itself what follows.
    ///
    /// # Errors
    /// The refusal, as of a command that was not sent.
    pub fn may_still_send(&self, command: &Command, world: &World<'_>) -> Result<(), ArrayRefusal> {
        let why = if self.is_too_late(command, world) {
            "the time until which it may be suspended passed while it waited for its turn"
        } else if self.was_cancelled_before(command, world) {
            "the restore was cancelled while it waited for its turn"
        } else {
            return Ok(());
        };
        let text = Untrusted::new(format!("{why}: nothing was sent"));
        Err(ArrayRefusal { class: ErrorClass::Transport, code: "engine".to_owned(), text })
    }

    fn send_now(&mut self, command: Command) -> Output {
        let array = self.array();
        self.phase = Phase::Sending;
        self.doing = Activity::Telling { array, what: command.verb().to_string() };
        Output::Send { array, command, limit: self.limits.send }
    }

    fn look(&mut self) -> Output {
        let array = self.array();
        self.phase = Phase::Reading;
        self.doing = Activity::Looking { array };
        Output::Read { array }
    }

    fn pause(&mut self, pause: Duration, next: Next) -> Output {
        self.phase = Phase::Pausing(next);
        Output::Sleep(pause)
    }

    fn commit(&mut self, mut commit: Commit, then: Then) -> Output {
        if !self.pending_events.is_empty() {
            let later = std::mem::replace(&mut commit.events, std::mem::take(&mut self.pending_events));
            commit.events.extend(later);
        }
        self.phase = Phase::Committing { commit: commit.clone(), then };
        Output::Commit(commit)
    }

    fn committed(&mut self, then: Then, world: &World<'_>) -> Output {
        match then {
            Then::Send(command) => self.sent(command, world),
            Then::Judge(outcomes) => self.judge(&outcomes, world),
            Then::Hook => self.run_hook(world),
            Then::FinishHook => self.finish(world.now, world),
            Then::Undo => self.undo(world),
            Then::NextStep(step) => {
                self.step = step;
                self.enter(world)
            }
            Then::End(end) => {
                if end.is_done() {
                    self.step = self.open.item.steps.len();
                }
                self.done(end)
            }
        }
    }

    /// Nothing is sent that could not be journaled; what happened is kept as soon as that is possible again.
    fn not_committed(&mut self, commit: Commit, then: Then, why: String, world: &World<'_>) -> Output {
        let untouched = self.step == 0 && !self.step_progress.doubt;
        if untouched && matches!(then, Then::Send(_) | Then::Hook) {
            return self.end(OperationEnd::NotDone { code: Code::CATALOGUE_UNAVAILABLE, why }, world);
        }
        self.doing = Activity::WaitingForCatalogue { why };
        let pause = self.commit_pauses.endless(&self.limits);
        self.pause(pause, Next::Commit(Box::new((commit, then))))
    }

    /// What was to be kept does not go with what others kept meanwhile: the step is not done, and the rules say why.
    fn unfit(&mut self, commit: Commit, why: String, world: &World<'_>) -> Output {
        let taken_up = |event: &NewEvent| matches!(event.kind, EventKind::Recovered { .. });
        self.pending_events.extend(commit.events.into_iter().filter(taken_up));
        let quiet = matches!(self.effect(self.step), Some(StepEffect::Records));
        let reason = if quiet { commits::of_step(self, self.step, world.now, world).err() } else { None };
        let NotKeepable { code, why } = reason.unwrap_or(NotKeepable { code: Code::STEP_FAILED, why });
        let nothing_happened = quiet && self.step == 0;
        let end =
            if nothing_happened { OperationEnd::NotDone { code, why } } else { OperationEnd::Failed { code, why } };
        self.end(end, world)
    }

    /// Journals the present step as finished, with what follows from it; `seen_at` is when its effect was observed.
    /// Generations are recorded in the same transaction as the suspend before them.
    fn finish(&mut self, seen_at: Timestamp, world: &World<'_>) -> Output {
        if self.asks_after(world) {
            return self.ask_pause(hooks::Asked::Finish(seen_at));
        }
        let mut commit = Commit::default();
        let mut step = self.step;
        loop {
            match self.step_commit(step, seen_at, world, &mut commit) {
                Ok(()) => step += 1,
                Err(stop) if step == self.step => return self.fail(stop.code, stop.why, world),
                Err(_) => break,
            }
            if self.open.item.steps.get(step).is_none_or(|next| next.records().is_empty()) {
                break;
            }
        }
        self.doing = Activity::Recording;
        if step < self.open.item.steps.len() {
            return self.commit(commit, Then::NextStep(step));
        }
        self.close(commit, OperationEnd::Done, world.now)
    }

    fn step_commit(
        &self,
        step: usize,
        at: Timestamp,
        world: &World<'_>,
        commit: &mut Commit,
    ) -> Result<(), NotKeepable> {
        let mut kept = commits::of_step(self, step, at, world)?;
        self.mark_crash_consistent(&mut kept, world);
        commit.changes.push(self.journal(JournalEntry::Finished { step }));
        commit.changes.extend(kept.changes.into_iter().map(Change::Entity));
        commit.events.extend(kept.events.into_iter().map(|kind| self.event(world.now, kind)));
        Ok(())
    }

    /// Ends the operation because the present step cannot be done; the steps before it stay done.
    fn fail(&mut self, code: Code, why: String, world: &World<'_>) -> Output {
        let end = if self.only_hooks_so_far() {
            OperationEnd::NotDone { code, why }
        } else {
            OperationEnd::Failed { code, why }
        };
        self.end(end, world)
    }

    fn end(&mut self, end: OperationEnd, world: &World<'_>) -> Output {
        let copy_is_left = self.is_undoing();
        let end = if copy_is_left { self.with_undo(end) } else { self.with_restored(end, world) };
        let mut commit = Commit::default();
        if !copy_is_left {
            self.free_spares(&mut commit, &end, world);
        }
        if matches!(end, OperationEnd::OutcomeUnknown { .. }) {
            commit.changes = commits::in_doubt(self, world).into_iter().map(Change::Entity).collect();
        }
        self.end_with(commit, end, world)
    }

    /// The scripts that are due run first.
    fn end_with(&mut self, commit: Commit, end: OperationEnd, world: &World<'_>) -> Output {
        match self.undo_first(commit, &end, world) {
            Ok(output) => output,
            Err(commit) => self.close(*commit, end, world.now),
        }
    }

    fn close(&mut self, mut commit: Commit, end: OperationEnd, at: Timestamp) -> Output {
        let end = self.with_failures(end);
        commit.changes.push(Change::Close { operation: self.open.id, end: end.clone(), at });
        let volume = self.open.item.volume;
        commit.events.push(self.event(at, EventKind::OperationEnded { volume, end: end.clone() }));
        self.commit(commit, Then::End(end))
    }

    fn done(&mut self, end: OperationEnd) -> Output {
        self.doing = Activity::Ended;
        self.phase = Phase::Ended(end.clone());
        Output::Done(end)
    }

    fn journal(&self, entry: JournalEntry) -> Change {
        Change::Journal { operation: self.open.id, entry }
    }

    fn event(&self, at: Timestamp, kind: EventKind) -> NewEvent {
        NewEvent { at, actor: Some(self.open.actor.clone()), operation: Some(self.open.id), kind }
    }

    /// The step that is being done; `None` after the last one.
    fn present(&self) -> Option<&PlanStep> {
        self.open.item.steps.get(self.step)
    }

    /// What does a step; `None` when there is no such step, or nothing in it.
    fn effect(&self, step: usize) -> Option<StepEffect> {
        self.undo_effect(step).or_else(|| self.open.item.steps.get(step)?.effect())
    }

    /// Whether it would be wrong to take what another program did for the present step.
    fn must_be_ours(&self) -> bool {
        self.present().is_some_and(|step| step.must_be_ours(&self.open.item))
    }

    /// The box that the present step is about.
    fn array(&self) -> BoxId {
        match self.effect(self.step) {
            Some(StepEffect::Array(step))
                if matches!(self.step_progress.far, FarHalf::Asked | FarHalf::AskedForStart) =>
            {
                step.command.pairs().first().map_or(step.array, |pair| pair.target.box_id)
            }
            Some(StepEffect::Array(step)) => step.array,
            Some(StepEffect::Await(pair)) => pair.source.box_id,
            _ => self.open.item.volume.box_id,
        }
    }
}
