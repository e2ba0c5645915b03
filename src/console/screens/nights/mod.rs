//! The nights to come of one transaction volume, and for the selected night of all volumes that share its pool.

pub mod keys;
mod state;
mod view;

use super::screen::{Context, Screen, Step};
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
        let page = usize::from(view::list_height(context.height()).max(1));
        let at = self.cursor.selected;
        match command {
            Some(Command::Up) => self.select(at.saturating_sub(1)),
            Some(Command::Down) => self.select(at + 1),
            Some(Command::PageUp) => self.select(at.saturating_sub(page)),
            Some(Command::PageDown) => self.select(at + page),
            Some(Command::HalfUp) => self.select(at.saturating_sub(page.div_ceil(2))),
            Some(Command::HalfDown) => self.select(at + page.div_ceil(2)),
            Some(Command::First) => self.select(0),
            Some(Command::Last) => self.select(usize::MAX),
            Some(Command::Back) => return vec![Step::Close],
            _ => {}
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
