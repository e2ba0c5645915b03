//! The engine: plans, executes, recovers, watches, serves its clients.
//!
//! Belongs here: operations and their shell, polling, rates, claims, the socket. Does not: rules (model), how an array is
//! reached (driver), how records are kept (catalog), how anything looks (console, cli).

pub mod client;
mod clock;
mod core;
pub mod doubts;
mod fingerprints;
mod group_watch;
pub mod hooks;
pub mod hosts;
mod known;
mod ledger;
mod maintenance;
mod notices;
mod notifier;
pub mod operation;
mod pace;
mod poller;
pub mod protocol;
mod publisher;
mod read_error;
mod reports;
mod roles;
mod runner;
pub mod serve;
mod server;
mod site;

pub use clock::now;
pub use core::ConfiguredArray;
pub use read_error::ReadError;
pub use roles::{Members, Roles};
pub use site::{Engine, Settings, Times};
