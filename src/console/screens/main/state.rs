//! The state of the main screen: what is shown of the volumes, where the cursors are, what is marked.

use super::layout::Layout;
use crate::console::availability::VerbAvailability;
use crate::console::picture::{Choice, CopyKey, Picture};
use crate::console::sessions::governing;
use crate::console::types::{Cursor, Pane, Subject};
use crate::model::identity::VolumeId;
use crate::model::session::{Pair, Phase, Status};
use crate::model::snapshot::{SessionView, Snapshot, TransactionVolumeView};
use crate::model::units::Version;
use std::collections::BTreeSet;
use tui_input::Input;

/// Rates in a sparkline.
const MAX_TRACE: usize = 40;

/// What a person has chosen on the main screen.
#[derive(Debug)]
pub struct MainScreen {
    pub choice: Choice,
    /// While the filter is being typed.
    pub filter_input: Option<Input>,
    pub marks: BTreeSet<VolumeId>,
    pub focus: Pane,
    /// The detail pane that a small screen shows.
    pub detail: Pane,
    pub volumes: Cursor<VolumeId>,
    pub copies: Cursor<CopyKey>,
    pub pool: Cursor<VolumeId>,
    pub generations: Cursor<(VolumeId, Version)>,
    pub events: Cursor<u64>,
    pub availability: VerbAvailability,
    /// The rates of the copy under the cursor since it is there, for its sparkline.
    pub trace: Option<(Pair, Vec<u64>)>,
}

impl Default for MainScreen {
    fn default() -> Self {
        Self {
            choice: Choice::default(),
            filter_input: None,
            marks: BTreeSet::new(),
            focus: Pane::Volumes,
            detail: Pane::Copies,
            volumes: Cursor::default(),
            copies: Cursor::default(),
            pool: Cursor::default(),
            generations: Cursor::default(),
            events: Cursor::default(),
            availability: VerbAvailability::default(),
            trace: None,
        }
    }
}

impl MainScreen {
    /// The transaction volume under the cursor of the main table.
    pub fn selected_volume<'a>(&self, picture: &'a Picture) -> Option<&'a TransactionVolumeView> {
        picture.volume(self.volumes.selected)
    }

    /// Rows of a pane.
    pub fn len(&self, picture: &Picture, pane: Pane) -> usize {
        match pane {
            Pane::Volumes => picture.volumes.len(),
            Pane::Copies => picture.copies.len(),
            Pane::Pool => picture.pool.len(),
            Pane::Generations => {
                self.selected_volume(picture).map_or(0, |view| picture.snapshot.generations_of(view.volume.id).len())
            }
            Pane::Events => picture.events.len(),
        }
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
            Pane::Volumes => self.volumes.select(row, len, |row| picture.volume(row).map(|view| view.volume.id)),
            Pane::Copies => self.copies.select(row, len, |row| picture.copy_key(row)),
            Pane::Pool => self.pool.select(row, len, |row| picture.backup_volume(row).map(|view| view.volume.id)),
            Pane::Generations => {
                let volume = picture.volume(self.volumes.selected).map(|view| view.volume.id);
                self.generations.select(row, len, |row| generation_key(&picture.snapshot, volume, row));
            }
            Pane::Events => self.events.select(row, len, |row| event_key(picture, row)),
        }
    }

    /// Selects a transaction volume in the table, if the table shows it.
    pub fn select_volume(&mut self, picture: &Picture, id: VolumeId) -> bool {
        let at = (0..picture.volumes.len()).find(|row| picture.volume(*row).is_some_and(|view| view.volume.id == id));
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
        let len = picture.volumes.len();
        self.volumes.follow(len, |row| picture.volume(row).map(|view| view.volume.id));
        self.volumes.settle(len, layout.rows(Pane::Volumes));
        let len = picture.copies.len();
        self.copies.follow(len, |row| picture.copy_key(row));
        self.copies.settle(len, layout.rows(Pane::Copies));
        let len = picture.pool.len();
        self.pool.follow(len, |row| picture.backup_volume(row).map(|view| view.volume.id));
        self.pool.settle(len, layout.pool_rows(picture.sizes.len()));
        let volume = picture.volume(self.volumes.selected).map(|view| view.volume.id);
        let len = volume.map_or(0, |id| snapshot.generations_of(id).len());
        self.generations.follow(len, |row| generation_key(snapshot, volume, row));
        self.generations.settle(len, layout.rows(Pane::Generations));
        let len = picture.events.len();
        // Whoever stands on the newest event wants to see the next one.
        if self.events.selected > 0 {
            self.events.follow(len, |row| event_key(picture, row));
        }
        self.events.settle(len, layout.rows(Pane::Events));
    }

    /// What the focused pane's row is about.
    pub fn subject(&self, picture: &Picture) -> Option<Subject> {
        let volume = || self.selected_volume(picture).map(|view| Subject::Volume(view.volume.id));
        match self.focus {
            Pane::Volumes | Pane::Events => volume(),
            Pane::Copies => picture.session(self.copies.selected).map(of_session).or_else(volume),
            Pane::Pool => picture.backup_volume(self.pool.selected).map(|view| Subject::Backup {
                id: view.volume.id,
                owner: view.transaction_volume,
                version: view.generation,
                held: is_held(&picture.snapshot, view.transaction_volume, view.generation),
            }),
            Pane::Generations => {
                let volume = self.selected_volume(picture)?.volume.id;
                let generations = picture.snapshot.generations_of(volume);
                let index = generations.len().checked_sub(self.generations.selected + 1)?;
                let generation = generations.get(index)?;
                Some(Subject::Generation { volume, version: generation.version, held: generation.held.is_some() })
            }
        }
    }

    /// Notes the rate of the copy under the cursor; another copy begins a new line.
    pub fn note_rate(&mut self, picture: &Picture) {
        let session = match self.focus {
            Pane::Copies => picture.session(self.copies.selected),
            _ => self.selected_volume(picture).and_then(|view| governing(&picture.snapshot, view.volume.id)),
        };
        let Some((pair, rate)) = session.and_then(|session| Some((session.pair, session.rate?))) else {
            self.trace = None;
            return;
        };
        match &mut self.trace {
            Some((known, rates)) if *known == pair => {
                let surplus = (rates.len() + 1).saturating_sub(MAX_TRACE);
                rates.drain(..surplus);
                rates.push(rate);
            }
            trace => *trace = Some((pair, vec![rate])),
        }
    }
}

fn of_session(session: &SessionView) -> Subject {
    let live = session.status != Status::Suspended && session.phase != Phase::NoPair;
    Subject::Session { source: session.pair.source, target: session.pair.target, live }
}

fn is_held(snapshot: &Snapshot, volume: Option<VolumeId>, version: Option<Version>) -> bool {
    let (Some(volume), Some(version)) = (volume, version) else { return false };
    snapshot.generations_of(volume).iter().any(|generation| generation.version == version && generation.held.is_some())
}

/// Newest first: row 0 is the last one of the list.
fn generation_key(snapshot: &Snapshot, volume: Option<VolumeId>, row: usize) -> Option<(VolumeId, Version)> {
    let generations = snapshot.generations_of(volume?);
    let index = generations.len().checked_sub(row + 1)?;
    generations.get(index).map(|generation| (generation.transaction_volume, generation.version))
}

fn event_key(picture: &Picture, row: usize) -> Option<u64> {
    picture.events.get(row).map(|event| event.sequence)
}
