//! What the engine does, one step at a time: admission, the step machines' outputs, commands that arrive, crashes.

use super::bugs::Bug;
use super::engine::{Admitting, MOMENT, Phase, Running, Task, Waiting};
use super::mistaken::Mistaken;
use super::weather::{FaultPlan, strikes};
use super::world::{SendOutcome, Wire};
use super::{Checked, Simulation, Violation, tell, violated};
use ecdeck::engine::ReadError;
use ecdeck::engine::operation::{Admission, Commit, HookTask, Input, NotCompared, Output, World as Sight};
use ecdeck::engine::operation::{admit, boxes_to_read, close_all, in_the_way, opening};
use ecdeck::model::actor::Actor;
use ecdeck::model::codes::Code;
use ecdeck::model::hook::{Hook, HookNeed, HookRun, ScriptEnd, ScriptReport};
use ecdeck::model::identity::BoxId;
use ecdeck::model::moment::Moment;
use ecdeck::model::plan::{Plan, plan_keeping};
use ecdeck::model::records::{Change, EntityChange, OpenOperation, OurSession, ReleaseReason};
use ecdeck::model::request::Request;
use ecdeck::model::session::{Direction, Others, Reading, UnknownRow, UnreadVolumes};
use ecdeck::model::step::{Compared, HookPhase, HookStep, PlanItem, PlanStep};
use ecdeck::model::untrusted::Untrusted;
use ecdeck::testkit::catalogue::CommitFailure;
use ecdeck::testkit::in_process::REQUESTOR;
use fastrand::Rng;
use std::sync::Arc;

/// Scripts that fail, of a thousand.
const SCRIPT_FAILS: u32 = 300;

impl Simulation {
    /// What the engine reads of a box. What of it could not be read, it says.
    fn read(&mut self, at: BoxId) -> Result<Reading, String> {
        let mut reading = self.world.reading(at, self.now)?;
        reading.taken_at = self.engine.wall(self.now);
        reading.began = Moment::at(self.now);
        let (rng, weather) = (&mut self.rng, self.weather);
        if strikes(rng, weather.others_unread) {
            reading.sessions.retain(|session| session.requestor.raw() == REQUESTOR);
            reading.others = Others::Failed { why: "no answer".into() };
            self.summary.count("reading without the sessions of others");
        }
        if strikes(rng, weather.row_unread) && !reading.sessions.is_empty() {
            let row = reading.sessions.swap_remove(rng.usize(..reading.sessions.len()));
            let may_copy_to = vec![row.pair.source, row.pair.target];
            reading.unknown_rows.push(UnknownRow {
                words: "??".into(),
                why: "no word is known".to_owned(),
                names: if rng.bool() { may_copy_to.clone() } else { Vec::new() },
                may_copy_to,
                is_no_pair: false,
            });
            self.summary.count("reading with an unreadable row");
        }
        if strikes(rng, weather.row_unread) {
            let lost = rng.bool();
            let altered = self.world.targets.iter().filter(|volume| volume.box_id == at);
            reading.unread_volumes = UnreadVolumes { named: altered.copied().collect(), any: lost };
            self.summary.count("reading without a line of the list of volumes");
        }
        if strikes(rng, weather.half_row) && !reading.sessions.is_empty() {
            let row = rng.usize(..reading.sessions.len());
            let row = &mut reading.sessions[row];
            if row.modes.is_some() && rng.bool() {
                row.modes = None;
            } else {
                row.direction = Direction::Unknown;
            }
            self.summary.count("reading with a row in which something is missing");
        }
        Ok(reading)
    }

    /// Reads all boxes, and keeps what puts generations in doubt.
    pub fn poll(&mut self) -> Checked {
        let mut seen = Vec::new();
        for box_id in self.engine.boxes {
            let reading = self.read(box_id);
            seen.extend(reading.clone());
            self.engine.take(reading, box_id, self.now);
        }
        let doubts = self.engine.doubts(&self.world, self.now);
        let fail = self.weather.commit_failure(&mut self.rng).filter(|_| !doubts.changes.is_empty());
        if doubts.changes.is_empty() || self.commit(&doubts, fail)? == Input::Committed {
            self.truth.seen(&seen, &self.world, &self.engine.durable);
        }
        Ok(())
    }

    /// One task takes one step, if any can.
    pub fn step_a_task(&mut self) -> Checked {
        if self.engine.tasks_now.is_empty() {
            return Ok(());
        }
        let at = self.rng.usize(..self.engine.tasks_now.len());
        let task = self.engine.tasks_now.swap_remove(at);
        match task {
            Task::Admitting(admitting) => self.admit(*admitting)?,
            Task::Running(running) => {
                if let Some(running) = self.step(running)? {
                    self.engine.tasks_now.push(Task::Running(running));
                }
            }
        }
        Ok(())
    }

    /// Does one thing for an operation: what it waits for, or its next move. `None` once it has ended.
    pub fn step(&mut self, mut running: Box<Running>) -> Result<Option<Box<Running>>, Violation> {
        let waiting = std::mem::replace(&mut running.waiting, Waiting::Sleep(self.now));
        running.waiting = match waiting {
            Waiting::Input(input) => {
                let sight = Sight { now: self.engine.wall(self.now), records: &self.engine.durable };
                let output = running.operation.advance(input, &sight);
                match self.begin(&running.open, output)? {
                    Some(waiting) => waiting,
                    None => return Ok(None),
                }
            }
            Waiting::Commit(commit) => {
                let fail = self.weather.commit_failure(&mut self.rng);
                Waiting::Input(self.commit(&commit, fail)?)
            }
            Waiting::Wire(number) => {
                let wire = self.world.wires.iter().find(|wire| wire.number == number);
                match wire.and_then(Wire::answer) {
                    Some(outcomes) => {
                        self.world.answered(number, self.now);
                        self.truth.answered(running.open.id, &outcomes);
                        tell(self.now, || format!("{} is told {outcomes:?}", running.open.id));
                        Waiting::Input(Input::Answered(outcomes))
                    }
                    None => Waiting::Wire(number),
                }
            }
            Waiting::Read { array, taken: None } => {
                let reading = self.read(array);
                let reading =
                    if self.weather.reading_is_lost(&mut self.rng) { Err("no answer".into()) } else { reading };
                Waiting::Read { array, taken: Some(reading) }
            }
            Waiting::Read { array, taken: Some(reading) } => {
                self.engine.take(reading.clone(), array, self.now);
                self.truth.read(running.open.id, &reading);
                Waiting::Input(Input::Read(reading.map(Arc::new).map_err(ReadError::DriverFailed)))
            }
            Waiting::Sleep(until) if self.now < until => Waiting::Sleep(until),
            Waiting::Sleep(_) => Waiting::Input(Input::Slept),
        };
        Ok(Some(running))
    }

    fn begin(&mut self, open: &OpenOperation, output: Output) -> Result<Option<Waiting>, Violation> {
        Ok(Some(match output {
            Output::Commit(commit) => Waiting::Commit(commit),
            Output::Send { array, command, .. } => {
                self.check_sending(open, array, &command)?;
                let fate =
                    self.fates.pop_front().unwrap_or_else(|| self.weather.fate(&mut self.rng, command.pairs().len()));
                tell(self.now, || format!("{} sends {command:?}: {fate:?}", open.id));
                Waiting::Wire(self.world.send(open.id, array, command, fate))
            }
            Output::Read { array } => Waiting::Read { array, taken: None },
            Output::Sleep(pause) => Waiting::Sleep(self.now.plus_millis(pause.as_millis() as i64)),
            Output::Hook(HookTask::AskPause) => {
                let holds = !strikes(&mut self.rng, SCRIPT_FAILS);
                self.summary.count(if holds { "pause held" } else { "pause over" });
                Waiting::Input(Input::Pause { holds })
            }
            Output::Hook(HookTask::Run { step, .. }) => {
                let failed = strikes(&mut self.rng, SCRIPT_FAILS);
                self.summary.count(if failed { "script failed" } else { "script done" });
                let after = matches!(&open.item.steps[step], PlanStep::Hook(hook) if !hook.phase.is_before());
                self.truth.script(open.id, after, failed);
                let blind = self.bug == Some(Bug::IgnoreAttention);
                let status = i32::from(failed && !blind);
                let (end, why) = (ScriptEnd::Exited { status }, None);
                let report = ScriptReport { end, why, output: Untrusted::default(), dropped: 0, took_millis: 1 };
                Waiting::Input(Input::HookEnded(HookRun { report, by_deadline: false, group: None }))
            }
            Output::Compare(step) => {
                let marked = self.engine.durable.sessions.get(&step.pair).and_then(|mark| mark.operation);
                let same = self.world.fingerprint(step.pair.target) == step.blake3;
                self.summary.count(if same { "copy as it was" } else { "copy differs" });
                Waiting::Input(Input::Compared(if marked == Some(open.id) {
                    Ok(Compared { differs: (!same).then(|| "some MiB".to_owned()) })
                } else {
                    Err(NotCompared::GaveWay)
                }))
            }
            Output::Done(end) => {
                self.summary.end(open.item.verb, &end);
                self.check_end(open, &end)?;
                tell(self.now, || format!("{} ends: {end:?}", open.id));
                return Ok(None);
            }
        }))
    }

    /// Keeps a commit and checks what it changed.
    pub fn commit(&mut self, commit: &Commit, fail: Option<CommitFailure>) -> Result<Input, Violation> {
        match self.engine.keep(commit, fail, self.now) {
            Ok(before) => {
                tell(self.now, || format!("kept {:?}", commit.changes));
                self.check_commit(&before, commit)?;
                if commit
                    .changes
                    .iter()
                    .any(|change| matches!(change, Change::Entity(EntityChange::RemoveSession { .. })))
                {
                    self.check_whose(&self.engine.snapshot(&self.world, self.now, &[]))?;
                }
                Ok(Input::Committed)
            }
            Err((why, cause)) => {
                tell(self.now, || format!("not kept: {why}"));
                Ok(Input::NotCommitted { why, cause })
            }
        }
    }

    /// From agreement to act: claim, read afresh, plan again.
    fn admit(&mut self, admitting: Admitting) -> Checked {
        let Admitting { request, agreed, operator, phase } = admitting;
        let next = match phase {
            Phase::Opening => self.claim(&agreed, operator)?,
            Phase::Reading(operations, boxes) => self.look(&request, &agreed, operations, boxes)?,
            Phase::Closing(operations, commit) => self.close(operations, commit)?,
        };
        if let Some(phase) = next {
            let admitting = Admitting { request, agreed, operator, phase };
            self.engine.tasks_now.push(Task::Admitting(Box::new(admitting)));
        }
        Ok(())
    }

    /// Some backups have a script before and one after them. Here they are added behind the planner's back.
    fn add_script(&mut self, item: &mut PlanItem) {
        let record = item.steps.iter().rposition(|step| matches!(step, PlanStep::Record(_)));
        let Some(record) = record.filter(|_| strikes(&mut self.rng, self.weather.script)) else { return };
        let suspend = item.steps.iter().position(|step| matches!(step, PlanStep::Suspend(_)));
        let hook = Hook {
            name: "hook".parse().unwrap(),
            volumes: Vec::new(),
            before_backup: None,
            after_backup: None,
            before_restore: None,
            after_restore: None,
            need: HookNeed::Required,
            host: None,
            run_as: None,
            limit_millis: 1,
            pause_millis: 2,
            environment: Vec::new(),
        };
        let script = |phase| {
            let (argv, hook) = (vec!["/usr/bin/true".to_owned()], Some(Box::new(hook.clone())));
            PlanStep::Hook(HookStep { phase, volume: item.volume, argv, hook, identity: None, node: None })
        };
        let (before, after) = (script(HookPhase::BeforeBackup), script(HookPhase::AfterBackup));
        item.steps.insert(record + 1, after);
        item.steps.insert(suspend.unwrap_or(0), before);
    }

    fn claim(&mut self, agreed: &Plan, operator: usize) -> Result<Option<Phase>, Violation> {
        // A practice gives way: it is told so, and waited for, though not for ever.
        let practices = in_the_way(agreed, &self.engine.durable);
        if !practices.is_empty() {
            self.summary.count("practice in the way");
            if self.rng.u32(0..60) == 0 {
                self.summary.refused += 1;
                return Ok(None);
            }
            let marks = self.engine.durable.restores();
            let marks = marks.filter(|mark| mark.operation.is_some_and(|id| practices.contains(&id)));
            let taken = marks.map(|mark| OurSession { operation: None, ..mark.clone() });
            let changes: Vec<Change> = taken.map(|mark| Change::Entity(EntityChange::PutSession(mark))).collect();
            if !changes.is_empty() {
                let fail = self.weather.commit_failure(&mut self.rng);
                self.commit(&Commit { changes, events: Vec::new() }, fail)?;
            }
            return Ok(Some(Phase::Opening));
        }
        let actor = Actor { uid: operator as u32, ..Actor::default() };
        let (mut operations, mut commit) =
            opening(agreed, Vec::new(), &actor, &self.engine.durable, self.engine.wall(self.now));
        for operation in &mut operations {
            self.truth.opened(operation.id);
            self.add_script(&mut operation.item);
            Bug::distort(self.bug, operation, &self.engine.durable);
        }
        for (change, operation) in commit.changes.iter_mut().zip(&operations) {
            if let Change::Open { operation: opened, claims, .. } = change {
                claims.clone_from(&operation.item.claims);
                opened.clone_from(operation);
            }
        }
        let fail = self.weather.commit_failure(&mut self.rng);
        if self.commit(&commit, fail)? != Input::Committed {
            // Somebody was quicker, or nothing can be remembered: nothing was done.
            self.summary.refused += 1;
            return Ok(None);
        }
        Ok(Some(Phase::Reading(operations, boxes_to_read(agreed).into_iter().collect())))
    }

    /// Reads one box after the other, then decides.
    fn look(
        &mut self,
        request: &Request,
        agreed: &Plan,
        operations: Vec<OpenOperation>,
        mut boxes: Vec<BoxId>,
    ) -> Result<Option<Phase>, Violation> {
        let Some(box_id) = boxes.pop() else {
            if self.is_still_agreed(request, agreed, &operations)? {
                self.run(operations);
                return Ok(None);
            }
            let commit = close_all(&operations, Code::PLAN_CHANGED, "another plan", self.engine.wall(self.now));
            return Ok(Some(Phase::Closing(operations, commit)));
        };
        let reading = self.read(box_id);
        let failed = reading.is_err();
        self.engine.take(reading, box_id, self.now);
        if failed {
            let commit = close_all(
                &operations,
                Code::ARRAY_UNREACHABLE,
                "the array does not answer",
                self.engine.wall(self.now),
            );
            return Ok(Some(Phase::Closing(operations, commit)));
        }
        Ok(Some(Phase::Reading(operations, boxes)))
    }

    fn close(&mut self, operations: Vec<OpenOperation>, commit: Commit) -> Result<Option<Phase>, Violation> {
        let fail = self.weather.commit_failure(&mut self.rng);
        if self.commit(&commit, fail)? != Input::Committed {
            return Ok(Some(Phase::Closing(operations, commit)));
        }
        self.summary.refused += 1;
        Ok(None)
    }

    /// Whether what was agreed to is what would run. The answer is checked against the rules themselves.
    fn is_still_agreed(
        &mut self,
        request: &Request,
        agreed: &Plan,
        operations: &[OpenOperation],
    ) -> Result<bool, Violation> {
        let snapshot = self.engine.snapshot(&self.world, self.now, operations);
        // Volumes that the planner had chosen are claimed by now: the same ones must still be what would run.
        // One that would release a generation more, which became due meanwhile, runs as it was agreed to.
        let same = |now: Plan| {
            agreed.items().iter().all(|item| {
                let Some(fresh) = now.items().iter().find(|now| now.volume == item.volume) else { return false };
                let digests_agree = now.agreement().of(item.volume) == agreed.agreement().of(item.volume);
                digests_agree && fresh.claims == item.claims || is_without_later_releases(fresh, item)
            })
        };
        let truly = plan_keeping(&snapshot, request, &agreed.choices()).is_ok_and(same);
        let fresh = self.engine.plan_keeping(snapshot, request, &agreed.choices());
        let blind = self.bug == Some(Bug::SkipFreshPlan);
        let runs = blind || admit(agreed, &fresh).iter().all(|verdict| *verdict == Admission::Run);
        if runs && !truly && self.bug.is_none_or(|bug| bug == Bug::SkipFreshPlan) {
            return violated("another plan runs than the one that was agreed to");
        }
        if runs && self.bug.is_none() {
            self.check_known(agreed)?;
        }
        Ok(runs)
    }

    pub fn run(&mut self, operations: Vec<OpenOperation>) {
        for open in operations {
            let operation = Mistaken::new(open.clone(), self.bug);
            let waiting = Waiting::Input(Input::Go);
            self.engine.tasks_now.push(Task::Running(Box::new(Running { open, operation, waiting })));
        }
    }

    /// One command reaches its array.
    pub fn deliver_a_command(&mut self) -> Checked {
        self.world.forget(self.now);
        let Some(at) = self.world.arriving(&mut self.rng) else { return Ok(()) };
        let wire = self.world.wires[at].clone();
        self.check_arriving(&wire)?;
        let outcomes = self.world.act(at, self.now);
        if outcomes.len() > 1 && matches!(wire.fate, SendOutcome::PartRefused(_)) {
            self.summary.count("part of a set refused");
        }
        tell(self.now, || format!("{} {:?}: {outcomes:?}", wire.operation, wire.command));
        self.truth.acted(&wire, &outcomes, &self.world, self.engine.wall(self.now));
        Ok(())
    }

    pub fn crash(&mut self) -> Checked {
        self.summary.crashes += 1;
        tell(self.now, || "crash".to_owned());
        self.world.abandon(self.now, MOMENT, |_| true);
        self.world.engine_died();
        self.engine.restart()?;
        self.truth.crashed(self.engine.durable.operations.keys());
        Ok(())
    }
}

impl FaultPlan {
    fn commit_failure(&self, rng: &mut Rng) -> Option<CommitFailure> {
        if !strikes(rng, self.catalogue) {
            return None;
        }
        Some(rng.choice([CommitFailure::Full, CommitFailure::UnknownKept, CommitFailure::UnknownLost]).unwrap())
    }
}

/// Whether an item is another one and more releases beyond the policy, in the same order.
fn is_without_later_releases(fresh: &PlanItem, agreed: &PlanItem) -> bool {
    let by_policy = |step: &&PlanStep| matches!(step, PlanStep::GiveUp(it) if it.why == ReleaseReason::Retention);
    let kept = fresh.steps.iter().filter(|step| !by_policy(step) || agreed.steps.contains(step));
    fresh.confirmation == agreed.confirmation && kept.eq(agreed.steps.iter())
}
