//! A list in a form: a cursor, marks, and a filter that is typed after `/`. Rows that cannot be chosen say why.

use super::FormEvent;
use crate::console::keys::Key;
use crate::console::text_edit::edit;
use crate::model::units::count;
use std::collections::BTreeSet;
use tui_input::Input;

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    pub text: String,
    /// Beside it, dim.
    pub detail: String,
    /// Why it cannot be chosen; `None`: it can.
    pub refused: Option<String>,
}

impl ListRow {
    pub fn new(text: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { text: text.into(), detail: detail.into(), refused: None }
    }

    #[must_use]
    pub fn refused(mut self, why: impl Into<String>) -> Self {
        self.refused = Some(why.into());
        self
    }
}

/// Rows, of which one has the cursor and, where marks are allowed, several can be marked.
#[derive(Debug, Clone)]
pub struct ListField {
    rows: Vec<ListRow>,
    /// A row of [`Self::shown`].
    cursor: usize,
    marks: BTreeSet<usize>,
    several: bool,
    /// The titles of the columns of its rows.
    head: Option<(String, String)>,
    /// One of its rows, and several: `volume`, `volumes`.
    unit: (&'static str, &'static str),
    filter: Input,
    filtering: bool,
}

impl ListField {
    /// `unit`: what one of its rows is, and several of them.
    pub fn new(rows: Vec<ListRow>, unit: (&'static str, &'static str)) -> Self {
        Self {
            rows,
            cursor: 0,
            marks: BTreeSet::new(),
            several: false,
            head: None,
            unit,
            filter: Input::default(),
            filtering: false,
        }
    }

    /// Titles over the columns: of the text and of the detail.
    #[must_use]
    pub fn with_head(mut self, text: &str, detail: &str) -> Self {
        self.head = Some((text.to_owned(), detail.to_owned()));
        self
    }

    pub fn head(&self) -> Option<(&str, &str)> {
        self.head.as_ref().map(|(text, detail)| (text.as_str(), detail.as_str()))
    }

    /// How many of what can be chosen: `2 of 11 volumes can be chosen`, `3 generations`.
    pub fn choosable(&self) -> String {
        let (one, several) = self.unit;
        let open = self.rows.iter().filter(|row| row.refused.is_none()).count();
        let all = count(self.rows.len(), one, several);
        if open == self.rows.len() { all } else { format!("{open} of {all} can be chosen") }
    }

    /// Puts the cursor on a row; one that the filter hides is not chosen.
    pub fn select(&mut self, index: usize) {
        if let Some(place) = self.shown().iter().position(|shown| *shown == index) {
            self.cursor = place;
        }
    }

    /// Space marks rows, `*` all that are shown.
    #[must_use]
    pub fn with_marks(mut self) -> Self {
        self.several = true;
        self
    }

    /// Other rows. The cursor stays where it was; marks go, for they were on other rows.
    pub fn set_rows(&mut self, rows: Vec<ListRow>) {
        if self.rows != rows {
            self.rows = rows;
            self.marks.clear();
            self.cursor = self.cursor.min(self.shown().len().saturating_sub(1));
        }
    }

    pub fn rows(&self) -> &[ListRow] {
        &self.rows
    }

    /// Indexes of the rows that the filter lets through.
    pub fn shown(&self) -> Vec<usize> {
        let filter = self.filter.value().to_lowercase();
        let fits =
            |row: &ListRow| row.text.to_lowercase().contains(&filter) || row.detail.to_lowercase().contains(&filter);
        (0..self.rows.len()).filter(|&index| fits(&self.rows[index])).collect()
    }

    /// The index of the row with the cursor.
    pub fn selected(&self) -> Option<usize> {
        self.shown().get(self.cursor).copied()
    }

    /// The marked rows; where none is marked, the one with the cursor.
    pub fn chosen(&self) -> Vec<usize> {
        if self.marks.is_empty() { self.selected().into_iter().collect() } else { self.marked() }
    }

    pub fn marked(&self) -> Vec<usize> {
        self.marks.iter().copied().collect()
    }

    pub fn is_marked(&self, index: usize) -> bool {
        self.marks.contains(&index)
    }

    pub fn filter(&self) -> &Input {
        &self.filter
    }

    /// Whether the filter is being typed.
    pub fn is_filtering(&self) -> bool {
        self.filtering
    }

    /// The place of the cursor among the rows that are shown.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    pub(super) fn key(&mut self, key: Key) -> FormEvent {
        if self.filtering {
            return self.filter_key(key);
        }
        let last = self.shown().len().saturating_sub(1);
        match key {
            Key::Up | Key::Char('k') => self.cursor = self.cursor.saturating_sub(1),
            Key::Down | Key::Char('j') => self.cursor = (self.cursor + 1).min(last),
            Key::PageUp | Key::Ctrl('u' | 'b') => self.cursor = self.cursor.saturating_sub(10),
            Key::PageDown | Key::Ctrl('d' | 'f') => self.cursor = (self.cursor + 10).min(last),
            Key::Home | Key::Char('g') => self.cursor = 0,
            Key::End | Key::Char('G') => self.cursor = last,
            Key::Char('/') => self.filtering = true,
            Key::Esc if !self.filter.value().is_empty() => {
                self.filter.reset();
                self.cursor = 0;
            }
            Key::Char(' ') if self.several => return self.mark(),
            Key::Char('*') if self.several => return self.mark_all(),
            _ => return FormEvent::Ignored,
        }
        FormEvent::Moved
    }

    fn filter_key(&mut self, key: Key) -> FormEvent {
        match key {
            Key::Enter | Key::Tab | Key::Down => self.filtering = false,
            Key::Esc => {
                self.filtering = false;
                self.filter.reset();
            }
            key => {
                if !edit(&mut self.filter, key) {
                    return FormEvent::Ignored;
                }
            }
        }
        self.cursor = self.cursor.min(self.shown().len().saturating_sub(1));
        FormEvent::Moved
    }

    fn mark(&mut self) -> FormEvent {
        let Some(index) = self.selected() else { return FormEvent::Moved };
        if self.rows[index].refused.is_some() {
            return FormEvent::Moved;
        }
        if !self.marks.remove(&index) {
            self.marks.insert(index);
        }
        self.cursor = (self.cursor + 1).min(self.shown().len().saturating_sub(1));
        FormEvent::Changed
    }

    /// All that are shown and can be chosen; if they are marked already, none.
    fn mark_all(&mut self) -> FormEvent {
        let open: Vec<usize> = self.shown().into_iter().filter(|&index| self.rows[index].refused.is_none()).collect();
        if open.iter().all(|index| self.marks.contains(index)) {
            for index in &open {
                self.marks.remove(index);
            }
        } else {
            self.marks.extend(open);
        }
        FormEvent::Changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_never_marked() {
        let rows = vec![ListRow::new("a", ""), ListRow::new("b", "").refused("holds v7"), ListRow::new("c", "")];
        let mut list = ListField::new(rows, ("row", "rows")).with_marks();
        list.key(Key::Char('*'));
        assert_eq!(list.marked(), [0, 2]);
        list.key(Key::Char('*'));
        list.key(Key::Down);
        list.key(Key::Char(' '));
        assert!(list.marked().is_empty());
        assert_eq!(list.chosen(), [1], "without marks it is the row with the cursor");
    }

    #[test]
    fn a_list_says_of_what_there_are_so_many() {
        let rows = vec![ListRow::new("a", ""), ListRow::new("b", "").refused("holds v7")];
        let list = ListField::new(rows.clone(), ("volume", "volumes"));
        assert_eq!(list.choosable(), "1 of 2 volumes can be chosen");
        assert_eq!(ListField::new(rows[..1].to_vec(), ("volume", "volumes")).choosable(), "1 volume");
    }

    #[test]
    fn a_list_without_marks_ignores_space() {
        let mut list = ListField::new(vec![ListRow::new("a", "")], ("row", "rows"));
        assert_eq!(list.key(Key::Char(' ')), FormEvent::Ignored);
    }
}
