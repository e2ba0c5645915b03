//! Mistakes made on purpose: each breaks one rule of the step machines or of the plans, and must be caught.

use ecdeck::engine::operation::DeliberateBugs;
use ecdeck::model::plan::PlanStep;
use ecdeck::model::records::OpenOperation;
use ecdeck::model::session::{Phase, Status};
use ecdeck::model::snapshot::{BackupState, Snapshot};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bug {
    RecordBeforeObserving,
    RetentionBeforeRecord,
    OverwriteBeforeRelease,
    ForgetIntent,
    ResendStartBlindly,
    TrustAccepted,
    SkipFreshPlan,
    ForeignSuspendIsOurs,
    KeepClaims,
    ForgetFinished,
    UnknownIsRefused,
    RecoveryGivesUp,
    DateByObserving,
    /// The rules do not see holds, and the step machine ignores them.
    GiveUpHeld,
    /// A volume with a generation counts as unused.
    AllocateGenerationVolume,
    /// Copying counts as equivalent, and the suspend is forced.
    BackupBeforeEquivalence,
    /// Operations have no volume to themselves.
    ClaimNothing,
    /// Sessions of other programs count as ours.
    TouchForeign,
    /// What was read before a session was ended still counts.
    BelieveOldReadings,
}

impl Bug {
    pub const ALL: [Self; 19] = [
        Self::RecordBeforeObserving,
        Self::RetentionBeforeRecord,
        Self::OverwriteBeforeRelease,
        Self::ForgetIntent,
        Self::ResendStartBlindly,
        Self::TrustAccepted,
        Self::SkipFreshPlan,
        Self::ForeignSuspendIsOurs,
        Self::KeepClaims,
        Self::ForgetFinished,
        Self::UnknownIsRefused,
        Self::RecoveryGivesUp,
        Self::DateByObserving,
        Self::GiveUpHeld,
        Self::AllocateGenerationVolume,
        Self::BackupBeforeEquivalence,
        Self::ClaimNothing,
        Self::TouchForeign,
        Self::BelieveOldReadings,
    ];

    /// The switches of the step machine.
    pub fn switches(bug: Option<Self>) -> DeliberateBugs {
        let mut switches = DeliberateBugs::default();
        match bug {
            Some(Self::RecordBeforeObserving) => switches.record_before_observing = true,
            Some(Self::RetentionBeforeRecord) => switches.retention_before_record = true,
            Some(Self::OverwriteBeforeRelease) => switches.overwrite_before_release = true,
            Some(Self::ForgetIntent) => switches.no_intent = true,
            Some(Self::ResendStartBlindly) => switches.resend_start_blindly = true,
            Some(Self::TrustAccepted) => switches.trust_accepted = true,
            Some(Self::SkipFreshPlan) => switches.skip_fresh_plan = true,
            Some(Self::ForeignSuspendIsOurs) => switches.foreign_suspend_is_ours = true,
            Some(Self::KeepClaims) => switches.keep_claims = true,
            Some(Self::ForgetFinished) => switches.forget_finished = true,
            Some(Self::UnknownIsRefused) => switches.unknown_is_refused = true,
            Some(Self::RecoveryGivesUp) => switches.recovery_gives_up = true,
            Some(Self::DateByObserving) => switches.date_by_observing = true,
            Some(Self::GiveUpHeld) => switches.ignore_held = true,
            Some(Self::BackupBeforeEquivalence) => switches.forced_suspend_is_a_backup = true,
            Some(
                Self::AllocateGenerationVolume | Self::ClaimNothing | Self::TouchForeign | Self::BelieveOldReadings,
            )
            | None => {}
        }
        switches
    }

    /// What the rules are shown instead of the truth.
    pub fn doctor(bug: Option<Self>, snapshot: &mut Snapshot) {
        match bug {
            Some(Self::GiveUpHeld) => snapshot.generations.iter_mut().for_each(|generation| generation.held = None),
            Some(Self::AllocateGenerationVolume) => {
                for view in &mut snapshot.pool {
                    if view.state == BackupState::Generation {
                        view.state = BackupState::Unused;
                    }
                }
            }
            Some(Self::BackupBeforeEquivalence) => {
                for session in snapshot.sessions.iter_mut().filter(|session| session.status == Status::Active) {
                    session.phase = Phase::Equivalent;
                }
            }
            Some(Self::TouchForeign) => snapshot.sessions.iter_mut().for_each(|session| session.ours = true),
            _ => {}
        }
    }

    /// What is opened instead of what was agreed to.
    pub fn distort(bug: Option<Self>, operation: &mut OpenOperation) {
        match bug {
            Some(Self::BackupBeforeEquivalence) => {
                for step in &mut operation.item.steps {
                    if let PlanStep::Suspend { force, .. } = step {
                        *force = true;
                    }
                }
            }
            Some(Self::ClaimNothing) => operation.item.claims.clear(),
            _ => {}
        }
    }
}
