//! Steps that put transaction volumes into sets and take them out.

use super::{DigestText, Done, NotKeepable, Step, StepChanges, VolumeNames};
use crate::model::codes::Code;
use crate::model::entity_change::EntityChange;
use crate::model::event::EventKind;
use crate::model::identity::{Name, VolumeId};
use crate::model::units::{count, listed};
use crate::model::volume_set::VolumeSet;
use serde::{Deserialize, Serialize};

/// Puts transaction volumes into a set, which is made if there is none of this name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddToSetStep {
    pub name: Name,
    pub volumes: Vec<VolumeId>,
}

impl Step for AddToSetStep {
    fn agree(&self, digest: &mut DigestText) {
        for volume in &self.volumes {
            digest.line(format_args!(" set {} with {volume}", self.name));
        }
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("add {} to set {}", labels(&self.volumes, names), self.name)
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        for &volume in &self.volumes {
            done.catalogue.transaction_volume(volume).ok_or_else(|| NotKeepable::unregistered(volume))?;
            if let Some(other) = done.catalogue.volume_set_of(volume).filter(|other| other.name != self.name) {
                let why = format!("{volume} is in set {} by now, so nothing was added", other.name);
                return Err(NotKeepable::new(Code::IN_ANOTHER_SET, why));
            }
        }
        let before = done.catalogue.volume_set(&self.name);
        let after = match before {
            Some(set) => set.with(&self.volumes),
            None => VolumeSet::new(self.name.clone(), self.volumes.clone()),
        };
        let added = after.members.iter().filter(|id| !before.is_some_and(|set| set.has(**id))).copied().collect();
        let event = EventKind::SetExtended { set: self.name.clone(), added, members: after.members.len() };
        Ok(StepChanges::one(EntityChange::PutVolumeSet(after), event))
    }
}

/// Takes transaction volumes out of a set. The set ends with its last volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveFromSetStep {
    pub name: Name,
    pub volumes: Vec<VolumeId>,
    /// As it was planned: nothing is left of the set.
    pub whole: bool,
}

impl Step for RemoveFromSetStep {
    fn agree(&self, digest: &mut DigestText) {
        for volume in &self.volumes {
            digest.line(format_args!(" set {} without {volume}", self.name));
        }
        if self.whole {
            digest.line(format_args!(" set {} ends", self.name));
        }
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        if self.whole {
            let volumes = count(self.volumes.len(), "volume", "volumes");
            return format!("remove set {}; its {volumes} and their backups stay", self.name);
        }
        format!("take {} out of set {}; its backups stay", labels(&self.volumes, names), self.name)
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let Some(before) = done.catalogue.volume_set(&self.name) else { return Ok(StepChanges::default()) };
        let taken: Vec<VolumeId> = self.volumes.iter().filter(|id| before.has(**id)).copied().collect();
        let after = before.without(&taken);
        let event = EventKind::SetReduced { set: self.name.clone(), taken, members: after.members.len() };
        let change = if after.members.is_empty() {
            EntityChange::RemoveVolumeSet { name: self.name.clone() }
        } else {
            EntityChange::PutVolumeSet(after)
        };
        Ok(StepChanges::one(change, event))
    }
}

/// Names that one sentence lists at most.
const LISTED: usize = 10;

fn labels(volumes: &[VolumeId], names: &dyn VolumeNames) -> String {
    listed(volumes.iter().map(|id| names.label(*id)), LISTED)
}
