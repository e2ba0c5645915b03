//! Keys while volumes are chosen.

use super::super::keys;
use super::super::state::{MapsScreen, Stage, Typing};
use super::{go, info, page};
use crate::console::keys::Command;
use crate::console::screens::screen::{Context, Step, moved};
use crate::model::snapshot::Severity;
use tui_input::Input;

pub fn act(screen: &mut MapsScreen, context: &Context, command: Command) -> Vec<Step> {
    let at = screen.volumes.cursor.selected;
    if let Some(row) = moved(command, at, page(context)) {
        screen.volumes.move_to(row);
        return Vec::new();
    }
    match command {
        keys::MARK => mark(screen, context),
        keys::MARK_ALL => {
            let rows = screen.volumes.rows.iter().filter(|row| row.elsewhere.is_none() && row.blocks.is_some());
            let shown: Vec<_> = rows.map(|row| row.id).collect();
            if shown.is_empty() {
                return info("no volume that the list shows can be taken");
            }
            if let Some(draft) = &mut screen.open {
                draft.turn(context.clock.now, &shown);
            }
            Vec::new()
        }
        Command::Filter => {
            screen.typing = Some(Typing::Filter(Input::new(screen.volumes.filter.clone())));
            Vec::new()
        }
        Command::Open => go(screen, context, Stage::Rounds),
        keys::START => info("a map set is started from the list, its volumes from step 2"),
        _ => Vec::new(),
    }
}

fn mark(screen: &mut MapsScreen, context: &Context) -> Vec<Step> {
    let Some(row) = screen.volumes.selected() else { return Vec::new() };
    let (id, elsewhere, name) = (row.id, row.elsewhere.clone(), row.name.clone());
    let Some(draft) = &mut screen.open else { return Vec::new() };
    if let Some(other) = elsewhere.filter(|_| !draft.chosen().contains(&id)) {
        let text = format!("{name} is in map set {other}: a volume is in one map set only; take it out there first");
        return vec![Step::Tell(Severity::Warning, text)];
    }
    draft.turn(context.clock.now, &[id]);
    screen.volumes.move_to(screen.volumes.cursor.selected + 1);
    Vec::new()
}
