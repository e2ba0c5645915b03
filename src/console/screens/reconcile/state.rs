//! The state of the reconcile screen: its rows, made anew with every snapshot, and which of them are marked.

use crate::console::screens::screen::Context;
use crate::console::screens::two_panels;
use crate::console::types::Cursor;
use crate::model::identity::VolumeId;
use crate::model::proposal_kind::ProposalKind;
use crate::model::reconcile::{Finding, findings, unread};
use crate::model::request::{Action, Request};
use std::collections::BTreeSet;

/// What a row is known by: owner and subject.
type RowKey = (VolumeId, VolumeId);

#[derive(Debug, Default)]
pub struct ReconcileScreen {
    pub rows: Vec<Finding>,
    pub marks: BTreeSet<RowKey>,
    /// Arrays that were not read, or not in full.
    pub unread: Vec<String>,
    pub cursor: Cursor<RowKey>,
    /// The snapshot that the rows are of.
    made_of: Option<u64>,
}

fn key(finding: &Finding) -> RowKey {
    (finding.owner, finding.subject)
}

impl ReconcileScreen {
    pub fn new(context: &Context) -> Self {
        let mut screen = Self::default();
        screen.settle(context);
        screen
    }

    /// After the site or the size changed: marks of rows that are gone go, too.
    pub fn settle(&mut self, context: &Context) {
        let snapshot = context.snapshot();
        if self.made_of != Some(snapshot.sequence) {
            self.made_of = Some(snapshot.sequence);
            self.rows = findings(snapshot);
            self.unread = unread(snapshot);
            let there: BTreeSet<RowKey> = self.rows.iter().map(key).collect();
            self.marks.retain(|mark| there.contains(mark));
        }
        let keys: Vec<RowKey> = self.rows.iter().map(key).collect();
        self.cursor.follow(keys.len(), |row| keys.get(row).copied());
        self.cursor.settle(keys.len(), usize::from(two_panels::list_height(context.height())));
    }

    pub fn select(&mut self, row: usize) {
        let keys: Vec<RowKey> = self.rows.iter().map(key).collect();
        self.cursor.select(row, keys.len(), |row| keys.get(row).copied());
    }

    pub fn selected(&self) -> Option<&Finding> {
        self.rows.get(self.cursor.selected)
    }

    pub fn is_marked(&self, finding: &Finding) -> bool {
        self.marks.contains(&key(finding))
    }

    pub fn mark(&mut self) {
        let Some(key) = self.selected().filter(|row| is_offered(row)).map(key) else { return };
        if !self.marks.remove(&key) {
            self.marks.insert(key);
        }
    }

    pub fn mark_all(&mut self) {
        let all: BTreeSet<RowKey> = self.rows.iter().filter(|row| is_offered(row)).map(key).collect();
        self.marks = if self.marks == all { BTreeSet::new() } else { all };
    }

    /// What is asked for: the marked rows, else the selected one. `None` where nothing is proposed.
    pub fn request(&self) -> Option<Request> {
        let marked = || self.rows.iter().filter(|row| self.is_marked(row));
        let chosen: Vec<&Finding> = if self.marks.is_empty() {
            self.selected().filter(|row| is_offered(row)).into_iter().collect()
        } else {
            marked().collect()
        };
        let volumes: BTreeSet<VolumeId> = chosen.iter().map(|row| row.owner).collect();
        let only: BTreeSet<VolumeId> = chosen.iter().map(|row| row.subject).collect();
        let action = Action::Reconcile {
            volumes: volumes.into_iter().collect(),
            only: only.into_iter().collect(),
            kinds: Vec::new(),
            listed: Vec::new(),
        };
        (!chosen.is_empty()).then(|| Request::new(action))
    }
}

pub fn is_offered(finding: &Finding) -> bool {
    finding.proposal.kind() != ProposalKind::ByHand
}
