//! Step 1: which volumes the map set has, and what the pool has for them.

use super::super::draft::Draft;
use super::split;
use crate::console::choice::matches_filter;
use crate::console::types::Cursor;
use crate::model::entity::{BackupMode, Policy};
use crate::model::identity::{Name, VolumeId};
use crate::model::map_set::MapSet;
use crate::model::pool::PoolKey;
use crate::model::snapshot::{BackupState, Snapshot};
use crate::model::units::Blocks;
use std::collections::{BTreeMap, BTreeSet};

/// Backup volumes that a volume without a policy gets: one to keep, one to copy to.
const WITHOUT_POLICY: usize = 2;

#[derive(Debug)]
pub struct VolumeRow {
    pub id: VolumeId,
    pub name: String,
    /// `None`: it is not registered any more.
    pub blocks: Option<Blocks>,
    pub mode: Option<BackupMode>,
    /// Backup volumes that it needs: G + 1.
    pub needs: usize,
    /// Its own already: in a session with it, or with a generation of it.
    pub own: usize,
    /// Unused ones of its size that no other map set has.
    pub free: usize,
    /// Another map set that has it.
    pub elsewhere: Option<Name>,
}

/// What the chosen volumes of one size need of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeNeed {
    pub key: PoolKey,
    pub volumes: usize,
    pub needs: usize,
    pub own: usize,
    pub free: usize,
}

impl SizeNeed {
    fn new(key: PoolKey) -> Self {
        Self { key, volumes: 0, needs: 0, own: 0, free: 0 }
    }

    pub fn missing(&self) -> usize {
        self.needs.saturating_sub(self.own + self.free)
    }
}

#[derive(Debug, Default)]
pub struct VolumesPart {
    pub rows: Vec<VolumeRow>,
    pub cursor: Cursor<VolumeId>,
    /// Lower case.
    pub filter: String,
    pub needs: Vec<SizeNeed>,
    /// The snapshot, the draft's revision and the filter that the rows are of.
    of: Option<(u64, u64, String)>,
}

impl VolumesPart {
    pub fn settle(&mut self, snapshot: &Snapshot, draft: &Draft, height: u16) {
        let of = Some((snapshot.sequence, draft.revision, self.filter.clone()));
        if self.of != of {
            self.of = of;
            let pool = PoolCount::new(snapshot, draft.name());
            self.rows = rows(snapshot, draft, &self.filter, &pool);
            self.needs = needs(snapshot, draft.chosen(), &pool);
        }
        let rows = &self.rows;
        self.cursor.follow(rows.len(), |row| rows.get(row).map(|row| row.id));
        let (upper, _) = self.split(height);
        self.cursor.settle(rows.len(), usize::from(upper.saturating_sub(3)));
    }

    pub fn split(&self, height: u16) -> (u16, u16) {
        let lower = u16::try_from(self.needs.len().clamp(1, 6)).unwrap_or(6) + 3;
        split(height, usize::from(height), lower)
    }

    pub fn selected(&self) -> Option<&VolumeRow> {
        self.rows.get(self.cursor.selected)
    }

    pub fn move_to(&mut self, row: usize) {
        let rows = &self.rows;
        self.cursor.select(row, rows.len(), |row| rows.get(row).map(|row| row.id));
    }
}

fn rows(snapshot: &Snapshot, draft: &Draft, filter: &str, pool: &PoolCount) -> Vec<VolumeRow> {
    let shown = snapshot.transaction_volumes.iter();
    let shown = shown.filter(|view| filter.is_empty() || matches_filter(snapshot, view, filter));
    let mut rows: Vec<VolumeRow> = shown
        .map(|view| {
            let (id, blocks) = (view.volume.id, view.volume.blocks);
            let other = snapshot.map_set_of(id).filter(|set| set.name != *draft.name());
            VolumeRow {
                id,
                name: view.volume.name.to_string(),
                blocks: Some(blocks),
                mode: view.volume.policy.map(|policy| policy.mode),
                needs: needed(view.volume.policy),
                own: pool.own(id, blocks),
                free: pool.free(&snapshot.pool_key(view)),
                elsewhere: other.map(|set| set.name.clone()),
            }
        })
        .collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    // What is not registered any more stays in the map set until somebody takes it out, whatever the filter says.
    let gone = draft.chosen().iter().filter(|id| snapshot.transaction_volume(**id).is_none());
    rows.extend(gone.map(|id| VolumeRow {
        id: *id,
        name: snapshot.label(*id),
        blocks: None,
        mode: None,
        needs: 0,
        own: 0,
        free: 0,
        elsewhere: None,
    }));
    rows
}

fn needed(policy: Option<Policy>) -> usize {
    policy.map_or(WITHOUT_POLICY, Policy::backup_volumes)
}

/// What these volumes need of the pool, by size.
pub fn needs(snapshot: &Snapshot, chosen: &BTreeSet<VolumeId>, pool: &PoolCount) -> Vec<SizeNeed> {
    let mut sizes: BTreeMap<PoolKey, SizeNeed> = BTreeMap::new();
    for view in chosen.iter().filter_map(|id| snapshot.transaction_volume(*id)) {
        let (id, blocks, key) = (view.volume.id, view.volume.blocks, snapshot.pool_key(view));
        let new = SizeNeed { free: pool.free(&key), ..SizeNeed::new(key.clone()) };
        let need = sizes.entry(key).or_insert(new);
        let needs = needed(view.volume.policy);
        need.volumes += 1;
        need.needs += needs;
        need.own += pool.own(id, blocks).min(needs);
    }
    sizes.into_values().collect()
}

/// What the policies of a map set's volumes need, by size, and what its cells have of it: the figures of the plan that stores
/// it. Free are the unused backup volumes that no map has.
pub fn needs_of(snapshot: &Snapshot, set: &MapSet) -> Vec<SizeNeed> {
    let others = snapshot.map_sets.iter().filter(|other| other.name != set.name);
    let mapped: BTreeSet<VolumeId> =
        others.chain([set]).flat_map(MapSet::rows).map(|(_, row)| row.backup_volume).collect();
    let mut sizes: BTreeMap<PoolKey, SizeNeed> = BTreeMap::new();
    for view in set.transaction_volumes().into_iter().filter_map(|id| snapshot.transaction_volume(id)) {
        let Some(policy) = view.volume.policy else { continue };
        let key = snapshot.pool_key(view);
        let need = sizes.entry(key.clone()).or_insert_with(|| SizeNeed::new(key));
        let cells: BTreeSet<VolumeId> = set.rows_of(view.volume.id).map(|(_, row)| row.backup_volume).collect();
        need.volumes += 1;
        need.needs += policy.backup_volumes();
        need.own += cells.len().min(policy.backup_volumes());
    }
    for view in snapshot.pool.iter().filter(|view| view.state == BackupState::Unused) {
        if let Some(need) = sizes.get_mut(&snapshot.backup_key(view)).filter(|_| !mapped.contains(&view.volume.id)) {
            need.free += 1;
        }
    }
    sizes.into_values().collect()
}

/// Backup volumes that a map set may use: those of other map sets are not counted.
pub struct PoolCount {
    own: BTreeMap<(VolumeId, Blocks), usize>,
    free: BTreeMap<PoolKey, usize>,
}

impl PoolCount {
    pub fn new(snapshot: &Snapshot, set: &Name) -> Self {
        let others = snapshot.map_sets.iter().filter(|other| other.name != *set);
        let mapped: BTreeSet<VolumeId> = others.flat_map(MapSet::rows).map(|(_, row)| row.backup_volume).collect();
        let (mut own, mut free) = (BTreeMap::new(), BTreeMap::new());
        for view in snapshot.pool.iter().filter(|view| !mapped.contains(&view.volume.id)) {
            match (view.state, view.transaction_volume) {
                (BackupState::Unused, _) => *free.entry(snapshot.backup_key(view)).or_default() += 1,
                (
                    BackupState::Bound
                    | BackupState::Copying
                    | BackupState::Equivalent
                    | BackupState::Generation
                    | BackupState::SuspendedGeneration,
                    Some(owner),
                ) => *own.entry((owner, view.volume.blocks)).or_default() += 1,
                // What failed, or what others have, is in nobody's rounds.
                _ => {}
            }
        }
        Self { own, free }
    }

    pub fn own(&self, volume: VolumeId, blocks: Blocks) -> usize {
        self.own.get(&(volume, blocks)).copied().unwrap_or(0)
    }

    pub fn free(&self, key: &PoolKey) -> usize {
        self.free.get(key).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::fixture;
    use crate::model::device_map::grid;
    use crate::model::plan::map_rounds::shortages;

    #[test]
    fn what_the_check_says_is_missing_is_what_the_plan_says() {
        let site = fixture::demo();
        let all: Vec<VolumeId> = site.transaction_volumes.iter().map(|view| view.volume.id).collect();
        for chosen in [&all[..], &all[..4], &all[4..], &all[5..7]] {
            let empty = MapSet { name: "all".parse().unwrap(), rounds: Vec::new() };
            let set = grid::propose(&site, &empty, chosen);
            let of_plan: Vec<(PoolKey, usize)> = shortages(&site, &set)
                .into_iter()
                .filter(|short| short.volumes > 0)
                .map(|short| (short.key, short.volumes))
                .collect();
            let of_check: Vec<(PoolKey, usize)> = needs_of(&site, &set)
                .into_iter()
                .filter(|need| need.missing() > 0)
                .map(|need| (need.key.clone(), need.missing()))
                .collect();
            assert_eq!(of_check, of_plan);
        }
    }
}
