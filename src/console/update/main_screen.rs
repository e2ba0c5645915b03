//! Keys on the main screen.

use super::super::app::{App, Effect, Pane};
use super::super::dialog::Dialog;
use super::super::dialog::palette::Palette;
use super::super::dialog::text::TextDialog;
use super::super::judge::{self, Subject};
use super::super::keys::{Command, Key};
use super::super::picture::is_trouble;
use super::super::view::layout::Shape;
use super::{ask, go, tell, typing};
use crate::model::snapshot::Severity;
use tui_input::Input;

pub fn key(app: &mut App, key: Key) -> Vec<Effect> {
    if app.filter_input.is_some() {
        typing::filter_key(app, key);
        return Vec::new();
    }
    app.notice = None;
    app.keys.command(key).map_or_else(Vec::new, |command| act(app, command))
}

/// A command of the key table, whatever it was called by.
pub fn act(app: &mut App, command: Command) -> Vec<Effect> {
    if let Some(effects) = program(app, command) {
        return effects;
    }
    if app.picture.is_none() {
        return Vec::new();
    }
    match command {
        Command::Verb(verb) => return ask::verb(app, verb),
        Command::Up => step(app, -1),
        Command::Down => step(app, 1),
        Command::PageUp => step(app, -page(app)),
        Command::PageDown => step(app, page(app)),
        Command::First => app.select(app.focus, 0),
        Command::Last => app.select(app.focus, usize::MAX),
        Command::NextPane => turn(app, 1),
        Command::PreviousPane => turn(app, -1),
        Command::Copies => go(app, Pane::Copies),
        Command::Pool => go(app, Pane::Pool),
        Command::Generations => go(app, Pane::Generations),
        Command::Events => go(app, Pane::Events),
        Command::Open => open(app),
        Command::Details => details(app),
        Command::Back => back(app),
        Command::Mark => mark(app),
        Command::MarkAll => mark_all(app),
        Command::Filter => {
            app.focus = Pane::Volumes;
            app.filter_input = Some(Input::new(app.choice.filter.clone()));
        }
        Command::Problems => {
            app.focus = Pane::Volumes;
            app.choice.problems = !app.choice.problems;
            choose(app);
        }
        Command::Order => {
            app.choice.order = app.choice.order.next();
            choose(app);
            let text = format!("volumes sorted {}", app.choice.order.word());
            tell(app, Severity::Info, text);
        }
        _ => {}
    }
    Vec::new()
}

/// What works in dialogs and without a site as well.
pub fn program(app: &mut App, command: Command) -> Option<Vec<Effect>> {
    match command {
        Command::Quit => Some(vec![Effect::Quit]),
        Command::ToShell => Some(vec![Effect::ToShell]),
        Command::Redraw => Some(vec![Effect::Redraw]),
        Command::Palette => {
            app.dialogs.push(Dialog::Palette(Palette::default()));
            Some(Vec::new())
        }
        Command::Help => {
            app.dialogs.push(Dialog::Help { scroll: 0 });
            Some(Vec::new())
        }
        _ => None,
    }
}

fn step(app: &mut App, by: isize) {
    let row = app.selected(app.focus).saturating_add_signed(by);
    app.select(app.focus, row);
}

fn page(app: &App) -> isize {
    let layout = app.layout();
    let rows = match (app.focus, &app.picture) {
        (Pane::Pool, Some(picture)) => layout.pool_rows(picture.sizes.len()),
        (pane, _) => layout.rows(pane),
    };
    isize::try_from(rows.saturating_sub(1).max(1)).unwrap_or(1)
}

/// To the next pane that is on the screen; on a narrow one the table and its detail pane take turns.
fn turn(app: &mut App, by: isize) {
    if app.layout().shape == Shape::Narrow {
        let other = if app.focus == Pane::Volumes { app.detail } else { Pane::Volumes };
        go(app, other);
        return;
    }
    let all = Pane::ALL;
    let at = all.iter().position(|pane| *pane == app.focus).unwrap_or(0);
    let next = (at + all.len()).saturating_add_signed(by) % all.len();
    go(app, all[next]);
}

/// Opens the selected row. It shows; it never does anything.
fn open(app: &mut App) {
    if app.focus == Pane::Events {
        open_event(app);
        return;
    }
    let troubled = match judge::subject(app) {
        Some(Subject::Volume(id)) => {
            app.snapshot().and_then(|snapshot| snapshot.transaction_volume(id)).filter(|view| is_trouble(view.state))
        }
        _ => None,
    };
    match troubled.map(|view| view.volume.id) {
        Some(volume) => app.dialogs.push(Dialog::WayOut { volume, scroll: 0 }),
        None => details(app),
    }
}

fn open_event(app: &mut App) {
    let Some(snapshot) = app.snapshot() else { return };
    let Some(at) = snapshot.events.len().checked_sub(app.events.selected + 1) else { return };
    let event = &snapshot.events[at];
    let title = format!("Event {}, {}", event.sequence, app.clock.moment(event.at));
    let dialog = TextDialog { title, text: event.text.clone(), severity: event.severity, scroll: 0 };
    app.dialogs.push(Dialog::Text(dialog));
}

fn details(app: &mut App) {
    if let Some(subject) = judge::subject(app) {
        app.dialogs.push(Dialog::Details { subject, scroll: 0 });
    }
}

/// Out of the innermost thing: the pane, the marks, the filter, in this order.
fn back(app: &mut App) {
    if app.focus != Pane::Volumes {
        app.focus = Pane::Volumes;
    } else if !app.marks.is_empty() {
        app.marks.clear();
    } else if !app.choice.filter.is_empty() || app.choice.problems {
        app.choice.filter.clear();
        app.choice.problems = false;
        choose(app);
    }
}

fn mark(app: &mut App) {
    app.focus = Pane::Volumes;
    let Some(id) = app.selected_volume().map(|view| view.volume.id) else { return };
    if !app.marks.remove(&id) {
        app.marks.insert(id);
    }
    step(app, 1);
}

/// Marks all that the filter shows; if they are marked already, none.
fn mark_all(app: &mut App) {
    app.focus = Pane::Volumes;
    let Some(picture) = &app.picture else { return };
    let rows = 0..picture.volumes.len();
    let shown: Vec<_> = rows.filter_map(|row| picture.volume(row)).map(|view| view.volume.id).collect();
    if shown.iter().all(|id| app.marks.contains(id)) {
        for id in &shown {
            app.marks.remove(id);
        }
    } else {
        app.marks.extend(shown);
    }
}

/// After filter or order changed.
pub fn choose(app: &mut App) {
    if let Some(picture) = &mut app.picture {
        picture.choose(&app.choice);
    }
}
