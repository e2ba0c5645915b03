//! The newest events, newest first: what happened, each thing once.

use super::{nothing, pane, whose};
use crate::console::app::App;
use crate::console::keys::{Command, Scope};
use crate::console::picture::Picture;
use crate::console::types::Pane;
use crate::console::view::canvas::Canvas;
use crate::console::view::events::draw_row;
use crate::console::view::highlight;
use ratatui::layout::Rect;

pub fn draw(app: &App, picture: &Picture, canvas: &mut Canvas, area: Rect, framed: bool) {
    let dot = app.look.glyphs.dot;
    let title = format!("Events\u{0}{} {dot} {} of {}", whose(app), app.main.rows.events.len(), picture.events.len());
    let all = format!("{} all of them", app.keys.key(Command::Show(Scope::Events)));
    let inner = pane(app, canvas, area, Pane::Events, &title, &all, framed);
    if inner.is_empty() {
        return;
    }
    let len = app.main.rows.events.len();
    if len == 0 {
        canvas.empty(inner, &nothing(app, "Nothing has happened").each_ref().map(String::as_str));
        return;
    }
    let focused = app.main.focus == Pane::Events;
    for line in 0..inner.height {
        let index = app.main.events.offset + usize::from(line);
        let Some(event) = app.main.event(picture, index) else { break };
        let row = Rect { y: inner.y + line, height: 1, ..inner };
        draw_row(&app.clock, canvas, row, event);
        if index == app.main.events.selected && focused {
            highlight(canvas, row, true);
        }
    }
    canvas.more(inner, app.main.events.offset, len);
    if framed {
        canvas.hidden(inner, app.main.events.offset, len);
    }
}
