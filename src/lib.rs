//! ecdeck: operator console for synchronized high-speed backup on Fujitsu ETERNUS disk arrays.
//!
//! Three processes, one binary:
//!
//! ```text
//! console, verbs  --Unix socket: requests, plans, snapshots-->  engine  --driver-->  arrays
//!                                                     catalogue, journal       (embedded: a process of its own)
//! ```
//!
//! | room | what lives there | may use |
//! | --- | --- | --- |
//! | `main.rs` | parses the command line and wires things together | everything |
//! | [`model`] | plain types and pure rules | nothing |
//! | [`process`] | what every server and client here needs: life cycle, frames, folders, peers | model |
//! | [`catalog`] | what must outlast the process | model, process |
//! | [`driver`] | how arrays are reached; the embedded array | model, process |
//! | [`engine`] | plans, executes, recovers, watches, serves clients | catalog, driver, model, process |
//! | `console` | the terminal user interface | engine's client and protocol, model |
//! | `cli` | the command line's verbs | engine's client and protocol, model, config, console, the embedded array's administration |
//! | `demo`, `site` | the demonstration site; which site a command works on | catalog, config, driver, model, process |
//! | `drivers`, `serve`, `setup` | the drivers of a configuration; an engine put together out of all that; adding and examining arrays | everything but cli and console |
//! | `config`, `logs` | config.toml, the log file | model, process |
//!
//! `tests/rules/walls.rs` reads the `use` lines and holds the house to this map.

// What is printed may meet a full disk or nobody: `cli::out` does it without a panic.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod catalog;
pub mod cli;
pub mod config;
pub mod console;
pub mod demo;
pub mod driver;
pub mod drivers;
pub mod engine;
pub mod logs;
pub mod model;
pub mod process;
pub mod serve;
pub mod setup;
pub mod site;
