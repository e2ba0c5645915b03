//! Words that every part of the console uses: what is chosen at the start, panes, subjects, cursors, the line to the engine.
//! They know nothing of the state, of screens or of drawing.

use super::glyphs::GlyphMode;
use super::theme::ThemeName;
use crate::model::identity::VolumeId;
use crate::model::plan::{Plan, Refusal};
use crate::model::records::OperationId;
use crate::model::request::Request;
use crate::model::snapshot::{Severity, Snapshot};
use crate::model::units::{Timestamp, Version};
use std::time::Duration;

/// How long the engine's answer to a question is waited for. It may have to read slow arrays first.
pub const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);

/// The rules: what a request would do, or why not.
pub type Planner = fn(&Snapshot, &Request) -> Result<Plan, Refusal>;

/// The request that a typed line asks for. `None`: it is no verb with its words; the error says what is wrong.
pub type LineReader = fn(&Snapshot, Option<(VolumeId, Option<Version>)>, &str) -> Option<Result<Request, String>>;

/// The grammar of lines that are typed after `:`: that of the command line, which the console does not know.
#[derive(Debug, Clone, Copy)]
pub struct LineGrammar {
    pub request: LineReader,
    /// What may stand in the place of the last word.
    pub candidates: fn(&Snapshot, &str) -> Vec<String>,
}

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
    /// The theme is a guess: the terminal is asked for its background.
    pub asks_background: bool,
    pub glyphs: GlyphMode,
}

impl Default for Settings {
    fn default() -> Self {
        let (theme, glyphs) = (ThemeName::default(), GlyphMode::default());
        Self { read_only: false, slow: false, fps: Self::FPS, theme, asks_background: false, glyphs }
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
            asks_background: background.is_none(),
            glyphs: GlyphMode::from_locale(&locale),
        }
    }
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

/// What a verb acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Volume(VolumeId),
    /// One session of a volume.
    Session {
        source: VolumeId,
        target: VolumeId,
        live: bool,
    },
    Generation {
        volume: VolumeId,
        version: Version,
        held: bool,
    },
    /// A volume of the pool, with whose data are on it and as which version.
    Backup {
        id: VolumeId,
        owner: Option<VolumeId>,
        version: Option<Version>,
        held: bool,
    },
    /// The set that this volume is the first one of: all of it.
    Set(VolumeId),
    /// One backup of that set.
    Instant {
        set: VolumeId,
        operation: OperationId,
    },
}

impl Subject {
    /// The transaction volume that it belongs to.
    pub fn owner(self) -> Option<VolumeId> {
        match self {
            Self::Volume(id) => Some(id),
            Self::Session { source, .. } => Some(source),
            Self::Generation { volume, .. } => Some(volume),
            Self::Backup { owner, .. } => owner,
            Self::Set(_) | Self::Instant { .. } => None,
        }
    }

    /// A volume of the set that it is or belongs to as a whole.
    pub fn set(self) -> Option<VolumeId> {
        match self {
            Self::Set(set) | Self::Instant { set, .. } => Some(set),
            _ => None,
        }
    }
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
