//! The rules of backup management, the project's own rules, and the simulator that checks them under faults.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod agreement;
mod device_map;
mod doubts;
mod drivers;
mod facts;
mod growth;
mod harmless;
mod layering;
mod legality_table;
mod map_sets;

mod named_pools;
mod notices;
mod output;
mod pool;
mod properties;
mod readme;
mod reconcile;
mod restores;
mod rotation;
mod simulation;
mod since;
mod site;
mod site_change;
mod site_file;
mod verbs;
mod volume_sets;
mod waits;
