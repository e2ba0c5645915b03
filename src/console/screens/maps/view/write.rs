//! Step 4 drawn: the file, and beside or below it the difference, or what is wrong with the edited text.

use super::super::state::write::{Edited, widths};
use super::super::state::{MapsScreen, split};
use super::panel;
use crate::console::screens::screen::Context;
use crate::console::view::canvas::Canvas;
use crate::model::units::count;
use crate::model::untrusted::escaped;
use ratatui::layout::Rect;

pub fn draw(screen: &MapsScreen, context: &Context, canvas: &mut Canvas, body: Rect) {
    let part = &screen.write;
    let (left, right, beside) = widths(body.width);
    let (first, second) = if beside {
        (Rect { width: left, ..body }, Rect { x: body.x + left, width: right, ..body })
    } else {
        let (upper, lower) = split(context.height(), part.left().len() + 2, 8);
        (Rect { height: upper, ..body }, Rect { y: body.y + upper, height: lower, ..body })
    };
    file(screen, canvas, first);
    match &part.edited {
        Some(edited) => wrong(screen, canvas, second, edited),
        None => changes(screen, context, canvas, second),
    }
}

fn file(screen: &MapsScreen, canvas: &mut Canvas, area: Rect) {
    let (part, theme) = (&screen.write, canvas.look.theme);
    let lines = part.left();
    let title = if part.edited.is_some() { "The edited text, not taken over" } else { "The file that is written" };
    let inner = panel(canvas, area, title, &count(lines.len(), "line", "lines"), "", !part.other);
    let wrong =
        |line: usize| part.edited.as_ref().is_some_and(|edited| edited.findings.iter().any(|it| it.line == line));
    for (row, (number, text)) in (0..inner.height).zip((1..).zip(&lines).skip(part.scroll)) {
        let style = match (text.starts_with('#'), wrong(number)) {
            (_, true) => theme.problem,
            (true, _) => theme.dim,
            _ => theme.text,
        };
        let y = inner.y + row;
        canvas.right(inner.x, y, 4, &number.to_string(), theme.dim);
        let text = escaped(&text.replace('\t', " "));
        canvas.text(inner.x + 6, y, inner.width.saturating_sub(7), &text, style);
    }
    canvas.more(inner, part.scroll, lines.len());
    canvas.hidden(inner, part.scroll, lines.len());
}

/// What is wrong with the edited text, each with what can be done.
fn wrong(screen: &MapsScreen, canvas: &mut Canvas, area: Rect, edited: &Edited) {
    let (part, theme) = (&screen.write, canvas.look.theme);
    let aside = count(edited.findings.len(), "finding", "findings");
    let inner = panel(canvas, area, "What is wrong", &aside, "", part.other);
    let lines = part.wrong(area.width);
    for (row, (text, is_finding)) in (0..inner.height).zip(lines.iter().skip(part.other_scroll)) {
        let style = if *is_finding { theme.problem } else { theme.dim };
        canvas.text(inner.x + 1, inner.y + row, inner.width.saturating_sub(2), text, style);
    }
    canvas.more(inner, part.other_scroll, lines.len());
}

fn changes(screen: &MapsScreen, context: &Context, canvas: &mut Canvas, area: Rect) {
    let (part, theme) = (&screen.write, canvas.look.theme);
    let stored = screen.open.as_ref().and_then(|draft| context.snapshot().map_set(draft.name().as_str()));
    let title = if stored.is_some() { "Difference to what is stored" } else { "Difference: all of it is new" };
    let inner = panel(canvas, area, title, &count(part.difference.len(), "pair", "pairs"), "", part.other);
    if part.difference.is_empty() {
        canvas.text(inner.x + 2, inner.y, inner.width.saturating_sub(3), "Nothing differs.", theme.dim);
    }
    for (row, text) in (0..inner.height).zip(part.difference.iter().skip(part.other_scroll)) {
        let style = match text.as_bytes().first() {
            Some(b'+') => theme.good,
            Some(b'-') => theme.problem,
            _ => theme.warning,
        };
        canvas.text(inner.x + 1, inner.y + row, inner.width.saturating_sub(2), text, style);
    }
    canvas.more(inner, part.other_scroll, part.difference.len());
    canvas.hidden(inner, part.other_scroll, part.difference.len());
}

pub fn hint(screen: &MapsScreen, context: &Context) -> String {
    let Some(draft) = &screen.open else { return String::new() };
    if screen.write.edited.is_some() {
        return "e opens the text again, with what is wrong below its lines; x drops it".to_owned();
    }
    let stored = context.snapshot().map_set(draft.name().as_str());
    if draft.is_stored_as(stored) {
        return "nothing to store: the map set is stored like this".to_owned();
    }
    "w stores it, after its plan; e changes it as text; Esc back to the check".to_owned()
}
