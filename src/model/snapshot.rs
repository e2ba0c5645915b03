//! The one picture of a site that everything is decided on and everything is drawn from.

use super::acknowledgement::Acknowledgement;
use super::actor::Actor;
use super::advice::UnknownTerm;
use super::backup_window::WindowView;
use super::catalogue_copy::NotCopied;
use super::codes::Code;
use super::copy::Capabilities;
use super::entity::{
    BackupVolume, CopyTime, Generation, OperationEnd, OperationId, ReleasedGeneration, TransactionVolume,
};
use super::group_watch::GroupStateView;
use super::hook::Hook;
use super::identity::{BoxId, Name, VolumeId};
use super::maintenance::Maintenance;
use super::map_set::{MapSet, PairUse};
use super::moment::{Moment, ReadingMark};
use super::notice_record::NotifyTrouble;
use super::pool::NamedPool;
use super::request::Verb;
use super::rows::Rows;
use super::session::{
    ArrayVolume, ArrayWords, CopyKind, Direction, ErrorByte, Pair, Phase, RecModes, Status, TransferMode,
};
use super::take_over::TakeOver;
use super::units::{Blocks, Progress, Timestamp, Version, count};
use super::untrusted::Untrusted;
use super::volume_group::GroupPlace;
use super::volume_names::VolumeNames;
use super::volume_set::VolumeSet;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A site at one moment. Lists are sorted by identity; look-ups are binary searches. What few volumes have is boxed, and
/// snapshots share the lists that are the same in them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Grows by one with every snapshot of an engine's life.
    pub sequence: u64,
    /// The engine's clock when it was built, for people.
    pub taken_at: Timestamp,
    /// When it was built, on a clock that never jumps: the age of a reading is the time from it to this.
    #[serde(default)]
    pub moment: Moment,
    /// The readings that had begun when it was built.
    #[serde(default)]
    pub mark: ReadingMark,
    pub site: Site,
    pub arrays: Vec<ArrayView>,
    pub transaction_volumes: Rows<TransactionVolumeView>,
    pub pool: Rows<BackupVolumeView>,
    /// Sorted by pair: all sessions of a source stand together.
    pub sessions: Rows<SessionView>,
    /// Kept generations, by transaction volume, oldest first.
    pub generations: Rows<Generation>,
    /// Released generations that can come back, by backup volume.
    #[serde(default)]
    pub released: Rows<ReleasedGeneration>,
    pub operations: Vec<OperationView>,
    /// Volumes that arrays have and nobody registered.
    pub unregistered: Rows<ArrayVolume>,
    /// The newest events, newest last; at most [`Snapshot::RECENT_EVENTS`].
    pub events: Vec<EventLine>,
    /// The map sets, by name.
    #[serde(default)]
    pub map_sets: Rows<MapSet>,
    /// The last start of each pair that a map paired, sorted by pair.
    #[serde(default)]
    pub map_uses: Rows<PairUse>,
    /// The sets of transaction volumes, by name.
    #[serde(default)]
    pub volume_sets: Rows<VolumeSet>,
    /// Restores that have not come to their end, by target.
    #[serde(default)]
    pub restores: Vec<RestoreView>,
    /// Why the catalogue takes no writes; `None` while it does.
    #[serde(default)]
    pub catalogue: Option<CatalogueTrouble>,
    /// Why the notification hook does not do its work; `None` while it does, and where there is none.
    #[serde(default)]
    pub notify: Option<NotifyTrouble>,
    /// Why no copy of the catalogue is made; `None` while copies are made, and where there are none.
    #[serde(default)]
    pub not_copied: Option<NotCopied>,
    /// Troubles that a person knows of, by their names; few.
    #[serde(default)]
    pub acknowledged: Rows<Acknowledgement>,
    /// Arrays whose maintenance was begun and not ended, by name.
    #[serde(default)]
    pub maintenance: Rows<Maintenance>,
    /// Volumes that were taken over from another program, or given back, by volume.
    #[serde(default)]
    pub take_overs: Rows<TakeOver>,
}

/// A catalogue that takes no writes: nothing that changes something can be done until it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueTrouble {
    /// The first write that was refused.
    pub since: Timestamp,
    pub why: Untrusted,
    /// What a person does about it; the engine then goes on by itself.
    pub remedy: String,
    pub code: Code,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    pub name: String,
    pub demo: bool,
    /// What the engine polls arrays by, in milliseconds.
    pub poll_millis: u32,
    /// The configured modes of remote copies; what is not here has the default ones.
    #[serde(default)]
    pub rec: Vec<RecRoute>,
    /// The configured hooks, in the order in which their scripts before a backup run.
    #[serde(default)]
    pub hooks: Vec<Hook>,
    /// The configured pools; what is in none of them is in one more.
    #[serde(default)]
    pub pools: Vec<NamedPool>,
}

/// The modes that remote copies from one array to another are started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecRoute {
    pub from: Name,
    pub to: Name,
    pub modes: RecModes,
}

/// How an array answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "reach")]
pub enum Reach {
    /// Not asked yet.
    Waiting,
    Reachable,
    Unreachable {
        since: Timestamp,
        why: Untrusted,
    },
    /// Another box answers under the name: all verbs stop there.
    IdentityChanged {
        found: BoxId,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayView {
    pub name: Name,
    /// `None` until it answered for the first time ever.
    pub box_id: Option<BoxId>,
    pub reach: Reach,
    /// When the reading in this snapshot was taken: when its call began.
    pub taken_at: Option<Timestamp>,
    /// The number of that reading; 0 before the first.
    #[serde(default)]
    pub reading: u64,
    /// When that call began, on a clock that never jumps.
    #[serde(default)]
    pub began: Option<Moment>,
    /// How long the array took for that call.
    #[serde(default)]
    pub took_millis: u32,
    pub capabilities: Option<Capabilities>,
    /// What people should know of the array while it answers: what it does not show, what could not be read.
    #[serde(default)]
    pub attentions: Vec<Attention>,
    /// Words and titles that it uses and that have no meaning here.
    #[serde(default)]
    pub unknown_terms: Vec<UnknownTerm>,
}

/// What is not as good as it could be, and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    pub code: Code,
    /// One sentence; text from outside in it is escaped.
    pub text: String,
    /// A reading failed: verbs that depend on it are refused. Else the array or its driver cannot do better.
    pub failed: bool,
}

impl Attention {
    /// What arrays of this kind never tell: said where somebody asks for it, but nothing is wrong today.
    pub fn is_note(&self) -> bool {
        self.code == Code::HOST_WRITES_NOT_SEEN
    }
}

impl ArrayView {
    /// Whether its driver can read the bytes of volumes; what is not known yet is no.
    pub fn reads_bytes(&self) -> bool {
        self.capabilities.as_ref().is_some_and(|known| known.reads_bytes)
    }

    /// Why the array can do less than it ever could, just now.
    pub fn limited(&self) -> Option<&str> {
        self.capabilities.as_ref()?.limited.as_deref()
    }

    /// What could not be read this time, of what verbs depend on.
    pub fn failed_reading(&self) -> Option<&Attention> {
        self.attentions.iter().find(|attention| attention.failed)
    }
}

/// The one word for a transaction volume: that of its worst live session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransactionState {
    None,
    Suspended,
    Equivalent,
    Copying,
    Restoring,
    Unknown,
    HalfOpen,
    Halted,
    Error,
    /// Another copy writes into the volume.
    Inbound,
    /// The copy of its own session runs from the backup volume into it.
    Reversed,
    /// A restore to it did not come to its end: part of it is the generation's, part is not.
    RestoreIncomplete,
}

impl TransactionVolumeView {
    /// The group of its backup volume was deactivated: the array goes on, and nothing that needs the host works.
    pub fn has_lost_group(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.code == Code::GROUP_DEACTIVATED)
    }

    /// It was taken over, and the program that it was taken from still works on it.
    pub fn is_contended(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.code == Code::OTHER_PROGRAM_RUNS)
    }

    /// Whether somebody has to lead it out of its trouble.
    pub fn is_troubled(&self) -> bool {
        self.state.is_trouble() || self.has_lost_group() || self.is_contended()
    }
}

impl TransactionState {
    /// Nothing goes on by itself, or nobody knows.
    pub fn is_trouble(self) -> bool {
        match self {
            Self::Unknown
            | Self::HalfOpen
            | Self::Halted
            | Self::Error
            | Self::Inbound
            | Self::Reversed
            | Self::RestoreIncomplete => true,
            Self::None | Self::Suspended | Self::Equivalent | Self::Copying | Self::Restoring => false,
        }
    }
}

/// The one word for a backup volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum BackupState {
    #[serde(rename = "unused")]
    Unused,
    /// Suspended with a transaction volume, without a generation.
    #[serde(rename = "bound")]
    Bound,
    #[serde(rename = "copying")]
    Copying,
    #[serde(rename = "equivalent")]
    Equivalent,
    #[serde(rename = "generation")]
    Generation,
    #[serde(rename = "suspended+generation")]
    SuspendedGeneration,
    #[serde(rename = "error")]
    Error,
    #[serde(rename = "foreign")]
    Foreign,
    #[serde(rename = "unverified")]
    Unverified,
    /// It is the source of its session: the copy runs into the transaction volume.
    #[serde(rename = "reversed")]
    Reversed,
    /// A generation is being restored to it.
    #[serde(rename = "restoring")]
    Restoring,
    /// It has the copy of a practice, which gives way to whatever needs it.
    #[serde(rename = "practice")]
    Practice,
    /// A restore to it did not come to its end.
    #[serde(rename = "restore-incomplete")]
    RestoreIncomplete,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TransactionVolumeView {
    pub volume: TransactionVolume,
    pub state: TransactionState,
    pub kept: u16,
    /// The newest kept generation.
    pub last_backup: Option<(Version, Timestamp)>,
    pub due: Due,
    pub ready: Ready,
    pub claimed: Option<Box<ClaimView>>,
    pub problem: Option<Box<Problem>>,
    /// How it stands to the window of its policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Box<WindowView>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BackupVolumeView {
    pub volume: BackupVolume,
    pub state: BackupState,
    /// Whose generation or session is on it.
    pub transaction_volume: Option<VolumeId>,
    pub generation: Option<Version>,
    pub claimed: Option<Box<ClaimView>>,
    pub problem: Option<Box<Problem>>,
    /// The catalogue has a session of ours onto it, and the readings do not tell whether the array has it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub session_unread: bool,
    /// The source of our session onto it, where the array surely has it no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_gone: Option<VolumeId>,
    /// Of a volume group that a session of ours is onto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_state: Option<Box<GroupStateView>>,
}

/// A restore that runs, or that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreView {
    /// The volume that is overwritten, registered or not.
    pub target: VolumeId,
    /// The backup volume that is read.
    pub source: VolumeId,
    /// What is restored; `None` once the generation is no longer kept there.
    pub generation: Option<(VolumeId, Version)>,
    pub since: Timestamp,
    /// The operation that restores, while it is open and was not cancelled.
    pub running: Option<OperationId>,
    /// It is only practised: its target is unused again at the end.
    #[serde(default)]
    pub practice: bool,
}

impl RestoreView {
    pub fn pair(&self) -> Pair {
        Pair::opc(self.source, self.target)
    }

    /// The word for its target.
    pub fn state(&self) -> &'static str {
        match (self.running.is_some(), self.practice) {
            (true, true) => "practice",
            (true, false) => "restoring",
            (false, _) => "restore-incomplete",
        }
    }
}

/// Whether a backup is due. A notice, never a scheduler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "due", content = "days")]
pub enum Due {
    NoPolicy,
    Ok,
    /// Overdue by so many days, at least one.
    Overdue(u32),
}

/// When a backup becomes possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ready")]
pub enum Ready {
    Now,
    /// A range when the rate is unsteady; both ends are the same when it is steady.
    Between {
        earliest: Timestamp,
        latest: Timestamp,
    },
    /// Copying, but without a rate yet.
    NotYetKnown,
    /// Nothing moves towards it.
    Never,
}

/// Who has a volume to himself, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimView {
    pub operation: OperationId,
    pub verb: Verb,
    pub holder: Actor,
    pub since: Timestamp,
}

/// Something that is wrong with a volume: the red row's reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub code: Code,
    pub text: String,
    pub array_error: Option<ErrorByte>,
    pub since: Option<Timestamp>,
}

/// How the two halves of a REC go together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "halves")]
pub enum Halves {
    /// An EC: one box, one half.
    One,
    /// Both boxes report it and agree, or the other one is only a little behind.
    Agree,
    /// They do not agree. The source side governs; this is the other side's story.
    Disagree { other_status: Status, other_phase: Phase, other_words: ArrayWords, other_taken_at: Timestamp },
    /// One box has no such session. `source_reports`: which one has it.
    Missing { source_reports: bool },
    /// The other box has not been read.
    OtherUnread,
}

/// A session, both halves together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionView {
    pub pair: Pair,
    pub status: Status,
    pub phase: Phase,
    pub words: ArrayWords,
    pub halves: Halves,
    /// We made it or adopted it. Others are shown, counted, never touched.
    pub ours: bool,
    /// Its present or last copy was a full one; `None` for foreign sessions.
    pub full: Option<bool>,
    pub progress: Option<Progress>,
    pub difference: Option<Blocks>,
    /// While suspended: whether a host wrote on the target since. `None` where the array does not tell.
    #[serde(default)]
    pub target_written: Option<bool>,
    pub error: Option<ErrorByte>,
    pub modes: Option<RecModes>,
    /// Which way it copies, as the governing box says.
    #[serde(default)]
    pub direction: Direction,
    /// The kind that the array gave it; other than the pair's where the array's word is not known here.
    pub reported_kind: CopyKind,
    pub requestor: Untrusted,
    /// Bytes a second over the last readings; `None` when nothing moves or not yet known.
    pub rate: Option<u64>,
    pub ready: Ready,
    /// When its status or phase last changed, as the engine saw it.
    pub since: Timestamp,
    /// Milliseconds that its last copy took until it was equivalent; `None` where not all of it was watched.
    #[serde(default)]
    pub copied_in: Option<u64>,
    /// Only the target's box reports it. Else it is as the source's box says, which governs.
    pub by_target: bool,
    /// The number that the governing box gave it.
    pub sid: u32,
}

impl SessionView {
    pub fn is_equivalent(&self) -> bool {
        self.status == Status::Active && self.phase == Phase::Equivalent
    }

    /// How long its last copy took, where it is known to be a full one or not.
    pub fn copy_time(&self) -> Option<CopyTime> {
        Some(CopyTime { millis: self.copied_in?, full: self.full? })
    }

    /// The box that governs says a word that is not known.
    pub fn says_unknown_words(&self) -> bool {
        self.status == Status::Unknown || self.phase == Phase::Unknown
    }

    /// The box whose reading it comes from.
    pub fn reported_by(&self) -> BoxId {
        if self.by_target { self.pair.target.box_id } else { self.pair.source.box_id }
    }

    /// The two halves of a REC tell different stories, or one of them is missing.
    pub fn is_half_open(&self) -> bool {
        matches!(self.halves, Halves::Disagree { .. } | Halves::Missing { .. }) && !self.other_half_waits()
    }

    /// It was suspended by force while the path was lost, and the other box waits for the path: a resume takes both on.
    pub fn other_half_waits(&self) -> bool {
        let halted = matches!(self.halves, Halves::Disagree { other_status: Status::Halted, other_phase, .. }
            if other_phase != Phase::Unknown);
        self.status == Status::Suspended && halted
    }

    /// The array's word for the kind of copy is known.
    pub fn has_known_kind(&self) -> bool {
        self.reported_kind == self.pair.kind
    }

    /// It copies from the pair's source to its target, and is what the pair says: known, not merely not denied.
    pub fn is_forward(&self) -> bool {
        self.direction == Direction::Forward && self.has_known_kind()
    }

    /// The volumes that it writes to, or may write to when its direction is not known.
    pub fn destinations(&self) -> impl Iterator<Item = VolumeId> + use<> {
        let Pair { source, target, .. } = self.pair;
        let (target, source) = match self.direction {
            Direction::Forward => (Some(target), None),
            Direction::Reversed => (None, Some(source)),
            Direction::Unknown => (Some(target), Some(source)),
        };
        target.into_iter().chain(source)
    }

    /// The mode that is shown may be the one in force while the session is suspended, and not the one of its next resume.
    pub fn shows_mode_of_suspension(&self) -> bool {
        let through = self.modes.is_some_and(|modes| modes.transfer == TransferMode::Through);
        through && matches!(self.status, Status::Suspended | Status::ErrorSuspended)
    }

    /// It writes nothing now, and what it wrote is whole: suspended after both sides were identical, or a one-point copy that
    /// has been copied.
    pub fn is_at_rest(&self) -> bool {
        match self.status {
            Status::Suspended => self.phase.is_whole(),
            Status::Active => self.reported_kind == CopyKind::QuickOpc && self.phase == Phase::Tracking,
            Status::Idle => true,
            Status::Reserved | Status::ErrorSuspended | Status::Halted | Status::Unknown => false,
        }
    }
}

/// An operation that runs, or ended a little while ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationView {
    pub id: OperationId,
    pub verb: Verb,
    pub volume: VolumeId,
    pub actor: Actor,
    pub started: Timestamp,
    /// What is being done now, as a phrase: `waiting for DEMO1's answer to suspend`.
    pub step: String,
    /// The control plane whose turn it waits for, in words: nothing of its next command has been sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    pub steps_done: usize,
    pub steps_total: usize,
    pub end: Option<(Timestamp, OperationEnd)>,
}

/// How loud an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Info,
    /// Something that was waited for came true.
    Good,
    Warning,
    Problem,
}

/// An event as a line for people. Escaped: it can go to a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventLine {
    pub sequence: u64,
    pub at: Timestamp,
    pub severity: Severity,
    pub volume: Option<VolumeId>,
    pub text: String,
    /// Something happened. Else it is what the audit keeps beside the news: refused requests, commands, answers.
    #[serde(default = "EventLine::news_by_default")]
    pub news: bool,
}

impl EventLine {
    /// What an older engine sends is shown.
    fn news_by_default() -> bool {
        true
    }
}

impl Snapshot {
    pub const RECENT_EVENTS: usize = 200;
    /// Rounds after which a reading is too old to decide on. A round is a poll interval, or the rest that a slow array is left,
    /// and the array's own time for a reading, so that a slow array that answers is never too old for ever.
    pub const STALE_ROUNDS: i64 = 3;

    /// No reading is too old before this age, in milliseconds. Commands are decided on a reading of their own, taken after the
    /// volumes were claimed; on a busy host, the engine may get no processor for longer than three short rounds, and that
    /// changes nothing on the array.
    pub const MIN_STALE_AGE: i64 = 2_000;

    /// How long an array is left alone after a reading that took so long, both in milliseconds: questions take at most three
    /// tenths of its time.
    pub fn rest_after(took_millis: u64) -> u64 {
        took_millis.saturating_mul(7) / 3
    }

    /// Three rounds, in milliseconds: so long the other box may be late to report what one box shows.
    pub fn patience(poll_millis: u32, took_millis: u32) -> i64 {
        let rest = i64::try_from(Self::rest_after(u64::from(took_millis))).unwrap_or(i64::MAX / 8);
        Self::STALE_ROUNDS * (i64::from(poll_millis).max(rest) + i64::from(took_millis))
    }

    /// How old a reading may be, in milliseconds.
    pub fn max_reading_age(poll_millis: u32, took_millis: u32) -> i64 {
        Self::patience(poll_millis, took_millis).max(Self::MIN_STALE_AGE)
    }

    pub fn transaction_volume(&self, id: VolumeId) -> Option<&TransactionVolumeView> {
        let index = self.transaction_volumes.binary_search_by_key(&id, |view| view.volume.id).ok()?;
        self.transaction_volumes.get(index)
    }

    pub fn backup_volume(&self, id: VolumeId) -> Option<&BackupVolumeView> {
        let index = self.pool.binary_search_by_key(&id, |view| view.volume.id).ok()?;
        self.pool.get(index)
    }

    /// The sessions whose source is this volume, foreign ones too.
    pub fn sessions_of(&self, source: VolumeId) -> &[SessionView] {
        let start = self.sessions.partition_point(|session| session.pair.source < source);
        let len = self.sessions[start..].partition_point(|session| session.pair.source == source);
        &self.sessions[start..start + len]
    }

    pub fn session(&self, pair: &Pair) -> Option<&SessionView> {
        let index = self.sessions.binary_search_by_key(pair, |session| session.pair).ok()?;
        self.sessions.get(index)
    }

    /// The kept generations of a transaction volume, oldest first.
    pub fn generations_of(&self, id: VolumeId) -> &[Generation] {
        let start = self.generations.partition_point(|generation| generation.transaction_volume < id);
        let len = self.generations[start..].partition_point(|generation| generation.transaction_volume == id);
        &self.generations[start..start + len]
    }

    /// A kept generation.
    pub fn generation(&self, id: VolumeId, version: Version) -> Option<&Generation> {
        self.generations_of(id).iter().find(|generation| generation.version == version)
    }

    /// A volume that an array reports and nobody registered.
    pub fn unregistered_volume(&self, id: VolumeId) -> Option<&ArrayVolume> {
        let at = self.unregistered.binary_search_by_key(&id, |volume| volume.id).ok()?;
        self.unregistered.get(at)
    }

    /// The size of a volume, registered or not.
    pub fn blocks_of(&self, id: VolumeId) -> Option<Blocks> {
        let live = self.transaction_volume(id).map(|view| view.volume.blocks);
        let pool = || self.backup_volume(id).map(|view| view.volume.blocks);
        let free = || self.unregistered_volume(id).map(|volume| volume.blocks);
        live.or_else(pool).or_else(free)
    }

    /// The released generation that can come back on a backup volume.
    pub fn released_on(&self, backup_volume: VolumeId) -> Option<&ReleasedGeneration> {
        let key = |released: &ReleasedGeneration| released.generation.backup_volume;
        let at = self.released.binary_search_by_key(&backup_volume, key).ok()?;
        self.released.get(at)
    }

    /// The backup volume whose problem is that of its transaction volume, reported by the same session: it is said once.
    pub fn same_problem_on(&self, view: &TransactionVolumeView) -> Option<VolumeId> {
        let problem = view.problem.as_ref()?;
        let same = |backup: &&BackupVolumeView| {
            backup.transaction_volume == Some(view.volume.id) && backup.problem.as_ref() == Some(problem)
        };
        self.pool.iter().find(same).map(|backup| backup.volume.id)
    }

    /// A session of another program that has this volume as its target.
    pub fn foreign_session_on(&self, target: VolumeId) -> Option<&SessionView> {
        self.sessions.iter().find(|session| session.pair.target == target && !session.ours)
    }

    pub fn array(&self, box_id: BoxId) -> Option<&ArrayView> {
        self.arrays.iter().find(|array| array.box_id == Some(box_id))
    }

    /// The modes that a copy of this pair is started with; `None` where it has none.
    pub fn modes_of(&self, pair: &Pair) -> Option<RecModes> {
        if pair.kind != CopyKind::Rec {
            return None;
        }
        let name = |box_id| self.array(box_id).map(|array| &array.name);
        let (from, to) = (name(pair.source.box_id), name(pair.target.box_id));
        let is_it = |route: &&RecRoute| Some(&route.from) == from && Some(&route.to) == to;
        Some(self.site.rec.iter().find(is_it).map_or_else(RecModes::default, |route| route.modes))
    }

    /// `DEMO1/0x21`; the full identity when no configured array has that box id.
    pub fn location(&self, id: VolumeId) -> String {
        match self.array(id.box_id) {
            Some(array) => format!("{}/{}", array.name, id.olu),
            None => id.to_string(),
        }
    }

    /// The same, holding an earlier snapshot's lists where its own are equal to them: most are, from one reading of the
    /// arrays to the next, and who compares the two then sees so at once.
    #[must_use]
    pub fn sharing(self, earlier: &Self) -> Self {
        Self {
            transaction_volumes: self.transaction_volumes.reuse_if_equal(&earlier.transaction_volumes),
            pool: self.pool.reuse_if_equal(&earlier.pool),
            sessions: self.sessions.reuse_if_equal(&earlier.sessions),
            generations: self.generations.reuse_if_equal(&earlier.generations),
            released: self.released.reuse_if_equal(&earlier.released),
            unregistered: self.unregistered.reuse_if_equal(&earlier.unregistered),
            map_sets: self.map_sets.reuse_if_equal(&earlier.map_sets),
            map_uses: self.map_uses.reuse_if_equal(&earlier.map_uses),
            volume_sets: self.volume_sets.reuse_if_equal(&earlier.volume_sets),
            take_overs: self.take_overs.reuse_if_equal(&earlier.take_overs),
            ..self
        }
    }

    /// The picture as if nothing were practised: a practice gives way to every other verb. With the volumes that practices
    /// have, and what each of them does. `None`: there is none.
    pub fn without_practices(&self) -> Option<(Self, Vec<(VolumeId, String)>)> {
        let is_practice =
            |claimed: &Option<Box<ClaimView>>| claimed.as_ref().is_some_and(|claim| claim.verb == Verb::Practice);
        let mut given: Vec<(VolumeId, String)> = Vec::new();
        for view in self.pool.iter().filter(|view| is_practice(&view.claimed)) {
            let id = view.volume.id;
            let of = |restore: &&RestoreView| restore.practice && (restore.target == id || restore.source == id);
            let what = self.restores.iter().find(of).and_then(|restore| restore.generation);
            let what =
                what.map_or_else(String::new, |(volume, version)| format!(" of {version} of {}", self.label(volume)));
            given.push((id, format!("the practice{what} on {} is ended first", self.label(id))));
        }
        if given.is_empty() {
            return None;
        }
        let mut without = self.clone();
        for view in &mut without.pool {
            if is_practice(&view.claimed) {
                view.claimed = None;
            }
            if view.state == BackupState::Practice {
                view.state = BackupState::Unused;
            }
        }
        let practised: Vec<Pair> = self.restores.iter().filter(|it| it.practice).map(RestoreView::pair).collect();
        without.restores.retain(|restore| !restore.practice);
        without.sessions.retain(|session| !practised.contains(&session.pair));
        Some((without, given))
    }

    /// The restores to this volume that have not come to their end.
    pub fn restores_to(&self, target: VolumeId) -> impl Iterator<Item = &RestoreView> {
        self.restores.iter().filter(move |restore| restore.target == target)
    }

    pub fn map_set(&self, name: &str) -> Option<&MapSet> {
        self.map_sets.iter().find(|set| set.name.as_str() == name)
    }

    /// The map set that a transaction volume is in.
    pub fn map_set_of(&self, transaction_volume: VolumeId) -> Option<&MapSet> {
        self.map_sets.iter().find(|set| set.rows_of(transaction_volume).next().is_some())
    }

    pub fn volume_set(&self, name: &str) -> Option<&VolumeSet> {
        self.volume_sets.iter().find(|set| set.name.as_str() == name)
    }

    /// The set that a transaction volume is in.
    pub fn volume_set_of(&self, transaction_volume: VolumeId) -> Option<&VolumeSet> {
        self.volume_sets.iter().find(|set| set.has(transaction_volume))
    }

    /// The last operation that started a pair because a map paired it.
    pub fn map_use(&self, transaction_volume: VolumeId, backup_volume: VolumeId) -> Option<OperationId> {
        let key = |used: &PairUse| (used.transaction_volume, used.backup_volume);
        let at = self.map_uses.binary_search_by_key(&(transaction_volume, backup_volume), key).ok()?;
        self.map_uses.get(at).map(|used| used.operation)
    }

    /// The name for people: the registered one, else where it is.
    pub fn label(&self, id: VolumeId) -> String {
        let transaction = self.transaction_volume(id).map(|view| view.volume.name.to_string());
        let named = || self.backup_volume(id).and_then(|view| view.volume.name.as_ref()).map(Name::to_string);
        transaction.or_else(named).unwrap_or_else(|| self.location(id))
    }

    /// The volumes of which a person registered this volume group: one, unless a group was renamed since.
    pub fn volumes_of_group(&self, place: &GroupPlace) -> impl Iterator<Item = VolumeId> {
        let transactions = self.transaction_volumes.iter().map(|view| &view.volume);
        let transactions = transactions.filter(|volume| volume.group.as_ref().is_some_and(|group| group.is_at(place)));
        let backups = self.pool.iter().map(|view| &view.volume);
        let backups = backups.filter(|volume| volume.group.as_ref().is_some_and(|group| group.is_at(place)));
        transactions.map(|volume| volume.id).chain(backups.map(|volume| volume.id))
    }

    /// The volume that a person means: a registered name, `HOST:VG`, `ARRAY/0x21`, or a full identity.
    pub fn find(&self, text: &str) -> Option<VolumeId> {
        // No name has a stroke in it.
        if text.contains('/') {
            return self.located(text);
        }
        let transaction = self.transaction_volumes.iter().find(|view| view.volume.name.as_str() == text);
        if let Some(view) = transaction {
            return Some(view.volume.id);
        }
        let named = |view: &&BackupVolumeView| view.volume.name.as_ref().is_some_and(|name| name.as_str() == text);
        if let Some(view) = self.pool.iter().find(named) {
            return Some(view.volume.id);
        }
        // Nor has one a colon.
        let place = text.parse().ok()?;
        let mut volumes = self.volumes_of_group(&place);
        // Two answer to it: neither is meant.
        volumes.next().filter(|_| volumes.next().is_none())
    }

    /// The volume at `ARRAY/0x21` or with this identity, registered or not.
    pub fn located(&self, text: &str) -> Option<VolumeId> {
        let (array, olu) = text.rsplit_once('/')?;
        let olu = olu.parse().ok()?;
        let by_name = self.arrays.iter().find(|view| view.name.as_str() == array).and_then(|view| view.box_id);
        Some(VolumeId { box_id: by_name.or_else(|| array.parse().ok())?, olu })
    }

    /// When the reading was taken that a session comes from.
    pub fn read_at(&self, session: &SessionView) -> Option<Timestamp> {
        self.array(session.reported_by())?.taken_at
    }

    /// For how long a backup has been overdue, in milliseconds, where it is and that is known.
    pub fn overdue_for(&self, view: &TransactionVolumeView) -> Option<i64> {
        let (Due::Overdue(_), Some(policy)) = (view.due, view.volume.policy) else { return None };
        let backups = self.generations_of(view.volume.id).iter().rev().filter(|kept| !kept.is_before_restore());
        let kept = backups.map(|generation| generation.taken_at);
        let last = kept.chain([view.volume.registered_at]).find(|at| *at <= self.taken_at)?;
        let late = self.taken_at.since(last) - policy.interval();
        (late > 0).then_some(late)
    }

    /// The same for people: hours on the first day, then days.
    pub fn overdue_text(&self, view: &TransactionVolumeView) -> Option<String> {
        const HOUR: i64 = 60 * 60 * Timestamp::SECOND;
        let Due::Overdue(days) = view.due else { return None };
        Some(match self.overdue_for(view) {
            None => "since when is not known".to_owned(),
            Some(late) if late < HOUR => "less than 1 h".to_owned(),
            Some(late) if late < Timestamp::DAY => format!("{} h", late / HOUR),
            Some(_) => count(days as usize, "day", "days"),
        })
    }

    /// The maintenance that is in force of the array that is this box.
    pub fn maintenance_of(&self, box_id: BoxId) -> Option<&Maintenance> {
        let name = &self.array(box_id)?.name;
        self.maintenance.iter().find(|known| known.array == *name && known.is_in_force(self.taken_at))
    }

    /// The maintenance that is in force of the array of a volume, or of one that its sessions or generations are on.
    pub fn maintenance_around(&self, id: VolumeId) -> Option<&Maintenance> {
        let targets =
            self.sessions_of(id).iter().filter(|session| session.ours).map(|session| session.pair.target.box_id);
        std::iter::once(id.box_id).chain(targets).find_map(|box_id| self.maintenance_of(box_id))
    }

    /// How old an array's reading was when the snapshot was built, in milliseconds; `None` before the first.
    pub fn age(&self, array: &ArrayView) -> Option<i64> {
        array.began.map(|began| self.moment.since(began))
    }

    /// The control plane that the operation waits for that has this volume.
    pub fn waits_for(&self, claim: &ClaimView) -> Option<&str> {
        let at = self.operations.binary_search_by_key(&claim.operation, |operation| operation.id).ok()?;
        self.operations[at].waits_for.as_deref()
    }

    /// Whether an array's reading is too old to decide on.
    pub fn is_stale(&self, array: &ArrayView) -> bool {
        let limit = Self::max_reading_age(self.site.poll_millis, array.took_millis);
        self.age(array).is_none_or(|age| age > limit)
    }

    /// The backup volumes onto which this transaction volume may have a session that could not be read.
    pub fn unread_sessions_of(&self, source: VolumeId) -> impl Iterator<Item = Pair> {
        // Only such a volume has a session that is not known: sites have few, and pools are long.
        let volume = self.transaction_volume(source).filter(|view| view.state >= TransactionState::Unknown);
        let pool = volume.map_or(&[][..], |_| &self.pool[..]);
        let unread = pool.iter().filter(move |view| view.session_unread && view.transaction_volume == Some(source));
        unread.map(move |view| Pair::new(source, view.volume.id)).filter(|pair| self.session(pair).is_none())
    }

    /// Whether the array surely has no session of a pair. Where it is not shown and not surely gone, it was not read.
    pub fn lacks(&self, pair: &Pair) -> bool {
        self.session(pair).is_none() && !self.backup_volume(pair.target).is_some_and(|view| view.session_unread)
    }

    /// Whether the reading of the box that governs this pair began after a mark. A mark of another start of the engine is
    /// never reached: who waits asks again.
    pub fn is_read_since(&self, pair: &Pair, mark: ReadingMark) -> bool {
        let by = self.session(pair).map_or(pair.source.box_id, SessionView::reported_by);
        self.mark.start == mark.start && self.array(by).is_some_and(|array| array.reading > mark.count)
    }
}

impl fmt::Display for TransactionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Suspended => "suspended",
            Self::Equivalent => "equivalent",
            Self::Copying => "copying",
            Self::Restoring => "restoring",
            Self::Unknown => "unknown",
            Self::HalfOpen => "half-open",
            Self::Halted => "halted",
            Self::Error => "error",
            Self::Inbound => "inbound",
            Self::Reversed => "reversed",
            Self::RestoreIncomplete => "restore-incomplete",
        })
    }
}

impl fmt::Display for BackupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Unused => "unused",
            Self::Bound => "bound",
            Self::Copying => "copying",
            Self::Equivalent => "equivalent",
            Self::Generation => "generation",
            Self::SuspendedGeneration => "suspended+generation",
            Self::Error => "error",
            Self::Foreign => "foreign",
            Self::Unverified => "unverified",
            Self::Reversed => "reversed",
            Self::Restoring => "restoring",
            Self::Practice => "practice",
            Self::RestoreIncomplete => "restore-incomplete",
        })
    }
}

impl VolumeNames for Snapshot {
    fn label(&self, id: VolumeId) -> String {
        Self::label(self, id)
    }

    fn location(&self, id: VolumeId) -> String {
        Self::location(self, id)
    }

    fn next_version(&self, id: VolumeId) -> Option<Version> {
        self.transaction_volume(id).map(|view| view.volume.next_version)
    }
}
