//! Forms drawn: labels and values under each other, the focused field's help, what is wrong right under its field.

use super::canvas::{Canvas, wrap};
use crate::console::form::{Field, Form, ListField, Value};
use crate::console::theme::Look;
use crate::model::units::count;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// Columns of the labels.
const LABEL: usize = 18;
/// Rows of a list in a form that has no height of its own.
const LIST_ROWS: usize = 8;

/// How lists are drawn.
#[derive(Clone, Copy)]
struct Lists {
    rows: usize,
    /// One without the focus is its chosen row only.
    folded: bool,
}

/// A form as lines.
pub struct FormLines {
    pub lines: Vec<Line<'static>>,
    /// Where text is typed: the line and the column.
    pub typing: Option<(usize, u16)>,
}

/// A form in so many columns, its lists in their usual height.
pub fn lines(look: &Look, form: &Form, width: usize) -> FormLines {
    lines_with(look, form, width, Lists { rows: LIST_ROWS, folded: false })
}

/// The same where there is little room: the list with the focus has so many rows, each other one is its chosen row.
pub fn folded(look: &Look, form: &Form, width: usize, rows: usize) -> FormLines {
    lines_with(look, form, width, Lists { rows, folded: true })
}

/// Draws a form on an area; its lists take the rows that are left. Returns where text is typed.
pub fn draw(canvas: &mut Canvas, form: &Form, area: Rect) -> Option<Position> {
    let width = usize::from(area.width);
    let without = lines_with(&canvas.look, form, width, Lists { rows: 1, folded: false }).lines.len();
    let rows = usize::from(area.height).saturating_sub(without).max(1);
    let drawn = lines_with(&canvas.look, form, width, Lists { rows, folded: false });
    for (row, line) in drawn.lines.iter().take(usize::from(area.height)).enumerate() {
        canvas.spans(area.x, area.y + row as u16, area.width, &line.spans);
    }
    let (line, column) = drawn.typing?;
    let at = Position::new((area.x + column).min(area.right().saturating_sub(1)), area.y + line as u16);
    area.contains(at).then_some(at)
}

fn lines_with(look: &Look, form: &Form, width: usize, lists: Lists) -> FormLines {
    let theme = look.theme;
    let mut drawn = FormLines { lines: Vec::new(), typing: None };
    for field in form.fields() {
        let here = form.has_focus(field);
        let at = drawn.lines.len();
        let mut spans =
            vec![Span::styled(format!(" {:<LABEL$}", field.label), if here { theme.text } else { theme.dim })];
        let is_folded = lists.folded && !here;
        match &field.value {
            Value::List(list) if is_folded => chosen(look, list, &mut spans),
            _ => value(look, field, here, &mut spans),
        }
        if let (Value::Text(text), true) = (&field.value, here) {
            drawn.typing = Some((at, (1 + LABEL + 2 + text.cursor()) as u16));
        }
        drawn.lines.push(Line::from(spans));
        if let Value::List(list) = &field.value
            && !is_folded
        {
            if here && list.is_filtering() {
                drawn.typing = Some((at, (1 + LABEL + 1 + list.filter().visual_cursor()) as u16));
            }
            drawn.lines.extend(list_lines(look, list, here, width, lists.rows));
        }
        if let Some(error) = field.error() {
            let lead = format!(" {:LABEL$}{} ", "", look.glyphs.attention);
            let room = width.saturating_sub(lead.width()).max(8);
            for (row, line) in wrap(error, room).into_iter().enumerate() {
                let lead = if row == 0 { lead.clone() } else { " ".repeat(lead.width()) };
                drawn
                    .lines
                    .push(Line::from(vec![Span::styled(lead, theme.warning), Span::styled(line, theme.warning)]));
            }
        }
    }
    if let Some(field) = form.focused().filter(|field| !field.help.is_empty()) {
        drawn.lines.push(Line::default());
        for line in wrap(field.help, width.saturating_sub(1).max(8)) {
            drawn.lines.push(Line::from(vec![Span::raw(" "), Span::styled(line, theme.dim)]));
        }
    }
    drawn
}

/// What stands beside the label.
fn value(look: &Look, field: &Field, here: bool, spans: &mut Vec<Span<'static>>) {
    let theme = look.theme;
    let stepped = |text: String, spans: &mut Vec<Span<'static>>| {
        spans.push(Span::styled(if here { "< " } else { "  " }, theme.key));
        spans.push(Span::styled(format!(" {text:^10} "), if here { theme.button_focused } else { theme.text }));
        spans.push(Span::styled(if here { " >" } else { "  " }, theme.key));
    };
    match &field.value {
        Value::Text(text) => {
            spans.push(Span::styled("  ", theme.text));
            spans.push(Span::styled(text.value().to_owned(), if here { theme.title } else { theme.text }));
            spans.extend(text.hint().map(|hint| Span::styled(hint, theme.dim)));
        }
        Value::Number(number) => {
            let value = number.value();
            let text = number.unit.map_or(value.to_string(), |(one, several)| count(value as usize, one, several));
            stepped(text, spans);
        }
        Value::Choice(choice) => stepped(choice.word().to_owned(), spans),
        Value::List(list) if list.is_filtering() => {
            spans.push(Span::styled("/", theme.key));
            spans.push(Span::styled(list.filter().value().to_owned(), theme.text));
        }
        Value::List(list) => {
            let (shown, all, marked) = (list.shown().len(), list.rows().len(), list.marked().len());
            let mut parts = vec![list.choosable()];
            if shown != all {
                parts.push(format!("{shown} shown"));
            }
            if !list.filter().value().is_empty() {
                parts.push(format!("/{}", list.filter().value()));
            }
            if marked > 0 {
                parts.push(format!("{marked} marked"));
            }
            let text = parts.join(&format!(" {} ", look.glyphs.dot));
            spans.push(Span::styled(format!("  {text}"), theme.dim));
        }
    }
}

/// The chosen row of a list in one line.
fn chosen(look: &Look, list: &ListField, spans: &mut Vec<Span<'static>>) {
    let theme = look.theme;
    match list.selected().map(|index| &list.rows()[index]) {
        Some(row) => {
            let (style, detail) = match &row.refused {
                Some(why) => (theme.key_off, why),
                None => (theme.text, &row.detail),
            };
            spans.push(Span::styled(format!("  {}", row.text), style));
            spans.push(Span::styled(format!("  {detail}"), theme.dim));
        }
        None => spans.push(Span::styled("  nothing to choose from", theme.dim)),
    }
}

/// The rows of a list around its cursor. What cannot be chosen says why.
fn list_lines(look: &Look, list: &ListField, here: bool, width: usize, rows: usize) -> Vec<Line<'static>> {
    let theme = look.theme;
    let shown = list.shown();
    if shown.is_empty() {
        let text = if list.rows().is_empty() { "   There is nothing to choose from." } else { "   Nothing matches." };
        return vec![Line::from(Span::styled(text, theme.dim))];
    }
    let first = list.cursor().saturating_sub(rows.saturating_sub(1)).min(shown.len().saturating_sub(rows));
    let titles = list.head().map_or(0, |(text, _)| text.width());
    let widest = shown.iter().map(|&index| list.rows()[index].text.width()).max().unwrap_or(0).max(titles);
    let widest = widest.min(width / 2);
    let mut lines = Vec::new();
    if let Some((text, detail)) = list.head() {
        lines.push(Line::from(Span::styled(format!("   {text:<widest$}  {detail}"), theme.dim)));
    }
    for (place, &index) in shown.iter().enumerate().skip(first).take(rows) {
        let row = &list.rows()[index];
        let selected = here && place == list.cursor();
        let over = |style| if selected { theme.over(style) } else { style };
        let cursor = if selected { look.glyphs.cursor } else { " " };
        let mark = if list.is_marked(index) { look.glyphs.mark } else { " " };
        let (style, detail) = match &row.refused {
            Some(why) => (theme.key_off, why.clone()),
            None => (theme.text, row.detail.clone()),
        };
        let room = width.saturating_sub(widest + 6);
        let detail: String = wrap(&detail, room.max(1)).into_iter().next().unwrap_or_default();
        lines.push(Line::from(vec![
            Span::styled(cursor, over(theme.cursor)),
            Span::styled(mark, over(theme.mark)),
            Span::styled(format!(" {:<widest$}  ", row.text), over(style)),
            Span::styled(format!("{detail:<room$}"), over(theme.dim)),
        ]));
    }
    lines
}
