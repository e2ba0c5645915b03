//! What stands around a restore and is no step of it: what people do by hand, what is lost, and what the next job does.

use super::rotation::{self, Rotation};
use super::rules::plan;
use super::{PlanItem, PlanStep};
use crate::model::due::{first_night, is_due, pools_shared_with, taking_part};
use crate::model::duration::people;
use crate::model::identity::VolumeId;
use crate::model::request::{Action, Request};
use crate::model::snapshot::Snapshot;
use crate::model::step::{BeginRestoreStep, HookPhase};
use crate::model::units::{Timestamp, Version, count};

/// Everything of a restore that its steps do not say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AroundRestore {
    /// By hand, before it runs.
    pub before: Vec<String>,
    /// By hand, when it has ended.
    pub after: Vec<String>,
    /// What is on each target now and goes, in the order of the steps.
    pub lost: Vec<Lost>,
    /// What the next job does to each target that is a transaction volume with a policy.
    pub next_jobs: Vec<NextJob>,
}

/// What a target has lost after a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Since when what was written goes; `None`: all that is on the target.
    pub since: Option<Timestamp>,
    target: String,
    volume: String,
    version: Version,
    age: String,
    /// The generation and the backup volume that keep the present state first.
    kept: Option<(Version, String)>,
    /// Generations that are newer than the restored one.
    newer: usize,
}

/// The next job of a volume, as its intervals say: ecdeck itself starts none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextJob {
    pub at: Timestamp,
    pub text: String,
}

impl Lost {
    /// One sentence. `since`: the moment as the reader's clock shows it.
    pub fn sentence(&self, since: &str) -> String {
        let Self { target, volume, version, age, .. } = self;
        let fate = match &self.kept {
            Some((kept, place)) => format!("; it is kept first, as {kept} on {place}"),
            None => ", and is lost".to_owned(),
        };
        if self.since.is_none() {
            return if target == volume {
                format!("What is on {target} now is only partly restored: nothing of it is worth keeping.")
            } else {
                format!("Nothing of {volume} is lost. All that is on {target} now is overwritten{fate}.")
            };
        }
        let newer = match self.newer {
            0 => String::new(),
            newer => format!(" {} newer, and stay.", count(newer, "generation is", "generations are")),
        };
        format!("What was written to {target} since {since}, {age} ago, is not in {version}{fate}.{newer}")
    }
}

impl AroundRestore {
    pub fn of(snapshot: &Snapshot, item: &PlanItem) -> Self {
        let mut around = Self::default();
        let begun = item.steps.iter().filter_map(|step| match step {
            PlanStep::BeginRestore(begin) => Some(begin),
            _ => None,
        });
        let begun: Vec<&BeginRestoreStep> = begun.collect();
        if begun.is_empty() {
            return around;
        }
        let scripts = |wanted: HookPhase| {
            item.steps
                .iter()
                .any(|step| matches!(step, PlanStep::Hook(hook) if hook.hook.is_some() && hook.phase == wanted))
        };
        let targets: Vec<VolumeId> = begun.iter().map(|begin| begin.pair.target).collect();
        let labels: Vec<String> = targets.iter().map(|target| snapshot.label(*target)).collect();
        let labels = labels.join(", ");
        let unless = if scripts(HookPhase::BeforeRestore) { ", unless a script below does" } else { "" };
        around.before.push(format!("unmount {labels} on every host{unless}"));
        for target in &targets {
            let group = snapshot.transaction_volume(*target).and_then(|view| view.volume.group.as_ref());
            if let Some(group) = group {
                around.before.push(format!("deactivate the group {group} on {}", group.host));
                around.after.push(format!("activate the group {group} on {}", group.host));
            }
        }
        let unless = if scripts(HookPhase::AfterRestore) { ", unless a script above did" } else { "" };
        around.after.push(format!("check (fsck -n) and mount{unless}: from here on hosts may use {labels}"));
        around.lost = begun.iter().map(|begin| lost(snapshot, item, begin)).collect();
        around.next_jobs = targets.iter().filter_map(|target| next_job(snapshot, item, *target)).collect();
        around
    }
}

/// The generation that keeps the present state of a volume first, with its backup volume.
fn kept_first(snapshot: &Snapshot, item: &PlanItem, target: VolumeId) -> Option<(Version, VolumeId)> {
    let next = snapshot.transaction_volume(target)?.volume.next_version;
    item.steps.iter().find_map(|step| match step {
        PlanStep::KeepPresentState(keep) if keep.pair.source == target => Some((next, keep.pair.target)),
        _ => None,
    })
}

fn lost(snapshot: &Snapshot, item: &PlanItem, begin: &BeginRestoreStep) -> Lost {
    let (volume, version, target) = (begin.transaction_volume, begin.version, begin.pair.target);
    let generations = snapshot.generations_of(volume);
    let generation = generations.iter().find(|kept| kept.version == version);
    let is_partly = snapshot.restores_to(target).next().is_some();
    let since = generation.map(|kept| kept.taken_at).filter(|_| target == volume && !is_partly);
    Lost {
        since,
        target: snapshot.label(target),
        volume: snapshot.label(volume),
        version,
        age: people(snapshot.taken_at.since(since.unwrap_or(snapshot.taken_at)).max(0)),
        kept: kept_first(snapshot, item, target).map(|(kept, place)| (kept, snapshot.label(place))),
        newer: generations.iter().filter(|kept| kept.version > version && !kept.is_before_restore()).count(),
    }
}

/// The next job, planned by the planner itself on the site as it is now. What changes by the restore is only how much is
/// copied: everything.
fn next_job(snapshot: &Snapshot, item: &PlanItem, target: VolumeId) -> Option<NextJob> {
    let view = snapshot.transaction_volume(target)?;
    let policy = view.volume.policy?;
    let label = snapshot.label(target);
    let volumes = taking_part(snapshot, &pools_shared_with(snapshot, Some(snapshot.pool_key(view))));
    let at = first_night(snapshot, &volumes);
    if !is_due(snapshot, target, at) {
        return Some(NextJob { at, text: format!("{label} is not due then, and stays as it was restored") });
    }
    let start = Request::new(Action::Start { volumes: vec![target], targets: Vec::new(), together: false });
    let copied_to = match plan(snapshot, &start) {
        Ok(planned) => planned.items().iter().flat_map(|item| &item.steps).find_map(|step| match step {
            PlanStep::StartFull(start) => Some(start.pair.target),
            PlanStep::Resume(resume) => Some(resume.pair.target),
            _ => None,
        }),
        Err(refusal) => return Some(NextJob { at, text: format!("no backup of {label}: {}", refusal.reason) }),
    }?;
    let kept = kept_first(snapshot, item, target);
    let next = Version(view.volume.next_version.0 + u64::from(kept.is_some()));
    let retention = Rotation::of_backup(snapshot, target, policy).routine();
    let released: Vec<Version> = retention.released.iter().map(|generation| generation.version).collect();
    let released = match &released[..] {
        [] => String::new(),
        some => format!(", and releases {}", rotation::versions(some)),
    };
    let (blocks, place) = (view.volume.blocks, snapshot.label(copied_to));
    let text = format!("copies all {blocks} of {label} to {place}, records the restored state as {next}{released}");
    Some(NextJob { at, text })
}
