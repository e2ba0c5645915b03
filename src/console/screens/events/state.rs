//! The state of the events screen.

use crate::console::events::{EventRow, fold};
use crate::console::screens::screen::Context;
use crate::console::types::Cursor;
use crate::model::snapshot::{EventLine, Severity};
use tui_input::Input;

/// All events that are known here, and what is shown of them.
#[derive(Debug)]
pub struct EventsScreen {
    /// Oldest first: what the engine gave, then what every snapshot added.
    lines: Vec<EventLine>,
    /// Newest first: what is shown.
    pub rows: Vec<EventRow>,
    pub cursor: Cursor<u64>,
    /// Lower case.
    pub filter: String,
    /// While the filter is being typed.
    pub filter_input: Option<Input>,
    /// Warnings and problems only.
    pub severe: bool,
    /// What the audit keeps beside the news, too.
    pub with_audit: bool,
    /// The engine has given what is older than a snapshot's newest events.
    pub complete: bool,
}

impl EventsScreen {
    pub fn new(context: &Context) -> Self {
        let mut screen = Self {
            lines: Vec::new(),
            rows: Vec::new(),
            cursor: Cursor::default(),
            filter: String::new(),
            filter_input: None,
            severe: false,
            with_audit: false,
            complete: false,
        };
        screen.settle(context);
        screen
    }

    /// Takes events that are older than what a snapshot has. `lines`: oldest first.
    pub fn take(&mut self, lines: Vec<EventLine>) {
        let newest = lines.last().map_or(0, |line| line.sequence);
        let newer = std::mem::replace(&mut self.lines, lines);
        self.lines.extend(newer.into_iter().filter(|line| line.sequence > newest));
        self.complete = true;
        self.choose();
    }

    /// After the site or the size changed.
    pub fn settle(&mut self, context: &Context) {
        let newest = self.lines.last().map_or(0, |line| line.sequence);
        let news = context.snapshot().events.iter().filter(|line| line.sequence > newest);
        let before = self.lines.len();
        self.lines.extend(news.cloned());
        if self.lines.len() != before {
            self.choose();
        }
        let rows = &self.rows;
        // Whoever stands on the newest event wants to see the next one.
        if self.cursor.selected > 0 {
            self.cursor.follow(rows.len(), |row| rows.get(row).map(|event| event.sequence));
        }
        self.cursor.settle(rows.len(), usize::from(context.height().saturating_sub(2)));
    }

    /// Folds and filters anew.
    pub fn choose(&mut self) {
        let shown = |line: &&EventLine| {
            (self.with_audit || line.news)
                && (!self.severe || matches!(line.severity, Severity::Warning | Severity::Problem))
                && (self.filter.is_empty() || line.text.to_lowercase().contains(&self.filter))
        };
        self.rows = fold(self.lines.iter().rev().filter(shown));
        self.select(self.cursor.selected);
    }

    pub fn select(&mut self, row: usize) {
        let rows = &self.rows;
        self.cursor.select(row, rows.len(), |row| rows.get(row).map(|event| event.sequence));
    }

    pub fn selected(&self) -> Option<&EventRow> {
        self.rows.get(self.cursor.selected)
    }
}
