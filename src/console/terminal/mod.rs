//! The terminal itself: bytes out, keys in, its modes, and its end. No state of the screen, no rules.

pub mod paint;
