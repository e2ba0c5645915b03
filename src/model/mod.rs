//! Plain types and pure rules. No I/O, no clock, no randomness: the same input gives the same answer, everywhere.

pub mod copy;
pub mod identity;
pub mod session;
pub mod units;
pub mod untrusted;
