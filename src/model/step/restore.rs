//! Steps that bring a generation back: a one-point copy inside one array, and the mark that its target has meanwhile.
//!
//! The mark is our row of the one-point copy. It is there before the copy is sent, and only the copy's end or a person takes
//! it away: until then the target is *restore-incomplete*, whatever becomes of the engine, the array or the operation.

use super::{ArrayCommand, DigestText, Done, NotKeepable, Step, StepChanges, StepEffect, VolumeNames};
use crate::model::codes::Code;
use crate::model::copy::Command;
use crate::model::entity::OurSession;
use crate::model::entity_change::EntityChange;
use crate::model::event::EventKind;
use crate::model::identity::VolumeId;
use crate::model::session::Pair;
use crate::model::units::{Blocks, Version};
use serde::{Deserialize, Serialize};
use std::slice;

/// Marks the target: from here on its content is neither what it was nor what it will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginRestoreStep {
    pub transaction_volume: VolumeId,
    pub version: Version,
    /// The one-point copy from the generation's volume.
    pub pair: Pair,
}

impl Step for BeginRestoreStep {
    fn agree(&self, digest: &mut DigestText) {
        let Self { transaction_volume, version, pair } = self;
        digest.line(format_args!(" restore {version} of {transaction_volume} {}>{}", pair.source, pair.target));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("mark {} as restore-incomplete until all of {} is there", names.place(self.pair.target), self.version)
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let Self { transaction_volume: volume, version, pair } = *self;
        let kept = done.catalogue.generation(volume, version);
        if kept.is_none_or(|kept| kept.backup_volume != pair.source) {
            let why = format!("{version} is not on {} any more", pair.source);
            return Err(NotKeepable::new(Code::NO_SUCH_GENERATION, why));
        }
        if let Some(kept) = done.catalogue.generation_on(pair.target) {
            let why = format!("{} holds {} by now, so nothing was restored to it", pair.target, kept.version);
            return Err(NotKeepable::new(Code::HOLDS_A_GENERATION, why));
        }
        let changes = marked(pair, done);
        Ok(StepChanges { changes, events: vec![EventKind::RestoreBegun { volume, version, target: pair.target }] })
    }
}

/// Sends the one-point copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartOpcStep {
    pub pair: Pair,
    pub version: Version,
    pub blocks: Blocks,
}

impl Step for StartOpcStep {
    fn agree(&self, digest: &mut DigestText) {
        agree_to_copy(self.pair, digest);
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let Self { pair, version, blocks } = self;
        let (from, to) = (names.place(pair.source), names.place(pair.target));
        format!("copy all {blocks} of {version} from {from} to {to} (OPC)")
    }

    fn effect(&self) -> Option<StepEffect> {
        Some(start_copy(self.pair))
    }

    fn starts(&self) -> &[Pair] {
        slice::from_ref(&self.pair)
    }
}

/// What people agree to of a one-point copy.
pub(super) fn agree_to_copy(pair: Pair, digest: &mut DigestText) {
    digest.line(format_args!(" one-point copy {}>{}", pair.source, pair.target));
}

/// What starts one.
pub(super) fn start_copy(pair: Pair) -> StepEffect {
    let command = Command::StartOpc { pairs: vec![pair] };
    StepEffect::Array(ArrayCommand { array: pair.source.box_id, command })
}

/// Waits for the end of the one-point copy. The volumes stay claimed meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AwaitOpcStep {
    pub transaction_volume: VolumeId,
    pub version: Version,
    pub pair: Pair,
    /// The bytes alone are not all of it: a later step takes the mark from the target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keeps_mark: bool,
}

impl Step for AwaitOpcStep {
    fn agree(&self, _digest: &mut DigestText) {}

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("wait until the copy to {} has ended", names.place(self.pair.target))
    }

    fn effect(&self) -> Option<StepEffect> {
        Some(StepEffect::Await(self.pair))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let Self { transaction_volume: volume, version, pair, keeps_mark } = *self;
        let target = pair.target;
        let mut kept = StepChanges::default();
        if keeps_mark {
            return Ok(kept);
        }
        if done.catalogue.our_session(&pair).is_some() {
            kept.changes.push(EntityChange::RemoveSession { pair });
        }
        kept.events.push(EventKind::Restored { volume, version, target });
        // In the pool, the next start could take it and copy over what was brought back.
        if done.catalogue.backup_volume(target).is_some() {
            kept.changes.push(EntityChange::RemoveBackupVolume { id: target });
            kept.events.push(EventKind::VolumeRemoved { volume: target });
        }
        Ok(kept)
    }

    fn starts(&self) -> &[Pair] {
        slice::from_ref(&self.pair)
    }
}

/// All of the generation is there, and has its own identity: takes the mark from the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndRestoreStep {
    pub transaction_volume: VolumeId,
    pub version: Version,
    pub pair: Pair,
}

impl Step for EndRestoreStep {
    fn agree(&self, _digest: &mut DigestText) {}

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("no longer mark {} as restore-incomplete", names.place(self.pair.target))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let Self { transaction_volume: volume, version, pair } = *self;
        let mark = done.catalogue.our_session(&pair).map(|_| EntityChange::RemoveSession { pair });
        let events = vec![EventKind::Restored { volume, version, target: pair.target }];
        Ok(StepChanges { changes: mark.into_iter().collect(), events })
    }
}

/// Ends the one-point copy of a restore. The mark of its target stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndOpcStep {
    pub pair: Pair,
}

impl Step for EndOpcStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" end one-point copy {}>{}", self.pair.source, self.pair.target));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("end what is left of an earlier restore to {}", names.place(self.pair.target))
    }

    fn effect(&self) -> Option<StepEffect> {
        Some(StepEffect::Array(ArrayCommand { array: self.pair.source.box_id, command: end_command(self.pair) }))
    }
}

/// What ends a one-point copy, however far it is: without force, some control planes refuse while it copies.
pub fn end_command(pair: Pair) -> Command {
    Command::Stop { pairs: vec![pair], force: true }
}

/// Takes the mark from the operation that restores: it sees that, ends the copy and stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelRestoreStep {
    pub pair: Pair,
    /// It is only practised: nothing stays incomplete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub practice: bool,
}

impl Step for CancelRestoreStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" cancel restore {}>{}", self.pair.source, self.pair.target));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let target = names.place(self.pair.target);
        if self.practice {
            return format!("end the practice on {target}, which is unused again");
        }
        format!("end the copy to {target}, which stays restore-incomplete")
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let pair = self.pair;
        if done.catalogue.our_session(&pair).is_none() {
            return Err(NotKeepable::new(Code::NO_RESTORE, format!("the restore to {} has ended", pair.target)));
        }
        let events = if self.practice { Vec::new() } else { vec![EventKind::RestoreCancelled { pair }] };
        Ok(StepChanges { changes: vec![mark(pair, done)], events })
    }
}

/// Takes the mark from a volume: somebody answers for what is on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForgetRestoreStep {
    pub target: VolumeId,
}

impl Step for ForgetRestoreStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" forget the restore to {}", self.target));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("no longer mark {} as restore-incomplete", names.place(self.target))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let target = self.target;
        let marks = done.catalogue.restores_to(target);
        if marks.is_empty() {
            return Err(NotKeepable::new(Code::NO_RESTORE, format!("{target} is not marked as restore-incomplete")));
        }
        let changes = marks.into_iter().map(|pair| EntityChange::RemoveSession { pair }).collect();
        Ok(StepChanges { changes, events: vec![EventKind::RestoreForgotten { target }] })
    }
}

/// The mark of a new copy. Earlier ones to the same volume count no more: this one replaces all of it.
pub(super) fn marked(pair: Pair, done: &Done<'_>) -> Vec<EntityChange> {
    let earlier = done.catalogue.restores_to(pair.target).into_iter().filter(|earlier| *earlier != pair);
    earlier.map(|pair| EntityChange::RemoveSession { pair }).chain([mark(pair, done)]).collect()
}

/// The mark, in the name of the operation that sets it.
fn mark(pair: Pair, done: &Done<'_>) -> EntityChange {
    EntityChange::PutSession(OurSession { pair, since: done.now, operation: Some(done.operation), full: true })
}
