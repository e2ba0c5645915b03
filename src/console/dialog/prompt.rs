//! The reason that a verb needs.

use crate::console::types::Subject;
use crate::model::verb::{NeededReason, Verb};
use tui_input::Input;

/// Asks for the reason of a verb on one generation.
#[derive(Debug, Clone)]
pub struct Prompt {
    pub verb: Verb,
    pub needed: NeededReason,
    pub subject: Subject,
    pub input: Input,
    pub armed: bool,
}
