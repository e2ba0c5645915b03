//! Whole sites: real processes, real files, real sockets, in folders of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod access;
mod array_answers;
mod array_lab;
mod array_settings;
mod arrays;
mod block_devices;
mod by_ccm;
mod cancels;
mod cascades;
mod catalogue;
mod catalogue_audit;
mod catalogue_copies;
mod catalogue_faults;
mod catalogue_file;
mod catalogue_server;
mod ccm;
mod ccm_batches;
#[path = "../../benches/support/ccm_site.rs"]
#[allow(dead_code, reason = "the benchmark times it, too")]
mod ccm_site;
mod crashes;
mod demonstration;
mod driving;
mod earlier;
mod end_to_end_backup;
mod engine;
/// The same tests with the driver of CCM under the engine.
#[path = "engine/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "the same tests, told apart by the module's name")]
mod engine_by_ccm;
mod fingerprints;
mod hook_guard;
mod hook_scripts;
mod hooks;
mod hosts;
mod init;
mod limits;
mod lossy;
mod lvm_groups;
mod maintenance;
mod maps;
mod metrics;
#[path = "../needs.rs"]
mod needs;
mod nights;
mod notify;
mod patience;
mod planted;
mod postgres;
mod practice;
#[path = "../terminal/pty.rs"]
#[allow(dead_code, reason = "what the tests of terminals need is more than is needed here")]
mod pty;
mod races;
mod read_only;
mod refusals;
mod reports;
mod restores;
mod rotation;
mod seed;
mod services;
mod sets;
mod site_file;
mod test_site;
mod usage;
mod waits;
#[path = "../watchdog.rs"]
mod watchdog;
mod windows;
mod words;
mod write_barrier;
