//! Events as news: the same thing that comes again is one row with its number and its newest time.

use crate::model::identity::VolumeId;
use crate::model::snapshot::{EventLine, Severity};
use crate::model::units::Timestamp;
use std::collections::HashMap;

/// One thing that happened, once or several times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Of the newest time.
    pub sequence: u64,
    pub at: Timestamp,
    /// Of the oldest time that is known.
    pub first_at: Timestamp,
    pub times: usize,
    pub severity: Severity,
    pub volume: Option<VolumeId>,
    pub text: String,
}

/// Rows, newest first. `lines` come newest first as well.
pub fn fold<'a>(lines: impl Iterator<Item = &'a EventLine>) -> Vec<EventRow> {
    let mut rows: Vec<EventRow> = Vec::new();
    let mut known: HashMap<(Option<VolumeId>, &'a str), usize> = HashMap::new();
    for line in lines {
        if let Some(&at) = known.get(&(line.volume, line.text.as_str())) {
            rows[at].times += 1;
            rows[at].first_at = line.at;
            continue;
        }
        known.insert((line.volume, &line.text), rows.len());
        rows.push(EventRow {
            sequence: line.sequence,
            at: line.at,
            first_at: line.at,
            times: 1,
            severity: line.severity,
            volume: line.volume,
            text: line.text.clone(),
        });
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sequence: u64, text: &str) -> EventLine {
        let at = Timestamp(sequence.cast_signed() * 1000);
        EventLine { sequence, at, severity: Severity::Info, volume: None, text: text.to_owned(), news: true }
    }

    #[test]
    fn what_comes_again_is_one_row_at_its_newest_time() {
        let lines = [line(1, "DEMO1 answers"), line(2, "db01 is halted"), line(3, "DEMO1 answers")];
        let rows = fold(lines.iter().rev());
        let told: Vec<_> = rows.iter().map(|row| (row.sequence, row.times, row.text.as_str())).collect();
        assert_eq!(told, [(3, 2, "DEMO1 answers"), (2, 1, "db01 is halted")]);
        assert_eq!(rows[0].first_at, Timestamp(1000));
    }
}
