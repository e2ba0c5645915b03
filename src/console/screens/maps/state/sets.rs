//! The list of map sets and of drafts.

use super::super::draft::Draft;
use super::split;
use crate::console::types::Cursor;
use crate::model::device_map::{MapSet, grid};
use crate::model::identity::Name;
use crate::model::snapshot::Snapshot;
use crate::model::units::{Timestamp, count};

/// What a row of the list stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetKey {
    Draft(Name),
    Stored(Name),
    New,
}

#[derive(Debug)]
pub struct SetRow {
    pub key: SetKey,
    pub rounds: usize,
    pub volumes: usize,
    /// `B 57, A 3, none 1`.
    pub tonight: String,
    /// Of a draft: when it was last changed.
    pub changed_at: Option<Timestamp>,
}

#[derive(Debug, Default)]
pub struct SetsPart {
    pub rows: Vec<SetRow>,
    pub cursor: Cursor<usize>,
    /// What has just come of the work, until the next key.
    pub said: Option<String>,
    /// The snapshot and the drafts that the rows are of.
    of: Option<(u64, Vec<(Name, u64)>)>,
    /// To be selected as soon as there is such a row.
    wanted: Option<SetKey>,
}

impl SetsPart {
    pub fn settle(&mut self, snapshot: &Snapshot, drafts: &[Draft], height: u16) {
        let before = self.selected().map(|row| row.key.clone());
        let revisions = drafts.iter().map(|draft| (draft.name().clone(), draft.revision)).collect();
        let of = Some((snapshot.sequence, revisions));
        if self.of != of {
            self.of = of;
            self.rows = rows(snapshot, drafts);
        }
        if let Some(key) = self.wanted.take().or(before) {
            self.select(&key);
        }
        self.move_to(self.cursor.selected);
        let (upper, _) = split(height, self.rows.len() + 3, 9);
        self.cursor.settle(self.rows.len(), usize::from(upper.saturating_sub(3)));
    }

    pub fn selected(&self) -> Option<&SetRow> {
        self.rows.get(self.cursor.selected)
    }

    pub fn move_to(&mut self, row: usize) {
        self.cursor.select(row, self.rows.len(), |_| None);
    }

    pub fn select(&mut self, key: &SetKey) {
        match self.rows.iter().position(|row| row.key == *key) {
            Some(row) => self.move_to(row),
            None => self.wanted = Some(key.clone()),
        }
    }
}

/// Drafts first, then what is stored, then the row that begins a new map set.
fn rows(snapshot: &Snapshot, drafts: &[Draft]) -> Vec<SetRow> {
    let row = |key: SetKey, set: &MapSet, tonight: String| SetRow {
        key,
        rounds: set.rounds.len(),
        volumes: set.transaction_volumes().len(),
        tonight,
        changed_at: None,
    };
    let drafts = drafts.iter().map(|draft| SetRow {
        changed_at: draft.changed_at,
        ..row(SetKey::Draft(draft.name().clone()), &draft.set(), String::new())
    });
    let stored = snapshot.map_sets.iter();
    let stored = stored.map(|set| row(SetKey::Stored(set.name.clone()), set, tonight(&grid::grid(snapshot, set))));
    let mut rows: Vec<SetRow> = drafts.chain(stored).collect();
    rows.push(SetRow { key: SetKey::New, rounds: 0, volumes: 0, tonight: String::new(), changed_at: None });
    rows
}

/// How many volumes take each round now: `B 57, A 3, none 1`.
pub fn tonight(grid: &grid::Grid) -> String {
    let of_round = |at: usize| grid.rows.iter().filter(|row| row.due == Some(at)).count();
    let mut rounds: Vec<(usize, &Name)> = (0..).map(of_round).zip(&grid.rounds).filter(|(many, _)| *many > 0).collect();
    rounds.sort_by_key(|(many, _)| std::cmp::Reverse(*many));
    let without = grid.rows.iter().filter(|row| row.due.is_none()).count();
    let mut parts: Vec<String> = match rounds[..] {
        [(_, only)] if without == 0 => vec![only.to_string()],
        _ => rounds.iter().map(|(many, name)| format!("{name} for {many}")).collect(),
    };
    if without > 0 {
        parts.push(format!("none for {}", count(without, "volume", "volumes")));
    }
    parts.join(", ")
}
