//! Sessions as an array would report them.

use crate::model::session::{ArrayWords, Direction, Pair, Phase, SessionReading, Status};
use crate::model::untrusted::Untrusted;

/// A session that runs forward, of which nothing else is known. Its number on the array is that of its target.
pub fn session(pair: Pair, status: Status, phase: Phase) -> SessionReading {
    SessionReading {
        sid: pair.target.olu.0,
        pair,
        status,
        phase,
        progress: None,
        difference: None,
        error: None,
        modes: None,
        direction: Direction::Forward,
        target_written: None,
        requestor: Untrusted::default(),
        started: None,
        words: ArrayWords::default(),
    }
}
