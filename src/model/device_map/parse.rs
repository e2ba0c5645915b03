//! Reading a map's text. Every finding is reported in one run.

use super::text::{HOST_MARK, ROUND_MARK};
use super::{DeviceMap, Finding, MAX_BYTES, MAX_NAME, Mark, NamedPair, PlacedName, Severity};
use crate::model::codes::Code;
use crate::model::untrusted::Untrusted;

/// The byte-order mark that Windows editors put at the beginning.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A map, or all that is wrong with its text. Never panics, whatever the bytes are.
pub fn parse(bytes: &[u8]) -> Result<DeviceMap, Vec<Finding>> {
    let (map, findings) = parse_lines(bytes);
    if findings.is_empty() { Ok(map) } else { Err(findings) }
}

/// The lines that are pairs, and what is wrong with all others: a text with a syntax error is no map, and what else is wrong
/// with it is said at once.
///
/// `#` starts a comment only where a name could begin: box ids contain it.
pub fn parse_lines(bytes: &[u8]) -> (DeviceMap, Vec<Finding>) {
    if bytes.len() > MAX_BYTES {
        let text = format!("the map has more than {} MiB", MAX_BYTES / 1024 / 1024);
        return (DeviceMap::default(), vec![finding(1, 1, 1, text, "split it into several maps")]);
    }
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    let mut map = DeviceMap::default();
    let mut findings = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match pair(number, line) {
            Ok(None) => {
                map.rounds.extend(mark(ROUND_MARK, number, line));
                map.hosts.extend(mark(HOST_MARK, number, line));
            }
            Ok(Some(pair)) => map.pairs.push(pair),
            Err(found) => findings.push(found),
        }
    }
    (map, findings)
}

/// A comment that is a mark: what it begins with, and one name. Every other comment is only that.
fn mark(begin: &str, number: usize, line: &[u8]) -> Option<Mark> {
    let name = std::str::from_utf8(line).ok()?.trim().strip_prefix(begin)?;
    Some(Mark { line: number, name: name.trim().parse().ok()? })
}

/// The pair of a line; `None` for blank lines and comments.
fn pair(number: usize, line: &[u8]) -> Result<Option<NamedPair>, Finding> {
    let text = match std::str::from_utf8(line) {
        Ok(text) => text,
        Err(error) => {
            let column = String::from_utf8_lossy(&line[..error.valid_up_to()]).chars().count() + 1;
            let text = "this is not UTF-8 text".to_owned();
            return Err(finding(number, column, 1, text, "save the file as UTF-8"));
        }
    };
    if let Some((at, odd)) = text.chars().enumerate().find(|(_, c)| c.is_control() && *c != '\t') {
        let text = format!("the character U+{:04X} cannot be part of a map", u32::from(odd));
        return Err(finding(number, at + 1, 1, text, "remove it"));
    }
    let names = names(text);
    if let Some(long) = names.iter().find(|name| name.width > MAX_NAME) {
        let text = format!("a name has at most {MAX_NAME} characters, this has {}", long.width);
        return Err(finding(number, long.column, long.width, text, "write a shorter name of the volume"));
    }
    let mut names = names.into_iter();
    match (names.next(), names.next(), names.next()) {
        (None, ..) => Ok(None),
        (Some(transaction), Some(backup), None) => Ok(Some(NamedPair { line: number, transaction, backup })),
        (Some(only), None, _) => {
            let text = format!("{} has no backup volume beside it", only.text.escaped());
            Err(finding(number, only.column, only.width, text, "write TRANSACTION-VOLUME BACKUP-VOLUME in each line"))
        }
        (Some(_), Some(_), Some(third)) => {
            let text = format!("{} is a third name in this line", third.text.escaped());
            let help = "write one pair a line; a comment begins with # after a blank";
            Err(finding(number, third.column, third.width, text, help))
        }
    }
}

/// The names of a line, up to a comment: at most three, which is one too many.
fn names(text: &str) -> Vec<PlacedName> {
    let mut names = Vec::new();
    let mut column = 1;
    let mut rest = text;
    while names.len() < 3 {
        let name = rest.trim_start_matches([' ', '\t']);
        column += rest.len() - name.len();
        if name.is_empty() || name.starts_with('#') {
            break;
        }
        let end = name.find([' ', '\t']).unwrap_or(name.len());
        let width = name[..end].chars().count();
        names.push(PlacedName { text: Untrusted::new(&name[..end]), column, width });
        column += width;
        rest = &name[end..];
    }
    names
}

fn finding(line: usize, column: usize, width: usize, text: String, help: &str) -> Finding {
    let (severity, code) = (Severity::Syntax, Code::MAP_SYNTAX);
    Finding { severity, line, column, width: width.max(1), code, text, help: help.to_owned(), volume: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device_map::write;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        let map = parse(text.as_bytes()).unwrap();
        map.pairs.iter().map(|pair| (pair.transaction.text.raw().into(), pair.backup.text.raw().into())).collect()
    }

    fn places(bytes: &[u8]) -> Vec<(usize, usize, String)> {
        let findings = parse(bytes).unwrap_err();
        findings.into_iter().map(|finding| (finding.line, finding.column, finding.text)).collect()
    }

    #[test]
    fn blanks_tabs_comments_and_line_ends_are_no_names() {
        let text = "\u{feff}# a comment\r\n\r\n  db01\t\tDX1/0x21  \r\ndb02 DX1/0x22 # why\n\t\n";
        assert_eq!(pairs(text), [("db01".into(), "DX1/0x21".into()), ("db02".into(), "DX1/0x22".into())]);
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn a_hash_inside_a_name_is_part_of_it() {
        let id = "00EMUL##A1##############################/0x1";
        assert_eq!(pairs(&format!("db01 {id}#x #y")), [("db01".into(), format!("{id}#x"))]);
    }

    #[test]
    fn every_line_that_is_wrong_is_reported_with_its_place() {
        let found = places(b"db01\na b c d\nok fine\n  \x01x y\n\xff z\nn\xc3\xa4me \x07");
        let expected = [
            (1, 1, "db01 has no backup volume beside it"),
            (2, 5, "c is a third name in this line"),
            (4, 3, "the character U+0001 cannot be part of a map"),
            (5, 1, "this is not UTF-8 text"),
            (6, 6, "the character U+0007 cannot be part of a map"),
        ];
        assert_eq!(found, expected.map(|(line, column, text)| (line, column, text.to_owned())));
    }

    #[test]
    fn a_map_that_is_too_large_is_refused_as_a_whole() {
        assert_eq!(parse(&vec![b'#'; MAX_BYTES + 1]).unwrap_err().len(), 1);
        assert_eq!(places(format!("a {}", "b".repeat(MAX_NAME + 1)).as_bytes())[0].1, 3);
        assert!(parse(format!("a {}", "b".repeat(MAX_NAME)).as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_is_written_reads_back(names in proptest::collection::vec(("[^\\s\\p{C}#][^\\s\\p{C}]{0,20}", "[^\\s\\p{C}#][^\\s\\p{C}]{0,20}"), 0..20)) {
            let text = write(names.iter().map(|(transaction, backup)| (transaction.as_str(), backup.as_str())));
            prop_assert_eq!(pairs(&text), names);
        }
    }
}
