//! A snapshot made ready for drawing: sorted and filtered order of rows, sums for header and pool. Made when a snapshot
//! comes or the choice changes, never while drawing.

use super::events::{EventRow, fold};
use crate::model::identity::VolumeId;
use crate::model::session::{Pair, Phase, Status};
use crate::model::snapshot::{
    BackupState, BackupVolumeView, Due, Ready, SessionView, Snapshot, TransactionState, TransactionVolumeView,
};
use crate::model::units::{Blocks, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use unicode_width::UnicodeWidthStr;

/// How volumes are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    Name,
    /// What needs attention first.
    CliError,
    /// What will be ready last comes first: it decides whether the window is met.
    Ready,
}

impl Order {
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Name => Self::CliError,
            Self::CliError => Self::Ready,
            Self::Ready => Self::Name,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "by name",
            Self::CliError => "trouble first",
            Self::Ready => "last to be ready first",
        }
    }
}

/// Which volumes are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Lower case.
    pub filter: String,
    pub problems: bool,
    pub order: Order,
}

/// A row of the copies pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyRow {
    /// Index into the snapshot's operations.
    Operation(u32),
    /// Index into its sessions.
    Session(u32),
}

/// A row of the pool's summary: all backup volumes of one size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SizeRow {
    pub blocks: Blocks,
    pub unused: usize,
    /// Suspended with a transaction volume, or in a live session; no generation.
    pub bound: usize,
    pub kept: usize,
    pub other: usize,
    /// Volumes that the policies will still take.
    pub need: usize,
    /// States in order of identity, for the strip.
    pub strip: Vec<BackupState>,
}

impl SizeRow {
    /// How many are missing for all policies of this size to be served.
    pub fn short(&self) -> usize {
        self.need.saturating_sub(self.unused)
    }
}

/// Sums for the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    pub copying: usize,
    pub equivalent: usize,
    pub suspended: usize,
    pub none: usize,
    /// Halted, half-open, unknown or in error.
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
    /// Indexes of the transaction volumes that are shown, in order.
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
}

impl Picture {
    pub fn new(snapshot: Arc<Snapshot>, choice: &Choice) -> Self {
        let mut picture = Self {
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
        }
        if !order_stands {
            self.choose(choice);
        }
    }

    /// Filters and sorts the volumes anew.
    pub fn choose(&mut self, choice: &Choice) {
        let views = &self.snapshot.transaction_volumes;
        let shown = |view: &TransactionVolumeView| {
            (!choice.problems || needs_attention(view))
                && (choice.filter.is_empty() || matches_filter(&self.snapshot, view, &choice.filter))
        };
        let mut volumes: Vec<u32> = (0..views.len()).filter(|&index| shown(&views[index])).map(|i| i as u32).collect();
        let name = |index: &u32| views[*index as usize].volume.name.as_str();
        match choice.order {
            Order::Name => volumes.sort_by(|a, b| name(a).cmp(name(b))),
            Order::CliError => volumes.sort_by(|a, b| {
                let rank = |index: &u32| trouble(&views[*index as usize]);
                rank(b).cmp(&rank(a)).then_with(|| name(a).cmp(name(b)))
            }),
            Order::Ready => volumes.sort_by(|a, b| {
                let rank = |index: &u32| lateness(views[*index as usize].ready);
                rank(b).cmp(&rank(a)).then_with(|| name(a).cmp(name(b)))
            }),
        }
        self.volumes = volumes;
    }

    /// The volume in a row of the list.
    pub fn volume(&self, row: usize) -> Option<&TransactionVolumeView> {
        self.snapshot.transaction_volumes.get(*self.volumes.get(row)? as usize)
    }

    pub fn backup_volume(&self, row: usize) -> Option<&BackupVolumeView> {
        self.snapshot.pool.get(*self.pool.get(row)? as usize)
    }

    pub fn session(&self, row: usize) -> Option<&SessionView> {
        match self.copies.get(row)? {
            CopyRow::Session(index) => self.snapshot.sessions.get(*index as usize),
            CopyRow::Operation(_) => None,
        }
    }

    /// What a row of the copies pane is about, for keeping the cursor on it.
    pub fn copy_key(&self, row: usize) -> Option<CopyKey> {
        Some(match self.copies.get(row)? {
            CopyRow::Operation(index) => CopyKey::Operation(self.snapshot.operations.get(*index as usize)?.id.0),
            CopyRow::Session(index) => CopyKey::Session(self.snapshot.sessions.get(*index as usize)?.pair),
        })
    }
}

/// Whether the same transaction volumes are registered, under the same names and policies.
fn has_same_volumes(old: &Snapshot, new: &Snapshot) -> bool {
    let (old, new) = (&old.transaction_volumes, &new.transaction_volumes);
    old.are(new) || old.len() == new.len() && std::iter::zip(old, new).all(|(old, new)| old.volume == new.volume)
}

/// The identity of a row in the copies pane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyKey {
    Operation(u64),
    Session(Pair),
}

/// Whether `!` shows it.
pub fn needs_attention(view: &TransactionVolumeView) -> bool {
    view.problem.is_some() || is_trouble(view.state) || matches!(view.due, Due::Overdue(_))
}

/// States in which nothing goes on by itself, or nobody knows.
pub fn is_trouble(state: TransactionState) -> bool {
    matches!(
        state,
        TransactionState::Unknown
            | TransactionState::HalfOpen
            | TransactionState::Halted
            | TransactionState::Error
            | TransactionState::Inbound
            | TransactionState::Reversed
    )
}

fn trouble(view: &TransactionVolumeView) -> (bool, bool, bool) {
    (is_trouble(view.state), view.problem.is_some(), matches!(view.due, Due::Overdue(_)))
}

fn lateness(ready: Ready) -> (u8, Timestamp) {
    match ready {
        Ready::Never => (0, Timestamp(0)),
        Ready::Now => (1, Timestamp(0)),
        Ready::Between { latest, .. } => (2, latest),
        Ready::NotYetKnown => (3, Timestamp(0)),
    }
}

fn matches_filter(snapshot: &Snapshot, view: &TransactionVolumeView, filter: &str) -> bool {
    let contains = |text: &str| text.to_ascii_lowercase().contains(filter);
    contains(view.volume.name.as_str())
        || view.state.to_string() == filter
        || contains(&snapshot.location(view.volume.id))
}

fn name_width(snapshot: &Snapshot) -> u16 {
    let widest = snapshot.transaction_volumes.iter().map(|view| view.volume.name.as_str().width()).max();
    widest.unwrap_or(0) as u16
}

/// Operations first, then sessions that need somebody, move, stand equivalent, rest; each kind by identity, so that rows
/// keep their places while figures change.
fn copies(snapshot: &Snapshot) -> Vec<CopyRow> {
    let open = |index: &usize| match &snapshot.operations[*index].end {
        None => true,
        Some((_, end)) => !end.is_done(),
    };
    let operations = (0..snapshot.operations.len()).filter(open).map(|index| CopyRow::Operation(index as u32));
    let mut sessions: Vec<(u8, u32)> =
        snapshot.sessions.iter().enumerate().map(|(index, session)| (urgency(session), index as u32)).collect();
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
    let mut rows: BTreeMap<Blocks, SizeRow> = BTreeMap::new();
    let mut own: BTreeMap<VolumeId, usize> = BTreeMap::new();
    for view in &snapshot.pool {
        let row = rows.entry(view.volume.blocks).or_default();
        match view.state {
            BackupState::Unused => row.unused += 1,
            BackupState::Bound | BackupState::Copying | BackupState::Equivalent => row.bound += 1,
            BackupState::Generation | BackupState::SuspendedGeneration => row.kept += 1,
            BackupState::Error | BackupState::Foreign | BackupState::Unverified | BackupState::Reversed => {
                row.other += 1;
            }
        }
        row.strip.push(view.state);
        if let Some(owner) = view.transaction_volume {
            *own.entry(owner).or_default() += 1;
        }
    }
    for view in &snapshot.transaction_volumes {
        let Some(policy) = view.volume.policy else { continue };
        let has = own.get(&view.volume.id).copied().unwrap_or(0);
        let needs = policy.backup_volumes().saturating_sub(has);
        rows.entry(view.volume.blocks).or_default().need += needs;
    }
    rows.into_iter().map(|(blocks, row)| SizeRow { blocks, ..row }).collect()
}

fn summary(snapshot: &Snapshot) -> Summary {
    let mut summary = Summary::default();
    let mut latest = Timestamp(i64::MIN);
    let mut known = true;
    for view in &snapshot.transaction_volumes {
        match view.state {
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
