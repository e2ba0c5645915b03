//! What every reader of config.toml shares: faults with their place, values of common kinds, a table that is handed on.
//!
//! Belongs here: how a key is read, checked and complained of. Does not: which keys there are (config, and each driver for
//! its own).

mod fault;
mod ssh;
mod table;
mod values;

pub use fault::{ConfigError, Fault, closest, line_of, meant, syntax};
pub use ssh::SshKeys;
pub use table::Table;
pub use values::{LIMIT, absolute, checked, in_range, name, time};
