//! What the engine knows, and the snapshot whose rows were made of it last: rows are built anew only when something that they
//! are made of has changed.

use super::clock;
use crate::model::catalogue_copy::NotCopied;
use crate::model::event::{Event, EventKind};
use crate::model::host_report::KernelGroups;
use crate::model::identity::{Name, VolumeId};
use crate::model::moment::ReadingMark;
use crate::model::notice_record::NotifyTrouble;
use crate::model::observe::{ArraySource, Sources, Tracker, build, build_near, joined};
use crate::model::records::{OperationEnd, OperationId, Records};
use crate::model::sentence;
use crate::model::snapshot::{CatalogueTrouble, EventLine, OperationView, Site, Snapshot};
use crate::model::units::Timestamp;
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Instant;

/// How long an operation that ended stays in the snapshot.
const ENDED_SHOWN_MILLIS: i64 = 60 * Timestamp::SECOND;
/// Rows that depend on the time alone, like a backup that becomes due, are never older than a poll, or than this.
const MIN_ROWS_AGE_MILLIS: i64 = Timestamp::SECOND;

/// What the rows of a snapshot are made of.
pub(super) struct RowSources {
    pub site: Site,
    pub records: Records,
    pub arrays: Vec<ArraySource>,
    pub tracker: Tracker,
    /// Which groups are active on each host that sessions need, as it was read last.
    pub kernels: BTreeMap<Name, KernelGroups>,
}

/// Everything that is known. Whoever gets at the [`RowSources`] to change them makes the rows old: nobody can forget it.
pub(super) struct Known {
    sources: RowSources,
    pub kernels_read: BTreeMap<Name, Instant>,
    pub operations: BTreeMap<OperationId, OperationView>,
    pub ends: BTreeMap<OperationId, OperationEnd>,
    pub catalogue: Option<CatalogueTrouble>,
    pub notify: Option<NotifyTrouble>,
    pub not_copied: Option<NotCopied>,
    /// The readings of arrays that have begun.
    pub begun: ReadingMark,
    recent: Vec<EventLine>,
    sequence: u64,
    /// The engine's: what windows are in, for all its clients.
    zone: TimeZone,
    /// Its rows are those of the sources as they are; `None` since one has changed.
    built: Option<Arc<Snapshot>>,
    rows_built: u64,
}

impl Deref for Known {
    type Target = RowSources;

    fn deref(&self) -> &RowSources {
        &self.sources
    }
}

impl DerefMut for Known {
    fn deref_mut(&mut self) -> &mut RowSources {
        self.built = None;
        &mut self.sources
    }
}

impl Known {
    pub fn new(site: Site, records: Records, arrays: Vec<ArraySource>) -> Self {
        let (tracker, kernels) = (Tracker::default(), BTreeMap::new());
        Self {
            sources: RowSources { site, records, arrays, tracker, kernels },
            kernels_read: BTreeMap::new(),
            operations: BTreeMap::new(),
            ends: BTreeMap::new(),
            catalogue: None,
            notify: None,
            not_copied: None,
            begun: ReadingMark { start: clock::engine_start(), count: 0 },
            recent: Vec::new(),
            sequence: 0,
            zone: TimeZone::system(),
            built: None,
            rows_built: 0,
        }
    }

    /// The snapshot of this moment.
    pub fn now(&mut self) -> Arc<Snapshot> {
        let rows = match self.built.take().filter(|built| self.is_young(built)) {
            Some(built) => built,
            None => Arc::new(self.build(&[], None)),
        };
        let snapshot = self.with_rows_of(&rows);
        self.built = Some(rows);
        Arc::new(snapshot)
    }

    /// The snapshot of this moment of these volumes, with what belongs to them.
    pub fn view(&mut self, volumes: &BTreeSet<VolumeId>) -> Snapshot {
        if self.has_rows() {
            return self.now().of_volumes(volumes);
        }
        let rows = self.build(&[], Some(&joined(&self.row_sources(&[]), volumes)));
        self.with_rows_of(&rows).of_volumes(volumes)
    }

    /// The volume that a person means, as [`Snapshot::find`] finds it, if it is registered or an array reports it.
    pub fn find(&self, text: &str) -> Option<VolumeId> {
        let Some((array, olu)) = text.rsplit_once('/') else { return self.records.meant(text) };
        let by_name = self.arrays.iter().find(|known| known.name.as_str() == array).and_then(|known| known.box_id);
        let id = VolumeId { box_id: by_name.or_else(|| array.parse().ok())?, olu: olu.parse().ok()? };
        let lists = self.arrays.iter().filter_map(|array| array.volumes.as_deref());
        let records = &self.records;
        let is_known = records.transaction_volumes.contains_key(&id)
            || records.backup_volumes.contains_key(&id)
            || lists.flatten().any(|volume| volume.id == id);
        is_known.then_some(id)
    }

    /// These rows, and what else is to be said at this moment.
    fn with_rows_of(&mut self, rows: &Snapshot) -> Snapshot {
        let now = clock::now();
        let shown = |view: &OperationView| view.end.as_ref().is_none_or(|(at, _)| now.since(*at) < ENDED_SHOWN_MILLIS);
        self.operations.retain(|_, view| shown(view));
        Snapshot {
            sequence: self.sequence,
            taken_at: now,
            moment: clock::moment(),
            mark: self.begun,
            operations: self.operations.values().cloned().collect(),
            events: self.recent.clone(),
            catalogue: self.catalogue.clone(),
            notify: self.notify.clone(),
            not_copied: self.not_copied.clone(),
            ..rows.clone()
        }
    }

    /// The snapshot that comes after all that were before.
    pub fn next(&mut self) -> Arc<Snapshot> {
        self.sequence += 1;
        let asked = self.rows_built;
        let snapshot = self.now();
        self.rows_built = asked;
        snapshot
    }

    /// Whether [`Self::now`] builds no row.
    pub fn has_rows(&self) -> bool {
        self.built.as_ref().is_some_and(|built| self.is_young(built))
    }

    fn is_young(&self, built: &Snapshot) -> bool {
        let max_age = i64::from(self.site.poll_millis).max(MIN_ROWS_AGE_MILLIS);
        clock::moment().since(built.moment) <= max_age
    }

    /// The snapshot of this moment as if these open operations were not there.
    pub fn without(&mut self, set_aside: &[OperationId]) -> Snapshot {
        self.build(set_aside, None)
    }

    /// The same, of these volumes and what belongs to them.
    pub fn near_without(&mut self, volumes: &BTreeSet<VolumeId>, set_aside: &[OperationId]) -> Snapshot {
        self.build(set_aside, Some(volumes))
    }

    /// From now on holds the rows of `equal` in the place of those of `own`, which are equal to them.
    pub fn hold_instead(&mut self, own: &Snapshot, equal: &Snapshot) {
        // All lists are built together: one tells.
        if let Some(built) = self.built.as_mut().filter(|built| built.sessions.are(&own.sessions)) {
            *built = Arc::new(Snapshot { moment: built.moment, ..equal.clone() });
        }
    }

    /// The rows that were built so far because somebody asked something, and not for [`Self::next`].
    pub fn rows_built(&self) -> u64 {
        self.rows_built
    }

    /// Of the whole site, or of these volumes and what belongs to them.
    fn build(&mut self, set_aside: &[OperationId], near: Option<&BTreeSet<VolumeId>>) -> Snapshot {
        let sources = self.row_sources(set_aside);
        let snapshot = near.map_or_else(|| build(&sources), |volumes| build_near(&sources, volumes));
        self.rows_built += snapshot.row_count() as u64;
        snapshot
    }

    fn row_sources<'a>(&'a self, set_aside: &'a [OperationId]) -> Sources<'a> {
        Sources {
            sequence: self.sequence,
            now: clock::now(),
            moment: clock::moment(),
            mark: self.begun,
            site: &self.site,
            records: &self.records,
            set_aside,
            arrays: &self.arrays,
            tracker: &self.tracker,
            kernels: &self.kernels,
            operations: &[],
            events: &[],
            zone: &self.zone,
        }
    }

    /// Adds events to the recent ones.
    pub fn tell(&mut self, events: &[Event]) {
        let newest = self.recent.last().map_or(0, |line| line.sequence);
        let for_people = |event: &&Event| event.event.kind != EventKind::RecordsWritten;
        for event in events.iter().filter(|event| event.sequence > newest).filter(for_people) {
            let line = sentence::line(event, &|id| self.label(id));
            self.recent.push(line);
        }
        let surplus = self.recent.len().saturating_sub(Snapshot::RECENT_EVENTS);
        self.recent.drain(..surplus);
    }

    fn label(&self, id: VolumeId) -> String {
        let transaction = self.records.transaction_volumes.get(&id).map(|volume| volume.name.to_string());
        let backup = || self.records.backup_volumes.get(&id)?.name.as_ref().map(Name::to_string);
        let array = || self.arrays.iter().find(|array| array.box_id == Some(id.box_id));
        transaction
            .or_else(backup)
            .or_else(|| array().map(|array| format!("{}/{}", array.name, id.olu)))
            .unwrap_or_else(|| id.to_string())
    }
}
