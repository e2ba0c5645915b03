//! Keys, what they can make the console do, and the row that declares a key. The table itself is in `key_table`; the rows of a
//! screen are in its folder.

use crate::model::verb::Verb;
use std::fmt;

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

/// Which screen a key is declared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// On every screen, and in dialogs.
    Everywhere,
    Main,
    Events,
    Maps,
    Init,
    Nights,
    Reconcile,
    Report,
}

/// What a key can make the console do. `Agree` and the numbers of remedies belong to dialogs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command {
    /// Asks the engine for something, and so shows a plan first.
    Verb(Verb),
    /// Shows a screen over this one.
    Show(Scope),
    /// A command of one screen, by its name. Only that screen knows what it means.
    Of(Scope, &'static str),
    Up,
    Down,
    PageUp,
    PageDown,
    HalfUp,
    HalfDown,
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
    /// Every array is asked anew, now.
    Reread,
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
    pub scope: Scope,
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

/// A row of the table: `footer` is the word in the footer and its rank there.
pub fn entry(
    scope: Scope,
    command: Command,
    name: &'static str,
    keys: &[Key],
    group: Group,
    footer: (&'static str, u8),
    help: &'static str,
) -> Entry {
    Entry { scope, command, name, keys: keys.to_vec(), group, label: footer.0, rank: footer.1, help }
}

/// A row of a command that is one screen's own: its scope and its name are in the command.
pub fn own(command: Command, keys: &[Key], group: Group, footer: (&'static str, u8), help: &'static str) -> Entry {
    let Command::Of(scope, name) = command else { unreachable!("each command here is one of a screen") };
    entry(scope, command, name, keys, group, footer, help)
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
