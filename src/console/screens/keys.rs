//! The rows that screens bring to the table of keys.

use super::{events, init, main, maps, nights, reconcile, report};
use crate::console::keys::Entry;

pub fn entries() -> Vec<Entry> {
    [
        main::keys::entries(),
        events::keys::entries(),
        maps::keys::entries(),
        nights::keys::entries(),
        reconcile::keys::entries(),
        report::keys::entries(),
        init::keys::entries(),
    ]
    .concat()
}
