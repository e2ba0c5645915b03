//! The command palette: every key of the table by its name, for whoever does not know the key.

use super::super::app::App;
use super::super::keys::{Command, Entry, TABLE};
use super::{Body, Content, dialog_text, keys_line};
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};
use tui_input::Input;

/// Rows of the list: always as many, so that nothing jumps while a name is typed.
const ROWS: usize = 12;

#[derive(Debug, Clone, Default)]
pub struct Palette {
    pub input: Input,
    /// A row of [`Palette::matches`].
    pub selected: usize,
    pub armed: bool,
}

impl Palette {
    /// What the typed words leave: names that begin with them first, then those that have them anywhere.
    pub fn matches(&self) -> Vec<&'static Entry> {
        let typed = self.input.value().to_ascii_lowercase();
        let words: Vec<&str> = typed.split_whitespace().collect();
        let fits = |entry: &&Entry| {
            let help = entry.help.to_ascii_lowercase();
            // Agreeing belongs to a plan that is seen, and the palette need not offer itself.
            !matches!(entry.command, Command::Agree | Command::Palette)
                && words.iter().all(|word| entry.name.contains(word) || help.contains(word))
        };
        let mut found: Vec<&Entry> = TABLE.iter().filter(fits).collect();
        found.sort_by_key(|entry| !words.first().is_some_and(|word| entry.name.starts_with(word)));
        found
    }

    pub fn chosen(&self) -> Option<Command> {
        self.matches().get(self.selected).map(|entry| entry.command)
    }

    /// To another row; past an end to the other one.
    pub fn turn(&mut self, by: isize) {
        let rows = self.matches().len();
        if rows > 0 {
            self.selected = (self.selected + rows).saturating_add_signed(by) % rows;
        }
    }
}

pub fn content(app: &App, palette: &Palette, width: usize) -> Content {
    let theme = app.look.theme;
    let mut body = Body::new(width);
    let matches = palette.matches();
    let first = palette.selected.saturating_sub(ROWS - 1).min(matches.len().saturating_sub(ROWS));
    for (row, entry) in matches.iter().enumerate().skip(first).take(ROWS) {
        body.lines.push(line(app, entry, row == palette.selected));
    }
    if matches.is_empty() {
        body.text(2, "No command is called so, and none does that.", theme.dim);
    }
    body.at_least(ROWS);
    let lead = ": ";
    let column = lead.len() + palette.input.visual_cursor();
    let bottom = vec![
        Line::from(vec![Span::styled(lead, theme.key), Span::styled(palette.input.value().to_owned(), theme.title)]),
        Line::from(Span::styled(outlook(app, palette.chosen()), theme.dim)),
        keys_line(app, &[("Up Down", "choose"), ("Enter", "do it"), ("Esc", "back")]),
    ];
    Content { title: "Commands".to_owned(), body, bottom, typing: Some((0, column as u16)), loud: false }
}

fn line(app: &App, entry: &Entry, selected: bool) -> Line<'static> {
    let theme = app.look.theme;
    let over = |style: Style| match theme.on_selected {
        _ if !selected => style,
        Some(color) if matches!(style.fg, None | Some(Color::Reset)) => style.patch(theme.selected).fg(color),
        _ => style.patch(theme.selected),
    };
    let (name, key) =
        if app.availability.allows(entry.command) { (theme.text, theme.key) } else { (theme.key_off, theme.key_off) };
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
        Some(Command::Verb(verb)) => app.availability.verdict(verb),
        _ => None,
    };
    match (verdict, app.snapshot()) {
        (Some(Ok(plan)), Some(snapshot)) => dialog_text::in_short(snapshot, plan),
        (Some(Err(refusal)), Some(_)) => dialog_text::refusal(app, refusal),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(typed: &str) -> Vec<&'static str> {
        let palette = Palette { input: Input::new(typed.to_owned()), ..Palette::default() };
        palette.matches().iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn names_that_begin_with_what_is_typed_come_first_and_help_is_searched_too() {
        assert_eq!(names("res")[0], "resume");
        assert!(names("not released").contains(&"hold"), "{:?}", names("not released"));
        assert!(names("no such thing").is_empty());
        assert!(!names("").contains(&"agree"), "nothing agrees to a plan that is not seen");
    }

    #[test]
    fn the_selection_goes_round() {
        let mut palette = Palette::default();
        palette.turn(-1);
        assert_eq!(palette.selected, palette.matches().len() - 1);
        palette.turn(1);
        assert_eq!(palette.selected, 0);
    }
}
