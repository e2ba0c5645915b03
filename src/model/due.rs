//! Which volumes a night is about: those whose interval is nearly over, and those that share a pool with them.
//!
//! Belongs here: when the next night is, and which volumes it takes. Does not: what it does with them (`plan`, `preview`).

use super::entity::Policy;
use super::identity::VolumeId;
use super::pool::PoolKey;
use super::snapshot::{Snapshot, TransactionVolumeView};
use super::units::Timestamp;
use std::collections::BTreeSet;

/// A volume is due in a night when at most this much of its interval is left, in milliseconds: nights vary by minutes, and a
/// backup by hand in the afternoon does not cost the night after it.
const SLACK: i64 = Timestamp::DAY / 2;

/// A pool, and those of the volumes that are in sets with volumes of such a pool: one that has no backup volume stops its
/// whole set. `None`: no pool, so none at all.
pub fn pools_shared_with(snapshot: &Snapshot, pool: Option<PoolKey>) -> BTreeSet<PoolKey> {
    let key = |id: VolumeId| snapshot.transaction_volume(id).map(|view| snapshot.pool_key(view));
    let mut pools: BTreeSet<PoolKey> = pool.into_iter().collect();
    loop {
        let joins = |id: &&VolumeId| key(**id).is_some_and(|key| pools.contains(&key));
        let joined = snapshot.volume_sets.iter().filter(|set| set.members.iter().any(|id| joins(&id)));
        let found: BTreeSet<PoolKey> =
            joined.flat_map(|set| &set.members).filter_map(|id| key(*id)).filter(|key| !pools.contains(key)).collect();
        if found.is_empty() {
            return pools;
        }
        pools.extend(found);
    }
}

/// The transaction volumes with a policy whose backup volumes come from these pools.
pub fn taking_part(snapshot: &Snapshot, pools: &BTreeSet<PoolKey>) -> Vec<VolumeId> {
    let takes_part =
        |view: &&TransactionVolumeView| view.volume.policy.is_some() && pools.contains(&snapshot.pool_key(view));
    snapshot.transaction_volumes.iter().filter(takes_part).map(|view| view.volume.id).collect()
}

/// The next time of day of the newest backup. Where there is none yet, now.
pub fn first_night(snapshot: &Snapshot, volumes: &[VolumeId]) -> Timestamp {
    let now = snapshot.taken_at;
    let newest = volumes.iter().filter_map(|id| last_backup(snapshot, *id)).max();
    newest.map_or(now, |newest| {
        let since = now.since(newest).rem_euclid(Timestamp::DAY);
        now.plus_millis(Timestamp::DAY - since)
    })
}

/// The newest backup that is not dated in the future.
fn last_backup(snapshot: &Snapshot, id: VolumeId) -> Option<Timestamp> {
    let backups = snapshot.generations_of(id).iter().rev().filter(|kept| !kept.is_before_restore());
    backups.map(|kept| kept.taken_at).find(|at| *at <= snapshot.taken_at)
}

/// Whether a backup is due at this time, after the last one.
pub fn is_due_after(last: Option<Timestamp>, policy: Policy, at: Timestamp) -> bool {
    last.is_none_or(|last| at.since(last) + SLACK >= policy.interval())
}

/// Whether a volume is due in a night at this time.
pub fn is_due(snapshot: &Snapshot, id: VolumeId, at: Timestamp) -> bool {
    let Some(policy) = snapshot.transaction_volume(id).and_then(|view| view.volume.policy) else { return false };
    is_due_after(last_backup(snapshot, id), policy, at)
}
