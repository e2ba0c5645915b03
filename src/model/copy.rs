//! What an array can be told, and what it can answer. Data, so that it can be journaled, shown and simulated.

use super::codes::Code;
use super::identity::{BoxId, VolumeId};
use super::session::{Pair, RecModes};
use super::units::Blocks;
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One command to one array, about a set of pairs; each pair gets its own outcome.
/// A REC is commanded at the box of its source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verb")]
pub enum Command {
    /// Make sessions and copy everything.
    Start { pairs: Vec<Pair>, modes: Option<RecModes> },
    /// Go on with suspended sessions and copy the difference.
    Resume { pairs: Vec<Pair> },
    /// Stop mirroring, track changes. Un-forced it is refused unless equivalent; the array checks and acts at once.
    /// `together`: at one instant for all pairs, or for none.
    Suspend { pairs: Vec<Pair>, force: bool, together: bool },
    /// End sessions. Un-forced it is refused while copying.
    Stop { pairs: Vec<Pair>, force: bool },
    /// Turn the direction of suspended sessions.
    Reverse { pairs: Vec<Pair> },
    /// Change the modes of suspended RECs.
    ChangeMode { pairs: Vec<Pair>, modes: RecModes },
    /// One-point copies inside one box.
    StartOpc { pairs: Vec<Pair> },
}

/// The kinds of [`Command`], for capability tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommandVerb {
    Start,
    Resume,
    Suspend,
    Stop,
    Reverse,
    ChangeMode,
    StartOpc,
}

impl Command {
    pub fn pairs(&self) -> &[Pair] {
        match self {
            Self::Start { pairs, .. }
            | Self::Resume { pairs }
            | Self::Suspend { pairs, .. }
            | Self::Stop { pairs, .. }
            | Self::Reverse { pairs }
            | Self::ChangeMode { pairs, .. }
            | Self::StartOpc { pairs } => pairs,
        }
    }

    /// The same command for these pairs only.
    #[must_use]
    pub fn for_pairs(mut self, wanted: Vec<Pair>) -> Self {
        if let Self::Suspend { together, .. } = &mut self {
            *together = wanted.len() > 1;
        }
        match &mut self {
            Self::Start { pairs, .. }
            | Self::Resume { pairs }
            | Self::Suspend { pairs, .. }
            | Self::Stop { pairs, .. }
            | Self::Reverse { pairs }
            | Self::ChangeMode { pairs, .. }
            | Self::StartOpc { pairs } => *pairs = wanted,
        }
        self
    }

    pub fn verb(&self) -> CommandVerb {
        match self {
            Self::Start { .. } => CommandVerb::Start,
            Self::Resume { .. } => CommandVerb::Resume,
            Self::Suspend { .. } => CommandVerb::Suspend,
            Self::Stop { .. } => CommandVerb::Stop,
            Self::Reverse { .. } => CommandVerb::Reverse,
            Self::ChangeMode { .. } => CommandVerb::ChangeMode,
            Self::StartOpc { .. } => CommandVerb::StartOpc,
        }
    }
}

impl fmt::Display for CommandVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Start => "start",
            Self::Resume => "resume",
            Self::Suspend => "suspend",
            Self::Stop => "stop",
            Self::Reverse => "reverse",
            Self::ChangeMode => "change mode",
            Self::StartOpc => "start OPC",
        })
    }
}

/// Classes of refusals and errors, whatever dialect an array speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    /// Try again, with back-off, within a limit.
    Busy,
    NotFound,
    AlreadyDone,
    InvalidState,
    NeedsForce,
    Overlap,
    Limit,
    NotLicensed,
    Unsupported,
    Config,
    PathDown,
    MediaError,
    /// The session is error-suspended.
    ErrorState,
    /// The local half is gone, the remote one is left over.
    PartialDelete,
    Consistency,
    Parameter,
    Auth,
    /// The array was not reached: nothing was sent.
    Transport,
    /// The answer could not be understood.
    Protocol,
    Internal,
}

impl ErrorClass {
    /// What whoever asked can do about an error of this class, as half a sentence; `None` where only the array's own text tells.
    pub fn advice(self) -> Option<&'static str> {
        Some(match self {
            Self::Busy => "ask again when the array has less to do",
            Self::NotFound => "look on the array whether the volume or the session is still there",
            Self::Overlap => "another copy of the array uses one of the two volumes: end that first",
            Self::Limit => {
                "the array has no room for another copy: end one that is not needed, or enlarge its copy table"
            }
            Self::NotLicensed => "the array has no licence for this copy",
            Self::Unsupported => "the array or its firmware cannot do this",
            Self::Config => "look at the array's own settings for copies, its copy table among them",
            Self::PathDown => {
                "look at the two boxes: whether each has the other registered, and at the path between them"
            }
            Self::MediaError => "repair what the array reports, then start again",
            Self::ErrorState => "repair what the array reports, end the session and start again",
            Self::NeedsForce => {
                "the array ends it by force only: `ecdeck sync force-stop TV` does that, and says what is lost"
            }
            Self::Auth => "the account that commands the array has not the rights for this",
            Self::Transport => "look at the line to the array",
            Self::AlreadyDone
            | Self::InvalidState
            | Self::PartialDelete
            | Self::Consistency
            | Self::Parameter
            | Self::Protocol
            | Self::Internal => return None,
        })
    }
}

/// A refusal in the array's own code and words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArrayRefusal {
    pub class: ErrorClass,
    /// `E5323`: the code of the array or of its tools.
    pub code: String,
    pub text: Untrusted,
}

/// What became of one pair of a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    Done,
    /// It was so before: success, but not by this command.
    AlreadyDone,
    /// It goes on after the answer; believed only when observed.
    Accepted,
    /// It did not happen.
    Refused(ArrayRefusal),
    /// It may have happened: a time limit passed or the line was lost after sending. Read before anything else.
    Unknown {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairOutcome {
    pub pair: Pair,
    pub outcome: Outcome,
}

/// What a driver says of the array it drives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub box_id: BoxId,
    pub model: Untrusted,
    pub serial: Untrusted,
    pub firmware: Untrusted,
}

/// Whether something is possible; `Unknown` where nobody published it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ability {
    Yes,
    No,
    Unknown,
}

impl Ability {
    fn unknown() -> Self {
        Self::Unknown
    }
}

/// What an array can do, through the driver that drives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Pairs of kind and verb that work. What is not in the list is refused before it is sent.
    pub verbs: Vec<(super::session::CopyKind, CommandVerb)>,
    /// Several EC/REC suspended at one instant.
    pub atomic_suspend: Ability,
    /// Sessions that one source volume may have, of all kinds and requestors together.
    pub sessions_per_source: u16,
    /// Whether a host's write on the target of a suspended session shows in a reading.
    #[serde(default = "Ability::unknown")]
    pub sees_target_writes: Ability,
    /// Whether the bytes of its volumes can be read, for fingerprints.
    #[serde(default)]
    pub reads_bytes: bool,
    /// Why some verbs are missing just now; `None` when the list is all that the array ever can.
    #[serde(default)]
    pub limited: Option<String>,
    /// The message ids that the array's own tools give in the case of a refusal code, where they are documented.
    #[serde(default)]
    pub message_ids: Vec<(Code, String)>,
    /// The commands of the array's own tools that mend what ecdeck has no verb for, by the code of the refusal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_commands: Vec<(Code, String)>,
}

impl Capabilities {
    pub fn can(&self, kind: super::session::CopyKind, verb: CommandVerb) -> bool {
        self.verbs.contains(&(kind, verb))
    }

    /// What the array's own tools would say for a refusal of this code.
    pub fn message_id(&self, code: Code) -> Option<&str> {
        of_code(&self.message_ids, code)
    }

    /// The command of the array's own tools that mends the case of this code.
    pub fn tool_command(&self, code: Code) -> Option<&str> {
        of_code(&self.tool_commands, code)
    }
}

fn of_code(known: &[(Code, String)], code: Code) -> Option<&str> {
    known.iter().find(|(of, _)| *of == code).map(|(_, text)| text.as_str())
}

/// How many blocks an array would have to copy, where known.
pub type Difference = Option<Blocks>;

/// The volumes that a command touches, sources first.
pub fn volumes_of(command: &Command) -> impl Iterator<Item = VolumeId> + '_ {
    command.pairs().iter().flat_map(|pair| [pair.source, pair.target])
}
