//! ecdeck: operator console for synchronized high-speed backup on Fujitsu ETERNUS disk arrays.
//!
//! Three processes, one binary:
//!
//! ```text
//! console, verbs  --Unix socket: requests, plans, snapshots-->  engine  --driver-->  arrays
//!                                                     catalogue, journal       (embedded: a process of its own)
//! ```
//!
//! | module | contents | may use |
//! | --- | --- | --- |
//! | `main.rs`, `bin` | parse the command line and wire things together | everything |
//! | [`model`] | plain types and pure rules | nothing |
//! | [`process`] | what every server and client needs: life cycle, frames, folders, peers | `model` |
//! | [`catalog`] | what must outlast the process | `model`, `process` |
//! | [`config_keys`] | what every reader of config.toml shares: faults with their place, common values | `model`, `process` |
//! | [`config`] | config.toml | `config_keys`, `driver::DRIVERS`, `driver::kind`, `model`, `process` |
//! | [`logs`] | the log file | `config`, `model` |
//! | [`host`] | the site's scripts around a backup, and their guard | `model`, `process` |
//! | [`driver`] | how arrays are reached; the embedded array | `config_keys`, `model`, `process` |
//! | [`engine`] | plans, executes, recovers, watches, serves clients | `catalog`, `driver`, `host`, `model`, `process` |
//! | [`console`] | the terminal user interface | `engine::client`, `engine::protocol`, `model` |
//! | [`cli`] | the verbs of the command line | `driver::emulated::admin`, `driver::set_up`, `engine::client`, `engine::protocol`, `model`, `process` |
//! | [`site`] | the site that a command works on | `model`, `process` |
//! | [`demo`] | the demonstration site | `catalog`, `config`, `driver`, `host`, `model`, `process` |
//! | [`drivers`] | the drivers of a configuration | `config`, `driver`, `engine`, `model`, `process` |
//! | [`serve`] | an engine with its catalogue, drivers and log | `catalog`, `config`, `demo`, `driver`, `drivers`, `engine`, `host`, `logs`, `model`, `process`, `site` |
//! | [`setup`] | what is set up while no engine runs: arrays in the configuration, a copy as the catalogue | `catalog`, `config`, `driver`, `drivers`, `engine`, `model`, `process`, `serve` |
//! | `testkit` | test doubles; only with the feature of this name | `catalog`, `config_keys`, `driver`, `model`, `process` |
//!
//! A name stands for a module and all below it. This table is the rule: `tests/rules/layering.rs` parses every module and
//! holds it to its row.

// What is printed may meet a full disk or nobody: `cli::out` does it without a panic.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod catalog;
pub mod cli;
pub mod config;
pub mod config_keys;
pub mod console;
pub mod demo;
pub mod driver;
pub mod drivers;
pub mod engine;
pub mod host;
pub mod logs;
pub mod model;
pub mod process;
pub mod serve;
pub mod setup;
pub mod site;
#[cfg(feature = "testkit")]
pub mod testkit;
