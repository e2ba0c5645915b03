//! The nights to come of the selected volume, where the screen has room: what it takes, what is released, when there is none.

use crate::console::app::App;
use crate::console::keys::{Command, Scope};
use crate::console::picture::Picture;
use crate::console::view::canvas::Canvas;
use crate::console::view::nights::NightTable;
use ratatui::layout::Rect;
use ratatui::text::Span;

pub fn draw(app: &App, picture: &Picture, canvas: &mut Canvas, area: Rect) {
    let theme = canvas.look.theme;
    let Some(view) = app.selected_volume() else {
        let inner = canvas.panel(area, &[Span::styled("Nights to come", theme.title)], "", false);
        if app.selected_set().is_some() {
            canvas.empty(inner, &["Each volume of a set has its own nights: open the set and choose one."]);
        }
        return;
    };
    let of = format!(" of {}", view.volume.name);
    let title = [Span::styled("Nights to come", theme.title), Span::styled(of, theme.dim)];
    let note = format!("{} all of them", app.keys.key(Command::Show(Scope::Nights)));
    let inner = canvas.panel(area, &title, &note, false);
    let Some(preview) = app.main.nights.preview() else {
        canvas.empty(inner, &["This volume has no policy, so no night is planned."]);
        return;
    };
    let volume = view.volume.id;
    let nights: Vec<_> = preview.nights.iter().filter(|night| night.of(volume).is_some()).collect();
    let table = NightTable { nights: &nights, volume, offset: 0 };
    table.draw(&picture.snapshot, &app.clock, canvas, inner, None);
}
