//! Map sets: the rounds of the same volumes, as the catalogue keeps them. By identity: a name that changes changes nothing.

use crate::model::entity::OperationId;
use crate::model::identity::{Name, VolumeId};
use crate::model::rows::Rows;
use crate::model::untrusted::Untrusted;
use crate::model::volume_names::VolumeNames;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The rounds of one group of transaction volumes. A transaction volume is in one map set at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapSet {
    pub name: Name,
    /// In the order in which they were given; their names are unique in the set.
    pub rounds: Vec<MapRound>,
}

/// One map of a set: at most one backup volume for each transaction volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapRound {
    pub name: Name,
    /// Sorted by transaction volume, each once.
    pub rows: Rows<MapRow>,
}

/// One pair of a round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapRow {
    pub transaction_volume: VolumeId,
    pub backup_volume: VolumeId,
    /// The names as they were written. What is shown of a registered volume is its present name.
    pub transaction_name: Untrusted,
    pub backup_name: Untrusted,
}

/// When a pair was last started because a map paired it: the operation's number, which grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairUse {
    pub transaction_volume: VolumeId,
    pub backup_volume: VolumeId,
    pub operation: OperationId,
}

impl MapRound {
    /// Sorts the rows. Of two rows of one transaction volume the later one stays.
    pub fn new(name: Name, rows: Vec<MapRow>) -> Self {
        let sorted: BTreeMap<VolumeId, MapRow> = rows.into_iter().map(|row| (row.transaction_volume, row)).collect();
        Self { name, rows: sorted.into_values().collect() }
    }

    pub fn row(&self, transaction_volume: VolumeId) -> Option<&MapRow> {
        let at = self.rows.binary_search_by_key(&transaction_volume, |row| row.transaction_volume).ok()?;
        self.rows.get(at)
    }
}

impl MapSet {
    /// Rounds of one set at most: one for each generation that a policy may keep, and one that is copied to.
    pub const MAX_ROUNDS: usize = 100;
    /// Pairs of one set at most.
    pub const MAX_PAIRS: usize = 100_000;

    /// Every transaction volume of the set, sorted.
    pub fn transaction_volumes(&self) -> Vec<VolumeId> {
        let all: BTreeSet<VolumeId> = self.rows().map(|(_, row)| row.transaction_volume).collect();
        all.into_iter().collect()
    }

    pub fn rows(&self) -> impl Iterator<Item = (&MapRound, &MapRow)> {
        self.rounds.iter().flat_map(|round| round.rows.iter().map(move |row| (round, row)))
    }

    pub fn pairs(&self) -> usize {
        self.rounds.iter().map(|round| round.rows.len()).sum()
    }

    /// The first pairs of it, at most so many in all.
    #[must_use]
    pub fn abridged(&self, most: usize) -> Self {
        let mut left = most;
        let mut short = |round: &MapRound| {
            let rows: Vec<MapRow> = round.rows.iter().take(left).cloned().collect();
            left -= rows.len();
            MapRound { name: round.name.clone(), rows: rows.into() }
        };
        Self { name: self.name.clone(), rounds: self.rounds.iter().take(most).map(&mut short).collect() }
    }

    /// Names the contents, so that an edit of it is only stored on what it was made from.
    pub fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (round, row) in self.rows() {
            let line = format!("{} {} {}\n", round.name, row.transaction_volume, row.backup_volume);
            hasher.update(line.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }

    pub fn round(&self, name: &Name) -> Option<&MapRound> {
        self.rounds.iter().find(|round| round.name == *name)
    }

    /// The rounds that have a backup volume for this transaction volume.
    pub fn rows_of(&self, transaction_volume: VolumeId) -> impl Iterator<Item = (&MapRound, &MapRow)> {
        self.rounds.iter().filter_map(move |round| Some((round, round.row(transaction_volume)?)))
    }
}

/// One pair that is other than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MapDifference {
    pub round: Name,
    pub transaction_volume: VolumeId,
    /// The backup volume before; `None`: the pair is new.
    pub before: Option<VolumeId>,
    /// The backup volume after; `None`: the pair is gone.
    pub after: Option<VolumeId>,
}

/// Every pair that differs, by round and transaction volume.
pub fn difference(before: Option<&MapSet>, after: Option<&MapSet>) -> Vec<MapDifference> {
    let (before, after) = (by_place(before), by_place(after));
    let mut places: Vec<&(Name, VolumeId)> = before.keys().chain(after.keys()).collect();
    places.sort_unstable();
    places.dedup();
    let differs = |place: &&&(Name, VolumeId)| {
        before.get(**place).map(|row| row.backup_volume) != after.get(**place).map(|row| row.backup_volume)
    };
    places
        .iter()
        .filter(differs)
        .map(|place| MapDifference {
            round: place.0.clone(),
            transaction_volume: place.1,
            before: before.get(*place).map(|row| row.backup_volume),
            after: after.get(*place).map(|row| row.backup_volume),
        })
        .collect()
}

fn by_place(set: Option<&MapSet>) -> BTreeMap<(Name, VolumeId), &MapRow> {
    let rows = set.into_iter().flat_map(MapSet::rows);
    rows.map(|(round, row)| ((round.name.clone(), row.transaction_volume), row)).collect()
}

impl MapDifference {
    /// `+ round B: db01 DEMO1/0x24`, `~ round B: db01 DEMO1/0x24, was DEMO1/0x25`, `- round B: db01 DEMO1/0x25`.
    pub fn in_words(&self, names: &dyn VolumeNames) -> String {
        let place = format!("round {}: {}", self.round, names.label(self.transaction_volume));
        let label = |id: VolumeId| names.label(id);
        match (self.before, self.after) {
            (None, Some(after)) => format!("+ {place} {}", label(after)),
            (Some(before), Some(after)) => format!("~ {place} {}, was {}", label(after), label(before)),
            (Some(before), None) => format!("- {place} {}", label(before)),
            (None, None) => format!("  {place}"),
        }
    }
}
