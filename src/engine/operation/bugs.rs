//! Mistakes that the simulator makes on purpose, to prove that its checks see them. The engine runs with none.

use crate::model::records::{EntityChange, Records, ReleaseReason};
use crate::model::step::{Done, GiveUpStep, NotKeepable, PlanStep, Step, StepChanges};

/// Each switch breaks one rule at the place where the rule is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each mistake is independent of the others, and the simulator sets one"
)]
pub struct DeliberateBugs {
    /// The array's word is enough: no reading after its answer.
    pub record_before_observing: bool,
    /// The oldest generation is given up before the new one is recorded.
    pub retention_before_record: bool,
    /// An overwritten generation is given up after the resume was sent.
    pub overwrite_before_release: bool,
    /// Nothing is journaled before sending.
    pub no_intent: bool,
    /// A start whose outcome is unknown is sent again without looking.
    pub resend_start_blindly: bool,
    /// `Accepted` counts as observed.
    pub trust_accepted: bool,
    /// What was agreed to runs, whatever a fresh reading says.
    pub skip_fresh_plan: bool,
    /// Somebody else's suspend counts as this operation's.
    pub foreign_suspend_is_ours: bool,
    /// Volumes stay claimed after the operation's end.
    pub keep_claims: bool,
    /// A finished step is not journaled.
    pub forget_finished: bool,
    /// A held generation is given up like any other.
    pub ignore_held: bool,
    /// The floor of a policy does not keep a generation.
    pub ignore_floor: bool,
    /// No answer counts as a refusal.
    pub unknown_is_refused: bool,
    /// After a crash, an operation that may have sent something is closed as not done.
    pub recovery_gives_up: bool,
    /// A forced suspend is as good as an un-forced one.
    pub forced_suspend_is_a_backup: bool,
    /// A generation is dated by when its suspend was seen.
    pub date_by_observing: bool,
    /// A restore is done as soon as its copy has begun.
    pub restore_without_waiting: bool,
}

impl DeliberateBugs {
    /// Puts steps into a wrong order where a bug says so.
    pub(super) fn misorder(self, steps: &mut [PlanStep]) {
        let retention =
            |step: &PlanStep| matches!(step, PlanStep::GiveUp(GiveUpStep { why: ReleaseReason::Retention, .. }));
        if self.retention_before_record {
            steps.sort_by_key(|step| !retention(step));
        }
        let overwritten =
            |step: &PlanStep| matches!(step, PlanStep::GiveUp(GiveUpStep { why: ReleaseReason::Overwritten, .. }));
        if self.overwrite_before_release {
            steps.sort_by_key(overwritten);
        }
    }

    /// What a step changes, or what a bug makes of it.
    pub(super) fn changes(
        self,
        step: &PlanStep,
        done: &Done<'_>,
        records: &Records,
    ) -> Result<StepChanges, NotKeepable> {
        if !(self.ignore_held || self.ignore_floor || self.retention_before_record) {
            return step.changes(done);
        }
        let mut blind = records.clone();
        if self.ignore_held {
            blind.generations.values_mut().for_each(|generation| generation.held = None);
        }
        if self.ignore_floor {
            let policies = blind.transaction_volumes.values_mut().filter_map(|volume| volume.policy.as_mut());
            policies.for_each(|policy| policy.guard.floor = Some(0));
        }
        let done = Done { catalogue: &blind, ..*done };
        match step {
            PlanStep::GiveUp(early) if self.retention_before_record && early.why == ReleaseReason::Retention => {
                let is_held = |key| blind.generations.get(key).is_some_and(|generation| generation.held.is_some());
                if is_held(&(early.transaction_volume, early.version)) {
                    return early.changes(&done);
                }
                // A deletion asks for no newer generation.
                let mut changes = GiveUpStep { why: ReleaseReason::Deleted, ..early.clone() }.changes(&done)?;
                for change in &mut changes.changes {
                    if let EntityChange::ReleaseGeneration { why, .. } = change {
                        *why = early.why;
                    }
                }
                Ok(changes)
            }
            step => step.changes(&done),
        }
    }
}
