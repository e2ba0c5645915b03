//! What a full-screen view over the main screen is, what it sees of the console, and what it can ask for.

use crate::console::dialog::Dialog;
use crate::console::format::Clock;
use crate::console::key_table::KeyMap;
use crate::console::keys::{Command, Key, Scope};
use crate::console::picture::Picture;
use crate::console::theme::Look;
use crate::console::types::{Planner, Settings, Subject};
use crate::console::view::canvas::Canvas;
use crate::engine::protocol::{Answer, Ask};
use crate::model::identity::{Name, VolumeId};
use crate::model::request::Request;
use crate::model::snapshot::{Severity, Snapshot};
use crate::model::units::Timestamp;
use ratatui::layout::{Position, Rect};
use std::fmt::Debug;

/// What a screen sees of the console. It changes nothing but itself.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub picture: &'a Picture,
    pub clock: &'a Clock,
    pub keys: &'a KeyMap,
    pub look: Look,
    pub settings: Settings,
    pub size: (u16, u16),
    /// The rules, for a look at what a request would do. What is to run goes through [`Step::Propose`].
    pub planner: Planner,
    /// What the main screen has selected.
    pub selected: Option<Subject>,
    /// When the person looked at this site before this console.
    pub last_look: Option<Timestamp>,
}

impl Context<'_> {
    pub fn snapshot(&self) -> &Snapshot {
        &self.picture.snapshot
    }

    /// The rows that a screen has between header and footer.
    pub fn height(&self) -> u16 {
        self.size.1.saturating_sub(1 + footer_rows(self.size.1))
    }
}

/// Rows of the footer on a screen of that height.
pub fn footer_rows(height: u16) -> u16 {
    if height >= 12 { 2 } else { 1 }
}

/// What a screen wants done.
#[derive(Debug)]
pub enum Step {
    /// Away with this screen; the one under it is shown again.
    Close,
    /// Another screen over this one.
    Open(Scope),
    /// Shows the plan of a request, which the person may then agree to. There is no other way to change anything.
    Propose(Request),
    /// Asks the engine for something that changes nothing. The answer comes to [`Screen::answer`].
    Ask(Ask),
    Dialog(Dialog),
    /// Closes all screens and selects a transaction volume on the main one.
    Select(VolumeId),
    /// A sentence on the last line, until the next key.
    Tell(Severity, String),
    /// The drafts that this person left on this site. They come to [`Screen::drafts`].
    LoadDrafts,
    /// Keeps the text of a draft, or removes it, so that it outlives the line.
    KeepDraft {
        name: Name,
        text: Option<String>,
    },
    /// The same for the choice of the set-up.
    KeepSetUp {
        text: Option<String>,
    },
    /// A text in the person's editor. It comes back to [`Screen::edited`]. `name` is what the file is called.
    Edit {
        name: Name,
        text: String,
    },
}

/// A full-screen view. All of it is called by `update` and `view`; nothing here does I/O.
pub trait Screen: Debug {
    /// Whose keys of the table count while it is on top. One screen of a scope is open at a time.
    fn scope(&self) -> Scope;

    /// What it is called in the header.
    fn title(&self) -> String;

    /// It has just been opened.
    fn opened(&mut self, _context: &Context) -> Vec<Step> {
        Vec::new()
    }

    /// The site, the size or the choice changed: rows and cursors follow.
    fn settle(&mut self, context: &Context);

    /// A key, and what the table says that it means here. Esc goes one step back and loses nothing; at the outermost step it
    /// closes the screen.
    fn key(&mut self, context: &Context, key: Key, command: Option<Command>) -> Vec<Step>;

    /// Whether letters are text now. No key of the table acts then but through [`Screen::key`], and a paste is typed.
    fn is_typing(&self) -> bool {
        false
    }

    /// What the engine answered to [`Step::Ask`], or why it did not.
    fn answer(&mut self, _context: &Context, _answer: Result<&Answer, &str>) -> Vec<Step> {
        Vec::new()
    }

    /// The drafts that were left on this site: names and texts, and what was wrong with others.
    fn drafts(&mut self, _context: &Context, _texts: &[(String, String)], _faults: &[String]) -> Vec<Step> {
        Vec::new()
    }

    /// What came back from the editor, or why nothing did.
    fn edited(&mut self, _context: &Context, _text: Result<&str, &str>) -> Vec<Step> {
        Vec::new()
    }

    /// It was opened for the plan above it, and goes when that plan runs.
    fn is_passing(&self) -> bool {
        false
    }

    /// Work that would be lost if the person left now, as a sentence.
    fn unsaved(&self) -> Option<String> {
        None
    }

    /// Since when it shows all that happened; `None`: it does not.
    fn reported_since(&self) -> Option<Timestamp> {
        None
    }

    /// Whether a key that counts everywhere does something here: the footer names no other.
    fn uses(&self, _command: Command) -> bool {
        true
    }

    /// The last line of the screen while nothing else is said there.
    fn hint(&self, _context: &Context) -> String {
        String::new()
    }

    /// Draws between header and footer; returns where text is being typed.
    fn view(&self, context: &Context, canvas: &mut Canvas, area: Rect) -> Option<Position>;
}

/// The row that a moving key leads to; `None`: it is no such key.
pub fn moved(command: Command, at: usize, page: usize) -> Option<usize> {
    let page = page.max(1);
    Some(match command {
        Command::Up => at.saturating_sub(1),
        Command::Down => at + 1,
        Command::PageUp => at.saturating_sub(page),
        Command::PageDown => at + page,
        Command::HalfUp => at.saturating_sub(page.div_ceil(2)),
        Command::HalfDown => at + page.div_ceil(2),
        Command::First => 0,
        Command::Last => usize::MAX,
        _ => return None,
    })
}
