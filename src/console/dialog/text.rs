//! A text to read: an event in full, or what the engine could not do.

use super::super::app::App;
use super::{Body, Content, keys_line};
use crate::model::snapshot::Severity;

#[derive(Debug, Clone)]
pub struct TextDialog {
    pub title: String,
    pub text: String,
    pub severity: Severity,
    pub scroll: usize,
}

pub fn content(app: &App, dialog: &TextDialog, width: usize) -> Content {
    let mut body = Body::new(width);
    body.text(0, &dialog.text, app.look.theme.severity(dialog.severity));
    let loud = dialog.severity == Severity::Problem;
    Content { title: dialog.title.clone(), body, bottom: vec![keys_line(app, &[("Esc", "back")])], typing: None, loud }
}
