//! Steps that record, hold, mark and release generations.

use super::{DigestText, Done, NotKeepable, OwnSuspend, PlanStep, Step, StepChanges, VolumeNames};
use crate::model::codes::Code;
use crate::model::entity::{
    BackupMode, CopyTime, Generation, GenerationState, InstantProof, ReleaseReason, SetInstant,
};
use crate::model::entity_change::EntityChange;
use crate::model::event::EventKind;
use crate::model::identity::VolumeId;
use crate::model::session::Pair;
use crate::model::units::{Blocks, Version};
use crate::model::untrusted::Untrusted;
use serde::{Deserialize, Serialize};

/// A generation that a step records. Its version is the volume's next one at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NewGeneration {
    pub transaction_volume: VolumeId,
    pub backup_volume: VolumeId,
    pub blocks: Blocks,
    pub mode: BackupMode,
    /// Somebody asked for it without the scripts that make it more than that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub crash_consistent: bool,
    /// How long the copy before it took, as far as that was watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_in: Option<CopyTime>,
}

/// One catalogue transaction for all of them, after their suspend was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordStep {
    pub generations: Vec<NewGeneration>,
}

impl RecordStep {
    /// The proof of the instant of a set. The plan has one suspend for all of them, which the array does at one instant.
    fn instant(&self, suspend: &OwnSuspend, done: &Done<'_>) -> Option<SetInstant> {
        let name = done.item.set.clone()?;
        let within = done.seen_at.since(suspend.sent).max(0);
        Some(SetInstant {
            name,
            volumes: u32::try_from(self.generations.len()).unwrap_or(u32::MAX),
            within_millis: u32::try_from(within).unwrap_or(u32::MAX),
            by: InstantProof::Array,
        })
    }
}

impl Step for RecordStep {
    fn agree(&self, digest: &mut DigestText) {
        for new in &self.generations {
            let how = if new.crash_consistent { " crash-consistent" } else { "" };
            digest.line(format_args!(" record {} on {} {}{how}", new.transaction_volume, new.backup_volume, new.mode));
        }
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let each = self.generations.iter().map(|new| {
            let next = names.next_version(new.transaction_volume);
            let version = next.map_or_else(|| "a generation".to_owned(), |next| next.to_string());
            format!("{version} on {}", names.place(new.backup_volume))
        });
        format!("record {}", each.collect::<Vec<_>>().join(", "))
    }

    /// A generation comes only from an un-forced suspend that this operation issued and then observed.
    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let mut kept = StepChanges::default();
        for new in &self.generations {
            let (volume, backup_volume) = (new.transaction_volume, new.backup_volume);
            let Some(suspend) = done.own_suspends.get(&Pair::new(volume, backup_volume)) else {
                let why = "no suspend by this operation was observed, so no generation was recorded".to_owned();
                return Err(NotKeepable::new(Code::RESUME_FIRST, why));
            };
            if let Some(kept) = done.catalogue.generation_on(backup_volume) {
                let why = format!("{backup_volume} holds {} by now, so no generation was recorded", kept.version);
                return Err(NotKeepable::new(Code::HOLDS_A_GENERATION, why));
            }
            let known = done.catalogue.transaction_volume(volume).ok_or_else(|| NotKeepable::unregistered(volume))?;
            let version = known.next_version;
            kept.changes.push(EntityChange::AddGeneration(Generation {
                transaction_volume: volume,
                version,
                backup_volume,
                blocks: new.blocks,
                taken_at: suspend.sent,
                suspend_complete_by: suspend.went_on.then_some(done.seen_at),
                mode: new.mode,
                state: GenerationState::Valid,
                held: None,
                provisioned: false,
                operation: Some(done.operation),
                crash_consistent: new.crash_consistent.then(|| Untrusted::from("asked for without hooks")),
                set: self.instant(suspend, done),
                group: None,
                copied_in: new.copied_in,
                fingerprint: None,
            }));
            kept.events.push(EventKind::GenerationRecorded { volume, version, backup_volume, provisioned: false });
        }
        Ok(kept)
    }

    fn records(&self) -> &[NewGeneration] {
        &self.generations
    }
}

/// Releases a generation: it stays in history only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GiveUpStep {
    pub transaction_volume: VolumeId,
    pub version: Version,
    pub backup_volume: VolumeId,
    pub why: ReleaseReason,
}

impl GiveUpStep {
    /// The newest generation is durable, newer than the one to give up, the one that this operation recorded if it records
    /// one at all, and wants nobody's attention.
    fn newer_is_sound(&self, done: &Done<'_>) -> bool {
        let records = |step: &PlanStep| {
            !step.records().is_empty() || matches!(step, PlanStep::KeepPresentState(keep) if keep.is_backup)
        };
        let records_one = done.item.steps.iter().any(records);
        done.catalogue.newest_generation(self.transaction_volume).is_some_and(|newest| {
            newest.version > self.version
                && newest.state == GenerationState::Valid
                && !newest.is_before_restore()
                && (!records_one || newest.operation == Some(done.operation))
        })
    }

    /// Whether as many sound generations as the policy's floor says are left without this one. Where its oldest is ended
    /// before the new one exists, the one to come counts.
    fn leaves_the_floor(&self, known: &Generation, done: &Done<'_>) -> bool {
        let volume = done.catalogue.transaction_volume(self.transaction_volume);
        let Some(policy) = volume.and_then(|volume| volume.policy) else { return true };
        let is_sound = |kept: &&Generation| kept.state == GenerationState::Valid && !kept.is_before_restore();
        if !is_sound(&known) {
            return true;
        }
        let kept = done.catalogue.generations_of(self.transaction_volume);
        let left = kept.into_iter().filter(|kept| kept.version != self.version).filter(is_sound).count();
        let to_come = usize::from(self.why == ReleaseReason::Reused && policy.reuse_oldest);
        left + to_come >= usize::from(policy.floor())
    }
}

impl Step for GiveUpStep {
    fn agree(&self, digest: &mut DigestText) {
        let Self { transaction_volume, version, backup_volume, why } = self;
        digest.line(format_args!(" give up {version} of {transaction_volume} on {backup_volume} {why:?}"));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let why = match self.why {
            ReleaseReason::Retention => "beyond the policy",
            ReleaseReason::Deleted => "as asked",
            ReleaseReason::Overwritten => "its volume is overwritten",
            ReleaseReason::Reconciled => "as reconciled",
            ReleaseReason::Reused => "its volume is used again, as the policy says",
        };
        format!("release {} on {}: {why}", self.version, names.place(self.backup_volume))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let Self { transaction_volume, version, backup_volume, why } = *self;
        let Some(known) = done.catalogue.generation(transaction_volume, version) else {
            return Ok(StepChanges::default());
        };
        let held = known.held.is_some();
        if why == ReleaseReason::Retention {
            // What the plan promised is given up only while the reasons for it hold; keeping one more is never wrong.
            if held || !self.newer_is_sound(done) || !self.leaves_the_floor(known, done) {
                return Ok(StepChanges::default());
            }
        } else if held {
            let why = format!("{version} is held now, so it was not released");
            return Err(NotKeepable::new(Code::GENERATION_HELD, why));
        } else if why == ReleaseReason::Reused && !self.leaves_the_floor(known, done) {
            let why = format!("without {version} too few sound generations would be left, so it was not released");
            return Err(NotKeepable::new(Code::ROTATION_TOO_SOON, why));
        }
        let change = EntityChange::ReleaseGeneration { transaction_volume, version, at: done.now, why };
        let event = EventKind::GenerationReleased { volume: transaction_volume, version, backup_volume, why };
        Ok(StepChanges::one(change, event))
    }
}

/// Keeps a generation from being released; without a reason, ends that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldStep {
    pub volume: VolumeId,
    pub version: Version,
    pub why: Option<Untrusted>,
}

impl Step for HoldStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" hold {} of {} {:?}", self.version, self.volume, self.why));
    }

    fn sentence(&self, _names: &dyn VolumeNames) -> String {
        match &self.why {
            Some(why) => format!("hold {}: {}", self.version, why.escaped()),
            None => format!("hold {} no longer", self.version),
        }
    }

    fn changes(&self, _done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let (volume, version, held) = (self.volume, self.version, self.why.clone());
        let event = EventKind::GenerationHeld { volume, version, held: held.clone() };
        Ok(StepChanges::one(EntityChange::HoldGeneration { transaction_volume: volume, version, held }, event))
    }
}

/// Marks how far a generation can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetGenerationStateStep {
    pub volume: VolumeId,
    pub version: Version,
    pub state: GenerationState,
}

impl Step for SetGenerationStateStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" state {} of {} {:?}", self.version, self.volume, self.state));
    }

    fn sentence(&self, _names: &dyn VolumeNames) -> String {
        format!("mark {}: {}", self.version, self.state)
    }

    fn changes(&self, _done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let (volume, version, state) = (self.volume, self.version, self.state.clone());
        let event = EventKind::GenerationStateSet { volume, version, state: state.clone() };
        let change = EntityChange::SetGenerationState { transaction_volume: volume, version, state };
        Ok(StepChanges::one(change, event))
    }
}

/// Takes a released generation back, whose volume nothing was started onto since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReinstateStep {
    pub volume: VolumeId,
    pub version: Version,
    pub backup_volume: VolumeId,
    /// How far it can be trusted from then on.
    pub state: GenerationState,
}

impl Step for ReinstateStep {
    fn agree(&self, digest: &mut DigestText) {
        let Self { volume, version, backup_volume, state } = self;
        digest.line(format_args!(" reinstate {version} of {volume} on {backup_volume} {state:?}"));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("keep {} on {} again, held: {}", self.version, names.place(self.backup_volume), Generation::REINSTATED)
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let Self { volume, version, backup_volume, ref state } = *self;
        let there = done.catalogue.released_on(backup_volume).is_some_and(|released| {
            released.generation.transaction_volume == volume && released.generation.version == version
        });
        if !there {
            let why = format!("the volume of {version} was used meanwhile, so it was not reinstated");
            return Err(NotKeepable::new(Code::NOT_REINSTATABLE, why));
        }
        let held = Untrusted::from(Generation::REINSTATED);
        let state = state.clone();
        let event = EventKind::GenerationReinstated { volume, version, backup_volume, state: state.clone() };
        Ok(StepChanges::one(
            EntityChange::ReinstateGeneration { transaction_volume: volume, version, state, held },
            event,
        ))
    }
}
