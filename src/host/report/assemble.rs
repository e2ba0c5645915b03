//! One report out of what the tools printed.

use super::device_mapper::{Mapped, is_absent};
use super::lsblk::{Device, Devices};
use super::lvm::Group;
use super::{Printed, lvm, mounts};
use crate::model::host_report::KernelGroups;
use crate::model::host_report::{
    Activation, HostDisk, HostMount, HostPart, HostReport, LogicalVolume, PhysicalVolume, UnknownPart, VolumeGroup,
};
use crate::model::untrusted::Untrusted;
use std::collections::{BTreeMap, BTreeSet};

/// What each tool printed.
pub struct AllPrinted {
    pub lsblk: Printed,
    pub groups: Printed,
    pub duplicates: Printed,
    pub device_mapper: Printed,
    pub mounts: Printed,
    /// `/proc/devices`, where `dmsetup` failed.
    pub kernel_devices: Option<Printed>,
}

/// Which groups are active; a kernel that surely has no device-mapper has none that could be.
pub fn kernel_groups(device_mapper: &Printed, kernel_devices: Option<&Printed>) -> KernelGroups {
    let mapped = device_mapper.as_ref().map_err(Clone::clone).and_then(|printed| Mapped::read(printed));
    match (mapped, kernel_devices) {
        (Ok(mapped), _) => KernelGroups::Read(mapped.groups().clone()),
        (Err(_), Some(Ok(devices))) if is_absent(devices) => KernelGroups::NoDeviceMapper,
        (Err(why), _) => KernelGroups::Unread(Untrusted::new(why)),
    }
}

/// Joins everything. What one tool did not give makes that part unknown, and what depends on it.
pub fn report(printed: &AllPrinted) -> HostReport {
    let mut unknown = Vec::new();
    let devices = read(&printed.lsblk, Devices::read, HostPart::Disks, &mut unknown);
    let groups = read(&printed.groups, lvm::groups, HostPart::Groups, &mut unknown);
    let duplicates = read(&printed.duplicates, lvm::duplicates, HostPart::Duplicates, &mut unknown);
    let mapped = read(&printed.device_mapper, Mapped::read, HostPart::Activation, &mut unknown);
    let mounts = read(&printed.mounts, mounts::mounts, HostPart::Mounts, &mut unknown);
    let disks = devices.as_ref().map(disks);
    let join =
        Join { devices: devices.as_ref(), disks: disks.as_deref(), mapped: mapped.as_ref(), mounts: mounts.as_deref() };
    let groups = groups.map(|groups| groups.into_iter().map(|group| join.group(group)).collect());
    let disks = disks.map(|disks| disks.into_iter().map(|found| found.disk).collect());
    let kernel = kernel_groups(&printed.device_mapper, printed.kernel_devices.as_ref());
    HostReport { disks, groups, duplicates, mounts, unknown, kernel }
}

fn read<T>(
    printed: &Printed,
    reader: impl FnOnce(&[u8]) -> Result<T, String>,
    what: HostPart,
    unknown: &mut Vec<UnknownPart>,
) -> Option<T> {
    let read = printed.as_ref().map_err(Clone::clone).and_then(|bytes| reader(bytes));
    read.map_err(|why| unknown.push(UnknownPart { what, why: Untrusted::new(why) })).ok()
}

/// A disk, and the kernel's names of its paths.
struct FoundDisk {
    disk: HostDisk,
    roots: BTreeSet<String>,
}

/// Devices that lie on nothing are paths; those under one multipath device, or with one WWID, are one disk.
fn disks(devices: &Devices) -> Vec<FoundDisk> {
    let over: BTreeMap<&String, &Device> = devices
        .all
        .values()
        .filter(|device| device.kind == "mpath")
        .flat_map(|device| device.parents.iter().map(move |parent| (parent, device)))
        .collect();
    let mut found: Vec<FoundDisk> = Vec::new();
    for (name, path) in devices.all.iter().filter(|(_, device)| device.parents.is_empty()) {
        let multipath = over.get(name).copied();
        let device = multipath.map_or(&path.name, |device| &device.name);
        let same =
            |known: &FoundDisk| known.disk.device == *device || (path.wwid.is_some() && known.disk.wwid == path.wwid);
        if let Some(known) = found.iter_mut().find(|known| same(known)) {
            known.disk.paths.push(path.name.clone());
            known.roots.insert(name.clone());
            if let Some(multipath) = multipath {
                known.disk.device = multipath.name.clone();
            }
            if known.disk.wwid != path.wwid {
                // Two paths of one multipath device that do not agree: nobody knows what is behind it.
                known.disk.wwid = None;
            }
            continue;
        }
        let disk = HostDisk {
            device: device.clone(),
            paths: vec![path.name.clone()],
            wwid: path.wwid.clone(),
            serial: path.serial.clone(),
            vendor: path.vendor.clone(),
            model: path.model.clone(),
            bytes: multipath.map_or(path.bytes, |device| device.bytes),
        };
        found.push(FoundDisk { disk, roots: BTreeSet::from([name.clone()]) });
    }
    // Drives without a medium are no disks.
    found.retain(|found| found.disk.bytes > 0);
    found
}

struct Join<'a> {
    devices: Option<&'a Devices>,
    disks: Option<&'a [FoundDisk]>,
    mapped: Option<&'a Mapped>,
    mounts: Option<&'a [HostMount]>,
}

impl Join<'_> {
    fn group(&self, group: Group) -> VolumeGroup {
        let logical_volumes =
            group.logical.into_iter().map(|(name, uuid, bytes)| self.logical(&group.uuid, name, uuid, bytes)).collect();
        let physical_volumes = group.physical.into_iter().map(|row| self.physical(row)).collect();
        VolumeGroup {
            name: group.name,
            uuid: group.uuid,
            exported: group.exported,
            partial: group.partial,
            physical_volumes,
            logical_volumes,
        }
    }

    fn physical(&self, row: lvm::PhysicalRow) -> PhysicalVolume {
        let number = format!("{}:{}", row.pv_major.trim(), row.pv_minor.trim());
        let device = self.devices.and_then(|devices| devices.numbered(&number));
        let disks = device.zip(self.devices).zip(self.disks).and_then(|(((name, _), devices), disks)| {
            let roots = devices.roots(name);
            let on: Vec<&FoundDisk> = disks.iter().filter(|disk| !disk.roots.is_disjoint(&roots)).collect();
            let all_known =
                !roots.is_empty() && roots.iter().all(|root| on.iter().any(|disk| disk.roots.contains(root)));
            all_known.then(|| on.into_iter().map(|found| found.disk.device.clone()).collect())
        });
        PhysicalVolume {
            device: row.pv_name,
            uuid: row.pv_uuid,
            missing: !row.pv_missing.is_empty(),
            disks,
            whole_disk: device.is_some_and(|(_, device)| device.is_whole()),
        }
    }

    fn logical(&self, group: &Untrusted, name: Untrusted, uuid: Untrusted, bytes: u64) -> LogicalVolume {
        let Some(mapped) = self.mapped else {
            return LogicalVolume { name, uuid, bytes, activation: Activation::Unknown, mounts: None };
        };
        let number = mapped.number(group, &uuid);
        let activation = if number.is_some() { Activation::Active } else { Activation::Inactive };
        let mounts = match number {
            // What has no device is mounted nowhere.
            None => Some(Vec::new()),
            Some(number) => self.mounts.and_then(|mounts| self.mounts_of(number, mounts)),
        };
        LogicalVolume { name, uuid, bytes, activation, mounts }
    }

    /// By the number, or by the name of the device: some file systems have numbers of their own.
    fn mounts_of(&self, number: &str, mounts: &[HostMount]) -> Option<Vec<Untrusted>> {
        let (kernel_name, device) = self.devices?.numbered(number)?;
        let is_of = |mount: &&HostMount| {
            let source = mount.source.raw().split('[').next().unwrap_or_default();
            mount.device_number.raw().trim() == number || source == kernel_name || source == device.name.raw()
        };
        Some(mounts.iter().filter(is_of).map(|mount| mount.target.clone()).collect())
    }
}
