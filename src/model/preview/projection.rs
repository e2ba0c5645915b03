//! A site as it will be: the snapshot and the records that the plans of one night leave for the next one.

use super::NightRelease;
use crate::model::entity::OurSession;
use crate::model::entity_change::EntityChange;
use crate::model::identity::VolumeId;
use crate::model::map_set::PairUse;
use crate::model::observe::{backup_state, session_state};
use crate::model::pool::PoolKey;
use crate::model::records::{Change, OperationId, Records};
use crate::model::session::{ArrayWords, Direction, Pair, Phase, RecModes, Status};
use crate::model::snapshot::{BackupState, BackupVolumeView, Halves, Ready, SessionView, Snapshot, TransactionState};
use crate::model::step::{Done, NotKeepable, OwnSuspend, PlanItem, PlanStep};
use crate::model::units::{Blocks, Timestamp, Version};
use crate::model::untrusted::Untrusted;
use std::collections::{BTreeMap, BTreeSet};

/// What one item of a plan changed.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub recorded: Vec<(VolumeId, Version, VolumeId)>,
    pub released: Vec<(VolumeId, NightRelease)>,
}

pub(super) struct Projection {
    snapshot: Snapshot,
    /// What the catalogue keeps of the volumes of these sizes.
    records: Records,
    operation: u64,
    /// Volumes whose views have to be made anew.
    touched: BTreeSet<VolumeId>,
}

impl Projection {
    /// The site of now, with the volumes of these sizes. What runs now has ended by the first night.
    pub fn new(snapshot: &Snapshot, sizes: &BTreeSet<Blocks>) -> Self {
        let mut snapshot = snapshot.clone();
        let mut records = Records::default();
        for view in &mut snapshot.transaction_volumes {
            view.claimed = None;
        }
        for view in &mut snapshot.pool {
            view.claimed = None;
        }
        for view in snapshot.transaction_volumes.iter().filter(|view| sizes.contains(&view.volume.blocks)) {
            records.keep_transaction_volume(view.volume.clone());
        }
        for view in snapshot.pool.iter().filter(|view| sizes.contains(&view.volume.blocks)) {
            records.keep_backup_volume(view.volume.clone());
        }
        for kept in snapshot.generations.iter().filter(|kept| sizes.contains(&kept.blocks)) {
            records.generations.insert((kept.transaction_volume, kept.version), kept.clone());
        }
        for released in snapshot.released.iter().filter(|released| sizes.contains(&released.generation.blocks)) {
            records.released.insert(released.generation.backup_volume, released.clone());
        }
        for session in snapshot.sessions.iter().filter(|session| session.ours) {
            let ours = OurSession { pair: session.pair, since: session.since, operation: None, full: false };
            records.sessions.insert(session.pair, ours);
        }
        for used in &snapshot.map_uses {
            records.map_uses.insert((used.transaction_volume, used.backup_volume), used.operation);
        }
        let newest = snapshot.operations.iter().map(|operation| operation.id.0);
        let newest = newest.chain(snapshot.map_uses.iter().map(|used| used.operation.0)).max();
        let operation = newest.unwrap_or(0) + 1;
        snapshot.operations.clear();
        snapshot.events.clear();
        let mut projection = Self { snapshot, records, operation, touched: BTreeSet::new() };
        projection.finish_copies();
        projection
    }

    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Backup volumes of these pools that are unused.
    pub fn unused(&self, pools: &BTreeSet<PoolKey>) -> usize {
        let in_pool = |view: &BackupVolumeView| pools.contains(&self.snapshot.backup_key(view));
        let unused = |view: &&BackupVolumeView| view.state == BackupState::Unused && in_pool(view);
        self.snapshot.pool.iter().filter(unused).count()
    }

    pub fn is_synchronized(&self, id: VolumeId) -> bool {
        self.snapshot.transaction_volume(id).is_some_and(|view| view.state == TransactionState::Equivalent)
    }

    /// The clocks go on; arrays are read as well as they are now.
    pub fn advance_to(&mut self, at: Timestamp) {
        let by = at.since(self.snapshot.taken_at);
        self.snapshot.taken_at = at;
        self.snapshot.moment.0 = self.snapshot.moment.0.saturating_add(by);
        for array in &mut self.snapshot.arrays {
            array.taken_at = array.taken_at.map(|taken_at| taken_at.plus_millis(by));
            if let Some(began) = &mut array.began {
                began.0 = began.0.saturating_add(by);
            }
        }
    }

    /// Copies that run now come to their end.
    fn finish_copies(&mut self) {
        // A full copy and a difference alike, by the word that the screen has for both.
        let runs = |session: &&mut SessionView| session.ours && session_state(session) == TransactionState::Copying;
        for session in self.snapshot.sessions.iter_mut().filter(runs) {
            go_on(session);
            self.touched.extend([session.pair.source, session.pair.target]);
        }
        self.refresh();
    }

    /// Does what an item says: the steps' own changes in the records, and what their commands do to sessions.
    pub fn apply(&mut self, item: &PlanItem) -> Result<Outcome, NotKeepable> {
        let (now, operation) = (self.snapshot.taken_at, OperationId(self.operation));
        self.operation += 1;
        let mut own_suspends = BTreeMap::new();
        let mut outcome = Outcome::default();
        for step in &item.steps {
            match step {
                PlanStep::StartFull(start) => self.start(start.pair, start.modes),
                PlanStep::Resume(resume) => self.start(resume.pair, None),
                PlanStep::Suspend(suspend) => {
                    for pair in &suspend.pairs {
                        own_suspends.insert(*pair, OwnSuspend { sent: now, went_on: false });
                        self.suspend(pair);
                    }
                }
                PlanStep::Stop(stop) => self.stop(&stop.pair),
                _ => {}
            }
            let catalogue = &self.records;
            let done =
                Done { operation, item, now, seen_at: now, own_suspends: &own_suspends, catalogue, compared: None };
            let changes = step.changes(&done)?.changes;
            for change in changes {
                self.keep(change, &mut outcome);
            }
        }
        self.touched.extend(&item.claims);
        Ok(outcome)
    }

    fn keep(&mut self, change: EntityChange, outcome: &mut Outcome) {
        match &change {
            EntityChange::AddGeneration(new) => {
                outcome.recorded.push((new.transaction_volume, new.version, new.backup_volume));
            }
            EntityChange::ReleaseGeneration { transaction_volume, version, why, .. } => {
                if let Some(kept) = self.records.generations.get(&(*transaction_volume, *version)) {
                    let release = NightRelease { version: *version, backup_volume: kept.backup_volume, why: *why };
                    outcome.released.push((*transaction_volume, release));
                }
            }
            _ => {}
        }
        let kept = self.records.apply(&Change::Entity(change));
        debug_assert!(kept.is_ok(), "a plan that does not fit its own snapshot: {kept:?}");
    }

    fn start(&mut self, pair: Pair, modes: Option<RecModes>) {
        let since = self.snapshot.taken_at;
        match self.snapshot.sessions.binary_search_by_key(&pair, |session| session.pair) {
            Ok(at) => go_on(&mut self.snapshot.sessions[at]),
            Err(at) => self.snapshot.sessions.insert(at, new_session(pair, modes, since)),
        }
    }

    fn suspend(&mut self, pair: &Pair) {
        if let Ok(at) = self.snapshot.sessions.binary_search_by_key(pair, |session| session.pair) {
            let session = &mut self.snapshot.sessions[at];
            (session.status, session.phase) = (Status::Suspended, Phase::Tracking);
        }
    }

    fn stop(&mut self, pair: &Pair) {
        if let Ok(at) = self.snapshot.sessions.binary_search_by_key(pair, |session| session.pair) {
            self.snapshot.sessions.remove(at);
        }
    }

    /// Makes the views of what was changed anew.
    pub fn refresh(&mut self) {
        let touched = std::mem::take(&mut self.touched);
        if touched.is_empty() {
            return;
        }
        let (records, snapshot) = (&self.records, &mut self.snapshot);
        let others = snapshot.generations.iter();
        let others = others.filter(|kept| !records.transaction_volumes.contains_key(&kept.transaction_volume)).cloned();
        let mut generations: Vec<_> = others.chain(records.generations.values().cloned()).collect();
        generations.sort_by_key(|kept| (kept.transaction_volume, kept.version));
        snapshot.generations = generations.into();
        let others = snapshot.released.iter();
        let others =
            others.filter(|gone| !records.backup_volumes.contains_key(&gone.generation.backup_volume)).cloned();
        let mut released: Vec<_> = others.chain(records.released.values().cloned()).collect();
        released.sort_by_key(|gone| gone.generation.backup_volume);
        snapshot.released = released.into();
        let uses = records.map_uses.iter();
        let uses = uses.map(|(&(transaction_volume, backup_volume), &operation)| PairUse {
            transaction_volume,
            backup_volume,
            operation,
        });
        snapshot.map_uses = uses.collect();
        for id in touched {
            self.refresh_view(id);
        }
    }

    fn refresh_view(&mut self, id: VolumeId) {
        if let Ok(at) = self.snapshot.transaction_volumes.binary_search_by_key(&id, |view| view.volume.id) {
            let ours = self.snapshot.sessions_of(id).iter().filter(|session| session.ours);
            let state = ours.map(session_state).max().unwrap_or(TransactionState::None);
            let kept = self.snapshot.generations_of(id);
            let newest = kept.iter().rev().find(|kept| !kept.is_before_restore());
            let (kept, newest) = (kept.len(), newest.map(|newest| (newest.version, newest.taken_at)));
            let view = &mut self.snapshot.transaction_volumes[at];
            view.state = state;
            view.kept = u16::try_from(kept).unwrap_or(u16::MAX);
            view.last_backup = newest;
            if let Some(known) = self.records.transaction_volumes.get(&id) {
                view.volume.next_version = known.next_version;
            }
        }
        if let Ok(at) = self.snapshot.pool.binary_search_by_key(&id, |view| view.volume.id) {
            let session = self.snapshot.sessions.iter().find(|session| session.ours && session.pair.target == id);
            let of_session = session.map(|session| (session.pair.source, session_state(session)));
            let kept = self.records.generation_on(id).map(|kept| (kept.transaction_volume, kept.version));
            let state = of_session.map_or(TransactionState::None, |(_, state)| state);
            let view = &mut self.snapshot.pool[at];
            view.state = backup_state(state, kept.is_some());
            view.transaction_volume = of_session.map(|(source, _)| source).or(kept.map(|(of, _)| of));
            view.generation = kept.map(|(_, version)| version);
        }
    }
}

/// The copy is made, both sides are identical.
fn go_on(session: &mut SessionView) {
    (session.status, session.phase) = (Status::Active, Phase::Equivalent);
    (session.progress, session.difference, session.target_written) = (None, None, None);
    session.ready = Ready::Now;
}

fn new_session(pair: Pair, modes: Option<RecModes>, since: Timestamp) -> SessionView {
    SessionView {
        pair,
        status: Status::Active,
        phase: Phase::Equivalent,
        words: ArrayWords::default(),
        halves: if pair.source.box_id == pair.target.box_id { Halves::One } else { Halves::Agree },
        ours: true,
        full: Some(true),
        progress: None,
        difference: None,
        target_written: None,
        error: None,
        modes,
        direction: Direction::Forward,
        reported_kind: pair.kind,
        requestor: Untrusted::default(),
        rate: None,
        ready: Ready::Now,
        since,
        copied_in: None,
        by_target: false,
        sid: 0,
    }
}
