//! `findmnt --json`: what is mounted where.

use super::{MAX_ROWS, json};
use crate::model::host_report::HostMount;
use crate::model::untrusted::Untrusted;
use serde::Deserialize;

pub const ARGUMENTS: [&str; 5] = ["findmnt", "--json", "--list", "--output", "TARGET,SOURCE,FSTYPE,MAJ:MIN"];

#[derive(Deserialize)]
struct Document {
    filesystems: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    target: Untrusted,
    source: Option<Untrusted>,
    fstype: Untrusted,
    #[serde(rename = "maj:min")]
    number: Untrusted,
}

/// The mounts of block devices.
///
/// # Errors
/// One sentence, when the document is not what `findmnt` prints.
pub fn mounts(printed: &[u8]) -> Result<Vec<HostMount>, String> {
    let document: Document = json("findmnt", printed)?;
    if document.filesystems.len() > MAX_ROWS {
        return Err(format!("findmnt lists more than {MAX_ROWS} mounts"));
    }
    let of_devices = document.filesystems.into_iter().filter_map(|row| {
        let source = row.source?;
        let mount = HostMount { target: row.target, source, filesystem: row.fstype, device_number: row.number };
        mount.source.raw().starts_with("/dev/").then_some(mount)
    });
    Ok(of_devices.collect())
}
