//! Which send of a step did it, and when: read from the journal, so that a crash or a long silence changes no date.

use crate::model::copy::{ErrorClass, Outcome, PairOutcome};
use crate::model::records::JournalEntry;
use crate::model::session::Pair;
use crate::model::units::Timestamp;

/// When a step was sent for a pair, never later than it was done: the send that was answered as done gives the time, and one
/// that was accepted where all before it were refused outright. Else nobody knows which one did it, or whether another
/// program did it meanwhile: then it is the first one.
/// `None`: no send of ours can have done it.
pub(super) fn effective(journal: &[JournalEntry], wanted: usize, pair: &Pair) -> Option<Timestamp> {
    // `doubt`: a send that may have done it. `accepted`: the array took it on, and none before it may have done it.
    let (mut first, mut open, mut doubt, mut accepted) = (None, None, false, None);
    for entry in journal {
        match entry {
            JournalEntry::Intent { step, at, .. } if *step == wanted => {
                first = first.or(Some(*at));
                doubt |= open.replace(*at).is_some();
            }
            JournalEntry::Answered { step, outcomes } if *step == wanted => {
                let sent = open.take();
                match told(outcomes, pair) {
                    Told::Done => return sent.or(first),
                    Told::Accepted if !doubt => accepted = accepted.or(sent),
                    Told::Accepted | Told::MayBe => doubt = true,
                    Told::NotByThisSend => {}
                }
            }
            _ => {}
        }
    }
    accepted.or_else(|| first.filter(|_| doubt || open.is_some()))
}

/// What an answer says of the send that it belongs to.
enum Told {
    Done,
    /// It goes on after the answer.
    Accepted,
    MayBe,
    NotByThisSend,
}

fn told(outcomes: &[PairOutcome], pair: &Pair) -> Told {
    match outcomes.iter().find(|one| one.pair == *pair).map(|one| &one.outcome) {
        Some(Outcome::Done) => Told::Done,
        Some(Outcome::AlreadyDone) => Told::NotByThisSend,
        // A stop that was done at one box only was begun.
        Some(Outcome::Refused(refusal)) if refusal.class != ErrorClass::PartialDelete => Told::NotByThisSend,
        Some(Outcome::Accepted) => Told::Accepted,
        Some(Outcome::Refused(_) | Outcome::Unknown { .. }) | None => Told::MayBe,
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
    fn the_send_that_did_it_gives_the_time_else_the_first_one() {
        let done = || answered(Outcome::Done);
        let already = || answered(Outcome::AlreadyDone);
        let cases = [
            (vec![intent(1), done()], Some(1)),
            (vec![intent(1)], Some(1)),
            (vec![intent(1), busy(), intent(5), done()], Some(5)),
            (vec![intent(1), busy(), intent(5), unknown()], Some(1)),
            (vec![intent(1), busy(), intent(5), answered(Outcome::Accepted)], Some(5)),
            (vec![intent(1), busy(), intent(5), busy(), intent(9), answered(Outcome::Accepted)], Some(9)),
            (vec![intent(1), busy(), intent(5)], Some(1)),
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
            assert_eq!(effective(&journal, 0, &pair(1)), expected.map(Timestamp), "{journal:?}");
            assert_eq!(effective(&journal, 1, &pair(1)), None);
        }
    }
}
