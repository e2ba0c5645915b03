//! What an operation remembers of its present array step.

use super::limits::Pauses;
use super::verdict::Known;
use crate::model::session::Pair;

/// What is known of a REC's half at its target's box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FarHalf {
    NotAsked,
    /// The array said that it is left over.
    LeftOver,
    /// The box of the target is looked at for it.
    Asked,
    /// The same, because of a start that may have arrived and that the source's box does not show.
    AskedForStart,
}

#[derive(Debug, Clone)]
pub(super) struct StepProgress {
    /// Times that the command was, or may have been, sent.
    pub attempt: u32,
    /// Those of them that got no answer.
    pub unknown_sends: u32,
    /// An own send may have been done without our knowing.
    pub doubt: bool,
    pub known: Known,
    pub far: FarHalf,
    /// Pairs that the command is yet to be sent for.
    pub left: Vec<Pair>,
    /// The last reading already showed the same surprise: another one ends the waiting.
    pub looked: bool,
    /// A reading after the answer did not show its effect yet.
    pub waited: bool,
    /// Pairs that the array refused outright while it took on others of the same command, and what it said.
    pub refused: Vec<Pair>,
    pub refusal: Option<String>,
    pub busy: Pauses,
    pub observe: Pauses,
    pub unreadable: Pauses,
}

impl Default for StepProgress {
    fn default() -> Self {
        Self {
            attempt: 0,
            unknown_sends: 0,
            doubt: false,
            known: Known::NotSent,
            far: FarHalf::NotAsked,
            left: Vec::new(),
            looked: false,
            waited: false,
            refused: Vec::new(),
            refusal: None,
            busy: Pauses::default(),
            observe: Pauses::default(),
            unreadable: Pauses::default(),
        }
    }
}
