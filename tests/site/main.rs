//! Whole sites: real processes, real files, real sockets, in folders of their own.

mod catalogue;
mod house;
mod engine;
mod postgres;
mod usage;
