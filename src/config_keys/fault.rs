//! What is wrong with a configuration: the file, the line, the key, and what to do.

use crate::model::untrusted;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Where everything that may be written is explained.
const SEE: &str = "config.example.toml explains every key";
/// Characters of a key or of a sentence that quotes the file. The longest list of known keys fits.
const MAX_QUOTED: usize = 600;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration {file} cannot be used: {why}", file = untrusted::path(.file))]
    Unreadable { file: PathBuf, why: String },
    #[error("{file}:{line}: {}{what}", key_prefix(.key), file = untrusted::path(.file))]
    Wrong { file: PathBuf, line: usize, key: String, what: String },
}

fn key_prefix(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!("{key}: ") }
}

/// A fault at a place in the text, before the file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    span: Option<Range<usize>>,
    what: String,
}

impl Fault {
    pub fn at<T>(place: &Spanned<T>, what: impl Into<String>) -> Self {
        Self { span: Some(place.span()), what: what.into() }
    }

    pub fn in_file(self, file: &Path, text: &str) -> ConfigError {
        let span = self.span.unwrap_or(0..0);
        let line = line_of(text, span.start);
        let mut key = key_at(text, span.start);
        if self.what == TWICE && key.is_empty() {
            // The second of two equal keys is in no table.
            text.get(span).unwrap_or_default().trim().clone_into(&mut key);
        }
        ConfigError::Wrong { file: file.to_owned(), line, key: shown(&key), what: shown(&self.what) }
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Self {
        Self { span: error.span(), what: reworded(error.message()) }
    }
}

/// A text that may quote the file: escaped, and no longer than somebody reads.
fn shown(text: &str) -> String {
    if text.chars().count() <= MAX_QUOTED {
        return untrusted::escaped(text);
    }
    let cut: String = text.chars().take(MAX_QUOTED).collect();
    format!("{}... (cut)", untrusted::escaped(&cut))
}

/// The first place where the text is no TOML at all.
pub fn syntax(text: &str) -> Option<Fault> {
    let (_, errors) = DeTable::parse_recoverable(text);
    let start = |error: &toml::de::Error| error.span().map_or(usize::MAX, |span| span.start);
    errors.into_iter().min_by_key(start).map(Fault::from)
}

/// The line of a place in the text, from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.char_indices().take_while(|(at, _)| *at < offset).filter(|(_, c)| *c == '\n').count() + 1
}

const TWICE: &str = "the key is there twice: keep one of them";

/// serde's sentences, in ours: what is wrong, what may stand there, what was probably meant.
fn reworded(message: &str) -> String {
    if message.starts_with("duplicate key") {
        return TWICE.to_owned();
    }
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let message = message.trim_end();
    let Some((found, known)) = quoted.split_first() else { return format!("{message}; {SEE}") };
    if message.starts_with("unknown field") {
        return format!("there is no such key; {}", meant(found, known));
    }
    if message.starts_with("unknown variant") {
        return format!("{found:?} is not known here; {}", meant(found, known));
    }
    if message.starts_with("missing field") {
        return missing(found);
    }
    format!("{message}; {SEE}")
}

/// A key that must be there and is not.
pub fn missing(key: &str) -> String {
    format!("the key {key} is missing; {SEE}")
}

/// What was probably meant by a word, or what may stand there.
pub fn meant(found: &str, known: &[&str]) -> String {
    match closest(found, known.iter().copied()) {
        Some(close) => format!("did you mean {close}?"),
        None if known.is_empty() => SEE.to_owned(),
        None => format!("known are: {}", known.join(", ")),
    }
}

/// The nearest of some words, when it is near enough to be a slip of the finger.
pub fn closest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = word.chars().count().div_ceil(3);
    let by_distance = known.into_iter().map(|candidate| (distance(word, candidate), candidate));
    by_distance.filter(|(distance, _)| *distance <= far).min_by_key(|(distance, _)| *distance).map(|(_, word)| word)
}

/// Insertions, deletions, exchanges of a letter, and swaps of neighbours that make one word the other.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=b.len()).collect()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let exchange = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = exchange.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// The key that stands at a place in the text, with the tables it is in: `console.fps`, `array[1].name`.
fn key_at(text: &str, offset: usize) -> String {
    let (table, _) = DeTable::parse_recoverable(text);
    find_in_table(table.get_ref(), offset, "").unwrap_or_default()
}

fn find_in_table(table: &DeTable<'_>, offset: usize, path: &str) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let name = key.get_ref();
        let here = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        let inside = find_in_value(value.get_ref(), offset, &here);
        let holds = |span: Range<usize>| span.contains(&offset);
        inside.or_else(|| (holds(key.span()) || holds(value.span())).then_some(here))
    })
}

fn find_in_value(value: &DeValue<'_>, offset: usize, path: &str) -> Option<String> {
    match value {
        DeValue::Table(table) => find_in_table(table, offset, path),
        DeValue::Array(values) => values.iter().enumerate().find_map(|(index, value)| {
            let here = format!("{path}[{}]", index + 1);
            find_in_value(value.get_ref(), offset, &here).or_else(|| value.span().contains(&offset).then_some(here))
        }),
        _ => None,
    }
}
