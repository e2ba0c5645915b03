//! The events screen drawn.

use super::state::EventsScreen;
use crate::console::screens::screen::Context;
use crate::console::view::canvas::Canvas;
use crate::console::view::events::draw_row;
use crate::console::view::highlight;
use crate::model::units::count;
use ratatui::layout::{Position, Rect};
use ratatui::text::Span;

pub fn draw(screen: &EventsScreen, context: &Context, canvas: &mut Canvas, area: Rect) -> Option<Position> {
    let theme = canvas.look.theme;
    let title = [Span::styled("Events", theme.title_focused), Span::styled(chosen(screen, context), theme.dim)];
    let inner = canvas.panel(area, &title, "newest first", true);
    if inner.is_empty() {
        return None;
    }
    if screen.rows.is_empty() {
        if screen.filter.is_empty() && !screen.severe {
            canvas.empty(inner, &["Nothing has happened yet."]);
        } else {
            canvas.empty(inner, &["No event matches.", "Esc shows all events again."]);
        }
    }
    for line in 0..inner.height {
        let index = screen.cursor.offset + usize::from(line);
        let Some(event) = screen.rows.get(index) else { break };
        let row = Rect { y: inner.y + line, height: 1, ..inner };
        draw_row(context.clock, canvas, row, event);
        if index == screen.cursor.selected {
            highlight(canvas, row, true);
        }
    }
    canvas.more(inner, screen.cursor.offset, screen.rows.len());
    let input = screen.filter_input.as_ref()?;
    let x = area.x + 2;
    let y = area.bottom().saturating_sub(1);
    let used = canvas.text(x, y, area.width.saturating_sub(4), &format!(" /{} ", input.value()), theme.text);
    Some(Position::new((x + 2 + input.visual_cursor() as u16).min(x + used), y))
}

/// How many there are, and what of them is shown.
fn chosen(screen: &EventsScreen, context: &Context) -> String {
    let dot = context.look.glyphs.dot;
    let mut parts = vec![count(screen.rows.len(), "row", "rows")];
    if !screen.filter.is_empty() {
        parts.push(format!("/{}", screen.filter));
    }
    if screen.severe {
        parts.push("warnings and problems only".to_owned());
    }
    if screen.with_audit {
        parts.push("with the audit's".to_owned());
    }
    if !screen.complete {
        parts.push("asking for older ones".to_owned());
    }
    format!(" {dot} {}", parts.join(&format!(" {dot} ")))
}

/// What Enter does with the selected event.
pub fn hint(screen: &EventsScreen, context: &Context) -> String {
    let Some(event) = screen.selected() else { return String::new() };
    let volume = event.volume.and_then(|id| context.snapshot().transaction_volume(id));
    match volume {
        Some(view) => format!("Enter goes to {}; i shows all of the event", view.volume.name),
        None => "Enter shows all of the event".to_owned(),
    }
}
