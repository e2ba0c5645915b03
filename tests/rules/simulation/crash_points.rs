//! Every crash point of every operation, each also with a second crash at every point of its recovery.
//!
//! A crash point is the boundary between two steps: a commit, a command that leaves, arrives or is answered, a reading that
//! is taken or delivered. A command that is on its way at a crash arrives a little later, or never: both are tried.

use super::engine::{Admitting, Phase, Task, finish};
use super::world::Fate;
use super::{Checked, Simulation, Violation, violated};
use ecdeck::catalog::memory::MemoryCatalogue;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::records::{BackupMode, OperationEnd, OperationId, Policy};
use ecdeck::model::request::{Action, CancelScope, Request, VolumeRole};
use ecdeck::model::units::Version;
use std::sync::Arc;

/// More steps than any of these operations takes.
const STEPS: usize = 400;

/// An operation, and what comes before it.
struct Scenario {
    name: &'static str,
    prepare: fn(&mut Simulation),
    request: fn(&Simulation) -> Action,
}

/// Where to crash: after so many steps, and in recovery after so many more.
#[derive(Debug, Clone, Copy)]
struct Crashes {
    /// CCM's commands are between the engine and the arrays.
    by_ccm: bool,
    first: Option<usize>,
    second: Option<usize>,
    /// What was on its way at the crash arrives.
    arrives: bool,
}

const NONE: Crashes = Crashes { by_ccm: false, first: None, second: None, arrives: true };

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
        scenario("hold", kept, |s| Action::Hold { volume: tv(s), version: Version(1), why: "tape".into() }),
        scenario(
            "policy",
            |_| {},
            |s| Action::SetPolicy {
                volume: tv(s),
                policy: Policy { generations: 7, interval_days: 2, mode: BackupMode::Suspend },
            },
        ),
        scenario("unregister", |_| {}, |s| Action::Unregister { volume: s.world.targets[0] }),
        scenario(
            "register",
            |s| s.do_now(Action::Unregister { volume: s.world.targets[0] }),
            |s| Action::Register { volume: s.world.targets[0], role: VolumeRole::Backup, name: None },
        ),
    ]
}

fn copying(simulation: &mut Simulation) {
    simulation.do_now(start(simulation));
}

fn equivalent(simulation: &mut Simulation) {
    copying(simulation);
    simulation.world.arrays.settle();
    simulation.poll();
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
    simulation.poll();
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
    simulation.poll();
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
        let mut simulation = Self::new(1, None, Arc::new(memory.clone()), Some(memory));
        if by_ccm {
            simulation.world.go_by_ccm();
        }
        simulation.weather = super::Weather::calm();
        let policy = Policy { generations: 1, interval_days: 1, mode: BackupMode::Suspend };
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
    fn agree(&mut self, request: Request) -> Result<(), String> {
        self.now = self.now.plus_millis(10);
        self.poll();
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
    fn go(&mut self, steps: usize) -> Result<usize, Violation> {
        for taken in 0..steps {
            if self.engine.is_idle() && self.world.nothing_on_its_way() {
                return Ok(taken);
            }
            self.now = self.now.plus_millis(20);
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
        self.crash()?;
        if !arrives {
            self.world.wires.clear();
        }
        self.poll();
        self.check_everything()
    }
}

/// Runs a scenario with its crashes; gives the steps until the first crash or the end, and those of the recovery.
fn run(scenario: &Scenario, fate: Fate, crashes: Crashes) -> Result<(usize, usize, Option<OperationEnd>), Violation> {
    let mut simulation = Simulation::fair(crashes.by_ccm);
    (scenario.prepare)(&mut simulation);
    let next = simulation.engine.durable.next_operation.max(1);
    simulation.agree(Request::new((scenario.request)(&simulation))).map_err(Violation)?;
    simulation.fates.push_back(fate);
    let before = simulation.go_and_check(crashes.first.unwrap_or(STEPS))?;
    let mut recovery = 0;
    if crashes.first.is_some() {
        simulation.crash_here(crashes.arrives)?;
        recovery = simulation.go_and_check(crashes.second.unwrap_or(STEPS))?;
        if crashes.second.is_some() {
            simulation.crash_here(crashes.arrives)?;
            simulation.go_and_check(STEPS)?;
        }
    }
    if !simulation.engine.is_idle() {
        return violated("it does not end");
    }
    simulation.check_at_the_end()?;
    let opened = simulation.engine.durable.next_operation > next;
    let end = opened.then(|| finish(simulation.engine.catalogue().operation_end(OperationId(next))).unwrap().unwrap());
    match end {
        Some(OperationEnd::Done | OperationEnd::NotDone { .. }) | None => Ok((before, recovery, end)),
        Some(end) => violated(format!("it ends as {end:?}")),
    }
}

fn told(scenario: &Scenario, fate: Fate, crashes: Crashes) -> (usize, usize, Option<OperationEnd>) {
    match run(scenario, fate, crashes) {
        Ok(ran) => ran,
        Err(Violation(what)) => panic!("{}, {fate:?}, {crashes:?}: {what}", scenario.name),
    }
}

/// Crashes a scenario everywhere; the number of runs.
fn crash_everywhere(scenario: &Scenario, fate: Fate) -> usize {
    let (steps, _, end) = told(scenario, fate, NONE);
    assert_eq!(end, Some(OperationEnd::Done), "{}, {fate:?}: without a crash it is done", scenario.name);
    let mut runs = 1;
    for first in 0..=steps {
        for arrives in [true, false] {
            let once = Crashes { first: Some(first), arrives, ..NONE };
            let (_, recovery, _) = told(scenario, fate, once);
            runs += 1;
            for second in 0..=recovery {
                told(scenario, fate, Crashes { second: Some(second), ..once });
                runs += 1;
            }
        }
    }
    runs
}

#[test]
fn every_crash_point_of_every_operation_recovers_also_from_a_second_crash() {
    let runs: usize = scenarios().iter().map(|scenario| crash_everywhere(scenario, Fate::Normal)).sum();
    println!("{runs} runs");
    assert!(runs > 1000);
}

#[test]
fn crash_points_with_a_lost_request_a_lost_answer_or_one_that_comes_too_soon() {
    let sends =
        ["start, full", "start, differential", "suspend", "cancel, copying", "backup, dissolve, with retention"];
    let mut runs = 0;
    for scenario in scenarios().iter().filter(|scenario| sends.contains(&scenario.name)) {
        for fate in [Fate::LostRequest, Fate::LostReply, Fate::AcceptedLate, Fate::Busy] {
            runs += crash_everywhere(scenario, fate);
        }
    }
    println!("{runs} runs");
}

/// What CCM cannot do is refused before: several suspends at one instant, and ending what only the target's box has left.
#[test]
fn every_crash_point_of_every_operation_recovers_by_ccm_too() {
    let able =
        |scenario: &Scenario| !["backup of two together", "forced stop of what is left over"].contains(&scenario.name);
    let mut runs = 0;
    for scenario in scenarios().iter().filter(|scenario| able(scenario)) {
        let by_ccm = Crashes { by_ccm: true, ..NONE };
        let (steps, _, end) = told(scenario, Fate::Normal, by_ccm);
        assert_eq!(end, Some(OperationEnd::Done), "{}: without a crash it is done", scenario.name);
        for first in 0..=steps {
            for arrives in [true, false] {
                told(scenario, Fate::Normal, Crashes { first: Some(first), arrives, ..by_ccm });
                runs += 1;
            }
        }
    }
    println!("{runs} runs");
    assert!(runs > 300, "only {runs}");
}
