//! ecdeck.
fn main() {}
