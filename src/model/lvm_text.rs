//! LVM's text of a volume group, and the same text under another identity.
//!
//! A copy of a disk carries the identity of the group that was copied. Its own one is put back by restoring the copy's text
//! under the names and identities of the group that was there before. Only groups of one physical volume are taken, and only
//! segments of which it is known that they refer to nothing else: whatever else is in a text refuses it.

use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::str::FromStr;

/// The longest text that is read. LVM's own metadata areas are smaller by default.
const MAX_BYTES: usize = 4 << 20;
/// Sections within sections. LVM has four.
const MAX_DEPTH: usize = 8;
/// Segments that lie on physical volumes of their group only.
const KNOWN_SEGMENTS: [&str; 1] = ["striped"];

/// A name or an identity as LVM writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LvmName(String);

impl LvmName {
    /// LVM's own limit.
    const MAX_LENGTH: usize = 127;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LvmName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"+_.-".contains(&byte);
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len()) && !text.starts_with('-') && text.bytes().all(plain);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("{:?} is no name of LVM", Untrusted::from(text).escaped()))
        }
    }
}

impl TryFrom<String> for LvmName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<LvmName> for String {
    fn from(name: LvmName) -> Self {
        name.0
    }
}

/// Who a group on one disk is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GroupIdentity {
    pub name: LvmName,
    /// Of the group.
    pub uuid: LvmName,
    /// Of its physical volume.
    pub physical: LvmName,
}

/// What is in the text of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupText {
    pub identity: GroupIdentity,
    /// Grows with each change of the group.
    pub sequence: u64,
    /// Names of the logical volumes, sorted.
    pub logical_volumes: Vec<String>,
}

/// What a text says.
///
/// # Errors
/// One sentence, when it is no text of a group on one physical volume, or has something that is not known.
pub fn read(text: &str) -> Result<GroupText, String> {
    Found::of(text).map(|found| found.group)
}

/// The text of the same logical volumes under another identity, on `device`.
///
/// # Errors
/// As for [`read`], and when the path of the device cannot stand in a text.
pub fn under_identity(text: &str, identity: &GroupIdentity, device: &str) -> Result<String, String> {
    let found = Found::of(text)?;
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"\\#".contains(&byte);
    if !device.starts_with('/') || !device.bytes().all(plain) {
        return Err(format!("the device {device:?} cannot stand in LVM's text"));
    }
    let quoted = |text: &str| format!("\"{text}\"");
    let mut edits = vec![
        (found.name, identity.name.as_str().to_owned()),
        (found.uuid, quoted(identity.uuid.as_str())),
        (found.physical, quoted(identity.physical.as_str())),
    ];
    edits.extend(found.device.map(|place| (place, quoted(device))));
    // They name the disk that was copied.
    edits.extend(found.device_ids.into_iter().map(|place| (place, String::new())));
    edits.sort_unstable_by_key(|(place, _)| place.start);
    let mut result = text.to_owned();
    for (place, new) in edits.into_iter().rev() {
        result.replace_range(place, &new);
    }
    Ok(result)
}

/// Where in a text the things are that make the identity.
struct Found {
    group: GroupText,
    name: Range<usize>,
    uuid: Range<usize>,
    physical: Range<usize>,
    device: Option<Range<usize>>,
    /// Whole assignments.
    device_ids: Vec<Range<usize>>,
}

impl Found {
    fn of(text: &str) -> Result<Self, String> {
        let top = parse(text)?;
        let mut groups = top.iter().filter_map(|entry| Some((entry, entry.section()?)));
        let (Some((group, entries)), None) = (groups.next(), groups.next()) else {
            return Err("the text has not exactly one group".to_owned());
        };
        if string(text, &top, "contents")?.1 != "Text Format Volume Group" {
            return Err("the text is not that of a volume group".to_owned());
        }
        let physical = only_section(text, entries, "physical_volumes")?;
        let [volume] = physical else {
            return Err(format!("the group has {} physical volumes: only one on one disk is known", physical.len()));
        };
        let volume_name = &text[volume.key.clone()];
        let inside = volume.section().ok_or("a physical volume is no section")?;
        let (uuid, group_uuid) = string(text, entries, "id")?;
        let (place, physical_uuid) = string(text, inside, "id")?;
        let device = find(text, inside, "device").map(|_| string(text, inside, "device")).transpose()?;
        let device_ids = ["device_id", "device_id_type"];
        let device_ids = device_ids.iter().filter_map(|key| Some(find(text, inside, key)?.whole.clone())).collect();
        let identity = GroupIdentity {
            name: text[group.key.clone()].parse()?,
            uuid: group_uuid.parse()?,
            physical: physical_uuid.parse()?,
        };
        let sequence = find(text, entries, "seqno").and_then(Entry::value).map(|place| &text[place]);
        let sequence = sequence.and_then(|text| text.parse().ok()).ok_or("the text has no seqno")?;
        let mut logical_volumes = Vec::new();
        if find(text, entries, "logical_volumes").is_some() {
            for entry in only_section(text, entries, "logical_volumes")? {
                let name = &text[entry.key.clone()];
                segments(text, name, entry, volume_name)?;
                logical_volumes.push(name.to_owned());
            }
        }
        logical_volumes.sort_unstable();
        Ok(Self {
            group: GroupText { identity, sequence, logical_volumes },
            name: group.key.clone(),
            uuid,
            physical: place,
            device: device.map(|(place, _)| place),
            device_ids,
        })
    }
}

/// Every segment of a logical volume is of a known sort and on the one physical volume.
fn segments(text: &str, name: &str, entry: &Entry, physical: &str) -> Result<(), String> {
    let inside = entry.section().ok_or_else(|| format!("{name} is no section"))?;
    let sections = inside.iter().filter_map(|entry| Some((&text[entry.key.clone()], entry.section()?)));
    let mut count = 0_u64;
    for (key, segment) in sections {
        let known = key.strip_prefix("segment").is_some_and(|number| number.parse::<u64>().is_ok());
        if !known {
            return Err(format!("{name} has the section {key}, which is not known"));
        }
        let (_, kind) = string(text, segment, "type")?;
        if !KNOWN_SEGMENTS.contains(&kind) {
            return Err(format!(
                "{name} has a segment of the type {kind}: only {} is known",
                KNOWN_SEGMENTS.join(", ")
            ));
        }
        let stripes = find(text, segment, "stripes").and_then(Entry::value);
        let on: Vec<&str> = stripes.map(|place| strings_in(&text[place])).unwrap_or_default();
        if on.is_empty() || on.iter().any(|other| *other != physical) {
            return Err(format!("{key} of {name} is not on the one physical volume"));
        }
        count += 1;
    }
    let counted = find(text, inside, "segment_count").and_then(Entry::value).map(|place| &text[place]);
    if counted.and_then(|counted| counted.parse().ok()) != Some(count) || count == 0 {
        return Err(format!("{name} does not have as many segments as it says"));
    }
    Ok(())
}

/// The quoted texts of a list without escapes.
fn strings_in(list: &str) -> Vec<&str> {
    list.split('"').skip(1).step_by(2).collect()
}

fn find<'a>(text: &str, entries: &'a [Entry], key: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| &text[entry.key.clone()] == key)
}

fn only_section<'a>(text: &str, entries: &'a [Entry], key: &str) -> Result<&'a [Entry], String> {
    find(text, entries, key).and_then(Entry::section).ok_or_else(|| format!("the text has no section {key}"))
}

/// A quoted text: where it is, with its quotes, and what it says.
fn string<'a>(text: &'a str, entries: &[Entry], key: &str) -> Result<(Range<usize>, &'a str), String> {
    let place = find(text, entries, key).and_then(Entry::value).ok_or_else(|| format!("the text has no {key}"))?;
    let said = text[place.clone()].strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    said.map(|said| (place.clone(), said)).ok_or_else(|| format!("{key} is not a quoted text"))
}

/// `key = value` or `key { ... }`.
struct Entry {
    key: Range<usize>,
    whole: Range<usize>,
    body: Body,
}

enum Body {
    Section(Vec<Entry>),
    Value(Range<usize>),
}

impl Entry {
    fn section(&self) -> Option<&[Entry]> {
        match &self.body {
            Body::Section(entries) => Some(entries),
            Body::Value(_) => None,
        }
    }

    fn value(&self) -> Option<Range<usize>> {
        match &self.body {
            Body::Value(place) => Some(place.clone()),
            Body::Section(_) => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Open,
    Close,
    Equals,
    /// `[`, `]`, `,`
    List(u8),
    Quoted,
    Word,
}

fn parse(text: &str) -> Result<Vec<Entry>, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("the text is longer than {} MiB", MAX_BYTES >> 20));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens: &tokens, at: 0 };
    let entries = parser.entries(0)?;
    if parser.at < tokens.len() {
        return Err("the text closes a section that it did not open".to_owned());
    }
    Ok(entries)
}

fn tokens(text: &str) -> Result<Vec<(Kind, Range<usize>)>, String> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        let kind = match bytes[at] {
            b'#' => {
                at = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end);
                continue;
            }
            blank if blank.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'"' => {
                at += 1;
                while bytes.get(at).is_some_and(|byte| *byte != b'"') {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                if at >= bytes.len() {
                    return Err("a quoted text does not end".to_owned());
                }
                Kind::Quoted
            }
            b'{' => Kind::Open,
            b'}' => Kind::Close,
            b'=' => Kind::Equals,
            list @ (b'[' | b']' | b',') => Kind::List(list),
            byte if is_word(byte) => {
                while bytes.get(at + 1).is_some_and(|byte| is_word(*byte)) {
                    at += 1;
                }
                Kind::Word
            }
            _ => {
                let line = text[..start].lines().count().max(1);
                return Err(format!("line {line} of the text has a character that LVM does not write"));
            }
        };
        at += 1;
        found.push((kind, start..at));
    }
    Ok(found)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+_.-".contains(&byte)
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [(Kind, Range<usize>)],
    at: usize,
}

impl Parser<'_> {
    fn next(&mut self) -> Option<(Kind, Range<usize>)> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn entries(&mut self, depth: usize) -> Result<Vec<Entry>, String> {
        if depth > MAX_DEPTH {
            return Err("the text has too many sections within sections".to_owned());
        }
        let mut entries: Vec<Entry> = Vec::new();
        while let Some((kind, _)) = self.tokens.get(self.at)
            && *kind != Kind::Close
        {
            let entry = self.entry(depth)?;
            let key = &self.text[entry.key.clone()];
            if find(self.text, &entries, key).is_some() {
                return Err(format!("the text has {key} twice in one section"));
            }
            entries.push(entry);
        }
        Ok(entries)
    }

    fn entry(&mut self, depth: usize) -> Result<Entry, String> {
        let Some((Kind::Word, key)) = self.next() else { return Err("a key is missing in the text".to_owned()) };
        let body = match self.next() {
            Some((Kind::Open, _)) => {
                let entries = self.entries(depth + 1)?;
                let Some((Kind::Close, _)) = self.next() else { return Err("a section does not end".to_owned()) };
                Body::Section(entries)
            }
            Some((Kind::Equals, _)) => Body::Value(self.value()?),
            _ => return Err(format!("{} has no value in the text", &self.text[key.clone()])),
        };
        let end = self.tokens[self.at - 1].1.end;
        Ok(Entry { whole: key.start..end, key, body })
    }

    fn value(&mut self) -> Result<Range<usize>, String> {
        match self.next() {
            Some((Kind::Quoted | Kind::Word, place)) => Ok(place),
            Some((Kind::List(b'['), first)) => loop {
                match self.next() {
                    Some((Kind::List(b']'), last)) => return Ok(first.start..last.end),
                    Some((Kind::Quoted | Kind::Word | Kind::List(b','), _)) => {}
                    _ => return Err("a list does not end".to_owned()),
                }
            },
            _ => Err("a value is missing in the text".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
