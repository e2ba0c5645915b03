//! Reconcile: the proposals for what catalogue and arrays disagree on, as items; and giving a volume back.

use super::allocate::able;
use super::case::{Case, not_a_transaction_volume, readable, unclaimed};
use super::{Confirmation, PlanItem, Refusal};
use crate::model::codes::Code;
use crate::model::copy::CommandVerb;
use crate::model::identity::VolumeId;
use crate::model::proposal_kind::ProposalKind;
use crate::model::reconcile::{Finding, Proposal, findings};
use crate::model::records::ReleaseReason;
use crate::model::request::{ListedBackup, Request};
use crate::model::session::{Pair, Phase, Status};
use crate::model::snapshot::{BackupState, SessionView, Snapshot};
use crate::model::step::{
    AdoptStep, AdoptedGeneration, ForgetSessionStep, GiveBackStep, GiveUpStep, PlanStep, StopLeftOverStep, StopStep,
};
use crate::model::take_over::{TakeOver, TakeOverState, is_unproved, program, unproved};
use crate::model::units::Version;

type Answer = Result<PlanItem, Refusal>;

/// What is asked for of all volumes of the request.
pub(super) struct Asked<'a> {
    pub only: &'a [VolumeId],
    pub kinds: &'a [ProposalKind],
    pub listed: &'a [ListedBackup],
}

pub(super) fn reconcile(
    snapshot: &Snapshot,
    request: &Request,
    volumes: &[VolumeId],
    asked: &Asked<'_>,
) -> Vec<Answer> {
    let all = findings(snapshot);
    let of = |id: VolumeId| all.iter().filter(move |finding| finding.owner == id);
    volumes.iter().map(|id| item(snapshot, request, *id, &of(*id).collect::<Vec<_>>(), asked)).collect()
}

fn item(snapshot: &Snapshot, request: &Request, id: VolumeId, rows: &[&Finding], asked: &Asked<'_>) -> Answer {
    if !snapshot.knows(id) || (snapshot.transaction_volume(id).is_none() && snapshot.backup_volume(id).is_none()) {
        return Err(not_a_transaction_volume(snapshot, id));
    }
    let label = snapshot.label(id);
    let is_asked = |row: &&&Finding| asked.only.is_empty() || asked.only.contains(&row.subject);
    let rows: Vec<&Finding> = rows.iter().filter(is_asked).copied().collect();
    let is_wanted = |row: &&&Finding| {
        let kind = row.proposal.kind();
        kind != ProposalKind::ByHand && (asked.kinds.is_empty() || asked.kinds.contains(&kind))
    };
    let chosen: Vec<&Finding> = rows.iter().filter(is_wanted).copied().collect();
    let listed = listed(snapshot, id, &chosen, asked);
    if chosen.is_empty() && listed.is_empty() {
        return Err(nothing(snapshot, id, &rows));
    }
    let mut item = PlanItem::new(request.action.verb(), id, Vec::new(), claims(id, &chosen, &listed));
    for claim in &item.claims {
        unclaimed(snapshot, *claim).map_err(|refusal| refusal.about(id))?;
    }
    for row in &chosen {
        row_is_read(snapshot, row).map_err(|refusal| refusal.about(id))?;
    }
    // What is ended on an array first: it may fail, and the catalogue is then as it was.
    let mut lost = Vec::new();
    let order = |finding: &&Finding| match finding.proposal.kind() {
        ProposalKind::Release => 0,
        ProposalKind::Forget => 1,
        ProposalKind::Adopt | ProposalKind::ByHand => 2,
    };
    let mut chosen = chosen;
    chosen.sort_by_key(order);
    for row in &chosen {
        match row.proposal {
            Proposal::Adopt { pair, with_generation } => {
                let step = adopt(snapshot, pair, with_generation, asked.listed);
                item.notice(Code::ADOPTED_UNPROVED, adopted_text(snapshot, &step));
                item.steps.push(step.into());
            }
            Proposal::ForgetSession { pair } => item.steps.push(ForgetSessionStep { pair }.into()),
            Proposal::ForgetGeneration { volume, version, backup_volume } => {
                let why = ReleaseReason::Reconciled;
                let give_up = GiveUpStep { transaction_volume: volume, version, backup_volume, why };
                item.steps.push(PlanStep::GiveUp(give_up));
                lost.push(format!("{version} of {} is released", snapshot.label(volume)));
            }
            Proposal::Stop { pair, at_target } => {
                able(snapshot, &pair, CommandVerb::Stop).map_err(|refusal| refusal.about(id))?;
                item.steps.push(stop(pair, at_target));
                let price = row.proposal.in_words(snapshot);
                item.notice(Code::NEEDS_FORCE, format!("{}: {price}", row.array));
                let session = snapshot.session(&pair);
                if let Some(session) = session.filter(|session| !session.ours) {
                    let whose = program(&session.requestor);
                    lost.push(format!("a copy of {whose} to {} ends", snapshot.label(pair.target)));
                }
            }
            Proposal::ByHand { .. } => {}
        }
    }
    for step in listed {
        item.notice(Code::ADOPTED_UNPROVED, adopted_text(snapshot, &step));
        item.steps.push(step.into());
    }
    for row in rows.iter().filter(|row| row.proposal.kind() == ProposalKind::ByHand) {
        item.notice(Code::RECONCILED_BY_HAND, format!("{}: {}", row.array, row.proposal.in_words(snapshot)));
    }
    if !lost.is_empty() {
        item.confirmation = Some(Confirmation::new(label, lost.join("; ")));
    }
    Ok(item)
}

fn nothing(snapshot: &Snapshot, id: VolumeId, rows: &[&Finding]) -> Refusal {
    let label = snapshot.label(id);
    if rows.is_empty() {
        let reason = format!("catalogue and array agree on {label}, as far as the array was read");
        return Refusal::new(Code::NOTHING_TO_RECONCILE, reason).about(id);
    }
    let ways: Vec<String> =
        rows.iter().map(|row| format!("{}: {}", row.array, row.proposal.in_words(snapshot))).collect();
    Refusal::new(Code::RECONCILED_BY_HAND, format!("{label}: {}", ways.join("; "))).about(id)
}

/// All that the item has to itself.
fn claims(id: VolumeId, chosen: &[&Finding], listed: &[AdoptStep]) -> Vec<VolumeId> {
    let ends = chosen.iter().flat_map(|row| match row.proposal {
        Proposal::Adopt { pair, .. } | Proposal::ForgetSession { pair } | Proposal::Stop { pair, .. } => {
            vec![pair.source, pair.target]
        }
        Proposal::ForgetGeneration { backup_volume, .. } => vec![backup_volume],
        Proposal::ByHand { .. } => Vec::new(),
    });
    let listed = listed.iter().map(|step| step.pair.target);
    [id].into_iter().chain(ends).chain(listed).collect()
}

/// Whether what the row rests on is read. A session is ended where it is: the other box may be gone.
fn row_is_read(snapshot: &Snapshot, row: &Finding) -> Result<(), Refusal> {
    match row.proposal {
        Proposal::Adopt { pair, .. } => {
            readable(snapshot, pair.source.box_id)?;
            readable(snapshot, pair.target.box_id)
        }
        Proposal::Stop { pair, at_target: true } => readable(snapshot, pair.target.box_id),
        Proposal::ForgetSession { pair } | Proposal::Stop { pair, .. } => readable(snapshot, pair.source.box_id),
        Proposal::ForgetGeneration { backup_volume, .. } => readable(snapshot, backup_volume.box_id),
        Proposal::ByHand { .. } => Ok(()),
    }
}

fn stop(pair: Pair, at_target: bool) -> PlanStep {
    if at_target { StopLeftOverStep { pair }.into() } else { StopStep { pair, force: true }.into() }
}

fn adopt(snapshot: &Snapshot, pair: Pair, with_generation: bool, listed: &[ListedBackup]) -> AdoptStep {
    let session = snapshot.session(&pair);
    let by = session.map(|session| session.requestor.clone()).unwrap_or_default();
    let is_full = |session: &SessionView| session.status == Status::Active && session.phase == Phase::Copying;
    let blocks = snapshot.backup_volume(pair.target).map(|view| view.volume.blocks);
    let is_of = |known: &&ListedBackup| (known.volume, known.backup_volume) == (pair.source, pair.target);
    let taken_at = listed.iter().find(is_of).map(|known| known.taken_at);
    let generation = blocks.filter(|_| with_generation).map(|blocks| AdoptedGeneration { blocks, taken_at });
    AdoptStep { pair, full: session.is_some_and(is_full), by, generation, without_session: false }
}

/// The backups that a list of ACM names on volumes of the pool that nothing is on: kept without a session.
fn listed(snapshot: &Snapshot, id: VolumeId, chosen: &[&Finding], asked: &Asked<'_>) -> Vec<AdoptStep> {
    let adopted = |target: VolumeId| {
        chosen.iter().any(|row| matches!(row.proposal, Proposal::Adopt { pair, .. } if pair.target == target))
    };
    let Some(volume) = snapshot.transaction_volume(id) else { return Vec::new() };
    let is_open = |known: &&ListedBackup| {
        let target = snapshot.backup_volume(known.backup_volume);
        known.volume == id
            && (asked.only.is_empty() || asked.only.contains(&known.backup_volume))
            && !adopted(known.backup_volume)
            && target.is_some_and(|view| {
                view.state == BackupState::Unused
                    && view.problem.is_none()
                    && view.volume.blocks == volume.volume.blocks
            })
    };
    let mut open: Vec<&ListedBackup> = asked.listed.iter().filter(is_open).collect();
    open.sort_by_key(|known| (known.taken_at, known.backup_volume));
    open.dedup_by_key(|known| known.backup_volume);
    let step = |known: &ListedBackup| AdoptStep {
        pair: Pair::new(id, known.backup_volume),
        full: false,
        by: "AdvancedCopy Manager".into(),
        generation: Some(AdoptedGeneration { blocks: volume.volume.blocks, taken_at: Some(known.taken_at) }),
        without_session: true,
    };
    open.into_iter().map(step).collect()
}

fn adopted_text(snapshot: &Snapshot, step: &AdoptStep) -> String {
    let (label, whose) = (snapshot.label(step.pair.target), program(&step.by));
    match &step.generation {
        None => format!("the session of {whose} to {label} is ours from then on; {whose} must no longer use it"),
        Some(_) => format!(
            "what is on {label} is kept held and in doubt (\"{}\") until somebody accepts it; {whose} must no longer use it",
            unproved(&step.by)
        ),
    }
}

/// A volume that was taken over is the other program's again.
pub(super) fn give_back(snapshot: &Snapshot, request: &Request, id: VolumeId) -> Answer {
    let case = Case::new(snapshot, request, id)?;
    case.unclaimed()?;
    let name = case.name();
    let Some(known) = snapshot.take_over(id) else {
        let reason = format!("{name} was not taken over from another program");
        return Err(Refusal::new(Code::NOT_ADOPTED, reason).about(id));
    };
    let TakeOver { state, by, .. } = known;
    if *state == TakeOverState::Observed {
        let reason = format!("{name} is {}'s already", program(by));
        return Err(Refusal::new(Code::ALREADY_SO, reason).about(id));
    }
    case.all_read()?;
    let pairs: Vec<Pair> =
        case.ours().map(|session| session.pair).filter(|pair| pair.kind.is_synchronization()).collect();
    let goes = |on: VolumeId| pairs.iter().any(|pair| pair.target == on);
    let kept = case.generations().iter().filter(|kept| goes(kept.backup_volume) || is_unproved(kept.held.as_ref()));
    let kept: Vec<_> = kept.collect();
    if let Some(held) = kept.iter().find(|kept| kept.held.is_some() && !is_unproved(kept.held.as_ref())) {
        let reason = format!("{} of {name} is held, and its volume would be {}'s again", held.version, program(by));
        return Err(Refusal::new(Code::GENERATION_HELD, reason).about(id));
    }
    let versions: Vec<Version> = kept.iter().map(|kept| kept.version).collect();
    let claims: Vec<VolumeId> =
        pairs.iter().map(|pair| pair.target).chain(kept.iter().map(|kept| kept.backup_volume)).chain([id]).collect();
    for claim in &claims {
        unclaimed(snapshot, *claim).map_err(|refusal| refusal.about(id))?;
    }
    let proved: Vec<String> =
        kept.iter().filter(|kept| !is_unproved(kept.held.as_ref())).map(|kept| kept.version.to_string()).collect();
    let step = GiveBackStep { volume: id, by: by.clone(), pairs, versions };
    let mut item = PlanItem::new(case.verb(), id, vec![step.into()], claims);
    if !proved.is_empty() {
        let what = format!("{} of {name}, made by ecdeck, leaves the history here", proved.join(", "));
        item.confirmation = Some(Confirmation::new(name, what));
    }
    item.notice(Code::VOLUME_OBSERVED, format!("ecdeck then shows the sessions of {name} and starts nothing on it"));
    Ok(item)
}
