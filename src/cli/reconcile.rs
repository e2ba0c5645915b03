//! `ecdeck reconcile`: what the catalogue and the arrays disagree on, what is proposed, and doing it.

use super::arguments::{Reconcile, ReconcileVerb};
use super::change::{self, Then};
use super::link::{Need, SiteContext};
use super::map_files::bytes_within;
use super::wait::Deadline;
use super::{CliError, Exit, json, names, out, times};
use crate::model::acm_list::{LineContent, read};
use crate::model::identity::VolumeId;
use crate::model::proposal_kind::ProposalKind;
use crate::model::reconcile::{Finding, findings, unread};
use crate::model::request::{Action, ListedBackup};
use crate::model::snapshot::Snapshot;
use crate::model::take_over::{TakeOver, TakeOverState, program};
use crate::model::units::count;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

/// The largest list that is read.
const MAX_LIST: usize = 16 << 20;

pub async fn run(asked: &Reconcile, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    let change = asked.change();
    if asked.verb.is_none() && !asked.accept {
        let mut link = site_context.open(Need::Reading).await?;
        let snapshot = link.snapshot().await?;
        return show(asked, &snapshot);
    }
    let deadline = Deadline::new(change.time_limit);
    let mut link = super::opened(site_context, deadline).await?;
    let snapshot = link.snapshot().await?;
    let history = history(asked, &snapshot)?;
    if !change.json && !history.unclear.is_empty() {
        out::print(&unclear_text(&history))?;
    }
    let action = action(asked, &snapshot, history.backups)?;
    change::run(&mut link, change, change::request(action, change), deadline, Then::Return).await
}

/// What is asked for, of the volumes that are named, or of all that something is proposed for.
pub fn action(asked: &Reconcile, snapshot: &Snapshot, listed: Vec<ListedBackup>) -> Result<Action, CliError> {
    if let Some(ReconcileVerb::Release { volume, .. }) = &asked.verb {
        return Ok(Action::GiveBack { volume: names::volume(snapshot, volume)? });
    }
    let named = names::volumes(snapshot, &asked.volumes)?;
    let mut kinds = asked.only.clone();
    kinds.sort_unstable();
    kinds.dedup();
    let all = findings(snapshot);
    let is_offered = |finding: &&Finding| {
        let kind = finding.proposal.kind();
        kind != ProposalKind::ByHand && (kinds.is_empty() || kinds.contains(&kind))
    };
    let (mut volumes, mut only) = (BTreeSet::new(), BTreeSet::new());
    if named.is_empty() {
        // What was given back is taken over again by its name only.
        let is_given_back = |id: VolumeId| snapshot.take_over(id).is_some_and(TakeOver::is_given_back);
        let owners = all.iter().filter(is_offered).map(|finding| finding.owner);
        volumes.extend(owners.filter(|owner| !is_given_back(*owner)));
        volumes.extend(listed.iter().map(|known| known.volume));
    }
    for id in &named {
        // A backup volume means the row about it, a transaction volume all of its rows.
        match all.iter().find(|finding| finding.subject == *id && finding.owner != *id) {
            Some(finding) => {
                volumes.insert(finding.owner);
                only.insert(*id);
            }
            None => drop(volumes.insert(*id)),
        }
    }
    if !only.is_empty() {
        let whole = |finding: &&Finding| named.contains(&finding.owner);
        only.extend(all.iter().filter(whole).map(|finding| finding.subject));
    }
    let is_of_them = |known: &ListedBackup| volumes.contains(&known.volume);
    let listed = listed.into_iter().filter(is_of_them).collect();
    let volumes: Vec<VolumeId> = volumes.into_iter().collect();
    if volumes.is_empty() {
        return Err(CliError::usage(
            "there is nothing to reconcile, as far as the arrays were read: `ecdeck reconcile`",
        ));
    }
    Ok(Action::Reconcile { volumes, only: only.into_iter().collect(), kinds, listed })
}

/// What a list of ACM tells of this site.
#[derive(Default)]
struct History {
    backups: Vec<ListedBackup>,
    /// Number of the line, its text, and why it is not used.
    unclear: Vec<(usize, String, String)>,
}

fn history(asked: &Reconcile, snapshot: &Snapshot) -> Result<History, CliError> {
    let mut all = History::default();
    let Some(path) = &asked.history else { return Ok(all) };
    let text = read_list(path)?;
    for line in read(&text, &TimeZone::system()) {
        match line.content {
            LineContent::Frame => {}
            LineContent::Unclear { text, why } => all.unclear.push((line.number, text.escaped(), why)),
            LineContent::Backup { device, backup_device, taken_at } => {
                let volume = snapshot.find(device.raw()).filter(|id| snapshot.transaction_volume(*id).is_some());
                let on = snapshot.find(backup_device.raw()).filter(|id| snapshot.backup_volume(*id).is_some());
                let (Some(volume), Some(backup_volume)) = (volume, on) else {
                    let unknown = if volume.is_none() { &device } else { &backup_device };
                    let why =
                        "no registered volume of that role is called so: give it that name, then read the list again";
                    all.unclear.push((line.number, unknown.escaped(), why.to_owned()));
                    continue;
                };
                all.backups.push(ListedBackup { volume, backup_volume, taken_at });
            }
        }
    }
    Ok(all)
}

fn read_list(path: &Path) -> Result<String, CliError> {
    let bytes = bytes_within(path, MAX_LIST).map_err(|error| CliError::failed(error.text))?;
    if bytes.len() > MAX_LIST {
        let most = MAX_LIST >> 20;
        return Err(CliError::failed(format!("{} cannot be read: it has more than {most} MiB", path.display())));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn show(asked: &Reconcile, snapshot: &Snapshot) -> Result<Exit, CliError> {
    let named = names::volumes(snapshot, &asked.volumes)?;
    let is_named =
        |finding: &Finding| named.is_empty() || named.contains(&finding.owner) || named.contains(&finding.subject);
    let mut rows = findings(snapshot);
    rows.retain(is_named);
    let history = history(asked, snapshot)?;
    if asked.change.json {
        json::print(snapshot.site.demo, &Document::new(snapshot, &rows, &history))?;
    } else {
        out::print(&text(snapshot, &rows, &history))?;
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Document {
    rows: Vec<Row>,
    /// Arrays that were not read, or not in full: their rows may be missing.
    not_read: Vec<String>,
    take_overs: Vec<TakeOverEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    backups: Vec<ListedEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unclear: Vec<UnclearEntry>,
}

#[derive(Serialize)]
struct Row {
    volume: String,
    about: String,
    catalogue: String,
    array: String,
    proposal: ProposalKind,
    text: String,
}

#[derive(Serialize)]
struct TakeOverEntry {
    volume: String,
    state: TakeOverState,
    by: String,
    since: String,
}

#[derive(Serialize)]
struct ListedEntry {
    volume: String,
    backup_volume: String,
    taken_at: String,
}

#[derive(Serialize)]
struct UnclearEntry {
    line: usize,
    text: String,
    why: String,
}

impl Document {
    fn new(snapshot: &Snapshot, rows: &[Finding], history: &History) -> Self {
        let row = |finding: &Finding| Row {
            volume: snapshot.label(finding.owner),
            about: snapshot.label(finding.subject),
            catalogue: finding.catalogue.clone(),
            array: finding.array.clone(),
            proposal: finding.proposal.kind(),
            text: finding.proposal.in_words(snapshot),
        };
        let taken = |known: &TakeOver| TakeOverEntry {
            volume: snapshot.label(known.volume),
            state: known.state,
            by: program(&known.by),
            since: times::stamp(known.since),
        };
        let listed = |known: &ListedBackup| ListedEntry {
            volume: snapshot.label(known.volume),
            backup_volume: snapshot.label(known.backup_volume),
            taken_at: times::stamp(known.taken_at),
        };
        let unclear = |(line, text, why): &(usize, String, String)| UnclearEntry {
            line: *line,
            text: text.clone(),
            why: why.clone(),
        };
        Self {
            rows: rows.iter().map(row).collect(),
            not_read: unread(snapshot),
            take_overs: snapshot.take_overs.iter().map(taken).collect(),
            backups: history.backups.iter().map(listed).collect(),
            unclear: history.unclear.iter().map(unclear).collect(),
        }
    }
}

fn text(snapshot: &Snapshot, rows: &[Finding], history: &History) -> String {
    let mut text = String::new();
    for finding in rows {
        let (owner, subject) = (snapshot.label(finding.owner), snapshot.label(finding.subject));
        let about = if owner == subject { owner } else { format!("{owner}, {subject}") };
        let _ = writeln!(text, "{about}");
        let _ = writeln!(text, "  catalogue  {}", finding.catalogue);
        let _ = writeln!(text, "  array      {}", finding.array);
        let _ = writeln!(text, "  proposed   {}", finding.proposal.offered(snapshot));
    }
    for name in unread(snapshot) {
        let _ = writeln!(text, "{name} was not read, or not in full: rows about it may be missing");
    }
    for known in &snapshot.take_overs {
        let (label, by, since) = (snapshot.label(known.volume), program(&known.by), times::minute(known.since));
        let _ = match known.state {
            TakeOverState::Adopted => writeln!(text, "{label}: adopted from {by} {since}"),
            TakeOverState::Observed => writeln!(text, "{label}: given back to {by} {since}, nothing is started on it"),
        };
    }
    for known in &history.backups {
        let (label, on) = (snapshot.label(known.volume), snapshot.label(known.backup_volume));
        let _ = writeln!(text, "{label}: the list names a backup of {} on {on}", times::minute(known.taken_at));
    }
    text.push_str(&unclear_text(history));
    let offered = rows.iter().filter(|row| row.proposal.kind() != ProposalKind::ByHand).count();
    if rows.is_empty() {
        text.push_str("catalogue and arrays agree, as far as the arrays were read\n");
    } else if offered > 0 {
        let rows = count(offered, "proposal", "proposals");
        let _ = writeln!(text, "{rows}: `ecdeck reconcile --accept` does them, `ecdeck reconcile VOLUME --accept` one");
    }
    text
}

fn unclear_text(history: &History) -> String {
    let mut text = String::new();
    for (number, line, why) in &history.unclear {
        let _ = writeln!(text, "line {number} of the list is not used: {why}\n    {line}");
    }
    text
}
