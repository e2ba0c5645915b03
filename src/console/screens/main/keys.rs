//! The keys of the main screen that are no verbs.

use crate::console::keys::{Command, Entry, Group, Key, Scope, entry, own};

pub const ALL: Command = Command::Of(Scope::Main, "all");
pub const OPEN_SET: Command = Command::Of(Scope::Main, "open-set");
pub const CLOSE_SET: Command = Command::Of(Scope::Main, "close-set");
pub const NEXT_PROBLEM: Command = Command::Of(Scope::Main, "next-problem");
pub const PREVIOUS_PROBLEM: Command = Command::Of(Scope::Main, "previous-problem");
pub const BY_NAME: Command = Command::Of(Scope::Main, "sort-by-name");
pub const BY_TROUBLE: Command = Command::Of(Scope::Main, "sort-by-trouble");
pub const BY_READY: Command = Command::Of(Scope::Main, "sort-by-ready");

#[rustfmt::skip]
pub fn entries() -> Vec<Entry> {
    vec![
        entry(Scope::Main, Command::NextPane, "next-pane", &[Key::Tab, Key::Right, Key::Char('l')], Group::Moving, ("", 0), "to the next pane; an arrow opens the selected set first"),
        entry(Scope::Main, Command::PreviousPane, "previous-pane", &[Key::BackTab, Key::Left, Key::Char('h')], Group::Moving, ("", 0), "to the pane before; an arrow closes the selected set first"),
        entry(Scope::Main, Command::Copies, "copies", &[Key::Char('1')], Group::Moving, ("", 0), "to the copies"),
        entry(Scope::Main, Command::Pool, "pool", &[Key::Char('2')], Group::Moving, ("", 0), "to the backup pool"),
        entry(Scope::Main, Command::Generations, "generations", &[Key::Char('3')], Group::Moving, ("", 0), "to the generations of the selected volume"),
        entry(Scope::Main, Command::Events, "events", &[Key::Char('4')], Group::Moving, ("", 0), "to the events"),
        entry(Scope::Main, Command::Order, "order", &[Key::Char('o')], Group::Looking, ("", 0), "sort volumes the next way: trouble first, by name, last to be ready first"),
        own(BY_NAME, &[Key::Alt('n')], Group::Looking, ("", 0), "sort volumes by name"),
        own(BY_TROUBLE, &[Key::Alt('t')], Group::Looking, ("", 0), "sort volumes with trouble first"),
        own(BY_READY, &[Key::Alt('r')], Group::Looking, ("", 0), "sort volumes with the last to be ready first"),
        own(ALL, &[Key::Char('a')], Group::Choosing, ("all", 13), "copies, pool and events of all volumes in the table, or of the selected one"),
        own(OPEN_SET, &[Key::Char('+')], Group::Looking, ("", 0), "show the volumes of the selected set below it"),
        own(CLOSE_SET, &[Key::Char('-')], Group::Looking, ("", 0), "the selected set as one row again"),
        own(NEXT_PROBLEM, &[Key::Char('n')], Group::Moving, ("", 0), "to the next volume that needs attention"),
        own(PREVIOUS_PROBLEM, &[Key::Char('N')], Group::Moving, ("", 0), "to the volume before that needs attention"),
        entry(Scope::Main, Command::Problems, "problems", &[Key::Char('!')], Group::Choosing, ("problems", 12), "show only volumes that need attention"),
        entry(Scope::Main, Command::Mark, "mark", &[Key::Char(' ')], Group::Choosing, ("mark", 11), "mark the selected volume; a verb then acts on all marked ones"),
        entry(Scope::Main, Command::MarkAll, "mark-all", &[Key::Char('*')], Group::Choosing, ("", 0), "mark all that the filter shows, or none"),
    ]
}
