//! The kinds of trouble, and the names of single troubles.

use super::codes::Code;
use super::identity::VolumeId;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What kind of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TroubleKind {
    /// The catalogue takes no writes.
    Catalogue,
    /// No copy of the catalogue is made.
    CatalogueCopy,
    /// The notification hook fails.
    NotifyHook,
    /// An array does not answer, or another box answers.
    Unreachable,
    /// An array can do or show less than it should.
    Array,
    Error,
    Halted,
    /// Something else is wrong with a volume.
    Problem,
    InDoubt,
    NeedsAttention,
    Overdue,
    /// A backup will not be made by the end of its window, or was not.
    Late,
    /// There is no backup yet, and none is overdue.
    NoBackup,
    /// The next start of a volume finds no backup volume.
    PoolShort,
}

impl TroubleKind {
    pub const ALL: &[Self] = &[
        Self::Catalogue,
        Self::CatalogueCopy,
        Self::NotifyHook,
        Self::Unreachable,
        Self::Array,
        Self::Error,
        Self::Halted,
        Self::Problem,
        Self::InDoubt,
        Self::NeedsAttention,
        Self::Overdue,
        Self::Late,
        Self::NoBackup,
        Self::PoolShort,
    ];

    /// The word in documents and in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            Self::Catalogue => "catalogue",
            Self::CatalogueCopy => "catalogue-copy",
            Self::NotifyHook => "notify-hook",
            Self::Unreachable => "unreachable",
            Self::Array => "array",
            Self::Error => "error",
            Self::Halted => "halted",
            Self::Problem => "problem",
            Self::InDoubt => "in-doubt",
            Self::NeedsAttention => "needs-attention",
            Self::Overdue => "overdue",
            Self::Late => "late",
            Self::NoBackup => "no-backup",
            Self::PoolShort => "pool-short",
        }
    }
}

/// Names one trouble for as long as it lasts, and the same one again when it comes back: eight hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TroubleId(String);

impl TroubleId {
    /// `place` tells troubles of the same kind, volume and code apart.
    pub fn of(kind: TroubleKind, volume: Option<VolumeId>, place: &str, code: Option<Code>) -> Self {
        let volume = volume.map_or_else(String::new, |id| id.to_string());
        let code = code.map_or_else(String::new, |code| code.to_string());
        let text = [kind.word(), &volume, place, &code].join("\0");
        Self(blake3::hash(text.as_bytes()).to_hex()[..8].to_owned())
    }
}

impl FromStr for TroubleId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = text.len() == 8 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if fits {
            return Ok(Self(text.to_owned()));
        }
        Err(format!("{text:?} is no trouble's ID: `ecdeck report --since 1d` shows them, as 3f9a2c1b"))
    }
}

impl fmt::Display for TroubleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
