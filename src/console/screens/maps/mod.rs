//! Device maps on a screen of their own: the map sets with what each takes now, and a guide that makes or changes one in four
//! steps: volumes, rounds, check, preview. The engine stores it, after a plan like every other.
//!
//! A draft is kept after every change, so that a lost line loses nothing. Esc goes one step back.

mod draft;
pub mod keys;
mod state;
mod update;
mod view;

use super::screen::{Context, Screen, Step};
use crate::console::keys::{Command, Key, Scope};
use crate::console::view::canvas::Canvas;
pub use draft::Draft;
use ratatui::layout::{Position, Rect};
pub use state::MapsScreen;

impl Screen for MapsScreen {
    fn scope(&self) -> Scope {
        Scope::Maps
    }

    fn title(&self) -> String {
        "Device maps".to_owned()
    }

    fn opened(&mut self, _: &Context) -> Vec<Step> {
        vec![Step::LoadDrafts]
    }

    fn settle(&mut self, context: &Context) {
        Self::settle(self, context);
    }

    fn key(&mut self, context: &Context, key: Key, command: Option<Command>) -> Vec<Step> {
        update::key(self, context, key, command)
    }

    fn is_typing(&self) -> bool {
        self.typing.is_some()
    }

    fn drafts(&mut self, context: &Context, texts: &[(String, String)], faults: &[String]) -> Vec<Step> {
        self.take_drafts(context, texts, faults)
    }

    fn edited(&mut self, context: &Context, text: Result<&str, &str>) -> Vec<Step> {
        update::write::edited(self, context, text)
    }

    fn is_passing(&self) -> bool {
        self.passing
    }

    fn unsaved(&self) -> Option<String> {
        Self::unsaved(self)
    }

    fn hint(&self, context: &Context) -> String {
        view::hint(self, context)
    }

    fn view(&self, context: &Context, canvas: &mut Canvas, area: Rect) -> Option<Position> {
        view::draw(self, context, canvas, area)
    }
}
