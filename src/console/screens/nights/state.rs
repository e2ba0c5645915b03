//! The state of the screen of the nights to come.

use super::view;
use crate::console::screens::screen::Context;
use crate::console::types::{Cursor, Subject};
use crate::model::identity::VolumeId;
use crate::model::preview::{Night, NightEnd, Preview, preview};
use crate::model::records::{Generation, Policy};
use crate::model::rows::Rows;
use crate::model::snapshot::{BackupVolumeView, Snapshot};
use crate::model::units::Timestamp;

/// Six weeks.
const NIGHTS: usize = 42;
/// Two weeks, where many volumes share a pool: the console answers keys meanwhile.
const NIGHTS_OF_MANY: usize = 14;
/// Volumes with a policy from which on a site has many.
const MANY: usize = 200;

/// Generations, backup volumes and policies.
type MadeFrom = (Rows<Generation>, Rows<BackupVolumeView>, Vec<Option<Policy>>);

/// The projection of one transaction volume's pool.
#[derive(Debug)]
pub struct NightsScreen {
    /// `None`: no transaction volume was selected.
    pub volume: Option<VolumeId>,
    /// `None`: the volume has no policy, or is gone.
    pub preview: Option<Preview>,
    /// Rows of [`Self::nights`].
    pub cursor: Cursor<Timestamp>,
    /// What the projection was made from: it is made anew when one of them changes.
    made_from: Option<MadeFrom>,
}

impl NightsScreen {
    pub fn new(context: &Context) -> Self {
        Self::of(context, context.selected.and_then(Subject::owner))
    }

    pub fn of(context: &Context, volume: Option<VolumeId>) -> Self {
        let mut screen = Self { volume, preview: None, cursor: Cursor::default(), made_from: None };
        screen.settle(context);
        screen
    }

    /// The nights in which something is due.
    pub fn nights(&self) -> Vec<&Night> {
        let nights = self.preview.iter().flat_map(|preview| &preview.nights);
        nights.filter(|night| !night.backups.is_empty()).collect()
    }

    /// On how many nights the volume's backup is refused.
    pub fn nights_without_backup(&self) -> usize {
        let refused = |night: &&Night| {
            self.volume.and_then(|id| night.of(id)).is_some_and(|backup| matches!(backup.end, NightEnd::Refused { .. }))
        };
        self.preview.iter().flat_map(|preview| &preview.nights).filter(refused).count()
    }

    pub fn selected(&self) -> Option<&Night> {
        self.nights().get(self.cursor.selected).copied()
    }

    /// After the site or the size changed.
    pub fn settle(&mut self, context: &Context) {
        self.project(context.snapshot());
        let at: Vec<Timestamp> = self.nights().iter().map(|night| night.at).collect();
        self.cursor.follow(at.len(), |row| at.get(row).copied());
        self.cursor.settle(at.len(), usize::from(view::list_height(context.height())));
    }

    fn project(&mut self, snapshot: &Snapshot) {
        let policies: Vec<Option<Policy>> =
            snapshot.transaction_volumes.iter().map(|view| view.volume.policy).collect();
        let is_known = self.made_from.as_ref().is_some_and(|(generations, pool, known)| {
            generations.are(&snapshot.generations) && pool.are(&snapshot.pool) && *known == policies
        });
        if is_known {
            return;
        }
        let has_policy =
            |id: &VolumeId| snapshot.transaction_volume(*id).is_some_and(|view| view.volume.policy.is_some());
        let many = policies.iter().flatten().count() >= MANY;
        let nights = if many { NIGHTS_OF_MANY } else { NIGHTS };
        self.preview = self.volume.filter(has_policy).map(|id| preview(snapshot, id, nights));
        self.made_from = Some((snapshot.generations.clone(), snapshot.pool.clone(), policies));
    }

    pub fn select(&mut self, row: usize) {
        let at: Vec<Timestamp> = self.nights().iter().map(|night| night.at).collect();
        self.cursor.select(row, at.len(), |row| at.get(row).copied());
    }
}
