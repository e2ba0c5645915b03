//! `ecdeck map`: device map files, checked by the rules of a start, and proposed for a site.

use super::arguments::MapVerb;
use super::link::{Need, SiteContext};
use super::map_files::{self, MapFile, name_of};
use super::map_sets;
use super::{CliError, Exit, json, names, out};
use crate::model::device_map::{self, CheckedPair, Finding, MapSet, Severity};
use crate::model::identity::{Name, VolumeId};
use crate::model::plan::plan;
use crate::model::request::{Action, Request};
use crate::model::session::Pair;
use crate::model::snapshot::Snapshot;
use crate::model::units::count;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

pub async fn run(verb: &MapVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    match verb {
        MapVerb::Import { name, sources, host, change } => {
            return map_sets::import(site_context, name, sources, host.as_ref(), change).await;
        }
        MapVerb::Edit { name, change } => return map_sets::edit(site_context, name, change).await,
        MapVerb::Remove { name, change } => return map_sets::remove(site_context, name, change).await,
        _ => {}
    }
    let snapshot = site_context.open(Need::Reading).await?.snapshot().await?;
    match verb {
        MapVerb::Check { file, host, json } => check(&snapshot, file, host.as_ref(), *json),
        MapVerb::New { volumes } => propose(&snapshot, volumes),
        MapVerb::List { json } => map_sets::list(&snapshot, *json),
        MapVerb::Show { name, round, json } => map_sets::show(&snapshot, name, round.as_ref(), *json),
        MapVerb::Export { name, folder } => map_sets::export(&snapshot, name, folder.as_deref()),
        MapVerb::Import { .. } | MapVerb::Edit { .. } | MapVerb::Remove { .. } => Ok(Exit::Done),
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
pub fn read(snapshot: &Snapshot, file: &Path, host: Option<&Name>) -> Result<ReadMap, CliError> {
    let errors = |file: &MapFile| {
        let found = device_map::check(&file.map, snapshot).1;
        found.into_iter().filter(|finding| finding.severity == Severity::Error).collect()
    };
    let file = MapFile::open(file, host, errors)?;
    let (pairs, found) = device_map::check(&file.map, snapshot);
    let findings = file.rendered(&found);
    Ok(ReadMap { pairs, findings, found })
}

/// The start that `--map` asks for: by a file, by the files of a folder, or by a stored set.
pub fn start(
    snapshot: &Snapshot,
    volumes: &[String],
    map: &Path,
    host: Option<&Name>,
) -> Result<(Action, Exit), CliError> {
    let set = map.to_str().and_then(|name| snapshot.map_set(name));
    match (set, map == Path::new("-") || map.exists()) {
        (Some(set), true) => {
            let name = &set.name;
            Err(CliError::usage(format!(
                "{name} is a map set and a file here: write ./{name} for the file, or rename it"
            )))
        }
        (Some(set), false) => start_by_set(snapshot, volumes, set),
        (None, _) if map.is_dir() => start_by_folder(snapshot, volumes, map, host),
        (None, _) => start_by_file(snapshot, volumes, map, host),
    }
}

/// Its volumes are paired by it in any case: the engine chooses the round of each.
fn start_by_set(snapshot: &Snapshot, volumes: &[String], set: &MapSet) -> Result<(Action, Exit), CliError> {
    let members = set.transaction_volumes();
    let wanted = names::volumes(snapshot, volumes)?;
    let mut exit = Exit::Done;
    for other in wanted.iter().filter(|id| !members.contains(id)) {
        out::say(&format!("{} is not in map set {}, so it was not started", snapshot.label(*other), set.name));
        exit = Exit::Refused;
    }
    let registered = |id: &VolumeId| snapshot.transaction_volume(*id).is_some();
    let chosen = |id: &VolumeId| if wanted.is_empty() { registered(id) } else { wanted.contains(id) };
    let volumes: Vec<VolumeId> = members.into_iter().filter(chosen).collect();
    if volumes.is_empty() {
        let text = format!("map set {} has no volume that can be started", set.name);
        return Err(CliError::new(if exit == Exit::Done { Exit::Usage } else { exit }, text));
    }
    Ok((Action::Start { volumes, targets: Vec::new(), together: false }, exit))
}

/// Each file is a round: for each volume the one whose backup volume can be used now, least recently used first, then in the
/// order of the files' names.
fn start_by_folder(
    snapshot: &Snapshot,
    volumes: &[String],
    folder: &Path,
    host: Option<&Name>,
) -> Result<(Action, Exit), CliError> {
    let files = map_files::files(&[folder.to_owned()])?;
    let mut rounds = Vec::with_capacity(files.len());
    for file in &files {
        rounds.push((file, read(snapshot, file, host)?));
    }
    let wanted = names::volumes(snapshot, volumes)?;
    let named = rounds.iter().flat_map(|(_, round)| {
        round.pairs.iter().map(|pair| pair.transaction).chain(round.found.iter().filter_map(|finding| finding.volume))
    });
    let all: BTreeSet<VolumeId> = if wanted.is_empty() { named.collect() } else { wanted.into_iter().collect() };
    let (mut targets, mut exit) = (Vec::new(), Exit::Done);
    for volume in all {
        let usable = rounds.iter().filter_map(|(_, round)| {
            let stopped = round.found.iter().any(|finding| finding.volume == Some(volume));
            round.pairs.iter().find(|pair| pair.transaction == volume && !stopped)
        });
        if let Some(pair) = usable.min_by_key(|pair| snapshot.map_use(pair.transaction, pair.backup)) {
            targets.push((volume, pair.backup));
            continue;
        }
        exit = Exit::Refused;
        out::say(&format!("{}: no file of {} can be used now", snapshot.label(volume), name_of(folder)));
        for (file, round) in &rounds {
            let of_volume = round.found.iter().zip(&round.findings).filter(|(found, _)| found.volume == Some(volume));
            let texts: Vec<&str> = of_volume.map(|(_, text)| text.as_str()).collect();
            let text = if texts.is_empty() { format!("{} does not name it", name_of(file)) } else { texts.join("\n") };
            out::say(&text);
        }
    }
    if targets.is_empty() {
        let text = format!("{} has no pair that can be started", name_of(folder));
        return Err(CliError::new(if exit == Exit::Done { Exit::Usage } else { exit }, text));
    }
    let volumes = targets.iter().map(|(transaction, _)| *transaction).collect();
    Ok((Action::Start { volumes, targets, together: false }, exit))
}

/// The start that a map asks for: of these volumes, or of all of the map. What the map itself stops is said at once; what
/// the site's state stops is refused with the plan.
fn start_by_file(
    snapshot: &Snapshot,
    volumes: &[String],
    file: &Path,
    host: Option<&Name>,
) -> Result<(Action, Exit), CliError> {
    let read = read(snapshot, file, host)?;
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

fn check(snapshot: &Snapshot, file: &Path, host: Option<&Name>, as_json: bool) -> Result<Exit, CliError> {
    let read = read(snapshot, file, host)?;
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
