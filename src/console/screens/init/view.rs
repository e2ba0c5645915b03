//! The first set-up drawn: the line of steps, the volumes or policies, and below what the choice means for the pool.

use super::groups_view;
use super::keys;
use super::state::{InitScreen, SizeRow, Stage, Typing, VolumeRow, word};
use crate::console::screens::screen::Context;
use crate::console::view::canvas::Canvas;
use crate::console::view::{form, highlight};
use crate::model::pool::PoolKey;
use crate::model::request::VolumeRole;
use crate::model::units::count;
use ratatui::layout::{Position, Rect};
use ratatui::text::Span;

/// Columns of a place.
const PLACE: u16 = 18;

pub fn draw(screen: &InitScreen, context: &Context, canvas: &mut Canvas, area: Rect) -> Option<Position> {
    if area.height < 8 || area.width < 40 {
        canvas.empty(area, &["The set-up needs a larger screen.", "Esc goes back; nothing is lost."]);
        return None;
    }
    steps(screen, context, canvas, Rect { height: 1, ..area });
    let (upper, lower) = screen.split(context.height());
    let above = Rect { y: area.y + 1, height: upper, ..area };
    let mut typing = None;
    if let Some(editing) = &screen.form {
        let title = format!("Policy of {}", count(editing.volumes.len(), "volume", "volumes"));
        let inner = panel(canvas, above, &title, "", true);
        typing = form::draw(canvas, &editing.policy.form, inner);
    } else if screen.stage == Stage::Groups {
        groups_view::draw(screen, canvas, above);
    } else {
        volumes(screen, context, canvas, above);
    }
    pool(screen, canvas, Rect { y: above.bottom(), height: lower, ..area });
    typing_line(screen, canvas, Rect { height: 1, ..area }).or(typing)
}

fn steps(screen: &InitScreen, context: &Context, canvas: &mut Canvas, line: Rect) {
    let theme = canvas.look.theme;
    let mut x = line.x + 1;
    let steps = [
        (keys::VOLUMES, "volumes", screen.stage == Stage::Volumes),
        (keys::GROUPS, "groups", screen.stage == Stage::Groups),
        (keys::POLICIES, "policies", screen.stage == Stage::Policies),
        (keys::WRITE, "write", false),
        (keys::MAPS, "maps", screen.stage == Stage::Maps),
    ];
    for (key, word, here) in steps {
        let style = if here { theme.title_focused } else { theme.dim };
        x += canvas.text(x, line.y, line.right().saturating_sub(x), &context.keys.key(key), theme.key) + 1;
        x += canvas.text(x, line.y, line.right().saturating_sub(x), word, style) + 2;
    }
    let (transaction, backup) = (screen.of_role(VolumeRole::Transaction), screen.of_role(VolumeRole::Backup));
    canvas.right(line.x, line.y, line.width - 1, &format!("{transaction} transaction, {backup} backup"), theme.dim);
}

pub(super) fn panel(canvas: &mut Canvas, area: Rect, title: &str, note: &str, focused: bool) -> Rect {
    let theme = canvas.look.theme;
    let style = if focused { theme.title_focused } else { theme.title };
    canvas.panel(area, &[Span::styled(title.to_owned(), style)], note, focused)
}

fn volumes(screen: &InitScreen, context: &Context, canvas: &mut Canvas, area: Rect) {
    let theme = canvas.look.theme;
    let all = context.snapshot().unregistered.len();
    let (title, note) = match screen.stage {
        Stage::Volumes if screen.filter.is_empty() => {
            (format!("Volumes of the arrays, {all} not registered"), String::new())
        }
        Stage::Volumes => {
            (format!("Volumes of the arrays, {} of {all}", screen.rows.len()), format!("/{}", screen.filter))
        }
        Stage::Policies => ("Policies of the transaction volumes".to_owned(), String::new()),
        Stage::Groups | Stage::Maps => ("Transaction volumes without a device map".to_owned(), String::new()),
    };
    let inner = panel(canvas, area, &title, &note, true);
    let heading = Rect { height: 1, ..inner };
    let mut columns = vec![(3, PLACE, "volume", false), (PLACE + 3, 9, "size", true)];
    match screen.stage {
        Stage::Volumes => {
            columns.extend([
                (PLACE + 14, 12, "is", false),
                (PLACE + 27, 14, "name", false),
                (PLACE + 42, 30, "the array calls it", false),
            ]);
        }
        Stage::Policies => columns.extend([(PLACE + 14, 14, "name", false), (PLACE + 29, 42, "policy", false)]),
        Stage::Groups | Stage::Maps => columns.extend([(PLACE + 14, 42, "a start", false)]),
    }
    for (x, width, title, right) in columns {
        let room = inner.width.saturating_sub(x).min(width);
        if right {
            canvas.right(heading.x + x, heading.y, room, title, theme.dim);
        } else {
            canvas.text(heading.x + x, heading.y, room, title, theme.dim);
        }
    }
    let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    if screen.rows.is_empty() {
        empty(screen, context, canvas, rows);
    }
    for line in 0..rows.height {
        let index = screen.cursor.offset + usize::from(line);
        let Some(row) = screen.rows.get(index) else { break };
        let area = Rect { y: rows.y + line, height: 1, ..rows };
        volume(screen, canvas, area, row);
        if index == screen.cursor.selected {
            highlight(canvas, area, true);
        }
    }
    canvas.more(rows, screen.cursor.offset, screen.rows.len());
    canvas.hidden(rows, screen.cursor.offset, screen.rows.len());
}

fn empty(screen: &InitScreen, context: &Context, canvas: &mut Canvas, area: Rect) {
    let snapshot = context.snapshot();
    if !screen.filter.is_empty() && screen.stage == Stage::Volumes {
        canvas.empty(area, &["No volume fits the filter.", "Esc shows all volumes again."]);
    } else if screen.stage == Stage::Maps {
        canvas.empty(area, &["No transaction volume is left without a device map.", "Esc leads to the main screen."]);
    } else if snapshot.arrays.is_empty() {
        canvas.empty(area, &["No array is configured.", "ecdeck array add adds one."]);
    } else {
        canvas.empty(area, &["No array reports a volume that is not registered.", "Ctrl-R reads all arrays again."]);
    }
}

fn volume(screen: &InitScreen, canvas: &mut Canvas, row: Rect, volume: &VolumeRow) {
    let (theme, glyphs) = (canvas.look.theme, canvas.look.glyphs);
    let (x, y) = (row.x, row.y);
    if screen.marks.contains(&volume.id) {
        canvas.put(x + 1, y, glyphs.mark, theme.mark);
    }
    let chosen = screen.chosen.get(&volume.id);
    let is_plain = chosen.is_none() && screen.stage != Stage::Maps;
    let style = if is_plain { theme.dim } else { theme.text };
    canvas.text(x + 3, y, PLACE, &volume.place, style);
    canvas.right(x + PLACE + 3, y, 9, &volume.blocks.to_string(), style);
    let name = chosen.and_then(|chosen| chosen.name.as_ref()).map_or_else(|| "-".to_owned(), ToString::to_string);
    match screen.stage {
        Stage::Volumes => {
            canvas.text(x + PLACE + 14, y, 12, chosen.map_or("-", |chosen| word(chosen.role)), style);
            canvas.text(x + PLACE + 27, y, 14, &name, style);
            let (text, style) = match chosen.and_then(|chosen| chosen.group.as_ref()) {
                Some(group) => (format!("group {group}"), style),
                None => (volume.label.clone(), theme.dim),
            };
            canvas.text(x + PLACE + 42, y, row.width.saturating_sub(PLACE + 43), &text, style);
        }
        Stage::Groups | Stage::Maps => {
            let text = if volume.label.is_empty() {
                "takes any volume that fits; a map fixes which".to_owned()
            } else {
                format!("needs a map: volume group {}", volume.label)
            };
            canvas.text(x + PLACE + 14, y, row.width.saturating_sub(PLACE + 15), &text, style);
        }
        Stage::Policies => {
            let name = if name == "-" { volume.label.clone() } else { name };
            canvas.text(x + PLACE + 14, y, 14, &name, style);
            let policy = chosen.map_or_else(String::new, |chosen| chosen.policy.to_string());
            canvas.text(x + PLACE + 29, y, row.width.saturating_sub(PLACE + 30), &policy, style);
        }
    }
}

/// The pool by size: what the policies need, what there will be, and how many are short.
fn pool(screen: &InitScreen, canvas: &mut Canvas, area: Rect) {
    let theme = canvas.look.theme;
    let missing: usize = screen.sizes.iter().map(SizeRow::missing).sum();
    let note = match missing {
        0 => String::new(),
        missing => format!("{} missing", count(missing, "backup volume", "backup volumes")),
    };
    let inner = panel(canvas, area, "What this needs of the pool", &note, false);
    let columns = [(1, 10, "size"), (12, 11, "transaction"), (24, 7, "need"), (32, 7, "have"), (40, 7, "free")];
    for (x, width, title) in columns {
        canvas.right(inner.x + x, inner.y, width, title, theme.dim);
    }
    if screen.sizes.is_empty() {
        canvas.text(inner.x + 2, inner.y + 1, inner.width.saturating_sub(3), "Nothing is chosen yet.", theme.dim);
    }
    for (line, row) in (1..inner.height).zip(&screen.sizes) {
        size(canvas, Rect { y: inner.y + line, height: 1, ..inner }, row);
    }
}

fn size(canvas: &mut Canvas, line: Rect, row: &SizeRow) {
    let theme = canvas.look.theme;
    let (x, y) = (line.x, line.y);
    canvas.right(x + 1, y, 10, &row.key.blocks.to_string(), theme.text);
    for (at, width, value) in [(12, 11, row.transaction), (24, 7, row.need), (32, 7, row.have), (40, 7, row.free)] {
        canvas.right(x + at, y, width, &value.to_string(), theme.text);
    }
    let (text, style) = match row.missing() {
        0 => ("enough".to_owned(), theme.good),
        missing => (format!("{missing} missing"), theme.warning),
    };
    let width = canvas.text(x + 49, y, line.width.saturating_sub(50), &text, style);
    which(canvas, line, x + 49 + width, &row.key);
}

/// Which backup volumes a line is of, where they are not those that every plain volume takes.
fn which(canvas: &mut Canvas, line: Rect, x: u16, key: &PoolKey) {
    if !key.is_usual() {
        let text = format!(", {}", key.which());
        canvas.text(x, line.y, line.right().saturating_sub(x + 1), &text, canvas.look.theme.dim);
    }
}

/// What is typed stands in the place of the steps.
fn typing_line(screen: &InitScreen, canvas: &mut Canvas, line: Rect) -> Option<Position> {
    let typing = screen.typing.as_ref()?;
    let label = match typing {
        Typing::Filter(_) => "show only: ",
        Typing::Name(..) => "name of the volume: ",
        Typing::Group(..) => "volume group, HOST:VG: ",
    };
    let theme = canvas.look.theme;
    canvas.clear(line);
    let x = line.x + 1;
    let x = x + canvas.text(x, line.y, line.width - 1, label, theme.label);
    canvas.text(x, line.y, line.right().saturating_sub(x), typing.input().value(), theme.text);
    let cursor = x + typing.input().visual_cursor() as u16;
    Some(Position::new(cursor.min(line.right() - 1), line.y))
}

pub fn hint(screen: &InitScreen, _: &Context) -> String {
    if screen.form.is_some() {
        return "Enter takes the policy; Esc leaves it as it was".to_owned();
    }
    match (&screen.typing, screen.stage) {
        (Some(Typing::Filter(_)), _) => {
            "part of a place or name, a pattern with * and ?, a size like 96MiB; Enter keeps it".to_owned()
        }
        (Some(Typing::Group(..)), _) => {
            "Enter keeps the group, an empty one makes it a plain volume, Esc leaves it".to_owned()
        }
        (Some(Typing::Name(..)), _) => "Enter takes the name; Esc leaves it as it was".to_owned(),
        (None, Stage::Volumes) => {
            "t transaction, b backup, x neither; Enter to the next step, w shows the plan".to_owned()
        }
        (None, Stage::Groups) => groups_view::hint(screen),
        (None, Stage::Maps) => "m pairs them by device maps; Esc leads to the main screen".to_owned(),
        (None, Stage::Policies) => {
            "Enter edits the policy of the marked ones, or of this one; w shows the plan".to_owned()
        }
    }
}
