//! Before a restore is shown, and again before it runs, the hosts are asked whether they have its target mounted.

use super::Runner;
use super::groups::{GroupsNow, HostReading};
use crate::host::report::ReportsItself;
use crate::host::users::{self, FileSystemUser, MAX_NAMED};
use crate::model::codes::Code;
use crate::model::host_report::{HostView, Wwid};
use crate::model::identity::VolumeId;
use crate::model::plan::{HookPhase, PlanItem, PlanStep, Refusal};
use crate::model::request::{Action, Request};
use crate::model::snapshot::Snapshot;
use crate::model::target_mounts::{MountState, MountTarget, SeenDisk};
use crate::model::units::listed;
use crate::model::untrusted::{Untrusted, escaped};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Mount points and processes that a sentence names at most.
const NAMED: usize = 4;

impl Runner {
    /// What the hosts say of the targets of a restore: one that is mounted, or of which that is not known, is refused.
    pub(super) async fn check_targets(&self, request: &Request, reading: HostReading, now: &mut GroupsNow) {
        if !matches!(request.action, Action::Restore { .. } | Action::RestoreSet { .. }) {
            return;
        }
        // A look asks nobody.
        if reading == HostReading::Recent || self.hosts.names().next().is_none() {
            return;
        }
        let (snapshot, Ok(plan)) = self.core.plan(request) else { return };
        let registered = registered(&snapshot);
        let targets: Vec<(VolumeId, MountTarget, bool)> =
            plan.items().iter().flat_map(|item| targets(&snapshot, &registered, item)).collect();
        if targets.is_empty() {
            return;
        }
        let views = self.hosts.views(None).await;
        for (item, target, by_script) in &targets {
            self.check_target(&snapshot, &views, (*item, target, *by_script), now).await;
        }
    }

    async fn check_target(
        &self,
        snapshot: &Snapshot,
        views: &[HostView],
        (item, target, by_script): (VolumeId, &MountTarget, bool),
        now: &mut GroupsNow,
    ) {
        let label = snapshot.label(target.id);
        let (mut free, mut unread) = (Vec::new(), Vec::new());
        for view in views {
            let Some(seen) = target.on(&view.report) else {
                unread.push(view.name.to_string());
                continue;
            };
            for disk in seen {
                match &disk.state {
                    MountState::Unmounted => free.push(view.name.to_string()),
                    // The script before the restore is there to unmount it.
                    MountState::Mounted(at) if by_script => {
                        let at = listed(at.iter().map(Untrusted::escaped), NAMED);
                        let text = format!(
                            "{} has {label} mounted at {at} now: the script before the restore must unmount it",
                            view.name
                        );
                        now.note(item, Code::TARGET_MOUNTED, text);
                    }
                    MountState::Mounted(at) => {
                        let users = self.users(view, at.iter()).await;
                        let at = listed(at.iter().map(Untrusted::escaped), NAMED);
                        let reason = format!("{} has {} mounted at {at}{users}", view.name, as_seen(&label, &disk));
                        now.refuse(item, Refusal::new(Code::TARGET_MOUNTED, reason).about(item));
                    }
                    MountState::Unknown(why) => {
                        let seen = as_seen(&label, &disk);
                        let reason = format!("whether {} has {seen} mounted is not known: {why}", view.name);
                        now.refuse(item, Refusal::new(Code::MOUNT_UNKNOWN, reason).about(item));
                    }
                }
            }
        }
        if !free.is_empty() {
            free.dedup();
            let text = format!("{} sees {label} and has it mounted nowhere", listed(free, NAMED));
            now.note(item, Code::TARGET_UNMOUNTED, text);
        }
        if !unread.is_empty() {
            let text = format!("the disks of {} could not be read: look there yourself", listed(unread, NAMED));
            now.note(item, Code::MOUNT_NOT_CHECKED, text);
        }
    }

    /// Who uses the file systems, as far as that can be told: `, used by postgres (4711)`.
    async fn users(&self, view: &HostView, mounts: impl Iterator<Item = &Untrusted>) -> String {
        let Some(reporter) = self.hosts.reporter(&view.name) else { return String::new() };
        let mut all: Vec<FileSystemUser> = Vec::new();
        for mount in mounts.take(NAMED) {
            all.extend(users_of(reporter, mount.raw()).await);
        }
        all.sort_by_key(|user| user.pid);
        all.dedup_by_key(|user| user.pid);
        if all.is_empty() {
            return String::new();
        }
        let named = all.iter().map(|user| format!("{} ({})", escaped(&user.name), user.pid));
        format!(", used by {}", listed(named, MAX_NAMED))
    }
}

async fn users_of(reporter: &dyn ReportsItself, mount: &str) -> Vec<FileSystemUser> {
    if reporter.is_here() {
        let mount = mount.to_owned();
        return tokio::task::spawn_blocking(move || users::here(&mount)).await.unwrap_or_default();
    }
    let words = ["fuser", "-m", mount].map(str::to_owned).to_vec();
    let Ok(printed) = reporter.call(words, true, None).await else { return Vec::new() };
    let pids = users::printed_by_fuser(&printed);
    if pids.is_empty() {
        return Vec::new();
    }
    let pids = pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let words = ["ps", "-o", "pid=,comm=", "-p", &pids].map(str::to_owned).to_vec();
    reporter.call(words, false, None).await.map(|printed| users::printed_by_ps(&printed)).unwrap_or_default()
}

/// `DX1/0x31 (its disk /dev/sda)`.
fn as_seen(label: &str, disk: &SeenDisk) -> String {
    let device = disk.device.escaped();
    if disk.is_certain {
        format!("{label} ({device})")
    } else {
        format!("{device}, which has the number and the size of {label},")
    }
}

/// What an item overwrites by its restore, and whether a script runs there before.
fn targets(
    snapshot: &Snapshot,
    registered: &Arc<BTreeMap<Wwid, VolumeId>>,
    item: &PlanItem,
) -> Vec<(VolumeId, MountTarget, bool)> {
    let unmounts = |target: VolumeId| {
        item.steps.iter().any(|step| {
            matches!(step, PlanStep::Hook(hook) if hook.phase == HookPhase::BeforeRestore && hook.volume == target)
        })
    };
    let of = |id: VolumeId| {
        let live = snapshot.transaction_volume(id).and_then(|view| view.volume.group.as_ref());
        let pool = || snapshot.backup_volume(id).and_then(|view| view.volume.group.as_ref());
        let disk = live.map(|group| &group.disk).or_else(|| pool().map(|group| &group.disk)).cloned();
        let target = MountTarget { id, blocks: snapshot.blocks_of(id)?, disk, registered: Arc::clone(registered) };
        Some((item.volume, target, unmounts(id)))
    };
    let overwritten = item.steps.iter().filter_map(|step| match step {
        PlanStep::StartOpc(step) => Some(step.pair.target),
        _ => None,
    });
    overwritten.filter_map(of).collect()
}

/// The disks of the registered volume groups.
fn registered(snapshot: &Snapshot) -> Arc<BTreeMap<Wwid, VolumeId>> {
    let transaction = snapshot
        .transaction_volumes
        .iter()
        .filter_map(|view| Some((view.volume.id, &view.volume.group.as_ref()?.disk)));
    let backup = snapshot.pool.iter().filter_map(|view| Some((view.volume.id, &view.volume.group.as_ref()?.disk)));
    Arc::new(transaction.chain(backup).map(|(id, disk)| (disk.clone(), id)).collect())
}
