//! The difference between two snapshots, so that a client is sent what changed and not everything.

use super::acknowledgement::Acknowledgement;
use super::catalogue_copy::NotCopied;
use super::entity::{Generation, OperationId, ReleasedGeneration};
use super::identity::VolumeId;
use super::maintenance::Maintenance;
use super::map_set::{MapSet, PairUse};
use super::moment::{Moment, ReadingMark};
use super::notice_record::NotifyTrouble;
use super::rows::Rows;
use super::session::{ArrayVolume, Pair};
use super::snapshot::{
    ArrayView, BackupVolumeView, CatalogueTrouble, EventLine, OperationView, Ready, RestoreView, SessionView, Site,
    Snapshot, TransactionVolumeView,
};
use super::take_over::TakeOver;
use super::units::{Blocks, Progress, Timestamp, Version};
use super::volume_set::VolumeSet;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// What makes `sequence` out of `base`. Lists hold what is new or different, and the keys of what is gone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotChange {
    /// The sequence of the snapshot that this applies to.
    pub base: u64,
    pub sequence: u64,
    pub taken_at: Timestamp,
    pub moment: Moment,
    pub mark: ReadingMark,
    pub site: Option<Site>,
    pub arrays: Option<Vec<ArrayView>>,
    pub transaction_volumes: ListChange<VolumeId, TransactionVolumeView>,
    /// Transaction volumes of which nothing is different but when they are ready, by their places in the new list.
    pub ready: Vec<(usize, Ready)>,
    pub pool: ListChange<VolumeId, BackupVolumeView>,
    pub sessions: ListChange<Pair, SessionView>,
    /// Sessions of which nothing is different but how far they are.
    pub moved: Vec<SessionMoved>,
    pub generations: ListChange<(VolumeId, Version), Generation>,
    #[serde(default)]
    pub released: ListChange<VolumeId, ReleasedGeneration>,
    pub operations: ListChange<OperationId, OperationView>,
    pub unregistered: ListChange<VolumeId, ArrayVolume>,
    /// All of them, where one has changed.
    #[serde(default)]
    pub map_sets: Option<Rows<MapSet>>,
    #[serde(default)]
    pub map_uses: ListChange<(VolumeId, VolumeId), PairUse>,
    /// All of them, where one has changed.
    #[serde(default)]
    pub volume_sets: Option<Rows<VolumeSet>>,
    /// All of them, where one has changed.
    #[serde(default)]
    pub restores: Option<Vec<RestoreView>>,
    /// Events after the newest one of the base.
    pub events: Vec<EventLine>,
    /// As it is now, changed or not.
    #[serde(default)]
    pub catalogue: Option<CatalogueTrouble>,
    /// As it is now, changed or not.
    #[serde(default)]
    pub notify: Option<NotifyTrouble>,
    pub not_copied: Option<NotCopied>,
    /// All of them, where one has changed.
    #[serde(default)]
    pub acknowledged: Option<Rows<Acknowledgement>>,
    pub maintenance: Option<Rows<Maintenance>>,
    /// All of them, where one has changed.
    #[serde(default)]
    pub take_overs: Option<Rows<TakeOver>>,
}

/// How far a session is by now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SessionMoved {
    /// Its place in the new list.
    pub at: usize,
    pub progress: Option<Progress>,
    pub difference: Option<Blocks>,
    pub rate: Option<u64>,
    pub ready: Ready,
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

impl<K, V> Default for ListChange<K, V> {
    fn default() -> Self {
        Self { put: Vec::new(), gone: Vec::new() }
    }
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
        let (transaction_volumes, ready) = transaction_difference(&old.transaction_volumes, &new.transaction_volumes);
        let (sessions, moved) = session_difference(&old.sessions, &new.sessions);
        Self {
            base: old.sequence,
            sequence: new.sequence,
            taken_at: new.taken_at,
            moment: new.moment,
            mark: new.mark,
            site: (old.site != new.site).then(|| new.site.clone()),
            arrays: (old.arrays != new.arrays).then(|| new.arrays.clone()),
            transaction_volumes,
            ready,
            pool: difference(&old.pool, &new.pool, |view| view.volume.id),
            sessions,
            moved,
            generations: difference(&old.generations, &new.generations, generation_key),
            released: difference(&old.released, &new.released, released_key),
            operations: different(&old.operations, &new.operations, |operation| operation.id),
            unregistered: difference(&old.unregistered, &new.unregistered, |volume| volume.id),
            map_sets: (old.map_sets != new.map_sets).then(|| new.map_sets.clone()),
            map_uses: difference(&old.map_uses, &new.map_uses, use_key),
            volume_sets: (old.volume_sets != new.volume_sets).then(|| new.volume_sets.clone()),
            restores: (old.restores != new.restores).then(|| new.restores.clone()),
            events: new.events.iter().filter(|event| event.sequence > newest).cloned().collect(),
            catalogue: new.catalogue.clone(),
            notify: new.notify.clone(),
            not_copied: new.not_copied.clone(),
            acknowledged: (old.acknowledged != new.acknowledged).then(|| new.acknowledged.clone()),
            maintenance: (old.maintenance != new.maintenance).then(|| new.maintenance.clone()),
            take_overs: (old.take_overs != new.take_overs).then(|| new.take_overs.clone()),
        }
    }

    /// How many rows are new, different or gone. What only moved or became ready is short and does not count.
    pub fn row_count(&self) -> usize {
        fn rows<K, V>(change: &ListChange<K, V>) -> usize {
            change.put.len() + change.gone.len()
        }
        rows(&self.transaction_volumes)
            + rows(&self.pool)
            + rows(&self.sessions)
            + rows(&self.generations)
            + rows(&self.released)
            + rows(&self.operations)
            + rows(&self.unregistered)
            + rows(&self.map_uses)
    }

    /// Whether nothing is different since `old` but how far copies are, when they will be ready, and when arrays were read.
    pub fn only_moves(&self, old: &Snapshot) -> bool {
        let untimed =
            |array: &ArrayView| ArrayView { taken_at: None, reading: 0, began: None, took_millis: 0, ..array.clone() };
        let arrays = self.arrays.as_ref();
        let same_arrays = arrays.is_none_or(|arrays| arrays.iter().map(untimed).eq(old.arrays.iter().map(untimed)));
        let Self {
            site,
            map_sets,
            volume_sets,
            restores,
            events,
            catalogue,
            notify,
            not_copied,
            acknowledged,
            maintenance,
            take_overs,
            ..
        } = self;
        self.row_count() == 0
            && same_arrays
            && events.is_empty()
            && (site, map_sets, volume_sets, restores, acknowledged) == (&None, &None, &None, &None, &None)
            && maintenance.is_none()
            && take_overs.is_none()
            && (catalogue, notify, not_copied) == (&old.catalogue, &old.notify, &old.not_copied)
    }

    /// Makes the new snapshot out of the old one.
    pub fn apply(self, snapshot: &mut Snapshot) -> Result<(), WrongBase> {
        if snapshot.sequence != self.base {
            return Err(WrongBase { wanted: self.base, found: snapshot.sequence });
        }
        snapshot.sequence = self.sequence;
        snapshot.taken_at = self.taken_at;
        snapshot.catalogue = self.catalogue;
        snapshot.notify = self.notify;
        snapshot.not_copied = self.not_copied;
        if let Some(acknowledged) = self.acknowledged {
            snapshot.acknowledged = acknowledged;
        }
        if let Some(take_overs) = self.take_overs {
            snapshot.take_overs = take_overs;
        }
        if let Some(maintenance) = self.maintenance {
            snapshot.maintenance = maintenance;
        }
        (snapshot.moment, snapshot.mark) = (self.moment, self.mark);
        if let Some(site) = self.site {
            snapshot.site = site;
        }
        if let Some(arrays) = self.arrays {
            snapshot.arrays = arrays;
        }
        merge_rows(&mut snapshot.transaction_volumes, self.transaction_volumes, |view| view.volume.id);
        if !self.ready.is_empty() {
            make_ready(&mut snapshot.transaction_volumes, self.ready);
        }
        merge_rows(&mut snapshot.pool, self.pool, |view| view.volume.id);
        merge_rows(&mut snapshot.sessions, self.sessions, |session| session.pair);
        if !self.moved.is_empty() {
            go_on(&mut snapshot.sessions, self.moved);
        }
        merge_rows(&mut snapshot.generations, self.generations, generation_key);
        merge_rows(&mut snapshot.released, self.released, released_key);
        merge(&mut snapshot.operations, self.operations, |operation| operation.id);
        merge_rows(&mut snapshot.unregistered, self.unregistered, |volume| volume.id);
        if let Some(map_sets) = self.map_sets {
            snapshot.map_sets = map_sets;
        }
        merge_rows(&mut snapshot.map_uses, self.map_uses, use_key);
        if let Some(volume_sets) = self.volume_sets {
            snapshot.volume_sets = volume_sets;
        }
        if let Some(restores) = self.restores {
            snapshot.restores = restores;
        }
        snapshot.events.extend(self.events);
        let surplus = snapshot.events.len().saturating_sub(Snapshot::RECENT_EVENTS);
        snapshot.events.drain(..surplus);
        Ok(())
    }
}

fn released_key(released: &ReleasedGeneration) -> VolumeId {
    released.generation.backup_volume
}

fn use_key(used: &PairUse) -> (VolumeId, VolumeId) {
    (used.transaction_volume, used.backup_volume)
}

fn make_ready(views: &mut [TransactionVolumeView], changed: Vec<(usize, Ready)>) {
    for (at, ready) in changed {
        if let Some(view) = views.get_mut(at) {
            view.ready = ready;
        }
    }
}

fn go_on(sessions: &mut [SessionView], moved: Vec<SessionMoved>) {
    for moved in moved {
        if let Some(session) = sessions.get_mut(moved.at) {
            (session.progress, session.difference) = (moved.progress, moved.difference);
            (session.rate, session.ready) = (moved.rate, moved.ready);
        }
    }
}

fn transaction_difference(
    old: &Rows<TransactionVolumeView>,
    new: &Rows<TransactionVolumeView>,
) -> (ListChange<VolumeId, TransactionVolumeView>, Vec<(usize, Ready)>) {
    let mut changed = Vec::new();
    if old.are(new) {
        return (ListChange::default(), changed);
    }
    let same = |before: &TransactionVolumeView, (at, after): &(usize, &TransactionVolumeView)| {
        // Without `..`: whoever adds a field decides here whether it is more than being ready.
        let TransactionVolumeView { volume, state, kept, last_backup, due, claimed, problem, ready, window } = before;
        let is_same = (*state, *kept, *last_backup, *due) == (after.state, after.kept, after.last_backup, after.due)
            && (volume, claimed, problem, window) == (&after.volume, &after.claimed, &after.problem, &after.window);
        if is_same && *ready != after.ready {
            changed.push((*at, after.ready));
        }
        is_same
    };
    let (left, right) = (old.iter(), new.iter().enumerate());
    let walk = walk(left, right, |before| before.volume.id, |(_, after)| after.volume.id, same);
    let put = walk.put.into_iter().map(|(_, view)| view.clone()).collect();
    (ListChange { put, gone: walk.gone }, changed)
}

fn session_difference(
    old: &Rows<SessionView>,
    new: &Rows<SessionView>,
) -> (ListChange<Pair, SessionView>, Vec<SessionMoved>) {
    let mut moved = Vec::new();
    if old.are(new) {
        return (ListChange::default(), moved);
    }
    let same = |before: &SessionView, (at, after): &(usize, &SessionView)| {
        if !stands_the_same(before, after) {
            return false;
        }
        let motion = |view: &SessionView| (view.progress, view.difference, view.rate, view.ready);
        if motion(before) != motion(after) {
            let (progress, difference, rate, ready) = motion(after);
            moved.push(SessionMoved { at: *at, progress, difference, rate, ready });
        }
        true
    };
    let (left, right) = (old.iter(), new.iter().enumerate());
    let walk = walk(left, right, |before| before.pair, |(_, after)| after.pair, same);
    let change = ListChange { put: walk.put.into_iter().map(|(_, view)| view.clone()).collect(), gone: walk.gone };
    (change, moved)
}

/// Whether nothing is different but how far it is.
fn stands_the_same(before: &SessionView, after: &SessionView) -> bool {
    // Without `..`: whoever adds a field decides here whether it is motion.
    let SessionView {
        pair,
        status,
        phase,
        words,
        halves,
        ours,
        full,
        error,
        modes,
        direction,
        target_written,
        reported_kind,
        requestor,
        since,
        copied_in,
        by_target,
        sid,
        progress: _,
        difference: _,
        rate: _,
        ready: _,
    } = before;
    let stands = (*pair, *status, *phase, *ours, *full, *error, *modes, *since, *by_target, *sid)
        == (
            after.pair,
            after.status,
            after.phase,
            after.ours,
            after.full,
            after.error,
            after.modes,
            after.since,
            after.by_target,
            after.sid,
        );
    stands
        && (*direction, *reported_kind, *target_written) == (after.direction, after.reported_kind, after.target_written)
        && *copied_in == after.copied_in
        && (words, halves, requestor) == (&after.words, &after.halves, &after.requestor)
}

fn generation_key(generation: &Generation) -> (VolumeId, Version) {
    (generation.transaction_volume, generation.version)
}

/// Nothing, without a look, where both hold the same rows.
fn difference<K: Ord, V: PartialEq + Clone>(old: &Rows<V>, new: &Rows<V>, key: impl Fn(&V) -> K) -> ListChange<K, V> {
    if old.are(new) { ListChange::default() } else { different(old, new, key) }
}

fn different<K: Ord, V: PartialEq + Clone>(old: &[V], new: &[V], key: impl Fn(&V) -> K) -> ListChange<K, V> {
    let change = walk(old.iter(), new.iter(), |value| key(value), |value| key(value), |before, after| before == *after);
    ListChange { put: change.put.into_iter().cloned().collect(), gone: change.gone }
}

/// Goes through two sorted lists side by side: what is new or not the same, and the keys of what is gone.
fn walk<K: Ord, A: Copy, B>(
    old: impl Iterator<Item = A>,
    new: impl Iterator<Item = B>,
    old_key: impl Fn(&A) -> K,
    new_key: impl Fn(&B) -> K,
    mut same: impl FnMut(A, &B) -> bool,
) -> ListChange<K, B> {
    let mut change = ListChange::default();
    let (mut left, mut right) = (old.peekable(), new.peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return change,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => old_key(a).cmp(&new_key(b)),
        };
        match order {
            Ordering::Less => change.gone.extend(left.next().as_ref().map(&old_key)),
            Ordering::Greater => change.put.extend(right.next()),
            Ordering::Equal => {
                if let (Some(before), Some(after)) = (left.next(), right.next())
                    && !same(before, &after)
                {
                    change.put.push(after);
                }
            }
        }
    }
}

/// Rows that others hold too are copied for a change, and for none they are not.
fn merge_rows<K: Ord, V: Clone>(rows: &mut Rows<V>, change: ListChange<K, V>, key: impl Fn(&V) -> K) {
    if !change.is_empty() {
        merge(rows, change, key);
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
