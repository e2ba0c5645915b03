//! What may be done to a session in which state: the total table status x phase x verb, as data.

use crate::model::codes::Code;
use crate::model::session::{Phase, Status};
use std::fmt::{self, Write};

/// The verbs of the table: what is done to one pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PairVerb {
    /// Full where there is no session, differential where one is suspended.
    Start,
    Resume,
    Suspend,
    Backup,
    Cancel,
    ForceStop,
    /// Copy a generation back; the state is that of the transaction volume's own session.
    Restore,
    /// Delete the generation on the pair's backup volume.
    Delete,
    /// Overwrite the generation on the pair's backup volume, differential where the session is suspended.
    ResumeOnto,
}

impl PairVerb {
    pub const ALL: [Self; 9] = [
        Self::Start,
        Self::Resume,
        Self::Suspend,
        Self::Backup,
        Self::Cancel,
        Self::ForceStop,
        Self::Restore,
        Self::Delete,
        Self::ResumeOnto,
    ];
}

impl fmt::Display for PairVerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Start => "start",
            Self::Resume => "resume",
            Self::Suspend => "suspend",
            Self::Backup => "backup",
            Self::Cancel => "cancel",
            Self::ForceStop => "force-stop",
            Self::Restore => "restore",
            Self::Delete => "delete",
            Self::ResumeOnto => "resume-onto",
        })
    }
}

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
/// Suspended by force before it was equivalent: it goes on where it was, the array may want force to end it.
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
static TABLE: [[&Row; 7]; 7] = [
    [&NONE, &UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN], // idle
    [&COPYING, &COPYING, &COPYING, &COPYING, &COPYING, &COPYING, &UNKNOWN], // reserved
    [&COPYING, &COPYING, &EQUIVALENT, &COPYING, &COPYING, &COPYING, &UNKNOWN], // active
    [&SUSPENDED_UNFINISHED, &SUSPENDED_UNFINISHED, &SUSPENDED, &SUSPENDED, &SUSPENDED, &SUSPENDED_UNFINISHED, &UNKNOWN], // suspended
    [&ERROR, &ERROR, &ERROR, &ERROR, &ERROR, &ERROR, &UNKNOWN], // error-suspended
    [&HALTED, &HALTED, &HALTED, &HALTED, &HALTED, &HALTED, &UNKNOWN], // halted
    [&UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN, &UNKNOWN], // unknown
];

/// The cell of the table. Which sessions it is asked of, and what else must hold, is the rest of the rules.
pub fn legality(status: Status, phase: Phase, verb: PairVerb) -> Legality {
    TABLE[status as usize][phase as usize][verb as usize]
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
    fn the_rendered_table_has_every_verb_and_every_status() {
        let text = markdown();
        assert!(Status::ALL.iter().all(|status| text.contains(&format!("| {status} |"))));
        let columns: Vec<usize> = text.lines().map(|line| line.matches('|').count()).collect();
        assert!(columns.iter().all(|&count| count == 12), "{text}");
    }
}
