//! The host of the demonstration site. **Emulated**: no machine is asked, and no LVM runs. What its disks are called lies as a
//! label of our own on the real bytes of the embedded arrays, so a copy overwrites it as it would overwrite LVM's.

use super::groups::{DISKS, DemoDisk, LOGICAL, TWO_DISKS, TWO_DISKS_NAME, live_group, wwid};
use crate::driver::emulated::admin::{Admin, Administration, Data};
use crate::host::report::ReportsItself;
use crate::model::host_report::KernelGroups;
use crate::model::host_report::{
    Activation, Duplicate, HostDisk, HostPart, HostReport, LogicalVolume, PhysicalVolume, UnknownPart, VolumeGroup,
};
use crate::model::lvm_text;
use crate::model::untrusted::Untrusted;
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes at the begin of a disk that the label has.
const LABEL_BYTES: usize = 8 << 10;
const DISK_BYTES: u64 = 16 << 20;
/// Of each disk of the group on two.
const EACH_OF_TWO: u64 = 48 << 20;
const EXTENT: u64 = 1 << 20;

/// What stands for LVM's label and its text.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Label {
    physical: String,
    text: Option<String>,
}

/// The emulated host.
pub struct DemoHost {
    admin: Admin,
    /// What `tee` wrote, by its path.
    files: Mutex<BTreeMap<String, String>>,
}

impl std::fmt::Debug for DemoHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DemoHost").finish_non_exhaustive()
    }
}

impl DemoHost {
    pub fn new(admin: Admin) -> Self {
        Self { admin, files: Mutex::default() }
    }

    /// Writes what is on the disks when the site is made.
    pub async fn prepare(admin: &Admin) -> Result<(), String> {
        for disk in &DISKS {
            let physical = disk.identity().map(|identity| identity.physical.as_str().to_owned()).unwrap_or_default();
            write(admin, disk, Some(&Label { physical, text: Some(disk.text()) })).await?;
        }
        Ok(())
    }

    async fn label(&self, disk: &DemoDisk) -> Result<Option<Label>, String> {
        let wanted = Administration::Read { volume: disk.place(), offset: 0, length: LABEL_BYTES as u32 };
        let hex: String = self.admin.ask(wanted).await.map_err(|error| error.to_string())?;
        Ok(decode(&hex))
    }

    /// Every disk with its label.
    async fn labels(&self) -> Result<Vec<(&'static DemoDisk, Label)>, String> {
        let mut found = Vec::new();
        for disk in &DISKS {
            found.extend(self.label(disk).await?.map(|label| (disk, label)));
        }
        Ok(found)
    }

    /// The groups that LVM would use, and the disks that it would not.
    async fn groups(&self, only: Option<&str>) -> Result<(Vec<VolumeGroup>, Vec<Duplicate>), String> {
        let (mut groups, mut duplicates) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for (disk, label) in self.labels().await? {
            if only.is_some_and(|only| only != disk.device) {
                continue;
            }
            let Some(text) = label.text.as_deref().and_then(|text| lvm_text::read(text).ok()) else { continue };
            let identity = &text.identity;
            if seen.insert(label.physical.clone()) {
                groups.push(group(disk, &text));
            } else {
                let (device, uuid) = (disk.device.into(), Untrusted::new(label.physical));
                duplicates.push(Duplicate { device, uuid, group: identity.name.as_str().into() });
            }
        }
        Ok((groups, duplicates))
    }

    /// The tools that restore an identity, as far as the engine uses them.
    async fn run(&self, words: &[&str], input: Option<String>) -> Result<String, String> {
        let nothing = || Ok(String::new());
        match words {
            ["blockdev" | "rm", ..] => nothing(),
            ["mktemp", ..] => Ok("/emulated/folder".to_owned()),
            ["tee", _, file] => {
                self.files.lock().insert((*file).to_owned(), input.unwrap_or_default());
                nothing()
            }
            ["wipefs", "--json", device] => Ok(match self.label(disk(device)?).await? {
                None => String::new(),
                Some(label) => serde_json::json!({
                    "signatures": [{ "device": device, "type": "LVM2_member", "uuid": label.physical }]
                })
                .to_string(),
            }),
            ["wipefs", "--all", .., device] => {
                write(&self.admin, disk(device)?, None).await?;
                nothing()
            }
            ["lvm", "pvck", .., device] => {
                let text = self.label(disk(device)?).await?.and_then(|label| label.text);
                let text = text.ok_or("there is no text of a group on it")?;
                Ok(format!("  metadata text\n  ---\n{text}\n  ---\n"))
            }
            ["lvm", "pvcreate", .., device] => {
                let physical = after(words, "--uuid")?.to_owned();
                write(&self.admin, disk(device)?, Some(&Label { physical, text: None })).await?;
                nothing()
            }
            ["lvm", "vgcfgrestore", ..] => {
                let (device, file) = (after(words, "--devices")?, after(words, "-f")?);
                let text = self.files.lock().get(file).cloned().ok_or("there is no such file")?;
                let physical = lvm_text::read(&text)?.identity.physical.as_str().to_owned();
                write(&self.admin, disk(device)?, Some(&Label { physical, text: Some(text) })).await?;
                nothing()
            }
            ["lvm", "fullreport", ..] => {
                let (groups, _) = self.groups(after(words, "--devices").ok()).await?;
                Ok(serde_json::json!({ "report": groups.iter().map(full_report).collect::<Vec<_>>() }).to_string())
            }
            ["lvm", "pvs", ..] => {
                let (_, duplicates) = self.groups(None).await?;
                let row = |duplicate: &Duplicate| {
                    serde_json::json!({ "pv_name": duplicate.device.raw(), "vg_name": duplicate.group.raw(),
                        "pv_uuid": duplicate.uuid.raw(), "pv_duplicate": "duplicate" })
                };
                let rows: Vec<_> = duplicates.iter().map(row).collect();
                Ok(serde_json::json!({ "report": [{ "pv": rows }] }).to_string())
            }
            _ => Err(format!("the emulated host has no {}", words.first().copied().unwrap_or_default())),
        }
    }
}

impl ReportsItself for DemoHost {
    fn report(&self) -> BoxFuture<'_, HostReport> {
        Box::pin(async move {
            let known = DISKS.iter().map(|disk| host_disk((disk.device, 1, disk.olu), DISK_BYTES));
            let disks = known.chain(TWO_DISKS.map(|disk| host_disk(disk, EACH_OF_TWO))).collect();
            let kernel = self.kernel_groups().await;
            let report = HostReport { disks: Some(disks), mounts: Some(Vec::new()), kernel, ..HostReport::default() };
            match self.groups(None).await {
                Ok((mut groups, duplicates)) => {
                    groups.push(on_two_disks());
                    HostReport { groups: Some(groups), duplicates: Some(duplicates), ..report }
                }
                Err(why) => {
                    let of = |what| UnknownPart { what, why: Untrusted::new(why.clone()) };
                    HostReport { unknown: vec![of(HostPart::Groups), of(HostPart::Duplicates)], ..report }
                }
            }
        })
    }

    fn kernel_groups(&self) -> BoxFuture<'_, KernelGroups> {
        let active = live_group().map(|uuid| uuid.as_str().replace('-', ""));
        Box::pin(async move { KernelGroups::Read(active.into_iter().collect()) })
    }

    fn call(
        &self,
        words: Vec<String>,
        _as_root: bool,
        input: Option<Vec<u8>>,
    ) -> BoxFuture<'_, Result<Vec<u8>, String>> {
        Box::pin(async move {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let input = input.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            self.run(&words, input).await.map(String::into_bytes)
        })
    }

    fn place(&self) -> String {
        "emulated: no machine is asked".to_owned()
    }
}

fn disk(device: &str) -> Result<&'static DemoDisk, String> {
    DISKS.iter().find(|disk| disk.device == device).ok_or_else(|| format!("the emulated host has no {device}"))
}

/// The word behind an option.
fn after<'a>(words: &[&'a str], option: &str) -> Result<&'a str, String> {
    let at = words.iter().position(|word| *word == option);
    at.and_then(|at| words.get(at + 1)).copied().ok_or_else(|| format!("{option} is missing"))
}

/// Writes a label, or zeros in its place, as a host writes: the array tracks it.
async fn write(admin: &Admin, disk: &DemoDisk, label: Option<&Label>) -> Result<(), String> {
    let mut text = label.map(serde_json::to_string).transpose().map_err(|error| error.to_string())?.unwrap_or_default();
    if text.len() > LABEL_BYTES {
        return Err("the text of the group is too long for the emulated host".to_owned());
    }
    text.extend(std::iter::repeat_n(' ', LABEL_BYTES - text.len()));
    let write = Administration::Write { volume: disk.place(), offset: 0, data: Data::Text { text } };
    admin.tell(write).await.map_err(|error| error.to_string())
}

fn decode(hex: &str) -> Option<Label> {
    let digits = hex.as_bytes().chunks_exact(2);
    let bytes: Option<Vec<u8>> = digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect();
    serde_json::from_str(str::from_utf8(&bytes?).ok()?.trim()).ok()
}

fn host_disk((device, array, olu): (&str, u32, u32), bytes: u64) -> HostDisk {
    HostDisk {
        device: device.into(),
        paths: vec![device.into()],
        wwid: wwid(array, olu),
        serial: None,
        vendor: Some("FUJITSU".into()),
        model: Some("emulated".into()),
        bytes,
    }
}

fn physical(device: &str, uuid: &str) -> PhysicalVolume {
    PhysicalVolume {
        device: device.into(),
        uuid: uuid.into(),
        missing: false,
        disks: Some(vec![device.into()]),
        whole_disk: true,
    }
}

fn group(disk: &DemoDisk, text: &lvm_text::GroupText) -> VolumeGroup {
    let identity = &text.identity;
    let is_live = live_group().is_some_and(|uuid| uuid == identity.uuid);
    let logical = LOGICAL.iter().filter(|(name, ..)| text.logical_volumes.iter().any(|known| known == name));
    let logical = logical.map(|(name, uuid, extents, _)| LogicalVolume {
        name: (*name).into(),
        uuid: (*uuid).into(),
        bytes: extents * EXTENT,
        activation: if is_live { Activation::Active } else { Activation::Inactive },
        mounts: Some(if is_live { vec![Untrusted::new(format!("/srv/{name}"))] } else { Vec::new() }),
    });
    VolumeGroup {
        name: identity.name.as_str().into(),
        uuid: identity.uuid.as_str().into(),
        exported: false,
        partial: false,
        physical_volumes: vec![physical(disk.device, identity.physical.as_str())],
        logical_volumes: logical.collect(),
    }
}

/// The group that no backup can have as a whole.
fn on_two_disks() -> VolumeGroup {
    let lv = LogicalVolume {
        name: "lvapp".into(),
        uuid: "rS7hVY-g8oD-yo9p-rRlc-cRNi-AmXe-ViZpYp".into(),
        bytes: 90 * EXTENT,
        activation: Activation::Inactive,
        mounts: Some(Vec::new()),
    };
    let physical_volumes =
        TWO_DISKS.iter().zip(["Pv0000", "Pv0001"]).map(|((device, ..), uuid)| physical(device, uuid));
    VolumeGroup {
        name: TWO_DISKS_NAME.into(),
        uuid: "Vg2Two-Disk-sAre-Nots-Copi-edAs-OneOne".into(),
        exported: false,
        partial: false,
        physical_volumes: physical_volumes.collect(),
        logical_volumes: vec![lv],
    }
}

/// A group as `lvm fullreport` prints it.
fn full_report(group: &VolumeGroup) -> serde_json::Value {
    let logical = |volume: &LogicalVolume| serde_json::json!({ "lv_name": volume.name.raw(), "lv_uuid": volume.uuid.raw(), "lv_size": volume.bytes.to_string() });
    let physical = |volume: &PhysicalVolume| {
        serde_json::json!({ "pv_name": volume.device.raw(), "pv_uuid": volume.uuid.raw(), "pv_major": "8", "pv_minor": "0",
            "pv_missing": "" })
    };
    serde_json::json!({
        "vg": [{ "vg_name": group.name.raw(), "vg_uuid": group.uuid.raw(), "vg_exported": "", "vg_partial": "",
            "pv_count": group.physical_volumes.len().to_string(), "vg_missing_pv_count": "0",
            "lv_count": group.logical_volumes.len().to_string() }],
        "pv": group.physical_volumes.iter().map(physical).collect::<Vec<_>>(),
        "lv": group.logical_volumes.iter().map(logical).collect::<Vec<_>>(),
    })
}
