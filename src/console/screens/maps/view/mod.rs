//! The screen of device maps drawn: the line of steps, then the two panes of the step. Each step has a file.

mod check;
mod rounds;
mod sets;
mod volumes;
mod write;

use super::keys;
use super::state::{MapsScreen, Stage, Typing};
use crate::console::screens::screen::Context;
use crate::console::view::canvas::Canvas;
use crate::model::snapshot::Severity;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

const STEPS: [(Stage, &str); 4] =
    [(Stage::Volumes, "volumes"), (Stage::Rounds, "rounds"), (Stage::Check, "check"), (Stage::Write, "write")];

pub fn draw(screen: &MapsScreen, context: &Context, canvas: &mut Canvas, area: Rect) -> Option<Position> {
    if area.height < 8 || area.width < 40 {
        canvas.empty(area, &["Device maps need a larger screen.", "Esc goes back; nothing is lost."]);
        return None;
    }
    steps(screen, context, canvas, Rect { height: 1, ..area });
    let body = Rect { y: area.y + 1, height: area.height - 1, ..area };
    match screen.stage {
        Stage::Sets => sets::draw(screen, context, canvas, body),
        Stage::Volumes => volumes::draw(screen, context, canvas, body),
        Stage::Rounds => rounds::draw(screen, context, canvas, body),
        Stage::Check => check::draw(screen, context, canvas, body),
        Stage::Write => write::draw(screen, context, canvas, body),
    }
    typing(screen, canvas, Rect { height: 1, ..area })
}

/// `nightly   1 volumes  2 rounds  3 check  4 write          draft kept 01:31`.
fn steps(screen: &MapsScreen, context: &Context, canvas: &mut Canvas, line: Rect) {
    let theme = canvas.look.theme;
    let Some(draft) = &screen.open else {
        let text = "A map set fixes which backup volume each volume uses, round by round.";
        canvas.text(line.x + 1, line.y, line.width.saturating_sub(2), text, theme.dim);
        return;
    };
    let mut x = line.x + 1;
    let name = draft.name().to_string();
    x += canvas.text(x, line.y, 20, &name, theme.title) + 3;
    for ((stage, word), key) in STEPS.iter().zip([keys::VOLUMES, keys::ROUNDS, keys::CHECK, keys::PREVIEW]) {
        let style = if *stage == screen.stage { theme.title_focused } else { theme.dim };
        x += canvas.text(x, line.y, line.right().saturating_sub(x), &context.keys.key(key), theme.key) + 1;
        x += canvas.text(x, line.y, line.right().saturating_sub(x), word, style) + 2;
    }
    let text = match draft.changed_at.filter(|_| draft.is_changed()) {
        Some(at) => format!("draft kept {}", context.clock.moment_or_minute(at)),
        None if draft.base.is_some() => "as it is stored".to_owned(),
        None => "new".to_owned(),
    };
    if x + (text.width() as u16) < line.right() {
        canvas.right(line.x, line.y, line.width - 1, &text, theme.dim);
    }
}

/// What is typed stands in the place of the steps.
fn typing(screen: &MapsScreen, canvas: &mut Canvas, line: Rect) -> Option<Position> {
    let typing = screen.typing.as_ref()?;
    let label = match typing {
        Typing::Filter(_) => "show only: ",
        Typing::Name(_) => "name of the map set: ",
        Typing::RoundName(_) => "name of the round: ",
    };
    let theme = canvas.look.theme;
    canvas.clear(line);
    let x = line.x + 1;
    let x = x + canvas.text(x, line.y, line.width - 1, label, theme.label);
    canvas.text(x, line.y, line.right().saturating_sub(x), typing.input().value(), theme.text);
    let text = if matches!(typing, Typing::Filter(_)) { "Enter keeps    Esc clears" } else { "Enter    Esc as before" };
    let cursor = x + typing.input().visual_cursor() as u16;
    if cursor + 4 + (text.width() as u16) < line.right() {
        canvas.right(line.x, line.y, line.width - 1, text, theme.dim);
    }
    Some(Position::new(cursor.min(line.right() - 1), line.y))
}

/// A frame with a title in two styles.
fn panel(canvas: &mut Canvas, area: Rect, title: &str, aside: &str, note: &str, focused: bool) -> Rect {
    let theme = canvas.look.theme;
    let style = if focused { theme.title_focused } else { theme.title };
    let aside = if aside.is_empty() { String::new() } else { format!(" {} {aside}", canvas.look.glyphs.dot) };
    canvas.panel(area, &[Span::styled(title.to_owned(), style), Span::styled(aside, theme.dim)], note, focused)
}

/// The columns of a heading.
fn heading(canvas: &mut Canvas, line: Rect, columns: &[(u16, u16, &str, bool)]) {
    let style = canvas.look.theme.dim;
    for (x, width, title, right) in columns {
        if line.x + x + width > line.right() {
            continue;
        }
        if *right {
            canvas.right(line.x + x, line.y, *width, title, style);
        } else {
            canvas.text(line.x + x, line.y, *width, title, style);
        }
    }
}

fn severity(canvas: &Canvas, severity: Severity) -> (&'static str, Style) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let sign = match severity {
        Severity::Info => glyphs.dot,
        Severity::Good => glyphs.good,
        Severity::Warning | Severity::Problem => glyphs.attention,
    };
    (sign, theme.severity(severity))
}

/// The last line: what the selected thing is about, and the keys of the step.
pub fn hint(screen: &MapsScreen, context: &Context) -> String {
    match screen.stage {
        Stage::Sets => sets::hint(screen),
        Stage::Volumes => volumes::hint(screen),
        Stage::Rounds => rounds::hint(screen, context),
        Stage::Check => check::hint(screen),
        Stage::Write => write::hint(screen, context),
    }
}
