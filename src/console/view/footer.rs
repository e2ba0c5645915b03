//! The last lines: the keys that act now, dim where the rules refuse, and why; or what is being typed.

use super::canvas::Canvas;
use super::dialog_text;
use crate::console::app::App;
use crate::console::key_table::entries_of;
use crate::console::keys::Command;
use crate::console::types::{Pane, Subject};
use crate::model::plan::state_of_set;
use crate::model::snapshot::TransactionState;
use crate::model::verb::Verb;
use ratatui::layout::{Position, Rect};
use unicode_width::UnicodeWidthStr;

pub fn draw(app: &App, canvas: &mut Canvas, area: Rect) -> Option<Position> {
    let typing = if let Some(input) = &app.main.filter_input {
        Some(filter(app, input, canvas, area))
    } else {
        keys(app, canvas, area);
        None
    };
    if area.height > 1 {
        hint(app, canvas, Rect { y: area.y + 1, height: 1, ..area });
    }
    typing
}

/// What a key is called here, and whether it would do something.
fn keys(app: &App, canvas: &mut Canvas, area: Rect) {
    let theme = canvas.look.theme;
    let mut shown: Vec<(String, &str, u8, bool)> = entries_of(app.scope())
        .filter(|entry| !entry.label.is_empty())
        // From the main screen there is no way back; from every other one it is said.
        .filter(|entry| entry.command != Command::Back || !app.screens.is_empty())
        .filter(|entry| app.screens.last().is_none_or(|screen| screen.uses(entry.command)))
        .map(|entry| {
            (app.keys.key(entry.command), entry.label, entry.rank, app.main.availability.allows(entry.command))
        })
        .collect();
    let width = |(key, label, ..): &(String, &str, u8, bool)| (key.width() + 1 + label.width() + 2) as u16;
    while shown.iter().map(width).sum::<u16>() > area.width {
        let Some(last) = (0..shown.len()).max_by_key(|&index| shown[index].2) else { break };
        shown.remove(last);
    }
    let mut x = area.x + 1;
    for (key, label, _, allowed) in &shown {
        let (key_style, label_style) = if *allowed { (theme.key, theme.label) } else { (theme.key_off, theme.key_off) };
        x += canvas.text(x, area.y, area.right().saturating_sub(x), key, key_style) + 1;
        x += canvas.text(x, area.y, area.right().saturating_sub(x), label, label_style) + 2;
    }
}

fn filter(app: &App, input: &tui_input::Input, canvas: &mut Canvas, area: Rect) -> Position {
    let theme = canvas.look.theme;
    let mut x = area.x + 1;
    x += canvas.text(x, area.y, 1, "/", theme.key);
    canvas.text(x, area.y, area.width / 2, input.value(), theme.text);
    let cursor = x + (input.visual_cursor() as u16).min(area.width / 2);
    let shown = app.picture.as_ref().map_or(0, |picture| picture.volumes.len());
    let text = format!("{shown} shown    Enter keeps    Esc clears");
    if cursor + 4 + (text.width() as u16) < area.right() {
        canvas.right(area.x, area.y, area.width - 1, &text, theme.dim);
    }
    Position::new(cursor, area.y)
}

/// What came of the last key; else why the key that would be next is refused, or what it would do.
fn hint(app: &App, canvas: &mut Canvas, area: Rect) {
    let theme = canvas.look.theme;
    let room = area.width.saturating_sub(2);
    if let Some(notice) = &app.notice {
        canvas.text(area.x + 1, area.y, room, &notice.text, theme.severity(notice.severity));
        return;
    }
    if app.screens.is_empty() && app.main.focus == Pane::Volumes && !app.main.marks.is_empty() {
        let text = format!(
            "{} marked: a verb's key acts on all of them, after showing what it would do",
            app.main.marks.len()
        );
        canvas.text(area.x + 1, area.y, room, &text, theme.dim);
        return;
    }
    if let (Some(screen), Some(context)) = (app.screens.last(), app.context()) {
        canvas.text(area.x + 1, area.y, room, &screen.hint(&context), theme.dim);
        return;
    }
    if let Some(set) = app.subject().and_then(Subject::set).and_then(|volume| app.snapshot()?.volume_set_of(volume)) {
        let state = app.snapshot().map(|snapshot| state_of_set(snapshot, set));
        let next = match state {
            Some(TransactionState::Equivalent | TransactionState::Copying) => Verb::Backup,
            Some(TransactionState::None | TransactionState::Suspended) => Verb::Start,
            _ => return,
        };
        next_verb(app, canvas, area, next);
        return;
    }
    let Some(view) = app.subject().and_then(Subject::owner).and_then(|id| app.snapshot()?.transaction_volume(id))
    else {
        return;
    };
    if let Some(problem) = view.problem.as_ref().filter(|_| view.is_troubled()) {
        let text = format!("{}: {} ({}); Enter shows how to solve it", view.volume.name, problem.text, problem.code);
        canvas.text(area.x + 1, area.y, room, &text, theme.problem);
        return;
    }
    let next = match view.state {
        TransactionState::None => Verb::Start,
        TransactionState::Suspended => Verb::Resume,
        TransactionState::Equivalent | TransactionState::Copying => Verb::Backup,
        _ => return,
    };
    next_verb(app, canvas, area, next);
}

/// What the key that would be next does, or why it is refused.
fn next_verb(app: &App, canvas: &mut Canvas, area: Rect, next: Verb) {
    let theme = canvas.look.theme;
    let room = area.width.saturating_sub(2);
    let (Some(verdict), Some(snapshot)) = (app.main.availability.verdict(next), app.snapshot()) else { return };
    let key = app.keys.key(Command::Verb(next));
    let mut x = area.x + 1;
    x += canvas.text(x, area.y, room, &format!("{key}: "), theme.key);
    let text = match verdict {
        Ok(plan) => dialog_text::in_short(snapshot, plan),
        Err(refusal) => dialog_text::refusal(app, refusal),
    };
    canvas.text(x, area.y, area.right().saturating_sub(x + 1), &text, theme.dim);
}
