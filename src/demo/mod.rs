//! The demonstration site: arrays and a catalogue that look like a site after some weeks, on real bytes.
//!
//! Belongs here: reading its declaration, making it once. Does not: anything that a site does afterwards; it is a site
//! like any other, but marked.

mod declaration;
mod records;

pub use declaration::{Declaration, DeclarationError, Live, LiveState};
pub use records::of as records_of;
