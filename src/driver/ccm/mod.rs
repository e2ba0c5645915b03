//! The CCM driver: arrays driven by `AdvancedCopy` Manager's Copy Control Module (`acec`, `acopc`, `accopy`, ... with `-xml`),
//! on this machine or on one reached over OpenSSH.
//!
//! Belongs here: CCM's commands, names, answers and words. Does not: what is legal (model),
//! when something is asked (engine). What CCM's public pages do not show is inferred here and marked so where it stands.

mod add;
mod array;
pub mod command;
pub mod doctor;
mod driver;
mod execution;
mod groups;
pub mod kind;
mod looks;
pub mod names;
mod reading;
pub mod refusal;
pub mod reply;
pub mod server;
pub mod settings;
mod unknown_terms;
pub mod word_table;
pub mod xml;

pub use array::CcmDriver;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod verb_tests;
