//! What an operation remembers of its present array step.

use super::limits::Pauses;
use super::verdict::Known;
use crate::model::session::Pair;

/// What is known of a stopped REC's half at its target's box.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FarHalf {
    NotAsked,
    /// The array said that it is left over.
    LeftOver,
    /// The box of the target is looked at for it.
    Asked,
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
            busy: Pauses::default(),
            observe: Pauses::default(),
            unreadable: Pauses::default(),
        }
    }
}
