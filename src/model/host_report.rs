//! What a host reports of itself: its disks, volume groups and mounts, as its own tools gave them at one time.
//!
//! What could not be read is absent and has a reason. Absent is never "nothing there".

use super::identity::Name;
use super::lvm_text::LvmName;
use super::units::Blocks;
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// The identity of a disk: its WWID, whatever path leads to it. Lower case, without `0x` and `naa.`.
///
/// A serial number is none: an array may give the same one to all its volumes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Wwid(String);

impl Wwid {
    const MAX_LENGTH: usize = 128;
    /// Digits of an identifier whose first digit is 6: without the last 16 it is that of the array, not of the volume.
    const NAA_EXTENDED: usize = 32;
    /// Network address authority, and the company: what the array's identifiers begin with.
    const FUJITSU: &str = "600000e0";

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The volume number that a WWID of these arrays has in it: the digits 25 to 28. It is for comparing only: who the array is
    /// cannot be read from a WWID.
    pub fn volume_number(&self) -> Option<u32> {
        let fits = self.0.len() == Self::NAA_EXTENDED && self.0.starts_with(Self::FUJITSU) && self.0.ends_with("0000");
        if fits { u32::from_str_radix(&self.0[24..28], 16).ok() } else { None }
    }
}

impl FromStr for Wwid {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().to_ascii_lowercase();
        let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("naa.")).unwrap_or(&text);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
        if text.is_empty() || text.len() > Self::MAX_LENGTH || !text.bytes().all(plain) {
            return Err("this is no WWID");
        }
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && text.starts_with('6') && text.len() < Self::NAA_EXTENDED {
            return Err("the WWID is cut short: it is the same for other volumes of the array");
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Wwid {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Wwid> for String {
    fn from(wwid: Wwid) -> Self {
        wwid.0
    }
}

impl fmt::Display for Wwid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A physical disk, as the host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDisk {
    /// The device to use: that of multipath where there is one.
    pub device: Untrusted,
    /// The devices of the paths to it; one that has a single path is its own.
    pub paths: Vec<Untrusted>,
    /// Null where the host reports none: then it is not known whether another device is the same disk.
    pub wwid: Option<Wwid>,
    pub serial: Option<Untrusted>,
    pub vendor: Option<Untrusted>,
    pub model: Option<Untrusted>,
    pub bytes: u64,
}

impl HostDisk {
    /// Blocks of 512 bytes; `None` where the disk ends within one.
    pub fn blocks(&self) -> Option<Blocks> {
        Blocks::from_bytes(self.bytes)
    }
}

/// Whether the host's kernel has a logical volume's device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    Active,
    Inactive,
    Unknown,
}

impl Activation {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::Unknown => "unknown",
        }
    }
}

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

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogicalVolume {
    pub name: Untrusted,
    pub uuid: Untrusted,
    pub bytes: u64,
    pub activation: Activation,
    /// Where it is mounted. Null where mounts or devices could not be read.
    pub mounts: Option<Vec<Untrusted>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhysicalVolume {
    pub device: Untrusted,
    pub uuid: Untrusted,
    /// LVM misses it.
    pub missing: bool,
    /// The devices of the disks that it lies on. Null where that is not known.
    pub disks: Option<Vec<Untrusted>>,
    /// It is a whole disk, no partition or part of one.
    pub whole_disk: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeGroup {
    pub name: Untrusted,
    pub uuid: Untrusted,
    pub exported: bool,
    /// A physical volume is missing, or LVM says so.
    pub partial: bool,
    pub physical_volumes: Vec<PhysicalVolume>,
    pub logical_volumes: Vec<LogicalVolume>,
}

impl VolumeGroup {
    /// Of all its logical volumes: active if one is, inactive only if every one is known to be so. `None`: it has none.
    pub fn activation(&self) -> Option<Activation> {
        let all = || self.logical_volumes.iter().map(|volume| volume.activation);
        [Activation::Active, Activation::Unknown, Activation::Inactive]
            .into_iter()
            .find(|of| all().any(|one| one == *of))
    }
}

/// A physical volume that LVM does not use, because another device has the same identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Duplicate {
    pub device: Untrusted,
    pub uuid: Untrusted,
    /// The group that both claim to belong to.
    pub group: Untrusted,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostMount {
    pub target: Untrusted,
    pub source: Untrusted,
    pub filesystem: Untrusted,
    /// `254:3`, the device as the kernel numbers it.
    pub device_number: Untrusted,
}

/// One of the things that a host is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostPart {
    Disks,
    Groups,
    Duplicates,
    /// Which logical volumes are active.
    Activation,
    Mounts,
}

impl HostPart {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Disks => "disks",
            Self::Groups => "volume groups",
            Self::Duplicates => "duplicate physical volumes",
            Self::Activation => "activation",
            Self::Mounts => "mounts",
        }
    }
}

/// A thing that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownPart {
    pub what: HostPart,
    /// One sentence; it may quote the host's own words.
    pub why: Untrusted,
}

/// A reading of a host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostReport {
    pub disks: Option<Vec<HostDisk>>,
    pub groups: Option<Vec<VolumeGroup>>,
    pub duplicates: Option<Vec<Duplicate>>,
    pub mounts: Option<Vec<HostMount>>,
    /// What could not be read, and why.
    pub unknown: Vec<UnknownPart>,
    /// The groups that are active, whether LVM sees them or not.
    #[serde(skip)]
    pub kernel: KernelGroups,
}

impl HostReport {
    pub fn why_unknown(&self, part: HostPart) -> Option<&Untrusted> {
        self.unknown.iter().find(|unknown| unknown.what == part).map(|unknown| &unknown.why)
    }
}

/// A configured host with its reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostView {
    pub name: Name,
    /// Where its tools run: `this machine`, or the destination of ssh.
    pub place: String,
    #[serde(flatten)]
    pub report: HostReport,
}

#[cfg(test)]
mod tests {
    use super::*;
    use Activation::{Active, Inactive, Unknown};

    #[test]
    fn a_wwid_is_the_same_however_the_host_writes_it_and_a_short_one_is_none() {
        let wwid: Wwid = "0x600000E00D2A0000002A011500140000".parse().unwrap();
        assert_eq!(wwid, "naa.600000e00d2a0000002a011500140000".parse().unwrap());
        assert_eq!(wwid.volume_number(), Some(0x14));
        for other in ["5000c500a1b2c3d4", "eui.0025388b710116a5"] {
            assert_eq!(other.parse::<Wwid>().unwrap().volume_number(), None);
        }
        assert_eq!("600a098000aa0000002a011500140000".parse::<Wwid>().unwrap().volume_number(), None);
        for wrong in ["", " ", "0x600000e00d2a0000", "a b", "\u{1b}[2J", "naa.", &"a".repeat(129)] {
            assert!(wrong.parse::<Wwid>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_group_is_inactive_only_if_every_logical_volume_is_known_to_be() {
        let logical =
            |activation| LogicalVolume { name: "lv".into(), uuid: "u".into(), bytes: 1, activation, mounts: None };
        let group = |all: &[Activation]| VolumeGroup {
            name: "vg".into(),
            uuid: "u".into(),
            exported: false,
            partial: false,
            physical_volumes: Vec::new(),
            logical_volumes: all.iter().copied().map(logical).collect(),
        };
        for (all, expected) in
            [(&[Inactive, Inactive][..], Inactive), (&[Inactive, Unknown], Unknown), (&[Unknown, Active], Active)]
        {
            assert_eq!(group(all).activation(), Some(expected));
        }
        assert_eq!(group(&[]).activation(), None);
    }

    #[test]
    fn a_kernel_is_asked_by_the_identity_of_the_group() {
        let uuid: LvmName = "Uhd7vg-tdr5-XOZV-QRCi-cwuK-0Ffb-mJ4xfL".parse().unwrap();
        let active = KernelGroups::Read(BTreeSet::from(["Uhd7vgtdr5XOZVQRCicwuK0FfbmJ4xfL".to_owned()]));
        assert_eq!(active.activation(&uuid), Active);
        assert_eq!(KernelGroups::Read(BTreeSet::new()).activation(&uuid), Inactive);
        for unknown in [KernelGroups::NoDeviceMapper, KernelGroups::default()] {
            assert_eq!(unknown.activation(&uuid), Unknown);
        }
    }
}
