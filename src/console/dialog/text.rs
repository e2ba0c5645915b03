//! A text to read: an event in full, or what the engine could not do.

use crate::model::snapshot::Severity;

#[derive(Debug, Clone)]
pub struct TextDialog {
    pub title: String,
    pub text: String,
    pub severity: Severity,
    pub scroll: usize,
}
