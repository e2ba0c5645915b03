//! An item of a plan: its steps for one volume of the request, and what people are shown with them.

use super::{ArrayCommand, PlanStep, StepEffect};
use crate::model::codes::Code;
use crate::model::identity::{Name, VolumeId};
use crate::model::request::Verb;
use crate::model::session::Pair;
use crate::model::units::Timestamp;
use serde::{Deserialize, Serialize};

/// The part of a plan that is about one transaction volume, or one set, or one volume of the pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanItem {
    pub verb: Verb,
    /// The volume that the request named.
    pub volume: VolumeId,
    /// Done one after the other; a step that fails ends the item.
    pub steps: Vec<PlanStep>,
    /// All volumes that the item has to itself while it runs, sorted.
    pub claims: Vec<VolumeId>,
    pub notices: Vec<Notice>,
    pub confirmation: Option<Confirmation>,
    /// A limit by the clock: nothing is suspended after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The set whose volumes it is about, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set: Option<Name>,
}

impl PlanItem {
    /// An item that needs these volumes to itself.
    pub fn new(verb: Verb, volume: VolumeId, steps: Vec<PlanStep>, mut claims: Vec<VolumeId>) -> Self {
        claims.sort_unstable();
        claims.dedup();
        Self { verb, volume, steps, claims, notices: Vec::new(), confirmation: None, until: None, set: None }
    }

    pub fn notice(&mut self, code: Code, text: impl Into<String>) {
        self.notices.push(Notice::new(code, text));
    }

    /// Whether one of its steps records a generation of this pair.
    pub fn records(&self, pair: &Pair) -> bool {
        let mut new = self.steps.iter().flat_map(|step| step.records());
        new.any(|new| new.transaction_volume == pair.source && new.backup_volume == pair.target)
    }

    /// Every command that it sends, in order, each with the index of its step.
    pub fn commands(&self) -> impl Iterator<Item = (usize, ArrayCommand)> + '_ {
        self.steps.iter().enumerate().filter_map(|(index, step)| match step.effect()? {
            StepEffect::Array(command) => Some((index, command)),
            StepEffect::Records | StepEffect::Await(_) | StepEffect::Compare(_) | StepEffect::Script { .. } => None,
        })
    }
}

/// What must be typed before a plan runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// The exact text: the name of what is overwritten or given up.
    pub name: String,
    /// What is lost, as a sentence.
    pub what: String,
}

impl Confirmation {
    pub fn new(name: impl Into<String>, what: impl Into<String>) -> Self {
        Self { name: name.into(), what: what.into() }
    }
}

/// Something that people should know before they agree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub code: Code,
    pub text: String,
}

impl Notice {
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}
