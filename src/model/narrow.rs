//! A snapshot of a few volumes: what a verb on one volume needs of a site of ten thousand.

use super::identity::VolumeId;
use super::request::Action;
use super::rows::Rows;
use super::snapshot::Snapshot;
use super::verb::VerbObject;
use std::collections::BTreeSet;

impl Action {
    /// The volumes that a request is decided on, where those and what belongs to them tell all that its plan says; `None`: the
    /// rest of the site has a say, like a pool that a volume is chosen from, or names that must not be given twice.
    pub fn decided_near(&self) -> Option<BTreeSet<VolumeId>> {
        let also: &[VolumeId] = match self {
            Self::Resume { target, .. } | Self::Suspend { target, .. } | Self::ForceStop { target, .. } => {
                target.as_slice()
            }
            Self::Backup { .. } | Self::Cancel { .. } => &[],
            action if matches!(action.verb().info().object, VerbObject::Generation(_)) => &[],
            _ => return None,
        };
        Some(self.volumes().iter().chain(also).copied().collect())
    }

    /// The same for a request whose plan was made before and is compared with what may run now: the volumes that it chose
    /// are known then, and belong to it.
    pub fn kept_near(&self) -> Option<BTreeSet<VolumeId>> {
        match self {
            Self::Start { volumes, targets, .. } => {
                Some(volumes.iter().copied().chain(targets.iter().map(|(_, target)| *target)).collect())
            }
            action => action.decided_near(),
        }
    }
}

impl Snapshot {
    /// Whether a volume is registered, or an array reports it.
    pub fn knows(&self, id: VolumeId) -> bool {
        self.transaction_volume(id).is_some()
            || self.backup_volume(id).is_some()
            || self.unregistered_volume(id).is_some()
    }

    /// The same moment with these volumes only, with what belongs to them: the backup volumes and generations of a transaction
    /// volume, the transaction volume of a backup volume, their sessions, operations and maps. The site and its arrays are
    /// whole; recent events are left out. A volume that is not in it may exist nevertheless.
    #[must_use]
    pub fn of_volumes(&self, volumes: &BTreeSet<VolumeId>) -> Self {
        let is_asked = |id: &VolumeId| volumes.contains(id);
        let mut near = volumes.clone();
        // Each list is gone through once: there may be as many volumes as the site has.
        for view in &*self.pool {
            match view.transaction_volume {
                Some(owner) if is_asked(&owner) => near.extend([view.volume.id]),
                Some(owner) if is_asked(&view.volume.id) => near.extend([owner]),
                _ => {}
            }
        }
        let sessions = self.sessions.iter().map(|session| [session.pair.source, session.pair.target]);
        near.extend(sessions.filter(|ends| ends.iter().any(is_asked)).flatten());
        let generations = self.generations.iter().filter(|generation| is_asked(&generation.transaction_volume));
        near.extend(generations.map(|generation| generation.backup_volume));
        let is_near = |id: &VolumeId| near.contains(id);
        let sets = self.map_sets.iter().filter(|set| volumes.iter().any(|id| set.rows_of(*id).next().is_some()));
        Self {
            transaction_volumes: kept(&self.transaction_volumes, |view| is_near(&view.volume.id)),
            pool: kept(&self.pool, |view| is_near(&view.volume.id)),
            sessions: kept(&self.sessions, |session| is_near(&session.pair.source) || is_near(&session.pair.target)),
            generations: kept(&self.generations, |generation| is_near(&generation.transaction_volume)),
            operations: self.operations.iter().filter(|operation| is_near(&operation.volume)).cloned().collect(),
            unregistered: kept(&self.unregistered, |volume| is_near(&volume.id)),
            released: kept(&self.released, |released| {
                is_near(&released.generation.transaction_volume) || is_near(&released.generation.backup_volume)
            }),
            events: Vec::new(),
            map_sets: sets.cloned().collect(),
            volume_sets: kept(&self.volume_sets, |set| volumes.iter().any(|id| set.has(*id))),
            map_uses: kept(&self.map_uses, |used| is_near(&used.transaction_volume)),
            site: self.site.clone(),
            arrays: self.arrays.clone(),
            // Few, and a remedy may be to cancel one.
            restores: self.restores.clone(),
            catalogue: self.catalogue.clone(),
            notify: self.notify.clone(),
            not_copied: self.not_copied.clone(),
            acknowledged: self.acknowledged.clone(),
            maintenance: self.maintenance.clone(),
            take_overs: kept(&self.take_overs, |known| is_near(&known.volume)),
            ..*self
        }
    }
}

fn kept<T: Clone>(rows: &Rows<T>, is_kept: impl Fn(&T) -> bool) -> Rows<T> {
    rows.iter().filter(|row| is_kept(row)).cloned().collect()
}
