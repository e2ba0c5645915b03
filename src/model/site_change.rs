//! Several changes of a site as one wish: volumes that come in, names, policies, map sets. All of it is done, or nothing.

use super::entity::Policy;
use super::host_report::Wwid;
use super::identity::{Name, VolumeId};
use super::map_set::MapSet;
use super::volume_group::{BackupGroup, GroupPlace, RegisteredGroup};
use super::volume_set::VolumeSet;
use serde::{Deserialize, Serialize};

/// The role that a volume is registered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeRole {
    Transaction,
    Backup,
}

/// A volume that is to be registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVolume {
    pub volume: VolumeId,
    pub role: VolumeRole,
    /// `None`: a transaction volume gets the array's name for it or `ARRAY-0x21`, a backup volume none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Name>,
    /// `None`: it is a plain volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<NewGroup>,
}

/// The volume group that a new volume is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewGroup {
    /// As a person names it: the engine asks the host whose identities these are, before it plans.
    At(GroupPlace),
    /// As the host reports it, of a transaction volume.
    Transaction(Box<RegisteredGroup>),
    /// The same of a backup volume.
    Backup(Box<BackupGroup>),
}

impl NewGroup {
    pub fn place(&self) -> GroupPlace {
        match self {
            Self::At(place) => place.clone(),
            Self::Transaction(group) => group.place(),
            Self::Backup(group) => group.place(),
        }
    }

    /// The WWID of its disk, once that is known.
    pub fn disk(&self) -> Option<&Wwid> {
        match self {
            Self::At(_) => None,
            Self::Transaction(group) => Some(&group.disk),
            Self::Backup(group) => Some(&group.disk),
        }
    }
}

/// A map set as it is to be, and the fingerprint of the stored one that this was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapChange {
    pub set: MapSet,
    /// `None`: there was none of this name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
}

/// What is to become of a site. Nothing in it takes anything away.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SiteChange {
    /// New names of registered volumes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<(VolumeId, Name)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<NewVolume>,
    /// Policies of transaction volumes that are registered, or in `volumes`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<(VolumeId, Policy)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub maps: Vec<MapChange>,
    /// Sets with the transaction volumes that come into them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<VolumeSet>,
}

impl SiteChange {
    /// Changes of one request, at most: what a frame from a client holds, with room to spare.
    pub const MAX_CHANGES: usize = 100_000;

    pub fn len(&self) -> usize {
        self.names.len() + self.volumes.len() + self.policies.len() + self.maps.len() + self.sets.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same with at most `most` of each kind, for an event.
    #[must_use]
    pub fn abridged(&self, most: usize) -> Self {
        let mut short = self.clone();
        short.names.truncate(most);
        short.volumes.truncate(most);
        short.policies.truncate(most);
        short.maps.truncate(most);
        short.sets.truncate(most);
        for set in &mut short.sets {
            set.members.truncate(most);
        }
        for map in &mut short.maps {
            map.set = map.set.abridged(most);
        }
        short
    }
}
