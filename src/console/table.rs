//! The rows of the main table: sets and transaction volumes in their order, and which of them are shown.

use super::choice::{Choice, Order, fits_name, lateness, matches_filter, needs_attention};
use crate::model::identity::VolumeId;
use crate::model::pages::trouble_rank;
use crate::model::snapshot::{Snapshot, TransactionVolumeView};
use crate::model::volume_set::VolumeSet;
use std::cmp::Reverse;
use std::collections::HashMap;

/// A row of the main table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableRow {
    /// Index of a set that has volumes.
    Set(u32),
    /// Index of a transaction volume, and whether it stands below its set.
    Volume { index: u32, in_set: bool },
}

/// What a row is about, for keeping the cursor on it. A set is known by its first volume: a volume is in one set at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKey {
    Volume(VolumeId),
    Set(VolumeId),
}

/// All rows by name, whatever is shown.
#[derive(Debug, Clone, Default)]
pub struct ByName {
    /// Sets, and among them the volumes that are in none.
    top: Vec<TableRow>,
    /// The volumes of each set: indexes.
    members: Vec<Vec<u32>>,
}

/// What is shown.
#[derive(Debug, Clone, Default)]
pub struct ShownRows {
    pub rows: Vec<TableRow>,
    /// All volumes that are shown, those of closed sets too: indexes.
    pub volumes: Vec<u32>,
}

impl ByName {
    pub fn new(snapshot: &Snapshot) -> Self {
        let (views, sets) = (&snapshot.transaction_volumes, &snapshot.volume_sets);
        let name = |index: u32| views[index as usize].volume.name.as_str();
        let mut order: Vec<u32> = (0..views.len()).map(|index| index as u32).collect();
        order.sort_by(|a, b| name(*a).cmp(name(*b)));
        let alone = |index: u32| TableRow::Volume { index, in_set: false };
        if sets.is_empty() {
            return Self { top: order.into_iter().map(alone).collect(), members: Vec::new() };
        }
        let set_of: HashMap<VolumeId, usize> =
            sets.iter().enumerate().flat_map(|(at, set)| set.members.iter().map(move |id| (*id, at))).collect();
        let mut members = vec![Vec::new(); sets.len()];
        let mut top: Vec<TableRow> = Vec::new();
        for index in order {
            match set_of.get(&views[index as usize].volume.id) {
                Some(set) => members[*set].push(index),
                None => top.push(alone(index)),
            }
        }
        let with_volumes = (0..sets.len()).filter(|set| !members[*set].is_empty());
        top.extend(with_volumes.map(|set| TableRow::Set(set as u32)));
        // A set stands among the others by its own name. The sort is nearly done already.
        top.sort_by_key(|row| match row {
            TableRow::Set(set) => sets[*set as usize].name.as_str(),
            TableRow::Volume { index, .. } => name(*index),
        });
        Self { top, members }
    }

    /// The rows that a choice shows. While it hides something every set is open: what fits is in sight.
    pub fn shown(&self, snapshot: &Snapshot, choice: &Choice) -> ShownRows {
        let views = &snapshot.transaction_volumes;
        let view = |index: u32| &views[index as usize];
        let fits = |view: &TransactionVolumeView, by_set: bool| {
            (!choice.problems || needs_attention(view))
                && (choice.filter.is_empty() || by_set || matches_filter(snapshot, view, &choice.filter))
        };
        // A set whose name fits shows all of its volumes.
        let of_set = |(members, set): (&Vec<u32>, &VolumeSet)| {
            let by_set = !choice.filter.is_empty() && fits_name(set.name.as_str(), &choice.filter);
            let mut shown: Vec<u32> = members.iter().copied().filter(|index| fits(view(*index), by_set)).collect();
            // The sorts are stable: within a rank the order is that of names.
            match choice.order {
                Order::Name => {}
                Order::Trouble => shown.sort_by_key(|index| Reverse(trouble_rank(view(*index)))),
                Order::Ready => shown.sort_by_key(|index| Reverse(lateness(view(*index).ready))),
            }
            shown
        };
        let members: Vec<Vec<u32>> = std::iter::zip(&self.members, &snapshot.volume_sets).map(of_set).collect();
        let is_shown = |row: &TableRow| match row {
            TableRow::Set(set) => members.get(*set as usize).is_some_and(|members| !members.is_empty()),
            TableRow::Volume { index, .. } => fits(view(*index), false),
        };
        let mut top: Vec<TableRow> = self.top.iter().copied().filter(is_shown).collect();
        // A set stands where the first of its volumes would.
        let first = |row: &TableRow| match row {
            TableRow::Set(set) => view(members[*set as usize][0]),
            TableRow::Volume { index, .. } => view(*index),
        };
        match choice.order {
            Order::Name => {}
            Order::Trouble => top.sort_by_key(|row| Reverse(trouble_rank(first(row)))),
            Order::Ready => top.sort_by_key(|row| Reverse(lateness(first(row).ready))),
        }
        let mut shown = ShownRows { rows: Vec::with_capacity(top.len()), volumes: Vec::with_capacity(top.len()) };
        for row in top {
            shown.rows.push(row);
            match row {
                TableRow::Volume { index, .. } => shown.volumes.push(index),
                TableRow::Set(set) => {
                    let members = &members[set as usize];
                    shown.volumes.extend(members);
                    if choice.is_open(&snapshot.volume_sets[set as usize].name) {
                        let below = |index: &u32| TableRow::Volume { index: *index, in_set: true };
                        shown.rows.extend(members.iter().map(below));
                    }
                }
            }
        }
        shown
    }
}
