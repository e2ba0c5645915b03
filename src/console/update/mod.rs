//! Changing the state: one message in, effects out. No I/O, no clock, no drawing.

mod answers;
pub mod ask;
mod dialogs;
pub mod gate;
pub mod screens;

use super::app::App;
use super::dialog::Dialog;
use super::keys::{Command, Key};
use super::messages::{Effect, Msg};
use super::picture::{FirstPicture, Picture};
use super::requests;
use super::screens::main::layout::is_too_small;
use super::screens::main::update as main_screen;
use super::text_edit::MAX_LENGTH;
use super::theme::Theme;
use super::types::{Link, Notice};
use crate::model::records::OperationEnd;
use crate::model::snapshot::{Severity, Snapshot};
use crate::model::untrusted::is_unsafe;
use std::sync::Arc;

/// Takes a message; gives what is to be done about it outside.
pub fn update(app: &mut App, msg: Msg) -> Vec<Effect> {
    let effects = match msg {
        Msg::Key(key) => press(app, key, false),
        Msg::LoneKey(key) => press(app, key, true),
        Msg::Swallowed(why) => {
            app.tell(Severity::Warning, why);
            Vec::new()
        }
        Msg::Rested(number) => {
            gate::rested(app, number);
            return Vec::new();
        }
        Msg::Paste(text) => paste(app, &text),
        Msg::Resize(width, height) => {
            app.size = (width, height);
            vec![Effect::Redraw]
        }
        Msg::Snapshot(snapshot) => take(app, snapshot),
        Msg::FirstRows(first) => {
            if app.picture.is_none() {
                app.first = Some(Box::new(FirstPicture::new(&first)));
            }
            Vec::new()
        }
        Msg::Link(link) => relink(app, link),
        Msg::Answer { ticket, answer } if app.away.take(ticket, Some(&answer)) => Vec::new(),
        Msg::Unanswered { ticket, .. } if app.away.take(ticket, None) => Vec::new(),
        Msg::Answer { ticket, answer } => match screens::answer(app, ticket, Ok(&answer)) {
            Some(effects) => effects,
            None => answers::take(app, ticket, *answer),
        },
        Msg::Unanswered { ticket, why } => screens::answer(app, ticket, Err(&why)).unwrap_or_else(|| {
            answers::none(app, ticket, &why);
            Vec::new()
        }),
        Msg::Slow { ticket } => {
            answers::slow(app, ticket);
            Vec::new()
        }
        Msg::Background { light } => {
            let name = app.settings.theme.on(light);
            app.settings.theme = name;
            app.look.theme = Theme::of(name);
            Vec::new()
        }
        Msg::Drafts { scope, texts, faults } => {
            screens::tell(app, scope, |screen, context| screen.drafts(context, &texts, &faults))
        }
        Msg::Edited { scope, text } => {
            let text = text.as_deref().map_err(String::as_str);
            screens::tell(app, scope, |screen, context| screen.edited(context, text))
        }
        Msg::NotKept(why) => {
            app.tell(Severity::Warning, why);
            Vec::new()
        }
        Msg::NoShell => {
            app.tell(Severity::Warning, "there is no shell to go back to; q leaves");
            Vec::new()
        }
        Msg::Drawn => {
            dialogs::arm(app);
            gate::drawn(app);
            see(app);
            return Vec::new();
        }
        Msg::Minute(now) => {
            // Beside data that may be old, a running clock would say that they are not.
            if !app.is_stale() {
                app.clock.now = now;
            }
            Vec::new()
        }
    };
    app.settle();
    effects
}

/// A key. One that Alt came with and that means nothing with it is Esc and then the key.
fn press(app: &mut App, key: Key, alone: bool) -> Vec<Effect> {
    if let Key::Alt(c) = key
        && app.command(key).is_none()
    {
        let mut effects = press(app, Key::Esc, false);
        app.settle();
        effects.extend(press(app, Key::Char(c), false));
        return effects;
    }
    if is_too_small(app.size) {
        return unseen(app, key);
    }
    app.came_alone = alone;
    let effects = match (app.dialogs.is_empty(), app.screens.is_empty()) {
        (false, _) => dialogs::key(app, key),
        (true, false) => screens::key(app, key),
        (true, true) => main_screen::key(app, key),
    };
    app.came_alone = false;
    effects
}

/// Keys while the screen shows nothing but that it is too small: out and away only.
fn unseen(app: &mut App, key: Key) -> Vec<Effect> {
    match (key, app.command(key)) {
        (Key::Ctrl('c'), _) => vec![Effect::Quit],
        (Key::Esc, _) => {
            app.dialogs.pop();
            ask::again(app)
        }
        (_, Some(Command::Quit)) if app.dialogs.is_empty() && app.main.filter_input.is_none() => vec![Effect::Quit],
        (_, Some(Command::ToShell)) => vec![Effect::ToShell],
        (_, Some(Command::Redraw)) => vec![Effect::Redraw],
        _ => Vec::new(),
    }
}

/// A new snapshot: the picture, the ends of what was started here, and open dialogs follow it.
fn take(app: &mut App, snapshot: Arc<Snapshot>) -> Vec<Effect> {
    app.link = Link::Live;
    app.first = None;
    match &mut app.picture {
        Some(picture) => picture.advance(snapshot, &app.main.choice),
        none => *none = Some(Picture::new(snapshot, &app.main.choice)),
    }
    if let Some(picture) = &app.picture {
        let snapshot = &picture.snapshot;
        app.main.marks.retain(|id| snapshot.transaction_volume(*id).is_some());
        for dialog in &mut app.dialogs {
            if let Dialog::Restore(form) = dialog {
                form.refresh(snapshot);
            }
        }
    }
    tell_ends(app);
    app.settle();
    if let Some(picture) = &app.picture {
        app.main.note_rate(picture);
    }
    let mut effects = ask::again(app);
    let ticket = app.ticket();
    effects.extend(app.away.ask(ticket));
    effects
}

/// A report that has reached the terminal was shown.
fn see(app: &mut App) {
    let shown = app.screens.last().filter(|_| app.dialogs.is_empty()).and_then(|screen| screen.reported_since());
    if let Some(since) = shown {
        app.away.shown(since);
    }
}

/// Says how operations ended that were started from this console.
fn tell_ends(app: &mut App) {
    let Some(picture) = &app.picture else { return };
    let snapshot = Arc::clone(&picture.snapshot);
    let mut watching = std::mem::take(&mut app.watching);
    watching.retain(|id| {
        let Some(operation) = snapshot.operations.iter().find(|operation| operation.id == *id) else { return true };
        let Some((_, end)) = &operation.end else { return true };
        // A map set has many volumes; the one that stands for them in the journal says nothing to anybody.
        let what = if requests::is_about_a_map_set(operation.verb) {
            operation.verb.to_string()
        } else {
            format!("{} of {}", operation.verb, snapshot.label(operation.volume))
        };
        app.notice = Some(match end {
            OperationEnd::Done => Notice { severity: Severity::Good, text: format!("{what}: done") },
            OperationEnd::NotDone { code, why } => {
                Notice { severity: Severity::Problem, text: format!("{what}: not done, {why} ({code})") }
            }
            OperationEnd::Failed { code, why } => {
                Notice { severity: Severity::Problem, text: format!("{what}: failed, {why} ({code})") }
            }
            OperationEnd::OutcomeUnknown { why } => {
                Notice { severity: Severity::Problem, text: format!("{what}: outcome unknown, {why}") }
            }
        });
        false
    });
    app.watching = watching;
}

fn relink(app: &mut App, link: Link) -> Vec<Effect> {
    let back = link == Link::Live && app.link != Link::Live;
    let was_lost = !matches!(app.link, Link::Silent { .. });
    // The time of the loss is that of its first report.
    let still_lost = matches!((&app.link, &link), (Link::Lost { .. }, Link::Lost { .. }));
    if still_lost && let (Link::Lost { why, .. }, Link::Lost { why: news, .. }) = (&mut app.link, &link) {
        why.clone_from(news);
    } else {
        app.link = link;
    }
    if app.is_stale()
        && let Some(at) = app.snapshot().map(|snapshot| snapshot.taken_at)
    {
        app.clock.now = app.clock.now.min(at);
    }
    if back {
        // Answers to what was asked before the loss will not come; an engine that was only silent still gives them.
        if was_lost {
            ask::forget(app, "the line to the engine was lost");
        }
        return ask::again(app);
    }
    if matches!(app.link, Link::Lost { .. }) {
        ask::forget(app, "the line to the engine was lost");
    }
    Vec::new()
}

/// A paste goes where text is typed; anywhere else it is no command.
fn paste(app: &mut App, text: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for c in text.chars().filter(|c| !is_unsafe(*c)).take(MAX_LENGTH) {
        let typing = match app.dialogs.last() {
            Some(Dialog::Plan(plan)) => plan.typing,
            Some(Dialog::Prompt(_) | Dialog::Palette(_)) => true,
            Some(Dialog::Policy(policy)) => policy.form.is_typing(),
            Some(Dialog::Restore(restore)) => restore.form.is_typing(),
            Some(_) => false,
            None => match app.screens.last() {
                Some(screen) => screen.is_typing(),
                None => app.main.filter_input.is_some(),
            },
        };
        if !typing {
            break;
        }
        effects.extend(press(app, Key::Char(c), false));
    }
    effects
}
