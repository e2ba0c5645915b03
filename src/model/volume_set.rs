//! Sets: transaction volumes that belong together, such as the volumes of one database.

use super::identity::{Name, VolumeId};
use serde::{Deserialize, Serialize};

/// Transaction volumes that are synchronized and backed up together. A transaction volume is in one set at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSet {
    pub name: Name,
    /// Sorted, each once; never empty in the catalogue.
    pub members: Vec<VolumeId>,
}

impl VolumeSet {
    /// Volumes of one set at most.
    pub const MAX_MEMBERS: usize = 1_000;

    pub fn new(name: Name, mut members: Vec<VolumeId>) -> Self {
        members.sort_unstable();
        members.dedup();
        Self { name, members }
    }

    pub fn has(&self, transaction_volume: VolumeId) -> bool {
        self.members.binary_search(&transaction_volume).is_ok()
    }

    /// The set with these volumes too.
    #[must_use]
    pub fn with(&self, more: &[VolumeId]) -> Self {
        Self::new(self.name.clone(), self.members.iter().chain(more).copied().collect())
    }

    /// The set without these volumes.
    #[must_use]
    pub fn without(&self, gone: &[VolumeId]) -> Self {
        let members = self.members.iter().filter(|id| !gone.contains(id)).copied().collect();
        Self { name: self.name.clone(), members }
    }
}
