//! What CCM's words mean: a table that is data (`assets/ccm-words.toml`), with rows of the configuration on top.
//!
//! Only a row with a source, or one that the configuration confirms, gives a word its meaning. A guess gives `Unknown`,
//! and rules refuse verbs on `Unknown`: that is how nothing ever acts on a guess.

pub use crate::model::array_words::{PhaseMeaning, StatusMeaning, WordRow as Row};
use crate::model::session::{CopyKind, Phase, Status};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The table that comes with the program.
const SHIPPED: &str = include_str!("../../../assets/ccm-words.toml");

/// What a column of a table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Column {
    Source,
    Target,
    Direction,
    Sid,
    Status,
    Phase,
    Copied,
    Kind,
    Error,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnRow {
    column: Column,
    titles: Vec<String>,
    #[serde(default)]
    source: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    row: Vec<Row>,
    #[serde(default)]
    column: Vec<ColumnRow>,
}

/// A table of words that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    #[error("the table of CCM's words cannot be read: {0}")]
    Table(String),
    #[error("the row for the word {0:?} says nothing: give it status, phase or kind")]
    Empty(String),
}

/// What is known of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known<T> {
    Confirmed(T),
    Guess(T),
}

/// The whole table.
#[derive(Debug, Clone, Default)]
pub struct Words {
    status: BTreeMap<String, Known<StatusMeaning>>,
    phase: BTreeMap<String, Known<PhaseMeaning>>,
    kind: BTreeMap<String, Known<CopyKind>>,
    titles: BTreeMap<Column, Vec<String>>,
}

impl Words {
    /// The shipped table with a configuration's rows on top, which count as confirmed: the operator saw them.
    pub fn with(rows: &[Row]) -> Result<Self, WordsError> {
        let file: File = toml::from_str(SHIPPED).map_err(|wrong| WordsError::Table(wrong.to_string()))?;
        let mut words = Self::default();
        for row in file.row {
            let confirmed = row.source.is_some();
            words.add(row, confirmed)?;
        }
        for row in rows {
            words.add(row.clone(), true)?;
        }
        for column in file.column {
            words.titles.entry(column.column).or_default().extend(column.titles);
        }
        Ok(words)
    }

    fn add(&mut self, row: Row, confirmed: bool) -> Result<(), WordsError> {
        fn known<T>(meaning: T, confirmed: bool) -> Known<T> {
            if confirmed { Known::Confirmed(meaning) } else { Known::Guess(meaning) }
        }
        if row.status.is_none() && row.phase.is_none() && row.kind.is_none() {
            return Err(WordsError::Empty(row.word));
        }
        let key = key(&row.word);
        if let Some(status) = row.status {
            self.status.insert(key.clone(), known(status, confirmed));
        }
        if let Some(phase) = row.phase {
            self.phase.insert(key.clone(), known(phase, confirmed));
        }
        if let Some(kind) = row.kind {
            self.kind.insert(key, known(kind, confirmed));
        }
        Ok(())
    }

    /// `None` when the word says that there is no session.
    pub fn status(&self, word: &str) -> Option<Status> {
        match self.status.get(&key(word)) {
            Some(Known::Confirmed(meaning)) => match meaning {
                StatusMeaning::None => None,
                StatusMeaning::Idle => Some(Status::Idle),
                StatusMeaning::Reserved => Some(Status::Reserved),
                StatusMeaning::Active => Some(Status::Active),
                StatusMeaning::Suspended => Some(Status::Suspended),
                StatusMeaning::ErrorSuspended => Some(Status::ErrorSuspended),
                StatusMeaning::Halted => Some(Status::Halted),
            },
            Some(Known::Guess(_)) | None => Some(Status::Unknown),
        }
    }

    pub fn phase(&self, word: &str) -> Phase {
        match self.phase.get(&key(word)) {
            Some(Known::Confirmed(meaning)) => match meaning {
                PhaseMeaning::NoPair | PhaseMeaning::Absent => Phase::NoPair,
                PhaseMeaning::Copying => Phase::Copying,
                PhaseMeaning::Equivalent => Phase::Equivalent,
                PhaseMeaning::Tracking => Phase::Tracking,
                PhaseMeaning::TrackingAndCopying => Phase::TrackingAndCopying,
                PhaseMeaning::Readying => Phase::Readying,
            },
            Some(Known::Guess(_)) | None => Phase::Unknown,
        }
    }

    pub fn kind(&self, word: &str) -> CopyKind {
        match self.kind.get(&key(word)) {
            Some(Known::Confirmed(kind)) => *kind,
            Some(Known::Guess(_)) | None => CopyKind::Other,
        }
    }

    /// Whether some word for that status is confirmed: without one, a session in it could not be recognised.
    pub fn can_tell(&self, kind: CopyKind, wanted: StatusMeaning) -> bool {
        let prefix = format!("{kind} ");
        self.status.iter().any(|(word, known)| {
            *known == Known::Confirmed(wanted) && (word.starts_with(&prefix) || !word.contains(' '))
        })
    }

    /// What the operator is told of a word that has no confirmed meaning: the row that would give it one.
    pub fn hint(&self, word: &str) -> Option<String> {
        let key = key(word);
        let row = |meaning: &str| format!("add word = {key:?}, {meaning} to [[array.ccm.words]] in the configuration");
        match self.status.get(&key) {
            Some(Known::Confirmed(_)) => None,
            Some(Known::Guess(guess)) => Some(format!(
                "it may mean {guess:?}, which nobody has confirmed; once you have, {}",
                row("status = ...")
            )),
            None if self.phase.contains_key(&key) => None,
            None => {
                Some(format!("it is in no table; when you know what it means, {}", row("status = ... or phase = ...")))
            }
        }
    }

    pub fn titles(&self, column: Column) -> &[String] {
        self.titles.get(&column).map_or(&[], Vec::as_slice)
    }
}

/// Words are compared without their quotes, without outer blanks, and with single blanks inside.
fn key(word: &str) -> String {
    let word = word.trim();
    let word = word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word);
    word.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(word: &str, status: StatusMeaning) -> Row {
        Row { word: word.into(), status: Some(status), phase: None, kind: None, source: None }
    }

    #[test]
    fn documented_words_have_their_meaning() {
        let words = Words::with(&[]).unwrap();
        assert_eq!(words.status("\"EC Executing\""), Some(Status::Active));
        assert_eq!(words.status("EC action not startup"), None);
        assert_eq!(words.phase("\"Paired\""), Phase::Equivalent);
        assert_eq!(words.phase("Copying/Tracking"), Phase::TrackingAndCopying);
        assert_eq!(words.kind("QuickOPC"), CopyKind::QuickOpc);
        assert_eq!(words.titles(Column::Copied), ["Copied Block"]);
    }

    #[test]
    fn a_guess_means_nothing_until_the_configuration_confirms_it() {
        let words = Words::with(&[]).unwrap();
        assert_eq!(words.status("EC Suspend"), Some(Status::Unknown));
        assert!(!words.can_tell(CopyKind::Ec, StatusMeaning::Suspended));
        assert!(words.hint("EC Suspend").unwrap().contains("[[array.ccm.words]]"));

        let words = Words::with(&[row("EC Suspend", StatusMeaning::Suspended)]).unwrap();
        assert_eq!(words.status("\"EC  Suspend\""), Some(Status::Suspended));
        assert!(words.can_tell(CopyKind::Ec, StatusMeaning::Suspended));
        assert!(!words.can_tell(CopyKind::Rec, StatusMeaning::Suspended), "EC's word says nothing of REC");
        assert_eq!(words.hint("EC Suspend"), None);
    }

    #[test]
    fn a_word_in_no_table_is_unknown_and_says_where_it_belongs() {
        let words = Words::with(&[]).unwrap();
        assert_eq!(words.status("Hydrating"), Some(Status::Unknown));
        assert_eq!(words.phase("Hydrating"), Phase::Unknown);
        assert_eq!(words.kind("Extended Copy"), CopyKind::Other);
        assert!(words.hint("Hydrating").unwrap().contains("\"Hydrating\""));
    }

    #[test]
    fn every_shipped_row_says_something_and_no_suspended_word_of_ec_is_claimed_as_fact() {
        let file: File = toml::from_str(SHIPPED).unwrap();
        assert!(file.row.len() > 30);
        for row in &file.row {
            assert!(row.status.is_some() || row.phase.is_some() || row.kind.is_some(), "{row:?}");
            if row.status == Some(StatusMeaning::Suspended) {
                assert_eq!(row.source, None, "no page shows {:?}", row.word);
            }
        }
    }
}
