//! Keys in dialogs. The top one has them all.

use super::{ask, gate, screens};
use crate::console::app::App;
use crate::console::command_line;
use crate::console::dialog::Dialog;
use crate::console::dialog::plan::{Note, PlanDialog, Stage};
use crate::console::form::FormEvent;
use crate::console::keys::{Command, Key, Scope};
use crate::console::messages::Effect;
use crate::console::requests;
use crate::console::screens::main::update as main_screen;
use crate::console::text_edit::edit;
use crate::console::types::Subject;
use crate::console::view::dialog::extent;
use crate::model::snapshot::Severity;
use crate::model::untrusted::Untrusted;

/// The dialogs that are open have reached the terminal: keys answer to what is seen.
pub fn arm(app: &mut App) {
    match app.dialogs.last_mut() {
        Some(Dialog::Plan(plan)) => {
            plan.armed = plan.answer().is_some();
            plan.name_drawn = plan.typing.then(|| plan.name.value().to_owned());
        }
        Some(Dialog::Prompt(prompt)) => prompt.armed = true,
        Some(Dialog::Policy(form)) => form.armed = true,
        Some(Dialog::Restore(form)) => form.armed = true,
        Some(Dialog::Palette(palette)) => palette.armed = true,
        _ => {}
    }
}

/// Dialogs know the keys of the main screen: a verb's key acts on what a dialog is about.
pub fn key(app: &mut App, key: Key) -> Vec<Effect> {
    let command = app.keys.command(Scope::Main, key);
    match app.dialogs.last_mut() {
        Some(Dialog::Plan(plan)) if plan.typing => return name_key(app, key),
        Some(Dialog::Prompt(_)) => return prompt_key(app, key),
        Some(Dialog::Policy(_)) => return policy_key(app, key),
        Some(Dialog::Restore(_)) => return restore_key(app, key),
        Some(Dialog::Palette(_)) => return palette_key(app, key),
        _ => {}
    }
    if key == Key::Ctrl('c') {
        return vec![Effect::Quit];
    }
    match command {
        Some(Command::Back | Command::Quit) => {
            app.dialogs.pop();
            return ask::again(app);
        }
        Some(Command::ToShell) => return vec![Effect::ToShell],
        Some(Command::Redraw) => return vec![Effect::Redraw],
        Some(Command::Up) => return scroll(app, |at, _| at.saturating_sub(1)),
        Some(Command::Down) => return scroll(app, |at, _| at + 1),
        Some(Command::PageUp) => return scroll(app, usize::saturating_sub),
        Some(Command::PageDown) => return scroll(app, |at, rows| at + rows),
        Some(Command::HalfUp) => return scroll(app, |at, rows| at.saturating_sub(rows.div_ceil(2))),
        Some(Command::HalfDown) => return scroll(app, |at, rows| at + rows.div_ceil(2)),
        Some(Command::First) => return scroll(app, |_, _| 0),
        Some(Command::Last) => return scroll(app, |_, _| usize::MAX),
        _ => {}
    }
    match app.dialogs.last() {
        Some(Dialog::Plan(_)) => plan_key(app, key, command),
        Some(Dialog::Refused(_)) => remedy_key(app, key),
        Some(Dialog::WayOut { volume, .. }) => way_out_key(app, Subject::Volume(*volume), command),
        Some(Dialog::Details { subject, .. }) => way_out_key(app, *subject, command),
        _ => {
            if command == Some(Command::Help) || key == Key::Enter {
                app.dialogs.pop();
            }
            Vec::new()
        }
    }
}

fn scroll(app: &mut App, to: impl Fn(usize, usize) -> usize) -> Vec<Effect> {
    let Some(top) = app.dialogs.last() else { return Vec::new() };
    let (most, rows) = extent(app, top);
    if let Some(at) = app.dialogs.last_mut().and_then(Dialog::scroll_mut) {
        *at = to((*at).min(most), rows).min(most);
    }
    Vec::new()
}

/// Cancel has the focus; only the agreeing key agrees, and only to what has been seen.
fn plan_key(app: &mut App, key: Key, command: Option<Command>) -> Vec<Effect> {
    let Some(Dialog::Plan(plan)) = app.dialogs.last_mut() else { return Vec::new() };
    if key == Key::Enter && plan.armed && !matches!(plan.stage, Stage::Running(_)) {
        app.dialogs.pop();
        return ask::again(app);
    }
    if command == Some(Command::Details) {
        // Other lines than those that were seen: the gate shuts until they have been.
        plan.detail = plan.detail.other();
        return Vec::new();
    }
    let agrees = command == Some(Command::Agree);
    let wants_name = plan.answer().is_some_and(|answer| answer.plan.confirmation().is_some());
    if !plan.armed || !matches!(plan.stage, Stage::Shown(_)) || !(agrees || wants_name && key == Key::Tab) {
        return Vec::new();
    }
    if !wants_name {
        return gate::agree(app, None);
    }
    match gate::allows(app) {
        Ok(()) => {
            if let Some(Dialog::Plan(plan)) = app.dialogs.last_mut() {
                plan.typing = true;
            }
        }
        Err(why) => app.tell(Severity::Warning, why),
    }
    Vec::new()
}

/// Keys while the name is typed that a plan which destroys wants.
fn name_key(app: &mut App, key: Key) -> Vec<Effect> {
    let Some(Dialog::Plan(plan)) = app.dialogs.last_mut() else { return Vec::new() };
    match key {
        Key::Ctrl('c') => vec![Effect::Quit],
        Key::Esc | Key::Tab | Key::BackTab => {
            plan.typing = false;
            Vec::new()
        }
        Key::Enter if plan.armed => {
            if plan.name_drawn.as_deref() != Some(plan.name.value()) {
                // The name as it is has not been seen.
                Vec::new()
            } else if let Some(name) = typed_name(plan) {
                gate::agree(app, Some(name))
            } else {
                plan.note = Some(Note::WrongName);
                gate::refused_by_name(app)
            }
        }
        key => {
            if plan.armed && edit(&mut plan.name, key) && plan.note == Some(Note::WrongName) {
                plan.note = None;
            }
            Vec::new()
        }
    }
}

/// The name, if it is exactly the one that the plan wants.
fn typed_name(plan: &PlanDialog) -> Option<String> {
    let wanted = &plan.answer()?.plan.confirmation()?.name;
    (plan.name.value() == wanted).then(|| wanted.clone())
}

fn prompt_key(app: &mut App, key: Key) -> Vec<Effect> {
    let Some(Dialog::Prompt(prompt)) = app.dialogs.last_mut() else { return Vec::new() };
    match key {
        Key::Ctrl('c') => return vec![Effect::Quit],
        Key::Esc => {
            app.dialogs.pop();
        }
        Key::Enter => {
            let request = requests::with_reason(prompt.verb, prompt.subject, prompt.input.value().trim());
            if let Some(request) = request.filter(|_| !prompt.input.value().trim().is_empty()) {
                app.dialogs.pop();
                return ask::propose(app, request);
            }
        }
        key => {
            if prompt.armed {
                edit(&mut prompt.input, key);
            }
        }
    }
    Vec::new()
}

/// Keys in the palette. What is chosen acts as its own key would on the main screen.
fn palette_key(app: &mut App, key: Key) -> Vec<Effect> {
    let Some(Dialog::Palette(palette)) = app.dialogs.last_mut() else { return Vec::new() };
    match key {
        Key::Ctrl('c') => return vec![Effect::Quit],
        Key::Esc => {
            app.dialogs.pop();
        }
        Key::Enter if palette.armed => {
            let line = palette.input.value().trim().to_owned();
            let command = palette.chosen();
            if !line.is_empty() {
                app.remember(&line);
            }
            let selected = app.subject();
            let selected = selected.and_then(|subject| {
                let generation = requests::generation(subject);
                generation
                    .map(|(volume, version)| (volume, Some(version)))
                    .or(subject.owner().map(|owner| (owner, None)))
            });
            let read = app.grammar.request;
            let asked = app.snapshot().and_then(|snapshot| read(snapshot, selected, &line));
            match asked {
                Some(Ok(request)) => {
                    app.dialogs.pop();
                    return ask::propose(app, request);
                }
                Some(Err(why)) => {
                    app.tell(Severity::Warning, why);
                    return Vec::new();
                }
                None => {}
            }
            if let Some(name) = preview_of(&line) {
                let volume = app.snapshot().and_then(|snapshot| snapshot.find(name));
                let Some(volume) = volume else {
                    app.tell(Severity::Warning, format!("no volume is called {}", Untrusted::new(name).escaped()));
                    return Vec::new();
                };
                app.dialogs.pop();
                return screens::open_nights(app, volume);
            }
            if let Some(command) = command {
                app.dialogs.pop();
                return if app.screens.is_empty() {
                    main_screen::act(app, command)
                } else if let Some(effects) = main_screen::program(app, command) {
                    effects
                } else {
                    screens::act(app, command)
                };
            }
        }
        Key::Up if palette.input.value().is_empty() && palette.selected == 0 => palette.recall(true),
        Key::Ctrl('p') => palette.recall(true),
        Key::Ctrl('n') => palette.recall(false),
        Key::Tab => {
            let (names, line) = (palette.names(), palette.input.value().to_owned());
            let grammar = app.grammar;
            let done = app.snapshot().and_then(|snapshot| command_line::complete(grammar, snapshot, &names, &line));
            if let (Some(Dialog::Palette(palette)), Some(line)) = (app.dialogs.last_mut(), done) {
                palette.set(line);
            }
        }
        Key::Up | Key::BackTab => palette.turn(-1),
        Key::Down => palette.turn(1),
        key => {
            if palette.armed && edit(&mut palette.input, key) {
                palette.selected = 0;
            }
        }
    }
    Vec::new()
}

/// The volume that a line names whose nights to come are wanted.
fn preview_of(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("policy preview ").or_else(|| line.strip_prefix("preview "))?;
    Some(rest.trim()).filter(|name| !name.is_empty())
}

/// Keys in the policy form. What it says is planned like any other request before it counts.
fn policy_key(app: &mut App, key: Key) -> Vec<Effect> {
    let command = app.keys.command(Scope::Main, key);
    let Some(Dialog::Policy(policy)) = app.dialogs.last_mut() else { return Vec::new() };
    if key == Key::Ctrl('c') {
        return vec![Effect::Quit];
    }
    if !policy.armed && key != Key::Esc {
        return Vec::new();
    }
    match policy.form.key(key) {
        FormEvent::Submitted => {
            let request = policy.request();
            app.dialogs.pop();
            return ask::propose(app, request);
        }
        FormEvent::Cancelled => drop(app.dialogs.pop()),
        FormEvent::Ignored if command == Some(Command::Quit) => drop(app.dialogs.pop()),
        _ => {}
    }
    Vec::new()
}

/// Keys in the restore form. It stays below its plan: Esc there comes back to what was filled in.
fn restore_key(app: &mut App, key: Key) -> Vec<Effect> {
    let command = app.keys.command(Scope::Main, key);
    let snapshot = app.picture.as_ref().map(|picture| std::sync::Arc::clone(&picture.snapshot));
    let clock = app.clock.clone();
    let Some(Dialog::Restore(restore)) = app.dialogs.last_mut() else { return Vec::new() };
    if key == Key::Ctrl('c') {
        return vec![Effect::Quit];
    }
    if !restore.armed && key != Key::Esc {
        return Vec::new();
    }
    match restore.key(snapshot.as_deref(), &clock, key) {
        FormEvent::Submitted => match restore.request() {
            Some(Ok(request)) => return ask::propose(app, request),
            Some(Err(why)) => app.tell(Severity::Warning, why),
            None => {}
        },
        FormEvent::Cancelled => drop(app.dialogs.pop()),
        FormEvent::Ignored if command == Some(Command::Quit) => drop(app.dialogs.pop()),
        _ => {}
    }
    Vec::new()
}

/// A number takes a remedy: a request of its own, planned and shown like any other.
fn remedy_key(app: &mut App, key: Key) -> Vec<Effect> {
    let Some(Dialog::Refused(refused)) = app.dialogs.last() else { return Vec::new() };
    if key == Key::Enter {
        app.dialogs.pop();
        return ask::again(app);
    }
    let Key::Char(digit @ '1'..='9') = key else { return Vec::new() };
    let index = digit as usize - '1' as usize;
    match refused.refusal.remedies.get(index) {
        Some(remedy) => {
            let request = remedy.request.clone();
            ask::propose(app, request)
        }
        None => Vec::new(),
    }
}

/// The verbs' keys act on the dialog's subject.
fn way_out_key(app: &mut App, subject: Subject, command: Option<Command>) -> Vec<Effect> {
    match command {
        Some(Command::Open) => {
            app.dialogs.pop();
            Vec::new()
        }
        Some(Command::Details) => {
            if matches!(app.dialogs.last(), Some(Dialog::WayOut { .. })) {
                app.dialogs.push(Dialog::Details { subject, scroll: 0 });
            }
            Vec::new()
        }
        Some(Command::Help) => main_screen::program(app, Command::Help).unwrap_or_default(),
        Some(Command::Verb(verb)) => ask::verb_on(app, verb, subject),
        _ => Vec::new(),
    }
}
