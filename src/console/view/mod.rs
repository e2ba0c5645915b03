//! Drawing: a function of the state, one file a part of the screen. Nothing here changes the state or asks for anything.

pub mod canvas;
mod copies;
mod events;
mod footer;
mod generations;
mod header;
pub mod layout;
mod pool;
pub mod sessions;
mod tabs;
mod volumes;

use super::app::{App, Link, Pane};
use super::dialog;
use canvas::Canvas;
use layout::{FLOOR, Layout, Shape};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::Span;

/// Draws everything.
pub fn view(app: &App, frame: &mut Frame) {
    let area = frame.area();
    let mut canvas = Canvas { buffer: frame.buffer_mut(), look: app.look };
    if let Some(cursor) = draw(app, &mut canvas, area) {
        frame.set_cursor_position(cursor);
    }
}

/// Draws everything; returns where text is being typed.
fn draw(app: &App, canvas: &mut Canvas, area: Rect) -> Option<Position> {
    let layout = Layout::of((area.width, area.height), app.detail, app.focus);
    if layout.shape == Shape::TooSmall {
        too_small(canvas, area);
        return None;
    }
    header::draw(app, canvas, layout.header);
    match &app.picture {
        None => waiting(app, canvas, &layout),
        Some(picture) => {
            for pane in Pane::ALL {
                let area = layout.area(pane);
                if area.is_empty() {
                    continue;
                }
                let framed = layout.shape == Shape::Wide;
                match pane {
                    Pane::Volumes => volumes::draw(app, picture, canvas, area, framed),
                    Pane::Pool => pool::draw(app, picture, canvas, area, &layout),
                    Pane::Copies => copies::draw(app, picture, canvas, area, framed),
                    Pane::Generations => generations::draw(app, picture, canvas, area, framed),
                    Pane::Events => events::draw(app, picture, canvas, area, framed),
                }
            }
            if !layout.tabs.is_empty() {
                tabs::draw(app, canvas, layout.tabs);
            }
            if app.is_stale() {
                let body =
                    Rect::new(area.x, layout.header.bottom(), area.width, layout.footer.y - layout.header.bottom());
                canvas.overlay(body, canvas.look.theme.stale);
            }
        }
    }
    let typing = footer::draw(app, canvas, layout.footer);
    match app.dialogs.last() {
        Some(top) => dialog::draw(app, top, canvas, area),
        None => typing,
    }
}

/// The selected row, laid over what it shows.
fn highlight(canvas: &mut Canvas, row: Rect, focused: bool) {
    let theme = canvas.look.theme;
    let (background, cursor) =
        if focused { (theme.selected, theme.cursor) } else { (theme.selected_unfocused, theme.key_off) };
    canvas.overlay(row, background);
    if let Some(color) = theme.on_selected {
        canvas.color_plain(row, color);
    }
    canvas.put(row.x, row.y, canvas.look.glyphs.cursor, cursor.patch(background));
}

/// A pane's area inside its frame, or all of it on a narrow screen.
fn pane(app: &App, canvas: &mut Canvas, area: Rect, which: Pane, title: &str, note: &str, framed: bool) -> Rect {
    if !framed {
        return area;
    }
    let focused = app.focus == which && app.dialogs.is_empty();
    let theme = canvas.look.theme;
    let style = if focused { theme.title_focused } else { theme.title };
    let (name, rest) = title.split_once('\u{0}').unwrap_or((title, ""));
    let spans = [Span::styled(name.to_owned(), style), Span::styled(rest.to_owned(), theme.dim)];
    canvas.panel(area, &spans, note, focused)
}

fn too_small(canvas: &mut Canvas, area: Rect) {
    let text = format!("needs {}x{}, has {}x{}", FLOOR.0, FLOOR.1, area.width, area.height);
    let style = canvas.look.theme.text;
    for (row, line) in canvas::wrap(&text, usize::from(area.width)).iter().take(usize::from(area.height)).enumerate() {
        canvas.text(0, row as u16, area.width, line, style);
    }
}

fn waiting(app: &App, canvas: &mut Canvas, layout: &Layout) {
    let top = layout.header.bottom();
    let area = Rect::new(0, top, layout.header.width, layout.footer.y - top);
    match &app.link {
        Link::Lost { why, .. } => canvas.empty(area, &["There is no engine; it is tried again.", "", why]),
        Link::Silent { engine, .. } => canvas.empty(area, &["Waiting for", engine]),
        Link::Connecting | Link::Live => canvas.empty(area, &["Waiting for the engine."]),
    }
}
