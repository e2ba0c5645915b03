//! What the catalogue and the arrays disagree on: rows that are marked and done like volumes.

pub mod keys;
mod state;
mod view;

use super::screen::{Context, Screen, Step, moved};
use super::two_panels;
use crate::console::keys::{Command, Key, Scope};
use crate::console::view::canvas::Canvas;
use crate::model::snapshot::Severity;
use ratatui::layout::{Position, Rect};
pub use state::ReconcileScreen;

impl Screen for ReconcileScreen {
    fn scope(&self) -> Scope {
        Scope::Reconcile
    }

    fn title(&self) -> String {
        "Reconcile".to_owned()
    }

    fn settle(&mut self, context: &Context) {
        Self::settle(self, context);
    }

    fn key(&mut self, context: &Context, _key: Key, command: Option<Command>) -> Vec<Step> {
        let page = usize::from(two_panels::list_height(context.height()));
        if let Some(row) = command.and_then(|command| moved(command, self.cursor.selected, page)) {
            self.select(row);
            return Vec::new();
        }
        match command {
            Some(Command::Back) if !self.marks.is_empty() => self.marks.clear(),
            Some(Command::Back) => return vec![Step::Close],
            Some(Command::Open) => {
                let owner = self.selected().map(|finding| finding.owner);
                let known = owner.filter(|id| context.snapshot().transaction_volume(*id).is_some());
                return known.map(Step::Select).into_iter().collect();
            }
            Some(command) if command == keys::MARK => self.mark(),
            Some(command) if command == keys::MARK_ALL => self.mark_all(),
            Some(command) if command == keys::ACCEPT => {
                let nothing = || Step::Tell(Severity::Warning, "nothing is proposed for this row".to_owned());
                return vec![self.request().map_or_else(nothing, Step::Propose)];
            }
            _ => {}
        }
        Vec::new()
    }

    fn uses(&self, command: Command) -> bool {
        !matches!(command, Command::Filter)
    }

    fn hint(&self, _context: &Context) -> String {
        view::hint(self)
    }

    fn view(&self, context: &Context, canvas: &mut Canvas, area: Rect) -> Option<Position> {
        view::draw(self, context, canvas, area);
        None
    }
}
