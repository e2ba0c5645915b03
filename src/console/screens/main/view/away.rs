//! The line on what happened while the person was away, and the key that shows all of it.

use crate::console::app::App;
use crate::console::keys::{Command, Scope};
use crate::console::view::canvas::Canvas;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

pub fn draw(app: &App, canvas: &mut Canvas, area: Rect) {
    let (Some(news), Some(since)) = (app.away.news(), app.away.since) else { return };
    let theme = canvas.look.theme;
    let key = app.keys.key(Command::Show(Scope::Report));
    let shows = format!("{key} shows it");
    let room = area.width.saturating_sub(3 + shows.width() as u16);
    let text = format!("Since {}: {news}", app.clock.moment(since));
    canvas.text(area.x + 1, area.y, room, &text, theme.accent);
    let x = area.right().saturating_sub(1 + shows.width() as u16);
    let used = canvas.text(x, area.y, area.right().saturating_sub(x), &key, theme.key);
    canvas.text(x + used, area.y, area.right().saturating_sub(x + used), " shows it", theme.label);
}
