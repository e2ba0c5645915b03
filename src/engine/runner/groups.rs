//! Volume groups: before a plan is shown, and again before it runs, the hosts are asked whether each group still is the one
//! that was registered, on one disk.

use super::Runner;
use crate::engine::protocol::{Answer, PlannedAnswer};
use crate::model::codes::Code;
use crate::model::host_report::{HostReport, KernelGroups, VolumeGroup};
use crate::model::identity::{Name, VolumeId};
use crate::model::plan::{Plan, Refusal};
use crate::model::records::TransactionVolume;
use crate::model::request::{Action, Request, Verb, VolumeRole};
use crate::model::session::Pair;
use crate::model::site_change::{NewGroup, NewVolume};
use crate::model::units::Blocks;
use crate::model::volume_group::{
    BackupGroup, GroupPlace, LvmName, RegisteredGroup, Unfit, check, check_backup, contents, identify, identify_backup,
    uncovered,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a host's report may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostReading {
    /// Read now.
    Fresh,
    /// Read a moment ago for somebody, or not at all: a look reads no host.
    Recent,
}

/// What the hosts say of the groups of a request.
#[derive(Default)]
pub(super) struct GroupsNow {
    /// Volumes whose group cannot be used.
    pub refused: BTreeMap<VolumeId, Refusal>,
    /// What is in a backup of each group, or that this is not known.
    notices: Vec<(VolumeId, Code, String)>,
    /// What they say of the targets of restores.
    of_targets: Vec<(VolumeId, Code, String)>,
}

impl GroupsNow {
    /// Says something of the item of a volume.
    pub fn note(&mut self, volume: VolumeId, code: Code, text: String) {
        self.of_targets.push((volume, code, text));
    }

    /// The first refusal of a volume stands.
    pub fn refuse(&mut self, volume: VolumeId, refusal: Refusal) {
        self.refused.entry(volume).or_insert(refusal);
    }

    /// The plan with what people should know of its groups.
    pub fn noted(&self, mut plan: Plan) -> Plan {
        for (volume, code, text) in &self.notices {
            plan.notice(*volume, *code, text);
        }
        for (volume, code, _) in &self.of_targets {
            if *code != Code::MOUNT_NOT_CHECKED {
                plan.withdraw_notice(*volume, Code::MOUNT_NOT_CHECKED);
            }
        }
        for (volume, code, text) in &self.of_targets {
            plan.notice(*volume, *code, text);
        }
        plan
    }

    /// The request without the volumes that the hosts refuse; their refusal where nothing is left, or where it was for all of
    /// them together.
    pub fn what_is_left(&self, request: &Request) -> Result<Request, Refusal> {
        let Some(refusal) = Refusal::for_all(self.refused.values().cloned().collect()) else {
            return Ok(request.clone());
        };
        let is_left = |id: VolumeId| !self.refused.contains_key(&id);
        let together = matches!(
            request.action,
            Action::Start { together: true, .. }
                | Action::Backup { together: true, .. }
                | Action::RestoreSet { .. }
                | Action::RegisterAll { .. }
                | Action::ApplySite { .. }
        );
        if together || !request.action.volumes().iter().any(|id| is_left(*id)) {
            return Err(refusal);
        }
        Ok(request.only(is_left))
    }
}

/// How old a reading may be.
#[derive(Debug, Clone, Copy)]
enum Shared {
    /// Begun after it was asked for.
    Question,
    /// Made for this request a moment ago.
    Request,
}

/// Whether the host could not be asked, so that nothing is known against the group.
fn is_unread(unfit: &Unfit) -> bool {
    matches!(unfit.code, Code::GROUP_UNKNOWN | Code::GROUP_NODE_UNKNOWN)
}

fn no_such_host(host: &Name) -> Unfit {
    Unfit { code: Code::GROUP_UNKNOWN, reason: format!("no [[host]] of the configuration is called {host}") }
}

impl Runner {
    /// Reads whether the groups are active that the sessions of a request are onto, where something on their hosts depends on it.
    pub(super) async fn look_at_groups(&self, request: &Request) {
        let verb = request.action.verb();
        if !matches!(verb, Verb::Backup | Verb::PostProcess | Verb::Start | Verb::Resume | Verb::Overwrite) {
            return;
        }
        let volumes = request.action.volumes();
        let hosts = self.core.hosts_of_groups(|pair| volumes.contains(&pair.source));
        let read = hosts.iter().map(|host| async move {
            if let Some(kernel) = self.hosts.kernel_groups(host).await {
                self.core.take_kernel(host, kernel);
            }
        });
        futures_util::future::join_all(read).await;
    }

    /// The request with the identities of the groups that it names by their places: their hosts are asked. Who asks again soon
    /// is answered by the same reading.
    ///
    /// # Errors
    /// Why a group cannot be used, or its host cannot be asked.
    pub async fn identified<'a>(&self, request: &'a Request) -> Result<Cow<'a, Request>, Refusal> {
        let is_named = |new: &NewVolume| matches!(new.group, Some(NewGroup::At(_)));
        if !request.action.new_volumes().iter().any(is_named) {
            return Ok(Cow::Borrowed(request));
        }
        let (mut identified, mut refused) = (request.clone(), Vec::new());
        for new in identified.action.new_volumes_mut() {
            let Some(NewGroup::At(place)) = &new.group else { continue };
            let found = match self.hosts.reading_of(&place.host, &place.group).await {
                Some(report) if new.role == VolumeRole::Transaction => {
                    identify(place, &report).map(|group| NewGroup::Transaction(Box::new(group)))
                }
                Some(report) => identify_backup(place, &report).map(|group| NewGroup::Backup(Box::new(group))),
                None => Err(no_such_host(&place.host)),
            };
            match found {
                Ok(group) => new.group = Some(group),
                Err(unfit) => refused.push(Refusal::new(unfit.code, unfit.reason).about(new.volume)),
            }
        }
        match Refusal::for_all(refused) {
            Some(refusal) => Err(refusal),
            None => Ok(Cow::Owned(identified)),
        }
    }

    /// A plan as it is shown: what the hosts refuse is refused, and of the rest it is said what is in it.
    pub async fn with_groups(&self, request: &Request, planned: Answer, reading: HostReading) -> Answer {
        let planned = match planned {
            Answer::Planned(planned) => planned,
            // Why the whole group cannot be read says more.
            Answer::Refused { refusal } if refusal.code == Code::GROUP_ACTIVATION_UNKNOWN => {
                let now = self.groups_now(request, reading).await;
                return now
                    .what_is_left(request)
                    .map_or_else(|unread| self.heard(super::refused(unread)), |_| Answer::Refused { refusal });
            }
            other => return other,
        };
        let now = self.groups_now(request, reading).await;
        if now.refused.is_empty() {
            return self.placed(PlannedAnswer { plan: now.noted(planned.plan), ..planned }, reading).await;
        }
        let rest = match now.what_is_left(request) {
            Ok(rest) => rest,
            Err(refusal) => return self.heard(super::refused(refusal)),
        };
        let (snapshot, planned) = self.core.plan(&rest);
        match planned {
            Ok(plan) => {
                let refused = now.refused.values().cloned().collect();
                self.placed(self.planned(now.noted(plan).and_refused(refused), snapshot.sequence), reading).await
            }
            Err(refusal) => self.heard(super::declined(request, refusal)),
        }
    }

    /// A plan with the nodes that its steps run on, as they are asked now.
    async fn placed(&self, planned: PlannedAnswer, reading: HostReading) -> Answer {
        if reading == HostReading::Recent || !self.hosts.has_services() {
            return Answer::Planned(planned);
        }
        let nodes = self.nodes_of(&planned.plan).await;
        let plan = self.on_nodes(planned.plan, &nodes);
        match Refusal::for_all(plan.refused().to_vec()) {
            Some(refusal) if plan.items().is_empty() => self.heard(super::refused(refusal)),
            _ => Answer::Planned(self.planned(plan, planned.sequence)),
        }
    }

    /// Asks the hosts of the request's groups. A request without groups asks nobody.
    pub(super) async fn groups_now(&self, request: &Request, reading: HostReading) -> GroupsNow {
        let groups = self.groups_of(request);
        // Those of one host share its reading.
        let read = groups.iter().map(|(_, group, _)| async move {
            self.read_of_group(&group.place(), &group.uuid, reading, Shared::Question).await
        });
        let reports = futures_util::future::join_all(read).await;
        let mut now = GroupsNow::default();
        // Whoever takes a backup without hooks may have no host left to ask.
        let needs_no_host = request.crash_consistent && matches!(request.action, Action::Backup { .. });
        for ((volume, group, blocks), report) in groups.iter().zip(reports) {
            let checked = match report {
                Ok(None) => continue,
                Ok(Some(report)) => check(group, *blocks, volume.olu.0, &report)
                    .map(|found| (contents(group, found), self.uncovered(request, *volume, found))),
                Err(unfit) => Err(unfit),
            };
            let needs_no_host = needs_no_host && checked.as_ref().is_err_and(is_unread);
            match checked {
                Ok((contents, uncovered)) => {
                    now.notices.push((*volume, Code::GROUP_CONTENTS, contents));
                    now.notices.extend(uncovered.map(|text| (*volume, Code::NOT_COVERED, text)));
                }
                Err(unfit) if needs_no_host => {
                    let text = format!("the volume group {group} is not checked: {}", unfit.reason);
                    now.notices.push((*volume, Code::GROUP_NOT_CHECKED, text));
                }
                Err(unfit) => {
                    now.refused.insert(*volume, Refusal::new(unfit.code, unfit.reason).about(*volume));
                }
            }
        }
        self.check_backup_groups(request, reading, &mut now).await;
        self.check_targets(request, reading, &mut now).await;
        now
    }

    /// What the scripts before a backup leave out of the group, as far as their arguments tell.
    fn uncovered(&self, request: &Request, volume: VolumeId, group: &VolumeGroup) -> Option<String> {
        if request.crash_consistent || !matches!(request.action, Action::Backup { .. }) {
            return None;
        }
        let snapshot = self.core.look();
        let name = &snapshot.transaction_volume(volume)?.volume.name;
        let hooks = snapshot.site.hooks.iter().filter(|hook| hook.is_for(name));
        uncovered(group, hooks.filter_map(|hook| hook.before_backup.as_ref()))
    }

    /// What is read of a group where it is active now. `None`: nothing, because a look asks nobody.
    async fn read_of_group(
        &self,
        place: &GroupPlace,
        uuid: &LvmName,
        reading: HostReading,
        shared: Shared,
    ) -> Result<Option<Arc<HostReport>>, Unfit> {
        let host = &place.host;
        if reading == HostReading::Recent {
            return Ok(self.hosts.recent(host));
        }
        let node_unknown = |reason| Unfit { code: Code::GROUP_NODE_UNKNOWN, reason };
        let machine = self.hosts.machine_of(host, &place.to_string(), uuid).await.map_err(node_unknown)?;
        let report = match shared {
            Shared::Question => self.hosts.read(&machine).await,
            Shared::Request => self.hosts.recent_or_read(&machine).await,
        };
        let report = report.ok_or_else(|| no_such_host(host))?;
        // A session that begins now begins with this state of its group.
        let kernel = self.kernel_with(host, &report).await;
        self.core.take_kernel(host, kernel);
        Ok(Some(report))
    }

    /// Which groups are active on a host of which this was just read: of a service on all its nodes together.
    pub(super) async fn kernel_with(&self, host: &Name, report: &HostReport) -> KernelGroups {
        if self.hosts.is_service(host) {
            return self.hosts.kernel_groups(host).await.unwrap_or_default();
        }
        report.kernel.clone()
    }

    /// The groups that a request copies onto, or that it registers in the pool.
    async fn check_backup_groups(&self, request: &Request, reading: HostReading, now: &mut GroupsNow) {
        for (volume, target, group, blocks) in self.backup_groups_of(request) {
            let report = match self.read_of_group(&group.place(), &group.identity.uuid, reading, Shared::Request).await
            {
                Ok(Some(report)) => Ok(report),
                Ok(None) => continue,
                Err(unfit) => Err(unfit),
            };
            let registers = matches!(
                request.action,
                Action::RegisterBackupGroup { .. } | Action::RegisterAll { .. } | Action::ApplySite { .. }
            );
            let checked = report.and_then(|report| {
                if registers {
                    let found = identify_backup(&group.place(), &report)?;
                    if found != group {
                        let reason = format!("{group} is another volume group now");
                        return Err(Unfit { code: Code::GROUP_CHANGED, reason });
                    }
                }
                check_backup(&group, blocks, target.olu.0, &report).map(drop)
            });
            if let Err(unfit) = checked {
                let refusal = Refusal::new(unfit.code, unfit.reason).about(volume);
                now.refused.entry(volume).or_insert(refusal);
            }
        }
    }

    /// Whom a refusal is about, the backup volume, its group, and its size.
    fn backup_groups_of(&self, request: &Request) -> Vec<(VolumeId, VolumeId, BackupGroup, Blocks)> {
        match &request.action {
            Action::RegisterBackupGroup { volume, group, .. } => {
                let found = self.unregistered_blocks(*volume);
                found.map(|blocks| (*volume, *volume, (**group).clone(), blocks)).into_iter().collect()
            }
            Action::RegisterAll { .. } | Action::ApplySite { .. } => {
                let backup = request.action.new_volumes().iter().filter_map(|new| match &new.group {
                    Some(NewGroup::Backup(group)) => {
                        Some((new.volume, new.volume, (**group).clone(), self.unregistered_blocks(new.volume)?))
                    }
                    _ => None,
                });
                backup.collect()
            }
            Action::Start { .. } | Action::Resume { .. } | Action::Overwrite { .. } => {
                if self.transaction_groups(request).is_empty() {
                    return Vec::new();
                }
                let (snapshot, Ok(plan)) = self.core.plan(request) else { return Vec::new() };
                let items = plan.items().iter();
                let pairs = items.flat_map(|item| item.steps.iter().flat_map(|step| step.starts()).copied());
                let of = |pair: Pair| {
                    let volume = &snapshot.backup_volume(pair.target)?.volume;
                    Some((pair.source, pair.target, volume.group.as_deref()?.clone(), volume.blocks))
                };
                pairs.filter_map(of).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The groups whose disks a request copies, or that it registers.
    fn groups_of(&self, request: &Request) -> Vec<(VolumeId, RegisteredGroup, Blocks)> {
        match &request.action {
            Action::RegisterGroup { volume, group, .. } => {
                let found = self.unregistered_blocks(*volume);
                found.map(|blocks| (*volume, (**group).clone(), blocks)).into_iter().collect()
            }
            Action::RegisterAll { .. } | Action::ApplySite { .. } => {
                let live = request.action.new_volumes().iter().filter_map(|new| match &new.group {
                    Some(NewGroup::Transaction(group)) => {
                        Some((new.volume, (**group).clone(), self.unregistered_blocks(new.volume)?))
                    }
                    _ => None,
                });
                live.collect()
            }
            Action::Start { .. } | Action::Resume { .. } | Action::Overwrite { .. } | Action::Backup { .. } => {
                self.transaction_groups(request)
            }
            _ => Vec::new(),
        }
    }

    /// The groups among the transaction volumes of a request.
    fn transaction_groups(&self, request: &Request) -> Vec<(VolumeId, RegisteredGroup, Blocks)> {
        let of = |volume: &TransactionVolume| Some((volume.id, volume.group.as_deref()?.clone(), volume.blocks));
        self.core.with_records(|records| {
            let volumes = request.action.volumes().iter().filter_map(|id| records.transaction_volumes.get(id));
            volumes.filter_map(of).collect()
        })
    }

    /// The size of a volume that an array reports and nobody registered.
    fn unregistered_blocks(&self, id: VolumeId) -> Option<Blocks> {
        self.core.look().unregistered_volume(id).map(|volume| volume.blocks)
    }
}
