//! Whether the group of a backup volume stays as active as it was when its session began.
//!
//! While a copy runs, the host must not change the activation of the backup volume's group: once deactivated it cannot be
//! activated again, and nothing on the host works until the session is stopped by force on the array. Only a change to
//! *inactive* counts. What is not known is never inactive.

use super::host_report::{Activation, KernelGroups};
use super::lvm_text::LvmName;
use super::units::Timestamp;
use super::untrusted::Untrusted;
use super::volume_group::BackupGroup;
use serde::{Deserialize, Serialize};

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
}
