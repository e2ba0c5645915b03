//! A copy session as an array reports it: status and phase, progress, and the array's own words.

use super::identity::VolumeId;
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
        let transfer = match self.transfer {
            TransferMode::Synchronous => "synchronous",
            TransferMode::Stack => "stack",
            TransferMode::Consistency => "consistency",
            TransferMode::Through => "through",
        };
        let by = |automation| if automation == Automation::Automatic { "automatic" } else { "manual" };
        match self.transfer {
            TransferMode::Synchronous => {
                write!(f, "{transfer}, split {}, recovery {}", by(self.split), by(self.recovery))
            }
            _ => write!(f, "{transfer}, recovery {}", by(self.recovery)),
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
    /// The copy runs from target to source.
    pub reversed: bool,
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

    /// Suspended with a usable copy on the target: the suspend found both sides equivalent.
    /// A forced suspend out of copying leaves the phase at copying.
    pub fn is_cleanly_suspended(&self) -> bool {
        self.status == Status::Suspended && !matches!(self.phase, Phase::Copying | Phase::NoPair | Phase::Unknown)
    }
}

/// Whether a reading comes from the array itself or from somebody's memory of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Truth {
    Live,
    Cached,
}

/// All sessions that one box reports, as one atomic reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    pub box_id: super::identity::BoxId,
    /// When the array was asked, by the engine's clock.
    pub taken_at: Timestamp,
    pub truth: Truth,
    pub sessions: Vec<SessionReading>,
}

impl Reading {
    pub fn session(&self, pair: &Pair) -> Option<&SessionReading> {
        self.sessions.iter().find(|session| session.pair == *pair)
    }
}

/// A volume that an array has, registered or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayVolume {
    pub id: VolumeId,
    /// The array's name for it.
    pub label: Untrusted,
    pub blocks: Blocks,
}
