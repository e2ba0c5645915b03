//! A form: fields under each other, one of them with the focus, each checked as it is typed.
//!
//! Belongs here: the state of fields and what keys do to it. Does not: drawing (`view/form`), what a filled-in form is
//! good for (the dialog or screen that has it).

mod fields;
mod list;

pub use fields::{ChoiceField, NumberField, TextField};
pub use list::{ListField, ListRow};

use super::keys::Key;

/// What a field holds.
#[derive(Debug, Clone)]
pub enum Value {
    Text(TextField),
    Number(NumberField),
    Choice(ChoiceField),
    List(ListField),
}

/// Says what is wrong with a value, in a sentence with what to do; empty where nothing is.
pub type Check = fn(&Value) -> Result<(), String>;

/// One field with its words.
#[derive(Debug, Clone)]
pub struct Field {
    /// By which [`Form::value`] finds it.
    pub name: &'static str,
    pub label: &'static str,
    /// One or two sentences, shown while it has the focus.
    pub help: &'static str,
    pub value: Value,
    check: Check,
    /// What is wrong with the value as it is.
    error: Option<String>,
}

impl Field {
    pub fn new(name: &'static str, label: &'static str, help: &'static str, value: Value) -> Self {
        Self { name, label, help, value, check: |_| Ok(()), error: None }
    }

    /// The field with a check of its own.
    #[must_use]
    pub fn checked(mut self, check: Check) -> Self {
        self.check = check;
        self.validate();
        self
    }

    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    fn validate(&mut self) {
        self.error = (self.check)(&self.value).err();
    }
}

/// What a key did to a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormEvent {
    /// The focus, a cursor or a filter moved.
    Moved,
    /// A value is another one now.
    Changed,
    /// Enter, and nothing is wrong.
    Submitted,
    /// Enter, and something is wrong: the focus is there now.
    Wrong,
    /// Esc: one step back.
    Cancelled,
    /// The key means nothing to a form.
    Ignored,
}

/// Fields and the focus.
#[derive(Debug, Clone)]
pub struct Form {
    fields: Vec<Field>,
    focus: usize,
}

impl Form {
    /// A form has at least one field.
    pub fn new(fields: Vec<Field>) -> Self {
        let mut form = Self { fields, focus: 0 };
        for field in &mut form.fields {
            field.validate();
        }
        form
    }

    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The field with the focus.
    pub fn focused(&self) -> Option<&Field> {
        self.fields.get(self.focus)
    }

    pub fn has_focus(&self, field: &Field) -> bool {
        self.focused().is_some_and(|focused| focused.name == field.name)
    }

    pub fn value(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|field| field.name == name).map(|field| &field.value)
    }

    /// The number in a field of that name.
    pub fn number(&self, name: &str) -> Option<u32> {
        match self.value(name)? {
            Value::Number(number) => Some(number.value()),
            _ => None,
        }
    }

    /// The text in a field of that name.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.value(name)? {
            Value::Text(text) => Some(text.value()),
            _ => None,
        }
    }

    /// The chosen option of a field of that name.
    pub fn choice(&self, name: &str) -> Option<usize> {
        match self.value(name)? {
            Value::Choice(choice) => Some(choice.selected()),
            _ => None,
        }
    }

    /// The list in a field of that name.
    pub fn list(&self, name: &str) -> Option<&ListField> {
        match self.value(name)? {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// Changes a field's value from outside: rows that came later, a value that follows from another one.
    pub fn change(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        if let Some(field) = self.fields.iter_mut().find(|field| field.name == name) {
            change(&mut field.value);
            field.validate();
        }
    }

    /// What is wrong with a field's value, where that depends on more than the value. Enter goes to it.
    pub fn judge(&mut self, name: &str, error: Option<String>) {
        if let Some(field) = self.fields.iter_mut().find(|field| field.name == name) {
            field.error = error;
        }
    }

    /// Whether nothing is wrong with any field.
    pub fn is_valid(&self) -> bool {
        self.fields.iter().all(|field| field.error.is_none())
    }

    /// Whether the field with the focus takes letters as text. Keys of the screen must not act then.
    pub fn is_typing(&self) -> bool {
        match self.focused().map(|field| &field.value) {
            Some(Value::Text(_)) => true,
            Some(Value::List(list)) => list.is_filtering(),
            _ => false,
        }
    }

    pub fn next_field(&mut self) {
        self.turn(1);
    }

    pub fn previous_field(&mut self) {
        self.turn(self.fields.len().saturating_sub(1));
    }

    fn turn(&mut self, by: usize) {
        if !self.fields.is_empty() {
            self.focus = (self.focus + by) % self.fields.len();
        }
        if let Some(Value::Number(number)) = self.fields.get_mut(self.focus).map(|field| &mut field.value) {
            number.begin();
        }
    }

    /// A key: the field with the focus first, then the form. Nothing is ever lost by Esc: the caller goes one step back.
    pub fn key(&mut self, key: Key) -> FormEvent {
        let Some(field) = self.fields.get_mut(self.focus) else { return FormEvent::Ignored };
        let event = match &mut field.value {
            Value::Text(text) => text.key(key),
            Value::Number(number) => number.key(key),
            Value::Choice(choice) => choice.key(key),
            Value::List(list) => list.key(key),
        };
        if event == FormEvent::Changed {
            field.validate();
        }
        if event != FormEvent::Ignored {
            return event;
        }
        match key {
            Key::Tab | Key::Down | Key::Char('j') => self.next_field(),
            Key::BackTab | Key::Up | Key::Char('k') => self.previous_field(),
            Key::Esc => return FormEvent::Cancelled,
            Key::Enter => {
                let Some(wrong) = self.fields.iter().position(|field| field.error.is_some()) else {
                    return FormEvent::Submitted;
                };
                self.focus = wrong;
                return FormEvent::Wrong;
            }
            _ => return FormEvent::Ignored,
        }
        FormEvent::Moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> Form {
        let name = TextField::new("");
        let check: Check = |value| match value {
            Value::Text(text) if text.value().is_empty() => Err("give the volume a name".to_owned()),
            _ => Ok(()),
        };
        let rows = ["one", "two", "three"].map(|text| ListRow::new(text, "")).to_vec();
        Form::new(vec![
            Field::new("name", "name", "", Value::Text(name)).checked(check),
            Field::new("keep", "kept", "", Value::Number(NumberField::new(3, 1, 99))),
            Field::new("mode", "mode", "", Value::Choice(ChoiceField::new(["suspend", "dissolve"], 0))),
            Field::new("on", "volumes", "", Value::List(ListField::new(rows, ("volume", "volumes")).with_marks())),
        ])
    }

    fn types(form: &mut Form, text: &str) {
        for c in text.chars() {
            form.key(Key::Char(c));
        }
    }

    #[test]
    fn what_is_wrong_is_said_as_one_types_and_enter_goes_to_it() {
        let mut form = form();
        assert_eq!(form.fields()[0].error(), Some("give the volume a name"));
        form.key(Key::Tab);
        assert_eq!(form.key(Key::Enter), FormEvent::Wrong);
        assert_eq!(form.focused().unwrap().name, "name");
        assert_eq!(form.key(Key::Char('x')), FormEvent::Changed);
        assert!(form.is_valid());
        assert_eq!(form.key(Key::Enter), FormEvent::Submitted);
        assert_eq!(form.text("name"), Some("x"));
    }

    #[test]
    fn letters_are_text_in_a_text_field_and_move_elsewhere() {
        let mut form = form();
        types(&mut form, "jk");
        assert_eq!(form.text("name"), Some("jk"));
        assert!(form.is_typing());
        form.key(Key::Down);
        assert_eq!(form.key(Key::Char('j')), FormEvent::Moved);
        assert_eq!(form.focused().unwrap().name, "mode");
        assert!(!form.is_typing());
    }

    #[test]
    fn a_list_is_filtered_and_marked_and_esc_first_leaves_the_filter() {
        let mut form = form();
        form.previous_field();
        types(&mut form, "/t");
        assert!(form.is_typing());
        assert_eq!(form.list("on").unwrap().shown(), [1, 2]);
        form.key(Key::Enter);
        assert_eq!(form.key(Key::Char(' ')), FormEvent::Changed);
        assert_eq!(form.list("on").unwrap().marked(), [1]);
        assert_eq!(form.key(Key::Esc), FormEvent::Moved, "the filter goes first");
        assert_eq!(form.list("on").unwrap().shown(), [0, 1, 2]);
        assert_eq!(form.key(Key::Esc), FormEvent::Cancelled);
    }
}
