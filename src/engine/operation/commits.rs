//! What each finished step changes in the records: the step says it, from what its operation knows.

use super::{Operation, World};
use crate::model::records::EntityChange;
use crate::model::step::{Done, NotKeepable, PlanStep, StepChanges};
use crate::model::units::Timestamp;

/// The changes of one step whose effect, if it has one on an array, was seen at `seen_at`.
pub(super) fn of_step(
    operation: &Operation,
    index: usize,
    seen_at: Timestamp,
    world: &World<'_>,
) -> Result<StepChanges, NotKeepable> {
    match operation.open.item.steps.get(index) {
        Some(step) => of(operation, step, seen_at, world),
        None => Ok(StepChanges::default()),
    }
}

/// The same of a step that need not be in the plan.
pub(super) fn of(
    operation: &Operation,
    step: &PlanStep,
    seen_at: Timestamp,
    world: &World<'_>,
) -> Result<StepChanges, NotKeepable> {
    step.changes(&done(operation, seen_at, world))
}

/// What the present step may have changed on an array, when nobody knows whether it did.
pub(super) fn in_doubt(operation: &Operation, world: &World<'_>) -> Vec<EntityChange> {
    let done = done(operation, world.now, world);
    operation.present().map(|step| step.changes_in_doubt(&done)).unwrap_or_default()
}

fn done<'a>(operation: &'a Operation, seen_at: Timestamp, world: &World<'a>) -> Done<'a> {
    Done {
        operation: operation.open.id,
        item: &operation.open.item,
        now: world.now,
        seen_at,
        own_suspends: &operation.own_suspends,
        catalogue: world.records,
        compared: operation.compared.as_ref(),
    }
}
