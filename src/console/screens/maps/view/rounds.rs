//! Step 2 drawn: the grid, and the candidates for the selected cell.

use super::super::state::rounds::{columns, name_width};
use super::super::state::{MapsScreen, sets::tonight, split};
use super::panel;
use crate::console::format::left;
use crate::console::screens::screen::Context;
use crate::console::view::canvas::Canvas;
use crate::console::view::highlight;
use crate::model::device_map::grid::{Candidate, Cell, Fit, Grid, GridRow, Takes};
use crate::model::entity::BackupMode;
use crate::model::identity::VolumeId;
use crate::model::snapshot::Snapshot;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

/// Columns of a cell from which on it says how much it copies.
const WITH_AMOUNT: u16 = 26;
/// Columns of the candidates from which on their state has a column, and that column.
const WITH_STATE: u16 = 100;
const STATE: u16 = 20;

pub fn draw(screen: &MapsScreen, context: &Context, canvas: &mut Canvas, body: Rect) {
    let part = &screen.rounds;
    let Some(grid) = &part.grid else { return };
    let (upper, lower) = split(context.height(), grid.rows.len() + 3, 9);
    let area = Rect { height: upper, ..body };
    let note = if grid.rounds.is_empty() { String::new() } else { format!("tonight: {}", tonight(grid)) };
    let rounds = grid.rounds.len();
    let (shown, width) = columns(grid, area.width.saturating_sub(2));
    let aside = if shown < rounds {
        format!("{} to {} of {rounds}", part.first + 1, part.first + shown)
    } else {
        rounds.to_string()
    };
    let inner = panel(canvas, area, "Rounds", &aside, &note, !part.choosing);
    let left_edge = inner.x + 2 + name_width(grid) + 1 + 8 + 2 + 4 + 2;
    head(screen, canvas, inner, grid, (left_edge, shown, width));
    let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    for line in 0..rows.height {
        let index = part.cursor.offset + usize::from(line);
        let Some(row) = grid.rows.get(index) else { break };
        let area = Rect { y: rows.y + line, height: 1, ..rows };
        draw_row(screen, context.snapshot(), canvas, area, row, (left_edge, shown, width));
        if index == part.cursor.selected {
            highlight(canvas, area, false);
            let at = left_edge + width * u16::try_from(part.round.saturating_sub(part.first)).unwrap_or(0);
            let cell = Rect { x: at.saturating_sub(1), width: width.saturating_sub(1), ..area };
            highlight(canvas, cell.intersection(area), !part.choosing);
        }
    }
    canvas.more(rows, part.cursor.offset, grid.rows.len());
    canvas.hidden(rows, part.cursor.offset, grid.rows.len());
    candidates(screen, context, canvas, Rect { y: area.bottom(), height: lower, ..body });
}

/// The names of the rounds; the mode is `s` or `d`, and `keeps` the generations.
fn head(screen: &MapsScreen, canvas: &mut Canvas, line: Rect, grid: &Grid, (edge, shown, width): (u16, usize, u16)) {
    let theme = canvas.look.theme;
    canvas.text(line.x + 2, line.y, name_width(grid), "volume", theme.dim);
    let x = line.x + 2 + name_width(grid) + 1;
    canvas.right(x, line.y, 8, "size", theme.dim);
    canvas.right(x + 8, line.y, 7, "keeps", theme.dim);
    for (column, (at, name)) in grid.rounds.iter().enumerate().skip(screen.rounds.first).take(shown).enumerate() {
        let style = if at == screen.rounds.round { theme.title_focused } else { theme.dim };
        let x = edge + width * u16::try_from(column).unwrap_or(0);
        canvas.text(x, line.y, width.saturating_sub(1), &format!("round {name}"), style);
    }
}

fn draw_row(
    screen: &MapsScreen,
    snapshot: &Snapshot,
    canvas: &mut Canvas,
    area: Rect,
    row: &GridRow,
    (edge, shown, width): (u16, usize, u16),
) {
    let theme = canvas.look.theme;
    let (x, y) = (area.x + 2, area.y);
    let name = edge.saturating_sub(x + 17);
    canvas.text(x, y, name, &row.name, if row.is_registered { theme.text } else { theme.warning });
    let x = x + name + 1;
    canvas.right(x, y, 8, &row.blocks.map_or_else(|| "-".to_owned(), |blocks| blocks.to_string()), theme.text);
    let mode = match row.mode {
        Some(BackupMode::Suspend) => "s",
        Some(BackupMode::Dissolve) => "d",
        None => "",
    };
    let keeps = row.keeps.map_or_else(|| "-".to_owned(), |keeps| format!("{keeps} {mode}"));
    canvas.right(x + 8, y, 6, &keeps, theme.dim);
    let cells = row.cells.iter().enumerate().skip(screen.rounds.first).take(shown);
    for (column, (at, cell)) in cells.enumerate() {
        let x = edge + width * u16::try_from(column).unwrap_or(0);
        draw_cell(snapshot, canvas, (x, y, width.saturating_sub(1)), cell, row.due == Some(at));
    }
}

/// A sign, the backup volume, and where there is room what it takes. The one that is due is marked by an arrow.
fn draw_cell(snapshot: &Snapshot, canvas: &mut Canvas, (x, y, width): (u16, u16, u16), cell: &Cell, due: bool) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let (sign, style, id) = match cell {
        Cell::Empty => {
            canvas.text(x, y, width, "-", theme.dim);
            return;
        }
        Cell::Usable { backup_volume, .. } => (glyphs.good, theme.good, backup_volume),
        Cell::NotDue { backup_volume, .. } => (glyphs.generation, theme.suspended, backup_volume),
        Cell::Refused { backup_volume, .. } => (glyphs.attention, theme.problem, backup_volume),
    };
    let sign = if due { glyphs.restoring } else { sign };
    canvas.put(x, y, sign, style);
    let label = if due { theme.title } else { theme.text };
    let used = canvas.text(x + 2, y, width.saturating_sub(2), &snapshot.label(*id), label);
    let aside = in_short(cell);
    let room = width.saturating_sub(used + 3);
    if (aside.width() as u16) <= room && (width >= WITH_AMOUNT || matches!(cell, Cell::NotDue { .. })) {
        canvas.text(x + 2 + used + 1, y, room, &aside, theme.dim);
    }
}

/// What a cell takes, in a word.
fn in_short(cell: &Cell) -> String {
    match cell {
        Cell::Empty | Cell::Refused { .. } => String::new(),
        Cell::NotDue { version, .. } => version.map_or_else(String::new, |version| version.to_string()),
        Cell::Usable { takes, .. } => match takes {
            Takes::Difference(Some(blocks)) => format!("diff {}", left(*blocks)),
            Takes::Difference(None) => "diff".to_owned(),
            Takes::All(blocks) => format!("all {}", left(*blocks)),
            Takes::AllRemote(blocks) => format!("REC {}", left(*blocks)),
            Takes::Running => "now".to_owned(),
        },
    }
}

/// A cell as a sentence.
pub fn words(snapshot: &Snapshot, cell: &Cell) -> String {
    let label = |id: &VolumeId| snapshot.label(*id);
    match cell {
        Cell::Empty => "has no backup volume".to_owned(),
        Cell::Usable { backup_volume, takes } => format!("{}: {}", label(backup_volume), takes_words(*takes)),
        Cell::NotDue { backup_volume, version } => match version {
            Some(version) => format!("{}: holds {version}, another round is due", label(backup_volume)),
            None => format!("{}: holds a generation, another round is due", label(backup_volume)),
        },
        Cell::Refused { rejection, .. } => format!("{} ({})", rejection.reason, rejection.code),
    }
}

fn takes_words(takes: Takes) -> String {
    match takes {
        Takes::Difference(Some(blocks)) => format!("copies the difference, {}", left(blocks)),
        Takes::Difference(None) => "copies the difference".to_owned(),
        Takes::All(blocks) => format!("copies all, {}", left(blocks)),
        Takes::AllRemote(blocks) => format!("copies all to the other box by REC, {}", left(blocks)),
        Takes::Running => "is synchronized with it now".to_owned(),
    }
}

fn candidates(screen: &MapsScreen, context: &Context, canvas: &mut Canvas, area: Rect) {
    let part = &screen.rounds;
    let (Some(grid), Some(row)) = (&part.grid, part.row()) else {
        panel(canvas, area, "Candidates", "", "", false);
        return;
    };
    let round = grid.rounds.get(part.round).map_or_else(String::new, ToString::to_string);
    let offered = part.candidates.iter().filter(|candidate| candidate.verdict.is_ok()).count();
    let note = format!("{offered} of {} fit", part.candidates.len());
    let title = format!("For {} in round {round}", row.name);
    let inner = panel(canvas, area, &title, "", &note, part.choosing);
    if part.candidates.is_empty() {
        canvas.empty(inner, &["The pool has no backup volume.", "`ecdeck volume add --backup BV` registers one."]);
    }
    let present = part.cell().and_then(Cell::backup_volume);
    let width = part.candidates.iter().map(|found| found.name.width() as u16).max().unwrap_or(0).min(26);
    for line in 0..inner.height {
        let index = part.candidate.offset + usize::from(line);
        let Some(found) = part.candidates.get(index) else { break };
        let area = Rect { y: inner.y + line, height: 1, ..inner };
        draw_candidate(
            context.snapshot(),
            canvas,
            area,
            found,
            (width, index == 0, present == Some(found.backup_volume)),
        );
        if index == part.candidate.selected && part.choosing {
            highlight(canvas, area, true);
        }
    }
    canvas.more(inner, part.candidate.offset, part.candidates.len());
    canvas.hidden(inner, part.candidate.offset, part.candidates.len());
}

fn draw_candidate(
    snapshot: &Snapshot,
    canvas: &mut Canvas,
    area: Rect,
    found: &Candidate,
    (width, first, present): (u16, bool, bool),
) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let (x, y) = (area.x, area.y);
    let (sign, sign_style, style): (&str, Style, Style) = match (&found.verdict, present) {
        (_, true) => (glyphs.mark, theme.mark, theme.text),
        (Ok(_), _) => (glyphs.dot, theme.good, theme.text),
        (Err(_), _) => (glyphs.foreign, theme.problem, theme.dim),
    };
    canvas.put(x + 1, y, sign, sign_style);
    canvas.text(x + 3, y, width, &found.name, style);
    let state = snapshot.backup_volume(found.backup_volume).map(|view| view.state);
    let word = state.map_or_else(String::new, |state| state.to_string());
    let mut at = x + 3 + width + 2;
    if area.width >= WITH_STATE {
        canvas.text(at, y, STATE, &word, theme.dim);
        at += STATE + 2;
    }
    let text = match &found.verdict {
        Ok(fit) => {
            let best = if first { "best: " } else { "" };
            format!("{best}{}", fit_words(*fit))
        }
        Err(rejection) => {
            // The name stands before it already.
            let reason = rejection.reason.strip_prefix(found.name.as_str()).map_or(&*rejection.reason, str::trim_start);
            format!("{reason} ({})", rejection.code)
        }
    };
    canvas.text(at, y, area.right().saturating_sub(at + 1), &text, style);
}

fn fit_words(fit: Fit) -> String {
    match fit {
        Fit::Now(takes) => takes_words(takes),
        Fit::NotDue(Some(version)) => format!("holds {version} of this volume: for a round that is not due"),
        Fit::NotDue(None) => "holds a generation of this volume: for a round that is not due".to_owned(),
    }
}

pub fn hint(screen: &MapsScreen, context: &Context) -> String {
    let part = &screen.rounds;
    if part.choosing {
        return match part.selected_candidate().map(|found| &found.verdict) {
            Some(Ok(_)) => "Enter takes it into the cell; Esc back to the grid".to_owned(),
            Some(Err(rejection)) => format!("{} ({})", rejection.reason, rejection.code),
            None => String::new(),
        };
    }
    let (Some(grid), Some(row), Some(cell)) = (&part.grid, part.row(), part.cell()) else {
        return "p proposes rounds; + adds an empty one".to_owned();
    };
    let round = grid.rounds.get(part.round).map_or_else(String::new, ToString::to_string);
    format!("{} in round {round}: {}; Enter chooses", row.name, words(context.snapshot(), cell))
}
