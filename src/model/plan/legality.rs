//! What may be done to a session in which state: the total table status x phase x verb, as data, and what each further fact
//! of a session changes in it.

use crate::model::codes::Code;
use crate::model::session::{CopyKind, Direction, Phase, Status, TransferMode};
use crate::model::snapshot::SessionView;
pub use crate::model::verb::PairVerb;
use std::fmt::{self, Write};

/// A cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Legality {
    Legal,
    /// Legal with the array's force; the plan says so.
    Force,
    Refused(Code),
}

use Legality::{Force, Legal, Refused};

const fn no(code: Code) -> Legality {
    Refused(code)
}

/// What the nine verbs may do in one state, in the order of [`PairVerb::ALL`].
type Row = [Legality; 9];

/// No session between the two volumes.
const NONE: Row = [
    Legal,
    no(Code::NOTHING_TO_RESUME),
    no(Code::NO_SESSION),
    no(Code::NO_SESSION),
    no(Code::NO_SESSION),
    no(Code::NO_SESSION),
    Legal,
    Legal,
    Legal,
];
/// It copies, or is about to. The array stops it by force only (E5323).
const COPYING: Row = [
    no(Code::ALREADY_SYNCHRONIZING),
    no(Code::ALREADY_SYNCHRONIZING),
    no(Code::NOT_SUSPENDABLE),
    no(Code::NOT_EQUIVALENT),
    Force,
    Force,
    no(Code::ALREADY_SYNCHRONIZING),
    Legal,
    no(Code::ALREADY_SYNCHRONIZING),
];
const EQUIVALENT: Row = [
    no(Code::ALREADY_SYNCHRONIZING),
    no(Code::ALREADY_SYNCHRONIZING),
    Legal,
    Legal,
    Legal,
    Force,
    no(Code::ALREADY_SYNCHRONIZING),
    Legal,
    no(Code::ALREADY_SYNCHRONIZING),
];
const SUSPENDED: Row = [Legal, Legal, no(Code::ALREADY_SO), no(Code::RESUME_FIRST), Legal, Force, Legal, Legal, Legal];
/// Suspended by force before it was equivalent: it continues where it was, the array may want force to end it.
const SUSPENDED_UNFINISHED: Row =
    [Legal, Legal, no(Code::ALREADY_SO), no(Code::RESUME_FIRST), Force, Force, Legal, Legal, Legal];
const ERROR: Row = [
    no(Code::ERROR_SUSPENDED),
    no(Code::ERROR_SUSPENDED),
    no(Code::ERROR_SUSPENDED),
    no(Code::ERROR_SUSPENDED),
    Force,
    Force,
    no(Code::ERROR_SUSPENDED),
    Legal,
    no(Code::ERROR_SUSPENDED),
];
/// The way out of a halted session with manual recovery is a forced suspend, then a resume.
const HALTED: Row = [
    no(Code::HALTED),
    no(Code::HALTED),
    Force,
    no(Code::HALTED),
    Force,
    Force,
    no(Code::HALTED),
    Legal,
    no(Code::HALTED),
];
/// A word, or words together, whose meaning is not known: never guessed.
const UNKNOWN: Row = [
    no(Code::UNKNOWN_WORDS),
    no(Code::UNKNOWN_WORDS),
    no(Code::UNKNOWN_WORDS),
    no(Code::UNKNOWN_WORDS),
    no(Code::UNKNOWN_WORDS),
    Force,
    no(Code::UNKNOWN_WORDS),
    no(Code::UNKNOWN_WORDS),
    no(Code::UNKNOWN_WORDS),
];

/// One line a status, one column a phase, both in the order of their `ALL`:
/// no pair, copying, equivalent, tracking, tracking and copying, readying, unknown.
#[rustfmt::skip]
static TABLE: [[&Row; 7]; 7] = [
    [&NONE, &UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN], // idle
    [&COPYING, &COPYING, &COPYING, &COPYING, &COPYING, &COPYING, &UNKNOWN], // reserved
    [&COPYING, &COPYING, &EQUIVALENT, &COPYING, &COPYING, &COPYING, &UNKNOWN], // active
    [&SUSPENDED_UNFINISHED, &SUSPENDED_UNFINISHED, &SUSPENDED, &SUSPENDED, &SUSPENDED_UNFINISHED, &SUSPENDED_UNFINISHED, &UNKNOWN], // suspended
    [&ERROR, &ERROR, &ERROR, &ERROR, &ERROR, &ERROR, &UNKNOWN], // error-suspended
    [&HALTED, &HALTED, &HALTED, &HALTED, &HALTED, &HALTED, &UNKNOWN], // halted
    [&UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN], // unknown
];

/// Everything of a session that a verb may depend on. A fact that could not be read is a value of its own here, and never
/// the value that permits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    pub status: Status,
    pub phase: Phase,
    pub direction: Direction,
    /// The array's word for the kind of copy is known.
    pub kind_is_known: bool,
    pub transfer: Transfer,
}

/// The transfer mode, where the copy has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// A copy inside one box.
    Local,
    Mode(TransferMode),
    /// A remote copy whose modes could not be read.
    Unknown,
}

impl Facts {
    pub fn of(session: &SessionView) -> Self {
        let transfer = match (session.pair.kind, session.modes) {
            (CopyKind::Rec, None) => Transfer::Unknown,
            (CopyKind::Rec, Some(modes)) => Transfer::Mode(modes.transfer),
            _ => Transfer::Local,
        };
        Self {
            status: session.status,
            phase: session.phase,
            direction: session.direction,
            kind_is_known: session.has_known_kind(),
            transfer,
        }
    }

    /// A session of which everything is known and usual.
    pub fn usual(status: Status, phase: Phase) -> Self {
        Self { status, phase, direction: Direction::Forward, kind_is_known: true, transfer: Transfer::Local }
    }
}

/// What may be done. Which sessions it is asked of, and what else must hold, is the rest of the rules.
pub fn legality(facts: &Facts, verb: PairVerb) -> Legality {
    // Without `..`: whoever adds a fact decides here what it permits, and what it permits when it is not known.
    let Facts { status, phase, direction, kind_is_known, transfer } = *facts;
    let cell = TABLE[status as usize][phase as usize][verb as usize];
    if status == Status::Idle {
        return cell;
    }
    let cell = by_transfer(transfer, status, phase, verb, cell);
    let cell = by_kind(kind_is_known, verb, cell);
    by_direction(direction, verb, cell)
}

/// Source: the array's rules of suspend and deletion in each mode (REST interface, `suspend` and `delete`).
fn by_transfer(transfer: Transfer, status: Status, phase: Phase, verb: PairVerb, cell: Legality) -> Legality {
    use TransferMode::{Consistency, Stack, Synchronous, Through};
    if cell == no(Code::UNKNOWN_WORDS) {
        return cell;
    }
    match verb {
        PairVerb::Backup if matches!(cell, Legal | Refused(Code::NOT_EQUIVALENT)) => match transfer {
            Transfer::Local | Transfer::Mode(Synchronous | Consistency) => cell,
            Transfer::Mode(Stack | Through) => no(Code::NO_BACKUP_IN_THIS_MODE),
            Transfer::Unknown => no(Code::MODES_UNKNOWN),
        },
        PairVerb::Suspend if matches!(cell, Legal | Force) => match transfer {
            Transfer::Local | Transfer::Mode(Synchronous | Consistency) => cell,
            Transfer::Mode(Stack) if phase == Phase::Equivalent => cell,
            Transfer::Mode(Stack | Through) => no(Code::NO_SUSPEND_IN_THIS_MODE),
            // From equivalence the array itself decides; by force the mode must be known.
            Transfer::Unknown if cell == Legal => cell,
            Transfer::Unknown => no(Code::MODES_UNKNOWN),
        },
        // In consistency mode the array ends a session by force only, whatever state it is in.
        PairVerb::Cancel if cell == Legal && transfer == Transfer::Mode(Consistency) => Force,
        // While it is suspended, through is in force in either asynchronous mode, and arrays may show that: its own mode may be
        // consistency.
        PairVerb::Cancel if cell == Legal && status == Status::Suspended && transfer == Transfer::Mode(Through) => {
            Force
        }
        _ => cell,
    }
}

/// What is no EC or REC that is known is not commanded as one, but ended where nothing else helps.
fn by_kind(kind_is_known: bool, verb: PairVerb, cell: Legality) -> Legality {
    match verb {
        PairVerb::ForceStop => cell,
        _ if kind_is_known => cell,
        _ => no(Code::KIND_UNKNOWN),
    }
}

/// A session is ended alike in either direction; nothing else is done to one that does not surely run forward.
fn by_direction(direction: Direction, verb: PairVerb, cell: Legality) -> Legality {
    match (direction, verb) {
        (Direction::Forward, _) | (_, PairVerb::Cancel | PairVerb::ForceStop) => cell,
        (Direction::Reversed, _) => no(Code::REVERSED),
        (Direction::Unknown, _) => no(Code::DIRECTION_UNKNOWN),
    }
}

/// The facts beside status and phase that change the table, and what they are called.
fn further() -> [(&'static str, Facts); 7] {
    let usual = Facts::usual(Status::Active, Phase::Equivalent);
    let mode = |transfer| Facts { transfer, ..usual };
    [
        ("reversed", Facts { direction: Direction::Reversed, ..usual }),
        ("direction not known", Facts { direction: Direction::Unknown, ..usual }),
        ("kind not known", Facts { kind_is_known: false, ..usual }),
        ("REC, consistency mode", mode(Transfer::Mode(TransferMode::Consistency))),
        ("REC, stack mode", mode(Transfer::Mode(TransferMode::Stack))),
        ("REC, through mode", mode(Transfer::Mode(TransferMode::Through))),
        ("REC, mode not known", mode(Transfer::Unknown)),
    ]
}

/// What each further fact makes of the table, as Markdown: an empty cell changes nothing.
pub fn further_markdown() -> String {
    let mut out = String::from("| and it is |");
    for verb in PairVerb::ALL {
        let _ = write!(out, " {verb} |");
    }
    out += "\n| --- |";
    out += &" --- |".repeat(PairVerb::ALL.len());
    out.push('\n');
    for (name, facts) in further() {
        let _ = write!(out, "| {name} |");
        for verb in PairVerb::ALL {
            let mut changed: Vec<String> = Vec::new();
            let states = Status::ALL.into_iter().flat_map(|status| Phase::ALL.map(|phase| (status, phase)));
            for (status, phase) in states {
                let before = legality(&Facts::usual(status, phase), verb);
                let after = legality(&Facts { status, phase, ..facts }, verb);
                if before != after && !changed.contains(&after.to_string()) {
                    changed.push(after.to_string());
                }
            }
            let _ = write!(out, " {} |", changed.join(", "));
        }
        out.push('\n');
    }
    out
}

/// The table as Markdown: a line a status and phase, equal lines of one status together.
pub fn markdown() -> String {
    let mut out = String::from("| status | phase |");
    for verb in PairVerb::ALL {
        let _ = write!(out, " {verb} |");
    }
    out += "\n| --- | --- |";
    out += &" --- |".repeat(PairVerb::ALL.len());
    out.push('\n');
    for status in Status::ALL {
        let rows = &TABLE[status as usize];
        let mut done = [false; 7];
        for first in 0..rows.len() {
            if done[first] {
                continue;
            }
            let same: Vec<usize> = (first..rows.len()).filter(|&at| rows[at] == rows[first]).collect();
            for &at in &same {
                done[at] = true;
            }
            let phases = if same.len() == rows.len() {
                "any".to_owned()
            } else {
                same.iter().map(|&at| Phase::ALL[at].to_string()).collect::<Vec<_>>().join(", ")
            };
            let _ = write!(out, "| {status} | {phases} |");
            for cell in rows[first] {
                let _ = write!(out, " {cell} |");
            }
            out.push('\n');
        }
    }
    out
}

impl fmt::Display for Legality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Legal => f.pad("yes"),
            Force => f.pad("with force"),
            Refused(code) => f.pad(&code.number().to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_words_is_the_order_of_the_table() {
        assert!(Status::ALL.iter().enumerate().all(|(at, status)| *status as usize == at));
        assert!(Phase::ALL.iter().enumerate().all(|(at, phase)| *phase as usize == at));
        assert!(PairVerb::ALL.iter().enumerate().all(|(at, verb)| *verb as usize == at));
    }

    #[test]
    fn a_suspended_session_is_clean_in_the_table_exactly_where_its_copy_is_whole() {
        for phase in Phase::ALL.into_iter().filter(|phase| *phase != Phase::Unknown) {
            let cancel = legality(&Facts::usual(Status::Suspended, phase), PairVerb::Cancel);
            assert_eq!(cancel == Legal, phase.is_whole(), "{phase}");
        }
    }

    #[test]
    fn the_rendered_table_has_every_verb_and_every_status() {
        let text = markdown();
        assert!(Status::ALL.iter().all(|status| text.contains(&format!("| {status} |"))));
        let columns: Vec<usize> = text.lines().map(|line| line.matches('|').count()).collect();
        assert!(columns.iter().all(|&count| count == 12), "{text}");
    }
}
