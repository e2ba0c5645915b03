//! What CCM's words mean: a table that is data (`assets/ccm-words.toml`), with rows of the configuration on top.
//!
//! Only a row with a source, or one that the configuration confirms, gives a word its meaning. A guess gives `Unknown`,
//! and rules refuse verbs on `Unknown`: that is how nothing ever acts on a guess.

use super::refusal;
use super::xml::Field;
pub use crate::model::array_words::{
    Column, MessageMeaning, MessageRow, PhaseMeaning, StatusMeaning, TitleRow, WordRow as Row,
};
use crate::model::copy::{ArrayRefusal, ErrorClass};
use crate::model::session::{CopyKind, Phase, Status};
use crate::model::untrusted::is_unsafe;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write;

/// The table that comes with the program.
const SHIPPED: &str = include_str!("../../../assets/ccm-words.toml");

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
    #[serde(default)]
    message: Vec<MessageRow>,
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
    /// The phase that a status word brings along, where the phase's own word has no meaning.
    implied: BTreeMap<String, PhaseMeaning>,
    titles: BTreeMap<Column, Vec<String>>,
    /// In lower case.
    messages: Vec<(String, MessageMeaning)>,
}

impl Words {
    /// The shipped table with a configuration's rows on top, which count as confirmed: the operator saw them.
    ///
    /// # Errors
    /// When a table cannot be used.
    pub fn with(rows: &[Row]) -> Result<Self, WordsError> {
        Self::new(rows, &[], &[])
    }

    /// The same with a configuration's titles and messages, which come before the shipped ones.
    ///
    /// # Errors
    /// When a table cannot be used.
    pub fn new(rows: &[Row], titles: &[TitleRow], messages: &[MessageRow]) -> Result<Self, WordsError> {
        let file: File = toml::from_str(SHIPPED).map_err(|wrong| WordsError::Table(wrong.to_string()))?;
        let mut words = Self::default();
        for row in file.row {
            let confirmed = row.source.is_some();
            words.add(row, confirmed)?;
        }
        for row in rows {
            words.add(row.clone(), true)?;
        }
        for row in titles {
            words.titles.entry(row.column).or_default().push(row.title.clone());
        }
        for column in file.column {
            words.titles.entry(column.column).or_default().extend(column.titles);
        }
        for row in messages.iter().chain(&file.message) {
            words.messages.push((row.text.to_lowercase(), row.means));
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
        if let (Some(_), Some(phase), true) = (row.status, row.phase, confirmed) {
            self.implied.insert(key.clone(), phase);
        }
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

    /// The phase of a session with that status word. Where the phase's word has no meaning, or is a filler, the row of the
    /// status word tells it, if it names one.
    pub fn phase(&self, status: &str, word: &str) -> Phase {
        let meaning = match self.phase.get(&key(word)) {
            Some(Known::Confirmed(meaning)) => Some(*meaning),
            Some(Known::Guess(_)) | None => None,
        };
        let implied = || self.implied.get(&key(status)).copied();
        let meaning = match meaning {
            None => implied(),
            Some(PhaseMeaning::Absent) => implied().or(meaning),
            known => known,
        };
        match meaning {
            None => Phase::Unknown,
            Some(PhaseMeaning::NoPair | PhaseMeaning::Absent) => Phase::NoPair,
            Some(PhaseMeaning::Copying) => Phase::Copying,
            Some(PhaseMeaning::Equivalent) => Phase::Equivalent,
            Some(PhaseMeaning::Tracking) => Phase::Tracking,
            Some(PhaseMeaning::TrackingAndCopying) => Phase::TrackingAndCopying,
            Some(PhaseMeaning::Readying) => Phase::Readying,
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

    /// What the operator can do about a session's status word without a meaning: a sentence, and lines for the configuration.
    pub fn status_hint(&self, word: &str) -> Option<Hint> {
        match self.status.get(&key(word)) {
            Some(Known::Confirmed(_)) => None,
            Some(Known::Guess(guess)) => Some(Hint {
                text: format!(
                    "it probably means {guess}, which nobody has confirmed; look at the session with `acec query`, and when it \
                     is so, add these lines to the array's section of the configuration"
                ),
                lines: row_lines(word, "status", &guess.to_string()),
            }),
            None => Some(Hint {
                text: "it is in no table; when you know what it means, add these lines to the array's section of the \
                       configuration, with one of: none, idle, reserved, active, suspended, error-suspended, halted"
                    .to_owned(),
                lines: row_lines(word, "status", "..."),
            }),
        }
    }

    /// The same for a phase's word.
    pub fn phase_hint(&self, word: &str) -> Option<Hint> {
        if matches!(self.phase.get(&key(word)), Some(Known::Confirmed(_))) {
            return None;
        }
        Some(Hint {
            text: "it is in no table; when you know what it means, add these lines to the array's section of the configuration, \
                   with one of: no-pair, copying, equivalent, tracking, tracking-and-copying, readying, absent; or give the \
                   row of the status word a phase"
                .to_owned(),
            lines: row_lines(word, "phase", "..."),
        })
    }

    /// The same for the word of a kind of copy.
    pub fn kind_hint(&self, word: &str) -> Option<Hint> {
        if matches!(self.kind.get(&key(word)), Some(Known::Confirmed(_))) {
            return None;
        }
        Some(Hint {
            text: "it is in no table; when you know what it means, add these lines to the array's section of the configuration, \
                   with one of: ec, rec, opc, quick-opc, snap-opc, snap-opc-plus, other"
                .to_owned(),
            lines: row_lines(word, "kind", "..."),
        })
    }

    pub fn titles(&self, column: Column) -> &[String] {
        self.titles.get(&column).map_or(&[], Vec::as_slice)
    }

    /// The value of a column, by any of its titles.
    pub fn find<'a>(&self, column: Column, fields: &'a [Field]) -> Option<&'a str> {
        self.titles(column).iter().find_map(|title| {
            let title = title_key(title);
            fields.iter().find(|field| title_key(&field.id) == title).map(|field| field.value.trim())
        })
    }

    /// Whether a title belongs to some column.
    pub fn knows_title(&self, title: &str) -> bool {
        let title = title_key(title);
        self.titles.values().flatten().any(|known| title_key(known) == title)
    }

    /// The refusal with the class that its words give it, where its code gives none.
    pub fn judge(&self, refusal: ArrayRefusal) -> ArrayRefusal {
        if refusal.class != ErrorClass::Internal {
            return refusal;
        }
        let class = match self.meaning(&refusal) {
            Some(MessageMeaning::Busy) => ErrorClass::Busy,
            Some(MessageMeaning::AlreadyDone) => ErrorClass::AlreadyDone,
            Some(MessageMeaning::NeedsForce) => ErrorClass::NeedsForce,
            Some(MessageMeaning::NoSuchGroup) | None => return refusal,
        };
        ArrayRefusal { class, ..refusal }
    }

    /// What the words of a refusal say, whatever its code.
    pub fn meaning(&self, refusal: &ArrayRefusal) -> Option<MessageMeaning> {
        let text = refusal.text.raw().to_lowercase();
        self.messages.iter().find(|(part, _)| text.contains(part.as_str())).map(|(_, meaning)| *meaning)
    }
}

/// Whether nothing but words tells the class of a refusal: then it is believed only together with what is seen.
pub fn is_by_words(refusal: &ArrayRefusal) -> bool {
    refusal::of_message(refusal.text.raw()).class == ErrorClass::Internal
}

/// What to do about a word or title without a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    pub text: String,
    /// Lines of TOML, fit for a terminal.
    pub lines: Vec<String>,
}

fn row_lines(word: &str, kind: &str, value: &str) -> Vec<String> {
    vec!["[[array.ccm.words]]".to_owned(), format!("word = {}", quoted(&key(word))), format!("{kind} = \"{value}\"")]
}

/// The lines that give a column one of the titles that nobody knows.
pub fn title_lines(column: Column, title: &str) -> Vec<String> {
    vec!["[[array.ccm.titles]]".to_owned(), format!("column = \"{column}\""), format!("title = {}", quoted(title))]
}

/// A string of TOML with nothing in it that moves a cursor.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if is_unsafe(c) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Titles are compared without case, blanks and punctuation: `BOX-ID` is `Box ID`. One of punctuation only is itself.
fn title_key(title: &str) -> String {
    let letters: String = title.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    if letters.is_empty() { title.trim().to_owned() } else { letters }
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
        assert_eq!(words.phase("", "\"Paired\""), Phase::Equivalent);
        assert_eq!(words.phase("", "Copying/Tracking"), Phase::TrackingAndCopying);
        assert_eq!(words.kind("QuickOPC"), CopyKind::QuickOpc);
        assert_eq!(words.titles(Column::Copied), ["Copied Block"]);
    }

    #[test]
    fn a_guess_means_nothing_until_the_configuration_confirms_it() {
        let words = Words::with(&[]).unwrap();
        assert_eq!(words.status("EC Suspend"), Some(Status::Unknown));
        assert!(!words.can_tell(CopyKind::Ec, StatusMeaning::Suspended));
        let hint = words.status_hint("EC Suspend").unwrap();
        assert!(hint.text.contains("probably means suspended"), "{hint:?}");
        assert_eq!(hint.lines, ["[[array.ccm.words]]", "word = \"EC Suspend\"", "status = \"suspended\""]);

        let words = Words::with(&[row("EC Suspend", StatusMeaning::Suspended)]).unwrap();
        assert_eq!(words.status("\"EC  Suspend\""), Some(Status::Suspended));
        assert!(words.can_tell(CopyKind::Ec, StatusMeaning::Suspended));
        assert!(!words.can_tell(CopyKind::Rec, StatusMeaning::Suspended), "EC's word says nothing of REC");
        assert_eq!(words.status_hint("EC Suspend"), None);
    }

    #[test]
    fn a_word_in_no_table_is_unknown_and_says_where_it_belongs() {
        let words = Words::with(&[]).unwrap();
        assert_eq!(words.status("Hydrating"), Some(Status::Unknown));
        assert_eq!(words.phase("Hydrating", "Hydrating"), Phase::Unknown);
        assert_eq!(words.kind("Extended Copy"), CopyKind::Other);
        assert_eq!(words.status_hint("Hydrating").unwrap().lines[1], "word = \"Hydrating\"");
        let planted = words.phase_hint("a\"\u{202e}\u{1b}[2J\\").unwrap().lines;
        assert_eq!(planted[1], "word = \"a\\\"\\U0000202E\\U0000001B[2J\\\\\"");
        let back: toml::Table = planted[1].parse().unwrap();
        assert_eq!(back["word"].as_str(), Some("a\"\u{202e}\u{1b}[2J\\"), "what is pasted is what was seen");
    }

    #[test]
    fn the_row_of_a_status_word_tells_the_phase_where_its_own_word_does_not() {
        let with_phase = Row { phase: Some(PhaseMeaning::Tracking), ..row("EC Suspend", StatusMeaning::Suspended) };
        let words = Words::with(&[with_phase]).unwrap();
        for filler in ["N/A", "Hydrating", ""] {
            assert_eq!(words.phase("\"EC Suspend\"", filler), Phase::Tracking, "{filler}");
        }
        assert_eq!(words.phase("EC Suspend", "Copying"), Phase::Copying, "a known word counts");
        assert_eq!(words.phase("EC Executing", "Hydrating"), Phase::Unknown);
        assert_eq!(words.phase("EC Executing", "N/A"), Phase::NoPair);
    }

    #[test]
    fn titles_are_known_whatever_their_case_and_the_configuration_adds_others() {
        let row = TitleRow { column: Column::Sid, title: "Nummer".to_owned(), source: None };
        let words = Words::new(&[], &[row], &[]).unwrap();
        let fields: Vec<Field> =
            [("Box ID", "B"), ("ec status", "S"), ("<=>", "==>"), ("NUMMER", "0x1"), ("Other", "")]
                .map(|(id, value)| Field { id: id.to_owned(), value: value.to_owned() })
                .into();
        let found = |column| words.find(column, &fields);
        assert_eq!((found(Column::BoxId), found(Column::Status)), (Some("B"), Some("S")));
        assert_eq!((found(Column::Direction), found(Column::Sid)), (Some("==>"), Some("0x1")));
        assert_eq!(found(Column::Phase), None);
        assert!(!words.knows_title("Other") && words.knows_title("SID"));
    }

    #[test]
    fn a_refusal_is_judged_by_its_words_only_where_its_code_says_nothing() {
        let own = MessageRow { text: "Occupied".to_owned(), means: MessageMeaning::Busy, source: None };
        let words = Words::new(&[], &[], &[own]).unwrap();
        let class = |message: &str| words.judge(refusal::of_message(message)).class;
        let array = "ccm5004 Operation failed. function=STXCopyEC.SUSPEND, message=";
        for (text, wanted) in [
            ("The storage device is busy. Please retry.", ErrorClass::Busy),
            ("OCCUPIED", ErrorClass::Busy),
            ("Only possible with force.", ErrorClass::NeedsForce),
            ("The session is already suspended.", ErrorClass::AlreadyDone),
            ("E5323 busy", ErrorClass::NeedsForce),
            ("invalid BoxID.", ErrorClass::Internal),
        ] {
            assert_eq!(class(&format!("{array}{text}")), wanted, "{text}");
        }
        assert_eq!(class("ccm4014 The device is busy."), ErrorClass::InvalidState);
        assert!(is_by_words(&words.judge(refusal::of_message(&format!("{array}Please retry.")))));
        assert!(!is_by_words(&words.judge(refusal::of_message(&format!("{array}E0060")))));
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
