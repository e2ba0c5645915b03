//! The instants of a set: which backups of it are kept, and of which volumes.

use super::entity::{Generation, GenerationState, OperationId, SetInstant};
use super::identity::VolumeId;
use super::snapshot::Snapshot;
use super::units::{Timestamp, Version};
use super::volume_set::VolumeSet;
use std::collections::BTreeMap;

/// The generations of one backup of a set, as far as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptInstant {
    /// The backup that recorded them.
    pub operation: OperationId,
    pub taken_at: Timestamp,
    /// Of each volume of the set that has one.
    pub versions: BTreeMap<VolumeId, Version>,
    /// Every volume of the set has one.
    pub is_whole: bool,
    /// All of them are valid.
    pub is_valid: bool,
}

impl KeptInstant {
    /// Who says that it is one instant, and how wide it is.
    pub fn proof<'a>(&self, snapshot: &'a Snapshot) -> Option<&'a SetInstant> {
        let (volume, version) = self.versions.first_key_value()?;
        let kept = snapshot.generation(*volume, *version)?;
        kept.set.as_ref()
    }
}

/// The instants of which a volume of the set keeps a generation, the newest first.
pub fn kept(snapshot: &Snapshot, set: &VolumeSet) -> Vec<KeptInstant> {
    let mut found: BTreeMap<OperationId, Vec<&Generation>> = BTreeMap::new();
    for generation in set.members.iter().flat_map(|id| snapshot.generations_of(*id)) {
        if let (Some(operation), Some(_)) = (generation.operation, &generation.set) {
            found.entry(operation).or_default().push(generation);
        }
    }
    let mut instants: Vec<KeptInstant> = found
        .into_iter()
        .filter_map(|(operation, generations)| {
            let versions: BTreeMap<VolumeId, Version> =
                generations.iter().map(|kept| (kept.transaction_volume, kept.version)).collect();
            Some(KeptInstant {
                operation,
                taken_at: generations.first()?.taken_at,
                is_whole: versions.len() == set.members.len(),
                is_valid: generations.iter().all(|kept| kept.state == GenerationState::Valid),
                versions,
            })
        })
        .collect();
    instants.sort_by_key(|instant| std::cmp::Reverse((instant.taken_at, instant.operation)));
    instants
}

/// The generation of a volume that a backup of its set recorded.
pub fn generation_of(snapshot: &Snapshot, volume: VolumeId, instant: OperationId) -> Option<&Generation> {
    let of_it = |kept: &&Generation| kept.operation == Some(instant) && kept.set.is_some();
    snapshot.generations_of(volume).iter().find(of_it)
}

/// The instant in which a volume of the set has this version. Versions of a set's volumes may differ.
///
/// # Errors
/// None is kept, or the number is in several of them.
pub fn with_version(instants: &[KeptInstant], version: Version) -> Result<&KeptInstant, String> {
    let has = |instant: &&KeptInstant| instant.versions.values().any(|kept| *kept == version);
    let mut found = instants.iter().filter(has);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!("no volume keeps {version} of a backup of the set")),
        (Some(_), Some(_)) => {
            Err(format!("{version} is in several backups of the set, because its volumes count apart: give --instant"))
        }
    }
}

/// The newest whole and valid instant that is not newer than a time.
pub fn before(instants: &[KeptInstant], limit: Timestamp) -> Option<&KeptInstant> {
    instants.iter().find(|instant| instant.is_whole && instant.is_valid && instant.taken_at <= limit)
}
