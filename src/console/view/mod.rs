//! Drawing: a function of the state, one file a part. What a screen shows between header and footer is in its folder.
//! Nothing here changes the state or asks for anything.

pub mod canvas;
pub mod dialog;
pub mod dialog_text;
pub mod events;
mod footer;
pub mod form;
mod header;
pub mod nights;
mod price;

use crate::console::app::App;
use crate::console::screens::main;
use crate::console::screens::main::layout::{FLOOR, Shape};
use crate::console::types::Link;
use canvas::Canvas;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};

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
    let layout = app.layout();
    if layout.shape == Shape::TooSmall {
        too_small(canvas, area);
        return None;
    }
    header::draw(app, canvas, layout.header);
    let body = Rect::new(area.x, layout.header.bottom(), area.width, layout.footer.y - layout.header.bottom());
    let mut typing = None;
    match (&app.picture, app.screens.last(), app.context()) {
        (None, None, _) if let Some(first) = &app.first => main::view::draw_first(app, first, canvas, &layout),
        (Some(_), Some(screen), Some(context)) => typing = screen.view(&context, canvas, body),
        (Some(picture), ..) => main::view::draw(app, picture, canvas, &layout),
        (None, ..) => waiting(app, canvas, body),
    }
    if app.is_stale() {
        canvas.overlay(body, canvas.look.theme.stale);
    }
    let typing = footer::draw(app, canvas, layout.footer).or(typing);
    match app.dialogs.last() {
        Some(top) => dialog::draw(app, top, canvas, area),
        None => typing,
    }
}

/// The selected row, laid over what it shows.
pub fn highlight(canvas: &mut Canvas, row: Rect, focused: bool) {
    let theme = canvas.look.theme;
    let (background, cursor) =
        if focused { (theme.selected, theme.cursor) } else { (theme.selected_unfocused, theme.key_off) };
    canvas.overlay(row, background);
    if let Some(color) = theme.on_selected {
        canvas.color_plain(row, color);
    }
    canvas.put(row.x, row.y, canvas.look.glyphs.cursor, cursor.patch(background));
}

fn too_small(canvas: &mut Canvas, area: Rect) {
    let text = format!("needs {}x{}, has {}x{}", FLOOR.0, FLOOR.1, area.width, area.height);
    let style = canvas.look.theme.text;
    for (row, line) in canvas::wrap(&text, usize::from(area.width)).iter().take(usize::from(area.height)).enumerate() {
        canvas.text(0, row as u16, area.width, line, style);
    }
}

fn waiting(app: &App, canvas: &mut Canvas, area: Rect) {
    match &app.link {
        Link::Lost { why, .. } => canvas.empty(area, &["There is no engine; it is tried again.", "", why]),
        Link::Silent { engine, .. } => canvas.empty(area, &["Waiting for", engine]),
        Link::Connecting | Link::Live => canvas.empty(area, &["Waiting for the engine."]),
    }
}
