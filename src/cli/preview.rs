//! `ecdeck policy preview`: the nights to come, as text and as JSON.

use super::arguments::PreviewPolicy;
use super::table::{Align, Table};
use super::{CliError, Exit, json, names, out, times};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::preview::{Night, NightBackup, NightCopy, NightEnd, Preview, preview};
use crate::model::records::{Policy, ReleaseReason};
use crate::model::snapshot::Snapshot;
use crate::model::units::{Version, count, listed};
use serde::Serialize;
use std::fmt::Write;

const NIGHTS_OF_A_WEEK: usize = 7;
/// Names that one line lists at most.
const LISTED: usize = 6;

pub fn show(asked: &PreviewPolicy, snapshot: &Snapshot) -> Result<Exit, CliError> {
    let volume = names::volume(snapshot, &asked.volume)?;
    let Some(view) = snapshot.transaction_volume(volume) else {
        let code = Code::NOT_A_TRANSACTION_VOLUME;
        return Err(CliError::coded(code, format!("{} is not a transaction volume ({code})", snapshot.label(volume))));
    };
    let Some(policy) = view.volume.policy else {
        let (code, name) = (Code::NO_POLICY, &view.volume.name);
        let text = format!("{name} has no policy, so no night is planned: set one with `ecdeck policy set` ({code})");
        return Err(CliError::coded(code, text));
    };
    let nights = usize::from(asked.weeks) * NIGHTS_OF_A_WEEK;
    let preview = preview(snapshot, volume, nights);
    if asked.json {
        json::print(snapshot.site.demo, &Document::new(snapshot, volume, &preview))?;
    } else {
        out::print(&text(snapshot, volume, policy, &preview))?;
    }
    Ok(Exit::Done)
}

#[derive(Serialize)]
struct Document {
    id: VolumeId,
    name: String,
    /// Transaction volumes that take from the same pool, this one among them.
    sharing: Vec<String>,
    /// Backup volumes of the pool.
    pool: usize,
    /// The first night in which a start finds no backup volume.
    dry: Option<String>,
    nights: Vec<NightEntry>,
}

#[derive(Serialize)]
struct NightEntry {
    at: String,
    /// Backup volumes of the pool that are unused after it.
    unused: usize,
    backups: Vec<BackupEntry>,
}

#[derive(Serialize)]
struct BackupEntry {
    id: VolumeId,
    name: String,
    version: Option<Version>,
    backup_volume: Option<String>,
    copy: Option<NightCopy>,
    releases: Vec<ReleaseEntry>,
    code: Option<Code>,
    /// Why there is no backup.
    why: Option<String>,
    notices: Vec<String>,
}

#[derive(Serialize)]
struct ReleaseEntry {
    version: Version,
    backup_volume: String,
    why: ReleaseReason,
}

impl Document {
    fn new(snapshot: &Snapshot, id: VolumeId, preview: &Preview) -> Self {
        Self {
            id,
            name: snapshot.label(id),
            sharing: preview.volumes.iter().map(|id| snapshot.label(*id)).collect(),
            pool: preview.pool,
            dry: preview.dry().map(|night| times::stamp(night.at)),
            nights: preview.nights.iter().map(|night| NightEntry::new(snapshot, night)).collect(),
        }
    }
}

impl NightEntry {
    fn new(snapshot: &Snapshot, night: &Night) -> Self {
        let backups = night.backups.iter().map(|backup| BackupEntry::new(snapshot, backup)).collect();
        Self { at: times::stamp(night.at), unused: night.unused, backups }
    }
}

impl BackupEntry {
    fn new(snapshot: &Snapshot, backup: &NightBackup) -> Self {
        let entry = Self {
            id: backup.volume,
            name: snapshot.label(backup.volume),
            version: None,
            backup_volume: None,
            copy: None,
            releases: Vec::new(),
            code: None,
            why: None,
            notices: backup.notices.iter().map(|notice| notice.text.clone()).collect(),
        };
        match &backup.end {
            NightEnd::Kept { version, backup_volume, copy, released } => {
                let releases = released.iter().map(|released| ReleaseEntry {
                    version: released.version,
                    backup_volume: snapshot.label(released.backup_volume),
                    why: released.why,
                });
                let backup_volume = Some(snapshot.label(*backup_volume));
                let (version, copy, releases) = (Some(*version), Some(*copy), releases.collect());
                Self { version, backup_volume, copy, releases, ..entry }
            }
            NightEnd::Refused { code, reason, .. } => Self { code: Some(*code), why: Some(reason.clone()), ..entry },
        }
    }
}

fn text(snapshot: &Snapshot, id: VolumeId, policy: Policy, preview: &Preview) -> String {
    let name = snapshot.label(id);
    let mut out = format!(
        "{name} keeps {}, a backup every {}\n",
        count(policy.generations.into(), "generation", "generations"),
        count(policy.interval_days.into(), "day", "days"),
    );
    let sizes: Vec<String> = preview.sizes.iter().map(ToString::to_string).collect();
    let _ = writeln!(
        out,
        "pool of {}: {} for {}",
        sizes.join(" and "),
        count(preview.pool, "backup volume", "backup volumes"),
        listed(preview.volumes.iter().map(|id| snapshot.label(*id)), LISTED),
    );
    out.push_str("each copy is taken to be equivalent in time\n\n");
    let mut table = Table::new(&[
        ("night", Align::Left),
        ("takes", Align::Left),
        ("copy", Align::Left),
        ("records", Align::Left),
        ("unused", Align::Right),
        ("releases", Align::Left),
    ]);
    for night in &preview.nights {
        let Some(backup) = night.of(id) else { continue };
        table.row(row(snapshot, policy, night, backup));
    }
    if table.is_empty() {
        out.push_str("no backup is due in these weeks\n");
    } else {
        out.push_str(&table.render());
    }
    out.push('\n');
    out.push_str(&pool_line(snapshot, preview));
    out.push_str("nothing was changed\n");
    out
}

fn row(snapshot: &Snapshot, policy: Policy, night: &Night, backup: &NightBackup) -> [String; 6] {
    let at = times::weekday(night.at);
    let dash = || "-".to_owned();
    match &backup.end {
        NightEnd::Kept { version, backup_volume, copy, released } => {
            let copy = match copy {
                NightCopy::Full => "full",
                NightCopy::Differential => "difference",
                NightCopy::Running => "runs already",
            };
            let released: Vec<String> = released.iter().map(|one| one.sentence(policy.generations)).collect();
            let released = if released.is_empty() { dash() } else { released.join("; ") };
            let over = over(backup).map_or_else(String::new, |text| format!("; {text}"));
            let (takes, unused) = (snapshot.label(*backup_volume), night.unused.to_string());
            [at, takes, copy.to_owned(), version.to_string(), unused, format!("{released}{over}")]
        }
        NightEnd::Refused { code, reason, .. } => {
            let reason = format!("! no backup: {reason} ({code})");
            [at, dash(), dash(), dash(), night.unused.to_string(), reason]
        }
    }
}

/// Why more than the policy's number is kept.
fn over(backup: &NightBackup) -> Option<&str> {
    let is_it = |code| matches!(code, Code::OVER_POLICY | Code::OVER_LIMIT_HELD);
    backup.notices.iter().find(|notice| is_it(notice.code)).map(|notice| notice.text.as_str())
}

fn pool_line(snapshot: &Snapshot, preview: &Preview) -> String {
    match preview.dry() {
        None => format!("the pool lasts for all {}\n", count(preview.nights.len(), "night", "nights")),
        Some(night) => {
            let without: Vec<String> = night.without_volume().map(|backup| snapshot.label(backup.volume)).collect();
            let find = if without.len() == 1 { "finds" } else { "find" };
            let who = listed(without, LISTED);
            format!("the pool runs dry on {}: {who} {find} no backup volume\n", times::weekday(night.at))
        }
    }
}
