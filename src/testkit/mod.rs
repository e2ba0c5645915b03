//! Test doubles: what stands in the place of arrays, of CCM and of the catalogue's disk in the simulator, in tests and in benches.
//!
//! Belongs here: what only tests, benches and `ccm-emulation` use. Does not: anything that the product needs. It is there with the
//! feature `testkit` alone, which the package's own tests turn on.

pub mod catalogue;
pub mod ccm_emulation;
pub mod in_process;
pub mod memory;
pub mod null_driver;
pub mod readings;
pub mod scripted;
