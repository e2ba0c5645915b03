//! A map set as text: one map a round, each below its mark `# round: NAME`. To any other reader the mark is a comment.

use super::{DeviceMap, Finding, MapRound, MapRow, MapSet, PlacedName, Severity, resolve};
use crate::model::codes::Code;
use crate::model::identity::{Name, VolumeId};
use crate::model::snapshot::Snapshot;
use std::fmt::Write as _;

/// What begins a round inside of a map.
pub(super) const ROUND_MARK: &str = "# round:";
/// What names the host of the bare names below it.
pub(super) const HOST_MARK: &str = "# host:";

/// The name by which a map names a volume so that it is found again: the registered one, else where it is.
fn written(snapshot: &Snapshot, id: VolumeId) -> String {
    snapshot.label(id)
}

/// One round as a device map, without its mark.
pub fn write_round(round: &MapRound, snapshot: &Snapshot) -> String {
    let names: Vec<(String, String)> = round
        .rows
        .iter()
        .map(|row| (written(snapshot, row.transaction_volume), written(snapshot, row.backup_volume)))
        .collect();
    super::write(names.iter().map(|(transaction, backup)| (transaction.as_str(), backup.as_str())))
}

/// All rounds of a set. [`rounds_of`] reads the same pairs from it.
pub fn write_set(set: &MapSet, snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for round in &set.rounds {
        // Writing to a `String` cannot fail.
        let _ = writeln!(text, "{ROUND_MARK} {}", round.name);
        let _ = writeln!(text, "{}", write_round(round, snapshot));
    }
    text
}

/// The rounds of a map's text for a set, and what keeps pairs out. Without marks the whole map is one round of this name.
///
/// Pairs of the stored set stay although their volumes are not registered any more: they stop only themselves.
pub fn rounds_of(map: &DeviceMap, snapshot: &Snapshot, set: &Name, name: &Name) -> (Vec<MapRound>, Vec<Finding>) {
    let (pairs, mut findings) = resolve(map, snapshot, set);
    let stored = snapshot.map_set(set.as_str());
    let is_stored = |finding: &Finding| {
        matches!(finding.code, Code::NOT_A_BACKUP_VOLUME | Code::NOT_A_TRANSACTION_VOLUME | Code::UNKNOWN_VOLUME)
            && stored_row(map, snapshot, stored, finding.line).is_some()
    };
    let mut rows: Vec<(usize, MapRow)> = pairs.into_iter().map(|pair| (pair.line, pair.row)).collect();
    let known: Vec<usize> = findings.iter().filter(|finding| is_stored(finding)).map(|finding| finding.line).collect();
    rows.extend(known.iter().filter_map(|line| Some((*line, stored_row(map, snapshot, stored, *line)?))));
    findings.retain(|finding| !known.contains(&finding.line));
    let mut rounds: Vec<(usize, Name, Vec<MapRow>)> = vec![(0, name.clone(), Vec::new())];
    for mark in &map.rounds {
        if rounds.iter().any(|(line, known, rows)| *known == mark.name && (*line > 0 || !rows.is_empty())) {
            findings.push(Finding {
                severity: Severity::Error,
                line: mark.line,
                column: 1,
                width: 1,
                code: Code::MAP_DUPLICATE,
                text: format!("round {} is in this map already", mark.name),
                help: "give each round a name of its own".to_owned(),
                volume: None,
            });
        }
        rounds.push((mark.line, mark.name.clone(), Vec::new()));
    }
    for (line, row) in rows {
        let at = rounds.iter().rposition(|(begins, ..)| *begins <= line).unwrap_or(0);
        rounds[at].2.push(row);
    }
    let has_marks = !map.rounds.is_empty();
    let rounds = rounds.into_iter().filter(|(line, _, rows)| *line > 0 || !rows.is_empty() || !has_marks);
    findings.sort_by_key(|finding| (finding.line, finding.column));
    (rounds.map(|(_, name, rows)| MapRound::new(name, rows)).collect(), findings)
}

/// The pair of a line, where the stored set has it.
fn stored_row(map: &DeviceMap, snapshot: &Snapshot, stored: Option<&MapSet>, line: usize) -> Option<MapRow> {
    let pair = map.pairs.iter().find(|pair| pair.line == line)?;
    let host = map.host_at(line);
    let find = |name: &PlacedName| {
        let text = name.text.raw();
        snapshot.find(text).or_else(|| snapshot.find(&format!("{}:{text}", host?)))
    };
    let (transaction, backup) = (find(&pair.transaction)?, find(&pair.backup)?);
    let mut rows = stored?.rows_of(transaction);
    rows.find(|(_, row)| row.backup_volume == backup).map(|(_, row)| row.clone())
}
