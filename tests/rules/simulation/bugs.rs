//! Mistakes made on purpose: each breaks one rule of the step machines or of the plans, and must be caught.

use super::world::BLOCKS;
use ecdeck::model::records::{OpenOperation, Records, RotationGuard};
use ecdeck::model::request::Verb;
use ecdeck::model::session::{Pair, Phase, Status, TransferMode};
use ecdeck::model::snapshot::{BackupState, Snapshot, TransactionState};
use ecdeck::model::step::{GiveUpStep, PlanStep, StartFullStep, StopStep, SuspendStep};

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
    /// To delete a generation ends the session on its volume.
    DeleteStopsSession,
    /// The rules do not see a live session, and start another one.
    SecondLiveSession,
    /// All volumes look as if they were of one size.
    WrongSize,
    /// A start goes onto another transaction volume.
    TargetIsTransactionVolume,
    /// Only the first command of an operation is journaled.
    IntentOnce,
    /// A script that failed counts as one that went well.
    IgnoreAttention,
    /// A backup in stack mode counts as one at one instant.
    BackupInStackMode,
    /// What happens to a kept generation's volume is not kept.
    ForgetDoubt,
    /// A restore is done as soon as its copy has begun.
    RestoreWithoutWaiting,
    /// Retention leaves fewer sound generations than the policy's floor says.
    IgnoreFloor,
    /// Retention releases whatever the age of the newest generation.
    IgnoreMinInterval,
    /// A practice leaves the mark of its spare.
    KeepSpare,
}

/// Changes the guard of every policy.
fn guards(snapshot: &mut Snapshot, change: impl Fn(&mut RotationGuard)) {
    let policies = snapshot.transaction_volumes.iter_mut().filter_map(|view| view.volume.policy.as_mut());
    policies.for_each(|policy| change(&mut policy.guard));
}

impl Bug {
    pub const ALL: [Self; 31] = [
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
        Self::DeleteStopsSession,
        Self::SecondLiveSession,
        Self::WrongSize,
        Self::TargetIsTransactionVolume,
        Self::IntentOnce,
        Self::IgnoreAttention,
        Self::BackupInStackMode,
        Self::ForgetDoubt,
        Self::RestoreWithoutWaiting,
        Self::IgnoreFloor,
        Self::IgnoreMinInterval,
        Self::KeepSpare,
    ];

    /// What the rules are shown instead of the truth.
    pub fn doctor(bug: Option<Self>, snapshot: &mut Snapshot) {
        match bug {
            Some(Self::GiveUpHeld) => snapshot.generations.iter_mut().for_each(|generation| generation.held = None),
            Some(Self::IgnoreFloor) => guards(snapshot, |guard| guard.floor = Some(0)),
            Some(Self::IgnoreMinInterval) => guards(snapshot, |guard| guard.min_interval = Some(0)),
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
            Some(Self::SecondLiveSession) => {
                let suspended = |status| matches!(status, Status::Suspended | Status::ErrorSuspended);
                snapshot.sessions.retain(|session| suspended(session.status));
                for view in &mut snapshot.transaction_volumes {
                    view.state = TransactionState::None;
                }
            }
            Some(Self::WrongSize) => {
                for blocks in snapshot.pool.iter_mut().map(|view| &mut view.volume.blocks) {
                    *blocks = BLOCKS;
                }
                for view in &mut snapshot.transaction_volumes {
                    view.volume.blocks = BLOCKS;
                }
            }
            Some(Self::BackupInStackMode) => {
                for modes in snapshot.sessions.iter_mut().filter_map(|session| session.modes.as_mut()) {
                    modes.transfer = TransferMode::Synchronous;
                }
            }
            _ => {}
        }
    }

    /// What is opened instead of what was agreed to.
    pub fn distort(bug: Option<Self>, operation: &mut OpenOperation, records: &Records) {
        let item = &mut operation.item;
        match bug {
            Some(Self::DeleteStopsSession) if item.verb == Verb::DeleteGeneration => {
                let released = item.steps.iter().find_map(|step| match step {
                    PlanStep::GiveUp(GiveUpStep { transaction_volume, backup_volume, .. }) => {
                        Some(Pair::new(*transaction_volume, *backup_volume))
                    }
                    _ => None,
                });
                if let Some(pair) = released.filter(|pair| records.sessions.contains_key(pair)) {
                    item.steps.push(PlanStep::Stop(StopStep { pair, force: false }));
                }
            }
            Some(Self::TargetIsTransactionVolume) => {
                for step in &mut item.steps {
                    if let PlanStep::StartFull(StartFullStep { pair, .. }) = step {
                        let others = records.transaction_volumes.keys().filter(|id| **id != pair.source);
                        let Some(other) = others.max_by_key(|id| id.box_id == pair.source.box_id) else { continue };
                        *pair = Pair::new(pair.source, *other);
                        item.claims = vec![pair.source, pair.target];
                        item.claims.sort();
                    }
                }
            }
            Some(Self::BackupBeforeEquivalence) => {
                for step in &mut item.steps {
                    if let PlanStep::Suspend(SuspendStep { force, .. }) = step {
                        *force = true;
                    }
                }
            }
            Some(Self::ClaimNothing) => item.claims.clear(),
            _ => {}
        }
    }
}
