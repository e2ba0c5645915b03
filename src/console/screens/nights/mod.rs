//! The nights to come of one transaction volume, and for the selected night of all volumes that share its pool.

pub mod keys;
mod state;
mod view;

use super::screen::{Context, Screen, Step, moved};
use super::two_panels;
use crate::console::keys::{Command, Key, Scope};
use crate::console::view::canvas::Canvas;
use ratatui::layout::{Position, Rect};
pub use state::NightsScreen;

impl Screen for NightsScreen {
    fn scope(&self) -> Scope {
        Scope::Nights
    }

    fn title(&self) -> String {
        "Nights to come".to_owned()
    }

    fn settle(&mut self, context: &Context) {
        Self::settle(self, context);
    }

    fn key(&mut self, context: &Context, _key: Key, command: Option<Command>) -> Vec<Step> {
        let page = usize::from(two_panels::list_height(context.height()));
        if let Some(row) = command.and_then(|command| moved(command, self.cursor.selected, page)) {
            self.select(row);
        } else if command == Some(Command::Back) {
            return vec![Step::Close];
        }
        Vec::new()
    }

    fn uses(&self, command: Command) -> bool {
        !matches!(command, Command::Open | Command::Filter)
    }

    fn hint(&self, context: &Context) -> String {
        view::hint(self, context)
    }

    fn view(&self, context: &Context, canvas: &mut Canvas, area: Rect) -> Option<Position> {
        view::draw(self, context, canvas, area);
        None
    }
}
