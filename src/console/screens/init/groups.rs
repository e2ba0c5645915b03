//! The step of volume groups: what the configured hosts report, and which volume of an array each group may be. A host is asked
//! once, when the set-up is opened. That a disk is that volume is confirmed with the plan, which names both.

use super::state::Chosen;
use crate::console::types::Cursor;
use crate::engine::protocol::Answer;
use crate::model::host_report::{Activation, HostDisk, HostPart, HostReport, VolumeGroup};
use crate::model::identity::{Name, VolumeId};
use crate::model::snapshot::Snapshot;
use crate::model::units::{Blocks, count};
use crate::model::untrusted::Untrusted;
use crate::model::volume_group::{BackupGroup, GroupPlace, LvmName, identify};
use std::collections::BTreeMap;

/// The volume that a group may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Candidate {
    Volume(VolumeId),
    /// Registered already, under this name.
    Registered(String),
    /// A sentence on why there is none.
    None(String),
}

#[derive(Debug, Clone)]
pub struct GroupRow {
    pub place: GroupPlace,
    pub blocks: Option<Blocks>,
    /// `2 logical volumes, active`.
    pub contents: String,
    pub candidate: Candidate,
}

#[derive(Debug, Default)]
pub struct GroupsPart {
    /// Before the answer came.
    pub waits: bool,
    pub rows: Vec<GroupRow>,
    /// What could not be read, a sentence each.
    pub unknown: Vec<String>,
    /// No host is configured.
    pub without_hosts: bool,
    pub cursor: Cursor<GroupPlace>,
    /// Where the volumes of the rows are.
    pub places: BTreeMap<VolumeId, String>,
    /// Each group once, with the report that says most of it.
    seen: Vec<(GroupPlace, HostReport)>,
}

impl GroupsPart {
    pub fn asked() -> Self {
        Self { waits: true, ..Self::default() }
    }

    /// What the engine answered to the question for the hosts.
    pub fn take(&mut self, answer: Result<&Answer, &str>) {
        self.waits = false;
        let (hosts, services) = match answer {
            Ok(Answer::Hosts { hosts, services, .. }) => (hosts, services),
            Ok(Answer::Failed { why, .. }) => return self.unknown.push(why.clone()),
            Ok(_) => return,
            Err(why) => return self.unknown.push(why.to_owned()),
        };
        self.without_hosts = hosts.is_empty();
        let mut seen: BTreeMap<(Name, String), (bool, GroupPlace, HostReport)> = BTreeMap::new();
        for view in hosts {
            if view.report.groups.is_none() {
                let why = view.report.why_unknown(HostPart::Groups);
                let why = why.map_or_else(|| "no report".to_owned(), Untrusted::escaped);
                self.unknown.push(format!("the volume groups of {} are not known: {why}", view.name));
            }
            let of_node = services.iter().find(|service| service.nodes.iter().any(|node| node.name == view.name));
            let host = of_node.map_or(&view.name, |service| &service.name);
            for group in view.report.groups.iter().flatten() {
                let Ok(name) = group.name.raw().parse::<LvmName>() else { continue };
                let place = GroupPlace { host: host.clone(), group: name };
                let is_active = group.activation() == Some(Activation::Active);
                let key = (host.clone(), group.name.raw().to_owned());
                let known = seen.get(&key).map(|(active, ..)| *active);
                if known.is_none_or(|active| is_active && !active) {
                    seen.insert(key, (is_active, place, view.report.clone()));
                }
            }
        }
        self.seen = seen.into_values().map(|(_, place, report)| (place, report)).collect();
    }

    /// After the site changed, or an answer came.
    pub fn settle(&mut self, snapshot: &Snapshot, height: usize) {
        self.rows = self.seen.iter().filter_map(|(place, report)| row(snapshot, place, report)).collect();
        let volume = |row: &GroupRow| match row.candidate {
            Candidate::Volume(id) => Some((id, snapshot.location(id))),
            Candidate::Registered(_) | Candidate::None(_) => None,
        };
        self.places = self.rows.iter().filter_map(volume).collect();
        let rows = &self.rows;
        self.cursor.follow(rows.len(), |at| rows.get(at).map(|row| row.place.clone()));
        self.cursor.settle(rows.len(), height);
    }

    pub fn selected(&self) -> Option<&GroupRow> {
        self.rows.get(self.cursor.selected)
    }

    pub fn move_to(&mut self, at: usize) {
        let rows = &self.rows;
        self.cursor.select(at, rows.len(), |at| rows.get(at).map(|row| row.place.clone()));
    }
}

fn row(snapshot: &Snapshot, place: &GroupPlace, report: &HostReport) -> Option<GroupRow> {
    let group = report.groups.iter().flatten().find(|group| group.name.raw() == place.group.as_str())?;
    let found = identify(place, report);
    let disks = report.disks.iter().flatten();
    let disk = found.as_ref().ok().and_then(|found| disks.clone().find(|disk| disk.wwid.as_ref() == Some(&found.disk)));
    let blocks = disk.and_then(HostDisk::blocks);
    let candidate = match (registered(snapshot, place), found) {
        (Some(name), _) => Candidate::Registered(name),
        (None, Err(unfit)) => Candidate::None(unfit.reason),
        (None, Ok(found)) => candidate(snapshot, found.disk.volume_number(), blocks),
    };
    Some(GroupRow { place: place.clone(), blocks, contents: contents(group), candidate })
}

fn contents(group: &VolumeGroup) -> String {
    let volumes = count(group.logical_volumes.len(), "logical volume", "logical volumes");
    group.activation().map_or(volumes.clone(), |state| format!("{volumes}, {}", state.word()))
}

fn registered(snapshot: &Snapshot, place: &GroupPlace) -> Option<String> {
    let live = snapshot
        .transaction_volumes
        .iter()
        .find(|view| view.volume.group.as_deref().is_some_and(|group| group.place() == *place));
    let pool = || {
        let is_it = |group: &BackupGroup| group.place() == *place;
        let found = snapshot.pool.iter().find(|view| view.volume.group.as_deref().is_some_and(is_it));
        found.map(|view| snapshot.label(view.volume.id))
    };
    live.map(|view| view.volume.name.to_string()).or_else(pool)
}

/// The one volume with the number that the disk's WWID has in it, and of its size.
fn candidate(snapshot: &Snapshot, number: Option<u32>, blocks: Option<Blocks>) -> Candidate {
    let Some(number) = number else {
        return Candidate::None("its disk has no volume number in its WWID: step 1, v on the volume".to_owned());
    };
    let like = snapshot.unregistered.iter().filter(|volume| volume.id.olu.0 == number);
    let same: Vec<VolumeId> = like.filter(|volume| Some(volume.blocks) == blocks).map(|volume| volume.id).collect();
    match same[..] {
        [one] => Candidate::Volume(one),
        [] => Candidate::None(format!("no volume that is free has the number 0x{number:X} and this size")),
        _ => {
            let places: Vec<String> = same.iter().map(|id| snapshot.location(*id)).collect();
            Candidate::None(format!("one of {}: step 1, v on the volume", places.join(", ")))
        }
    }
}

/// A name for a group that holds live data: the group's own, where nobody has it.
pub fn usual_name(place: &GroupPlace, snapshot: &Snapshot, chosen: &BTreeMap<VolumeId, Chosen>) -> Option<Name> {
    let name: Name = place.group.as_str().parse().ok()?;
    let is_taken = snapshot.transaction_volumes.iter().any(|view| view.volume.name == name)
        || chosen.values().any(|other| other.name.as_ref() == Some(&name));
    (!is_taken).then_some(name)
}
