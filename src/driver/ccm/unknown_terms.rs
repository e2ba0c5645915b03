//! Words and column titles of CCM's answers that have no meaning here: found with every reading, so that a refusal, the
//! status and the examination all show the lines of configuration that give them one.

use super::array::CcmDriver;
use super::word_table::{Column, Hint, title_lines};
use crate::model::advice::{Advice, TermUse, UnknownTerm};
use crate::model::session::{Phase, SessionReading, Status};
use crate::model::untrusted::Untrusted;
use std::collections::BTreeMap;

/// All of them, each once.
pub(super) fn of(driver: &CcmDriver, sessions: &[SessionReading]) -> Vec<UnknownTerm> {
    let mut terms = titles(driver);
    terms.extend(words(driver, sessions));
    terms
}

/// Each column and title once, however many commands show it so.
fn titles(driver: &CcmDriver) -> Vec<UnknownTerm> {
    let mut terms: Vec<UnknownTerm> = Vec::new();
    for (command, (missing, strange)) in &driver.memory().titles {
        let shown = strange.iter().map(Untrusted::escaped).collect::<Vec<_>>().join(", ");
        for (at, column) in missing.iter().enumerate() {
            // Titles come in the order of the columns: a good guess, which a person confirms.
            let guess = strange.get(at).cloned().unwrap_or_else(|| "...".into());
            let lines = title_lines(*column, &guess.escaped());
            if terms.iter().any(|term| term.advice.lines == lines) {
                continue;
            }
            let text = "add these lines to the array's section of the configuration, with the title that is right";
            terms.push(UnknownTerm {
                used_as: title(*column),
                what: format!("no title of `{command}` is known as that of {column}; without a meaning: {shown}"),
                advice: Advice::new(text).with_lines(lines),
                term: guess,
            });
        }
    }
    terms
}

fn title(column: Column) -> TermUse {
    match column {
        Column::Status => TermUse::StatusTitle,
        Column::Phase => TermUse::PhaseTitle,
        Column::Kind => TermUse::KindTitle,
        Column::Direction => TermUse::DirectionTitle,
        _ => TermUse::OtherTitle,
    }
}

fn words(driver: &CcmDriver, sessions: &[SessionReading]) -> Vec<UnknownTerm> {
    let mut unknown: BTreeMap<(TermUse, Untrusted), Hint> = BTreeMap::new();
    // A column that is missing has no word: its title is what must be known.
    let mut note = |used_as, word: &Untrusted, hint: Option<Hint>| {
        if let Some(hint) = hint.filter(|_| !word.is_empty()) {
            unknown.insert((used_as, word.clone()), hint);
        }
    };
    for session in sessions {
        let words = &session.words;
        if session.status == Status::Unknown {
            note(TermUse::Status, &words.status, driver.words.status_hint(words.status.raw()));
        }
        if session.phase == Phase::Unknown {
            note(TermUse::Phase, &words.phase, driver.words.phase_hint(words.phase.raw()));
        }
    }
    for kind in driver.kinds_seen() {
        note(TermUse::Kind, &kind, driver.words.kind_hint(kind.raw()));
    }
    let term = |((used_as, term), hint): ((TermUse, Untrusted), Hint)| {
        let of = if used_as == TermUse::Kind { "kind of copy" } else { "session" };
        let what = format!("\"{}\" of a {of}", term.escaped());
        UnknownTerm { used_as, term, what, advice: Advice::new(hint.text).with_lines(hint.lines) }
    };
    unknown.into_iter().map(term).collect()
}
