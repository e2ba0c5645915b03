//! The terminal itself: bytes out, keys in, its modes, and its end. No state of the screen, no rules.

pub mod background;
mod decode;
pub mod input;
pub mod job;
pub mod keyboard;
pub mod paint;
pub mod tty;
