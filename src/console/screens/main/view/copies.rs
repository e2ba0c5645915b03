//! Operations under way and every session: what moves comes first, with its rate and its end.

use super::{nothing, pane, whose};
use crate::console::app::App;
use crate::console::format::{left, rate};
use crate::console::glyphs::Glyphs;
use crate::console::keys::Command;
use crate::console::picture::{CopyRow, Picture, is_moving};
use crate::console::screens::main::state::Trace;
use crate::console::sessions;
use crate::console::types::Pane;
use crate::console::view::canvas::{Canvas, Column, Place, fit};
use crate::console::view::highlight;
use crate::model::observe::session_state;
use crate::model::records::OperationEnd;
use crate::model::session::Direction;
use crate::model::snapshot::{Halves, OperationView, Ready, SessionView, TransactionState};
use crate::model::units::Progress;
use crate::model::verb::Verb;
use ratatui::layout::Rect;
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

const COLUMNS: [Column; 9] = [
    Column { title: "", right: false, gap: 0, least: 2, drop: 0 },
    Column { title: "source", right: false, gap: 1, least: 10, drop: 0 },
    Column { title: "target", right: false, gap: 1, least: 12, drop: 1 },
    Column { title: "kind", right: false, gap: 2, least: 3, drop: 4 },
    Column { title: "how", right: false, gap: 2, least: 10, drop: 5 },
    Column { title: "bar", right: false, gap: 2, least: 4, drop: 6 },
    Column { title: "percent", right: true, gap: 1, least: 5, drop: 0 },
    Column { title: "rate", right: true, gap: 2, least: 9, drop: 3 },
    Column { title: "left", right: false, gap: 2, least: 9, drop: 2 },
];

pub fn draw(app: &App, picture: &Picture, canvas: &mut Canvas, area: Rect, framed: bool) {
    let dot = canvas.look.glyphs.dot;
    let moving = picture.summary.moving_sessions;
    let title = if app.main.all {
        format!("Copies\u{0} {dot} {moving} moving of {}", picture.snapshot.sessions.len())
    } else {
        let sessions = app.main.rows.copies.iter().filter(|row| matches!(row, CopyRow::Session(_))).count();
        format!("Copies\u{0}{} {dot} {sessions} of {}, {moving} moving", whose(app), picture.snapshot.sessions.len())
    };
    let ready = picture.summary.all_ready.map(|at| app.clock.moment_or_minute(at.max(app.clock.now)));
    let note = ready.map_or_else(String::new, |at| format!("all ready {at}"));
    let inner = pane(app, canvas, area, Pane::Copies, &title, &note, framed);
    if inner.is_empty() {
        return;
    }
    let rows = &app.main.rows.copies;
    if rows.is_empty() {
        let key = app.keys.key(Command::Verb(Verb::Start));
        let hint = format!("{key} starts the synchronization of the selected volume.");
        let [none, all] = nothing(app, "There is no copy");
        canvas.empty(inner, &[&none, &hint, &all]);
        return;
    }
    let name = picture.name_width;
    let growth = [(1, name.min(14)), (8, 31), (5, 16), (2, 14), (5, 24), (1, name.min(32)), (2, 18), (8, 34), (5, 60)];
    let places = fit(&COLUMNS, &growth, inner.width.saturating_sub(1));
    let focused = app.main.focus == Pane::Copies;
    for line in 0..inner.height {
        let index = app.main.copies.offset + usize::from(line);
        let row = Rect { y: inner.y + line, height: 1, ..inner };
        match rows.get(index) {
            None => break,
            Some(CopyRow::Operation(at)) => {
                if let Some(operation) = picture.snapshot.operations.get(*at as usize) {
                    draw_operation(app, picture, canvas, row, &places, operation);
                }
            }
            Some(CopyRow::Session(at)) => {
                if let Some(session) = picture.snapshot.sessions.get(*at as usize) {
                    draw_session(app, picture, canvas, row, &places, session);
                }
            }
        }
        if index == app.main.copies.selected && focused {
            highlight(canvas, row, true);
        }
    }
    let len = rows.len();
    canvas.more(inner, app.main.copies.offset, len);
    if framed {
        canvas.hidden(inner, app.main.copies.offset, len);
        curve(app, canvas, Rect { y: inner.y + (len as u16).min(inner.height), ..inner }, inner.bottom());
    }
}

/// The rate of the selected copy since it is selected, as a curve in the rows that are left under the list.
fn curve(app: &App, canvas: &mut Canvas, area: Rect, bottom: u16) {
    let (theme, heights) = (canvas.look.theme, canvas.look.glyphs.spark);
    let rows = bottom.saturating_sub(area.y);
    let Some(Trace { pair, rates, .. }) = &app.main.trace else { return };
    let (Some(most), Some(last)) = (rates.iter().max(), rates.last()) else { return };
    if rows < 3 || rates.len() < 2 || heights.is_empty() || area.width < 60 {
        return;
    }
    let target = app.snapshot().map_or_else(String::new, |snapshot| snapshot.label(pair.target));
    let text = format!("rate to {target}");
    canvas.text(area.x + 3, area.y + 1, 24, &text, theme.dim);
    canvas.text(area.x + 3, area.y + 2, 24, &format!("now {}, at most {}", rate(*last), rate(*most)), theme.dim);
    let (steps, lines) = (heights.len() as u64, u64::from(rows - 1));
    for (column, value) in rates.iter().enumerate() {
        let x = area.x + 36 + column as u16;
        if x + 2 >= area.right() {
            break;
        }
        // Eighths of a row, from the lowest row up.
        let mut filled = value.saturating_mul(steps * lines) / (*most).max(1);
        for row in 0..rows - 1 {
            let here = filled.min(steps);
            filled -= here;
            if here > 0 {
                canvas.put(x, bottom - 1 - row, heights[(here - 1) as usize], theme.copying);
            }
        }
    }
}

fn draw_operation(
    app: &App,
    picture: &Picture,
    canvas: &mut Canvas,
    row: Rect,
    places: &[Place; 9],
    operation: &OperationView,
) {
    let theme = canvas.look.theme;
    let (sign, style) = match &operation.end {
        None if operation.waits_for.is_some() => (canvas.look.glyphs.more_below, theme.dim),
        None => (canvas.look.glyphs.more_below, theme.accent),
        Some(_) => (canvas.look.glyphs.attention, theme.problem),
    };
    canvas.put(row.x + 1, row.y, sign, style);
    let (x, width) = places[1].unwrap_or((3, 10));
    canvas.text(row.x + x, row.y, width, &picture.snapshot.label(operation.volume), theme.text);
    let x = row.x + x + width + 2;
    let who = operation.actor.user.clone().unwrap_or_else(|| format!("uid {}", operation.actor.uid));
    let text = match &operation.end {
        None => format!(
            "{} {}: {} ({}/{}), by {who}",
            operation.verb, operation.id, operation.step, operation.steps_done, operation.steps_total
        ),
        Some((at, end)) => format!("{} {}: {} at {}", operation.verb, operation.id, ended(end), app.clock.minute(*at)),
    };
    canvas.text(x, row.y, row.right().saturating_sub(x + 1), &text, style);
}

fn ended(end: &OperationEnd) -> String {
    match end {
        OperationEnd::Done => "done".to_owned(),
        OperationEnd::NotDone { code, why } => format!("not done, {why} ({code})"),
        OperationEnd::Failed { code, why } => format!("failed, {why} ({code})"),
        OperationEnd::OutcomeUnknown { why } => format!("outcome unknown, {why}"),
    }
}

/// Which way the data go, seen from the pair's source on the left.
fn direction(session: &SessionView, glyphs: &Glyphs) -> &'static str {
    match session.direction {
        Direction::Forward => glyphs.arrow,
        Direction::Reversed => glyphs.arrow_back,
        Direction::Unknown => glyphs.unknown,
    }
}

fn draw_session(
    app: &App,
    picture: &Picture,
    canvas: &mut Canvas,
    row: Rect,
    places: &[Place; 9],
    session: &SessionView,
) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let [_, source, target, kind, how, bar, percent, speed, rest] = *places;
    let (x, y) = (row.x, row.y);
    let state = session_state(session);
    let style = if session.ours { theme.transaction(state) } else { theme.dim };
    canvas.put(x + 1, y, glyphs.transaction(state), style);
    if let Some((at, width)) = source {
        canvas.text(x + at, y, width, &picture.snapshot.label(session.pair.source), theme.text);
    }
    if let Some((at, width)) = target {
        let used = canvas.text(
            x + at,
            y,
            width,
            direction(session, glyphs),
            if session.is_forward() { theme.dim } else { style },
        );
        let text = picture.snapshot.label(session.pair.target);
        canvas.text(x + at + used + 1, y, width.saturating_sub(used + 1), &text, theme.text);
    }
    if let Some((at, width)) = kind {
        canvas.text(x + at, y, width, &session.pair.kind.to_string(), theme.dim);
    }
    let tail = |place: Place| place.map(|(at, _)| at);
    if !is_moving(session) {
        // What stands still has no bar: its words take that room.
        let Some(at) = tail(how).or(tail(percent)) else { return };
        let text = standing(app, session);
        canvas.text(x + at, y, row.width.saturating_sub(at + 1), &text, style);
        return;
    }
    if !session.ours && session.progress.is_none() {
        if let Some(at) = tail(how) {
            let text = format!("foreign, made by {}", session.requestor.escaped());
            canvas.text(x + at, y, row.width.saturating_sub(at + 1), &text, style);
        }
        return;
    }
    if let Some((at, width)) = how {
        let text = match session.full {
            Some(true) => "full",
            Some(false) => "difference",
            None => "foreign",
        };
        canvas.text(x + at, y, width, text, theme.dim);
    }
    if let (Some((at, width)), Some(share)) = (bar, sessions::share(session)) {
        canvas.bar(x + at, y, width, share, theme.bar);
    }
    if let (Some((at, width)), Some(done)) = (percent, session.progress.and_then(Progress::percent)) {
        canvas.right(x + at, y, width, &done.to_string(), style);
    }
    if let (Some((at, width)), Some(bytes)) = (speed, session.rate) {
        canvas.right(x + at, y, width, &rate(bytes), theme.text);
    }
    if let Some((at, width)) = rest {
        let text = remaining(app, session, width);
        canvas.text(x + at, y, width, &text, theme.text);
    }
}

/// What a copy still has to do and when it ends, as much of it as there is room for.
fn remaining(app: &App, session: &SessionView, width: u16) -> String {
    let bytes = session.progress.map(|progress| format!("{:>7} left", left(progress.left())));
    let ready = match session.ready {
        Ready::Never | Ready::NotYetKnown => None,
        ready => Some(ready),
    };
    match (bytes, ready) {
        (Some(bytes), Some(ready)) => {
            let room = width.saturating_sub(bytes.width() as u16 + 8);
            if room >= 5 {
                format!("{bytes}, ready {}", app.clock.ready(ready, room))
            } else {
                app.clock.ready(ready, width)
            }
        }
        (Some(bytes), None) => bytes,
        (None, Some(ready)) => format!("ready {}", app.clock.ready(ready, width.saturating_sub(6))),
        (None, None) => String::new(),
    }
}

/// How a session that does not move stands.
fn standing(app: &App, session: &SessionView) -> String {
    let since = app.clock.moment_or_minute(session.since);
    let state = session_state(session);
    let mut text = match (state, session.error) {
        (TransactionState::Error, Some(error)) => format!("error {error} since {since}"),
        (TransactionState::Suspended, _) => match session.difference {
            Some(difference) if difference.0 == 0 => format!("suspended {since}, nothing changed since"),
            Some(difference) => format!("suspended {since}, {} changed since", left(difference)),
            None => format!("suspended {since}"),
        },
        (TransactionState::Unknown, _) => format!("unknown: {}", session.words),
        _ => format!("{state} since {since}"),
    };
    match &session.halves {
        Halves::One | Halves::Agree => {}
        Halves::Disagree { other_words, .. } => {
            let _ = write!(text, ", the other half: {other_words}");
        }
        Halves::Missing { source_reports: true } => text.push_str(", the target's box has no such session"),
        Halves::Missing { source_reports: false } => text.push_str(", the source's box has no such session"),
        Halves::OtherUnread => text.push_str(", the other half is not read"),
    }
    if !session.ours {
        let _ = write!(text, ", made by {}", session.requestor.escaped());
    }
    text
}
