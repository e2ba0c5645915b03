//! The main screen drawn, one file a pane.

mod away;
mod copies;
mod events;
mod generations;
mod instants;
mod nights;
mod pool;
mod sets;
mod tabs;
mod volumes;

use super::keys::ALL;
use super::layout::{Layout, Shape};
use crate::console::app::App;
use crate::console::picture::{FirstPicture, Picture};
use crate::console::types::Pane;
use crate::console::view::canvas::Canvas;
use ratatui::layout::Rect;
use ratatui::text::Span;

/// Draws the panes of a site between header and footer.
pub fn draw(app: &App, picture: &Picture, canvas: &mut Canvas, layout: &Layout) {
    for pane in Pane::ALL {
        let area = layout.area(pane);
        let framed = layout.shape == Shape::Wide;
        if area.is_empty() || waits(app, pane, framed) {
            continue;
        }
        match pane {
            Pane::Volumes => volumes::draw(app, picture, canvas, area, framed),
            Pane::Pool => pool::draw(app, picture, canvas, area, layout),
            Pane::Copies => copies::draw(app, picture, canvas, area, framed),
            Pane::Generations => generations::draw(app, picture, canvas, area, framed),
            Pane::Events => events::draw(app, picture, canvas, area, framed),
        }
    }
    if !layout.away.is_empty() {
        away::draw(app, canvas, layout.away);
    }
    if !layout.nights.is_empty() && !app.look.essential {
        nights::draw(app, picture, canvas, layout.nights);
    }
    if !layout.tabs.is_empty() {
        tabs::draw(app, canvas, layout.tabs);
    }
}

/// Whether a pane comes with the frame after this one.
fn waits(app: &App, pane: Pane, framed: bool) -> bool {
    app.look.essential && framed && pane != Pane::Volumes
}

/// Draws the rows of a large site that came first; the other panes wait for the whole of it.
pub fn draw_first(app: &App, first: &FirstPicture, canvas: &mut Canvas, layout: &Layout) {
    let framed = layout.shape == Shape::Wide;
    volumes::draw_first(app, first, canvas, layout.area(Pane::Volumes), framed);
    for which in Pane::DETAILS {
        let area = layout.area(which);
        if !area.is_empty() && !waits(app, which, framed) {
            let inner = pane(app, canvas, area, which, first_title(which), "", framed);
            canvas.empty(inner, &["Reading the rest of the site."]);
        }
    }
}

fn first_title(pane: Pane) -> &'static str {
    match pane {
        Pane::Volumes => "Transaction volumes",
        Pane::Copies => "Copies",
        Pane::Pool => "Pool",
        Pane::Generations => "Generations",
        Pane::Events => "Events",
    }
}

/// A pane's area inside its frame, or all of it on a narrow screen.
fn pane(app: &App, canvas: &mut Canvas, area: Rect, which: Pane, title: &str, note: &str, framed: bool) -> Rect {
    if !framed {
        return area;
    }
    let focused = app.main.focus == which && app.dialogs.is_empty();
    let theme = canvas.look.theme;
    let style = if focused { theme.title_focused } else { theme.title };
    let (name, rest) = title.split_once('\u{0}').unwrap_or((title, ""));
    let number =
        Pane::DETAILS.iter().position(|pane| *pane == which).map_or(String::new(), |at| format!("{} ", at + 1));
    let spans = [
        Span::styled(number, theme.key),
        Span::styled(name.to_owned(), style),
        Span::styled(rest.to_owned(), theme.dim),
    ];
    canvas.panel(area, &spans, note, focused)
}

/// Whose rows a pane beside the table shows, for its title: ` of demo-ora01`, or nothing where it shows all.
fn whose(app: &App) -> String {
    match app.selected_name() {
        Some(name) if !app.main.all => format!(" of {name}"),
        _ => String::new(),
    }
}

/// What an empty pane beside the table says.
fn nothing(app: &App, what: &str) -> [String; 2] {
    let key = app.keys.key(ALL);
    match app.selected_name() {
        Some(name) if !app.main.all => [format!("{what} for {name}."), format!("{key} shows those of all volumes.")],
        _ if app.main.choice.hides_nothing() => [format!("{what} yet."), String::new()],
        _ => [format!("{what} for the volumes in the table."), "Esc shows all volumes again.".to_owned()],
    }
}
