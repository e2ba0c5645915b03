//! How refusals, notices and remedies are put together.

use super::{NearMiss, Refusal, Remedy};
use crate::model::advice::Advice;
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::request::{Action, Request};
use crate::model::snapshot::{ClaimView, Ready};

impl Refusal {
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self {
            code,
            volume: None,
            reason: reason.into(),
            near_misses: Vec::new(),
            near_misses_left_off: 0,
            advice: Vec::new(),
            remedies: Vec::new(),
            array_code: None,
            ready: None,
            held_by: None,
            also: Vec::new(),
        }
    }

    /// The refusal that stands for all: one that is not merely "already so", where there is one.
    pub fn for_all(mut refused: Vec<Self>) -> Option<Self> {
        let first = refused.iter().position(|refusal| refusal.code != Code::ALREADY_SO).unwrap_or(0);
        let mut headline = (!refused.is_empty()).then(|| refused.remove(first))?;
        headline.also = refused;
        Some(headline)
    }

    /// This one, and those that it stands for, each alone.
    pub fn each(mut self) -> impl Iterator<Item = Self> {
        let also = std::mem::take(&mut self.also);
        std::iter::once(self).chain(also)
    }

    #[must_use]
    pub fn about(mut self, volume: VolumeId) -> Self {
        self.volume = Some(volume);
        self
    }

    #[must_use]
    pub fn with_remedy(mut self, remedy: Remedy) -> Self {
        self.remedies.push(remedy);
        self
    }

    #[must_use]
    pub fn with_advice(mut self, advice: impl IntoIterator<Item = Advice>) -> Self {
        self.advice.extend(advice);
        self
    }

    #[must_use]
    pub(super) fn with_remedies(mut self, remedies: impl IntoIterator<Item = Remedy>) -> Self {
        self.remedies.extend(remedies);
        self
    }

    #[must_use]
    /// The first `most` near misses, and how many more there are.
    pub(super) fn with_near_misses(mut self, near_misses: impl Iterator<Item = NearMiss>, most: usize) -> Self {
        let mut near_misses = near_misses;
        self.near_misses = near_misses.by_ref().take(most).collect();
        self.near_misses_left_off = near_misses.count();
        self
    }

    #[must_use]
    pub(super) fn until(mut self, ready: Ready) -> Self {
        self.ready = Some(ready);
        self
    }

    #[must_use]
    pub(super) fn held(mut self, claim: ClaimView) -> Self {
        self.held_by = Some(claim);
        self
    }
}

impl Remedy {
    pub fn new(label: impl Into<String>, action: Action) -> Self {
        Self { label: label.into(), request: Request::new(action), destroys: false }
    }

    pub fn destroying(label: impl Into<String>, action: Action) -> Self {
        Self { destroys: true, ..Self::new(label, action) }
    }
}
