//! The key that opens the nights to come; on the screen only the common keys count.

use crate::console::keys::{Command, Entry, Group, Key, Scope, entry};

#[rustfmt::skip]
pub fn entries() -> Vec<Entry> {
    vec![
        entry(Scope::Main, Command::Show(Scope::Nights), "preview", &[Key::Char('w')], Group::Looking, ("", 0), "the nights to come of the selected volume: which backup volume each backup takes, what it releases, when the pool runs dry"),
    ]
}
