//! What runs on hosts: the site's scripts around a backup, and the guard that never leaves a host frozen.
//!
//! Belongs here: running one script within its limits, who may write it, the guard process and the engine's line to it.
//! Does not: which scripts belong to a backup and what follows from their ends (`model`, `engine`).

pub mod guard;
pub mod permissions;
pub mod script;
