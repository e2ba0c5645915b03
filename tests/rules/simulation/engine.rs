//! The engine between its steps: its catalogue, what it has read, what its operations wait for.

use super::bugs::Bug;
use super::checks::Truth;
use super::mistaken::Mistaken;
use super::world::World;
use super::{Checked, violated};
use ecdeck::catalog::{Catalogue, CatalogueError};
use ecdeck::engine::doubts;
use ecdeck::engine::operation::{Commit, Input, Limits, NotKept};
use ecdeck::model::copy::Command;
use ecdeck::model::identity::{BoxId, VolumeId};
use ecdeck::model::observe::{ArraySource, Sources, Tracker, build, build_near, joined};
use ecdeck::model::plan::{Plan, Refusal, plan_keeping};
use ecdeck::model::records::{
    BackupMode, BackupVolume, Change, EntityChange, Generation, GenerationState, OpenOperation, OperationId,
    OurSession, Policy, Records, RotationGuard, TransactionVolume,
};
use ecdeck::model::request::Request;
use ecdeck::model::session::{Automation, Pair, Reading, RecModes, TransferMode};
use ecdeck::model::snapshot::{Reach, RecRoute, Site, Snapshot};
use ecdeck::model::units::{Timestamp, Version};
use ecdeck::testkit::catalogue::{CommitFailure, MemoryCatalogue};
use ecdeck::testkit::in_process::REQUESTOR;
use fastrand::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Short enough that every bound is reached now and then.
pub const LIMITS: Limits = Limits {
    send: Duration::from_millis(500),
    first_pause: Duration::from_millis(50),
    longest_pause: Duration::from_millis(800),
    busy: Duration::from_secs(2),
    observe: Duration::from_secs(2),
    accepted: Duration::from_secs(4),
    unreadable: Duration::from_secs(4),
    unknown_sends: 5,
};

/// How long a command of a dead engine may still be on its way: less than its successor takes to look twice.
pub const MOMENT: i64 = 40;

/// What one operation waits for.
#[derive(Debug, Clone)]
pub enum Waiting {
    /// Its next input is there.
    Input(Input),
    Commit(Commit),
    Wire(u64),
    Read {
        array: BoxId,
        taken: Option<Result<Reading, String>>,
    },
    Sleep(Timestamp),
}

/// An operation that runs.
#[derive(Debug, Clone)]
pub struct Running {
    pub open: OpenOperation,
    pub operation: Mistaken,
    pub waiting: Waiting,
}

/// Between agreement and act.
#[derive(Debug, Clone)]
pub struct Admitting {
    pub request: Request,
    pub agreed: Plan,
    pub operator: usize,
    pub phase: Phase,
}

#[derive(Debug, Clone)]
pub enum Phase {
    Opening,
    Reading(Vec<OpenOperation>, Vec<BoxId>),
    Closing(Vec<OpenOperation>, Commit),
}

#[derive(Debug, Clone)]
pub enum Task {
    Admitting(Box<Admitting>),
    Running(Box<Running>),
}

/// The engine, and the catalogue that outlasts it.
pub struct Engine {
    catalogue: Arc<dyn Catalogue>,
    memory: Option<MemoryCatalogue>,
    /// What the catalogue holds; compared with it whenever the engine starts.
    pub durable: Records,
    pub tasks_now: Vec<Task>,
    readings: BTreeMap<BoxId, (Arc<Reading>, Reach)>,
    tracker: Tracker,
    site: Site,
    pub boxes: [BoxId; 2],
    /// What the wall clock is ahead of the clock that never jumps.
    ahead: i64,
    bug: Option<Bug>,
}

/// The futures of both catalogues, driven to their end. SQLite's wakes up from its own threads.
pub fn finish<T>(future: impl Future<Output = T>) -> T {
    let _context = super::histories::runtime().enter();
    let mut future = pin!(future);
    if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        return value;
    }
    super::histories::runtime().block_on(future)
}

impl Engine {
    pub fn new(
        catalogue: Arc<dyn Catalogue>,
        memory: Option<MemoryCatalogue>,
        world: &World,
        bug: Option<Bug>,
    ) -> Self {
        Self {
            catalogue,
            memory,
            durable: Records::default(),
            tasks_now: Vec::new(),
            readings: BTreeMap::new(),
            tracker: Tracker::default(),
            site: Site {
                name: "simulated".to_owned(),
                demo: false,
                poll_millis: 1000,
                rec: Vec::new(),
                hooks: Vec::new(),
                pools: Vec::new(),
            },
            boxes: world.boxes,
            ahead: 0,
            bug,
        }
    }

    /// The wall clock of this moment.
    pub fn wall(&self, now: Timestamp) -> Timestamp {
        now.plus_millis(self.ahead)
    }

    /// The wall clock is stepped.
    pub fn step_clock(&mut self, millis: i64) {
        self.ahead += millis;
        self.tracker.restart_rates();
    }

    /// The same engine on a catalogue of its own with the same contents.
    pub fn fork(&self) -> Self {
        let memory = self.memory.as_ref().expect("only a catalogue in memory can be copied").detached();
        Self {
            catalogue: Arc::new(memory.clone()),
            memory: Some(memory),
            durable: self.durable.clone(),
            tasks_now: self.tasks_now.clone(),
            readings: self.readings.clone(),
            tracker: self.tracker.clone(),
            site: self.site.clone(),
            boxes: self.boxes,
            ahead: self.ahead,
            bug: self.bug,
        }
    }

    /// The modes of remote copies: mostly synchronous, for a backup needs that.
    pub fn draw_modes(&mut self, rng: &mut Rng) {
        let transfer = match rng.u32(0..6) {
            0 => TransferMode::Stack,
            1 => TransferMode::Consistency,
            2 => TransferMode::Through,
            _ => return,
        };
        let modes = RecModes { transfer, split: Automation::Automatic, recovery: Automation::Automatic };
        let route = |from: &str, to: &str| RecRoute { from: from.parse().unwrap(), to: to.parse().unwrap(), modes };
        self.site.rec = vec![route("DX1", "DX2"), route("DX2", "DX1")];
    }

    /// Registers all volumes, with policies.
    pub fn register(&mut self, world: &World, rng: &mut Rng, now: Timestamp) {
        let mut changes = Vec::new();
        for (at, &id) in world.sources.iter().enumerate() {
            let mode = if rng.bool() { BackupMode::Suspend } else { BackupMode::Dissolve };
            changes.push(Change::Entity(EntityChange::PutTransactionVolume(TransactionVolume {
                id,
                name: format!("tv{at}").parse().unwrap(),
                blocks: world.blocks(id).unwrap(),
                policy: Some(some_policy(rng, 2, mode)),
                registered_at: now,
                next_version: Version(1),
                group: None,
                window_since: None,
            })));
        }
        for &id in &world.targets {
            let blocks = world.blocks(id).unwrap();
            changes.push(Change::Entity(EntityChange::PutBackupVolume(BackupVolume {
                id,
                name: None,
                blocks,
                registered_at: now,
                group: None,
            })));
        }
        self.set(changes);
    }

    /// Half of the sites have kept generations from the beginning: held ones, some in doubt or in want of attention,
    /// and, with `sessions`, some whose session is still suspended.
    pub fn give_history(
        &mut self,
        world: &mut World,
        truth: &mut Truth,
        rng: &mut Rng,
        now: Timestamp,
        sessions: bool,
    ) {
        if rng.bool() {
            return;
        }
        let mut free = world.targets.clone();
        rng.shuffle(&mut free);
        for source in world.sources.clone() {
            for number in 0..rng.u32(0..=3) {
                let fits =
                    |target: &VolumeId| world.blocks(*target) == world.blocks(source) && target.box_id == source.box_id;
                let Some(at) = free.iter().position(fits).filter(|_| free.len() > 3) else { break };
                let pair = Pair::new(source, free.swap_remove(at));
                world.host_write(rng);
                let mut run = |command| drop(world.arrays.execute(source.box_id, &command, REQUESTOR, now));
                run(Command::Start { pairs: vec![pair], modes: None });
                world.arrays.settle();
                let mut run = |command| drop(world.arrays.execute(source.box_id, &command, REQUESTOR, now));
                run(Command::Suspend { pairs: vec![pair], force: false, together: false });
                let kept = sessions && rng.bool();
                if kept {
                    let ours = OurSession { pair, since: now, operation: None, full: true };
                    self.set(vec![Change::Entity(EntityChange::PutSession(ours))]);
                } else {
                    run(Command::Stop { pairs: vec![pair], force: false });
                }
                let state = match rng.u32(0..8) {
                    0 => GenerationState::InDoubt("the array reported an error".to_owned()),
                    1 => GenerationState::NeedsAttention("a script failed".to_owned()),
                    _ => GenerationState::Valid,
                };
                let version = self.durable.transaction_volumes[&source].next_version;
                self.set(vec![Change::Entity(EntityChange::AddGeneration(Generation {
                    transaction_volume: source,
                    version,
                    backup_volume: pair.target,
                    blocks: world.blocks(source).unwrap(),
                    taken_at: now.plus_millis(i64::from(number) - 100),
                    mode: if kept { BackupMode::Suspend } else { BackupMode::Dissolve },
                    state,
                    held: (rng.u32(0..4) == 0).then(|| "tape".into()),
                    provisioned: false,
                    crash_consistent: None,
                    group: None,
                    copied_in: None,
                    fingerprint: None,
                    suspend_complete_by: None,
                    set: None,
                    operation: None,
                }))]);
                truth.remember_image(source, version, world.arrays.content(pair.target));
            }
        }
    }

    /// Keeps what the site has from the beginning.
    pub fn set(&mut self, changes: Vec<Change>) {
        finish(self.catalogue.commit(changes, Vec::new())).unwrap();
        self.durable = finish(self.catalogue.load()).unwrap();
    }

    /// Reads all boxes for the first time.
    pub fn look(&mut self, world: &mut World, now: Timestamp) {
        for box_id in self.boxes {
            self.take(world.reading(box_id, now), box_id, now);
        }
    }

    pub fn tasks(&self) -> usize {
        self.tasks_now.len()
    }

    pub fn is_idle(&self) -> bool {
        self.tasks_now.is_empty()
    }

    pub fn open_operations(&self) -> Vec<&OpenOperation> {
        self.durable.operations.values().collect()
    }

    pub fn catalogue(&self) -> &dyn Catalogue {
        &*self.catalogue
    }

    /// The newest reading of a box.
    pub fn reading(&self, at: BoxId) -> Option<&Reading> {
        self.readings.get(&at).map(|(reading, _)| &**reading)
    }

    /// Keeps a reading, or why there is none. An older one than is known is dropped.
    pub fn take(&mut self, reading: Result<Reading, String>, box_id: BoxId, now: Timestamp) {
        match reading {
            Ok(reading) => {
                let newest = self.readings.get(&box_id).map(|(known, _)| known.began);
                if newest.is_none_or(|newest| newest < reading.began) {
                    self.tracker.take(&reading);
                    self.readings.insert(box_id, (Arc::new(reading), Reach::Reachable));
                }
            }
            Err(why) => {
                if let Some((_, reach)) = self.readings.get_mut(&box_id) {
                    *reach = Reach::Unreachable { since: now.plus_millis(self.ahead), why: why.as_str().into() };
                }
            }
        }
    }

    /// The picture of this moment, as if these operations were not there.
    pub fn snapshot(&self, world: &World, now: Timestamp, without: &[OpenOperation]) -> Snapshot {
        let mut records = std::borrow::Cow::Borrowed(&self.durable);
        if !without.is_empty() {
            let own: BTreeSet<OperationId> = without.iter().map(|operation| operation.id).collect();
            let records = records.to_mut();
            records.operations.retain(|id, _| !own.contains(id));
            records.claims.retain(|_, claim| !own.contains(&claim.operation));
        }
        let arrays: Vec<ArraySource> = self.boxes.iter().map(|&box_id| self.array(world, box_id)).collect();
        let kernels = std::collections::BTreeMap::new();
        let sources = Sources {
            zone: &jiff::tz::TimeZone::UTC,
            sequence: 1,
            now: self.wall(now),
            moment: ecdeck::model::moment::Moment::at(now),
            mark: ecdeck::model::moment::ReadingMark::default(),
            site: &self.site,
            records: &records,
            set_aside: &[],
            arrays: &arrays,
            tracker: &self.tracker,
            kernels: &kernels,
            operations: &[],
            events: &[],
        };
        let whole = build(&sources);
        // What is built of a volume alone says the same: another volume at every moment, and a picture of every fourth moment,
        // because this takes a third of a history's time.
        let moment = usize::try_from(now.0.unsigned_abs()).unwrap();
        if !moment.is_multiple_of(4) {
            return whole;
        }
        let volumes = records.transaction_volumes.keys().chain(records.backup_volumes.keys());
        let nth = moment / 4 % volumes.clone().count().max(1);
        let only: BTreeSet<VolumeId> = volumes.copied().skip(nth).take(1).collect();
        let near = build_near(&sources, &joined(&sources, &only));
        assert_eq!(near.of_volumes(&only), whole.of_volumes(&only), "of {only:?}");
        whole
    }

    fn array(&self, world: &World, box_id: BoxId) -> ArraySource {
        let known = self.readings.get(&box_id);
        let (_, cabinet) = world.arrays.core().boxes().find(|(id, _)| *id == box_id).unwrap();
        ArraySource {
            name: cabinet.name.clone(),
            box_id: Some(box_id),
            reach: known.map_or(Reach::Waiting, |(_, reach)| reach.clone()),
            capabilities: Some(world.capabilities()),
            took_millis: 0,
            reading: known.map(|(reading, _)| Arc::clone(reading)),
            volumes: Some(Arc::new(world.volumes_of(box_id))),
        }
    }

    /// What the rules say, on what the deliberate bug lets them see.
    pub fn plan(&self, snapshot: Snapshot, request: &Request) -> Result<Plan, Refusal> {
        self.plan_keeping(snapshot, request, &[])
    }

    pub fn plan_keeping(
        &self,
        mut snapshot: Snapshot,
        request: &Request,
        choices: &[(VolumeId, VolumeId)],
    ) -> Result<Plan, Refusal> {
        Bug::doctor(self.bug, &mut snapshot);
        plan_keeping(&snapshot, request, choices)
    }

    /// Keeps a commit, or says why not. `records` are those from before it, for the checks.
    pub fn keep(
        &mut self,
        commit: &Commit,
        fail: Option<CommitFailure>,
        now: Timestamp,
    ) -> Result<Records, (String, NotKept)> {
        let before = self.durable.clone();
        if let (Some(how), Some(memory)) = (fail, &self.memory) {
            memory.fail_commit(1, how);
        } else if fail.is_some() {
            return Err(("the disk is full".to_owned(), NotKept::Unavailable));
        }
        match finish(self.catalogue.commit(commit.changes.clone(), commit.events.clone())) {
            Ok(_) => {
                self.durable.apply_all(&commit.changes).unwrap();
                self.kept(commit, now);
                Ok(before)
            }
            // The line was lost at COMMIT: look it up before anything else.
            Err(error @ CatalogueError::OutcomeUnknown { .. }) => {
                self.durable = finish(self.catalogue.load()).unwrap();
                if self.durable == before && !commit.changes.is_empty() {
                    Err((error.to_string(), NotKept::Unavailable))
                } else {
                    self.kept(commit, now);
                    Ok(before)
                }
            }
            Err(error) => Err((error.to_string(), NotKept::of(&error))),
        }
    }

    /// What is seen of kept generations that puts them in doubt and is not in the catalogue yet, as the publisher keeps it.
    pub fn doubts(&self, world: &World, now: Timestamp) -> Commit {
        if self.bug == Some(Bug::ForgetDoubt) {
            return Commit::default();
        }
        doubts::to_commit(&self.snapshot(world, now, &[]), &self.durable, self.wall(now))
    }

    fn kept(&mut self, commit: &Commit, now: Timestamp) {
        if self.bug != Some(Bug::BelieveOldReadings) {
            self.tracker.kept(&commit.changes, ecdeck::model::moment::Moment::at(now));
        }
    }

    /// Everything that lives in the process is gone; the catalogue is all that a new one knows.
    pub fn restart(&mut self) -> Checked {
        self.tasks_now.clear();
        self.tracker = Tracker::default();
        self.readings.clear();
        let loaded = finish(self.catalogue.load()).unwrap();
        if loaded != self.durable {
            return violated("the catalogue does not hold what was committed to it");
        }
        for open in self.durable.operations.values() {
            let operation = Mistaken::recover(open.clone(), self.bug);
            let waiting = Waiting::Input(Input::Go);
            self.tasks_now.push(Task::Running(Box::new(Running { open: open.clone(), operation, waiting })));
        }
        Ok(())
    }
}

/// A policy of at most so many generations. Histories take seconds: most of them let backups follow each other at once.
pub fn some_policy(rng: &mut Rng, most: u16, mode: BackupMode) -> Policy {
    let policy = Policy::new(rng.u16(1..=most), 1, mode);
    let floor = rng.bool().then_some(policy.generations);
    let min_interval = (rng.u32(0..8) > 0).then(|| rng.u32(0..3));
    Policy { guard: RotationGuard { floor, min_interval, grace: None }, ..policy }
}

/// The pairs that an operation works on.
pub fn pairs_of(open: &OpenOperation) -> Vec<Pair> {
    open.item.commands().flat_map(|(_, to)| to.command.pairs().to_vec()).collect()
}

/// The volumes of pairs.
pub fn volumes_of(pairs: &[Pair]) -> impl Iterator<Item = VolumeId> + '_ {
    pairs.iter().flat_map(|pair| [pair.source, pair.target])
}
