//! Map sets: imported, shown, edited, exported, removed.

use super::arguments::Change;
use super::change::{self, Then};
use super::link::{Need, SiteContext};
use super::map_files::{self, name_of};
use super::table::{Align, Table};
use super::wait::Deadline;
use super::{CliError, Exit, json, out};
use crate::model::codes::Code;
use crate::model::device_map::grid::{Cell, Grid, Takes, grid};
use crate::model::device_map::{self, MapSet, difference, write_round, write_set};
use crate::model::identity::{Name, VolumeId};
use crate::model::request::Action;
use crate::model::snapshot::Snapshot;
use crate::model::units::count;
use crate::process::editor;
use serde::Serialize;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The stored set of this name.
pub fn stored<'a>(snapshot: &'a Snapshot, name: &Name) -> Result<&'a MapSet, CliError> {
    snapshot.map_set(name.as_str()).ok_or_else(|| {
        let known: Vec<&str> = snapshot.map_sets.iter().map(|set| set.name.as_str()).collect();
        let known =
            if known.is_empty() { "none is stored".to_owned() } else { format!("stored: {}", known.join(", ")) };
        CliError::coded(Code::MAP_UNKNOWN, format!("there is no map set {name}; {known} ({})", Code::MAP_UNKNOWN))
    })
}

pub async fn import(
    site_context: &dyn SiteContext,
    name: &Name,
    sources: &[PathBuf],
    host: Option<&Name>,
    change: &Change,
) -> Result<Exit, CliError> {
    let files = map_files::files(sources)?;
    let deadline = Deadline::new(change.time_limit);
    let mut link = super::opened(site_context, deadline).await?;
    let snapshot = link.snapshot().await?;
    let set = map_files::set_of(&snapshot, name, &files, host)?;
    print_difference(&snapshot, snapshot.map_set(name.as_str()), &set, change)?;
    let request = change::request(Action::ImportMap { set }, change);
    change::run(&mut link, change, request, deadline, Then::Return).await
}

/// What would be other than before, above the plan. In JSON the plan's notice counts it.
fn print_difference(
    snapshot: &Snapshot,
    before: Option<&MapSet>,
    after: &MapSet,
    change: &Change,
) -> Result<(), CliError> {
    let Some(before) = before.filter(|_| !change.json) else { return Ok(()) };
    let lines: Vec<String> =
        difference(Some(before), Some(after)).iter().map(|change| change.in_words(snapshot)).collect();
    if lines.is_empty() {
        return Ok(());
    }
    out::print(&format!("Difference to the stored map set {}:\n  {}\n", after.name, lines.join("\n  "))).map(|_| ())
}

pub async fn remove(site_context: &dyn SiteContext, name: &Name, change: &Change) -> Result<Exit, CliError> {
    let deadline = Deadline::new(change.time_limit);
    let mut link = super::opened(site_context, deadline).await?;
    let request = change::request(Action::RemoveMap { name: name.clone() }, change);
    change::run(&mut link, change, request, deadline, Then::Return).await
}

#[derive(Serialize)]
struct ListDocument {
    map_sets: Vec<ListEntry>,
}

#[derive(Serialize)]
struct ListEntry {
    name: Name,
    rounds: Vec<Name>,
    transaction_volumes: usize,
    pairs: usize,
    /// Volumes that a round fits now.
    ready: usize,
    /// Volumes of it, in either role, that are not registered.
    not_registered: usize,
}

pub fn list(snapshot: &Snapshot, as_json: bool) -> Result<Exit, CliError> {
    let entries: Vec<ListEntry> = snapshot.map_sets.iter().map(|set| entry(snapshot, set)).collect();
    if as_json {
        json::print(snapshot.site.demo, &ListDocument { map_sets: entries })?;
        return Ok(Exit::Done);
    }
    if entries.is_empty() {
        out::print("no map set is stored; `ecdeck map import NAME FILE...` stores one\n")?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        ("map set", Align::Left),
        ("rounds", Align::Left),
        ("volumes", Align::Right),
        ("pairs", Align::Right),
        ("ready", Align::Right),
        ("not registered", Align::Right),
    ]);
    for entry in entries {
        let rounds: Vec<&str> = entry.rounds.iter().map(Name::as_str).collect();
        table.row([
            entry.name.to_string(),
            rounds.join(" "),
            entry.transaction_volumes.to_string(),
            entry.pairs.to_string(),
            entry.ready.to_string(),
            entry.not_registered.to_string(),
        ]);
    }
    out::print(&table.render())?;
    Ok(Exit::Done)
}

fn entry(snapshot: &Snapshot, set: &MapSet) -> ListEntry {
    let grid = grid(snapshot, set);
    let backups: std::collections::BTreeSet<VolumeId> = set.rows().map(|(_, row)| row.backup_volume).collect();
    let gone = |id: &&VolumeId| snapshot.backup_volume(**id).is_none();
    ListEntry {
        name: set.name.clone(),
        rounds: grid.rounds,
        transaction_volumes: grid.rows.len(),
        pairs: set.pairs(),
        ready: grid.rows.iter().filter(|row| row.due.is_some()).count(),
        not_registered: grid.rows.iter().filter(|row| !row.is_registered).count() + backups.iter().filter(gone).count(),
    }
}

#[derive(Serialize)]
struct ShowDocument<'a> {
    map_set: &'a Name,
    pairs: Vec<PairEntry<'a>>,
}

#[derive(Serialize)]
struct PairEntry<'a> {
    round: &'a Name,
    transaction_volume: VolumeId,
    transaction_name: String,
    backup_volume: VolumeId,
    backup_name: String,
    /// `usable`, `not-due`, `refused`.
    state: &'static str,
    /// The round that a start of this volume takes now.
    due: bool,
    /// Why it is not usable, with its code.
    why: Option<String>,
    code: Option<Code>,
}

/// The grid, or one round of it.
pub fn show(snapshot: &Snapshot, name: &Name, round: Option<&Name>, as_json: bool) -> Result<Exit, CliError> {
    let set = stored(snapshot, name)?;
    if let Some(round) = round.filter(|round| set.round(round).is_none()) {
        let text = format!("map set {name} has no round {round} ({})", Code::MAP_UNKNOWN);
        return Err(CliError::coded(Code::MAP_UNKNOWN, text));
    }
    let wanted = |at: usize| round.is_none_or(|round| set.rounds[at].name == *round);
    let grid = grid(snapshot, set);
    if as_json {
        let pairs = grid.rows.iter().flat_map(|row| {
            let cells = row.cells.iter().enumerate().filter(|(at, _)| wanted(*at));
            cells.filter_map(|(at, cell)| {
                let backup_volume = cell.backup_volume()?;
                let (state, why, code) = match cell {
                    Cell::Empty | Cell::Usable { .. } => ("usable", None, None),
                    Cell::NotDue { .. } => ("not-due", Some(words(snapshot, cell)), Some(Code::MAP_HOLDS_A_VERSION)),
                    Cell::Refused { rejection, .. } => {
                        ("refused", Some(rejection.reason.clone()), Some(rejection.code))
                    }
                };
                Some(PairEntry {
                    round: &set.rounds[at].name,
                    transaction_volume: row.transaction_volume,
                    transaction_name: row.name.clone(),
                    backup_volume,
                    backup_name: snapshot.label(backup_volume),
                    state,
                    due: row.due == Some(at),
                    why,
                    code,
                })
            })
        });
        json::print(snapshot.site.demo, &ShowDocument { map_set: name, pairs: pairs.collect() })?;
        return Ok(Exit::Done);
    }
    out::print(&shown(snapshot, &grid, &wanted))?;
    Ok(Exit::Done)
}

/// A line a pair, by volume; `>` is the round that a start takes now.
fn shown(snapshot: &Snapshot, grid: &Grid, wanted: &dyn Fn(usize) -> bool) -> String {
    let mut table = Table::new(&[
        ("volume", Align::Left),
        ("", Align::Left),
        ("round", Align::Left),
        ("backup volume", Align::Left),
        ("now", Align::Left),
    ]);
    for row in &grid.rows {
        let name = if row.is_registered { row.name.clone() } else { format!("{} (not registered)", row.name) };
        for (at, cell) in row.cells.iter().enumerate().filter(|(at, _)| wanted(*at)) {
            let Some(backup) = cell.backup_volume() else { continue };
            let due = if row.due == Some(at) { ">" } else { "" };
            let label = snapshot.label(backup);
            let gone = if snapshot.backup_volume(backup).is_none() { " (not registered)" } else { "" };
            let round = grid.rounds[at].to_string();
            table.row([name.clone(), due.to_owned(), round, format!("{label}{gone}"), words(snapshot, cell)]);
        }
    }
    table.render()
}

/// What a cell takes, or why not.
pub fn words(snapshot: &Snapshot, cell: &Cell) -> String {
    match cell {
        Cell::Empty => "no backup volume".to_owned(),
        Cell::Usable { takes, .. } => match takes {
            Takes::Difference(Some(blocks)) => format!("copies the difference, {blocks}"),
            Takes::Difference(None) => "copies the difference".to_owned(),
            Takes::All(blocks) => format!("copies all {blocks}"),
            Takes::AllRemote(blocks) => format!("copies all {blocks} by REC"),
            Takes::Running => "synchronized now".to_owned(),
        },
        Cell::NotDue { backup_volume, version } => {
            let version = version.map_or_else(|| "a generation".to_owned(), |version| version.to_string());
            format!("{} holds {version}, not due this round", snapshot.label(*backup_volume))
        }
        Cell::Refused { rejection, .. } => format!("{} ({})", rejection.reason, rejection.code),
    }
}

/// To standard output as one text, or into a folder as a file a round. A file that is there is never replaced.
pub fn export(snapshot: &Snapshot, name: &Name, folder: Option<&Path>) -> Result<Exit, CliError> {
    let set = stored(snapshot, name)?;
    let Some(folder) = folder else {
        out::print(&write_set(set, snapshot))?;
        return Ok(Exit::Done);
    };
    let wrong =
        |path: &Path, error: &std::io::Error| CliError::failed(format!("{} cannot be written: {error}", name_of(path)));
    std::fs::create_dir_all(folder).map_err(|error| wrong(folder, &error))?;
    let paths: Vec<PathBuf> = set.rounds.iter().map(|round| folder.join(format!("{}.map", round.name))).collect();
    if let Some(there) = paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(CliError::usage(format!(
            "{} is there already; nothing was written: give an empty folder",
            name_of(there)
        )));
    }
    for (path, round) in paths.iter().zip(&set.rounds) {
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| wrong(path, &error))?;
        file.write_all(write_round(round, snapshot).as_bytes()).map_err(|error| wrong(path, &error))?;
    }
    let files = count(paths.len(), "file", "files");
    out::print(&format!("map set {name}: {files} in {}\n", name_of(folder)))?;
    Ok(Exit::Done)
}

/// The stored set in the person's editor and back. What is wrong is written beside the lines, and the text is kept until it
/// is stored or given up.
pub async fn edit(site_context: &dyn SiteContext, name: &Name, change: &Change) -> Result<Exit, CliError> {
    // The line is not held while somebody types.
    let snapshot = site_context.open(Need::Reading).await?.snapshot().await?;
    let set = stored(&snapshot, name)?;
    let before = set.fingerprint();
    let draft = Draft::new(name, &edit_text(set, &snapshot))?;
    loop {
        let status =
            editor::edit(&draft.path).map_err(|error| draft.kept(&format!("the editor did not start: {error}")))?;
        if !status.success() {
            return Err(draft.kept(&format!("the editor failed ({status}); nothing was stored")));
        }
        let text = without_diagnostics(&map_files::bytes_of(&draft.path)?);
        draft.write(&text)?;
        let newest = site_context.open(Need::Reading).await?.snapshot().await?;
        match map_files::set_of(&newest, name, std::slice::from_ref(&draft.path), None) {
            Ok(edited) if newest.map_set(name.as_str()).is_some_and(|stored| stored.rounds == edited.rounds) => {
                draft.remove();
                out::say("ecdeck: the map set is as it was; nothing was stored");
                return Ok(Exit::Done);
            }
            Ok(edited) => {
                print_difference(&newest, newest.map_set(name.as_str()), &edited, change)?;
                let deadline = Deadline::new(change.time_limit);
                let mut link = super::opened(site_context, deadline).await?;
                let request = change::request(Action::EditMap { set: edited, before: before.clone() }, change);
                let ended = change::run(&mut link, change, request, deadline, Then::Return).await;
                return match ended {
                    Ok(Exit::Done) => {
                        if !change.dry_run {
                            draft.remove();
                        }
                        Ok(Exit::Done)
                    }
                    Ok(exit) => {
                        out::say(&draft.where_kept());
                        Ok(exit)
                    }
                    Err(error) => {
                        out::say(&draft.where_kept());
                        Err(error)
                    }
                };
            }
            Err(error) => {
                out::say(&error.text);
                let can_ask = !change.json && !change.yes && std::io::stdin().is_terminal();
                if !can_ask {
                    return Err(draft.not_stored(&error));
                }
                let answer = out::ask("Edit again? [Y/n] ", change.time_limit.unwrap_or(out::ANSWER_TIMEOUT))?;
                if matches!(answer.to_ascii_lowercase().as_str(), "n" | "no") {
                    return Err(draft.not_stored(&error));
                }
                draft.write(&with_diagnostics(&text, &error.text))?;
            }
        }
    }
}

fn edit_text(set: &MapSet, snapshot: &Snapshot) -> String {
    format!(
        "# Map set {}: one pair a line, the transaction volume first, then the backup volume.\n\
         # A round begins with its line `# round: NAME`. Lines that begin with #! are taken out.\n\n{}",
        set.name,
        write_set(set, snapshot)
    )
}

/// Each finding below the line that it is about, `FILE:LINE:...` being how it begins.
fn with_diagnostics(text: &str, wrong: &str) -> String {
    let blocks: Vec<&str> = wrong.lines().collect();
    let mut out = String::new();
    let at = |line: &str| line.split(':').nth(1).and_then(|number| number.parse::<usize>().ok());
    let heads: Vec<(usize, &str)> = blocks.iter().filter_map(|line| Some((at(line)?, *line))).collect();
    for (number, line) in (1..).zip(text.lines()) {
        out.push_str(line);
        out.push('\n');
        for (_, head) in heads.iter().filter(|(at, _)| *at == number) {
            let what = head.splitn(4, ':').nth(3).unwrap_or(head);
            out.push_str(device_map::FINDING_MARK);
            out.push_str(what.trim());
            out.push('\n');
        }
    }
    out
}

fn without_diagnostics(bytes: &[u8]) -> String {
    device_map::without_findings(&String::from_utf8_lossy(bytes))
}

/// A text that is being edited, in a private file of its own.
struct Draft {
    path: PathBuf,
}

impl Draft {
    fn new(name: &Name, text: &str) -> Result<Self, CliError> {
        let folder = std::env::temp_dir();
        for _ in 0..16 {
            let path = folder.join(format!("{name}.{:08x}.map", fastrand::u32(..)));
            match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
                Ok(_) => {
                    let draft = Self { path };
                    draft.write(text)?;
                    return Ok(draft);
                }
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(CliError::failed(format!("{} cannot be written: {error}", name_of(&path))));
                }
            }
        }
        Err(CliError::failed(format!("no file could be made in {}", name_of(&folder))))
    }

    fn write(&self, text: &str) -> Result<(), CliError> {
        let wrong = |error| CliError::failed(format!("{} cannot be written: {error}", name_of(&self.path)));
        std::fs::write(&self.path, text).map_err(wrong)
    }

    fn where_kept(&self) -> String {
        format!("your text is kept in {}: correct it, then `ecdeck map import` it", name_of(&self.path))
    }

    fn kept(&self, why: &str) -> CliError {
        CliError::failed(format!("{why}; {}", self.where_kept()))
    }

    /// What was wrong has been said.
    fn not_stored(&self, error: &CliError) -> CliError {
        let ended = CliError::new(error.exit, format!("nothing was stored; {}", self.where_kept()));
        match error.code {
            Some(code) => ended.with_code(code),
            None => ended,
        }
    }

    fn remove(&self) {
        // What stays behind is a private copy in the folder for such files.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnostics_stand_below_their_lines_and_go_when_the_text_is_read() {
        let text = "# round: A\ndb01\ndb02 x\n";
        let wrong = "/tmp/x.map is not a device map\n/tmp/x.map:2:1: syntax error: db01 has no backup volume beside it (ecd-1210)\n    db01\n    ^^^^";
        let beside = with_diagnostics(text, wrong);
        assert_eq!(
            beside,
            "# round: A\ndb01\n#! syntax error: db01 has no backup volume beside it (ecd-1210)\ndb02 x\n"
        );
        assert_eq!(without_diagnostics(beside.as_bytes()), text);
        assert!(crate::model::device_map::parse(beside.replace("db01\n", "db01 y\n").as_bytes()).is_ok());
    }
}
