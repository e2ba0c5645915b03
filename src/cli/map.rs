//! `ecdeck map`: device map files, checked by the rules of a start, and proposed for a site.

use super::arguments::MapVerb;
use super::link::{Need, SiteContext};
use super::{CliError, Exit, json, names, out};
use crate::model::codes::Code;
use crate::model::device_map::{self, CheckedPair, Finding, MAX_BYTES, Severity};
use crate::model::identity::VolumeId;
use crate::model::plan::plan;
use crate::model::request::{Action, Request};
use crate::model::session::Pair;
use crate::model::snapshot::Snapshot;
use crate::model::units::count;
use crate::model::untrusted::{Untrusted, escaped};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub async fn run(verb: &MapVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    let snapshot = site_context.open(Need::Reading).await?.snapshot().await?;
    match verb {
        MapVerb::Check { file, json } => check(&snapshot, file, *json),
        MapVerb::New { volumes } => propose(&snapshot, volumes),
    }
}

/// A map file on a site: what can be used, and what is wrong.
pub struct ReadMap {
    pub pairs: Vec<CheckedPair>,
    /// Each with its place, the line as written, and a mark under the place.
    pub findings: Vec<String>,
    found: Vec<Finding>,
}

/// Reads and checks a map. The error has every finding of a text that is not a map.
pub fn read(snapshot: &Snapshot, file: &Path) -> Result<ReadMap, CliError> {
    let bytes = bytes_of(file)?;
    let map = match device_map::parse(&bytes) {
        Ok(map) => map,
        Err(found) => {
            let texts: Vec<String> = found.iter().map(|finding| rendered(finding, file, &bytes)).collect();
            let text = format!("{} is not a device map, so nothing was done\n{}", name_of(file), texts.join("\n"));
            return Err(CliError::coded(Code::MAP_SYNTAX, text));
        }
    };
    let (pairs, found) = device_map::check(&map, snapshot);
    let findings = found.iter().map(|finding| rendered(finding, file, &bytes)).collect();
    Ok(ReadMap { pairs, findings, found })
}

/// The start that a map asks for: of these volumes, or of all of the map. What the map itself stops is said at once; what
/// the site's state stops is refused with the plan.
pub fn start(snapshot: &Snapshot, volumes: &[String], file: &Path) -> Result<(Action, Exit), CliError> {
    let read = read(snapshot, file)?;
    let wanted = names::volumes(snapshot, volumes)?;
    let pairs: BTreeMap<VolumeId, VolumeId> = read.pairs.iter().map(|pair| (pair.transaction, pair.backup)).collect();
    let concerns = |finding: &Finding| wanted.is_empty() || finding.volume.is_none_or(|id| wanted.contains(&id));
    let stopping = |finding: &Finding| finding.severity == Severity::Error && concerns(finding);
    for (_, text) in read.found.iter().zip(&read.findings).filter(|(finding, _)| stopping(finding)) {
        out::say(text);
    }
    let mut exit = if read.found.iter().any(stopping) { Exit::Refused } else { Exit::Done };
    for missing in wanted.iter().filter(|id| !pairs.contains_key(id)) {
        if !read.found.iter().any(|finding| finding.volume == Some(*missing)) {
            out::say(&format!("{} is not in {}, so it was not started", snapshot.label(*missing), name_of(file)));
        }
        exit = Exit::Refused;
    }
    let targets: Vec<(VolumeId, VolumeId)> =
        pairs.into_iter().filter(|(transaction, _)| wanted.is_empty() || wanted.contains(transaction)).collect();
    if targets.is_empty() {
        let text = format!("{} has no pair that can be started", name_of(file));
        return Err(CliError::new(if exit == Exit::Done { Exit::Usage } else { exit }, text));
    }
    let volumes = targets.iter().map(|(transaction, _)| *transaction).collect();
    Ok((Action::Start { volumes, targets, together: false }, exit))
}

fn check(snapshot: &Snapshot, file: &Path, as_json: bool) -> Result<Exit, CliError> {
    let read = read(snapshot, file)?;
    let errors = read.found.iter().filter(|finding| finding.severity == Severity::Error).count();
    let exit = if errors > 0 { Exit::Refused } else { Exit::Done };
    if as_json {
        let pair = |pair: &CheckedPair| PairEntry {
            line: pair.line,
            transaction_volume: pair.transaction,
            backup_volume: pair.backup,
        };
        let document =
            CheckDocument { file: name_of(file), pairs: read.pairs.iter().map(pair).collect(), findings: &read.found };
        json::print(snapshot.site.demo, &document)?;
        return Ok(exit);
    }
    let mut text = String::new();
    for finding in &read.findings {
        let _ = writeln!(text, "{finding}");
    }
    let usable = read.pairs.len() - (read.found.len() - errors);
    let _ = writeln!(
        text,
        "{}: {} can be used now, {} not now, {}",
        name_of(file),
        count(usable, "pair", "pairs"),
        read.found.len() - errors,
        count(errors, "error", "errors")
    );
    out::print(&text)?;
    Ok(exit)
}

/// A map of what a start would take now; a volume that cannot start is a comment with the reason.
fn propose(snapshot: &Snapshot, volumes: &[String]) -> Result<Exit, CliError> {
    let mut wanted = names::volumes(snapshot, volumes)?;
    if wanted.is_empty() {
        wanted = snapshot.transaction_volumes.iter().map(|view| view.volume.id).collect();
    }
    let request = Request::new(Action::Start { volumes: wanted.clone(), targets: Vec::new(), together: false });
    let planned = plan(snapshot, &request);
    let (items, refused) = match &planned {
        Ok(plan) => (plan.items(), plan.refused().iter().collect::<Vec<_>>()),
        Err(refusal) => (&[][..], std::iter::once(refusal).chain(&refusal.also).collect()),
    };
    let steps = items.iter().flat_map(|item| &item.steps);
    let names = |pair: &Pair| (snapshot.label(pair.source), snapshot.label(pair.target));
    let pairs: Vec<(String, String)> = steps.flat_map(|step| step.starts()).map(names).collect();
    let mut text = device_map::write(pairs.iter().map(|(source, target)| (source.as_str(), target.as_str())));
    for refusal in &refused {
        let name = refusal.volume.map_or_else(String::new, |id| format!("{}: ", snapshot.label(id)));
        let _ = writeln!(text, "# {name}{} ({})", refusal.reason, refusal.code);
    }
    out::print(&text)?;
    let (some, all) = (!pairs.is_empty(), refused.is_empty());
    Ok(if all {
        Exit::Done
    } else if some {
        Exit::PartlyDone
    } else {
        Exit::Refused
    })
}

/// The whole file, if it is a regular file of a sensible size; `-` is standard input.
fn bytes_of(file: &Path) -> Result<Vec<u8>, CliError> {
    let wrong = |why: String| CliError::usage(format!("{} cannot be read: {why}", name_of(file)));
    let mut bytes = Vec::new();
    // One byte more than allowed shows that there is more.
    let limit = MAX_BYTES as u64 + 1;
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

fn name_of(file: &Path) -> String {
    if file == Path::new("-") {
        "standard input".to_owned()
    } else {
        Untrusted::from(&*file.to_string_lossy()).escaped()
    }
}

/// `FILE:LINE:COLUMN: error: what (code)`, the line, a mark under the place, what you can do.
fn rendered(finding: &Finding, file: &Path, bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\n').nth(finding.line - 1).unwrap_or_default();
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

#[derive(Serialize)]
struct CheckDocument<'a> {
    file: String,
    pairs: Vec<PairEntry>,
    findings: &'a [Finding],
}

#[derive(Serialize)]
struct PairEntry {
    line: usize,
    transaction_volume: VolumeId,
    backup_volume: VolumeId,
}
