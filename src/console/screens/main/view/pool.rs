//! The backup pool: what is free and what is still needed of each size, and the volumes themselves.

use super::{nothing, pane, whose};
use crate::console::app::App;
use crate::console::picture::{Picture, SizeRow};
use crate::console::screens::main::layout::{Layout, Shape};
use crate::console::types::Pane;
use crate::console::view::canvas::{Canvas, Column, fit};
use crate::console::view::highlight;
use crate::model::snapshot::{BackupState, BackupVolumeView};
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

/// The words and figures of `ecdeck status`.
const SUMMARY: [Column; 7] = [
    Column { title: "size", right: true, gap: 0, least: 8, drop: 0 },
    Column { title: "unused", right: true, gap: 1, least: 6, drop: 0 },
    Column { title: "bound", right: true, gap: 1, least: 5, drop: 4 },
    Column { title: "kept", right: true, gap: 1, least: 4, drop: 2 },
    Column { title: "need", right: true, gap: 1, least: 4, drop: 3 },
    Column { title: "missing", right: true, gap: 1, least: 7, drop: 0 },
    // Only where there is more than one pool of plain volumes.
    Column { title: "", right: false, gap: 0, least: 0, drop: 1 },
];

/// What the signs of the strips mean, in the order in which they lose their room.
const LEGEND: [(BackupState, &str); 6] = [
    (BackupState::Unused, "unused"),
    (BackupState::SuspendedGeneration, "kept, resumable"),
    (BackupState::Generation, "kept"),
    (BackupState::Bound, "bound"),
    (BackupState::Copying, "copying"),
    (BackupState::Equivalent, "equivalent"),
];

pub fn draw(app: &App, picture: &Picture, canvas: &mut Canvas, area: Rect, layout: &Layout) {
    let unused: usize = picture.sizes.iter().map(|size| size.pool.unused).sum();
    let dot = canvas.look.glyphs.dot;
    let title = match whose(app) {
        whose if whose.is_empty() => format!("Pool\u{0} {dot} {unused} of {} unused", picture.snapshot.pool.len()),
        whose => format!("Pool\u{0}{whose}"),
    };
    let inner = pane(app, canvas, area, Pane::Pool, &title, "", layout.shape == Shape::Wide);
    if inner.is_empty() {
        return;
    }
    if picture.snapshot.pool.is_empty() {
        canvas
            .empty(inner, &["The pool is empty.", "", "ecdeck volume add --backup ARRAY/0x20", "adds a volume to it."]);
        return;
    }
    let lines = layout.pool_summary(picture.sizes.len()) as u16;
    summary(picture, canvas, Rect { height: lines, ..inner });
    let strips = layout.pool_strips(picture.sizes.len()) as u16;
    for (line, size) in picture.sizes.iter().take(usize::from(strips.saturating_sub(1))).enumerate() {
        let y = inner.y + lines + 1 + line as u16;
        canvas.right(inner.x, y, SUMMARY[0].least, &size.key.blocks.to_string(), canvas.look.theme.dim);
        draw_strip(canvas, inner.x + SUMMARY[0].least + 2, y, inner.width.saturating_sub(SUMMARY[0].least + 3), size);
    }
    let legend_lines = layout.pool_legend(picture.sizes.len()) as u16;
    if legend_lines > 0 {
        legend(canvas, Rect { y: inner.y + lines + 1 + strips, height: legend_lines - 1, ..inner });
    }
    let above = lines + 1 + strips + legend_lines;
    let rows = Rect { y: inner.y + above, height: inner.height.saturating_sub(above), ..inner };
    list(app, picture, canvas, rows, layout.shape == Shape::Wide);
}

fn summary(picture: &Picture, canvas: &mut Canvas, area: Rect) {
    let theme = canvas.look.theme;
    let mut columns = SUMMARY;
    if picture.sizes.iter().any(|size| !size.key.is_usual()) {
        columns[6] = Column { title: "of", gap: 2, least: 12, ..SUMMARY[6] };
    }
    let most = if columns[6].least > 0 { 40 } else { 0 };
    let mut places = fit(&columns, &[(6, most)], area.width.saturating_sub(1));
    if most > 0 && places[6].is_none() {
        // Where it has no room, the others need not make any.
        columns = SUMMARY;
        places = fit(&columns, &[], area.width.saturating_sub(1));
    }
    for (column, place) in std::iter::zip(&columns, &places) {
        if let Some((x, width)) = *place {
            put(canvas, column, area.x + x, area.y, width, column.title, theme.dim);
        }
    }
    for line in 1..area.height {
        let Some(size) = picture.sizes.get(usize::from(line) - 1) else { break };
        let y = area.y + line;
        // Where sizes are left out, the last line says so.
        let left_out = picture.sizes.len() - usize::from(line);
        if line + 1 == area.height && left_out > 0 {
            let missing: usize = picture.sizes[usize::from(line) - 1..].iter().map(|size| size.pool.missing()).sum();
            let style = if missing > 0 { theme.warning } else { theme.dim };
            canvas.text(
                area.x + 1,
                y,
                area.width - 2,
                &format!("{} more sizes, {missing} missing", left_out + 1),
                style,
            );
            break;
        }
        let missing = size.pool.missing();
        let style = if missing > 0 { theme.warning } else { theme.text };
        let missing = if missing > 0 { format!("{} {missing}", canvas.look.glyphs.attention) } else { "-".to_owned() };
        let cells = [
            (size.key.blocks.to_string(), theme.text),
            (size.pool.unused.to_string(), theme.text),
            (size.pool.bound.to_string(), theme.text),
            (size.pool.kept.to_string(), theme.text),
            (size.pool.needed.to_string(), theme.dim),
            (missing, style),
            (size.key.which(), theme.dim),
        ];
        for ((column, place), (text, style)) in std::iter::zip(std::iter::zip(&columns, &places), &cells) {
            if let Some((x, width)) = *place {
                put(canvas, column, area.x + x, y, width, text, *style);
            }
        }
    }
}

fn put(canvas: &mut Canvas, column: &Column, x: u16, y: u16, width: u16, text: &str, style: Style) {
    if column.right {
        canvas.right(x, y, width, text, style);
    } else if width > 0 {
        canvas.text(x, y, width, text, style);
    }
}

/// What the signs mean.
fn legend(canvas: &mut Canvas, area: Rect) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let (mut x, mut y) = (area.x + 1, area.y);
    for (state, word) in LEGEND {
        let width = 2 + word.width() as u16;
        if x + width >= area.right() {
            (x, y) = (area.x + 1, y + 1);
        }
        if y >= area.bottom() {
            return;
        }
        canvas.put(x, y, glyphs.backup(state), theme.backup(state));
        canvas.text(x + 2, y, width, word, theme.dim);
        x += width + 2;
    }
}

/// A sign a volume: the pool's state at a glance.
fn draw_strip(canvas: &mut Canvas, x: u16, y: u16, width: u16, size: &SizeRow) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    for (column, state) in size.strip.iter().take(usize::from(width)).enumerate() {
        canvas.put(x + column as u16, y, glyphs.backup(*state), theme.backup(*state));
    }
    if size.strip.len() > usize::from(width) && width > 0 {
        canvas.put(x + width - 1, y, glyphs.ellipsis, theme.dim);
    }
}

fn list(app: &App, picture: &Picture, canvas: &mut Canvas, rows: Rect, framed: bool) {
    let len = app.main.rows.pool.len();
    if len == 0 {
        canvas.empty(rows, &nothing(app, "There is no backup volume").each_ref().map(String::as_str));
        return;
    }
    let focused = app.main.focus == Pane::Pool;
    let locations: u16 = (0..usize::from(rows.height))
        .filter_map(|line| app.main.backup_volume(picture, app.main.pool.offset + line))
        .map(|view| picture.snapshot.label(view.volume.id).width() as u16)
        .max()
        .unwrap_or(0)
        .clamp(10, 16);
    for line in 0..rows.height {
        let index = app.main.pool.offset + usize::from(line);
        let Some(view) = app.main.backup_volume(picture, index) else { break };
        let row = Rect { y: rows.y + line, height: 1, ..rows };
        draw_row(picture, canvas, row, view, locations);
        if index == app.main.pool.selected && focused {
            highlight(canvas, row, true);
        }
    }
    canvas.more(rows, app.main.pool.offset, len);
    if framed {
        canvas.hidden(rows, app.main.pool.offset, len);
    }
}

fn draw_row(picture: &Picture, canvas: &mut Canvas, row: Rect, view: &BackupVolumeView, locations: u16) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let style = theme.backup(view.state);
    canvas.put(row.x + 1, row.y, glyphs.backup(view.state), style);
    let x = row.x + 3;
    canvas.text(x, row.y, locations, &picture.snapshot.label(view.volume.id), theme.text);
    let x = x + locations + 1;
    let room = row.right().saturating_sub(x + 1);
    let owner = view.transaction_volume.map(|id| picture.snapshot.label(id));
    let text = match (view.state, view.generation, owner) {
        (BackupState::Unused, ..) => format!("unused, {}", view.volume.blocks),
        (_, Some(version), Some(owner)) => format!("{version} {owner}"),
        (BackupState::Bound, None, Some(owner)) => format!("for {owner}"),
        (state, None, Some(owner)) => {
            if room > 24 {
                format!("{owner}, {state}")
            } else {
                owner
            }
        }
        (state, Some(version), None) => format!("{version} {state}"),
        (state, None, None) => state.to_string(),
    };
    canvas.text(x, row.y, room, &text, style);
}
