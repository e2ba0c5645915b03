//! What a check of the audit finds, for whoever asked.

use super::chain::ChainFault;
use super::event::ChainHead;
use serde::{Deserialize, Serialize};

/// The rows that a report names at most; the rest is counted.
pub const MAX_NAMED_ROWS: usize = 200;

/// What became of the heads that are kept in one place outside the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnchorReport {
    /// A file, or the system log's socket.
    pub place: String,
    /// Heads that could be compared; 0 where a place cannot be read back.
    pub heads: u64,
    /// It only takes heads; whether it still has them is seen there.
    pub write_only: bool,
    /// Whether this host has the place.
    pub present: bool,
    /// A sentence, where something is wrong with it.
    pub problem: Option<String>,
}

/// What a check of the whole audit found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    pub events: u64,
    /// Heads kept outside the catalogue that agree with it.
    pub anchors_matched: u64,
    pub head: ChainHead,
    pub chain_faults: Vec<ChainFault>,
    pub anchors: Vec<AnchorReport>,
    /// Heads given by hand that no event has.
    pub unknown_heads: Vec<String>,
    /// From this event on the rows of the tables were compared with the events; `None` where a catalogue has no tables.
    pub compared_from: Option<u64>,
    /// Rows that were compared.
    pub rows: u64,
    /// Sentences that name a row each; at most [`MAX_NAMED_ROWS`].
    pub differences: Vec<String>,
    /// All of them.
    pub differences_found: u64,
}

impl AuditReport {
    /// Chain, rows and everything kept outside agree.
    pub fn is_intact(&self) -> bool {
        self.chain_faults.is_empty()
            && self.unknown_heads.is_empty()
            && self.differences_found == 0
            && self.anchors.iter().all(|anchor| anchor.problem.is_none())
    }

    /// Everything that was found, a sentence each.
    pub fn findings(&self) -> Vec<String> {
        let chain = self.chain_faults.iter().map(ToString::to_string);
        let anchors = self.anchors.iter().filter_map(|anchor| anchor.problem.clone());
        let heads = self
            .unknown_heads
            .iter()
            .map(|head| format!("no event has the head {head}: events were removed, or the chain was written again"));
        let unnamed = self.differences_found.saturating_sub(self.differences.len() as u64);
        let more = (unnamed > 0).then(|| format!("{unnamed} more rows differ"));
        chain.chain(anchors).chain(heads).chain(self.differences.iter().cloned()).chain(more).collect()
    }
}
