//! The changes to one thing that the catalogue keeps.

use super::acknowledgement::Acknowledgement;
use super::entity::{
    BackupVolume, Generation, GenerationState, OperationId, OurSession, ReleaseReason, TransactionVolume,
};
use super::fingerprint::{Fingerprint, VolumeLeaves};
use super::group_watch::GroupWatch;
use super::identity::{BoxId, Name, VolumeId};
use super::maintenance::Maintenance;
use super::map_set::MapSet;
use super::notice_record::NoticeRecord;
use super::session::Pair;
use super::take_over::TakeOver;
use super::trouble_kind::TroubleId;
use super::units::{Timestamp, Version};
use super::untrusted::Untrusted;
use super::volume_group::GroupCopy;
use super::volume_set::VolumeSet;
use serde::{Deserialize, Serialize};

/// One change to one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum EntityChange {
    /// Adds or replaces the volume. Its `next_version` never goes back, whatever is given.
    PutTransactionVolume(TransactionVolume),
    RemoveTransactionVolume {
        id: VolumeId,
    },
    PutBackupVolume(BackupVolume),
    RemoveBackupVolume {
        id: VolumeId,
    },
    /// Records a generation and moves its volume's `next_version` past it.
    AddGeneration(Generation),
    SetGenerationState {
        transaction_volume: VolumeId,
        version: Version,
        state: GenerationState,
    },
    HoldGeneration {
        transaction_volume: VolumeId,
        version: Version,
        held: Option<Untrusted>,
    },
    /// The text of the group in a generation, before its identity is written to the backup volume.
    KeepGroupCopy {
        transaction_volume: VolumeId,
        version: Version,
        group: Box<GroupCopy>,
    },
    /// What a generation was read to hold, or what came of reading it again. Leaves take the place of those that were known of
    /// its volume.
    KeepFingerprint {
        transaction_volume: VolumeId,
        version: Version,
        fingerprint: Box<Fingerprint>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        leaves: Option<Box<VolumeLeaves>>,
    },
    ReleaseGeneration {
        transaction_volume: VolumeId,
        version: Version,
        at: Timestamp,
        why: ReleaseReason,
    },
    /// A released generation is kept again, while nothing was started onto its volume since.
    ReinstateGeneration {
        transaction_volume: VolumeId,
        version: Version,
        state: GenerationState,
        /// Why it is not released again by itself.
        held: Untrusted,
    },
    /// What was released last on this volume was overwritten without us: it cannot come back.
    ForgetReleased {
        backup_volume: VolumeId,
    },
    /// Something was started onto the session's target: what was released on it cannot come back.
    PutSession(OurSession),
    RemoveSession {
        pair: Pair,
    },
    /// Of a volume group that a session is onto. It goes with the session.
    WatchGroup {
        backup_volume: VolumeId,
        watch: GroupWatch,
    },
    KnowArray {
        name: Name,
        box_id: BoxId,
    },
    /// Adds or replaces a map set. Fails when one of its transaction volumes is in another set.
    PutMapSet(MapSet),
    RemoveMapSet {
        name: Name,
    },
    /// Adds or replaces a set. Fails when one of its transaction volumes is in another set.
    PutVolumeSet(VolumeSet),
    RemoveVolumeSet {
        name: Name,
    },
    /// A pair was started because a map paired it. An earlier operation never replaces a later one.
    UseMapRow {
        transaction_volume: VolumeId,
        backup_volume: VolumeId,
        operation: OperationId,
    },
    /// What the notification hook was given, or is to be given next.
    PutNotice {
        key: String,
        notice: Box<NoticeRecord>,
    },
    RemoveNotice {
        key: String,
    },
    /// A person knows of a trouble.
    Acknowledge(Box<Acknowledgement>),
    EndAcknowledgement {
        trouble: TroubleId,
    },
    /// An array is in maintenance.
    PutMaintenance(Box<Maintenance>),
    EndMaintenance {
        array: Name,
    },
    /// A transaction volume was taken over from another program, or given back.
    PutTakeOver(Box<TakeOver>),
}

impl EntityChange {
    /// The kept generation whose record it alters.
    pub fn altered_generation(&self) -> Option<(VolumeId, Version)> {
        match self {
            Self::SetGenerationState { transaction_volume, version, .. }
            | Self::HoldGeneration { transaction_volume, version, .. }
            | Self::KeepGroupCopy { transaction_volume, version, .. }
            | Self::KeepFingerprint { transaction_volume, version, .. } => Some((*transaction_volume, *version)),
            _ => None,
        }
    }

    /// Alters the record of its generation.
    pub fn alter(&self, generation: &mut Generation) {
        match self {
            Self::SetGenerationState { state, .. } => generation.state.clone_from(state),
            Self::HoldGeneration { held, .. } => generation.held.clone_from(held),
            Self::KeepGroupCopy { group, .. } => generation.group = Some(group.clone()),
            Self::KeepFingerprint { fingerprint, .. } => generation.fingerprint = Some(fingerprint.clone()),
            _ => {}
        }
    }
}
