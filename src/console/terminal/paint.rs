//! Cells to bytes, as few as possible: the pen, the place and what is shown are remembered, a frame is one synchronized
//! write, and a frame without changes writes nothing at all.

use ratatui::backend::{Backend, ClearType, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};
use ratatui::style::{Color, Modifier};
use std::io::{self, Write};
use unicode_width::UnicodeWidthStr;

const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";

/// Modifiers that the console uses, with the codes that set and unset them.
const MODIFIERS: [(Modifier, &str, &str); 5] = [
    (Modifier::BOLD, "1", "22"),
    (Modifier::DIM, "2", "22"),
    (Modifier::ITALIC, "3", "23"),
    (Modifier::UNDERLINED, "4", "24"),
    (Modifier::REVERSED, "7", "27"),
];

/// Steps down or back up to which single bytes are shorter than a place.
const NEAR: u16 = 3;
/// A gap of so many cells is written again where that is possible: a move over it takes as many bytes at least.
const SHORT_GAP: u16 = 4;
/// Up to so many changed cells it is worth looking for a shorter way than row by row.
const FEW: usize = 600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pen {
    fg: Color,
    bg: Color,
    modifier: Modifier,
}

const PLAIN: Pen = Pen { fg: Color::Reset, bg: Color::Reset, modifier: Modifier::empty() };

/// What the terminal shows at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// One character of one byte, and with which pen it was asked for.
    Byte(u8, Pen),
    /// Something longer or wider, or nobody knows.
    Else,
}

const BLANK: Shown = Shown::Byte(b' ', PLAIN);

impl Shown {
    fn of(cell: &Cell) -> Self {
        match *cell.symbol().as_bytes() {
            [byte @ b' '..=b'~'] => Self::Byte(byte, pen_of(cell)),
            _ => Self::Else,
        }
    }

    /// The byte that shows the same again, written with this pen.
    fn again_with(self, pen: Pen) -> Option<u8> {
        match self {
            Self::Byte(b' ', wanted) => wanted.blank_looks_like(pen).then_some(b' '),
            Self::Byte(byte, wanted) => (wanted == pen).then_some(byte),
            Self::Else => None,
        }
    }
}

impl Pen {
    /// A blank has a background and lines, and no foreground of its own.
    fn blank_looks_like(self, other: Self) -> bool {
        let seen = Modifier::UNDERLINED | Modifier::REVERSED;
        let plain = !(self.modifier | other.modifier).intersects(seen);
        self == other || plain && self.bg == other.bg
    }
}

/// Writes frames to a terminal of a known size.
#[derive(Debug)]
pub struct Painter<W: Write> {
    out: W,
    frame: Vec<u8>,
    size: Size,
    /// What the terminal's pen is; `None`: nobody knows.
    pen: Option<Pen>,
    /// Where the terminal's cursor is; `None`: nobody knows.
    at: Option<(u16, u16)>,
    cursor_shown: Option<bool>,
    /// Row by row; empty while nothing is known.
    shown: Vec<Shown>,
    written: u64,
}

impl<W: Write> Painter<W> {
    pub fn new(out: W, size: (u16, u16)) -> Self {
        Self {
            out,
            frame: Vec::new(),
            size: size.into(),
            pen: None,
            at: None,
            cursor_shown: None,
            shown: Vec::new(),
            written: 0,
        }
    }

    pub fn resize(&mut self, size: (u16, u16)) {
        self.size = size.into();
        self.shown.clear();
    }

    /// After the terminal was taken: it was cleared, with the plain pen.
    pub fn cleared(&mut self) {
        self.pen = Some(PLAIN);
        self.at = None;
        self.shown.clear();
        self.shown.resize(usize::from(self.size.width) * usize::from(self.size.height), BLANK);
    }

    /// After somebody else wrote to the terminal: nothing is known of it.
    pub fn forget(&mut self) {
        self.pen = None;
        self.at = None;
        self.cursor_shown = None;
        self.shown.clear();
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    pub fn out(&self) -> &W {
        &self.out
    }

    fn go(&mut self, x: u16, y: u16) {
        if self.at == Some((x, y)) {
            return;
        }
        let (row, column) = (y + 1, x + 1);
        match self.at {
            Some((from, line)) if line == y && x > from => {
                let by = x - from;
                if let Some(same) = self.same_again(from, x, y) {
                    self.frame.extend(same);
                } else if by == 1 {
                    self.frame.extend(b"\x1b[C");
                } else {
                    self.put(format_args!("\x1b[{by}C"));
                }
            }
            // As terminfo's cud1 and cub1: in raw mode a line feed is a step down, and there is always a row below.
            Some((from, line)) if y >= line && y - line <= NEAR && x <= from && from - x <= NEAR => {
                self.frame.extend(std::iter::repeat_n(b'\n', usize::from(y - line)));
                self.frame.extend(std::iter::repeat_n(8, usize::from(from - x)));
            }
            Some((_, line)) if line == y => self.put(format_args!("\x1b[{column}G")),
            Some((from, line)) if from == x && y > line && y - line > 1 => {
                self.put(format_args!("\x1b[{}B", y - line));
            }
            Some((from, line)) if from == x && y > line => self.frame.extend(b"\x1b[B"),
            _ if x == 0 => self.put(format_args!("\x1b[{row}H")),
            _ => self.put(format_args!("\x1b[{row};{column}H")),
        }
        self.at = Some((x, y));
    }

    fn place(&self, x: u16, y: u16) -> usize {
        usize::from(y) * usize::from(self.size.width) + usize::from(x)
    }

    /// What stands between two places of a row, where writing it again with the pen as it is takes no more than a move.
    fn same_again(&self, from: u16, to: u16, y: u16) -> Option<Vec<u8>> {
        let pen = self.pen.filter(|_| to - from <= SHORT_GAP)?;
        let between = self.shown.get(self.place(from, y)..self.place(to, y))?;
        between.iter().map(|shown| shown.again_with(pen)).collect()
    }

    fn put(&mut self, text: std::fmt::Arguments) {
        // A vector takes everything.
        let _ = self.frame.write_fmt(text);
    }

    /// Changes the pen by what differs only.
    fn take(&mut self, pen: Pen) {
        if self.pen == Some(pen) {
            return;
        }
        let mut codes: Vec<String> = Vec::new();
        let before = self.pen.unwrap_or_else(|| {
            codes.push("0".to_owned());
            PLAIN
        });
        if pen == PLAIN {
            codes.clear();
        } else {
            let mut had = before.modifier;
            let gone = had.difference(pen.modifier);
            for (modifier, _, off) in MODIFIERS {
                if gone.contains(modifier) && !codes.iter().any(|code| code == off) {
                    codes.push(off.to_owned());
                    // One code ends bold and dim alike.
                    had -= if off == "22" { Modifier::BOLD | Modifier::DIM } else { modifier };
                }
            }
            for (modifier, on, _) in MODIFIERS {
                if pen.modifier.contains(modifier) && !had.contains(modifier) {
                    codes.push(on.to_owned());
                }
            }
            if pen.fg != before.fg {
                codes.push(colour(pen.fg, 30));
            }
            if pen.bg != before.bg {
                codes.push(colour(pen.bg, 40));
            }
        }
        self.put(format_args!("\x1b[{}m", codes.join(";")));
        self.pen = Some(pen);
    }

    fn cells(&mut self, cells: &[(u16, u16, &Cell)]) {
        for (x, y, cell) in cells {
            self.cell(*x, *y, cell);
        }
    }

    fn cell(&mut self, x: u16, y: u16, cell: &Cell) {
        self.go(x, y);
        let pen = pen_of(cell);
        // A blank is as good in the colour of the word before it.
        if !(cell.symbol() == " " && self.pen.is_some_and(|now| pen.blank_looks_like(now))) {
            self.take(pen);
        }
        let place = self.place(x, y);
        if let Some(shown) = self.shown.get_mut(place) {
            *shown = Shown::of(cell);
        }
        self.frame.extend(cell.symbol().as_bytes());
        let width = cell.symbol().width().max(1) as u16;
        // What a wide character covers is not what was there before.
        for covered in 1..width {
            if let Some(shown) = self.shown.get_mut(place + usize::from(covered)) {
                *shown = Shown::Else;
            }
        }
        let next = x + width;
        // Past the last column terminals wait with the wrap: where the cursor is depends on the terminal.
        self.at = (next < self.size.width).then_some((next, y));
    }
}

impl Painter<Vec<u8>> {
    /// The bytes of the frames since last time.
    pub fn take_frames(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

fn pen_of(cell: &Cell) -> Pen {
    Pen { fg: cell.fg, bg: cell.bg, modifier: cell.modifier & known() }
}

fn known() -> Modifier {
    MODIFIERS.iter().fold(Modifier::empty(), |all, (modifier, ..)| all | *modifier)
}

/// `base` is 30 for the foreground, 40 for the background.
fn colour(colour: Color, base: u8) -> String {
    let named = |index: u8| if index < 8 { (base + index).to_string() } else { (base + 52 + index).to_string() };
    match colour {
        Color::Reset => (base + 9).to_string(),
        Color::Black => named(0),
        Color::Red => named(1),
        Color::Green => named(2),
        Color::Yellow => named(3),
        Color::Blue => named(4),
        Color::Magenta => named(5),
        Color::Cyan => named(6),
        Color::Gray => named(7),
        Color::DarkGray => named(8),
        Color::LightRed => named(9),
        Color::LightGreen => named(10),
        Color::LightYellow => named(11),
        Color::LightBlue => named(12),
        Color::LightMagenta => named(13),
        Color::LightCyan => named(14),
        Color::White => named(15),
        Color::Indexed(index) => format!("{};5;{index}", base + 8),
        Color::Rgb(red, green, blue) => format!("{};2;{red};{green};{blue}", base + 8),
    }
}

impl<W: Write> Backend for Painter<W> {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut cells: Vec<(u16, u16, &Cell)> = content.collect();
        let start = (self.frame.len(), self.pen, self.at);
        self.cells(&cells);
        if cells.len() < 2 || cells.len() > FEW {
            return Ok(());
        }
        // Bars and figures of many rows change at once: pen by pen is shorter than row by row then. A frame is shown as
        // a whole, so the order is not seen.
        let by_row = (self.frame.split_off(start.0), self.pen, self.at);
        (self.pen, self.at) = (start.1, start.2);
        let mut pens: Vec<Pen> = Vec::new();
        cells.sort_by_cached_key(|(.., cell)| {
            let pen = pen_of(cell);
            pens.iter().position(|known| *known == pen).unwrap_or_else(|| {
                pens.push(pen);
                pens.len() - 1
            })
        });
        self.cells(&cells);
        if self.frame.len() - start.0 > by_row.0.len() {
            self.frame.truncate(start.0);
            self.frame.extend(by_row.0);
            (self.pen, self.at) = (by_row.1, by_row.2);
        }
        Ok(())
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.cursor_shown != Some(false) {
            self.frame.extend(b"\x1b[?25l");
            self.cursor_shown = Some(false);
        }
        Ok(())
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if self.cursor_shown != Some(true) {
            self.frame.extend(b"\x1b[?25h");
            self.cursor_shown = Some(true);
        }
        Ok(())
    }

    /// Nobody asks: the whole screen is ours, and a question would wait for the terminal's answer.
    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(Position::ORIGIN)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        let Position { x, y } = position.into();
        self.go(x, y);
        Ok(())
    }

    fn clear(&mut self) -> io::Result<()> {
        self.pen = None;
        self.take(PLAIN);
        self.frame.extend(b"\x1b[H\x1b[2J");
        self.cleared();
        self.at = Some((0, 0));
        Ok(())
    }

    fn clear_region(&mut self, _: ClearType) -> io::Result<()> {
        self.clear()
    }

    fn size(&self) -> io::Result<Size> {
        Ok(self.size)
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        Ok(WindowSize { columns_rows: self.size, pixels: Size::ZERO })
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.frame.is_empty() {
            return Ok(());
        }
        let mut bytes = Vec::with_capacity(self.frame.len() + BEGIN.len() + END.len());
        bytes.extend(BEGIN);
        bytes.append(&mut self.frame);
        bytes.extend(END);
        self.written += bytes.len() as u64;
        self.out.write_all(&bytes)?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ratatui::Terminal;
    use ratatui::style::Style;

    fn terminal() -> Terminal<Painter<Vec<u8>>> {
        let mut painter = Painter::new(Vec::new(), (20, 4));
        painter.cleared();
        Terminal::new(painter).unwrap()
    }

    fn show(terminal: &mut Terminal<Painter<Vec<u8>>>, x: u16, y: u16, text: &str) {
        terminal.draw(|frame| frame.buffer_mut().set_string(x, y, text, Style::new())).unwrap();
    }

    #[test]
    fn a_frame_without_changes_writes_no_byte() {
        let mut terminal = terminal();
        for _ in 0..3 {
            show(&mut terminal, 2, 1, "hello");
        }
        let first = terminal.backend().written();
        show(&mut terminal, 2, 1, "hello");
        assert_eq!(terminal.backend().written(), first);
    }

    #[test]
    fn one_changed_cell_is_a_move_and_a_character() {
        let mut terminal = terminal();
        for text in ["a 10 %", "a 20 %"] {
            show(&mut terminal, 0, 0, text);
        }
        let bytes = String::from_utf8(terminal.backend().out().clone()).unwrap();
        assert!(bytes.ends_with("\u{1b}[?2026h\u{1b}[3G2\u{1b}[?2026l"), "{bytes:?}");
    }

    #[test]
    fn a_short_gap_is_written_again() {
        let mut terminal = terminal();
        let mut frame = |text: &str, middle: Style| {
            let seen = terminal.backend().out().len();
            terminal
                .draw(|frame| {
                    frame.buffer_mut().set_string(0, 0, text, Style::new());
                    frame.buffer_mut().set_style(ratatui::layout::Rect::new(2, 0, 3, 1), middle);
                })
                .unwrap();
            String::from_utf8(terminal.backend().out()[seen..].to_vec()).unwrap()
        };
        let (plain, red, lined) = (Style::new(), Style::new().fg(Color::Red), Style::new().underlined());
        frame("1 23 5 6", plain);
        // Blanks and characters in the pen of the moment take fewer bytes than a move.
        assert!(frame("2 23 6 7", plain).contains("2 23 6 7\u{1b}"));
        frame("2 ab 6 7", red);
        assert!(frame("3 ab 7 8", red).contains("3\u{1b}[4C7 8\u{1b}"), "what is red is passed over");
        frame("3     7 8", red);
        assert!(frame("4     8 9", red).contains("4\u{1b}[5C8 9\u{1b}"), "a longer gap as well");
        frame("4 a   8 9", lined);
        assert!(frame("5 b   8 9", lined).contains('b'), "a line below is seen on blanks");
    }

    /// Bold and dim at once is one thing on some terminals and the other on others; the console never asks for it.
    fn tested(bits: u16) -> Modifier {
        let modifier = Modifier::from_bits_truncate(bits) & known();
        if modifier.contains(Modifier::BOLD) { modifier - Modifier::DIM } else { modifier }
    }

    /// Cells that differ in every way that the console uses.
    fn cells() -> impl Strategy<Value = Vec<(u16, u16, char, u8, u8, u16)>> {
        let symbol = proptest::sample::select(vec!['a', ' ', '%', '◆', '█']);
        proptest::collection::vec((0..18_u16, 0..4_u16, symbol, 0..20_u8, 0..20_u8, 0..32_u16), 0..40)
    }

    /// One style a cell: writing over a cell adds its modifiers to what is there.
    fn cells_unique(cells: &mut Vec<(u16, u16, char, u8, u8, u16)>) {
        let mut seen = std::collections::BTreeSet::new();
        cells.retain(|(x, y, ..)| seen.insert((*x, *y)));
    }

    #[test]
    fn what_follows_a_wide_character_stands_where_it_should() {
        let mut terminal = terminal();
        show(&mut terminal, 3, 2, "業務 ok");
        let mut screen = vt100::Parser::new(4.try_into().unwrap(), 20.try_into().unwrap(), 0);
        screen.process(terminal.backend().out());
        assert_eq!(screen.screen().contents().trim_end(), "\n\n   業務 ok");
    }

    proptest! {
        /// What a terminal shows after the bytes is what was drawn, frame after frame.
        #[test]
        fn the_terminal_shows_what_was_drawn(frames in proptest::collection::vec(cells(), 1..5)) {
            let mut terminal = terminal();
            let mut screen = vt100::Parser::new(4.try_into().unwrap(), 20.try_into().unwrap(), 0);
            let mut seen = 0;
            for mut cells in frames {
                cells_unique(&mut cells);
                let mut expected = ratatui::buffer::Buffer::empty(ratatui::layout::Rect::new(0, 0, 20, 4));
                terminal.draw(|frame| {
                    for (x, y, symbol, fg, bg, bits) in &cells {
                        let mut style = Style::new().add_modifier(tested(*bits));
                        if *fg > 0 { style = style.fg(Color::Indexed(*fg + 30)); }
                        if *bg > 0 { style = style.bg(Color::Indexed(*bg + 60)); }
                        frame.buffer_mut().set_string(*x, *y, symbol.to_string(), style);
                    }
                    expected = frame.buffer_mut().clone();
                }).unwrap();
                let bytes = terminal.backend().out();
                screen.process(&bytes[seen..]);
                seen = bytes.len();
                for y in 0..4 {
                    for x in 0..20 {
                        let want = &expected[(x, y)];
                        let have = screen.screen().cell(y, x).unwrap();
                        let shown = if have.contents().is_empty() { " " } else { have.contents() };
                        prop_assert_eq!(shown, want.symbol(), "at {},{}", x, y);
                        prop_assert!(shown == " " || have.bold() == want.modifier.contains(Modifier::BOLD));
                        prop_assert_eq!(have.inverse(), want.modifier.contains(Modifier::REVERSED));
                        prop_assert_eq!(have.underline(), want.modifier.contains(Modifier::UNDERLINED));
                        let colour = |colour| match colour {
                            Color::Indexed(index) => vt100::Color::Idx(index),
                            _ => vt100::Color::Default,
                        };
                        // Nobody sees in which colour a blank is, but where the colours are exchanged.
                        if shown != " " || have.inverse() {
                            prop_assert_eq!(have.fgcolor(), colour(want.fg));
                        }
                        prop_assert_eq!(have.bgcolor(), colour(want.bg));
                    }
                }
            }
        }
    }
}
