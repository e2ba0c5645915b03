//! The table of what an operation does next with an array step: by what it knows of its command and by what it sees.

use super::observe::Seen;
use crate::model::copy::ArrayRefusal;

/// What is known of a step's command before looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Known {
    /// Not sent by us, as far as the journal says.
    NotSent,
    /// It may have been done: no answer, or a crash since the intent.
    Unknown,
    /// The array says that it is done.
    Done,
    /// The array says that it goes on with it.
    Accepted,
    /// The array says that it was so before, and an earlier send of ours may be the reason, or it does not matter.
    AlreadyDone,
    /// The array refused, while an earlier send of ours may have been done.
    RefusedInDoubt(ArrayRefusal),
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The step's effect is there: journal it.
    Finish,
    /// Look again a little later.
    PollAgain,
    /// Send the command, for the first time or once more.
    Send,
    /// It is so, but not by us.
    Foreign,
    Refused(ArrayRefusal),
    /// The array shows something that this step cannot have led to.
    Stray,
}

/// The table.
#[allow(clippy::match_same_arms, reason = "a table reads row by row")]
pub(super) fn verdict(known: &Known, seen: Seen, must_be_ours: bool) -> Verdict {
    match (known, seen) {
        (Known::NotSent, Seen::After) if must_be_ours => Verdict::Foreign,
        (_, Seen::After) => Verdict::Finish,
        (_, Seen::Between) => Verdict::PollAgain,
        (_, Seen::Else) => Verdict::Stray,
        (Known::NotSent | Known::Unknown, Seen::Before) => Verdict::Send,
        // An array may show a little later what it has already answered.
        (Known::Done | Known::Accepted | Known::AlreadyDone, Seen::Before) => Verdict::PollAgain,
        (Known::RefusedInDoubt(refusal), Seen::Before) => Verdict::Refused(refusal.clone()),
    }
}
