//! The guard: a process of its own that runs the hooks of one operation, so that the scripts after a backup run at their
//! deadline whatever becomes of the engine.
//!
//! The engine starts it before the first script, asks it to run each one, and asks it whether the pause still holds before it
//! believes a suspend. While a pause lasts the guard writes no file: a writer on a frozen file system cannot be ended.
//!
//! Belongs here: the guard's state, its server, and the engine's line to it. Does not: what follows from how a script ended.

mod client;
mod protocol;
mod server;
mod state;

pub use client::{Guard, GuardError, GuardFiles};
pub use protocol::{GuardHook, GuardOrder, GuardView, HookRun};
pub use server::{WORD, serve};
