//! The command palette drawn: what is typed, what it finds, and what the choice would do.

use super::super::dialog_text;
use super::{Body, Content, Typing, keys_line};
use crate::console::app::App;
use crate::console::dialog::palette::Palette;
use crate::console::keys::{Command, Entry};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Rows of the list: always as many, so that nothing jumps while a name is typed.
const ROWS: usize = 12;

pub fn content(app: &App, palette: &Palette, width: usize) -> Content {
    let theme = app.look.theme;
    let mut body = Body::new(width);
    let matches = palette.matches();
    let first = palette.selected.saturating_sub(ROWS - 1).min(matches.len().saturating_sub(ROWS));
    for (row, entry) in matches.iter().enumerate().skip(first).take(ROWS) {
        body.lines.push(line(app, entry, row == palette.selected));
    }
    if matches.is_empty() {
        body.text(2, nothing_found(app, palette), theme.dim);
    }
    body.at_least(ROWS);
    let lead = ": ";
    let column = lead.len() + palette.input.visual_cursor();
    let bottom = vec![
        Line::from(vec![Span::styled(lead, theme.key), Span::styled(palette.input.value().to_owned(), theme.title)]),
        Line::from(Span::styled(outlook(app, palette.chosen()), theme.dim)),
        keys_line(
            app,
            &[
                ("Up Down", "choose"),
                ("Tab", "complete"),
                ("Ctrl-P", "earlier lines"),
                ("Enter", "do it"),
                ("Esc", "back"),
            ],
        ),
    ];
    Content { title: "Commands".to_owned(), body, bottom, typing: Some(Typing::Bottom(0, column as u16)), loud: false }
}

/// A line that no row of the list is for may be a command line as a shell takes it.
fn nothing_found(app: &App, palette: &Palette) -> &'static str {
    let typed = palette.input.value();
    let known = app.snapshot().map(|snapshot| (app.grammar.candidates)(snapshot, "")).unwrap_or_default();
    match typed.split_whitespace().next() {
        Some(word) if known.iter().any(|verb| verb == word) => {
            "A command as in a shell, without `ecdeck` before it. Tab completes it, Enter shows its plan."
        }
        _ => "No command is called so, and none does that.",
    }
}

fn line(app: &App, entry: &Entry, selected: bool) -> Line<'static> {
    let theme = app.look.theme;
    let over = |style: Style| if selected { theme.over(style) } else { style };
    let (name, key) = if app.main.availability.allows(entry.command) {
        (theme.text, theme.key)
    } else {
        (theme.key_off, theme.key_off)
    };
    let cursor = if selected { app.look.glyphs.cursor } else { " " };
    Line::from(vec![
        Span::styled(cursor, over(theme.cursor)),
        Span::styled(format!(" {:<14}", entry.name), over(name)),
        Span::styled(format!("{:<11}", app.keys.key(entry.command)), over(key)),
        Span::styled(entry.help, over(theme.dim)),
    ])
}

/// What a verb would do for the selected row, or why not.
fn outlook(app: &App, command: Option<Command>) -> String {
    let verdict = match command {
        Some(Command::Verb(verb)) => app.main.availability.verdict(verb),
        _ => None,
    };
    match (verdict, app.snapshot()) {
        (Some(Ok(plan)), Some(snapshot)) => dialog_text::in_short(snapshot, plan),
        (Some(Err(refusal)), Some(_)) => dialog_text::refusal(app, refusal),
        _ => String::new(),
    }
}
