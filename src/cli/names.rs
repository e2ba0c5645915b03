//! Which volume a person means.

use super::CliError;
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::snapshot::{Reach, Snapshot};
use crate::model::untrusted::Untrusted;

/// How many names are offered when the typed one is unknown.
const OFFERED: usize = 3;

/// The identity behind a typed name; the refusal offers near names.
pub fn volume(snapshot: &Snapshot, text: &str) -> Result<VolumeId, CliError> {
    match snapshot.find(text) {
        Some(id) if snapshot.knows(id) => Ok(id),
        Some(id) => Err(missing_on_array(snapshot, id, text)),
        None => Err(unknown(snapshot, text)),
    }
}

pub fn volumes(snapshot: &Snapshot, texts: &[String]) -> Result<Vec<VolumeId>, CliError> {
    texts.iter().map(|text| volume(snapshot, text)).collect()
}

fn missing_on_array(snapshot: &Snapshot, id: VolumeId, text: &str) -> CliError {
    let text = Untrusted::new(text).escaped();
    match snapshot.array(id.box_id) {
        Some(array) if array.reach != Reach::Reachable => CliError::coded(
            Code::ARRAY_UNREACHABLE,
            format!("{text} is not registered, and array {} does not answer ({})", array.name, Code::ARRAY_UNREACHABLE),
        ),
        _ => unknown(snapshot, &text),
    }
}

fn unknown(snapshot: &Snapshot, text: &str) -> CliError {
    let text = Untrusted::new(text).escaped();
    let near = near_names(snapshot, &text);
    let offer = if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(" or ")) };
    CliError::coded(Code::UNKNOWN_VOLUME, format!("there is no volume {text} ({}){offer}", Code::UNKNOWN_VOLUME))
}

/// The nearest known names, nearest first.
fn near_names(snapshot: &Snapshot, text: &str) -> Vec<String> {
    let registered = snapshot.transaction_volumes.iter().map(|view| view.volume.name.to_string());
    let named = snapshot.pool.iter().filter_map(|view| view.volume.name.as_ref()).map(ToString::to_string);
    let ids =
        snapshot.pool.iter().map(|view| view.volume.id).chain(snapshot.unregistered.iter().map(|volume| volume.id));
    let placed = ids.map(|id| snapshot.location(id));
    let limit = (text.chars().count() / 3).max(1);
    let mut near: Vec<(usize, String)> = registered
        .chain(named)
        .chain(placed)
        .map(|name| (distance(&name.to_lowercase(), &text.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= limit || (text.len() > 2 && name.contains(text)))
        .collect();
    near.sort();
    near.dedup();
    near.into_iter().take(OFFERED).map(|(_, name)| name).collect()
}

/// Insertions, deletions, replacements and swaps of neighbours between two names.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_is_one_step_away() {
        assert_eq!(distance("demo-ora01", "demo-ora01"), 0);
        assert_eq!(distance("demo-ora01", "dmeo-ora01"), 1);
        assert_eq!(distance("demo-ora01", "demo-ora02"), 1);
        assert_eq!(distance("demo-ora01", "demo-or01"), 1);
        assert_eq!(distance("", "ab"), 2);
    }
}
