//! An operation that makes one mistake: the true step machine, with what it is given and what it wants changed on the way.

use super::bugs::Bug;
use super::engine::LIMITS;
use ecdeck::engine::operation::{Commit, Input, Operation, Output, World as Sight};
use ecdeck::model::copy::{ArrayRefusal, Command, ErrorClass, Outcome, PairOutcome};
use ecdeck::model::identity::BoxId;
use ecdeck::model::records::{Change, EntityChange, JournalEntry, OpenOperation, Records, ReleaseReason};
use ecdeck::model::session::{Pair, Phase, Reading, Status};
use ecdeck::model::step::{GiveUpStep, PlanStep, StepEffect, SuspendStep};
use ecdeck::model::units::Timestamp;
use ecdeck::testkit::readings::session;
use std::sync::Arc;

#[derive(Debug, Clone)]
pub struct Mistaken {
    operation: Operation,
    bug: Option<Bug>,
    /// In the order in which the operation does them.
    steps: Vec<PlanStep>,
    /// What was sent last, and to which array.
    sent: Option<(BoxId, Command)>,
    /// Its answer, until something else is sent.
    answer: Option<Vec<PairOutcome>>,
}

impl Mistaken {
    /// An operation that was opened just now.
    pub fn new(mut open: OpenOperation, bug: Option<Bug>) -> Self {
        spoil(&mut open, bug);
        Self { steps: open.item.steps.clone(), operation: Operation::new(open, LIMITS), bug, sent: None, answer: None }
    }

    /// An operation that a crash left open.
    pub fn recover(mut open: OpenOperation, bug: Option<Bug>) -> Self {
        spoil(&mut open, bug);
        if bug == Some(Bug::RecoveryGivesUp) {
            open.journal.clear();
        }
        let steps = open.item.steps.clone();
        Self { steps, operation: Operation::recover(open, LIMITS), bug, sent: None, answer: None }
    }

    /// The operation's next output that anybody else is to see.
    pub fn advance(&mut self, input: Input, sight: &Sight<'_>) -> Output {
        let blind = self.blind(sight.records);
        let sight = Sight { now: sight.now, records: blind.as_ref().unwrap_or(sight.records) };
        let mut input = self.misheard(input);
        loop {
            let mut output = self.operation.advance(input, &sight);
            match &mut output {
                Output::Commit(commit) => {
                    self.forget(commit, &sight);
                    if self.bug == Some(Bug::ForgetIntent) && commit.changes.iter().all(is_intent) {
                        input = Input::Committed;
                        continue;
                    }
                }
                Output::Send { array, command, .. } => {
                    if let (Some(Bug::BackupBeforeEquivalence), Command::Suspend { force, .. }) =
                        (self.bug, &mut *command)
                    {
                        *force = true;
                    }
                    self.sent = Some((*array, command.clone()));
                    self.answer = None;
                }
                Output::Read { array } => {
                    if let Some(reading) = self.imagined(*array, sight.now) {
                        input = Input::Read(Ok(Arc::new(reading)));
                        continue;
                    }
                }
                Output::Sleep(_) if self.sends_blindly() => {
                    input = Input::Slept;
                    continue;
                }
                Output::Sleep(_) | Output::Hook(_) | Output::Compare(_) | Output::Done(_) => {}
            }
            return output;
        }
    }

    /// What the step machine sees of the catalogue instead of what it holds.
    fn blind(&self, records: &Records) -> Option<Records> {
        let mut blind = records.clone();
        match self.bug {
            Some(Bug::GiveUpHeld) => blind.generations.values_mut().for_each(|generation| generation.held = None),
            Some(Bug::IgnoreFloor) => {
                let policies = blind.transaction_volumes.values_mut().filter_map(|volume| volume.policy.as_mut());
                policies.for_each(|policy| policy.guard.floor = Some(0));
            }
            _ => return None,
        }
        Some(blind)
    }

    /// What the array said, as the operation hears it.
    fn misheard(&mut self, input: Input) -> Input {
        match input {
            Input::Answered(mut outcomes) => {
                self.answer = Some(outcomes.clone());
                match self.bug {
                    Some(Bug::UnknownIsRefused) if outcomes.iter().any(is_unknown) => {
                        let refusal =
                            ArrayRefusal { class: ErrorClass::InvalidState, code: "none".to_owned(), text: "".into() };
                        for one in &mut outcomes {
                            one.outcome = Outcome::Refused(refusal.clone());
                        }
                    }
                    Some(Bug::ForeignSuspendIsOurs) => {
                        let said = outcomes.iter_mut().filter(|one| is_already_so(one));
                        said.for_each(|one| one.outcome = Outcome::Done);
                    }
                    _ => {}
                }
                Input::Answered(outcomes)
            }
            Input::Read(Ok(reading)) if self.bug == Some(Bug::BackupBeforeEquivalence) => {
                let mut reading = Reading::clone(&reading);
                let suspended = reading.sessions.iter_mut().filter(|session| session.status == Status::Suspended);
                suspended.for_each(|session| session.phase = Phase::Equivalent);
                Input::Read(Ok(Arc::new(reading)))
            }
            input => input,
        }
    }

    /// What is kept instead of what the operation wants to keep.
    fn forget(&self, commit: &mut Commit, sight: &Sight<'_>) {
        match self.bug {
            Some(Bug::KeepClaims) => commit.changes.retain(|change| !matches!(change, Change::Close { .. })),
            Some(Bug::IntentOnce) => {
                let known = sight.records.operations.get(&self.operation.id());
                if known
                    .is_some_and(|open| open.journal.iter().any(|entry| matches!(entry, JournalEntry::Intent { .. })))
                {
                    commit.changes.retain(|change| !is_intent(change));
                }
            }
            Some(Bug::ForgetFinished) => {
                let finished =
                    |change: &Change| matches!(change, Change::Journal { entry: JournalEntry::Finished { .. }, .. });
                commit.changes.retain(|change| !finished(change));
            }
            Some(Bug::DateByObserving) => {
                for change in &mut commit.changes {
                    if let Change::Entity(EntityChange::AddGeneration(generation)) = change {
                        generation.taken_at = sight.now;
                    }
                }
            }
            Some(Bug::RetentionBeforeRecord) => {
                for change in &mut commit.changes {
                    if let Change::Entity(EntityChange::ReleaseGeneration { why, .. }) = change {
                        *why = ReleaseReason::Retention;
                    }
                }
            }
            Some(Bug::KeepSpare) if self.steps.iter().any(|step| matches!(step, PlanStep::BeginPractice(_))) => {
                let gives_back = |change: &Change| matches!(change, Change::Entity(EntityChange::RemoveSession { .. }));
                commit.changes.retain(|change| !gives_back(change));
            }
            _ => {}
        }
    }

    /// A start without an answer is sent once more, whatever the array shows.
    fn sends_blindly(&self) -> bool {
        self.bug == Some(Bug::ResendStartBlindly)
            && matches!(&self.sent, Some((_, Command::Start { .. })))
            && self.answer.as_ref().is_some_and(|outcomes| outcomes.iter().any(is_unknown))
    }

    /// The reading that the operation takes for granted, instead of asking the array.
    fn imagined(&self, array: BoxId, now: Timestamp) -> Option<Reading> {
        if self.sends_blindly() {
            return Some(Reading::complete(array, now, Vec::new()));
        }
        if self.bug == Some(Bug::RestoreWithoutWaiting) {
            let step = self.steps.get(self.operation.progress().0)?;
            return matches!(step.effect(), Some(StepEffect::Await(_)))
                .then(|| Reading::complete(array, now, Vec::new()));
        }
        let (asked, command) = self.sent.as_ref()?;
        let outcomes = self.answer.as_ref()?;
        let believed = |one: &PairOutcome| match self.bug {
            Some(Bug::RecordBeforeObserving) => one.outcome == Outcome::Done,
            Some(Bug::TrustAccepted) => matches!(one.outcome, Outcome::Done | Outcome::Accepted),
            _ => false,
        };
        (*asked == array && outcomes.iter().all(believed)).then(|| Reading::complete(array, now, after(command)))
    }
}

/// Changes what the operation is to do.
fn spoil(open: &mut OpenOperation, bug: Option<Bug>) {
    let steps = &mut open.item.steps;
    match bug {
        Some(Bug::RetentionBeforeRecord) => {
            let is_retention =
                |step: &PlanStep| matches!(step, PlanStep::GiveUp(GiveUpStep { why: ReleaseReason::Retention, .. }));
            steps.sort_by_key(|step| !is_retention(step));
            for step in steps.iter_mut().filter(|step| is_retention(step)) {
                if let PlanStep::GiveUp(early) = step {
                    // A deletion asks for no newer generation.
                    early.why = ReleaseReason::Deleted;
                }
            }
        }
        Some(Bug::OverwriteBeforeRelease) => {
            steps.sort_by_key(|step| {
                matches!(step, PlanStep::GiveUp(GiveUpStep { why: ReleaseReason::Overwritten, .. }))
            });
        }
        // The commands are forced, and count as if they were not.
        Some(Bug::BackupBeforeEquivalence) => {
            for step in steps {
                if let PlanStep::Suspend(SuspendStep { force, .. }) = step {
                    *force = false;
                }
            }
        }
        _ => {}
    }
}

/// The sessions as a command leaves them.
fn after(command: &Command) -> Vec<ecdeck::model::session::SessionReading> {
    let pairs = command.pairs().iter();
    let all = |status, phase| pairs.clone().map(|pair: &Pair| session(*pair, status, phase)).collect();
    match command {
        Command::Suspend { .. } => all(Status::Suspended, Phase::Equivalent),
        Command::Stop { .. } => Vec::new(),
        _ => all(Status::Active, Phase::Copying),
    }
}

fn is_intent(change: &Change) -> bool {
    matches!(change, Change::Journal { entry: JournalEntry::Intent { .. }, .. })
}

fn is_unknown(one: &PairOutcome) -> bool {
    matches!(one.outcome, Outcome::Unknown { .. })
}

fn is_already_so(one: &PairOutcome) -> bool {
    match &one.outcome {
        Outcome::AlreadyDone => true,
        Outcome::Refused(refusal) => refusal.class == ErrorClass::AlreadyDone,
        _ => false,
    }
}
