//! The state of the console, the messages that change it and the effects that it asks for.

use super::dialog::Dialog;
use super::format::Clock;
use super::glyphs::{GlyphMode, Glyphs};
use super::judge::VerbAvailability;
use super::keys::{Key, KeyMap};
use super::picture::{Choice, CopyKey, Picture};
use super::theme::{Theme, ThemeName};
use super::update::gate::Gate;
use super::view::layout::Layout;
use super::view::sessions::governing;
use crate::engine::protocol::Answer;
use crate::model::identity::VolumeId;
use crate::model::plan::{Agreement, Plan, Refusal};
use crate::model::records::OperationId;
use crate::model::request::Request;
use crate::model::session::Pair;
use crate::model::snapshot::{Severity, Snapshot, TransactionVolumeView};
use crate::model::units::{Timestamp, Version};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tui_input::Input;

/// The rules: what a request would do, or why not.
pub type Planner = fn(&Snapshot, &Request) -> Result<Plan, Refusal>;

/// How long the engine's answer to a question is waited for. It may have to read slow arrays first.
pub const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// Rates in a sparkline.
const MAX_TRACE: usize = 40;

/// What a person chose at the start.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Nothing can be asked to change anything.
    pub read_only: bool,
    /// Draw progress rarely: for lines of a few hundred bytes a second.
    pub slow: bool,
    /// Most frames drawn in a second.
    pub fps: u8,
    pub theme: ThemeName,
    pub glyphs: GlyphMode,
}

impl Default for Settings {
    fn default() -> Self {
        let (theme, glyphs) = (ThemeName::default(), GlyphMode::default());
        Self { read_only: false, slow: false, fps: Self::FPS, theme, glyphs }
    }
}

impl Settings {
    /// For what changes by itself: more would be noise on a terminal, and bytes on a line.
    pub const FPS: u8 = 20;

    /// Colours and signs as the terminal's environment suggests.
    pub fn from_environment(read_only: bool, slow: bool) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let term = variable("TERM").unwrap_or_default();
        let (no_color, background) = (variable("NO_COLOR"), variable("COLORFGBG"));
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable).unwrap_or_default();
        Self {
            read_only,
            slow,
            fps: Self::FPS,
            theme: ThemeName::from_environment(no_color.as_deref(), &term, background.as_deref()),
            glyphs: GlyphMode::from_locale(&locale),
        }
    }
}

/// Colours and signs.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub theme: Theme,
    pub glyphs: &'static Glyphs,
}

/// The connection to the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// For the first time.
    Connecting,
    Live,
    /// The line stands, and the engine has given no sign of life for three heartbeats. What is shown may be old.
    Silent {
        since: Timestamp,
        /// As it is called in sentences: with its pid.
        engine: String,
    },
    /// It was there and went; it is tried again.
    Lost {
        since: Timestamp,
        why: String,
    },
}

/// The parts of the main screen that have rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pane {
    Volumes,
    Copies,
    Pool,
    Generations,
    Events,
}

impl Pane {
    pub const ALL: [Self; 5] = [Self::Volumes, Self::Pool, Self::Copies, Self::Generations, Self::Events];
    /// In the order of their keys 1 to 4.
    pub const DETAILS: [Self; 4] = [Self::Copies, Self::Pool, Self::Generations, Self::Events];
}

/// What happens to the console.
#[derive(Debug, Clone)]
pub enum Msg {
    Key(Key),
    /// A key that came alone: nothing else in its read, nothing for a moment before.
    LoneKey(Key),
    /// Keys do not count for the time being, and why.
    Swallowed(&'static str),
    /// The end of a plan has been on the screen for a moment: the rest of that number is over.
    Rested(u64),
    /// Text that came at once, as a paste does: it goes into inputs and nowhere else.
    Paste(String),
    Resize(u16, u16),
    Snapshot(Arc<Snapshot>),
    Link(Link),
    /// To the question of that ticket.
    Answer {
        ticket: u64,
        answer: Box<Answer>,
    },
    /// The question of that ticket will not be answered.
    Unanswered {
        ticket: u64,
        why: String,
    },
    /// The question of that ticket has not been answered for a moment: the dialog says who is waited for.
    Slow {
        ticket: u64,
    },
    /// There is no shell to go back to.
    NoShell,
    /// The present state has reached the terminal: from here on keys answer to what is seen.
    Drawn,
    /// The clock's minute.
    Minute(Timestamp),
}

/// What the console wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    Plan {
        ticket: u64,
        request: Request,
        /// By a key, just now; otherwise an open dialog is planned anew.
        asked: bool,
    },
    Run {
        ticket: u64,
        request: Request,
        agreed: Agreement,
        confirmation: Option<String>,
    },
    /// Draw everything anew.
    Redraw,
    ToShell,
    Quit,
}

/// A selected row that stays on its subject while the list changes around it.
#[derive(Debug, Clone)]
pub struct Cursor<K> {
    pub selected: usize,
    /// The first visible row.
    pub offset: usize,
    anchor: Option<K>,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Self { selected: 0, offset: 0, anchor: None }
    }
}

impl<K: PartialEq> Cursor<K> {
    /// Selects a row.
    pub fn select(&mut self, row: usize, len: usize, key: impl Fn(usize) -> Option<K>) {
        self.selected = row.min(len.saturating_sub(1));
        self.anchor = key(self.selected);
    }

    /// After the list changed: to where the subject is now, else as near as there is a row.
    pub fn follow(&mut self, len: usize, key: impl Fn(usize) -> Option<K>) {
        if self.anchor.is_some() && self.anchor != key(self.selected) {
            if let Some(row) = (0..len).find(|row| key(*row) == self.anchor) {
                self.selected = row;
                return;
            }
            self.select(self.selected, len, key);
        } else if self.anchor.is_none() || self.selected >= len {
            self.select(self.selected, len, key);
        }
    }

    /// Keeps the selected row among `height` visible ones.
    pub fn settle(&mut self, len: usize, height: usize) {
        let most = len.saturating_sub(height);
        let lowest = (self.selected + 1).saturating_sub(height);
        self.offset = self.offset.clamp(lowest.min(self.selected), self.selected).min(most);
    }
}

/// A line that tells what came of something; gone with the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    pub severity: Severity,
    pub text: String,
}

/// Everything that the screen is drawn from.
#[derive(Debug)]
pub struct App {
    pub settings: Settings,
    pub look: Look,
    pub keys: KeyMap,
    pub planner: Planner,
    pub clock: Clock,
    pub size: (u16, u16),
    pub link: Link,
    /// `None` until the first snapshot.
    pub picture: Option<Picture>,
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
    /// The last one is on top and has the keys.
    pub dialogs: Vec<Dialog>,
    pub notice: Option<Notice>,
    pub availability: VerbAvailability,
    /// Operations that were started here and have not been seen to end.
    pub watching: Vec<OperationId>,
    /// The rates of the copy under the cursor since it is there, for its sparkline.
    pub trace: Option<(Pair, Vec<u64>)>,
    /// Whether the plan on top can be agreed to.
    pub gate: Gate,
    /// The key that is being handled came alone.
    pub(super) came_alone: bool,
    pub(super) next_ticket: u64,
}

impl App {
    pub fn new(settings: Settings, keys: KeyMap, planner: Planner, clock: Clock, size: (u16, u16)) -> Self {
        let look = Look { theme: Theme::of(settings.theme), glyphs: Glyphs::of(settings.glyphs) };
        Self {
            settings,
            look,
            keys,
            planner,
            clock,
            size,
            link: Link::Connecting,
            picture: None,
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
            dialogs: Vec::new(),
            notice: None,
            availability: VerbAvailability::default(),
            watching: Vec::new(),
            trace: None,
            gate: Gate::default(),
            came_alone: false,
            next_ticket: 1,
        }
    }

    pub fn layout(&self) -> Layout {
        Layout::of(self.size, self.detail, self.focus)
    }

    pub fn snapshot(&self) -> Option<&Snapshot> {
        self.picture.as_ref().map(|picture| &*picture.snapshot)
    }

    /// The transaction volume under the cursor of the main table.
    pub fn selected_volume(&self) -> Option<&TransactionVolumeView> {
        self.picture.as_ref()?.volume(self.volumes.selected)
    }

    /// Rows of a pane.
    pub fn len(&self, pane: Pane) -> usize {
        let Some(picture) = &self.picture else { return 0 };
        match pane {
            Pane::Volumes => picture.volumes.len(),
            Pane::Copies => picture.copies.len(),
            Pane::Pool => picture.pool.len(),
            Pane::Generations => {
                self.selected_volume().map_or(0, |view| picture.snapshot.generations_of(view.volume.id).len())
            }
            Pane::Events => picture.snapshot.events.len(),
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
    pub fn select(&mut self, pane: Pane, row: usize) {
        let len = self.len(pane);
        let Some(picture) = &self.picture else { return };
        match pane {
            Pane::Volumes => self.volumes.select(row, len, |row| picture.volume(row).map(|view| view.volume.id)),
            Pane::Copies => self.copies.select(row, len, |row| picture.copy_key(row)),
            Pane::Pool => self.pool.select(row, len, |row| picture.backup_volume(row).map(|view| view.volume.id)),
            Pane::Generations => {
                let volume = picture.volume(self.volumes.selected).map(|view| view.volume.id);
                self.generations.select(row, len, |row| generation_key(&picture.snapshot, volume, row));
            }
            Pane::Events => self.events.select(row, len, |row| event_key(&picture.snapshot, row)),
        }
    }

    /// After rows, choice or size changed: every cursor on its subject and in sight.
    pub fn settle(&mut self) {
        let layout = self.layout();
        if let Some(picture) = &self.picture {
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
            let len = snapshot.events.len();
            // Whoever stands on the newest event wants to see the next one.
            if self.events.selected > 0 {
                self.events.follow(len, |row| event_key(snapshot, row));
            }
            self.events.settle(len, layout.rows(Pane::Events));
        }
        if !layout.shows(self.focus) {
            self.focus = Pane::Volumes;
        }
        super::judge::refresh(self);
    }

    /// Notes the rate of the copy under the cursor; another copy begins a new line.
    pub(super) fn note_rate(&mut self) {
        let session = match self.focus {
            Pane::Copies => self.picture.as_ref().and_then(|picture| picture.session(self.copies.selected)),
            _ => self.selected_volume().and_then(|view| governing(self.snapshot()?, view.volume.id)),
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

    /// Whether a dialog is open that keys must not reach before it has been seen.
    pub fn wants_arming(&self) -> bool {
        match self.dialogs.last() {
            Some(Dialog::Plan(plan)) => !plan.armed && plan.answer().is_some(),
            Some(Dialog::Prompt(prompt)) => !prompt.armed,
            Some(Dialog::Policy(form)) => !form.armed,
            Some(Dialog::Palette(palette)) => !palette.armed,
            _ => false,
        }
    }

    /// Whether what is on the screen is the engine's latest word. Before the first one nothing is.
    pub fn is_stale(&self) -> bool {
        self.picture.is_some() && matches!(self.link, Link::Silent { .. } | Link::Lost { .. })
    }

    pub(super) fn ticket(&mut self) -> u64 {
        self.next_ticket += 1;
        self.next_ticket
    }
}

/// Newest first: row 0 is the last one of the list.
fn generation_key(snapshot: &Snapshot, volume: Option<VolumeId>, row: usize) -> Option<(VolumeId, Version)> {
    let generations = snapshot.generations_of(volume?);
    let index = generations.len().checked_sub(row + 1)?;
    generations.get(index).map(|generation| (generation.transaction_volume, generation.version))
}

fn event_key(snapshot: &Snapshot, row: usize) -> Option<u64> {
    let index = snapshot.events.len().checked_sub(row + 1)?;
    snapshot.events.get(index).map(|event| event.sequence)
}
