//! All events on a screen of their own: folded, filtered, and from each one key to the volume that it is about.

pub mod keys;
mod state;
mod update;
mod view;

use super::screen::{Context, Screen, Step};
use crate::console::keys::{Command, Key, Scope};
use crate::console::view::canvas::Canvas;
use crate::engine::protocol::{Answer, Ask};
use ratatui::layout::{Position, Rect};
pub use state::EventsScreen;

/// Events that are asked of the engine; the audit has all of them.
const MAX_EVENTS: u32 = 2_000;

impl Screen for EventsScreen {
    fn scope(&self) -> Scope {
        Scope::Events
    }

    fn title(&self) -> String {
        "Events".to_owned()
    }

    fn opened(&mut self, _: &Context) -> Vec<Step> {
        vec![Step::Ask(Ask::Events { most: MAX_EVENTS })]
    }

    fn settle(&mut self, context: &Context) {
        Self::settle(self, context);
    }

    fn key(&mut self, context: &Context, key: Key, command: Option<Command>) -> Vec<Step> {
        update::key(self, context, key, command)
    }

    fn is_typing(&self) -> bool {
        self.filter_input.is_some()
    }

    fn answer(&mut self, context: &Context, answer: Result<&Answer, &str>) -> Vec<Step> {
        update::answer(self, context, answer)
    }

    fn hint(&self, context: &Context) -> String {
        view::hint(self, context)
    }

    fn view(&self, context: &Context, canvas: &mut Canvas, area: Rect) -> Option<Position> {
        view::draw(self, context, canvas, area)
    }
}
