//! Text that is being typed: the filter, names, reasons.

use super::super::app::{App, Effect};
use super::super::dialog::Dialog;
use super::super::keys::Key;
use super::main_screen::choose;
use crate::model::untrusted::is_unsafe;
use tui_input::{Input, InputRequest};

/// The longest text that is taken.
const MAX_LENGTH: usize = 200;

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

/// Keys while the filter is typed: the table follows at once.
pub fn filter_key(app: &mut App, key: Key) {
    let Some(input) = &mut app.filter_input else { return };
    match key {
        Key::Enter | Key::Tab => app.filter_input = None,
        Key::Esc | Key::Ctrl('c') => {
            app.filter_input = None;
            app.choice.filter.clear();
            choose(app);
        }
        Key::Up | Key::Down => {
            let row = app.volumes.selected.saturating_add_signed(if key == Key::Up { -1 } else { 1 });
            app.select(super::super::app::Pane::Volumes, row);
        }
        key => {
            if edit(input, key) {
                app.choice.filter = input.value().to_ascii_lowercase();
                choose(app);
            }
        }
    }
}

/// A paste goes where text is typed; anywhere else it is no command.
pub fn paste(app: &mut App, text: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    for c in text.chars().filter(|c| !is_unsafe(*c)).take(MAX_LENGTH) {
        let typing = match app.dialogs.last() {
            Some(Dialog::Plan(plan)) => plan.typing,
            Some(Dialog::Prompt(_) | Dialog::Palette(_)) => true,
            Some(_) => false,
            None => app.filter_input.is_some(),
        };
        if !typing {
            break;
        }
        if app.dialogs.is_empty() {
            filter_key(app, Key::Char(c));
        } else {
            effects.extend(super::dialogs::key(app, Key::Char(c)));
        }
    }
    effects
}
