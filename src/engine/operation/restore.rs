//! A one-point copy that ends by itself: started, watched, and ended where somebody cancelled its restore.
//!
//! It is watched however long it takes, also over a dead line: as long as it may run, its volumes stay claimed.

use super::observe::{Seen, View};
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
        let pair = pairs.iter().find(|pair| !self.has_mark(pair, world)).copied()?;
        Some(self.end_copy(pair))
    }

    /// The same, for a command that waited.
    pub(super) fn was_cancelled_before(&self, command: &Command, world: &World<'_>) -> bool {
        matches!(command, Command::StartOpc { pairs } if pairs.iter().any(|pair| !self.has_mark(pair, world)))
    }

    /// Whether the mark of the target is in the name of this operation.
    fn has_mark(&self, pair: &Pair, world: &World<'_>) -> bool {
        world.records.sessions.get(pair).and_then(|mark| mark.operation) == Some(self.id())
    }

    /// A reading while the end of the copy is waited for.
    pub(super) fn read_copy(&mut self, pair: &Pair, reading: &Reading, world: &World<'_>) -> Output {
        let ours = self.has_mark(pair, world);
        let sight = if reading.truth == Truth::Cached {
            Sight::NotRead("the array itself was not read")
        } else {
            reading.look_for(pair)
        };
        match sight {
            Sight::NotRead(why) => self.copy_unread(why.to_owned()),
            _ if !ours => self.end_copy(*pair),
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
    fn end_copy(&mut self, pair: Pair) -> Output {
        let why = if self.spare(&pair) {
            "it was cancelled while the present state was copied: nothing was overwritten"
        } else {
            "it was cancelled; its target is restore-incomplete"
        };
        self.end_copy_as(pair, OperationEnd::Failed { code: Code::RESTORE_CANCELLED, why: why.to_owned() })
    }

    /// A copy that is not going to be complete. What is left of one of the present state is ended, so that its volume is unused
    /// again.
    fn cut_short(&mut self, pair: &Pair, why: &str, is_left: bool, world: &World<'_>) -> Output {
        if !self.spare(pair) {
            let why = format!("{why}; its target is restore-incomplete");
            return self.fail(Code::RESTORE_CUT_SHORT, why, world);
        }
        let why = format!("{why}; the present state was not kept, and nothing was overwritten");
        let end = OperationEnd::Failed { code: Code::PRESENT_STATE_NOT_KEPT, why };
        if is_left { self.end_copy_as(*pair, end) } else { self.end(end, world) }
    }

    /// Whether this is the copy of a present state.
    fn spare(&self, pair: &Pair) -> bool {
        spares(&self.open).any(|spare| spare == *pair)
    }

    /// Backup volumes that were to take a present state and did not are unused again.
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

/// The copies of present states that the operation makes.
fn spares(open: &OpenOperation) -> impl Iterator<Item = Pair> + '_ {
    open.item.steps.iter().filter_map(|step| match step {
        PlanStep::KeepPresentState(step) => Some(step.pair),
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
