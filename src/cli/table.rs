//! Aligned columns for people.

use unicode_width::UnicodeWidthStr;

/// Which side of its column a cell leans to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    Left,
    /// Numbers with their units.
    Right,
}

/// Rows under headings. Cells are escaped already, or made by us.
pub struct Table {
    headings: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(headings: &[(&'static str, Align)]) -> Self {
        Self { headings: headings.to_vec(), rows: Vec::new() }
    }

    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Every line with a newline, no blanks at the ends.
    pub fn render(&self) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width());
            cells.chain([self.headings[column].0.width()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.headings.len()).map(width).collect();
        let mut out = String::new();
        self.line(&mut out, &widths, self.headings.iter().map(|(heading, _)| *heading));
        for row in &self.rows {
            self.line(&mut out, &widths, row.iter().map(String::as_str));
        }
        out
    }

    fn line<'a>(&self, out: &mut String, widths: &[usize], cells: impl Iterator<Item = &'a str>) {
        let mut line = String::new();
        for ((cell, width), (_, lean)) in cells.zip(widths).zip(&self.headings) {
            let blanks = " ".repeat(width.saturating_sub(cell.width()));
            if !line.is_empty() {
                line.push_str("  ");
            }
            match lean {
                Align::Left => line.extend([cell, &blanks]),
                Align::Right => line.extend([blanks.as_str(), cell]),
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lean_right_and_wide_characters_count_twice() {
        let mut table = Table::new(&[("volume", Align::Left), ("size", Align::Right), ("state", Align::Left)]);
        table.row(["ora".into(), "192 MiB".into(), "none".into()]);
        table.row(["日本".into(), "8 B".into(), "copying".into()]);
        assert_eq!(table.render(), "volume     size  state\nora     192 MiB  none\n日本        8 B  copying\n");
    }
}
