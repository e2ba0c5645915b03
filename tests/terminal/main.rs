//! The console: its life on a real terminal. Its screens are tested beside its code.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

mod init;
mod keys;
mod life;
mod maps;
#[path = "../needs.rs"]
#[allow(dead_code, reason = "shared with the site tests, which use all of it")]
mod needs;
mod pty;
#[path = "../site/test_site.rs"]
#[allow(dead_code, reason = "shared with the site tests, which use all of it")]
mod test_site;
mod usability;
#[path = "../watchdog.rs"]
mod watchdog;
mod work;
