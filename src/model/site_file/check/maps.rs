//! Map sets of a site file against the site: volumes that exist, pairs that can be, rounds that differ.

use super::{Check, DifferenceKind, SEE};
use crate::model::device_map::difference;
use crate::model::identity::VolumeId;
use crate::model::map_set::{MapRound, MapRow, MapSet};
use crate::model::request::VolumeRole;
use crate::model::site_change::MapChange;
use crate::model::site_file::FileMapSet;
use crate::model::untrusted::escaped;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;

impl<'a> Check<'a> {
    pub(super) fn map_set(&mut self, set: &'a FileMapSet) {
        let before = self.found.len();
        let name = set.name.get_ref();
        if let Some(first) = self.set_places.insert(name.as_str(), set.name.span()) {
            let line = self.line_of(&first);
            self.wrong(
                &set.name,
                format!("map set {name} is in line {line} too"),
                "give each map set a name of its own",
            );
            return;
        }
        let stored = self.snapshot.map_set(name.as_str());
        let mut rounds: Vec<MapRound> = stored.map(|stored| stored.rounds.clone()).unwrap_or_default();
        let mut own: BTreeMap<&str, Range<usize>> = BTreeMap::new();
        for round in &set.rounds {
            if let Some(first) = own.insert(round.name.get_ref().as_str(), round.name.span()) {
                let text = format!("round {} is in line {} too", round.name.get_ref(), self.line_of(&first));
                self.wrong(&round.name, text, "give each round of a map set a name of its own");
                continue;
            }
            let known = stored.and_then(|stored| stored.round(round.name.get_ref()));
            let stored_rows = known.map(|known| known.rows.to_vec()).unwrap_or_default();
            let mut rows: BTreeMap<VolumeId, MapRow> =
                stored_rows.into_iter().map(|row| (row.transaction_volume, row)).collect();
            let mut seen: [BTreeMap<VolumeId, Range<usize>>; 2] = Default::default();
            for (transaction, backup) in &round.pairs {
                let pair = (self.named(transaction), self.named(backup));
                let (Some(transaction_volume), Some(backup_volume)) = pair else { continue };
                let twice = [(transaction, transaction_volume), (backup, backup_volume)].into_iter().zip(&mut seen);
                let twice: Vec<_> =
                    twice.filter_map(|((at, id), seen)| Some((at, seen.insert(id, at.span())?))).collect();
                for (at, first) in &twice {
                    let text =
                        format!("{} is in line {} of this round too", escaped(at.get_ref()), self.line_of(first));
                    self.wrong(at, text, "a volume is in a round once");
                }
                let (transaction_name, backup_name) =
                    (transaction.get_ref().as_str().into(), backup.get_ref().as_str().into());
                let row = MapRow { transaction_volume, backup_volume, transaction_name, backup_name };
                if !twice.is_empty() || !self.may_be_a_pair(set, known, (transaction, backup), &row) {
                    continue;
                }
                // A pair that stays keeps the names that it was written with.
                if rows.get(&transaction_volume).is_none_or(|known| known.backup_volume != backup_volume) {
                    rows.insert(transaction_volume, row);
                }
            }
            let merged = MapRound::new(round.name.get_ref().clone(), rows.into_values().collect());
            match rounds.iter_mut().find(|known| known.name == merged.name) {
                Some(known) => *known = merged,
                None => rounds.push(merged),
            }
        }
        if self.found.len() > before {
            return;
        }
        let after = MapSet { name: name.clone(), rounds };
        let changes = difference(stored, Some(&after));
        if changes.is_empty() && stored.is_some() {
            return;
        }
        for change in &changes {
            let kind = if change.before.is_some() { DifferenceKind::Change } else { DifferenceKind::Add };
            let text = format!("map set {name}: {}", change.in_words(self.snapshot));
            self.differs(kind, "pair", change.transaction_volume, text);
        }
        self.change.maps.push(MapChange { set: after, before: stored.map(MapSet::fingerprint) });
    }

    /// Whether both volumes can be a pair of this set. A pair that is stored already stays, whatever became of its volumes.
    fn may_be_a_pair(
        &mut self,
        set: &'a FileMapSet,
        known: Option<&MapRound>,
        (transaction, backup): (&Spanned<String>, &Spanned<String>),
        row: &MapRow,
    ) -> bool {
        let (source, target) = (row.transaction_volume, row.backup_volume);
        self.pair_places.insert(source, transaction.span());
        let name = set.name.get_ref().as_str();
        let other = self.mapped.insert(source, name).filter(|other| *other != name).map(str::to_owned);
        let stored = || self.snapshot.map_set_of(source).filter(|stored| stored.name != *set.name.get_ref());
        if let Some(other) = other.or_else(|| stored().map(|stored| stored.name.to_string())) {
            let text = format!("{} is in map set {other} already", escaped(transaction.get_ref()));
            self.wrong(transaction, text, "a transaction volume is in one map set at most");
            return false;
        }
        if known.and_then(|known| known.row(source)).is_some_and(|known| known.backup_volume == target) {
            return true;
        }
        if self.bad.contains(&source) || self.bad.contains(&target) {
            // What is wrong with the volume has been said at its own line.
            return false;
        }
        let size = |this: &mut Self, at: &Spanned<String>, id, wanted| match this.role(id) {
            Some((role, blocks)) if role == wanted => Some(blocks),
            _ => {
                let what = if wanted == VolumeRole::Backup { "backup" } else { "transaction" };
                let text = format!("{} is no {what} volume of this site or file", escaped(at.get_ref()));
                this.wrong(at, text, SEE);
                None
            }
        };
        let sizes =
            (size(self, transaction, source, VolumeRole::Transaction), size(self, backup, target, VolumeRole::Backup));
        let (Some(want), Some(have)) = sizes else { return false };
        if want != have {
            let text = format!(
                "{} has {} blocks, {} has {}",
                escaped(backup.get_ref()),
                have.0,
                escaped(transaction.get_ref()),
                want.0
            );
            self.wrong(backup, text, "choose a backup volume of the same number of blocks");
        }
        want == have
    }
}
