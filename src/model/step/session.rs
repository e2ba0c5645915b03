//! Steps that one command to an array does: they make, suspend, resume and end sessions.

use super::{ArrayCommand, DigestText, Done, NotKeepable, PlanItem, Step, StepChanges, StepEffect, VolumeNames};
use crate::model::copy::Command;
use crate::model::entity::OurSession;
use crate::model::entity_change::EntityChange;
use crate::model::event::EventKind;
use crate::model::identity::BoxId;
use crate::model::session::{CopyKind, Pair, RecModes};
use crate::model::units::Blocks;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::slice;

/// A new session, everything is copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartFullStep {
    pub pair: Pair,
    pub blocks: Blocks,
    pub modes: Option<RecModes>,
}

impl StartFullStep {
    /// Its line in the digest where the planner chose the target: the box says EC or REC, the blocks say how much, and any
    /// unused volume that is equal in both may serve.
    pub fn agree_to_any_target(&self, digest: &mut DigestText) {
        let (kind, source, there) = (self.pair.kind, self.pair.source, self.pair.target.box_id);
        let (blocks, modes) = (self.blocks.0, self.modes);
        digest.line(format_args!(" full {kind} {source}>any unused of {blocks} in {there} {modes:?}"));
    }
}

impl Step for StartFullStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" full {} {:?}", arrow(&self.pair), self.modes));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let Self { pair, blocks, modes } = self;
        let far = if pair.kind == CopyKind::Rec { ", on another box" } else { "" };
        let modes = modes.map_or_else(String::new, |modes| format!("; {modes}"));
        format!("copy all {blocks} to {} ({}{far}{modes})", names.place(pair.target), pair.kind)
    }

    fn effect(&self) -> Option<StepEffect> {
        at_source(Command::Start { pairs: vec![self.pair], modes: self.modes })
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let pair = self.pair;
        let ours = OurSession { pair, since: done.seen_at, operation: Some(done.operation), full: true };
        Ok(StepChanges::one(EntityChange::PutSession(ours), EventKind::SessionMade { pair, full: true }))
    }

    /// The session that it may have made is ours until somebody has looked, so that no other start is made beside it.
    fn changes_in_doubt(&self, done: &Done<'_>) -> Vec<EntityChange> {
        self.changes(done).map(|made| made.changes).unwrap_or_default()
    }

    fn starts(&self) -> &[Pair] {
        slice::from_ref(&self.pair)
    }

    fn must_be_ours(&self, _item: &PlanItem) -> bool {
        true
    }
}

/// A suspended session goes on, the difference is copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResumeStep {
    pub pair: Pair,
    pub difference: Option<Blocks>,
}

impl Step for ResumeStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" difference {}", arrow(&self.pair)));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let much = self.difference.map_or_else(String::new, |difference| format!(", {difference},"));
        format!("copy the difference{much} to {}", names.place(self.pair.target))
    }

    fn effect(&self) -> Option<StepEffect> {
        at_source(Command::Resume { pairs: vec![self.pair] })
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        let pair = self.pair;
        let fresh = OurSession { pair, since: done.seen_at, operation: Some(done.operation), full: false };
        let known = done.catalogue.our_session(&pair);
        let ours = known.map_or(fresh, |known| OurSession { full: false, ..known.clone() });
        Ok(StepChanges::one(EntityChange::PutSession(ours), EventKind::SessionMade { pair, full: false }))
    }

    /// What was released on the target may be overwritten by now.
    fn changes_in_doubt(&self, _done: &Done<'_>) -> Vec<EntityChange> {
        vec![EntityChange::ForgetReleased { backup_volume: self.pair.target }]
    }

    fn starts(&self) -> &[Pair] {
        slice::from_ref(&self.pair)
    }
}

/// Un-forced: only from equivalence. Several pairs: at one instant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuspendStep {
    pub pairs: Vec<Pair>,
    pub force: bool,
}

impl Step for SuspendStep {
    fn agree(&self, digest: &mut DigestText) {
        let pairs: Vec<String> = self.pairs.iter().map(|pair| arrow(pair).to_string()).collect();
        digest.line(format_args!(" suspend force={} {}", self.force, pairs.join(" ")));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        let targets: Vec<String> = self.pairs.iter().map(|pair| names.place(pair.target)).collect();
        let together = if self.pairs.len() > 1 { ", all at one instant" } else { "" };
        format!("suspend {}{}{together}", targets.join(", "), by_force(self.force))
    }

    fn effect(&self) -> Option<StepEffect> {
        let (pairs, force, together) = (self.pairs.clone(), self.force, self.pairs.len() > 1);
        at_source(Command::Suspend { pairs, force, together })
    }

    fn must_be_ours(&self, item: &PlanItem) -> bool {
        self.pairs.iter().any(|pair| item.records(pair))
    }
}

/// Ends a session at its source's box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopStep {
    pub pair: Pair,
    pub force: bool,
}

impl Step for StopStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" stop force={} {}", self.force, arrow(&self.pair)));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("end the session to {}{}", names.place(self.pair.target), by_force(self.force))
    }

    fn effect(&self) -> Option<StepEffect> {
        at_source(Command::Stop { pairs: vec![self.pair], force: self.force })
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        Ok(ended(self.pair, done))
    }

    fn ends(&self) -> &[Pair] {
        slice::from_ref(&self.pair)
    }
}

/// Ends the half of a REC that only its target's box still has; it is commanded there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopLeftOverStep {
    pub pair: Pair,
}

impl Step for StopLeftOverStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" stop what is left over of {}", arrow(&self.pair)));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        format!("end what the target's box has left of the session to {}", names.place(self.pair.target))
    }

    fn effect(&self) -> Option<StepEffect> {
        let command = Command::Stop { pairs: vec![self.pair], force: true };
        Some(StepEffect::Array(ArrayCommand { array: self.pair.target.box_id, command }))
    }

    fn changes(&self, done: &Done<'_>) -> Result<StepChanges, NotKeepable> {
        Ok(ended(self.pair, done))
    }

    fn ends(&self) -> &[Pair] {
        slice::from_ref(&self.pair)
    }
}

/// What is commanded at the box of the sources, if the command names any.
fn at_source(command: Command) -> Option<StepEffect> {
    let array: BoxId = command.pairs().first()?.source.box_id;
    Some(StepEffect::Array(ArrayCommand { array, command }))
}

fn ended(pair: Pair, done: &Done<'_>) -> StepChanges {
    match done.catalogue.our_session(&pair) {
        Some(_) => StepChanges::one(EntityChange::RemoveSession { pair }, EventKind::SessionEnded { pair }),
        None => StepChanges::default(),
    }
}

fn arrow(pair: &Pair) -> impl fmt::Display {
    fmt::from_fn(move |f| write!(f, "{} {}>{}", pair.kind, pair.source, pair.target))
}

fn by_force(force: bool) -> &'static str {
    if force { " by force" } else { "" }
}
