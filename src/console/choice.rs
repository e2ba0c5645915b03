//! What a person chose to see of the volumes: filter, problems only, order, open sets; and what fits it.

use crate::model::identity::Name;
use crate::model::snapshot::{Due, Ready, Snapshot, TransactionVolumeView};
use crate::model::units::Timestamp;
use std::collections::BTreeSet;

/// How volumes are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// What needs attention first.
    #[default]
    Trouble,
    Name,
    /// What will be ready last comes first: it decides whether the window is met.
    Ready,
}

impl Order {
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Trouble => Self::Name,
            Self::Name => Self::Ready,
            Self::Ready => Self::Trouble,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Name => "by name",
            Self::Trouble => "trouble first",
            Self::Ready => "last to be ready first",
        }
    }
}

/// Which volumes are shown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choice {
    /// Lower case.
    pub filter: String,
    pub problems: bool,
    pub order: Order,
    /// Sets whose volumes are in the table.
    pub opened: BTreeSet<Name>,
}

impl Choice {
    /// Every volume is in the table.
    pub fn hides_nothing(&self) -> bool {
        self.filter.is_empty() && !self.problems
    }

    /// The volumes of a set stand below it.
    pub fn is_open(&self, set: &Name) -> bool {
        !self.hides_nothing() || self.opened.contains(set)
    }
}

/// Whether `!` shows it.
pub fn needs_attention(view: &TransactionVolumeView) -> bool {
    view.problem.is_some() || view.state.is_trouble() || matches!(view.due, Due::Overdue(_)) || is_late(view)
}

/// It is late for its window, or missed it, or nobody can tell.
pub fn is_late(view: &TransactionVolumeView) -> bool {
    view.window.as_deref().is_some_and(|window| window.state.is_trouble())
}

pub fn lateness(ready: Ready) -> (u8, Timestamp) {
    match ready {
        Ready::Never => (0, Timestamp(0)),
        Ready::Now => (1, Timestamp(0)),
        Ready::Between { latest, .. } => (2, latest),
        Ready::NotYetKnown => (3, Timestamp(0)),
    }
}

/// Whether a volume is shown: every word of the filter fits, and none that `!` comes before.
pub fn matches_filter(snapshot: &Snapshot, view: &TransactionVolumeView, filter: &str) -> bool {
    every_word(filter, |word| fits(snapshot, view, word))
}

/// The same for a name alone.
pub fn fits_name(name: &str, filter: &str) -> bool {
    let name = name.to_ascii_lowercase();
    every_word(filter, |word| is_named(&name, word))
}

fn every_word(filter: &str, fits: impl Fn(&str) -> bool) -> bool {
    filter.split_whitespace().all(|word| match word.strip_prefix('!') {
        Some("") => true,
        Some(word) => !fits(word),
        None => fits(word),
    })
}

/// Whether a name in lower case contains the word, or is what its pattern describes.
fn is_named(name: &str, word: &str) -> bool {
    if is_pattern(word) { is_like(name.as_bytes(), word.as_bytes()) } else { name.contains(word) }
}

fn is_pattern(word: &str) -> bool {
    word.contains(['*', '?'])
}

/// A word fits a name or place that contains it, a name that its pattern (`*`, `?`) describes, a volume's state, or the mode
/// of its policy.
fn fits(snapshot: &Snapshot, view: &TransactionVolumeView, word: &str) -> bool {
    let name = view.volume.name.as_str().to_ascii_lowercase();
    if is_pattern(word) {
        return is_named(&name, word);
    }
    is_named(&name, word)
        || view.state.to_string() == word
        || view.volume.policy.is_some_and(|policy| policy.mode.to_string() == word)
        || word == "overdue" && matches!(view.due, Due::Overdue(_))
        || word == "late" && is_late(view)
        || word == "trouble" && needs_attention(view)
        || snapshot.location(view.volume.id).to_ascii_lowercase().contains(word)
}

/// Whether a pattern describes all of a text: `*` is anything, `?` one character.
pub fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut wanted, mut star) = (0, 0, None);
    while at < text.len() {
        match pattern.get(wanted) {
            Some(b'*') => {
                star = Some((wanted, at));
                wanted += 1;
            }
            Some(sign) if *sign == b'?' || *sign == text[at] => {
                at += 1;
                wanted += 1;
            }
            _ => {
                // The last star takes one more character.
                let Some((before, from)) = star else { return false };
                star = Some((before, from + 1));
                at = from + 1;
                wanted = before + 1;
            }
        }
    }
    pattern[wanted..].iter().all(|sign| *sign == b'*')
}
