//! The embedded array as a process: bytes, barriers, crashes, faults, its life.

mod commands;
mod copies;
mod crashes;
mod exports;
mod faults;
mod homes;
mod images;
mod queueing;
mod session_lifecycle;
mod setting;
