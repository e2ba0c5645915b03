//! Step 1 drawn: the volumes, and below what the chosen ones need of the pool.

use super::super::state::MapsScreen;
use super::super::state::volumes::{SizeNeed, VolumeRow};
use super::{heading, panel};
use crate::console::screens::screen::Context;
use crate::console::view::canvas::Canvas;
use crate::console::view::highlight;
use crate::model::units::count;
use ratatui::layout::Rect;

/// Columns of the volume's name.
const NAME: u16 = 20;

pub fn draw(screen: &MapsScreen, context: &Context, canvas: &mut Canvas, body: Rect) {
    let Some(draft) = &screen.open else { return };
    let part = &screen.volumes;
    let (upper, lower) = part.split(context.height());
    let area = Rect { height: upper, ..body };
    let all = context.snapshot().transaction_volumes.len();
    let mut aside = format!("{} of {all} chosen", draft.chosen().len());
    if !part.filter.is_empty() {
        aside = format!("{aside}, shown: /{}", part.filter);
    }
    let inner = panel(canvas, area, "Volumes", &aside, "", true);
    heading(
        canvas,
        inner,
        &[
            (3, NAME, "volume", false),
            (NAME + 3, 9, "size", true),
            (NAME + 14, 9, "mode", false),
            (NAME + 23, 6, "needs", true),
            (NAME + 29, 5, "own", true),
            (NAME + 34, 6, "free", true),
            (NAME + 42, 13, "map set", false),
        ],
    );
    let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    if part.rows.is_empty() {
        canvas.empty(rows, &["No volume fits the filter.", "Esc shows all volumes again."]);
    }
    for line in 0..rows.height {
        let index = part.cursor.offset + usize::from(line);
        let Some(row) = part.rows.get(index) else { break };
        let area = Rect { y: rows.y + line, height: 1, ..rows };
        draw_row(canvas, area, row, draft.chosen().contains(&row.id), draft.name().as_str());
        if index == part.cursor.selected {
            highlight(canvas, area, true);
        }
    }
    canvas.more(rows, part.cursor.offset, part.rows.len());
    canvas.hidden(rows, part.cursor.offset, part.rows.len());
    let area = Rect { y: area.bottom(), height: lower, ..body };
    needs(canvas, area, ("What they need of the pool", "G + 1 each, 2 without a policy"), "own", &part.needs);
}

fn draw_row(canvas: &mut Canvas, row: Rect, volume: &VolumeRow, chosen: bool, own_set: &str) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let (x, y) = (row.x, row.y);
    let style = if volume.elsewhere.is_some() { theme.dim } else { theme.text };
    if chosen {
        canvas.put(x + 1, y, glyphs.mark, theme.mark);
    }
    canvas.text(x + 3, y, NAME, &volume.name, style);
    let map = match (&volume.elsewhere, chosen) {
        (Some(other), _) => format!("in {other}"),
        (None, true) => own_set.to_owned(),
        (None, false) => "-".to_owned(),
    };
    canvas.text(x + NAME + 42, y, row.width.saturating_sub(NAME + 43), &map, theme.dim);
    let Some(blocks) = volume.blocks else {
        canvas.text(x + NAME + 5, y, 24, "not registered", theme.warning);
        return;
    };
    canvas.right(x + NAME + 3, y, 9, &blocks.to_string(), style);
    let mode = volume.mode.map_or_else(|| "no policy".to_owned(), |mode| mode.to_string());
    canvas.text(x + NAME + 14, y, 9, &mode, style);
    canvas.right(x + NAME + 23, y, 6, &volume.needs.to_string(), style);
    canvas.right(x + NAME + 29, y, 5, &volume.own.to_string(), style);
    let short = volume.own + volume.free < volume.needs;
    canvas.right(x + NAME + 34, y, 6, &volume.free.to_string(), if short { theme.warning } else { style });
}

/// The pool's arithmetic for the chosen volumes, by size.
///
/// `has`: what the column of those is called that they have.
pub fn needs(canvas: &mut Canvas, area: Rect, (title, aside): (&str, &str), has: &str, needs: &[SizeNeed]) {
    let theme = canvas.look.theme;
    let missing: usize = needs.iter().map(SizeNeed::missing).sum();
    let note = match missing {
        0 => String::new(),
        missing => format!("{} missing", count(missing, "backup volume", "backup volumes")),
    };
    let inner = panel(canvas, area, title, aside, &note, false);
    heading(
        canvas,
        inner,
        &[
            (1, 10, "size", true),
            (12, 9, "volumes", true),
            (22, 7, "need", true),
            (30, 6, has, true),
            (37, 6, "free", true),
            (45, 24, "so", false),
        ],
    );
    if needs.is_empty() {
        canvas.text(inner.x + 2, inner.y + 1, inner.width.saturating_sub(3), "Nothing is needed.", theme.dim);
    }
    for (line, need) in (1..inner.height).zip(needs) {
        let (x, y) = (inner.x, inner.y + line);
        canvas.right(x + 1, y, 10, &need.key.blocks.to_string(), theme.text);
        for (at, width, value) in [(12, 9, need.volumes), (22, 7, need.needs), (30, 6, need.own), (37, 6, need.free)] {
            canvas.right(x + at, y, width, &value.to_string(), theme.text);
        }
        let (text, style) = match need.missing() {
            0 => ("enough".to_owned(), theme.good),
            missing => (format!("{missing} missing"), theme.warning),
        };
        let width = canvas.text(x + 45, y, inner.width.saturating_sub(46), &text, style);
        if !need.key.is_usual() {
            let (text, x) = (format!(", {}", need.key.which()), x + 45 + width);
            canvas.text(x, y, inner.right().saturating_sub(x + 1), &text, theme.dim);
        }
    }
}

pub fn hint(screen: &MapsScreen) -> String {
    let name = screen.open.as_ref().filter(|draft| draft.base.is_none()).map_or("", |_| "; n names the set");
    match screen.volumes.selected().and_then(|row| Some((row, row.elsewhere.as_ref()?))) {
        Some((row, other)) => format!("{} is in map set {other}: a volume is in one map set only", row.name),
        None => format!("Space takes in or out, * all shown; Enter to the rounds{name}"),
    }
}
