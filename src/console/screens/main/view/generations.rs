//! The kept generations of the selected volume, newest first.

use super::{instants, pane};
use crate::console::app::App;
use crate::console::keys::Command;
use crate::console::picture::Picture;
use crate::console::types::Pane;
use crate::console::view::canvas::Canvas;
use crate::console::view::highlight;
use crate::model::records::{BackupMode, Generation, GenerationState};
use crate::model::session::Pair;
use crate::model::snapshot::Snapshot;
use crate::model::verb::Verb;
use ratatui::layout::Rect;
use ratatui::style::Style;
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// From this width on the times of copies are shown.
const WITH_TIMES: u16 = 84;
/// `119 min changes`.
const COPY_TIME: u16 = 15;

pub fn draw(app: &App, picture: &Picture, canvas: &mut Canvas, area: Rect, framed: bool) {
    if let Some(set) = app.selected_set() {
        instants::draw(app, picture, canvas, area, set, framed);
        return;
    }
    let selected = app.selected_volume();
    let title =
        selected.map_or_else(|| "Generations".to_owned(), |view| format!("Generations\u{0} of {}", view.volume.name));
    let inner = pane(app, canvas, area, Pane::Generations, &title, "", framed);
    if inner.is_empty() {
        return;
    }
    let Some(view) = selected else { return };
    let generations = picture.snapshot.generations_of(view.volume.id);
    if generations.is_empty() {
        let (start, backup) = (app.keys.key(Command::Verb(Verb::Start)), app.keys.key(Command::Verb(Verb::Backup)));
        let synchronize = format!("{start} starts a synchronization;");
        let back_up = format!("once it is equivalent, {backup} makes a generation.");
        canvas.empty(inner, &["No generation is kept yet.", &synchronize, &back_up]);
        return;
    }
    let focused = app.main.focus == Pane::Generations;
    for line in 0..inner.height {
        let index = app.main.generations.offset + usize::from(line);
        let Some(at) = generations.len().checked_sub(index + 1) else { break };
        let row = Rect { y: inner.y + line, height: 1, ..inner };
        draw_row(app, &picture.snapshot, canvas, row, &generations[at]);
        if index == app.main.generations.selected && focused {
            highlight(canvas, row, true);
        }
    }
    canvas.more(inner, app.main.generations.offset, generations.len());
    if framed {
        canvas.hidden(inner, app.main.generations.offset, generations.len());
    }
}

fn draw_row(app: &App, snapshot: &Snapshot, canvas: &mut Canvas, row: Rect, generation: &Generation) {
    let theme = canvas.look.theme;
    let (x, y) = (row.x, row.y);
    canvas.right(x + 2, y, 5, &generation.version.to_string(), theme.text);
    let mut others = snapshot.generations_of(generation.transaction_volume).iter();
    let collides = others.any(|other| other.version != generation.version && same_minute(other, generation));
    let when = if collides {
        app.clock.moment_to_the_second(generation.taken_at)
    } else {
        app.clock.moment(generation.taken_at)
    };
    // Wider than usual where an hour comes twice, or two generations are of one minute.
    let when_width = (when.width() as u16).max(9);
    canvas.text(x + 9, y, when_width, &when, theme.text);
    let location = snapshot.label(generation.backup_volume);
    let width = (location.width() as u16).clamp(10, 14);
    let at = x + 9 + when_width + 2;
    canvas.text(at, y, width, &location, theme.dim);
    let at = at + width + 2;
    let (sign, mut text, mut style) = standing(canvas, snapshot, generation);
    if app.clock.is_future(generation.taken_at) {
        text = format!("in the future; {text}");
        style = theme.warning;
    }
    canvas.put(at, y, sign, style);
    // Where there is room, how long each night's copy took stands at the right end, one below the other.
    let times = if row.width >= WITH_TIMES { COPY_TIME + 2 } else { 0 };
    canvas.text(at + 2, y, row.right().saturating_sub(at + 3 + times), &text, style);
    if let Some(time) = generation.copied_in.filter(|_| times > 0) {
        canvas.right(row.right().saturating_sub(COPY_TIME + 1), y, COPY_TIME, &time.to_string(), theme.dim);
    }
}

fn same_minute(one: &Generation, other: &Generation) -> bool {
    one.taken_at.0.div_euclid(60_000) == other.taken_at.0.div_euclid(60_000)
}

fn standing(canvas: &Canvas, snapshot: &Snapshot, generation: &Generation) -> (&'static str, String, Style) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let pair = Pair::new(generation.transaction_volume, generation.backup_volume);
    let resumable = generation.mode == BackupMode::Suspend && snapshot.session(&pair).is_some();
    let (sign, style) = match &generation.state {
        GenerationState::Valid if resumable => (glyphs.suspended_generation, theme.text),
        GenerationState::Valid => (glyphs.generation, theme.text),
        GenerationState::InDoubt(_) => (glyphs.unknown, theme.warning),
        GenerationState::NeedsAttention(_) => (glyphs.attention, theme.warning),
    };
    let mut text = generation.state.to_string();
    match &generation.held {
        Some(why) => _ = write!(text, ", held: {}", why.escaped()),
        None if resumable && generation.state == GenerationState::Valid => text.push_str(", resumable"),
        None => {}
    }
    (sign, text, style)
}
