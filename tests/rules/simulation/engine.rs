//! The engine between its steps: its catalogue, what it has read, what its operations wait for.

use super::bugs::Bug;
use super::world::{BLOCKS, World};
use super::{Checked, violated};
use ecdeck::catalog::memory::{CommitFailure, MemoryCatalogue};
use ecdeck::catalog::{Catalogue, CatalogueError};
use ecdeck::engine::operation::{Commit, Input, Limits, NotKept, Operation, commands};
use ecdeck::model::identity::{BoxId, VolumeId};
use ecdeck::model::observe::{ArraySource, Sources, Tracker, build};
use ecdeck::model::plan::{Plan, Refusal, plan_keeping};
use ecdeck::model::records::{
    BackupMode, BackupVolume, Change, OpenOperation, OperationId, Policy, Records, TransactionVolume,
};
use ecdeck::model::request::Request;
use ecdeck::model::session::{Pair, Reading};
use ecdeck::model::snapshot::{Reach, Site, Snapshot};
use ecdeck::model::units::{Timestamp, Version};
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
#[derive(Debug)]
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
#[derive(Debug)]
pub struct Running {
    pub open: OpenOperation,
    pub operation: Operation,
    pub waiting: Waiting,
}

/// Between agreement and act.
#[derive(Debug)]
pub struct Admitting {
    pub request: Request,
    pub agreed: Plan,
    pub operator: usize,
    pub phase: Phase,
}

#[derive(Debug)]
pub enum Phase {
    Opening,
    Reading(Vec<OpenOperation>, Vec<BoxId>),
    Closing(Vec<OpenOperation>, Commit),
}

#[derive(Debug)]
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
            site: Site { name: "simulated".to_owned(), demo: false, poll_millis: 1000, rec: Vec::new() },
            boxes: world.boxes,
            bug,
        }
    }

    /// Registers all volumes, with policies.
    pub fn set_up(&mut self, world: &mut World, rng: &mut Rng, now: Timestamp) {
        let mut changes = Vec::new();
        for (at, &id) in world.sources.iter().enumerate() {
            let mode = if rng.bool() { BackupMode::Suspend } else { BackupMode::Dissolve };
            changes.push(Change::PutTransactionVolume(TransactionVolume {
                id,
                name: format!("tv{at}").parse().unwrap(),
                blocks: BLOCKS,
                policy: Some(Policy { generations: rng.u16(1..=2), interval_days: 1, mode }),
                registered_at: now,
                next_version: Version(1),
            }));
        }
        for &id in &world.targets {
            changes.push(Change::PutBackupVolume(BackupVolume { id, name: None, blocks: BLOCKS, registered_at: now }));
        }
        finish(self.catalogue.commit(changes, Vec::new())).unwrap();
        self.durable = finish(self.catalogue.load()).unwrap();
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

    /// Keeps a reading, or why there is none. An older one than is known is dropped.
    pub fn take(&mut self, reading: Result<Reading, String>, box_id: BoxId, now: Timestamp) {
        match reading {
            Ok(reading) => {
                let newest = self.readings.get(&box_id).map(|(known, _)| known.taken_at);
                if newest.is_none_or(|newest| newest < reading.taken_at) {
                    self.tracker.take(&reading);
                    self.readings.insert(box_id, (Arc::new(reading), Reach::Reachable));
                }
            }
            Err(why) => {
                if let Some((_, reach)) = self.readings.get_mut(&box_id) {
                    *reach = Reach::Unreachable { since: now, why: why.as_str().into() };
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
        build(&Sources {
            sequence: 1,
            now,
            site: &self.site,
            records: &records,
            arrays: &arrays,
            tracker: &self.tracker,
            operations: &[],
            events: &[],
        })
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
            volumes: Some(Arc::new(world.arrays.core().volumes_of(box_id).unwrap())),
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

    fn kept(&mut self, commit: &Commit, now: Timestamp) {
        if self.bug != Some(Bug::BelieveOldReadings) {
            self.tracker.kept(&commit.changes, now);
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
            let operation = Operation::recover(open.clone(), LIMITS, Bug::switches(self.bug));
            let waiting = Waiting::Input(Input::Go);
            self.tasks_now.push(Task::Running(Box::new(Running { open: open.clone(), operation, waiting })));
        }
        Ok(())
    }
}

/// The pairs that an operation works on.
pub fn pairs_of(open: &OpenOperation) -> Vec<Pair> {
    commands(&open.item).into_iter().flat_map(|(_, command)| command.pairs().to_vec()).collect()
}

/// The volumes of pairs.
pub fn volumes_of(pairs: &[Pair]) -> impl Iterator<Item = VolumeId> + '_ {
    pairs.iter().flat_map(|pair| [pair.source, pair.target])
}
