//! The rules of backup management, the house's own rules, and the simulator that checks them under faults.

mod cells;
mod properties;
mod simulation;
mod site;
mod verbs;
mod walls;
