//! The main table: the transaction volumes, how each stands, when it is ready, what is kept, what is due.

use super::{pane, sets};
use crate::console::app::App;
use crate::console::choice::Order;
use crate::console::format::{left, rate};
use crate::console::picture::{FirstPicture, Picture, SET_INDENT, is_moving};
use crate::console::sessions;
use crate::console::table::TableRow;
use crate::console::types::Pane;
use crate::console::view::canvas::{Canvas, Column, Place, fit};
use crate::console::view::highlight;
use crate::model::codes::Code;
use crate::model::recoverable::{Recoverable, recoverable};
use crate::model::sentence::error_meaning;
use crate::model::snapshot::{Due, Problem, SessionView, TransactionState, TransactionVolumeView};
use crate::model::units::Timestamp;
use ratatui::layout::Rect;
use ratatui::style::Style;

const COLUMNS: [Column; 13] = [
    // Cursor and mark.
    Column { title: "", right: false, gap: 0, least: 2, drop: 0 },
    Column { title: "volume", right: false, gap: 1, least: 10, drop: 0 },
    Column { title: "size", right: true, gap: 1, least: 8, drop: 4 },
    Column { title: "synchronization", right: false, gap: 2, least: 18, drop: 0 },
    Column { title: "rate", right: true, gap: 1, least: 9, drop: 8 },
    Column { title: "left", right: true, gap: 1, least: 9, drop: 9 },
    Column { title: "onto", right: false, gap: 2, least: 12, drop: 7 },
    Column { title: "ready", right: true, gap: 1, least: 6, drop: 1 },
    Column { title: "kept", right: true, gap: 1, least: 4, drop: 3 },
    Column { title: "last backup", right: false, gap: 2, least: 9, drop: 5 },
    Column { title: "due", right: true, gap: 2, least: 8, drop: 2 },
    Column { title: "recoverable", right: false, gap: 2, least: 11, drop: 6 },
    Column { title: "policy", right: false, gap: 2, least: 18, drop: 10 },
];
/// The state's sign, a blank and the longest word.
pub(super) const WORD: u16 = 12;

pub fn draw(app: &App, picture: &Picture, canvas: &mut Canvas, area: Rect, framed: bool) {
    let inner = pane(app, canvas, area, Pane::Volumes, &title(app, picture), &note(app, picture), framed);
    if inner.is_empty() {
        return;
    }
    table(app, picture, canvas, inner);
    if framed && !picture.volumes.is_empty() {
        let rows = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
        canvas.hidden(rows, app.main.volumes.offset, picture.rows.len());
    }
}

/// The first rows of a large site: how many more there are is known, and no cursor is on any of them.
pub fn draw_first(app: &App, first: &FirstPicture, canvas: &mut Canvas, area: Rect, framed: bool) {
    let title = format!("Transaction volumes\u{0} {} {}, the rest is being read", app.look.glyphs.dot, first.volumes);
    let inner = pane(app, canvas, area, Pane::Volumes, &title, "", framed);
    if !inner.is_empty() {
        table(app, &first.picture, canvas, inner);
    }
}

/// Heading and rows.
fn table(app: &App, picture: &Picture, canvas: &mut Canvas, inner: Rect) {
    let name = picture.name_width;
    let growth = [(1, name.min(14)), (3, 27), (7, 11), (1, name.min(32)), (9, 11), (3, 40), (6, 16), (3, 70)];
    let places = fit(&COLUMNS, &growth, inner.width.saturating_sub(1));
    heading(canvas, inner, &places);
    let rows = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
    if picture.volumes.is_empty() {
        empty(app, picture, canvas, rows);
        return;
    }
    let focused = app.main.focus == Pane::Volumes;
    for line in 0..rows.height {
        let index = app.main.volumes.offset + usize::from(line);
        let Some(of) = picture.rows.get(index) else { break };
        let row = Rect { y: rows.y + line, height: 1, ..rows };
        match of {
            TableRow::Set(_) => {
                if let Some(set) = picture.set(index) {
                    sets::draw_row(app, picture, canvas, row, &places, set);
                }
            }
            TableRow::Volume { in_set, .. } => {
                let indent = if *in_set { SET_INDENT } else { 0 };
                if let Some(view) = picture.volume(index) {
                    draw_row(app, picture, canvas, row, &places, (view, indent));
                }
            }
        }
        if app.picture.is_some() && index == app.main.volumes.selected {
            highlight(canvas, row, focused);
        }
    }
    canvas.more(rows, app.main.volumes.offset, picture.rows.len());
}

fn title(app: &App, picture: &Picture) -> String {
    let dot = app.look.glyphs.dot;
    let parts = chosen(app, picture);
    if parts.is_empty() {
        return format!("Transaction volumes\u{0} {dot} {}", picture.volumes.len());
    }
    format!("Transaction volumes\u{0} {dot} {}", parts.join(&format!(" {dot} ")))
}

/// How many of the volumes are shown and why, and how many are marked; nothing when all are shown and none is marked.
pub fn chosen(app: &App, picture: &Picture) -> Vec<String> {
    let (shown, all) = (picture.volumes.len(), picture.snapshot.transaction_volumes.len());
    let mut parts = Vec::new();
    if shown != all || !app.main.marks.is_empty() {
        parts.push(if shown == all { all.to_string() } else { format!("{shown} of {all}") });
    }
    if !app.main.choice.filter.is_empty() && app.main.filter_input.is_none() {
        parts.push(format!("/{}", app.main.choice.filter));
    }
    if app.main.choice.problems {
        parts.push("problems only".to_owned());
    }
    if !app.main.marks.is_empty() {
        parts.push(format!("{} marked", app.main.marks.len()));
    }
    parts
}

fn note(app: &App, picture: &Picture) -> String {
    let order = if app.main.choice.order == Order::default() { "" } else { app.main.choice.order.word() };
    match (picture.summary.overdue, order) {
        (0, order) => order.to_owned(),
        (overdue, "") => format!("{overdue} overdue"),
        (overdue, order) => format!("{overdue} overdue, {order}"),
    }
}

fn heading(canvas: &mut Canvas, area: Rect, places: &[Place]) {
    let style = canvas.look.theme.dim;
    for (column, place) in std::iter::zip(&COLUMNS, places) {
        let Some((x, width)) = *place else { continue };
        let title = if column.title == "last backup" && width < 11 { "last" } else { column.title };
        if column.right {
            canvas.right(area.x + x, area.y, width, title, style);
        } else {
            canvas.text(area.x + x, area.y, width, title, style);
        }
    }
}

fn draw_row(
    app: &App,
    picture: &Picture,
    canvas: &mut Canvas,
    row: Rect,
    places: &[Place; 13],
    (view, indent): (&TransactionVolumeView, u16),
) {
    let theme = canvas.look.theme;
    let [_, name, size, synchronization, speed, rest, onto, ready, kept, last, due, recovers, policy] = *places;
    let (x, y) = (row.x, row.y);
    let session = sessions::governing(&picture.snapshot, view.volume.id);
    if app.main.marks.contains(&view.volume.id) {
        canvas.put(x + 1, y, canvas.look.glyphs.mark, theme.mark);
    }
    if let Some((at, width)) = name {
        canvas.text(x + at + indent, y, width.saturating_sub(indent), view.volume.name.as_str(), theme.text);
    }
    if let Some((at, width)) = size {
        canvas.right(x + at, y, width, &view.volume.blocks.to_string(), theme.dim);
    }
    if let Some((at, width)) = synchronization {
        // Only a copy that moves has a rate and something left: else their room is for the words.
        let moving = session.is_some_and(is_moving);
        let end = rest.or(speed).filter(|_| !moving).map_or(at + width, |(at, width)| at + width);
        let waits = view.claimed.as_ref().and_then(|claim| picture.snapshot.waits_for(claim));
        synchronized(canvas, (x + at, y, end - at), view, session, waits);
    }
    if let (Some((at, width)), Some(session)) = (onto, session) {
        canvas.text(x + at, y, width, &picture.snapshot.label(session.pair.target), theme.dim);
    }
    if let Some(session) = session.filter(|session| is_moving(session)) {
        if let (Some((at, width)), Some(bytes)) = (speed, session.rate) {
            canvas.right(x + at, y, width, &rate(bytes), theme.text);
        }
        if let (Some((at, width)), Some(progress)) = (rest, session.progress) {
            canvas.right(x + at, y, width, &left(progress.left()), theme.text);
        }
    }
    if let (Some((at, width)), Some(policy)) = (policy, view.volume.policy) {
        let text = format!("{} x {} d, {}", policy.generations, policy.interval_days, policy.mode);
        canvas.text(x + at, y, width, &text, theme.dim);
    }
    if let Some((at, width)) = ready {
        let text = app.clock.ready(view.ready, width);
        let style = match view.state {
            TransactionState::Equivalent => theme.equivalent,
            _ if text == "-" || text == "?" => theme.dim,
            _ => theme.text,
        };
        canvas.right(x + at, y, width, &text, style);
    }
    if let Some((at, width)) = kept {
        let (text, style) = match view.volume.policy {
            Some(policy) if view.kept > policy.generations => {
                (format!("{}/{}", view.kept, policy.generations), theme.warning)
            }
            Some(policy) => (format!("{}/{}", view.kept, policy.generations), theme.text),
            None => (view.kept.to_string(), theme.dim),
        };
        canvas.right(x + at, y, width, &text, style);
    }
    if let Some((at, width)) = last {
        if let Some((_, when)) = view.last_backup {
            let text = app.clock.moment(when);
            // An offset makes it longer: the weekday is given up for it, not the offset.
            let short = text.rsplit(' ').next().filter(|_| text.len() > usize::from(width)).unwrap_or(&text);
            let style = if app.clock.is_future(when) { theme.warning } else { theme.text };
            canvas.text(x + at, y, width, short, style);
        } else {
            let style = if matches!(view.due, Due::Overdue(_)) { theme.danger } else { theme.dim };
            canvas.text(x + at, y, width, "never", style);
        }
    }
    let recovery = recoverable(&picture.snapshot, view).word;
    if let Some((at, width)) = due {
        let overdue = picture.snapshot.overdue_for(view);
        let (text, style) = due_words(canvas, view.due, overdue, theme.dim, theme.warning);
        // "ok" is said of what can be recovered, and of nothing else.
        let text = if view.due == Due::Ok && recovery != Recoverable::Yes { "in time".to_owned() } else { text };
        let late = view.window.as_deref().filter(|window| view.due == Due::Ok && window.state.is_trouble());
        let (text, style) = late.map_or((text, style), |window| {
            (format!("{} {}", canvas.look.glyphs.attention, window.short()), theme.warning)
        });
        canvas.right(x + at, y, width, &text, style);
    }
    if let Some((at, width)) = recovers {
        canvas.text(x + at, y, width, &recovery.to_string(), recovery_style(canvas, recovery));
    }
}

pub(super) fn recovery_style(canvas: &Canvas, recovery: Recoverable) -> Style {
    let theme = canvas.look.theme;
    match recovery {
        Recoverable::Yes => theme.text,
        Recoverable::NoPolicy => theme.dim,
        Recoverable::Late | Recoverable::InDoubt => theme.warning,
        Recoverable::No => theme.danger,
    }
}

/// `overdue`: for how long, in milliseconds, where that is known. The first day is told in hours.
pub(super) fn due_words(canvas: &Canvas, due: Due, overdue: Option<i64>, calm: Style, loud: Style) -> (String, Style) {
    const HOUR: i64 = 60 * 60 * Timestamp::SECOND;
    let attention = canvas.look.glyphs.attention;
    match due {
        Due::NoPolicy => ("-".to_owned(), calm),
        Due::Ok => ("ok".to_owned(), calm),
        Due::Overdue(_) if overdue.is_some_and(|late| late < HOUR) => (format!("{attention} < 1 h"), loud),
        Due::Overdue(1) => match overdue.filter(|late| *late < Timestamp::DAY) {
            Some(late) => (format!("{attention} {} h", late / HOUR), loud),
            None => (format!("{attention} 1 day"), loud),
        },
        Due::Overdue(days @ 2..=9) => (format!("{attention} {days} days"), loud),
        Due::Overdue(days) => (format!("{attention} {days} d"), loud),
    }
}

/// Sign and word, then whatever tells most in the room that is left: bar and percent, what is new, the way out.
fn synchronized(
    canvas: &mut Canvas,
    (x, y, width): (u16, u16, u16),
    view: &TransactionVolumeView,
    session: Option<&SessionView>,
    waits: Option<&str>,
) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let is_lost = view.has_lost_group();
    let style = if is_lost { theme.problem } else { theme.transaction(view.state) };
    canvas.put(x, y, if is_lost { glyphs.attention } else { glyphs.transaction(view.state) }, style);
    let word = if waits.is_some() { "waiting".to_owned() } else { word(view, session) };
    canvas.text(x + 2, y, WORD - 2, &word, if view.claimed.is_some() { theme.accent } else { style });
    let rest = width.saturating_sub(WORD + 1);
    let at = x + WORD + 1;
    if let Some(share) = session
        .and_then(sessions::share)
        .filter(|_| view.state == TransactionState::Copying && waits.is_none() && !is_lost)
    {
        let percent = session.and_then(|session| session.progress?.percent());
        let text = percent.map_or_else(String::new, |percent| percent.to_string());
        canvas.right(x + width - 5, y, 5, &text, style);
        if rest >= 5 + 1 + 3 {
            canvas.bar(at, y, rest - 6, share, theme.bar);
        }
        return;
    }
    let (text, style) = match waits {
        Some(plane) => (format!("for {plane}"), theme.dim),
        None => aside(view, session, theme.dim, theme.text),
    };
    // A cause may be cut: Enter shows all of it. A figure may not.
    if !text.is_empty() && (view.is_troubled() && rest >= 8 || text.len() <= usize::from(rest)) {
        canvas.text(at, y, rest, &text, style);
    }
}

fn word(view: &TransactionVolumeView, session: Option<&SessionView>) -> String {
    if let Some(claim) = &view.claimed {
        return claim.verb.info().doing.to_owned();
    }
    match (view.state, session.and_then(|session| session.error)) {
        _ if view.has_lost_group() => "group lost".to_owned(),
        (TransactionState::Error, Some(error)) => format!("error {error}"),
        _ => view.state.to_string(),
    }
}

fn aside(view: &TransactionVolumeView, session: Option<&SessionView>, calm: Style, text: Style) -> (String, Style) {
    match view.state {
        _ if view.has_lost_group() => (view.problem.as_ref().map_or_else(String::new, |problem| cause(problem)), text),
        TransactionState::Suspended => match session.and_then(|session| session.difference) {
            Some(difference) if difference.0 == 0 => ("unchanged".to_owned(), calm),
            Some(difference) => (format!("{} changed", left(difference)), text),
            None => (String::new(), calm),
        },
        state if state.is_trouble() => (view.problem.as_ref().map_or_else(String::new, |problem| cause(problem)), text),
        _ => (String::new(), calm),
    }
}

/// The cause in as few words as fit beside the state; Enter and the line at the bottom say all of it.
fn cause(problem: &Problem) -> String {
    match (problem.code, problem.array_error) {
        (Code::HALTED, _) => "path lost".to_owned(),
        (Code::ERROR_SUSPENDED, Some(error)) => error_meaning(error).unwrap_or("stopped by the array").to_owned(),
        (Code::ERROR_SUSPENDED, None) => "no code given".to_owned(),
        (Code::GROUP_DEACTIVATED, _) => "deactivated".to_owned(),
        (Code::REVERSED, _) => "runs backwards".to_owned(),
        (Code::KIND_UNKNOWN, _) => "kind not known".to_owned(),
        (Code::DIRECTION_UNKNOWN, _) => "direction not known".to_owned(),
        _ => problem.text.clone(),
    }
}

fn empty(app: &App, picture: &Picture, canvas: &mut Canvas, area: Rect) {
    if picture.snapshot.transaction_volumes.is_empty() {
        canvas.empty(
            area,
            &[
                "No transaction volumes are registered yet.",
                "",
                "I (or :init) sets the site up: it chooses volumes and policies.",
                "ecdeck site apply FILE does the same from a file.",
            ],
        );
    } else if app.main.choice.problems && app.main.choice.filter.is_empty() {
        canvas.empty(area, &["Nothing needs attention.", "! shows all volumes again."]);
    } else {
        let text = format!("No volume fits /{}.", app.main.choice.filter);
        canvas.empty(area, &[&text, "Esc shows all volumes again."]);
    }
}
