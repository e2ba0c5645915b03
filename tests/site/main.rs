//! Whole sites: real processes, real files, real sockets, in folders of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod catalogue;
mod catalogue_file;
mod catalogue_server;
mod engine;
mod house;
mod lossy;
mod postgres;
mod usage;
