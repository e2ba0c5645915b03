//! The state of the screen of the nights to come.

use crate::console::projection::{MANY, Projection};
use crate::console::screens::screen::Context;
use crate::console::screens::two_panels;
use crate::console::types::{Cursor, Subject};
use crate::model::identity::VolumeId;
use crate::model::preview::{Night, NightEnd, Preview};
use crate::model::units::Timestamp;

/// Six weeks.
const NIGHTS: usize = 42;
/// Two weeks, where many volumes share a pool: the console answers keys meanwhile.
const NIGHTS_OF_MANY: usize = 14;
/// The projection of one transaction volume's pool.
#[derive(Debug)]
pub struct NightsScreen {
    /// `None`: no transaction volume was selected.
    pub volume: Option<VolumeId>,
    projection: Projection,
    /// Rows of [`Self::nights`].
    pub cursor: Cursor<Timestamp>,
}

impl NightsScreen {
    pub fn new(context: &Context) -> Self {
        Self::of(context, context.selected.and_then(Subject::owner))
    }

    pub fn of(context: &Context, volume: Option<VolumeId>) -> Self {
        let mut screen = Self { volume, projection: Projection::default(), cursor: Cursor::default() };
        screen.settle(context);
        screen
    }

    /// `None`: the volume has no policy, or is gone.
    pub fn preview(&self) -> Option<&Preview> {
        self.projection.preview()
    }

    /// The nights in which something is due.
    pub fn nights(&self) -> Vec<&Night> {
        let nights = self.preview().into_iter().flat_map(|preview| &preview.nights);
        nights.filter(|night| !night.backups.is_empty()).collect()
    }

    /// On how many nights the volume's backup is refused.
    pub fn nights_without_backup(&self) -> usize {
        let refused = |night: &&Night| {
            self.volume.and_then(|id| night.of(id)).is_some_and(|backup| matches!(backup.end, NightEnd::Refused { .. }))
        };
        self.preview().into_iter().flat_map(|preview| &preview.nights).filter(refused).count()
    }

    pub fn selected(&self) -> Option<&Night> {
        self.nights().get(self.cursor.selected).copied()
    }

    /// After the site or the size changed.
    pub fn settle(&mut self, context: &Context) {
        let snapshot = context.snapshot();
        let with_policy = snapshot.transaction_volumes.iter().filter(|view| view.volume.policy.is_some());
        let nights = if with_policy.count() >= MANY { NIGHTS_OF_MANY } else { NIGHTS };
        self.projection.update(snapshot, self.volume, nights);
        let at: Vec<Timestamp> = self.nights().iter().map(|night| night.at).collect();
        self.cursor.follow(at.len(), |row| at.get(row).copied());
        self.cursor.settle(at.len(), usize::from(two_panels::list_height(context.height())));
    }

    pub fn select(&mut self, row: usize) {
        let at: Vec<Timestamp> = self.nights().iter().map(|night| night.at).collect();
        self.cursor.select(row, at.len(), |row| at.get(row).copied());
    }
}
