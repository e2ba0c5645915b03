//! The simulator: real step machines, real rules and a real catalogue, on emulated arrays, with everything that can go
//! wrong, out of one seed.
//!
//! A history is a sequence of events that the seed draws: an operator asks or agrees, an operation takes one step, a
//! command reaches an array or is lost, an array copies, a host writes, another program meddles, the engine crashes. After
//! each of them the invariants are checked against the truth, which only the simulator knows. Nothing here waits, sleeps
//! or depends on anything but the seed.
//!
//! It assumes of the world outside what the engine's limits assume: a command reaches its array within moments or never.

mod bugs;
mod by_ccm;
mod checks;
mod cores;
mod crash_points;
mod engine;
mod histories;
mod mistaken;
mod nights;
mod operators;
mod rotation;
mod shell;
mod weather;
mod world;

use bugs::Bug;
use checks::Truth;
use ecdeck::catalog::Catalogue;
use ecdeck::model::records::OperationEnd;
use ecdeck::model::request::Verb;
use ecdeck::model::units::Timestamp;
use ecdeck::testkit::catalogue::MemoryCatalogue;
use engine::Engine;
use fastrand::Rng;
use operators::Operator;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};
use weather::FaultPlan;
use world::{SendOutcome, World};

/// A broken invariant, or an operation that never ends.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Violation(String);

type Checked = Result<(), Violation>;

fn violated<T>(what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation(what.into()))
}

/// With `SIMULATION_TRACE` set, a history tells what happens in it.
fn tell(now: Timestamp, what: impl FnOnce() -> String) {
    static WANTED: OnceLock<bool> = OnceLock::new();
    if *WANTED.get_or_init(|| std::env::var_os("SIMULATION_TRACE").is_some()) {
        eprintln!("{:>7} {}", now.0 - START.0, what());
    }
}

/// When every history begins.
const START: Timestamp = Timestamp(1_000 * Timestamp::DAY);

/// What a history came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Summary {
    /// The same seed gives the same trace.
    trace: u64,
    done: u32,
    not_done: u32,
    failed: u32,
    unknown: u32,
    crashes: u32,
    refused: u32,
    generations: u32,
    faults: u32,
    /// How often what happened: `backup done`, `released by retention`, `fault error-suspend`.
    counts: BTreeMap<String, u32>,
}

impl Summary {
    fn end(&mut self, verb: Verb, end: &OperationEnd) {
        let (count, word) = match end {
            OperationEnd::Done => (&mut self.done, "done"),
            OperationEnd::NotDone { .. } => (&mut self.not_done, "not done"),
            OperationEnd::Failed { .. } => (&mut self.failed, "failed"),
            OperationEnd::OutcomeUnknown { .. } => (&mut self.unknown, "unknown"),
        };
        *count += 1;
        self.count(format!("{verb} {word}"));
        self.count(format!("any {word}"));
    }

    fn count(&mut self, what: impl Into<String>) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    fn add(&mut self, one: &Self) {
        let Self { trace: _, done, not_done, failed, unknown, crashes, refused, generations, faults, counts } = one;
        self.done += done;
        self.not_done += not_done;
        self.failed += failed;
        self.unknown += unknown;
        self.crashes += crashes;
        self.refused += refused;
        self.generations += generations;
        self.faults += faults;
        for (what, count) in counts {
            *self.counts.entry(what.clone()).or_default() += count;
        }
    }
}

/// Events of the stormy part of a history.
const EVENTS: u32 = 400;
/// Which of sixteen histories have restores in them: the others stay as they were.
const RESTORE_SEEDS: [u64; 3] = [5, 12, 15];
/// Which of thirteen histories are reconciled now and then: the others stay as they were.
const RECONCILE_SEEDS: [u64; 2] = [8, 12];
/// Which of ten histories have cascades drawn into them: the others, and what is known of their seeds, stay as they were.
const CASCADE_SEEDS: u64 = 9;
/// Events after which every operation must have ended once the faults have.
const CALM_EVENTS: u32 = 6000;

#[allow(clippy::struct_excessive_bools, reason = "each is drawn for itself")]
struct Simulation {
    rng: Rng,
    now: Timestamp,
    world: World,
    engine: Engine,
    operators: Vec<Operator>,
    weather: FaultPlan,
    /// What becomes of the next commands, before the weather decides.
    fates: VecDeque<SendOutcome>,
    truth: Truth,
    bug: Option<Bug>,
    summary: Summary,
    trace: DefaultHasher,
    /// Operators restore in this history.
    restores: bool,
    /// Operators reconcile in this history.
    reconciles: bool,
    /// Other programs make cascades with the copies of this history.
    cascades: bool,
    /// One-point copies go on while an operation waits for their end.
    opc_copies: bool,
}

/// One history in memory.
fn history(seed: u64, bug: Option<Bug>) -> Result<Summary, Violation> {
    let memory = MemoryCatalogue::new();
    Simulation::new(seed, bug, Arc::new(memory.clone()), Some(memory), Site::Drawn).unfold(seed)
}

/// One history in memory, with CCM's commands between the engine and the arrays.
fn history_by_ccm(seed: u64, bug: Option<Bug>) -> Result<Summary, Violation> {
    let memory = MemoryCatalogue::new();
    Simulation::new(seed, bug, Arc::new(memory.clone()), Some(memory), Site::DrawnByCcm).unfold(seed)
}

/// One history on a catalogue that is empty. `memory`: the same one, where its commits can be made to fail.
fn history_on(
    seed: u64,
    bug: Option<Bug>,
    catalogue: Arc<dyn Catalogue>,
    memory: Option<MemoryCatalogue>,
) -> Result<Summary, Violation> {
    Simulation::new(seed, bug, catalogue, memory, Site::Drawn).unfold(seed)
}

/// How a history begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Site {
    /// The same volumes always, and no history; with CCM's commands or without.
    Plain { by_ccm: bool },
    /// Sizes, modes of remote copies, generations and sessions out of the seed.
    Drawn,
    /// The same with CCM's commands between the engine and the arrays.
    DrawnByCcm,
}

impl Simulation {
    /// The storm, and for every other seed the calm after it.
    fn unfold(mut self, seed: u64) -> Result<Summary, Violation> {
        for _ in 0..EVENTS {
            self.event()?;
        }
        if seed.is_multiple_of(2) {
            self.calm_down()?;
        }
        self.summary.trace = self.trace.finish();
        Ok(self.summary)
    }

    fn new(
        seed: u64,
        bug: Option<Bug>,
        catalogue: Arc<dyn Catalogue>,
        memory: Option<MemoryCatalogue>,
        site: Site,
    ) -> Self {
        let mut rng = Rng::with_seed(seed);
        let now = START;
        let mut world = World::new(&mut rng, !matches!(site, Site::Plain { .. }));
        world.limit(seed);
        let mut weather = FaultPlan::draw(&mut rng);
        let operators = (0..rng.usize(2..=4)).map(Operator::new).collect();
        let mut engine = Engine::new(catalogue, memory, &world, bug);
        let mut truth = Truth::default();
        if !matches!(site, Site::Plain { .. }) {
            engine.draw_modes(&mut rng);
        }
        engine.register(&world, &mut rng, now);
        match site {
            Site::Drawn => engine.give_history(&mut world, &mut truth, &mut rng, now, true),
            Site::DrawnByCcm => engine.give_history(&mut world, &mut truth, &mut rng, now, false),
            Site::Plain { .. } => {}
        }
        if !matches!(site, Site::Plain { .. }) {
            world.take_time(seed);
            world.show_otherwise(seed);
        }
        if matches!(site, Site::DrawnByCcm | Site::Plain { by_ccm: true }) {
            world.go_by_ccm(seed);
        }
        engine.look(&mut world, now);
        let (summary, trace) = (Summary::default(), DefaultHasher::new());
        let fates = VecDeque::new();
        let restores = RESTORE_SEEDS.contains(&(seed % 16)) && !matches!(site, Site::Plain { .. });
        let reconciles = RECONCILE_SEEDS.contains(&(seed % 13)) && matches!(site, Site::Drawn);
        let cascades = seed % 10 == CASCADE_SEEDS && !matches!(site, Site::Plain { .. });
        if cascades {
            // Such refusals are rare elsewhere.
            weather.part_refused = 1000;
        }
        let opc_copies = true;
        Self {
            rng,
            now,
            world,
            engine,
            operators,
            weather,
            fates,
            truth,
            bug,
            summary,
            trace,
            restores,
            reconciles,
            cascades,
            opc_copies,
        }
    }

    /// The same site a second time, to go another way. Not by CCM: its drivers cannot be copied.
    fn fork(&self) -> Self {
        Self {
            rng: self.rng.clone(),
            now: self.now,
            world: self.world.clone(),
            engine: self.engine.fork(),
            operators: self.operators.clone(),
            weather: self.weather,
            fates: self.fates.clone(),
            truth: self.truth.clone(),
            bug: self.bug,
            summary: self.summary.clone(),
            trace: self.trace.clone(),
            restores: self.restores,
            reconciles: self.reconciles,
            cascades: self.cascades,
            opc_copies: self.opc_copies,
        }
    }

    /// One event of the storm, then the checks.
    fn event(&mut self) -> Checked {
        self.now = self.now.plus_millis(self.rng.i64(1..=40));
        let drawn = self.rng.u32(0..100);
        match drawn {
            0..48 => self.step_a_task()?,
            48..60 => self.deliver_a_command()?,
            60..68 => self.world.copy(self.rng.u64(2..9)),
            68..73 => self.world.host_write(&mut self.rng),
            73..80 => self.poll()?,
            80..93 => self.operator_acts()?,
            93..99 => {
                if self.cascades {
                    self.draw_cascade();
                }
                self.inject_faults();
            }
            _ => self.maybe_crash()?,
        }
        self.note(drawn);
        self.check_everything()
    }

    /// The faults stop; every operation must end, nothing may stay claimed, nothing that was done may be forgotten.
    fn calm_down(&mut self) -> Checked {
        self.weather = FaultPlan::calm();
        self.world.heal(self.now);
        for left in (0..CALM_EVENTS).rev() {
            self.now = self.now.plus_millis(40);
            self.copy_for_restores();
            match left % 4 {
                0 => self.poll()?,
                1 => self.deliver_a_command()?,
                _ => self.step_a_task()?,
            }
            self.check_everything()?;
            if self.engine.is_idle() && self.world.nothing_on_its_way() {
                self.poll()?;
                return self.check_at_the_end();
            }
        }
        violated(format!("an operation does not end: {:?}", self.engine.open_operations()))
    }

    /// A restore waits for the end of its copy: where nothing else moves the data, this does.
    fn copy_for_restores(&mut self) {
        if self.opc_copies
            && self
                .engine
                .open_operations()
                .iter()
                .any(|open| matches!(open.item.verb, Verb::Restore | Verb::Snapshot | Verb::Practice))
        {
            self.world.copy(1);
        }
    }

    fn note(&mut self, what: u32) {
        (what, self.now.0, self.engine.tasks(), self.engine.durable.next_operation).hash(&mut self.trace);
    }
}
