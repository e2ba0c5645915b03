//! The list of map sets; below, what the selected one means for the volume that the main screen has selected.

use super::super::state::sets::{SetKey, SetRow};
use super::super::state::{MapsScreen, split};
use super::rounds::words;
use super::{heading, panel};
use crate::console::screens::screen::Context;
use crate::console::view::canvas::{Canvas, wrap};
use crate::console::view::highlight;
use crate::model::device_map::{MapSet, grid};
use crate::model::snapshot::Snapshot;
use ratatui::layout::Rect;
use ratatui::style::Style;

pub fn draw(screen: &MapsScreen, context: &Context, canvas: &mut Canvas, body: Rect) {
    let (upper, _) = split(body.height + 1, screen.sets.rows.len() + 3, 9);
    let area = Rect { height: upper, ..body };
    let stored = context.snapshot().map_sets.len();
    let inner = panel(canvas, area, "Map sets", &stored.to_string(), "", true);
    let theme = canvas.look.theme;
    heading(
        canvas,
        inner,
        &[(2, 20, "map set", false), (23, 8, "volumes", true), (32, 7, "rounds", true), (41, 30, "tonight", false)],
    );
    let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    for line in 0..rows.height {
        let index = screen.sets.cursor.offset + usize::from(line);
        let Some(row) = screen.sets.rows.get(index) else { break };
        let area = Rect { y: rows.y + line, height: 1, ..rows };
        draw_row(context, canvas, area, row);
        if index == screen.sets.cursor.selected {
            highlight(canvas, area, true);
        }
    }
    canvas.more(rows, screen.sets.cursor.offset, screen.sets.rows.len());
    let lower = Rect { y: area.bottom(), height: body.bottom().saturating_sub(area.bottom()), ..body };
    let Some(row) = screen.sets.selected() else { return };
    let (title, lines) = about(screen, context, row);
    let inner = panel(canvas, lower, &title, "", "", false);
    let width = usize::from(inner.width.saturating_sub(4));
    let wrapped = lines.iter().flat_map(|line| wrap(line, width));
    for (line, text) in (0..inner.height).zip(wrapped) {
        canvas.text(inner.x + 2, inner.y + line, inner.width.saturating_sub(3), &text, theme.text);
    }
}

fn draw_row(context: &Context, canvas: &mut Canvas, row: Rect, set: &SetRow) {
    let theme = canvas.look.theme;
    let (x, y) = (row.x, row.y);
    let (name, style): (String, Style) = match &set.key {
        SetKey::Draft(name) | SetKey::Stored(name) => (name.to_string(), theme.text),
        SetKey::New => {
            canvas.text(x + 2, y, row.width.saturating_sub(3), "new map set ...", theme.accent);
            return;
        }
    };
    canvas.text(x + 2, y, 20, &name, style);
    canvas.right(x + 23, y, 8, &set.volumes.to_string(), theme.text);
    canvas.right(x + 32, y, 7, &set.rounds.to_string(), theme.text);
    let room = row.width.saturating_sub(42);
    if matches!(set.key, SetKey::Draft(_)) {
        let when =
            set.changed_at.map_or_else(String::new, |at| format!(" since {}", context.clock.moment_or_minute(at)));
        canvas.text(x + 41, y, room, &format!("draft{when}, not stored"), theme.warning);
    } else {
        canvas.text(x + 41, y, room, &set.tonight, theme.text);
    }
}

/// What a row is good for, in lines.
fn about(screen: &MapsScreen, context: &Context, row: &SetRow) -> (String, Vec<String>) {
    let snapshot = context.snapshot();
    match &row.key {
        SetKey::New => {
            let lines = [
                "You choose volumes and get a proposal: for each volume its backup volumes, one a round.",
                "Change what you like, see what is wrong and what the pool lacks, look at the file, and store it.",
                "Nothing changes before you agree to the plan. The draft is kept, also if the line is lost.",
            ];
            ("A new map set".to_owned(), lines.map(str::to_owned).to_vec())
        }
        SetKey::Draft(name) => {
            let stored = if snapshot.map_set(name.as_str()).is_some() {
                "The map set is stored, and this changes it."
            } else {
                "It is not stored yet."
            };
            ("A draft".to_owned(), vec![stored.to_owned(), "Enter continues with it, x drops it.".to_owned()])
        }
        SetKey::Stored(name) => match (snapshot.map_set(name.as_str()), screen.subject) {
            (Some(set), Some(volume)) => {
                (format!("{name} for {}", snapshot.label(volume)), for_volume(snapshot, set, volume))
            }
            _ => (name.to_string(), Vec::new()),
        },
    }
}

/// Each round of a set for a volume: what it would take, or why not.
fn for_volume(snapshot: &Snapshot, set: &MapSet, volume: crate::model::identity::VolumeId) -> Vec<String> {
    let name = snapshot.label(volume);
    if set.rows_of(volume).next().is_none() {
        let other = match snapshot.map_set_of(volume) {
            Some(other) => format!("It is in map set {}.", other.name),
            None => "It is in no map set: a start chooses its backup volume.".to_owned(),
        };
        return vec![format!("{} does not fit: it has no round for {name}.", set.name), other];
    }
    let grid = grid::grid(snapshot, set);
    let Some(row) = grid.rows.iter().find(|row| row.transaction_volume == volume) else { return Vec::new() };
    let rounds = grid.rounds.iter().zip(&row.cells).enumerate();
    rounds
        .map(|(at, (round, cell))| {
            let tonight = if row.due == Some(at) { "tonight: " } else { "" };
            format!("round {round}  {tonight}{}", words(snapshot, cell))
        })
        .collect()
}

pub fn hint(screen: &MapsScreen) -> String {
    if let Some(said) = &screen.sets.said {
        return said.clone();
    }
    match screen.sets.selected().map(|row| &row.key) {
        Some(SetKey::Stored(_)) => "Enter opens it; s starts its volumes; x removes it; a begins a new one",
        Some(SetKey::Draft(_)) => "Enter continues with the draft; x drops it; a begins a new map set",
        _ => "Enter begins a new map set; Esc back to the main screen",
    }
    .to_owned()
}
