//! Whether the group of a backup volume stays as active as it was when its session began.
//!
//! While a copy runs, the host must not change the activation of the backup volume's group: once deactivated it cannot be
//! activated again, and nothing on the host works until the session is stopped by force on the array. Only a change to
//! *inactive* counts. What is not known is never inactive.

use super::codes::Code;
use super::host_report::Activation;
use super::identity::VolumeId;
use super::lvm_text::LvmName;
use super::snapshot::{BackupVolumeView, Problem, Snapshot};
use super::units::Timestamp;
use super::untrusted::Untrusted;
use super::volume_group::BackupGroup;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which volume groups the kernel of a host has devices of. This does not depend on what LVM can read on the disks, so it is
/// known of a group whose disk a copy has overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KernelGroups {
    /// The identities of the active groups, without dashes.
    Read(BTreeSet<String>),
    /// The kernel has no device-mapper. Activation is unknown, and no group can be active.
    NoDeviceMapper,
    /// One sentence.
    Unread(Untrusted),
}

impl Default for KernelGroups {
    fn default() -> Self {
        Self::Unread(Untrusted::from("it has not been read yet"))
    }
}

impl KernelGroups {
    /// Of one group, by its identity.
    pub fn activation(&self, uuid: &LvmName) -> Activation {
        match self {
            Self::Read(active) if active.contains(&uuid.as_str().replace('-', "")) => Activation::Active,
            Self::Read(_) => Activation::Inactive,
            Self::NoDeviceMapper | Self::Unread(_) => Activation::Unknown,
        }
    }
}

/// What is kept of the group of a backup volume while a session onto it lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupWatch {
    /// The group's own identity.
    pub group: LvmName,
    /// Active or inactive, never unknown.
    pub at_start: Activation,
    /// When it was first seen inactive although it had been active. It stays until the session ends: activating the group
    /// again does not repair what the host has lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deactivated: Option<Timestamp>,
}

impl GroupWatch {
    /// The watch after a reading; `None`: nothing changes.
    pub fn next(known: Option<&Self>, group: &LvmName, now: Activation, at: Timestamp) -> Option<Self> {
        match known.filter(|watch| watch.group == *group) {
            _ if now == Activation::Unknown => None,
            None => Some(Self { group: group.clone(), at_start: now, deactivated: None }),
            Some(watch) if watch.is_lost(now) && watch.deactivated.is_none() => {
                Some(Self { deactivated: Some(at), ..watch.clone() })
            }
            Some(_) => None,
        }
    }

    fn is_lost(&self, now: Activation) -> bool {
        self.at_start == Activation::Active && now == Activation::Inactive
    }
}

/// The group of a backup volume that a session of ours is onto.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupStateView {
    pub now: Activation,
    /// `None`: it was never read since the session began.
    pub at_start: Option<Activation>,
    /// The group was active when its session began, and was seen inactive since.
    pub deactivated: Option<Timestamp>,
    /// Why `now` is unknown.
    pub why_unknown: Option<Untrusted>,
    /// No group can be active on the host: it is not known, and it cannot have been deactivated.
    pub never_active: bool,
}

impl GroupStateView {
    /// What is known of a group: by the kernel of its host, and by what was kept.
    pub fn of(group: &BackupGroup, kernel: Option<&KernelGroups>, watch: Option<&GroupWatch>, at: Timestamp) -> Self {
        let unread = KernelGroups::default();
        let kernel = kernel.unwrap_or(&unread);
        let uuid = &group.identity.uuid;
        let watch = watch.filter(|watch| watch.group == *uuid);
        let now = kernel.activation(uuid);
        // Seen now, and not in the catalogue yet.
        let fresh = GroupWatch::next(watch, uuid, now, at);
        let deactivated = fresh.as_ref().or(watch).and_then(|watch| watch.deactivated);
        let at_start = watch.map(|watch| watch.at_start);
        let why_unknown = match kernel {
            KernelGroups::Read(_) => None,
            KernelGroups::NoDeviceMapper => Some(Untrusted::from("the kernel has no device-mapper")),
            KernelGroups::Unread(why) => Some(why.clone()),
        };
        let never_active = *kernel == KernelGroups::NoDeviceMapper && at_start != Some(Activation::Active);
        Self { now, at_start, deactivated, why_unknown, never_active }
    }

    /// One word for people and scripts.
    pub fn word(&self) -> &'static str {
        if self.deactivated.is_some() { "deactivated" } else { self.now.word() }
    }
}

/// Why nothing may be done on the host with the group of this backup volume; `None`: it may.
pub fn refuses(view: &BackupVolumeView) -> Option<(Code, String)> {
    let (group, state) = (view.volume.group.as_deref()?, view.group_state.as_deref()?);
    if state.deactivated.is_some() {
        return Some((Code::GROUP_DEACTIVATED, deactivated(group)));
    }
    if state.now == Activation::Unknown && !state.never_active {
        let why = state.why_unknown.as_ref().map_or_else(String::new, |why| format!(": {}", why.escaped()));
        let text = format!("whether the volume group {group} is still active is not known{why}");
        return Some((Code::GROUP_ACTIVATION_UNKNOWN, text));
    }
    None
}

fn deactivated(group: &BackupGroup) -> String {
    format!(
        "the volume group {group} was deactivated while its volume is synchronized: it cannot be activated again, and \
         nothing that needs the host works"
    )
}

/// The red row's reason.
pub fn problem(group: &BackupGroup, state: &GroupStateView) -> Option<Problem> {
    let since = Some(state.deactivated?);
    Some(Problem { code: Code::GROUP_DEACTIVATED, text: deactivated(group), array_error: None, since })
}

/// The way out of a deactivated group, as lines to type, in this order. `None`: this backup volume has no such trouble.
pub fn way_out(snapshot: &Snapshot, backup_volume: VolumeId) -> Option<Vec<String>> {
    let view = snapshot.backup_volume(backup_volume)?;
    let group = view.volume.group.as_deref()?;
    view.group_state.as_deref()?.deactivated?;
    let (name, target) = (snapshot.label(view.transaction_volume?), snapshot.location(backup_volume));
    Some(vec![
        format!("ecdeck sync force-stop {name} --volume {target}"),
        format!("vgchange -ay {}    # on {}", group.identity.name.as_str(), group.host),
        format!("ecdeck sync start {name} --map MAP"),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use Activation::{Active, Inactive, Unknown};

    fn group() -> LvmName {
        "Uhd7vg-tdr5-XOZV-QRCi-cwuK-0Ffb-mJ4xfL".parse().unwrap()
    }

    fn watch(at_start: Activation) -> GroupWatch {
        GroupWatch { group: group(), at_start, deactivated: None }
    }

    #[test]
    fn only_a_change_from_active_to_inactive_is_kept() {
        let at = Timestamp(7);
        let next = |at_start, now| GroupWatch::next(Some(&watch(at_start)), &group(), now, at);
        assert_eq!(next(Active, Inactive).unwrap().deactivated, Some(at));
        for (at_start, now) in
            [(Active, Active), (Active, Unknown), (Inactive, Inactive), (Inactive, Active), (Inactive, Unknown)]
        {
            assert_eq!(next(at_start, now), None, "{at_start:?} {now:?}");
        }
        // The first known state is the one at the start.
        assert_eq!(GroupWatch::next(None, &group(), Unknown, at), None);
        assert_eq!(GroupWatch::next(None, &group(), Inactive, at), Some(watch(Inactive)));
        // Once it was lost it stays so, whatever is read, and the first time is kept.
        let lost = GroupWatch { deactivated: Some(Timestamp(1)), ..watch(Active) };
        for now in [Active, Inactive, Unknown] {
            assert_eq!(GroupWatch::next(Some(&lost), &group(), now, at), None);
        }
        // Another group on the volume is another watch.
        let other: LvmName = "other".parse().unwrap();
        assert_eq!(GroupWatch::next(Some(&lost), &other, Active, at).unwrap().at_start, Active);
    }

    #[test]
    fn a_kernel_is_asked_by_the_identity_of_the_group() {
        let active = KernelGroups::Read(BTreeSet::from(["Uhd7vgtdr5XOZVQRCicwuK0FfbmJ4xfL".to_owned()]));
        assert_eq!(active.activation(&group()), Active);
        assert_eq!(KernelGroups::Read(BTreeSet::new()).activation(&group()), Inactive);
        for unknown in [KernelGroups::NoDeviceMapper, KernelGroups::default()] {
            assert_eq!(unknown.activation(&group()), Unknown);
        }
    }
}
