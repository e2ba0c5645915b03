//! Whole sites: real processes, real files, real sockets, in folders of their own.

mod catalogue;
mod postgres;
