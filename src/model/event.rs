//! Events: the audit, one gapless sequence with a chain of hashes. Everything that was asked, decided, sent, answered or
//! changed; never progress.

use super::actor::Actor;
use super::codes::Code;
use super::copy::{Command, PairOutcome};
use super::digest::Digest;
use super::entity::{GenerationState, OperationEnd, OperationId, Policy, ReleaseReason};
use super::hook::{HookNeed, HookPhase, HookRun};
use super::identity::{BoxId, Name, VolumeId};
use super::request::{Request, VolumeRole};
use super::session::{CopyKind, ErrorByte, Pair};
use super::snapshot::{Severity, TransactionState};
use super::trouble_kind::TroubleId;
use super::units::{Timestamp, Version};
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};

/// An event before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewEvent {
    pub at: Timestamp,
    /// `None`: the engine by itself.
    pub actor: Option<Actor>,
    pub operation: Option<OperationId>,
    pub kind: EventKind,
}

/// An event in its place. `hash` is BLAKE3 over the previous hash, the sequence and the canonical JSON of `event`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// From 1, without a gap.
    pub sequence: u64,
    pub event: NewEvent,
    pub hash: ChainHash,
    /// The rows that the commit of this event wrote, on the last event of the commit. Part of what is hashed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<RowDigest>,
}

/// A row of the catalogue's tables as a commit left it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowDigest {
    pub table: String,
    /// The columns of the key, separated by blanks.
    pub key: String,
    /// 128 bits in hex, over all columns; `None`: the row was taken away.
    pub digest: Option<String>,
}

/// All rows of a table when comparing began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableDigest {
    pub name: String,
    pub rows: u64,
    /// BLAKE3 in hex, over keys and digests of the rows.
    pub digest: String,
}

/// A link of the chain, in hex. The first event follows [`ChainHash::start`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainHash(String);

impl ChainHash {
    /// What the first event follows.
    pub fn start() -> Self {
        Self(blake3::hash(b"ecdeck audit chain 1").to_hex().to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From a catalogue's row; whether it is right is what verifying is for.
    pub fn from_stored(hex: String) -> Self {
        Self(hex)
    }

    /// The hash of the event that stands at `sequence` after this one. `json` is the event's stored text.
    #[must_use]
    pub fn next(&self, sequence: u64, json: &str) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.0.as_bytes());
        hasher.update(&sequence.to_be_bytes());
        hasher.update(json.as_bytes());
        Self(hasher.finalize().to_hex().to_string())
    }
}

/// The end of the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainHead {
    /// 0 before the first event.
    pub sequence: u64,
    pub hash: ChainHash,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum EventKind {
    CatalogueMade {
        format: u32,
        demo: bool,
    },
    EngineStarted {
        version: String,
    },
    EngineStopped,
    /// A commit that tells people nothing wrote rows: of the journal, mostly.
    RecordsWritten,
    /// From here on events carry the digests of the rows they write; these are the tables as they were found. Earlier
    /// events are checked by their chain only.
    AuditBaseline {
        format: u32,
        tables: Vec<TableDigest>,
    },
    /// The copy of the catalogue that was due was not made.
    CatalogueNotCopied {
        why: String,
    },
    /// The catalogue may be older than the arrays: what it says of kept generations is in doubt.
    CatalogueDoubted {
        why: String,
    },
    /// Somebody agreed to a plan. Neither the request nor the words are longer than an audit can bear.
    Requested {
        request: Request,
        /// What was agreed to, a line an item, with the names of then.
        agreed: Vec<String>,
        /// Of the whole plan.
        digest: Digest,
    },
    Refused {
        request: Request,
        code: Code,
        reason: String,
    },
    /// The exact command went to an array.
    Sent {
        array: BoxId,
        command: Command,
    },
    Answered {
        array: BoxId,
        outcomes: Vec<PairOutcome>,
    },
    OperationEnded {
        volume: VolumeId,
        end: OperationEnd,
    },
    Recovered {
        volume: VolumeId,
    },
    SessionMade {
        pair: Pair,
        full: bool,
    },
    SessionEnded {
        pair: Pair,
    },
    /// A session or a backup of another program became ours; `version`: what was kept of it, unproved.
    SessionAdopted {
        pair: Pair,
        by: Untrusted,
        version: Option<Version>,
    },
    /// The record of a session that the array has not was dropped.
    SessionForgotten {
        pair: Pair,
    },
    /// A volume that was taken over is the other program's again, with so many sessions.
    VolumeGivenBack {
        volume: VolumeId,
        by: Untrusted,
        sessions: usize,
    },
    GenerationRecorded {
        volume: VolumeId,
        version: Version,
        backup_volume: VolumeId,
        provisioned: bool,
    },
    GenerationReleased {
        volume: VolumeId,
        version: Version,
        backup_volume: VolumeId,
        why: ReleaseReason,
    },
    /// A released generation is kept again.
    GenerationReinstated {
        volume: VolumeId,
        version: Version,
        backup_volume: VolumeId,
        state: GenerationState,
    },
    /// What was released on a volume was overwritten without us.
    ReleasedLost {
        volume: VolumeId,
        version: Version,
        backup_volume: VolumeId,
    },
    GenerationHeld {
        volume: VolumeId,
        version: Version,
        held: Option<Untrusted>,
    },
    /// A generation's volume was read whole; so many of its leaves anew, the others had not changed.
    GenerationFingerprinted {
        volume: VolumeId,
        version: Version,
        blake3: String,
        leaves: u64,
        read: u64,
    },
    /// A generation's volume was read again and compared with its fingerprint.
    GenerationVerified {
        volume: VolumeId,
        version: Version,
        differs: Option<String>,
    },
    GenerationStateSet {
        volume: VolumeId,
        version: Version,
        state: GenerationState,
    },
    /// A script of a hook has ended.
    HookRan {
        volume: VolumeId,
        hook: String,
        phase: HookPhase,
        need: HookNeed,
        run: HookRun,
    },
    /// A generation needs attention, so nothing of its volume is released; so many backup volumes are left for its next start.
    ReleasesStopped {
        volume: VolumeId,
        version: Version,
        left: usize,
    },
    /// Hooks should have paused the file systems of a generation, and did not.
    CrashConsistent {
        volume: VolumeId,
        version: Version,
        why: Untrusted,
    },
    PolicySet {
        volume: VolumeId,
        policy: Policy,
    },
    VolumeAdded {
        volume: VolumeId,
        role: VolumeRole,
        name: Option<Name>,
    },
    /// `before`: the name it had; a backup volume need not have had one.
    VolumeRenamed {
        volume: VolumeId,
        before: Option<Name>,
        name: Name,
    },
    VolumeRemoved {
        volume: VolumeId,
    },
    /// A map set was made or replaced. `edited`: by an edit of the stored one.
    MapStored {
        map: Name,
        rounds: Vec<Name>,
        pairs: usize,
        edited: bool,
    },
    MapRemoved {
        map: Name,
    },
    /// Transaction volumes came into a set, which was made if it had none before.
    SetExtended {
        set: Name,
        added: Vec<VolumeId>,
        /// How many it has now.
        members: usize,
    },
    /// Transaction volumes were taken out of a set; it ends with the last one.
    SetReduced {
        set: Name,
        taken: Vec<VolumeId>,
        /// How many it has left.
        members: usize,
    },
    /// A transaction volume was started with the backup volume of this round.
    MapUsed {
        map: Name,
        round: Name,
        volume: VolumeId,
        backup_volume: VolumeId,
    },
    /// What a volume is before a restore was copied, and is kept.
    PresentStateKept {
        volume: VolumeId,
        version: Version,
        backup_volume: VolumeId,
    },
    /// A generation is being copied to a volume, whose content is overwritten.
    RestoreBegun {
        volume: VolumeId,
        version: Version,
        target: VolumeId,
    },
    /// All of it is there.
    Restored {
        volume: VolumeId,
        version: Version,
        target: VolumeId,
    },
    RestoreCancelled {
        pair: Pair,
    },
    /// A generation is being copied to a spare volume, to be compared there.
    PracticeBegun {
        volume: VolumeId,
        version: Version,
        target: VolumeId,
    },
    /// Its copy was compared with its fingerprint.
    Practised {
        volume: VolumeId,
        version: Version,
        target: VolumeId,
        /// From the begin of the copy to the end of the reading.
        millis: u64,
        /// What differs, in words; `None`: nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        differs: Option<String>,
    },
    /// The mark of a restore that did not end was taken from its target.
    RestoreForgotten {
        target: VolumeId,
    },
    /// A volume's one word changed, as polled: `equivalent`, `error`, `halted`. Not progress.
    StateChanged {
        volume: VolumeId,
        from: TransactionState,
        to: TransactionState,
        error: Option<ErrorByte>,
    },
    SessionVanished {
        pair: Pair,
    },
    /// The group of a backup volume was deactivated while a session is onto it.
    GroupDeactivated {
        pair: Pair,
        /// `HOST:VG`.
        group: String,
    },
    ForeignSession {
        pair: Pair,
        kind: CopyKind,
        requestor: Untrusted,
    },
    Overdue {
        volume: VolumeId,
        days: u32,
    },
    ArrayUnreachable {
        array: Name,
        why: Untrusted,
    },
    ArrayReachable {
        array: Name,
    },
    ArrayIdentityChanged {
        array: Name,
        known: BoxId,
        found: BoxId,
    },
    /// A person knows of a trouble, until then.
    Acknowledged {
        trouble: TroubleId,
        volume: Option<VolumeId>,
        text: String,
        reason: Untrusted,
        until: Timestamp,
    },
    /// Nothing is started on an array until then, as somebody said.
    MaintenanceBegun {
        array: Name,
        until: Timestamp,
        reason: Option<Untrusted>,
    },
    MaintenanceEnded {
        array: Name,
    },
    /// The notification hook took a delivery.
    Notified {
        number: u64,
        notifications: usize,
        jobs: usize,
    },
    /// Somebody tested the notification hook; why it failed, if it did.
    NotifyTested {
        why: Option<Untrusted>,
    },
    /// The notification hook failed. What it was to be given waits.
    NotifyFailed {
        why: Untrusted,
    },
}

impl NewEvent {
    /// The engine's own event.
    pub fn by_engine(at: Timestamp, kind: EventKind) -> Self {
        Self { at, actor: None, operation: None, kind }
    }

    /// The volume that a reader would look for.
    pub fn volume(&self) -> Option<VolumeId> {
        match &self.kind {
            EventKind::Acknowledged { volume, .. } => *volume,
            EventKind::Requested { request, .. } | EventKind::Refused { request, .. } => {
                request.action.volumes().first().copied()
            }
            EventKind::Sent { command, .. } => command.pairs().first().map(|pair| pair.source),
            EventKind::Answered { outcomes, .. } => outcomes.first().map(|outcome| outcome.pair.source),
            EventKind::SessionMade { pair, .. }
            | EventKind::SessionEnded { pair }
            | EventKind::SessionAdopted { pair, .. }
            | EventKind::SessionForgotten { pair }
            | EventKind::SessionVanished { pair }
            | EventKind::GroupDeactivated { pair, .. }
            | EventKind::ForeignSession { pair, .. } => Some(pair.source),
            EventKind::RestoreCancelled { pair } => Some(pair.target),
            EventKind::RestoreForgotten { target } => Some(*target),
            EventKind::OperationEnded { volume, .. }
            | EventKind::Recovered { volume }
            | EventKind::GenerationRecorded { volume, .. }
            | EventKind::GenerationReleased { volume, .. }
            | EventKind::GenerationReinstated { volume, .. }
            | EventKind::ReleasedLost { volume, .. }
            | EventKind::GenerationHeld { volume, .. }
            | EventKind::GenerationStateSet { volume, .. }
            | EventKind::GenerationFingerprinted { volume, .. }
            | EventKind::GenerationVerified { volume, .. }
            | EventKind::PolicySet { volume, .. }
            | EventKind::HookRan { volume, .. }
            | EventKind::ReleasesStopped { volume, .. }
            | EventKind::CrashConsistent { volume, .. }
            | EventKind::VolumeAdded { volume, .. }
            | EventKind::VolumeRenamed { volume, .. }
            | EventKind::VolumeRemoved { volume }
            | EventKind::VolumeGivenBack { volume, .. }
            | EventKind::PresentStateKept { volume, .. }
            | EventKind::RestoreBegun { volume, .. }
            | EventKind::PracticeBegun { volume, .. }
            | EventKind::Practised { volume, .. }
            | EventKind::Restored { volume, .. }
            | EventKind::MapUsed { volume, .. }
            | EventKind::StateChanged { volume, .. }
            | EventKind::Overdue { volume, .. } => Some(*volume),
            EventKind::CatalogueMade { .. }
            | EventKind::EngineStarted { .. }
            | EventKind::EngineStopped
            | EventKind::RecordsWritten
            | EventKind::AuditBaseline { .. }
            | EventKind::CatalogueDoubted { .. }
            | EventKind::CatalogueNotCopied { .. }
            | EventKind::MapStored { .. }
            | EventKind::MapRemoved { .. }
            | EventKind::SetExtended { .. }
            | EventKind::SetReduced { .. }
            | EventKind::ArrayUnreachable { .. }
            | EventKind::ArrayReachable { .. }
            | EventKind::MaintenanceBegun { .. }
            | EventKind::MaintenanceEnded { .. }
            | EventKind::Notified { .. }
            | EventKind::NotifyTested { .. }
            | EventKind::NotifyFailed { .. }
            | EventKind::ArrayIdentityChanged { .. } => None,
        }
    }

    /// Whether something happened that a person may not know yet. A refused key was answered when it was pressed; commands
    /// and their answers are the audit's.
    pub fn is_news(&self) -> bool {
        !matches!(
            self.kind,
            EventKind::Refused { .. }
                | EventKind::Sent { .. }
                | EventKind::Answered { .. }
                | EventKind::RecordsWritten
                | EventKind::MaintenanceBegun { .. }
                | EventKind::MaintenanceEnded { .. }
                | EventKind::Notified { .. }
                | EventKind::AuditBaseline { .. }
        )
    }

    pub fn severity(&self) -> Severity {
        match &self.kind {
            // It was in the way of something else, as it may be.
            EventKind::OperationEnded { end: OperationEnd::Failed { code: Code::PRACTICE_GAVE_WAY, .. }, .. } => {
                Severity::Warning
            }
            EventKind::OperationEnded {
                end: OperationEnd::Failed { .. } | OperationEnd::OutcomeUnknown { .. },
                ..
            }
            | EventKind::SessionVanished { .. }
            | EventKind::GroupDeactivated { .. }
            | EventKind::CatalogueDoubted { .. }
            | EventKind::ArrayIdentityChanged { .. }
            | EventKind::StateChanged {
                to:
                    TransactionState::Error
                    | TransactionState::HalfOpen
                    | TransactionState::Unknown
                    | TransactionState::Inbound
                    | TransactionState::Reversed
                    | TransactionState::RestoreIncomplete,
                ..
            }
            | EventKind::GenerationStateSet { state: GenerationState::NeedsAttention(_), .. }
            | EventKind::GenerationVerified { differs: Some(_), .. }
            | EventKind::Practised { differs: Some(_), .. }
            | EventKind::ReleasesStopped { left: 0, .. } => Severity::Problem,
            EventKind::HookRan { run, need: HookNeed::Required, .. } if !run.report.is_success() => Severity::Problem,
            EventKind::HookRan { run, .. } if !run.report.is_success() => Severity::Warning,
            EventKind::Refused { .. }
            | EventKind::CatalogueNotCopied { .. }
            | EventKind::OperationEnded { end: OperationEnd::NotDone { .. }, .. }
            | EventKind::StateChanged { to: TransactionState::Halted, .. }
            | EventKind::ForeignSession { .. }
            | EventKind::Overdue { .. }
            | EventKind::ReleasesStopped { .. }
            | EventKind::CrashConsistent { .. }
            | EventKind::RestoreCancelled { .. }
            | EventKind::RestoreForgotten { .. }
            | EventKind::NotifyTested { .. }
            | EventKind::NotifyFailed { .. }
            | EventKind::ArrayUnreachable { .. } => Severity::Warning,
            EventKind::StateChanged { to: TransactionState::Equivalent, .. }
            | EventKind::GenerationRecorded { .. }
            | EventKind::GenerationVerified { .. }
            | EventKind::Practised { .. }
            | EventKind::PresentStateKept { .. }
            | EventKind::Restored { .. }
            | EventKind::ArrayReachable { .. } => Severity::Good,
            EventKind::CatalogueMade { .. }
            | EventKind::EngineStarted { .. }
            | EventKind::EngineStopped
            | EventKind::RecordsWritten
            | EventKind::AuditBaseline { .. }
            | EventKind::Requested { .. }
            | EventKind::Sent { .. }
            | EventKind::Answered { .. }
            | EventKind::Recovered { .. }
            | EventKind::SessionMade { .. }
            | EventKind::SessionEnded { .. }
            | EventKind::SessionAdopted { .. }
            | EventKind::SessionForgotten { .. }
            | EventKind::VolumeGivenBack { .. }
            | EventKind::GenerationReleased { .. }
            | EventKind::GenerationReinstated { .. }
            | EventKind::ReleasedLost { .. }
            | EventKind::GenerationHeld { .. }
            | EventKind::GenerationStateSet { .. }
            | EventKind::GenerationFingerprinted { .. }
            | EventKind::PolicySet { .. }
            | EventKind::VolumeAdded { .. }
            | EventKind::VolumeRenamed { .. }
            | EventKind::VolumeRemoved { .. }
            | EventKind::MapStored { .. }
            | EventKind::MapRemoved { .. }
            | EventKind::SetExtended { .. }
            | EventKind::SetReduced { .. }
            | EventKind::MapUsed { .. }
            | EventKind::RestoreBegun { .. }
            | EventKind::PracticeBegun { .. }
            | EventKind::Acknowledged { .. }
            | EventKind::MaintenanceBegun { .. }
            | EventKind::MaintenanceEnded { .. }
            | EventKind::Notified { .. }
            | EventKind::HookRan { .. }
            | EventKind::OperationEnded { .. }
            | EventKind::StateChanged { .. } => Severity::Info,
        }
    }
}
