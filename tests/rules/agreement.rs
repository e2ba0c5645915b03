//! The engine's table and the embedded array's rules are two writings of the same documents. In every state that one pair can be
//! brought into: what the table permits, the array does.

use ecdeck::driver::emulated::core::RecBuffer;
use ecdeck::driver::emulated::faults::Fault;
use ecdeck::driver::emulated::rule_table::RuleSet;
use ecdeck::driver::emulated::rules::Reply;
use ecdeck::model::copy::{Command, Outcome};
use ecdeck::model::identity::{BoxId, VolumeId};
use ecdeck::model::plan::legality::{Facts, Legality, Transfer, legality};
use ecdeck::model::session::{
    Automation, CopyKind, ErrorByte, Pair, Phase, RecModes, SessionReading, Status, TransferMode,
};
use ecdeck::model::units::{Blocks, Timestamp};
use ecdeck::model::verb::PairVerb;
use ecdeck::testkit::memory::Memory;
use std::collections::{BTreeSet, VecDeque};

const NOW: Timestamp = Timestamp(1_000);
/// Some regions of 64 KiB.
const SIZE: Blocks = Blocks(4 * 128);
/// Steps from the empty site: no state is further away.
const DEPTH: usize = 7;

/// Two boxes, and one pair between two of their volumes.
#[derive(Clone)]
struct World {
    arrays: Memory,
    boxes: [BoxId; 2],
    pair: Pair,
    modes: Option<RecModes>,
}

/// What happens to the pair: what anybody may command, and what befalls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Start,
    Suspend { force: bool },
    Resume,
    Stop { force: bool },
    Reverse,
    Change(TransferMode),
    Write,
    Copy,
    Settle,
    Path { up: bool },
    Fail,
}

impl Step {
    const ALL: [Self; 17] = [
        Self::Start,
        Self::Suspend { force: false },
        Self::Suspend { force: true },
        Self::Resume,
        Self::Stop { force: false },
        Self::Stop { force: true },
        Self::Reverse,
        Self::Change(TransferMode::Synchronous),
        Self::Change(TransferMode::Consistency),
        Self::Change(TransferMode::Stack),
        Self::Change(TransferMode::Through),
        Self::Write,
        Self::Copy,
        Self::Settle,
        Self::Path { up: false },
        Self::Path { up: true },
        Self::Fail,
    ];
}

impl World {
    fn new(kind: CopyKind, modes: Option<RecModes>) -> Self {
        let mut arrays = Memory::new();
        let boxes = ["ONE", "TWO"].map(|name| arrays.add_box(&name.parse().unwrap()).unwrap());
        arrays.core_mut().add_path(boxes[0], boxes[1]).unwrap();
        for (from, to) in [(0, 1), (1, 0)] {
            arrays.core_mut().set_rules(boxes[from], RuleSet::Documented).unwrap();
            arrays.core_mut().set_buffer(boxes[from], boxes[to], RecBuffer::Active).unwrap();
        }
        let far = usize::from(kind == CopyKind::Rec);
        let volume =
            |arrays: &mut Memory, at: usize| -> VolumeId { arrays.add_volume(boxes[at], None, "v", SIZE).unwrap() };
        let (source, target) = (volume(&mut arrays, 0), volume(&mut arrays, far));
        Self { arrays, boxes, pair: Pair::new(source, target), modes }
    }

    fn send(&mut self, command: &Command) -> Outcome {
        match self.arrays.execute(self.boxes[0], command, "test", NOW) {
            Reply::Answered(outcomes) => outcomes.into_iter().next().unwrap().outcome,
            reply => panic!("{reply:?}"),
        }
    }

    fn path_is_up(&self) -> bool {
        self.arrays.core().paths().all(|(_, up)| up)
    }

    /// What the source's box shows, and the target's.
    fn shown(&self) -> [Option<SessionReading>; 2] {
        self.boxes.map(|at| {
            let reading = self.arrays.core().reading(at, NOW).unwrap();
            reading.look_for(&self.pair).shown().cloned()
        })
    }

    fn step(&mut self, step: Step) {
        let pairs = vec![self.pair];
        let rec = self.pair.kind == CopyKind::Rec;
        match step {
            Step::Start => drop(self.send(&Command::Start { pairs, modes: self.modes })),
            Step::Suspend { force } => drop(self.send(&Command::Suspend { pairs, force, together: false })),
            Step::Resume => drop(self.send(&Command::Resume { pairs })),
            Step::Stop { force } => drop(self.send(&Command::Stop { pairs, force })),
            Step::Reverse => drop(self.send(&Command::Reverse { pairs })),
            Step::Change(transfer) if rec => {
                let modes = RecModes { transfer, ..self.modes.unwrap_or_default() };
                drop(self.send(&Command::ChangeMode { pairs, modes }));
            }
            Step::Write => drop(self.arrays.write(self.pair.source, 1)),
            Step::Copy => drop(self.arrays.advance(Blocks(128))),
            Step::Settle => self.arrays.settle(),
            Step::Path { up } => self.arrays.core_mut().set_path(self.boxes[0], self.boxes[1], up).unwrap(),
            Step::Fail if self.shown()[0].is_some() => {
                let fault = Fault::ErrorSuspend { pair: self.pair, byte: ErrorByte(0xBA) };
                drop(self.arrays.core_mut().inject(self.boxes[0], fault));
            }
            Step::Change(_) | Step::Fail => {}
        }
        // The far half hears of it.
        self.arrays.advance(Blocks(0));
    }

    /// What tells two states apart for anybody who commands.
    fn key(&self) -> String {
        let half = |shown: &Option<SessionReading>| {
            shown
                .as_ref()
                .map(|it| (it.status, it.phase, it.direction, it.modes, it.error, it.difference.map(|d| d.0 > 0)))
        };
        let [near, far] = self.shown();
        format!("{:?} {:?} {}", half(&near), half(&far), self.path_is_up())
    }

    fn facts(&self) -> Facts {
        let Some(near) = &self.shown()[0] else { return Facts::usual(Status::Idle, Phase::NoPair) };
        let transfer = near.modes.map_or(Transfer::Local, |modes| Transfer::Mode(modes.transfer));
        Facts { transfer, direction: near.direction, ..Facts::usual(near.status, near.phase) }
    }
}

/// What the engine sends for a verb that is permitted.
fn commands(world: &World, verb: PairVerb, forced: bool) -> Vec<Command> {
    let pairs = vec![world.pair];
    let is_there = world.shown()[0].is_some();
    let consistency = world.facts().transfer == Transfer::Mode(TransferMode::Consistency);
    let suspend = |force| Command::Suspend { pairs: pairs.clone(), force, together: false };
    let stop = |force| Command::Stop { pairs: pairs.clone(), force };
    match verb {
        PairVerb::Start | PairVerb::ResumeOnto if !is_there => {
            vec![Command::Start { pairs, modes: world.modes }]
        }
        PairVerb::Start | PairVerb::Resume | PairVerb::ResumeOnto => vec![Command::Resume { pairs }],
        PairVerb::Suspend => vec![suspend(forced)],
        // In dissolve mode; in suspend mode it is the first of the two.
        PairVerb::Backup => vec![suspend(false), stop(consistency)],
        PairVerb::Cancel => vec![stop(forced)],
        PairVerb::ForceStop => vec![stop(true)],
        PairVerb::Restore | PairVerb::Delete => Vec::new(),
    }
}

/// What a permitted command may be refused with, because of what the table does not know: the path, and a cause of an error
/// that is still there.
fn is_foreseen(world: &World, code: &str) -> bool {
    let lost = !world.path_is_up() && world.pair.kind == CopyKind::Rec;
    lost && ["E5300", "E5354"].contains(&code)
}

/// Walks through all states of one pair; what was permitted and refused, and in how many states and cells it looked.
fn walk(kind: CopyKind, modes: Option<RecModes>) -> (Vec<String>, usize, usize) {
    let first = World::new(kind, modes);
    let mut seen = BTreeSet::from([first.key()]);
    let mut next = VecDeque::from([(first, Vec::new())]);
    let (mut wrong, mut permitted) = (Vec::new(), 0);
    while let Some((world, way)) = next.pop_front() {
        let [near, far] = world.shown();
        // Halves of which one is missing or says something else are looked at before the table.
        let whole =
            kind == CopyKind::Ec || near.as_ref().map(|half| half.status) == far.as_ref().map(|half| half.status);
        for verb in PairVerb::ALL.into_iter().filter(|_| whole) {
            let cell = legality(&world.facts(), verb);
            if matches!(cell, Legality::Refused(_)) {
                continue;
            }
            permitted += 1;
            let mut tried = world.clone();
            for command in commands(&world, verb, cell == Legality::Force) {
                let outcome = tried.send(&command);
                tried.arrays.settle();
                if let Outcome::Refused(refusal) = outcome
                    && !is_foreseen(&world, &refusal.code)
                {
                    wrong.push(format!("{verb} after {way:?}, {}: {} {}", world.key(), command.verb(), refusal.code));
                }
            }
        }
        if way.len() < DEPTH {
            for step in Step::ALL {
                let mut then = world.clone();
                then.step(step);
                if seen.insert(then.key()) {
                    next.push_back((then, [way.as_slice(), &[step]].concat()));
                }
            }
        }
    }
    (wrong, seen.len(), permitted)
}

#[test]
fn what_the_rules_permit_the_array_does_in_every_state_of_a_pair() {
    let mut rows = vec![(CopyKind::Ec, None)];
    for transfer in [TransferMode::Synchronous, TransferMode::Consistency, TransferMode::Stack, TransferMode::Through] {
        for recovery in [Automation::Automatic, Automation::Manual] {
            rows.push((CopyKind::Rec, Some(RecModes { transfer, recovery, ..RecModes::default() })));
        }
    }
    for (kind, modes) in rows {
        let (wrong, states, permitted) = walk(kind, modes);
        println!("{kind} {modes:?}: {states} states, {permitted} permitted");
        assert!(wrong.is_empty(), "{kind} {modes:?}:\n{}", wrong.join("\n"));
        // Where less is reached, the walk has lost its way. In through mode nothing is suspended.
        assert!(states > 20 && permitted > states, "{kind} {modes:?}: {permitted} in {states}");
    }
}
