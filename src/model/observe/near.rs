//! The snapshot of a few volumes and what belongs to them, made without making that of the site: the same rules, on what they
//! need. Its cost in rows is that of the volumes; the site is only gone through.

use super::{ArraySource, Sources, build};
use crate::model::identity::VolumeId;
use crate::model::records::{OperationId, Records};
use crate::model::rows::Rows;
use crate::model::session::{Pair, Reading};
use crate::model::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The rows of these volumes, of the volumes that share a session, a generation or an operation with one of them, and what
/// there is between those: each as it is in the snapshot of the site. What is not in it may exist nevertheless.
pub fn build_near(sources: &Sources<'_>, volumes: &BTreeSet<VolumeId>) -> Snapshot {
    let shown = joined(sources, volumes);
    // A row says what its neighbours do to it.
    let needed = joined(sources, &shown);
    let records = records(sources.records, &needed);
    let arrays: Vec<ArraySource> = sources.arrays.iter().map(|array| part(array, &needed)).collect();
    let mut snapshot = build(&Sources { records: &records, arrays: &arrays, ..*sources });
    let is_shown = |id: VolumeId| shown.contains(&id);
    keep(&mut snapshot.transaction_volumes, |view| is_shown(view.volume.id));
    keep(&mut snapshot.pool, |view| is_shown(view.volume.id));
    keep(&mut snapshot.sessions, |session| is_either(&session.pair, is_shown));
    keep(&mut snapshot.generations, |kept| is_shown(kept.transaction_volume) && is_shown(kept.backup_volume));
    keep(&mut snapshot.take_overs, |known| is_shown(known.volume));
    keep(&mut snapshot.unregistered, |volume| is_shown(volume.id));
    snapshot
}

fn keep<T: Clone>(rows: &mut Rows<T>, is_kept: impl Fn(&T) -> bool) {
    rows.retain(|row| is_kept(row));
}

fn is_either(pair: &Pair, is: impl Fn(VolumeId) -> bool) -> bool {
    is(pair.source) || is(pair.target)
}

/// The volumes, and those that share something with one of them.
pub fn joined(sources: &Sources<'_>, volumes: &BTreeSet<VolumeId>) -> BTreeSet<VolumeId> {
    let records = sources.records;
    let mut all = volumes.clone();
    let mut join = |one: VolumeId, other: VolumeId| {
        if volumes.contains(&one) {
            all.insert(other);
        }
        if volumes.contains(&other) {
            all.insert(one);
        }
    };
    records.sessions.keys().for_each(|pair| join(pair.source, pair.target));
    let readings = sources.arrays.iter().filter_map(|array| array.reading.as_deref());
    readings.flat_map(|reading| &reading.sessions).for_each(|session| join(session.pair.source, session.pair.target));
    let kept = records.generations.values();
    let kept = kept.chain(records.released.values().map(|released| &released.generation));
    kept.for_each(|generation| join(generation.transaction_volume, generation.backup_volume));
    for operation in records.operations.values() {
        let claimed = &operation.item.claims;
        if claimed.iter().any(|id| volumes.contains(id)) {
            all.extend(claimed);
        }
    }
    all
}

/// What the records have of these volumes.
fn records(records: &Records, needed: &BTreeSet<VolumeId>) -> Records {
    let is_needed = |id: VolumeId| needed.contains(&id);
    let each = || needed.iter();
    let row = |id: &VolumeId| Some((*id, records.transaction_volumes.get(id)?.clone()));
    let backup = |id: &VolumeId| Some((*id, records.backup_volumes.get(id)?.clone()));
    let mut part = Records::default();
    part.transaction_volumes = each().filter_map(row).collect();
    part.backup_volumes = each().filter_map(backup).collect();
    let kept = records.generations.iter();
    // All restores are told, with what they restore.
    let restored: BTreeSet<VolumeId> = records.restores().map(|mark| mark.pair.source).collect();
    let kept = kept.filter(|(_, kept)| {
        let on = kept.backup_volume;
        is_needed(kept.transaction_volume) || is_needed(on) || restored.contains(&on)
    });
    part.generations = kept.map(|(key, kept)| (*key, kept.clone())).collect();
    let sessions = records.sessions.values().filter(|session| is_either(&session.pair, is_needed));
    let sessions = sessions.chain(records.restores());
    part.sessions = sessions.map(|session| (session.pair, session.clone())).collect();
    let watches = each().filter_map(|id| Some((*id, records.group_watches.get(id)?.clone())));
    part.group_watches = watches.collect();
    let released = records.released.iter();
    let released =
        released.filter(|(on, released)| is_needed(**on) || is_needed(released.generation.transaction_volume));
    part.released = released.map(|(on, released)| (*on, released.clone())).collect();
    let restoring: BTreeSet<OperationId> = records.restores().filter_map(|mark| mark.operation).collect();
    let operations = records
        .operations
        .iter()
        .filter(|(id, open)| restoring.contains(*id) || open.item.claims.iter().any(|volume| is_needed(*volume)));
    part.operations = operations.map(|(id, open)| (*id, open.clone())).collect();
    part.claims = each().filter_map(|id| Some((*id, records.claims.get(id)?.clone()))).collect();
    part.arrays.clone_from(&records.arrays);
    part.acknowledgements.clone_from(&records.acknowledgements);
    part.maintenance.clone_from(&records.maintenance);
    part.take_overs = each().filter_map(|id| Some((*id, records.take_overs.get(id)?.clone()))).collect();
    let map_sets = records.map_sets.iter();
    let map_sets = map_sets.filter(|(_, set)| {
        set.rows().any(|(_, row)| is_needed(row.transaction_volume) || is_needed(row.backup_volume))
    });
    part.map_sets = map_sets.map(|(name, set)| (name.clone(), set.clone())).collect();
    let uses = records.map_uses.iter().filter(|((transaction_volume, _), _)| is_needed(*transaction_volume));
    part.map_uses = uses.map(|(pair, operation)| (*pair, *operation)).collect();
    let volume_sets = records.volume_sets.iter().filter(|(_, set)| needed.iter().any(|id| set.has(*id)));
    part.volume_sets = volume_sets.map(|(name, set)| (name.clone(), set.clone())).collect();
    (part.next_operation, part.next_epoch) = (records.next_operation, records.next_epoch);
    part
}

/// What an array reports of these volumes.
fn part(array: &ArraySource, needed: &BTreeSet<VolumeId>) -> ArraySource {
    let is_needed = |id: VolumeId| needed.contains(&id);
    let reading = |reading: &Reading| Arc::new(reading.with_sessions(|pair| is_either(pair, is_needed)));
    ArraySource {
        name: array.name.clone(),
        box_id: array.box_id,
        reach: array.reach.clone(),
        capabilities: array.capabilities.clone(),
        reading: array.reading.as_deref().map(reading),
        took_millis: array.took_millis,
        volumes: array
            .volumes
            .as_ref()
            .map(|list| Arc::new(list.iter().filter(|volume| is_needed(volume.id)).cloned().collect())),
    }
}
