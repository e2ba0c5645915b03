//! Drawing on cells: clipped text, panels, bars, columns. Everything that a pane puts on the screen goes through here.

use crate::console::theme::Look;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::Span;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

pub struct Canvas<'a> {
    pub buffer: &'a mut Buffer,
    pub look: Look,
}

impl Canvas<'_> {
    /// Text from `x`, at most `width` columns; longer text ends in an ellipsis. Returns the columns used.
    pub fn text(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        if width == 0 || !self.buffer.area.contains((x, y).into()) {
            return 0;
        }
        let used = text.width();
        if used <= usize::from(width) {
            self.buffer.set_stringn(x, y, text, usize::from(width), style);
            return used as u16;
        }
        let cut = cut(text, usize::from(width) - 1);
        let (end, _) = self.buffer.set_stringn(x, y, cut, usize::from(width) - 1, style);
        self.buffer.set_stringn(end, y, self.look.glyphs.ellipsis, 1, style);
        end + 1 - x
    }

    /// Text that ends at the right edge of its `width` columns.
    pub fn right(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let used = (text.width() as u16).min(width);
        self.text(x + width - used, y, used, text, style);
    }

    /// Pieces of text one after the other. Returns the columns used.
    pub fn spans<'s>(&mut self, x: u16, y: u16, width: u16, spans: impl IntoIterator<Item = &'s Span<'static>>) -> u16 {
        let mut used = 0;
        for span in spans {
            if used >= width {
                break;
            }
            used += self.text(x + used, y, width - used, &span.content, span.style);
        }
        used
    }

    /// Lays a style over cells that are drawn already.
    pub fn overlay(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area, style);
    }

    /// Gives a colour to the text that has none of its own.
    pub fn color_plain(&mut self, area: Rect, color: Color) {
        for position in area.intersection(self.buffer.area).positions() {
            let cell = &mut self.buffer[position];
            if cell.fg == Color::Reset {
                cell.fg = color;
            }
        }
    }

    /// Empties an area.
    pub fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for position in area.positions() {
            self.buffer[position].reset();
        }
    }

    /// Shows a line of the screen a second time.
    pub fn copy_line(&mut self, from: u16, to: u16) {
        let area = self.buffer.area;
        if from < area.bottom() && to < area.bottom() {
            for x in area.left()..area.right() {
                self.buffer[(x, to)] = self.buffer[(x, from)].clone();
            }
        }
    }

    /// A frame with titles in its upper line; returns what is inside.
    pub fn panel(&mut self, area: Rect, title: &[Span<'static>], note: &str, focused: bool) -> Rect {
        if area.width < 4 || area.height < 2 {
            return Rect::ZERO;
        }
        let inner = Rect::new(area.x + 1, area.y + 1, area.width - 2, area.height - 2);
        if self.look.essential {
            return inner;
        }
        let theme = self.look.theme;
        let style = if focused { theme.frame_focused } else { theme.frame };
        self.frame(area, style);
        let mut x = area.x + 1;
        let end = area.right() - 2;
        if !title.is_empty() {
            self.text(x, area.y, 1, " ", style);
            x += 1;
            x += self.spans(x, area.y, end.saturating_sub(x), title);
            self.text(x, area.y, 1, " ", style);
        }
        let note_width = note.width() as u16;
        if note_width > 0 && x + note_width + 4 < end {
            let at = end - note_width - 1;
            self.text(at - 1, area.y, 1, " ", style);
            self.text(at, area.y, note_width, note, theme.dim);
            self.text(at + note_width, area.y, 1, " ", style);
        }
        inner
    }

    fn frame(&mut self, area: Rect, style: Style) {
        let frame = self.look.glyphs.frame;
        let (right, bottom) = (area.right() - 1, area.bottom() - 1);
        for x in area.x + 1..right {
            self.put(x, area.y, frame.horizontal, style);
            self.put(x, bottom, frame.horizontal, style);
        }
        for y in area.y + 1..bottom {
            self.put(area.x, y, frame.vertical, style);
            self.put(right, y, frame.vertical, style);
        }
        self.put(area.x, area.y, frame.top_left, style);
        self.put(right, area.y, frame.top_right, style);
        self.put(area.x, bottom, frame.bottom_left, style);
        self.put(right, bottom, frame.bottom_right, style);
    }

    /// One sign in one cell.
    pub fn put(&mut self, x: u16, y: u16, sign: &'static str, style: Style) {
        if let Some(cell) = self.buffer.cell_mut((x, y)) {
            cell.set_symbol(sign).set_style(style);
        }
    }

    /// A bar of so many columns, filled to a share of 0 to 1.
    pub fn bar(&mut self, x: u16, y: u16, width: u16, share: f64, style: Style) {
        let Look { glyphs, whole_bars, essential, .. } = self.look;
        if essential {
            return;
        }
        let steps = if whole_bars { 1 } else { glyphs.bar.len() };
        let parts = &glyphs.bar[glyphs.bar.len() - steps..];
        let total = usize::from(width) * steps;
        let filled = ((share.clamp(0.0, 1.0) * total as f64) as usize).min(total);
        for column in 0..width {
            let here = filled.saturating_sub(usize::from(column) * steps).min(steps);
            let sign = if here == 0 { glyphs.track } else { parts[here - 1] };
            self.put(x + column, y, sign, style.patch(self.look.theme.track));
        }
    }

    /// The sign that a list goes on above or below, at the right edge of its rows.
    pub fn more(&mut self, rows: Rect, offset: usize, len: usize) {
        if rows.is_empty() {
            return;
        }
        let (glyphs, style) = (self.look.glyphs, self.look.theme.dim);
        if offset > 0 {
            self.put(rows.right() - 1, rows.y, glyphs.more_above, style);
        }
        if offset + usize::from(rows.height) < len {
            self.put(rows.right() - 1, rows.bottom() - 1, glyphs.more_below, style);
        }
    }

    /// How many rows are hidden below, on the line under a list: its frame or the line of pane names.
    pub fn hidden(&mut self, rows: Rect, offset: usize, len: usize) {
        let hidden = len.saturating_sub(offset + usize::from(rows.height));
        let text = format!(" {hidden} more ");
        let width = text.width() as u16;
        if hidden > 0 && rows.width > width + 2 {
            self.text(rows.right() - width - 1, rows.bottom(), width, &text, self.look.theme.dim);
        }
    }

    /// Sentences in the middle of an empty pane, wrapped.
    pub fn empty(&mut self, area: Rect, lines: &[&str]) {
        let style = self.look.theme.dim;
        let width = usize::from(area.width.saturating_sub(4));
        let wrapped: Vec<String> = lines.iter().flat_map(|line| wrap(line, width)).collect();
        let top = area.y + area.height.saturating_sub(wrapped.len() as u16) / 2;
        for (row, line) in wrapped.iter().take(usize::from(area.height)).enumerate() {
            let x = area.x + (area.width.saturating_sub(line.width() as u16)) / 2;
            self.text(x, top + row as u16, area.right().saturating_sub(x), line, style);
        }
    }
}

/// The longest beginning of at most so many columns.
fn cut(text: &str, width: usize) -> &str {
    let mut used = 0;
    for (index, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > width {
            return &text[..index];
        }
    }
    text
}

/// Lines of at most `width` columns, broken at blanks; what has none is broken where it must be.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let mut word = word;
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        } else if !line.is_empty() {
            line.push(' ');
        }
        while line.width() + word.width() > width {
            let part = match cut(word, width - line.width()) {
                // Not even one character fits: it goes alone, rather than never.
                "" => &word[..word.chars().next().map_or(0, char::len_utf8)],
                part => part,
            };
            line.push_str(part);
            word = &word[part.len()..];
            lines.push(std::mem::take(&mut line));
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// A column of a table.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub title: &'static str,
    pub right: bool,
    /// Blanks before it.
    pub gap: u16,
    pub least: u16,
    /// Columns that do not fit go in falling order of this; 0 stays.
    pub drop: u8,
}

/// Where a column is; `None`: it had no room.
pub type Place = Option<(u16, u16)>;

/// Drops what does not fit, then lets columns grow step by step: `(column, up to)`.
pub fn fit<const N: usize>(columns: &[Column; N], growth: &[(usize, u16)], width: u16) -> [Place; N] {
    let mut widths: [Option<u16>; N] = columns.map(|column| Some(column.least));
    let used = |widths: &[Option<u16>; N]| -> u16 {
        std::iter::zip(columns, widths).filter_map(|(column, width)| width.map(|width| column.gap + width)).sum()
    };
    while used(&widths) > width {
        let last = (0..N).filter(|&i| widths[i].is_some() && columns[i].drop > 0).max_by_key(|&i| columns[i].drop);
        match last {
            Some(index) => widths[index] = None,
            None => break,
        }
    }
    let mut spare = width.saturating_sub(used(&widths));
    for &(index, most) in growth {
        if let Some(width) = &mut widths[index] {
            let more = most.saturating_sub(*width).min(spare);
            *width += more;
            spare -= more;
        }
    }
    let mut x = 0;
    let mut places = [None; N];
    for index in 0..N {
        if let Some(column_width) = widths[index] {
            x += columns[index].gap;
            places[index] = Some((x, column_width.min(width.saturating_sub(x))));
            x += column_width;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_is_wrapped_at_blanks_and_long_words_are_broken() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("業務業務", 3), ["業", "務", "業", "務"]);
        assert_eq!(wrap("業", 1), ["業", ""]);
    }

    proptest! {
        #[test]
        fn wrapping_loses_nothing(text in "[a-z業 ]{0,60}", width in 2_usize..20) {
            let lines = wrap(&text, width);
            prop_assert!(lines.iter().all(|line| line.width() <= width));
            prop_assert_eq!(lines.concat().replace(' ', ""), text.replace(' ', ""));
        }
    }

    #[test]
    fn columns_go_in_their_declared_order_and_the_rest_fits() {
        let column = |least, drop| Column { title: "", right: false, gap: 1, least, drop };
        let columns = [column(10, 0), column(8, 2), column(6, 1), column(4, 3)];
        for width in 0..60 {
            let places = fit(&columns, &[(0, 20)], width);
            let shown: Vec<bool> = places.iter().map(Option::is_some).collect();
            assert!(shown[0]);
            assert!(!shown[3] || shown[1], "3 goes before 1");
            assert!(!shown[1] || shown[2], "1 goes before 2");
            if width >= 11 {
                assert!(places.iter().flatten().all(|(x, w)| x + w <= width), "{width}: {places:?}");
            }
        }
    }
}
