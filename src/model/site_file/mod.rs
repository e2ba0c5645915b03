//! A site as a file: its volumes, names, policies, sets and map sets as TOML, read and written.
//!
//! Belongs here: the format, what is wrong with a file on a site, and what it would change. Does not: opening files (cli),
//! whether a change may be made (`plan`), arrays, hosts and hooks, which are configuration.
//!
//! A file says what is to be. What it does not name stays as it is: leaving a line out takes nothing away.

mod check;
mod policy;
mod read;
mod write;

pub use check::{Compared, Difference, DifferenceKind, check};
pub use read::read;
pub use write::write;

use super::codes::Code;
use super::device_map::{Finding, Severity};
use super::identity::{BoxId, Name};
use super::request::VolumeRole;
use super::volume_group::GroupPlace;
use policy::PolicyKeys;
use std::collections::BTreeSet;
use std::ops::Range;
use toml::Spanned;

/// The number of the format that is written, and the only one that is read.
pub const FORMAT: u64 = 1;
/// Bytes of a file that are read at most: far beyond 100,000 volumes.
pub const MAX_BYTES: usize = 32 * 1024 * 1024;

/// A site file as it was written, each value with its place in the text.
#[derive(Debug, Clone, Default)]
pub struct SiteFile {
    /// The name of the site that it is of.
    site: Option<Spanned<String>>,
    /// The box behind each array's name.
    arrays: Vec<(Spanned<Name>, Spanned<BoxId>)>,
    volumes: Vec<FileVolume>,
    map_sets: Vec<FileMapSet>,
    sets: Vec<FileSet>,
}

impl SiteFile {
    /// The name of the site that the file is of.
    pub fn site(&self) -> Option<&str> {
        self.site.as_ref().map(|site| site.get_ref().as_str())
    }

    /// The names of the arrays whose volumes it names.
    pub fn arrays(&self) -> BTreeSet<String> {
        let of_places = self.volumes.iter().filter_map(|volume| Some(volume.volume.get_ref().rsplit_once('/')?.0));
        let named = self.arrays.iter().map(|(name, _)| name.get_ref().as_str());
        let boxes: BTreeSet<&str> = self.arrays.iter().map(|(_, id)| id.get_ref().as_str()).collect();
        of_places.filter(|array| !boxes.contains(array)).chain(named).map(str::to_owned).collect()
    }
}

#[derive(Debug, Clone)]
struct FileVolume {
    role: VolumeRole,
    /// `ARRAY/0x21`, or a whole identity.
    volume: Spanned<String>,
    name: Option<Spanned<Name>>,
    blocks: Option<Spanned<u64>>,
    policy: Option<Spanned<PolicyKeys>>,
    /// The volume group that it is.
    group: Option<Spanned<GroupPlace>>,
}

#[derive(Debug, Clone)]
struct FileSet {
    name: Spanned<Name>,
    /// Transaction volumes, by any name.
    members: Vec<Spanned<String>>,
}

#[derive(Debug, Clone)]
struct FileMapSet {
    name: Spanned<Name>,
    rounds: Vec<FileRound>,
}

#[derive(Debug, Clone)]
struct FileRound {
    name: Spanned<Name>,
    /// Transaction volume and backup volume, by any name.
    pairs: Vec<(Spanned<String>, Spanned<String>)>,
}

/// Where lines begin in a text, so that a place is found without reading the whole text again.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn of(text: &'t str) -> Self {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(ends).collect() }
    }

    /// What is wrong at a place.
    fn finding(&self, severity: Severity, span: &Range<usize>, text: String, help: &str) -> Finding {
        let line = self.starts.partition_point(|start| *start <= span.start).max(1);
        let start = self.starts.get(line - 1).copied().unwrap_or(0);
        let characters = |range: Range<usize>| self.text.get(range).map_or(0, |text| text.chars().count());
        let end = self.starts.get(line).map_or(self.text.len(), |next| next - 1).min(span.end.max(span.start));
        Finding {
            severity,
            line,
            column: characters(start..span.start.max(start)) + 1,
            width: characters(span.start..end).max(1),
            code: Code::SITE_FILE_WRONG,
            text,
            help: help.to_owned(),
            volume: None,
        }
    }
}
