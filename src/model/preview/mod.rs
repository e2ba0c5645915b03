//! The nights to come: which backup volume each backup takes, what it releases, and when the pool runs dry.
//!
//! Belongs here: which volumes share a pool, which of them is due in which night, what is reported of a night. Does not:
//! any rule. Each night is planned by [`plan`], and the steps' own changes make the records of the next one.

mod projection;

use self::projection::Projection;
use crate::model::codes::Code;
use crate::model::due::{first_night, is_due, pools_shared_with, taking_part};
use crate::model::identity::VolumeId;
use crate::model::plan::{Notice, Plan, PlanItem, PlanStep, Refusal, plan};
use crate::model::pool::PoolKey;
use crate::model::records::ReleaseReason;
use crate::model::request::{Action, Request};
use crate::model::snapshot::{BackupVolumeView, Snapshot};
use crate::model::units::{Blocks, Timestamp, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The nights to come of all volumes that share a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// The transaction volumes that take part: those with a policy whose backup volumes come from the same pool.
    pub volumes: Vec<VolumeId>,
    /// The sizes of these volumes.
    pub sizes: Vec<Blocks>,
    /// The same by pool: what is counted apart.
    #[serde(default)]
    pub pools: Vec<PoolKey>,
    /// Backup volumes of these pools.
    pub pool: usize,
    /// One a day, the first one first.
    pub nights: Vec<Night>,
}

/// What one night does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Night {
    pub at: Timestamp,
    /// Of each volume that is due, in the order in which they are planned.
    pub backups: Vec<NightBackup>,
    /// Backup volumes of the pool that are unused after it.
    pub unused: usize,
}

/// One volume in one night.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NightBackup {
    pub volume: VolumeId,
    pub end: NightEnd,
    /// What the plans of its start and of its backup say.
    pub notices: Vec<Notice>,
}

/// What becomes of a volume in a night.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "end")]
pub enum NightEnd {
    Kept {
        version: Version,
        backup_volume: VolumeId,
        copy: NightCopy,
        released: Vec<NightRelease>,
    },
    /// There is no backup that night.
    Refused {
        code: Code,
        reason: String,
        /// The start is refused, not the backup.
        at_start: bool,
    },
}

/// What is copied before the backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NightCopy {
    Full,
    Differential,
    /// It is synchronized already.
    Running,
}

/// A generation that a night ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NightRelease {
    pub version: Version,
    pub backup_volume: VolumeId,
    pub why: ReleaseReason,
}

impl NightRelease {
    /// What is released and why, as half a sentence. `kept`: generations that the policy keeps.
    pub fn sentence(&self, kept: u16) -> String {
        let version = self.version;
        match self.why {
            ReleaseReason::Reused => format!("{version}, before the backup: no other backup volume is free"),
            _ => format!("{version}, beyond the {kept} that are kept"),
        }
    }
}

impl NightEnd {
    /// The start finds no backup volume, none that its device map names, or the only ones hold generations that are not
    /// released yet.
    pub fn is_dry(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                code: Code::NO_BACKUP_VOLUME | Code::MAP_NO_ROUND | Code::ROTATION_TOO_SOON | Code::GENERATION_HELD,
                at_start: true,
                ..
            }
        )
    }
}

impl Night {
    pub fn of(&self, volume: VolumeId) -> Option<&NightBackup> {
        self.backups.iter().find(|backup| backup.volume == volume)
    }

    /// The volumes whose start finds no backup volume.
    pub fn without_volume(&self) -> impl Iterator<Item = &NightBackup> {
        self.backups.iter().filter(|backup| backup.end.is_dry())
    }
}

impl Preview {
    /// The first night in which a start finds no backup volume.
    pub fn dry(&self) -> Option<&Night> {
        self.nights.iter().find(|night| night.without_volume().next().is_some())
    }
}

/// Projects so many nights for all volumes that share a pool with this one. It assumes that each volume is started and
/// backed up in every night in which it is due, that each copy is equivalent in time, and that nobody does anything else. A
/// set is started and backed up as one. What cannot be read now refuses as it would today.
pub fn preview(snapshot: &Snapshot, volume: VolumeId, nights: usize) -> Preview {
    let pools = pools_shared_with(snapshot, snapshot.transaction_volume(volume).map(|view| snapshot.pool_key(view)));
    let volumes = taking_part(snapshot, &pools);
    let first = first_night(snapshot, &volumes);
    let sizes: BTreeSet<Blocks> = pools.iter().map(|key| key.blocks).collect();
    let mut projection = Projection::new(snapshot, &sizes);
    let in_pool = |view: &&BackupVolumeView| pools.contains(&snapshot.backup_key(view));
    let pool = snapshot.pool.iter().filter(in_pool).count();
    let mut list = Vec::with_capacity(nights);
    let mut at = first;
    for _ in 0..nights {
        projection.advance_to(at);
        let backups = night(&mut projection, &volumes);
        list.push(Night { at, backups, unused: projection.unused(&pools) });
        at = at.plus_millis(Timestamp::DAY);
    }
    Preview { volumes, sizes: sizes.into_iter().collect(), pools: pools.into_iter().collect(), pool, nights: list }
}

/// Starts and backs up what is due: each set as one, then all other volumes.
fn night(projection: &mut Projection, volumes: &[VolumeId]) -> Vec<NightBackup> {
    let due: Vec<VolumeId> = volumes
        .iter()
        .copied()
        .filter(|id| is_due(projection.snapshot(), *id, projection.snapshot().taken_at))
        .collect();
    let sets = projection.snapshot().volume_sets.clone();
    let mut backups = Vec::new();
    for set in sets.iter().filter(|set| due.iter().any(|id| set.has(*id))) {
        backups.extend(run(projection, &set.members, true));
    }
    let alone: Vec<VolumeId> = due.into_iter().filter(|id| !sets.iter().any(|set| set.has(*id))).collect();
    backups.extend(run(projection, &alone, false));
    backups
}

/// A start of what is not synchronized, then a backup of what is.
fn run(projection: &mut Projection, volumes: &[VolumeId], together: bool) -> Vec<NightBackup> {
    let mut reports: Vec<Report> = volumes.iter().map(|&volume| Report::new(volume)).collect();
    let wanted: Vec<VolumeId> = volumes.iter().copied().filter(|id| !projection.is_synchronized(*id)).collect();
    if !wanted.is_empty() {
        let start = Action::Start { volumes: wanted, targets: Vec::new(), together };
        one_plan(projection, start, &mut reports, true);
    }
    let ready = reports.iter().filter(|report| report.refused.is_none()).map(|report| report.volume);
    let ready: Vec<VolumeId> = if together && reports.iter().any(|report| report.refused.is_some()) {
        // All of the set, or nothing.
        Vec::new()
    } else {
        ready.collect()
    };
    if !ready.is_empty() {
        one_plan(projection, Action::Backup { volumes: ready, mode: None, together }, &mut reports, false);
    }
    let of_set = reports.iter().find_map(|report| report.refused.clone());
    reports.into_iter().filter_map(|report| report.finish(of_set.as_ref().filter(|_| together))).collect()
}

/// Plans one request and does what of it is planned.
fn one_plan(projection: &mut Projection, action: Action, reports: &mut [Report], at_start: bool) {
    let request = Request::new(action);
    let volumes = request.action.volumes();
    match plan(projection.snapshot(), &request) {
        Err(refusal) => {
            let also = refusal.also.clone();
            let named: BTreeSet<VolumeId> = also.iter().filter_map(|other| other.volume).collect();
            for report in reports.iter_mut().filter(|report| volumes.contains(&report.volume)) {
                if !named.contains(&report.volume) {
                    report.refuse(&refusal, at_start);
                }
            }
            refuse_each(reports, &also, at_start);
        }
        Ok(planned) => {
            refuse_each(reports, planned.refused(), at_start);
            do_items(projection, &planned, reports, at_start);
        }
    }
}

fn refuse_each(reports: &mut [Report], refusals: &[Refusal], at_start: bool) {
    for refusal in refusals {
        let about = |report: &&mut Report| Some(report.volume) == refusal.volume;
        if let Some(report) = reports.iter_mut().find(about) {
            report.refuse(refusal, at_start);
        }
    }
}

fn do_items(projection: &mut Projection, planned: &Plan, reports: &mut [Report], at_start: bool) {
    for item in planned.items() {
        let done = projection.apply(item);
        for report in reports.iter_mut().filter(|report| item.claims.contains(&report.volume)) {
            report.take_in(item);
            match &done {
                Err(not_kept) => report.refused = Some((not_kept.code, not_kept.why.clone(), at_start)),
                Ok(outcome) => {
                    let own = outcome.released.iter().filter(|(volume, _)| *volume == report.volume);
                    report.released.extend(own.map(|(_, release)| *release));
                    let new = outcome.recorded.iter().find(|(volume, ..)| *volume == report.volume);
                    report.kept = new.map(|(_, version, on)| (*version, *on)).or(report.kept);
                }
            }
        }
    }
    projection.refresh();
}

/// What is gathered of a volume in one night.
struct Report {
    volume: VolumeId,
    copy: NightCopy,
    kept: Option<(Version, VolumeId)>,
    released: Vec<NightRelease>,
    notices: Vec<Notice>,
    refused: Option<(Code, String, bool)>,
}

impl Report {
    fn new(volume: VolumeId) -> Self {
        let (released, notices) = (Vec::new(), Vec::new());
        Self { volume, copy: NightCopy::Running, kept: None, released, notices, refused: None }
    }

    fn refuse(&mut self, refusal: &Refusal, at_start: bool) {
        self.refused = Some((refusal.code, refusal.reason.clone(), at_start));
    }

    fn take_in(&mut self, item: &PlanItem) {
        self.notices.extend(item.notices.iter().cloned());
        for step in &item.steps {
            match step {
                PlanStep::StartFull(start) if start.pair.source == self.volume => self.copy = NightCopy::Full,
                PlanStep::Resume(resume) if resume.pair.source == self.volume => self.copy = NightCopy::Differential,
                _ => {}
            }
        }
    }

    /// `of_set`: why another volume of its set is refused, which ends the backup of all of them.
    fn finish(self, of_set: Option<&(Code, String, bool)>) -> Option<NightBackup> {
        let refused = self.refused.as_ref().or(of_set);
        let end = match (refused, self.kept) {
            (Some((code, reason, at_start)), _) => {
                NightEnd::Refused { code: *code, reason: reason.clone(), at_start: *at_start }
            }
            (None, Some((version, backup_volume))) => {
                NightEnd::Kept { version, backup_volume, copy: self.copy, released: self.released }
            }
            (None, None) => return None,
        };
        Some(NightBackup { volume: self.volume, end, notices: self.notices })
    }
}
