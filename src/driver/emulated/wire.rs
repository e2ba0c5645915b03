//! What is said on the embedded array's socket: one request, one answer, in turn.

use super::core::RecBuffer;
use super::faults::Fault;
use super::provision::Provision;
use super::rule_table::RuleSet;
use super::settings::SettingsChange;
use crate::model::copy::Command;
use crate::model::identity::{BoxId, Name, Olu, VolumeId};
use crate::model::session::SessionReading;
use crate::model::units::Blocks;
use crate::model::untrusted::Untrusted;
use crate::process::frames::{ARRAY, Hello};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Of what is said on the line.
pub const PROTOCOL: u32 = 8;
/// Of what the server keeps on disk. 2: one-point copies, which a server that knows only 1 would take for ECs. 3: cascades,
/// whose second hop a server that knows only 2 would not hold back.
pub const FORMAT: u32 = 3;
/// The oldest one that is understood; it is written as [`FORMAT`] from then on.
pub const OLDEST_FORMAT: u32 = 1;
/// What to do about an array server of another version.
pub const REMEDY: &str =
    "stop the running embedded array with `ecdeck array stop` (of its version, or by SIGTERM) and try again";

pub fn hello() -> Hello {
    Hello::of(ARRAY, PROTOCOL, FORMAT)
}

/// Arrays are named by their name or box id, volumes as `ARRAY/0x21`: the server knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Request {
    Identify {
        array: String,
    },
    Volumes {
        array: String,
    },
    Sessions {
        array: String,
    },
    Execute {
        array: String,
        command: Command,
        requestor: String,
    },
    /// Answers with [`crate::model::fingerprint::Leaves`] of the bytes as they are now.
    Leaves {
        array: String,
        volume: VolumeId,
        first: u64,
        count: u64,
    },
    /// Answers with [`crate::model::fingerprint::ChangedLeaves`].
    ChangedLeaves {
        array: String,
        volume: VolumeId,
        since: Option<String>,
    },
    Administer(Administration),
}

/// What becomes of the path between two arrays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathState {
    /// Connected, and up; also where the two were not connected.
    Up,
    /// Connected, and no copy crosses it.
    Down,
    /// Not connected: neither array knows of the other.
    None,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "what")]
pub enum Administration {
    /// Answers with [`Overview`].
    List,
    /// Answers with a list of [`VolumeEntry`].
    AllVolumes,
    CreateArray {
        name: Name,
        box_id: Option<BoxId>,
    },
    /// An array with its volumes, or nothing. Answers with [`Created`].
    Create {
        array: NewBox,
        volumes: Option<NewVolumes>,
    },
    /// Takes the file that lies in the place of a volume's image as the volume's.
    Accept {
        volume: String,
    },
    /// Which rules an array goes by.
    Rules {
        array: String,
        rules: RuleSet,
    },
    /// Quantities and durations of an array. Answers with its [`super::settings::Settings`].
    Set {
        array: String,
        change: SettingsChange,
    },
    /// The REC buffer of the path from one array to another, which consistency mode needs.
    Buffer {
        from: String,
        to: String,
        buffer: RecBuffer,
    },
    /// Makes a volume larger. Its new blocks are zeros.
    Expand {
        volume: String,
        blocks: Blocks,
    },
    /// Takes a volume away; by force with its sessions.
    Delete {
        volume: String,
        force: bool,
    },
    /// Writes zeros all over a volume that no session knows.
    Format {
        volume: String,
    },
    /// Whether new copies may have the volume as their destination.
    Protect {
        volume: String,
        protected: bool,
    },
    /// Answers with the volumes' identities.
    CreateVolumes {
        array: String,
        olu: Option<Olu>,
        label: String,
        blocks: Blocks,
        count: u32,
    },
    /// Copies a file into a volume; the path is the server's.
    Import {
        volume: String,
        file: PathBuf,
    },
    Write {
        volume: String,
        offset: u64,
        data: Data,
    },
    /// Answers with the bytes in hexadecimal.
    Read {
        volume: String,
        offset: u64,
        length: u32,
    },
    Workload {
        volume: String,
        work: Option<Work>,
    },
    /// Serves the volume to hosts over NBD on this socket, which the server makes; `None` ends that.
    Export {
        volume: String,
        socket: Option<PathBuf>,
    },
    /// Bytes a second of each session, or of one; `None` is as fast as it goes.
    Rate {
        bytes_per_second: Option<u64>,
        pair: Option<(String, String)>,
    },
    Fault {
        array: String,
        fault: Fault,
    },
    /// As [`Administration::Fault`] for a session, named by its volumes.
    SessionFault {
        source: String,
        target: String,
        fault: SessionFault,
    },
    Path {
        one: String,
        other: String,
        state: PathState,
    },
    /// BLAKE3 of a volume.
    Fingerprint {
        volume: String,
    },
    /// How many regions were copied in a session, and how many may differ.
    Copied {
        source: String,
        target: String,
    },
    Provision(Provision),
    Stop,
}

/// An array that is there or is to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewBox {
    pub name: Name,
    /// Only for a new one.
    pub box_id: Option<BoxId>,
}

/// Volumes that are to be made, all of one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVolumes {
    /// `None`: the lowest free numbers.
    pub olu: Option<Olu>,
    pub label: String,
    pub blocks: Blocks,
    pub count: u32,
}

/// What was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Created {
    pub box_id: BoxId,
    pub volumes: Vec<VolumeId>,
}

/// What can be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Data {
    Text {
        text: String,
    },
    /// So many bytes that follow from a seed.
    Seeded {
        seed: u64,
        length: u64,
    },
    /// So many writes of 4 KiB at places that follow from a seed.
    Scattered {
        seed: u64,
        writes: u32,
    },
}

/// Host writes that go on until they are stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    pub seed: u64,
    pub bytes_per_second: u64,
    /// From this byte on.
    pub start: u64,
    /// To before this one; 0 is the volume's end.
    pub end: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum SessionFault {
    ErrorSuspend { byte: u8 },
    HalfOpen { missing: super::faults::Side },
    StrangeWord { word: String },
    BufferOverrun,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    pub pid: u32,
    pub arrays: Vec<ArrayEntry>,
    pub paths: Vec<PathEntry>,
    /// Faults that were injected and have not ended.
    pub faults: Vec<FaultEntry>,
    /// What is wrong now and ends by itself with its cause, each with its remedy: a full disk, a volume out of service.
    #[serde(default)]
    pub attentions: Vec<String>,
    /// What happened: maps that were lost, copies that failed.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayEntry {
    pub name: Name,
    pub box_id: BoxId,
    pub volumes: usize,
    pub sessions: usize,
    pub reachable: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathEntry {
    pub one: Name,
    pub other: Name,
    pub up: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultEntry {
    pub array: Name,
    #[serde(flatten)]
    pub fault: Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeEntry {
    pub id: VolumeId,
    pub array: Name,
    pub label: Untrusted,
    pub blocks: Blocks,
    /// Writing into it past the array is not tracked.
    pub image: PathBuf,
    /// Why nothing can be done with the volume.
    #[serde(default)]
    pub out_of_service: Option<String>,
    pub workload: Option<Work>,
    /// Where hosts reach it over NBD.
    #[serde(default)]
    pub export: Option<PathBuf>,
    pub sessions: Vec<CopyEntry>,
}

/// A session as its own box has it, with what its copying came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyEntry {
    #[serde(flatten)]
    pub reading: SessionReading,
    #[serde(flatten)]
    pub figures: CopyFigures,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyFigures {
    /// 64 KiB regions copied since the server started or the session began.
    pub copied_regions: u64,
    pub differing: Blocks,
}

/// Why there is no answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{text}")]
pub struct Failure {
    pub kind: FailureKind,
    pub text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The box does not answer: a fault that was asked for.
    Unreachable,
    NotFound,
    /// It cannot be done as asked.
    Refused,
    /// The disk, or the program, does not do what it should.
    Internal,
}
