//! The volume groups of the demonstration site: one on one disk with its backup volumes, and one on two disks, which is refused.

use super::declaration::Declaration;
use crate::model::host_report::Wwid;
use crate::model::identity::{Name, Olu, VolumeId};
use crate::model::lvm_text::{GroupIdentity, LvmName};
use crate::model::map_set::{MapRound, MapRow, MapSet};
use crate::model::untrusted::Untrusted;
use crate::model::volume_group::{BackupGroup, RegisteredGroup};

/// Logical volumes of the group: name, identity, extents of 1 MiB, and the first of them.
pub const LOGICAL: [(&str, &str, u64, u64); 2] = [
    ("lvdata", "HdHFbP-9fIM-IBKJ-BzuF-ek6t-RGri-uckcBG", 8, 0),
    ("lvlog", "B77uXU-KTyZ-hJsH-Bldo-t1sD-Y9uK-4KIRkj", 4, 8),
];

/// A disk of the demonstration's host with a group on it.
pub struct DemoDisk {
    pub device: &'static str,
    /// Of array DEMO1.
    pub olu: u32,
    name: &'static str,
    uuid: &'static str,
    physical: &'static str,
    /// It has the logical volumes.
    pub is_live: bool,
}

/// The disk with the live group, and those of its backup volumes.
pub const DISKS: [DemoDisk; 3] = [
    DemoDisk {
        device: "/dev/sda",
        olu: 0xA,
        name: "vg01",
        uuid: "MzecBv-8O2r-MTDO-BiUs-cgWT-B9xB-X7Kd8N",
        physical: "1SdQ9B-qIGu-SYa5-UyP3-yhzL-TQYV-Y3ZOZi",
        is_live: true,
    },
    DemoDisk {
        device: "/dev/sdb",
        olu: 0x38,
        name: "vg01bk1",
        uuid: "cxP8AP-G79h-x1HM-cJEv-XOMq-uUcR-4rveRQ",
        physical: "RnYqLb-4Soy-nHK9-c5de-8zYi-HGD1-vVdrRr",
        is_live: false,
    },
    DemoDisk {
        device: "/dev/sdc",
        olu: 0x39,
        name: "vg01bk2",
        uuid: "Uhd7vg-tdr5-XOZV-QRCi-cwuK-0Ffb-mJ4xfL",
        physical: "NaLPCz-13ip-bdrA-sxSz-N3RG-WzAa-ociI3p",
        is_live: false,
    },
];

/// The disks of the group that is refused: device, array, and volume there. Nobody registered these volumes.
pub const TWO_DISKS: [(&str, u32, u32); 2] = [("/dev/sdd", 1, 0x52), ("/dev/sde", 2, 0x51)];
pub const TWO_DISKS_NAME: &str = "vg02";

/// A name that is written here and nowhere else.
fn fixed<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// `600000E0...`, with the number of the array and of the volume where these arrays have theirs.
pub fn wwid(array: u32, olu: u32) -> Option<Wwid> {
    fixed(&format!("600000e00d2a0000002a{array:04x}{olu:04x}0000"))
}

pub fn host_name() -> Option<Name> {
    fixed("demo-host")
}

impl DemoDisk {
    pub fn place(&self) -> String {
        format!("DEMO1/{}", Olu(self.olu))
    }

    pub fn volume(&self, declaration: &Declaration) -> Option<VolumeId> {
        Some(VolumeId { box_id: declaration.arrays.first()?.box_id, olu: Olu(self.olu) })
    }

    pub fn identity(&self) -> Option<GroupIdentity> {
        Some(GroupIdentity { name: fixed(self.name)?, uuid: fixed(self.uuid)?, physical: fixed(self.physical)? })
    }

    /// LVM's text of the group when the site is made.
    pub fn text(&self) -> String {
        let Self { name, uuid, physical, device, .. } = self;
        let logical = |(name, uuid, extents, first): &(&str, &str, u64, u64)| {
            format!(
                "{name} {{\nid = \"{uuid}\"\nsegment_count = 1\nsegment1 {{\nstart_extent = 0\nextent_count = {extents}\n\
                 type = \"striped\"\nstripe_count = 1\nstripes = [\n\"pv0\", {first}\n]\n}}\n}}\n"
            )
        };
        let logical: String = LOGICAL.iter().filter(|_| self.is_live).map(logical).collect();
        let logical = if logical.is_empty() { logical } else { format!("logical_volumes {{\n{logical}}}\n") };
        format!(
            "{name} {{\nid = \"{uuid}\"\nseqno = 1\nformat = \"lvm2\"\nextent_size = 2048\nphysical_volumes {{\npv0 {{\n\
             id = \"{physical}\"\ndevice = \"{device}\"\npe_start = 2048\npe_count = 15\n}}\n}}\n{logical}}}\n\
             contents = \"Text Format Volume Group\"\nversion = 1\n"
        )
    }
}

/// The group that a transaction volume is.
pub fn transaction_group(declaration: &Declaration, id: VolumeId) -> Option<Box<RegisteredGroup>> {
    let disk = DISKS.iter().find(|disk| disk.is_live && disk.volume(declaration) == Some(id))?;
    let GroupIdentity { name, uuid, .. } = disk.identity()?;
    Some(Box::new(RegisteredGroup { host: host_name()?, name, uuid, disk: wwid(1, disk.olu)? }))
}

/// The group that a backup volume is.
pub fn backup_group(declaration: &Declaration, id: VolumeId) -> Option<Box<BackupGroup>> {
    let disk = DISKS.iter().find(|disk| !disk.is_live && disk.volume(declaration) == Some(id))?;
    Some(Box::new(BackupGroup { host: host_name()?, identity: disk.identity()?, disk: wwid(1, disk.olu)? }))
}

/// The rounds of the group: one for each of its backup volumes.
pub fn map_set(declaration: &Declaration) -> Option<MapSet> {
    let live = DISKS.iter().find(|disk| disk.is_live)?.volume(declaration)?;
    let name = declaration.transaction_volumes.iter().find(|volume| volume.id == live)?.name.to_string();
    let round = |(disk, name_of_round): (&DemoDisk, &str)| {
        let row = MapRow {
            transaction_volume: live,
            backup_volume: disk.volume(declaration)?,
            transaction_name: Untrusted::new(name.clone()),
            backup_name: Untrusted::new(disk.place()),
        };
        Some(MapRound::new(fixed(name_of_round)?, vec![row]))
    };
    let backups = DISKS.iter().filter(|disk| !disk.is_live);
    let rounds = backups.zip(["A", "B"]).map(round).collect::<Option<Vec<_>>>()?;
    Some(MapSet { name: fixed("demo-nights")?, rounds })
}

/// The identity of the live group: the only one that is active.
pub fn live_group() -> Option<LvmName> {
    DISKS.iter().find(|disk| disk.is_live).and_then(|disk| fixed(disk.uuid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lvm_text;

    #[test]
    fn every_written_name_can_be_read_and_every_text_is_that_of_its_group() {
        let declaration = Declaration::built_in().unwrap();
        for disk in &DISKS {
            let text = lvm_text::read(&disk.text()).unwrap();
            assert_eq!(text.identity, disk.identity().unwrap());
            assert_eq!(text.logical_volumes.len(), if disk.is_live { 2 } else { 0 });
            assert_eq!(wwid(1, disk.olu).unwrap().volume_number(), Some(disk.olu));
            let id = disk.volume(&declaration).unwrap();
            assert!(transaction_group(&declaration, id).is_some() || backup_group(&declaration, id).is_some());
            assert!(declaration.volumes().any(|(known, _)| known == id), "{}", disk.place());
        }
        assert_eq!(map_set(&declaration).unwrap().rounds.len(), 2);
        assert!(host_name().is_some() && live_group().is_some());
    }
}
