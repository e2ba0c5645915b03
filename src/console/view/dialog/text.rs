//! A text to read, drawn.

use super::{Body, Content, keys_line};
use crate::console::app::App;
use crate::console::dialog::text::TextDialog;
use crate::model::snapshot::Severity;

pub fn content(app: &App, dialog: &TextDialog, width: usize) -> Content {
    let mut body = Body::new(width);
    body.text(0, &dialog.text, app.look.theme.severity(dialog.severity));
    let loud = dialog.severity == Severity::Problem;
    Content { title: dialog.title.clone(), body, bottom: vec![keys_line(app, &[("Esc", "back")])], typing: None, loud }
}
