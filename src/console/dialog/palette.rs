//! The command palette: every key of the table by its name, for whoever does not know the key.

use crate::console::key_table::entries_of;
use crate::console::keys::{Command, Entry, Scope};
use tui_input::Input;

#[derive(Debug, Clone)]
pub struct Palette {
    /// Of the screen that it was opened on.
    scope: Scope,
    pub input: Input,
    /// A row of [`Palette::matches`].
    pub selected: usize,
    pub armed: bool,
    /// What was typed before in this console, oldest first, and which of it is shown.
    history: Vec<String>,
    recalled: Option<usize>,
}

impl Palette {
    /// For the commands that count on a screen.
    pub fn new(scope: Scope, history: Vec<String>) -> Self {
        Self { scope, input: Input::default(), selected: 0, armed: false, history, recalled: None }
    }

    /// The names of the commands that it knows.
    pub fn names(&self) -> Vec<&'static str> {
        entries_of(self.scope).map(|entry| entry.name).collect()
    }

    pub fn set(&mut self, line: String) {
        self.input = Input::new(line);
        self.selected = 0;
    }

    /// An older line, or a newer one.
    pub fn recall(&mut self, older: bool) {
        let at = self.recalled.unwrap_or(self.history.len());
        let at = if older { at.checked_sub(1) } else { Some(at + 1) };
        let Some(at) = at.filter(|at| *at <= self.history.len()) else { return };
        let line = self.history.get(at).cloned().unwrap_or_default();
        self.recalled = Some(at);
        self.set(line);
    }

    /// What the typed words leave: names that begin with them first, then those that have them anywhere.
    pub fn matches(&self) -> Vec<&'static Entry> {
        let typed = self.input.value().to_ascii_lowercase();
        let mut words: Vec<&str> = typed.split_whitespace().collect();
        // The command line's `policy preview` is `preview` here: `policy` alone is the form.
        if words.starts_with(&["policy", "preview"]) {
            words.remove(0);
        }
        // What follows a command's name are its arguments.
        if words.first().is_some_and(|word| entries_of(self.scope).any(|entry| entry.name == *word)) {
            words.truncate(1);
        }
        let fits = |entry: &&Entry| {
            let help = entry.help.to_ascii_lowercase();
            // Agreeing belongs to a plan that is seen, and the palette need not offer itself.
            !matches!(entry.command, Command::Agree | Command::Palette)
                && words.iter().all(|word| entry.name.contains(word) || help.contains(word))
        };
        let mut found: Vec<&Entry> = entries_of(self.scope).filter(fits).collect();
        found.sort_by_key(|entry| !words.first().is_some_and(|word| entry.name.starts_with(word)));
        found
    }

    pub fn chosen(&self) -> Option<Command> {
        self.matches().get(self.selected).map(|entry| entry.command)
    }

    /// To another row; past an end to the other one.
    pub fn turn(&mut self, by: isize) {
        let rows = self.matches().len();
        if rows > 0 {
            self.selected = (self.selected + rows).saturating_add_signed(by) % rows;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(typed: &str) -> Vec<&'static str> {
        let palette = Palette { input: Input::new(typed.to_owned()), ..Palette::new(Scope::Main, Vec::new()) };
        palette.matches().iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn names_that_begin_with_what_is_typed_come_first_and_help_is_searched_too() {
        assert_eq!(names("res")[0], "resume");
        assert!(names("not released").contains(&"hold"), "{:?}", names("not released"));
        assert_eq!(names("policy preview demo-web")[0], "preview");
        assert!(names("no such thing").is_empty());
        assert!(!names("").contains(&"agree"), "nothing agrees to a plan that is not seen");
    }

    #[test]
    fn the_selection_goes_round() {
        let mut palette = Palette::new(Scope::Main, Vec::new());
        palette.turn(-1);
        assert_eq!(palette.selected, palette.matches().len() - 1);
        palette.turn(1);
        assert_eq!(palette.selected, 0);
    }
}
