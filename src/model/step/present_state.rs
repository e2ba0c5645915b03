//! Steps that keep what a transaction volume is before a restore overwrites it: a one-point copy to an unused backup volume.
//!
//! The row of the one-point copy keeps the backup volume closed meanwhile. It goes with the generation that is recorded, or
//! with the operation that could not make one: the volume is then unused again.

use super::restore::{agree_to_copy, marked, start_copy};
use super::{DigestText, Done, NotKeepable, Step, StepChanges, StepEffect, VolumeNames};
use crate::model::codes::Code;
use crate::model::entity::{BackupMode, Generation, GenerationState};
use crate::model::entity_change::EntityChange;
use crate::model::event::EventKind;
use crate::model::session::Pair;
use crate::model::units::Blocks;
use crate::model::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use std::slice;

/// Reserves the backup volume for the copy of the present state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginPresentStateStep {
    /// The one-point copy from the transaction volume to the backup volume.
    pub pair: Pair,
}

impl Step for BeginPresentStateStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" keep the present state of {} on {}", self.pair.source, self.pair.target));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("reserve {} for the present state of {}", names.place(self.pair.target), names.place(self.pair.source))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let Self { pair } = *self;
        if let Some(kept) = done.catalogue.generation_on(pair.target) {
            let why = format!("{} holds {} by now, so the present state was not kept there", pair.target, kept.version);
            return Err(NotKeepable::new(Code::HOLDS_A_GENERATION, why));
        }
        Ok(StepChanges { changes: marked(pair, done), events: Vec::new() })
    }
}

/// Sends the one-point copy of the present state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyPresentStateStep {
    pub pair: Pair,
    pub blocks: Blocks,
}

impl Step for CopyPresentStateStep {
    fn agree(&self, digest: &mut DigestText) {
        agree_to_copy(self.pair, digest);
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let Self { pair, blocks } = self;
        let (from, to) = (names.place(pair.source), names.place(pair.target));
        format!("copy all {blocks} of the present state from {from} to {to} (OPC)")
    }

    fn effect(&self) -> Option<StepEffect> {
        Some(start_copy(self.pair))
    }

    fn starts(&self) -> &[Pair] {
        slice::from_ref(&self.pair)
    }
}

/// Waits for the end of that copy, and records the generation with the time at which the copy was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepPresentStateStep {
    pub pair: Pair,
    pub blocks: Blocks,
    /// It is a backup that counts, and not the state of before a restore.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_backup: bool,
}

impl Step for KeepPresentStateStep {
    fn agree(&self, _digest: &mut DigestText) {}

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let next = names.next_version(self.pair.source);
        let version = next.map_or_else(|| "a generation".to_owned(), |next| next.to_string());
        let place = names.place(self.pair.target);
        if self.is_backup {
            return format!(
                "when all of it is copied, record {version} on {place}, of the time at which the copy began"
            );
        }
        format!("when all of it is copied, keep it as {version} on {place}, held: {}", Generation::BEFORE_RESTORE)
    }

    fn effect(&self) -> Option<StepEffect> {
        Some(StepEffect::Await(self.pair))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let Self { pair, blocks, is_backup } = *self;
        let (volume, backup_volume) = (pair.source, pair.target);
        let Some(started) = done.own_suspends.get(&pair) else {
            let why = "no copy of the present state by this operation was observed".to_owned();
            return Err(NotKeepable::new(Code::PRESENT_STATE_NOT_KEPT, why));
        };
        if let Some(kept) = done.catalogue.generation_on(backup_volume) {
            let why = format!("{backup_volume} holds {} by now, so the present state was not kept", kept.version);
            return Err(NotKeepable::new(Code::HOLDS_A_GENERATION, why));
        }
        let known = done.catalogue.transaction_volume(volume).ok_or_else(|| NotKeepable::unregistered(volume))?;
        let version = known.next_version;
        let why = if is_backup { Generation::SNAPSHOT } else { Generation::BEFORE_RESTORE };
        let mut changes: Vec<EntityChange> = Vec::new();
        if done.catalogue.our_session(&pair).is_some() {
            changes.push(EntityChange::RemoveSession { pair });
        }
        changes.push(EntityChange::AddGeneration(Generation {
            transaction_volume: volume,
            version,
            backup_volume,
            blocks,
            taken_at: started.sent,
            suspend_complete_by: None,
            mode: BackupMode::Dissolve,
            state: GenerationState::Valid,
            held: (!is_backup).then(|| Untrusted::from(why)),
            provisioned: false,
            operation: Some(done.operation),
            crash_consistent: Some(Untrusted::from(why)),
            set: None,
            group: None,
            copied_in: None,
            fingerprint: None,
        }));
        let event = if is_backup {
            EventKind::GenerationRecorded { volume, version, backup_volume, provisioned: false }
        } else {
            EventKind::PresentStateKept { volume, version, backup_volume }
        };
        Ok(StepChanges { changes, events: vec![event] })
    }

    fn starts(&self) -> &[Pair] {
        slice::from_ref(&self.pair)
    }
}
