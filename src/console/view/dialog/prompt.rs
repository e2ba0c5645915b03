//! The question for a verb's reason, drawn.

use super::{Body, Content, Typing, keys_line};
use crate::console::app::App;
use crate::console::dialog::prompt::Prompt;
use ratatui::text::{Line, Span};

pub fn content(app: &App, prompt: &Prompt, width: usize) -> Content {
    let theme = app.look.theme;
    let mut body = Body::new(width);
    body.text(0, &format!("{} The answer goes into the audit.", prompt.needed.question), theme.dim);
    let lead = "Reason: ";
    let bottom = vec![
        Line::from(vec![Span::styled(lead, theme.text), Span::styled(prompt.input.value().to_owned(), theme.title)]),
        Line::default(),
        keys_line(app, &[("Enter", "show the plan"), ("Esc", "back")]),
    ];
    let column = lead.len() + prompt.input.visual_cursor();
    Content {
        title: prompt.verb.info().title.to_owned(),
        body,
        bottom,
        typing: Some(Typing::Bottom(0, column as u16)),
        loud: false,
    }
}
