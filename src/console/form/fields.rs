//! Fields of one line: text, a number, one of a few options.

use super::FormEvent;
use crate::console::keys::Key;
use crate::console::text_edit::edit;
use tui_input::Input;

/// A line of text.
#[derive(Debug, Clone)]
pub struct TextField {
    input: Input,
    /// What an empty text means.
    hint: &'static str,
}

impl TextField {
    pub fn new(text: impl Into<String>) -> Self {
        Self { input: Input::new(text.into()), hint: "" }
    }

    /// What an empty text means is shown in its place.
    #[must_use]
    pub fn or_else(mut self, hint: &'static str) -> Self {
        self.hint = hint;
        self
    }

    /// What stands there while nothing is typed.
    pub fn hint(&self) -> Option<&'static str> {
        Some(self.hint).filter(|_| self.value().is_empty())
    }

    pub fn value(&self) -> &str {
        self.input.value()
    }

    /// Columns from the beginning of the text to where the next letter goes.
    pub fn cursor(&self) -> usize {
        self.input.visual_cursor()
    }

    pub fn set(&mut self, text: impl Into<String>) {
        self.input = Input::new(text.into());
    }

    pub(super) fn key(&mut self, key: Key) -> FormEvent {
        let before = self.input.value().to_owned();
        match (edit(&mut self.input, key), self.input.value() == before) {
            (false, _) => FormEvent::Ignored,
            (true, true) => FormEvent::Moved,
            (true, false) => FormEvent::Changed,
        }
    }
}

/// A number within bounds. It is never empty and never out of them.
#[derive(Debug, Clone, Copy)]
pub struct NumberField {
    value: u32,
    least: u32,
    most: u32,
    /// The next digit begins a new number.
    fresh: bool,
    /// One of what is counted, and several: `day`, `days`.
    pub unit: Option<(&'static str, &'static str)>,
}

impl NumberField {
    pub fn new(value: u32, least: u32, most: u32) -> Self {
        Self { value: value.clamp(least, most), least, most, fresh: true, unit: None }
    }

    #[must_use]
    pub fn counting(mut self, one: &'static str, several: &'static str) -> Self {
        self.unit = Some((one, several));
        self
    }

    pub fn value(&self) -> u32 {
        self.value
    }

    /// The field has just got the focus: the next digit begins a new number.
    pub(super) fn begin(&mut self) {
        self.fresh = true;
    }

    pub(super) fn key(&mut self, key: Key) -> FormEvent {
        let number = match key {
            Key::Char(digit @ '0'..='9') => {
                let digit = digit as u32 - '0' as u32;
                if std::mem::take(&mut self.fresh) {
                    digit
                } else {
                    self.value.saturating_mul(10).saturating_add(digit)
                }
            }
            Key::Backspace => self.value / 10,
            Key::Right | Key::Char('+' | 'l') => self.value.saturating_add(1),
            Key::Left | Key::Char('-' | 'h') => self.value.saturating_sub(1),
            _ => return FormEvent::Ignored,
        };
        self.value = number.clamp(self.least, self.most);
        FormEvent::Changed
    }
}

/// One of a few options.
#[derive(Debug, Clone)]
pub struct ChoiceField {
    options: Vec<String>,
    selected: usize,
}

impl ChoiceField {
    pub fn new<S: Into<String>>(options: impl IntoIterator<Item = S>, selected: usize) -> Self {
        let options: Vec<String> = options.into_iter().map(Into::into).collect();
        let selected = selected.min(options.len().saturating_sub(1));
        Self { options, selected }
    }

    pub fn selected(&self) -> usize {
        self.selected
    }

    pub fn choose(&mut self, option: usize) {
        self.selected = option.min(self.options.len().saturating_sub(1));
    }

    pub fn word(&self) -> &str {
        self.options.get(self.selected).map_or("", String::as_str)
    }

    pub(super) fn key(&mut self, key: Key) -> FormEvent {
        let by = match key {
            Key::Right | Key::Char('l' | '+' | ' ') => 1,
            Key::Left | Key::Char('h' | '-') => self.options.len().saturating_sub(1),
            _ => return FormEvent::Ignored,
        };
        if self.options.is_empty() {
            return FormEvent::Moved;
        }
        self.selected = (self.selected + by) % self.options.len();
        FormEvent::Changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn types(field: &mut NumberField, text: &str) {
        for c in text.chars() {
            field.key(Key::Char(c));
        }
    }

    #[test]
    fn digits_begin_a_new_number_and_stay_within_bounds() {
        let mut field = NumberField::new(3, 1, 999);
        types(&mut field, "12");
        assert_eq!(field.value(), 12);
        types(&mut field, "99");
        assert_eq!(field.value(), 999);
        for _ in 0..4 {
            field.key(Key::Backspace);
        }
        assert_eq!(field.value(), 1, "a number is never empty");
        field.key(Key::Left);
        assert_eq!(field.value(), 1);
    }

    #[test]
    fn options_go_round() {
        let mut field = ChoiceField::new(["a", "b", "c"], 0);
        field.key(Key::Left);
        assert_eq!(field.word(), "c");
        field.key(Key::Char(' '));
        assert_eq!((field.word(), field.selected()), ("a", 0));
    }
}
