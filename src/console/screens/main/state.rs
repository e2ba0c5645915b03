//! The state of the main screen: what is shown of the volumes, where the cursors are, what is marked.

use super::layout::{Layout, NIGHTS};
use crate::console::availability::VerbAvailability;
use crate::console::choice::{Choice, needs_attention};
use crate::console::events::EventRow;
use crate::console::picture::{CopyKey, CopyRow, Picture};
use crate::console::projection::Projection;
use crate::console::sessions::governing;
use crate::console::table::RowKey;
use crate::console::types::{Cursor, Pane, Subject};
use crate::model::identity::VolumeId;
use crate::model::records::OperationId;
use crate::model::session::{Pair, Phase, Status};
use crate::model::set_instants::{self, KeptInstant};
use crate::model::snapshot::{BackupVolumeView, SessionView, Snapshot, TransactionVolumeView};
use crate::model::units::Version;
use crate::model::volume_set::VolumeSet;
use std::collections::{BTreeSet, HashSet};
use tui_input::Input;

/// Columns of a rate's curve.
const MAX_TRACE: usize = 120;

/// The rates of one copy since it is selected. A full curve is halved, not moved: a curve that moves costs a line's bytes with
/// every reading.
#[derive(Debug)]
pub struct Trace {
    pub pair: Pair,
    /// Bytes a second, oldest first.
    pub rates: Vec<u64>,
    /// So many readings make one rate.
    every: u32,
    /// So many readings are still to come for the next one.
    left: u32,
}

impl Trace {
    fn new(pair: Pair, rate: u64) -> Self {
        Self { pair, rates: vec![rate], every: 1, left: 1 }
    }

    fn note(&mut self, rate: u64) {
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            return;
        }
        if self.rates.len() >= MAX_TRACE {
            self.rates = self.rates.chunks(2).map(|pair| pair.iter().sum::<u64>() / pair.len() as u64).collect();
            self.every = self.every.saturating_mul(2);
        }
        self.rates.push(rate);
        self.left = self.every;
    }
}

/// What the panes beside the table list, for one snapshot and one choice.
#[derive(Debug, Default)]
pub struct PaneRows {
    /// What they were made for.
    of: Option<(u64, Follow)>,
    pub copies: Vec<CopyRow>,
    /// Indexes into the pool.
    pub pool: Vec<u32>,
    /// Indexes into the picture's events.
    pub events: Vec<u32>,
    /// The backups of the selected set, the newest first.
    pub instants: Vec<KeptInstant>,
}

/// What a row of the generations is: one of a volume, or the backup of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GenerationKey {
    One(VolumeId, Version),
    Instant(OperationId),
}

/// Whose rows the panes beside the table show.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Follow {
    /// The selected volume's.
    Volume(Option<VolumeId>),
    /// Those of all volumes of the selected set.
    Set(Vec<VolumeId>),
    /// Those of all volumes that the table shows.
    Shown(Choice),
}

/// What a person has chosen on the main screen.
#[derive(Debug)]
pub struct MainScreen {
    pub choice: Choice,
    /// While the filter is being typed.
    pub filter_input: Option<Input>,
    pub marks: BTreeSet<VolumeId>,
    /// The panes beside the table show all that the table shows, not the selected volume's rows only.
    pub all: bool,
    pub rows: PaneRows,
    pub focus: Pane,
    /// The detail pane that a small screen shows.
    pub detail: Pane,
    pub volumes: Cursor<RowKey>,
    pub copies: Cursor<CopyKey>,
    pub pool: Cursor<VolumeId>,
    pub generations: Cursor<GenerationKey>,
    pub events: Cursor<u64>,
    pub availability: VerbAvailability,
    /// The rates of the copy under the cursor since it is there, for its sparkline.
    pub trace: Option<Trace>,
    /// The nights to come of the selected volume, while the screen has room for them.
    pub nights: Projection,
}

impl Default for MainScreen {
    fn default() -> Self {
        Self {
            choice: Choice::default(),
            filter_input: None,
            marks: BTreeSet::new(),
            all: false,
            rows: PaneRows::default(),
            focus: Pane::Volumes,
            detail: Pane::Copies,
            volumes: Cursor::default(),
            copies: Cursor::default(),
            pool: Cursor::default(),
            generations: Cursor::default(),
            events: Cursor::default(),
            availability: VerbAvailability::default(),
            trace: None,
            nights: Projection::default(),
        }
    }
}

impl MainScreen {
    /// The transaction volume under the cursor of the main table.
    pub fn selected_volume<'a>(&self, picture: &'a Picture) -> Option<&'a TransactionVolumeView> {
        picture.volume(self.volumes.selected)
    }

    /// The set under the cursor of the main table.
    pub fn selected_set<'a>(&self, picture: &'a Picture) -> Option<&'a VolumeSet> {
        picture.set(self.volumes.selected)
    }

    /// Rows of a pane.
    pub fn len(&self, picture: &Picture, pane: Pane) -> usize {
        match pane {
            Pane::Volumes => picture.rows.len(),
            Pane::Generations if self.selected_set(picture).is_some() => self.rows.instants.len(),
            Pane::Copies => self.rows.copies.len(),
            Pane::Pool => self.rows.pool.len(),
            Pane::Generations => {
                self.selected_volume(picture).map_or(0, |view| picture.snapshot.generations_of(view.volume.id).len())
            }
            Pane::Events => self.rows.events.len(),
        }
    }

    /// The session in a row of the copies pane; `None` where it shows an operation.
    pub fn session<'a>(&self, picture: &'a Picture, row: usize) -> Option<&'a SessionView> {
        picture.session(*self.rows.copies.get(row)?)
    }

    pub fn backup_volume<'a>(&self, picture: &'a Picture, row: usize) -> Option<&'a BackupVolumeView> {
        picture.snapshot.pool.get(*self.rows.pool.get(row)? as usize)
    }

    pub fn event<'a>(&self, picture: &'a Picture, row: usize) -> Option<&'a EventRow> {
        picture.events.get(*self.rows.events.get(row)? as usize)
    }

    /// Lists the rows of the panes beside the table anew, if snapshot, selection or choice are others than last time.
    fn list(&mut self, picture: &Picture) {
        let (selected, set) = (self.selected_volume(picture), self.selected_set(picture));
        let follow = if self.all {
            Follow::Shown(self.choice.clone())
        } else if let Some(set) = set {
            Follow::Set(set.members.clone())
        } else {
            Follow::Volume(selected.map(|view| view.volume.id))
        };
        let of = Some((picture.snapshot.sequence, follow));
        if self.rows.of == of {
            return;
        }
        let all = |len: usize| (0..len).map(|index| index as u32).collect::<Vec<u32>>();
        let events = |of: &dyn Fn(VolumeId) -> bool| -> Vec<u32> {
            let about = |index: &u32| picture.events[*index as usize].volume.is_some_and(of);
            all(picture.events.len()).into_iter().filter(about).collect()
        };
        let (copies, pool, events) = match selected {
            Some(view) if !self.all => {
                let id = view.volume.id;
                (picture.copies_of(id), picture.pool_of(view), events(&|volume| volume == id))
            }
            None if set.is_some() && !self.all => {
                let members = || set.into_iter().flat_map(|set| picture.members(set));
                let pool: BTreeSet<u32> = members().flat_map(|view| picture.pool_of(view)).collect();
                (
                    members().flat_map(|view| picture.copies_of(view.volume.id)).collect(),
                    pool.into_iter().collect(),
                    events(&|volume| set.is_some_and(|set| set.has(volume))),
                )
            }
            _ if self.choice.hides_nothing() => {
                (picture.copies.clone(), picture.pool.clone(), all(picture.events.len()))
            }
            _ => {
                let shown: HashSet<VolumeId> = picture.shown_volumes().map(|view| view.volume.id).collect();
                let of_copy = |row: &CopyRow| match *row {
                    CopyRow::Operation(index) => shown.contains(&picture.snapshot.operations[index as usize].volume),
                    CopyRow::Session(index) => shown.contains(&picture.snapshot.sessions[index as usize].pair.source),
                };
                let of_pool = |index: &u32| {
                    let view = &picture.snapshot.pool[*index as usize];
                    view.transaction_volume.is_none_or(|owner| shown.contains(&owner))
                };
                (
                    picture.copies.iter().copied().filter(of_copy).collect(),
                    picture.pool.iter().copied().filter(of_pool).collect(),
                    events(&|volume| shown.contains(&volume)),
                )
            }
        };
        let instants = set.map_or_else(Vec::new, |set| set_instants::kept(&picture.snapshot, set));
        self.rows = PaneRows { of, copies, pool, events, instants };
    }

    /// The selected row of a pane.
    pub fn selected(&self, pane: Pane) -> usize {
        match pane {
            Pane::Volumes => self.volumes.selected,
            Pane::Copies => self.copies.selected,
            Pane::Pool => self.pool.selected,
            Pane::Generations => self.generations.selected,
            Pane::Events => self.events.selected,
        }
    }

    /// Selects a row of a pane.
    pub fn select(&mut self, picture: &Picture, pane: Pane, row: usize) {
        let len = self.len(picture, pane);
        match pane {
            Pane::Volumes => self.volumes.select(row, len, |row| picture.row_key(row)),
            Pane::Copies => self.copies.select(row, len, |row| copy_key(&self.rows, picture, row)),
            Pane::Pool => self.pool.select(row, len, |row| pool_key(&self.rows, picture, row)),
            Pane::Generations => {
                let volume = picture.volume(self.volumes.selected).map(|view| view.volume.id);
                let rows = &self.rows;
                self.generations.select(row, len, |row| generation_key(rows, &picture.snapshot, volume, row));
            }
            Pane::Events => self.events.select(row, len, |row| event_key(&self.rows, picture, row)),
        }
    }

    /// Selects a transaction volume in the table, if the table shows it.
    pub fn select_volume(&mut self, picture: &Picture, id: VolumeId) -> bool {
        let at = picture.row_of(RowKey::Volume(id));
        if let Some(row) = at {
            self.focus = Pane::Volumes;
            self.select(picture, Pane::Volumes, row);
        }
        at.is_some()
    }

    /// Shows or focuses a pane.
    pub fn go(&mut self, pane: Pane) {
        if pane != Pane::Volumes {
            self.detail = pane;
        }
        self.focus = pane;
    }

    /// After rows, choice or size changed: every cursor on its subject and in sight.
    pub fn settle(&mut self, picture: &Picture, layout: &Layout) {
        let snapshot = &picture.snapshot;
        let len = picture.rows.len();
        self.volumes.follow(len, |row| picture.row_key(row));
        self.volumes.settle(len, layout.rows(Pane::Volumes));
        self.list(picture);
        let len = self.rows.copies.len();
        self.copies.follow(len, |row| copy_key(&self.rows, picture, row));
        self.copies.settle(len, layout.rows(Pane::Copies));
        let len = self.rows.pool.len();
        self.pool.follow(len, |row| pool_key(&self.rows, picture, row));
        self.pool.settle(len, layout.pool_rows(picture.sizes.len()));
        let volume = picture.volume(self.volumes.selected).map(|view| view.volume.id);
        let len = self.len(picture, Pane::Generations);
        let rows = &self.rows;
        self.generations.follow(len, |row| generation_key(rows, snapshot, volume, row));
        self.generations.settle(len, layout.rows(Pane::Generations));
        let len = self.rows.events.len();
        // Whoever stands on the newest event wants to see the next one.
        if self.events.selected > 0 {
            self.events.follow(len, |row| event_key(&self.rows, picture, row));
        }
        self.events.settle(len, layout.rows(Pane::Events));
        if layout.nights.is_empty() {
            self.nights.clear();
        } else {
            self.nights.update(snapshot, volume, NIGHTS);
        }
    }

    /// What the focused pane's row is about; in a pane without rows it is the selected volume.
    pub fn subject(&self, picture: &Picture) -> Option<Subject> {
        let of_row = match self.focus {
            Pane::Volumes | Pane::Events => None,
            Pane::Copies => self.session(picture, self.copies.selected).map(of_session),
            Pane::Pool => self.backup_volume(picture, self.pool.selected).map(|view| Subject::Backup {
                id: view.volume.id,
                owner: view.transaction_volume,
                version: view.generation,
                held: is_held(&picture.snapshot, view.transaction_volume, view.generation),
            }),
            Pane::Generations => self.generation(picture),
        };
        let of_set = || self.selected_set(picture)?.members.first().copied().map(Subject::Set);
        of_row.or_else(of_set).or_else(|| self.selected_volume(picture).map(|view| Subject::Volume(view.volume.id)))
    }

    fn generation(&self, picture: &Picture) -> Option<Subject> {
        if let Some(set) = self.selected_set(picture) {
            let instant = self.rows.instants.get(self.generations.selected)?;
            return Some(Subject::Instant { set: *set.members.first()?, operation: instant.operation });
        }
        let volume = self.selected_volume(picture)?.volume.id;
        let generations = picture.snapshot.generations_of(volume);
        let index = generations.len().checked_sub(self.generations.selected + 1)?;
        let generation = generations.get(index)?;
        Some(Subject::Generation { volume, version: generation.version, held: generation.held.is_some() })
    }

    /// The next row of the table that needs attention, from the selected one on and round the end.
    pub fn next_problem(&self, picture: &Picture, forwards: bool) -> Option<usize> {
        let (len, at) = (picture.rows.len(), self.volumes.selected);
        let mut rows = (1..=len).map(|by| if forwards { (at + by) % len } else { (at + len - by) % len });
        // A closed set stands for its volumes.
        let needs = |row: &usize| match picture.set(*row) {
            Some(set) => !self.choice.is_open(&set.name) && picture.members(set).any(needs_attention),
            None => picture.volume(*row).is_some_and(needs_attention),
        };
        rows.find(needs)
    }

    /// Notes the rate of the copy under the cursor; another copy begins a new line.
    pub fn note_rate(&mut self, picture: &Picture) {
        let session = match self.focus {
            Pane::Copies => self.session(picture, self.copies.selected),
            _ => self.selected_volume(picture).and_then(|view| governing(&picture.snapshot, view.volume.id)),
        };
        let Some((pair, rate)) = session.and_then(|session| Some((session.pair, session.rate?))) else {
            self.trace = None;
            return;
        };
        match &mut self.trace {
            Some(trace) if trace.pair == pair => trace.note(rate),
            trace => *trace = Some(Trace::new(pair, rate)),
        }
    }
}

fn of_session(session: &SessionView) -> Subject {
    let live = session.status != Status::Suspended && session.phase != Phase::NoPair;
    Subject::Session { source: session.pair.source, target: session.pair.target, live }
}

fn is_held(snapshot: &Snapshot, volume: Option<VolumeId>, version: Option<Version>) -> bool {
    let (Some(volume), Some(version)) = (volume, version) else { return false };
    snapshot.generation(volume, version).is_some_and(|generation| generation.held.is_some())
}

/// Newest first: row 0 is the last one of the list.
fn generation_key(rows: &PaneRows, snapshot: &Snapshot, volume: Option<VolumeId>, row: usize) -> Option<GenerationKey> {
    if volume.is_none() {
        return rows.instants.get(row).map(|instant| GenerationKey::Instant(instant.operation));
    }
    let generations = snapshot.generations_of(volume?);
    let index = generations.len().checked_sub(row + 1)?;
    generations.get(index).map(|generation| GenerationKey::One(generation.transaction_volume, generation.version))
}

fn copy_key(rows: &PaneRows, picture: &Picture, row: usize) -> Option<CopyKey> {
    picture.copy_key(*rows.copies.get(row)?)
}

fn pool_key(rows: &PaneRows, picture: &Picture, row: usize) -> Option<VolumeId> {
    Some(picture.snapshot.pool.get(*rows.pool.get(row)? as usize)?.volume.id)
}

fn event_key(rows: &PaneRows, picture: &Picture, row: usize) -> Option<u64> {
    Some(picture.events.get(*rows.events.get(row)? as usize)?.sequence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::fixture::one;

    #[test]
    fn a_full_curve_is_halved_and_keeps_its_beginning() {
        let mut trace = Trace::new(Pair::new(one(1), one(2)), 7);
        for _ in 0..10 * MAX_TRACE {
            trace.note(7);
        }
        assert!(trace.rates.len() <= MAX_TRACE && trace.rates.len() >= MAX_TRACE / 2, "{}", trace.rates.len());
        assert!(trace.rates.iter().all(|rate| *rate == 7));
    }
}
