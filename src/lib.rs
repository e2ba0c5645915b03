//! ecdeck: operator console for synchronized high-speed backup on Fujitsu ETERNUS disk arrays.

pub mod catalog;
pub mod driver;
pub mod engine;
pub mod model;
