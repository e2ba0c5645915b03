//! The one table of keys. Footer, help, palette and the manual are made from it, and a configuration may bind its
//! commands to other keys.

use super::keys::{Command, Entry, Group, Key, Scope, entry};
use super::screens;
use crate::model::verb::{Verb, VerbKey};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Ranks below this belong to what never leaves the footer: help, quit, all commands.
pub const IN_EVERY_FOOTER: u8 = 3;

/// The rows of the verbs, from their descriptors.
fn verbs() -> impl Iterator<Item = Entry> {
    Verb::ALL.iter().filter_map(|&verb| {
        let VerbKey { binding, key, footer, help } = verb.info().key?;
        Some(entry(
            Scope::Main,
            Command::Verb(verb),
            binding,
            &[Key::Char(key)],
            Group::Verbs,
            footer.map_or(("", 0), |(word, rank)| (word, rank + IN_EVERY_FOOTER)),
            help,
        ))
    })
}

/// All keys: the verbs', those of each screen, then those that count everywhere.
pub static TABLE: LazyLock<Vec<Entry>> =
    LazyLock::new(|| verbs().chain(screens::keys::entries()).chain(own()).collect());

/// What counts everywhere. No letter that can end an escape sequence (`A B C D O [`) acts: a slow line tears sequences apart.
#[rustfmt::skip]
fn own() -> Vec<Entry> {
    vec![
        entry(Scope::Everywhere, Command::Up, "up", &[Key::Up, Key::Char('k')], Group::Moving, ("", 0), "one row up"),
        entry(Scope::Everywhere, Command::Down, "down", &[Key::Down, Key::Char('j')], Group::Moving, ("", 0), "one row down"),
        entry(Scope::Everywhere, Command::PageUp, "page-up", &[Key::PageUp, Key::Ctrl('b')], Group::Moving, ("", 0), "one page up"),
        entry(Scope::Everywhere, Command::PageDown, "page-down", &[Key::PageDown, Key::Ctrl('f')], Group::Moving, ("", 0), "one page down"),
        entry(Scope::Everywhere, Command::HalfUp, "half-page-up", &[Key::Ctrl('u')], Group::Moving, ("", 0), "half a page up"),
        entry(Scope::Everywhere, Command::HalfDown, "half-page-down", &[Key::Ctrl('d')], Group::Moving, ("", 0), "half a page down"),
        entry(Scope::Everywhere, Command::First, "first", &[Key::Home, Key::Char('g')], Group::Moving, ("", 0), "to the first row"),
        entry(Scope::Everywhere, Command::Last, "last", &[Key::End, Key::Char('G')], Group::Moving, ("", 0), "to the last row"),
        entry(Scope::Everywhere, Command::Open, "open", &[Key::Enter], Group::Looking, ("open", 10), "open the selected row; on a failed row: how to solve it"),
        entry(Scope::Everywhere, Command::Details, "details", &[Key::Char('i')], Group::Looking, ("", 0), "all about the selected volume, in the array's own words too"),
        entry(Scope::Everywhere, Command::Back, "back", &[Key::Esc], Group::Looking, ("back", 3), "back out: close, clear the filter, clear the marks"),
        entry(Scope::Everywhere, Command::Filter, "filter", &[Key::Char('/')], Group::Choosing, ("filter", 9), "show only volumes that fit: part of a name, a pattern with * and ?, a state (copying, overdue, trouble); ! before a word hides them"),
        entry(Scope::Everywhere, Command::Palette, "palette", &[Key::Char(':')], Group::Program, ("command", 2), "all commands by name"),
        entry(Scope::Everywhere, Command::Help, "help", &[Key::Char('?')], Group::Program, ("help", 0), "this help"),
        entry(Scope::Everywhere, Command::Redraw, "redraw", &[Key::Ctrl('l')], Group::Program, ("", 0), "draw the screen again"),
        entry(Scope::Everywhere, Command::Reread, "reread", &[Key::Ctrl('r')], Group::Looking, ("", 0), "read all arrays again, now"),
        entry(Scope::Everywhere, Command::ToShell, "to-shell", &[Key::Ctrl('z')], Group::Program, ("", 0), "back to the shell; `fg` returns"),
        entry(Scope::Everywhere, Command::Quit, "quit", &[Key::Char('q'), Key::Ctrl('c')], Group::Program, ("quit", 1), "leave; copies and operations continue"),
        entry(Scope::Everywhere, Command::Agree, "agree", &[Key::Char('Y')], Group::Program, ("", 0), "in a plan: agree to it and run it"),
    ]
}

/// What the keys mean now: the table, and what a configuration changed.
#[derive(Debug, Clone)]
pub struct KeyMap {
    commands: BTreeMap<(Scope, Key), Command>,
}

/// A binding that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindingError {
    #[error("there is no command {0:?}; `?` in the console lists them")]
    NoCommand(String),
    #[error(
        "{0:?} is not a key: write one character, or ctrl-x, alt-x, enter, esc, tab, space, up, page-down and so on"
    )]
    NoKey(String),
    #[error("{0} can be part of an escape sequence, so it must not act")]
    EndsSequences(Key),
    #[error("{key} is bound to both {first} and {second}")]
    Twice { key: Key, first: &'static str, second: &'static str },
}

impl Default for KeyMap {
    fn default() -> Self {
        let each = |entry: &'static Entry| entry.keys.iter().map(|key| ((entry.scope, *key), entry.command));
        Self { commands: TABLE.iter().flat_map(each).collect() }
    }
}

impl KeyMap {
    /// The table with other keys for some commands, by their names.
    pub fn with_bindings<'a>(bindings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, BindingError> {
        let mut chosen: BTreeMap<&'static str, Vec<Key>> = BTreeMap::new();
        for (name, keys) in bindings {
            let entry = TABLE.iter().find(|entry| entry.name == name);
            let entry = entry.ok_or_else(|| BindingError::NoCommand(name.to_owned()))?;
            chosen.insert(entry.name, keys.split_whitespace().map(parse_key).collect::<Result<_, _>>()?);
        }
        let mut commands: BTreeMap<(Scope, Key), Command> = BTreeMap::new();
        // What yields comes last, and finds its key taken.
        let (late, early): (Vec<&Entry>, Vec<&Entry>) =
            TABLE.iter().partition(|entry| yields(entry.command) && !chosen.contains_key(entry.name));
        for entry in early.into_iter().chain(late) {
            for &key in chosen.get(entry.name).unwrap_or(&entry.keys) {
                // A key of one screen must not hide one that counts everywhere.
                let clash = commands.iter().find(|((scope, known), _)| {
                    *known == key
                        && (*scope == entry.scope || *scope == Scope::Everywhere || entry.scope == Scope::Everywhere)
                });
                match clash {
                    None => drop(commands.insert((entry.scope, key), entry.command)),
                    Some(_) if yields(entry.command) && !chosen.contains_key(entry.name) => {}
                    Some((_, first)) => {
                        return Err(BindingError::Twice { key, first: name_of(*first), second: entry.name });
                    }
                }
            }
        }
        Ok(Self { commands })
    }

    /// What a key means on a screen.
    pub fn command(&self, scope: Scope, key: Key) -> Option<Command> {
        self.commands.get(&(scope, key)).or_else(|| self.commands.get(&(Scope::Everywhere, key))).copied()
    }

    /// The screens on which a key means something.
    pub fn scopes(&self, key: Key) -> impl Iterator<Item = Scope> + '_ {
        self.commands.keys().filter(move |(_, known)| *known == key).map(|(scope, _)| *scope)
    }

    /// The keys of a command; the table's own order where it was not changed.
    pub fn keys(&self, command: Command) -> Vec<Key> {
        let bound: Vec<Key> =
            self.commands.iter().filter(|(_, bound)| **bound == command).map(|((_, key), _)| *key).collect();
        let mut keys: Vec<Key> = Vec::with_capacity(bound.len());
        if let Some(entry) = TABLE.iter().find(|entry| entry.command == command) {
            keys.extend(entry.keys.iter().filter(|key| bound.contains(key)));
        }
        keys.extend(bound.iter().filter(|key| !keys.contains(key)).copied().collect::<Vec<_>>());
        keys
    }

    /// The key that is shown for a command.
    pub fn key(&self, command: Command) -> String {
        self.keys(command).first().map_or_else(|| "-".to_owned(), Key::to_string)
    }
}

/// The rows of the table that count on a screen: its own first, then those that count everywhere.
pub fn entries_of(scope: Scope) -> impl Iterator<Item = &'static Entry> {
    let of = move |wanted: Scope| TABLE.iter().filter(move |entry| entry.scope == wanted);
    of(scope).chain(of(Scope::Everywhere))
}

/// Commands that came after configurations were written: their own keys give way to what a configuration binds.
fn yields(command: Command) -> bool {
    matches!(command, Command::Show(_) | Command::Of(..) | Command::HalfUp | Command::HalfDown | Command::Reread)
}

fn name_of(command: Command) -> &'static str {
    TABLE.iter().find(|entry| entry.command == command).map_or("?", |entry| entry.name)
}

/// Letters that end escape sequences of arrows and of modified keys.
fn ends_sequences(key: Key) -> bool {
    matches!(key, Key::Char('A' | 'B' | 'C' | 'D' | 'O' | '['))
}

fn parse_key(text: &str) -> Result<Key, BindingError> {
    let wrong = || BindingError::NoKey(text.to_owned());
    let single = |text: &str| {
        let mut chars = text.chars();
        chars.next().filter(|_| chars.next().is_none())
    };
    let named = [
        Key::Enter,
        Key::Esc,
        Key::Tab,
        Key::BackTab,
        Key::Backspace,
        Key::Delete,
        Key::Up,
        Key::Down,
        Key::Left,
        Key::Right,
        Key::Home,
        Key::End,
        Key::PageUp,
        Key::PageDown,
        Key::Char(' '),
    ];
    let lower = text.to_ascii_lowercase();
    let key = if let Some(c) = single(text) {
        Key::Char(c)
    } else if let Some(key) = named.iter().find(|key| key.to_string().to_ascii_lowercase() == lower) {
        *key
    } else if let Some(rest) = lower.strip_prefix("ctrl-") {
        Key::Ctrl(single(rest).ok_or_else(wrong)?)
    } else if let Some(rest) = text.get(4..).filter(|_| lower.starts_with("alt-")) {
        // With Alt, a letter's case counts.
        Key::Alt(single(rest).ok_or_else(wrong)?)
    } else {
        return Err(wrong());
    };
    if ends_sequences(key) { Err(BindingError::EndsSequences(key)) } else { Ok(key) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_has_two_meanings() {
        assert!(KeyMap::with_bindings([]).is_ok());
    }

    #[test]
    fn no_letter_that_can_end_an_escape_sequence_acts() {
        assert!(TABLE.iter().flat_map(|entry| &entry.keys).all(|key| !ends_sequences(*key)));
        let error = KeyMap::with_bindings([("start", "A")]).unwrap_err();
        assert_eq!(error, BindingError::EndsSequences(Key::Char('A')));
    }

    #[test]
    fn commands_can_be_bound_to_other_keys_and_conflicts_are_named() {
        let map = KeyMap::with_bindings([("backup", "ctrl-k space"), ("mark", "v")]).unwrap();
        assert_eq!(map.command(Scope::Main, Key::Ctrl('k')), Some(Command::Verb(Verb::Backup)));
        assert_eq!(map.command(Scope::Main, Key::Char('b')), None);
        assert_eq!(map.command(Scope::Main, Key::Char('v')), Some(Command::Mark));
        assert_eq!(
            map.keys(Command::Show(Scope::Events)),
            [],
            "a newer command gives way to what a configuration binds"
        );
        let error = KeyMap::with_bindings([("backup", "s")]).unwrap_err();
        assert_eq!(error.to_string(), "s is bound to both start and backup");
        assert!(matches!(KeyMap::with_bindings([("backup", "hyper-x")]), Err(BindingError::NoKey(_))));
        assert!(matches!(KeyMap::with_bindings([("fly", "f")]), Err(BindingError::NoCommand(_))));
    }

    #[test]
    fn a_key_means_something_else_on_another_screen_and_the_common_ones_everywhere() {
        let map = KeyMap::default();
        assert_eq!(map.command(Scope::Events, Key::Char('s')), None);
        assert_eq!(map.command(Scope::Main, Key::Char('!')), Some(Command::Problems));
        assert!(matches!(map.command(Scope::Events, Key::Char('!')), Some(Command::Of(Scope::Events, _))));
        for scope in [Scope::Main, Scope::Events] {
            assert_eq!(map.command(scope, Key::Char('?')), Some(Command::Help));
        }
    }

    #[test]
    fn every_key_is_written_in_a_way_that_reads_back() {
        for key in TABLE.iter().flat_map(|entry| &entry.keys) {
            assert_eq!(parse_key(&key.to_string()), Ok(*key), "{key}");
        }
    }

    #[test]
    fn the_footer_has_a_rank_for_each_of_its_labels() {
        for scope in [Scope::Main, Scope::Events] {
            let labelled = entries_of(scope).filter(|entry| !entry.label.is_empty());
            let mut ranks: Vec<u8> = labelled.map(|entry| entry.rank).collect();
            let before = ranks.len();
            ranks.sort_unstable();
            ranks.dedup();
            assert_eq!(ranks.len(), before, "{scope:?}");
        }
    }
}
