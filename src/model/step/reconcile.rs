//! Steps that bring the catalogue and the arrays together, in the catalogue only.

use super::{DigestText, Done, NotKeepable, Step, StepChanges, VolumeNames};
use crate::model::codes::Code;
use crate::model::entity::{BackupMode, Generation, GenerationState, OurSession, ReleaseReason};
use crate::model::entity_change::EntityChange;
use crate::model::event::EventKind;
use crate::model::identity::VolumeId;
use crate::model::session::Pair;
use crate::model::take_over::{TakeOver, TakeOverState, program, unproved};
use crate::model::units::{Blocks, Timestamp, Version};
use crate::model::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use std::slice;

/// A session of another program becomes ours, and what is on its target is kept, unproved and held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptStep {
    pub pair: Pair,
    /// Everything is being copied now.
    pub full: bool,
    /// Who made it.
    pub by: Untrusted,
    pub generation: Option<AdoptedGeneration>,
    /// Without a session on the array: only the generation is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_session: bool,
}

/// A backup of another program, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptedGeneration {
    pub blocks: Blocks,
    /// When that program says that it was made; `None`: the moment of adoption, which is later.
    pub taken_at: Option<Timestamp>,
}

impl AdoptStep {
    fn state(&self, new: &AdoptedGeneration) -> GenerationState {
        let why = unproved(&self.by);
        GenerationState::InDoubt(match new.taken_at {
            Some(_) => why,
            None => format!("{why}: when it was made is not known, it was there when it was adopted"),
        })
    }
}

impl Step for AdoptStep {
    fn agree(&self, digest: &mut DigestText) {
        let Pair { kind, source, target } = self.pair;
        let taken_at = self.generation.as_ref().map(|new| new.taken_at);
        digest.line(format_args!(
            " adopt {kind} {source}>{target} session={} generation={taken_at:?}",
            !self.without_session
        ));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let (target, by) = (names.place(self.pair.target), program(&self.by));
        match (&self.generation, self.without_session) {
            (None, _) => format!("adopt the session of {by} to {target}"),
            (Some(_), false) => {
                format!("adopt the session of {by} to {target}, keep what is on it as a generation, held")
            }
            (Some(_), true) => format!("keep the backup of {by} on {target} as a generation, held"),
        }
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let Pair { source: volume, target: backup_volume, .. } = self.pair;
        let known = done.catalogue.transaction_volume(volume).ok_or_else(|| NotKeepable::unregistered(volume))?;
        done.catalogue.backup_volume(backup_volume).ok_or_else(|| NotKeepable::unregistered(backup_volume))?;
        let mut made = StepChanges::default();
        if !self.without_session {
            let ours = OurSession { pair: self.pair, since: done.now, operation: None, full: self.full };
            made.changes.push(EntityChange::PutSession(ours));
        }
        let mut version = None;
        if let Some(new) = &self.generation {
            if let Some(kept) = done.catalogue.generation_on(backup_volume) {
                let why = format!("{backup_volume} holds {} by now, so nothing was adopted", kept.version);
                return Err(NotKeepable::new(Code::HOLDS_A_GENERATION, why));
            }
            version = Some(known.next_version);
            made.changes.push(EntityChange::AddGeneration(Generation {
                transaction_volume: volume,
                version: known.next_version,
                backup_volume,
                blocks: new.blocks,
                taken_at: new.taken_at.unwrap_or(done.now),
                suspend_complete_by: None,
                mode: if self.without_session { BackupMode::Dissolve } else { BackupMode::Suspend },
                state: self.state(new),
                held: Some(Untrusted::from(unproved(&self.by).as_str())),
                provisioned: false,
                operation: Some(done.operation),
                crash_consistent: None,
                set: None,
                group: None,
                fingerprint: None,
                copied_in: None,
            }));
        }
        let taken = TakeOver { volume, state: TakeOverState::Adopted, by: self.by.clone(), since: done.now };
        made.changes.push(EntityChange::PutTakeOver(Box::new(taken)));
        made.events.push(EventKind::SessionAdopted { pair: self.pair, by: self.by.clone(), version });
        Ok(made)
    }
}

/// The record of a session that the array has not is dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetSessionStep {
    pub pair: Pair,
}

impl Step for ForgetSessionStep {
    fn agree(&self, digest: &mut DigestText) {
        let Pair { kind, source, target } = self.pair;
        digest.line(format_args!(" forget session {kind} {source}>{target}"));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("forget the session to {}", names.place(self.pair.target))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let pair = self.pair;
        Ok(match done.catalogue.our_session(&pair) {
            Some(_) => StepChanges::one(EntityChange::RemoveSession { pair }, EventKind::SessionForgotten { pair }),
            None => StepChanges::default(),
        })
    }

    fn ends(&self) -> &[Pair] {
        slice::from_ref(&self.pair)
    }
}

/// A volume that was taken over is that program's again: our records of its pairs and of their generations are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiveBackStep {
    pub volume: VolumeId,
    pub by: Untrusted,
    pub pairs: Vec<Pair>,
    pub versions: Vec<Version>,
}

impl Step for GiveBackStep {
    fn agree(&self, digest: &mut DigestText) {
        let targets: Vec<String> = self.pairs.iter().map(|pair| pair.target.to_string()).collect();
        digest.line(format_args!(" give back {} {} {:?}", self.volume, targets.join(" "), self.versions));
    }

    fn sentence(&self, _names: &dyn VolumeNames) -> String {
        format!("give the volume back to {}: its sessions are no longer ours and go on as they are", program(&self.by))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let volume = self.volume;
        let mut made = StepChanges::default();
        for &version in &self.versions {
            let Some(kept) = done.catalogue.generation(volume, version) else { continue };
            let (why, backup_volume) = (ReleaseReason::Reconciled, kept.backup_volume);
            let change = EntityChange::ReleaseGeneration { transaction_volume: volume, version, at: done.now, why };
            made.changes.push(change);
            // That program may write on it from now on: it cannot come back.
            made.changes.push(EntityChange::ForgetReleased { backup_volume });
            made.events.push(EventKind::GenerationReleased { volume, version, backup_volume, why });
        }
        for &pair in &self.pairs {
            if done.catalogue.our_session(&pair).is_some() {
                made.changes.push(EntityChange::RemoveSession { pair });
            }
        }
        let observed = TakeOver { volume, state: TakeOverState::Observed, by: self.by.clone(), since: done.now };
        made.changes.push(EntityChange::PutTakeOver(Box::new(observed)));
        made.events.push(EventKind::VolumeGivenBack { volume, by: self.by.clone(), sessions: self.pairs.len() });
        Ok(made)
    }
}
