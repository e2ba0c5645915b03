//! What happened since the person's last look, and what needs a person now.

pub mod keys;
mod state;
mod view;

use super::screen::{Context, Screen, Step, moved};
use crate::console::keys::{Command, Key, Scope};
use crate::console::view::canvas::Canvas;
use crate::engine::protocol::{Answer, Ask};
use crate::model::snapshot::Severity;
use crate::model::units::Timestamp;
use ratatui::layout::{Position, Rect};
pub use state::ReportScreen;

impl Screen for ReportScreen {
    fn scope(&self) -> Scope {
        Scope::Report
    }

    fn title(&self) -> String {
        "Report".to_owned()
    }

    fn opened(&mut self, _: &Context) -> Vec<Step> {
        vec![Step::Ask(Ask::Report { since: self.since })]
    }

    fn settle(&mut self, context: &Context) {
        Self::settle(self, context);
    }

    fn key(&mut self, context: &Context, _key: Key, command: Option<Command>) -> Vec<Step> {
        let page = usize::from(context.height().saturating_sub(3));
        if let Some(row) = command.and_then(|command| moved(command, self.cursor.selected, page)) {
            self.select(row);
            return Vec::new();
        }
        match command {
            Some(Command::Back) => vec![Step::Close],
            Some(Command::Open) => {
                let volume = self.selected().and_then(|row| row.volume);
                let known = volume.filter(|id| context.snapshot().transaction_volume(*id).is_some());
                known.map(Step::Select).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn answer(&mut self, context: &Context, answer: Result<&Answer, &str>) -> Vec<Step> {
        let why = match answer {
            Ok(Answer::Report { report }) => {
                self.take(context, (**report).clone());
                return Vec::new();
            }
            Ok(Answer::Failed { why, .. }) => why,
            Ok(_) => return Vec::new(),
            Err(why) => why,
        };
        vec![Step::Tell(Severity::Warning, format!("what happened is not known: {why}"))]
    }

    fn uses(&self, command: Command) -> bool {
        command != Command::Filter
    }

    fn reported_since(&self) -> Option<Timestamp> {
        self.report.as_ref().map(|_| self.since)
    }

    fn hint(&self, context: &Context) -> String {
        view::hint(self, context)
    }

    fn view(&self, context: &Context, canvas: &mut Canvas, area: Rect) -> Option<Position> {
        view::draw(self, context, canvas, area);
        None
    }
}
