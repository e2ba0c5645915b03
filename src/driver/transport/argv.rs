//! A command line of checked words: nothing in it needs quoting, here or in a remote shell.

use crate::model::untrusted::Untrusted;
use std::fmt;
use std::str::FromStr;

/// A word that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{:?} cannot be used on a command line: 1 to {} of A-Z a-z 0-9 . _ - / : , + %", .0.escaped(), Word::MAX_LENGTH)]
pub struct WordError(Untrusted);

fn plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-/:,+%".contains(&byte)
}

/// One word of a command line. Its alphabet has nothing that a shell, local or remote, would look at twice,
/// so a line of words means the same with and without one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word(String);

impl Word {
    pub const MAX_LENGTH: usize = 255;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Word {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len()) && text.bytes().all(plain);
        if fits { Ok(Self(text.to_owned())) } else { Err(WordError(text.into())) }
    }
}

/// One command line, every word of it checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Argv {
    words: Vec<Word>,
    /// A command of the system: it is not in the tools' folder and needs no rights.
    of_system: bool,
}

impl Argv {
    /// # Errors
    /// When a word does not fit a command line.
    pub fn new<I: IntoIterator<Item = S>, S: AsRef<str>>(words: I) -> Result<Self, WordError> {
        words.into_iter().map(|word| word.as_ref().parse()).collect::<Result<_, _>>().map(Self::of_tools)
    }

    /// A command of the array's tools.
    pub fn of_tools(words: Vec<Word>) -> Self {
        Self { words, of_system: false }
    }

    /// The same words as a command of the system.
    #[must_use]
    pub fn of_system(self) -> Self {
        Self { of_system: true, ..self }
    }

    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.words.iter().map(Word::as_str)
    }

    /// The same command behind others: `sudo -n`, with the program's folder before its name.
    #[must_use]
    pub fn behind(&self, prefix: &[Word], folder: Option<&Word>) -> Self {
        if self.of_system {
            return self.clone();
        }
        let mut words = prefix.to_vec();
        words.extend(self.words.iter().cloned());
        if let (Some(folder), Some(program)) = (folder, words.get_mut(prefix.len()))
            && let Ok(full) = format!("{}/{}", folder.as_str().trim_end_matches('/'), program.as_str()).parse()
        {
            *program = full;
        }
        Self::of_tools(words)
    }
}

/// As a person would type it.
impl fmt::Display for Argv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, word) in self.words().enumerate() {
            if at > 0 {
                f.write_str(" ")?;
            }
            f.write_str(word)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_word_has_nothing_that_a_shell_would_look_at(text in any::<String>()) {
            const LOOKED_AT: &str = "\"'`$\\;&|<>(){}[]*?~#!=^";
            if let Ok(word) = text.parse::<Word>() {
                let looked_at = word.as_str().contains(|c: char| c.is_whitespace() || LOOKED_AT.contains(c));
                prop_assert!(!looked_at);
            }
        }
    }
}
