//! The key that opens the report; on the screen only the common keys count.

use crate::console::keys::{Command, Entry, Group, Key, Scope, entry};

#[rustfmt::skip]
pub fn entries() -> Vec<Entry> {
    vec![
        entry(Scope::Main, Command::Show(Scope::Report), "report", &[Key::Char('L')], Group::Looking, ("", 0), "what happened since your last look, and what needs a person now"),
    ]
}
