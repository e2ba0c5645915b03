//! Keys from a terminal's bytes. Sequences may come in pieces; what is not understood is swallowed, never acted on.

use super::super::keys::Key;

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Key(Key),
    Paste(String),
}

const ESC: u8 = 0x1b;
const PASTE_END: &[u8] = b"\x1b[201~";
/// Of a paste and of a terminal's reply, in bytes: more is not for us.
const LONGEST: usize = 64 * 1024;

/// Bytes that have not become anything yet.
#[derive(Debug, Default)]
pub struct Parser {
    bytes: Vec<u8>,
    pasting: bool,
}

/// What the beginning of the bytes is.
enum Step {
    /// So many bytes, and what they mean.
    Done(usize, Option<Input>),
    Paste(usize),
    /// More bytes are needed.
    Wait,
}

impl Parser {
    /// Takes bytes; gives what is complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Input> {
        self.bytes.extend(bytes);
        let mut inputs = Vec::new();
        loop {
            if self.pasting && !self.end_paste(&mut inputs) {
                return inputs;
            }
            match step(&self.bytes) {
                Step::Done(used, input) => {
                    self.bytes.drain(..used);
                    inputs.extend(input);
                }
                Step::Paste(used) => {
                    self.bytes.drain(..used);
                    self.pasting = true;
                }
                Step::Wait => {
                    if self.bytes.len() > LONGEST {
                        self.bytes.clear();
                    }
                    return inputs;
                }
            }
        }
    }

    /// Whether something is begun that time may have to end.
    pub fn is_waiting(&self) -> bool {
        !self.bytes.is_empty() && !self.pasting
    }

    /// Nothing came for a while: a lone escape was the key; the beginning of a sequence was torn and is dropped.
    pub fn end_waiting(&mut self) -> Option<Input> {
        if !self.is_waiting() {
            return None;
        }
        let lone = self.bytes == [ESC];
        self.bytes.clear();
        lone.then_some(Input::Key(Key::Esc))
    }

    /// Forgets what is begun.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn end_paste(&mut self, inputs: &mut Vec<Input>) -> bool {
        let end = self.bytes.windows(PASTE_END.len()).position(|window| window == PASTE_END);
        let Some(end) = end else {
            if self.bytes.len() > LONGEST {
                self.clear();
                return true;
            }
            return false;
        };
        let text = String::from_utf8_lossy(&self.bytes[..end]).into_owned();
        self.bytes.drain(..end + PASTE_END.len());
        self.pasting = false;
        inputs.push(Input::Paste(text));
        true
    }
}

fn key(used: usize, key: Key) -> Step {
    Step::Done(used, Some(Input::Key(key)))
}

fn step(bytes: &[u8]) -> Step {
    let Some(&first) = bytes.first() else { return Step::Wait };
    match first {
        ESC => escape(bytes),
        b'\r' | b'\n' => key(1, Key::Enter),
        b'\t' => key(1, Key::Tab),
        0x7f | 0x08 => key(1, Key::Backspace),
        0x01..=0x1a => key(1, Key::Ctrl((first - 1 + b'a') as char)),
        0x00..=0x1f => Step::Done(1, None),
        _ => character(bytes, 0).map_or(Step::Wait, |(used, c)| Step::Done(used, c.map(|c| Input::Key(Key::Char(c))))),
    }
}

/// The character at `from`: its bytes, and itself unless they are none. `None`: its end has not come yet.
fn character(bytes: &[u8], from: usize) -> Option<(usize, Option<char>)> {
    let rest = &bytes[from..];
    let width = match rest.first()? {
        0x00..=0x7f => 1,
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Some((1, None)),
    };
    // A byte that cannot go on ends the character there.
    let valid = rest.iter().take(width).skip(1).take_while(|byte| (0x80..=0xbf).contains(*byte)).count() + 1;
    if valid < width && valid < rest.len() {
        return Some((valid, None));
    }
    if rest.len() < width {
        return None;
    }
    let c = std::str::from_utf8(&rest[..width]).ok().and_then(|text| text.chars().next());
    Some((width, c.filter(|c| !c.is_control())))
}

fn escape(bytes: &[u8]) -> Step {
    match bytes.get(1) {
        None => Step::Wait,
        Some(b'[') => control_sequence(bytes),
        Some(b'O') => match bytes.get(2) {
            None => Step::Wait,
            Some(&last) => Step::Done(3, named(last).map(Input::Key)),
        },
        // Replies of the terminal: to the bell or the string terminator.
        Some(b']' | b'P' | b'_' | b'^' | b'X') => string(bytes),
        Some(0x00..=0x1f | 0x7f) => key(1, Key::Esc),
        Some(_) => match character(bytes, 1) {
            None => Step::Wait,
            Some((used, c)) => Step::Done(1 + used, c.map(|c| Input::Key(Key::Alt(c)))),
        },
    }
}

fn control_sequence(bytes: &[u8]) -> Step {
    let body = &bytes[2..];
    let Some(end) = body.iter().position(|byte| !(0x20..=0x3f).contains(byte)) else { return Step::Wait };
    let used = 2 + end + 1;
    if !(0x40..=0x7e).contains(&body[end]) {
        // Torn by something that does not belong: the sequence is dropped, the stranger is looked at anew.
        return Step::Done(used - 1, None);
    }
    let parameters = &body[..end];
    let number = parameters.split(|byte| *byte == b';').next().unwrap_or(&[]);
    let found = match (body[end], number) {
        (b'~', b"200") => return Step::Paste(used),
        (b'~', b"1" | b"7") => Some(Key::Home),
        (b'~', b"4" | b"8") => Some(Key::End),
        (b'~', b"3") => Some(Key::Delete),
        (b'~', b"5") => Some(Key::PageUp),
        (b'~', b"6") => Some(Key::PageDown),
        (b'Z', _) => Some(Key::BackTab),
        (last, _) => named(last),
    };
    Step::Done(used, found.map(Input::Key))
}

/// Keys by the letter that ends their sequences.
fn named(last: u8) -> Option<Key> {
    Some(match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        b'M' => Key::Enter,
        _ => return None,
    })
}

fn string(bytes: &[u8]) -> Step {
    let bell = bytes.iter().position(|byte| *byte == 0x07).map(|at| at + 1);
    let terminator = bytes.windows(2).skip(1).position(|pair| pair == [ESC, b'\\']).map(|at| at + 3);
    match bell.into_iter().chain(terminator).min() {
        Some(used) => Step::Done(used, None),
        None => Step::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut parser = Parser::default();
        let mut inputs = parser.feed(bytes);
        inputs.extend(parser.end_waiting());
        inputs.into_iter().map(|input| if let Input::Key(key) = input { key } else { panic!("{input:?}") }).collect()
    }

    #[test]
    fn keys_are_what_terminals_send() {
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[1;5C\x1b[D"), [Key::Up, Key::Down, Key::Right, Key::Left]);
        assert_eq!(keys(b"\x1b[5~\x1b[6~\x1b[3~\x1b[Z"), [Key::PageUp, Key::PageDown, Key::Delete, Key::BackTab]);
        assert_eq!(keys(b"\x1b[H\x1b[4~\x1bx"), [Key::Home, Key::End, Key::Alt('x')]);
        assert_eq!(keys("ä業".as_bytes()), [Key::Char('ä'), Key::Char('業')]);
        assert_eq!(keys(b"\r\t\x7f\x03"), [Key::Enter, Key::Tab, Key::Backspace, Key::Ctrl('c')]);
        assert_eq!(keys(b"\x1b"), [Key::Esc]);
        assert_eq!(keys(b"\x1b\x1b"), [Key::Esc, Key::Esc]);
    }

    #[test]
    fn replies_of_the_terminal_are_no_keys() {
        assert_eq!(keys(b"\x1b]11;rgb:0000/0000/0000\x07j"), [Key::Char('j')]);
        assert_eq!(keys(b"\x1b]11;rgb:0000/0000/0000\x1b\\j"), [Key::Char('j')]);
        assert_eq!(keys(b"\x1b[?62;22cj"), [Key::Char('j')]);
        assert_eq!(keys(b"\x1b[I\x1b[Oj"), [Key::Char('j')]);
    }

    #[test]
    fn a_sequence_that_a_slow_line_tears_does_nothing_harmful() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"\x1b["), []);
        assert_eq!(parser.end_waiting(), None);
        assert_eq!(parser.feed(b"A"), [Input::Key(Key::Char('A'))]);
    }

    #[test]
    fn a_paste_is_text_and_not_keys() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"\x1b[200~bY\x1b[A"), []);
        assert_eq!(parser.feed(b"\r\x1b[201~q"), [Input::Paste("bY\x1b[A\r".to_owned()), Input::Key(Key::Char('q'))]);
    }

    proptest! {
        #[test]
        fn pieces_mean_what_the_whole_means(parts in proptest::collection::vec(
            proptest::sample::select(vec!["\x1b[A", "\x1bOB", "\x1b[5~", "j", "業", "\r", "\x1b[200~p\x1b[201~", "\x1b]0;t\x07"]),
            0..12), cuts in proptest::collection::vec(any::<bool>(), 64)) {
            let whole: Vec<u8> = parts.concat().into_bytes();
            let expected = Parser::default().feed(&whole);
            let mut parser = Parser::default();
            let mut got = Vec::new();
            for (index, byte) in whole.iter().enumerate() {
                got.extend(parser.feed(&[*byte]));
                if cuts[index % cuts.len()] {
                    got.extend(parser.feed(&[]));
                }
            }
            prop_assert_eq!(got, expected);
        }

        #[test]
        fn any_bytes_are_taken_and_none_are_kept_for_ever(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut parser = Parser::default();
            parser.feed(&bytes);
            parser.end_waiting();
            parser.feed(PASTE_END);
            parser.end_waiting();
            prop_assert!(!parser.is_waiting());
            let inputs = parser.feed(b"j");
            prop_assert_eq!(inputs.last(), Some(&Input::Key(Key::Char('j'))));
        }
    }
}
