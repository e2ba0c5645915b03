//! The newest events, newest first: what happened, each thing once.

use super::pane;
use crate::console::app::App;
use crate::console::picture::Picture;
use crate::console::types::Pane;
use crate::console::view::canvas::Canvas;
use crate::console::view::events::draw_row;
use crate::console::view::highlight;
use ratatui::layout::Rect;

pub fn draw(app: &App, picture: &Picture, canvas: &mut Canvas, area: Rect, framed: bool) {
    let inner = pane(app, canvas, area, Pane::Events, "Events", "", framed);
    if inner.is_empty() {
        return;
    }
    let events = &picture.events;
    if events.is_empty() {
        canvas.empty(inner, &["Nothing has happened yet."]);
        return;
    }
    let focused = app.main.focus == Pane::Events;
    for line in 0..inner.height {
        let index = app.main.events.offset + usize::from(line);
        let Some(event) = events.get(index) else { break };
        let row = Rect { y: inner.y + line, height: 1, ..inner };
        draw_row(&app.clock, canvas, row, event);
        if index == app.main.events.selected && focused {
            highlight(canvas, row, true);
        }
    }
    canvas.more(inner, app.main.events.offset, events.len());
}
