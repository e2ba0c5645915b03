//! The step of several changes of the site: all of them in one commit, or none.

use super::{DigestText, Done, Lookup, NotKeepable, PlanStep, Step, StepChanges, VolumeNames};
use crate::model::entity::{BackupVolume, Generation, OurSession, ReleasedGeneration, TransactionVolume};
use crate::model::entity_change::EntityChange;
use crate::model::identity::{Name, VolumeId};
use crate::model::session::Pair;
use crate::model::units::{Version, count};
use crate::model::volume_set::VolumeSet;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Changes of the catalogue that are kept together. None of them does anything on an array.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeSiteStep {
    /// In the order in which they are made: a later one sees what an earlier one changed.
    pub parts: Vec<PlanStep>,
}

impl Step for ChangeSiteStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" all of"));
        for part in &self.parts {
            part.agree(digest);
        }
    }

    fn sentence(&self, _names: &dyn VolumeNames) -> String {
        let of = |wanted: fn(&PlanStep) -> bool| self.parts.iter().filter(|part| wanted(part)).count();
        let kinds = [
            ("rename ", of(|part| matches!(part, PlanStep::Rename(_))), "volume", "volumes"),
            (
                "register ",
                of(|part| matches!(part, PlanStep::RegisterTransaction(_))),
                "transaction volume",
                "transaction volumes",
            ),
            ("add ", of(|part| matches!(part, PlanStep::RegisterBackup(_))), "backup volume", "backup volumes"),
            ("set ", of(|part| matches!(part, PlanStep::SetPolicy(_))), "policy", "policies"),
            ("store ", of(|part| matches!(part, PlanStep::PutMapSet(_))), "map set", "map sets"),
            ("extend ", of(|part| matches!(part, PlanStep::AddToSet(_))), "set", "sets"),
        ];
        let some = kinds.into_iter().filter(|(_, number, ..)| *number > 0);
        let words: Vec<String> =
            some.map(|(verb, number, one, many)| verb.to_owned() + &count(number, one, many)).collect();
        format!("{}: all of it, or nothing", words.join(", "))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let mut all = StepChanges::default();
        let mut changed = Changed::over(done.catalogue);
        for part in &self.parts {
            let made = part.changes(&Done { catalogue: &changed, ..*done })?;
            made.changes.iter().for_each(|change| changed.take(change));
            all.changes.extend(made.changes);
            all.events.extend(made.events);
        }
        Ok(all)
    }

    fn parts(&self) -> &[PlanStep] {
        &self.parts
    }
}

/// A catalogue with the changes on top that the parts before have made of it.
struct Changed<'a> {
    before: &'a dyn Lookup,
    transaction_volumes: BTreeMap<VolumeId, TransactionVolume>,
    backup_volumes: BTreeMap<VolumeId, BackupVolume>,
    /// `None`: no volume is called so any more.
    names: BTreeMap<Name, Option<VolumeId>>,
    volume_sets: BTreeMap<Name, VolumeSet>,
}

impl<'a> Changed<'a> {
    fn over(before: &'a dyn Lookup) -> Self {
        Self {
            before,
            transaction_volumes: BTreeMap::new(),
            backup_volumes: BTreeMap::new(),
            names: BTreeMap::new(),
            volume_sets: BTreeMap::new(),
        }
    }

    fn take(&mut self, change: &EntityChange) {
        match change {
            EntityChange::PutTransactionVolume(volume) => {
                let before = self.transaction_volume(volume.id).map(|known| known.name.clone());
                self.rename(volume.id, before, Some(&volume.name));
                self.transaction_volumes.insert(volume.id, volume.clone());
            }
            EntityChange::PutBackupVolume(volume) => {
                let before = self.backup_volume(volume.id).and_then(|known| known.name.clone());
                self.rename(volume.id, before, volume.name.as_ref());
                self.backup_volumes.insert(volume.id, volume.clone());
            }
            EntityChange::PutVolumeSet(set) => {
                self.volume_sets.insert(set.name.clone(), set.clone());
            }
            _ => {}
        }
    }

    fn rename(&mut self, id: VolumeId, before: Option<Name>, now: Option<&Name>) {
        if let Some(before) = before {
            self.names.insert(before, None);
        }
        if let Some(now) = now {
            self.names.insert(now.clone(), Some(id));
        }
    }
}

impl Lookup for Changed<'_> {
    fn transaction_volume(&self, id: VolumeId) -> Option<&TransactionVolume> {
        self.transaction_volumes.get(&id).or_else(|| self.before.transaction_volume(id))
    }

    fn backup_volume(&self, id: VolumeId) -> Option<&BackupVolume> {
        self.backup_volumes.get(&id).or_else(|| self.before.backup_volume(id))
    }

    fn generation(&self, transaction_volume: VolumeId, version: Version) -> Option<&Generation> {
        self.before.generation(transaction_volume, version)
    }

    fn generation_on(&self, backup_volume: VolumeId) -> Option<&Generation> {
        self.before.generation_on(backup_volume)
    }

    fn generations_of(&self, transaction_volume: VolumeId) -> Vec<&Generation> {
        self.before.generations_of(transaction_volume)
    }

    fn released_on(&self, backup_volume: VolumeId) -> Option<&ReleasedGeneration> {
        self.before.released_on(backup_volume)
    }

    fn newest_generation(&self, transaction_volume: VolumeId) -> Option<&Generation> {
        self.before.newest_generation(transaction_volume)
    }

    fn our_session(&self, pair: &Pair) -> Option<&OurSession> {
        self.before.our_session(pair)
    }

    fn restores_to(&self, target: VolumeId) -> Vec<Pair> {
        self.before.restores_to(target)
    }

    fn named(&self, name: &Name) -> Option<VolumeId> {
        self.names.get(name).copied().unwrap_or_else(|| self.before.named(name))
    }

    fn volume_set(&self, name: &Name) -> Option<&VolumeSet> {
        self.volume_sets.get(name).or_else(|| self.before.volume_set(name))
    }

    fn volume_set_of(&self, transaction_volume: VolumeId) -> Option<&VolumeSet> {
        let changed = self.volume_sets.values().find(|set| set.has(transaction_volume));
        // A part only ever adds to a set, so a set of before still has its volumes.
        changed.or_else(|| self.before.volume_set_of(transaction_volume))
    }
}
