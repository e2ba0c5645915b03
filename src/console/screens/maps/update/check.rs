//! Keys among the notes of the check.

use super::super::state::check::WayOn;
use super::super::state::{MapsScreen, Stage};
use super::{go, info, name, page};
use crate::console::keys::Command;
use crate::console::screens::screen::{Context, Step, moved};

pub fn act(screen: &mut MapsScreen, context: &Context, command: Command) -> Vec<Step> {
    if let Some(row) = moved(command, screen.check.cursor.selected, page(context)) {
        screen.check.move_to(row);
        return Vec::new();
    }
    if command != Command::Open {
        return Vec::new();
    }
    match screen.check.selected().map_or(WayOn::None, |note| note.way_on) {
        WayOn::Cell(volume, round) => {
            screen.stage = Stage::Rounds;
            screen.rounds.go_to(volume, round);
            Vec::new()
        }
        WayOn::Volume(volume) => {
            screen.stage = Stage::Volumes;
            screen.volumes.filter.clear();
            screen.settle(context);
            let row = screen.volumes.rows.iter().position(|row| row.id == volume);
            screen.volumes.move_to(row.unwrap_or(0));
            Vec::new()
        }
        WayOn::Name => name(screen),
        WayOn::Rebase => {
            let Some(draft) = &mut screen.open else { return Vec::new() };
            let stored = context.snapshot().map_set(draft.name().as_str());
            draft.rebase(context.clock.now, stored);
            info("the preview shows the difference to what is stored now")
        }
        WayOn::None => go(screen, context, Stage::Write),
    }
}
