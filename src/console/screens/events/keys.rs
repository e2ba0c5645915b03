//! The keys of the events screen, and the one that opens it.

use crate::console::keys::{Command, Entry, Group, Key, Scope, entry, own};

pub const SEVERE: Command = Command::Of(Scope::Events, "events-problems");
pub const ALL: Command = Command::Of(Scope::Events, "events-all");

#[rustfmt::skip]
pub fn entries() -> Vec<Entry> {
    vec![
        entry(Scope::Main, Command::Show(Scope::Events), "all-events", &[Key::Char('v')], Group::Looking, ("", 0), "all events on a screen of their own"),
        own(SEVERE, &[Key::Char('!')], Group::Choosing, ("problems", 12), "show only warnings and problems"),
        own(ALL, &[Key::Char('a')], Group::Choosing, ("audit too", 13), "show or hide what the audit keeps beside the news: refused keys, commands, answers"),
    ]
}
