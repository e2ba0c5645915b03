//! A copy session as an array reports it: status and phase, progress, and the array's own words.

use super::identity::VolumeId;
use super::moment::Moment;
use super::units::{Blocks, Progress, Timestamp};
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Kinds of copy that arrays report. The engine makes EC and REC; the others are seen and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CopyKind {
    /// Equivalent copy inside one box.
    Ec,
    /// Equivalent copy between two boxes.
    Rec,
    /// One-point copy.
    Opc,
    QuickOpc,
    SnapOpc,
    SnapOpcPlus,
    /// A kind without a row in this table.
    Other,
}

impl CopyKind {
    /// EC inside one box, REC between two: the only kind that fits a pair.
    pub fn between(source: VolumeId, target: VolumeId) -> Self {
        if source.box_id == target.box_id { Self::Ec } else { Self::Rec }
    }

    /// EC or REC: it keeps both sides the same, where the others copy a moment.
    pub fn is_synchronization(self) -> bool {
        matches!(self, Self::Ec | Self::Rec)
    }
}

impl fmt::Display for CopyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ec => "EC",
            Self::Rec => "REC",
            Self::Opc => "OPC",
            Self::QuickOpc => "QuickOPC",
            Self::SnapOpc => "SnapOPC",
            Self::SnapOpcPlus => "SnapOPC+",
            Self::Other => "other",
        })
    }
}

/// A source and a target, and the kind of copy between them. The identity of a session for us:
/// numbers that arrays give are theirs and are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Pair {
    pub source: VolumeId,
    pub target: VolumeId,
    pub kind: CopyKind,
}

impl Pair {
    /// The EC or REC pair of a transaction volume and a backup volume.
    pub fn new(source: VolumeId, target: VolumeId) -> Self {
        Self { source, target, kind: CopyKind::between(source, target) }
    }

    /// The one-point copy from one volume to another.
    pub fn opc(source: VolumeId, target: VolumeId) -> Self {
        Self { source, target, kind: CopyKind::Opc }
    }

    /// Source and target exchanged.
    #[must_use]
    pub fn turned(self) -> Self {
        Self { source: self.target, target: self.source, kind: self.kind }
    }
}

/// What the array says of the session as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    Idle,
    Reserved,
    Active,
    Suspended,
    ErrorSuspended,
    Halted,
    /// A word without a row in the driver's table; the raw word is in [`ArrayWords`].
    Unknown,
}

impl Status {
    pub const ALL: [Self; 7] =
        [Self::Idle, Self::Reserved, Self::Active, Self::Suspended, Self::ErrorSuspended, Self::Halted, Self::Unknown];
}

/// How far the session's data are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    NoPair,
    Copying,
    Equivalent,
    Tracking,
    TrackingAndCopying,
    Readying,
    /// As for [`Status::Unknown`].
    Unknown,
}

impl Phase {
    pub const ALL: [Self; 7] = [
        Self::NoPair,
        Self::Copying,
        Self::Equivalent,
        Self::Tracking,
        Self::TrackingAndCopying,
        Self::Readying,
        Self::Unknown,
    ];

    /// Suspended in this phase, the target has a usable copy: the suspend found both sides identical. The one place that
    /// says so.
    pub fn is_whole(self) -> bool {
        matches!(self, Self::Equivalent | Self::Tracking)
    }
}

macro_rules! display_as_word {
    ($($type:ty { $($variant:ident => $word:literal),* $(,)? })*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(match self { $(Self::$variant => $word),* })
            }
        }
    )*};
}
display_as_word! {
    Status {
        Idle => "idle", Reserved => "reserved", Active => "active", Suspended => "suspended",
        ErrorSuspended => "error-suspended", Halted => "halted", Unknown => "unknown",
    }
    Phase {
        NoPair => "no pair", Copying => "copying", Equivalent => "equivalent", Tracking => "tracking",
        TrackingAndCopying => "tracking and copying", Readying => "readying", Unknown => "unknown",
    }
}

/// The array's own words for status and phase, exactly as it gave them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ArrayWords {
    pub status: Untrusted,
    pub phase: Untrusted,
}

/// `Active / Copying`, escaped.
impl fmt::Display for ArrayWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.status.escaped(), self.phase.escaped())
    }
}

/// The array's one-byte error code, written `0xBA`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ErrorByte(pub u8);

impl fmt::Display for ErrorByte {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X}", self.0)
    }
}

/// REC transfer mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransferMode {
    #[default]
    Synchronous,
    Stack,
    Consistency,
    /// Stack or consistency transfer stopped; no backup is possible in it.
    Through,
}

/// In the words of the configuration.
impl fmt::Display for TransferMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Synchronous => "synchronous",
            Self::Stack => "stack",
            Self::Consistency => "consistency",
            Self::Through => "through",
        })
    }
}

/// Who brings something back: the array by itself, or an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Automation {
    #[default]
    Automatic,
    Manual,
}

/// The modes of a REC. Split goes with synchronous transfer only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RecModes {
    pub transfer: TransferMode,
    pub split: Automation,
    pub recovery: Automation,
}

/// In the words of the configuration.
impl fmt::Display for RecModes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transfer = self.transfer;
        let by = |automation| if automation == Automation::Automatic { "automatic" } else { "manual" };
        match self.transfer {
            TransferMode::Synchronous => {
                write!(f, "{transfer}, split {}, recovery {}", by(self.split), by(self.recovery))
            }
            _ => write!(f, "{transfer}, recovery {}", by(self.recovery)),
        }
    }
}

/// Which way a session copies, seen from its pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From the pair's source to its target.
    #[default]
    Forward,
    /// From the pair's target to its source.
    Reversed,
    /// The array gave none, or a mark without a meaning: never taken for forward.
    Unknown,
}

impl Direction {
    pub const ALL: [Self; 3] = [Self::Forward, Self::Reversed, Self::Unknown];

    /// The same copy, seen from the pair with source and target exchanged.
    #[must_use]
    pub fn turned(self) -> Self {
        match self {
            Self::Forward => Self::Reversed,
            Self::Reversed => Self::Forward,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// One session as one box reports it. A REC is reported by both boxes: two halves, each with its own reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionReading {
    /// The number that this box gave it; used again after the session's end.
    pub sid: u32,
    pub pair: Pair,
    pub status: Status,
    pub phase: Phase,
    /// Of the copy that runs now (full, or the difference). Absent once equivalent or without a total.
    pub progress: Option<Progress>,
    /// While suspended: what a resume would copy. `None` where the array does not tell.
    pub difference: Option<Blocks>,
    pub error: Option<ErrorByte>,
    /// REC only.
    pub modes: Option<RecModes>,
    pub direction: Direction,
    /// While suspended: whether a host wrote on the target since. `None` where the array does not tell.
    #[serde(default)]
    pub target_written: Option<bool>,
    /// Who asked the array for it, in the array's words.
    pub requestor: Untrusted,
    /// When the session was made, by the array's clock.
    pub started: Option<Timestamp>,
    pub words: ArrayWords,
}

impl SessionReading {
    pub fn is_equivalent(&self) -> bool {
        self.status == Status::Active && self.phase == Phase::Equivalent
    }

    /// Suspended with a usable copy on the target. A forced suspend out of copying leaves the phase at copying.
    pub fn is_cleanly_suspended(&self) -> bool {
        self.status == Status::Suspended && self.phase.is_whole()
    }

    /// Whether this is the pair's session, however the array presents it: some exchange source and target of a session that
    /// was reversed, and a word for the kind that is not known hides no session.
    pub fn is_of(&self, pair: &Pair) -> bool {
        let Pair { source, target, kind } = self.pair;
        let same_volumes =
            (source, target) == (pair.source, pair.target) || (target, source) == (pair.source, pair.target);
        same_volumes && (kind == pair.kind || kind == CopyKind::Other)
    }

    /// Its direction seen from the pair, which may have source and target the other way round.
    pub fn direction_of(&self, pair: &Pair) -> Direction {
        if self.pair.source == pair.source { self.direction } else { self.direction.turned() }
    }
}

/// Whether a reading comes from the array itself or from somebody's memory of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    Live,
    Cached,
}

/// Whether a reading has the sessions that other programs made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "others")]
pub enum Others {
    /// They were read: what is not in the reading does not exist.
    #[default]
    Read,
    /// The control plane has no way to show them. What depends on them is done, and people are warned.
    NotShown { why: String },
    /// They could not be read this time. What depends on them is refused.
    Failed { why: Untrusted },
}

/// A line of an array's answer that could not be read. It is kept and shown, and it may be any session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownRow {
    /// The line as the array gave it.
    pub words: Untrusted,
    /// What could not be read of it, as half a sentence.
    pub why: String,
    /// The volumes that it names and that the session may copy to.
    pub may_copy_to: Vec<VolumeId>,
    /// The volumes that it names at all; empty where none could be read, so that it may be of any.
    #[serde(default)]
    pub names: Vec<VolumeId>,
    /// It surely is no copy between two volumes: an estimation of updates has a source only.
    #[serde(default)]
    pub is_no_pair: bool,
}

impl UnknownRow {
    /// Whether this line may be the session of a pair: it names no volume but those of the pair.
    pub fn may_be_of(&self, pair: &Pair) -> bool {
        !self.is_no_pair && self.names.iter().all(|volume| [pair.source, pair.target].contains(volume))
    }
}

/// Lines of the array's list of volumes that could not be read: what they name is not missing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UnreadVolumes {
    pub named: Vec<VolumeId>,
    /// A line names no volume that could be read, so it may be any.
    pub any: bool,
}

impl UnreadVolumes {
    pub fn may_be(&self, volume: VolumeId) -> bool {
        self.any || self.named.contains(&volume)
    }
}

/// What a reading says of the session of a pair. The one way to conclude that a session does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight<'a> {
    Shown(&'a SessionReading),
    /// The box was read, and it has no such session.
    Absent,
    /// The reading does not tell: that part of the answer could not be read. It is never taken for absent.
    NotRead(&'static str),
}

/// All sessions that one box reports, as one atomic reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    pub box_id: super::identity::BoxId,
    /// When the array was asked, by the engine's clock.
    pub taken_at: Timestamp,
    pub truth: Truth,
    pub sessions: Vec<SessionReading>,
    #[serde(default)]
    pub others: Others,
    #[serde(default)]
    pub unknown_rows: Vec<UnknownRow>,
    /// Source and target box of the copies whose own list was read (the driver keeps ours apart from those of others). It has every session of ours
    /// between them, also where the sessions of others could not be read.
    #[serde(default)]
    pub own_lists: Vec<(super::identity::BoxId, super::identity::BoxId)>,
    /// Of the last list of volumes before it.
    #[serde(default)]
    pub unread_volumes: UnreadVolumes,
    /// Words and titles of the answers that have no meaning here.
    #[serde(default)]
    pub unknown_terms: Vec<super::advice::UnknownTerm>,
    /// The one-point copies out of this box that were copied to their end since they were started last. `None` where the array
    /// does not tell: there, one that another program ends looks the same.
    #[serde(default)]
    pub completed: Option<Vec<Pair>>,
    /// Its number among the readings of this start of the engine, which gives it: from 1, in the order in which they began.
    #[serde(default)]
    pub number: u64,
    /// When it began, on a clock that never jumps; the engine says so too.
    #[serde(default)]
    pub began: Moment,
}

impl<'a> Sight<'a> {
    pub fn shown(self) -> Option<&'a SessionReading> {
        match self {
            Self::Shown(session) => Some(session),
            Self::Absent | Self::NotRead(_) => None,
        }
    }
}

impl Reading {
    /// A live reading of a box of which everything was read.
    pub fn complete(box_id: super::identity::BoxId, taken_at: Timestamp, sessions: Vec<SessionReading>) -> Self {
        let (truth, others, unknown_rows, began) = (Truth::Live, Others::Read, Vec::new(), Moment::at(taken_at));
        Self {
            box_id,
            taken_at,
            truth,
            sessions,
            others,
            unknown_rows,
            own_lists: Vec::new(),
            unread_volumes: UnreadVolumes::default(),
            unknown_terms: Vec::new(),
            completed: None,
            number: 0,
            began,
        }
    }

    /// The same reading with these sessions of it, and with these of its completed copies.
    #[must_use]
    pub fn with_sessions(&self, is_kept: impl Fn(&Pair) -> bool) -> Self {
        let sessions = self.sessions.iter().filter(|session| is_kept(&session.pair)).cloned().collect();
        let completed = self.completed.as_ref();
        let completed = completed.map(|pairs| pairs.iter().filter(|pair| is_kept(pair)).copied().collect());
        Self {
            box_id: self.box_id,
            taken_at: self.taken_at,
            truth: self.truth,
            sessions,
            others: self.others.clone(),
            unknown_rows: self.unknown_rows.clone(),
            own_lists: self.own_lists.clone(),
            unread_volumes: self.unread_volumes.clone(),
            unknown_terms: self.unknown_terms.clone(),
            completed,
            number: self.number,
            began: self.began,
        }
    }

    /// Looks for the session of a pair. Absent only where nothing that could not be read may be it.
    pub fn look_for(&self, pair: &Pair) -> Sight<'_> {
        if let Some(session) = self.session(pair) {
            return Sight::Shown(session);
        }
        let boxes = (pair.source.box_id, pair.target.box_id);
        if self.truth == Truth::Cached || (self.box_id != boxes.0 && self.box_id != boxes.1) {
            return Sight::NotRead("the array itself was not read");
        }
        if self.unknown_rows.iter().any(|row| row.may_be_of(pair)) {
            return Sight::NotRead("a line of the array's answer could not be read");
        }
        // Where a control plane cannot show the sessions of others at all, its own lists are all that there is.
        match self.others {
            Others::Failed { .. } if !self.own_lists.contains(&boxes) => {
                Sight::NotRead("a part of the array's sessions could not be read")
            }
            _ => Sight::Absent,
        }
    }

    /// The session of a pair: the one of exactly this pair, else one that presents it in another way. `None` proves nothing:
    /// see [`Reading::look_for`].
    fn session(&self, pair: &Pair) -> Option<&SessionReading> {
        let exact = self.sessions.iter().find(|session| session.pair == *pair);
        exact.or_else(|| self.sessions.iter().find(|session| session.is_of(pair)))
    }
}

/// A volume that an array has, registered or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayVolume {
    pub id: VolumeId,
    /// The array's name for it.
    pub label: Untrusted,
    pub blocks: Blocks,
    /// The array refuses to copy to it (`Copy Inhibit`). `None` where the array does not tell.
    #[serde(default)]
    pub copy_inhibited: Option<bool>,
}
