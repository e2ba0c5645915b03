//! Undo of a release: a generation comes back while nothing was started onto its volume.

use super::case::{Case, readable, unclaimed};
use super::{PlanItem, Refusal};
use crate::model::codes::Code;
use crate::model::doubt::cause_now;
use crate::model::identity::VolumeId;
use crate::model::records::{Generation, GenerationState};
use crate::model::request::Request;
use crate::model::session::Pair;
use crate::model::snapshot::{BackupState, BackupVolumeView, Snapshot};
use crate::model::step::ReinstateStep;
use crate::model::units::Version;

pub(super) fn reinstate(
    snapshot: &Snapshot,
    request: &Request,
    id: VolumeId,
    version: Version,
) -> Result<PlanItem, Refusal> {
    let case = Case::new(snapshot, request, id)?;
    case.unclaimed()?;
    let name = case.name();
    if case.generations().iter().any(|kept| kept.version == version) {
        return Err(Refusal::new(Code::ALREADY_SO, format!("{version} of {name} is kept")).about(id));
    }
    if version.0 == 0 || version >= case.view.volume.next_version {
        let reason = format!("{name} never had a {version}");
        return Err(Refusal::new(Code::NO_SUCH_GENERATION, reason).about(id));
    }
    let refuse = |why: String| {
        let reason = format!("{version} of {name} cannot come back: {why}");
        Refusal::new(Code::NOT_REINSTATABLE, reason).about(id)
    };
    let of = |released: &&crate::model::records::ReleasedGeneration| {
        (released.generation.transaction_volume, released.generation.version) == (id, version)
    };
    let Some(released) = snapshot.released.iter().find(of) else {
        return Err(refuse("its volume was used since".to_owned()));
    };
    let generation = &released.generation;
    let target = generation.backup_volume;
    let label = snapshot.label(target);
    let Some(view) = snapshot.backup_volume(target) else {
        return Err(refuse(format!("{label} is not in the pool")));
    };
    unclaimed(snapshot, target).map_err(|refusal| refusal.about(id))?;
    readable(snapshot, target.box_id).map_err(|refusal| refusal.about(id))?;
    case.others_are_read(target)?;
    if let Some(problem) = &view.problem {
        return Err(refuse(format!("{label}: {}", problem.text)));
    }
    let own = view.transaction_volume == Some(id);
    if !(view.state == BackupState::Unused || view.state == BackupState::Bound && own) {
        return Err(refuse(format!("{label} is {}", view.state)));
    }
    if view.volume.blocks != generation.blocks {
        return Err(refuse(format!("{label} has another size")));
    }
    let state = state_of(snapshot, generation, view);
    let step = ReinstateStep { volume: id, version, backup_volume: target, state: state.clone() };
    let mut item = PlanItem::new(case.verb(), id, vec![step.into()], vec![id, target]);
    if state != GenerationState::Valid {
        item.notice(Code::REINSTATED_IN_DOUBT, format!("{version} of {name} comes back {state}"));
    }
    Ok(item)
}

/// Valid only where the suspended session still tracks what hosts write, and its array shows that none did.
fn state_of(snapshot: &Snapshot, generation: &Generation, view: &BackupVolumeView) -> GenerationState {
    if generation.state != GenerationState::Valid {
        return generation.state.clone();
    }
    if let Some(why) = cause_now(snapshot, generation) {
        return GenerationState::InDoubt(why);
    }
    let session = snapshot.session(&Pair::new(generation.transaction_volume, generation.backup_volume));
    let tracked = session.filter(|session| session.ours && view.state == BackupState::Bound);
    match tracked.and_then(|session| session.target_written) {
        Some(false) => GenerationState::Valid,
        _ => GenerationState::InDoubt("whether a host wrote on its volume since its release is not known".to_owned()),
    }
}
