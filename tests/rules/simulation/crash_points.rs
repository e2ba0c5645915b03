//! Every crash point of every operation, each also with a second crash at every point of its recovery.
//!
//! A crash point is the boundary between two steps: a commit, a command that leaves, arrives or is answered, a reading that
//! is taken or delivered. A command that is on its way at a crash arrives a little later, or never: both are tried.

use super::cores::on_all_cores;
use super::engine::{Admitting, Phase, Task, finish};
use super::world::SendOutcome;
use super::{Checked, Simulation, Site, Violation, violated};
use ecdeck::engine::operation::Commit;
use ecdeck::model::copy::Command;
use ecdeck::model::fingerprint::Fingerprint;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::records::{BackupMode, Change, EntityChange, OperationEnd, OperationId, Policy};
use ecdeck::model::request::{Action, CancelScope, Request, VolumeRole};
use ecdeck::model::session::{CopyKind, Pair};
use ecdeck::model::site_change::NewVolume;
use ecdeck::model::units::Version;
use ecdeck::testkit::catalogue::MemoryCatalogue;
use std::sync::Arc;

/// More steps than any of these operations takes.
const STEPS: usize = 400;

/// An operation, and what comes before it.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    prepare: fn(&mut Simulation),
    request: fn(&Simulation) -> Action,
}

fn tv(simulation: &Simulation) -> VolumeId {
    simulation.world.sources[0]
}

fn start(simulation: &Simulation) -> Action {
    Action::Start { volumes: vec![tv(simulation)], targets: Vec::new(), together: false }
}

fn backup(simulation: &Simulation, mode: Option<BackupMode>) -> Action {
    Action::Backup { volumes: vec![tv(simulation)], mode, together: false }
}

fn scenarios() -> Vec<Scenario> {
    let scenario =
        |name, prepare: fn(&mut Simulation), request: fn(&Simulation) -> Action| Scenario { name, prepare, request };
    vec![
        scenario("start, full", |_| {}, start),
        scenario("start, remote", remote_only, start),
        scenario("start, differential", bound, start),
        scenario(
            "start of two together",
            |_| {},
            |s| Action::Start { volumes: s.world.sources[..2].to_vec(), targets: Vec::new(), together: true },
        ),
        scenario("resume", bound, |s| Action::Resume { volumes: vec![tv(s)], target: None }),
        scenario("suspend", equivalent, |s| Action::Suspend { volumes: vec![tv(s)], target: None }),
        scenario("suspend, forced", halted, |s| Action::Suspend { volumes: vec![tv(s)], target: None }),
        scenario("cancel, copying", copying, |s| Action::Cancel { volumes: vec![tv(s)], scope: CancelScope::Live }),
        scenario("cancel, equivalent", equivalent, |s| Action::Cancel {
            volumes: vec![tv(s)],
            scope: CancelScope::Live,
        }),
        scenario("cancel all", kept_twice, |s| Action::Cancel { volumes: vec![tv(s)], scope: CancelScope::All }),
        scenario("forced stop", copying, |s| Action::ForceStop { volume: tv(s), target: None }),
        scenario("forced stop of what is left over", left_over, |s| Action::ForceStop { volume: tv(s), target: None }),
        scenario("backup, suspend", equivalent, |s| backup(s, Some(BackupMode::Suspend))),
        scenario("backup, dissolve", equivalent, |s| backup(s, Some(BackupMode::Dissolve))),
        scenario("backup, suspend, with retention", kept_and_equivalent, |s| backup(s, Some(BackupMode::Suspend))),
        scenario("backup, dissolve, with retention", kept_and_equivalent, |s| backup(s, Some(BackupMode::Dissolve))),
        scenario("backup of two together", two_equivalent, |s| Action::Backup {
            volumes: s.world.sources[..2].to_vec(),
            mode: None,
            together: true,
        }),
        scenario("overwrite, differential", kept, |s| Action::Overwrite { volume: tv(s), version: Version(1) }),
        scenario("overwrite, full", dissolved, |s| Action::Overwrite { volume: tv(s), version: Version(1) }),
        scenario("delete", kept, |s| Action::DeleteGeneration { volume: tv(s), version: Version(1) }),
        scenario("reinstate, bound", released, |s| Action::Reinstate { volume: tv(s), version: Version(1) }),
        scenario("reinstate, unused", released_unused, |s| Action::Reinstate { volume: tv(s), version: Version(1) }),
        scenario("add to set", |_| {}, |s| to_set(&s.world.sources[..2])),
        scenario(
            "remove from set",
            |s| s.do_now(to_set(&s.world.sources[..2])),
            |s| Action::RemoveFromSet { name: "erp".parse().unwrap(), volumes: vec![tv(s)] },
        ),
        scenario("hold", kept, |s| Action::Hold { volume: tv(s), version: Version(1), why: "tape".into() }),
        scenario(
            "policy",
            |_| {},
            |s| Action::SetPolicy { volume: tv(s), policy: Policy::new(7, 2, BackupMode::Suspend) },
        ),
        scenario("snapshot", |_| {}, snapshot),
        scenario("snapshot beside a live session, with retention", kept_and_equivalent, snapshot),
        scenario("cancel of a snapshot", taking_snapshot, |s| Action::CancelRestore { target: tv(s) }),
        scenario("practice", fingerprinted, practice),
        scenario("practice of a dissolved generation", fingerprinted_dissolved, practice),
        scenario("cancel of a practice", practising, cancel_restore),
        scenario("restore to another volume", kept, |s| restore(s, None)),
        scenario("restore to its own volume", kept, |s| restore(s, Some(tv(s)))),
        scenario("restore to its own volume, without its present state", kept, |s| {
            let mut action = restore(s, Some(tv(s)));
            if let Action::Restore { without_present_state, .. } = &mut action {
                *without_present_state = true;
            }
            action
        }),
        scenario("cancel while the present state is copied", keeping_present_state, |s| Action::CancelRestore {
            target: tv(s),
        }),
        scenario("restore of a dissolved generation", dissolved, |s| restore(s, None)),
        scenario("cancel of a restore", restoring, cancel_restore),
        scenario("giving up a cancelled restore", restore_incomplete, cancel_restore),
        scenario("restore over one that did not end", restore_incomplete, |s| restore(s, Some(restored_to(s)))),
        scenario("restore of a set", set_backed_up, |s| restore_set(s, true)),
        scenario("restore of a set, with its present state", set_backed_up, |s| restore_set(s, false)),
        scenario("restore of a set over one that did not end", set_restored_in_part, |s| restore_set(s, false)),
        scenario("cancel of a restore of a set", restoring_set, |s| Action::CancelRestore {
            // The one that waits for its turn.
            target: s.world.sources[1],
        }),
        scenario("reconcile: adopt a suspended pair", suspended_by_others, reconcile),
        scenario("reconcile: adopt a live pair", copied_by_others, reconcile),
        scenario("reconcile: forget a session", vanished, reconcile),
        scenario("reconcile: what is left over", left_over, reconcile),
        scenario("reconcile: release a volume of the pool", pool_used_by_others, |s| reconcile_of(s.world.targets[0])),
        scenario("reconcile: give an adopted volume back", adopted, |s| Action::GiveBack { volume: tv(s) }),
        scenario("unregister", |_| {}, |s| Action::Unregister { volume: s.world.targets[0] }),
        scenario(
            "register",
            |s| s.do_now(Action::Unregister { volume: s.world.targets[0] }),
            |s| Action::Register { volume: s.world.targets[0], role: VolumeRole::Backup, name: None },
        ),
        scenario(
            "register several",
            |s| {
                for target in [s.world.targets[0], s.world.targets[1]] {
                    s.do_now(Action::Unregister { volume: target });
                }
            },
            |s| {
                let new = |volume| NewVolume { volume, role: VolumeRole::Backup, name: None, group: None };
                Action::RegisterAll { volumes: vec![new(s.world.targets[0]), new(s.world.targets[1])] }
            },
        ),
    ]
}

fn to_set(volumes: &[VolumeId]) -> Action {
    Action::AddToSet { name: "erp".parse().unwrap(), volumes: volumes.to_vec() }
}

fn restore(simulation: &Simulation, to: Option<VolumeId>) -> Action {
    Action::Restore { volume: tv(simulation), version: Version(1), to, unmounted: true, without_present_state: false }
}

/// The target of the restore that the catalogue has a mark of.
fn restored_to(simulation: &Simulation) -> VolumeId {
    simulation.engine.durable.restores().next().expect("a restore was begun").pair.target
}

fn cancel_restore(simulation: &Simulation) -> Action {
    Action::CancelRestore { target: restored_to(simulation) }
}

fn snapshot(simulation: &Simulation) -> Action {
    Action::Snapshot { volume: tv(simulation) }
}

fn practice(simulation: &Simulation) -> Action {
    Action::Practice { volume: tv(simulation), version: Version(1) }
}

/// The kept generation was read after its backup.
fn read_its_bytes(simulation: &mut Simulation) {
    let kept = &simulation.engine.durable.generations[&(tv(simulation), Version(1))];
    let blake3 = simulation.world.fingerprint(kept.backup_volume);
    let fingerprint = Fingerprint { blake3, at: simulation.now, millis: 1, verified: None, practised: None };
    let change = EntityChange::KeepFingerprint {
        transaction_volume: tv(simulation),
        version: Version(1),
        fingerprint: Box::new(fingerprint),
        leaves: None,
    };
    let commit = Commit { changes: vec![Change::Entity(change)], events: Vec::new() };
    simulation.commit(&commit, None).unwrap();
}

fn fingerprinted(simulation: &mut Simulation) {
    kept(simulation);
    read_its_bytes(simulation);
}

fn fingerprinted_dissolved(simulation: &mut Simulation) {
    dissolved(simulation);
    read_its_bytes(simulation);
}

/// A practice whose copy was begun and does not go on.
fn practising(simulation: &mut Simulation) {
    fingerprinted(simulation);
    simulation.opc_copies = false;
    simulation.agree(Request::new(practice(simulation))).unwrap();
    simulation.go(60).unwrap();
    assert_eq!(simulation.engine.durable.restores().count(), 1, "it is being copied");
}

/// A snapshot whose copy was begun and does not go on.
fn taking_snapshot(simulation: &mut Simulation) {
    simulation.opc_copies = false;
    simulation.agree(Request::new(snapshot(simulation))).unwrap();
    simulation.go(60).unwrap();
    assert_eq!(restored_to_of(simulation), tv(simulation), "it is being copied");
}

/// Two volumes backed up at one instant as a set. There are no others: the next night needs nothing of the pool.
fn set_backed_up(simulation: &mut Simulation) {
    let volumes = simulation.world.sources[..2].to_vec();
    let others = simulation.world.sources[2..].to_vec();
    for volume in others {
        simulation.do_now(Action::Unregister { volume });
    }
    for &volume in &volumes {
        simulation.do_now(Action::SetPolicy { volume, policy: Policy::new(2, 7, BackupMode::Suspend) });
    }
    simulation.do_now(to_set(&volumes));
    two_equivalent(simulation);
    let backup = Action::Backup { volumes, mode: Some(BackupMode::Suspend), together: true };
    let request = Request { set: Some("erp".parse().unwrap()), ..Request::new(backup) };
    simulation.agree(request).unwrap();
    assert!(simulation.go(STEPS).unwrap() < STEPS);
}

fn restore_set(simulation: &Simulation, without_present_state: bool) -> Action {
    let kept = simulation.engine.durable.generations.values().find(|kept| kept.set.is_some());
    Action::RestoreSet {
        volumes: simulation.world.sources[..2].to_vec(),
        instant: kept.and_then(|kept| kept.operation).expect("the set was backed up"),
        unmounted: true,
        without_present_state,
    }
}

/// A restore of a set of which both volumes are marked, and whose first copy does not go on.
fn restoring_set(simulation: &mut Simulation) {
    set_backed_up(simulation);
    simulation.opc_copies = false;
    simulation.agree(Request::new(restore_set(simulation, true))).unwrap();
    simulation.go(60).unwrap();
    assert_eq!(simulation.engine.durable.restores().count(), 2, "both are marked before the first is copied");
}

fn set_restored_in_part(simulation: &mut Simulation) {
    restoring_set(simulation);
    simulation.do_now(Action::CancelRestore { target: simulation.world.sources[1] });
    simulation.opc_copies = true;
    assert_eq!(simulation.summary.failed, 1, "the restore says that it was cancelled");
    assert_eq!(simulation.engine.durable.restores().count(), 2, "neither was copied to its end");
}

/// A restore whose copy was begun and does not go on.
fn restoring(simulation: &mut Simulation) {
    kept(simulation);
    simulation.opc_copies = false;
    simulation.agree(Request::new(restore(simulation, None))).unwrap();
    while !simulation.world.arrays.core().sessions().any(|session| session.pair.kind == CopyKind::Opc) {
        simulation.go(1).unwrap();
    }
    simulation.go(10).unwrap();
}

/// A restore onto its own volume, while the copy of its present state does not go on.
fn keeping_present_state(simulation: &mut Simulation) {
    kept(simulation);
    simulation.opc_copies = false;
    simulation.agree(Request::new(restore(simulation, Some(tv(simulation))))).unwrap();
    while !simulation.world.arrays.core().sessions().any(|session| session.pair.kind == CopyKind::Opc) {
        simulation.go(1).unwrap();
    }
    simulation.go(10).unwrap();
    assert_eq!(restored_to_of(simulation), tv(simulation), "what is copied is the present state");
}

fn restored_to_of(simulation: &Simulation) -> VolumeId {
    simulation.engine.durable.restores().next().expect("a copy was begun").pair.source
}

fn restore_incomplete(simulation: &mut Simulation) {
    restoring(simulation);
    simulation.do_now(cancel_restore(simulation));
    assert_eq!(simulation.summary.failed, 1, "the restore says that it was cancelled");
    simulation.opc_copies = true;
}

fn reconcile(simulation: &Simulation) -> Action {
    reconcile_of(tv(simulation))
}

fn reconcile_of(volume: VolumeId) -> Action {
    Action::Reconcile { volumes: vec![volume], only: Vec::new(), kinds: Vec::new(), listed: Vec::new() }
}

/// Another program commands the array of the source.
fn others_command(simulation: &mut Simulation, command: &Command) {
    let (array, now) = (command.pairs()[0].source.box_id, simulation.now);
    drop(simulation.world.arrays.execute(array, command, "another program", now));
    simulation.now = simulation.now.plus_millis(10_000);
    simulation.poll().unwrap();
}

fn start_by_others(simulation: &mut Simulation, source: VolumeId) {
    let pairs = vec![Pair::new(source, simulation.world.targets[0])];
    others_command(simulation, &Command::Start { pairs, modes: None });
}

fn copied_by_others(simulation: &mut Simulation) {
    start_by_others(simulation, tv(simulation));
}

fn suspended_by_others(simulation: &mut Simulation) {
    copied_by_others(simulation);
    simulation.world.arrays.settle();
    let pairs = vec![Pair::new(tv(simulation), simulation.world.targets[0])];
    others_command(simulation, &Command::Suspend { pairs, force: false, together: false });
}

fn pool_used_by_others(simulation: &mut Simulation) {
    start_by_others(simulation, simulation.world.others[0]);
}

/// Another program ended a suspended session of ours.
fn vanished(simulation: &mut Simulation) {
    bound(simulation);
    let pairs: Vec<Pair> = simulation.engine.durable.sessions.keys().copied().collect();
    others_command(simulation, &Command::Stop { pairs, force: true });
}

fn adopted(simulation: &mut Simulation) {
    suspended_by_others(simulation);
    simulation.do_now(reconcile(simulation));
    assert_eq!(simulation.engine.durable.generations.len(), 1, "what was adopted is kept");
}

fn copying(simulation: &mut Simulation) {
    simulation.do_now(start(simulation));
}

fn equivalent(simulation: &mut Simulation) {
    copying(simulation);
    simulation.world.arrays.settle();
    simulation.poll().unwrap();
}

fn bound(simulation: &mut Simulation) {
    equivalent(simulation);
    simulation.do_now(Action::Suspend { volumes: vec![tv(simulation)], target: None });
}

fn kept(simulation: &mut Simulation) {
    equivalent(simulation);
    simulation.do_now(backup(simulation, Some(BackupMode::Suspend)));
}

fn dissolved(simulation: &mut Simulation) {
    equivalent(simulation);
    simulation.do_now(backup(simulation, Some(BackupMode::Dissolve)));
}

fn released(simulation: &mut Simulation) {
    kept(simulation);
    simulation.do_now(Action::DeleteGeneration { volume: tv(simulation), version: Version(1) });
}

fn released_unused(simulation: &mut Simulation) {
    dissolved(simulation);
    simulation.do_now(Action::DeleteGeneration { volume: tv(simulation), version: Version(1) });
}

fn kept_and_equivalent(simulation: &mut Simulation) {
    kept(simulation);
    equivalent(simulation);
}

fn kept_twice(simulation: &mut Simulation) {
    kept(simulation);
    bound(simulation);
}

fn two_equivalent(simulation: &mut Simulation) {
    let volumes = simulation.world.sources[..2].to_vec();
    simulation.do_now(Action::Start { volumes, targets: Vec::new(), together: false });
    simulation.world.arrays.settle();
    simulation.poll().unwrap();
}

fn remote_only(simulation: &mut Simulation) {
    for target in simulation.world.targets.clone() {
        if target.box_id == tv(simulation).box_id {
            simulation.do_now(Action::Unregister { volume: target });
        }
    }
}

fn halted(simulation: &mut Simulation) {
    remote_only(simulation);
    equivalent(simulation);
    let boxes = simulation.world.boxes;
    simulation.world.arrays.core_mut().set_path(boxes[0], boxes[1], false).unwrap();
    simulation.now = simulation.now.plus_millis(1);
    simulation.poll().unwrap();
}

/// A cancel while the path is down ends the session at one box only.
fn left_over(simulation: &mut Simulation) {
    halted(simulation);
    simulation.do_now(Action::Cancel { volumes: vec![tv(simulation)], scope: CancelScope::Live });
    simulation.now = simulation.now.plus_millis(10_000);
    assert_eq!(simulation.summary.failed, 1, "the cancel says that a half is left over");
}

impl Simulation {
    /// A site in fair weather, one generation kept a volume.
    fn fair(by_ccm: bool) -> Self {
        let memory = MemoryCatalogue::new();
        let site = Site::Plain { by_ccm };
        let mut simulation = Self::new(1, None, Arc::new(memory.clone()), Some(memory), site);
        simulation.weather = super::FaultPlan::calm();
        let policy = Policy::new(1, 1, BackupMode::Suspend);
        for volume in simulation.world.sources.clone() {
            let request = Request::new(Action::SetPolicy { volume, policy });
            // Refused where it is the policy already.
            if simulation.agree(request).is_ok() {
                simulation.go(STEPS).unwrap();
            }
        }
        simulation
    }

    /// Asks, and agrees at once.
    pub fn agree(&mut self, request: Request) -> Result<(), String> {
        self.now = self.now.plus_millis(10);
        self.poll().map_err(|Violation(what)| what)?;
        let snapshot = self.engine.snapshot(&self.world, self.now, &[]);
        let agreed = self.engine.plan(snapshot, &request).map_err(|refusal| refusal.to_string())?;
        let phase = Phase::Opening;
        self.engine.tasks_now.push(Task::Admitting(Box::new(Admitting { request, agreed, operator: 0, phase })));
        Ok(())
    }

    fn do_now(&mut self, action: Action) {
        self.agree(Request::new(action)).unwrap();
        assert!(self.go(STEPS).unwrap() < STEPS);
    }

    /// At most so many steps; how many it took to be idle.
    pub fn go(&mut self, steps: usize) -> Result<usize, Violation> {
        for taken in 0..steps {
            if self.engine.is_idle() && self.world.nothing_on_its_way() {
                return Ok(taken);
            }
            self.now = self.now.plus_millis(20);
            self.copy_for_restores();
            if self.world.arriving(&mut self.rng).is_some() {
                self.deliver_a_command()?;
            } else {
                self.world.forget(self.now);
                self.step_a_task()?;
            }
        }
        Ok(steps)
    }

    fn go_and_check(&mut self, steps: usize) -> Result<usize, Violation> {
        let mut taken = 0;
        while taken < steps && self.go(1)? == 1 {
            self.check_everything()?;
            taken += 1;
        }
        Ok(taken)
    }

    fn crash_here(&mut self, arrives: bool) -> Checked {
        // A cancel that was forgotten with the engine ends no copy: it comes to its own end.
        self.opc_copies = true;
        self.crash()?;
        if !arrives {
            self.world.wires.clear();
        }
        self.poll()?;
        self.check_everything()
    }
}

/// An operation that is about to run.
struct Begun {
    simulation: Simulation,
    operation: OperationId,
}

/// A scenario, just before the engine dies.
struct CrashPoint {
    name: &'static str,
    fate: SendOutcome,
    /// Steps before it.
    first: usize,
    /// What is on its way arrives all the same.
    arrives: bool,
    begun: Begun,
}

impl Begun {
    fn of(scenario: &Scenario, fate: SendOutcome, by_ccm: bool) -> Result<Self, Violation> {
        let mut simulation = Simulation::fair(by_ccm);
        (scenario.prepare)(&mut simulation);
        let operation = OperationId(simulation.engine.durable.next_operation.max(1));
        simulation.agree(Request::new((scenario.request)(&simulation))).map_err(Violation)?;
        simulation.fates.push_back(fate);
        Ok(Self { simulation, operation })
    }

    fn fork(&self) -> Self {
        Self { simulation: self.simulation.fork(), operation: self.operation }
    }

    /// Goes on without a crash, and checks what became of it.
    fn end(mut self) -> Result<Option<OperationEnd>, Violation> {
        self.simulation.go_and_check(STEPS)?;
        if !self.simulation.engine.is_idle() {
            return violated("it does not end");
        }
        self.simulation.check_at_the_end()?;
        let opened = self.simulation.engine.durable.next_operation > self.operation.0;
        let end = || finish(self.simulation.engine.catalogue().operation_end(self.operation)).unwrap().unwrap();
        match opened.then(end) {
            end @ (Some(OperationEnd::Done | OperationEnd::NotDone { .. }) | None) => Ok(end),
            Some(end) => violated(format!("it ends as {end:?}")),
        }
    }
}

impl CrashPoint {
    /// Recovers without another crash, and with one at every point of the recovery; the number of runs.
    fn recover(self) -> usize {
        let told = |second: Option<usize>, Violation(what): Violation| -> ! {
            let Self { name, fate, first, arrives, .. } = &self;
            panic!("{name}, {fate:?}, crash after {first} steps (arrives: {arrives}), again after {second:?}: {what}")
        };
        let mut begun = self.begun.fork();
        begun.simulation.crash_here(self.arrives).unwrap_or_else(|what| told(None, what));
        let mut runs = 1;
        let mut second = 0;
        loop {
            let mut crashed = begun.fork();
            let ended = crashed.simulation.crash_here(self.arrives).and_then(|()| crashed.end());
            ended.unwrap_or_else(|what| told(Some(second), what));
            runs += 1;
            if begun.simulation.go_and_check(1).unwrap_or_else(|what| told(None, what)) == 0 {
                break;
            }
            second += 1;
        }
        begun.end().unwrap_or_else(|what| told(None, what));
        runs
    }
}

/// Every point of a scenario at which the engine can die. Without a crash it is done.
fn crash_points(scenario: &Scenario, fate: SendOutcome) -> Vec<CrashPoint> {
    let name = scenario.name;
    let told = |Violation(what): Violation| -> ! { panic!("{name}, {fate:?}, without a crash: {what}") };
    let mut begun = Begun::of(scenario, fate, false).unwrap_or_else(|what| told(what));
    let mut points = Vec::new();
    for first in 0.. {
        for arrives in [true, false] {
            points.push(CrashPoint { name, fate, first, arrives, begun: begun.fork() });
        }
        if begun.simulation.go_and_check(1).unwrap_or_else(|what| told(what)) == 0 {
            break;
        }
    }
    let end = begun.end().unwrap_or_else(|what| told(what));
    assert_eq!(end, Some(OperationEnd::Done), "{name}, {fate:?}: without a crash it is done");
    points
}

/// Crashes scenarios everywhere, on all cores; the number of runs.
fn crash_everywhere(scenarios: Vec<(Scenario, SendOutcome)>) -> usize {
    let points = on_all_cores(scenarios, |(scenario, fate)| crash_points(&scenario, fate));
    on_all_cores(points.into_iter().flatten().collect(), CrashPoint::recover).into_iter().sum()
}

#[test]
fn every_crash_point_of_every_operation_recovers_also_from_a_second_crash() {
    let all = scenarios().into_iter().map(|scenario| (scenario, SendOutcome::Normal)).collect();
    let runs = crash_everywhere(all);
    println!("{runs} runs");
    assert!(runs > 1000, "only {runs}");
}

#[test]
fn crash_points_with_a_lost_request_a_lost_answer_or_one_that_comes_too_soon() {
    let sends = [
        "start, full",
        "start, differential",
        "suspend",
        "cancel, copying",
        "backup, dissolve, with retention",
        "restore to another volume",
    ];
    let fates = [SendOutcome::LostRequest, SendOutcome::LostReply, SendOutcome::AcceptedLate, SendOutcome::Busy];
    let of =
        |fate| scenarios().into_iter().filter(|scenario| sends.contains(&scenario.name)).map(move |one| (one, fate));
    let runs = crash_everywhere(fates.into_iter().flat_map(of).collect());
    println!("{runs} runs");
    assert!(runs > 1000, "only {runs}");
}

/// What CCM cannot do is refused before: several suspends at one instant, and ending what only the target's box has left.
#[test]
fn every_crash_point_of_every_operation_recovers_by_ccm_too() {
    let unable = ["backup of two together", "forced stop of what is left over"];
    // Nor does CCM show the sessions of other programs, or end them.
    let is_able = |name: &str| {
        !unable.contains(&name)
            && !name.contains("practice")
            && !name.contains("restore of a set")
            && !name.starts_with("reconcile:")
    };
    let able: Vec<Scenario> = scenarios().into_iter().filter(|one| is_able(one.name)).collect();
    // Drivers cannot be copied: each run begins at the beginning.
    let lengths = on_all_cores(able.iter().collect(), |scenario| {
        let mut begun = Begun::of(scenario, SendOutcome::Normal, true).unwrap();
        let steps = begun.simulation.go_and_check(STEPS).unwrap_or_else(|what| panic!("{}: {what:?}", scenario.name));
        assert_eq!(begun.end().unwrap(), Some(OperationEnd::Done), "{}: without a crash it is done", scenario.name);
        steps
    });
    let mut runs = Vec::new();
    for (scenario, steps) in able.iter().zip(lengths) {
        runs.extend((0..=steps).flat_map(|first| [true, false].map(|arrives| (scenario, first, arrives))));
    }
    let count = runs.len();
    on_all_cores(runs, |(scenario, first, arrives)| {
        let run = || {
            let mut begun = Begun::of(scenario, SendOutcome::Normal, true)?;
            begun.simulation.go_and_check(first)?;
            begun.simulation.crash_here(arrives)?;
            begun.end()
        };
        if let Err(Violation(what)) = run() {
            panic!("{} by CCM, crash after {first} steps (arrives: {arrives}): {what}", scenario.name);
        }
    });
    println!("{count} runs");
    assert!(count > 300, "only {count}");
}
