//! The first set-up of a site: volumes that arrays report become transaction or backup volumes, with names and policies, and the
//! pool's arithmetic beside; those that are volume groups are found by what the hosts report. The engine registers all of them
//! together, after a plan like every other; then device maps pair them, on their own screen.
//!
//! Esc goes one step back. Nothing is registered before the plan is agreed to. What is chosen outlives a lost line.

mod draft;
mod groups;
mod groups_view;
pub mod keys;
mod state;
mod update;
mod view;

use super::screen::{Context, Screen, Step};
use crate::console::keys::{Command, Key, Scope};
use crate::console::view::canvas::Canvas;
use crate::engine::protocol::{Answer, Ask};
pub use draft::read;
use ratatui::layout::{Position, Rect};
pub use state::InitScreen;
use state::Stage;

impl Screen for InitScreen {
    fn scope(&self) -> Scope {
        Scope::Init
    }

    fn title(&self) -> String {
        "Set up the site".to_owned()
    }

    fn opened(&mut self, _: &Context) -> Vec<Step> {
        vec![Step::LoadDrafts, Step::Ask(Ask::Hosts { host: None })]
    }

    fn drafts(&mut self, context: &Context, texts: &[(String, String)], faults: &[String]) -> Vec<Step> {
        self.take_draft(context, texts, faults)
    }

    fn answer(&mut self, context: &Context, answer: Result<&Answer, &str>) -> Vec<Step> {
        self.groups.take(answer);
        Self::settle(self, context);
        Vec::new()
    }

    fn settle(&mut self, context: &Context) {
        Self::settle(self, context);
    }

    fn key(&mut self, context: &Context, key: Key, command: Option<Command>) -> Vec<Step> {
        update::key(self, context, key, command)
    }

    fn is_typing(&self) -> bool {
        self.typing.is_some() || self.form.is_some()
    }

    fn unsaved(&self) -> Option<String> {
        Self::unsaved(self)
    }

    fn uses(&self, command: Command) -> bool {
        match self.stage {
            Stage::Volumes => true,
            Stage::Policies => !matches!(command, Command::Filter | keys::POLICIES),
            Stage::Groups => !matches!(command, Command::Filter | keys::GROUP | keys::NAME | keys::MARK | keys::GROUPS),
            // The volumes are registered: what is chosen in the other steps is done.
            Stage::Maps => !matches!(
                command,
                Command::Filter
                    | keys::GROUP
                    | keys::NAME
                    | keys::MARK
                    | keys::TRANSACTION
                    | keys::BACKUP
                    | keys::NEITHER
                    | keys::WRITE
            ),
        }
    }

    fn hint(&self, context: &Context) -> String {
        view::hint(self, context)
    }

    fn view(&self, context: &Context, canvas: &mut Canvas, area: Rect) -> Option<Position> {
        view::draw(self, context, canvas, area)
    }
}
