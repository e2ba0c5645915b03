//! Keys on the screen of device maps: what all steps have in common, and the way between them. Each step has a file.

mod check;
mod rounds;
mod sets;
mod typing;
mod volumes;
pub mod write;

use super::keys;
use super::state::sets::SetKey;
use super::state::{MapsScreen, Stage, Typing};
use crate::console::keys::{Command, Key};
use crate::console::screens::screen::{Context, Step};
use crate::model::device_map::grid;
use crate::model::snapshot::Severity;
use crate::model::units::count;
use tui_input::Input;

pub fn key(screen: &mut MapsScreen, context: &Context, key: Key, command: Option<Command>) -> Vec<Step> {
    screen.passing = false;
    screen.sets.said = None;
    let asked = std::mem::take(&mut screen.asked);
    let mut steps = if screen.typing.is_some() {
        typing::key(screen, context, key)
    } else {
        command.map_or_else(Vec::new, |command| act(screen, context, command, asked))
    };
    screen.settle(context);
    steps.extend(screen.keep());
    steps
}

/// `asked`: the key before was answered with a question that this one may answer.
fn act(screen: &mut MapsScreen, context: &Context, command: Command, asked: bool) -> Vec<Step> {
    match command {
        Command::Back => return back(screen, context, asked),
        keys::VOLUMES => return go(screen, context, Stage::Volumes),
        keys::ROUNDS => return go(screen, context, Stage::Rounds),
        keys::CHECK => return go(screen, context, Stage::Check),
        keys::PREVIEW => return go(screen, context, Stage::Write),
        keys::WRITE if screen.stage != Stage::Write => return go(screen, context, Stage::Write),
        keys::UNDO => {
            let undone = screen.open.as_mut().is_some_and(|draft| draft.undo(context.clock.now));
            return if undone { Vec::new() } else { info("there is nothing to take back") };
        }
        keys::EDIT => return write::edit(screen, context),
        keys::NAME if screen.stage != Stage::Rounds => return name(screen),
        _ => {}
    }
    match screen.stage {
        Stage::Sets => sets::act(screen, context, command, asked),
        Stage::Volumes => volumes::act(screen, context, command),
        Stage::Rounds => rounds::act(screen, context, command),
        Stage::Check => check::act(screen, context, command),
        Stage::Write => write::act(screen, context, command, asked),
    }
}

/// To a step. Nothing is lost by going back or forth.
pub fn go(screen: &mut MapsScreen, context: &Context, stage: Stage) -> Vec<Step> {
    let Some(draft) = &screen.open else {
        return info("open a map set first, or begin a new one: Enter on its row");
    };
    if draft.chosen().is_empty() && stage > Stage::Volumes {
        return info("the map set has no volume yet: Space takes the selected one");
    }
    screen.stage = stage;
    screen.rounds.choosing = false;
    if stage == Stage::Rounds { propose_new(screen, context) } else { Vec::new() }
}

/// Fills the cells of volumes that have none yet. What somebody chose, or emptied, stays.
fn propose_new(screen: &mut MapsScreen, context: &Context) -> Vec<Step> {
    let Some(draft) = &mut screen.open else { return Vec::new() };
    let volumes = draft.without_pairs();
    if volumes.is_empty() {
        return Vec::new();
    }
    let before = draft.set();
    let proposed = grid::propose(context.snapshot(), &before, &volumes);
    draft.take(context.clock.now, &proposed.rounds);
    let filled = proposed.pairs() - before.pairs();
    let (pairs, many) = (count(filled, "cell", "cells"), count(volumes.len(), "volume", "volumes"));
    let text = match filled {
        0 => format!("the pool has no backup volume for {many}: the lower pane says why"),
        _ => format!("{pairs} proposed for {many}, G + 1 rounds each as far as the pool goes; u takes it back"),
    };
    vec![Step::Tell(if filled == 0 { Severity::Warning } else { Severity::Info }, text)]
}

/// One step back.
fn back(screen: &mut MapsScreen, context: &Context, asked: bool) -> Vec<Step> {
    match screen.stage {
        Stage::Rounds if screen.rounds.choosing => screen.rounds.choosing = false,
        Stage::Rounds if screen.direct && screen.open.as_ref().is_none_or(|draft| !draft.is_changed()) => {
            return vec![Step::Close];
        }
        Stage::Volumes if !screen.volumes.filter.is_empty() => screen.volumes.filter.clear(),
        Stage::Write => screen.stage = Stage::Check,
        Stage::Check => screen.stage = Stage::Rounds,
        Stage::Rounds => screen.stage = Stage::Volumes,
        Stage::Volumes => {
            let row = screen.open.as_ref().map(|draft| {
                let name = draft.name().clone();
                if draft.is_changed() { SetKey::Draft(name) } else { SetKey::Stored(name) }
            });
            screen.close_draft();
            screen.stage = Stage::Sets;
            screen.settle(context);
            if let Some(row) = row {
                screen.sets.select(&row);
            }
        }
        Stage::Sets => {
            let Some(work) = screen.unsaved().filter(|_| !asked) else { return vec![Step::Close] };
            screen.asked = true;
            return vec![Step::Tell(Severity::Warning, format!("{work}; Esc again leaves"))];
        }
    }
    Vec::new()
}

/// The name of a new map set is typed.
fn name(screen: &mut MapsScreen) -> Vec<Step> {
    match &screen.open {
        Some(draft) if draft.base.is_none() => {
            screen.typing = Some(Typing::Name(Input::new(draft.name().to_string())));
            Vec::new()
        }
        Some(_) => info("a stored map set keeps its name: export it, import it under another, and remove this one"),
        None => info("open a map set first, or begin a new one: Enter on its row"),
    }
}

pub fn info(text: &str) -> Vec<Step> {
    vec![Step::Tell(Severity::Info, text.to_owned())]
}

/// Rows of a page of most panes.
pub fn page(context: &Context) -> usize {
    usize::from(context.height() / 2)
}
