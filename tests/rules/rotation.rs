//! Retention with its guard: one release at a time, none too soon, none below the floor, and no backup ever stopped by it.

use crate::site::{Site, backup, code, notices, round, start, steps};
use ecdeck::engine::operation::{Admission, admit};
use ecdeck::model::codes::Code;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::plan::rotation::backlog;
use ecdeck::model::plan::{Plan, pool_sizes};
use ecdeck::model::preview::{NightCopy, NightEnd, preview};
use ecdeck::model::records::{
    BackupMode, Change, EntityChange, Generation, GenerationState, Policy, ReleaseReason, RotationGuard,
};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::session::{Pair, Phase, Status};
use ecdeck::model::step::{GiveUpStep, PlanStep};
use ecdeck::model::units::{Timestamp, Version};

const HOUR: i64 = 3_600 * Timestamp::SECOND;

fn released(plan: &Plan) -> Vec<u64> {
    let given_up = |step: &PlanStep| match step {
        PlanStep::GiveUp(GiveUpStep { version, .. }) => Some(version.0),
        _ => None,
    };
    steps(plan).iter().filter_map(given_up).collect()
}

fn guard(site: &mut Site, id: VolumeId, guard: RotationGuard) {
    site.change_policy(id, |policy| policy.map(|policy| Policy { guard, ..policy }));
}

fn with(site: &mut Site, id: VolumeId, version: u64, change: impl Fn(&mut Generation)) {
    change(site.records.generations.get_mut(&(id, Version(version))).unwrap());
}

/// A volume that keeps `keeps` generations, has as many as `kept`, a day apart, and is equivalent with one more volume.
fn kept(keeps: u16, kept: u32) -> (Site, VolumeId) {
    let mut site = Site::new();
    let id = site.transaction_volume("db01", 0, 0x10, 48);
    site.policy(id, keeps, BackupMode::Suspend);
    for at in 0..kept {
        let target = site.backup_volume(0, 0x21 + at, 48);
        site.session(id, target, Status::Suspended, Phase::Tracking);
        let version = site.generation(id, target);
        let taken_at = site.now.plus_millis(-i64::from(kept - at) * Timestamp::DAY);
        with(&mut site, id, version.0, |generation| generation.taken_at = taken_at);
    }
    let live = site.backup_volume(0, 0x21 + kept, 48);
    site.session(id, live, Status::Active, Phase::Equivalent);
    (site, id)
}

fn by_name(id: VolumeId) -> Request {
    Request { release_backlog: Some(id), ..Request::new(backup(id, None)) }
}

#[test]
fn a_lowered_policy_releases_one_generation_a_backup() {
    let (mut site, id) = kept(3, 3);
    site.policy(id, 1, BackupMode::Suspend);
    let plan = site.plan(backup(id, None)).unwrap();
    assert_eq!(released(&plan), [1]);
    assert_eq!(notices(&plan), [Code::OVER_POLICY]);
    let text = &plan.items()[0].notices[0].text;
    assert!(
        text.starts_with("db01 is then over by 2: v2 and v3 stay") && text.ends_with("--confirm db01 releases them")
    );
    assert!(plan.confirmation().is_none(), "the backup runs without a word");
    let snapshot = site.snapshot();
    let all = ecdeck::model::plan::plan(&snapshot, &by_name(id)).unwrap();
    assert_eq!(released(&all), [1, 2, 3]);
    assert_eq!(all.confirmation().unwrap().name, "db01");
    assert!(notices(&all).is_empty());
    assert_eq!(backlog(&snapshot, id), [Version(1), Version(2)]);
}

#[test]
fn the_plan_of_a_policy_names_what_it_condemns() {
    let (site, id) = kept(3, 3);
    let set = |generations| Action::SetPolicy { volume: id, policy: Policy::new(generations, 1, BackupMode::Suspend) };
    let plan = site.plan(set(1)).unwrap();
    assert_eq!(notices(&plan), [Code::NEXT_BACKUP_RELEASES]);
    let text = &plan.items()[0].notices[0].text;
    assert!(
        text.starts_with("v1, v2 and v3 of db01 are beyond this policy: the next due backup releases v1"),
        "{text}"
    );
    assert!(notices(&site.plan(set(4)).unwrap()).contains(&Code::POOL_TOO_SMALL_FOR_POLICY));
    assert!(!notices(&site.plan(set(4)).unwrap()).contains(&Code::NEXT_BACKUP_RELEASES));
}

#[test]
fn nothing_is_released_within_the_min_interval() {
    let (mut site, id) = kept(3, 3);
    for (hours, expected) in [(1, vec![]), (11, vec![]), (12, vec![1])] {
        let taken_at = site.now.plus_millis(-hours * HOUR);
        with(&mut site, id, 3, |generation| generation.taken_at = taken_at);
        let plan = site.plan(backup(id, None)).unwrap();
        assert_eq!(released(&plan), expected, "{hours} h");
        assert_eq!(notices(&plan).contains(&Code::OVER_POLICY), expected.is_empty());
    }
    // One in doubt is no backup, and one that waits for attention keeps everything.
    let now = site.now;
    with(&mut site, id, 3, |generation| {
        generation.taken_at = now.plus_millis(-HOUR);
        generation.state = GenerationState::InDoubt("an error".to_owned());
    });
    assert_eq!(released(&site.plan(backup(id, None)).unwrap()), [3], "in doubt, and older than the new one");
    with(&mut site, id, 3, |generation| generation.state = GenerationState::NeedsAttention("a hook".to_owned()));
    assert!(released(&site.plan(backup(id, None)).unwrap()).is_empty());
    assert!(released(&ecdeck::model::plan::plan(&site.snapshot(), &by_name(id)).unwrap()).is_empty());
}

#[test]
fn a_release_that_became_due_after_the_agreement_waits_and_costs_no_backup() {
    let (mut site, id) = kept(3, 3);
    let aged = |site: &mut Site, hours: i64| {
        let taken_at = site.now.plus_millis(-hours * HOUR);
        with(site, id, 3, |generation| generation.taken_at = taken_at);
        site.plan(backup(id, None))
    };
    let agreed = aged(&mut site, 11).unwrap();
    let fresh = aged(&mut site, 12);
    assert_eq!((released(&agreed), released(fresh.as_ref().unwrap())), (vec![], vec![1]));
    assert_eq!(admit(&agreed, &fresh), [Admission::Run], "what runs is what was agreed to");
    let (more, fewer) = (fresh.unwrap(), aged(&mut site, 11));
    assert_eq!(admit(&more, &fewer), [Admission::Changed], "a release that is due no more is not done");
    // Whatever else differs is another plan.
    let dissolved = site.plan(backup(id, Some(BackupMode::Dissolve)));
    assert_eq!(admit(&agreed, &dissolved), [Admission::Changed]);
}

#[test]
fn a_backup_dated_in_the_future_does_not_stop_the_rotation() {
    let (mut site, id) = kept(3, 3);
    let taken_at = site.now.plus_millis(HOUR);
    with(&mut site, id, 3, |generation| generation.taken_at = taken_at);
    assert_eq!(released(&site.plan(backup(id, None)).unwrap()), [1]);
}

#[test]
fn missing_ones_go_first_then_those_in_doubt_then_the_oldest() {
    let (mut site, id) = kept(3, 4);
    let gone = site.records.generations[&(id, Version(3))].backup_volume;
    with(&mut site, id, 2, |generation| generation.state = GenerationState::InDoubt("an error".to_owned()));
    site.volumes.retain(|volume| volume.id != gone);
    let plan = ecdeck::model::plan::plan(&site.snapshot(), &by_name(id)).unwrap();
    assert_eq!(released(&plan), [3, 2], "missing, in doubt; v1 is sound and stays");
    assert_eq!(released(&site.plan(backup(id, None)).unwrap()), [3]);
}

#[test]
fn held_generations_stay_beside_the_policys_number() {
    let (mut site, id) = kept(3, 4);
    site.hold(id, Version(1));
    // v1 is held: of the others three are kept with the new one.
    assert_eq!(released(&site.plan(backup(id, None)).unwrap()), [2]);
    let needed = pool_sizes(&site.snapshot()).values().next().unwrap().needed;
    assert_eq!(needed, 3 + 1 + 1, "a hold takes a volume of its own");
    with(&mut site, id, 4, |generation| generation.held = Some(Generation::BEFORE_RESTORE.into()));
    assert!(released(&site.plan(backup(id, None)).unwrap()).is_empty(), "it is outside the count");
}

#[test]
fn the_floor_keeps_sound_generations_also_by_name() {
    let (mut site, id) = kept(2, 3);
    guard(&mut site, id, RotationGuard { floor: Some(2), ..RotationGuard::default() });
    site.hold(id, Version(3));
    with(&mut site, id, 3, |generation| generation.state = GenerationState::InDoubt("an error".to_owned()));
    let plan = site.plan(backup(id, None)).unwrap();
    assert_eq!(released(&plan), [1], "v2 and the new one are left");
    let all = ecdeck::model::plan::plan(&site.snapshot(), &by_name(id)).unwrap();
    assert_eq!(released(&all), [1], "v2 would leave the new one only");
    assert!(all.items()[0].notices.iter().any(|notice| notice.text.contains("fewer than 2 sound generations")));
    for (floor, expected) in [(0, Some(Code::FLOOR_OUT_OF_RANGE)), (2, None), (3, Some(Code::FLOOR_OUT_OF_RANGE))] {
        let guard = RotationGuard { floor: Some(floor), min_interval: Some(1), ..RotationGuard::default() };
        let policy = Policy { guard, ..Policy::new(2, 1, BackupMode::Suspend) };
        let set = site.plan(Action::SetPolicy { volume: id, policy });
        assert_eq!(set.err().map(|refusal| refusal.code), expected, "floor {floor}");
    }
    let guard = RotationGuard { min_interval: Some(86_401), ..RotationGuard::default() };
    let policy = Policy { guard, ..Policy::new(2, 1, BackupMode::Suspend) };
    assert_eq!(code(site.plan(Action::SetPolicy { volume: id, policy })), Code::POLICY_OUT_OF_RANGE);
}

#[test]
fn a_volume_that_another_operation_has_is_not_released() {
    let (mut site, id) = kept(3, 3);
    let busy = site.records.generations[&(id, Version(1))].backup_volume;
    site.claim(&[busy]);
    let plan = site.plan(backup(id, None)).unwrap();
    assert!(released(&plan).is_empty() && notices(&plan) == [Code::OVER_POLICY], "the backup runs all the same");
}

#[test]
fn a_start_takes_over_the_volume_of_a_backlog_when_it_is_due() {
    let (mut site, id, targets) = round();
    for (hours, target) in [(-3, targets[0]), (-2, targets[1]), (-1, targets[2])] {
        site.session(id, target, Status::Suspended, Phase::Tracking);
        let version = site.generation(id, target);
        let taken_at = site.now.plus_millis(hours * HOUR);
        with(&mut site, id, version.0, |generation| generation.taken_at = taken_at);
    }
    let refusal = site.plan(start(&[id])).unwrap_err();
    assert_eq!(refusal.code, Code::NO_BACKUP_VOLUME);
    assert!(refusal.reason.contains("v1 is beyond the policy and not released: v3 is 60 min old"), "{refusal}");
    site.now = site.now.plus_millis(12 * HOUR);
    let plan = site.plan(start(&[id])).unwrap();
    assert!(matches!(
        steps(&plan),
        [PlanStep::GiveUp(GiveUpStep { version: Version(1), why: ReleaseReason::Reused, .. }), PlanStep::Resume(_)]
    ));
    assert!(notices(&plan).contains(&Code::RELEASED_BY_START) && plan.confirmation().is_none());
    site.hold(id, Version(1));
    assert_eq!(code(site.plan(start(&[id]))), Code::NO_BACKUP_VOLUME);
}

/// Runs the catalogue's part of a plan, as the engine does it.
fn keep(site: &mut Site, id: VolumeId, plan: &Plan) {
    for step in steps(plan) {
        match step {
            PlanStep::GiveUp(GiveUpStep { transaction_volume, version, why, .. }) => {
                let (transaction_volume, version, at, why) = (*transaction_volume, *version, site.now, *why);
                let release = EntityChange::ReleaseGeneration { transaction_volume, version, at, why };
                site.records.apply(&Change::Entity(release)).unwrap();
            }
            PlanStep::Resume(resume) => change_session(site, resume.pair, Status::Active, Phase::Equivalent),
            PlanStep::StartFull(started) => {
                site.session(id, started.pair.target, Status::Active, Phase::Equivalent);
            }
            PlanStep::Record(record) => {
                let target = record.generations[0].backup_volume;
                let version = site.generation(id, target);
                let now = site.now;
                with(site, id, version.0, |generation| generation.taken_at = now);
                change_session(site, Pair::new(id, target), Status::Suspended, Phase::Tracking);
            }
            _ => {}
        }
    }
}

fn change_session(site: &mut Site, pair: Pair, status: Status, phase: Phase) {
    site.sessions.retain(|session| session.pair != pair);
    site.session(pair.source, pair.target, status, phase);
}

#[test]
fn a_copy_that_runs_now_is_equivalent_by_the_night() {
    for phase in [Phase::Copying, Phase::TrackingAndCopying] {
        let (mut site, id) = kept(3, 3);
        let live = site.sessions.last().unwrap().pair;
        change_session(&mut site, live, Status::Active, phase);
        let preview = preview(&site.snapshot(), id, 1);
        let end = &preview.nights[0].of(id).unwrap().end;
        assert!(
            matches!(end, NightEnd::Kept { version: Version(4), copy: NightCopy::Running, .. }),
            "{phase:?}: {end:?}"
        );
    }
}

#[test]
fn a_loop_of_backups_does_not_shorten_the_history() {
    for (reuse_oldest, volumes) in [(false, 4), (true, 3), (false, 6)] {
        let mut site = Site::new();
        let id = site.transaction_volume("db01", 0, 0x10, 48);
        site.policy(id, 3, BackupMode::Suspend);
        site.change_policy(id, |policy| policy.map(|policy| Policy { reuse_oldest, ..policy }));
        (0..volumes).for_each(|at| _ = site.backup_volume(0, 0x21 + at, 48));
        let night = |site: &mut Site| {
            let started = site.plan(start(&[id])).unwrap();
            keep(site, id, &started);
            let backed_up = site.plan(backup(id, None)).unwrap();
            keep(site, id, &backed_up);
        };
        for _ in 0..5 {
            night(&mut site);
            site.now = site.now.plus_millis(Timestamp::DAY);
        }
        let before: Vec<Version> = site.records.generations_of(id).map(|kept| kept.version).collect();
        let mut made = 0;
        for _ in 0..100 {
            site.now = site.now.plus_millis(Timestamp::SECOND);
            let Ok(started) = site.plan(start(&[id])) else { continue };
            keep(&mut site, id, &started);
            let backed_up = site.plan(backup(id, None)).unwrap();
            keep(&mut site, id, &backed_up);
            made += 1;
        }
        let after: Vec<Version> = site.records.generations_of(id).map(|kept| kept.version).collect();
        let lost = before.iter().filter(|version| !after.contains(version)).count();
        assert!(lost <= 1, "{before:?} became {after:?}: the first backup of the loop was due, no other was");
        assert!(made >= 1, "a backup that is due is not refused");
        // The loop is over: the nights go on, with what is there.
        for _ in 0..5 {
            site.now = site.now.plus_millis(Timestamp::DAY);
            night(&mut site);
        }
    }
}

fn release(site: &mut Site, id: VolumeId, version: u64) {
    let release = EntityChange::ReleaseGeneration {
        transaction_volume: id,
        version: Version(version),
        at: site.now,
        why: ReleaseReason::Retention,
    };
    site.records.apply(&Change::Entity(release)).unwrap();
}

fn reinstate(id: VolumeId, version: u64) -> Action {
    Action::Reinstate { volume: id, version: Version(version) }
}

#[test]
fn a_released_generation_comes_back_while_nothing_was_started_onto_it() {
    let (mut site, id, targets) = round();
    site.session(id, targets[0], Status::Suspended, Phase::Tracking).target_written = Some(false);
    site.generation(id, targets[0]);
    assert_eq!(code(site.plan(reinstate(id, 1))), Code::ALREADY_SO);
    assert_eq!(code(site.plan(reinstate(id, 2))), Code::NO_SUCH_GENERATION);
    release(&mut site, id, 1);
    let state = |plan: &Plan| match steps(plan) {
        [PlanStep::Reinstate(step)] => step.state.clone(),
        other => panic!("{other:?}"),
    };
    let plan = site.plan(reinstate(id, 1)).unwrap();
    assert_eq!((state(&plan), plan.confirmation()), (GenerationState::Valid, None));
    // The array does not tell, or tells that a host wrote.
    for written in [None, Some(true)] {
        site.sessions[0].target_written = written;
        let plan = site.plan(reinstate(id, 1)).unwrap();
        assert!(matches!(state(&plan), GenerationState::InDoubt(_)), "{written:?}");
        assert_eq!(notices(&plan), [Code::REINSTATED_IN_DOUBT]);
    }
    // The start that ends it says so, and then it is gone.
    let started = site.plan(start(&[id])).unwrap();
    assert!(notices(&started).contains(&Code::RELEASED_ENDS));
    keep(&mut site, id, &started);
    assert_eq!(code(site.plan(reinstate(id, 1))), Code::NOT_REINSTATABLE);
}

#[test]
fn a_reinstated_generation_is_held_and_keeps_its_version() {
    let (mut site, id, targets) = round();
    site.generation(id, targets[0]);
    release(&mut site, id, 1);
    let change = EntityChange::ReinstateGeneration {
        transaction_volume: id,
        version: Version(1),
        state: GenerationState::InDoubt("not known".to_owned()),
        held: Generation::REINSTATED.into(),
    };
    site.records.apply(&Change::Entity(change.clone())).unwrap();
    let back = &site.records.generations[&(id, Version(1))];
    assert_eq!((back.backup_volume, back.held.as_ref().unwrap().raw()), (targets[0], "reinstated"));
    assert!(site.records.apply(&Change::Entity(change)).is_err(), "once");
    assert_eq!(site.records.transaction_volumes[&id].next_version, Version(2));
}

#[test]
fn a_full_copy_takes_a_volume_without_a_released_generation_first() {
    let (mut site, id, targets) = round();
    let chosen = |site: &Site| match steps(&site.plan(start(&[id])).unwrap()) {
        [PlanStep::StartFull(started), ..] => started.pair.target,
        other => panic!("{other:?}"),
    };
    assert_eq!(chosen(&site), targets[0]);
    for (at, target) in [(0, targets[1]), (1, targets[0])] {
        let version = site.generation(id, target);
        site.now = site.now.plus_millis(at);
        release(&mut site, id, version.0);
    }
    assert_eq!(chosen(&site), targets[2]);
    site.generation(id, targets[2]);
    assert_eq!(chosen(&site), targets[1], "the one that was released longest ago");
}
