//! The newest events, newest first: what was asked, done, and found.

use super::super::app::{App, Pane};
use super::super::picture::Picture;
use super::canvas::Canvas;
use super::{highlight, pane};
use crate::model::snapshot::{EventLine, Severity};
use ratatui::layout::Rect;

pub fn draw(app: &App, picture: &Picture, canvas: &mut Canvas, area: Rect, framed: bool) {
    let inner = pane(app, canvas, area, Pane::Events, "Events", "", framed);
    if inner.is_empty() {
        return;
    }
    let events = &picture.snapshot.events;
    if events.is_empty() {
        canvas.empty(inner, &["Nothing has happened yet."]);
        return;
    }
    let focused = app.focus == Pane::Events;
    for line in 0..inner.height {
        let index = app.events.offset + usize::from(line);
        let Some(at) = events.len().checked_sub(index + 1) else { break };
        let row = Rect { y: inner.y + line, height: 1, ..inner };
        draw_row(app, canvas, row, &events[at]);
        if index == app.events.selected && focused {
            highlight(canvas, row, true);
        }
    }
    canvas.more(inner, app.events.offset, events.len());
}

fn draw_row(app: &App, canvas: &mut Canvas, row: Rect, event: &EventLine) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let style = theme.severity(event.severity);
    let sign = match event.severity {
        Severity::Info => " ",
        Severity::Good => glyphs.good,
        Severity::Warning | Severity::Problem => glyphs.attention,
    };
    canvas.put(row.x + 1, row.y, sign, style);
    let when = app.clock.moment_or_minute(event.at);
    let width = 9.min(row.width.saturating_sub(20)).max(5);
    canvas.text(row.x + 3, row.y, width, &when, theme.dim);
    let x = row.x + 3 + width.min(when.len().max(5) as u16) + 2;
    let style = if event.severity == Severity::Good { theme.text } else { style };
    canvas.text(x, row.y, row.right().saturating_sub(x + 1), &event.text, style);
}
