//! What runs on hosts: the site's scripts around a backup, the guard that never leaves a host frozen, and the tools that
//! report disks, volume groups and mounts.
//!
//! Belongs here: running one script or tool within its limits, who may write it, the guard process and the engine's line to
//! it, reading what tools report. Does not: which scripts belong to a backup, what follows from their ends or from a report
//! (`model`, `engine`).

pub mod guard;
pub mod identity;
pub mod permissions;
pub mod report;
pub mod script;
pub mod users;
