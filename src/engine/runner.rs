//! The shell around operations: agreement, claims, the fresh reading, then each step machine in a task of its own.

mod admission;
mod groups;
mod identity;
mod mounts;
mod nodes;

pub use groups::HostReading;

use super::clock;
use super::core::Core;
use super::fingerprints;
use super::hooks::{Hooks, TransactionNames};
use super::hosts::Hosts;
use super::ledger::Ledger;
use super::operation::{Commit, HookTask, Input, Limits, NotKept, Operation, Output, World, close_all};
use super::poller::Reader;
use super::protocol::{Answer, HookView, PlannedAnswer, StepCommand, TriedScript};
use super::read_error::ReadError;
use super::roles::Caller;
use crate::driver::MaySend;
use crate::model::actor::Actor;
use crate::model::codes::Code;
use crate::model::copy::{Command, Outcome, PairOutcome};
use crate::model::event::{EventKind, NewEvent};
use crate::model::hold_cost;
use crate::model::hook::{HookNeed, HookRun};
use crate::model::identity::{BoxId, Name, VolumeId};
use crate::model::plan::{Plan, Refusal};
use crate::model::records::{OpenOperation, OperationId};
use crate::model::request::Request;
use crate::model::session::Reading;
use crate::model::snapshot::{ArrayView, Reach};
use crate::model::step::{ArrayCommand, HookStep, PlanStep};
use crate::model::untrusted::Untrusted;
use crate::model::verb::Role;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{Mutex, Notify};

/// What a driver may take beyond the limit that it was given, before it counts as stuck.
const DRIVER_GRACE: Duration = Duration::from_secs(5);

/// Runs requests and operations. Clones share everything.
#[derive(Clone)]
pub struct Runner {
    core: Arc<Core>,
    ledger: Ledger,
    /// One for each configured array, in their order.
    readers: Arc<Vec<Reader>>,
    limits: Limits,
    hooks: Hooks,
    hosts: Hosts,
    ending: Arc<AtomicBool>,
    /// Held from a plan until its volumes are claimed, so that two requests at the same moment choose different ones.
    claiming: Arc<Mutex<()>>,
}

impl Runner {
    pub fn new(
        core: Arc<Core>,
        ledger: Ledger,
        readers: Vec<Reader>,
        limits: Limits,
        hooks: Hooks,
        hosts: Hosts,
    ) -> Self {
        Self {
            core,
            ledger,
            readers: Arc::new(readers),
            limits,
            hooks,
            hosts,
            ending: Arc::default(),
            claiming: Arc::default(),
        }
    }

    /// From now on nothing new is begun.
    pub fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// The plan for a request as things are; changes nothing.
    pub fn plan(&self, request: &Request) -> Answer {
        let (snapshot, planned) = self.core.plan(request);
        match planned {
            Ok(plan) => {
                let plan = hold_cost::noted(plan, || self.core.look(), request);
                Answer::Planned(self.planned(plan, snapshot.sequence))
            }
            Err(refusal) => self.heard(declined(request, refusal)),
        }
    }

    /// The plan of a look: nobody has asked for it yet.
    pub async fn look(&self, request: &Request, reading: HostReading) -> Answer {
        match self.identified(request).await {
            Ok(request) => self.with_groups(&request, self.plan(&request), reading).await,
            Err(refusal) => refused(refusal),
        }
    }

    /// The plan for what somebody just asked for. An array that answers, however slowly, is waited for.
    pub async fn propose(&self, request: &Request, caller: &Caller) -> Answer {
        if let Err(refusal) = caller.check(request.action.verb()) {
            let answer = refused(refusal);
            self.note(request, &answer, &caller.actor).await;
            return answer;
        }
        let identified = match self.identified(request).await {
            Ok(identified) => identified,
            Err(refusal) => {
                let answer = self.heard(refused(refusal));
                self.note(request, &answer, &caller.actor).await;
                return answer;
            }
        };
        let request = &*identified;
        self.look_at_groups(request).await;
        let mut answer = self.plan(request);
        if wants_a_reading(&answer) {
            self.read_what_is_old().await;
            answer = self.plan(request);
        }
        answer = self.with_groups(request, answer, HostReading::Fresh).await;
        self.note(request, &answer, &caller.actor).await;
        answer
    }

    /// Reads the arrays that have not been read, or too long ago.
    async fn read_what_is_old(&self) {
        let snapshot = self.core.look();
        let old = |array: &ArrayView| {
            array.reach == Reach::Waiting || (array.reach == Reach::Reachable && snapshot.is_stale(array))
        };
        let readers = snapshot.arrays.iter().zip(self.readers.iter());
        futures_util::future::join_all(readers.filter(|(array, _)| old(array)).map(|(_, reader)| reader.read())).await;
    }

    fn planned(&self, mut plan: Plan, sequence: u64) -> PlannedAnswer {
        let describe = |(step, to): (usize, ArrayCommand)| {
            let lines = self.core.driver(to.array).map(|(_, driver)| driver.describe(&to.command)).unwrap_or_default();
            lines.into_iter().map(move |line| StepCommand { step, line })
        };
        let commands = plan.items().iter().map(|item| item.commands().flat_map(describe).collect()).collect();
        for refusal in plan.refused_mut() {
            self.add_message_ids(refusal);
        }
        PlannedAnswer { plan, commands, sequence }
    }

    /// An answer as it is given: with the message ids of the tools that an array is driven by.
    fn heard(&self, mut answer: Answer) -> Answer {
        match &mut answer {
            Answer::Refused { refusal } => self.add_message_ids(refusal),
            Answer::Running { refused, .. } | Answer::AlreadySo { refused } => {
                for refusal in refused {
                    self.add_message_ids(refusal);
                }
            }
            _ => {}
        }
        answer
    }

    fn add_message_ids(&self, refusal: &mut Refusal) {
        let driver = refusal.volume.and_then(|volume| self.core.driver(volume.box_id));
        refusal.array_code =
            driver.and_then(|(_, driver)| driver.capabilities().message_id(refusal.code).map(str::to_owned));
        for also in &mut refusal.also {
            self.add_message_ids(also);
        }
    }

    /// The configured hooks, and what is wrong with their scripts.
    pub fn list_hooks(&self) -> Answer {
        let snapshot = self.core.look();
        let is_known = |name: &Name| snapshot.transaction_volumes.iter().any(|view| view.volume.name == *name);
        let hooks = snapshot.site.hooks.iter().map(|hook| {
            let unknown = hook.volumes.iter().find(|name| !is_known(name));
            let unknown =
                unknown.map(|name| format!("{name} is no transaction volume of this site: it runs for nothing"));
            let wrong = self.hooks.check(hook).or(unknown).map(Untrusted::new);
            HookView { hook: hook.clone(), wrong }
        });
        Answer::Hooks { hooks: hooks.collect() }
    }

    /// Runs the scripts of a hook once with `ECDECK_DRY_RUN=1`.
    pub async fn test_hook(&self, name: &Name, volume: VolumeId, caller: &Caller) -> Answer {
        if let Err(refusal) = caller.needs(Role::Administrator, "trying a hook out") {
            return refused(refusal);
        }
        let snapshot = self.core.look();
        let (hook, view) =
            (snapshot.site.hooks.iter().find(|hook| hook.name == *name), snapshot.transaction_volume(volume));
        let (Some(hook), Some(view)) = (hook, view) else {
            let reason = format!("there is no hook {name}, or the volume is no transaction volume");
            return refused(Refusal::new(Code::NOT_A_TRANSACTION_VOLUME, reason).about(volume));
        };
        let hook = &match self.on_its_node(hook, view.volume.group.as_deref()).await {
            Ok(hook) => hook,
            Err(why) => return refused(Refusal::new(Code::GROUP_NODE_UNKNOWN, why).about(volume)),
        };
        let tried = self.hooks.try_out(hook, &(view.volume.name.clone(), volume)).await;
        let events = tried.iter().map(|(phase, report)| NewEvent {
            at: clock::now(),
            actor: Some(caller.actor.clone()),
            operation: None,
            kind: EventKind::HookRan {
                volume,
                hook: format!("{name} (dry run)"),
                phase: *phase,
                need: HookNeed::Advisory,
                run: HookRun { report: report.clone(), by_deadline: false, group: None },
            },
        });
        if let Err(error) = self.ledger.commit(Commit { changes: Vec::new(), events: events.collect() }).await {
            tracing::warn!(%error, "a dry run of a hook is not in the audit");
        }
        let scripts = tried.into_iter().map(|(phase, report)| TriedScript { phase, report });
        Answer::HookTested { scripts: scripts.collect() }
    }

    /// Asks every array anew; what one does not answer is told in the snapshot.
    pub async fn reread(&self) {
        futures_util::future::join_all(self.readers.iter().map(Reader::read_afresh)).await;
    }

    /// `afresh`: with nothing from a driver's memory.
    async fn read(&self, box_id: BoxId, afresh: bool) -> Result<Arc<Reading>, ReadError> {
        match self.core.driver(box_id) {
            Some((index, _)) if afresh => self.readers[index].read_afresh().await,
            Some((index, _)) => self.readers[index].read().await,
            None => Err(ReadError::NotConfigured),
        }
    }

    async fn close(&self, operations: &[OpenOperation], code: Code, why: &str) {
        let commit = close_all(operations, code, why, clock::now());
        if let Err(error) = self.ledger.commit(commit.clone()).await {
            // Their step machines, driven as after a crash, close them as soon as the catalogue can be written.
            tracing::warn!(%error, "operations of which nothing was done stay open for a while");
            for open in operations {
                self.go_on(open.clone());
            }
        }
    }

    /// Goes on with an operation that the catalogue holds open and nobody drives.
    pub fn go_on(&self, open: OpenOperation) {
        self.spawn(open.clone(), Operation::recover(open, self.limits));
    }

    fn spawn(&self, open: OpenOperation, operation: Operation) {
        self.core.show(&open, operation.doing(), operation.progress());
        let this = self.clone();
        tokio::spawn(async move { this.drive(&open, operation).await });
    }

    /// Does what the step machine says, until it is done.
    async fn drive(&self, open: &OpenOperation, mut operation: Operation) {
        let mut input = Input::Go;
        let mut foreseen = false;
        loop {
            let output =
                self.core.with_records(|records| operation.advance(input, &World { now: clock::now(), records }));
            self.core.show(open, operation.doing(), operation.progress());
            input = match output {
                Output::Commit(commit) => self.commit(commit).await,
                Output::Send { array, command, limit } => {
                    Input::Answered(self.send(&operation, array, command, limit).await)
                }
                Output::Read { array } => Input::Read(self.read(array, false).await),
                Output::Sleep(pause) => {
                    if let Some(end) = operation.foreseen_end().filter(|_| !foreseen) {
                        foreseen = true;
                        self.core.announce_end(open.id, end);
                    }
                    tokio::time::sleep(pause).await;
                    Input::Slept
                }
                Output::Hook(HookTask::AskPause) => Input::Pause { holds: self.hooks.pause_holds(open).await },
                Output::Hook(HookTask::Run { step, result, version }) => {
                    if let Some(PlanStep::Hook(hook @ HookStep { identity: Some(task), .. })) =
                        open.item.steps.get(step)
                    {
                        input = Input::HookEnded(self.restore_identity(hook, task, version).await);
                        continue;
                    }
                    let names = self.core.with_records(|records| TransactionNames::of_item(records, open));
                    Input::HookEnded(self.hooks.run(open, &names, step, result, version).await)
                }
                Output::Compare(step) => {
                    let wanted = || {
                        self.core.with_records(|records| {
                            records.sessions.get(&step.pair).is_some_and(|mark| mark.operation == Some(open.id))
                        })
                    };
                    Input::Compared(fingerprints::compare((&self.core, &self.ledger), &step, wanted).await)
                }
                Output::Done(end) => {
                    self.hooks.leave(open).await;
                    self.core.end(open.id, &end);
                    return;
                }
            };
        }
    }

    async fn commit(&self, commit: Commit) -> Input {
        match self.ledger.commit(commit).await {
            Ok(()) => Input::Committed,
            Err(error) => Input::NotCommitted { cause: NotKept::of(&error), why: error.to_string() },
        }
    }

    /// Sends once, in a task of its own: nothing is dropped after sending. `limit` counts from the command's turn: those that
    /// wait before it have limits of their own.
    async fn send(&self, operation: &Operation, array: BoxId, command: Command, limit: Duration) -> Vec<PairOutcome> {
        let pairs = command.pairs().to_vec();
        let unknown = |why: String| -> Vec<PairOutcome> {
            pairs
                .iter()
                .map(|pair| PairOutcome { pair: *pair, outcome: Outcome::Unknown { why: why.clone() } })
                .collect()
        };
        let Some((_, driver)) = self.core.driver(array) else {
            return unknown("no configured array has this box id".to_owned());
        };
        let turn = Arc::new(Notify::new());
        let may_send: MaySend = {
            let (core, operation, command) = (Arc::clone(&self.core), operation.clone(), command.clone());
            let turn = Arc::clone(&turn);
            Arc::new(move || {
                turn.notify_one();
                core.with_records(|records| operation.may_still_send(&command, &World { now: clock::now(), records }))
            })
        };
        // Whoever looks meanwhile sees a command that waits, not one that runs.
        let plane = driver.takes_turns();
        let shared = plane.is_some();
        self.core.show_waiting(operation.id(), plane, operation.doing());
        let mut task = tokio::spawn(async move { driver.execute_in_turn(command, limit, may_send).await });
        let answer = tokio::select! {
            answer = &mut task => Ok(answer),
            () = turn.notified() => {
                if shared {
                    self.core.show_waiting(operation.id(), None, operation.doing());
                }
                tokio::time::timeout(limit + DRIVER_GRACE, task).await
            }
        };
        match answer {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(error)) => unknown(format!("the driver failed: {error}")),
            Err(_) => unknown(format!("no answer within {} s", limit.as_secs())),
        }
    }

    /// A refused request is an event as well.
    async fn note(&self, request: &Request, answer: &Answer, actor: &Actor) {
        let event = |request: Request, code, reason| NewEvent {
            at: clock::now(),
            actor: Some(actor.clone()),
            operation: None,
            kind: EventKind::Refused { request: request.abridged(), code, reason },
        };
        let events: Vec<NewEvent> = match answer {
            Answer::Refused { refusal } => vec![event(request.clone(), refusal.code, refusal.reason.clone())],
            Answer::PlanChanged(_) => {
                vec![event(request.clone(), Code::PLAN_CHANGED, "another plan would run now".to_owned())]
            }
            // The others run; what does not is a refusal of its own. What is so already was the wish.
            Answer::Running { refused, .. } => {
                let each = refused.iter().filter(|refusal| refusal.code != Code::ALREADY_SO);
                let one = |refusal: &Refusal| {
                    let of_it = refusal.volume.map(|volume| request.only(|id| id == volume));
                    event(of_it.unwrap_or_else(|| request.clone()), refusal.code, refusal.reason.clone())
                };
                each.map(one).collect()
            }
            _ => return,
        };
        if events.is_empty() {
            return;
        }
        if let Err(error) = self.ledger.commit(Commit { changes: Vec::new(), events }).await {
            tracing::warn!(%error, "a refusal is not in the audit");
        }
    }

    /// The ends of operations, when all of them have ended.
    pub async fn wait(&self, operations: &[OperationId]) -> Answer {
        let mut news = self.core.ends();
        let mut ends = Vec::with_capacity(operations.len());
        for &id in operations {
            loop {
                news.mark_unchanged();
                if let Some(end) = self.core.end_of(id) {
                    ends.push((id, end));
                    break;
                }
                if !self.core.with_records(|records| records.operations.contains_key(&id)) {
                    match self.ledger.catalogue().operation_end(id).await {
                        Ok(Some(end)) => {
                            ends.push((id, end));
                            break;
                        }
                        Ok(None) => return Answer::Failed { why: format!("there is no operation {id}"), code: None },
                        Err(error) => {
                            return Answer::Failed { why: error.to_string(), code: Some(error.code()) };
                        }
                    }
                }
                if news.changed().await.is_err() {
                    return Answer::Failed { why: "the engine is ending".to_owned(), code: None };
                }
            }
        }
        Answer::Ended { ends, mark: self.core.mark() }
    }
}

/// Whether something is refused only because an array was not read lately.
fn wants_a_reading(answer: &Answer) -> bool {
    let stale = |refusal: &Refusal| refusal.code == Code::ARRAY_STALE;
    match answer {
        Answer::Refused { refusal } => stale(refusal) || refusal.also.iter().any(stale),
        Answer::Planned(planned) => planned.plan.refused().iter().any(stale),
        _ => false,
    }
}

fn refused(refusal: Refusal) -> Answer {
    Answer::Refused { refusal }
}

/// A refusal, unless it only says that the wish has come true and that was enough.
fn declined(request: &Request, refusal: Refusal) -> Answer {
    if !request.ensure || refusal.code != Code::ALREADY_SO {
        return refused(refusal);
    }
    Answer::AlreadySo { refused: refusal.each().collect() }
}
