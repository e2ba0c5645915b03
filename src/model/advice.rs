//! What a person does outside of ecdeck before anything is given up: looks, repairs, or configures what is not known.

use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};

/// A harmless way on. Unlike a remedy it is no request of ecdeck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// One sentence; text from outside in it is escaped.
    pub text: String,
    /// Lines for the configuration, ready to paste; fit for a terminal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

impl Advice {
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), lines: Vec::new() }
    }

    #[must_use]
    pub fn with_lines(self, lines: Vec<String>) -> Self {
        Self { lines, ..self }
    }
}

/// What a term of an array's answer stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TermUse {
    Status,
    Phase,
    Kind,
    /// The titles of the columns of these.
    StatusTitle,
    PhaseTitle,
    KindTitle,
    DirectionTitle,
    /// The title of another column.
    OtherTitle,
}

impl TermUse {
    pub fn is_title(self) -> bool {
        match self {
            Self::Status | Self::Phase | Self::Kind => false,
            Self::StatusTitle | Self::PhaseTitle | Self::KindTitle | Self::DirectionTitle | Self::OtherTitle => true,
        }
    }
}

/// A word or a column title of an array's answers that has no meaning here, and how to give it one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownTerm {
    pub used_as: TermUse,
    /// As the array writes it; of a title, the best guess.
    pub term: Untrusted,
    /// Where it stands, in half a sentence.
    pub what: String,
    pub advice: Advice,
}
