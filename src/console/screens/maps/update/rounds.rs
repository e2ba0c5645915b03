//! Keys in the grid of volumes and rounds, and among the candidates for a cell.

use super::super::keys;
use super::super::state::{MapsScreen, Typing};
use super::{info, page};
use crate::console::keys::Command;
use crate::console::screens::screen::{Context, Step, moved};
use crate::model::device_map::{MapRow, grid};
use crate::model::request::{Action, Request};
use crate::model::snapshot::Severity;
use crate::model::units::count;
use crate::model::untrusted::Untrusted;
use tui_input::Input;

pub fn act(screen: &mut MapsScreen, context: &Context, command: Command) -> Vec<Step> {
    let part = &mut screen.rounds;
    if part.choosing
        && let Some(row) = moved(command, part.candidate.selected, page(context) / 2)
    {
        part.move_candidate(row);
        return Vec::new();
    }
    if let Some(row) = moved(command, part.cursor.selected, page(context)) {
        part.move_to(row);
        return Vec::new();
    }
    match command {
        keys::LEFT => part.round = part.round.saturating_sub(1),
        keys::RIGHT => part.round += 1,
        keys::OTHER_PANE => part.choosing = !part.choosing && !part.candidates.is_empty(),
        Command::Open if part.choosing => return take(screen, context),
        Command::Open if part.candidates.is_empty() => return info("there is no backup volume that could be chosen"),
        Command::Open => part.choosing = true,
        keys::PROPOSE => return propose(screen, context),
        keys::CLEAR => clear(screen, context),
        keys::ADD_ROUND => return add_round(screen, context),
        keys::REMOVE_ROUND => return remove_round(screen, context),
        keys::NAME => return name(screen),
        keys::START => return start(screen),
        _ => {}
    }
    Vec::new()
}

/// Puts the selected candidate into the cell.
fn take(screen: &mut MapsScreen, context: &Context) -> Vec<Step> {
    let part = &mut screen.rounds;
    let (Some(candidate), Some(row), Some(draft)) = (part.selected_candidate(), part.row(), &mut screen.open) else {
        return Vec::new();
    };
    if let Err(rejection) = &candidate.verdict {
        let text = format!("{} ({})", rejection.reason, rejection.code);
        return vec![Step::Tell(Severity::Warning, text)];
    }
    let pair = MapRow {
        transaction_volume: row.transaction_volume,
        backup_volume: candidate.backup_volume,
        transaction_name: Untrusted::new(row.name.clone()),
        backup_name: Untrusted::new(candidate.name.clone()),
    };
    draft.put(context.clock.now, part.round, pair.transaction_volume, Some(pair));
    part.choosing = false;
    Vec::new()
}

fn clear(screen: &mut MapsScreen, context: &Context) {
    let volume = screen.rounds.row().map(|row| row.transaction_volume);
    if let (Some(volume), Some(draft)) = (volume, &mut screen.open) {
        draft.put(context.clock.now, screen.rounds.round, volume, None);
    }
}

/// Fills every empty cell that the policies ask for.
fn propose(screen: &mut MapsScreen, context: &Context) -> Vec<Step> {
    let Some(draft) = &mut screen.open else { return Vec::new() };
    let before = draft.set();
    let volumes: Vec<_> = draft.chosen().iter().copied().collect();
    let proposed = grid::propose(context.snapshot(), &before, &volumes);
    let filled = proposed.pairs() - before.pairs();
    if filled == 0 {
        return info("no empty cell can be filled: every volume has G + 1, or the pool has no more");
    }
    draft.take(context.clock.now, &proposed.rounds);
    info(&format!("{} filled; u takes it back", count(filled, "cell", "cells")))
}

fn add_round(screen: &mut MapsScreen, context: &Context) -> Vec<Step> {
    let Some(draft) = &mut screen.open else { return Vec::new() };
    match draft.add_round(context.clock.now) {
        Some(name) => {
            screen.rounds.round = usize::MAX;
            info(&format!("round {name} added; p fills it where a policy asks for it"))
        }
        None => info("a map set has no more rounds than these"),
    }
}

fn remove_round(screen: &mut MapsScreen, context: &Context) -> Vec<Step> {
    let Some(draft) = &mut screen.open else { return Vec::new() };
    match draft.remove_round(context.clock.now, screen.rounds.round) {
        Some(name) => info(&format!("round {name} removed; u brings it back")),
        None => info("there is no round"),
    }
}

fn name(screen: &mut MapsScreen) -> Vec<Step> {
    let round = screen.rounds.grid.as_ref().and_then(|grid| grid.rounds.get(screen.rounds.round));
    let Some(name) = round else { return info("there is no round: + adds one") };
    screen.typing = Some(Typing::RoundName(Input::new(name.to_string())));
    Vec::new()
}

/// Starts the selected volume by the stored map set: a draft starts nothing.
fn start(screen: &MapsScreen) -> Vec<Step> {
    let (Some(row), Some(draft)) = (screen.rounds.row(), &screen.open) else { return Vec::new() };
    if draft.base.is_none() || draft.is_changed() {
        return info("a start goes by the map set as it is stored: store this one first");
    }
    let volumes = vec![row.transaction_volume];
    vec![Step::Propose(Request::new(Action::Start { volumes, targets: Vec::new(), together: false }))]
}
