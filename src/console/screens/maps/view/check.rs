//! Step 3 drawn: what is wrong, and what the pool lacks.

use super::super::state::MapsScreen;
use super::super::state::check::WayOn;
use super::volumes::needs;
use super::{panel, severity};
use crate::console::screens::screen::Context;
use crate::console::view::canvas::Canvas;
use crate::console::view::highlight;
use crate::model::units::count;
use ratatui::layout::Rect;

pub fn draw(screen: &MapsScreen, context: &Context, canvas: &mut Canvas, body: Rect) {
    let part = &screen.check;
    let theme = canvas.look.theme;
    let (upper, lower) = part.split(context.height());
    let area = Rect { height: upper, ..body };
    let aside = match part.problems() {
        0 => "can be stored".to_owned(),
        problems => format!("{} to solve first", count(problems, "problem", "problems")),
    };
    let inner = panel(canvas, area, "Check", &aside, "", true);
    // The last lines of the pane are what can be done about the selected note.
    let rows = Rect { height: inner.height.saturating_sub(2), ..inner };
    for line in 0..rows.height {
        let index = part.cursor.offset + usize::from(line);
        let Some(note) = part.notes.get(index) else { break };
        let row = Rect { y: rows.y + line, height: 1, ..rows };
        let (sign, style) = severity(canvas, note.severity);
        canvas.put(row.x + 1, row.y, sign, style);
        canvas.text(row.x + 3, row.y, row.width.saturating_sub(4), &note.text, theme.text);
        if index == part.cursor.selected {
            highlight(canvas, row, true);
        }
    }
    canvas.more(rows, part.cursor.offset, part.notes.len());
    if let Some(note) = part.selected() {
        let room = inner.width.saturating_sub(4);
        canvas.text(inner.x + 3, inner.bottom().saturating_sub(1), room, &note.help, theme.dim);
    }
    let area = Rect { y: area.bottom(), height: lower, ..body };
    needs(canvas, area, ("What the policies need of the pool", "G + 1 each"), "mapped", &part.needs);
}

pub fn hint(screen: &MapsScreen) -> String {
    match screen.check.selected().map_or(WayOn::None, |note| note.way_on) {
        WayOn::Cell(..) => "Enter goes to the cell; 4 shows what will be written",
        WayOn::Volume(_) => "Enter goes to the volume; 4 shows what will be written",
        WayOn::Name => "Enter gives the map set another name",
        WayOn::Rebase => "Enter continues from the map set as it is stored now",
        WayOn::None => "Enter shows what will be written",
    }
    .to_owned()
}
