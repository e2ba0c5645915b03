//! Keys in the list of map sets.

use super::super::keys;
use super::super::state::sets::SetKey;
use super::super::state::{MapsScreen, Stage};
use super::{info, page, propose_new};
use crate::console::keys::Command;
use crate::console::screens::screen::{Context, Step, moved};
use crate::model::device_map::MapSet;
use crate::model::identity::Name;
use crate::model::request::{Action, Request};
use crate::model::snapshot::Severity;

pub fn act(screen: &mut MapsScreen, context: &Context, command: Command, asked: bool) -> Vec<Step> {
    if let Some(row) = moved(command, screen.sets.cursor.selected, page(context)) {
        screen.sets.move_to(row);
        return Vec::new();
    }
    let Some(key) = screen.sets.selected().map(|row| row.key.clone()) else { return Vec::new() };
    match (command, key) {
        (keys::NEW, _) | (Command::Open, SetKey::New) => begin(screen, context),
        (Command::Open, SetKey::Draft(name) | SetKey::Stored(name)) => open(screen, context, &name),
        (keys::CLEAR, SetKey::Draft(name)) => drop_draft(screen, &name, asked),
        (keys::CLEAR, SetKey::Stored(name)) => vec![Step::Propose(Request::new(Action::RemoveMap { name }))],
        (keys::START, SetKey::Stored(name)) => start(context, &name),
        (keys::START, SetKey::Draft(_)) => info("a draft starts nothing: store it first"),
        _ => Vec::new(),
    }
}

fn begin(screen: &mut MapsScreen, context: &Context) -> Vec<Step> {
    screen.open_new(context.snapshot());
    screen.stage = Stage::Volumes;
    Vec::new()
}

/// A map set whose volumes have their pairs is opened at the grid.
fn open(screen: &mut MapsScreen, context: &Context, name: &Name) -> Vec<Step> {
    if !screen.open_set(context.snapshot(), name) {
        return info("this map set is not stored any more");
    }
    let draft = screen.open.as_ref();
    let begun = draft.is_some_and(|draft| draft.without_pairs().len() < draft.chosen().len());
    screen.stage = if begun { Stage::Rounds } else { Stage::Volumes };
    if let Some(volume) = screen.subject {
        screen.rounds.go_to(volume, None);
    }
    if begun { propose_new(screen, context) } else { Vec::new() }
}

fn drop_draft(screen: &mut MapsScreen, name: &Name, asked: bool) -> Vec<Step> {
    if asked {
        screen.drafts.retain(|draft| draft.name() != name);
        return info("the draft is gone; what is stored was not touched");
    }
    screen.asked = true;
    vec![Step::Tell(Severity::Warning, format!("the draft of {name} would be lost; x again drops it"))]
}

/// All volumes of a map set that are registered, each by the round that is due for it.
fn start(context: &Context, name: &Name) -> Vec<Step> {
    let snapshot = context.snapshot();
    let all = snapshot.map_set(name.as_str()).map(MapSet::transaction_volumes).unwrap_or_default();
    let volumes: Vec<_> = all.into_iter().filter(|id| snapshot.transaction_volume(*id).is_some()).collect();
    if volumes.is_empty() {
        return info("no volume of this map set is registered");
    }
    vec![Step::Propose(Request::new(Action::Start { volumes, targets: Vec::new(), together: false }))]
}
