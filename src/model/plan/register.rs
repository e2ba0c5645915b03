//! Volumes that come into the site, and what volumes are called.

use super::case::{not_a_transaction_volume, readable, unclaimed};
use super::registry::{role_of, word};
use super::{PlanItem, PlanStep, Refusal};
use crate::model::codes::Code;
use crate::model::entity::{BackupVolume, TransactionVolume};
use crate::model::host_report::Wwid;
use crate::model::identity::{Name, VolumeId};
use crate::model::request::{Request, VolumeRole};
use crate::model::site_change::{NewGroup, NewVolume};
use crate::model::snapshot::Snapshot;
use crate::model::step::{RegisterBackupStep, RegisterTransactionStep, RenameStep};
use crate::model::units::Version;
use crate::model::untrusted::Untrusted;
use crate::model::volume_group::{BackupGroup, LvmName, RegisteredGroup};
use std::collections::BTreeMap;
use std::fmt;

type Answer = Result<PlanItem, Refusal>;

/// Looks up which name is taken.
pub(super) trait TakenNames {
    /// The registered name, other than that of `except`, that people would take for this one: names that differ by case only
    /// are not told apart by ear.
    fn alike(&self, name: &Name, except: Option<VolumeId>) -> Option<Name>;
}

/// For one look-up a scan is enough.
impl TakenNames for Snapshot {
    fn alike(&self, name: &Name, except: Option<VolumeId>) -> Option<Name> {
        let mut others = names_of(self).filter(|(id, _)| Some(*id) != except);
        others.find(|(_, other)| other.as_str().eq_ignore_ascii_case(name.as_str())).map(|(_, other)| other.clone())
    }
}

/// The names of a site and of those who came in since, for many look-ups.
pub(super) struct NameIndex(BTreeMap<String, Vec<(VolumeId, Name)>>);

impl NameIndex {
    pub fn of(snapshot: &Snapshot) -> Self {
        let mut index = Self(BTreeMap::new());
        names_of(snapshot).for_each(|(id, name)| index.add(id, name.clone()));
        index
    }

    pub fn add(&mut self, id: VolumeId, name: Name) {
        self.0.entry(name.as_str().to_ascii_lowercase()).or_default().push((id, name));
    }

    /// The volume has another name from now on.
    pub fn rename(&mut self, id: VolumeId, before: &Name, now: Name) {
        if let Some(known) = self.0.get_mut(&before.as_str().to_ascii_lowercase()) {
            known.retain(|(known, _)| *known != id);
        }
        self.add(id, now);
    }
}

impl TakenNames for NameIndex {
    fn alike(&self, name: &Name, except: Option<VolumeId>) -> Option<Name> {
        let known = self.0.get(&name.as_str().to_ascii_lowercase())?;
        known.iter().find(|(id, _)| Some(*id) != except).map(|(_, name)| name.clone())
    }
}

fn names_of(snapshot: &Snapshot) -> impl Iterator<Item = (VolumeId, &Name)> {
    let transaction = snapshot.transaction_volumes.iter().map(|view| (view.volume.id, &view.volume.name));
    let backup = snapshot.pool.iter().filter_map(|view| Some((view.volume.id, view.volume.name.as_ref()?)));
    transaction.chain(backup)
}

pub(super) fn register(snapshot: &Snapshot, request: &Request, new: &NewVolume, taken: &dyn TakenNames) -> Answer {
    let id = new.volume;
    if let Some(role) = role_of(snapshot, id) {
        let reason = format!("{} is a {} volume already", snapshot.label(id), word(role));
        return Err(Refusal::new(Code::ALREADY_REGISTERED, reason).about(id));
    }
    let Some(volume) = snapshot.unregistered_volume(id) else {
        readable(snapshot, id.box_id).map_err(|refusal| refusal.about(id))?;
        let reason = format!("no array reports a volume {}", snapshot.location(id));
        return Err(Refusal::new(Code::UNKNOWN_VOLUME, reason).about(id));
    };
    super::restore::not_restored_to(snapshot, id)?;
    if let Some(name) = &new.name {
        may_be_called(taken, id, name)?;
    }
    let (registered_at, blocks) = (snapshot.taken_at, volume.blocks);
    let step = match new.role {
        VolumeRole::Backup => {
            let volume = BackupVolume { id, name: new.name.clone(), blocks, registered_at, group: None };
            PlanStep::RegisterBackup(RegisterBackupStep { volume })
        }
        VolumeRole::Transaction => {
            let name = new.name.clone().or_else(|| default_name(snapshot, taken, id, &volume.label));
            let Some(name) = name else {
                let reason = format!("{} needs a name: the array's own is taken or no name", snapshot.location(id));
                return Err(Refusal::new(Code::NAME_TAKEN, reason).about(id));
            };
            let next_version = Version(1);
            let volume = TransactionVolume {
                id,
                name,
                blocks,
                policy: None,
                registered_at,
                next_version,
                group: None,
                window_since: None,
            };
            PlanStep::RegisterTransaction(RegisterTransactionStep { volume })
        }
    };
    Ok(PlanItem::new(request.action.verb(), id, vec![step], vec![id]))
}

/// Registers a volume of several, whatever it is.
pub(super) fn register_new(snapshot: &Snapshot, request: &Request, new: &NewVolume, taken: &dyn TakenNames) -> Answer {
    let refuse = |code, reason: String| Err(Refusal::new(code, reason).about(new.volume));
    match (&new.group, new.role) {
        (None, _) => register(snapshot, request, new, taken),
        (Some(NewGroup::Transaction(group)), VolumeRole::Transaction) => {
            register_group(snapshot, request, new, group, taken)
        }
        (Some(NewGroup::Backup(group)), VolumeRole::Backup) => {
            register_backup_group(snapshot, request, new, group, taken)
        }
        (Some(NewGroup::At(place)), _) => {
            refuse(Code::GROUP_UNKNOWN, format!("{} was not asked which group {place} is", place.host))
        }
        (Some(group), role) => {
            let reason = format!("{} was not read as the group of a {} volume", group.place(), word(role));
            refuse(Code::GROUP_UNKNOWN, reason)
        }
    }
}

/// Registers a backup volume that is a volume group, as [`register_group`] does it.
pub(super) fn register_backup_group(
    snapshot: &Snapshot,
    request: &Request,
    new: &NewVolume,
    group: &BackupGroup,
    taken: &dyn TakenNames,
) -> Answer {
    is_new_group(snapshot, new.volume, &group.disk, &group.identity.uuid)?;
    let mut item = register(snapshot, request, new, taken)?;
    for step in &mut item.steps {
        if let PlanStep::RegisterBackup(step) = step {
            step.volume.group = Some(Box::new(group.clone()));
        }
    }
    confirm_disk(snapshot, &mut item, new.volume, group, &group.disk);
    Ok(item)
}

/// A group, and a disk, is one volume of the site.
fn is_new_group(snapshot: &Snapshot, volume: VolumeId, disk: &Wwid, uuid: &LvmName) -> Result<(), Refusal> {
    let transaction = snapshot.transaction_volumes.iter().filter_map(|view| {
        let group = view.volume.group.as_deref()?;
        Some((view.volume.id, group.to_string(), &group.disk, &group.uuid))
    });
    let backup = snapshot.pool.iter().filter_map(|view| {
        let group = view.volume.group.as_deref()?;
        Some((view.volume.id, group.to_string(), &group.disk, &group.identity.uuid))
    });
    match transaction.chain(backup).find(|(_, _, known, other)| *known == disk || *other == uuid) {
        Some((id, known, ..)) => {
            let reason = format!("{} is {known} already, on the same disk", snapshot.label(id));
            Err(Refusal::new(Code::ALREADY_REGISTERED, reason).about(volume))
        }
        None => Ok(()),
    }
}

fn confirm_disk(snapshot: &Snapshot, item: &mut PlanItem, volume: VolumeId, group: &dyn fmt::Display, disk: &Wwid) {
    let array_volume = snapshot.location(volume);
    item.notice(
        Code::GROUP_CONFIRM_DISK,
        format!("the disk of {group} has the WWID {disk}: you confirm that it is {array_volume}"),
    );
}

/// Registers a transaction volume that is a volume group. Whether its host reports it so, the engine asks before and after.
pub(super) fn register_group(
    snapshot: &Snapshot,
    request: &Request,
    new: &NewVolume,
    group: &RegisteredGroup,
    taken: &dyn TakenNames,
) -> Answer {
    is_new_group(snapshot, new.volume, &group.disk, &group.uuid)?;
    let mut item = register(snapshot, request, new, taken)?;
    for step in &mut item.steps {
        if let PlanStep::RegisterTransaction(step) = step {
            step.volume.group = Some(Box::new(group.clone()));
        }
    }
    confirm_disk(snapshot, &mut item, new.volume, group, &group.disk);
    Ok(item)
}

/// Gives a registered volume another name.
pub(super) fn rename(
    snapshot: &Snapshot,
    request: &Request,
    id: VolumeId,
    name: &Name,
    taken: &dyn TakenNames,
) -> Answer {
    if role_of(snapshot, id).is_none() {
        return Err(not_a_transaction_volume(snapshot, id));
    }
    unclaimed(snapshot, id)?;
    if snapshot.label(id) == name.as_str() {
        return Err(Refusal::new(Code::ALREADY_SO, format!("the volume is called {name} already")).about(id));
    }
    may_be_called(taken, id, name)?;
    let step = RenameStep { volume: id, name: name.clone() };
    Ok(PlanItem::new(request.action.verb(), id, vec![step.into()], vec![id]))
}

/// Whether a volume may get a name: no other one has it, and people read nothing else in it.
fn may_be_called(taken: &dyn TakenNames, id: VolumeId, name: &Name) -> Result<(), Refusal> {
    let reason = match taken.alike(name, Some(id)) {
        Some(other) => format!("another volume is called {other}"),
        None if reads_otherwise(name) => format!("{name} reads like the number of a volume, or like all of them"),
        None => return Ok(()),
    };
    Err(Refusal::new(Code::NAME_TAKEN, reason).about(id))
}

/// Words that mean something else where a volume is named: `0x21`, `all`.
fn reads_otherwise(name: &Name) -> bool {
    let name = name.as_str().to_ascii_lowercase();
    name == "all" || name.strip_prefix("0x").is_some_and(|digits| digits.chars().all(|c| c.is_ascii_hexdigit()))
}

/// The array's name for the volume where it is one, else `ARRAY-0x21`.
fn default_name(snapshot: &Snapshot, taken: &dyn TakenNames, id: VolumeId, label: &Untrusted) -> Option<Name> {
    let by_place = snapshot.location(id).replace('/', "-");
    let candidates = [label.raw().parse::<Name>().ok(), by_place.parse().ok()];
    candidates.into_iter().flatten().find(|name| taken.alike(name, None).is_none() && !reads_otherwise(name))
}
