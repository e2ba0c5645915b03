//! Reads a site file: TOML with the keys of the format, every error with its place.

use super::policy::{self, PolicyKeys};
use super::{FORMAT, FileMapSet, FileRound, FileSet, FileVolume, Lines, MAX_BYTES, SiteFile};
use crate::model::device_map::{Finding, Severity};
use crate::model::identity::{BoxId, Name};
use crate::model::request::VolumeRole;
use crate::model::untrusted::escaped;
use crate::model::volume_group::GroupPlace;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

const SEE: &str = "docs/site-file.md explains every key";
/// Characters of the file that a sentence quotes.
const MAX_QUOTED: usize = 60;

/// Reads a file. The error has everything that is wrong with its form, in the order of the text.
pub fn read(bytes: &[u8]) -> Result<SiteFile, Vec<Finding>> {
    if bytes.len() > MAX_BYTES {
        let text = format!("it is longer than {} MiB: this is no site file", MAX_BYTES >> 20);
        return Err(vec![Lines::of("").finding(Severity::Syntax, &(0..0), text, SEE)]);
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let readable = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
            let span = error.valid_up_to()..error.valid_up_to();
            let text = "here is something that is not UTF-8 text".to_owned();
            let help = "save it as UTF-8 with a text editor";
            return Err(vec![Lines::of(readable).finding(Severity::Syntax, &span, text, help)]);
        }
    };
    let lines = Lines::of(text);
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader { lines, found: Vec::new() };
    let mut file = SiteFile::default();
    reader.file(table.get_ref(), &mut file);
    // What was read after a place that is no TOML is a guess: only what stands before it is reported too.
    let syntax: Vec<Finding> = errors.into_iter().map(|error| reader.syntax(&error)).collect();
    if let Some(first) = syntax.iter().map(|finding| finding.line).min() {
        reader.found.retain(|finding| finding.line < first);
        reader.found.extend(syntax);
    }
    if reader.found.is_empty() {
        return Ok(file);
    }
    reader.found.sort_by_key(|finding| (finding.line, finding.column));
    reader.found.dedup();
    Err(reader.found)
}

/// A text of the file in a sentence: escaped, and no longer than somebody reads.
fn quoted(text: &str) -> String {
    let short: String = text.chars().take(MAX_QUOTED).collect();
    let more = if short.len() < text.len() { "..." } else { "" };
    format!("\"{}{more}\"", escaped(&short))
}

struct Reader<'t> {
    lines: Lines<'t>,
    found: Vec<Finding>,
}

impl Reader<'_> {
    fn syntax(&self, error: &toml::de::Error) -> Finding {
        let span = error.span().unwrap_or(0..0);
        let message = escaped(error.message().trim_end());
        let (text, help) = if message.starts_with("duplicate key") {
            ("the key is there twice".to_owned(), "keep one of them")
        } else {
            (message, "site files are TOML: look for a quote, a comma or a bracket that is missing")
        };
        self.lines.finding(Severity::Syntax, &span, text, help)
    }

    fn wrong(&mut self, span: &Range<usize>, text: impl Into<String>, help: &str) {
        self.found.push(self.lines.finding(Severity::Error, span, text.into(), help));
    }

    /// Every key that is none of these is an error.
    fn only(&mut self, table: &DeTable<'_>, known: &[&str]) {
        for (key, _) in table.iter().filter(|(key, _)| !known.contains(&key.get_ref().as_ref())) {
            let name = key.get_ref().as_ref();
            let (text, help) = match name {
                "array" | "host" | "hook" | "rec" | "roles" | "engine" | "catalogue" => (
                    format!("{name} is configuration, not part of a site file"),
                    "write it into config.toml, and take it out here",
                ),
                _ => (format!("there is no key {}", quoted(name)), SEE),
            };
            let known = if known.is_empty() { String::new() } else { format!("; known are: {}", known.join(", ")) };
            self.wrong(&key.span(), format!("{text}{known}"), help);
        }
    }

    fn file(&mut self, table: &DeTable<'_>, file: &mut SiteFile) {
        self.only(table, &["format", "site", "arrays", "transaction_volumes", "backup_volumes", "sets", "map_sets"]);
        match table.get("format") {
            None => self.wrong(&(0..0), "the line `format = 1` is missing", "write it at the top of the file"),
            Some(format) => {
                if let Some(number) = self.number(format)
                    && *number.get_ref() != FORMAT
                {
                    let text = format!("format {} is not known here", number.get_ref());
                    self.wrong(
                        &format.span(),
                        text,
                        "this program reads format 1: use the version that wrote the file",
                    );
                }
            }
        }
        file.site = table.get("site").and_then(|value| self.text(value));
        if let Some(arrays) = table.get("arrays").and_then(|value| self.table(value)) {
            for (key, value) in arrays {
                let name = Spanned::new(key.span(), key.get_ref().to_string());
                let (name, id) = (self.parsed::<Name>(&name), self.text(value));
                let id = id.and_then(|id| self.parsed::<BoxId>(&id));
                file.arrays.extend(name.zip(id));
            }
        }
        for (key, role) in [("transaction_volumes", VolumeRole::Transaction), ("backup_volumes", VolumeRole::Backup)] {
            for value in table.get(key).map(|value| self.list(value)).unwrap_or_default() {
                let volume = self.volume(value, role);
                file.volumes.extend(volume);
            }
        }
        for value in table.get("sets").map(|value| self.list(value)).unwrap_or_default() {
            let set = self.set(value);
            file.sets.extend(set);
        }
        for value in table.get("map_sets").map(|value| self.list(value)).unwrap_or_default() {
            let set = self.map_set(value);
            file.map_sets.extend(set);
        }
    }

    fn volume(&mut self, value: &Spanned<DeValue<'_>>, role: VolumeRole) -> Option<FileVolume> {
        let table = self.table(value)?;
        match role {
            VolumeRole::Transaction => self.only(table, &["volume", "name", "blocks", "policy", "group"]),
            VolumeRole::Backup => self.only(table, &["volume", "name", "blocks", "group"]),
        }
        let name = table.get("name").and_then(|value| self.text(value));
        let name = name.and_then(|name| self.parsed::<Name>(&name));
        let blocks = table.get("blocks").and_then(|value| self.number(value));
        let policy = table.get("policy").filter(|_| role == VolumeRole::Transaction);
        let policy = policy.and_then(|value| self.policy(value));
        let group = table.get("group").and_then(|value| self.text(value));
        let group = group.and_then(|group| self.parsed::<GroupPlace>(&group));
        let Some(volume) = table.get("volume") else {
            self.wrong(&value.span(), "the key volume is missing", "write where the volume is: volume = \"DX1/0x21\"");
            return None;
        };
        let volume = self.text(volume)?;
        Some(FileVolume { role, volume, name, blocks, policy, group })
    }

    fn policy(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Spanned<PolicyKeys>> {
        let table = self.table(value)?;
        let known = policy::known();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        self.only(table, &known);
        let mut keys = PolicyKeys::new();
        for (key, value) in table.iter().filter(|(key, _)| known.contains(&key.get_ref().as_ref())) {
            if let Some(read) = policy::value(value.get_ref()) {
                keys.insert(key.get_ref().to_string(), read);
            } else {
                let text = format!("{} of a policy is a number, a text, true or false", key.get_ref());
                self.wrong(&value.span(), text, SEE);
            }
        }
        Some(Spanned::new(value.span(), keys))
    }

    fn set(&mut self, value: &Spanned<DeValue<'_>>) -> Option<FileSet> {
        let table = self.table(value)?;
        self.only(table, &["name", "members"]);
        let mut members = Vec::new();
        for value in table.get("members").map(|value| self.list(value)).unwrap_or_default() {
            let member = self.text(value);
            members.extend(member);
        }
        Some(FileSet { name: self.needed_name(table, &value.span())?, members })
    }

    fn map_set(&mut self, value: &Spanned<DeValue<'_>>) -> Option<FileMapSet> {
        let table = self.table(value)?;
        self.only(table, &["name", "rounds"]);
        let mut rounds = Vec::new();
        for value in table.get("rounds").map(|value| self.list(value)).unwrap_or_default() {
            let round = self.round(value);
            rounds.extend(round);
        }
        Some(FileMapSet { name: self.needed_name(table, &value.span())?, rounds })
    }

    fn round(&mut self, value: &Spanned<DeValue<'_>>) -> Option<FileRound> {
        let table = self.table(value)?;
        self.only(table, &["name", "pairs"]);
        let mut pairs = Vec::new();
        for value in table.get("pairs").map(|value| self.list(value)).unwrap_or_default() {
            let both = self.list(value);
            if let [transaction, backup] = both {
                let (transaction, backup) = (self.text(transaction), self.text(backup));
                pairs.extend(transaction.zip(backup));
            } else if value.get_ref().is_array() {
                let text = format!("a pair has two volumes, this has {}", both.len());
                self.wrong(&value.span(), text, "write [\"transaction volume\", \"backup volume\"]");
            }
        }
        Some(FileRound { name: self.needed_name(table, &value.span())?, pairs })
    }

    fn needed_name(&mut self, table: &DeTable<'_>, place: &Range<usize>) -> Option<Spanned<Name>> {
        let Some(name) = table.get("name") else {
            self.wrong(place, "the key name is missing", SEE);
            return None;
        };
        let name = self.text(name)?;
        self.parsed::<Name>(&name)
    }

    fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(&mut self, text: &Spanned<String>) -> Option<Spanned<T>> {
        match text.get_ref().parse() {
            Ok(value) => Some(Spanned::new(text.span(), value)),
            Err(error) => {
                self.wrong(&text.span(), escaped(&error.to_string()), SEE);
                None
            }
        }
    }

    fn text(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Spanned<String>> {
        match value.get_ref() {
            DeValue::String(text) => Some(Spanned::new(value.span(), text.to_string())),
            other => {
                self.wrong(&value.span(), format!("here stands {}: write a text in quotes", a(other)), SEE);
                None
            }
        }
    }

    fn number(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Spanned<u64>> {
        let number = match value.get_ref() {
            DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        if number.is_none() {
            self.wrong(&value.span(), "write a whole number, 0 or more", SEE);
            return None;
        }
        number.map(|number| Spanned::new(value.span(), number))
    }

    fn table<'v, 'i>(&mut self, value: &'v Spanned<DeValue<'i>>) -> Option<&'v DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            let text = format!("here stands {}: write {{ key = value, ... }}", a(value.get_ref()));
            self.wrong(&value.span(), text, SEE);
        }
        table
    }

    /// The values of a list; nothing where it is none.
    fn list<'v, 'i>(&mut self, value: &'v Spanned<DeValue<'i>>) -> &'v [Spanned<DeValue<'i>>] {
        if let DeValue::Array(values) = value.get_ref() {
            return values;
        }
        self.wrong(&value.span(), format!("here stands {}: write a list, [ ... ]", a(value.get_ref())), SEE);
        &[]
    }
}

/// What a value is, with its article.
fn a(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
