//! A map set that is being made or changed. It knows its cells and what they were; it does not know the site.

use crate::model::device_map::{MapRound, MapRow, MapSet, difference, grid};
use crate::model::identity::{Name, VolumeId};
use crate::model::units::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Steps back that are remembered.
const MAX_UNDO: usize = 100;

/// What a person has chosen so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    name: Name,
    /// The volumes of the map set. Cells of other volumes stay: who takes a volume back has its cells again.
    chosen: BTreeSet<VolumeId>,
    rounds: Vec<MapRound>,
}

#[derive(Debug, Clone)]
pub struct Draft {
    contents: Contents,
    /// The stored map set that it is made from; `None`: a new one.
    pub base: Option<MapSet>,
    /// When it was last changed, by the clock.
    pub changed_at: Option<Timestamp>,
    undo: Vec<Contents>,
    /// Another number after each change.
    pub revision: u64,
}

/// The form in which a draft is kept in a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    schema: u32,
    contents: Contents,
    base: Option<MapSet>,
    changed_at: Option<Timestamp>,
}

const SCHEMA: u32 = 1;

impl Draft {
    pub fn new(name: Name) -> Self {
        let contents = Contents { name, chosen: BTreeSet::new(), rounds: Vec::new() };
        Self { contents, base: None, changed_at: None, undo: Vec::new(), revision: 0 }
    }

    /// A stored map set, to be changed.
    pub fn of(set: &MapSet) -> Self {
        let chosen = set.transaction_volumes().into_iter().collect();
        let contents = Contents { name: set.name.clone(), chosen, rounds: set.rounds.clone() };
        Self { contents, base: Some(set.clone()), changed_at: None, undo: Vec::new(), revision: 0 }
    }

    /// The draft of a file's text.
    ///
    /// # Errors
    /// When it is no draft, or one that no map set could be.
    pub fn read(text: &str) -> Result<Self, String> {
        let kept: Kept = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if kept.schema != SCHEMA {
            return Err(format!("it has format {}, this program writes {SCHEMA}", kept.schema));
        }
        let mut contents = kept.contents;
        let pairs: usize = contents.rounds.iter().map(|round| round.rows.len()).sum();
        let names: BTreeSet<&Name> = contents.rounds.iter().map(|round| &round.name).collect();
        if names.len() != contents.rounds.len() || names.len() > MapSet::MAX_ROUNDS || pairs > MapSet::MAX_PAIRS {
            return Err("its rounds cannot be those of a map set".to_owned());
        }
        // Lookups rely on the order of rows, which a file does not promise.
        for round in &mut contents.rounds {
            *round = MapRound::new(round.name.clone(), round.rows.to_vec());
        }
        Ok(Self { contents, base: kept.base, changed_at: kept.changed_at, undo: Vec::new(), revision: 0 })
    }

    /// The text that [`Self::read`] reads; `None` where it cannot be written.
    pub fn text(&self) -> Option<String> {
        let (contents, base) = (self.contents.clone(), self.base.clone());
        serde_json::to_string_pretty(&Kept { schema: SCHEMA, contents, base, changed_at: self.changed_at }).ok()
    }

    pub fn name(&self) -> &Name {
        &self.contents.name
    }

    pub fn chosen(&self) -> &BTreeSet<VolumeId> {
        &self.contents.chosen
    }

    pub fn round_names(&self) -> impl ExactSizeIterator<Item = &Name> {
        self.contents.rounds.iter().map(|round| &round.name)
    }

    /// All rounds, those without a pair too, with the chosen volumes.
    pub fn set(&self) -> MapSet {
        let chosen = |round: &MapRound| {
            let rows = round.rows.iter().filter(|row| self.contents.chosen.contains(&row.transaction_volume));
            MapRound::new(round.name.clone(), rows.cloned().collect())
        };
        MapSet { name: self.contents.name.clone(), rounds: self.contents.rounds.iter().map(chosen).collect() }
    }

    /// What is stored of it: a round without a pair is none.
    pub fn to_store(&self) -> MapSet {
        let mut set = self.set();
        set.rounds.retain(|round| !round.rows.is_empty());
        set
    }

    /// Whether something would be lost if it went.
    pub fn is_changed(&self) -> bool {
        match &self.base {
            Some(base) => base.rounds != self.to_store().rounds,
            None => !self.contents.chosen.is_empty(),
        }
    }

    /// Whether a stored map set is what this would store.
    pub fn is_stored_as(&self, stored: Option<&MapSet>) -> bool {
        stored.is_some_and(|stored| stored.rounds == self.to_store().rounds)
    }

    /// Pairs that differ from what it was made from.
    pub fn changes(&self) -> usize {
        difference(self.base.as_ref(), Some(&self.to_store())).len()
    }

    fn change(&mut self, now: Timestamp, change: impl FnOnce(&mut Contents)) {
        let before = self.contents.clone();
        change(&mut self.contents);
        if before != self.contents {
            self.undo.push(before);
            let surplus = self.undo.len().saturating_sub(MAX_UNDO);
            self.undo.drain(..surplus);
            self.touch(now);
        }
    }

    fn touch(&mut self, now: Timestamp) {
        self.revision += 1;
        self.changed_at = Some(now);
    }

    /// One step back; `false`: there is none.
    pub fn undo(&mut self, now: Timestamp) -> bool {
        let Some(before) = self.undo.pop() else { return false };
        self.contents = before;
        self.touch(now);
        true
    }

    pub fn rename(&mut self, now: Timestamp, name: Name) {
        self.change(now, |contents| contents.name = name);
    }

    /// Takes volumes in, or out: all of them out where all are in.
    pub fn turn(&mut self, now: Timestamp, volumes: &[VolumeId]) {
        self.change(now, |contents| {
            let all_in = volumes.iter().all(|id| contents.chosen.contains(id));
            for id in volumes {
                if all_in {
                    contents.chosen.remove(id);
                } else {
                    contents.chosen.insert(*id);
                }
            }
        });
    }

    /// Chosen volumes that no round has.
    pub fn without_pairs(&self) -> Vec<VolumeId> {
        let mut open = self.contents.chosen.clone();
        for row in self.contents.rounds.iter().flat_map(|round| round.rows.iter()) {
            open.remove(&row.transaction_volume);
        }
        open.into_iter().collect()
    }

    /// Takes rounds over: of a proposal, or of an edited text. Cells of volumes that are not chosen stay.
    pub fn take(&mut self, now: Timestamp, rounds: &[MapRound]) {
        self.change(now, |contents| {
            let mut merged = Vec::with_capacity(rounds.len());
            for round in rounds {
                let known = contents.rounds.iter().find(|known| known.name == round.name);
                let parked = known.into_iter().flat_map(|known| known.rows.iter());
                let parked = parked.filter(|row| !contents.chosen.contains(&row.transaction_volume));
                merged.push(MapRound::new(round.name.clone(), parked.chain(round.rows.iter()).cloned().collect()));
            }
            contents.rounds = merged;
        });
    }

    /// Takes a whole map set over: its rounds and its volumes.
    pub fn replace(&mut self, now: Timestamp, set: &MapSet) {
        self.change(now, |contents| {
            contents.chosen = set.transaction_volumes().into_iter().collect();
            contents.rounds.clone_from(&set.rounds);
        });
    }

    /// Goes on from another state of the stored map set; `None`: it is a new one.
    pub fn rebase(&mut self, now: Timestamp, stored: Option<&MapSet>) {
        self.base = stored.cloned();
        self.touch(now);
    }

    /// Sets one cell, or empties it.
    pub fn put(&mut self, now: Timestamp, round: usize, volume: VolumeId, row: Option<MapRow>) {
        self.change(now, |contents| {
            let Some(round) = contents.rounds.get_mut(round) else { return };
            let others = round.rows.iter().filter(|row| row.transaction_volume != volume).cloned();
            *round = MapRound::new(round.name.clone(), others.chain(row).collect());
        });
    }

    /// One more round, without pairs; `None`: there are as many as there may be.
    pub fn add_round(&mut self, now: Timestamp) -> Option<Name> {
        if self.contents.rounds.len() >= MapSet::MAX_ROUNDS {
            return None;
        }
        let is_free = |name: &Name| !self.round_names().any(|known| known == name);
        let name = (0..).map_while(grid::round_name).find(is_free)?;
        let round = MapRound::new(name.clone(), Vec::new());
        self.change(now, |contents| contents.rounds.push(round));
        Some(name)
    }

    pub fn remove_round(&mut self, now: Timestamp, at: usize) -> Option<Name> {
        let name = self.contents.rounds.get(at)?.name.clone();
        self.change(now, |contents| drop(contents.rounds.remove(at)));
        Some(name)
    }

    /// `false`: another round has this name.
    pub fn rename_round(&mut self, now: Timestamp, at: usize, name: Name) -> bool {
        if self.round_names().enumerate().any(|(index, known)| index != at && *known == name) {
            return false;
        }
        self.change(now, |contents| {
            if let Some(round) = contents.rounds.get_mut(at) {
                round.name = name;
            }
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::untrusted::Untrusted;

    const NOW: Timestamp = Timestamp(1_795_483_860_000);

    fn volume(olu: u32) -> VolumeId {
        crate::console::fixture::one(olu)
    }

    fn row(transaction: u32, backup: u32) -> MapRow {
        MapRow {
            transaction_volume: volume(transaction),
            backup_volume: volume(backup),
            transaction_name: Untrusted::new(format!("db{transaction}")),
            backup_name: Untrusted::new(format!("bk{backup}")),
        }
    }

    fn draft() -> Draft {
        let mut draft = Draft::new("nightly".parse().unwrap());
        draft.turn(NOW, &[volume(1), volume(2)]);
        draft.add_round(NOW);
        draft.put(NOW, 0, volume(1), Some(row(1, 0x21)));
        draft.put(NOW, 0, volume(2), Some(row(2, 0x22)));
        draft
    }

    #[test]
    fn a_volume_that_is_taken_out_and_back_has_its_cells_again() {
        let mut draft = draft();
        let whole = draft.to_store();
        draft.turn(NOW, &[volume(2)]);
        assert_eq!(draft.to_store().transaction_volumes(), [volume(1)]);
        draft.turn(NOW, &[volume(2)]);
        assert_eq!(draft.to_store(), whole);
    }

    #[test]
    fn every_change_is_undone_one_by_one() {
        let mut draft = draft();
        let mut states = Vec::new();
        draft.add_round(NOW);
        draft.put(NOW, 1, volume(1), Some(row(1, 0x23)));
        states.push(draft.set());
        draft.put(NOW, 1, volume(1), None);
        states.push(draft.set());
        draft.remove_round(NOW, 0);
        while let Some(state) = states.pop() {
            assert!(draft.undo(NOW));
            assert_eq!(draft.set(), state);
        }
    }

    #[test]
    fn a_draft_reads_back_and_a_damaged_one_does_not() {
        let mut made = draft();
        made.base = Some(made.to_store());
        let text = made.text().unwrap();
        let read = Draft::read(&text).unwrap();
        assert_eq!(read.contents, made.contents);
        assert_eq!((read.base, read.changed_at), (made.base, Some(NOW)));
        for damaged in ["", "{}", &text[..text.len() / 2], &text.replace("\"schema\": 1", "\"schema\": 9")] {
            assert!(Draft::read(damaged).is_err(), "{damaged}");
        }
    }

    #[test]
    fn an_empty_round_is_shown_and_not_stored() {
        let mut draft = draft();
        assert_eq!(draft.add_round(NOW), Some("B".parse().unwrap()));
        assert_eq!((draft.set().rounds.len(), draft.to_store().rounds.len()), (2, 1));
        assert!(!draft.rename_round(NOW, 1, "A".parse().unwrap()));
        assert!(draft.rename_round(NOW, 1, "tuesday".parse().unwrap()));
        assert_eq!(draft.round_names().nth(1).unwrap().as_str(), "tuesday");
    }
}
