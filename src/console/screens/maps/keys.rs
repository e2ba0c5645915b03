//! The keys of the screen of device maps, and the one that opens it.

use crate::console::keys::{Command, Entry, Group, Key, Scope, entry, own};

const fn of(name: &'static str) -> Command {
    Command::Of(Scope::Maps, name)
}

pub const VOLUMES: Command = of("map-volumes");
pub const ROUNDS: Command = of("map-rounds");
pub const CHECK: Command = of("map-check");
pub const PREVIEW: Command = of("map-preview");
pub const WRITE: Command = of("map-write");
pub const PROPOSE: Command = of("map-propose");
pub const UNDO: Command = of("map-undo");
pub const EDIT: Command = of("map-edit");
pub const NAME: Command = of("map-name");
pub const NEW: Command = of("map-new");
pub const START: Command = of("map-start");
pub const MARK: Command = of("map-mark");
pub const MARK_ALL: Command = of("map-mark-all");
pub const CLEAR: Command = of("map-clear");
pub const ADD_ROUND: Command = of("map-add-round");
pub const REMOVE_ROUND: Command = of("map-remove-round");
pub const OTHER_PANE: Command = of("map-other-pane");
pub const LEFT: Command = of("map-left");
pub const RIGHT: Command = of("map-right");

#[rustfmt::skip]
pub fn entries() -> Vec<Entry> {
    vec![
        entry(Scope::Main, Command::Show(Scope::Maps), "map", &[Key::Char('m')], Group::Looking, ("map", 14), "device maps: which backup volume each volume uses, in rounds; shown, checked, made and changed"),
        own(VOLUMES, &[Key::Char('1')], Group::Moving, ("", 0), "to step 1: choose the volumes"),
        own(ROUNDS, &[Key::Char('2')], Group::Moving, ("", 0), "to step 2: a backup volume for each volume and round"),
        own(CHECK, &[Key::Char('3')], Group::Moving, ("check", 12), "to step 3: what is wrong, and what the pool lacks"),
        own(PREVIEW, &[Key::Char('4')], Group::Moving, ("", 0), "to step 4: the file, and the difference to what is stored"),
        own(WRITE, &[Key::Char('w')], Group::Verbs, ("write", 11), "to step 4; there: store the map set, after showing the plan"),
        own(PROPOSE, &[Key::Char('p')], Group::Choosing, ("propose", 13), "fill every empty cell, G + 1 rounds for each volume"),
        own(UNDO, &[Key::Char('u')], Group::Choosing, ("undo", 14), "take the last change back"),
        own(EDIT, &[Key::Char('e')], Group::Verbs, ("editor", 16), "change the map set as text in $VISUAL or $EDITOR"),
        own(NAME, &[Key::Char('n')], Group::Choosing, ("name", 17), "give the new map set, or the selected round, a name"),
        own(NEW, &[Key::Char('a')], Group::Choosing, ("", 0), "begin a new map set"),
        own(START, &[Key::Char('s')], Group::Verbs, ("start", 15), "start the selected volume, or all of the selected map set, by the round that is due"),
        own(MARK, &[Key::Char(' ')], Group::Choosing, ("mark", 18), "take the selected volume into the map set, or out of it"),
        own(MARK_ALL, &[Key::Char('*')], Group::Choosing, ("", 0), "take all that the filter shows, or none"),
        own(CLEAR, &[Key::Char('x'), Key::Delete], Group::Choosing, ("", 0), "empty the cell; drop the draft or the edited text; remove the map set, after showing the plan"),
        own(ADD_ROUND, &[Key::Char('+')], Group::Choosing, ("", 0), "add a round"),
        own(REMOVE_ROUND, &[Key::Char('-')], Group::Choosing, ("", 0), "remove the selected round"),
        own(OTHER_PANE, &[Key::Tab, Key::BackTab], Group::Moving, ("", 0), "to the other pane"),
        own(LEFT, &[Key::Left, Key::Char('h')], Group::Moving, ("", 0), "to the round before"),
        own(RIGHT, &[Key::Right, Key::Char('l')], Group::Moving, ("", 0), "to the next round"),
    ]
}
