//! Steps that register and unregister volumes and set policies.

use super::{DigestText, Done, NotKeepable, Step, StepChanges, VolumeNames};
use crate::model::codes::Code;
use crate::model::entity::{BackupVolume, Policy, TransactionVolume};
use crate::model::entity_change::EntityChange;
use crate::model::event::EventKind;
use crate::model::identity::{Name, VolumeId};
use crate::model::request::VolumeRole;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetPolicyStep {
    pub volume: VolumeId,
    pub policy: Policy,
}

impl Step for SetPolicyStep {
    fn agree(&self, digest: &mut DigestText) {
        let Policy { generations, interval_days, mode, reuse_oldest, guard, window } = self.policy;
        let reuses = if reuse_oldest { " reuse-oldest" } else { "" };
        let guard = if guard.is_default() { String::new() } else { format!(" {guard:?}") };
        let window = window.map_or_else(String::new, |window| format!(" window {window}"));
        digest
            .line(format_args!(" policy {} {generations} {interval_days} {mode}{reuses}{guard}{window}", self.volume));
    }

    fn sentence(&self, _names: &dyn VolumeNames) -> String {
        format!("set the policy: {}", self.policy)
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let (volume, policy) = (self.volume, self.policy);
        let known = done.catalogue.transaction_volume(volume).ok_or_else(|| NotKeepable::unregistered(volume))?;
        let is_same = known.policy.and_then(|policy| policy.window) == policy.window;
        let window_since = if is_same { known.window_since } else { policy.window.map(|_| done.now) };
        let changed = TransactionVolume { policy: Some(policy), window_since, ..known.clone() };
        let event = EventKind::PolicySet { volume, policy };
        Ok(StepChanges::one(EntityChange::PutTransactionVolume(changed), event))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterTransactionStep {
    pub volume: TransactionVolume,
}

impl Step for RegisterTransactionStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" transaction volume {} {}", self.volume.id, self.volume.name));
        if let Some(group) = &self.volume.group {
            digest.line(format_args!(" volume group {group} {} on {}", group.uuid.as_str(), group.disk));
        }
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let TransactionVolume { id, name, blocks, .. } = &self.volume;
        let group = self.volume.group.as_ref().map_or_else(String::new, |group| format!(", the volume group {group}"));
        format!("register {}, {blocks}, as transaction volume {name}{group}", names.location(*id))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        name_is_free(&self.volume.name, done)?;
        let event = added(self.volume.id, VolumeRole::Transaction, Some(self.volume.name.clone()));
        let volume = TransactionVolume { registered_at: done.now, ..self.volume.clone() };
        Ok(StepChanges::one(EntityChange::PutTransactionVolume(volume), event))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterBackupStep {
    pub volume: BackupVolume,
}

impl Step for RegisterBackupStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" backup volume {} {:?}", self.volume.id, self.volume.name));
        if let Some(group) = &self.volume.group {
            let identity = &group.identity;
            let (uuid, physical) = (identity.uuid.as_str(), identity.physical.as_str());
            digest.line(format_args!(" volume group {group} {uuid} {physical} on {}", group.disk));
        }
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let BackupVolume { id, name, blocks, .. } = &self.volume;
        let name = name.as_ref().map_or_else(String::new, |name| format!(" as {name}"));
        let group = self.volume.group.as_ref().map_or_else(String::new, |group| format!(", the volume group {group}"));
        format!("add {}, {blocks}, to the pool{name}{group}", names.location(*id))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        self.volume.name.as_ref().map_or(Ok(()), |name| name_is_free(name, done))?;
        let event = added(self.volume.id, VolumeRole::Backup, self.volume.name.clone());
        let volume = BackupVolume { registered_at: done.now, ..self.volume.clone() };
        Ok(StepChanges::one(EntityChange::PutBackupVolume(volume), event))
    }
}

/// Changes the name of a registered volume, whatever its role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenameStep {
    pub volume: VolumeId,
    pub name: Name,
}

impl Step for RenameStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" rename {} {}", self.volume, self.name));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("rename {} to {}", names.place(self.volume), self.name)
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let (id, name) = (self.volume, self.name.clone());
        if done.catalogue.named(&name) != Some(id) {
            name_is_free(&name, done)?;
        }
        let (before, change) = match (done.catalogue.transaction_volume(id), done.catalogue.backup_volume(id)) {
            (Some(known), _) => {
                let renamed = TransactionVolume { name: name.clone(), ..known.clone() };
                (Some(known.name.clone()), EntityChange::PutTransactionVolume(renamed))
            }
            (None, Some(known)) => {
                let renamed = BackupVolume { name: Some(name.clone()), ..known.clone() };
                (known.name.clone(), EntityChange::PutBackupVolume(renamed))
            }
            (None, None) => return Err(NotKeepable::unregistered(id)),
        };
        Ok(StepChanges::one(change, EventKind::VolumeRenamed { volume: id, before, name }))
    }
}

/// Takes a volume out of the site, whatever its role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnregisterStep {
    pub volume: VolumeId,
}

impl Step for UnregisterStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" unregister {}", self.volume));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("take {} out of the site", names.place(self.volume))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let id = self.volume;
        let change = match done.catalogue.transaction_volume(id) {
            Some(_) => EntityChange::RemoveTransactionVolume { id },
            None => EntityChange::RemoveBackupVolume { id },
        };
        Ok(StepChanges::one(change, EventKind::VolumeRemoved { volume: id }))
    }
}

fn added(volume: VolumeId, role: VolumeRole, name: Option<Name>) -> EventKind {
    EventKind::VolumeAdded { volume, role, name }
}

/// No claim covers a name: between plan and step another volume may have got this one.
fn name_is_free(name: &Name, done: &Done<'_>) -> Result<(), NotKeepable> {
    match done.catalogue.named(name) {
        Some(_) => Err(NotKeepable::new(Code::NAME_TAKEN, format!("another volume is called {name} by now"))),
        None => Ok(()),
    }
}
