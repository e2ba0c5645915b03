//! The line that names the detail panes on a narrow screen.

use super::{volumes, whose};
use crate::console::app::App;
use crate::console::types::Pane;
use crate::console::view::canvas::Canvas;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

pub fn draw(app: &App, canvas: &mut Canvas, area: Rect) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let focused = app.main.focus != Pane::Volumes;
    let line = if focused { theme.frame_focused } else { theme.frame };
    for x in area.x..area.right() {
        canvas.put(x, area.y, glyphs.frame.horizontal, line);
    }
    let mut x = area.x + 1;
    for (index, pane) in Pane::DETAILS.into_iter().enumerate() {
        let chosen = pane == app.main.detail;
        let style = match (chosen, focused) {
            (true, true) => theme.title_focused,
            (true, false) => theme.title,
            (false, _) => theme.dim,
        };
        let mut text = format!(" {} {} ", index + 1, name(pane));
        if chosen
            && pane == Pane::Generations
            && let Some(name) = app.selected_name()
        {
            text = format!(" {} generations of {name} ", index + 1);
        } else if chosen && pane != Pane::Generations {
            text = format!(" {} {}{} ", index + 1, name(pane), whose(app));
        }
        let more = hidden(app, pane);
        if chosen && more > 0 {
            text = format!("{} {} {more} more ", text.trim_end(), glyphs.dot);
        }
        x += canvas.text(x, area.y, area.right().saturating_sub(x), &text, style) + 1;
    }
    let Some(picture) = &app.picture else { return };
    let mut parts = volumes::chosen(app, picture);
    let more = hidden(app, Pane::Volumes);
    if more > 0 {
        parts.push(format!("{more} more above"));
    }
    let chosen = parts.join(&format!(" {} ", glyphs.dot));
    let text = format!(" {chosen} ");
    let width = text.width() as u16;
    if !chosen.is_empty() && x + width + 1 < area.right() {
        canvas.text(area.right() - width - 1, area.y, width, &text, theme.accent);
    }
}

/// Rows of a pane that are hidden below its last visible one.
fn hidden(app: &App, pane: Pane) -> usize {
    let layout = app.layout();
    let (rows, offset) = match (pane, &app.picture) {
        (Pane::Volumes, _) => (layout.rows(pane), app.main.volumes.offset),
        (Pane::Copies, _) => (layout.rows(pane), app.main.copies.offset),
        (Pane::Pool, Some(picture)) => (layout.pool_rows(picture.sizes.len()), app.main.pool.offset),
        (Pane::Pool, None) => (0, 0),
        (Pane::Generations, _) => (layout.rows(pane), app.main.generations.offset),
        (Pane::Events, _) => (layout.rows(pane), app.main.events.offset),
    };
    app.len(pane).saturating_sub(offset + rows)
}

fn name(pane: Pane) -> &'static str {
    match pane {
        Pane::Volumes => "volumes",
        Pane::Copies => "copies",
        Pane::Pool => "pool",
        Pane::Generations => "generations",
        Pane::Events => "events",
    }
}
