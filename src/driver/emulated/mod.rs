//! The embedded array: boxes, volumes and copies on real bytes, for machines that have no ETERNUS.
//!
//! Belongs here: what stands for an array's firmware (rules, copy engine, store, faults), its server, its driver and its
//! administration. Does not: anything that the engine decides.
//!
//! [`core`] with [`rules`], [`cascades`], [`copying`] and [`sessions`] is a state machine without I/O or clock; the server drives it
//! with the real bytes of [`data`], the test kit on stamps, for the simulator.

pub mod admin;
mod administration;
pub mod arrays;
mod cascades;
#[cfg(test)]
mod cascades_tests;
pub mod codes;
pub mod copying;
pub mod core;
pub mod data;
pub mod disk;
#[cfg(test)]
pub mod disk_record;
#[cfg(test)]
mod disk_tests;
pub mod driver;
pub mod export;
pub mod faults;
pub mod kind;
mod line;
mod nbd;
mod persistence;
pub mod provision;
pub mod regions;
pub mod rule_table;
pub mod rules;
#[cfg(test)]
mod rules_tests;
pub mod server;
pub mod sessions;
mod settings;
#[cfg(test)]
mod settings_tests;
mod troubles;
pub mod wire;
pub mod workload;
