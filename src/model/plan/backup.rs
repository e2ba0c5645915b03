//! Backup and retention: suspend, record, and only then give up what is beyond the policy.

use super::allocate::able;
use super::case::{Case, start as start_remedy};
use super::hooks;
use super::legality::{Facts, Legality, PairVerb, legality};
use super::rotation::{self, Retention, Rotation};
use super::{Confirmation, NewGeneration, PlanItem, PlanStep, Refusal, Remedy, volume_sets};
use crate::model::codes::Code;
use crate::model::copy::{Ability, CommandVerb};
use crate::model::identity::VolumeId;
use crate::model::records::{BackupMode, ReleaseReason};
use crate::model::request::{Action, Request};
use crate::model::session::{Pair, Status};
use crate::model::snapshot::{SessionView, Snapshot};
use crate::model::step::{GiveUpStep, RecordStep, StopStep, SuspendStep};
use crate::model::units::{Timestamp, Version};

/// Backups, each volume for itself.
pub(super) fn each(
    snapshot: &Snapshot,
    request: &Request,
    id: VolumeId,
    mode: Option<BackupMode>,
) -> Result<PlanItem, Refusal> {
    if let Some(refusal) = young_enough(snapshot, request, id) {
        return Err(refusal);
    }
    let part = Part::of(snapshot, request, id, mode)?;
    let mut item = item(&[part]);
    if let Some(text) = volume_sets::alone(snapshot, id) {
        item.notice(Code::MEMBER_ALONE, text);
    }
    Ok(item)
}

/// One backup of volumes that belong together: suspended at one instant, recorded in one transaction, or not at all.
pub(super) fn together(
    snapshot: &Snapshot,
    request: &Request,
    volumes: &[VolumeId],
    mode: Option<BackupMode>,
) -> Vec<Result<PlanItem, Refusal>> {
    let young: Vec<Refusal> = volumes.iter().filter_map(|&id| young_enough(snapshot, request, id)).collect();
    if young.len() == volumes.len() {
        return young.into_iter().map(Err).collect();
    }
    let parts: Vec<Result<Part<'_>, Refusal>> =
        volumes.iter().map(|&id| Part::of(snapshot, request, id, mode)).collect();
    if parts.iter().any(Result::is_err) {
        return parts.into_iter().filter_map(Result::err).map(Err).collect();
    }
    let parts: Vec<Part<'_>> = parts.into_iter().flatten().collect();
    if let Err(refusal) = at_one_instant(snapshot, &parts) {
        return vec![Err(refusal)];
    }
    vec![Ok(item(&parts))]
}

/// With `ensure`, whether the newest sound generation of a volume is young enough, so that nothing is left to do. One that
/// is dated in the future is of no known age: it does not count.
fn young_enough(snapshot: &Snapshot, request: &Request, id: VolumeId) -> Option<Refusal> {
    if !request.ensure {
        return None;
    }
    let case = Case::new(snapshot, request, id).ok()?;
    let newest = case.generations().iter().rev().find(|generation| rotation::is_sound(snapshot, generation))?;
    let age = snapshot.taken_at.since(newest.taken_at);
    let limit = request.newer_than.unwrap_or(Request::USUAL_NEWER_THAN);
    if !(0..limit).contains(&age) {
        return None;
    }
    let reason = format!("{} of {} is {} old", newest.version, case.name(), how_old(age));
    Some(Refusal::new(Code::ALREADY_SO, reason).about(id))
}

/// An age in the largest unit that fits, rounded down.
fn how_old(millis: i64) -> String {
    let minutes = millis / (60 * Timestamp::SECOND);
    match minutes {
        0 => "less than a minute".to_owned(),
        1..=119 => format!("{minutes} min"),
        _ => format!("{} h", minutes / 60),
    }
}

/// What a backup of one volume needs to know.
struct Part<'a> {
    case: Case<'a>,
    session: &'a SessionView,
    mode: BackupMode,
    retention: Retention<'a>,
    /// More is released than routine retention releases.
    clears_backlog: bool,
    /// More than that could be released by name.
    may_clear: bool,
}

impl<'a> Part<'a> {
    fn of(
        snapshot: &'a Snapshot,
        request: &'a Request,
        id: VolumeId,
        mode: Option<BackupMode>,
    ) -> Result<Self, Refusal> {
        let case = Case::new(snapshot, request, id)?;
        if request.until.is_some_and(|until| snapshot.taken_at > until) {
            let passed = format!("the time until which {} may be suspended has passed", case.name());
            // Whoever reads it in the morning wants to know how far it was.
            let hindrance = session(&case).and_then(|session| case.judge(session, PairVerb::Backup)).err();
            let reason =
                hindrance.map_or_else(|| passed.clone(), |hindrance| format!("{passed}: {}", hindrance.reason));
            return Err(Refusal::new(Code::PAST_LIMIT, reason).about(id));
        }
        case.ready_to_act()?;
        let session = session(&case)?;
        case.judge(session, PairVerb::Backup)?;
        let Some(policy) = case.view.volume.policy else {
            let reason = format!("{} has no policy: how many generations to keep is not known", case.name());
            return Err(Refusal::new(Code::NO_POLICY, reason).about(id));
        };
        let target = session.pair.target;
        case.other_side_ready(target)?;
        case.surroundings(PairVerb::Backup)?;
        case.others_are_read(target)?;
        able(snapshot, &session.pair, CommandVerb::Suspend).map_err(|refusal| refusal.about(id))?;
        if let Some(generation) = case.generation_on(target) {
            let reason = format!("{} holds {} of {}", snapshot.label(target), generation.version, case.name());
            return Err(Refusal::new(Code::HOLDS_A_GENERATION, reason).about(id));
        }
        let rotation = Rotation::of_backup(snapshot, id, policy);
        let routine = rotation.routine();
        let all = rotation.all();
        let may_clear = all.released.len() > routine.released.len();
        let by_name = request.release_backlog == Some(id);
        let clears_backlog = may_clear && by_name;
        let retention = if by_name && all.released.len() >= routine.released.len() { all } else { routine };
        Ok(Self { mode: mode.unwrap_or(policy.mode), case, session, retention, clears_backlog, may_clear })
    }

    fn deviates(&self) -> bool {
        self.case.view.volume.policy.is_some_and(|policy| policy.mode != self.mode)
    }

    /// Whether the array ends the session by force only, after its suspend was seen.
    fn ends_by_force(&self) -> bool {
        let suspended = Facts { status: Status::Suspended, ..Facts::of(self.session) };
        legality(&suspended, PairVerb::Cancel) == Legality::Force
    }

    fn generation(&self) -> NewGeneration {
        NewGeneration {
            transaction_volume: self.case.id(),
            backup_volume: self.session.pair.target,
            blocks: self.case.view.volume.blocks,
            mode: self.mode,
            crash_consistent: self.case.request.crash_consistent,
            copied_in: self.session.copy_time(),
        }
    }
}

/// The session that would be backed up. Without one a backup is never turned into a snapshot.
fn session<'a>(case: &Case<'a>) -> Result<&'a SessionView, Refusal> {
    if let Some(session) = case.blocking() {
        return Ok(session);
    }
    let bound = |session: &&SessionView| case.generation_on(session.pair.target).is_none();
    let suspended = case.suspended().find(bound).or_else(|| case.suspended().next());
    if let Some(session) = suspended.or_else(|| case.ours().next()) {
        return Ok(session);
    }
    if let Some(foreign) = case.snapshot.sessions_of(case.id()).first() {
        return Err(case.not_ours(foreign));
    }
    let reason = format!("{} has no session", case.name());
    case.all_read()?;
    Err(Refusal::new(Code::NO_SESSION, reason).about(case.id()).with_remedy(start_remedy(case)))
}

/// Why these volumes cannot be suspended at one instant; `None` where their array can do it.
pub fn not_at_one_instant(snapshot: &Snapshot, volumes: &[VolumeId]) -> Option<String> {
    let (&first, rest) = volumes.split_first()?;
    if rest.is_empty() {
        return None;
    }
    if let Some(other) = rest.iter().find(|id| id.box_id != first.box_id) {
        return Some(format!(
            "{} and {} are in different arrays, which cannot suspend at one instant",
            snapshot.label(first),
            snapshot.label(*other)
        ));
    }
    let array = snapshot.array(first.box_id);
    let ability = array.and_then(|array| array.capabilities.as_ref()).map(|capabilities| capabilities.atomic_suspend);
    let name = array.map_or_else(|| first.box_id.to_string(), |array| array.name.to_string());
    match ability {
        Some(Ability::Yes) => None,
        Some(Ability::No) => Some(format!("{name} cannot suspend several sessions at one instant")),
        _ => Some(format!("whether {name} can suspend several sessions at one instant is not known")),
    }
}

fn at_one_instant(snapshot: &Snapshot, parts: &[Part<'_>]) -> Result<(), Refusal> {
    let volumes: Vec<VolumeId> = parts.iter().map(|part| part.case.id()).collect();
    let Some(reason) = not_at_one_instant(snapshot, &volumes) else { return Ok(()) };
    let mode = match parts.first().map(|part| &part.case.request.action) {
        Some(Action::Backup { mode, .. }) => *mode,
        _ => None,
    };
    let each = Action::Backup { volumes, mode, together: false };
    let remedy = Remedy::new("back up each by itself, not at one instant", each);
    Err(Refusal::new(Code::UNSUPPORTED, reason).with_remedy(remedy))
}

fn item(parts: &[Part<'_>]) -> PlanItem {
    let pairs: Vec<Pair> = parts.iter().map(|part| part.session.pair).collect();
    let cases: Vec<&Case<'_>> = parts.iter().map(|part| &part.case).collect();
    let hooks = hooks::of_backup(cases[0].snapshot, cases[0].request, &cases);
    let mut steps = hooks.before.clone();
    steps.extend([
        PlanStep::Suspend(SuspendStep { pairs: pairs.clone(), force: false }),
        PlanStep::Record(RecordStep { generations: parts.iter().map(Part::generation).collect() }),
    ]);
    steps.extend(hooks.after.clone());
    // Whatever is frozen is thawed before anything waits for LVM.
    let targets = parts.iter().map(|part| (&part.case, part.session.pair.target));
    let (identities, group_notices) = hooks::identities(targets);
    steps.extend(identities);
    let dissolved = parts.iter().filter(|part| part.mode == BackupMode::Dissolve);
    steps.extend(
        dissolved.map(|part| PlanStep::Stop(StopStep { pair: part.session.pair, force: part.ends_by_force() })),
    );
    let given_up = parts.iter().flat_map(|part| &part.retention.released);
    steps.extend(given_up.clone().map(|generation| {
        PlanStep::GiveUp(GiveUpStep {
            transaction_volume: generation.transaction_volume,
            version: generation.version,
            backup_volume: generation.backup_volume,
            why: ReleaseReason::Retention,
        })
    }));
    let claims = pairs.iter().flat_map(|pair| [pair.source, pair.target]);
    let claims = claims.chain(given_up.map(|generation| generation.backup_volume)).collect();
    let first = &parts[0].case;
    let mut item = PlanItem::new(first.verb(), first.id(), steps, claims);
    for part in parts {
        notices(part, &mut item);
    }
    hooks.notices(&mut item);
    for (code, text) in group_notices {
        item.notice(code, text);
    }
    item
}

fn notices(part: &Part<'_>, item: &mut PlanItem) {
    let (name, size) = (part.case.name(), part.case.view.volume.blocks);
    if part.deviates() {
        item.notice(
            Code::MODE_DEVIATES,
            match part.mode {
                BackupMode::Dissolve => {
                    format!("the policy of {name} says suspend: dissolved, its next start copies {size} in full")
                }
                BackupMode::Suspend => format!("the policy of {name} says dissolve: suspended, the volume stays bound"),
            },
        );
    }
    if part.mode == BackupMode::Dissolve && part.ends_by_force() {
        let label = part.case.snapshot.label(part.session.pair.target);
        let text =
            format!("in consistency mode the array ends the session with {label} by force only, after its suspend");
        item.notice(Code::NEEDS_FORCE, text);
    }
    let Retention { released, left, why, held, kept, waits_for_attention } = &part.retention;
    if let Some(held) = held {
        let limit = part.case.view.volume.policy.map_or(0, |policy| policy.generations);
        let text = format!(
            "{} is held, so it is not released: {name} then keeps {kept} generations, the policy says {limit}",
            held.version
        );
        item.notice(Code::OVER_LIMIT_HELD, text);
    }
    if part.clears_backlog && item.confirmation.is_none() {
        let gone: Vec<Version> = released.iter().map(|generation| generation.version).collect();
        item.confirmation =
            Some(Confirmation::new(name, format!("{} of {name} are released", rotation::versions(&gone))));
    }
    if left.is_empty() {
        return;
    }
    let stay: Vec<Version> = left.iter().map(|generation| generation.version).collect();
    let stay = rotation::versions(&stay);
    let number = left.len();
    let (are, stays, them) = if number == 1 { ("is", "stays", "it") } else { ("are", "stay", "them") };
    let what = match why {
        Some(why) => format!("{stay} {are} not released, because {why}"),
        None => format!("{stay} {stays}, because a backup releases one generation at most"),
    };
    let text = format!("{name} is then over by {number}: {what}");
    let may_clear = part.may_clear && !part.clears_backlog;
    let way = if may_clear { format!("; --confirm {name} releases {them}") } else { String::new() };
    let code = if *waits_for_attention { Code::OVER_LIMIT_HELD } else { Code::OVER_POLICY };
    item.notice(code, format!("{text}{way}"));
}
