//! The nights to come of one volume as the console keeps them: projected anew only when what they follow from has changed.

use crate::model::identity::VolumeId;
use crate::model::preview::{Preview, preview};
use crate::model::records::{Generation, Policy};
use crate::model::rows::Rows;
use crate::model::snapshot::{BackupVolumeView, Snapshot};

/// Volumes with a policy from which on a projection takes longer than a key should wait.
pub const MANY: usize = 200;

/// What a projection follows from.
#[derive(Debug)]
struct MadeFrom {
    volume: Option<VolumeId>,
    nights: usize,
    generations: Rows<Generation>,
    pool: Rows<BackupVolumeView>,
    policies: Vec<Option<Policy>>,
}

/// A projection, and what it was made from.
#[derive(Debug, Default)]
pub struct Projection {
    preview: Option<Preview>,
    made_from: Option<MadeFrom>,
}

impl Projection {
    /// `None`: no volume is chosen, or it has no policy.
    pub fn preview(&self) -> Option<&Preview> {
        self.preview.as_ref()
    }

    /// Projects so many nights for the pool of a volume, if anything that counts is other than last time.
    pub fn update(&mut self, snapshot: &Snapshot, volume: Option<VolumeId>, nights: usize) {
        let policies: Vec<Option<Policy>> =
            snapshot.transaction_volumes.iter().map(|view| view.volume.policy).collect();
        let is_known = self.made_from.as_ref().is_some_and(|known| {
            (known.volume, known.nights) == (volume, nights)
                && known.generations.are(&snapshot.generations)
                && known.pool.are(&snapshot.pool)
                && known.policies == policies
        });
        if is_known {
            return;
        }
        let has_policy =
            |id: &VolumeId| snapshot.transaction_volume(*id).is_some_and(|view| view.volume.policy.is_some());
        self.preview = volume.filter(has_policy).map(|id| preview(snapshot, id, nights));
        let (generations, pool) = (snapshot.generations.clone(), snapshot.pool.clone());
        self.made_from = Some(MadeFrom { volume, nights, generations, pool, policies });
    }

    /// Keeps nothing.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}
