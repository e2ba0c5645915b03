//! What the two servers of a home, the engine and the embedded array, share: their life, their socket, their frames.
//!
//! Belongs here: where a home keeps things, one server per home, starting it, who is at the other end, JSON frames,
//! the one way to run a child process, to duplicate a file, and what machines reached by the OpenSSH client have in common.
//! Does not: what any server says or does (engine, `driver::emulated`).

pub mod admission;
pub mod child;
pub mod clock;
pub mod duplicate;
pub mod editor;
pub mod frames;
pub mod host_key;
pub mod instance;
pub mod ownership;
pub mod paths;
pub mod peer;
mod peer_groups;
pub mod ssh;
