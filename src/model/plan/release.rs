//! A start that finds no free backup volume: whether it releases a generation, and takes over its volume.

use super::case::Case;
use super::rotation::Rotation;
use super::synchronize::overwrite;
use super::{PlanItem, PlanStep, Refusal, Remedy};
use crate::model::codes::Code;
use crate::model::entity::{Generation, GenerationState, Policy, ReleaseReason};
use crate::model::identity::VolumeId;
use crate::model::request::Action;

type Answer = Result<PlanItem, Refusal>;

/// The start that releases a generation because no backup volume is free: one that the policy has let go already, or the
/// oldest one where the policy says so. `None` where there is neither. `may_take`: whether a backup volume may be used.
pub(super) fn release_for_start(case: &Case<'_>, may_take: impl Fn(VolumeId) -> bool) -> Option<Answer> {
    let policy = case.view.volume.policy?;
    let as_is = Rotation::as_is(case.snapshot, case.id(), policy);
    let kept_back = as_is.keeps_all();
    let newest = as_is.newest_sound();
    if kept_back.is_none() {
        // The new generation that stands for a backlog is there: this is routine retention, after the backup.
        let usable = |generation: &&&Generation| {
            may_take(generation.backup_volume)
                && newest.is_some_and(|newest| newest.version > generation.version)
                && as_is.keeps(generation, &[]).is_none()
        };
        let beyond = as_is.beyond();
        let released =
            |generation: &&Generation| take_over(case, generation).ok().map(|item| (generation.version, item));
        if let Some((version, mut item)) = beyond.iter().filter(usable).find_map(released) {
            let text =
                format!("{version} of {} is beyond the policy: it is released, no other volume is free", case.name());
            item.notice(Code::RELEASED_BY_START, text);
            return Some(Ok(item));
        }
    }
    reuse_oldest(case, policy, kept_back, may_take)
}

/// The reason of the refusal of a start that finds no backup volume, with why generations beyond the policy stay where there
/// are any.
pub(super) fn with_backlog(case: &Case<'_>, reason: String) -> String {
    match why_backlog_stays(case) {
        Some(why) => format!("{reason}; {why}"),
        None => reason,
    }
}

fn why_backlog_stays(case: &Case<'_>) -> Option<String> {
    let rotation = Rotation::as_is(case.snapshot, case.id(), case.view.volume.policy?);
    let beyond = rotation.beyond();
    let first = beyond.first()?;
    let why = rotation.keeps_all().or_else(|| rotation.keeps(first, &[]))?;
    Some(format!("{} is beyond the policy and not released: {why}", first.version))
}

/// The start that ends the oldest generation before the new one exists, where the policy says so; `None` where it does not,
/// or fewer generations are kept than it says.
fn reuse_oldest(
    case: &Case<'_>,
    policy: Policy,
    kept_back: Option<String>,
    may_take: impl Fn(VolumeId) -> bool,
) -> Option<Answer> {
    if !policy.reuse_oldest {
        return None;
    }
    // What the backup to come would release is released before it.
    let to_come = Rotation::of_backup(case.snapshot, case.id(), policy);
    let (first, newest) = (*to_come.beyond().first()?, case.generations().last()?);
    if !may_take(first.backup_volume) {
        return None;
    }
    let unsound = (first.version != newest.version && newest.state != GenerationState::Valid).then_some(newest);
    if let Some(kept) = to_come.needs_attention().or(unsound) {
        let reason = format!(
            "{} of {} is {}: {} is not released before that is cleared",
            kept.version,
            case.name(),
            kept.state,
            first.version
        );
        return Some(Err(Refusal::new(Code::GENERATION_HELD, reason).about(case.id())));
    }
    if let Some(why) = kept_back.or_else(|| to_come.keeps(first, &[])) {
        let reason = format!("{} of {} is not released: {why}", first.version, case.name());
        let action = Action::Overwrite { volume: case.id(), version: first.version };
        let label = case.snapshot.label(first.backup_volume);
        let remedy = Remedy::destroying(format!("overwrite {} of {} on {label}", first.version, case.name()), action);
        return Some(Err(Refusal::new(Code::ROTATION_TOO_SOON, reason).about(case.id()).with_remedy(remedy)));
    }
    Some(take_over(case, first).map(|mut item| {
        let text = format!("{} of {} ends now, before the new backup exists", first.version, case.name());
        item.notice(Code::REUSES_OLDEST, text);
        item
    }))
}

/// The start onto the backup volume of a generation that the policy lets go.
fn take_over(case: &Case<'_>, generation: &Generation) -> Answer {
    let mut item = overwrite(case.snapshot, case.request, case.id(), generation.version)?;
    item.confirmation = None;
    for step in &mut item.steps {
        if let PlanStep::GiveUp(give_up) = step {
            give_up.why = ReleaseReason::Reused;
        }
    }
    Ok(item)
}
