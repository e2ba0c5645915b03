//! Making snapshots: what the catalogue keeps and what the arrays report, put together into one picture.
//!
//! Belongs here: what a session, a backup volume, a transaction volume is called in good and bad weather, and what is wrong
//! with it. Does not: what may be done about it (plan).

mod along;
mod attentions;
mod halves;
mod near;
mod restores;
#[cfg(test)]
mod tests;
mod tracker;
mod volumes;

pub use near::{build_near, joined};
pub use tracker::Tracker;
pub use volumes::{backup_state, session_state};

use self::along::SortedCursor;
use super::copy::Capabilities;
use super::doubt;
use super::host_report::KernelGroups;
use super::identity::{BoxId, Name, VolumeId};
use super::map_set::PairUse;
use super::moment::{Moment, ReadingMark};
use super::records::{Claim, Generation, GenerationState, OpenOperation, OperationId, Records};
use super::rows::Rows;
use super::session::{ArrayVolume, CopyKind, Pair, Reading, Sight};
use super::snapshot::{
    ArrayView, BackupVolumeView, EventLine, OperationView, Reach, RestoreView, SessionView, Site, Snapshot,
};
use super::units::Timestamp;
use jiff::tz::TimeZone;
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
    /// The same moment on a clock that never jumps.
    pub moment: Moment,
    /// The readings that have begun.
    pub mark: ReadingMark,
    pub site: &'a Site,
    pub records: &'a Records,
    /// Open operations that are not looked at, and neither is what they claimed: as if they were not there.
    pub set_aside: &'a [OperationId],
    pub arrays: &'a [ArraySource],
    pub tracker: &'a Tracker,
    /// Which groups are active on each host, as it was read last.
    pub kernels: &'a BTreeMap<Name, KernelGroups>,
    pub operations: &'a [OperationView],
    pub events: &'a [EventLine],
    /// What windows of policies are in.
    pub zone: &'a TimeZone,
}

impl<'a> Sources<'a> {
    fn is_set_aside(&self, operation: OperationId) -> bool {
        self.set_aside.contains(&operation)
    }

    fn open_operations(&self) -> impl Iterator<Item = &'a OpenOperation> {
        self.records.operations.values().filter(|operation| !self.is_set_aside(operation.id))
    }

    /// The array that is this box. A site has few of them.
    fn array(&self, box_id: BoxId) -> Option<&'a ArraySource> {
        self.arrays.iter().find(|array| array.box_id == Some(box_id))
    }

    /// A volume for people: its registered name, else where it is.
    fn place(&self, id: VolumeId) -> String {
        let transaction = self.records.transaction_volumes.get(&id).map(|volume| volume.name.to_string());
        let backup = || self.records.backup_volumes.get(&id)?.name.as_ref().map(Name::to_string);
        let array = || self.array(id.box_id).map(|array| format!("{}/{}", array.name, id.olu));
        transaction.or_else(backup).or_else(array).unwrap_or_else(|| id.to_string())
    }
}

/// The snapshot of these sources.
pub fn build(sources: &Sources<'_>) -> Snapshot {
    let sessions = halves::join(sources);
    let reported = reported_volumes(sources);
    let restores = restores::of(sources);
    let index = Index::new(sources, &sessions, &reported, &restores);
    let transaction_volumes = volumes::transaction_views(sources, &index);
    let pool = volumes::backup_views(sources, &index);
    let unregistered = unregistered(sources.records, &reported);
    let records = sources.records;
    Snapshot {
        sequence: sources.sequence,
        taken_at: sources.now,
        moment: sources.moment,
        mark: sources.mark,
        site: sources.site.clone(),
        arrays: sources.arrays.iter().map(array_view).collect(),
        transaction_volumes,
        generations: generations(records, &sessions, &pool),
        pool,
        operations: sources.operations.to_vec(),
        unregistered,
        events: sources.events.to_vec(),
        map_sets: records.map_sets.values().cloned().collect(),
        map_uses: map_uses(records),
        volume_sets: records.volume_sets.values().cloned().collect(),
        restores,
        released: records.released.values().cloned().collect(),
        catalogue: None,
        notify: None,
        not_copied: None,
        acknowledged: records.acknowledgements.values().cloned().collect(),
        maintenance: records.maintenance.values().cloned().collect(),
        take_overs: records.take_overs.values().cloned().collect(),
        sessions: sessions.into(),
    }
}

fn map_uses(records: &Records) -> Rows<PairUse> {
    let uses = records.map_uses.iter();
    uses.map(|(&(transaction_volume, backup_volume), &operation)| PairUse {
        transaction_volume,
        backup_volume,
        operation,
    })
    .collect()
}

/// The kept generations; those whose volumes something happened to are in doubt.
fn generations(records: &Records, sessions: &[SessionView], pool: &[BackupVolumeView]) -> Rows<Generation> {
    let by_others = doubt::written_by_others(sessions);
    let mut list: Vec<Generation> = records.generations.values().cloned().collect();
    for generation in list.iter_mut().filter(|generation| generation.state == GenerationState::Valid) {
        let target = generation.backup_volume;
        let pair = Pair::new(generation.transaction_volume, target);
        let ours = sessions.binary_search_by_key(&pair, |session| session.pair).ok().map(|at| &sessions[at]);
        let onto = by_others.iter().find(|(volume, _)| *volume == target).map(|(_, session)| *session);
        let volume = pool.binary_search_by_key(&target, |view| view.volume.id).ok().map(|at| &pool[at]);
        if let Some(why) = doubt::cause(ours.filter(|session| session.ours), onto, volume, generation.group.is_some()) {
            generation.state = GenerationState::InDoubt(why);
        }
    }
    list.into()
}

fn array_view(array: &ArraySource) -> ArrayView {
    ArrayView {
        name: array.name.clone(),
        box_id: array.box_id,
        reach: array.reach.clone(),
        taken_at: array.reading.as_ref().map(|reading| reading.taken_at),
        reading: array.reading.as_ref().map_or(0, |reading| reading.number),
        began: array.reading.as_ref().map(|reading| reading.began),
        took_millis: array.took_millis,
        capabilities: array.capabilities.clone(),
        attentions: attentions::of(array),
        unknown_terms: array.reading.as_ref().map_or_else(Vec::new, |reading| reading.unknown_terms.clone()),
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
fn unregistered(records: &Records, reported: &[&ArrayVolume]) -> Rows<ArrayVolume> {
    let mut transaction = records.transaction_volumes.keys().peekable();
    let mut backup = records.backup_volumes.keys().peekable();
    let mut is_known = |id: VolumeId| {
        while transaction.next_if(|known| **known < id).is_some() {}
        while backup.next_if(|known| **known < id).is_some() {}
        transaction.peek().is_some_and(|known| **known == id) || backup.peek().is_some_and(|known| **known == id)
    };
    reported.iter().filter(|volume| !is_known(volume.id)).map(|volume| (*volume).clone()).collect()
}

/// One of our sessions that its source's box does not show.
#[derive(Debug, Clone, Copy)]
struct Lost {
    source: VolumeId,
    target: VolumeId,
    /// A reading taken after the session was made surely lacks it. Otherwise its box was not read yet, or not in full.
    vanished: bool,
}

/// The sources sorted by volume, made once a snapshot, to go along them with the volumes.
struct Index<'a> {
    /// By pair, so those of a source stand together.
    sessions: &'a [SessionView],
    /// Sessions by every volume that they touch as a target, and foreign ones also as a source.
    by_target: Vec<(VolumeId, &'a SessionView)>,
    /// Our sessions that the readings do not show, by source and by target.
    lost_from: Vec<Lost>,
    lost_to: Vec<Lost>,
    /// Sessions of others that write, or may write, by the volumes that they do it to; `None`: a line that cannot be read.
    inbound: Vec<(VolumeId, Option<&'a SessionView>)>,
    reported: &'a [&'a ArrayVolume],
    /// Kept generations by transaction volume, oldest first, and by what they are on.
    generations: Vec<&'a Generation>,
    generation_on: Vec<&'a Generation>,
    claims: Vec<&'a Claim>,
    /// By target.
    restores: &'a [RestoreView],
}

impl<'a> Index<'a> {
    fn new(
        sources: &Sources<'a>,
        sessions: &'a [SessionView],
        reported: &'a [&'a ArrayVolume],
        restores: &'a [RestoreView],
    ) -> Self {
        let mut by_target: Vec<(VolumeId, &SessionView)> = Vec::with_capacity(sessions.len());
        for session in sessions {
            by_target.push((session.pair.target, session));
            if !session.ours {
                by_target.push((session.pair.source, session));
            }
        }
        by_target.sort_by_key(|(volume, _)| *volume);
        let writes = |session: &&SessionView| !session.ours && !session.is_at_rest();
        let mut inbound: Vec<(VolumeId, Option<&SessionView>)> = sessions
            .iter()
            .filter(writes)
            .flat_map(|session| session.destinations().map(move |volume| (volume, Some(session))))
            .collect();
        let unknown = sources.arrays.iter().filter_map(|array| array.reading.as_ref()).flat_map(|it| &it.unknown_rows);
        inbound.extend(unknown.flat_map(|row| row.may_copy_to.iter().map(|volume| (*volume, None))));
        inbound.sort_by_key(|(volume, _)| *volume);
        let lost_from = lost(sources, sessions);
        let mut lost_to = lost_from.clone();
        lost_to.sort_by_key(|lost| lost.target);
        let generations: Vec<&Generation> = sources.records.generations.values().collect();
        let mut generation_on = generations.clone();
        generation_on.sort_by_key(|generation| generation.backup_volume);
        let claims = sources.records.claims.values();
        let claims = claims.filter(|claim| !sources.is_set_aside(claim.operation)).collect();
        Self {
            sessions,
            by_target,
            lost_from,
            lost_to,
            inbound,
            reported,
            generations,
            generation_on,
            claims,
            restores,
        }
    }

    fn holds_generation(&self, backup_volume: VolumeId) -> bool {
        self.generation_on.binary_search_by_key(&backup_volume, |generation| generation.backup_volume).is_ok()
    }
}

/// Our sessions that the readings do not show and nobody is ending, by pair.
fn lost(sources: &Sources<'_>, sessions: &[SessionView]) -> Vec<Lost> {
    let ending = ending(sources);
    let mut sessions = SortedCursor::new(sessions, |view| view.pair);
    // A one-point copy ends by itself; what that means is said by its restore.
    let ours = sources.records.sessions.values().filter(|session| session.pair.kind != CopyKind::Opc);
    ours.filter(|session| sessions.at(session.pair).is_empty() && !ending.contains(&session.pair))
        .map(|session| {
            let Pair { source, target, .. } = session.pair;
            let reading = sources.array(source.box_id).and_then(|array| array.reading.as_ref());
            let vanished = reading.is_some_and(|reading| {
                let was_read = !matches!(reading.look_for(&session.pair), Sight::NotRead(_));
                was_read && sources.tracker.is_later(reading, session)
            });
            Lost { source, target, vanished }
        })
        .collect()
}

/// Sessions that open operations are ending: that they are gone is no surprise.
fn ending(sources: &Sources<'_>) -> BTreeSet<Pair> {
    let steps = sources.open_operations().flat_map(|operation| &operation.item.steps);
    steps.flat_map(|step| step.ends()).copied().collect()
}
