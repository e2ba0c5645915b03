//! Going on with an operation that a crash left open: forward when anything may have been sent or done, else closed.

use super::judge::is_owned;
use super::step_progress::StepProgress;
use super::verdict::Known;
use super::{Limits, Operation, Output, World};
use crate::model::codes::Code;
use crate::model::copy::{Outcome, PairOutcome};
use crate::model::event::{EventKind, NewEvent};
use crate::model::records::{JournalEntry, OpenOperation, OperationEnd};
use crate::model::step::StepEffect;

impl Operation {
    /// An operation that the catalogue holds open and nobody drives.
    pub fn recover(open: OpenOperation, limits: Limits) -> Self {
        Self::build(open, limits, true)
    }

    pub(super) fn go_on(&mut self, world: &World<'_>) -> Output {
        let volume = self.open.item.volume;
        self.pending_events.push(NewEvent {
            at: world.now,
            actor: None,
            operation: Some(self.open.id),
            kind: EventKind::Recovered { volume },
        });
        if self.open.journal.is_empty() {
            let why = "the engine ended before anything of it was sent; nothing was done".to_owned();
            return self.end(OperationEnd::NotDone { code: Code::INTERRUPTED, why }, world);
        }
        self.step = self.first_unfinished();
        self.recover_undo();
        self.remember_suspends(world);
        if let Some(output) = self.recover_hooks(world) {
            return output;
        }
        match self.effect(self.step) {
            Some(StepEffect::Array(step)) => {
                self.step_progress = StepProgress { left: step.command.pairs().to_vec(), ..StepProgress::default() };
                match self.retrace() {
                    Some(outcomes) => self.judge(&outcomes, world),
                    None => self.look(),
                }
            }
            _ => self.enter(world),
        }
    }

    fn first_unfinished(&self) -> usize {
        let finished = |step: usize| self.open.journal.contains(&JournalEntry::Finished { step });
        (0..self.open.item.steps.len()).find(|step| !finished(*step)).unwrap_or(self.open.item.steps.len())
    }

    /// What the journal says of the present step's sends. Gives the answer to the last one when there was one.
    fn retrace(&mut self) -> Option<Vec<PairOutcome>> {
        let mut sends: Vec<Option<&Vec<PairOutcome>>> = Vec::new();
        for entry in &self.open.journal {
            match entry {
                JournalEntry::Intent { step, .. } if *step == self.step => sends.push(None),
                JournalEntry::Answered { step, outcomes } if *step == self.step => {
                    sends.pop();
                    sends.push(Some(outcomes));
                }
                _ => {}
            }
        }
        let last = sends.pop()?.cloned();
        let earlier = sends.iter().filter(|answer| answer.is_none_or(|outcomes| any_unknown(outcomes))).count() as u32;
        self.step_progress.attempt = sends.len() as u32 + 1;
        self.step_progress.unknown_sends = earlier + u32::from(last.is_none());
        self.step_progress.doubt = self.step_progress.unknown_sends > 0;
        if last.is_none() {
            self.step_progress.known = Known::Unknown;
        }
        last
    }

    /// Suspends and one-point copies that were observed before the crash.
    fn remember_suspends(&mut self, world: &World<'_>) {
        for index in 0..self.step {
            if let Some(StepEffect::Array(step)) = self.effect(index)
                && is_owned(&step.command)
            {
                self.own(index, &step, world);
            }
        }
    }
}

fn any_unknown(outcomes: &[PairOutcome]) -> bool {
    outcomes.iter().any(|one| matches!(one.outcome, Outcome::Unknown { .. }))
}
