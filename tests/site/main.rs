//! Whole sites: real processes, real files, real sockets, in folders of their own.

mod catalogue;
mod house;
mod postgres;
mod usage;
