//! The plan dialog: a request, the engine's answer to it, and how far a person is from agreeing.

use crate::engine::protocol::PlannedAnswer;
use crate::model::request::Request;
use tui_input::Input;

/// A request on its way to agreement.
#[derive(Debug, Clone)]
pub struct PlanDialog {
    pub request: Request,
    /// Of the question that is open, if one is.
    pub ticket: Option<u64>,
    pub stage: Stage,
    pub note: Option<Note>,
    /// What has been typed of the name that the plan wants.
    pub name: Input,
    /// The name is being typed; else Cancel has the focus.
    pub typing: bool,
    /// The dialog as it is has reached the terminal: keys count.
    pub armed: bool,
    pub scroll: usize,
    pub detail: Detail,
    /// Which dialog it is: no other one of this console has the same.
    pub number: u64,
    /// Grows with every other plan that it shows.
    pub revision: u32,
    /// The typed name as it last reached the terminal.
    pub name_drawn: Option<String>,
    /// The open question has not been answered for a moment.
    pub slow: bool,
}

/// How much of a plan is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Detail {
    #[default]
    Sentences,
    /// The exact commands under them.
    Commands,
}

impl Detail {
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Sentences => Self::Commands,
            Self::Commands => Self::Sentences,
        }
    }
}

#[derive(Debug, Clone)]
pub enum Stage {
    /// The engine has not answered yet.
    Asking,
    Shown(Box<PlannedAnswer>),
    /// Agreed to; the engine has not answered yet.
    Running(Box<PlannedAnswer>),
}

/// Why the dialog says something else than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// The site changed while the dialog was open.
    Changed,
    /// It was agreed to, but another plan would have run: nothing did.
    NothingRan,
    WrongName,
}

impl PlanDialog {
    pub fn new(request: Request, ticket: u64) -> Self {
        Self {
            request,
            ticket: Some(ticket),
            stage: Stage::Asking,
            note: None,
            name: Input::default(),
            typing: false,
            armed: false,
            scroll: 0,
            detail: Detail::default(),
            number: ticket,
            revision: 0,
            name_drawn: None,
            slow: false,
        }
    }

    pub fn answer(&self) -> Option<&PlannedAnswer> {
        match &self.stage {
            Stage::Asking => None,
            Stage::Shown(answer) | Stage::Running(answer) => Some(answer),
        }
    }

    /// Takes a new answer; another digest is another plan, which must be seen before it can be agreed to.
    pub fn show(&mut self, answer: PlannedAnswer, note: Option<Note>) {
        let same = self.answer().is_none_or(|shown| shown.plan.digest() == answer.plan.digest());
        if !same || note.is_some() {
            self.armed = false;
            self.revision += 1;
            self.typing = false;
            self.name.reset();
            self.note = note.or(Some(Note::Changed));
        }
        self.ticket = None;
        self.slow = false;
        self.stage = Stage::Shown(Box::new(answer));
    }
}

/// Lines that stay under the plan: the typed name, where one is wanted, and the buttons.
pub fn bottom_lines(dialog: &PlanDialog) -> usize {
    1 + usize::from(dialog.answer().is_some_and(|answer| answer.plan.confirmation().is_some()))
}
