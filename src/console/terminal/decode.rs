//! What a complete sequence of a keyboard encodes: the keys of xterm and its kin, of Kitty's protocol (`CSI ... u`) and of
//! xterm's modifyOtherKeys (`CSI 27;...~`). Reports of mice and answers to queries encode no key.

use super::super::keys::Key;

const SHIFT: u32 = 1;
const ALT: u32 = 2;
const CTRL: u32 = 4;
/// Super, hyper and meta: no key of ours has them.
const OTHERS: u32 = 8 | 16 | 32;
const CAPS_LOCK: u32 = 64;
/// The kind of event that is a key let go.
const RELEASE: u32 = 3;

/// Numbers between semicolons, each with what follows it after colons. `None`: a private sequence, or none of a key.
fn parameters(body: &[u8]) -> Option<Vec<Vec<u32>>> {
    if !body.iter().all(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':')) {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse().ok() };
    text.split(';').map(|field| field.split(':').map(number).collect()).collect()
}

/// A key of `CSI body last`; two where it came with Alt and has no name with it.
pub fn control_sequence(body: &[u8], last: u8) -> Vec<Key> {
    let Some(fields) = parameters(body) else { return Vec::new() };
    let field = |at: usize, part: usize| fields.get(at).and_then(|parts| parts.get(part)).copied().unwrap_or(0);
    let modifiers = field(1, 0).saturating_sub(1);
    if field(1, 1) == RELEASE {
        return Vec::new();
    }
    let code = field(0, 0);
    let named = match (last, code) {
        (b'u', _) => {
            let shifted = [field(0, 1), field(2, 0)].into_iter().find(|code| *code > 0);
            return encoded(code, shifted, modifiers);
        }
        (b'~', 27) if fields.len() >= 3 => return encoded(field(2, 0), None, modifiers),
        (b'~', 1 | 7) => Some(Key::Home),
        (b'~', 4 | 8) => Some(Key::End),
        (b'~', 3) => Some(Key::Delete),
        (b'~', 5) => Some(Key::PageUp),
        (b'~', 6) => Some(Key::PageDown),
        (b'Z', 0 | 1) => Some(Key::BackTab),
        (last, 0 | 1) => arrow(last),
        _ => None,
    };
    named.filter(|_| modifiers & OTHERS == 0).into_iter().collect()
}

/// A key of `ESC O last`: arrows of the application mode. The keypad's characters are none: its mode is switched off, and a
/// letter that somebody types after a torn `ESC O` is not meant as one.
pub fn single_shift(last: u8) -> Option<Key> {
    Some(match last {
        b'M' => Key::Enter,
        b'I' => Key::Tab,
        _ => return arrow(last),
    })
}

/// Keys by the letter that ends their sequences.
fn arrow(last: u8) -> Option<Key> {
    Some(match last {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' => Key::Right,
        b'D' => Key::Left,
        b'H' => Key::Home,
        b'F' => Key::End,
        _ => return None,
    })
}

/// The key of a code point, or of a number of Kitty's, with its modifiers. `shifted`: what shift makes of it, where told.
fn encoded(code: u32, shifted: Option<u32>, modifiers: u32) -> Vec<Key> {
    if modifiers & OTHERS != 0 {
        return Vec::new();
    }
    let with = |modifier| modifiers & modifier != 0;
    if let Some(key) = unprinted(code, with(SHIFT)) {
        return if with(ALT) { vec![Key::Esc, key] } else { vec![key] };
    }
    let Some(plain) = character(code) else { return Vec::new() };
    if with(CTRL) {
        // With Alt too there is no such key.
        return if with(ALT) { Vec::new() } else { control(plain).into_iter().collect() };
    }
    let c = match shifted.and_then(character) {
        Some(shifted) if with(SHIFT) || with(CAPS_LOCK) => shifted,
        _ if plain.is_alphabetic() && with(SHIFT) != with(CAPS_LOCK) => upper(plain),
        _ => plain,
    };
    vec![if with(ALT) { Key::Alt(c) } else { Key::Char(c) }]
}

/// Keys that print nothing, and those of the keypad.
fn unprinted(code: u32, shift: bool) -> Option<Key> {
    Some(match code {
        13 | 57414 => Key::Enter,
        27 => Key::Esc,
        9 if shift => Key::BackTab,
        9 => Key::Tab,
        8 | 127 => Key::Backspace,
        57417 => Key::Left,
        57418 => Key::Right,
        57419 => Key::Up,
        57420 => Key::Down,
        57421 => Key::PageUp,
        57422 => Key::PageDown,
        57423 => Key::Home,
        57424 => Key::End,
        57426 => Key::Delete,
        _ => return None,
    })
}

/// The character of a code, if it prints one. Kitty's numbers for keys are in the private use area.
fn character(code: u32) -> Option<char> {
    match code {
        57399..=57408 => char::from_digit(code - 57399, 10),
        57409 => Some('.'),
        57410 => Some('/'),
        57411 => Some('*'),
        57412 => Some('-'),
        57413 => Some('+'),
        57415 => Some('='),
        57416 => Some(','),
        0xe000..=0xf8ff => None,
        _ => char::from_u32(code).filter(|c| !c.is_control()),
    }
}

/// As the control characters say it: some of them have names of their own.
fn control(c: char) -> Option<Key> {
    Some(match c.to_ascii_lowercase() {
        '[' => Key::Esc,
        'm' | 'j' => Key::Enter,
        'i' => Key::Tab,
        'h' => Key::Backspace,
        c @ 'a'..='z' => Key::Ctrl(c),
        _ => return None,
    })
}

fn upper(c: char) -> char {
    let mut upper = c.to_uppercase();
    upper.next().filter(|_| upper.next().is_none()).unwrap_or(c)
}
