//! Why a key did nothing: the input method, Caps Lock, or no meaning on this screen.

use super::key_table::KeyMap;
use super::keys::{Key, Scope};

/// A sentence for a key without a meaning on a screen; `None` for keys of which nobody expects one.
pub fn why(keys: &KeyMap, scope: Scope, key: Key) -> Option<String> {
    let Key::Char(c) = key else { return None };
    if matches!(c, 'A' | 'B' | 'C' | 'D' | 'O' | '[') {
        // The end of a torn escape sequence, most likely: nobody pressed it.
        return None;
    }
    if let Some(plain) = half_width(c) {
        return Some(format!("{plain} came as a full-width letter: turn the input method off and press {plain} again"));
    }
    let other: char = if c.is_uppercase() { c.to_lowercase().next()? } else { c.to_uppercase().next()? };
    let other_case = other != c && keys.command(scope, Key::Char(other)).is_some();
    if other_case && c.is_uppercase() {
        return Some(format!("{c} does nothing here, {other} does: is Caps Lock on?"));
    }
    if keys.scopes(key).next().is_some() {
        return Some(format!("{c} belongs to another screen; ? lists the keys of this one"));
    }
    (!c.is_control()).then(|| format!("{c} does nothing here; ? lists the keys"))
}

/// The ASCII character that a full-width one stands for.
fn half_width(c: char) -> Option<char> {
    match c {
        '\u{3000}' => Some(' '),
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why_not(c: char) -> String {
        why(&KeyMap::default(), Scope::Main, Key::Char(c)).unwrap()
    }

    #[test]
    fn a_full_width_letter_and_caps_lock_are_named() {
        assert!(why_not('\u{ff42}').starts_with("b came as a full-width letter"));
        assert_eq!(why_not('S'), "S does nothing here, s does: is Caps Lock on?");
        assert_eq!(why_not('y'), "y does nothing here; ? lists the keys");
    }

    #[test]
    fn a_key_of_another_screen_says_so() {
        let text = why(&KeyMap::default(), Scope::Events, Key::Char('s')).unwrap();
        assert_eq!(text, "s belongs to another screen; ? lists the keys of this one");
    }
}
