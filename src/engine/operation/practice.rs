//! The practice of a restore: its copy is read and compared, and its spare is unused again whatever came of it.

use super::{Activity, Operation, Output, Phase, World};
use super::{Compared, NotCompared};
use crate::model::codes::Code;
use crate::model::plan::Plan;
use crate::model::records::{OpenOperation, OperationEnd, OperationId, Records};
use crate::model::session::Pair;
use crate::model::step::{CompareCopyStep, PlanStep};
use crate::model::verb::Verb;
use std::collections::BTreeSet;

/// Why a practice ended early, where somebody needed its volumes.
const GAVE_WAY: &str =
    "it gave way, or was cancelled: the spare volume is unused again, and nothing was learned of the generation";

impl Operation {
    pub(super) fn begin_compare(&mut self, step: Box<CompareCopyStep>, world: &World<'_>) -> Output {
        if !self.has_mark(&step.pair, world) {
            return self.gave_way(world);
        }
        self.phase = Phase::Comparing;
        self.doing = Activity::Comparing;
        Output::Compare(step)
    }

    pub(super) fn compared(&mut self, came: Result<Compared, NotCompared>, world: &World<'_>) -> Output {
        match came {
            Ok(compared) => {
                self.compared = Some(compared);
                self.finish(world.now, world)
            }
            Err(NotCompared::GaveWay) => self.gave_way(world),
            Err(NotCompared::Failed(why)) => {
                let why = format!("the copy could not be read: {why}; the spare volume is unused again");
                self.fail(Code::PRACTICE_NOT_DONE, why, world)
            }
        }
    }

    fn gave_way(&mut self, world: &World<'_>) -> Output {
        self.end(given_way(), world)
    }

    pub(super) fn is_practice(&self) -> bool {
        self.open.item.verb == Verb::Practice
    }
}

/// The end of a practice that somebody ended.
pub(super) fn given_way() -> OperationEnd {
    OperationEnd::Failed { code: Code::PRACTICE_GAVE_WAY, why: GAVE_WAY.to_owned() }
}

/// The copies of practices that the operation makes.
pub(super) fn practised(open: &OpenOperation) -> impl Iterator<Item = Pair> + '_ {
    open.item.steps.iter().filter_map(|step| match step {
        PlanStep::BeginPractice(step) => Some(step.pair),
        _ => None,
    })
}

/// The open practices that have a volume which the plan takes.
pub fn in_the_way(plan: &Plan, records: &Records) -> BTreeSet<OperationId> {
    let claims = plan.items().iter().filter(|item| item.verb != Verb::Practice).flat_map(|item| &item.claims);
    let held = claims.filter_map(|volume| records.claims.get(volume)).map(|claim| claim.operation);
    let practised = |id: &OperationId| records.operations.get(id).is_some_and(|open| open.item.verb == Verb::Practice);
    held.filter(practised).collect()
}
