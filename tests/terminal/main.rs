//! The console: its life on a real terminal. Its screens are tested beside its code.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

#[path = "../site/house.rs"]
#[allow(dead_code, reason = "shared with the site tests, which use all of it")]
mod house;
mod keys;
mod life;
#[path = "../needs.rs"]
#[allow(dead_code, reason = "shared with the site tests, which use all of it")]
mod needs;
mod pty;
mod work;
