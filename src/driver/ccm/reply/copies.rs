//! `acec query`, `acopc query` and `accopy query`: the pairs of a group, the sessions of a box.

use super::{Display, ReplyError};
use crate::driver::ccm::names::{ArrayName, PairName, VolumeName};
use crate::driver::ccm::word_table::{Column, Words};
use crate::driver::ccm::xml::Field;
use crate::driver::transport::argv::Argv;
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

/// One line: a pair and what becomes of it. What could not be read of it is as unknown as a word without a meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyRow {
    pub source: NamedVolume,
    pub target: NamedVolume,
    pub direction: Direction,
    /// 0 where there is a number that cannot be read.
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

    /// A row's pair as CCM's commands name it; `None` for parts of volumes and for boxes without a name.
    pub fn pair_name(&self) -> Option<PairName> {
        let name = |volume: &NamedVolume| {
            let array = volume.array.parse::<ArrayName>().ok().filter(|_| !volume.extent)?;
            Some(VolumeName { array, olu: volume.olu })
        };
        Some(PairName { source: name(&self.source)?, target: name(&self.target)? })
    }
}

/// A line whose pair could not be read. It is kept, and the other lines are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddRow {
    pub words: Untrusted,
    pub why: String,
    /// `None` where it cannot be read.
    pub source: Option<NamedVolume>,
    pub target: OddTarget,
}

/// What a line says of its target when it is no whole pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OddTarget {
    /// There is none: an estimation of updates has a source only.
    None,
    Volume(NamedVolume),
    /// It names something that cannot be read as a volume.
    Unreadable,
}

/// The lines of an answer, and what was strange about its titles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopyRows {
    pub rows: Vec<CopyRow>,
    pub odd: Vec<OddRow>,
    /// Columns that no title of the answer is known for.
    pub missing: Vec<Column>,
    /// Titles of the answer that belong to no column.
    pub strange: Vec<Untrusted>,
}

/// A group's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupQuery {
    pub group: String,
    /// CCM's word for the group's type.
    pub group_type: String,
    /// The arrays that the header names, with their box ids where it gives them.
    pub arrays: Vec<(String, Option<BoxId>)>,
    pub table: CopyRows,
}

impl GroupQuery {
    /// The row of a pair. One that was reversed may be there with its volumes exchanged.
    pub fn row_of(&self, pair: &PairName) -> Option<&CopyRow> {
        let row = |wanted: &PairName| self.table.rows.iter().find(|row| row.pair_name().as_ref() == Some(wanted));
        row(pair).or_else(|| row(&pair.exchanged()))
    }
}

/// Reads `acec query` and `acopc query`.
pub fn group(argv: &Argv, stdout: &[u8], words: &Words) -> Result<GroupQuery, ReplyError> {
    let display = super::display(argv, stdout, words)?;
    let needed = |column| display.needed(&display.list, column, words);
    let is_array = |title: &str| words.titles(Column::GroupArray).iter().any(|known| title.trim().starts_with(known));
    let arrays = display
        .list
        .iter()
        .filter(|field| is_array(&field.id))
        .map(|field| array_in_header(&display, &field.value))
        .collect::<Result<Vec<_>, _>>()?;
    if arrays.is_empty() {
        needed(Column::GroupArray)?;
    }
    Ok(GroupQuery {
        group: needed(Column::GroupName)?.to_owned(),
        group_type: needed(Column::GroupType)?.to_owned(),
        arrays,
        table: rows(&display, words, false),
    })
}

/// Reads `accopy query`.
pub fn all(argv: &Argv, stdout: &[u8], words: &Words) -> Result<CopyRows, ReplyError> {
    let display = super::display(argv, stdout, words)?;
    Ok(rows(&display, words, true))
}

fn rows(display: &Display, words: &Words, of_all_kinds: bool) -> CopyRows {
    use Column::{Direction, Kind, Phase, Sid, Source, Status, Target};
    let mut table = CopyRows::default();
    for row in &display.rows {
        match one(row, words) {
            Ok(row) => table.rows.push(row),
            Err(odd) => table.odd.push(odd),
        }
    }
    if let Some(first) = display.rows.first() {
        let wanted = [Source, Direction, Target, Sid, Status, Phase].into_iter().chain(of_all_kinds.then_some(Kind));
        table.missing = wanted.filter(|column| words.find(*column, first).is_none()).collect();
        let titles = first.iter().filter(|field| !words.knows_title(&field.id));
        table.strange = titles.map(|field| Untrusted::new(field.id.trim())).collect();
    }
    table
}

fn one(row: &[Field], words: &Words) -> Result<CopyRow, OddRow> {
    let find = |column: Column| words.find(column, row);
    let known_source = find(Column::Source).and_then(volume);
    let odd = |why: String, target| OddRow { words: super::row_words(row), why, source: known_source.clone(), target };
    let target = match find(Column::Target) {
        None => OddTarget::Unreadable,
        // Every volume is written with a slash. An estimation of updates has none in the place of its target.
        Some(text) if text == "N/A" || !text.contains('/') => OddTarget::None,
        Some(text) => volume(text).map_or(OddTarget::Unreadable, OddTarget::Volume),
    };
    let source = match find(Column::Source) {
        None => return Err(odd("no title of it is known as that of its source".to_owned(), target)),
        Some(text) => match known_source.clone() {
            Some(source) => source,
            None => return Err(odd(format!("its source {text:?} is no volume"), target)),
        },
    };
    let target = match target {
        OddTarget::Volume(target) => target,
        OddTarget::None => return Err(odd("it has no target".to_owned(), OddTarget::None)),
        OddTarget::Unreadable => {
            let why = find(Column::Target).map_or("no title of it is known as that of its target".to_owned(), |text| {
                format!("its target {text:?} is no volume")
            });
            return Err(odd(why, OddTarget::Unreadable));
        }
    };
    let word = |column: Column| find(column).map(unquoted).unwrap_or_default();
    Ok(CopyRow {
        source,
        target,
        direction: match find(Column::Direction) {
            Some("==>") => Direction::Forward,
            Some("<==") => Direction::Reversed,
            Some("N/A" | "-") => Direction::None,
            Some(_) | None => Direction::Untold,
        },
        sid: find(Column::Sid).and_then(|text| match super::number(text) {
            Ok(number) => number.map(|number| u32::try_from(number).unwrap_or(0)),
            Err(_) => Some(0),
        }),
        status: word(Column::Status),
        phase: word(Column::Phase),
        copied: find(Column::Copied).and_then(|text| super::number(text).ok().flatten()).map(Blocks),
        kind: find(Column::Kind).map(|word| unquoted(word).raw().to_owned()),
        error: find(Column::Error)
            .and_then(|text| super::number(text).ok().flatten())
            .and_then(|code| u8::try_from(code).ok())
            .filter(|code| *code != 0)
            .map(ErrorByte),
    })
}

/// CCM's text form puts the words in quotes; whether the XML form does is not shown.
fn unquoted(word: &str) -> Untrusted {
    word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word).into()
}

/// `KYOTO1/0x11`, `BOXID/0x11`, or either with `[addr=..,size=..]` or `(0x0, 0x10000)` behind it, or a device and `@` before.
fn volume(text: &str) -> Option<NamedVolume> {
    let (whole, part) = match text.find(['[', '(']) {
        Some(at) if text.ends_with([']', ')']) => (text[..at].trim_end(), true),
        Some(_) => return None,
        None => (text, false),
    };
    // A slice of a disk, named by its device: a part of the volume behind the sign.
    let (whole, slice) = whole.rsplit_once('@').map_or((whole, false), |(_, volume)| (volume, true));
    let (array, olu) = whole.rsplit_once('/')?;
    let olu = super::number(olu).ok().flatten().and_then(|olu| u32::try_from(olu).ok())?;
    (!array.is_empty()).then(|| NamedVolume { array: array.to_owned(), olu: Olu(olu), extent: part || slice })
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
        assert_eq!(query.table.rows.len(), 3);
        assert_eq!(query.table.rows[0].status.raw(), "EC Executing");
        assert_eq!((query.table.rows[0].sid, query.table.rows[0].copied), (Some(0x41), Some(Blocks(196_608))));
        assert!(query.table.rows[2].has_no_session() && !query.table.rows[0].has_no_session());
    }

    #[test]
    fn the_sessions_of_a_box_are_read_with_foreign_names_and_kinds() {
        let words = Words::with(&[]).unwrap();
        let argv = command::list_copies(&"KYOTO1".parse().unwrap());
        let rows = all(&argv, COPIES.as_bytes(), &words).unwrap().rows;
        assert_eq!(rows[1].target.array.len(), 40);
        assert_eq!(rows[1].target.olu, Olu(9));
        assert_eq!(rows[2].kind.as_deref(), Some("Extended Copy"));
    }

    #[test]
    fn a_header_that_cannot_be_understood_names_the_command_and_the_place() {
        let words = Words::with(&[]).unwrap();
        for (from, to) in [("Copy Group Type", "Copy Group Kind"), ("##)", "###)")] {
            assert!(QUERY.contains(from), "{from}");
            let error = group(&argv(), QUERY.replacen(from, to, 1).as_bytes(), &words).unwrap_err().to_string();
            assert!(error.contains("acec query -g ecdeckECKYOTO1 -xml"), "{error}");
        }
    }

    #[test]
    fn one_line_that_cannot_be_read_is_one_odd_line_and_the_others_are_read() {
        let words = Words::with(&[]).unwrap();
        let changed = |from: &str, to: &str| {
            assert!(QUERY.contains(from), "{from}");
            group(&argv(), QUERY.replacen(from, to, 1).as_bytes(), &words).unwrap().table
        };
        for (from, to, target) in [
            ("KYOTO1/0x21", "-", OddTarget::None),
            ("KYOTO1/0x21", "N/A", OddTarget::None),
            ("KYOTO1/0x21", "KYOTO1/0x21[addr=0", OddTarget::Unreadable),
            ("KYOTO1/0x21", "KYOTO1/hda", OddTarget::Unreadable),
            (
                "KYOTO1/0x11",
                "KYOTO1",
                OddTarget::Volume(NamedVolume { array: "KYOTO1".to_owned(), olu: Olu(0x21), extent: false }),
            ),
        ] {
            let table = changed(from, to);
            assert_eq!((table.rows.len(), table.odd.len()), (2, 1), "{to}");
            assert_eq!(table.odd[0].target, target, "{to}");
            assert!(table.odd[0].words.raw().contains(to), "the line is kept: {:?}", table.odd[0]);
        }
        // What is unreadable of a pair that is known is unknown of that session, and no more.
        assert_eq!(changed("0x41", "forty").rows[0].sid, Some(0));
        assert_eq!(changed("196608", "half").rows[0].copied, None);
        for part in ["KYOTO1/0x21[addr=0x0,size=0x10000]", "KYOTO1/0x21(0x0, 0x10000)", "c1t0d0s3@KYOTO1/0x21"] {
            let table = changed("KYOTO1/0x21", part);
            assert_eq!((table.rows[0].target.olu, table.rows[0].target.extent), (Olu(0x21), true), "{part}");
        }
    }

    #[test]
    fn titles_that_nobody_knows_are_told_with_the_columns_that_are_missing() {
        let strange = QUERY.replace("\"SID\"", "\"Numero\"").replace("EC Status", "EC Standing");
        let words = Words::with(&[]).unwrap();
        let table = group(&argv(), strange.as_bytes(), &words).unwrap().table;
        assert_eq!(table.missing, [Column::Sid, Column::Status]);
        assert_eq!(table.strange.iter().map(Untrusted::raw).collect::<Vec<_>>(), ["Numero", "EC Standing"]);
        assert_eq!(words.status(table.rows[0].status.raw()), Some(crate::model::session::Status::Unknown));
        let title =
            |column, title: &str| crate::model::array_words::TitleRow { column, title: title.to_owned(), source: None };
        let words =
            Words::new(&[], &[title(Column::Sid, "Numero"), title(Column::Status, "EC Standing")], &[]).unwrap();
        let query = group(&argv(), strange.as_bytes(), &words).unwrap();
        let usual = group(&argv(), QUERY.as_bytes(), &words).unwrap();
        assert_eq!(query, usual);
    }
}
