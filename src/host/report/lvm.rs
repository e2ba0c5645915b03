//! `lvm fullreport` and `lvm pvs -a`: volume groups as LVM reads them from the disks.

use super::{MAX_ROWS, json, number};
use crate::model::host_report::Duplicate;
use crate::model::untrusted::Untrusted;
use serde::Deserialize;

/// A lock that somebody holds is an error, not a wait without end.
const NO_WAIT: [&str; 2] = ["--config", "global/wait_for_locks=0"];
const FORMAT: [&str; 5] = ["--reportformat", "json", "--units", "b", "--nosuffix"];

/// One call that reads groups, physical and logical volumes together.
pub fn groups_line() -> Vec<&'static str> {
    let mut line = vec!["lvm", "fullreport"];
    line.extend(NO_WAIT);
    line.extend(FORMAT);
    for (report, columns) in [
        ("vg", "vg_name,vg_uuid,vg_exported,vg_partial,pv_count,vg_missing_pv_count,lv_count"),
        ("pv", "pv_name,pv_uuid,pv_major,pv_minor,pv_missing"),
        ("lv", "lv_name,lv_uuid,lv_size"),
        ("pvseg", "pvseg_start"),
        ("seg", "seg_start"),
    ] {
        line.extend(["--configreport", report, "-o", columns]);
    }
    line
}

/// The full report hides physical volumes that LVM does not use because they exist twice.
pub fn duplicates_line() -> Vec<&'static str> {
    let mut line = vec!["lvm", "pvs", "-a"];
    line.extend(NO_WAIT);
    line.extend(FORMAT);
    line.extend(["-o", "pv_name,vg_name,pv_uuid,pv_duplicate"]);
    line
}

#[derive(Deserialize)]
struct Document<T> {
    report: Vec<T>,
}

#[derive(Deserialize)]
struct OneGroup {
    /// Left away for physical volumes outside of any group.
    #[serde(default)]
    vg: Vec<GroupRow>,
    #[serde(default)]
    pv: Vec<PhysicalRow>,
    #[serde(default)]
    lv: Vec<LogicalRow>,
}

#[derive(Deserialize)]
struct GroupRow {
    vg_name: String,
    vg_uuid: String,
    vg_exported: String,
    vg_partial: String,
    pv_count: String,
    vg_missing_pv_count: String,
    lv_count: String,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "LVM's names of its columns")]
pub struct PhysicalRow {
    pub pv_name: Untrusted,
    pub pv_uuid: Untrusted,
    pub pv_major: String,
    pub pv_minor: String,
    pub pv_missing: String,
}

#[derive(Deserialize)]
#[expect(clippy::struct_field_names, reason = "LVM's names of its columns")]
struct LogicalRow {
    lv_name: Untrusted,
    lv_uuid: Untrusted,
    lv_size: String,
}

/// A group as LVM reports it, not yet joined with its disks.
pub struct Group {
    pub name: Untrusted,
    pub uuid: Untrusted,
    pub exported: bool,
    pub partial: bool,
    pub physical: Vec<PhysicalRow>,
    /// Name, identity, bytes.
    pub logical: Vec<(Untrusted, Untrusted, u64)>,
}

/// # Errors
/// One sentence, when the document is not what `lvm fullreport` prints, or contradicts itself.
pub fn groups(printed: &[u8]) -> Result<Vec<Group>, String> {
    const TOOL: &str = "lvm fullreport";
    let document: Document<OneGroup> = json(TOOL, printed)?;
    let mut groups = Vec::new();
    let mut rows = 0;
    for one in document.report {
        let [row] = &one.vg[..] else {
            // Physical volumes outside of any group, or nothing at all.
            if one.vg.is_empty() && one.lv.is_empty() {
                continue;
            }
            return Err(format!("{TOOL} has {} groups where one belongs", one.vg.len()));
        };
        rows += 1 + one.pv.len() + one.lv.len();
        if rows > MAX_ROWS {
            return Err(format!("{TOOL} lists more than {MAX_ROWS} things"));
        }
        if row.vg_name.is_empty() {
            continue;
        }
        let logical =
            one.lv.into_iter().map(|row| Ok((row.lv_name, row.lv_uuid, number(&row.lv_size, TOOL, "a size")?)));
        let logical = logical.collect::<Result<Vec<_>, String>>()?;
        for (column, listed) in [(&row.pv_count, one.pv.len()), (&row.lv_count, logical.len())] {
            if number(column, TOOL, "a count")? != listed as u64 {
                let name = Untrusted::from(row.vg_name.as_str()).escaped();
                return Err(format!("{TOOL} counts {column} volumes of {name} and lists {listed}"));
            }
        }
        let missing = number(&row.vg_missing_pv_count, TOOL, "a count")? > 0;
        groups.push(Group {
            name: Untrusted::from(row.vg_name.as_str()),
            uuid: Untrusted::from(row.vg_uuid.as_str()),
            exported: !row.vg_exported.is_empty(),
            partial: missing || !row.vg_partial.is_empty() || one.pv.iter().any(|row| !row.pv_missing.is_empty()),
            physical: one.pv,
            logical,
        });
    }
    Ok(groups)
}

#[derive(Deserialize)]
struct Physical {
    pv: Vec<AnyPhysicalRow>,
}

#[derive(Deserialize)]
struct AnyPhysicalRow {
    pv_name: Untrusted,
    vg_name: Untrusted,
    pv_uuid: Untrusted,
    pv_duplicate: String,
}

/// # Errors
/// One sentence, when the document is not what `lvm pvs` prints.
pub fn duplicates(printed: &[u8]) -> Result<Vec<Duplicate>, String> {
    let document: Document<Physical> = json("lvm pvs", printed)?;
    let rows = document.report.into_iter().flat_map(|report| report.pv);
    let twice = rows.filter(|row| !row.pv_duplicate.is_empty());
    let twice = twice.map(|row| Duplicate { device: row.pv_name, uuid: row.pv_uuid, group: row.vg_name });
    Ok(twice.take(MAX_ROWS).collect())
}
