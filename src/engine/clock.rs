//! The clocks as the engine uses them: the wall clock for people, generations and due dates, the steady one for ages.

use crate::model::moment::{EngineStart, Moment};
pub use crate::process::clock::now;
use crate::process::clock::steady;

/// This moment on the clock that never jumps.
pub fn moment() -> Moment {
    Moment(i64::try_from(steady().as_millis()).unwrap_or(i64::MAX))
}

/// A number that no other start of an engine has: the moment in nanoseconds and the process, scrambled.
pub fn engine_start() -> EngineStart {
    let text = format!("{} {} {}", steady().as_nanos(), std::process::id(), now().0);
    let hash = blake3::hash(text.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.as_bytes()[..8]);
    // Exact in JSON, whoever reads it.
    EngineStart(u64::from_le_bytes(bytes) >> 11)
}
