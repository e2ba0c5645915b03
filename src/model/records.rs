//! What the catalogue keeps, as plain records, and the changes that are made to them.
//!
//! The engine, the in-memory catalogue and the simulator all hold one [`Records`] and apply the same [`Change`]s to it;
//! the SQL catalogue does the same to its tables.

use super::actor::Actor;
use super::device_map::MapSet;
use super::identity::{BoxId, Name, VolumeId};
use super::session::Pair;
use super::units::{Blocks, Timestamp, Version, count};
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a backup does with the session: keep it suspended, or end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackupMode {
    /// The session is kept; the next start copies the difference.
    #[default]
    Suspend,
    /// The session is ended; the next start copies everything.
    Dissolve,
}

impl fmt::Display for BackupMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Suspend => "suspend",
            Self::Dissolve => "dissolve",
        })
    }
}

/// The backup policy of a transaction volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Policy {
    /// Generations kept, 1 to [`Policy::MAX_GENERATIONS`].
    pub generations: u16,
    /// Days between backups, 1 to [`Policy::MAX_DAYS`]. Exceeding them gives a notice and starts nothing.
    pub interval_days: u16,
    pub mode: BackupMode,
    /// For sites that have only as many backup volumes as generations: where no backup volume is bound or unused, a start
    /// gives the oldest generation up, before the new one exists.
    #[serde(default)]
    pub reuse_oldest: bool,
}

impl Policy {
    pub const MAX_GENERATIONS: u16 = 99;
    pub const MAX_DAYS: u16 = 366;

    /// Backup volumes that synchronized backup needs for it: one for each generation, and one that is copied to.
    pub fn backup_volumes(self) -> usize {
        usize::from(self.generations) + 1
    }
}

/// `3 generations, every day, mode suspend`.
impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = count(self.generations.into(), "generation", "generations");
        let mode = self.mode;
        match self.interval_days {
            1 => write!(f, "{kept}, every day, mode {mode}")?,
            days => write!(f, "{kept}, every {days} days, mode {mode}")?,
        }
        if self.reuse_oldest { f.write_str(", reuses the oldest") } else { Ok(()) }
    }
}

/// A registered volume that holds live data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionVolume {
    pub id: VolumeId,
    pub name: Name,
    pub blocks: Blocks,
    /// `None`: no policy set yet; synchronization works, a backup is refused.
    pub policy: Option<Policy>,
    pub registered_at: Timestamp,
    /// The version that the next generation gets. Versions are never reused.
    pub next_version: Version,
}

/// A registered volume of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupVolume {
    pub id: VolumeId,
    pub name: Option<Name>,
    pub blocks: Blocks,
    pub registered_at: Timestamp,
}

/// How far a generation can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state", content = "why")]
pub enum GenerationState {
    Valid,
    /// The array reported an error on its session: kept until somebody has verified it.
    InDoubt(String),
    /// It exists, but something after it failed (a post-hook): nothing is given up until that is cleared.
    NeedsAttention(String),
}

/// `valid`, or what is the matter; an array's words in it are escaped.
impl fmt::Display for GenerationState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escaped = |why: &String| Untrusted::new(why.as_str()).escaped();
        match self {
            Self::Valid => f.write_str("valid"),
            Self::InDoubt(why) => write!(f, "in doubt: {}", escaped(why)),
            Self::NeedsAttention(why) => write!(f, "needs attention: {}", escaped(why)),
        }
    }
}

/// One kept backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    pub transaction_volume: VolumeId,
    pub version: Version,
    pub backup_volume: VolumeId,
    pub blocks: Blocks,
    /// When the backup's suspend was about to be sent: what it holds is no older, however late it was observed.
    pub taken_at: Timestamp,
    pub mode: BackupMode,
    pub state: GenerationState,
    /// A reason why it must never be given up, as somebody gave it.
    pub held: Option<Untrusted>,
    /// Made when the demonstration site was set up, not by a backup.
    pub provisioned: bool,
    pub operation: Option<OperationId>,
}

/// Why a generation is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReleaseReason {
    /// Pushed out by newer ones, as the policy says.
    Retention,
    /// Deleted by an operator.
    Deleted,
    /// Overwritten by a start that named its version.
    Overwritten,
    /// Its backup volume failed verification or vanished, and an operator agreed.
    Reconciled,
}

/// A generation with its end, for history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastGeneration {
    pub generation: Generation,
    /// `None` while it is kept.
    pub released: Option<(Timestamp, ReleaseReason)>,
    /// Why it was made, as somebody gave it when it was asked for.
    #[serde(default)]
    pub reason: Option<Untrusted>,
}

/// A session that is ours: the array's sessions without such a row are foreign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OurSession {
    pub pair: Pair,
    pub since: Timestamp,
    /// The operation that made it; `None` when adopted or provisioned.
    pub operation: Option<OperationId>,
    /// Whether its present or last copy was a full one.
    pub full: bool,
}

/// The name of an operation: grows within a catalogue, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(pub u64);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "op{}", self.0)
    }
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "end")]
pub enum OperationEnd {
    Done,
    /// Nothing of it happened.
    NotDone {
        code: super::codes::Code,
        why: String,
    },
    /// It stopped part way; what was done stays, and is told.
    Failed {
        code: super::codes::Code,
        why: String,
    },
    /// The array may or may not have done the last step; an operator must look.
    OutcomeUnknown {
        why: String,
    },
}

impl OperationEnd {
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }
}

/// An operation that has not ended: enough to go on with it after a crash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenOperation {
    pub id: OperationId,
    pub actor: Actor,
    pub started: Timestamp,
    pub reason: Option<Untrusted>,
    /// What was agreed to, step by step.
    pub item: super::plan::PlanItem,
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
    pub next_operation: u64,
    pub next_epoch: u64,
}

/// One change to the records. A batch of them is made as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum Change {
    /// Adds or replaces the volume. Its `next_version` never goes back, whatever is given.
    PutTransactionVolume(TransactionVolume),
    RemoveTransactionVolume {
        id: VolumeId,
    },
    PutBackupVolume(BackupVolume),
    RemoveBackupVolume {
        id: VolumeId,
    },
    /// Records a generation and moves its volume's `next_version` past it.
    AddGeneration(Generation),
    SetGenerationState {
        transaction_volume: VolumeId,
        version: Version,
        state: GenerationState,
    },
    HoldGeneration {
        transaction_volume: VolumeId,
        version: Version,
        held: Option<Untrusted>,
    },
    ReleaseGeneration {
        transaction_volume: VolumeId,
        version: Version,
        at: Timestamp,
        why: ReleaseReason,
    },
    PutSession(OurSession),
    RemoveSession {
        pair: Pair,
    },
    KnowArray {
        name: Name,
        box_id: BoxId,
    },
    /// Adds or replaces a map set. Fails when one of its transaction volumes is in another set.
    PutMapSet(MapSet),
    RemoveMapSet {
        name: Name,
    },
    /// A pair was started because a map paired it. An earlier operation never replaces a later one.
    UseMapRow {
        transaction_volume: VolumeId,
        backup_volume: VolumeId,
        operation: OperationId,
    },
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

    pub fn holds_generation(backup_volume: VolumeId) -> Self {
        Self::Exists(format!("a generation on {backup_volume}"))
    }
}

impl Records {
    /// Makes one change, or none. The same checks hold in every catalogue; the conformance suite compares them.
    pub fn apply(&mut self, change: &Change) -> Result<(), ChangeError> {
        match change {
            Change::PutTransactionVolume(volume) => self.put_transaction_volume(volume)?,
            Change::RemoveTransactionVolume { id } => {
                let removed = self.transaction_volumes.remove(id).ok_or_else(|| missing("transaction volume", id))?;
                self.retired.insert(*id, removed.next_version);
            }
            Change::PutBackupVolume(volume) => {
                if self.transaction_volumes.contains_key(&volume.id) {
                    return Err(ChangeError::other_role(volume.id));
                }
                if let Some(name) = &volume.name {
                    self.name_is_free(name, volume.id)?;
                }
                self.backup_volumes.insert(volume.id, volume.clone());
            }
            Change::RemoveBackupVolume { id } => {
                self.backup_volumes.remove(id).ok_or_else(|| missing("backup volume", id))?;
            }
            Change::AddGeneration(generation) => self.add_generation(generation)?,
            Change::SetGenerationState { transaction_volume, version, state } => {
                self.generation_mut(*transaction_volume, *version)?.state = state.clone();
            }
            Change::HoldGeneration { transaction_volume, version, held } => {
                self.generation_mut(*transaction_volume, *version)?.held.clone_from(held);
            }
            Change::ReleaseGeneration { transaction_volume, version, .. } => {
                let key = (*transaction_volume, *version);
                self.generations.remove(&key).ok_or_else(|| missing("generation", version))?;
            }
            Change::PutSession(session) => {
                self.sessions.insert(session.pair, session.clone());
            }
            Change::RemoveSession { pair } => {
                self.sessions.remove(pair).ok_or_else(|| missing("session to", pair.target))?;
            }
            Change::KnowArray { name, box_id } => {
                self.arrays.insert(name.clone(), *box_id);
            }
            Change::PutMapSet(set) => self.put_map_set(set)?,
            Change::RemoveMapSet { name } => {
                self.map_sets.remove(name).ok_or_else(|| missing("map set", name))?;
            }
            Change::UseMapRow { transaction_volume, backup_volume, operation } => {
                let known = self.map_uses.entry((*transaction_volume, *backup_volume)).or_insert(*operation);
                *known = (*known).max(*operation);
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

    /// The volume that is called so, in whichever role.
    pub fn named(&self, name: &Name) -> Option<VolumeId> {
        let transaction = self.transaction_volumes.values().find(|volume| volume.name == *name).map(|volume| volume.id);
        let backup = || self.backup_volumes.values().find(|volume| volume.name.as_ref() == Some(name));
        transaction.or_else(|| backup().map(|volume| volume.id))
    }

    /// The kept generation on a backup volume.
    pub fn generation_on(&self, backup_volume: VolumeId) -> Option<&Generation> {
        self.generations.values().find(|generation| generation.backup_volume == backup_volume)
    }

    fn name_is_free(&self, name: &Name, wanted_by: VolumeId) -> Result<(), ChangeError> {
        let keeps = |known: Option<&Name>| known == Some(name);
        // The usual change keeps the name, and all others need not be looked at.
        if keeps(self.transaction_volumes.get(&wanted_by).map(|volume| &volume.name))
            || keeps(self.backup_volumes.get(&wanted_by).and_then(|volume| volume.name.as_ref()))
        {
            return Ok(());
        }
        self.named(name).map_or(Ok(()), |_| Err(ChangeError::name_taken(name)))
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
        self.transaction_volumes.insert(volume.id, volume);
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
