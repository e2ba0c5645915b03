//! Cancel and forced stop: what ends sessions. Neither ever touches a generation.

use super::allocate::able;
use super::case::{Case, badness, is_left_over, readable};
use super::legality::PairVerb;
use super::{PlanItem, PlanStep, Refusal, Remedy};
use crate::model::codes::Code;
use crate::model::copy::CommandVerb;
use crate::model::doubt::in_doubt;
use crate::model::identity::VolumeId;
use crate::model::records::GenerationState;
use crate::model::request::{Action, CancelScope, Request};
use crate::model::session::{Direction, Pair, Status, TransferMode};
use crate::model::snapshot::{Halves, SessionView, Snapshot};
use crate::model::step::{SetGenerationStateStep, StopLeftOverStep, StopStep};

/// Sessions that a refusal names one by one at most.
const NAMED: usize = 8;

pub(super) fn cancel(
    snapshot: &Snapshot,
    request: &Request,
    id: VolumeId,
    scope: CancelScope,
) -> Result<PlanItem, Refusal> {
    let case = Case::new(snapshot, request, id)?;
    case.ready_to_act()?;
    let sessions: Vec<&SessionView> = match scope {
        CancelScope::Live => match case.blocking() {
            Some(session) => vec![session],
            None => return Err(nothing_live(&case)),
        },
        CancelScope::One(target) => {
            if let Some(pair) = case.vanished_to(target) {
                return let_go(&case, &[pair]);
            }
            vec![case.session_to(target)?]
        }
        CancelScope::All => {
            let sessions: Vec<&SessionView> = case.ours().collect();
            if sessions.is_empty() {
                let pairs = vanished(&case);
                return if pairs.is_empty() { Err(nothing_live(&case)) } else { let_go(&case, &pairs) };
            }
            sessions
        }
    };
    let mut item = PlanItem::new(case.verb(), id, Vec::new(), claims(id, &sessions));
    for session in sessions {
        let target = session.pair.target;
        case.other_side_ready(target)?;
        let force = case.judge(session, PairVerb::Cancel)?;
        able(snapshot, &session.pair, CommandVerb::Stop).map_err(|refusal| refusal.about(id))?;
        item.steps.extend(doubt(&case, session));
        item.steps.push(PlanStep::Stop(StopStep { pair: session.pair, force }));
        notices(&case, session, force, &mut item);
    }
    Ok(item)
}

/// A generation whose session ended in error stays in doubt when the session, which tells of it, is gone.
fn doubt(case: &Case<'_>, session: &SessionView) -> Option<PlanStep> {
    let generation = case.generation_on(session.pair.target).filter(|_| session.status == Status::ErrorSuspended)?;
    let state = match &generation.state {
        GenerationState::NeedsAttention(_) => return None,
        GenerationState::InDoubt(why) => GenerationState::InDoubt(why.clone()),
        GenerationState::Valid => GenerationState::InDoubt(in_doubt(session)),
    };
    Some(PlanStep::SetGenerationState(SetGenerationStateStep { volume: case.id(), version: generation.version, state }))
}

fn notices(case: &Case<'_>, session: &SessionView, force: bool, item: &mut PlanItem) {
    let label = case.snapshot.label(session.pair.target);
    let by_mode = session.modes.is_some_and(|modes| modes.transfer == TransferMode::Consistency);
    let whole = session.is_equivalent() || (session.status == Status::Suspended && session.phase.is_whole());
    if force && session.shows_mode_of_suspension() && whole {
        let text = format!(
            "while the copy to {label} is suspended the array shows the mode in force, through, and not its own: that may be \
             consistency, in which the array ends it by force only"
        );
        item.notice(Code::NEEDS_FORCE, text);
    } else if force && by_mode && whole {
        let text = format!("in consistency mode the array ends the session with {label} by force only");
        item.notice(Code::NEEDS_FORCE, text);
    } else if force {
        item.notice(Code::NEEDS_FORCE, format!("the copy to {label} is not complete: the array ends it by force"));
    }
    direction(case, session, item);
    if session.status == Status::Halted || session.other_half_waits() {
        let text =
            format!("the path to the box of {label} is lost: its half may stay, until a forced stop ends it there");
        item.notice(Code::HALF_OPEN, text);
    }
    if session.status == Status::Suspended && whole {
        let size = case.view.volume.blocks;
        item.notice(Code::NEXT_COPY_FULL, format!("the next copy to {label} is a full one: {size}"));
    }
}

/// What it means to end a session that does not run forward.
fn direction(case: &Case<'_>, session: &SessionView, item: &mut PlanItem) {
    let (name, label) = (case.name(), case.snapshot.label(session.pair.target));
    let at_rest = session.is_at_rest() || session.is_equivalent();
    match session.direction {
        Direction::Forward => {}
        Direction::Reversed if at_rest => {
            let text =
                format!("the session runs backwards, from {label} into {name}: it ends, and both keep what they have");
            item.notice(Code::REVERSED, text);
        }
        Direction::Reversed => {
            let text = format!("{name} is being overwritten from {label}: ended now, {name} has parts of both");
            item.notice(Code::REVERSED, text);
        }
        Direction::Unknown => {
            item.notice(
                Code::DIRECTION_UNKNOWN,
                format!("which way the copy between {name} and {label} runs is not known"),
            );
        }
    }
}

/// End a session on the array side, whatever state it is in.
pub(super) fn force_stop(
    snapshot: &Snapshot,
    request: &Request,
    id: VolumeId,
    target: Option<VolumeId>,
) -> Result<PlanItem, Refusal> {
    let case = Case::new(snapshot, request, id)?;
    case.unclaimed()?;
    let session = match target {
        Some(target) => {
            if let Some(pair) = case.vanished_to(target) {
                readable(snapshot, id.box_id).map_err(|refusal| refusal.about(id))?;
                return let_go(&case, &[pair]);
            }
            case.session_to(target)?
        }
        None => match case.blocking().or_else(|| case.ours().max_by_key(|session| badness(session))) {
            Some(session) if case.blocking().is_some() || case.ours().count() == 1 => session,
            _ => return Err(nothing_live(&case)),
        },
    };
    // The box that has the session must be read; the other one may be gone, that is what the verb is for.
    let pair = session.pair;
    let (box_id, step) = match session.halves {
        Halves::Missing { source_reports: false } => {
            (pair.target.box_id, PlanStep::StopLeftOver(StopLeftOverStep { pair }))
        }
        _ => (pair.source.box_id, PlanStep::Stop(StopStep { pair, force: true })),
    };
    readable(snapshot, box_id).map_err(|refusal| refusal.about(id))?;
    super::case::unclaimed(snapshot, session.pair.target).map_err(|refusal| refusal.about(id))?;
    case.judge(session, PairVerb::ForceStop)?;
    able(snapshot, &pair, CommandVerb::Stop).map_err(|refusal| refusal.about(id))?;
    let steps = doubt(&case, session).into_iter().chain([step]).collect();
    let mut item = PlanItem::new(case.verb(), id, steps, vec![id, session.pair.target]);
    let label = snapshot.label(session.pair.target);
    item.notice(Code::NEEDS_FORCE, format!("the session of {} with {label} is ended by force", case.name()));
    direction(&case, session, &mut item);
    Ok(item)
}

/// Ends what is left of sessions that vanished: the array is told once more, then they are forgotten.
fn let_go(case: &Case<'_>, pairs: &[Pair]) -> Result<PlanItem, Refusal> {
    let steps = pairs.iter().map(|&pair| PlanStep::Stop(StopStep { pair, force: true })).collect();
    for pair in pairs {
        case.other_side_ready(pair.target)?;
    }
    let claims = pairs.iter().flat_map(|pair| [pair.source, pair.target]).collect();
    let mut item = PlanItem::new(case.verb(), case.id(), steps, claims);
    for pair in pairs {
        let label = case.snapshot.label(pair.target);
        item.notice(
            Code::VANISHED,
            format!("the array no longer reports the session with {label}: {label} becomes unused"),
        );
    }
    Ok(item)
}

fn vanished(case: &Case<'_>) -> Vec<Pair> {
    let left_over = case.snapshot.pool.iter().filter(|view| is_left_over(view, case.id()));
    left_over.map(|view| Pair::new(case.id(), view.volume.id)).collect()
}

fn claims(id: VolumeId, sessions: &[&SessionView]) -> Vec<VolumeId> {
    std::iter::once(id).chain(sessions.iter().map(|session| session.pair.target)).collect()
}

/// There is no live session: tells of the suspended, the vanished, the foreign ones.
fn nothing_live(case: &Case<'_>) -> Refusal {
    let (id, name) = (case.id(), case.name());
    if let Err(unread) = case.all_read() {
        return unread;
    }
    let quiet: Vec<&SessionView> = case.ours().collect();
    if !quiet.is_empty() {
        let labels: Vec<String> = quiet.iter().map(|session| case.snapshot.label(session.pair.target)).collect();
        let reason = format!("{name} is only suspended, with {}", labels.join(", "));
        let one = |(session, label): (&&SessionView, &String)| {
            let target = session.pair.target;
            let action = match case.verb() {
                crate::model::request::Verb::ForceStop => Action::ForceStop { volume: id, target: Some(target) },
                _ => Action::Cancel { volumes: vec![id], scope: CancelScope::One(target) },
            };
            Remedy::new(format!("end the session of {name} with {label}"), action)
        };
        let all = (quiet.len() > 1).then(|| {
            let action = Action::Cancel { volumes: vec![id], scope: CancelScope::All };
            Remedy::new(format!("end all {} sessions of {name}", quiet.len()), action)
        });
        let remedies: Vec<Remedy> = quiet.iter().zip(&labels).take(NAMED).map(one).chain(all).collect();
        return Refusal::new(Code::ONLY_SUSPENDED, reason).about(id).with_remedies(remedies);
    }
    let left_over = vanished(case).into_iter().map(|pair| {
        let action = Action::Cancel { volumes: vec![id], scope: CancelScope::One(pair.target) };
        Remedy::new(format!("let go of {}, whose session vanished", case.snapshot.label(pair.target)), action)
    });
    match case.snapshot.sessions_of(id).first() {
        Some(session) => case.not_ours(session),
        None => Refusal::new(Code::NO_SESSION, format!("{name} has no session")).about(id).with_remedies(left_over),
    }
}
