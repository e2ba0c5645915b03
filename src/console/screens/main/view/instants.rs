//! The kept backups of the selected set, the newest first: when, of how many volumes, and who says that it is one instant.

use super::pane;
use crate::console::app::App;
use crate::console::keys::Command;
use crate::console::picture::Picture;
use crate::console::types::Pane;
use crate::console::view::canvas::Canvas;
use crate::console::view::highlight;
use crate::model::set_instants::KeptInstant;
use crate::model::verb::Verb;
use crate::model::volume_set::VolumeSet;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr;

pub fn draw(app: &App, picture: &Picture, canvas: &mut Canvas, area: Rect, set: &VolumeSet, framed: bool) {
    let title = format!("Generations\u{0} of set {}", set.name);
    let inner = pane(app, canvas, area, Pane::Generations, &title, "", framed);
    if inner.is_empty() {
        return;
    }
    let instants = &app.main.rows.instants;
    if instants.is_empty() {
        let (start, backup) = (app.keys.key(Command::Verb(Verb::Start)), app.keys.key(Command::Verb(Verb::Backup)));
        let synchronize = format!("{start} starts all of its volumes;");
        let back_up = format!("once all are equivalent, {backup} backs them up at one instant.");
        canvas.empty(inner, &["No backup of the whole set is kept yet.", &synchronize, &back_up]);
        return;
    }
    let focused = app.main.focus == Pane::Generations;
    for line in 0..inner.height {
        let index = app.main.generations.offset + usize::from(line);
        let Some(instant) = instants.get(index) else { break };
        let row = Rect { y: inner.y + line, height: 1, ..inner };
        draw_row(app, picture, canvas, row, set, instant);
        if index == app.main.generations.selected && focused {
            highlight(canvas, row, true);
        }
    }
    canvas.more(inner, app.main.generations.offset, instants.len());
    if framed {
        canvas.hidden(inner, app.main.generations.offset, instants.len());
    }
}

fn draw_row(app: &App, picture: &Picture, canvas: &mut Canvas, row: Rect, set: &VolumeSet, instant: &KeptInstant) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let (x, y) = (row.x, row.y);
    let when = app.clock.moment(instant.taken_at);
    let width = (when.width() as u16).max(9);
    canvas.text(x + 2, y, width, &when, if app.clock.is_future(instant.taken_at) { theme.warning } else { theme.text });
    let at = x + 2 + width + 2;
    let many = format!("{}/{}", instant.versions.len(), set.members.len());
    canvas.text(at, y, 7, &many, if instant.is_whole { theme.dim } else { theme.warning });
    let at = at + (many.width() as u16).max(5) + 2;
    let (sign, style, word) = match (instant.is_whole, instant.is_valid) {
        (true, true) => (glyphs.generation, theme.text, "valid"),
        (false, true) => (glyphs.attention, theme.warning, "not of all volumes"),
        (_, false) => (glyphs.unknown, theme.warning, "not all valid"),
    };
    canvas.put(at, y, sign, style);
    let proof = instant.proof(&picture.snapshot).map_or_else(String::new, |proof| format!(", {}", proof.short()));
    canvas.text(at + 2, y, row.right().saturating_sub(at + 3), &format!("{word}{proof}"), style);
}
