//! The step of volume groups drawn: each group of the hosts, and the volume that its disk is.

use super::groups::{Candidate, GroupRow};
use super::state::{InitScreen, word};
use super::view::panel;
use crate::console::view::canvas::Canvas;
use crate::console::view::highlight;
use crate::model::identity::VolumeId;
use ratatui::layout::Rect;

/// Columns of a group's place.
const PLACE: u16 = 22;

pub fn draw(screen: &InitScreen, canvas: &mut Canvas, area: Rect) {
    let theme = canvas.look.theme;
    let groups = &screen.groups;
    let note = match groups.unknown.len() {
        0 => String::new(),
        _ => "! not all is known".to_owned(),
    };
    let inner = panel(canvas, area, "Volume groups of the hosts", &note, true);
    let columns = [(3, PLACE, "group", false), (PLACE + 4, 9, "size", true), (PLACE + 15, 12, "is", false)];
    for (x, width, title, right) in columns {
        let room = inner.width.saturating_sub(x).min(width);
        if right {
            canvas.right(inner.x + x, inner.y, room, title, theme.dim);
        } else {
            canvas.text(inner.x + x, inner.y, room, title, theme.dim);
        }
    }
    canvas.text(inner.x + PLACE + 28, inner.y, inner.width.saturating_sub(PLACE + 29), "its disk may be", theme.dim);
    let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    if groups.rows.is_empty() {
        empty(screen, canvas, rows);
        return;
    }
    let mut used = 0;
    for line in 0..rows.height {
        let index = groups.cursor.offset + usize::from(line);
        let Some(row) = groups.rows.get(index) else { break };
        let at = Rect { y: rows.y + line, height: 1, ..rows };
        group(screen, canvas, at, row);
        if index == groups.cursor.selected {
            highlight(canvas, at, true);
        }
        used += 1;
    }
    for (line, why) in (used..rows.height).zip(&groups.unknown) {
        canvas.text(rows.x + 1, rows.y + line, rows.width.saturating_sub(2), &format!("! {why}"), theme.warning);
    }
    canvas.more(rows, groups.cursor.offset, groups.rows.len());
}

fn empty(screen: &InitScreen, canvas: &mut Canvas, area: Rect) {
    let groups = &screen.groups;
    if groups.waits {
        canvas.empty(area, &["The hosts are being asked.", "A host that does not answer takes half a minute."]);
    } else if let Some(why) = groups.unknown.first() {
        canvas.empty(area, &["Nothing is known of volume groups.", why]);
    } else if groups.without_hosts {
        canvas.empty(
            area,
            &[
                "No host is configured, so no volume is a volume group.",
                "docs/hosts.md shows a [[host]]; Enter goes on without.",
            ],
        );
    } else {
        canvas.empty(area, &["The hosts report no volume group.", "Enter goes on to the policies."]);
    }
}

fn group(screen: &InitScreen, canvas: &mut Canvas, line: Rect, row: &GroupRow) {
    let theme = canvas.look.theme;
    let (x, y) = (line.x, line.y);
    let chosen = match &row.candidate {
        Candidate::Volume(id) => screen.chosen.get(id).filter(|chosen| chosen.group.as_ref() == Some(&row.place)),
        Candidate::Registered(_) | Candidate::None(_) => None,
    };
    let style = if chosen.is_some() { theme.text } else { theme.dim };
    canvas.text(x + 3, y, PLACE, &row.place.to_string(), style);
    let size = row.blocks.map_or_else(|| "-".to_owned(), |blocks| blocks.to_string());
    canvas.right(x + PLACE + 4, y, 9, &size, style);
    canvas.text(x + PLACE + 15, y, 12, chosen.map_or("-", |chosen| word(chosen.role)), style);
    let (text, style) = match &row.candidate {
        Candidate::Volume(id) => (format!("{}, {}", place(screen, *id), row.contents), style),
        Candidate::Registered(name) => (format!("registered as {name}"), theme.dim),
        Candidate::None(why) => (why.clone(), theme.warning),
    };
    canvas.text(x + PLACE + 28, y, line.width.saturating_sub(PLACE + 29), &text, style);
}

/// The place of a volume that nobody registered.
fn place(screen: &InitScreen, id: VolumeId) -> String {
    screen.groups.places.get(&id).cloned().unwrap_or_else(|| id.to_string())
}

pub fn hint(screen: &InitScreen) -> String {
    match screen.groups.selected().map(|row| &row.candidate) {
        Some(Candidate::None(why)) => why.clone(),
        Some(_) => {
            "t live data, b a backup volume's own group, x neither; the plan names the disk that you confirm".to_owned()
        }
        None => "Enter goes on to the policies".to_owned(),
    }
}
