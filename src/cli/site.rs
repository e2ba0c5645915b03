//! `ecdeck site`: the site as a file, what a file would change, and the change.

use super::arguments::Change;
use super::change::{self, Then};
use super::link::{Link, Need, SiteContext};
use super::map_files::{bytes_within, name_of, rendered};
use super::site_arguments::SiteVerb;
use super::wait::Deadline;
use super::{CliError, Exit, json, out, plan_text};
use crate::model::codes::Code;
use crate::model::device_map::Finding;
use crate::model::plan::{Plan, plan};
use crate::model::request::{Action, Request};
use crate::model::site_file::{self, Compared, Difference, DifferenceKind, MAX_BYTES};
use crate::model::snapshot::Snapshot;
use crate::model::units::count;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

/// Findings that are printed at most.
const MAX_FINDINGS: usize = 500;

pub async fn run(verb: &SiteVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    match verb {
        SiteVerb::Export { file } => export(&*site_context.open(Need::Reading).await?.snapshot().await?, file),
        SiteVerb::Diff { file, json } => {
            let text = FileText::open(file)?;
            let mut link = site_context.open(Need::Reading).await?;
            let compared = text.compare(&mut link).await?;
            let snapshot = link.snapshot().await?;
            show(&snapshot, &text, compared, *json)
        }
        SiteVerb::Apply { file, change } => apply(site_context, file, change).await,
    }
}

fn export(snapshot: &Snapshot, file: &Path) -> Result<Exit, CliError> {
    let text = site_file::write(snapshot);
    if file == Path::new("-") {
        out::print(&text)?;
        return Ok(Exit::Done);
    }
    let wrong = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => {
            CliError::usage(format!("{} is there already: give the name of a new file", name_of(file)))
        }
        _ => CliError::failed(format!("{} cannot be written: {error}", name_of(file))),
    };
    let mut new = OpenOptions::new().write(true).create_new(true).open(file).map_err(wrong)?;
    new.write_all(text.as_bytes()).and_then(|()| new.sync_all()).map_err(wrong)?;
    let volumes = count(snapshot.transaction_volumes.len() + snapshot.pool.len(), "volume", "volumes");
    let sets = count(snapshot.map_sets.len(), "map set", "map sets");
    out::say(&format!("{volumes} and {sets} are in {} now", name_of(file)));
    Ok(Exit::Done)
}

async fn apply(site_context: &dyn SiteContext, file: &Path, change: &Change) -> Result<Exit, CliError> {
    let text = FileText::open(file)?;
    let deadline = Deadline::new(change.time_limit);
    let mut link = super::opened(site_context, deadline).await?;
    let compared = text.compare(&mut link).await?.map_err(|findings| text.wrong(&findings))?;
    if !change.json {
        out::print(&in_words(&*link.snapshot().await?, file, &compared))?;
    }
    let request = change::request(Action::ApplySite { change: compared.change }, change);
    change::run(&mut link, change, request, deadline, Then::Return).await
}

/// A site file and its text, for whoever reports findings.
struct FileText<'f> {
    path: &'f Path,
    bytes: Vec<u8>,
}

impl<'f> FileText<'f> {
    fn open(path: &'f Path) -> Result<Self, CliError> {
        Ok(Self { path, bytes: bytes_within(path, MAX_BYTES)? })
    }

    /// What the file changes on the site. What is new on an array may be newer than the last reading.
    async fn compare(&self, link: &mut Link) -> Result<Result<Compared, Vec<Finding>>, CliError> {
        match self.on(&*link.snapshot().await?) {
            Err(_) => Ok(self.on(&*link.reread().await?)),
            compared => Ok(compared),
        }
    }

    fn on(&self, snapshot: &Snapshot) -> Result<Compared, Vec<Finding>> {
        let file = site_file::read(&self.bytes)?;
        let text = std::str::from_utf8(&self.bytes).unwrap_or_default();
        site_file::check(&file, text, snapshot)
    }

    fn wrong(&self, findings: &[Finding]) -> CliError {
        let shown = &findings[..findings.len().min(MAX_FINDINGS)];
        let mut lines = rendered(shown, self.path, &self.bytes);
        if shown.len() < findings.len() {
            lines.push(format!("and {} more", findings.len() - shown.len()));
        }
        let errors = count(findings.len(), "error", "errors");
        lines.push(format!("{} has {errors}: nothing of it was applied", name_of(self.path)));
        CliError::coded(code_of(findings), lines.join("\n"))
    }
}

/// What a first configuration has to have for a file: the site's name, and the names of its arrays.
pub fn needs_of(file: &Path) -> Result<(Option<String>, BTreeSet<String>), CliError> {
    let text = FileText::open(file)?;
    let read = site_file::read(&text.bytes).map_err(|findings| text.wrong(&findings))?;
    Ok((read.site().map(str::to_owned), read.arrays()))
}

/// A mistake in the file goes before what the rules say of the site.
fn code_of(findings: &[Finding]) -> Code {
    let own = findings.iter().any(|finding| finding.code == Code::SITE_FILE_WRONG);
    let first = findings.first().map(|finding| finding.code);
    first.filter(|_| !own).unwrap_or(Code::SITE_FILE_WRONG)
}

#[derive(Serialize)]
struct DiffDocument {
    differences: Vec<Difference>,
    /// What the site has and the file does not name.
    not_in_file: Vec<String>,
    /// What people should know before they apply it.
    notices: Vec<String>,
    findings: Vec<FindingEntry>,
}

#[derive(Serialize)]
struct FindingEntry {
    line: usize,
    column: usize,
    code: Code,
    text: String,
    help: String,
}

fn show(
    snapshot: &Snapshot,
    text: &FileText<'_>,
    compared: Result<Compared, Vec<Finding>>,
    as_json: bool,
) -> Result<Exit, CliError> {
    match compared {
        Ok(compared) if as_json => {
            let notices = notices(snapshot, &compared);
            let Compared { differences, not_in_file, .. } = compared;
            json::print(snapshot.site.demo, &DiffDocument { differences, not_in_file, notices, findings: Vec::new() })?;
            Ok(Exit::Done)
        }
        Ok(compared) => {
            let mut out = in_words(snapshot, text.path, &compared);
            for notice in notices(snapshot, &compared) {
                let _ = writeln!(out, "  ! {notice}");
            }
            out.push_str("Nothing was changed.\n");
            out::print(&out)?;
            Ok(Exit::Done)
        }
        Err(findings) if as_json => {
            let exit = Exit::of_code(code_of(&findings));
            let entry = |finding: Finding| FindingEntry {
                line: finding.line,
                column: finding.column,
                code: finding.code,
                text: finding.text,
                help: finding.help,
            };
            let (differences, not_in_file, notices) = (Vec::new(), Vec::new(), Vec::new());
            let findings = findings.into_iter().map(entry).collect();
            json::print(snapshot.site.demo, &DiffDocument { differences, not_in_file, notices, findings })?;
            Ok(exit)
        }
        Err(findings) => Err(text.wrong(&findings)),
    }
}

fn notices(snapshot: &Snapshot, compared: &Compared) -> Vec<String> {
    let request = Request::new(Action::ApplySite { change: compared.change.clone() });
    let plan = plan(snapshot, &request);
    let items = plan.iter().flat_map(Plan::items);
    let notices = items.flat_map(|item| &item.notices);
    notices.map(|notice| format!("{} ({})", plan_text::sentence(&notice.text), notice.code)).collect()
}

/// A line a difference, then what the file does not name.
fn in_words(snapshot: &Snapshot, file: &Path, compared: &Compared) -> String {
    let (site, file) = (&snapshot.site.name, name_of(file));
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    if compared.differences.is_empty() {
        let _ = writeln!(out, "Site {site} is as {file} says.");
    } else {
        let _ = writeln!(out, "What {file} changes on site {site}:");
    }
    for difference in &compared.differences {
        let sign = match difference.kind {
            DifferenceKind::Add => '+',
            DifferenceKind::Change => '~',
        };
        let _ = writeln!(out, "  {sign} {:<7} {}", difference.of, difference.text);
    }
    if !compared.not_in_file.is_empty() {
        let _ = writeln!(out, "In the site, not in the file; this stays as it is:");
    }
    for line in &compared.not_in_file {
        let _ = writeln!(out, "  = {line}");
    }
    out
}
