//! A map set as a grid of volumes and rounds, what each cell takes now, the candidates for a cell, and a proposal for all.
//!
//! The same rules as at a start decide: what the grid calls usable, a plan takes.

use super::{MapRound, MapRow, MapSet};
use crate::model::codes::Code;
use crate::model::entity::BackupMode;
use crate::model::identity::{BoxId, Name, VolumeId};
use crate::model::plan;
use crate::model::plan::map_rounds::in_order;
pub use crate::model::plan::map_rounds::{Shortage, shortages};
use crate::model::pool::PoolKey;
use crate::model::session::Pair;
use crate::model::snapshot::{BackupState, BackupVolumeView, Snapshot, TransactionVolumeView};
use crate::model::units::{Blocks, Version};
use crate::model::untrusted::Untrusted;
use std::collections::{BTreeMap, BTreeSet};

/// What a pair would do if it were started now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// The difference; `None` where the array does not report how much it is.
    Difference(Option<Blocks>),
    /// Everything, inside of one box.
    All(Blocks),
    /// Everything, to another box.
    AllRemote(Blocks),
    /// The pair is synchronized already.
    Running,
}

/// Why a pair is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    pub code: Code,
    pub reason: String,
}

/// One cell of the grid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    /// The round has no backup volume for this volume.
    Empty,
    Usable {
        backup_volume: VolumeId,
        takes: Takes,
    },
    /// It holds a generation of its own volume, which this round does not give up: another round is due.
    NotDue {
        backup_volume: VolumeId,
        version: Option<Version>,
    },
    /// It cannot be used now, or never.
    Refused {
        backup_volume: VolumeId,
        rejection: Rejection,
    },
}

impl Cell {
    /// The backup volume that the round has for the volume.
    pub fn backup_volume(&self) -> Option<VolumeId> {
        match self {
            Self::Empty => None,
            Self::Usable { backup_volume, .. }
            | Self::NotDue { backup_volume, .. }
            | Self::Refused { backup_volume, .. } => Some(*backup_volume),
        }
    }
}

/// One volume with its cells, one a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GridRow {
    pub transaction_volume: VolumeId,
    /// The registered name, else the one that was written.
    pub name: String,
    pub is_registered: bool,
    pub blocks: Option<Blocks>,
    /// Generations that its policy keeps.
    pub keeps: Option<u16>,
    pub mode: Option<BackupMode>,
    pub cells: Vec<Cell>,
    /// The round that a start takes now.
    pub due: Option<usize>,
}

/// A map set on a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    pub rounds: Vec<Name>,
    pub rows: Vec<GridRow>,
}

/// A backup volume for a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub backup_volume: VolumeId,
    pub name: String,
    /// `Err`: it is not offered, and why.
    pub verdict: Result<Fit, Rejection>,
}

/// How a candidate fits, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    Now(Takes),
    /// It holds a generation of this volume: right for a round that is not due.
    NotDue(Option<Version>),
}

/// The grid of a stored set or of a draft.
pub fn grid(snapshot: &Snapshot, set: &MapSet) -> Grid {
    let row = |id: VolumeId| {
        let view = snapshot.transaction_volume(id);
        let cells: Vec<Cell> =
            set.rounds.iter().map(|round| round.row(id).map_or(Cell::Empty, |row| cell(snapshot, row))).collect();
        let usable = |row: &MapRow| matches!(cell(snapshot, row), Cell::Usable { .. });
        let due = in_order(snapshot, set, id).into_iter().find(|(_, row)| usable(row));
        let due = due.and_then(|(due, _)| set.rounds.iter().position(|round| round.name == due.name));
        let written = || set.rows_of(id).next().map(|(_, row)| row.transaction_name.escaped());
        GridRow {
            transaction_volume: id,
            name: view.map_or_else(|| written().unwrap_or_default(), |view| view.volume.name.to_string()),
            is_registered: view.is_some(),
            blocks: view.map(|view| view.volume.blocks),
            keeps: view.and_then(|view| view.volume.policy).map(|policy| policy.generations),
            mode: view.and_then(|view| view.volume.policy).map(|policy| policy.mode),
            cells,
            due,
        }
    };
    Grid {
        rounds: set.rounds.iter().map(|round| round.name.clone()).collect(),
        rows: set.transaction_volumes().into_iter().map(row).collect(),
    }
}

/// What a pair takes now.
pub fn cell(snapshot: &Snapshot, row: &MapRow) -> Cell {
    let backup_volume = row.backup_volume;
    match fit(snapshot, row.transaction_volume, backup_volume) {
        Ok(Fit::Now(takes)) => Cell::Usable { backup_volume, takes },
        Ok(Fit::NotDue(version)) => Cell::NotDue { backup_volume, version },
        Err(rejection) => Cell::Refused { backup_volume, rejection },
    }
}

fn fit(snapshot: &Snapshot, transaction: VolumeId, backup: VolumeId) -> Result<Fit, Rejection> {
    let view = snapshot.backup_volume(backup);
    let own = view.is_some_and(|view| view.transaction_volume == Some(transaction));
    match plan::pairing(snapshot, transaction, backup) {
        Ok(()) => Ok(Fit::Now(takes(snapshot, transaction, backup, view))),
        Err(refusal) if refusal.code == Code::HOLDS_A_GENERATION && own => {
            Ok(Fit::NotDue(view.and_then(|view| view.generation)))
        }
        Err(refusal) => Err(Rejection { code: refusal.code, reason: refusal.reason }),
    }
}

fn takes(snapshot: &Snapshot, transaction: VolumeId, backup: VolumeId, view: Option<&BackupVolumeView>) -> Takes {
    let pair = Pair::new(transaction, backup);
    let blocks = view.map_or(Blocks(0), |view| view.volume.blocks);
    match view.map(|view| view.state) {
        Some(BackupState::Bound) => Takes::Difference(snapshot.session(&pair).and_then(|session| session.difference)),
        Some(BackupState::Copying | BackupState::Equivalent) => Takes::Running,
        _ if transaction.box_id == backup.box_id => Takes::All(blocks),
        _ => Takes::AllRemote(blocks),
    }
}

/// A cell that has a backup volume.
struct Place<'a> {
    /// The round of the draft; `None`: in another map set.
    round: Option<&'a Name>,
    transaction_volume: VolumeId,
    /// `is for db01 in round B`.
    words: String,
}

/// Where the draft and the other map sets have each backup volume.
fn places<'a>(snapshot: &Snapshot, draft: &'a MapSet) -> BTreeMap<VolumeId, Vec<Place<'a>>> {
    let mut places: BTreeMap<VolumeId, Vec<Place<'a>>> = BTreeMap::new();
    for (round, row) in draft.rows() {
        let transaction_volume = row.transaction_volume;
        let words = format!("is for {} in round {}", snapshot.label(transaction_volume), round.name);
        let place = Place { round: Some(&round.name), transaction_volume, words };
        places.entry(row.backup_volume).or_default().push(place);
    }
    for set in snapshot.map_sets.iter().filter(|set| set.name != draft.name) {
        for (_, row) in set.rows() {
            let transaction_volume = row.transaction_volume;
            let words = format!("is for {} in map set {}", snapshot.label(transaction_volume), set.name);
            let place = Place { round: None, transaction_volume, words };
            places.entry(row.backup_volume).or_default().push(place);
        }
    }
    places
}

/// Every backup volume for one cell, best first; then those that are not offered, each with its reason, those of the right
/// size first.
pub fn candidates(snapshot: &Snapshot, draft: &MapSet, transaction: VolumeId, round: &Name) -> Vec<Candidate> {
    let places = places(snapshot, draft);
    let taken = |id: VolumeId| {
        let other = |place: &&Place<'_>| place.transaction_volume != transaction || place.round != Some(round);
        places.get(&id)?.iter().find(other).map(|place| place.words.clone())
    };
    let mut candidates: Vec<Candidate> = snapshot
        .pool
        .iter()
        .map(|view| {
            let id = view.volume.id;
            let name = snapshot.label(id);
            let verdict = match taken(id) {
                Some(words) => Err(Rejection { code: Code::MAP_DUPLICATE, reason: format!("{name} {words}") }),
                None => fit(snapshot, transaction, id),
            };
            Candidate { backup_volume: id, name, verdict }
        })
        .collect();
    let blocks = snapshot.transaction_volume(transaction).map(|view| view.volume.blocks);
    candidates.sort_by_cached_key(|candidate| {
        let other_size = snapshot.backup_volume(candidate.backup_volume).map(|view| view.volume.blocks) != blocks;
        (rank(transaction, candidate), other_size, candidate.backup_volume)
    });
    candidates
}

/// Less to copy before more, the own box before another, what is offered before what is not.
fn rank(transaction: VolumeId, candidate: &Candidate) -> (u8, u64) {
    match &candidate.verdict {
        Ok(Fit::Now(Takes::Running)) => (0, 0),
        Ok(Fit::Now(Takes::Difference(blocks))) => (1, blocks.map_or(u64::MAX, |blocks| blocks.0)),
        Ok(Fit::NotDue(_)) if candidate.backup_volume.box_id == transaction.box_id => (2, 0),
        Ok(Fit::NotDue(_)) => (3, 0),
        Ok(Fit::Now(Takes::All(_))) => (4, 0),
        Ok(Fit::Now(Takes::AllRemote(_))) => (5, 0),
        Err(_) => (6, 0),
    }
}

/// The names of rounds: A to Z, then R27 and on.
pub fn round_name(index: usize) -> Option<Name> {
    let letter = u8::try_from(index).ok().filter(|index| *index < 26).map(|index| char::from(b'A' + index));
    letter.map_or_else(|| format!("R{}", index + 1), String::from).parse().ok()
}

/// A map set for these volumes: what the draft has stays, and empty cells are filled as far as the pool goes.
///
/// Each volume gets as many rounds as its policy needs backup volumes, two without a policy. A volume keeps what is its own
/// already. Volumes in suspend mode are served before those in dissolve mode, for each needs backup volumes of its own.
pub fn propose(snapshot: &Snapshot, draft: &MapSet, volumes: &[VolumeId]) -> MapSet {
    let mut wanted: Vec<(&TransactionVolumeView, usize)> = volumes
        .iter()
        .filter_map(|id| snapshot.transaction_volume(*id))
        .map(|view| (view, view.volume.policy.map_or(2, crate::model::entity::Policy::backup_volumes)))
        .collect();
    let dissolves =
        |view: &TransactionVolumeView| view.volume.policy.is_some_and(|policy| policy.mode == BackupMode::Dissolve);
    wanted.sort_by_key(|(view, _)| (dissolves(view), view.volume.id));
    wanted.dedup_by_key(|(view, _)| view.volume.id);
    let rounds =
        wanted.iter().map(|(_, rounds)| *rounds).max().unwrap_or(0).clamp(draft.rounds.len(), MapSet::MAX_ROUNDS);
    let mut cells: Vec<BTreeMap<VolumeId, MapRow>> = draft
        .rounds
        .iter()
        .map(|round| round.rows.iter().map(|row| (row.transaction_volume, row.clone())).collect())
        .collect();
    cells.resize_with(rounds, BTreeMap::new);
    let mut taken: BTreeSet<VolumeId> = places(snapshot, draft).into_keys().collect();
    let mut free = Free::new(snapshot, &taken);
    // Where an array does not answer, no pair of it fits: one of them is asked, not all.
    let mut silent: BTreeSet<(BoxId, BoxId)> = BTreeSet::new();
    let mut fill = |cell: &mut BTreeMap<VolumeId, MapRow>, view: &TransactionVolumeView, source: Source| {
        let id = view.volume.id;
        if cell.contains_key(&id) {
            return;
        }
        let found = free.of(view, source).find(|found| {
            let boxes = (id.box_id, found.box_id);
            if taken.contains(found) || silent.contains(&boxes) {
                return false;
            }
            let fits = fit(snapshot, id, *found);
            if fits.as_ref().is_err_and(|why| matches!(why.code, Code::ARRAY_STALE | Code::ARRAY_UNREACHABLE)) {
                silent.insert(boxes);
            }
            fits.is_ok()
        });
        let Some(found) = found else { return };
        taken.insert(found);
        free.take(view, found);
        let (transaction_name, backup_name) =
            (Untrusted::new(snapshot.label(id)), Untrusted::new(snapshot.label(found)));
        cell.insert(id, MapRow { transaction_volume: id, backup_volume: found, transaction_name, backup_name });
    };
    // What is a volume's own already, for everybody: nobody else can use it.
    for (view, needed) in &wanted {
        for cell in cells.iter_mut().take(*needed) {
            fill(cell, view, Source::Own);
        }
    }
    // Then round by round, so that a pool that is short leaves each volume at least one.
    let (suspending, dissolving): (Vec<_>, Vec<_>) = wanted.iter().partition(|(view, _)| !dissolves(view));
    for group in [suspending, dissolving] {
        for (at, cell) in cells.iter_mut().enumerate() {
            for source in [Source::SameBox, Source::OtherBox] {
                for (view, _) in group.iter().filter(|(_, needed)| at < *needed) {
                    fill(cell, view, source);
                }
            }
        }
    }
    let names: Vec<Name> = draft.rounds.iter().map(|round| round.name.clone()).collect();
    let fresh = (0..).map_while(round_name).filter(|name| !names.contains(name)).take(rounds - names.len());
    let fresh: Vec<Name> = fresh.collect();
    let filled = names.into_iter().chain(fresh).zip(cells);
    let rounds = filled.map(|(name, rows)| MapRound::new(name, rows.into_values().collect())).collect();
    MapSet { name: draft.name.clone(), rounds }
}

/// Where a backup volume is looked for.
#[derive(Clone, Copy)]
enum Source {
    /// In a session or at a generation of the volume itself.
    Own,
    SameBox,
    OtherBox,
}

/// The pool, for a proposal.
struct Free<'a> {
    snapshot: &'a Snapshot,
    own: BTreeMap<VolumeId, Vec<VolumeId>>,
    unused: BTreeMap<PoolKey, Vec<VolumeId>>,
}

impl<'a> Free<'a> {
    /// Without those that are in a map already.
    fn new(snapshot: &'a Snapshot, taken: &BTreeSet<VolumeId>) -> Self {
        let (mut own, mut unused) = (BTreeMap::<_, Vec<_>>::new(), BTreeMap::<_, Vec<_>>::new());
        for view in snapshot.pool.iter().filter(|view| !taken.contains(&view.volume.id)) {
            match (view.state, view.transaction_volume) {
                (BackupState::Unused, _) => unused.entry(snapshot.backup_key(view)).or_default().push(view.volume.id),
                (_, Some(owner)) => own.entry(owner).or_default().push(view.volume.id),
                (_, None) => {}
            }
        }
        Self { snapshot, own, unused }
    }

    /// Nobody looks at it again.
    fn take(&mut self, view: &TransactionVolumeView, id: VolumeId) {
        if let Some(unused) = self.unused.get_mut(&self.snapshot.pool_key(view))
            && let Some(at) = unused.iter().position(|known| *known == id)
        {
            unused.remove(at);
        }
    }

    fn of(&self, view: &TransactionVolumeView, source: Source) -> impl Iterator<Item = VolumeId> + use<'_> {
        let id = view.volume.id;
        let list = match source {
            Source::Own => self.own.get(&id),
            Source::SameBox | Source::OtherBox => self.unused.get(&self.snapshot.pool_key(view)),
        };
        let fits = move |found: &VolumeId| match source {
            Source::Own => true,
            Source::SameBox => found.box_id == id.box_id,
            Source::OtherBox => found.box_id != id.box_id,
        };
        list.into_iter().flatten().copied().filter(fits)
    }
}
