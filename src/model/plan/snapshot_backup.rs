//! A backup by a one-point copy (OPC) of a transaction volume as it is: asked for by its own verb, and never instead of another one.

use super::allocate::Pool;
use super::case::{Case, unclaimed};
use super::present_state::Spares;
use super::restore::{array_copies, has_a_session_left};
use super::rotation::{self, Rotation};
use super::{PlanItem, PlanStep, Refusal, Remedy};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::records::{Generation, Policy, ReleaseReason};
use crate::model::request::{Action, Request};
use crate::model::session::Pair;
use crate::model::snapshot::{BackupState, Snapshot, TransactionState};
use crate::model::step::{BeginPresentStateStep, CopyPresentStateStep, GiveUpStep, KeepPresentStateStep};
use crate::model::units::Version;
use std::collections::BTreeSet;

/// Where the snapshot goes.
enum Place<'a> {
    Unused(VolumeId),
    /// The only unused ones are those that the next night's starts take.
    NeededTonight(VolumeId),
    /// Of the oldest generation, which the policy ends before the new one exists.
    OfOldest(&'a Generation),
}

pub(super) fn snapshot(site: &Snapshot, request: &Request, id: VolumeId) -> Result<PlanItem, Refusal> {
    let case = Case::new(site, request, id)?;
    case.ready_to_act()?;
    case.all_read()?;
    let name = case.name();
    let Some(policy) = case.view.volume.policy else {
        let reason = format!("{name} has no policy: how many generations to keep is not known");
        return Err(Refusal::new(Code::NO_POLICY, reason).about(id));
    };
    can_be_copied(&case)?;
    let place = place(&case, policy)?;
    let target = match place {
        Place::Unused(target) | Place::NeededTonight(target) => target,
        Place::OfOldest(generation) => generation.backup_volume,
    };
    let (pair, blocks) = (Pair::opc(id, target), case.view.volume.blocks);
    let give_up = |generation: &Generation, why| {
        PlanStep::GiveUp(GiveUpStep {
            transaction_volume: id,
            version: generation.version,
            backup_volume: generation.backup_volume,
            why,
        })
    };
    let retention = Rotation::of_backup(site, id, policy).routine();
    let mut steps = Vec::new();
    if let Place::OfOldest(oldest) = place {
        steps.push(give_up(oldest, ReleaseReason::Reused));
    }
    steps.extend([
        PlanStep::BeginPresentState(BeginPresentStateStep { pair }),
        PlanStep::CopyPresentState(CopyPresentStateStep { pair, blocks }),
        PlanStep::KeepPresentState(KeepPresentStateStep { pair, blocks, is_backup: true }),
    ]);
    let mut claims = vec![id, target];
    if !matches!(place, Place::OfOldest(_)) {
        steps.extend(retention.released.iter().map(|kept| give_up(kept, ReleaseReason::Retention)));
        claims.extend(retention.released.iter().map(|kept| kept.backup_volume));
    }
    let mut item = PlanItem::new(case.verb(), id, steps, claims);
    let label = site.label(target);
    let text = "no script runs around a snapshot: it is what a power cut would leave".to_owned();
    item.notice(Code::CRASH_CONSISTENT, text);
    match place {
        Place::Unused(_) => {}
        Place::NeededTonight(_) => {
            item.notice(Code::SNAPSHOT_TAKES_TONIGHTS, format!("{label} is what a start of the next night would take"));
        }
        Place::OfOldest(oldest) => {
            let text = format!("{} of {name} ends now, before the new backup exists", oldest.version);
            item.notice(Code::REUSES_OLDEST, text);
            let others = case
                .generations()
                .iter()
                .filter(|kept| kept.version != oldest.version && rotation::is_sound(site, kept));
            if others.count() == 0 {
                let text = format!(
                    "until all of it is copied, {name} has no backup at all: it keeps no other one that is sound"
                );
                item.notice(Code::NO_BACKUP_MEANWHILE, text);
            }
        }
    }
    if !retention.left.is_empty() {
        let left: Vec<Version> = retention.left.iter().map(|kept| kept.version).collect();
        let (left, why) = (rotation::versions(&left), retention.why.as_deref());
        let why = why.unwrap_or("a backup releases one generation at most");
        item.notice(
            Code::OVER_POLICY,
            format!("{name} is then over its policy: {left} is not released, because {why}"),
        );
    }
    if let Some(group) = &case.view.volume.group {
        let text = format!("{label} then has the LVM identity of {group} too: show it to no host that sees {name}");
        item.notice(Code::GROUP_TWICE, text);
    }
    Ok(item)
}

/// The source's side: its bytes are those of hosts, and its array can copy them once more.
fn can_be_copied(case: &Case<'_>) -> Result<(), Refusal> {
    let (id, name, state) = (case.id(), case.name(), case.view.state);
    let code = match state {
        TransactionState::Inbound => Some(Code::INBOUND),
        TransactionState::Reversed => Some(Code::REVERSED),
        TransactionState::Restoring | TransactionState::RestoreIncomplete => Some(Code::RESTORE_INCOMPLETE),
        _ => None,
    };
    if let Some(code) = code {
        return Err(Refusal::new(code, format!("{name} is {state}: it is no state of its own to keep")).about(id));
    }
    array_copies(case, id)?;
    has_a_session_left(case, id)
}

/// An unused volume that tonight does not need, else another unused one, else that of the oldest where the policy says so.
fn place<'a>(case: &Case<'a>, policy: Policy) -> Result<Place<'a>, Refusal> {
    let (site, id) = (case.snapshot, case.id());
    if let Some(spare) = Spares::new(site, &[id]).take(case) {
        return Ok(Place::Unused(spare));
    }
    let blocks = case.view.volume.blocks;
    if let Some(spare) = Pool::new(site, &BTreeSet::from([blocks])).spare(case) {
        return Ok(Place::NeededTonight(spare));
    }
    let to_come = Rotation::of_backup(site, id, policy);
    let oldest = to_come.beyond().first().copied();
    let is_free = |generation: &&Generation| {
        let view = site.backup_volume(generation.backup_volume);
        generation.backup_volume.box_id == id.box_id
            && view.is_some_and(|view| view.state == BackupState::Generation && view.problem.is_none())
            && site.sessions_of(generation.backup_volume).is_empty()
            && unclaimed(site, generation.backup_volume).is_ok()
    };
    let may_end = |generation: &&Generation| {
        policy.reuse_oldest
            && to_come.needs_attention().is_none()
            && to_come.keeps_all().is_none()
            && to_come.keeps(generation, &[]).is_none()
    };
    if let Some(oldest) = oldest.filter(is_free).filter(may_end) {
        return Ok(Place::OfOldest(oldest));
    }
    let array = site.array(id.box_id).map_or_else(|| "its array".to_owned(), |array| array.name.to_string());
    let reason = format!("no backup volume of {array} of {blocks} ({} blocks) is unused", blocks.0);
    let release = case.generations().iter().find(|kept| kept.held.is_none());
    let remedy = release.map(|kept| {
        let delete = Action::DeleteGeneration { volume: id, version: kept.version };
        Remedy::destroying(format!("release {} of {}", kept.version, case.name()), delete)
    });
    Err(Refusal::new(Code::NO_BACKUP_VOLUME, reason).about(id).with_remedies(remedy))
}
