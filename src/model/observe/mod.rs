//! Making snapshots: what the catalogue keeps and what the arrays report, put together into one picture.
//!
//! Belongs here: what a session, a backup volume, a transaction volume is called in good and bad weather, and what is wrong
//! with it. Does not: what may be done about it (plan).

mod halves;
#[cfg(test)]
mod tests;
mod tracker;
mod volumes;

pub use tracker::Tracker;
pub use volumes::session_state;

use super::copy::Capabilities;
use super::identity::{BoxId, Name, VolumeId};
use super::plan::PlanStep;
use super::plan::cancel::in_doubt;
use super::records::{Generation, GenerationState, Records};
use super::session::{ArrayVolume, Pair, Reading, Status};
use super::snapshot::{ArrayView, EventLine, OperationView, Reach, SessionView, Site, Snapshot};
use super::units::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is known of one configured array.
#[derive(Debug, Clone)]
pub struct ArraySource {
    pub name: Name,
    pub box_id: Option<BoxId>,
    pub reach: Reach,
    pub capabilities: Option<Capabilities>,
    /// The last reading, however old.
    pub reading: Option<Arc<Reading>>,
    /// How long its call took.
    pub took_millis: u32,
    /// The last list of volumes; `None` before the first one.
    pub volumes: Option<Arc<Vec<ArrayVolume>>>,
}

/// Everything that a snapshot is made of.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    pub sequence: u64,
    pub now: Timestamp,
    pub site: &'a Site,
    pub records: &'a Records,
    pub arrays: &'a [ArraySource],
    pub tracker: &'a Tracker,
    pub operations: &'a [OperationView],
    pub events: &'a [EventLine],
}

/// The snapshot of these sources.
pub fn build(sources: &Sources<'_>) -> Snapshot {
    let sessions = halves::join(sources);
    let reported = reported_volumes(sources);
    let index = Index::new(sources, &sessions, &reported);
    let transaction_volumes = volumes::transaction_views(sources, &index);
    let pool = volumes::backup_views(sources, &index);
    let unregistered = unregistered(sources.records, &reported);
    let records = sources.records;
    Snapshot {
        sequence: sources.sequence,
        taken_at: sources.now,
        site: sources.site.clone(),
        arrays: sources.arrays.iter().map(array_view).collect(),
        transaction_volumes,
        pool,
        generations: generations(records, &sessions),
        operations: sources.operations.to_vec(),
        unregistered,
        events: sources.events.to_vec(),
        sessions,
    }
}

/// The kept generations; those whose session is in error are in doubt.
fn generations(records: &Records, sessions: &[SessionView]) -> Vec<Generation> {
    let mut list: Vec<Generation> = records.generations.values().cloned().collect();
    for session in sessions.iter().filter(|session| session.ours && session.status == Status::ErrorSuspended) {
        let (source, target) = (session.pair.source, session.pair.target);
        let start = list.partition_point(|generation| generation.transaction_volume < source);
        let own = list[start..].iter_mut().take_while(|generation| generation.transaction_volume == source);
        let valid = |generation: &&mut Generation| {
            generation.backup_volume == target && generation.state == GenerationState::Valid
        };
        if let Some(generation) = own.into_iter().find(valid) {
            generation.state = GenerationState::InDoubt(in_doubt(session));
        }
    }
    list
}

fn array_view(array: &ArraySource) -> ArrayView {
    ArrayView {
        name: array.name.clone(),
        box_id: array.box_id,
        reach: array.reach.clone(),
        taken_at: array.reading.as_ref().map(|reading| reading.taken_at),
        took_millis: array.took_millis,
        capabilities: array.capabilities.clone(),
    }
}

/// All volumes that the arrays report, sorted by identity.
fn reported_volumes<'a>(sources: &Sources<'a>) -> Vec<&'a ArrayVolume> {
    let lists = sources.arrays.iter().filter_map(|array| array.volumes.as_ref());
    let mut all: Vec<&ArrayVolume> = lists.flat_map(|list| list.iter()).collect();
    if !all.is_sorted_by_key(|volume| volume.id) {
        all.sort_by_key(|volume| volume.id);
    }
    all
}

/// Walks the three sorted lists side by side.
fn unregistered(records: &Records, reported: &[&ArrayVolume]) -> Vec<ArrayVolume> {
    let mut transaction = records.transaction_volumes.keys().peekable();
    let mut backup = records.backup_volumes.keys().peekable();
    let mut is_known = |id: VolumeId| {
        while transaction.next_if(|known| **known < id).is_some() {}
        while backup.next_if(|known| **known < id).is_some() {}
        transaction.peek().is_some_and(|known| **known == id) || backup.peek().is_some_and(|known| **known == id)
    };
    reported.iter().filter(|volume| !is_known(volume.id)).map(|volume| (*volume).clone()).collect()
}

/// Finds volumes in a sorted list; asked for ascending identities, it walks the list once.
struct Walk<'a> {
    rest: &'a [&'a ArrayVolume],
}

impl Walk<'_> {
    fn blocks(&mut self, id: VolumeId) -> Option<super::units::Blocks> {
        let passed = self.rest.iter().take_while(|volume| volume.id < id).count();
        self.rest = &self.rest[passed..];
        self.rest.first().filter(|volume| volume.id == id).map(|volume| volume.blocks)
    }
}

/// One of our sessions that its source's box does not show.
#[derive(Debug, Clone, Copy)]
struct Lost {
    source: VolumeId,
    target: VolumeId,
    /// A reading taken after the session was made lacks it. Otherwise its box was not read yet.
    vanished: bool,
}

/// Look-ups over the sources, made once a snapshot.
struct Index<'a> {
    /// Sorted by pair, so those of a source stand together.
    sessions: &'a [SessionView],
    /// Sessions by every volume that they touch as a target, and foreign ones also as a source.
    by_target: BTreeMap<VolumeId, Vec<&'a SessionView>>,
    /// Our sessions that the readings do not show, by source and by target.
    lost_from: BTreeMap<VolumeId, Vec<Lost>>,
    lost_to: BTreeMap<VolumeId, Lost>,
    boxes: BTreeMap<BoxId, &'a ArraySource>,
    reported: &'a [&'a ArrayVolume],
    generation_on: BTreeMap<VolumeId, &'a super::records::Generation>,
}

impl<'a> Index<'a> {
    fn new(sources: &Sources<'a>, sessions: &'a [SessionView], reported: &'a [&'a ArrayVolume]) -> Self {
        let mut by_target: BTreeMap<VolumeId, Vec<&SessionView>> = BTreeMap::new();
        for session in sessions {
            by_target.entry(session.pair.target).or_default().push(session);
            if !session.ours {
                by_target.entry(session.pair.source).or_default().push(session);
            }
        }
        let boxes: BTreeMap<BoxId, &ArraySource> =
            sources.arrays.iter().filter_map(|array| Some((array.box_id?, array))).collect();
        let mut lost_from: BTreeMap<VolumeId, Vec<Lost>> = BTreeMap::new();
        let mut lost_to = BTreeMap::new();
        let ending = ending(sources);
        for session in sources.records.sessions.values() {
            let pair = session.pair;
            if ending.contains(&pair) || sessions.binary_search_by_key(&pair, |view| view.pair).is_ok() {
                continue;
            }
            let reading = boxes.get(&pair.source.box_id).and_then(|array| array.reading.as_ref());
            let vanished = reading.is_some_and(|reading| reading.taken_at > session.since);
            let lost = Lost { source: pair.source, target: pair.target, vanished };
            lost_from.entry(pair.source).or_default().push(lost);
            lost_to.insert(pair.target, lost);
        }
        let generation_on =
            sources.records.generations.values().map(|generation| (generation.backup_volume, generation)).collect();
        Self { sessions, by_target, lost_from, lost_to, boxes, reported, generation_on }
    }

    fn walk(&self) -> Walk<'a> {
        Walk { rest: self.reported }
    }

    fn sessions_of(&self, source: VolumeId) -> &'a [SessionView] {
        let start = self.sessions.partition_point(|session| session.pair.source < source);
        let len = self.sessions[start..].partition_point(|session| session.pair.source == source);
        &self.sessions[start..start + len]
    }
}

/// Sessions that open operations are ending: that they are gone is no surprise.
fn ending(sources: &Sources<'_>) -> BTreeSet<Pair> {
    let steps = sources.records.operations.values().flat_map(|operation| &operation.item.steps);
    steps
        .filter_map(|step| match step {
            PlanStep::Stop { pair, .. } | PlanStep::StopLeftOver { pair } => Some(*pair),
            _ => None,
        })
        .collect()
}
