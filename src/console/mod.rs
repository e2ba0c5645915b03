//! The terminal user interface: what an operator sees and presses.
//!
//! Belongs here: state of the screen, keys, views, dialogs, the terminal. Does not: rules (a key is dimmed because
//! `plan` refuses it), doing anything (the engine), any reading of an array or a catalogue.
//!
//! One owner of the state: [`update::update`] takes a message and gives effects, [`view::view`] draws; neither does I/O.

pub mod app;
pub mod availability;
pub mod away;
pub mod choice;
pub mod command_line;
pub mod dialog;
pub mod drafts;
mod editing;
pub mod events;
#[cfg(test)]
pub mod fixture;
pub mod form;
pub mod format;
pub mod gate;
pub mod glyphs;
pub mod key_table;
pub mod keys;
pub mod messages;
pub mod picture;
pub mod projection;
pub mod requests;
pub mod run;
pub mod screens;
pub mod sessions;
pub mod table;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod text_edit;
pub mod theme;
pub mod types;
pub mod unbound;
pub mod update;
pub mod view;
