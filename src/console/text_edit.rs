//! Editing one line of text by keys.

use super::keys::Key;
use crate::model::untrusted::is_unsafe;
use tui_input::{Input, InputRequest};

/// The longest text that is taken, in characters.
pub const MAX_LENGTH: usize = 200;

/// An editing key in an input; `false`: it means something else.
pub fn edit(input: &mut Input, key: Key) -> bool {
    let request = match key {
        Key::Char(c) if !is_unsafe(c) && input.value().chars().count() < MAX_LENGTH => InputRequest::InsertChar(c),
        Key::Backspace => InputRequest::DeletePrevChar,
        Key::Delete => InputRequest::DeleteNextChar,
        Key::Left => InputRequest::GoToPrevChar,
        Key::Right => InputRequest::GoToNextChar,
        Key::Home | Key::Ctrl('a') => InputRequest::GoToStart,
        Key::End | Key::Ctrl('e') => InputRequest::GoToEnd,
        Key::Ctrl('w') => InputRequest::DeletePrevWord,
        Key::Ctrl('u') => InputRequest::DeleteLine,
        Key::Char(_) => return true,
        _ => return false,
    };
    input.handle(request);
    true
}
