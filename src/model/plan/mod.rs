//! Plans: what would be done, exactly, for a request on a snapshot. Here are their types; the rules are beside.
//!
//! Belongs here: which request is legal in which state, which backup volume is taken, what is given up, what is warned of.
//! Does not: doing it (engine), saying it on a screen (console, cli).

mod allocate;
mod around;
mod backup;
pub(crate) mod cancel;
pub(crate) mod case;
mod digest;
mod harmless;
mod hooks;
pub mod legality;
pub mod map_rounds;
mod maps;
mod practice;
mod present_state;
mod reconcile;
mod refusal;
mod register;
mod registry;
mod reinstate;
mod release;
mod restore;
mod restore_set;
pub mod rotation;
mod rules;
mod site;
mod snapshot_backup;
pub mod step_text;
mod suspend;
mod synchronize;
mod verify;
mod volume_sets;

pub use allocate::pairing;
pub use around::{AroundRestore, Lost, NextJob};
pub use backup::not_at_one_instant;
pub use registry::{PoolSize, pool_sizes};
pub use restore::{RestoreTarget, restore_targets};
pub use rules::{plan, plan_keeping};
pub use verify::verifiable;
pub use volume_sets::state_of_set;

pub use super::digest::Digest;
pub use super::step::{Confirmation, HookPhase, NewGeneration, Notice, PlanItem, PlanStep};

use super::advice::Advice;
use super::codes::Code;
use super::entity::ReleaseReason;
use super::identity::{Name, VolumeId};
use super::request::Request;
use super::snapshot::{ClaimView, Ready};
use super::step::HookStep;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What a request would do, for each of its volumes. Only `plan` makes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    request: Request,
    items: Vec<PlanItem>,
    /// What is agreed to of each item, in their order.
    agreed: Vec<Digest>,
    refused: Vec<Refusal>,
    digest: Digest,
}

impl Plan {
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// What runs; each item is an operation of its own, all start together.
    pub fn items(&self) -> &[PlanItem] {
        &self.items
    }

    /// The volumes of the request that it does not run for, and why.
    pub fn refused(&self) -> &[Refusal] {
        &self.refused
    }

    /// The same, for whoever knows more of the arrays than the rules do. Nothing of it is agreed to.
    pub fn refused_mut(&mut self) -> &mut [Refusal] {
        &mut self.refused
    }

    /// Says more of the item that runs for this volume, for whoever knows more than the rules do. Nothing of it is agreed to.
    pub fn notice(&mut self, volume: VolumeId, code: Code, text: &str) {
        let of = |item: &&mut PlanItem| item.volume == volume || item.claims.contains(&volume);
        if let Some(item) = self.items.iter_mut().find(of) {
            item.notice(code, text);
        }
    }

    /// Says more of the item that takes this volume, if one does.
    fn notice_of_claim(&mut self, volume: VolumeId, code: Code, text: &str) {
        if let Some(item) = self.items.iter_mut().find(|item| item.claims.contains(&volume)) {
            item.notice(code, text);
        }
    }

    /// Takes back what the rules said of this item, for whoever knows better.
    pub fn withdraw_notice(&mut self, volume: VolumeId, code: Code) {
        let of = |item: &&mut PlanItem| item.volume == volume || item.claims.contains(&volume);
        if let Some(item) = self.items.iter_mut().find(of) {
            item.notices.retain(|notice| notice.code != code);
        }
    }

    /// What people agree to: pairs, full or differential, releases, force, hooks; neither bytes nor times, nor which of
    /// several equal unused volumes the planner chose.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The digest of each item, by the volume that the request named.
    pub fn agreement(&self) -> Agreement {
        let digests = self.items.iter().zip(&self.agreed);
        Agreement(digests.map(|(item, digest)| (item.volume, digest.clone())).collect())
    }

    /// Whether this plan, of a later moment, does for the volume what `agreed` does, and releases more generations beyond the
    /// policy besides. Nobody agreed to those: they are left for the next backup.
    pub fn only_releases_more(&self, agreed: &Self, volume: VolumeId) -> bool {
        let of = |plan: &Self| plan.items.iter().position(|item| item.volume == volume);
        let (Some(now), Some(then)) = (of(self), of(agreed)) else { return false };
        let (now, then, digest) = (&self.items[now], &agreed.items[then], &agreed.agreed[then]);
        let may_wait = |step: &PlanStep| matches!(step, PlanStep::GiveUp(it) if it.why == ReleaseReason::Retention);
        let steps = now.steps.iter().filter(|step| !may_wait(step) || then.steps.contains(step)).cloned().collect();
        digest::of_item(&self.request, &PlanItem { steps, ..now.clone() }) == *digest
    }

    /// The same plan for these volumes only, without its refusals.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(VolumeId) -> bool) -> Self {
        let kept = self.items.iter().zip(&self.agreed).filter(|(item, _)| wanted(item.volume));
        let (items, agreed): (Vec<PlanItem>, Vec<Digest>) =
            kept.map(|(item, digest)| (item.clone(), digest.clone())).unzip();
        let digest = digest::of_items(&agreed);
        Self { request: self.request.clone(), items, agreed, refused: Vec::new(), digest }
    }

    /// Both plans as one: what runs of one request after another.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.items.extend(other.items);
        self.agreed.extend(other.agreed);
        self.refused.extend(other.refused);
        self.digest = digest::of_items(&self.agreed);
        self
    }

    /// The same with the node that each step on a host runs on. An item of which one step has none is refused.
    #[must_use]
    pub fn on_nodes(mut self, node_of: impl Fn(&HookStep) -> Result<Option<Name>, Refusal>) -> Self {
        let mut refused = std::mem::take(&mut self.refused);
        let mut without = BTreeSet::new();
        for item in &mut self.items {
            let hooks = item.steps.iter_mut().filter_map(|step| match step {
                PlanStep::Hook(hook) => Some(hook),
                _ => None,
            });
            for hook in hooks {
                match node_of(hook) {
                    Ok(node) => hook.node = node,
                    Err(refusal) => {
                        without.insert(item.volume);
                        refused.push(refusal.about(item.volume));
                        break;
                    }
                }
            }
        }
        let left = if without.is_empty() { self } else { self.only(|volume| !without.contains(&volume)) };
        Self { refused, ..left }
    }

    /// The same plan with these refusals beside its own.
    #[must_use]
    pub fn and_refused(mut self, refused: Vec<Refusal>) -> Self {
        self.refused.extend(refused);
        self
    }

    /// The unused volumes that the planner chose for full copies: source and target. Equal ones may take their places.
    pub fn choices(&self) -> Vec<(VolumeId, VolumeId)> {
        let steps = self.items.iter().flat_map(|item| item.steps.iter().map(|step| (&item.steps, step)));
        let chosen = steps.filter_map(|(steps, step)| match step {
            PlanStep::StartFull(start) if digest::is_chosen(&self.request, steps, &start.pair) => Some(start.pair),
            _ => None,
        });
        chosen.map(|pair| (pair.source, pair.target)).collect()
    }

    /// The name that must be typed because the plan destroys what it names.
    pub fn confirmation(&self) -> Option<&Confirmation> {
        self.items.iter().find_map(|item| item.confirmation.as_ref())
    }
}

/// What somebody agreed to, volume by volume: an item runs only while its plan still has the digest given for it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<(VolumeId, Digest)>", into = "Vec<(VolumeId, Digest)>")]
pub struct Agreement(BTreeMap<VolumeId, Digest>);

impl Agreement {
    /// What was agreed to for the item of this volume.
    pub fn of(&self, volume: VolumeId) -> Option<&Digest> {
        self.0.get(&volume)
    }
}

impl From<Vec<(VolumeId, Digest)>> for Agreement {
    fn from(items: Vec<(VolumeId, Digest)>) -> Self {
        Self(items.into_iter().collect())
    }
}

impl From<Agreement> for Vec<(VolumeId, Digest)> {
    fn from(agreement: Agreement) -> Self {
        agreement.0.into_iter().collect()
    }
}

/// Why something is not done, and what could be done instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason} ({code})")]
pub struct Refusal {
    pub code: Code,
    /// The volume that it is about, where it is about one.
    pub volume: Option<VolumeId>,
    /// One sentence with the names and figures of the case.
    pub reason: String,
    /// Volumes that nearly fit, each with what is wrong with it.
    pub near_misses: Vec<NearMiss>,
    /// How many more there are than those.
    #[serde(default)]
    pub near_misses_left_off: usize,
    /// What to do before any of the remedies: it gives nothing up.
    #[serde(default)]
    pub advice: Vec<Advice>,
    /// Requests that would lead on, best first.
    pub remedies: Vec<Remedy>,
    /// The message id that the array's own tools would give, where it is documented. The engine adds it: it knows the driver.
    pub array_code: Option<String>,
    /// When what is waited for will be so: people are told the time in their own clock.
    #[serde(default)]
    pub ready: Option<Ready>,
    /// Who has the volume, and since when.
    #[serde(default)]
    pub held_by: Option<ClaimView>,
    /// The other volumes of the request that were refused too, when nothing of it runs.
    #[serde(default)]
    pub also: Vec<Refusal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NearMiss {
    pub volume: VolumeId,
    /// Its name for people.
    pub name: String,
    pub why: String,
}

/// A way on, as a request of its own: it is planned and agreed to like any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remedy {
    /// What it does, in half a sentence: `release v14 of demo-ora01`.
    pub label: String,
    pub request: Request,
    /// It gives up or overwrites data, so it will want a confirmation.
    pub destroys: bool,
}
