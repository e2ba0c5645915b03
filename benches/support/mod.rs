//! What the benchmarks share: a site that an engine serves, the program on a terminal, and what the kernel counts of both.

#![allow(dead_code, reason = "each benchmark uses its part")]

pub mod ccm_site;
pub mod counts;
pub mod site;
pub mod spread;
pub mod terminal;

pub type Error = Box<dyn std::error::Error>;
