//! The report screen drawn.

use super::state::{ReportScreen, RowLook};
use crate::console::screens::screen::Context;
use crate::console::view::canvas::Canvas;
use crate::console::view::highlight;
use ratatui::layout::Rect;
use ratatui::text::Span;

pub fn draw(screen: &ReportScreen, context: &Context, canvas: &mut Canvas, area: Rect) {
    let theme = canvas.look.theme;
    let title = [Span::styled("Report", theme.title_focused)];
    let note = format!("since {}", context.clock.moment(screen.since));
    let inner = canvas.panel(area, &title, &note, true);
    for line in 0..inner.height {
        let index = screen.cursor.offset + usize::from(line);
        let Some(report_row) = screen.rows.get(index) else { break };
        let row = Rect { y: inner.y + line, height: 1, ..inner };
        let (indent, style) = match report_row.look {
            RowLook::Heading => (2, theme.title),
            RowLook::Problem => (4, theme.problem),
            RowLook::Plain => (4, theme.text),
            RowLook::Quiet => (4, theme.dim),
        };
        if report_row.look == RowLook::Problem {
            canvas.put(row.x + 2, row.y, canvas.look.glyphs.attention, style);
        }
        canvas.text(row.x + indent, row.y, row.width.saturating_sub(indent + 1), &report_row.text, style);
        if index == screen.cursor.selected {
            highlight(canvas, row, true);
        }
    }
    canvas.more(inner, screen.cursor.offset, screen.rows.len());
}

/// How the selected trouble is acknowledged, and where Enter leads.
pub fn hint(screen: &ReportScreen, context: &Context) -> String {
    let Some(row) = screen.selected() else { return String::new() };
    let volume = row.volume.filter(|id| context.snapshot().transaction_volume(*id).is_some());
    let enter = volume.map(|id| format!("Enter goes to {}", context.snapshot().label(id)));
    let known = row.trouble.as_ref();
    let known = known.map(|id| format!("to acknowledge it: ecdeck report acknowledge {id} --reason TEXT --until TIME"));
    enter.into_iter().chain(known).collect::<Vec<_>>().join("; ")
}
