//! `acec query`, `acopc query` and `accopy query`: the pairs of a group, the sessions of a box.

use super::{Display, ReplyError};
use crate::driver::ccm::command::Argv;
use crate::driver::ccm::words::{Column, Words};
use crate::driver::ccm::xml::Field;
use crate::model::identity::{BoxId, Olu};
use crate::model::session::ErrorByte;
use crate::model::units::Blocks;
use crate::model::untrusted::Untrusted;

/// A volume as a reply names it: under the array's name in CCM, or under its box id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedVolume {
    pub array: String,
    pub olu: Olu,
    /// A part of the volume only, which is never one of ours.
    pub extent: bool,
}

/// Where a copy runs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// `N/A`: the pair has no session.
    None,
    Forward,
    /// Inferred: the manuals show `==>` and `N/A` only.
    Reversed,
    /// The column is missing, or holds something else.
    Untold,
}

/// One line: a pair and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRow {
    pub source: NamedVolume,
    pub target: NamedVolume,
    pub direction: Direction,
    pub sid: Option<u32>,
    pub status: Untrusted,
    pub phase: Untrusted,
    pub copied: Option<Blocks>,
    /// The word for the kind of copy; `accopy query` only.
    pub kind: Option<String>,
    pub error: Option<ErrorByte>,
}

impl CopyRow {
    /// CCM shows neither a session number nor a direction for a pair without a session.
    pub fn has_no_session(&self) -> bool {
        self.sid.is_none() && self.direction == Direction::None
    }
}

/// A group's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupQuery {
    pub group: String,
    /// CCM's word for the group's type.
    pub group_type: String,
    /// The arrays that the header names, with their box ids where it gives them.
    pub arrays: Vec<(String, Option<BoxId>)>,
    pub rows: Vec<CopyRow>,
}

/// Reads `acec query` and `acopc query`.
pub fn group(argv: &Argv, stdout: &[u8], words: &Words) -> Result<GroupQuery, ReplyError> {
    let display = super::display(argv, stdout)?;
    let needed = |title: &str| display.listed(title).ok_or_else(|| display.wrong(format!("{title:?} is missing")));
    let arrays = display
        .list
        .iter()
        .filter(|field| field.id.trim().starts_with("Disk Array Name"))
        .map(|field| array_in_header(&display, &field.value))
        .collect::<Result<Vec<_>, _>>()?;
    if arrays.is_empty() {
        return Err(display.wrong("\"Disk Array Name\" is missing"));
    }
    Ok(GroupQuery {
        group: needed("Copy Group Name")?.to_owned(),
        group_type: needed("Copy Group Type")?.to_owned(),
        arrays,
        rows: rows(&display, words)?,
    })
}

/// Reads `accopy query`.
pub fn all(argv: &Argv, stdout: &[u8], words: &Words) -> Result<Vec<CopyRow>, ReplyError> {
    let display = super::display(argv, stdout)?;
    rows(&display, words)
}

fn rows(display: &Display, words: &Words) -> Result<Vec<CopyRow>, ReplyError> {
    display.rows.iter().map(|row| one(display, row, words)).collect()
}

fn one(display: &Display, row: &[Field], words: &Words) -> Result<CopyRow, ReplyError> {
    let find = |column: Column| words.titles(column).iter().find_map(|title| super::value(row, title));
    let need = |column: Column| {
        find(column).ok_or_else(|| {
            display.wrong(format!("no column is titled as {column:?} is known to be: {:?}", words.titles(column)))
        })
    };
    let count = |text: &str| super::number(text).map_err(|wrong| display.wrong(wrong));
    let narrow = |text: &str| {
        count(text)?.map(u32::try_from).transpose().map_err(|_| display.wrong(format!("{text:?} is too large")))
    };
    Ok(CopyRow {
        source: volume(display, need(Column::Source)?)?,
        target: volume(display, need(Column::Target)?)?,
        direction: match find(Column::Direction) {
            Some("==>") => Direction::Forward,
            Some("<==") => Direction::Reversed,
            Some("N/A" | "-") => Direction::None,
            Some(_) | None => Direction::Untold,
        },
        sid: narrow(need(Column::Sid)?)?,
        status: unquoted(need(Column::Status)?),
        phase: unquoted(need(Column::Phase)?),
        copied: match find(Column::Copied) {
            Some(text) => count(text)?.map(Blocks),
            None => None,
        },
        kind: find(Column::Kind).map(|word| unquoted(word).raw().to_owned()),
        error: match find(Column::Error) {
            Some(text) => {
                narrow(text)?.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).map(ErrorByte)
            }
            None => None,
        },
    })
}

/// CCM's text form puts the words in quotes; whether the XML form does is not shown.
fn unquoted(word: &str) -> Untrusted {
    word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word).into()
}

/// `KYOTO1/0x11`, `BOXID/0x11`, or either with `[addr=..]` behind it.
fn volume(display: &Display, text: &str) -> Result<NamedVolume, ReplyError> {
    let wrong = || display.wrong(format!("{text:?} is not a volume"));
    let (whole, extent) = match text.split_once('[') {
        Some((whole, rest)) if rest.ends_with(']') => (whole, true),
        Some(_) => return Err(wrong()),
        None => (text, false),
    };
    let (array, olu) = whole.rsplit_once('/').ok_or_else(wrong)?;
    let olu = super::number(olu).ok().flatten().and_then(|olu| u32::try_from(olu).ok()).ok_or_else(wrong)?;
    if array.is_empty() {
        return Err(wrong());
    }
    Ok(NamedVolume { array: array.to_owned(), olu: Olu(olu), extent })
}

/// `KYOTO1 (BOXID)`, or the name alone.
fn array_in_header(display: &Display, text: &str) -> Result<(String, Option<BoxId>), ReplyError> {
    match text.trim().split_once(" (") {
        None => Ok((text.trim().to_owned(), None)),
        Some((name, rest)) => {
            let id = rest.strip_suffix(')').unwrap_or(rest);
            let id = id.parse().map_err(|wrong| display.wrong(format!("{text:?} is no array: {wrong}")))?;
            Ok((name.trim().to_owned(), Some(id)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::ccm::command;
    use crate::driver::ccm::names::{GroupName, GroupType};

    const QUERY: &str = include_str!("../../../../tests/rules/ccm/acec-query.xml");
    const COPIES: &str = include_str!("../../../../tests/rules/ccm/accopy-query.xml");

    fn argv() -> Argv {
        let kyoto = "KYOTO1".parse().unwrap();
        command::query(&GroupName::of(GroupType::Ec, &kyoto, &kyoto), GroupType::Ec)
    }

    #[test]
    fn a_groups_query_is_read_as_the_manual_shows_it() {
        let words = Words::with(&[]).unwrap();
        let query = group(&argv(), QUERY.as_bytes(), &words).unwrap();
        assert_eq!((query.group.as_str(), query.group_type.as_str()), ("ecdeckECKYOTO1", "EC"));
        assert_eq!(query.arrays[0].0, "KYOTO1");
        assert!(query.arrays[0].1.is_some());
        assert_eq!(query.rows.len(), 3);
        assert_eq!(query.rows[0].status.raw(), "EC Executing");
        assert_eq!((query.rows[0].sid, query.rows[0].copied), (Some(0x41), Some(Blocks(196_608))));
        assert!(query.rows[2].has_no_session() && !query.rows[0].has_no_session());
    }

    #[test]
    fn the_sessions_of_a_box_are_read_with_foreign_names_and_kinds() {
        let words = Words::with(&[]).unwrap();
        let argv = command::list_copies(&"KYOTO1".parse().unwrap());
        let rows = all(&argv, COPIES.as_bytes(), &words).unwrap();
        assert_eq!(rows[1].target.array.len(), 40);
        assert_eq!(rows[1].target.olu, Olu(9));
        assert_eq!(rows[2].kind.as_deref(), Some("Extended Copy"));
    }

    #[test]
    fn what_cannot_be_understood_names_the_command_and_the_place() {
        let words = Words::with(&[]).unwrap();
        for (from, to) in [
            ("KYOTO1/0x11", "KYOTO1"),
            ("KYOTO1/0x11", "KYOTO1/0x11[addr=0"),
            ("0x41", "forty"),
            ("0x41", "0x100000000"),
            ("196608", "half"),
            ("EC Status", "EC Standing"),
            ("Copy Group Type", "Copy Group Kind"),
            ("##)", "###)"),
        ] {
            assert!(QUERY.contains(from), "{from}");
            let error = group(&argv(), QUERY.replacen(from, to, 1).as_bytes(), &words).unwrap_err().to_string();
            assert!(error.contains("acec query -g ecdeckECKYOTO1 -xml"), "{error}");
        }
    }
}
