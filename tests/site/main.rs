//! Whole sites: real processes, real files, real sockets, in folders of their own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod catalogue;
mod engine;
mod house;
mod postgres;
mod usage;
