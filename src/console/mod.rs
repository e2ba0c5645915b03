//! The terminal user interface: what an operator sees and presses.
//!
//! Belongs here: state of the screen, keys, views, dialogs, the terminal. Does not: rules (a key is dimmed because
//! `plan` refuses it), doing anything (the engine), any reading of an array or a catalogue.
//!
//! One owner of the state: [`update::update`] takes a message and gives effects, [`view::view`] draws; neither does I/O.

pub mod app;
pub mod dialog;
#[cfg(test)]
pub mod fixture;
pub mod format;
pub mod glyphs;
pub mod judge;
pub mod keys;
pub mod picture;
pub mod run;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod theme;
pub mod update;
pub mod view;
