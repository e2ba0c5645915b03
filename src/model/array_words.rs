//! What the words of an array's control plane mean: rows that a table or a configuration gives.

use super::session::CopyKind;
use serde::Deserialize;

/// One row: a word and what it means as a status, as a phase, or as a kind of copy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WordRow {
    pub word: String,
    pub status: Option<StatusMeaning>,
    pub phase: Option<PhaseMeaning>,
    pub kind: Option<CopyKind>,
    /// Where the meaning is written. Absent in a shipped table: unverified.
    pub source: Option<String>,
}

/// A status, or that there is no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StatusMeaning {
    /// The pair is defined and has no session.
    None,
    Idle,
    Reserved,
    Active,
    Suspended,
    ErrorSuspended,
    Halted,
}

/// A phase, or that none is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PhaseMeaning {
    NoPair,
    Copying,
    Equivalent,
    Tracking,
    TrackingAndCopying,
    Readying,
    /// A filler is shown where there is no phase to tell.
    Absent,
}
