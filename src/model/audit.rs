//! What a check of the audit finds, for whoever asked.

use super::chain::{ChainFault, Verdict};
use super::event::{ChainHash, ChainHead};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

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

/// What came of comparing the rows of the tables with the events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComparedRows {
    /// From this event on; `None` where a catalogue has no tables.
    pub from: Option<u64>,
    pub rows: u64,
    pub differences: Vec<String>,
    pub differences_found: u64,
}

impl ComparedRows {
    /// Names a row that differs, or counts it when enough are named.
    pub fn differs(&mut self, sentence: String) {
        self.differences_found += 1;
        if self.differences.len() < MAX_NAMED_ROWS {
            self.differences.push(sentence);
        }
    }
}

/// Heads given by hand that are still to be found among the events.
#[derive(Debug, Clone)]
pub struct WantedHeads(BTreeSet<String>);

impl WantedHeads {
    /// The start of every chain needs no event.
    pub fn new(heads: &[ChainHash]) -> Self {
        let start = ChainHash::start();
        Self(heads.iter().filter(|head| **head != start).map(|head| head.as_str().to_owned()).collect())
    }

    /// An event has this head.
    pub fn found(&mut self, head: &ChainHash) {
        self.0.remove(head.as_str());
    }
}

impl AuditReport {
    /// What a catalogue finds in itself; what is kept outside of it is added by whoever has it.
    pub fn of_catalogue(verdict: Verdict, unknown: WantedHeads, compared: ComparedRows) -> Self {
        Self {
            events: verdict.events,
            anchors_matched: verdict.anchors_matched,
            head: verdict.head,
            chain_faults: verdict.faults,
            anchors: Vec::new(),
            unknown_heads: unknown.0.into_iter().collect(),
            compared_from: compared.from,
            rows: compared.rows,
            differences: compared.differences,
            differences_found: compared.differences_found,
        }
    }

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
