//! Which send of a step did it, and when: read from the journal, so that a crash or a long silence changes no date.

use crate::model::copy::{ErrorClass, Outcome, PairOutcome};
use crate::model::records::JournalEntry;
use crate::model::session::Pair;
use crate::model::units::Timestamp;

/// The send of a step that did it, as far as its journal tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Effective {
    /// Never later than it was done.
    pub at: Timestamp,
    /// The array answered that it was done. Else it may have gone on after the answer.
    pub done: bool,
}

/// When a step was sent for a pair, never later than it was done: the send that was answered as done gives the time. Else it
/// is the first send that was not refused outright: one that was refused outright cannot have done it.
/// `None`: no send of ours can have done it.
pub(super) fn effective(journal: &[JournalEntry], wanted: usize, pair: &Pair) -> Option<Effective> {
    // `open`: a send without an answer so far. `first`: the first send that may have done it.
    let (mut open, mut first) = (None, None);
    for entry in journal {
        match entry {
            JournalEntry::Intent { step, at, .. } if *step == wanted => {
                let before = open.replace(*at);
                first = first.or(before);
            }
            JournalEntry::Answered { step, outcomes } if *step == wanted => {
                let sent = open.take();
                match told(outcomes, pair) {
                    Told::Done => return sent.or(first).map(|at| Effective { at, done: true }),
                    Told::MayBe => first = first.or(sent),
                    Told::NotByThisSend => {}
                }
            }
            _ => {}
        }
    }
    first.or(open).map(|at| Effective { at, done: false })
}

/// What an answer says of the send that it belongs to.
enum Told {
    Done,
    /// It was taken on, or nobody knows.
    MayBe,
    NotByThisSend,
}

fn told(outcomes: &[PairOutcome], pair: &Pair) -> Told {
    match outcomes.iter().find(|one| one.pair == *pair).map(|one| &one.outcome) {
        Some(Outcome::Done) => Told::Done,
        Some(Outcome::AlreadyDone) => Told::NotByThisSend,
        // A stop that was done at one box only was begun.
        Some(Outcome::Refused(refusal)) if refusal.class != ErrorClass::PartialDelete => Told::NotByThisSend,
        Some(Outcome::Accepted | Outcome::Refused(_) | Outcome::Unknown { .. }) | None => Told::MayBe,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::operation::fake::pair;
    use crate::model::copy::ArrayRefusal;

    fn intent(at: i64) -> JournalEntry {
        JournalEntry::Intent { step: 0, attempt: 1, at: Timestamp(at) }
    }

    fn answered(outcome: Outcome) -> JournalEntry {
        JournalEntry::Answered { step: 0, outcomes: vec![PairOutcome { pair: pair(1), outcome }] }
    }

    fn unknown() -> JournalEntry {
        answered(Outcome::Unknown { why: "no answer".into() })
    }

    fn busy() -> JournalEntry {
        let (class, code, text) = (ErrorClass::Busy, "E5327".into(), "busy".into());
        answered(Outcome::Refused(ArrayRefusal { class, code, text }))
    }

    #[test]
    fn the_send_that_did_it_gives_the_time_else_the_first_one_that_was_not_refused() {
        let done = || answered(Outcome::Done);
        let already = || answered(Outcome::AlreadyDone);
        let cases = [
            (vec![intent(1), done()], Some(1)),
            (vec![intent(1)], Some(1)),
            (vec![intent(1), busy(), intent(5), done()], Some(5)),
            (vec![intent(1), busy(), intent(5), unknown()], Some(5)),
            (vec![intent(1), busy(), intent(5), unknown(), intent(9), busy()], Some(5)),
            (vec![intent(1), busy(), intent(5), answered(Outcome::Accepted)], Some(5)),
            (vec![intent(1), busy(), intent(5), busy(), intent(9), answered(Outcome::Accepted)], Some(9)),
            (vec![intent(1), busy(), intent(5)], Some(5)),
            (vec![intent(1), busy(), intent(5), intent(9), busy()], Some(5)),
            (vec![intent(1), answered(Outcome::Accepted), intent(5), unknown()], Some(1)),
            (vec![intent(1), busy(), intent(5), answered(Outcome::Accepted), intent(9), already()], Some(5)),
            (vec![intent(1), busy()], None),
            (vec![intent(1), unknown(), intent(5), busy(), intent(9), answered(Outcome::Accepted)], Some(1)),
            (vec![intent(1), unknown(), intent(5), busy()], Some(1)),
            (vec![intent(1), unknown(), intent(5), done()], Some(5)),
            (vec![intent(1), unknown(), intent(5), already()], Some(1)),
            (vec![intent(1), intent(5), unknown()], Some(1)),
            (vec![intent(1), answered(Outcome::Accepted)], Some(1)),
            (vec![intent(1), already()], None),
            (vec![], None),
        ];
        for (journal, expected) in cases {
            let found = effective(&journal, 0, &pair(1));
            assert_eq!(found.map(|send| send.at), expected.map(Timestamp), "{journal:?}");
            assert_eq!(found.is_some_and(|send| send.done), journal.contains(&done()), "{journal:?}");
            assert_eq!(effective(&journal, 1, &pair(1)), None);
        }
    }
}
