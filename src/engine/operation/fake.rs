//! A catalogue and an array in a few lines, for the tests of the step machine: what is kept, and what crashes lose.

use super::{Commit, HookTask, Input, Limits, NotKept, Operation, Output, World};
use crate::engine::ReadError;
use crate::model::actor::Actor;
use crate::model::copy::{ArrayRefusal, Command, ErrorClass, Outcome, PairOutcome};
use crate::model::event::NewEvent;
use crate::model::hook::{HookResult, HookRun, ScriptEnd, ScriptReport};
use crate::model::identity::{BoxId, Olu, VolumeId};
use crate::model::records::{
    BackupMode, BackupVolume, Change, CopyTime, EntityChange, Generation, GenerationState, OpenOperation, OperationEnd,
    OperationId, Records, ReleaseReason, TransactionVolume,
};
use crate::model::request::Verb;
use crate::model::session::{CopyKind, Pair, Phase, Reading, SessionReading, Status};
use crate::model::step::{Compared, GiveUpStep, NewGeneration, PlanItem, PlanStep, RecordStep, StopStep, SuspendStep};
use crate::model::units::{Blocks, Timestamp, Version};
use crate::model::untrusted::Untrusted;
use crate::testkit::readings;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

pub(super) const BOX: &str = "00ETERNUSDXL##ET08E21A####LN4310901078##";
const BLOCKS: Blocks = Blocks(1000);

pub(super) fn volume(olu: u32) -> VolumeId {
    let box_id: BoxId = BOX.parse().unwrap();
    VolumeId { box_id, olu: Olu(olu) }
}

/// The transaction volume is 0x0, backup volumes count from 0x1.
pub(super) fn pair(target: u32) -> Pair {
    Pair::new(volume(0), volume(target))
}

pub(super) fn session(target: u32, status: Status, phase: Phase) -> SessionReading {
    readings::session(pair(target), status, phase)
}

/// What happens to the next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    ReplyLost,
    NeverArrived,
    Busy,
    AcceptedLate,
    AcceptedNever,
    Refused,
    /// Somebody else does the same a moment before.
    Overtaken,
}

/// Everything outside the machine.
#[derive(Debug, Clone)]
pub(super) struct Site {
    pub now: Timestamp,
    pub records: Records,
    pub events: Vec<NewEvent>,
    pub sessions: Vec<SessionReading>,
    pub faults: VecDeque<Option<Fault>>,
    /// Commands that take effect only after so many readings.
    pub late: Vec<(u32, Command)>,
    pub sent: Vec<Command>,
    /// Commits fail while this is so.
    pub full: bool,
    pub unreadable: bool,
    pub slept: Duration,
    /// Steps whose scripts fail, and the scripts that ran.
    pub failing: Vec<usize>,
    pub scripts: Vec<(usize, HookResult)>,
    /// Pairs whose part in a command about several is refused.
    pub refuses: Vec<Pair>,
    /// The box of the sources has lost its halves.
    pub near_lost: bool,
    /// How often the guard says that the pause holds.
    pub holds: usize,
    /// Readings until a one-point copy is over.
    pub copies: u32,
}

impl Site {
    pub fn new(sessions: Vec<SessionReading>, kept: u64) -> Self {
        let mut records = Records::default();
        let transaction = TransactionVolume {
            id: volume(0),
            name: "tv".parse().unwrap(),
            blocks: BLOCKS,
            policy: None,
            registered_at: Timestamp(0),
            next_version: Version(1),
            group: None,
            window_since: None,
        };
        records.apply(&Change::Entity(EntityChange::PutTransactionVolume(transaction))).unwrap();
        for olu in 1..=5 {
            let backup =
                BackupVolume { id: volume(olu), name: None, blocks: BLOCKS, registered_at: Timestamp(0), group: None };
            records.apply(&Change::Entity(EntityChange::PutBackupVolume(backup))).unwrap();
        }
        for version in 1..=kept {
            let generation = Generation {
                transaction_volume: volume(0),
                version: Version(version),
                backup_volume: volume(version as u32 + 1),
                blocks: BLOCKS,
                taken_at: Timestamp(0),
                mode: BackupMode::Suspend,
                state: GenerationState::Valid,
                held: None,
                provisioned: false,
                crash_consistent: None,
                group: None,
                copied_in: None,
                fingerprint: None,
                suspend_complete_by: None,
                set: None,
                operation: None,
            };
            records.apply(&Change::Entity(EntityChange::AddGeneration(generation))).unwrap();
        }
        Self {
            now: Timestamp(1_000_000),
            records,
            events: Vec::new(),
            sessions,
            faults: VecDeque::new(),
            late: Vec::new(),
            sent: Vec::new(),
            full: false,
            unreadable: false,
            slept: Duration::ZERO,
            failing: Vec::new(),
            scripts: Vec::new(),
            refuses: Vec::new(),
            near_lost: false,
            holds: usize::MAX,
            copies: 3,
        }
    }

    pub fn open(&mut self, verb: Verb, steps: Vec<PlanStep>) -> OpenOperation {
        let claims = vec![volume(0), volume(1)];
        let item = PlanItem {
            verb,
            volume: volume(0),
            steps,
            claims,
            notices: Vec::new(),
            confirmation: None,
            until: None,
            set: None,
        };
        let id = OperationId(self.records.next_operation);
        let operation =
            OpenOperation { id, actor: Actor::default(), started: self.now, reason: None, item, journal: Vec::new() };
        let epoch = self.records.next_epoch;
        let claims = operation.item.claims.clone();
        self.records.apply(&Change::Open { operation: operation.clone(), claims, epoch }).unwrap();
        operation
    }

    /// Does one output and gives the input that it leads to; `None` when there is nothing more to do.
    pub fn perform(&mut self, output: Output) -> Option<Input> {
        self.now = self.now.plus_millis(1);
        Some(match output {
            Output::Commit(commit) => self.commit(commit),
            Output::Send { command, .. } => Input::Answered(self.execute(&command)),
            Output::Read { array } => Input::Read(self.reading(array).map(Arc::new).map_err(ReadError::DriverFailed)),
            Output::Sleep(pause) => {
                self.slept += pause;
                self.now = self.now.plus_millis(pause.as_millis() as i64);
                Input::Slept
            }
            Output::Hook(HookTask::AskPause) => {
                let holds = self.holds > 0;
                self.holds = self.holds.saturating_sub(1);
                Input::Pause { holds }
            }
            Output::Hook(HookTask::Run { step, result, .. }) => {
                let status = if self.failing.contains(&step) { 5 } else { 0 };
                self.scripts.push((step, result));
                let (end, why) = (ScriptEnd::Exited { status }, None);
                let report = ScriptReport { end, why, output: Untrusted::default(), dropped: 0, took_millis: 1 };
                Input::HookEnded(HookRun { report, by_deadline: false, group: None })
            }
            Output::Compare(_) => Input::Compared(Ok(Compared { differs: None })),
            Output::Done(_) => return None,
        })
    }

    fn commit(&mut self, commit: Commit) -> Input {
        if self.full {
            return Input::NotCommitted { why: "the disk is full".into(), cause: NotKept::Unavailable };
        }
        match self.records.apply_all(&commit.changes) {
            Ok(()) => {
                self.events.extend(commit.events);
                Input::Committed
            }
            Err(error) => panic!("{error}: {commit:?}"),
        }
    }

    fn reading(&mut self, box_id: BoxId) -> Result<Reading, String> {
        if self.unreadable {
            return Err("no route to host".into());
        }
        for (wait, _) in &mut self.late {
            *wait = wait.saturating_sub(1);
        }
        while let Some(index) = self.late.iter().position(|(wait, _)| *wait == 0) {
            let (_, command) = self.late.remove(index);
            self.act_all(&command);
        }
        self.copies = self.copies.saturating_sub(1);
        if self.copies == 0 {
            self.sessions.retain(|session| session.pair.kind != CopyKind::Opc);
        }
        let lost = self.near_lost && box_id == volume(0).box_id;
        let sessions = if lost { Vec::new() } else { self.sessions.clone() };
        Ok(Reading::complete(box_id, self.now, sessions))
    }

    fn execute(&mut self, command: &Command) -> Vec<PairOutcome> {
        self.sent.push(command.clone());
        let refused =
            |class, code: &str| Outcome::Refused(ArrayRefusal { class, code: code.into(), text: "no".into() });
        let unknown = || Outcome::Unknown { why: "the line was lost".into() };
        if command.pairs().len() > 1 && self.faults.front().copied().flatten().is_none() {
            self.faults.pop_front();
            return self.execute_each(command);
        }
        let outcome = match self.faults.pop_front().flatten() {
            None => self.act_all(command),
            Some(Fault::ReplyLost) => {
                self.act_all(command);
                unknown()
            }
            Some(Fault::NeverArrived) => unknown(),
            Some(Fault::Busy) => refused(ErrorClass::Busy, "E5327"),
            Some(Fault::Refused) => refused(ErrorClass::InvalidState, "E5321"),
            Some(Fault::AcceptedNever) => Outcome::Accepted,
            Some(Fault::AcceptedLate) => {
                self.late.push((3, command.clone()));
                Outcome::Accepted
            }
            Some(Fault::Overtaken) => {
                self.act_all(command);
                self.act_all(command)
            }
        };
        command.pairs().iter().map(|pair| PairOutcome { pair: *pair, outcome: outcome.clone() }).collect()
    }

    fn execute_each(&mut self, command: &Command) -> Vec<PairOutcome> {
        let mut outcomes = Vec::new();
        for pair in command.pairs() {
            let outcome = if self.refuses.contains(pair) {
                let text = "state".into();
                Outcome::Refused(ArrayRefusal { class: ErrorClass::InvalidState, code: "E5321".into(), text })
            } else {
                self.act(&command.clone().for_pairs(vec![*pair]))
            };
            outcomes.push(PairOutcome { pair: *pair, outcome });
        }
        outcomes
    }

    /// Acts on every pair; the outcome is that of the first one.
    fn act_all(&mut self, command: &Command) -> Outcome {
        let each = command.pairs().to_vec().into_iter().map(|pair| self.act(&command.clone().for_pairs(vec![pair])));
        let outcomes: Vec<Outcome> = each.collect();
        outcomes.into_iter().next().unwrap_or(Outcome::Done)
    }

    /// What the array does with a command about one pair.
    fn act(&mut self, command: &Command) -> Outcome {
        let refused = |class| Outcome::Refused(ArrayRefusal { class, code: "E5321".into(), text: "state".into() });
        let pair = command.pairs()[0];
        let target = pair.target.olu.0;
        let index = self.sessions.iter().position(|session| session.pair == pair);
        let state = index.map(|index| self.sessions[index].status);
        match (command, index, state) {
            (Command::Start { .. }, None, _) => {
                self.sessions.push(SessionReading { pair, ..session(target, Status::Active, Phase::Copying) });
                Outcome::Done
            }
            (Command::StartOpc { .. }, None, _) => {
                self.copies = 3;
                self.sessions.push(SessionReading { pair, ..session(target, Status::Active, Phase::Copying) });
                Outcome::Done
            }
            (Command::Resume { .. }, Some(index), Some(Status::Suspended)) => {
                self.sessions[index] = session(target, Status::Active, Phase::Copying);
                Outcome::Done
            }
            (Command::Start { .. } | Command::StartOpc { .. } | Command::Resume { .. }, Some(_), _)
            | (Command::Stop { .. }, None, _)
            | (Command::Suspend { .. }, Some(_), Some(Status::Suspended)) => Outcome::AlreadyDone,
            (Command::Suspend { force, .. }, Some(index), _) if *force || self.sessions[index].is_equivalent() => {
                self.sessions[index].status = Status::Suspended;
                Outcome::Done
            }
            (Command::Suspend { .. }, Some(_), _) => refused(ErrorClass::NeedsForce),
            (Command::Stop { .. }, Some(index), _) => {
                self.sessions.remove(index);
                Outcome::Done
            }
            _ => refused(ErrorClass::NotFound),
        }
    }

    /// Drives an operation; `outputs` is how many it may see before a crash. `None`: it crashed.
    pub fn drive(&mut self, operation: &mut Operation, outputs: usize) -> Option<OperationEnd> {
        let mut input = Input::Go;
        for _ in 0..outputs {
            let output = operation.advance(input, &World { now: self.now, records: &self.records });
            if let Output::Done(end) = output {
                return Some(end);
            }
            input = self.perform(output)?;
        }
        None
    }

    /// Runs steps to their end.
    pub fn run(&mut self, verb: Verb, steps: Vec<PlanStep>) -> OperationEnd {
        let open = self.open(verb, steps);
        let mut operation = Operation::new(open, Limits::default());
        self.drive(&mut operation, 10_000).expect("an operation ends")
    }

    /// Goes on with the one operation that a crash left open, if there is one.
    pub fn recover(&mut self, outputs: usize) -> Option<OperationEnd> {
        let open = self.records.operations.values().next()?.clone();
        let mut operation = Operation::recover(open, Limits::default());
        self.drive(&mut operation, outputs)
    }
}

pub(super) fn backup_steps(mode: BackupMode, give_up: bool) -> Vec<PlanStep> {
    let new = NewGeneration {
        transaction_volume: volume(0),
        backup_volume: volume(1),
        blocks: BLOCKS,
        mode,
        crash_consistent: false,
        copied_in: Some(CopyTime { millis: 840_000, full: true }),
    };
    let mut steps = vec![
        PlanStep::Suspend(SuspendStep { pairs: vec![pair(1)], force: false }),
        PlanStep::Record(RecordStep { generations: vec![new] }),
    ];
    if mode == BackupMode::Dissolve {
        steps.push(PlanStep::Stop(StopStep { pair: pair(1), force: false }));
    }
    if give_up {
        steps.push(release(ReleaseReason::Retention));
    }
    steps
}

pub(super) fn release(why: ReleaseReason) -> PlanStep {
    PlanStep::GiveUp(GiveUpStep { transaction_volume: volume(0), version: Version(1), backup_volume: volume(2), why })
}
