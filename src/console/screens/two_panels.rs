//! A list above, and all of its selected row below: what screens of this shape share.

use crate::console::view::canvas::Canvas;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Frame and headings of the upper panel.
const AROUND_LIST: u16 = 3;

/// The upper and the lower panel, which takes two fifths of the rows.
pub fn split(area: Rect) -> [Rect; 2] {
    let upper = upper(area.height);
    let below = Rect { y: area.y + upper, height: area.height - upper, ..area };
    [Rect { height: upper, ..area }, below]
}

fn upper(height: u16) -> u16 {
    height - height * 2 / 5
}

/// Rows of the list that are shown at once on a screen with so many lines.
pub fn list_height(height: u16) -> u16 {
    upper(height).saturating_sub(AROUND_LIST)
}

/// Characters of a line of text in the lower panel.
pub fn text_width(inner: Rect) -> u16 {
    inner.width.saturating_sub(3)
}

/// Wrapped text in the lower panel, and whether there is more of it.
pub fn text(canvas: &mut Canvas, inner: Rect, lines: &[(String, Style)]) {
    for (row, (line, style)) in lines.iter().take(usize::from(inner.height)).enumerate() {
        canvas.text(inner.x + 2, inner.y + row as u16, text_width(inner), line, *style);
    }
    canvas.hidden(inner, 0, lines.len());
}
