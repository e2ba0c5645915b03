//! Which round a transaction volume takes now. The round belongs to the volume, not to the night: one that missed a night
//! goes on with the round that fits it, and spoils no later one.

use super::{Plan, PlanStep};
use crate::model::entity::OperationId;
use crate::model::identity::{Name, VolumeId};
use crate::model::map_set::{MapRound, MapRow, MapSet};
use crate::model::pool::PoolKey;
use crate::model::snapshot::{BackupState, Snapshot};
use crate::model::units::{Timestamp, count, listed};
use std::collections::{BTreeMap, BTreeSet};

/// The rounds of a volume in the order in which they are tried: least recently used first, those never used before all
/// others, then in the order of the set.
pub fn in_order<'a>(
    snapshot: &Snapshot,
    set: &'a MapSet,
    transaction_volume: VolumeId,
) -> Vec<(&'a MapRound, &'a MapRow)> {
    let mut rounds: Vec<(&MapRound, &MapRow)> = set.rows_of(transaction_volume).collect();
    rounds.sort_by_key(|(_, row)| last_use(snapshot, row));
    rounds
}

/// Numbers of operations grow, whatever a clock does.
fn last_use(snapshot: &Snapshot, row: &MapRow) -> Option<OperationId> {
    snapshot.map_use(row.transaction_volume, row.backup_volume)
}

/// The same for volumes that belong together: the rounds that have all of them, least recently used first.
pub fn in_order_together<'a>(snapshot: &Snapshot, set: &'a MapSet, volumes: &[VolumeId]) -> Vec<&'a MapRound> {
    let has_all = |round: &&MapRound| volumes.iter().all(|volume| round.row(*volume).is_some());
    let mut rounds: Vec<&MapRound> = set.rounds.iter().filter(has_all).collect();
    rounds.sort_by_key(|round| volumes.iter().filter_map(|volume| last_use(snapshot, round.row(*volume)?)).max());
    rounds
}

/// Names that one line lists at most.
const LISTED: usize = 5;

/// Which rounds a plan takes, a line a map set: `map set nightly: round B for 57 volumes; round A for 3: db04, ...`.
pub fn in_words(plan: &Plan, snapshot: &Snapshot) -> Vec<String> {
    let steps = plan.items().iter().flat_map(|item| &item.steps);
    let mut sets: BTreeMap<&Name, BTreeMap<&Name, Vec<VolumeId>>> = BTreeMap::new();
    for step in steps {
        if let PlanStep::UseMapRow(used) = step {
            sets.entry(&used.map).or_default().entry(&used.round).or_default().push(used.transaction_volume);
        }
    }
    let line = |(map, rounds): (&Name, BTreeMap<&Name, Vec<VolumeId>>)| {
        let mut rounds: Vec<(&Name, Vec<VolumeId>)> = rounds.into_iter().collect();
        rounds.sort_by_key(|(_, volumes)| std::cmp::Reverse(volumes.len()));
        let usual = rounds.first().map_or(&[][..], |(_, volumes)| volumes);
        let usual_oldest = usual.iter().filter_map(|volume| last_backup(snapshot, *volume)).min();
        let mut parts = Vec::with_capacity(rounds.len());
        for (at, (round, volumes)) in rounds.iter().enumerate() {
            let many = count(volumes.len(), "volume", "volumes");
            if at == 0 {
                parts.push(format!("round {round} for {many}"));
                continue;
            }
            let missed = volumes.iter().all(|volume| last_backup(snapshot, *volume) < usual_oldest);
            let why = if missed { " that missed the last backup of the others" } else { "" };
            let names = listed(volumes.iter().map(|volume| snapshot.label(*volume)), LISTED);
            parts.push(format!("round {round} for {many}{why}: {names}"));
        }
        format!("map set {map}: {}", parts.join("; "))
    };
    sets.into_iter().map(line).collect()
}

fn last_backup(snapshot: &Snapshot, volume: VolumeId) -> Option<Timestamp> {
    snapshot.transaction_volume(volume)?.last_backup.map(|(_, at)| at)
}

/// Backup volumes of one size that a proposal or an import lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    pub key: PoolKey,
    /// Pairs that the volumes of this size lack for the generations that their policies keep, and one more.
    pub pairs: usize,
    /// How many of these no free backup volume can fill.
    pub volumes: usize,
}

/// `2 backup volumes of 96 MiB are missing for G + 1`.
impl Shortage {
    pub fn in_words(&self) -> String {
        let are = if self.volumes == 1 { "is" } else { "are" };
        format!("{} of {} {are} missing for G + 1", count(self.volumes, "backup volume", "backup volumes"), self.key)
    }
}

/// What a set lacks for the policies of its volumes, by size. Free are the unused backup volumes that no map has.
pub fn shortages(snapshot: &Snapshot, set: &MapSet) -> Vec<Shortage> {
    let others = snapshot.map_sets.iter().filter(|other| other.name != set.name);
    let mapped: BTreeSet<VolumeId> =
        others.chain([set]).flat_map(MapSet::rows).map(|(_, row)| row.backup_volume).collect();
    let mut sizes: BTreeMap<PoolKey, usize> = BTreeMap::new();
    for view in set.transaction_volumes().into_iter().filter_map(|id| snapshot.transaction_volume(id)) {
        let Some(policy) = view.volume.policy else { continue };
        let own: BTreeSet<VolumeId> = set.rows_of(view.volume.id).map(|(_, row)| row.backup_volume).collect();
        *sizes.entry(snapshot.pool_key(view)).or_default() += policy.backup_volumes().saturating_sub(own.len());
    }
    let free = |key: &PoolKey| {
        let unused =
            snapshot.pool.iter().filter(|view| view.state == BackupState::Unused && view.volume.blocks == key.blocks);
        unused.filter(|view| snapshot.backup_key(view) == *key && !mapped.contains(&view.volume.id)).count()
    };
    let short = sizes.into_iter().filter(|(_, pairs)| *pairs > 0);
    short
        .map(|(key, pairs)| {
            let volumes = pairs.saturating_sub(free(&key));
            Shortage { key, pairs, volumes }
        })
        .collect()
}
