//! What the catalogue keeps, as plain records, and the changes that are made to them.
//!
//! The engine, the in-memory catalogue and the simulator all hold one [`Records`] and apply the same [`Change`]s to it;
//! the SQL catalogue does the same to its tables.

pub use super::entity::{
    BackupMode, BackupVolume, CopyTime, Generation, GenerationState, InstantProof, OperationEnd, OperationId,
    OurSession, PastGeneration, Policy, ReleaseReason, ReleasedGeneration, RotationGuard, SetInstant,
    TransactionVolume,
};
pub use super::entity_change::EntityChange;

use super::acknowledgement::Acknowledgement;
use super::actor::Actor;
use super::group_watch::GroupWatch;
use super::identity::{BoxId, Name, VolumeId};
use super::maintenance::Maintenance;
use super::map_set::MapSet;
use super::notice_record::NoticeRecord;
use super::session::{CopyKind, Pair};
use super::step::{Lookup, PlanItem};
use super::take_over::TakeOver;
use super::trouble_kind::TroubleId;
use super::units::{Timestamp, Version};
use super::untrusted::Untrusted;
use super::volume_group::GroupPlace;
use super::volume_set::VolumeSet;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// An operation that has not ended: enough to go on with it after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOperation {
    pub id: OperationId,
    pub actor: Actor,
    pub started: Timestamp,
    pub reason: Option<Untrusted>,
    /// What was agreed to, step by step.
    pub item: PlanItem,
    /// What is known to have been begun and what came of it, in order.
    pub journal: Vec<JournalEntry>,
}

/// One durable line about an operation's step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "entry")]
pub enum JournalEntry {
    /// The step's command is about to be sent for the `attempt`th time (from 1): from `at` on it may have happened.
    Intent { step: usize, attempt: u32, at: Timestamp },
    /// What the array answered.
    Answered { step: usize, outcomes: Vec<super::copy::PairOutcome> },
    /// The step's effect was observed on the array, or its catalogue change is committed.
    Finished { step: usize },
    /// The step's advisory script before the backup failed: what is recorded is no state of paused file systems.
    HookFailed { step: usize },
    /// Not all volumes of one instant were suspended: these, which were, are resumed; then the operation ends so.
    Undo { pairs: Vec<super::session::Pair>, end: OperationEnd },
    /// A restore was cancelled: this one-point copy is ended; then the operation ends so.
    EndCopy { pair: super::session::Pair, end: OperationEnd },
    /// From here on only the scripts that are due are run; then the operation ends so.
    Ending { end: OperationEnd },
}

/// Who has a volume to himself now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub volume: VolumeId,
    pub operation: OperationId,
    pub holder: Actor,
    pub since: Timestamp,
    /// Grows with every claim in the catalogue: a later write carries it and is refused when it is no longer the newest.
    pub epoch: u64,
}

/// Everything that is in force: live volumes, generations, sessions, operations. Ended ones are in history and events only.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Records {
    pub transaction_volumes: BTreeMap<VolumeId, TransactionVolume>,
    pub backup_volumes: BTreeMap<VolumeId, BackupVolume>,
    /// Kept generations by transaction volume and version.
    #[serde(with = "pairs_as_list")]
    pub generations: BTreeMap<(VolumeId, Version), Generation>,
    #[serde(with = "pairs_as_list")]
    pub sessions: BTreeMap<Pair, OurSession>,
    /// By backup volume: groups that sessions are onto.
    #[serde(default)]
    pub group_watches: BTreeMap<VolumeId, GroupWatch>,
    /// Released generations that can come back, by backup volume.
    #[serde(default)]
    pub released: BTreeMap<VolumeId, ReleasedGeneration>,
    pub operations: BTreeMap<OperationId, OpenOperation>,
    pub claims: BTreeMap<VolumeId, Claim>,
    /// The next version of transaction volumes that were taken out of the site: versions are never reused, even when they come back.
    #[serde(default)]
    pub retired: BTreeMap<VolumeId, Version>,
    /// The box id that each configured array had when it was first seen.
    pub arrays: BTreeMap<Name, BoxId>,
    #[serde(default)]
    pub map_sets: BTreeMap<Name, MapSet>,
    /// The last operation that started a pair (transaction volume, backup volume) because a map paired it.
    #[serde(default, with = "pairs_as_list")]
    pub map_uses: BTreeMap<(VolumeId, VolumeId), OperationId>,
    #[serde(default)]
    pub volume_sets: BTreeMap<Name, VolumeSet>,
    /// What the notification hook was given, by key.
    #[serde(default)]
    pub notices: BTreeMap<String, NoticeRecord>,
    /// Troubles that a person knows of.
    #[serde(default)]
    pub acknowledgements: BTreeMap<TroubleId, Acknowledgement>,
    /// Arrays in maintenance, by name; one that is past its time stays until somebody ends it.
    pub maintenance: BTreeMap<Name, Maintenance>,
    /// Volumes that were taken over from another program, or given back.
    #[serde(default)]
    pub take_overs: BTreeMap<VolumeId, TakeOver>,
    pub next_operation: u64,
    pub next_epoch: u64,
    /// The volume that has each name, in whichever role: a look-up does not grow with the site.
    #[serde(default)]
    names: BTreeMap<Name, VolumeId>,
}

/// One change to the records. A batch of them is made as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// Opens an operation and claims its volumes. Fails as a whole when a volume is held by another operation.
    Open {
        operation: OpenOperation,
        claims: Vec<VolumeId>,
        epoch: u64,
    },
    Journal {
        operation: OperationId,
        entry: JournalEntry,
    },
    /// Ends an operation and lets go of its volumes.
    Close {
        operation: OperationId,
        end: OperationEnd,
        at: Timestamp,
    },
    #[serde(untagged)]
    Entity(EntityChange),
}

/// A change that does not fit the records. It tells of a fault in the program or of another writer, never of the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    #[error("volume {} is held by operation {} of {} since {}", .0.volume, .0.operation, .0.holder, .0.since.0)]
    Held(Box<Claim>),
    #[error("the catalogue has no {0}")]
    Missing(String),
    #[error("the catalogue already has {0}")]
    Exists(String),
    #[error("operation {0} no longer holds its volumes")]
    LostClaim(OperationId),
}

impl ChangeError {
    /// Transaction and backup volumes share one name space: a name means one volume.
    pub fn name_taken(name: &Name) -> Self {
        Self::Exists(format!("a volume that is called {name}"))
    }

    pub fn other_role(id: VolumeId) -> Self {
        Self::Exists(format!("volume {id} in another role"))
    }

    /// A transaction volume is in one map set at most.
    pub fn mapped(transaction_volume: VolumeId) -> Self {
        Self::Exists(format!("a map set that has {transaction_volume}"))
    }

    /// A transaction volume is in one set at most.
    pub fn in_a_set(transaction_volume: VolumeId) -> Self {
        Self::Exists(format!("a set that has {transaction_volume}"))
    }

    pub fn holds_generation(backup_volume: VolumeId) -> Self {
        Self::Exists(format!("a generation on {backup_volume}"))
    }
}

impl Records {
    /// Makes one change, or none. The same checks hold in every catalogue; the conformance suite compares them.
    pub fn apply(&mut self, change: &Change) -> Result<(), ChangeError> {
        match change {
            Change::Entity(EntityChange::PutTransactionVolume(volume)) => self.put_transaction_volume(volume)?,
            Change::Entity(EntityChange::RemoveTransactionVolume { id }) => {
                let removed = self.transaction_volumes.remove(id).ok_or_else(|| missing("transaction volume", id))?;
                self.names.remove(&removed.name);
                self.retired.insert(*id, removed.next_version);
                self.released.retain(|_, released| released.generation.transaction_volume != *id);
            }
            Change::Entity(EntityChange::PutBackupVolume(volume)) => {
                if self.transaction_volumes.contains_key(&volume.id) {
                    return Err(ChangeError::other_role(volume.id));
                }
                if let Some(name) = &volume.name {
                    self.name_is_free(name, volume.id)?;
                }
                self.keep_backup_volume(volume.clone());
            }
            Change::Entity(EntityChange::RemoveBackupVolume { id }) => {
                let removed = self.backup_volumes.remove(id).ok_or_else(|| missing("backup volume", id))?;
                if let Some(name) = &removed.name {
                    self.names.remove(name);
                }
                self.released.remove(id);
            }
            Change::Entity(EntityChange::AddGeneration(generation)) => self.add_generation(generation)?,
            Change::Entity(
                entity @ (EntityChange::SetGenerationState { transaction_volume, version, .. }
                | EntityChange::HoldGeneration { transaction_volume, version, .. }
                | EntityChange::KeepGroupCopy { transaction_volume, version, .. }
                | EntityChange::KeepFingerprint { transaction_volume, version, .. }),
            ) => entity.alter(self.generation_mut(*transaction_volume, *version)?),
            Change::Entity(EntityChange::ReleaseGeneration { transaction_volume, version, at, why }) => {
                let key = (*transaction_volume, *version);
                let generation = self.generations.remove(&key).ok_or_else(|| missing("generation", version))?;
                let released = ReleasedGeneration { generation, at: *at, why: *why };
                self.released.insert(released.generation.backup_volume, released);
            }
            Change::Entity(EntityChange::ReinstateGeneration { transaction_volume, version, state, held }) => {
                let key = (*transaction_volume, *version);
                let of = |released: &&ReleasedGeneration| {
                    (released.generation.transaction_volume, released.generation.version) == key
                };
                let found = self.released.values().find(of).map(|released| released.generation.backup_volume);
                let released = found.and_then(|volume| self.released.remove(&volume));
                let known = released.ok_or_else(|| missing("released generation", version))?.generation;
                self.generations.insert(key, Generation { state: state.clone(), held: Some(held.clone()), ..known });
            }
            Change::Entity(EntityChange::ForgetReleased { backup_volume }) => {
                self.released.remove(backup_volume);
            }
            Change::Entity(EntityChange::PutSession(session)) => {
                self.released.remove(&session.pair.target);
                self.sessions.insert(session.pair, session.clone());
            }
            Change::Entity(EntityChange::RemoveSession { pair }) => {
                self.sessions.remove(pair).ok_or_else(|| missing("session to", pair.target))?;
                self.group_watches.remove(&pair.target);
            }
            Change::Entity(EntityChange::WatchGroup { backup_volume, watch }) => {
                if !self.sessions.keys().any(|pair| pair.target == *backup_volume) {
                    return Err(missing("session to", backup_volume));
                }
                self.group_watches.insert(*backup_volume, watch.clone());
            }
            Change::Entity(EntityChange::KnowArray { name, box_id }) => {
                self.arrays.insert(name.clone(), *box_id);
            }
            Change::Entity(EntityChange::PutMapSet(set)) => self.put_map_set(set)?,
            Change::Entity(EntityChange::RemoveMapSet { name }) => {
                self.map_sets.remove(name).ok_or_else(|| missing("map set", name))?;
            }
            Change::Entity(EntityChange::PutVolumeSet(set)) => self.put_volume_set(set)?,
            Change::Entity(EntityChange::RemoveVolumeSet { name }) => {
                self.volume_sets.remove(name).ok_or_else(|| missing("set", name))?;
            }
            Change::Entity(EntityChange::UseMapRow { transaction_volume, backup_volume, operation }) => {
                let known = self.map_uses.entry((*transaction_volume, *backup_volume)).or_insert(*operation);
                *known = (*known).max(*operation);
            }
            Change::Entity(EntityChange::PutNotice { key, notice }) => {
                self.notices.insert(key.clone(), (**notice).clone());
            }
            Change::Entity(EntityChange::RemoveNotice { key }) => {
                self.notices.remove(key).ok_or_else(|| missing("notice", key))?;
            }
            Change::Entity(EntityChange::Acknowledge(known)) => {
                self.acknowledgements.insert(known.trouble.clone(), (**known).clone());
            }
            Change::Entity(EntityChange::EndAcknowledgement { trouble }) => {
                self.acknowledgements.remove(trouble).ok_or_else(|| missing("acknowledgement of", trouble))?;
            }
            Change::Entity(EntityChange::PutMaintenance(known)) => {
                self.maintenance.insert(known.array.clone(), (**known).clone());
            }
            Change::Entity(EntityChange::PutTakeOver(known)) => {
                self.take_overs.insert(known.volume, (**known).clone());
            }
            Change::Entity(EntityChange::EndMaintenance { array }) => {
                self.maintenance.remove(array).ok_or_else(|| missing("maintenance of", array))?;
            }
            Change::Open { operation, claims, epoch } => self.open(operation, claims, *epoch)?,
            Change::Journal { operation, entry } => {
                let open = self.operations.get_mut(operation).ok_or(ChangeError::LostClaim(*operation))?;
                open.journal.push(entry.clone());
            }
            Change::Close { operation, .. } => {
                self.operations.remove(operation).ok_or(ChangeError::LostClaim(*operation))?;
                self.claims.retain(|_, claim| claim.operation != *operation);
            }
        }
        Ok(())
    }

    /// Makes all changes, or none.
    pub fn apply_all(&mut self, changes: &[Change]) -> Result<(), ChangeError> {
        let before = self.clone();
        for change in changes {
            if let Err(error) = self.apply(change) {
                *self = before;
                return Err(error);
            }
        }
        Ok(())
    }

    /// The kept generations of a transaction volume, oldest first.
    pub fn generations_of(&self, id: VolumeId) -> impl DoubleEndedIterator<Item = &Generation> {
        self.generations.range((id, Version(0))..=(id, Version(u64::MAX))).map(|(_, generation)| generation)
    }

    /// The marks of restores that have not come to their end: our rows of one-point copies.
    pub fn restores(&self) -> impl Iterator<Item = &OurSession> {
        self.sessions.values().filter(|session| session.pair.kind == CopyKind::Opc)
    }

    /// The volume that is called so, in whichever role.
    pub fn named(&self, name: &Name) -> Option<VolumeId> {
        self.names.get(name).copied()
    }

    /// The volume that a person means by a name or by `HOST:VG`, as [`super::snapshot::Snapshot::find`] has it.
    pub fn meant(&self, text: &str) -> Option<VolumeId> {
        if let Ok(name) = text.parse() {
            return self.named(&name);
        }
        let place: GroupPlace = text.parse().ok()?;
        let transactions = self.transaction_volumes.values();
        let transactions = transactions.filter(|volume| volume.group.as_ref().is_some_and(|group| group.is_at(&place)));
        let backups = self.backup_volumes.values();
        let backups = backups.filter(|volume| volume.group.as_ref().is_some_and(|group| group.is_at(&place)));
        let mut found = transactions.map(|volume| volume.id).chain(backups.map(|volume| volume.id));
        found.next().filter(|_| found.next().is_none())
    }

    /// Takes in a transaction volume as it is, without a rule: what a catalogue was loaded from kept them.
    pub fn keep_transaction_volume(&mut self, volume: TransactionVolume) {
        let (id, name) = (volume.id, volume.name.clone());
        let before = self.transaction_volumes.insert(id, volume).map(|before| before.name);
        self.name(id, before, Some(name));
    }

    /// The same for a backup volume.
    pub fn keep_backup_volume(&mut self, volume: BackupVolume) {
        let (id, name) = (volume.id, volume.name.clone());
        let before = self.backup_volumes.insert(id, volume).and_then(|before| before.name);
        self.name(id, before, name);
    }

    fn name(&mut self, id: VolumeId, before: Option<Name>, now: Option<Name>) {
        if let Some(before) = before.filter(|before| now.as_ref() != Some(before)) {
            self.names.remove(&before);
        }
        if let Some(now) = now {
            self.names.insert(now, id);
        }
    }

    /// The kept generation on a backup volume.
    pub fn generation_on(&self, backup_volume: VolumeId) -> Option<&Generation> {
        self.generations.values().find(|generation| generation.backup_volume == backup_volume)
    }

    fn name_is_free(&self, name: &Name, wanted_by: VolumeId) -> Result<(), ChangeError> {
        match self.named(name) {
            Some(other) if other != wanted_by => Err(ChangeError::name_taken(name)),
            _ => Ok(()),
        }
    }

    fn generation_mut(&mut self, id: VolumeId, version: Version) -> Result<&mut Generation, ChangeError> {
        self.generations.get_mut(&(id, version)).ok_or_else(|| missing("generation", version))
    }

    fn put_transaction_volume(&mut self, volume: &TransactionVolume) -> Result<(), ChangeError> {
        if self.backup_volumes.contains_key(&volume.id) {
            return Err(ChangeError::other_role(volume.id));
        }
        self.name_is_free(&volume.name, volume.id)?;
        let mut volume = volume.clone();
        let known = self.transaction_volumes.get(&volume.id).map(|known| known.next_version);
        let reached = known.max(self.retired.remove(&volume.id));
        volume.next_version = volume.next_version.max(reached.unwrap_or(Version(0)));
        self.keep_transaction_volume(volume);
        Ok(())
    }

    fn add_generation(&mut self, generation: &Generation) -> Result<(), ChangeError> {
        let id = generation.transaction_volume;
        let holds = self.generation_on(generation.backup_volume).is_some();
        let volume = self.transaction_volumes.get_mut(&id).ok_or_else(|| missing("transaction volume", id))?;
        if self.generations.contains_key(&(id, generation.version)) || generation.version < volume.next_version {
            return Err(ChangeError::Exists(format!("generation {} of {}", generation.version, volume.name)));
        }
        if holds {
            return Err(ChangeError::holds_generation(generation.backup_volume));
        }
        volume.next_version = Version(generation.version.0 + 1);
        self.released.remove(&generation.backup_volume);
        self.generations.insert((id, generation.version), generation.clone());
        Ok(())
    }

    fn put_map_set(&mut self, set: &MapSet) -> Result<(), ChangeError> {
        let others = self.map_sets.values().filter(|other| other.name != set.name);
        let taken: BTreeSet<VolumeId> = others.flat_map(MapSet::transaction_volumes).collect();
        if let Some(volume) = set.transaction_volumes().into_iter().find(|volume| taken.contains(volume)) {
            return Err(ChangeError::mapped(volume));
        }
        self.map_sets.insert(set.name.clone(), set.clone());
        Ok(())
    }

    fn put_volume_set(&mut self, set: &VolumeSet) -> Result<(), ChangeError> {
        let elsewhere =
            |id: &&VolumeId| self.volume_sets.values().any(|other| other.name != set.name && other.has(**id));
        if let Some(volume) = set.members.iter().find(elsewhere) {
            return Err(ChangeError::in_a_set(*volume));
        }
        self.volume_sets.insert(set.name.clone(), set.clone());
        Ok(())
    }

    fn open(&mut self, operation: &OpenOperation, claims: &[VolumeId], epoch: u64) -> Result<(), ChangeError> {
        if operation.id.0 < self.next_operation {
            return Err(ChangeError::Exists(format!("operation {}", operation.id)));
        }
        if let Some(claim) = claims.iter().find_map(|volume| self.claims.get(volume)) {
            return Err(ChangeError::Held(Box::new(claim.clone())));
        }
        for &volume in claims {
            let holder = operation.actor.clone();
            let claim = Claim { volume, operation: operation.id, holder, since: operation.started, epoch };
            self.claims.insert(volume, claim);
        }
        self.next_operation = operation.id.0 + 1;
        self.next_epoch = self.next_epoch.max(epoch + 1);
        self.operations.insert(operation.id, operation.clone());
        Ok(())
    }
}

impl Lookup for Records {
    fn transaction_volume(&self, id: VolumeId) -> Option<&TransactionVolume> {
        self.transaction_volumes.get(&id)
    }

    fn backup_volume(&self, id: VolumeId) -> Option<&BackupVolume> {
        self.backup_volumes.get(&id)
    }

    fn generation(&self, transaction_volume: VolumeId, version: Version) -> Option<&Generation> {
        self.generations.get(&(transaction_volume, version))
    }

    fn generation_on(&self, backup_volume: VolumeId) -> Option<&Generation> {
        Self::generation_on(self, backup_volume)
    }

    fn generations_of(&self, transaction_volume: VolumeId) -> Vec<&Generation> {
        Self::generations_of(self, transaction_volume).collect()
    }

    fn released_on(&self, backup_volume: VolumeId) -> Option<&ReleasedGeneration> {
        self.released.get(&backup_volume)
    }

    fn newest_generation(&self, transaction_volume: VolumeId) -> Option<&Generation> {
        self.generations_of(transaction_volume).next_back()
    }

    fn our_session(&self, pair: &Pair) -> Option<&OurSession> {
        self.sessions.get(pair)
    }

    fn restores_to(&self, target: VolumeId) -> Vec<Pair> {
        self.restores().filter(|mark| mark.pair.target == target).map(|mark| mark.pair).collect()
    }

    fn named(&self, name: &Name) -> Option<VolumeId> {
        Self::named(self, name)
    }

    fn volume_set(&self, name: &Name) -> Option<&VolumeSet> {
        self.volume_sets.get(name)
    }

    fn volume_set_of(&self, transaction_volume: VolumeId) -> Option<&VolumeSet> {
        self.volume_sets.values().find(|set| set.has(transaction_volume))
    }
}

fn missing(what: &str, which: impl fmt::Display) -> ChangeError {
    ChangeError::Missing(format!("{what} {which}"))
}

/// Maps whose keys are not strings go into JSON as lists of pairs.
mod pairs_as_list {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::collections::BTreeMap;

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        map: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(map)
    }

    pub fn deserialize<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?.into_iter().collect())
    }
}
