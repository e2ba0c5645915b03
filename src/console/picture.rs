//! A snapshot made ready for drawing: sorted and filtered order of rows, sums for header and pool. Made when a snapshot
//! comes or the choice changes, never while drawing.

use super::choice::{Choice, Order};
use super::events::{EventRow, fold};
use super::table::{ByName, RowKey, ShownRows, TableRow};
use crate::model::identity::VolumeId;
use crate::model::pages::FirstRows;
use crate::model::plan::{PoolSize, pool_sizes};
use crate::model::pool::PoolKey;
use crate::model::session::{Pair, Phase, Status};
use crate::model::snapshot::{
    BackupState, Due, Ready, RestoreView, SessionView, Snapshot, TransactionState, TransactionVolumeView,
};
use crate::model::units::Timestamp;
use crate::model::volume_set::VolumeSet;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// Columns of the sign before a set's name.
pub const SET_INDENT: u16 = 2;
/// Unused volumes that are listed for one transaction volume.
const MAX_UNUSED: usize = 100;

/// A row of the copies pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyRow {
    /// Index into the snapshot's operations.
    Operation(u32),
    /// Index into its sessions.
    Session(u32),
}

/// A row of the pool's summary: all backup volumes of one size that can stand for each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizeRow {
    pub key: PoolKey,
    /// The same figures as `ecdeck status` prints.
    pub pool: PoolSize,
    /// States in order of identity, for the strip.
    pub strip: Vec<BackupState>,
}

/// Sums for the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub copying: usize,
    pub equivalent: usize,
    pub suspended: usize,
    pub none: usize,
    /// Halted, half-open, unknown, in error, or with a lost group.
    pub troubled: usize,
    pub overdue: usize,
    /// When the last of the running copies will be equivalent; `None` when nothing runs or one is not known.
    pub all_ready: Option<Timestamp>,
    pub moving_sessions: usize,
}

/// The snapshot and what was worked out from it.
#[derive(Debug, Clone)]
pub struct Picture {
    pub snapshot: Arc<Snapshot>,
    by_name: ByName,
    /// The rows of the main table, in order.
    pub rows: Vec<TableRow>,
    /// Indexes of the transaction volumes that are shown, those of closed sets too, in order.
    pub volumes: Vec<u32>,
    pub copies: Vec<CopyRow>,
    /// Indexes into the pool, by size and identity.
    pub pool: Vec<u32>,
    pub sizes: Vec<SizeRow>,
    /// News, newest first.
    pub events: Vec<EventRow>,
    pub summary: Summary,
    /// The widest name of a transaction volume.
    pub name_width: u16,
    /// The most sessions and the most kept generations that one volume has: panes that follow a volume keep their height.
    pub most_copies: usize,
    pub most_generations: usize,
}

/// The rows of a large site that came first. Nothing is decided or counted on them: no key acts before the whole site is
/// here.
#[derive(Debug, Clone)]
pub struct FirstPicture {
    pub picture: Picture,
    /// The transaction volumes of the whole site.
    pub volumes: usize,
}

impl FirstPicture {
    pub fn new(first: &FirstRows) -> Self {
        let picture = Picture::new(Arc::new(Snapshot::clone(&first.part)), &Choice::default());
        Self { picture, volumes: first.volumes }
    }
}

impl Picture {
    pub fn new(snapshot: Arc<Snapshot>, choice: &Choice) -> Self {
        let mut picture = Self {
            by_name: ByName::new(&snapshot),
            rows: Vec::new(),
            most_copies: most(snapshot.sessions.iter().map(|session| session.pair.source)),
            most_generations: most(snapshot.generations.iter().map(|kept| kept.transaction_volume)),
            volumes: Vec::new(),
            copies: copies(&snapshot),
            pool: pool(&snapshot),
            sizes: sizes(&snapshot),
            events: events(&snapshot),
            summary: summary(&snapshot),
            name_width: name_width(&snapshot),
            snapshot,
        };
        picture.choose(choice);
        picture
    }

    /// The same site a little later. The order is kept where names and choice allow, for it is the dear part.
    pub fn advance(&mut self, snapshot: Arc<Snapshot>, choice: &Choice) {
        let same_volumes = has_same_volumes(&self.snapshot, &snapshot);
        let same_pool = self.snapshot.pool.are(&snapshot.pool);
        // A filter may ask for a state, which changes from one snapshot to the next.
        let order_stands = same_volumes && !choice.problems && choice.filter.is_empty() && choice.order == Order::Name;
        self.copies = copies(&snapshot);
        self.summary = summary(&snapshot);
        if !same_pool {
            self.pool = pool(&snapshot);
        }
        if !same_pool || !same_volumes {
            self.sizes = sizes(&snapshot);
        }
        if self.snapshot.events != snapshot.events {
            self.events = events(&snapshot);
        }
        self.snapshot = snapshot;
        if !same_volumes {
            self.name_width = name_width(&self.snapshot);
            self.by_name = ByName::new(&self.snapshot);
        }
        self.most_copies = most(self.snapshot.sessions.iter().map(|session| session.pair.source));
        self.most_generations = most(self.snapshot.generations.iter().map(|kept| kept.transaction_volume));
        if !order_stands {
            self.choose(choice);
        }
    }

    /// Filters and sorts the volumes anew.
    pub fn choose(&mut self, choice: &Choice) {
        let ShownRows { rows, volumes } = self.by_name.shown(&self.snapshot, choice);
        self.rows = rows;
        self.volumes = volumes;
    }

    /// The volume in a row of the table; `None` where it has a set.
    pub fn volume(&self, row: usize) -> Option<&TransactionVolumeView> {
        match self.rows.get(row)? {
            TableRow::Volume { index, .. } => self.snapshot.transaction_volumes.get(*index as usize),
            TableRow::Set(_) => None,
        }
    }

    /// The set in a row of the table.
    pub fn set(&self, row: usize) -> Option<&VolumeSet> {
        match self.rows.get(row)? {
            TableRow::Set(set) => self.snapshot.volume_sets.get(*set as usize),
            TableRow::Volume { .. } => None,
        }
    }

    pub fn row_key(&self, row: usize) -> Option<RowKey> {
        match self.set(row) {
            Some(set) => set.members.first().copied().map(RowKey::Set),
            None => self.volume(row).map(|view| RowKey::Volume(view.volume.id)),
        }
    }

    /// The open set below which a row's volume stands.
    pub fn set_above(&self, row: usize) -> Option<&VolumeSet> {
        let TableRow::Volume { in_set: true, .. } = self.rows.get(row)? else { return None };
        (0..row).rev().find_map(|above| self.set(above))
    }

    /// The row that is about this.
    pub fn row_of(&self, key: RowKey) -> Option<usize> {
        (0..self.rows.len()).find(|row| self.row_key(*row) == Some(key))
    }

    /// The volume of a row, or those of its set that the choice shows.
    pub fn volumes_of_row(&self, row: usize) -> Vec<VolumeId> {
        match self.set(row) {
            Some(set) => self.shown_volumes().map(|view| view.volume.id).filter(|id| set.has(*id)).collect(),
            None => self.volume(row).map(|view| view.volume.id).into_iter().collect(),
        }
    }

    /// The volumes that are shown, those of closed sets too.
    pub fn shown_volumes(&self) -> impl Iterator<Item = &TransactionVolumeView> {
        self.volumes.iter().filter_map(|index| self.snapshot.transaction_volumes.get(*index as usize))
    }

    /// The views of a set's volumes.
    pub fn members<'a>(&'a self, set: &'a VolumeSet) -> impl Iterator<Item = &'a TransactionVolumeView> {
        set.members.iter().filter_map(|id| self.snapshot.transaction_volume(*id))
    }

    /// What a row of the copies pane is about, for keeping the cursor on it.
    pub fn copy_key(&self, row: CopyRow) -> Option<CopyKey> {
        Some(match row {
            CopyRow::Operation(index) => CopyKey::Operation(self.snapshot.operations.get(index as usize)?.id.0),
            CopyRow::Session(index) => CopyKey::Session(self.snapshot.sessions.get(index as usize)?.pair),
        })
    }

    pub fn session(&self, row: CopyRow) -> Option<&SessionView> {
        match row {
            CopyRow::Session(index) => self.snapshot.sessions.get(index as usize),
            CopyRow::Operation(_) => None,
        }
    }

    /// The rows of the copies pane that are about one volume.
    pub fn copies_of(&self, volume: VolumeId) -> Vec<CopyRow> {
        let sessions = &self.snapshot.sessions;
        let from = sessions.partition_point(|session| session.pair.source < volume);
        let count = self.snapshot.sessions_of(volume).len();
        let concerns = |restore: &&RestoreView| {
            restore.target == volume || restore.generation.is_some_and(|(owner, _)| owner == volume)
        };
        let restores = self.snapshot.restores.iter().filter(concerns);
        let restored = restores
            .filter_map(|restore| sessions.binary_search_by_key(&restore.pair(), |session| session.pair).ok())
            .filter(|index| !(from..from + count).contains(index));
        copy_rows(&self.snapshot, (from..from + count).chain(restored), |id| id == volume)
    }

    /// The backup volumes of one volume, and the unused ones that it could take next: indexes into the pool.
    pub fn pool_of(&self, volume: &TransactionVolumeView) -> Vec<u32> {
        let (snapshot, id) = (&self.snapshot, volume.volume.id);
        let sessions = snapshot.sessions_of(id).iter().map(|session| session.pair.target);
        let kept = snapshot.generations_of(id).iter().map(|generation| generation.backup_volume);
        let own: BTreeSet<VolumeId> = sessions.chain(kept).collect();
        let place = |id: &VolumeId| snapshot.pool.binary_search_by_key(id, |view| view.volume.id).ok();
        let mut rows: Vec<u32> = own.iter().filter_map(place).map(|index| index as u32).collect();
        let size = |index: &u32| snapshot.pool[*index as usize].volume.blocks;
        let from = self.pool.partition_point(|index| size(index) < volume.volume.blocks);
        let same = self.pool[from..].iter().take_while(|index| size(index) == volume.volume.blocks);
        let key = snapshot.pool_key(volume);
        let same = same.map(|index| (index, &snapshot.pool[*index as usize]));
        let unused = same.filter(|(_, view)| view.state == BackupState::Unused && snapshot.backup_key(view) == key);
        let unused = unused.map(|(index, _)| index);
        rows.extend(unused.take(MAX_UNUSED));
        rows
    }
}

/// Whether the same transaction volumes are registered, under the same names and policies and in the same sets.
fn has_same_volumes(old: &Snapshot, new: &Snapshot) -> bool {
    if !old.volume_sets.are(&new.volume_sets) && old.volume_sets != new.volume_sets {
        return false;
    }
    let (old, new) = (&old.transaction_volumes, &new.transaction_volumes);
    old.are(new) || old.len() == new.len() && std::iter::zip(old, new).all(|(old, new)| old.volume == new.volume)
}

/// The identity of a row in the copies pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyKey {
    Operation(u64),
    Session(Pair),
}

/// The longest run of the same volume.
fn most(sorted: impl Iterator<Item = VolumeId>) -> usize {
    let (mut longest, mut here, mut last) = (0, 0, None);
    for volume in sorted {
        here = if last == Some(volume) { here + 1 } else { 1 };
        last = Some(volume);
        longest = longest.max(here);
    }
    longest
}

fn name_width(snapshot: &Snapshot) -> u16 {
    let widest = snapshot.transaction_volumes.iter().map(|view| view.volume.name.as_str().width()).max();
    // A set has its sign before its name, and its volumes stand as far to the right.
    let sets = snapshot.volume_sets.iter().map(|set| set.name.as_str().width()).max();
    let indent = if sets.is_some() { SET_INDENT } else { 0 };
    (widest.max(sets).unwrap_or(0) + usize::from(indent)) as u16
}

/// Operations first, then sessions that need somebody, move, stand equivalent, rest; each kind by identity, so that rows
/// keep their places while figures change.
fn copies(snapshot: &Snapshot) -> Vec<CopyRow> {
    copy_rows(snapshot, 0..snapshot.sessions.len(), |_| true)
}

/// The rows of some sessions, and of the open or failed operations of some volumes.
fn copy_rows(
    snapshot: &Snapshot,
    sessions: impl Iterator<Item = usize>,
    of: impl Fn(VolumeId) -> bool,
) -> Vec<CopyRow> {
    let open = |index: &usize| match &snapshot.operations[*index].end {
        None => true,
        Some((_, end)) => !end.is_done(),
    };
    let operations = (0..snapshot.operations.len()).filter(open).filter(|index| of(snapshot.operations[*index].volume));
    let operations = operations.map(|index| CopyRow::Operation(index as u32));
    let mut sessions: Vec<(u8, u32)> =
        sessions.map(|index| (urgency(&snapshot.sessions[index]), index as u32)).collect();
    sessions.sort_unstable();
    operations.chain(sessions.into_iter().map(|(_, index)| CopyRow::Session(index))).collect()
}

fn urgency(session: &SessionView) -> u8 {
    match (session.status, session.phase) {
        (Status::ErrorSuspended | Status::Halted | Status::Unknown, _) | (_, Phase::Unknown) => 0,
        (Status::Active | Status::Reserved, Phase::Equivalent) => 2,
        (Status::Active | Status::Reserved, _) => 1,
        (Status::Suspended, _) => 3,
        (Status::Idle, _) => 4,
    }
}

/// Whether data flow in it.
pub fn is_moving(session: &SessionView) -> bool {
    session.status == Status::Active && matches!(session.phase, Phase::Copying | Phase::TrackingAndCopying)
}

fn events(snapshot: &Snapshot) -> Vec<EventRow> {
    fold(snapshot.events.iter().rev().filter(|line| line.news))
}

fn pool(snapshot: &Snapshot) -> Vec<u32> {
    let mut order: Vec<u32> = (0..snapshot.pool.len()).map(|index| index as u32).collect();
    order.sort_by_key(|index| snapshot.pool[*index as usize].volume.blocks);
    order
}

fn sizes(snapshot: &Snapshot) -> Vec<SizeRow> {
    let mut strips: BTreeMap<PoolKey, Vec<BackupState>> = BTreeMap::new();
    for view in &snapshot.pool {
        strips.entry(snapshot.backup_key(view)).or_default().push(view.state);
    }
    let row = |(key, pool)| {
        let strip = strips.remove(&key).unwrap_or_default();
        SizeRow { key, pool, strip }
    };
    pool_sizes(snapshot).into_iter().map(row).collect()
}

fn summary(snapshot: &Snapshot) -> Summary {
    let mut summary = Summary::default();
    let mut latest = Timestamp(i64::MIN);
    let mut known = true;
    for view in &snapshot.transaction_volumes {
        match view.state {
            // Its row is red, whatever the array does meanwhile.
            _ if view.has_lost_group() => summary.troubled += 1,
            TransactionState::None => summary.none += 1,
            TransactionState::Suspended => summary.suspended += 1,
            TransactionState::Equivalent => summary.equivalent += 1,
            TransactionState::Copying | TransactionState::Restoring => {
                summary.copying += 1;
                match view.ready {
                    Ready::Between { latest: end, .. } => latest = latest.max(end),
                    Ready::Now => {}
                    Ready::NotYetKnown | Ready::Never => known = false,
                }
            }
            _ => summary.troubled += 1,
        }
        summary.overdue += usize::from(matches!(view.due, Due::Overdue(_)));
    }
    summary.all_ready = (known && latest.0 != i64::MIN).then_some(latest);
    summary.moving_sessions = snapshot.sessions.iter().filter(|session| is_moving(session)).count();
    summary
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::fixture;

    fn shown(filter: &str) -> Vec<String> {
        let choice = Choice { filter: filter.to_owned(), order: Order::Name, ..Choice::default() };
        let picture = Picture::new(Arc::new(fixture::demo()), &choice);
        (0..picture.volumes.len()).map(|row| picture.volume(row).unwrap().volume.name.to_string()).collect()
    }

    #[test]
    fn a_filter_takes_names_patterns_states_and_what_is_not_wanted() {
        assert_eq!(shown("ora"), ["demo-ora01", "demo-ora02"]);
        assert_eq!(shown("*0?"), ["demo-ora01", "demo-ora02", "demo-vg01"]);
        assert_eq!(shown("halted"), ["demo-crm"]);
        assert_eq!(shown("overdue"), ["demo-mail", "demo-vg01"]);
        assert_eq!(shown("ora !equivalent"), ["demo-ora01"]);
        assert_eq!(shown("!demo"), Vec::<String>::new());
        assert_eq!(shown("!").len(), shown("").len(), "a sign alone hides nothing while one types");
    }

    #[test]
    fn trouble_comes_first_unless_another_order_is_chosen() {
        let picture = Picture::new(Arc::new(fixture::demo()), &Choice::default());
        let rank = |row| crate::model::pages::trouble_rank(picture.volume(row).unwrap());
        assert!((1..picture.volumes.len()).all(|row| rank(row - 1) >= rank(row)));
        assert!(rank(0).0);
    }

    #[test]
    fn the_pool_has_the_figures_of_the_verbs() {
        let snapshot = Arc::new(fixture::demo());
        let picture = Picture::new(Arc::clone(&snapshot), &Choice::default());
        let of_verbs = pool_sizes(&snapshot);
        assert_eq!(picture.sizes.len(), of_verbs.len());
        assert!(picture.sizes.iter().all(|size| of_verbs[&size.key] == size.pool));
    }

    #[test]
    fn a_volume_has_its_copies_and_the_backup_volumes_that_concern_it() {
        let picture = Picture::new(Arc::new(fixture::demo()), &Choice::default());
        for view in &picture.snapshot.transaction_volumes {
            let id = view.volume.id;
            for row in picture.copies_of(id) {
                assert!(picture.session(row).is_none_or(|session| session.pair.source == id));
            }
            assert_eq!(
                picture.copies_of(id).iter().filter(|row| picture.session(**row).is_some()).count(),
                picture.snapshot.sessions_of(id).len()
            );
            for index in picture.pool_of(view) {
                let backup = &picture.snapshot.pool[index as usize];
                assert!(backup.transaction_volume == Some(id) || backup.state == BackupState::Unused, "{backup:?}");
                assert_eq!(backup.volume.blocks, view.volume.blocks);
            }
        }
    }
}
