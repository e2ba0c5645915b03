//! The keys of the first set-up, and the one that opens it.

use crate::console::keys::{Command, Entry, Group, Key, Scope, entry, own};

const fn of(name: &'static str) -> Command {
    Command::Of(Scope::Init, name)
}

pub const VOLUMES: Command = of("init-volumes");
pub const GROUPS: Command = of("init-groups");
pub const POLICIES: Command = of("init-policies");
pub const TRANSACTION: Command = of("init-transaction");
pub const BACKUP: Command = of("init-backup");
pub const NEITHER: Command = of("init-neither");
pub const NAME: Command = of("init-name");
pub const GROUP: Command = of("init-group");
pub const POLICY: Command = of("init-policy");
pub const MARK: Command = of("init-mark");
pub const MARK_ALL: Command = of("init-mark-all");
pub const WRITE: Command = of("init-write");
pub const MAPS: Command = of("init-maps");
pub const PAIR: Command = of("init-pair");

#[rustfmt::skip]
pub fn entries() -> Vec<Entry> {
    vec![
        entry(Scope::Main, Command::Show(Scope::Init), "init", &[Key::Char('I')], Group::Looking, ("", 0), "set up the site: volumes of the arrays become transaction and backup volumes, with policies"),
        own(VOLUMES, &[Key::Char('1')], Group::Moving, ("", 0), "to step 1: choose the volumes and what they are"),
        own(GROUPS, &[Key::Char('2')], Group::Moving, ("groups", 19), "to step 2: the volume groups that the hosts report"),
        own(POLICIES, &[Key::Char('3')], Group::Moving, ("policies", 14), "to step 3: generations, days and mode of each transaction volume"),
        own(TRANSACTION, &[Key::Char('t')], Group::Choosing, ("transaction", 11), "the marked volumes, or the selected one, hold live data"),
        own(BACKUP, &[Key::Char('b')], Group::Choosing, ("backup", 12), "the marked volumes, or the selected one, go into the pool"),
        own(NEITHER, &[Key::Char('x'), Key::Delete], Group::Choosing, ("neither", 16), "the marked volumes, or the selected one, stay out of the site"),
        own(NAME, &[Key::Char('n')], Group::Choosing, ("name", 17), "give the selected volume a name"),
        own(GROUP, &[Key::Char('v')], Group::Choosing, ("group", 18), "say which volume group the selected volume is: HOST:VG"),
        own(POLICY, &[Key::Char('e')], Group::Choosing, ("", 0), "edit the policy of the marked volumes, or of the selected one"),
        own(MARK, &[Key::Char(' ')], Group::Choosing, ("mark", 15), "mark the selected volume, or take its mark away"),
        own(MARK_ALL, &[Key::Char('*')], Group::Choosing, ("", 0), "mark all that the filter shows, or none"),
        own(MAPS, &[Key::Char('4')], Group::Moving, ("", 0), "to step 4: the transaction volumes that no device map pairs yet"),
        own(PAIR, &[Key::Char('m')], Group::Moving, ("maps", 20), "open the device maps, which pair transaction and backup volumes"),
        own(WRITE, &[Key::Char('w')], Group::Verbs, ("write", 13), "register all of it together, after showing the plan"),
    ]
}
