//! Boxes over a screen, drawn. Each file has one. Their state is in `console/dialog`.

mod around_restore;
mod details;
mod help;
mod palette;
pub mod plan;
mod policy;
mod prompt;
mod refused;
mod restore;
mod set_details;
mod text;
mod way_out;

use super::canvas::{Canvas, wrap};
use crate::console::app::App;
use crate::console::dialog::{AIRY, Dialog, rows};
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// What a dialog shows: a body that scrolls, and lines that stay under it.
pub struct Content {
    pub title: String,
    pub body: Body,
    pub bottom: Vec<Line<'static>>,
    pub typing: Option<Typing>,
    pub loud: bool,
}

/// Where text is typed: the line of a part of a dialog, and the column.
#[derive(Debug, Clone, Copy)]
pub enum Typing {
    /// Of a body that does not scroll.
    Body(usize, u16),
    Bottom(usize, u16),
}

/// Lines for a width.
pub struct Body {
    pub lines: Vec<Line<'static>>,
    width: usize,
}

impl Body {
    pub fn new(width: usize) -> Self {
        Self { lines: Vec::new(), width }
    }

    /// Wrapped text, every line indented.
    pub fn text(&mut self, indent: usize, text: &str, style: Style) {
        self.hanging(indent, "", text, style, style);
    }

    /// A lead (a key, a label) and text that wraps beside it.
    pub fn hanging(&mut self, indent: usize, lead: &str, text: &str, lead_style: Style, style: Style) {
        let lead_width = lead.width();
        let room = self.width.saturating_sub(indent + lead_width).max(8);
        for (row, line) in wrap(text, room).into_iter().enumerate() {
            let lead = if row == 0 { lead.to_owned() } else { " ".repeat(lead_width) };
            let spans = [Span::raw(" ".repeat(indent)), Span::styled(lead, lead_style), Span::styled(line, style)];
            self.lines.push(Line::from(spans.to_vec()));
        }
    }

    /// A label and its value, values under each other.
    pub fn field(&mut self, label: &str, value: &str, label_style: Style, style: Style) {
        self.hanging(1, &format!("{label:<16}"), value, label_style, style);
    }

    /// Blank lines up to so many lines.
    pub fn at_least(&mut self, lines: usize) {
        let lines = lines.max(self.lines.len());
        self.lines.resize(lines, Line::default());
    }

    pub fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| line.width() > 0) {
            self.lines.push(Line::default());
        }
    }
}

/// What a dialog has to show in so many columns.
fn content(app: &App, dialog: &Dialog, width: usize) -> Content {
    match dialog {
        Dialog::Help { .. } => help::content(app, width),
        Dialog::Details { subject, .. } => details::content(app, *subject, width),
        Dialog::WayOut { volume, .. } => way_out::content(app, *volume, width),
        Dialog::Plan(plan) => plan::content(app, plan, width),
        Dialog::Refused(refused) => refused::content(app, refused, width),
        Dialog::Prompt(prompt) => prompt::content(app, prompt, width),
        Dialog::Policy(form) => policy::content(app, form, width),
        Dialog::Restore(form) => restore::content(app, form, width),
        Dialog::Palette(palette) => palette::content(app, palette, width),
        Dialog::Text(text) => text::content(app, text, width),
    }
}

/// How far a dialog can scroll, and how many rows it shows at once.
pub fn extent(app: &App, dialog: &Dialog) -> (usize, usize) {
    let content = content(app, dialog, usize::from(dialog.inner_width(app.size)));
    let rows = body_rows(&content, app.size.1);
    (content.body.lines.len().saturating_sub(rows), rows)
}

fn body_rows(content: &Content, screen: u16) -> usize {
    rows(content.body.lines.len(), content.bottom.len(), screen)
}

/// Draws a dialog in the middle of the screen; returns where text is being typed.
pub fn draw(app: &App, dialog: &Dialog, canvas: &mut Canvas, screen: Rect) -> Option<Position> {
    let theme = canvas.look.theme;
    let width = dialog.inner_width((screen.width, screen.height));
    let content = content(app, dialog, usize::from(width));
    let rows = body_rows(&content, screen.height);
    let bottom = if content.bottom.is_empty() { 0 } else { content.bottom.len() as u16 + 1 };
    let above = u16::from(screen.height >= AIRY);
    let height = (rows as u16 + bottom + 2 + above).min(screen.height);
    let (y, again) = place(app, height, screen);
    if let Some(row) = again {
        canvas.copy_line(row, y - 1);
    }
    let area = Rect::new((screen.width - (width + 4)) / 2, y, width + 4, height);
    // The whole lines are the dialog's: half words beside it would be read as words.
    canvas.clear(Rect { x: screen.x, width: screen.width, ..area });
    let style = if content.loud { theme.danger } else { theme.title_focused };
    let title = [Span::styled(content.title.clone(), style)];
    let scroll = dialog.scroll().min(content.body.lines.len().saturating_sub(rows));
    let more = content.body.lines.len() > rows;
    let note =
        if more { format!("{}-{} of {}", scroll + 1, scroll + rows, content.body.lines.len()) } else { String::new() };
    let inner = canvas.panel(area, &title, &note, true);
    let inner = Rect { y: inner.y + above, height: inner.height.saturating_sub(above), ..inner };
    let x = inner.x + 1;
    for (row, line) in content.body.lines.iter().skip(scroll).take(rows).enumerate() {
        canvas.spans(x, inner.y + row as u16, width, &line.spans);
    }
    let top = inner.bottom().saturating_sub(content.bottom.len() as u16).max(inner.y);
    for (row, line) in content.bottom.iter().enumerate() {
        let y = top + row as u16;
        if y < inner.bottom() {
            canvas.spans(x, y, width, &line.spans);
        }
    }
    content.typing.map(|typing| {
        let (top, row, column) = match typing {
            Typing::Body(row, column) => (inner.y, row, column),
            Typing::Bottom(row, column) => (top, row, column),
        };
        Position::new((x + column).min(inner.right() - 1), top + row as u16)
    })
}

/// Where a dialog begins, and the line of the screen that is shown again above it. In the middle, but below or above the row
/// that it is about where it fits there; where it fits nowhere it begins low, and the row comes with it.
fn place(app: &App, height: u16, screen: Rect) -> (u16, Option<u16>) {
    let middle = (screen.height - height) / 2;
    let Some(row) = app.selected_row().filter(|row| (middle..middle + height).contains(row)) else {
        return (middle, None);
    };
    // The last line says what came of a key: it is never covered.
    let below = screen.height.saturating_sub(row + 2);
    if height <= below {
        // One line stays free beside the row, where there is one.
        (row + 1 + (below - height).min(1), None)
    } else if height < row {
        (row - height, None)
    } else {
        let low = screen.height.saturating_sub(height + 1).max(middle);
        (low, (low > 1).then_some(row))
    }
}

/// A line of keys and what they do, for the bottom of a dialog.
pub fn keys_line(app: &App, keys: &[(&str, &str)]) -> Line<'static> {
    let theme = app.look.theme;
    let mut spans = Vec::new();
    for (key, label) in keys {
        if !spans.is_empty() {
            spans.push(Span::raw("   "));
        }
        spans.push(Span::styled((*key).to_owned(), theme.key));
        spans.push(Span::styled(format!(" {label}"), theme.label));
    }
    Line::from(spans)
}
