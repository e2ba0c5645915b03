//! The screens. Each is a folder with its state, what keys do to it (update), how it is drawn (view) and its keys.
//!
//! Belongs here: one folder a screen, the list of their keys ([`keys`]), what a screen is ([`screen`]), and which scope opens
//! which ([`open`]). Does not: dialogs and forms, which all screens share; asking the engine (`update`).

pub mod events;
pub mod init;
pub mod keys;
pub mod main;
pub mod maps;
pub mod nights;
pub mod reconcile;
pub mod report;
pub mod screen;
mod two_panels;

use super::keys::Scope;
use screen::{Context, Screen};

/// A new screen of that scope; `None` for the main screen, which is always there.
pub fn open(scope: Scope, context: &Context) -> Option<Box<dyn Screen>> {
    match scope {
        Scope::Everywhere | Scope::Main => None,
        Scope::Events => Some(Box::new(events::EventsScreen::new(context))),
        Scope::Init => Some(Box::new(init::InitScreen::new(context))),
        Scope::Nights => Some(Box::new(nights::NightsScreen::new(context))),
        Scope::Report => Some(Box::new(report::ReportScreen::new(context))),
        Scope::Reconcile => Some(Box::new(reconcile::ReconcileScreen::new(context))),
        Scope::Maps => Some(Box::new(maps::MapsScreen::new(context))),
    }
}
