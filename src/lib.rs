//! ecdeck: operator console for synchronized high-speed backup on Fujitsu ETERNUS disk arrays.

pub mod driver;
pub mod model;
