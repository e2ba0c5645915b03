//! What the words, column titles and messages of an array's control plane mean: rows that a table or a configuration gives.

use super::session::CopyKind;
use serde::{Deserialize, Serialize};
use std::fmt;

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

/// As the configuration writes it.
impl fmt::Display for StatusMeaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Idle => "idle",
            Self::Reserved => "reserved",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::ErrorSuspended => "error-suspended",
            Self::Halted => "halted",
        })
    }
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

/// What a column of an answer holds. The words are keys of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    Source,
    Target,
    Direction,
    Sid,
    Status,
    Phase,
    Copied,
    Kind,
    Error,
    VolumeNumber,
    VolumeName,
    VolumeSize,
    CopyInhibit,
    ArrayName,
    BoxId,
    Address,
    GroupName,
    GroupType,
    GroupArray,
}

/// As the configuration writes it.
impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Source => "source",
            Self::Target => "target",
            Self::Direction => "direction",
            Self::Sid => "sid",
            Self::Status => "status",
            Self::Phase => "phase",
            Self::Copied => "copied",
            Self::Kind => "kind",
            Self::Error => "error",
            Self::VolumeNumber => "volume-number",
            Self::VolumeName => "volume-name",
            Self::VolumeSize => "volume-size",
            Self::CopyInhibit => "copy-inhibit",
            Self::ArrayName => "array-name",
            Self::BoxId => "box-id",
            Self::Address => "address",
            Self::GroupName => "group-name",
            Self::GroupType => "group-type",
            Self::GroupArray => "group-array",
        })
    }
}

/// One more title that a column goes by.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TitleRow {
    pub column: Column,
    pub title: String,
    /// Where it was seen.
    pub source: Option<String>,
}

/// What a refusal means whose code does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageMeaning {
    /// Nothing was done; it may be sent again.
    Busy,
    /// It was so before. Believed only when the session is seen to be so.
    AlreadyDone,
    /// The array does it by force only.
    NeedsForce,
    /// The copy group does not exist.
    NoSuchGroup,
}

/// Words inside a message, and what the message means. Upper and lower case are the same.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageRow {
    pub text: String,
    pub means: MessageMeaning,
    /// Where it was seen.
    pub source: Option<String>,
}
