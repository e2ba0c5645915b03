//! The embedded array: real bytes, sessions and refusals as a real one has them.

pub mod data;
