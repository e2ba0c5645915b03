//! Exit statuses: fixed, so that scripts last.

use crate::model::codes::Code;

/// What the process ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    Done = 0,
    Failed = 1,
    /// Wrong usage or input.
    Usage = 2,
    /// Refused by the rules; the code is printed.
    Refused = 3,
    OutcomeUnknown = 4,
    /// Engine, array or catalogue. Who only asks how things stand has an answer also where an array is silent: that is done.
    NotReachable = 5,
    PartlyDone = 6,
    HeldByAnother = 7,
    TimeLimit = 8,
}

impl Exit {
    /// What a refusal or an operation's end of this code means to a script.
    pub fn of_code(code: Code) -> Self {
        match code {
            Code::HELD_BY_OTHER => Self::HeldByAnother,
            Code::OUTCOME_UNKNOWN => Self::OutcomeUnknown,
            Code::PAST_LIMIT => Self::TimeLimit,
            Code::ARRAY_UNREACHABLE
            | Code::ARRAY_STALE
            | Code::CATALOGUE_UNAVAILABLE
            | Code::ENGINE_MISMATCH
            | Code::CATALOGUE_IN_USE
            | Code::CATALOGUE_DAMAGED
            | Code::CATALOGUE_REPLACED
            | Code::ENGINE_NOT_STARTED
            | Code::ENGINE_FULL => Self::NotReachable,
            Code::NOT_ON_DEMONSTRATION | Code::MAP_SYNTAX | Code::SITE_FILE_WRONG => Self::Usage,
            Code::STEP_FAILED | Code::INTERRUPTED | Code::ARRAY_REFUSED | Code::ARRAY_BUSY => Self::Failed,
            _ => Self::Refused,
        }
    }

    /// One status for several volumes: the common one, else partly done when some were done, else the first that was not.
    pub fn together(all: impl IntoIterator<Item = Self>) -> Self {
        let all: Vec<Self> = all.into_iter().collect();
        let first_not_done = all.iter().copied().find(|exit| *exit != Self::Done);
        match first_not_done {
            None => Self::Done,
            Some(_) if all.contains(&Self::Done) || all.contains(&Self::PartlyDone) => Self::PartlyDone,
            // What nobody knows weighs more than what surely did not happen.
            Some(_) if all.contains(&Self::OutcomeUnknown) => Self::OutcomeUnknown,
            Some(exit) => exit,
        }
    }

    /// As [`Self::of_code`]; what is so already is done when that was the wish.
    pub fn of_refusal(code: Code, ensure: bool) -> Self {
        if ensure && code == Code::ALREADY_SO { Self::Done } else { Self::of_code(code) }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_done_and_some_not_is_partly_done() {
        assert_eq!(Exit::together([]), Exit::Done);
        assert_eq!(Exit::together([Exit::Done, Exit::Refused]), Exit::PartlyDone);
        assert_eq!(Exit::together([Exit::Refused, Exit::Refused]), Exit::Refused);
        assert_eq!(Exit::together([Exit::Failed, Exit::OutcomeUnknown]), Exit::OutcomeUnknown);
    }

    #[test]
    fn a_volume_of_somebody_else_and_a_silent_array_have_statuses_of_their_own() {
        assert_eq!(Exit::of_code(Code::HELD_BY_OTHER) as u8, 7);
        assert_eq!(Exit::of_code(Code::ARRAY_UNREACHABLE) as u8, 5);
        assert_eq!(Exit::of_code(Code::NO_SESSION) as u8, 3);
        assert_eq!(Exit::of_code(Code::NOT_ON_DEMONSTRATION) as u8, 2);
    }
}
