//! The first line: which site, how its arrays answer, how the copies stand, what time it is.

use super::canvas::Canvas;
use crate::console::app::App;
use crate::console::format::Clock;
use crate::console::types::Link;
use crate::model::codes::Code;
use crate::model::snapshot::{ArrayView, Attention, Reach, Snapshot, TransactionState};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;
use unicode_width::UnicodeWidthStr;

/// Columns of a screen from which on the clock has its zone.
const WITH_ZONE: u16 = 80;

/// A part of the line; the highest ranks go first when there is no room.
struct Part {
    rank: u8,
    gap: u16,
    spans: Vec<Span<'static>>,
}

impl Part {
    fn new(rank: u8, gap: u16, text: impl Into<String>, style: Style) -> Self {
        Self { rank, gap, spans: vec![Span::styled(text.into(), style)] }
    }

    fn width(&self) -> u16 {
        self.gap + self.spans.iter().map(|span| span.content.width() as u16).sum::<u16>()
    }
}

pub fn draw(app: &App, canvas: &mut Canvas, area: Rect) {
    let theme = canvas.look.theme;
    let mut minute = app.clock.minute(app.clock.now);
    if app.size.0 >= WITH_ZONE {
        minute = format!("{minute} {}", app.clock.zone());
    }
    let (clock, style) = if app.is_stale() { (format!("as of {minute}"), theme.problem) } else { (minute, theme.text) };
    let clock_width = clock.width() as u16 + 1;
    canvas.right(area.x, area.y, area.width - 1, &clock, style);

    let mut parts = vec![Part::new(7, 1, "ecdeck", theme.accent)];
    parts.extend(link(app, canvas));
    if let Some(snapshot) = app.heading() {
        site(app, snapshot, canvas, &mut parts);
        if let Some(trouble) = &snapshot.catalogue {
            let since = app.clock.moment_or_minute(trouble.since);
            let text = format!("{} catalogue takes no writes since {since}", canvas.look.glyphs.attention);
            parts.push(Part::new(0, 2, text, theme.problem));
        }
        if let Some(trouble) = &snapshot.not_copied {
            let since = app.clock.moment_or_minute(trouble.since);
            let text = format!("{} catalogue not copied since {since}", canvas.look.glyphs.attention);
            parts.push(Part::new(2, 4, text, theme.warning));
        }
        if let Some(trouble) = &snapshot.notify {
            let since = app.clock.moment_or_minute(trouble.since);
            let text = format!("{} notification hook fails since {since}", canvas.look.glyphs.attention);
            parts.push(Part::new(0, 4, text, theme.problem));
        }
        if let Some(screen) = app.screens.last() {
            parts.push(Part::new(2, 3, screen.title(), theme.title_focused));
        }
        arrays(app, snapshot, canvas, &mut parts);
        states(app, canvas, &mut parts);
    }
    let room = area.width.saturating_sub(clock_width + 2);
    let mut x = area.x;
    for part in shown(&parts, room) {
        x += part.gap;
        x += canvas.spans(x, area.y, (area.x + room).saturating_sub(x), &part.spans);
    }
}

/// The rank of the names of arrays that answer, the highest: all of them or none, for one alone looks like the only one.
const NAMES: u8 = 8;

/// The parts that have room, the lowest ranks first. A long one that has none leaves its room to those after it.
fn shown(parts: &[Part], room: u16) -> impl Iterator<Item = &Part> {
    let (names, mut others): (Vec<usize>, Vec<usize>) = (0..parts.len()).partition(|&index| parts[index].rank == NAMES);
    others.sort_by_key(|&index| parts[index].rank);
    let (mut left, mut fits) = (room, vec![false; parts.len()]);
    for index in others {
        let part = &parts[index];
        if part.rank == 0 || part.width() <= left {
            fits[index] = true;
            left = left.saturating_sub(part.width());
        }
    }
    if names.iter().map(|&index| parts[index].width()).sum::<u16>() <= left {
        for index in names {
            fits[index] = true;
        }
    }
    parts.iter().zip(fits).filter_map(|(part, fits)| fits.then_some(part))
}

fn link(app: &App, canvas: &Canvas) -> Option<Part> {
    let theme = canvas.look.theme;
    let attention = canvas.look.glyphs.attention;
    match &app.link {
        Link::Live => None,
        Link::Connecting => Some(Part::new(0, 2, "connecting", theme.warning)),
        Link::Silent { since, engine } => {
            let text = format!("{attention} no sign of life of {engine} since {}", app.clock.moment_or_minute(*since));
            Some(Part::new(0, 2, text, theme.problem))
        }
        Link::Lost { since, .. } => {
            let text = format!("{attention} engine lost at {}, reconnecting", app.clock.minute(*since));
            Some(Part::new(0, 2, text, theme.problem))
        }
    }
}

fn site(app: &App, snapshot: &Snapshot, canvas: &Canvas, parts: &mut Vec<Part>) {
    let theme = canvas.look.theme;
    let wide = app.size.0 >= 100;
    let gap = if wide { 2 } else { 1 };
    if snapshot.site.demo {
        // It has no other name than what it is, and that is never dropped.
        parts.push(Part::new(0, gap, if wide { "demonstration site" } else { "DEMO" }, theme.demo));
    } else {
        parts.push(Part::new(4, gap, snapshot.site.name.clone(), theme.title));
    }
    if app.settings.read_only {
        parts.push(Part::new(3, 2, "read-only", theme.warning));
    }
}

/// Arrays that answer are a name; what is wrong with the others stays in sight longest.
fn arrays(app: &App, snapshot: &Snapshot, canvas: &Canvas, parts: &mut Vec<Part>) {
    let theme = canvas.look.theme;
    for (index, array) in snapshot.arrays.iter().enumerate() {
        let gap = if index == 0 { 4 } else { 2 };
        let known = snapshot.maintenance.iter().find(|known| known.array == array.name);
        if let Some(known) = known {
            let until = app.clock.moment_or_minute(known.until);
            let (name, is_in_force) = (&array.name, known.is_in_force(snapshot.taken_at));
            let text = if is_in_force {
                format!("{name} maintenance until {until}")
            } else {
                format!("{} {name} maintenance past {until}", canvas.look.glyphs.attention)
            };
            let style = if is_in_force { theme.warning } else { theme.problem };
            parts.push(Part::new(1, gap.min(3), text, style));
            if is_in_force {
                continue;
            }
        }
        match trouble(app, snapshot, array) {
            Some(text) => {
                let text = format!("{} {} {text}", canvas.look.glyphs.attention, array.name);
                parts.push(Part::new(1, gap.min(3), text, theme.problem));
            }
            None if array.attentions.iter().any(|attention| !attention.is_note()) => {
                let text = format!("{} {} {}", canvas.look.glyphs.attention, array.name, attentions(array));
                let failed = array.failed_reading().is_some();
                let (rank, style) = if failed { (1, theme.problem) } else { (6, theme.warning) };
                parts.push(Part::new(rank, gap.min(3), text, style));
            }
            None => parts.push(Part::new(NAMES, gap, array.name.to_string(), theme.dim)),
        }
    }
}

/// The gravest attention of an array in a few words, and how many more there are; the details of a volume have them whole.
fn attentions(array: &ArrayView) -> String {
    let word = |attention: &Attention| match attention.code {
        Code::SESSIONS_UNREAD => "others not read",
        Code::OTHERS_NOT_SEEN => "others not seen",
        Code::ROW_UNREADABLE => "a line not read",
        Code::UNKNOWN_WORDS => "unknown words",
        _ => "attention",
    };
    let grave = || array.attentions.iter().filter(|attention| !attention.is_note());
    let worst = array.failed_reading().or_else(|| grave().next());
    let more = grave().count().saturating_sub(1);
    let text = worst.map_or("", word);
    if more == 0 { text.to_owned() } else { format!("{text} +{more}") }
}

fn trouble(app: &App, snapshot: &Snapshot, array: &ArrayView) -> Option<String> {
    match &array.reach {
        Reach::Waiting => Some("not read yet".to_owned()),
        Reach::Unreachable { since, .. } => Some(format!("silent since {}", app.clock.moment_or_minute(*since))),
        Reach::IdentityChanged { .. } => Some("is another box".to_owned()),
        Reach::Reachable if array.limited().is_some() => Some("by its second way only".to_owned()),
        Reach::Reachable => {
            let age = snapshot.age(array)?;
            let late = age > 2 * i64::from(snapshot.site.poll_millis);
            late.then(|| format!("read {} ago", Clock::age(snapshot.taken_at.plus_millis(-age), snapshot.taken_at)))
        }
    }
}

fn states(app: &App, canvas: &Canvas, parts: &mut Vec<Part>) {
    let Some(picture) = &app.picture else { return };
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let summary = &picture.summary;
    let wide = app.size.0 >= 100;
    let counts = [
        (TransactionState::Copying, summary.copying, "copying"),
        (TransactionState::Equivalent, summary.equivalent, "equivalent"),
        (TransactionState::Suspended, summary.suspended, "suspended"),
        (TransactionState::Error, summary.troubled, "trouble"),
    ];
    let mut gap = if wide { 4 } else { 2 };
    for (state, number, word) in counts {
        if number == 0 {
            continue;
        }
        let sign = glyphs.transaction(state);
        let text = if wide { format!("{sign} {number} {word}") } else { format!("{sign}{number}") };
        let rank = if state == TransactionState::Error { 1 } else { 5 };
        parts.push(Part::new(rank, gap, text, theme.transaction(state)));
        gap = if wide { 2 } else { 1 };
    }
    // A wide screen says the rest where it belongs: in the titles of its panes.
    if wide {
        return;
    }
    if summary.overdue > 0 {
        parts.push(Part::new(6, 2, format!("{} due", summary.overdue), theme.warning));
    }
    if let Some(at) = summary.all_ready {
        let at = app.clock.moment_or_minute(at.max(app.clock.now));
        parts.push(Part::new(5, 2, format!("all ready {at}"), theme.text));
    }
    let missing: usize = picture.sizes.iter().map(|size| size.pool.missing()).sum();
    if missing > 0 {
        parts.push(Part::new(6, 2, format!("pool: {missing} missing"), theme.warning));
    }
}
