//! What a person asks for, before any rule has looked at it.

pub use super::acm_list::ListedBackup;
use super::entity::{BackupMode, OperationId, Policy};
use super::identity::{Name, VolumeId};
use super::map_set::MapSet;
use super::proposal_kind::ProposalKind;
pub use super::site_change::VolumeRole;
use super::site_change::{NewVolume, SiteChange};
use super::units::{Timestamp, Version};
use super::untrusted::Untrusted;
pub use super::verb::Verb;
use super::volume_group::{BackupGroup, RegisteredGroup};
use serde::{Deserialize, Serialize};

/// One wish, about one or several volumes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub action: Action,
    /// Success, not a refusal, when it is so already.
    pub ensure: bool,
    /// Why, for the audit.
    pub reason: Option<Untrusted>,
    /// A limit by the clock: nothing is suspended after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// With `ensure`, a backup is done already where the newest sound generation is younger than this, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_than: Option<i64>,
    /// A backup without hooks, recorded as crash-consistent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub crash_consistent: bool,
    /// A backup of this volume releases everything that is beyond its policy, not the oldest generation only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_backlog: Option<VolumeId>,
    /// The set that was named instead of its volumes: it is refused if the set has other ones by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Name>,
}

impl Request {
    /// Volumes that an event names at most.
    pub const MAX_VOLUMES: usize = 100;
    /// Characters of a reason that an event keeps.
    pub const MAX_REASON: usize = 1_000;

    /// What `ensure` goes by where nothing is said, in milliseconds: the same nightly line, repeated, backs up what is
    /// missing, and the next night's backs up everything.
    pub const USUAL_NEWER_THAN: i64 = 12 * 60 * 60 * Timestamp::SECOND;

    pub fn new(action: Action) -> Self {
        Self {
            action,
            ensure: false,
            reason: None,
            until: None,
            newer_than: None,
            crash_consistent: false,
            release_backlog: None,
            set: None,
        }
    }

    /// The same request for these of its volumes. What belongs together stays whole.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(VolumeId) -> bool) -> Self {
        let mut action = self.action.clone();
        match &mut action {
            Action::Start { volumes, together: false, .. }
            | Action::Resume { volumes, .. }
            | Action::Suspend { volumes, .. }
            | Action::Cancel { volumes, .. }
            | Action::AcceptAll { volumes }
            | Action::Reconcile { volumes, .. }
            | Action::Backup { volumes, together: false, .. } => volumes.retain(|id| wanted(*id)),
            Action::Start { together: true, .. }
            | Action::Backup { together: true, .. }
            | Action::RestoreSet { .. }
            | Action::Overwrite { .. }
            | Action::Restore { .. }
            | Action::CancelRestore { .. }
            | Action::ForceStop { .. }
            | Action::GiveBack { .. }
            | Action::Snapshot { .. }
            | Action::Practice { .. }
            | Action::SetPolicy { .. }
            | Action::Register { .. }
            | Action::RegisterGroup { .. }
            | Action::RegisterBackupGroup { .. }
            | Action::RegisterAll { .. }
            | Action::ApplySite { .. }
            | Action::Rename { .. }
            | Action::Unregister { .. }
            | Action::Unhold { .. }
            | Action::Reinstate { .. }
            | Action::DeleteGeneration { .. }
            | Action::AcceptGeneration { .. }
            | Action::PostProcess { .. }
            | Action::Hold { .. }
            | Action::ImportMap { .. }
            | Action::EditMap { .. }
            | Action::AddToSet { .. }
            | Action::RemoveFromSet { .. }
            | Action::RemoveMap { .. } => {}
        }
        Self { action, ..self.clone() }
    }

    /// The request as an event keeps it: bounded, however many volumes it names and however long its reason is.
    #[must_use]
    pub fn abridged(&self) -> Self {
        let short = |text: &Untrusted| Untrusted::new(text.raw().chars().take(Self::MAX_REASON).collect::<String>());
        let mut action = self.action.clone();
        match &mut action {
            Action::Start { volumes, targets, .. } => {
                volumes.truncate(Self::MAX_VOLUMES);
                targets.truncate(Self::MAX_VOLUMES);
            }
            Action::Resume { volumes, .. }
            | Action::Suspend { volumes, .. }
            | Action::Cancel { volumes, .. }
            | Action::AcceptAll { volumes }
            | Action::AddToSet { volumes, .. }
            | Action::RemoveFromSet { volumes, .. }
            | Action::RestoreSet { volumes, .. }
            | Action::Backup { volumes, .. } => volumes.truncate(Self::MAX_VOLUMES),
            Action::Reconcile { volumes, only, listed, .. } => {
                volumes.truncate(Self::MAX_VOLUMES);
                only.truncate(Self::MAX_VOLUMES);
                listed.truncate(Self::MAX_VOLUMES);
            }
            Action::Hold { why, .. } => *why = short(why),
            Action::ImportMap { set } | Action::EditMap { set, .. } => *set = set.abridged(Self::MAX_VOLUMES),
            Action::RegisterAll { volumes } => volumes.truncate(Self::MAX_VOLUMES),
            Action::ApplySite { change } => *change = change.abridged(Self::MAX_VOLUMES),
            Action::Overwrite { .. }
            | Action::Restore { .. }
            | Action::CancelRestore { .. }
            | Action::Snapshot { .. }
            | Action::Practice { .. }
            | Action::GiveBack { .. }
            | Action::ForceStop { .. }
            | Action::SetPolicy { .. }
            | Action::Register { .. }
            | Action::RegisterGroup { .. }
            | Action::RegisterBackupGroup { .. }
            | Action::Rename { .. }
            | Action::Unregister { .. }
            | Action::Unhold { .. }
            | Action::Reinstate { .. }
            | Action::DeleteGeneration { .. }
            | Action::AcceptGeneration { .. }
            | Action::PostProcess { .. }
            | Action::RemoveMap { .. } => {}
        }
        Self { action, reason: self.reason.as_ref().map(short), ..self.clone() }
    }
}

/// Which of a transaction volume's sessions a cancel ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "scope", content = "backup_volume")]
pub enum CancelScope {
    /// The one that copies or is equivalent; suspended ones stay.
    Live,
    /// The one to this backup volume.
    One(VolumeId),
    /// Every one of ours.
    All,
}

/// What is asked for. Volumes are identities: names are resolved where they are typed.
///
/// Several volumes are each treated for itself; those of a set (`together`) as one or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum Action {
    /// Synchronize: a differential copy to a bound volume where there is one, else a full copy to an unused one.
    Start {
        volumes: Vec<VolumeId>,
        /// The pairs of a device map; empty: the rules choose.
        targets: Vec<(VolumeId, VolumeId)>,
        together: bool,
    },
    /// Start restricted to differential.
    Resume {
        volumes: Vec<VolumeId>,
        target: Option<VolumeId>,
    },
    /// Resume onto the backup volume of this version, which is given up for it.
    Overwrite {
        volume: VolumeId,
        version: Version,
    },
    /// Copy a generation back inside its array.
    Restore {
        volume: VolumeId,
        version: Version,
        /// The volume that is overwritten; `None`: one that nothing uses is proposed.
        to: Option<VolumeId>,
        /// Somebody says that no host has the target mounted.
        unmounted: bool,
        /// What a transaction volume is now is not kept before it is overwritten.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        without_present_state: bool,
    },
    /// Copy the generations of one instant back onto all volumes of the set that the request names: as one, or not at all.
    RestoreSet {
        volumes: Vec<VolumeId>,
        /// The backup that recorded them.
        instant: OperationId,
        /// Somebody says that no host has any of them mounted.
        unmounted: bool,
        /// What the volumes are now is not kept before they are overwritten.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        without_present_state: bool,
    },
    /// End the restore to a volume, or no longer mark it as restore-incomplete.
    CancelRestore {
        target: VolumeId,
    },
    Suspend {
        volumes: Vec<VolumeId>,
        target: Option<VolumeId>,
    },
    Cancel {
        volumes: Vec<VolumeId>,
        scope: CancelScope,
    },
    /// End a session on the array side, whatever state it is in.
    ForceStop {
        volume: VolumeId,
        target: Option<VolumeId>,
    },
    /// `mode`: a stated deviation from the policy's.
    Backup {
        volumes: Vec<VolumeId>,
        mode: Option<BackupMode>,
        together: bool,
    },
    /// Back up by a one-point copy of the volume as it is.
    Snapshot {
        volume: VolumeId,
    },
    /// Copy a generation to a spare volume, and compare the copy with the generation's fingerprint.
    Practice {
        volume: VolumeId,
        version: Version,
    },
    SetPolicy {
        volume: VolumeId,
        policy: Policy,
    },
    Register {
        volume: VolumeId,
        role: VolumeRole,
        name: Option<Name>,
    },
    /// Register a transaction volume that is a volume group.
    RegisterGroup {
        volume: VolumeId,
        name: Option<Name>,
        group: Box<RegisteredGroup>,
    },
    /// Register a backup volume that is a volume group.
    RegisterBackupGroup {
        volume: VolumeId,
        name: Option<Name>,
        group: Box<BackupGroup>,
    },
    /// Register several volumes: all of them, or none.
    RegisterAll {
        volumes: Vec<NewVolume>,
    },
    /// Give a registered volume another name. Its identity, and all that is kept of it, stays.
    Rename {
        volume: VolumeId,
        name: Name,
    },
    Unregister {
        volume: VolumeId,
    },
    Hold {
        volume: VolumeId,
        version: Version,
        why: Untrusted,
    },
    Unhold {
        volume: VolumeId,
        version: Version,
    },
    /// Keep a released generation again.
    Reinstate {
        volume: VolumeId,
        version: Version,
    },
    DeleteGeneration {
        volume: VolumeId,
        version: Version,
    },
    /// Store a map set; one of the same name is replaced.
    ImportMap {
        set: MapSet,
    },
    /// Replace a map set by an edit of it. `before`: the fingerprint of what was edited.
    EditMap {
        set: MapSet,
        before: String,
    },
    RemoveMap {
        name: Name,
    },
    /// Put transaction volumes into a set; it is made if there is none of this name.
    AddToSet {
        name: Name,
        volumes: Vec<VolumeId>,
    },
    /// Take transaction volumes out of a set; none named: all of them, which ends the set.
    RemoveFromSet {
        name: Name,
        volumes: Vec<VolumeId>,
    },
    /// Make the site as it is written down: all of it, or nothing.
    ApplySite {
        change: SiteChange,
    },
    /// Say that a generation in doubt is good: somebody has looked, and answers for it.
    AcceptGeneration {
        volume: VolumeId,
        version: Version,
    },
    /// The same of every generation of these volumes that is in doubt.
    AcceptAll {
        volumes: Vec<VolumeId>,
    },
    /// Do what is proposed where the catalogue and the arrays disagree about these volumes.
    Reconcile {
        /// Transaction volumes, and volumes of the pool that belong to none.
        volumes: Vec<VolumeId>,
        /// What is about these backup volumes only; empty: all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        only: Vec<VolumeId>,
        /// These sorts of proposals only; empty: all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kinds: Vec<ProposalKind>,
        /// Backups that lists of ACM name.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        listed: Vec<ListedBackup>,
    },
    /// Give a volume that was taken over back to the program that made its sessions.
    GiveBack {
        volume: VolumeId,
    },
    /// Run the scripts after a backup again for a generation that needs attention.
    PostProcess {
        volume: VolumeId,
        version: Version,
    },
}

impl Action {
    pub fn verb(&self) -> Verb {
        match self {
            Self::Start { .. } => Verb::Start,
            Self::Resume { .. } => Verb::Resume,
            Self::Overwrite { .. } => Verb::Overwrite,
            Self::Restore { .. } | Self::RestoreSet { .. } => Verb::Restore,
            Self::CancelRestore { .. } => Verb::CancelRestore,
            Self::Suspend { .. } => Verb::Suspend,
            Self::Cancel { .. } => Verb::Cancel,
            Self::ForceStop { .. } => Verb::ForceStop,
            Self::Snapshot { .. } => Verb::Snapshot,
            Self::Practice { .. } => Verb::Practice,
            Self::Backup { .. } => Verb::Backup,
            Self::SetPolicy { .. } => Verb::SetPolicy,
            Self::Register { .. }
            | Self::RegisterGroup { .. }
            | Self::RegisterBackupGroup { .. }
            | Self::RegisterAll { .. } => Verb::Register,
            Self::Rename { .. } => Verb::Rename,
            Self::Unregister { .. } => Verb::Unregister,
            Self::Hold { .. } => Verb::Hold,
            Self::Unhold { .. } => Verb::Unhold,
            Self::Reinstate { .. } => Verb::Reinstate,
            Self::DeleteGeneration { .. } => Verb::DeleteGeneration,
            Self::AcceptGeneration { .. } | Self::AcceptAll { .. } => Verb::AcceptGeneration,
            Self::Reconcile { .. } => Verb::Reconcile,
            Self::GiveBack { .. } => Verb::GiveBack,
            Self::PostProcess { .. } => Verb::PostProcess,
            Self::ImportMap { .. } => Verb::ImportMap,
            Self::EditMap { .. } => Verb::EditMap,
            Self::RemoveMap { .. } => Verb::RemoveMap,
            Self::AddToSet { .. } => Verb::AddToSet,
            Self::RemoveFromSet { .. } => Verb::RemoveFromSet,
            Self::ApplySite { .. } => Verb::ApplySite,
        }
    }

    /// The volumes that it is about, as asked.
    pub fn volumes(&self) -> &[VolumeId] {
        match self {
            Self::Start { volumes, .. }
            | Self::Resume { volumes, .. }
            | Self::Suspend { volumes, .. }
            | Self::Cancel { volumes, .. }
            | Self::AcceptAll { volumes }
            | Self::AddToSet { volumes, .. }
            | Self::RemoveFromSet { volumes, .. }
            | Self::RestoreSet { volumes, .. }
            | Self::Reconcile { volumes, .. }
            | Self::Backup { volumes, .. } => volumes,
            Self::Overwrite { volume, .. }
            | Self::Restore { volume, .. }
            | Self::CancelRestore { target: volume }
            | Self::ForceStop { volume, .. }
            | Self::Snapshot { volume }
            | Self::Practice { volume, .. }
            | Self::GiveBack { volume }
            | Self::SetPolicy { volume, .. }
            | Self::Register { volume, .. }
            | Self::RegisterGroup { volume, .. }
            | Self::RegisterBackupGroup { volume, .. }
            | Self::Rename { volume, .. }
            | Self::Unregister { volume }
            | Self::Hold { volume, .. }
            | Self::Unhold { volume, .. }
            | Self::Reinstate { volume, .. }
            | Self::AcceptGeneration { volume, .. }
            | Self::PostProcess { volume, .. }
            | Self::DeleteGeneration { volume, .. } => std::slice::from_ref(volume),
            Self::ImportMap { .. }
            | Self::EditMap { .. }
            | Self::RemoveMap { .. }
            | Self::RegisterAll { .. }
            | Self::ApplySite { .. } => &[],
        }
    }

    /// The volumes that it registers as one of several changes.
    pub fn new_volumes(&self) -> &[NewVolume] {
        match self {
            Self::RegisterAll { volumes } => volumes,
            Self::ApplySite { change } => &change.volumes,
            _ => &[],
        }
    }

    pub fn new_volumes_mut(&mut self) -> &mut [NewVolume] {
        match self {
            Self::RegisterAll { volumes } => volumes,
            Self::ApplySite { change } => &mut change.volumes,
            _ => &mut [],
        }
    }

    /// A verb of transaction volumes with nothing said about how. `target`: the backup volume of the session that is meant.
    /// `None` for every other verb, and for several volumes where it takes one.
    pub fn on_volumes(verb: Verb, volumes: Vec<VolumeId>, target: Option<VolumeId>) -> Option<Self> {
        Some(match (verb, volumes.as_slice()) {
            (Verb::Start, _) => Self::Start { volumes, targets: Vec::new(), together: false },
            (Verb::Resume, _) => Self::Resume { volumes, target },
            (Verb::Suspend, _) => Self::Suspend { volumes, target },
            (Verb::Backup, _) => Self::Backup { volumes, mode: None, together: false },
            (Verb::Cancel, _) => Self::Cancel { volumes, scope: target.map_or(CancelScope::Live, CancelScope::One) },
            (Verb::ForceStop, &[volume]) => Self::ForceStop { volume, target },
            (Verb::Snapshot, &[volume]) => Self::Snapshot { volume },
            _ => return None,
        })
    }

    /// A verb of one generation; `None` for every other verb. `reason`: for what keeps it with the generation.
    pub fn on_generation(verb: Verb, volume: VolumeId, version: Version, reason: &str) -> Option<Self> {
        Some(match verb {
            Verb::DeleteGeneration => Self::DeleteGeneration { volume, version },
            Verb::Hold => Self::Hold { volume, version, why: reason.into() },
            Verb::Unhold => Self::Unhold { volume, version },
            Verb::Reinstate => Self::Reinstate { volume, version },
            Verb::AcceptGeneration => Self::AcceptGeneration { volume, version },
            Verb::PostProcess => Self::PostProcess { volume, version },
            _ => return None,
        })
    }

    /// The generation that a verb of one generation is about.
    pub fn generation(&self) -> Option<(VolumeId, Version)> {
        match self {
            Self::DeleteGeneration { volume, version }
            | Self::Hold { volume, version, .. }
            | Self::Unhold { volume, version }
            | Self::Reinstate { volume, version }
            | Self::AcceptGeneration { volume, version }
            | Self::PostProcess { volume, version } => Some((*volume, *version)),
            _ => None,
        }
    }

    /// The reason that is part of what is asked for.
    pub fn reason(&self) -> Option<&Untrusted> {
        match self {
            Self::Hold { why, .. } => Some(why),
            _ => None,
        }
    }

    /// The map set that it is about.
    pub fn map_set(&self) -> Option<&Name> {
        match self {
            Self::ImportMap { set } | Self::EditMap { set, .. } => Some(&set.name),
            Self::RemoveMap { name } => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::verb::VerbObject;

    #[test]
    fn each_verb_is_made_of_the_object_that_its_descriptor_names() {
        let id: VolumeId = "00ETERNUSDXL##ET08E21A####LN4310901078##/0x10".parse().unwrap();
        for &verb in Verb::ALL {
            let object = verb.info().object;
            let one = Action::on_volumes(verb, vec![id], Some(id));
            let several = Action::on_volumes(verb, vec![id, id], None);
            let generation = Action::on_generation(verb, id, Version(3), "why");
            assert_eq!(one.is_some(), matches!(object, VerbObject::Volumes | VerbObject::Volume), "{verb}");
            assert_eq!(several.is_some(), object == VerbObject::Volumes, "{verb}");
            assert_eq!(generation.is_some(), verb.of_generation().is_some(), "{verb}");
            for made in [one, several, generation].into_iter().flatten() {
                assert_eq!(made.verb(), verb);
                assert_eq!(made.generation(), verb.of_generation().map(|_| (id, Version(3))));
                assert_eq!(made.volumes().first(), Some(&id));
            }
        }
    }
}
