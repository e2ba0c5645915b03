//! Device map files: opening them, and what is wrong with them as lines with a mark under the place.

use super::CliError;
use crate::model::codes::Code;
use crate::model::device_map::{self, DeviceMap, Finding, MAX_BYTES, MapRound, MapSet};
use crate::model::identity::Name;
use crate::model::snapshot::Snapshot;
use crate::model::untrusted::{Untrusted, escaped};
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A map that was read, with its text for whoever reports findings.
pub struct MapFile {
    pub path: PathBuf,
    pub bytes: Vec<u8>,
    pub map: DeviceMap,
}

impl MapFile {
    /// Opens and parses a file; `-` is standard input. Bare names may be groups of `host`, where the file names none. The error has every finding of a text that is not a map: also those of
    /// `others` in the lines that are pairs.
    pub fn open(path: &Path, host: Option<&Name>, others: impl Fn(&Self) -> Vec<Finding>) -> Result<Self, CliError> {
        let bytes = bytes_of(path)?;
        let (mut map, mut found) = device_map::parse_lines(&bytes);
        map.host = host.cloned();
        let file = Self { path: path.to_owned(), bytes, map };
        if found.is_empty() {
            return Ok(file);
        }
        found.extend(others(&file));
        found.sort_by_key(|finding| (finding.line, finding.column));
        let text = file.rendered(&found).join("\n");
        let text = format!("{} is not a device map, so nothing was done\n{text}", name_of(path));
        Err(CliError::coded(Code::MAP_SYNTAX, text))
    }

    pub fn rendered(&self, findings: &[Finding]) -> Vec<String> {
        rendered(findings, &self.path, &self.bytes)
    }

    /// The name of the round that a file without marks is: its own without what follows the last point.
    fn round_name(&self) -> Result<Name, CliError> {
        if self.path == Path::new("-") {
            return device_map::grid::round_name(0).ok_or_else(|| CliError::failed("no round can be named"));
        }
        let stem = self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        stem.parse().map_err(|_| {
            CliError::usage(format!(
                "{} cannot name a round: call the file NAME.map with 1 to {} of A-Z a-z 0-9 . _ - in NAME",
                name_of(&self.path),
                Name::MAX_LENGTH
            ))
        })
    }
}

/// The files that are meant: a folder means every file in it whose name does not begin with a point, in their order.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, CliError> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let wrong = |error: std::io::Error| CliError::usage(format!("{} cannot be read: {error}", name_of(path)));
        let mut inside = Vec::new();
        for entry in std::fs::read_dir(path).map_err(wrong)? {
            let entry = entry.map_err(wrong)?;
            let hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !hidden && entry.path().is_file() {
                inside.push(entry.path());
            }
        }
        if inside.is_empty() {
            return Err(CliError::usage(format!("the folder {} has no device map file", name_of(path))));
        }
        if inside.len() > MapSet::MAX_ROUNDS {
            let most = MapSet::MAX_ROUNDS;
            return Err(CliError::usage(format!("the folder {} has more than {most} files", name_of(path))));
        }
        inside.sort();
        files.extend(inside);
    }
    Ok(files)
}

/// The rounds of several files as one set. All or nothing: the error has every finding of every file.
pub fn set_of(snapshot: &Snapshot, name: &Name, files: &[PathBuf], host: Option<&Name>) -> Result<MapSet, CliError> {
    let mut rounds: Vec<MapRound> = Vec::new();
    let mut wrong: Vec<String> = Vec::new();
    let mut code = Code::MAP_SYNTAX;
    for path in files {
        let others = |file: &MapFile| match file.round_name() {
            Ok(round) => device_map::rounds_of(&file.map, snapshot, name, &round).1,
            Err(_) => Vec::new(),
        };
        let file = match MapFile::open(path, host, others) {
            Ok(file) => file,
            // A file that is no map does not hide what is wrong with the others.
            Err(error) if error.code == Some(Code::MAP_SYNTAX) => {
                wrong.push(error.text);
                continue;
            }
            Err(error) => return Err(error),
        };
        let (of_file, findings) = device_map::rounds_of(&file.map, snapshot, name, &file.round_name()?);
        if let Some(first) = findings.first() {
            code = first.code;
            wrong.extend(file.rendered(&findings));
        }
        for round in of_file {
            if rounds.iter().any(|known| known.name == round.name) {
                wrong.push(format!("{}: another file has a round {} already", name_of(path), round.name));
            }
            rounds.push(round);
        }
    }
    if wrong.is_empty() {
        return Ok(MapSet { name: name.clone(), rounds });
    }
    wrong.push(format!("map set {name} was not stored: correct these lines first"));
    Err(CliError::coded(code, wrong.join("\n")))
}

/// The whole file, if it is a regular file of a sensible size; `-` is standard input.
pub fn bytes_of(file: &Path) -> Result<Vec<u8>, CliError> {
    bytes_within(file, MAX_BYTES)
}

/// The same with another limit; one byte more than that is read, so that who parses it sees that there is more.
pub fn bytes_within(file: &Path, most: usize) -> Result<Vec<u8>, CliError> {
    let wrong = |why: String| CliError::usage(format!("{} cannot be read: {why}", name_of(file)));
    let mut bytes = Vec::new();
    let limit = most as u64 + 1;
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        // A FIFO would wait for a writer.
        let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(file);
        let opened = opened.map_err(|error| wrong(error.to_string()))?;
        if !opened.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return Err(wrong("it is not a regular file".to_owned()));
        }
        opened.take(limit).read_to_end(&mut bytes)
    };
    read.map_err(|error| wrong(error.to_string()))?;
    Ok(bytes)
}

pub fn name_of(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        Untrusted::from(&*file.to_string_lossy()).escaped()
    }
}

/// Each finding as `FILE:LINE:COLUMN: error: what (code)`, the line, a mark under the place, what you can do.
pub fn rendered(findings: &[Finding], file: &Path, bytes: &[u8]) -> Vec<String> {
    let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
    let line = |finding: &Finding| lines.get(finding.line.saturating_sub(1)).copied().unwrap_or_default();
    findings.iter().map(|finding| one_rendered(finding, file, line(finding))).collect()
}

fn one_rendered(finding: &Finding, file: &Path, line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line));
    let line = line.trim_start_matches('\u{feff}');
    let (before, rest): (String, String) =
        (line.chars().take(finding.column - 1).collect(), line.chars().skip(finding.column - 1).collect());
    let marked: String = rest.chars().take(finding.width).collect();
    let shown = |text: &str| escaped(&text.replace('\t', " "));
    let (indent, width) = (columns(&shown(&before)), columns(&shown(&marked)).max(1));
    format!(
        "{}:{}:{}: {}: {} ({})\n    {}\n    {}{}\n    {}",
        name_of(file),
        finding.line,
        finding.column,
        finding.severity,
        finding.text,
        finding.code,
        shown(line),
        " ".repeat(indent),
        "^".repeat(width),
        finding.help
    )
}

fn columns(text: &str) -> usize {
    unicode_width::UnicodeWidthStr::width(text)
}
