//! Volume groups as transaction volumes: which group a volume is, and whether a host's report still says so.
//!
//! A copy works on the whole disk. So a group is one physical disk, and every logical volume of it is in the backup.

use super::codes::Code;
use super::host_report::{Activation, HostDisk, HostPart, HostReport, LogicalVolume, VolumeGroup, Wwid};
use super::identity::Name;
pub use super::lvm_text::LvmName;
use super::lvm_text::{GroupIdentity, under_identity};
use super::units::Blocks;
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// `db03:vg01`: a host of the configuration and a group there. A group is never searched on other hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupPlace {
    pub host: Name,
    pub group: LvmName,
}

impl FromStr for GroupPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            |why: &str| format!("{:?} is no volume group: {why}; write HOST:VG", Untrusted::from(text).escaped());
        let (host, group) = text.split_once(':').ok_or_else(|| wrong("it has no host"))?;
        let host = host.parse().map_err(|_| wrong("the host is no name"))?;
        let group = group.parse().map_err(|_| wrong("the group is no name of LVM"))?;
        Ok(Self { host, group })
    }
}

impl fmt::Display for GroupPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.group.as_str())
    }
}

impl TryFrom<String> for GroupPlace {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<GroupPlace> for String {
    fn from(place: GroupPlace) -> Self {
        place.to_string()
    }
}

/// The volume group that a transaction volume is, by identities: whoever names it confirms that its disk is that volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredGroup {
    pub host: Name,
    pub name: LvmName,
    /// The group's own identity.
    pub uuid: LvmName,
    /// The WWID of its disk.
    pub disk: Wwid,
}

impl RegisteredGroup {
    /// Where it is.
    pub fn place(&self) -> GroupPlace {
        GroupPlace { host: self.host.clone(), group: self.name.clone() }
    }

    /// Whether a person means this group by that.
    pub fn is_at(&self, place: &GroupPlace) -> bool {
        self.host == place.host && self.name == place.group
    }
}

impl fmt::Display for RegisteredGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place().fmt(f)
    }
}

/// The volume group that a backup volume is, by identities.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BackupGroup {
    /// The host that sees it. Its identity is restored there.
    pub host: Name,
    pub identity: GroupIdentity,
    /// The WWID of its disk.
    pub disk: Wwid,
}

impl BackupGroup {
    /// Where it is.
    pub fn place(&self) -> GroupPlace {
        GroupPlace { host: self.host.clone(), group: self.identity.name.clone() }
    }

    /// Whether a person means this group by that.
    pub fn is_at(&self, place: &GroupPlace) -> bool {
        self.host == place.host && self.identity.name == place.group
    }
}

impl fmt::Display for BackupGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place().fmt(f)
    }
}

/// The text of the group on a copy, under the identity of the backup volume's group: it is kept before anything is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct GroupCopy {
    /// Whose identity the copy had.
    pub copied: GroupIdentity,
    pub identity: GroupIdentity,
    /// LVM's text with `identity`.
    pub text: String,
}

impl GroupCopy {
    /// The same logical volumes under the identity that was copied, on the disk that a restore copied them back to.
    ///
    /// # Errors
    /// One sentence, when the kept text is not understood.
    pub fn reversed(&self, device: &str) -> Result<Self, String> {
        let text = under_identity(&self.text, &self.copied, device)?;
        Ok(Self { copied: self.identity.clone(), identity: self.copied.clone(), text })
    }
}

/// Why a group cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    pub code: Code,
    pub reason: String,
}

impl Unfit {
    fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// The identities of a group as its host reports it now.
///
/// # Errors
/// When the group is not there, is not whole, has not one physical disk, or something of that is not known.
pub fn identify(place: &GroupPlace, report: &HostReport) -> Result<RegisteredGroup, Unfit> {
    let group = group_at(place, report)?;
    let disk = disk_of(group, place, report)?;
    let uuid = group.uuid.raw().parse().map_err(|why| Unfit::new(Code::GROUP_UNKNOWN, why))?;
    let wwid = disk.wwid.clone().ok_or_else(|| {
        let reason =
            format!("{} does not report the WWID of {}, the disk of {place}", place.host, disk.device.escaped());
        Unfit::new(Code::GROUP_UNKNOWN, reason)
    })?;
    Ok(RegisteredGroup { host: place.host.clone(), name: place.group.clone(), uuid, disk: wwid })
}

/// The same for the group of a backup volume.
///
/// # Errors
/// As for [`identify`].
pub fn identify_backup(place: &GroupPlace, report: &HostReport) -> Result<BackupGroup, Unfit> {
    let RegisteredGroup { host, name, uuid, disk } = identify(place, report)?;
    let physical = group_at(place, report)?.physical_volumes.first().map(|physical| physical.uuid.raw().parse());
    let physical = physical.unwrap_or_else(|| Err(format!("{place} has no physical volume")));
    let physical = physical.map_err(|why| Unfit::new(Code::GROUP_UNKNOWN, why))?;
    Ok(BackupGroup { host, identity: GroupIdentity { name, uuid, physical }, disk })
}

/// The device of a backup volume's group on its host, if a copy may be made onto it: the disk is there, has the size, and
/// nothing else has the group's name. The group itself may be gone: a copy that was not post-processed hides it.
///
/// # Errors
/// When the disk is not there, is another one, or something of that is not known.
pub fn check_backup<'a>(
    group: &BackupGroup,
    blocks: Blocks,
    number: u32,
    report: &'a HostReport,
) -> Result<&'a HostDisk, Unfit> {
    let place = group.place();
    let groups = known(report, HostPart::Groups, report.groups.as_deref(), &group.host)?;
    let disks = known(report, HostPart::Disks, report.disks.as_deref(), &group.host)?;
    let (name, uuid) = (group.identity.name.as_str(), group.identity.uuid.as_str());
    if let Some(other) = groups.iter().find(|one| one.name.raw() == name && one.uuid.raw() != uuid) {
        let reason = format!("another volume group is called {place} now: its identity is {}", other.uuid.escaped());
        return Err(Unfit::new(Code::GROUP_CHANGED, reason));
    }
    if let Some(present) = groups.iter().find(|one| one.uuid.raw() == uuid) {
        if present.name.raw() != name {
            let reason = format!("{place} is called {} now", present.name.escaped());
            return Err(Unfit::new(Code::GROUP_CHANGED, reason));
        }
        let now = identify(&place, report)?;
        if now.disk != group.disk {
            let reason = format!("{place} lies on another disk now: {} instead of {}", now.disk, group.disk);
            return Err(Unfit::new(Code::GROUP_CHANGED, reason));
        }
    }
    fits(&place, &group.disk, blocks, number, disks)
}

/// The disk of this identity, if it has the size and the number of the volume.
fn fits<'a>(
    place: &GroupPlace,
    wwid: &Wwid,
    blocks: Blocks,
    number: u32,
    disks: &'a [HostDisk],
) -> Result<&'a HostDisk, Unfit> {
    let mut found = disks.iter().filter(|disk| disk.wwid.as_ref() == Some(wwid));
    let (Some(disk), None) = (found.next(), found.next()) else {
        let reason = format!("{} does not see one disk {wwid}, that of {place}", place.host);
        return Err(Unfit::new(Code::GROUP_UNKNOWN, reason));
    };
    if disk.blocks() != Some(blocks) {
        let has = disk.blocks().map_or_else(|| "no whole number of".to_owned(), |blocks| blocks.0.to_string());
        let reason = format!("the disk of {place} has {has} blocks, the volume {}: it is another disk", blocks.0);
        return Err(Unfit::new(Code::GROUP_DISK_UNFIT, reason));
    }
    if let Some(other) = wwid.volume_number().filter(|found| *found != number) {
        let reason = format!("the WWID of the disk of {place} is that of volume 0x{other:X}, not of 0x{number:X}");
        return Err(Unfit::new(Code::GROUP_DISK_UNFIT, reason));
    }
    Ok(disk)
}

/// The one group that is called so on its host.
fn group_at<'a>(place: &GroupPlace, report: &'a HostReport) -> Result<&'a VolumeGroup, Unfit> {
    let (host, name) = (&place.host, place.group.as_str());
    let groups = known(report, HostPart::Groups, report.groups.as_deref(), host)?;
    let named: Vec<_> = groups.iter().filter(|group| group.name.raw() == name).collect();
    let reason = match named[..] {
        [group] => return Ok(group),
        [] => format!("{host} has no volume group {name}"),
        _ => format!("{host} has {} volume groups called {name}", named.len()),
    };
    Err(Unfit::new(Code::GROUP_NOT_FOUND, reason))
}

/// The group of a transaction volume as its host reports it now, if it still is the one that was registered.
///
/// # Errors
/// As for [`identify`], and when the group, its disk or the disk's size is another one.
pub fn check<'a>(
    registered: &RegisteredGroup,
    blocks: Blocks,
    number: u32,
    report: &'a HostReport,
) -> Result<&'a VolumeGroup, Unfit> {
    let place = registered.place();
    let now = identify(&place, report)?;
    if now.uuid != registered.uuid {
        let reason = format!("{place} is another volume group now: its identity is {}", now.uuid.as_str());
        return Err(Unfit::new(Code::GROUP_CHANGED, reason));
    }
    if now.disk != registered.disk {
        let reason = format!("{place} lies on another disk now: {} instead of {}", now.disk, registered.disk);
        return Err(Unfit::new(Code::GROUP_CHANGED, reason));
    }
    let disks = known(report, HostPart::Disks, report.disks.as_deref(), &place.host)?;
    fits(&place, &now.disk, blocks, number, disks)?;
    group_at(&place, report)
}

/// What a backup of the group has in it, in one sentence.
pub fn contents(registered: &RegisteredGroup, group: &VolumeGroup) -> String {
    if group.logical_volumes.is_empty() {
        return format!("{registered} has no logical volumes");
    }
    let volumes = group.logical_volumes.iter().map(|volume| {
        let size =
            Blocks::from_bytes(volume.bytes).map_or_else(|| format!("{} B", volume.bytes), |size| size.to_string());
        format!("{} ({size})", volume.name.escaped())
    });
    let volumes: Vec<String> = volumes.collect();
    format!("all logical volumes of {registered} are in the backup: {}", volumes.join(", "))
}

/// What no script before a backup names of a group that may be mounted; `None`: everything is named, or nothing is mounted.
///
/// A script names a logical volume by its mount point or its device, and all of them by the group's name or device.
pub fn uncovered<'a>(group: &VolumeGroup, scripts: impl IntoIterator<Item = &'a Vec<String>>) -> Option<String> {
    let arguments: Vec<&str> =
        scripts.into_iter().flat_map(|script| script.iter().skip(1)).map(|word| word.trim_end_matches('/')).collect();
    let named = |words: &[&str]| arguments.iter().any(|argument| words.contains(argument));
    let group_name = group.name.raw();
    if named(&[group_name, &format!("/dev/{group_name}")]) {
        return None;
    }
    let of = |volume: &LogicalVolume| {
        let name = volume.name.raw();
        // Device-mapper doubles the dashes of both names.
        let mapped = [group_name, name].map(|part| part.replace('-', "--")).join("-");
        if volume.activation == Activation::Inactive
            || named(&[&format!("/dev/{group_name}/{name}"), &format!("/dev/mapper/{mapped}")])
        {
            return None;
        }
        let Some(mounts) = &volume.mounts else {
            return Some(format!("{} (not known whether it is mounted)", volume.name.escaped()));
        };
        let is_named = |mount: &Untrusted| named(&[mount.raw().trim_end_matches('/')]);
        let left: Vec<String> = mounts.iter().filter(|mount| !is_named(mount)).map(Untrusted::escaped).collect();
        // What is unmounted at one place and stays mounted at another is still written to.
        (!left.is_empty()).then(|| format!("{} ({})", volume.name.escaped(), left.join(", ")))
    };
    let left: Vec<String> = group.logical_volumes.iter().filter_map(of).collect();
    (!left.is_empty()).then(|| format!("no script before the backup names {}", left.join(", ")))
}

/// What was read; else why it was not.
fn known<'a, T: ?Sized>(report: &HostReport, what: HostPart, part: Option<&'a T>, host: &Name) -> Result<&'a T, Unfit> {
    part.ok_or_else(|| {
        let why = report.why_unknown(what).map_or_else(|| "no report".to_owned(), Untrusted::escaped);
        Unfit::new(Code::GROUP_UNKNOWN, format!("the {} of {host} are not known: {why}", what.word()))
    })
}

/// The one physical disk of a whole group.
fn disk_of<'a>(group: &VolumeGroup, place: &GroupPlace, report: &'a HostReport) -> Result<&'a HostDisk, Unfit> {
    if group.partial || group.exported {
        let what = if group.partial { "misses physical volumes" } else { "is exported" };
        return Err(Unfit::new(Code::GROUP_NOT_WHOLE, format!("{place} {what}")));
    }
    let disks = known(report, HostPart::Disks, report.disks.as_deref(), &place.host)?;
    let mut on = Vec::new();
    for physical in &group.physical_volumes {
        let Some(found) = &physical.disks else {
            let reason = format!("the disk under {} of {place} is not known", physical.device.escaped());
            return Err(Unfit::new(Code::GROUP_UNKNOWN, reason));
        };
        on.extend(found);
    }
    on.sort_unstable();
    on.dedup();
    let mut these = disks.iter().filter(|disk| on.contains(&&disk.device));
    match (these.next(), on.len()) {
        (Some(disk), 1) => match group.physical_volumes.iter().find(|physical| !physical.whole_disk) {
            None => Ok(disk),
            Some(part) => {
                let reason = format!("{} of {place} is a part of a disk, not the whole of it", part.device.escaped());
                Err(Unfit::new(Code::GROUP_DISK_UNFIT, reason))
            }
        },
        (_, 0 | 1) => Err(Unfit::new(Code::GROUP_UNKNOWN, format!("the disk of {place} is not known"))),
        _ => {
            let of = |device: &&Untrusted| {
                let disk = disks.iter().find(|disk| disk.device == **device);
                let wwid = disk
                    .and_then(|disk| disk.wwid.as_ref())
                    .map_or_else(|| "WWID unknown".to_owned(), ToString::to_string);
                format!("{} ({wwid})", device.escaped())
            };
            let names: Vec<String> = on.iter().map(of).collect();
            let reason = format!("{place} has {} physical disks: {}", on.len(), names.join(", "));
            Err(Unfit::new(Code::GROUP_SEVERAL_DISKS, reason))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volume(name: &str, activation: Activation, mounts: Option<&[&str]>) -> LogicalVolume {
        let mounts = mounts.map(|mounts| mounts.iter().map(|mount| Untrusted::from(*mount)).collect());
        LogicalVolume { name: name.into(), uuid: "u".into(), bytes: 1, activation, mounts }
    }

    fn left(logical_volumes: Vec<LogicalVolume>, scripts: &[&[&str]]) -> Option<String> {
        let group = VolumeGroup {
            name: "vg-1".into(),
            uuid: "u".into(),
            exported: false,
            partial: false,
            physical_volumes: Vec::new(),
            logical_volumes,
        };
        let scripts: Vec<Vec<String>> =
            scripts.iter().map(|script| script.iter().map(|word| (*word).to_owned()).collect()).collect();
        uncovered(&group, &scripts)
    }

    #[test]
    fn a_mounted_volume_that_no_script_names_is_said() {
        let active = |name, mounts| volume(name, Activation::Active, mounts);
        let both =
            || vec![active("data", Some(&["/srv/data"][..])), active("log", Some(&["/srv/log", "/mnt/log"][..]))];
        let of = |scripts: &[&[&str]]| left(both(), scripts);
        let none = "no script before the backup names data (/srv/data), log (/srv/log, /mnt/log)";
        assert_eq!(of(&[]).as_deref(), Some(none));
        // The program itself is no argument.
        assert_eq!(of(&[&["/srv/data"]]).as_deref(), Some(none));
        let log = "no script before the backup names log (/mnt/log)";
        assert_eq!(of(&[&["/h", "/srv/data/"], &["/h", "/srv/log"]]).as_deref(), Some(log));
        for all in ["vg-1", "/dev/vg-1", "/dev/vg-1/"] {
            assert_eq!(of(&[&["/h", "--group", all]]), None, "{all}");
        }
        assert_eq!(of(&[&["/h", "/dev/vg-1/data", "/dev/mapper/vg--1-log"]]), None);
        assert!(of(&[&["/h", "/dev/mapper/vg-1-log", "vg"]]).is_some());
    }

    #[test]
    fn what_is_not_active_is_not_mounted_and_unknown_is_said() {
        let of = |volume| left(vec![volume], &[]);
        assert_eq!(of(volume("data", Activation::Inactive, None)), None);
        assert_eq!(of(volume("data", Activation::Active, Some(&[]))), None);
        let unknown = Some("no script before the backup names data (not known whether it is mounted)".to_owned());
        assert_eq!(of(volume("data", Activation::Unknown, None)), unknown);
        assert_eq!(of(volume("data", Activation::Active, None)), unknown);
    }
}
