//! What happened while the person was away: since the last look at this site, which is kept in their state folder.
//!
//! The last look moves forward only when the person was shown what happened, or when there was nothing to show.

use super::messages::Effect;
use crate::engine::protocol::{Answer, Ask};
use crate::model::report_text::in_counts;
use crate::model::units::Timestamp;

/// What is known of it.
#[derive(Debug, Default)]
pub struct Away {
    /// The last look; `None`: there was none before this one.
    pub since: Option<Timestamp>,
    ticket: Option<u64>,
    state: AwayState,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum AwayState {
    /// Nobody has asked yet, or no answer came.
    #[default]
    Unknown,
    /// What happened, in counts; it was not shown in full.
    News(String),
    /// The person was shown it, or there is nothing.
    Seen,
}

impl Away {
    pub fn since(last_look: Option<Timestamp>) -> Self {
        Self { since: last_look, ticket: None, state: AwayState::default() }
    }

    /// The site is there: what happened is asked, once.
    pub fn ask(&mut self, ticket: u64) -> Option<Effect> {
        let Some(since) = self.since else {
            self.state = AwayState::Seen;
            return None;
        };
        if self.state != AwayState::Unknown || self.ticket.is_some() {
            return None;
        }
        self.ticket = Some(ticket);
        Some(Effect::Ask { ticket, ask: Ask::Report { since } })
    }

    /// Whether it was the answer to this question.
    pub fn take(&mut self, ticket: u64, answer: Option<&Answer>) -> bool {
        if self.ticket != Some(ticket) {
            return false;
        }
        self.ticket = None;
        if self.state == AwayState::Unknown
            && let Some(Answer::Report { report }) = answer
        {
            self.state = in_counts(report).map_or(AwayState::Seen, AwayState::News);
        }
        true
    }

    /// All that happened since this moment is on the screen.
    pub fn shown(&mut self, since: Timestamp) {
        if self.since.is_none_or(|last| since <= last) {
            self.state = AwayState::Seen;
        }
    }

    /// The line of the main screen.
    pub fn news(&self) -> Option<&str> {
        match &self.state {
            AwayState::News(counts) => Some(counts),
            AwayState::Unknown | AwayState::Seen => None,
        }
    }

    /// Whether the next look begins where this one ends.
    pub fn is_seen(&self) -> bool {
        self.state == AwayState::Seen
    }
}
