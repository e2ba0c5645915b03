//! What is wrong with a map on a site, by the rules that a start uses.

use super::{DeviceMap, Finding, PlacedName, Severity};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::plan;
use crate::model::snapshot::Snapshot;
use std::collections::BTreeMap;

/// A pair whose names are known and that nothing forbids for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckedPair {
    /// Line of the map, from 1.
    pub line: usize,
    pub transaction: VolumeId,
    pub backup: VolumeId,
}

/// The pairs that can be used, and every finding in the order of lines. A finding stops its own transaction volume only.
pub fn check(map: &DeviceMap, snapshot: &Snapshot) -> (Vec<CheckedPair>, Vec<Finding>) {
    let names = Names::new(snapshot);
    let mut transactions: BTreeMap<VolumeId, usize> = BTreeMap::new();
    let mut backups: BTreeMap<VolumeId, usize> = BTreeMap::new();
    let (mut usable, mut findings) = (Vec::new(), Vec::new());
    for pair in &map.pairs {
        let (transaction, backup) = (names.find(&pair.transaction), names.find(&pair.backup));
        let mut found = Vec::new();
        let at = |place: &PlacedName, severity, code, text, help: &str| Finding {
            severity,
            line: pair.line,
            column: place.column,
            width: place.width.max(1),
            code,
            text,
            help: help.to_owned(),
            volume: transaction,
        };
        for (place, id) in [(&pair.transaction, transaction), (&pair.backup, backup)] {
            if id.is_none() {
                let text = format!("no volume is called {}", place.text.escaped());
                found.push(at(
                    place,
                    Severity::Error,
                    Code::UNKNOWN_VOLUME,
                    text,
                    "`ecdeck volume list` shows the names",
                ));
            }
        }
        for (place, id, seen) in
            [(&pair.transaction, transaction, &mut transactions), (&pair.backup, backup, &mut backups)]
        {
            if let Some(first) = id.and_then(|id| seen.get(&id).copied()) {
                let text = format!("{} is in line {first} already", place.text.escaped());
                found.push(at(place, Severity::Error, Code::MAP_DUPLICATE, text, "keep one of the two lines"));
            } else if let Some(id) = id {
                seen.insert(id, pair.line);
            }
        }
        if let (Some(transaction), Some(backup), true) = (transaction, backup, found.is_empty()) {
            if transaction == backup {
                let text = "this is the transaction volume itself".to_owned();
                found.push(at(&pair.backup, Severity::Error, Code::MAP_DUPLICATE, text, "name a backup volume"));
            } else if let Err(refusal) = plan::pairing(snapshot, transaction, backup) {
                let (severity, code) = judged(refusal.code);
                let place =
                    if refusal.code == Code::NOT_A_TRANSACTION_VOLUME { &pair.transaction } else { &pair.backup };
                let help = refusal.code.explain().map_or("", |row| row.remedy);
                found.push(at(place, severity, code, refusal.reason, help));
            }
            if found.iter().all(|finding| finding.severity == Severity::NotNow) {
                usable.push(CheckedPair { line: pair.line, transaction, backup });
            }
        }
        findings.append(&mut found);
    }
    (usable, findings)
}

/// What passes by itself or with the next backups is not an error of the map.
fn judged(code: Code) -> (Severity, Code) {
    match code {
        Code::HOLDS_A_GENERATION => (Severity::NotNow, Code::MAP_HOLDS_A_VERSION),
        Code::BACKUP_VOLUME_BUSY
        | Code::HELD_BY_OTHER
        | Code::ERROR_SUSPENDED
        | Code::ARRAY_STALE
        | Code::ARRAY_UNREACHABLE => (Severity::NotNow, code),
        _ => (Severity::Error, code),
    }
}

/// Registered names, looked up fast: a map may have ten thousand lines.
struct Names<'a> {
    snapshot: &'a Snapshot,
    registered: BTreeMap<&'a str, VolumeId>,
}

impl<'a> Names<'a> {
    fn new(snapshot: &'a Snapshot) -> Self {
        let transactions = snapshot.transaction_volumes.iter().map(|view| (view.volume.name.as_str(), view.volume.id));
        let pool = snapshot.pool.iter().filter_map(|view| Some((view.volume.name.as_ref()?.as_str(), view.volume.id)));
        Self { snapshot, registered: transactions.chain(pool).collect() }
    }

    fn find(&self, place: &PlacedName) -> Option<VolumeId> {
        let text = place.text.raw();
        self.registered.get(text).copied().or_else(|| self.snapshot.located(text))
    }
}
