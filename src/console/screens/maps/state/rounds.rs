//! Step 2: the grid of volumes and rounds, and the candidates for the selected cell.

use super::super::draft::Draft;
use super::split;
use crate::console::types::Cursor;
use crate::model::device_map::grid::{self, Candidate, Cell, Grid, GridRow};
use crate::model::identity::VolumeId;
use crate::model::snapshot::Snapshot;
use unicode_width::UnicodeWidthStr;

/// Columns of a cell: the longest usual name, its sign and a gap.
pub const CELL: u16 = 16;
/// Columns that a cell with the amount it copies likes to have.
pub const ROOMY_CELL: u16 = 28;

/// Rows that the candidates keep, frame and heading included.
const CANDIDATES: u16 = 9;

#[derive(Debug, Default)]
pub struct RoundsPart {
    pub grid: Option<Grid>,
    pub cursor: Cursor<VolumeId>,
    /// The selected round, and the first one that is on the screen.
    pub round: usize,
    pub first: usize,
    /// The focus is on the candidates.
    pub choosing: bool,
    pub candidates: Vec<Candidate>,
    pub candidate: Cursor<VolumeId>,
    /// A cell to go to as soon as the grid is there; the round is the one that is due where none is named.
    wanted: Option<(VolumeId, Option<usize>)>,
    /// The snapshot and the draft's revision that the grid is of.
    of: Option<(u64, u64)>,
    /// The same, and the cell, that the candidates are of.
    candidates_of: Option<(u64, u64, VolumeId, usize)>,
}

impl RoundsPart {
    pub fn settle(&mut self, snapshot: &Snapshot, draft: &Draft, width: u16, height: u16) {
        let of = (snapshot.sequence, draft.revision);
        if self.of != Some(of) {
            self.of = Some(of);
            self.grid = Some(all_rows(snapshot, draft));
        }
        let Some(grid) = &self.grid else { return };
        let id = |row: usize| grid.rows.get(row).map(|row| row.transaction_volume);
        if let Some((volume, round)) = self.wanted.take()
            && let Some(row) = grid.rows.iter().position(|row| row.transaction_volume == volume)
        {
            self.cursor.select(row, grid.rows.len(), id);
            let round = round.or(grid.rows[row].due);
            self.round = round.unwrap_or(self.round);
        }
        self.cursor.follow(grid.rows.len(), id);
        self.round = self.round.min(grid.rounds.len().saturating_sub(1));
        let (upper, lower) = split(height, grid.rows.len() + 3, CANDIDATES);
        self.cursor.settle(grid.rows.len(), usize::from(upper.saturating_sub(3)));
        let (shown, _) = columns(grid, width.saturating_sub(2));
        self.first = self.first.clamp((self.round + 1).saturating_sub(shown), self.round);
        self.first = self.first.min(grid.rounds.len().saturating_sub(shown));
        self.find_candidates(snapshot, draft, usize::from(lower.saturating_sub(2)));
    }

    fn find_candidates(&mut self, snapshot: &Snapshot, draft: &Draft, height: usize) {
        let Some((volume, name)) = self.cell_place() else {
            self.candidates.clear();
            self.candidates_of = None;
            self.choosing = false;
            return;
        };
        let of = (snapshot.sequence, draft.revision, volume, self.round);
        if self.candidates_of != Some(of) {
            let same_cell = self.candidates_of.is_some_and(|(.., known, round)| (known, round) == (volume, self.round));
            self.candidates = grid::candidates(snapshot, &draft.set(), volume, &name);
            self.candidates_of = Some(of);
            if !same_cell {
                self.move_candidate(0);
            }
        }
        let candidates = &self.candidates;
        let id = |row: usize| candidates.get(row).map(|candidate| candidate.backup_volume);
        self.candidate.follow(candidates.len(), id);
        self.candidate.settle(candidates.len(), height);
    }

    /// The volume and the round of the selected cell.
    fn cell_place(&self) -> Option<(VolumeId, crate::model::identity::Name)> {
        let name = self.grid.as_ref()?.rounds.get(self.round)?.clone();
        Some((self.row()?.transaction_volume, name))
    }

    pub fn row(&self) -> Option<&GridRow> {
        self.grid.as_ref()?.rows.get(self.cursor.selected)
    }

    pub fn cell(&self) -> Option<&Cell> {
        self.row()?.cells.get(self.round)
    }

    pub fn selected_candidate(&self) -> Option<&Candidate> {
        self.candidates.get(self.candidate.selected)
    }

    pub fn move_to(&mut self, row: usize) {
        if let Some(grid) = &self.grid {
            self.cursor.select(row, grid.rows.len(), |row| grid.rows.get(row).map(|row| row.transaction_volume));
        }
    }

    pub fn move_candidate(&mut self, row: usize) {
        let candidates = &self.candidates;
        self.candidate.select(row, candidates.len(), |row| candidates.get(row).map(|found| found.backup_volume));
    }

    /// To a cell; without a round to the one that is due.
    pub fn go_to(&mut self, volume: VolumeId, round: Option<usize>) {
        self.wanted = Some((volume, round));
        self.choosing = false;
    }
}

/// The draft's grid: chosen volumes without a pair have their row too. Sorted by name.
fn all_rows(snapshot: &Snapshot, draft: &Draft) -> Grid {
    let mut grid = grid::grid(snapshot, &draft.set());
    for id in draft.without_pairs() {
        let view = snapshot.transaction_volume(id);
        grid.rows.push(GridRow {
            transaction_volume: id,
            name: snapshot.label(id),
            is_registered: view.is_some(),
            blocks: view.map(|view| view.volume.blocks),
            keeps: view.and_then(|view| view.volume.policy).map(|policy| policy.generations),
            mode: view.and_then(|view| view.volume.policy).map(|policy| policy.mode),
            cells: vec![Cell::Empty; grid.rounds.len()],
            due: None,
        });
    }
    grid.rows.sort_by(|a, b| (&a.name, a.transaction_volume).cmp(&(&b.name, b.transaction_volume)));
    grid
}

/// Columns of the volume's name.
pub fn name_width(grid: &Grid) -> u16 {
    grid.rows.iter().map(|row| row.name.width() as u16).max().unwrap_or(0).clamp(8, 20)
}

/// How many rounds fit beside the volumes, and how many columns each has. `width`: inside the frame.
pub fn columns(grid: &Grid, width: u16) -> (usize, u16) {
    // Cursor, name, size, mode, generations that are kept.
    let room = width.saturating_sub(2 + name_width(grid) + 1 + 8 + 2 + 4 + 2);
    let rounds = u16::try_from(grid.rounds.len().max(1)).unwrap_or(u16::MAX);
    let shown = (room / CELL).clamp(1, rounds);
    (usize::from(shown), (room / shown).min(ROOMY_CELL))
}
