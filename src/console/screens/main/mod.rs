//! The main screen: the table of transaction volumes and the panes beside and below it. It is under all others.

pub mod keys;
pub mod layout;
pub mod state;
pub mod update;
pub mod view;
