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
