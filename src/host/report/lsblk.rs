//! `lsblk --json`: block devices and what lies on what.

use super::{MAX_ROWS, Number, json};
use crate::model::host_report::Wwid;
use crate::model::untrusted::Untrusted;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

pub const ARGUMENTS: [&str; 6] =
    ["lsblk", "--json", "--bytes", "--paths", "--output", "NAME,KNAME,TYPE,SIZE,WWN,SERIAL,VENDOR,MODEL,MAJ:MIN"];

#[derive(Deserialize)]
struct Document {
    blockdevices: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    name: String,
    kname: String,
    #[serde(rename = "type")]
    kind: String,
    size: Number,
    wwn: Option<String>,
    serial: Option<String>,
    vendor: Option<String>,
    model: Option<String>,
    #[serde(rename = "maj:min")]
    number: String,
    #[serde(default)]
    children: Vec<Row>,
}

/// A block device.
#[derive(Debug, Clone)]
pub struct Device {
    /// `/dev/mapper/mpatha`
    pub name: Untrusted,
    /// `disk`, `mpath`, `part`, `lvm` ...
    pub kind: String,
    pub bytes: u64,
    pub wwid: Option<Wwid>,
    pub serial: Option<Untrusted>,
    pub vendor: Option<Untrusted>,
    pub model: Option<Untrusted>,
    /// The kernel's names of what it lies on.
    pub parents: BTreeSet<String>,
}

impl Device {
    /// A way to a disk, without anything in between but multipath.
    pub fn is_whole(&self) -> bool {
        self.kind == "mpath" || self.parents.is_empty()
    }
}

/// The block devices of a host.
#[derive(Debug, Clone, Default)]
pub struct Devices {
    /// By the kernel's name.
    pub all: BTreeMap<String, Device>,
    /// The kernel's name by device number.
    by_number: BTreeMap<String, String>,
}

impl Devices {
    /// # Errors
    /// One sentence, when the document is not what `lsblk` prints.
    pub fn read(printed: &[u8]) -> Result<Self, String> {
        let document: Document = json("lsblk", printed)?;
        let mut devices = Self::default();
        for row in document.blockdevices {
            devices.add(row, None)?;
        }
        Ok(devices)
    }

    fn add(&mut self, row: Row, parent: Option<&str>) -> Result<(), String> {
        if self.all.len() >= MAX_ROWS {
            return Err(format!("lsblk lists more than {MAX_ROWS} block devices"));
        }
        let text = |field: Option<String>| {
            let field = field.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
            field.map(Untrusted::new)
        };
        let bytes = row.size.value("lsblk", "a size")?;
        let number = row.number.trim().to_owned();
        if self.by_number.get(&number).is_some_and(|known| *known != row.kname) {
            return Err(format!("lsblk gives the device number {number:?} to two devices"));
        }
        let device = self.all.entry(row.kname.clone()).or_insert_with(|| Device {
            name: Untrusted::new(row.name),
            kind: row.kind,
            bytes,
            wwid: row.wwn.as_deref().and_then(|wwn| wwn.parse().ok()),
            serial: text(row.serial),
            vendor: text(row.vendor),
            model: text(row.model),
            parents: BTreeSet::new(),
        });
        device.parents.extend(parent.map(str::to_owned));
        self.by_number.insert(number, row.kname.clone());
        row.children.into_iter().try_for_each(|child| self.add(child, Some(&row.kname)))
    }

    /// The device of a number like `254:3`.
    pub fn numbered(&self, number: &str) -> Option<(&str, &Device)> {
        let name = self.by_number.get(number)?;
        Some((name, self.all.get(name)?))
    }

    /// The disks that a device lies on, by the kernel's names. Empty where a parent is not listed.
    pub fn roots(&self, name: &str) -> BTreeSet<String> {
        let (mut roots, mut seen, mut open) = (BTreeSet::new(), BTreeSet::new(), vec![name.to_owned()]);
        while let Some(name) = open.pop() {
            if !seen.insert(name.clone()) {
                continue;
            }
            match self.all.get(&name) {
                None => return BTreeSet::new(),
                Some(device) if device.parents.is_empty() => {
                    roots.insert(name);
                }
                Some(device) => open.extend(device.parents.iter().cloned()),
            }
        }
        roots
    }
}
