//! The engine: plans, executes, recovers, watches, serves its clients.
//!
//! Belongs here: operations and their shell, polling, rates, claims, the socket. Does not: rules (model), how an array is
//! reached (driver), how records are kept (catalog), how anything looks (console, cli).

pub mod client;
pub mod operation;
pub mod protocol;
