//! One event as a row, on the main screen and on that of all events.

use super::canvas::Canvas;
use crate::console::events::EventRow;
use crate::console::format::Clock;
use crate::model::snapshot::Severity;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

pub fn draw_row(clock: &Clock, canvas: &mut Canvas, row: Rect, event: &EventRow) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let style = theme.severity(event.severity);
    let sign = match event.severity {
        Severity::Info => " ",
        Severity::Good => glyphs.good,
        Severity::Warning | Severity::Problem => glyphs.attention,
    };
    canvas.put(row.x + 1, row.y, sign, style);
    let when = clock.moment_or_minute(event.at);
    let width = 9.min(row.width.saturating_sub(20)).max(5);
    canvas.text(row.x + 3, row.y, width, &when, theme.dim);
    let x = row.x + 3 + width.min(when.len().max(5) as u16) + 2;
    let style = if event.severity == Severity::Good { theme.text } else { style };
    let times = if event.times > 1 { format!("  {} times", event.times) } else { String::new() };
    let room = row.right().saturating_sub(x + 1);
    let used = canvas.text(x, row.y, room.saturating_sub(times.width() as u16), &event.text, style);
    canvas.text(x + used, row.y, room.saturating_sub(used), &times, theme.dim);
}
