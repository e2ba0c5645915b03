//! What a transaction volume is before a restore overwrites it: which unused backup volume keeps it, and what is said of that.

use super::allocate::Pool;
use super::case::Case;
use super::rules::plan;
use super::{PlanItem, PlanStep, Refusal, Remedy};
use crate::model::codes::Code;
use crate::model::due::{first_night, is_due, pools_shared_with, taking_part};
use crate::model::duration;
use crate::model::identity::VolumeId;
use crate::model::request::{Action, Request};
use crate::model::session::Pair;
use crate::model::snapshot::{ArrayView, Snapshot, TransactionState};
use crate::model::step::{BeginPresentStateStep, CopyPresentStateStep, KeepPresentStateStep};
use crate::model::units::{Blocks, count};
use crate::model::volume_group::RegisteredGroup;
use std::collections::BTreeSet;

/// The backup volumes that a plan may still keep present states on.
pub(super) struct Spares<'a> {
    pool: Pool<'a>,
    /// Those that tonight's starts take.
    tonight: BTreeSet<VolumeId>,
    /// Those that this plan keeps a present state on.
    taken: BTreeSet<VolumeId>,
}

impl<'a> Spares<'a> {
    pub fn new(snapshot: &'a Snapshot, targets: &[VolumeId]) -> Self {
        let blocks = |id: &VolumeId| snapshot.transaction_volume(*id).map(|view| view.volume.blocks);
        let sizes: BTreeSet<Blocks> = targets.iter().filter_map(blocks).collect();
        let tonight = targets.iter().flat_map(|target| taken_tonight(snapshot, *target)).collect();
        Self { pool: Pool::new(snapshot, &sizes), tonight, taken: BTreeSet::new() }
    }

    /// Takes one for the present state of this volume.
    pub fn take(&mut self, target: &Case<'_>) -> Option<VolumeId> {
        while let Some(spare) = self.pool.spare(target) {
            if !self.tonight.contains(&spare) && self.taken.insert(spare) {
                return Some(spare);
            }
        }
        None
    }
}

/// The backup volumes that the starts of the next night take. A set is started as one, and before the others.
fn taken_tonight(snapshot: &Snapshot, target: VolumeId) -> BTreeSet<VolumeId> {
    let spare = snapshot.transaction_volume(target).map(|view| snapshot.spare_key(view));
    let volumes = taking_part(snapshot, &pools_shared_with(snapshot, spare));
    let at = first_night(snapshot, &volumes);
    let due: Vec<VolumeId> = volumes.into_iter().filter(|id| is_due(snapshot, *id, at)).collect();
    let members: BTreeSet<VolumeId> = snapshot
        .volume_sets
        .iter()
        .filter(|set| due.iter().any(|id| set.has(*id)))
        .flat_map(|set| set.members.iter().copied())
        .collect();
    let wanted: BTreeSet<VolumeId> = due.into_iter().chain(members).collect();
    if wanted.is_empty() {
        return BTreeSet::new();
    }
    let start = Action::Start { volumes: wanted.into_iter().collect(), targets: Vec::new(), together: false };
    let Ok(planned) = plan(snapshot, &Request::new(start)) else { return BTreeSet::new() };
    let steps = planned.items().iter().flat_map(|item| &item.steps);
    steps
        .filter_map(|step| match step {
            PlanStep::StartFull(start) => Some(start.pair.target),
            _ => None,
        })
        .collect()
}

/// Whether a volume has a state that anybody would want back.
fn is_whole(snapshot: &Snapshot, target: VolumeId) -> bool {
    let view = snapshot.transaction_volume(target);
    view.is_some_and(|view| view.state != TransactionState::RestoreIncomplete)
}

/// What stands before a restore onto a transaction volume: the steps that keep its present state, with their volume.
///
/// # Errors
/// No backup volume is free for it; the remedy is to go on without.
pub(super) fn steps(
    snapshot: &Snapshot,
    request: &Request,
    target: VolumeId,
    spares: &mut Spares<'_>,
) -> Result<Option<(VolumeId, Vec<PlanStep>)>, Refusal> {
    if !is_whole(snapshot, target) || declined(request) {
        return Ok(None);
    }
    let case = Case::new(snapshot, request, target)?;
    let label = snapshot.label(target);
    let array = snapshot.array(target.box_id);
    let limit = array.and_then(|array| array.capabilities.as_ref()).map(|known| usize::from(known.sessions_per_source));
    if let Some(limit) = limit.filter(|limit| snapshot.sessions_of(target).len() >= *limit) {
        let reason = format!("{label} is the source of {limit} sessions already, which is all that its array grants");
        return Err(without(request, Refusal::new(Code::NO_VOLUME_FOR_PRESENT_STATE, reason).about(target)));
    }
    let Some(spare) = spares.take(&case) else {
        let name = array.map_or_else(|| "the array".to_owned(), |array: &ArrayView| array.name.to_string());
        let blocks = case.view.volume.blocks.0;
        let needed = |volumes: &BTreeSet<VolumeId>, why: &str| match volumes.len() {
            0 => String::new(),
            number => format!("; {} needed {why}", count(number, "unused one is", "unused ones are")),
        };
        let tonight = needed(&spares.tonight, "tonight") + &needed(&spares.taken, "for others of this request");
        let named = snapshot.spare_key(case.view).pool;
        let pool = named.as_ref().map_or_else(String::new, |pool| format!(" in pool {pool}"));
        let (plain, why) = match (&case.view.volume.group, named) {
            (None, _) => ("", String::new()),
            (Some(group), None) => ("plain ", format!("; {}", only_plain(group))),
            // A pool by hosts has groups only, until a place gives it a plain volume.
            (Some(group), Some(pool)) => {
                ("plain ", format!("; {}: `volumes` of [[pool]] {pool} can have one", only_plain(group)))
            }
        };
        let reason = format!(
            "what is on {label} now cannot be kept: no {plain}backup volume of {name} with {blocks} blocks{pool} is free for \
             it{tonight}{why}"
        );
        return Err(without(request, Refusal::new(Code::NO_VOLUME_FOR_PRESENT_STATE, reason).about(target)));
    };
    let (pair, blocks) = (Pair::opc(target, spare), case.view.volume.blocks);
    let steps = vec![
        PlanStep::BeginPresentState(BeginPresentStateStep { pair }),
        PlanStep::CopyPresentState(CopyPresentStateStep { pair, blocks }),
        PlanStep::KeepPresentState(KeepPresentStateStep { pair, blocks, is_backup: false }),
    ];
    Ok(Some((spare, steps)))
}

/// Why no volume group of the pool keeps it.
fn only_plain(group: &RegisteredGroup) -> String {
    format!("a volume group of the pool would lose its own identity to {group}, so a plain volume keeps it")
}

/// What people are told of it.
pub(super) fn notices(snapshot: &Snapshot, target: VolumeId, spare: Option<VolumeId>, item: &mut PlanItem) {
    let Some(view) = snapshot.transaction_volume(target) else { return };
    let label = snapshot.label(target);
    let Some(spare) = spare else {
        let why = if is_whole(snapshot, target) { "" } else { ": an earlier restore to it did not come to its end" };
        item.notice(Code::PRESENT_STATE_LOST, format!("what is on {label} now is not kept{why}"));
        return;
    };
    let full = snapshot.generations_of(target).iter().rev().filter_map(|kept| kept.copied_in).find(|time| time.full);
    let took = full.map_or_else(String::new, |time| {
        let time = duration::people(i64::try_from(time.millis).unwrap_or(i64::MAX));
        format!(", for which the last full copy took {time}")
    });
    let text = format!(
        "what is on {label} now is copied to {} first ({}{took}) and kept as {}, held, outside the policy's count",
        snapshot.label(spare),
        view.volume.blocks,
        view.volume.next_version
    );
    item.notice(Code::PRESENT_STATE_KEPT, text);
    if let Some(group) = &view.volume.group {
        let text = format!(
            "{} then has the LVM identity of {group} too: show it to no host that sees {label}",
            snapshot.label(spare)
        );
        item.notice(Code::GROUP_TWICE, text);
    }
}

fn declined(request: &Request) -> bool {
    match request.action {
        Action::Restore { without_present_state, .. } | Action::RestoreSet { without_present_state, .. } => {
            without_present_state
        }
        _ => false,
    }
}

/// The refusal with the way on: the same restore, and what is there now is lost.
fn without(request: &Request, refusal: Refusal) -> Refusal {
    let mut action = request.action.clone();
    if let Action::Restore { without_present_state, .. } | Action::RestoreSet { without_present_state, .. } =
        &mut action
    {
        *without_present_state = true;
    }
    let text = "restore without keeping the present state, which is then lost";
    let mut remedy = Remedy { destroys: true, ..Remedy::new(text, action) };
    remedy.request.set.clone_from(&request.set);
    refusal.with_remedy(remedy)
}
