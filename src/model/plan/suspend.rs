//! Suspend: stop mirroring, keep the session, make no generation.

use super::allocate::able;
use super::case::{Case, start};
use super::legality::PairVerb;
use super::{PlanItem, PlanStep, Refusal};
use crate::model::codes::Code;
use crate::model::copy::CommandVerb;
use crate::model::identity::VolumeId;
use crate::model::request::Request;
use crate::model::snapshot::{SessionView, Snapshot};
use crate::model::step::SuspendStep;

pub(super) fn suspend(
    snapshot: &Snapshot,
    request: &Request,
    id: VolumeId,
    target: Option<VolumeId>,
) -> Result<PlanItem, Refusal> {
    let case = Case::new(snapshot, request, id)?;
    case.ready_to_act()?;
    let session = match target {
        Some(target) => case.session_to(target)?,
        None => the_session(&case)?,
    };
    case.other_side_ready(session.pair.target)?;
    let force = case.judge(session, PairVerb::Suspend)?;
    able(snapshot, &session.pair, CommandVerb::Suspend).map_err(|refusal| refusal.about(id))?;
    let step = PlanStep::Suspend(SuspendStep { pairs: vec![session.pair], force });
    let mut item = PlanItem::new(case.verb(), id, vec![step], vec![id, session.pair.target]);
    let label = snapshot.label(session.pair.target);
    item.notice(
        Code::NO_GENERATION_BY_SUSPEND,
        format!("{label} is kept for {}, but not as a generation", case.name()),
    );
    if force {
        item.notice(Code::NEEDS_FORCE, format!("the suspend is forced: what is on {label} is not a usable copy"));
    }
    Ok(item)
}

/// The live session; where there is none, the suspended one that makes the request needless.
pub(super) fn the_session<'a>(case: &Case<'a>) -> Result<&'a SessionView, Refusal> {
    if let Some(session) = case.blocking().or_else(|| case.suspended().next()).or_else(|| case.ours().next()) {
        return Ok(session);
    }
    if let Some(foreign) = case.snapshot.sessions_of(case.id()).first() {
        return Err(case.not_ours(foreign));
    }
    case.all_read()?;
    let nothing = Refusal::new(Code::NO_SESSION, format!("{} has no session", case.name()));
    Err(nothing.about(case.id()).with_remedy(start(case)))
}
