//! Copies of the catalogue, as people are shown them.

use super::identity::VolumeId;
use super::units::{Timestamp, Version};
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};

/// One copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueCopy {
    /// The file, with its folder.
    pub file: String,
    /// The number of the newest event in it.
    pub sequence: u64,
    pub bytes: u64,
    /// When it was made.
    pub at: Timestamp,
}

/// No copy of the catalogue is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotCopied {
    /// Since the engine saw it.
    pub since: Timestamp,
    pub why: Untrusted,
}

impl NotCopied {
    pub fn sentence(&self) -> String {
        format!("no copy of the catalogue is made: {}", self.why.escaped())
    }
}

/// The copies that are kept.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CatalogueCopies {
    /// Where they are kept.
    pub folder: String,
    /// The newest first.
    pub kept: Vec<CatalogueCopy>,
    /// Why the last one was not made.
    pub failed: Option<String>,
}

/// What is in a catalogue, as far as a person needs it to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueContents {
    /// The number of its newest event.
    pub sequence: u64,
    /// The time of its newest event.
    pub newest: Option<Timestamp>,
    pub transaction_volumes: usize,
    pub generations: usize,
}

/// A generation that the present catalogue keeps and a copy does not know: its volume looks unused once the copy is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownGeneration {
    /// Its transaction volume's name.
    pub volume: String,
    pub version: Version,
    pub taken_at: Timestamp,
    pub backup_volume: VolumeId,
}

/// What loading a copy would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadSummary {
    pub copy: CatalogueContents,
    /// What is in the present catalogue, or why that cannot be read.
    pub present: Result<CatalogueContents, String>,
    pub unknown: Vec<UnknownGeneration>,
    /// The number of the newest event that is known of outside of the catalogue.
    pub newest_head: Option<u64>,
}
