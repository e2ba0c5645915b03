//! Keys on the main screen.

use super::keys;
use super::layout::Shape;
use crate::console::app::App;
use crate::console::choice::Order;
use crate::console::dialog::Dialog;
use crate::console::dialog::palette::Palette;
use crate::console::dialog::text::TextDialog;
use crate::console::keys::{Command, Key};
use crate::console::messages::Effect;
use crate::console::table::RowKey;
use crate::console::text_edit::edit;
use crate::console::types::{Pane, Subject};
use crate::console::unbound;
use crate::console::update::{ask, screens};
use crate::engine::protocol::Ask;
use crate::model::identity::VolumeId;
use crate::model::snapshot::Severity;
use tui_input::Input;

pub fn key(app: &mut App, key: Key) -> Vec<Effect> {
    if app.main.filter_input.is_some() {
        filter_key(app, key);
        return Vec::new();
    }
    app.notice = None;
    let command = app.command(key);
    if let Some(open) = by_arrow(key, command)
        && turn_set(app, open)
    {
        return Vec::new();
    }
    let Some(command) = command else {
        if let Some(why) = unbound::why(&app.keys, app.scope(), key) {
            app.tell(Severity::Info, why);
        }
        return Vec::new();
    };
    act(app, command)
}

/// An arrow that goes to another pane opens or closes a set first, where the cursor is on one.
fn by_arrow(key: Key, command: Option<Command>) -> Option<bool> {
    match (key, command?) {
        (Key::Right | Key::Char('l'), Command::NextPane) => Some(true),
        (Key::Left | Key::Char('h'), Command::PreviousPane) => Some(false),
        _ => None,
    }
}

/// Opens or closes the set under the cursor; closing one of its volumes closes the set. Whether there was anything to do.
fn turn_set(app: &mut App, open: bool) -> bool {
    if app.main.focus != Pane::Volumes {
        return false;
    }
    let Some(picture) = &app.picture else { return false };
    let row = app.main.volumes.selected;
    let set = picture.set(row).or_else(|| picture.set_above(row).filter(|_| !open));
    let Some(set) = set.filter(|set| app.main.choice.is_open(&set.name) != open) else { return false };
    let name = set.name.clone();
    if !app.main.choice.hides_nothing() {
        app.tell(Severity::Info, "the filter opens sets: Esc shows all volumes again");
        return true;
    }
    let key = set.members.first().copied();
    if open {
        app.main.choice.opened.insert(name);
    } else {
        app.main.choice.opened.remove(&name);
    }
    choose(app);
    let row = key.and_then(|key| app.picture.as_ref()?.row_of(RowKey::Set(key)));
    if let Some(row) = row {
        app.select(Pane::Volumes, row);
    }
    true
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
        Command::HalfUp => step(app, -(page(app) + 1) / 2),
        Command::HalfDown => step(app, (page(app) + 1) / 2),
        Command::Show(scope) => return screens::open(app, scope),
        Command::First => app.select(app.main.focus, 0),
        Command::Last => app.select(app.main.focus, usize::MAX),
        Command::NextPane => turn(app, 1),
        Command::PreviousPane => turn(app, -1),
        Command::Copies => app.main.go(Pane::Copies),
        Command::Pool => app.main.go(Pane::Pool),
        Command::Generations => app.main.go(Pane::Generations),
        Command::Events => app.main.go(Pane::Events),
        Command::Open => open(app),
        Command::Details => details(app),
        Command::Back => back(app),
        Command::Mark => mark(app),
        Command::MarkAll => mark_all(app),
        Command::Filter => {
            app.main.focus = Pane::Volumes;
            app.main.filter_input = Some(Input::new(app.main.choice.filter.clone()));
        }
        Command::Problems => {
            app.main.focus = Pane::Volumes;
            app.main.choice.problems = !app.main.choice.problems;
            choose(app);
        }
        Command::Order => {
            let next = app.main.choice.order.next();
            order(app, next);
        }
        keys::ALL => {
            app.main.all = !app.main.all;
            let text = match (app.main.all, app.selected_name()) {
                (false, Some(name)) => format!("copies, pool and events of {name}"),
                _ if app.main.choice.hides_nothing() => "copies, pool and events of all volumes".to_owned(),
                _ => "copies, pool and events of the volumes in the table".to_owned(),
            };
            app.tell(Severity::Info, text);
        }
        keys::OPEN_SET | keys::CLOSE_SET if turn_set(app, command == keys::OPEN_SET) => {}
        keys::OPEN_SET | keys::CLOSE_SET => {
            app.tell(Severity::Info, "the selected row is no set that this could open or close");
        }
        keys::NEXT_PROBLEM => problem(app, true),
        keys::PREVIOUS_PROBLEM => problem(app, false),
        keys::BY_NAME => order(app, Order::Name),
        keys::BY_TROUBLE => order(app, Order::Trouble),
        keys::BY_READY => order(app, Order::Ready),
        _ => {}
    }
    Vec::new()
}

/// Sorts the volumes, and says how.
fn order(app: &mut App, order: Order) {
    app.main.choice.order = order;
    choose(app);
    app.tell(Severity::Info, format!("volumes sorted {}", order.word()));
}

/// To the next row that needs attention.
fn problem(app: &mut App, forwards: bool) {
    let found = app.picture.as_ref().and_then(|picture| app.main.next_problem(picture, forwards));
    match found {
        Some(row) => {
            app.main.focus = Pane::Volumes;
            app.select(Pane::Volumes, row);
        }
        None => app.tell(Severity::Info, "no volume in the table needs attention"),
    }
}

/// What works in dialogs and without a site as well.
pub fn program(app: &mut App, command: Command) -> Option<Vec<Effect>> {
    match command {
        Command::Quit => Some(vec![Effect::Quit]),
        Command::ToShell => Some(vec![Effect::ToShell]),
        Command::Redraw => Some(vec![Effect::Redraw]),
        Command::Reread => {
            app.tell(Severity::Info, "all arrays are read again");
            let ticket = app.ticket();
            Some(vec![Effect::Ask { ticket, ask: Ask::Reread }])
        }
        Command::Palette => {
            app.dialogs.push(Dialog::Palette(Palette::new(app.scope(), app.lines.clone())));
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
    let row = app.main.selected(app.main.focus).saturating_add_signed(by);
    app.select(app.main.focus, row);
}

fn page(app: &App) -> isize {
    let layout = app.layout();
    let rows = match (app.main.focus, &app.picture) {
        (Pane::Pool, Some(picture)) => layout.pool_rows(picture.sizes.len()),
        (pane, _) => layout.rows(pane),
    };
    isize::try_from(rows.saturating_sub(1).max(1)).unwrap_or(1)
}

/// To the next pane that is on the screen; on a narrow one the table and its detail pane take turns.
fn turn(app: &mut App, by: isize) {
    if app.layout().shape == Shape::Narrow {
        let other = if app.main.focus == Pane::Volumes { app.main.detail } else { Pane::Volumes };
        app.main.go(other);
        return;
    }
    let all = Pane::ALL;
    let at = all.iter().position(|pane| *pane == app.main.focus).unwrap_or(0);
    let next = (at + all.len()).saturating_add_signed(by) % all.len();
    app.main.go(all[next]);
}

/// Opens the selected row. It shows; it never does anything.
fn open(app: &mut App) {
    if app.main.focus == Pane::Events {
        open_event(app);
        return;
    }
    if app.main.focus == Pane::Volumes
        && let Some(set) = app.selected_set()
    {
        let open = !app.main.choice.is_open(&set.name);
        turn_set(app, open);
        return;
    }
    let troubled = match app.subject() {
        Some(Subject::Volume(id)) => {
            app.snapshot().and_then(|snapshot| snapshot.transaction_volume(id)).filter(|view| view.is_troubled())
        }
        _ => None,
    };
    match troubled.map(|view| view.volume.id) {
        Some(volume) => app.dialogs.push(Dialog::WayOut { volume, scroll: 0 }),
        None => details(app),
    }
}

/// To the volume that the event is about; an event about none is shown in full.
fn open_event(app: &mut App) {
    let Some(picture) = &app.picture else { return };
    let Some(event) = app.main.event(picture, app.main.events.selected) else { return };
    if let Some(id) = event.volume
        && picture.snapshot.transaction_volume(id).is_some()
    {
        screens::select(app, id);
        return;
    }
    let title = format!("Event {}, {}", event.sequence, app.clock.moment(event.at));
    let dialog = TextDialog { title, text: event.text.clone(), severity: event.severity, scroll: 0 };
    app.dialogs.push(Dialog::Text(dialog));
}

fn details(app: &mut App) {
    if let Some(subject) = app.subject() {
        app.dialogs.push(Dialog::Details { subject, scroll: 0 });
    }
}

/// Out of the innermost thing: the pane, the marks, the filter, in this order.
fn back(app: &mut App) {
    if app.main.focus != Pane::Volumes {
        app.main.focus = Pane::Volumes;
    } else if !app.main.marks.is_empty() {
        app.main.marks.clear();
    } else if !app.main.choice.filter.is_empty() || app.main.choice.problems {
        app.main.choice.filter.clear();
        app.main.choice.problems = false;
        choose(app);
    }
}

fn mark(app: &mut App) {
    app.main.focus = Pane::Volumes;
    let row = app.main.volumes.selected;
    // A set's mark is that of all of its volumes that the table shows.
    let ids = app.picture.as_ref().map_or_else(Vec::new, |picture| picture.volumes_of_row(row));
    toggle(app, ids);
    step(app, 1);
}

/// Marks all that the filter shows; if they are marked already, none.
fn mark_all(app: &mut App) {
    app.main.focus = Pane::Volumes;
    let Some(picture) = &app.picture else { return };
    let shown: Vec<_> = picture.shown_volumes().map(|view| view.volume.id).collect();
    toggle(app, shown);
}

/// Marks volumes; if all of them are marked already, none.
fn toggle(app: &mut App, ids: Vec<VolumeId>) {
    if ids.iter().all(|id| app.main.marks.contains(id)) {
        for id in &ids {
            app.main.marks.remove(id);
        }
    } else {
        app.main.marks.extend(ids);
    }
}

/// After filter or order changed.
pub fn choose(app: &mut App) {
    if let Some(picture) = &mut app.picture {
        picture.choose(&app.main.choice);
    }
}

/// Keys while the filter is typed: the table follows at once.
pub fn filter_key(app: &mut App, key: Key) {
    let Some(input) = &mut app.main.filter_input else { return };
    match key {
        Key::Enter | Key::Tab => app.main.filter_input = None,
        Key::Esc | Key::Ctrl('c') => {
            app.main.filter_input = None;
            app.main.choice.filter.clear();
            choose(app);
        }
        Key::Up | Key::Down => {
            let row = app.main.volumes.selected.saturating_add_signed(if key == Key::Up { -1 } else { 1 });
            app.select(Pane::Volumes, row);
        }
        key => {
            if edit(input, key) {
                app.main.choice.filter = input.value().to_ascii_lowercase();
                choose(app);
            }
        }
    }
}
