//! Plain types and pure rules. No I/O, no clock, no randomness: the same input gives the same answer, everywhere.

pub mod actor;
pub mod array_words;
pub mod audit;
pub mod catalogue_url;
pub mod chain;
pub mod check;
pub mod codes;
pub mod copy;
pub mod device_map;
pub mod doubt;
pub mod event;
pub mod identity;
pub mod observe;
pub mod plan;
pub mod progress;
pub mod records;
pub mod request;
pub mod rows;
pub mod sentence;
pub mod session;
pub mod snapshot;
pub mod snapshot_change;
pub mod units;
pub mod untrusted;
pub mod verb;
