//! Steps that store, remove and use map sets.

use super::{DigestText, Done, NotKeepable, Step, StepChanges, VolumeNames};
use crate::model::entity_change::EntityChange;
use crate::model::event::EventKind;
use crate::model::identity::{Name, VolumeId};
use crate::model::map_set::MapSet;
use crate::model::units::count;
use serde::{Deserialize, Serialize};

/// Adds a map set, or replaces the one of its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutMapSetStep {
    pub set: MapSet,
    /// By an edit of the stored one.
    pub edited: bool,
}

impl Step for PutMapSetStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" map set {} {}", self.set.name, self.set.fingerprint()));
    }

    fn sentence(&self, _names: &dyn VolumeNames) -> String {
        let set = &self.set;
        let (rounds, pairs) = (count(set.rounds.len(), "round", "rounds"), count(set.pairs(), "pair", "pairs"));
        let volumes = count(set.transaction_volumes().len(), "volume", "volumes");
        format!("store map set {}: {rounds}, {volumes}, {pairs}", set.name)
    }

    fn changes(&self, _done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let (set, edited) = (&self.set, self.edited);
        let rounds = set.rounds.iter().map(|round| round.name.clone()).collect();
        let event = EventKind::MapStored { map: set.name.clone(), rounds, pairs: set.pairs(), edited };
        Ok(StepChanges::one(EntityChange::PutMapSet(set.clone()), event))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoveMapSetStep {
    pub name: Name,
    pub pairs: usize,
}

impl Step for RemoveMapSetStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" remove map set {}", self.name));
    }

    fn sentence(&self, _names: &dyn VolumeNames) -> String {
        format!("remove map set {} with {}", self.name, count(self.pairs, "pair", "pairs"))
    }

    fn changes(&self, _done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let event = EventKind::MapRemoved { map: self.name.clone() };
        Ok(StepChanges::one(EntityChange::RemoveMapSet { name: self.name.clone() }, event))
    }
}

/// The start before it was paired by this round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseMapRowStep {
    pub map: Name,
    pub round: Name,
    pub transaction_volume: VolumeId,
    pub backup_volume: VolumeId,
}

impl Step for UseMapRowStep {
    fn agree(&self, digest: &mut DigestText) {
        let Self { map, round, transaction_volume, backup_volume } = self;
        digest.line(format_args!(" by {map} {round} {transaction_volume}>{backup_volume}"));
    }

    fn sentence(&self, _names: &dyn VolumeNames) -> String {
        format!("by round {} of map set {}", self.round, self.map)
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let (volume, backup_volume) = (self.transaction_volume, self.backup_volume);
        let (map, round) = (self.map.clone(), self.round.clone());
        let event = EventKind::MapUsed { map, round, volume, backup_volume };
        let change = EntityChange::UseMapRow { transaction_volume: volume, backup_volume, operation: done.operation };
        Ok(StepChanges::one(change, event))
    }
}
