//! What a plan's step means for the machine: a command to an array, a change of the catalogue, or a script.

use crate::model::copy::Command;
use crate::model::identity::BoxId;
use crate::model::plan::{HookPhase, PlanItem, PlanStep};
use crate::model::session::{CopyKind, Pair};

/// What is asked of an array, and by that what is expected to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArrayVerb {
    StartFull,
    Resume,
    Suspend { force: bool },
    Stop,
}

/// The three sorts of steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sort<'a> {
    Array(ArrayStep),
    Catalogue,
    Hook { phase: HookPhase, argv: &'a [String] },
}

/// A step that one command to one array does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArrayStep {
    pub verb: ArrayVerb,
    pub pairs: Vec<Pair>,
    /// The box that is commanded and whose reading governs: that of the sources, but for what is left over at a target's.
    pub array: BoxId,
    /// It would be wrong to take somebody else's doing for this step's.
    pub must_be_ours: bool,
}

impl ArrayStep {
    /// A stop of a remote copy at its source's box, which ends the other half too when it can.
    pub(super) fn stops_remote(&self) -> bool {
        let remote = |pair: &Pair| pair.kind == CopyKind::Rec && pair.source.box_id == self.array;
        self.verb == ArrayVerb::Stop && self.pairs.iter().any(remote)
    }
}

/// The sort of one step of an item; `None` when there is no such step, or nothing in it.
pub(super) fn sort(item: &PlanItem, index: usize) -> Option<Sort<'_>> {
    let array = |verb, pairs: Vec<Pair>, must_be_ours| {
        let array = pairs.first()?.source.box_id;
        Some(Sort::Array(ArrayStep { verb, pairs, array, must_be_ours }))
    };
    match item.steps.get(index)? {
        PlanStep::StartFull { pair, .. } => array(ArrayVerb::StartFull, vec![*pair], true),
        PlanStep::Resume { pair, .. } => array(ArrayVerb::Resume, vec![*pair], false),
        PlanStep::Suspend { pairs, force } => {
            array(ArrayVerb::Suspend { force: *force }, pairs.clone(), pairs.iter().any(|pair| records(item, pair)))
        }
        PlanStep::Stop { pair, .. } => array(ArrayVerb::Stop, vec![*pair], false),
        PlanStep::StopLeftOver { pair } => {
            let (verb, pairs, array) = (ArrayVerb::Stop, vec![*pair], pair.target.box_id);
            Some(Sort::Array(ArrayStep { verb, pairs, array, must_be_ours: false }))
        }
        PlanStep::Hook { phase, argv, .. } => Some(Sort::Hook { phase: *phase, argv }),
        PlanStep::Record { .. }
        | PlanStep::GiveUp { .. }
        | PlanStep::SetPolicy { .. }
        | PlanStep::RegisterTransaction { .. }
        | PlanStep::RegisterBackup { .. }
        | PlanStep::Unregister { .. }
        | PlanStep::Hold { .. }
        | PlanStep::SetGenerationState { .. } => Some(Sort::Catalogue),
    }
}

/// The command that does a step for some of its pairs.
pub(super) fn command(item: &PlanItem, index: usize, pairs: Vec<Pair>) -> Option<Command> {
    Some(match item.steps.get(index)? {
        PlanStep::StartFull { modes, .. } => Command::Start { pairs, modes: *modes },
        PlanStep::Resume { .. } => Command::Resume { pairs },
        PlanStep::Suspend { force, .. } => {
            let together = pairs.len() > 1;
            Command::Suspend { pairs, force: *force, together }
        }
        PlanStep::Stop { force, .. } => Command::Stop { pairs, force: *force },
        PlanStep::StopLeftOver { .. } => Command::Stop { pairs, force: true },
        _ => return None,
    })
}

/// Every command that an item would send, in order.
pub fn commands(item: &PlanItem) -> Vec<(BoxId, Command)> {
    commands_of_steps(item).map(|(_, array, command)| (array, command)).collect()
}

/// The same, each with the step that it does: for the driver to describe.
pub fn commands_of_steps(item: &PlanItem) -> impl Iterator<Item = (usize, BoxId, Command)> + '_ {
    (0..item.steps.len()).filter_map(|index| match sort(item, index)? {
        Sort::Array(step) => Some((index, step.array, command(item, index, step.pairs)?)),
        Sort::Catalogue | Sort::Hook { .. } => None,
    })
}

fn records(item: &PlanItem, pair: &Pair) -> bool {
    item.steps.iter().any(|step| match step {
        PlanStep::Record { generations } => {
            generations.iter().any(|new| new.transaction_volume == pair.source && new.backup_volume == pair.target)
        }
        _ => false,
    })
}
