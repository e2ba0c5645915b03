//! What an operation makes of an array's answers and readings.

use super::observe::{self, View};
use super::restore::is_over;
use super::step_progress::FarHalf;
use super::verdict::{Known, Verdict, verdict};
use super::{Activity, Next, Operation, Output, World, sends};
use crate::model::codes::Code;
use crate::model::copy::{ArrayRefusal, Command, ErrorClass, Outcome, PairOutcome};
use crate::model::event::EventKind;
use crate::model::records::{Change, JournalEntry, OperationEnd};
use crate::model::session::{CopyKind, Pair, Reading, Sight};
use crate::model::step::{ArrayCommand, OwnSuspend, StepEffect};
use crate::model::untrusted::Untrusted;

impl Operation {
    pub(super) fn answered(&mut self, outcomes: Vec<PairOutcome>, world: &World<'_>) -> Output {
        let entry = JournalEntry::Answered { step: self.step, outcomes: outcomes.clone() };
        let kind = EventKind::Answered { array: self.array(), outcomes: outcomes.clone() };
        let commit = super::Commit { changes: vec![self.journal(entry)], events: vec![self.event(world.now, kind)] };
        self.doing = Activity::Recording;
        self.commit(commit, super::Then::Judge(outcomes))
    }

    /// The command's answer is journaled: what does it mean?
    pub(super) fn judge(&mut self, outcomes: &[PairOutcome], world: &World<'_>) -> Output {
        let Some(StepEffect::Array(step)) = self.effect(self.step) else {
            return self.enter(world);
        };
        if outcomes.iter().any(is_left_over) {
            self.step_progress.far = FarHalf::LeftOver;
        }
        self.note_refused(outcomes);
        match Answer::of(&step, &self.step_progress.left, outcomes) {
            Answer::Unknown => {
                self.step_progress.doubt = true;
                self.step_progress.unknown_sends += 1;
                self.step_progress.known = Known::Unknown;
                self.look()
            }
            Answer::Refused(refusal) => self.refused(refusal, world),
            Answer::AlreadyDone if self.must_be_ours() && !self.step_progress.doubt => self.foreign(&step, world),
            Answer::AlreadyDone => self.expect(Known::AlreadyDone),
            Answer::Accepted => self.expect(Known::Accepted),
            Answer::Done => self.expect(Known::Done),
        }
    }

    /// Which pairs were refused outright, where others of the same command were not.
    fn note_refused(&mut self, outcomes: &[PairOutcome]) {
        self.step_progress.refused.clear();
        for one in outcomes {
            if let Outcome::Refused(refusal) = &one.outcome
                && !matches!(refusal.class, ErrorClass::AlreadyDone | ErrorClass::PartialDelete)
            {
                self.step_progress.refused.push(one.pair);
                self.step_progress.refusal = Some(sentence(refusal));
            }
        }
    }

    fn expect(&mut self, known: Known) -> Output {
        self.step_progress.known = known;
        self.look()
    }

    fn refused(&mut self, refusal: ArrayRefusal, world: &World<'_>) -> Output {
        let again = matches!(refusal.class, ErrorClass::Busy | ErrorClass::Transport);
        if self.step_progress.doubt {
            let known = if again { Known::Unknown } else { Known::RefusedInDoubt(refusal) };
            return self.expect(known);
        }
        if !again {
            return self.fail(refusal_code(&refusal), sentence(&refusal), world);
        }
        if let Some(pause) = self.step_progress.busy.next(&self.limits, self.limits.busy) {
            self.doing = Activity::WaitingForBusy { array: self.array(), why: sentence(&refusal) };
            return self.pause(pause, Next::Send);
        }
        let code = if refusal.class == ErrorClass::Busy { Code::ARRAY_BUSY } else { Code::ARRAY_UNREACHABLE };
        self.fail(code, sentence(&refusal), world)
    }

    fn foreign(&mut self, step: &ArrayCommand, world: &World<'_>) -> Output {
        let (code, why) = match step.command {
            Command::Start { .. } => (
                Code::SESSION_OF_OTHERS,
                "the array had this session already, and another program made it: it was not taken over",
            ),
            _ => (
                Code::RESUME_FIRST,
                "the session was suspended already, and not by this backup: what the backup volume holds is older, \
                 so no generation was recorded",
            ),
        };
        self.fail(code, why.to_owned(), world)
    }

    /// A reading taken after the last answer: the table says what it means.
    pub(super) fn read(&mut self, reading: &Reading, world: &World<'_>) -> Output {
        if let Some(StepEffect::Await(pair)) = self.effect(self.step) {
            return self.read_copy(&pair, reading, world);
        }
        let Some(StepEffect::Array(step)) = self.effect(self.step) else {
            return self.enter(world);
        };
        match self.step_progress.far {
            FarHalf::Asked => return self.read_far(&step, reading, world),
            FarHalf::AskedForStart => return self.read_far_of_start(&step, reading, world),
            FarHalf::NotAsked | FarHalf::LeftOver => {}
        }
        let view = observe::view(&step, reading);
        if self.rest_is_refused(&step, &view)
            && let Some(output) = self.begin_undo(&step, &view, world)
        {
            return output;
        }
        match verdict(&self.step_progress.known, view.seen, self.must_be_ours()) {
            Verdict::Finish if self.step_progress.far == FarHalf::LeftOver => self.left_over(world),
            // Only a plain answer tells that both halves were ended: otherwise the other box is asked.
            Verdict::Finish if stops_remote(&step) && self.step_progress.known != Known::Done => {
                self.step_progress.far = FarHalf::Asked;
                self.look()
            }
            Verdict::Finish if self.is_undoing() => self.undone(reading.taken_at, world),
            Verdict::Finish => {
                self.own(self.step, &step, world);
                self.finish(reading.taken_at, world)
            }
            Verdict::PollAgain if is_over(&step, &self.step_progress.known, reading) => {
                self.own(self.step, &step, world);
                self.finish(reading.taken_at, world)
            }
            Verdict::PollAgain => self.poll_again(&step, &view, world),
            Verdict::Send => self.send_after_looking(&step, view, world),
            Verdict::Foreign => self.foreign(&step, world),
            Verdict::Refused(refusal) => self.fail(refusal_code(&refusal), sentence(&refusal), world),
            // One reading may be older than it says; a second one that agrees is believed.
            Verdict::Stray if !self.step_progress.looked => {
                self.step_progress.looked = true;
                self.poll_again(&step, &view, world)
            }
            Verdict::Stray => self.surprised(&step, &view, world),
        }
    }

    /// A reading of the target's box, after the session was seen to be gone at its source's.
    fn read_far(&mut self, step: &ArrayCommand, reading: &Reading, world: &World<'_>) -> Output {
        let (mut shown, mut not_read) = (false, None);
        for pair in step.command.pairs() {
            match reading.look_for(pair) {
                Sight::Shown(_) => shown = true,
                Sight::NotRead(why) => not_read = Some(why),
                Sight::Absent => {}
            }
        }
        if !shown && not_read.is_none() {
            return self.finish(reading.taken_at, world);
        }
        match (self.step_progress.observe.next(&self.limits, self.limits.observe), not_read) {
            (Some(pause), _) => self.pause(pause, Next::Read),
            (None, Some(why)) if !shown => {
                let why = format!("the session is ended at its source's box; at its target's, {why}");
                self.end(OperationEnd::OutcomeUnknown { why }, world)
            }
            (None, _) => self.left_over(world),
        }
    }

    /// A reading of the target's box, after a start without an answer that the source's box does not show. Where a half is
    /// there, the start did arrive and the source's box lost its own: sent again, it would meet what is left over.
    fn read_far_of_start(&mut self, step: &ArrayCommand, reading: &Reading, world: &World<'_>) -> Output {
        let sights = step.command.pairs().iter().map(|pair| reading.look_for(pair));
        let (mut shown, mut not_read) = (false, None);
        for sight in sights {
            match sight {
                Sight::Shown(_) => shown = true,
                Sight::NotRead(why) => not_read = Some(why),
                Sight::Absent => {}
            }
        }
        if shown {
            let commit = super::Commit {
                changes: super::commits::in_doubt(self, world).into_iter().map(Change::Entity).collect(),
                ..super::Commit::default()
            };
            let why = "the start arrived, but its session is at the target's box only: the source's box lost its half";
            return self.end_with(commit, OperationEnd::Failed { code: Code::HALF_OPEN, why: why.to_owned() }, world);
        }
        let Some(why) = not_read else {
            self.step_progress.far = FarHalf::NotAsked;
            return self.send(world);
        };
        if let Some(pause) = self.step_progress.observe.next(&self.limits, self.limits.observe) {
            return self.pause(pause, Next::Read);
        }
        let why = format!("the source's box has no such session; at the target's, {why}");
        self.end(OperationEnd::OutcomeUnknown { why }, world)
    }

    /// The half that is left over stays ours: its row is the way to it.
    fn left_over(&mut self, world: &World<'_>) -> Output {
        let why = "the session is ended at its source's box and left over at its target's; a forced stop ends it there";
        self.end(OperationEnd::Failed { code: Code::HALF_OPEN, why: why.to_owned() }, world)
    }

    /// Not done, as it seems: a command that is still on its way gets a moment to arrive before it is sent once more.
    fn send_after_looking(&mut self, step: &ArrayCommand, view: View, world: &World<'_>) -> Output {
        if self.step_progress.known == Known::Unknown {
            if !self.step_progress.looked {
                self.step_progress.looked = true;
                return self.poll_again(step, &view, world);
            }
            if self.step_progress.unknown_sends >= self.limits.unknown_sends {
                return self.surprised(step, &view, world);
            }
        }
        self.step_progress.left = view.before;
        if self.step_progress.known == Known::Unknown && starts_remote(step) {
            self.step_progress.far = FarHalf::AskedForStart;
            return self.look();
        }
        self.send(world)
    }

    fn poll_again(&mut self, step: &ArrayCommand, view: &View, world: &World<'_>) -> Output {
        let limit =
            if self.step_progress.known == Known::Accepted { self.limits.accepted } else { self.limits.observe };
        self.step_progress.waited = true;
        match self.step_progress.observe.next(&self.limits, limit) {
            Some(pause) => self.pause(pause, Next::Read),
            None if self.is_over_unseen(step, view) => {
                self.own(self.step, step, world);
                self.finish(world.now, world)
            }
            None => self.surprised(step, view, world),
        }
    }

    /// The array shows something else than the step leads to.
    fn surprised(&mut self, step: &ArrayCommand, view: &View, world: &World<'_>) -> Output {
        if let Some(output) = self.begin_undo(step, view, world) {
            return output;
        }
        let (before, after) = observe::expectation(&step.command);
        let why = format!("expected {before} to become {after}, but {}", view.text);
        match self.step_progress.known {
            Known::NotSent => self.fail(Code::STEP_FAILED, why, world),
            _ => self.end(OperationEnd::OutcomeUnknown { why }, world),
        }
    }

    pub(super) fn unread(&mut self, why: String, world: &World<'_>) -> Output {
        if matches!(self.effect(self.step), Some(StepEffect::Await(_))) {
            return self.copy_unread(why);
        }
        let sent = self.step_progress.known != Known::NotSent;
        let limit = if sent { self.limits.unreadable } else { self.limits.busy };
        if let Some(pause) = self.step_progress.unreadable.next(&self.limits, limit) {
            self.doing = Activity::WaitingToRead { array: self.array(), why };
            return self.pause(pause, Next::Read);
        }
        if sent {
            let why = format!("a command was sent, and the array cannot be read since: {why}");
            return self.end(OperationEnd::OutcomeUnknown { why }, world);
        }
        self.fail(Code::ARRAY_UNREACHABLE, why, world)
    }

    /// An un-forced suspend or a one-point copy that was seen is this operation's from the send on that did it.
    pub(super) fn own(&mut self, index: usize, step: &ArrayCommand, world: &World<'_>) {
        let counts = is_owned(&step.command);
        let Some(known) = world.records.operations.get(&self.open.id).filter(|_| counts) else { return };
        for pair in step.command.pairs() {
            let Some(send) = sends::effective(&known.journal, index, pair) else { continue };
            let went_on = !send.done || self.step_progress.waited;
            self.own_suspends.insert(*pair, OwnSuspend { sent: send.at, went_on });
        }
    }
}

/// Whether the time of this command becomes that of a generation.
pub(super) fn is_owned(command: &Command) -> bool {
    matches!(command, Command::Suspend { force: false, .. } | Command::StartOpc { .. })
}

/// A start of a remote copy: what it makes is at two boxes.
fn starts_remote(step: &ArrayCommand) -> bool {
    let remote = |pair: &Pair| pair.kind == CopyKind::Rec && pair.source.box_id == step.array;
    matches!(step.command, Command::Start { .. }) && step.command.pairs().iter().any(remote)
}

/// A stop of a remote copy at its source's box, which ends the other half too when it can.
fn stops_remote(step: &ArrayCommand) -> bool {
    let remote = |pair: &Pair| pair.kind == CopyKind::Rec && pair.source.box_id == step.array;
    matches!(step.command, Command::Stop { .. }) && step.command.pairs().iter().any(remote)
}

fn is_left_over(one: &PairOutcome) -> bool {
    matches!(&one.outcome, Outcome::Refused(told) if told.class == ErrorClass::PartialDelete)
}

/// The answers for all pairs of a command, as one.
enum Answer {
    Done,
    AlreadyDone,
    Accepted,
    Refused(ArrayRefusal),
    Unknown,
}

impl Answer {
    /// The weightiest one counts: what may have happened before what did not, before what did.
    fn of(step: &ArrayCommand, sent: &[Pair], outcomes: &[PairOutcome]) -> Self {
        let mut refusal = None;
        let (mut unknown, mut accepted, mut already, mut done) = (false, false, false, false);
        for pair in sent {
            match outcomes.iter().find(|one| one.pair == *pair).map(|one| &one.outcome) {
                // The driver gave no outcome, or does not know it.
                None | Some(Outcome::Unknown { .. }) => unknown = true,
                Some(Outcome::Done) => done = true,
                Some(Outcome::Accepted) => accepted = true,
                Some(Outcome::AlreadyDone) => already = true,
                Some(Outcome::Refused(told)) => match (told.class, &step.command) {
                    (ErrorClass::AlreadyDone, _) | (ErrorClass::NotFound, Command::Stop { .. }) => already = true,
                    (ErrorClass::PartialDelete, Command::Stop { .. }) => accepted = true,
                    _ => refusal = Some(told.clone()),
                },
            }
        }
        match refusal {
            _ if unknown => Self::Unknown,
            Some(_) if accepted || already || done => Self::Unknown,
            Some(refusal) => Self::Refused(refusal),
            None if already => Self::AlreadyDone,
            None if accepted => Self::Accepted,
            None => Self::Done,
        }
    }
}

/// What the array's refusal is called here: one that only wants force has its own way on.
fn refusal_code(refusal: &ArrayRefusal) -> Code {
    if refusal.class == ErrorClass::NeedsForce { Code::NEEDS_FORCE } else { Code::ARRAY_REFUSED }
}

/// The array's refusal in its own code and words, and what can be done about its kind.
fn sentence(refusal: &ArrayRefusal) -> String {
    let code = Untrusted::new(refusal.code.as_str()).escaped();
    let advice = refusal.class.advice().map_or_else(String::new, |advice| format!("; {advice}"));
    format!("the array says {code}: {}{advice}", refusal.text.escaped())
}
