//! One line of text that a verb needs.

use crate::console::types::Subject;
use tui_input::Input;

/// Asks why a generation is to be held.
#[derive(Debug, Clone)]
pub struct Prompt {
    pub subject: Subject,
    pub input: Input,
    pub armed: bool,
}
