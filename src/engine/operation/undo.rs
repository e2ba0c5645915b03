//! A backup of several volumes at one instant of which not all were suspended: those that this operation suspended are
//! resumed, nothing is recorded, and the operation ends with an outcome that is known.

use super::observe::View;
use super::{Commit, Operation, Output, Then, World, sends};
use crate::model::codes::Code;
use crate::model::copy::Command;
use crate::model::records::{Change, JournalEntry, OperationEnd};
use crate::model::session::{CopyKind, Pair};
use crate::model::step::{ArrayCommand, PlanStep, ResumeStep, StepEffect, end_command};
use crate::model::units::Timestamp;

/// What is resumed, and how the operation ends then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Undo {
    /// The resume of what this operation suspended, or the end of the one-point copy that it made.
    pub(super) command: Command,
    pub(super) end: OperationEnd,
}

impl Operation {
    /// The resume's number as a step: behind all steps of the plan.
    pub(super) fn undo_step(&self) -> usize {
        self.open.item.steps.len()
    }

    pub(super) fn is_undoing(&self) -> bool {
        self.undo.is_some() && self.step == self.undo_step()
    }

    /// What does the resume.
    pub(super) fn undo_effect(&self, step: usize) -> Option<StepEffect> {
        let undo = self.undo.as_ref().filter(|_| step == self.undo_step())?;
        let array = undo.command.pairs().first()?.source.box_id;
        Some(StepEffect::Array(ArrayCommand { array, command: undo.command.clone() }))
    }

    /// Whether the array refused every pair that is not suspended: then nothing more is to be waited for.
    pub(super) fn rest_is_refused(&self, step: &ArrayCommand, view: &View) -> bool {
        let refused = &self.step_progress.refused;
        !refused.is_empty()
            && step.command.pairs().iter().all(|pair| view.after.contains(pair) || refused.contains(pair))
    }

    /// Begins the resume, where some pairs of a backup at one instant are suspended by this operation and some are not.
    pub(super) fn begin_undo(&mut self, step: &ArrayCommand, view: &View, world: &World<'_>) -> Option<Output> {
        let pairs = step.command.pairs();
        let partly = !view.after.is_empty() && view.after.len() < pairs.len();
        if !partly || !self.must_be_ours() || !matches!(step.command, Command::Suspend { force: false, .. }) {
            return None;
        }
        let journal = &world.records.operations.get(&self.open.id)?.journal;
        let is_ours = |pair: &&Pair| sends::effective(journal, self.step, pair).is_some();
        let ours: Vec<Pair> = view.after.iter().filter(is_ours).copied().collect();
        if ours.is_empty() {
            return None;
        }
        let cause = self.step_progress.refusal.clone().unwrap_or_else(|| view.text.clone());
        let why = format!(
            "{} of {} volumes were suspended ({cause}); they were resumed, and no generation was recorded",
            ours.len(),
            pairs.len()
        );
        Some(self.resume_ours(ours, OperationEnd::Failed { code: Code::STEP_FAILED, why }))
    }

    /// Resumes all that this operation suspended, and then ends so. `None`: it has suspended nothing.
    pub(super) fn resume_all(&mut self, code: Code, cause: &str) -> Option<Output> {
        let suspended = self.own_suspends.keys().filter(|pair| pair.kind != CopyKind::Opc);
        let ours: Vec<Pair> = suspended.copied().collect();
        if ours.is_empty() {
            return None;
        }
        let why = format!("{cause}; they were resumed, and no generation was recorded");
        Some(self.resume_ours(ours, OperationEnd::Failed { code, why }))
    }

    fn resume_ours(&mut self, ours: Vec<Pair>, end: OperationEnd) -> Output {
        let entry = JournalEntry::Undo { pairs: ours.clone(), end: end.clone() };
        self.undo = Some(Undo { command: Command::Resume { pairs: ours }, end });
        let commit = Commit { changes: vec![self.journal(entry)], events: Vec::new() };
        self.commit(commit, Then::NextStep(self.undo_step()))
    }

    /// After a crash: the resume goes on.
    pub(super) fn recover_undo(&mut self) {
        let undo = self.open.journal.iter().find_map(|entry| match entry {
            JournalEntry::Undo { pairs, end } => {
                Some(Undo { command: Command::Resume { pairs: pairs.clone() }, end: end.clone() })
            }
            JournalEntry::EndCopy { pair, end } => Some(Undo { command: end_command(*pair), end: end.clone() }),
            _ => None,
        });
        if undo.is_some() {
            self.undo = undo;
            self.step = self.undo_step();
        }
    }

    /// The resume was seen.
    pub(super) fn undone(&mut self, seen_at: Timestamp, world: &World<'_>) -> Output {
        let Some(undo) = self.undo.take() else { return self.enter(world) };
        let mut commit = Commit::default();
        let resumed = match undo.command {
            Command::Resume { pairs } => pairs,
            _ => Vec::new(),
        };
        for pair in resumed {
            let step = PlanStep::Resume(ResumeStep { pair, difference: None });
            let Ok(kept) = super::commits::of(self, &step, seen_at, world) else { continue };
            commit.changes.extend(kept.changes.into_iter().map(Change::Entity));
            commit.events.extend(kept.events.into_iter().map(|kind| self.event(world.now, kind)));
        }
        self.free_spares(&mut commit, &undo.end, world);
        self.end_with(commit, undo.end, world)
    }

    /// How an operation ends whose resume did not come to its end: what went wrong first stays the reason.
    pub(super) fn with_undo(&mut self, end: OperationEnd) -> OperationEnd {
        if !self.is_undoing() {
            return end;
        }
        let Some(Undo { command, end: OperationEnd::Failed { code, why } }) = self.undo.take() else { return end };
        let (failed, unknown) = match command {
            Command::Resume { .. } => ("they could not be resumed", "whether they were resumed"),
            _ => ("the copy could not be ended", "whether the copy was ended"),
        };
        let more = match end {
            OperationEnd::Done => String::new(),
            OperationEnd::NotDone { why, .. } | OperationEnd::Failed { why, .. } => {
                format!("; but {failed}: {why}")
            }
            OperationEnd::OutcomeUnknown { why } => format!("; but {unknown} is not known: {why}"),
        };
        OperationEnd::Failed { code, why: why + &more }
    }
}
