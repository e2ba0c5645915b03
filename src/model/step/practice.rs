//! Steps that practise a restore: a one-point copy of a generation to a spare volume, whose bytes are compared with the
//! generation's fingerprint.
//!
//! The mark is our row of the one-point copy, as for a restore. Whatever becomes of the practice, its end takes the mark away:
//! the spare is unused again.

use super::restore::marked;
use super::{DigestText, Done, NotKeepable, Step, StepChanges, StepEffect, VolumeNames};
use crate::model::codes::Code;
use crate::model::entity::GenerationState;
use crate::model::entity_change::EntityChange;
use crate::model::event::EventKind;
use crate::model::fingerprint::{Fingerprint, Verification};
use crate::model::identity::VolumeId;
use crate::model::session::Pair;
use crate::model::units::{Blocks, Version};
use serde::{Deserialize, Serialize};

/// What came of reading a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// What is not as in the fingerprint, in words; `None`: nothing.
    pub differs: Option<String>,
}

/// Marks the spare: from here on it holds a copy that nobody keeps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginPracticeStep {
    pub transaction_volume: VolumeId,
    pub version: Version,
    /// The one-point copy from the generation's volume.
    pub pair: Pair,
}

impl Step for BeginPracticeStep {
    fn agree(&self, digest: &mut DigestText) {
        let Self { transaction_volume, version, pair } = self;
        digest.line(format_args!(" practise {version} of {transaction_volume} {}>{}", pair.source, pair.target));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("take {} for the practice of {}", names.place(self.pair.target), self.version)
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let Self { transaction_volume: volume, version, pair } = *self;
        let kept = done.catalogue.generation(volume, version);
        if kept.is_none_or(|kept| kept.backup_volume != pair.source) {
            let why = format!("{version} is not on {} any more", pair.source);
            return Err(NotKeepable::new(Code::NO_SUCH_GENERATION, why));
        }
        if let Some(kept) = done.catalogue.generation_on(pair.target) {
            let why = format!("{} holds {} by now, so nothing was copied to it", pair.target, kept.version);
            return Err(NotKeepable::new(Code::HOLDS_A_GENERATION, why));
        }
        if done.catalogue.backup_volume(pair.target).is_none() {
            return Err(NotKeepable::unregistered(pair.target));
        }
        let changes = marked(pair, done);
        Ok(StepChanges { changes, events: vec![EventKind::PracticeBegun { volume, version, target: pair.target }] })
    }
}

/// Reads the copy, compares it with the generation's fingerprint, and gives the spare back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompareCopyStep {
    pub transaction_volume: VolumeId,
    pub version: Version,
    pub pair: Pair,
    pub blocks: Blocks,
    /// BLAKE3 of the whole generation, as it was read after its backup.
    pub blake3: String,
}

impl Step for CompareCopyStep {
    fn agree(&self, _digest: &mut DigestText) {}

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let spare = names.place(self.pair.target);
        format!(
            "read all {} of {spare}, compare with the fingerprint of {}, and give {spare} back",
            self.blocks, self.version
        )
    }

    fn effect(&self) -> Option<StepEffect> {
        Some(StepEffect::Compare(Box::new(self.clone())))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let Self { transaction_volume: volume, version, pair, .. } = *self;
        let (Some(compared), Some(mark)) = (done.compared, done.catalogue.our_session(&pair)) else {
            return Err(NotKeepable::new(Code::PRACTICE_NOT_DONE, format!("the copy of {version} was not compared")));
        };
        let since = mark.since;
        let mut changes = StepChanges { changes: vec![EntityChange::RemoveSession { pair }], events: Vec::new() };
        let Some(kept) = done.catalogue.generation(volume, version) else {
            return Err(NotKeepable::new(Code::NO_SUCH_GENERATION, format!("{version} is not kept any more")));
        };
        let Some(known) = kept.fingerprint.as_ref().filter(|known| known.blake3 == self.blake3) else {
            return Err(NotKeepable::new(Code::NOT_FINGERPRINTED, format!("{version} has another fingerprint by now")));
        };
        let millis = u64::try_from(done.now.since(since)).unwrap_or(0);
        let differs = compared.differs.clone();
        let practised = Some(Verification { at: done.now, millis, differs: differs.clone() });
        changes.changes.push(EntityChange::KeepFingerprint {
            transaction_volume: volume,
            version,
            fingerprint: Box::new(Fingerprint { practised, ..(**known).clone() }),
            leaves: None,
        });
        changes.events.push(EventKind::Practised {
            volume,
            version,
            target: pair.target,
            millis,
            differs: differs.clone(),
        });
        if let Some(what) = differs.filter(|_| kept.state == GenerationState::Valid) {
            let state = GenerationState::InDoubt(format!("a copy of it has not the bytes of its fingerprint: {what}"));
            changes.changes.push(EntityChange::SetGenerationState {
                transaction_volume: volume,
                version,
                state: state.clone(),
            });
            changes.events.push(EventKind::GenerationStateSet { volume, version, state });
        }
        Ok(changes)
    }
}
