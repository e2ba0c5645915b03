//! What the catalogue keeps of one thing: a volume, a policy, a generation, a session of ours, the end of an operation.
//!
//! Belongs here: plain data of one thing. Does not: steps, open operations, the records as a whole (`step`,
//! [`super::records`]).

use super::backup_window::BackupWindow;
use super::duration::people;
use super::fingerprint::Fingerprint;
use super::identity::{Name, VolumeId};
use super::session::Pair;
use super::units::{Blocks, Timestamp, Version, count};
use super::untrusted::Untrusted;
use super::volume_group::{BackupGroup, GroupCopy, RegisteredGroup};
use serde::{Deserialize, Serialize};
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
    #[serde(default, skip_serializing_if = "RotationGuard::is_default")]
    pub guard: RotationGuard,
    /// By whose end a backup should be made. It starts nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<BackupWindow>,
}

/// What limits routine retention, and the tolerance of the interval. What is `None` has its default, which follows the
/// policy's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct RotationGuard {
    /// Sound generations that retention always leaves. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<u16>,
    /// In seconds: nothing is released while the newest sound generation is younger. Default: half the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_interval: Option<u32>,
    /// In seconds: how much later than the interval a backup is in time. Default: a tenth of the interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<u32>,
}

impl RotationGuard {
    /// Nothing is set: each value follows the policy.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Policy {
    pub const MAX_GENERATIONS: u16 = 99;
    pub const MAX_DAYS: u16 = 366;

    /// A policy with the usual guard, whose oldest generation is kept until the new one exists.
    pub fn new(generations: u16, interval_days: u16, mode: BackupMode) -> Self {
        Self { generations, interval_days, mode, reuse_oldest: false, guard: RotationGuard::default(), window: None }
    }

    /// Sound generations that retention always leaves.
    pub fn floor(self) -> u16 {
        self.guard.floor.unwrap_or(1)
    }

    /// The time between two backups, in milliseconds.
    pub fn interval(self) -> i64 {
        i64::from(self.interval_days) * Timestamp::DAY
    }

    /// In milliseconds: retention releases nothing while the newest sound generation is younger.
    pub fn min_interval(self) -> i64 {
        self.guard.min_interval.map_or(self.interval() / 2, |seconds| i64::from(seconds) * Timestamp::SECOND)
    }

    /// In milliseconds: a backup is overdue when the interval and this have passed.
    pub fn grace(self) -> i64 {
        self.guard.grace.map_or(self.interval() / 10, |seconds| i64::from(seconds) * Timestamp::SECOND)
    }

    /// In milliseconds: how old the newest sound generation of a volume may be.
    pub fn limit(self) -> i64 {
        self.interval() + self.grace()
    }

    /// Backup volumes that synchronized backup needs for it: one for each generation, and one that is copied to unless the
    /// oldest generation's is used again.
    pub fn backup_volumes(self) -> usize {
        usize::from(self.generations) + usize::from(!self.reuse_oldest)
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
        if self.reuse_oldest {
            f.write_str(", reuses the oldest")?;
        }
        if let Some(floor) = self.guard.floor {
            write!(f, ", floor {floor}")?;
        }
        let seconds = |seconds: u32| people(i64::from(seconds) * Timestamp::SECOND);
        if let Some(min_interval) = self.guard.min_interval {
            write!(f, ", min-interval {}", seconds(min_interval))?;
        }
        if let Some(grace) = self.guard.grace {
            write!(f, ", grace {}", seconds(grace))?;
        }
        if let Some(window) = self.window {
            write!(f, ", window {window}")?;
        }
        Ok(())
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
    /// The volume group that it is; `None`: a plain volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Box<RegisteredGroup>>,
    /// Since when its policy has the window that it has; `None` without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_since: Option<Timestamp>,
}

/// A registered volume of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupVolume {
    pub id: VolumeId,
    pub name: Option<Name>,
    pub blocks: Blocks,
    pub registered_at: Timestamp,
    /// It is this volume group; `None`: a plain volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Box<BackupGroup>>,
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
    /// Where the suspend went on after its answer: when it was first seen complete, at the latest. What hosts wrote until then
    /// may be in the generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend_complete_by: Option<Timestamp>,
    pub mode: BackupMode,
    pub state: GenerationState,
    /// A reason why it must never be given up, as somebody gave it.
    pub held: Option<Untrusted>,
    /// Made when the demonstration site was set up, not by a backup.
    pub provisioned: bool,
    pub operation: Option<OperationId>,
    /// Why its file systems were not paused when it was taken, where hooks should have paused them: it is what a power cut
    /// would have left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_consistent: Option<Untrusted>,
    /// The set that it was made with, and the proof that all of it is of one instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<SetInstant>,
    /// The volume group in it, under the identity of its backup volume's own group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Box<GroupCopy>>,
    /// How long the copy before it took; `None` where the engine did not watch all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_in: Option<CopyTime>,
    /// What its volume was read to hold; `None` while it is not fingerprinted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Box<Fingerprint>>,
}

/// How long a copy took until its two volumes were equivalent, as the engine watched it: as exact as its readings are close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CopyTime {
    pub millis: u64,
    /// Everything was copied; else only what had changed since a suspend.
    pub full: bool,
}

impl std::fmt::Display for CopyTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = super::duration::people(i64::try_from(self.millis).unwrap_or(i64::MAX));
        write!(f, "{time} {}", if self.full { "full" } else { "changes" })
    }
}

/// That the backups of a set are of one instant: which set, and who says so. The generations of one instant have the same
/// operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SetInstant {
    /// As the set was called then.
    pub name: Name,
    /// Transaction volumes that were suspended at this instant.
    pub volumes: u32,
    /// In milliseconds: the instant is between `taken_at` and so long after it, when all of them were seen suspended.
    pub within_millis: u32,
    pub by: InstantProof,
}

/// Who says that several suspends were one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstantProof {
    /// The array: one command suspended all of them, and no write of a host fell between.
    Array,
}

impl SetInstant {
    /// `40 ms, by the array`: how wide, and who says that it is one instant.
    pub fn short(&self) -> String {
        let Self { within_millis, by: InstantProof::Array, .. } = self;
        format!("{within_millis} ms, by the array")
    }

    /// `one instant with set erp (5 volumes, by the array, within 40 ms)`.
    pub fn in_words(&self) -> String {
        let Self { name, volumes, within_millis, by: InstantProof::Array } = self;
        let volumes = count(*volumes as usize, "volume", "volumes");
        format!("one instant with set {name} ({volumes}, by the array, within {within_millis} ms)")
    }
}

impl Generation {
    /// The reason that holds what a volume was before a restore. Such a generation is outside the policy's count.
    pub const BEFORE_RESTORE: &'static str = "before restore";
    /// Why what a snapshot recorded is crash-consistent.
    pub const SNAPSHOT: &'static str = "snapshot";
    /// The reason that holds a generation which was released and came back.
    pub const REINSTATED: &'static str = "reinstated";

    /// Whether it keeps what a volume was before a restore: no backup, and never a sound generation. It stays so when somebody
    /// ends its hold, or holds it for another reason: why it is crash-consistent does not change.
    pub fn is_before_restore(&self) -> bool {
        let says = |why: &Option<Untrusted>| why.as_ref().is_some_and(|why| why.raw() == Self::BEFORE_RESTORE);
        says(&self.held) || says(&self.crash_consistent)
    }

    /// Made by a one-point copy and not by the suspend of a pair.
    pub fn is_of_one_point_copy(&self) -> bool {
        self.is_before_restore() || self.crash_consistent.as_ref().is_some_and(|why| why.raw() == Self::SNAPSHOT)
    }
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
    /// Its backup volume was used again by a start, as the policy says.
    Reused,
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

/// A released generation whose volume nothing was started onto since: its bytes are there still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleasedGeneration {
    pub generation: Generation,
    pub at: Timestamp,
    pub why: ReleaseReason,
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
