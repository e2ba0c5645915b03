//! A one-point copy that ends by itself: started, watched, and ended where somebody cancelled its restore.
//!
//! It is watched however long it takes, also over a dead line: as long as it may run, its volumes stay claimed.

use super::observe::{Seen, View};
use super::practice::{given_way, practised};
use super::undo::Undo;
use super::verdict::Known;
use super::{Activity, Commit, Next, Operation, Output, Then, World};
use crate::model::codes::Code;
use crate::model::copy::Command;
use crate::model::records::{Change, EntityChange, JournalEntry, OpenOperation, OperationEnd};
use crate::model::sentence::error_meaning;
use crate::model::session::{Pair, Reading, SessionReading, Sight, Status, Truth};
use crate::model::step::{ArrayCommand, PlanStep, end_command};
use crate::model::units::Progress;
use crate::model::verb::Verb;

/// Whether the array says that a one-point copy which it was asked for has been copied to its end: it is not shown any more.
pub(super) fn is_over(step: &ArrayCommand, known: &Known, reading: &Reading) -> bool {
    let Command::StartOpc { pairs } = &step.command else { return false };
    let Some(completed) = &reading.completed else { return false };
    matches!(known, Known::Done | Known::Accepted) && pairs.iter().all(|pair| completed.contains(pair))
}

impl Operation {
    /// Whether a one-point copy that the array said it had started was never seen in all the time that it had to be shown: a
    /// small one is over before anybody looks.
    pub(super) fn is_over_unseen(&self, step: &ArrayCommand, view: &View) -> bool {
        matches!(step.command, Command::StartOpc { .. })
            && self.step_progress.known == Known::Done
            && view.seen == Seen::Before
    }

    /// A one-point copy is not begun once somebody took the mark of its target from this operation.
    pub(super) fn cancelled_before(&mut self, command: &Command, world: &World<'_>) -> Option<Output> {
        let Command::StartOpc { pairs } = command else { return None };
        let pair = pairs.iter().find(|pair| self.is_cancelled(pair, world)).copied()?;
        Some(self.end_copy(pair, world))
    }

    /// The same, for a command that waited.
    pub(super) fn was_cancelled_before(&self, command: &Command, world: &World<'_>) -> bool {
        matches!(command, Command::StartOpc { pairs } if pairs.iter().any(|pair| self.is_cancelled(pair, world)))
    }

    /// Whether somebody took a mark from this operation: that of this copy, or that of another target which waits for its own.
    fn is_cancelled(&self, pair: &Pair, world: &World<'_>) -> bool {
        let taken = |pair: Pair| {
            let mark = world.records.sessions.get(&pair);
            mark.is_some_and(|mark| mark.operation != Some(self.id()))
        };
        !self.has_mark(pair, world) || (!self.spare(pair) && restored(&self.open).any(taken))
    }

    /// Whether the mark of the target is in the name of this operation.
    pub(super) fn has_mark(&self, pair: &Pair, world: &World<'_>) -> bool {
        world.records.sessions.get(pair).and_then(|mark| mark.operation) == Some(self.id())
    }

    /// A reading while the end of the copy is waited for.
    pub(super) fn read_copy(&mut self, pair: &Pair, reading: &Reading, world: &World<'_>) -> Output {
        let ours = !self.is_cancelled(pair, world);
        let sight = if reading.truth == Truth::Cached {
            Sight::NotRead("the array itself was not read")
        } else {
            reading.look_for(pair)
        };
        match sight {
            Sight::NotRead(why) => self.copy_unread(why.to_owned()),
            _ if !ours => self.end_copy(*pair, world),
            Sight::Shown(session) if session.status == Status::ErrorSuspended => {
                let why = format!("the array stopped the copy{}", cause(session));
                self.cut_short(pair, &why, true, world)
            }
            Sight::Shown(session) => {
                let percent = session.progress.and_then(Progress::percent).map(|percent| percent.to_string());
                self.doing = Activity::Copying { array: reading.box_id, percent };
                let pause = self.step_progress.observe.endless(&self.limits);
                self.pause(pause, Next::Read)
            }
            Sight::Absent if reading.completed.as_ref().is_some_and(|completed| !completed.contains(pair)) => {
                let why = "another program ended the copy before it was complete";
                self.cut_short(pair, why, false, world)
            }
            Sight::Absent => self.finish(reading.taken_at, world),
        }
    }

    /// The array cannot be read while the copy may run on it: that is waited for.
    pub(super) fn copy_unread(&mut self, why: String) -> Output {
        self.doing = Activity::WaitingToRead { array: self.array(), why };
        let pause = self.step_progress.unreadable.endless(&self.limits);
        self.pause(pause, Next::Read)
    }

    /// Somebody took the mark from this operation: the copy is ended, and its target stays restore-incomplete.
    fn end_copy(&mut self, pair: Pair, world: &World<'_>) -> Output {
        if self.is_practice() {
            return self.end_copy_as(pair, given_way());
        }
        let why = if self.is_snapshot() {
            "it was cancelled: no generation was recorded".to_owned()
        } else if self.spare(&pair) {
            "it was cancelled while the present state was copied: nothing was overwritten".to_owned()
        } else {
            format!("it was cancelled; {}", self.what_is_restored(world))
        };
        self.end_copy_as(pair, OperationEnd::Failed { code: Code::RESTORE_CANCELLED, why })
    }

    /// Which targets have all of their generation, and which have not.
    fn what_is_restored(&self, world: &World<'_>) -> String {
        let targets: Vec<Pair> = restored(&self.open).collect();
        if targets.len() < 2 {
            return "its target is restore-incomplete".to_owned();
        }
        let name = |pair: &&Pair| {
            let volume = world.records.transaction_volumes.get(&pair.target);
            volume.map_or_else(|| pair.target.to_string(), |volume| volume.name.to_string())
        };
        let is_whole = |pair: &Pair| {
            let done = &self.open.item.steps[..self.step.min(self.open.item.steps.len())];
            done.iter().any(|step| match step {
                PlanStep::AwaitOpc(step) => step.pair == *pair && !step.keeps_mark,
                PlanStep::EndRestore(step) => step.pair == *pair,
                _ => false,
            })
        };
        let named = |wanted: &dyn Fn(&Pair) -> bool| {
            let names: Vec<String> = targets.iter().filter(|pair| wanted(pair)).map(|pair| name(&pair)).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let is_marked = |pair: &Pair| !is_whole(pair) && world.records.sessions.contains_key(pair);
        format!("restored: {}; restore-incomplete: {}", named(&is_whole), named(&is_marked))
    }

    /// The end of a restore of several volumes, with what became of each, where some were overwritten.
    pub(super) fn with_restored(&self, end: OperationEnd, world: &World<'_>) -> OperationEnd {
        let steps = &self.open.item.steps;
        let first = steps.iter().position(|step| matches!(step, PlanStep::BeginRestore(_)));
        let is_begun = first.is_some_and(|first| self.step > first) && restored(&self.open).nth(1).is_some();
        match end {
            OperationEnd::Failed { code, why } if is_begun && code != Code::RESTORE_CUT_SHORT => {
                OperationEnd::Failed { code, why: format!("{why}; {}", self.what_is_restored(world)) }
            }
            end => end,
        }
    }

    /// A copy that is not going to be complete. What is left of one of the present state is ended, so that its volume is unused
    /// again.
    fn cut_short(&mut self, pair: &Pair, why: &str, is_left: bool, world: &World<'_>) -> Output {
        if !self.spare(pair) {
            let why = format!("{why}; {}", self.what_is_restored(world));
            return self.fail(Code::RESTORE_CUT_SHORT, why, world);
        }
        if self.is_practice() {
            let why = format!("{why}; the spare volume is unused again");
            let end = OperationEnd::Failed { code: Code::PRACTICE_NOT_DONE, why };
            return if is_left { self.end_copy_as(*pair, end) } else { self.end(end, world) };
        }
        let why = if self.is_snapshot() {
            format!("{why}; no generation was recorded")
        } else {
            format!("{why}; the present state was not kept, and nothing was overwritten")
        };
        let end = OperationEnd::Failed { code: Code::PRESENT_STATE_NOT_KEPT, why };
        if is_left { self.end_copy_as(*pair, end) } else { self.end(end, world) }
    }

    /// Whether what is copied is to be a backup of its own.
    fn is_snapshot(&self) -> bool {
        self.open.item.verb == Verb::Snapshot
    }

    /// Whether this is the copy of a present state, or of a practice: its volume is unused again where it did not come to its end.
    fn spare(&self, pair: &Pair) -> bool {
        spares(&self.open).any(|spare| spare == *pair)
    }

    /// Backup volumes that were to take a present state, or a practice, and did not are unused again.
    pub(super) fn free_spares(&self, commit: &mut Commit, end: &OperationEnd, world: &World<'_>) {
        if !matches!(end, OperationEnd::Failed { .. } | OperationEnd::NotDone { .. }) {
            return;
        }
        let left = spares(&self.open).filter(|pair| world.records.sessions.contains_key(pair));
        commit.changes.extend(left.map(|pair| Change::Entity(EntityChange::RemoveSession { pair })));
    }

    fn end_copy_as(&mut self, pair: Pair, end: OperationEnd) -> Output {
        let entry = JournalEntry::EndCopy { pair, end: end.clone() };
        self.undo = Some(Undo { command: end_command(pair), end });
        let commit = Commit { changes: vec![self.journal(entry)], events: Vec::new() };
        self.commit(commit, Then::NextStep(self.undo_step()))
    }
}

/// The copies of present states and practices that the operation makes.
fn spares(open: &OpenOperation) -> impl Iterator<Item = Pair> + '_ {
    let kept = open.item.steps.iter().filter_map(|step| match step {
        PlanStep::KeepPresentState(step) => Some(step.pair),
        _ => None,
    });
    kept.chain(practised(open))
}

/// The copies back that the operation makes.
fn restored(open: &OpenOperation) -> impl Iterator<Item = Pair> + '_ {
    open.item.steps.iter().filter_map(|step| match step {
        PlanStep::BeginRestore(begin) => Some(begin.pair),
        _ => None,
    })
}

/// The array's error, where it gave one.
fn cause(session: &SessionReading) -> String {
    match session.error.map(|error| (error, error_meaning(error))) {
        Some((error, Some(meaning))) => format!(": error {error}, {meaning}"),
        Some((error, None)) => format!(": error {error}"),
        None => String::new(),
    }
}
