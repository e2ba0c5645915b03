//! Device maps: text files that fix which backup volume is used for which transaction volume.
//!
//! Belongs here: the format (read and written), what is wrong with a map on a site, map sets with their rounds, and what a
//! guided set-up shows of them. Does not: opening files (cli), choosing a backup volume where no map does (`plan`).
//!
//! The format is that of the vendor's own device map file: one pair a line, the transaction volume first, separated
//! by blanks or tabs; blank lines; comments.

mod beside;
mod check;
pub mod grid;
mod parse;
mod text;

pub use super::map_set::{MapDifference, MapRound, MapRow, MapSet, PairUse, difference};
pub use super::plan::map_rounds as rounds;
pub use beside::{FINDING_MARK, with_findings, without_findings};
pub use check::{CheckedPair, ResolvedPair, check, resolve};
pub use parse::{parse, parse_lines};
pub use text::{rounds_of, write_round, write_set};

use super::codes::Code;
use super::identity::{Name, VolumeId};
use super::untrusted::Untrusted;
use serde::Serialize;
use std::fmt::{self, Write as _};

/// Bytes of a map that are read at most: far beyond 10,000 lines.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;
/// Characters of a name in a map at most: a box id, a slash and a number, or a device path.
pub const MAX_NAME: usize = 255;

/// A map as it was written: pairs of names with their places in the text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceMap {
    pub pairs: Vec<NamedPair>,
    /// Lines `# round: NAME`, in their order: what follows is a map of its own.
    pub rounds: Vec<Mark>,
    /// Lines `# host: NAME`, in their order: bare names that follow may be volume groups of that host.
    pub hosts: Vec<Mark>,
    /// The host of the lines before the first of them.
    pub host: Option<Name>,
}

/// A comment that says something of the lines below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Line of the text, from 1.
    pub line: usize,
    pub name: Name,
}

impl DeviceMap {
    /// The host whose volume groups a bare name of this line may mean.
    pub fn host_at(&self, line: usize) -> Option<&Name> {
        let above = self.hosts.iter().rev().find(|mark| mark.line < line);
        above.map(|mark| &mark.name).or(self.host.as_ref())
    }
}

/// One pair as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPair {
    /// Line of the text, from 1.
    pub line: usize,
    pub transaction: PlacedName,
    pub backup: PlacedName,
}

/// A name with its place in its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedName {
    pub text: Untrusted,
    /// Column of its first character, from 1, in characters.
    pub column: usize,
    /// Characters.
    pub width: usize,
}

/// How much a finding stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The pair can be used later but not now: its backup volume holds a generation that stays.
    NotNow,
    /// This pair cannot be used; the others can.
    Error,
    /// The text is not a device map, so nothing of it is used.
    Syntax,
}

/// Something wrong in a map, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub severity: Severity,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Characters that are wrong, at least 1.
    pub width: usize,
    pub code: Code,
    /// What is wrong, in one sentence, escaped.
    pub text: String,
    /// What you can do.
    pub help: String,
    /// The transaction volume that it stops; `None` where its name is not known or the whole map is stopped.
    pub volume: Option<VolumeId>,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotNow => "not now",
            Self::Error => "error",
            Self::Syntax => "syntax error",
        })
    }
}

/// Pairs of names as a map's text, in columns. [`parse`] reads the same pairs from it.
pub fn write<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let pairs: Vec<(&str, &str)> = pairs.into_iter().collect();
    let width = pairs.iter().map(|(transaction, _)| transaction.chars().count()).max().unwrap_or(0);
    let mut text = String::from("# transaction volume, backup volume\n");
    for (transaction, backup) in pairs {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{transaction:width$}  {backup}");
    }
    text
}
