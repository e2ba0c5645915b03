//! The same tests of whole sites with CCM's commands between the engine and the arrays: real processes all the way, the
//! emulation's commands in the place of CCM's. `lab` is what differs.

#![allow(clippy::duplicate_mod, reason = "the same tests, told apart by the module's name")]

use crate::house;

#[path = "../crashes.rs"]
mod crashes;
#[path = "../lab.rs"]
mod lab;
#[path = "../main_job.rs"]
mod main_job;
#[path = "../races.rs"]
mod races;
#[path = "../refusals.rs"]
mod refusals;
