//! What happens to the console, and what it wants done about it.

use super::keys::{Key, Scope};
use super::types::Link;
use crate::engine::protocol::{Answer, Ask};
use crate::model::identity::Name;
use crate::model::pages::FirstRows;
use crate::model::plan::Agreement;
use crate::model::request::Request;
use crate::model::snapshot::Snapshot;
use crate::model::units::Timestamp;
use std::sync::Arc;

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
    /// Rows of a large site whose snapshot is still to come.
    FirstRows(Arc<FirstRows>),
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
    /// The terminal has answered what its background is.
    Background {
        light: bool,
    },
    /// The drafts that this person left, for the screen that asked.
    Drafts {
        scope: Scope,
        texts: Vec<(String, String)>,
        faults: Vec<String>,
    },
    /// What came back from the editor, for the screen that asked, or why nothing did.
    Edited {
        scope: Scope,
        text: Result<String, String>,
    },
    /// A draft could not be kept.
    NotKept(String),
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
    /// A screen asks the engine for something that changes nothing.
    Ask {
        ticket: u64,
        ask: Ask,
    },
    LoadDrafts {
        scope: Scope,
    },
    /// Keeps the text of a draft, or removes it.
    KeepDraft {
        name: Name,
        text: Option<String>,
    },
    /// The same for the choice of the set-up.
    KeepSetUp {
        text: Option<String>,
    },
    /// A text in the person's editor.
    Edit {
        scope: Scope,
        name: Name,
        text: String,
    },
    /// Draw everything anew.
    Redraw,
    ToShell,
    Quit,
}
