//! The keys of the main screen that are no verbs.

use crate::console::keys::{Command, Entry, Group, Key, Scope, entry};

#[rustfmt::skip]
pub fn entries() -> Vec<Entry> {
    vec![
        entry(Scope::Main, Command::NextPane, "next-pane", &[Key::Tab, Key::Right, Key::Char('l')], Group::Moving, ("", 0), "to the next pane"),
        entry(Scope::Main, Command::PreviousPane, "previous-pane", &[Key::BackTab, Key::Left, Key::Char('h')], Group::Moving, ("", 0), "to the pane before"),
        entry(Scope::Main, Command::Copies, "copies", &[Key::Char('1')], Group::Moving, ("", 0), "to the copies"),
        entry(Scope::Main, Command::Pool, "pool", &[Key::Char('2')], Group::Moving, ("", 0), "to the backup pool"),
        entry(Scope::Main, Command::Generations, "generations", &[Key::Char('3')], Group::Moving, ("", 0), "to the generations of the selected volume"),
        entry(Scope::Main, Command::Events, "events", &[Key::Char('4')], Group::Moving, ("", 0), "to the events"),
        entry(Scope::Main, Command::Order, "order", &[Key::Char('o')], Group::Looking, ("", 0), "sort volumes by name, by trouble, by readiness"),
        entry(Scope::Main, Command::Problems, "problems", &[Key::Char('!')], Group::Choosing, ("problems", 11), "show only volumes that need attention"),
        entry(Scope::Main, Command::Mark, "mark", &[Key::Char(' ')], Group::Choosing, ("mark", 10), "mark the selected volume; a verb then acts on all marked ones"),
        entry(Scope::Main, Command::MarkAll, "mark-all", &[Key::Char('*')], Group::Choosing, ("", 0), "mark all that the filter shows, or none"),
    ]
}
