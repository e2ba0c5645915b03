//! The difference between two snapshots, so that a client is sent what changed and not everything.

use super::identity::VolumeId;
use super::records::{Generation, OperationId};
use super::session::{ArrayVolume, Pair};
use super::snapshot::{
    ArrayView, BackupVolumeView, EventLine, OperationView, SessionView, Site, Snapshot, TransactionVolumeView,
};
use super::units::{Timestamp, Version};
use serde::{Deserialize, Serialize};

/// What makes `sequence` out of `base`. Lists hold what is new or different, and the keys of what is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotChange {
    /// The sequence of the snapshot that this applies to.
    pub base: u64,
    pub sequence: u64,
    pub taken_at: Timestamp,
    pub site: Option<Site>,
    pub arrays: Option<Vec<ArrayView>>,
    pub transaction_volumes: ListChange<VolumeId, TransactionVolumeView>,
    pub pool: ListChange<VolumeId, BackupVolumeView>,
    pub sessions: ListChange<Pair, SessionView>,
    pub generations: ListChange<(VolumeId, Version), Generation>,
    pub operations: ListChange<OperationId, OperationView>,
    pub unregistered: ListChange<VolumeId, ArrayVolume>,
    /// Events after the newest one of the base.
    pub events: Vec<EventLine>,
}

/// What happened to one sorted list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListChange<K, V> {
    pub put: Vec<V>,
    pub gone: Vec<K>,
}

/// A change that belongs to another snapshot: ask for a whole one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the change is for snapshot {wanted}, this is {found}")]
pub struct WrongBase {
    pub wanted: u64,
    pub found: u64,
}

impl<K, V> ListChange<K, V> {
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.gone.is_empty()
    }
}

impl SnapshotChange {
    /// What leads from `old` to `new`. Both lists of every kind are sorted by their key.
    pub fn between(old: &Snapshot, new: &Snapshot) -> Self {
        let newest = old.events.last().map_or(0, |event| event.sequence);
        Self {
            base: old.sequence,
            sequence: new.sequence,
            taken_at: new.taken_at,
            site: (old.site != new.site).then(|| new.site.clone()),
            arrays: (old.arrays != new.arrays).then(|| new.arrays.clone()),
            transaction_volumes: difference(&old.transaction_volumes, &new.transaction_volumes, |view| view.volume.id),
            pool: difference(&old.pool, &new.pool, |view| view.volume.id),
            sessions: difference(&old.sessions, &new.sessions, |session| session.pair),
            generations: difference(&old.generations, &new.generations, generation_key),
            operations: difference(&old.operations, &new.operations, |operation| operation.id),
            unregistered: difference(&old.unregistered, &new.unregistered, |volume| volume.id),
            events: new.events.iter().filter(|event| event.sequence > newest).cloned().collect(),
        }
    }

    /// Makes the new snapshot out of the old one.
    pub fn apply(self, snapshot: &mut Snapshot) -> Result<(), WrongBase> {
        if snapshot.sequence != self.base {
            return Err(WrongBase { wanted: self.base, found: snapshot.sequence });
        }
        snapshot.sequence = self.sequence;
        snapshot.taken_at = self.taken_at;
        if let Some(site) = self.site {
            snapshot.site = site;
        }
        if let Some(arrays) = self.arrays {
            snapshot.arrays = arrays;
        }
        merge(&mut snapshot.transaction_volumes, self.transaction_volumes, |view| view.volume.id);
        merge(&mut snapshot.pool, self.pool, |view| view.volume.id);
        merge(&mut snapshot.sessions, self.sessions, |session| session.pair);
        merge(&mut snapshot.generations, self.generations, generation_key);
        merge(&mut snapshot.operations, self.operations, |operation| operation.id);
        merge(&mut snapshot.unregistered, self.unregistered, |volume| volume.id);
        snapshot.events.extend(self.events);
        let surplus = snapshot.events.len().saturating_sub(Snapshot::RECENT_EVENTS);
        snapshot.events.drain(..surplus);
        Ok(())
    }
}

fn generation_key(generation: &Generation) -> (VolumeId, Version) {
    (generation.transaction_volume, generation.version)
}

fn difference<K: Ord, V: PartialEq + Clone>(old: &[V], new: &[V], key: impl Fn(&V) -> K) -> ListChange<K, V> {
    let mut change = ListChange { put: Vec::new(), gone: Vec::new() };
    let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return change,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(a), Some(b)) => key(a).cmp(&key(b)),
        };
        match order {
            std::cmp::Ordering::Less => change.gone.extend(left.next().map(&key)),
            std::cmp::Ordering::Greater => change.put.extend(right.next().cloned()),
            std::cmp::Ordering::Equal => {
                let before = left.next();
                change.put.extend(right.next().filter(|after| Some(*after) != before).cloned());
            }
        }
    }
}

/// So many changes are made in place; more of them by going through the list once.
const IN_PLACE: usize = 32;

fn merge<K: Ord, V>(list: &mut Vec<V>, change: ListChange<K, V>, key: impl Fn(&V) -> K) {
    if change.gone.len() + change.put.len() > IN_PLACE {
        *list = merged(std::mem::take(list), change, key);
        return;
    }
    for gone in change.gone {
        if let Ok(index) = list.binary_search_by_key(&gone, &key) {
            list.remove(index);
        }
    }
    for put in change.put {
        match list.binary_search_by_key(&key(&put), &key) {
            Ok(index) => list[index] = put,
            Err(index) => list.insert(index, put),
        }
    }
}

/// Both lists of a change are sorted by key, as `difference` makes them.
fn merged<K: Ord, V>(old: Vec<V>, change: ListChange<K, V>, key: impl Fn(&V) -> K) -> Vec<V> {
    let mut out = Vec::with_capacity(old.len() + change.put.len());
    let mut gone = change.gone.into_iter().peekable();
    let mut put = change.put.into_iter().peekable();
    for value in old {
        let at = key(&value);
        while let Some(earlier) = put.next_if(|new| key(new) < at) {
            out.push(earlier);
        }
        let removed = gone.next_if(|wanted| *wanted == at).is_some();
        match put.next_if(|new| key(new) == at) {
            Some(new) => out.push(new),
            None if removed => {}
            None => out.push(value),
        }
    }
    out.extend(put);
    out
}
