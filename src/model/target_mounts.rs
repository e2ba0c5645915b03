//! Whether a host has a volume mounted, by the report of its own tools: what a restore must know of its target.

use super::host_report::{HostDisk, HostPart, HostReport, KernelGroups, VolumeGroup, Wwid};
use super::identity::{BoxId, VolumeId};
use super::units::Blocks;
use super::untrusted::Untrusted;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The digits of a WWID that are the same for all volumes of an array.
const OF_ARRAY: usize = 24;

/// The volume that is looked for, and what is known of the disks of its site.
#[derive(Debug, Clone)]
pub struct MountTarget {
    pub id: VolumeId,
    pub blocks: Blocks,
    /// Its disk, where it is registered as a volume group.
    pub disk: Option<Wwid>,
    /// The disks that are registered, each with its volume.
    pub registered: Arc<BTreeMap<Wwid, VolumeId>>,
}

/// How a host has the volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountState {
    Unmounted,
    /// Mount points.
    Mounted(BTreeSet<Untrusted>),
    /// One sentence; escaped.
    Unknown(String),
}

/// A disk of a host that is the volume, or may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenDisk {
    pub device: Untrusted,
    /// Else only its number and size are those of the volume.
    pub is_certain: bool,
    pub state: MountState,
}

impl MountTarget {
    /// Whether a disk is the volume; `None`: surely not, or nothing says so.
    fn is(&self, disk: &HostDisk) -> Option<bool> {
        let wwid = disk.wwid.as_ref()?;
        if let Some(own) = &self.disk {
            return (own == wwid).then_some(true);
        }
        if let Some(volume) = self.registered.get(wwid) {
            return (*volume == self.id).then_some(true);
        }
        if wwid.volume_number() != Some(self.id.olu.0) || disk.blocks() != Some(self.blocks) {
            return None;
        }
        match self.array_of(wwid) {
            Some(box_id) => (box_id == self.id.box_id).then_some(true),
            None => Some(false),
        }
    }

    /// The array that a WWID is of, as the registered disks show it.
    fn array_of(&self, wwid: &Wwid) -> Option<BoxId> {
        let array = |wwid: &Wwid| wwid.volume_number().and_then(|_| wwid.as_str().get(..OF_ARRAY).map(str::to_owned));
        let wanted = array(wwid)?;
        let same = self.registered.iter().find(|(known, _)| array(known).as_ref() == Some(&wanted));
        same.map(|(_, volume)| volume.box_id)
    }

    /// The disks of a host that are the volume, or may be. `None`: its disks could not be read.
    pub fn on(&self, report: &HostReport) -> Option<Vec<SeenDisk>> {
        let seen = |disk: &HostDisk| {
            let is_certain = self.is(disk)?;
            Some(SeenDisk { device: disk.device.clone(), is_certain, state: state(disk, report) })
        };
        Some(report.disks.as_ref()?.iter().filter_map(seen).collect())
    }
}

fn state(disk: &HostDisk, report: &HostReport) -> MountState {
    let unknown = |part: HostPart| {
        let why = report.why_unknown(part).map_or_else(|| "they were not read".to_owned(), Untrusted::escaped);
        MountState::Unknown(format!("its {} are unknown: {why}", part.word()))
    };
    let Some(mounts) = &report.mounts else { return unknown(HostPart::Mounts) };
    let mut at: BTreeSet<Untrusted> = BTreeSet::new();
    let devices: Vec<&str> = std::iter::once(&disk.device).chain(&disk.paths).map(Untrusted::raw).collect();
    for mount in mounts {
        let source = mount.source.raw().split('[').next().unwrap_or_default();
        if devices.iter().any(|device| is_of(source, device)) {
            at.insert(mount.target.clone());
        }
    }
    // Without a device-mapper no logical volume has a device.
    if report.kernel != KernelGroups::NoDeviceMapper {
        let mapped = mounts.iter().any(|mount| mount.source.raw().starts_with("/dev/mapper/"));
        match &report.groups {
            None if mapped => return unknown(HostPart::Groups),
            None => {}
            Some(groups) => {
                for group in groups {
                    match on_disk(group, disk) {
                        Some(false) => {}
                        Some(true) => match mounts_of(group) {
                            Some(mounts) => at.extend(mounts),
                            None => return unknown(HostPart::Activation),
                        },
                        // It may be on this disk: that matters only where it is mounted.
                        None if mounts_of(group).is_some_and(|mounts| mounts.is_empty()) => {}
                        None => return unknown(HostPart::Groups),
                    }
                }
            }
        }
    }
    if at.is_empty() { MountState::Unmounted } else { MountState::Mounted(at) }
}

/// The device itself, or a partition of it.
fn is_of(source: &str, device: &str) -> bool {
    let Some(rest) = source.strip_prefix(device) else { return false };
    let rest = rest.strip_prefix("-part").or_else(|| rest.strip_prefix('p')).unwrap_or(rest);
    source == device || (!rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether a group lies on a disk; `None` where that is not known of one of its physical volumes.
fn on_disk(group: &VolumeGroup, disk: &HostDisk) -> Option<bool> {
    let lies = |disks: &Option<Vec<Untrusted>>| Some(disks.as_ref()?.contains(&disk.device));
    let all: Vec<Option<bool>> = group.physical_volumes.iter().map(|physical| lies(&physical.disks)).collect();
    if all.contains(&Some(true)) {
        Some(true)
    } else if all.contains(&None) {
        None
    } else {
        Some(false)
    }
}

fn mounts_of(group: &VolumeGroup) -> Option<BTreeSet<Untrusted>> {
    let mut at = BTreeSet::new();
    for logical in &group.logical_volumes {
        at.extend(logical.mounts.as_ref()?.iter().cloned());
    }
    Some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::host_report::{Activation, HostMount, LogicalVolume, PhysicalVolume};

    const WWID: &str = "600000e00d2a0000002a011500140000";
    const BOX: &str = "00ETERNUSDXL##ET08E21A####LN4310901078##";
    const OTHER_BOX: &str = "00ETERNUSDXM##ET092DC#####LN4610901099##";

    fn target() -> MountTarget {
        let id = format!("{BOX}/0x14").parse().unwrap();
        MountTarget { id, blocks: Blocks::from_mib(96), disk: None, registered: Arc::default() }
    }

    fn report(source: &str) -> HostReport {
        let disk = HostDisk {
            device: "/dev/mapper/mpatha".into(),
            paths: vec!["/dev/sda".into()],
            wwid: Some(WWID.parse().unwrap()),
            serial: None,
            vendor: None,
            model: None,
            bytes: 96 << 20,
        };
        let mount = HostMount {
            target: "/db".into(),
            source: source.into(),
            filesystem: "ext4".into(),
            device_number: "8:1".into(),
        };
        HostReport {
            disks: Some(vec![disk]),
            groups: Some(Vec::new()),
            mounts: Some(vec![mount]),
            kernel: KernelGroups::Read(BTreeSet::new()),
            ..HostReport::default()
        }
    }

    fn only(target: &MountTarget, report: &HostReport) -> SeenDisk {
        let seen = target.on(report).unwrap();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.into_iter().next().unwrap()
    }

    #[test]
    fn the_disk_its_paths_and_their_partitions_are_mounts_of_it() {
        for source in
            ["/dev/mapper/mpatha", "/dev/mapper/mpatha1", "/dev/mapper/mpatha-part1", "/dev/sda2", "/dev/sda[/x]"]
        {
            let state = only(&target(), &report(source)).state;
            assert_eq!(state, MountState::Mounted(BTreeSet::from(["/db".into()])), "{source}");
        }
        for source in ["/dev/sdaa", "/dev/sdb1", "/dev/mapper/mpathab", "/dev/mapper/vg-lv"] {
            assert_eq!(only(&target(), &report(source)).state, MountState::Unmounted, "{source}");
        }
    }

    #[test]
    fn a_logical_volume_on_the_disk_is_a_mount_of_it() {
        let mut report = report("/dev/vda1");
        let group = |disks: Option<Vec<Untrusted>>, mounts: Option<Vec<Untrusted>>| VolumeGroup {
            name: "vg".into(),
            uuid: "u".into(),
            exported: false,
            partial: false,
            physical_volumes: vec![PhysicalVolume {
                device: "/dev/sda".into(),
                uuid: "p".into(),
                missing: false,
                disks,
                whole_disk: true,
            }],
            logical_volumes: vec![LogicalVolume {
                name: "lv".into(),
                uuid: "l".into(),
                bytes: 1,
                activation: Activation::Active,
                mounts,
            }],
        };
        let here = || Some(vec![Untrusted::from("/dev/mapper/mpatha")]);
        report.groups = Some(vec![group(here(), Some(vec!["/srv".into()]))]);
        assert_eq!(only(&target(), &report).state, MountState::Mounted(BTreeSet::from(["/srv".into()])));
        report.groups = Some(vec![group(here(), Some(Vec::new()))]);
        assert_eq!(only(&target(), &report).state, MountState::Unmounted);
        for unknown in [group(here(), None), group(None, None), group(None, Some(vec!["/srv".into()]))] {
            report.groups = Some(vec![unknown]);
            assert!(matches!(only(&target(), &report).state, MountState::Unknown(_)), "{report:?}");
        }
        report.kernel = KernelGroups::NoDeviceMapper;
        assert_eq!(only(&target(), &report).state, MountState::Unmounted, "no logical volume has a device there");
    }

    #[test]
    fn mounts_that_were_not_read_are_not_none() {
        let mut report = report("/dev/vda1");
        report.mounts = None;
        assert!(matches!(only(&target(), &report).state, MountState::Unknown(_)));
        report.disks = None;
        assert_eq!(target().on(&report), None);
    }

    #[test]
    fn number_and_size_alone_are_perhaps_the_volume_and_a_known_array_settles_it() {
        let report = report("/dev/vda1");
        assert!(!only(&target(), &report).is_certain);
        let near: Wwid = "600000e00d2a0000002a011500200000".parse().unwrap();
        for (known, expected) in [(BOX, vec![true]), (OTHER_BOX, vec![])] {
            let id: VolumeId = format!("{known}/0x20").parse().unwrap();
            let target = MountTarget { registered: BTreeMap::from([(near.clone(), id)]).into(), ..target() };
            let seen: Vec<bool> = target.on(&report).unwrap().iter().map(|seen| seen.is_certain).collect();
            assert_eq!(seen, expected, "{known}");
        }
        let other = MountTarget { disk: Some(near), ..target() };
        assert_eq!(other.on(&report), Some(Vec::new()), "its own disk is another one");
        let small = MountTarget { blocks: Blocks::from_mib(95), ..target() };
        assert_eq!(small.on(&report), Some(Vec::new()));
    }
}
