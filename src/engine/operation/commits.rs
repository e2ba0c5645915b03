//! What each finished step changes in the records, and the events that tell of it.

use super::step::{self, ArrayVerb, Sort};
use super::{Operation, World};
use crate::model::codes::Code;
use crate::model::event::EventKind;
use crate::model::identity::{Name, VolumeId};
use crate::model::plan::{NewGeneration, PlanItem, PlanStep};
use crate::model::records::{
    BackupVolume, Change, Generation, GenerationState, OurSession, ReleaseReason, TransactionVolume,
};
use crate::model::request::VolumeRole;
use crate::model::session::Pair;
use crate::model::units::{Timestamp, Version};

/// Why a step cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stop {
    pub code: Code,
    pub why: String,
}

type Kept = (Vec<Change>, Vec<EventKind>);

pub(super) fn is_record(item: &PlanItem, step: usize) -> bool {
    matches!(item.steps.get(step), Some(PlanStep::Record { .. }))
}

/// The changes of one step whose effect, if it has one on an array, was seen at `at`.
pub(super) fn of_step(operation: &Operation, index: usize, at: Timestamp, world: &World<'_>) -> Result<Kept, Stop> {
    if let Some(Sort::Array(step)) = step::sort(&operation.open.item, index) {
        let kept = step.pairs.iter().map(|pair| session(operation, step.verb, *pair, at, world));
        return Ok(kept.fold((Vec::new(), Vec::new()), |mut all: Kept, one| {
            all.0.extend(one.0);
            all.1.extend(one.1);
            all
        }));
    }
    let now = world.now;
    match &operation.open.item.steps[index] {
        PlanStep::Record { generations } => record(operation, generations, world),
        PlanStep::GiveUp { transaction_volume, version, backup_volume, why } => {
            give_up(operation, *transaction_volume, *version, *backup_volume, *why, world)
        }
        PlanStep::SetPolicy { volume, policy } => {
            let known = world.records.transaction_volumes.get(volume).ok_or_else(|| unregistered(*volume))?;
            let changed = TransactionVolume { policy: Some(*policy), ..known.clone() };
            let event = EventKind::PolicySet { volume: *volume, policy: *policy };
            Ok((vec![Change::PutTransactionVolume(changed)], vec![event]))
        }
        PlanStep::RegisterTransaction { volume } => {
            name_is_free(&volume.name, world)?;
            let event = added(volume.id, VolumeRole::Transaction, Some(volume.name.clone()));
            let volume = TransactionVolume { registered_at: now, ..volume.clone() };
            Ok((vec![Change::PutTransactionVolume(volume)], vec![event]))
        }
        PlanStep::RegisterBackup { volume } => {
            volume.name.as_ref().map_or(Ok(()), |name| name_is_free(name, world))?;
            let event = added(volume.id, VolumeRole::Backup, volume.name.clone());
            let volume = BackupVolume { registered_at: now, ..volume.clone() };
            Ok((vec![Change::PutBackupVolume(volume)], vec![event]))
        }
        PlanStep::Unregister { volume } => {
            let id = *volume;
            let transaction = world.records.transaction_volumes.contains_key(&id);
            let change =
                if transaction { Change::RemoveTransactionVolume { id } } else { Change::RemoveBackupVolume { id } };
            Ok((vec![change], vec![EventKind::VolumeRemoved { volume: id }]))
        }
        PlanStep::Hold { volume, version, why } => {
            let (transaction_volume, version, held) = (*volume, *version, why.clone());
            let event = EventKind::GenerationHeld { volume: transaction_volume, version, held: held.clone() };
            Ok((vec![Change::HoldGeneration { transaction_volume, version, held }], vec![event]))
        }
        PlanStep::SetGenerationState { volume, version, state } => {
            let (transaction_volume, version, state) = (*volume, *version, state.clone());
            let event = EventKind::GenerationStateSet { volume: transaction_volume, version, state: state.clone() };
            Ok((vec![Change::SetGenerationState { transaction_volume, version, state }], vec![event]))
        }
        PlanStep::StartFull { .. }
        | PlanStep::Resume { .. }
        | PlanStep::Suspend { .. }
        | PlanStep::Stop { .. }
        | PlanStep::StopLeftOver { .. }
        | PlanStep::Hook { .. } => Ok((Vec::new(), Vec::new())),
    }
}

/// The sessions that a start of unknown outcome may have made: they are ours until somebody has looked, so that no other
/// start is made beside them.
pub(super) fn possible_sessions(operation: &Operation, world: &World<'_>) -> Vec<Change> {
    match step::sort(&operation.open.item, operation.step) {
        Some(Sort::Array(step)) if step.verb == ArrayVerb::StartFull => {
            let made = step.pairs.iter().map(|pair| session(operation, step.verb, *pair, world.now, world));
            made.flat_map(|(changes, _)| changes).collect()
        }
        _ => Vec::new(),
    }
}

fn session(operation: &Operation, verb: ArrayVerb, pair: Pair, at: Timestamp, world: &World<'_>) -> Kept {
    let known = world.records.sessions.get(&pair);
    match verb {
        ArrayVerb::StartFull => {
            let ours = OurSession { pair, since: at, operation: Some(operation.open.id), full: true };
            (vec![Change::PutSession(ours)], vec![EventKind::SessionMade { pair, full: true }])
        }
        ArrayVerb::Resume => {
            let fresh = OurSession { pair, since: at, operation: Some(operation.open.id), full: false };
            let ours = known.map_or(fresh, |known| OurSession { full: false, ..known.clone() });
            (vec![Change::PutSession(ours)], vec![EventKind::SessionMade { pair, full: false }])
        }
        ArrayVerb::Stop if known.is_some() => {
            (vec![Change::RemoveSession { pair }], vec![EventKind::SessionEnded { pair }])
        }
        ArrayVerb::Stop | ArrayVerb::Suspend { .. } => (Vec::new(), Vec::new()),
    }
}

/// A generation comes only from an un-forced suspend that this operation issued and then observed.
fn record(operation: &Operation, generations: &[NewGeneration], world: &World<'_>) -> Result<Kept, Stop> {
    let mut kept = Kept::default();
    for new in generations {
        let pair = Pair::new(new.transaction_volume, new.backup_volume);
        let Some(taken_at) = operation.own_suspends.get(&pair) else {
            let why = "no suspend by this operation was observed, so no generation was recorded".to_owned();
            return Err(Stop { code: Code::RESUME_FIRST, why });
        };
        if let Some(kept) = world.records.generation_on(new.backup_volume) {
            let why = format!("{} holds {} by now, so no generation was recorded", new.backup_volume, kept.version);
            return Err(Stop { code: Code::HOLDS_A_GENERATION, why });
        }
        let volume = new.transaction_volume;
        let version = world.records.transaction_volumes.get(&volume).ok_or_else(|| unregistered(volume))?.next_version;
        kept.0.push(Change::AddGeneration(Generation {
            transaction_volume: volume,
            version,
            backup_volume: new.backup_volume,
            blocks: new.blocks,
            taken_at: *taken_at,
            mode: new.mode,
            state: GenerationState::Valid,
            held: None,
            provisioned: false,
            operation: Some(operation.open.id),
        }));
        let backup_volume = new.backup_volume;
        kept.1.push(EventKind::GenerationRecorded { volume, version, backup_volume, provisioned: false });
    }
    Ok(kept)
}

fn give_up(
    operation: &Operation,
    volume: VolumeId,
    version: Version,
    backup_volume: VolumeId,
    why: ReleaseReason,
    world: &World<'_>,
) -> Result<Kept, Stop> {
    let Some(known) = world.records.generations.get(&(volume, version)) else {
        return Ok(Kept::default());
    };
    let held = known.held.is_some() && !operation.bugs.ignore_held;
    if why == ReleaseReason::Retention {
        // What the plan promised is given up only while the reasons for it hold; keeping one more is never wrong.
        if held || !(operation.bugs.retention_before_record || newer_is_sound(operation, volume, version, world)) {
            return Ok(Kept::default());
        }
    } else if held {
        let why = format!("{version} is held now, so it was not released");
        return Err(Stop { code: Code::GENERATION_HELD, why });
    }
    let change = Change::ReleaseGeneration { transaction_volume: volume, version, at: world.now, why };
    Ok((vec![change], vec![EventKind::GenerationReleased { volume, version, backup_volume, why }]))
}

/// The newest generation is durable, newer than the one to give up, the one that this operation recorded if it records
/// one at all, and wants nobody's attention.
fn newer_is_sound(operation: &Operation, volume: VolumeId, version: Version, world: &World<'_>) -> bool {
    let item = &operation.open.item;
    let records_one = (0..item.steps.len()).any(|step| is_record(item, step));
    world.records.generations_of(volume).next_back().is_some_and(|newest| {
        newest.version > version
            && newest.state == GenerationState::Valid
            && (!records_one || newest.operation == Some(operation.open.id))
    })
}

fn added(volume: VolumeId, role: VolumeRole, name: Option<Name>) -> EventKind {
    EventKind::VolumeAdded { volume, role, name }
}

/// Names are not held by anybody: between plan and step another volume may have got this one.
fn name_is_free(name: &Name, world: &World<'_>) -> Result<(), Stop> {
    match world.records.named(name) {
        Some(_) => Err(Stop { code: Code::NAME_TAKEN, why: format!("another volume is called {name} by now") }),
        None => Ok(()),
    }
}

fn unregistered(volume: VolumeId) -> Stop {
    Stop { code: Code::UNKNOWN_VOLUME, why: format!("{volume} is no longer registered") }
}
