//! What operators ask for: mostly what leads on, sometimes anything, and they think for a while before they agree.

use super::engine::{Admitting, Phase, Task, some_policy};
use super::rotation::{check_plan, check_refusal};
use super::{Checked, Simulation, tell};
use ecdeck::engine::operation::Commit;
use ecdeck::model::fingerprint::Fingerprint;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::plan::Plan;
use ecdeck::model::reconcile::findings;
use ecdeck::model::records::{BackupMode, Change, EntityChange, GenerationState};
use ecdeck::model::request::{Action, CancelScope, Request, VolumeRole};
use ecdeck::model::session::Pair;
use ecdeck::model::snapshot::{Snapshot, TransactionState};
use ecdeck::model::units::{Timestamp, Version};

/// One operator at a console.
#[derive(Debug, Clone)]
pub struct Operator {
    number: usize,
    /// The plan on the screen, and when it will be agreed to.
    reading: Option<(Request, Plan, Timestamp)>,
}

impl Operator {
    pub fn new(number: usize) -> Self {
        Self { number, reading: None }
    }
}

impl Simulation {
    /// One operator asks for something, or agrees to what he has been reading.
    pub fn operator_acts(&mut self) -> Checked {
        let at = self.rng.usize(..self.operators.len());
        match self.operators[at].reading.take() {
            None => {
                let snapshot = self.engine.snapshot(&self.world, self.now, &[]);
                self.check_whose(&snapshot)?;
                let request = self.asked(&snapshot);
                match self.engine.plan(snapshot.clone(), &request) {
                    Ok(plan) => {
                        check_plan(&snapshot, &plan)?;
                        // Most agree at once, some come back from a telephone call.
                        let pause = if self.rng.u32(0..5) == 0 { self.rng.i64(0..4000) } else { 0 };
                        self.operators[at].reading = Some((request, plan, self.now.plus_millis(pause)));
                    }
                    Err(refusal) => {
                        tell(self.now, || format!("refused: {}: {refusal}", request.action.verb()));
                        if self.bug.is_none() {
                            check_refusal(&snapshot, &request, &refusal)?;
                        }
                        self.summary.refused += 1;
                    }
                }
            }
            Some((request, plan, until)) if until > self.now => {
                self.operators[at].reading = Some((request, plan, until));
            }
            Some((request, agreed, _)) => {
                let operator = self.operators[at].number;
                let snapshot = self.engine.snapshot(&self.world, self.now, &[]);
                // The engine runs its own plan, and only if it is the one that was agreed to.
                let Ok(plan) = self.engine.plan(snapshot, &request) else {
                    self.summary.refused += 1;
                    return Ok(());
                };
                if plan.digest() != agreed.digest() && self.bug != Some(super::Bug::SkipFreshPlan) {
                    self.summary.refused += 1;
                    return Ok(());
                }
                if plan.items().len() > 1 || plan.items().iter().any(|item| item.claims.len() > 2) {
                    self.summary.count(format!("several at once: {}", request.action.verb()));
                }
                // As the engine does: what runs is its own plan, which may have chosen another equal volume.
                let agreed = if plan.digest() == agreed.digest() { plan } else { agreed };
                let phase = Phase::Opening;
                self.engine.tasks_now.push(Task::Admitting(Box::new(Admitting { request, agreed, operator, phase })));
            }
        }
        Ok(())
    }

    /// A wish as a request: some backups release what is beyond the policy.
    fn asked(&mut self, snapshot: &Snapshot) -> Request {
        let action = self.wish(snapshot);
        let action = self.undone(snapshot).unwrap_or(action);
        let action = self.reconciled(snapshot).unwrap_or(action);
        let release_backlog = match &action {
            Action::Backup { volumes, .. } if self.rng.u32(0..6) == 0 => volumes.first().copied(),
            _ => None,
        };
        Request { release_backlog, ..Request::new(action) }
    }

    /// Now and then a released generation is wanted back.
    fn undone(&self, snapshot: &Snapshot) -> Option<Action> {
        let mut rng = fastrand::Rng::with_seed(self.now.0.unsigned_abs());
        let released = rng.choice(snapshot.released.iter()).filter(|_| rng.u32(0..12) == 0)?;
        let (volume, version) = (released.generation.transaction_volume, released.generation.version);
        Some(Action::Reinstate { volume, version })
    }

    /// Now and then somebody does what is proposed where the catalogue and the arrays disagree, or gives a volume back.
    fn reconciled(&self, snapshot: &Snapshot) -> Option<Action> {
        let mut rng = fastrand::Rng::with_seed(!self.now.0.unsigned_abs());
        if !self.reconciles || rng.u32(0..3) > 0 {
            return None;
        }
        let adopted: Vec<VolumeId> = snapshot.take_overs.iter().map(|known| known.volume).collect();
        if let Some(volume) = rng.choice(adopted).filter(|_| rng.u32(0..4) == 0) {
            return Some(Action::GiveBack { volume });
        }
        let rows = findings(snapshot);
        let row = rng.choice(rows.iter())?;
        let only = if rng.bool() { vec![row.subject] } else { Vec::new() };
        Some(Action::Reconcile { volumes: vec![row.owner], only, kinds: Vec::new(), listed: Vec::new() })
    }

    /// Half of the wishes are such that the rules allow them now: refusals are tested enough by the others.
    fn wish(&mut self, snapshot: &Snapshot) -> Action {
        const TRIES: u32 = 6;
        let volume = self.some_free_source(snapshot);
        // From time to time what is kept is practised.
        if self.restores && self.now.0 % 8 == 5 {
            let newest = self.engine.durable.generations_of(volume).next_back().map(|kept| kept.version);
            if let Some(version) = newest.filter(|version| self.read_its_bytes(volume, *version)) {
                return Action::Practice { volume, version };
            }
        }
        let equivalent =
            snapshot.transaction_volume(volume).is_some_and(|view| view.state == TransactionState::Equivalent);
        // What is equivalent is mostly backed up: that is what it is for.
        if self.rng.bool() && !(equivalent && self.rng.bool()) {
            for _ in 0..TRIES {
                let action = self.anything(volume);
                // These are allowed nearly always.
                let easy = matches!(action, Action::SetPolicy { .. } | Action::Unregister { .. });
                if easy && self.rng.u32(0..4) > 0 {
                    continue;
                }
                let request = Request::new(action);
                if self.engine.plan(snapshot.clone(), &request).is_ok() {
                    return request.action;
                }
            }
        }
        if self.rng.u32(0..10) < 3 {
            return self.anything(volume);
        }
        let volumes = if self.rng.u32(0..5) == 0 { vec![volume, self.some_source()] } else { vec![volume] };
        let together = volumes.len() > 1 && self.rng.bool();
        match snapshot.transaction_volume(volume).map(|view| view.state) {
            Some(TransactionState::Equivalent) => {
                let mode = if self.rng.u32(0..6) == 0 { Some(self.some_mode()) } else { None };
                Action::Backup { volumes, mode, together }
            }
            Some(TransactionState::Suspended) if self.rng.u32(0..3) == 0 => {
                Action::Resume { volumes: vec![volume], target: None }
            }
            Some(TransactionState::None | TransactionState::Suspended) => {
                Action::Start { volumes, targets: Vec::new(), together }
            }
            Some(TransactionState::Error) => Action::Cancel { volumes: vec![volume], scope: CancelScope::Live },
            Some(TransactionState::Halted | TransactionState::HalfOpen | TransactionState::Unknown) => {
                Action::ForceStop { volume, target: None }
            }
            // While it copies there is time for what is kept.
            _ => self.about_what_is_kept(volume),
        }
    }

    fn about_what_is_kept(&mut self, volume: VolumeId) -> Action {
        let version = self.some_version(volume);
        match self.rng.u32(0..5) {
            0..2 => Action::Hold { volume, version, why: "tape".into() },
            2 => Action::Unhold { volume, version },
            _ => Action::DeleteGeneration { volume, version },
        }
    }

    /// Mostly where the planner proposes or to a volume of the pool, sometimes over live data; sometimes the way out of one.
    fn about_restores(&mut self, volume: VolumeId, version: Version, target: VolumeId) -> Action {
        let marked: Vec<VolumeId> = self.engine.durable.restores().map(|mark| mark.pair.target).collect();
        let (unmounted, own) = (true, Some(volume));
        let without_present_state = self.now.0 % 3 == 0;
        match self.rng.u32(0..6) {
            0 if !marked.is_empty() => Action::CancelRestore { target: marked[self.rng.usize(..marked.len())] },
            1 => Action::Restore { volume, version, to: own, unmounted, without_present_state },
            2 => Action::Restore { volume, version, to: Some(self.some_source()), unmounted, without_present_state },
            3 => Action::Restore { volume, version, to: Some(target), unmounted, without_present_state },
            _ if self.now.0 % 4 == 1 && self.read_its_bytes(volume, version) => Action::Practice { volume, version },
            _ => Action::Restore { volume, version, to: marked.first().copied(), unmounted, without_present_state },
        }
    }

    /// Whether a generation has a fingerprint, which it is given now where its bytes can be read.
    fn read_its_bytes(&mut self, volume: VolumeId, version: Version) -> bool {
        let records = &self.engine.durable;
        let Some(kept) = records.generations.get(&(volume, version)) else { return false };
        if kept.fingerprint.is_some() || !self.world.capabilities().reads_bytes {
            return kept.fingerprint.is_some();
        }
        let moving = |pair: &Pair| pair.target == kept.backup_volume;
        let busy = self.world.arrays.core().sessions().any(|one| one.is_copying() && moving(&one.pair));
        if busy || records.claims.contains_key(&kept.backup_volume) || kept.state != GenerationState::Valid {
            return false;
        }
        let blake3 = self.world.fingerprint(kept.backup_volume);
        let fingerprint = Fingerprint { blake3, at: self.now, millis: 1, verified: None, practised: None };
        let change = EntityChange::KeepFingerprint {
            transaction_volume: volume,
            version,
            fingerprint: Box::new(fingerprint),
            leaves: None,
        };
        self.engine.keep(&Commit { changes: vec![Change::Entity(change)], events: Vec::new() }, None, self.now).is_ok()
    }

    fn anything(&mut self, volume: VolumeId) -> Action {
        let volumes = vec![volume];
        let target = self.world.targets[self.rng.usize(..self.world.targets.len())];
        let named = if self.rng.bool() { Some(target) } else { None };
        let version = self.some_version(volume);
        if self.restores && self.rng.u32(0..3) == 0 {
            return self.about_restores(volume, version, target);
        }
        match self.rng.u32(0..21) {
            0 => Action::Start { volumes, targets: vec![(volume, target)], together: false },
            1 => Action::Resume { volumes, target: named },
            2..4 => Action::Overwrite { volume, version },
            4 if self.restores && self.rng.bool() => Action::Snapshot { volume },
            4 => Action::Suspend { volumes, target: named },
            5 => Action::Cancel { volumes, scope: CancelScope::Live },
            6 => Action::Cancel { volumes, scope: CancelScope::One(target) },
            7 => Action::Cancel { volumes, scope: CancelScope::All },
            8 => Action::ForceStop { volume, target: named },
            9 => Action::Backup { volumes, mode: Some(self.some_mode()), together: false },
            10 => {
                let mode = self.some_mode();
                Action::SetPolicy { volume, policy: some_policy(&mut self.rng, 3, mode) }
            }
            11..13 => Action::Hold { volume, version, why: "tape".into() },
            13 => Action::Unhold { volume, version },
            14 => Action::DeleteGeneration { volume, version },
            15 => Action::Unregister { volume: target },
            16 => Action::Suspend { volumes: self.some_set(), target: None },
            17 => Action::Start { volumes: self.some_set(), targets: Vec::new(), together: true },
            18..20 => Action::Backup { volumes: self.some_set(), mode: None, together: true },
            _ => Action::Register { volume: target, role: VolumeRole::Backup, name: None },
        }
    }

    /// A volume that nobody else is at, as far as the operator sees.
    fn some_free_source(&mut self, snapshot: &Snapshot) -> VolumeId {
        let free = |id: &VolumeId| snapshot.transaction_volume(*id).is_some_and(|view| view.claimed.is_none());
        let tries = [self.some_source(), self.some_source(), self.some_source()];
        tries.into_iter().find(free).unwrap_or(tries[0])
    }

    fn some_source(&mut self) -> VolumeId {
        self.world.sources[self.rng.usize(..self.world.sources.len())]
    }

    fn some_mode(&mut self) -> BackupMode {
        if self.rng.bool() { BackupMode::Suspend } else { BackupMode::Dissolve }
    }

    /// Volumes that belong together: mostly two of one array.
    fn some_set(&mut self) -> Vec<VolumeId> {
        let count = if self.rng.u32(0..3) == 0 { 3 } else { 2 };
        self.world.sources[..count].to_vec()
    }

    /// A kept version where there is one.
    fn some_version(&mut self, volume: VolumeId) -> Version {
        let kept: Vec<Version> = self.engine.durable.generations_of(volume).map(|g| g.version).collect();
        if kept.is_empty() { Version(1) } else { kept[self.rng.usize(..kept.len())] }
    }
}
