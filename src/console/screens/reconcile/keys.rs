//! The keys of the reconcile screen, and the one that opens it.

use crate::console::keys::{Command, Entry, Group, Key, Scope, entry, own};

const fn of(name: &'static str) -> Command {
    Command::Of(Scope::Reconcile, name)
}

pub const MARK: Command = of("reconcile-mark");
pub const MARK_ALL: Command = of("reconcile-mark-all");
pub const ACCEPT: Command = of("reconcile-accept");

#[rustfmt::skip]
pub fn entries() -> Vec<Entry> {
    vec![
        entry(Scope::Main, Command::Show(Scope::Reconcile), "reconcile", &[Key::Char('K')], Group::Looking, ("", 0), "what the catalogue and the arrays disagree on, and what is proposed"),
        own(ACCEPT, &[Key::Char('x')], Group::Verbs, ("do", 4), "do what is proposed for the marked rows, or the selected one, after showing the plan"),
        own(MARK, &[Key::Char(' ')], Group::Choosing, ("mark", 5), "mark the selected row"),
        own(MARK_ALL, &[Key::Char('*')], Group::Choosing, ("all", 6), "mark all rows that something is proposed for, or none"),
    ]
}
