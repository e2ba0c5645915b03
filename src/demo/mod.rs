//! The demonstration site: arrays and a catalogue that look like a site after some weeks, on real bytes.
//!
//! Belongs here: reading its declaration, making it once. Does not: anything that a site does afterwards; it is a site
//! like any other, but marked.

mod declaration;
mod records;

pub use declaration::{Declaration, DeclarationError, Live, LiveState};
pub use records::of as records_of;

use crate::config::{Array, Config, ControlPlane};
use std::time::Duration;

/// Somebody looks at it right now, and its arrays cost nothing to ask.
const POLL: Duration = Duration::from_secs(1);

/// The demonstration site's configuration: it reads no file.
pub fn configuration() -> Result<Config, DeclarationError> {
    let declaration = Declaration::built_in()?;
    let mut config = Config::of_site(declaration.site.clone());
    config.engine.poll = POLL;
    config.arrays = declaration
        .arrays
        .iter()
        .map(|array| Array {
            name: array.name.clone(),
            control: ControlPlane::Embedded { home: None },
            forced_stop: None,
        })
        .collect();
    Ok(config)
}
