//! The one table of keys. Footer, help, palette and the manual are made from it, and a configuration may bind its
//! commands to other keys.

use crate::model::verb::{Verb, VerbKey};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

/// A key as it comes from the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Char(char),
    Ctrl(char),
    Alt(char),
    Enter,
    Esc,
    Tab,
    BackTab,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    Home,
    End,
    PageUp,
    PageDown,
}

/// What a key can make the console do. `Agree`, `TypeName` and the numbers of remedies belong to dialogs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// Asks the engine for something, and so shows a plan first.
    Verb(Verb),
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    NextPane,
    PreviousPane,
    Copies,
    Pool,
    Generations,
    Events,
    Open,
    Details,
    Back,
    Mark,
    MarkAll,
    Filter,
    Problems,
    Order,
    Palette,
    Help,
    Redraw,
    ToShell,
    Quit,
    Agree,
}

/// Where an entry stands in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Verbs,
    Moving,
    Looking,
    Choosing,
    Program,
}

impl Group {
    pub const ALL: [Self; 5] = [Self::Verbs, Self::Moving, Self::Looking, Self::Choosing, Self::Program];

    pub fn title(self) -> &'static str {
        match self {
            Self::Verbs => "Doing",
            Self::Moving => "Moving",
            Self::Looking => "Looking",
            Self::Choosing => "Choosing",
            Self::Program => "Program",
        }
    }
}

/// A row of the table.
#[derive(Debug, Clone)]
pub struct Entry {
    pub command: Command,
    /// For bindings and the palette.
    pub name: &'static str,
    pub keys: Vec<Key>,
    pub group: Group,
    /// The word in the footer; empty: not there.
    pub label: &'static str,
    /// Its place in a footer that is too narrow for all: lower ones stay longer.
    pub rank: u8,
    pub help: &'static str,
}

fn entry(
    command: Command,
    name: &'static str,
    keys: &[Key],
    group: Group,
    footer: (&'static str, u8),
    help: &'static str,
) -> Entry {
    Entry { command, name, keys: keys.to_vec(), group, label: footer.0, rank: footer.1, help }
}

/// The rows of the verbs, from their descriptors.
fn verbs() -> impl Iterator<Item = Entry> {
    Verb::ALL.iter().filter_map(|&verb| {
        let VerbKey { binding, key, footer, help } = verb.info().key?;
        Some(entry(Command::Verb(verb), binding, &[Key::Char(key)], Group::Verbs, footer.unwrap_or_default(), help))
    })
}

/// All keys: the verbs', then the console's own.
pub static TABLE: LazyLock<Vec<Entry>> = LazyLock::new(|| verbs().chain(own()).collect());

/// What is no verb. No letter that can end an escape sequence (`A B C D O [`) acts: a slow line tears sequences apart.
#[rustfmt::skip]
fn own() -> Vec<Entry> {
    vec![
        entry(Command::Up, "up", &[Key::Up, Key::Char('k')], Group::Moving, ("", 0), "one row up"),
        entry(Command::Down, "down", &[Key::Down, Key::Char('j')], Group::Moving, ("", 0), "one row down"),
        entry(Command::PageUp, "page-up", &[Key::PageUp, Key::Ctrl('b')], Group::Moving, ("", 0), "one page up"),
        entry(Command::PageDown, "page-down", &[Key::PageDown, Key::Ctrl('f')], Group::Moving, ("", 0), "one page down"),
        entry(Command::First, "first", &[Key::Home, Key::Char('g')], Group::Moving, ("", 0), "to the first row"),
        entry(Command::Last, "last", &[Key::End, Key::Char('G')], Group::Moving, ("", 0), "to the last row"),
        entry(Command::NextPane, "next-pane", &[Key::Tab, Key::Right, Key::Char('l')], Group::Moving, ("", 0), "to the next pane"),
        entry(Command::PreviousPane, "previous-pane", &[Key::BackTab, Key::Left, Key::Char('h')], Group::Moving, ("", 0), "to the pane before"),
        entry(Command::Copies, "copies", &[Key::Char('1')], Group::Moving, ("", 0), "to the copies"),
        entry(Command::Pool, "pool", &[Key::Char('2')], Group::Moving, ("", 0), "to the backup pool"),
        entry(Command::Generations, "generations", &[Key::Char('3')], Group::Moving, ("", 0), "to the generations of the selected volume"),
        entry(Command::Events, "events", &[Key::Char('4')], Group::Moving, ("", 0), "to the events"),
        entry(Command::Open, "open", &[Key::Enter], Group::Looking, ("open", 9), "open the selected row; on a failed row: how to solve it"),
        entry(Command::Details, "details", &[Key::Char('i')], Group::Looking, ("", 0), "all about the selected volume, in the array's own words too"),
        entry(Command::Back, "back", &[Key::Esc], Group::Looking, ("", 0), "back out: close, clear the filter, clear the marks"),
        entry(Command::Order, "order", &[Key::Char('o')], Group::Looking, ("", 0), "sort volumes by name, by trouble, by readiness"),
        entry(Command::Filter, "filter", &[Key::Char('/')], Group::Choosing, ("filter", 7), "show only volumes whose name contains what is typed"),
        entry(Command::Problems, "problems", &[Key::Char('!')], Group::Choosing, ("problems", 11), "show only volumes that need attention"),
        entry(Command::Mark, "mark", &[Key::Char(' ')], Group::Choosing, ("mark", 10), "mark the selected volume; a verb then acts on all marked ones"),
        entry(Command::MarkAll, "mark-all", &[Key::Char('*')], Group::Choosing, ("", 0), "mark all that the filter shows, or none"),
        entry(Command::Palette, "palette", &[Key::Char(':')], Group::Program, ("command", 8), "all commands by name"),
        entry(Command::Help, "help", &[Key::Char('?')], Group::Program, ("help", 0), "this help"),
        entry(Command::Redraw, "redraw", &[Key::Ctrl('l')], Group::Program, ("", 0), "draw the screen again"),
        entry(Command::ToShell, "to-shell", &[Key::Ctrl('z')], Group::Program, ("", 0), "back to the shell; `fg` returns"),
        entry(Command::Quit, "quit", &[Key::Char('q'), Key::Ctrl('c')], Group::Program, ("quit", 6), "leave; copies and operations continue"),
        entry(Command::Agree, "agree", &[Key::Char('Y')], Group::Program, ("", 0), "in a plan: agree to it and run it"),
    ]
}

/// What the keys mean now: the table, and what a configuration changed.
#[derive(Debug, Clone)]
pub struct KeyMap {
    commands: BTreeMap<Key, Command>,
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
        let commands = TABLE.iter().flat_map(|entry| entry.keys.iter().map(|key| (*key, entry.command))).collect();
        Self { commands }
    }
}

impl KeyMap {
    /// The table with other keys for some commands, by their names.
    pub fn with_bindings<'a>(bindings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, BindingError> {
        let mut chosen: BTreeMap<&'static str, Vec<Key>> =
            TABLE.iter().map(|entry| (entry.name, entry.keys.clone())).collect();
        for (name, keys) in bindings {
            let slot = chosen.get_mut(name).ok_or_else(|| BindingError::NoCommand(name.to_owned()))?;
            *slot = keys.split_whitespace().map(parse_key).collect::<Result<_, _>>()?;
        }
        let mut commands = BTreeMap::new();
        for entry in TABLE.iter() {
            for &key in &chosen[entry.name] {
                if let Some(first) = commands.insert(key, entry.command) {
                    return Err(BindingError::Twice { key, first: name_of(first), second: entry.name });
                }
            }
        }
        Ok(Self { commands })
    }

    pub fn command(&self, key: Key) -> Option<Command> {
        self.commands.get(&key).copied()
    }

    /// The keys of a command; the table's own order where it was not changed.
    pub fn keys(&self, command: Command) -> Vec<Key> {
        let bound: Vec<Key> =
            self.commands.iter().filter(|(_, bound)| **bound == command).map(|(key, _)| *key).collect();
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
    } else if let Some(rest) = text.strip_prefix("alt-") {
        Key::Alt(single(rest).ok_or_else(wrong)?)
    } else {
        return Err(wrong());
    };
    if ends_sequences(key) { Err(BindingError::EndsSequences(key)) } else { Ok(key) }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Char(' ') => f.write_str("Space"),
            Self::Char(c) => write!(f, "{c}"),
            Self::Ctrl(c) => write!(f, "Ctrl-{}", c.to_ascii_uppercase()),
            Self::Alt(c) => write!(f, "Alt-{c}"),
            Self::Enter => f.write_str("Enter"),
            Self::Esc => f.write_str("Esc"),
            Self::Tab => f.write_str("Tab"),
            Self::BackTab => f.write_str("Shift-Tab"),
            Self::Backspace => f.write_str("Backspace"),
            Self::Delete => f.write_str("Delete"),
            Self::Up => f.write_str("Up"),
            Self::Down => f.write_str("Down"),
            Self::Left => f.write_str("Left"),
            Self::Right => f.write_str("Right"),
            Self::Home => f.write_str("Home"),
            Self::End => f.write_str("End"),
            Self::PageUp => f.write_str("Page-Up"),
            Self::PageDown => f.write_str("Page-Down"),
        }
    }
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
        assert_eq!(map.command(Key::Ctrl('k')), Some(Command::Verb(Verb::Backup)));
        assert_eq!(map.command(Key::Char('b')), None);
        assert_eq!(map.command(Key::Char('v')), Some(Command::Mark));
        let error = KeyMap::with_bindings([("backup", "s")]).unwrap_err();
        assert_eq!(error.to_string(), "s is bound to both start and backup");
        assert!(matches!(KeyMap::with_bindings([("backup", "hyper-x")]), Err(BindingError::NoKey(_))));
        assert!(matches!(KeyMap::with_bindings([("fly", "f")]), Err(BindingError::NoCommand(_))));
    }

    #[test]
    fn every_key_is_written_in_a_way_that_reads_back() {
        for key in TABLE.iter().flat_map(|entry| &entry.keys) {
            assert_eq!(parse_key(&key.to_string()), Ok(*key), "{key}");
        }
    }

    #[test]
    fn the_footer_has_a_rank_for_each_of_its_labels() {
        let mut ranks: Vec<u8> = TABLE.iter().filter(|entry| !entry.label.is_empty()).map(|entry| entry.rank).collect();
        let before = ranks.len();
        ranks.sort_unstable();
        ranks.dedup();
        assert_eq!(ranks.len(), before);
    }
}
