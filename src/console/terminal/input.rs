//! Keys from a terminal's bytes: the state machine of a VT500 parser, as a keyboard's end needs it.
//!
//! **No part of a sequence ever acts.** What has begun is swallowed to its own end, known or not, however long it is and
//! however it is cut. Time ends two things only: an escape that nothing follows is the key, and a paste that stays silent
//! is dropped. Whatever hangs ends by Ctrl-C, which always counts, by CAN or SUB as on a terminal, and a string of the
//! terminal by the Esc key too: nothing can make every key dead.
//!
//! Own code, because the kept crates are made for other ends of the line. `vte` parses what a terminal receives: it takes
//! `ESC O` and the reports of old mice for complete after their first byte, has no pastes, and does not say whether an
//! escape is pending. crossterm's and termwiz's readers give up a sequence that they do not know and go on inside it.

use super::super::keys::Key;
use super::decode;
use std::time::Duration;

/// What came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    Key(Key),
    Paste(String),
    /// The end of a paste that had been given up.
    LatePasteEnd,
}

const ETX: u8 = 0x03;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
const PASTE_END: &[u8] = b"\x1b[201~";

/// After an escape: silence for so long makes it the key.
const ESCAPE_TIMEOUT: Duration = Duration::from_millis(50);
/// After an escape that was given out as the key: for so long the beginning of a terminal's string belongs to it, because a
/// slow line may have torn it. `[` and `O` belong to it whenever they come: as keys they mean nothing.
const TORN_ESCAPE: Duration = Duration::from_secs(5);
/// A paste that is silent for so long has lost its end.
const PASTE_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of a paste that are kept: more than any field takes.
const MAX_PASTE: usize = 4096;
/// Bytes of a control sequence that are kept: more than any key has.
const MAX_BODY: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Default)]
enum State {
    #[default]
    Ground,
    /// An escape: a key, or the beginning of something.
    Escape,
    /// The escape has been given out as a key, or has ended a string.
    EscapeGone {
        for_long: bool,
    },
    /// A character of several bytes; after an escape if `alt`.
    Character {
        bytes: Vec<u8>,
        width: usize,
        alt: bool,
    },
    /// `ESC [` and what followed.
    Control {
        body: Vec<u8>,
    },
    /// `ESC O` and what followed.
    Single {
        body: Vec<u8>,
    },
    /// So many characters that belong to a report; a last one may go on for `more` bytes.
    Report {
        left: u8,
        more: usize,
    },
    /// A string of the terminal, to its terminator. `more`: bytes that belong to a character in it.
    String {
        bell_ends: bool,
        escape: bool,
        more: usize,
    },
    Paste {
        text: Vec<u8>,
        matched: usize,
    },
}

/// Bytes that have not become anything yet.
#[derive(Debug, Default)]
pub struct Parser {
    state: State,
    /// The last read was one key or one sequence, and nothing else.
    one: bool,
}

impl Parser {
    /// Takes what one read gave; gives what is complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Input> {
        let mut inputs = Vec::new();
        self.one = self.is_idle();
        for (at, byte) in bytes.iter().enumerate() {
            let is_last = at + 1 == bytes.len();
            self.take(*byte, is_last, &mut inputs);
            // What is complete before the last byte is not all that the read has.
            self.one &= self.is_idle() == is_last;
        }
        inputs
    }

    /// Whether the last read was one key or one sequence, whole, and nothing else.
    pub fn was_one(&self) -> bool {
        self.one
    }

    /// Nothing is begun: the next byte stands for itself.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Ground | State::EscapeGone { .. })
    }

    /// What swallows keys at this moment, in words: something that a person has to know if it lasts.
    pub fn swallows(&self) -> Option<&'static str> {
        match self.state {
            State::String { .. } => {
                Some("the terminal has begun a message that does not end: keys count again after Esc")
            }
            State::Paste { .. } => Some("a paste has begun that does not end: it is dropped after 5 s of silence"),
            _ => None,
        }
    }

    /// In a paste.
    pub fn is_pasting(&self) -> bool {
        matches!(self.state, State::Paste { .. })
    }

    /// Silence for so long means something in this state.
    pub fn timeout(&self) -> Option<Duration> {
        match self.state {
            State::Escape | State::String { escape: true, .. } => Some(ESCAPE_TIMEOUT),
            State::EscapeGone { for_long: false } => Some(TORN_ESCAPE),
            State::Paste { .. } => Some(PASTE_TIMEOUT),
            _ => None,
        }
    }

    /// Nothing came for as long as [`Parser::timeout`] says.
    pub fn time_out(&mut self) -> Option<Input> {
        let fresh = State::EscapeGone { for_long: false };
        match std::mem::take(&mut self.state) {
            State::Escape => {
                self.state = fresh;
                return Some(Input::Key(Key::Esc));
            }
            // The Esc key leads out of a string that does not end. The rest of a torn terminator is still known, and that of
            // a paste's torn end.
            State::String { escape: true, .. } | State::Paste { matched: 1, .. } => self.state = fresh,
            State::EscapeGone { .. } => self.state = State::EscapeGone { for_long: true },
            State::Paste { matched, .. } if matched > 1 => {
                self.state = State::Control { body: PASTE_END[2..matched].to_vec() };
            }
            State::Paste { .. } => {}
            other => self.state = other,
        }
        None
    }

    /// Forgets what is begun: somebody else had the terminal meanwhile.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    fn take(&mut self, byte: u8, is_last: bool, inputs: &mut Vec<Input>) {
        let state = std::mem::take(&mut self.state);
        // In a paste it is text, unless nothing follows: then somebody pressed it.
        let is_text = matches!(state, State::Paste { .. }) && !is_last;
        if byte == ETX && !is_text {
            inputs.push(Input::Key(Key::Ctrl('c')));
            return;
        }
        self.state = match state {
            State::Ground => ground(byte, inputs),
            State::Escape => after_escape(byte, inputs),
            State::EscapeGone { for_long } => match (byte, for_long) {
                (b'[' | b'O', _) | (b']' | b'P' | b'_' | b'^' | b'X' | b'N', false) => introduced(byte),
                (b'\\', _) => State::Ground,
                _ => ground(byte, inputs),
            },
            State::Character { bytes, width, alt } => character(bytes, width, alt, byte, inputs),
            State::Control { body } => control(body, byte, inputs),
            State::Single { body } => single(body, byte, inputs),
            State::Report { left, more } => report(left, more, byte, inputs),
            State::String { bell_ends, escape, more } => string(bell_ends, escape, more, byte),
            State::Paste { text, matched } => paste(text, matched, byte, inputs),
        };
    }
}

fn ground(byte: u8, inputs: &mut Vec<Input>) -> State {
    let key = match byte {
        ESC => return State::Escape,
        b'\r' | b'\n' => Key::Enter,
        b'\t' => Key::Tab,
        0x7f | 0x08 => Key::Backspace,
        0x01..=0x1a => Key::Ctrl((byte - 1 + b'a') as char),
        0x00..=0x1f => return State::Ground,
        0x20..=0x7e => Key::Char(byte as char),
        0x80..=0x9f => return eight_bit(byte),
        _ => return begin_character(byte, false),
    };
    inputs.push(Input::Key(key));
    State::Ground
}

fn after_escape(byte: u8, inputs: &mut Vec<Input>) -> State {
    match byte {
        b'[' | b'O' | b']' | b'P' | b'_' | b'^' | b'X' | b'N' => introduced(byte),
        b'\\' | CAN | SUB => State::Ground,
        0x20..=0x7e => {
            inputs.push(Input::Key(Key::Alt(byte as char)));
            State::Ground
        }
        0xc2..=0xf4 => begin_character(byte, true),
        0x80..=0x9f => eight_bit(byte),
        0xa0..=0xff => State::Ground,
        _ => {
            inputs.push(Input::Key(Key::Esc));
            ground(byte, inputs)
        }
    }
}

fn character(mut bytes: Vec<u8>, width: usize, alt: bool, byte: u8, inputs: &mut Vec<Input>) -> State {
    if !is_continuation(byte) {
        // Torn: what is there of it is dropped, the stranger is looked at anew.
        return ground(byte, inputs);
    }
    bytes.push(byte);
    if bytes.len() < width {
        return State::Character { bytes, width, alt };
    }
    match std::str::from_utf8(&bytes).ok().and_then(|text| text.chars().next()) {
        // The introducers of eight bits, written as characters.
        Some(c @ '\u{80}'..='\u{9f}') => eight_bit(c as u8),
        Some(c) if alt => {
            inputs.push(Input::Key(Key::Alt(c)));
            State::Ground
        }
        Some(c) => {
            inputs.push(Input::Key(Key::Char(c)));
            State::Ground
        }
        None => State::Ground,
    }
}

fn report(left: u8, more: usize, byte: u8, inputs: &mut Vec<Input>) -> State {
    if byte == ESC {
        return State::Escape;
    }
    let (left, more) = match (more, is_continuation(byte)) {
        (1.., true) => (left, more - 1),
        (_, _) if left == 0 => return ground(byte, inputs),
        // Coordinates may be written as characters of UTF-8.
        _ => (left - 1, width(byte) - 1),
    };
    if left == 0 && more == 0 { State::Ground } else { State::Report { left, more } }
}

/// What begins with an escape and this byte.
fn introduced(byte: u8) -> State {
    match byte {
        b'[' => State::Control { body: Vec::new() },
        b'O' => State::Single { body: Vec::new() },
        b'N' => State::Report { left: 1, more: 0 },
        // A bell ends an operating system command; the others may contain one.
        byte => State::String { bell_ends: byte == b']', escape: false, more: 0 },
    }
}

/// The same as one byte of eight bits.
fn eight_bit(byte: u8) -> State {
    match byte {
        0x8e | 0x8f | 0x90 | 0x98 | 0x9b | 0x9d..=0x9f => introduced(byte - 0x40),
        _ => State::Ground,
    }
}

fn begin_character(first: u8, alt: bool) -> State {
    match width(first) {
        1 => State::Ground,
        width => State::Character { bytes: vec![first], width, alt },
    }
}

/// Bytes of the character that begins so; what begins none stands alone.
fn width(first: u8) -> usize {
    match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    }
}

fn is_continuation(byte: u8) -> bool {
    (0x80..=0xbf).contains(&byte)
}

fn control(mut body: Vec<u8>, byte: u8, inputs: &mut Vec<Input>) -> State {
    match byte {
        ESC => return State::Escape,
        CAN | SUB => return State::Ground,
        0x20..=0x3f => {
            if body.len() < MAX_BODY {
                body.push(byte);
            } else {
                // So long a body is no key's, whatever its end.
                body[0] = b'?';
            }
            return State::Control { body };
        }
        0x40..=0x7e => {}
        // Control characters and bytes of eight bits have no place in it: swallowed with it.
        _ => return State::Control { body },
    }
    match (&body[..], byte) {
        // Mice of X10, and of the highlighting kind; the function keys of Linux' console.
        (b"", b'M') => return State::Report { left: 3, more: 0 },
        (b"", b't') => return State::Report { left: 2, more: 0 },
        (b"", b'T') => return State::Report { left: 6, more: 0 },
        (b"", b'[') => return State::Report { left: 1, more: 0 },
        (b"200", b'~') => return State::Paste { text: Vec::new(), matched: 0 },
        (b"201", b'~') => inputs.push(Input::LatePasteEnd),
        (body, last) => inputs.extend(decode::control_sequence(body, last).into_iter().map(Input::Key)),
    }
    State::Ground
}

fn single(mut body: Vec<u8>, byte: u8, inputs: &mut Vec<Input>) -> State {
    match byte {
        ESC => return State::Escape,
        CAN | SUB => return State::Ground,
        0x30..=0x3f => {
            if body.len() < MAX_BODY {
                body.push(byte);
            }
            return State::Single { body };
        }
        0x20..=0x7e => inputs.extend(decode::single_shift(byte).map(Input::Key)),
        _ => return State::Single { body },
    }
    State::Ground
}

fn string(bell_ends: bool, escape: bool, more: usize, byte: u8) -> State {
    match byte {
        CAN | SUB => State::Ground,
        BEL if bell_ends => State::Ground,
        b'\\' if escape => State::Ground,
        ESC => State::String { bell_ends, escape: true, more: 0 },
        // Inside of a character it is none of the terminators.
        0x9c if more == 0 => State::Ground,
        _ => {
            let more = if is_continuation(byte) { more.saturating_sub(1) } else { width(byte) - 1 };
            State::String { bell_ends, escape: false, more }
        }
    }
}

fn paste(mut text: Vec<u8>, matched: usize, byte: u8, inputs: &mut Vec<Input>) -> State {
    if byte == PASTE_END[matched] {
        let matched = matched + 1;
        if matched < PASTE_END.len() {
            return State::Paste { text, matched };
        }
        inputs.push(Input::Paste(String::from_utf8_lossy(&text).into_owned()));
        return State::Ground;
    }
    let begins = byte == ESC;
    let own = if begins { &[][..] } else { &[byte][..] };
    for byte in PASTE_END[..matched].iter().chain(own) {
        if text.len() < MAX_PASTE {
            text.push(*byte);
        }
    }
    State::Paste { text, matched: usize::from(begins) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the bytes give, with all the time in the world after them.
    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut parser = Parser::default();
        let mut inputs = parser.feed(bytes);
        inputs.extend(parser.time_out());
        inputs.into_iter().map(|input| if let Input::Key(key) = input { key } else { panic!("{input:?}") }).collect()
    }

    const J: Key = Key::Char('j');

    #[test]
    fn keys_are_what_terminals_send() {
        assert_eq!(keys(b"\x1b[A\x1bOB\x1b[1;5C\x1b[D"), [Key::Up, Key::Down, Key::Right, Key::Left]);
        assert_eq!(keys(b"\x1b[5~\x1b[6~\x1b[3~\x1b[Z"), [Key::PageUp, Key::PageDown, Key::Delete, Key::BackTab]);
        assert_eq!(keys(b"\x1b[H\x1b[4~\x1bx\x1bOM\x1bOr"), [Key::Home, Key::End, Key::Alt('x'), Key::Enter]);
        assert_eq!(keys("ä業\u{1b}ä".as_bytes()), [Key::Char('ä'), Key::Char('業'), Key::Alt('ä')]);
        assert_eq!(keys(b"\r\t\x7f\x03"), [Key::Enter, Key::Tab, Key::Backspace, Key::Ctrl('c')]);
        assert_eq!(keys(b"\x1b"), [Key::Esc]);
        assert_eq!(keys(b"\x1b\x1b"), [Key::Esc, Key::Esc]);
        assert_eq!(keys(b"\x1b\x1b[A"), [Key::Esc, Key::Up]);
    }

    #[test]
    fn the_keyboard_protocols_give_the_keys_that_they_encode() {
        assert_eq!(keys(b"\x1b[99;5u\x1b[27u\x1b[13u"), [Key::Ctrl('c'), Key::Esc, Key::Enter]);
        assert_eq!(keys(b"\x1b[121;2u\x1b[121:89;2u\x1b[121;2;89u"), [Key::Char('Y'); 3]);
        assert_eq!(keys(b"\x1b[121;65u\x1b[121;66u"), [Key::Char('Y'), Key::Char('y')]);
        assert_eq!(keys(b"\x1b[106;1:1u\x1b[106;1:2u\x1b[106;1:3u"), [J, J]);
        assert_eq!(
            keys(b"\x1b[120;3u\x1b[9;2u\x1b[57414u\x1b[57400u"),
            [Key::Alt('x'), Key::BackTab, Key::Enter, Key::Char('1')]
        );
        assert_eq!(keys(b"\x1b[106;9u\x1b[57441;2u\x1b[57358u\x1b[1;1:3A\x1b[5;1:3~"), []);
        assert_eq!(keys(b"\x1b[27;5;99~\x1b[27;2;89~\x1b[27;3;120~"), [Key::Ctrl('c'), Key::Char('Y'), Key::Alt('x')]);
        assert_eq!(keys(b"\x1b[57419u\x1b[91;5u"), [Key::Up, Key::Esc]);
    }

    #[test]
    fn reports_and_answers_are_no_keys() {
        for bytes in [
            &b"\x1b]11;rgb:0000/0000/0000\x07"[..],
            b"\x1b]11;rgb:0000/0000/0000\x1b\\",
            b"\x1b]0;\xe2\x9c\x93s\x1b\\",
            b"\x9d0;s\x9c",
            b"\x1b[?62;22c",
            b"\x9b?62;22c",
            b"\xc2\x9b?62;22c",
            b"\x1b[24;80R",
            b"\x1b[0n",
            b"\x1bP1$r0m\x1b\\",
            b"\x1bP\x07s\x1bsY\x1b\\",
            b"\x1b_Gi=31;OK\x1b\\",
            b"\x1b^s\x1b\\",
            b"\x1bXs\x1b\\",
            b"\x1b[I\x1b[O",
            b"\x1b[<35;10;10M\x1b[<0;10;10m",
            b"\x1b[Mss\r",
            b"\x1b[M #\xc4\x80",
            b"\x1b[32;10;10M",
            b"\x1b[[A",
            b"\x1bNs",
            b"\x8fs",
            b"\x1bOQ",
            b"\x1b\x9b5s",
            b"\x1b[15;2~",
            b"\x1b[?2026;2$y",
            b"\x1b[8;24;80t",
        ] {
            assert_eq!(keys(&[bytes, b"j"].concat()), [J], "{}", bytes.escape_ascii());
        }
        let long = [&b"\x1b["[..], &b"1".repeat(70_000), b"A"].concat();
        assert_eq!(keys(&[&long[..], b"j"].concat()), [J]);
        let long = [&b"\x1b]52;c;"[..], &b"sY".repeat(70_000), b"\x07j"].concat();
        assert_eq!(keys(&long), [J]);
    }

    #[test]
    fn whatever_has_begun_never_makes_every_key_dead() {
        for begun in [
            "\x1b[",
            "\x1b[1;",
            "\x1bO",
            "\x1bP",
            "\x1b]0;",
            "\x1b_",
            "\x1bX",
            "\x1b[M",
            "\x1b[200~",
            "\x1b[200~s\x1b[2",
        ] {
            let mut parser = Parser::default();
            assert_eq!(parser.feed(begun.as_bytes()), [], "{begun:?}");
            assert_eq!(parser.feed(b"\x03"), [Input::Key(Key::Ctrl('c'))], "{begun:?}");
            assert_eq!(parser.feed(b"j"), [Input::Key(J)], "{begun:?}");
        }
        for begun in ["\x1b[", "\x1bO", "\x1bP", "\x1b]0;", "\x1b_"] {
            for abort in ["\x18", "\x1a"] {
                assert_eq!(keys(format!("{begun}{abort}j").as_bytes()), [J], "{begun:?}");
            }
        }
        // The Esc key leads out of a string.
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"\x1bPsY\x1b"), []);
        assert!(parser.timeout().is_some());
        assert_eq!(parser.time_out(), None);
        assert_eq!(parser.feed(b"\\j"), [Input::Key(J)]);
    }

    #[test]
    fn a_sequence_that_a_slow_line_tears_goes_on() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"\x1b"), []);
        assert_eq!(parser.time_out(), Some(Input::Key(Key::Esc)));
        assert_eq!(parser.feed(b"[200"), []);
        assert_eq!(parser.timeout(), None, "time does not end it");
        assert_eq!(parser.feed(b"~sY\r\x1b[20"), []);
        assert_eq!(parser.feed(b"1~j"), [Input::Paste("sY\r".to_owned()), Input::Key(J)]);
        assert_eq!(parser.feed(b"\x1b"), []);
        parser.time_out();
        parser.time_out();
        assert_eq!(parser.feed(b"[Aj"), [Input::Key(Key::Up), Input::Key(J)], "after a long time too");
    }

    #[test]
    fn a_paste_is_text_and_not_keys_however_long_it_is() {
        let mut parser = Parser::default();
        assert_eq!(parser.feed(b"\x1b[200~bY\x1b[A\x03x"), []);
        assert_eq!(
            parser.feed(b"\r\x1b[201~q"),
            [Input::Paste("bY\x1b[A\x03x\r".to_owned()), Input::Key(Key::Char('q'))]
        );
        let long = [&b"\x1b[200~"[..], &b"xY\r".repeat(100_000), b"\x1b[201~j"].concat();
        let inputs = parser.feed(&long);
        let [Input::Paste(text), Input::Key(J)] = &inputs[..] else { panic!("{} inputs", inputs.len()) };
        assert_eq!(text.len(), MAX_PASTE);
        // Without its end it is dropped, and what is left of its end is no key.
        assert_eq!(parser.feed(b"\x1b[200~sY\x1b[2"), []);
        assert_eq!(parser.time_out(), None);
        assert_eq!(parser.feed(b"01~j"), [Input::LatePasteEnd, Input::Key(J)]);
    }
}
