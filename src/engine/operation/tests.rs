//! The step machine against a small fake: good weather, each bad answer, and every crash point, each with a second crash.

use super::fake::{Fault, Site, backup_steps, pair, release, session, volume};
use super::{Input, Limits, NotKept, Operation, Output, World};
use crate::catalog::CatalogueError;
use crate::model::codes::Code;
use crate::model::copy::Command;
use crate::model::event::EventKind;
use crate::model::identity::VolumeId;
use crate::model::records::{
    BackupMode, BackupVolume, Change, EntityChange, GenerationState, OperationEnd, ReleaseReason,
};
use crate::model::request::Verb;
use crate::model::session::{Pair, Phase, Status};
use crate::model::step::{
    NewGeneration, PlanStep, RecordStep, RegisterBackupStep, ResumeStep, StartFullStep, StopStep, SuspendStep,
};
use crate::model::units::{Blocks, Timestamp, Version};

fn start() -> Vec<PlanStep> {
    vec![PlanStep::StartFull(StartFullStep { pair: pair(1), blocks: Blocks(1000), modes: None })]
}

fn resume() -> PlanStep {
    PlanStep::Resume(ResumeStep { pair: pair(1), difference: None })
}

fn equivalent(kept: u64) -> Site {
    Site::new(vec![session(1, Status::Active, Phase::Equivalent)], kept)
}

fn suspended(kept: u64) -> Site {
    Site::new(vec![session(1, Status::Suspended, Phase::Equivalent)], kept)
}

fn code(end: &OperationEnd) -> Option<Code> {
    match end {
        OperationEnd::NotDone { code, .. } | OperationEnd::Failed { code, .. } => Some(*code),
        _ => None,
    }
}

#[test]
fn a_started_copy_becomes_our_session() {
    let mut site = Site::new(Vec::new(), 0);
    assert_eq!(site.run(Verb::Start, start()), OperationEnd::Done);
    assert!(site.records.sessions[&pair(1)].full);
    assert!(site.records.operations.is_empty() && site.records.claims.is_empty());
}

#[test]
fn a_backup_is_recorded_with_its_suspend_and_pushes_out_the_oldest() {
    let mut site = equivalent(2);
    assert_eq!(site.run(Verb::Backup, backup_steps(BackupMode::Suspend, true)), OperationEnd::Done);
    let kept: Vec<Version> = site.records.generations_of(volume(0)).map(|generation| generation.version).collect();
    assert_eq!(kept, [Version(2), Version(3)]);
    assert_eq!(site.sessions.len(), 1);
}

#[test]
fn a_name_that_another_got_meanwhile_ends_a_registration_with_the_reason() {
    let register = |olu: u32| {
        PlanStep::RegisterBackup(RegisterBackupStep {
            volume: BackupVolume {
                id: volume(olu),
                name: Some("spare".parse().unwrap()),
                blocks: Blocks(1000),
                registered_at: Timestamp(0),
                group: None,
            },
        })
    };
    let mut site = Site::new(Vec::new(), 0);
    let open = site.open(Verb::Register, vec![register(6)]);
    let mut operation = Operation::new(open, Limits::default());
    // Both have looked; the other one commits first.
    let output = operation.advance(Input::Go, &World { now: site.now, records: &site.records });
    let PlanStep::RegisterBackup(RegisterBackupStep { volume: other }) = register(7) else { unreachable!() };
    site.records.apply(&Change::Entity(EntityChange::PutBackupVolume(other))).unwrap();
    let Output::Commit(commit) = output else { panic!("{output:?}") };
    let error = CatalogueError::from(site.records.apply_all(&commit.changes).unwrap_err());
    let refused = Input::NotCommitted { why: error.to_string(), cause: NotKept::of(&error) };
    let close = operation.advance(refused, &World { now: site.now, records: &site.records });
    let committed = site.perform(close).unwrap();
    let end = operation.advance(committed, &World { now: site.now, records: &site.records });
    let Output::Done(OperationEnd::NotDone { code, .. }) = end else { panic!("{end:?}") };
    assert_eq!(code, Code::NAME_TAKEN);
    assert!(site.records.operations.is_empty() && !site.records.backup_volumes.contains_key(&volume(6)));
}

#[test]
fn a_generation_is_dated_by_its_suspend_however_late_that_was_seen() {
    let mut site = equivalent(0);
    let open = site.open(Verb::Backup, backup_steps(BackupMode::Suspend, false));
    let mut operation = Operation::new(open, Limits::default());
    // Intent and command; then the engine is gone for a day.
    assert_eq!(site.drive(&mut operation, 2), None);
    let sent_by = site.now;
    site.now = site.now.plus_millis(Timestamp::DAY);
    assert_eq!(site.recover(1000), Some(OperationEnd::Done));
    let taken_at = site.records.generations_of(volume(0)).next().unwrap().taken_at;
    assert!(taken_at <= sent_by, "{} ms late", taken_at.since(sent_by));
}

#[test]
fn a_backup_in_dissolve_mode_ends_the_session_after_recording() {
    let mut site = equivalent(0);
    assert_eq!(site.run(Verb::Backup, backup_steps(BackupMode::Dissolve, false)), OperationEnd::Done);
    assert_eq!(site.records.generations_of(volume(0)).count(), 1);
    assert!(site.sessions.is_empty());
}

#[test]
fn a_suspend_by_somebody_else_is_not_a_backup() {
    let mut site = suspended(0);
    let end = site.run(Verb::Backup, backup_steps(BackupMode::Suspend, false));
    assert_eq!(code(&end), Some(Code::RESUME_FIRST));
    assert_eq!(site.records.generations.len(), 0);
}

#[test]
fn a_start_by_somebody_else_is_not_taken_over() {
    let mut site = Site::new(Vec::new(), 0);
    site.faults = [Some(Fault::Overtaken)].into();
    assert_eq!(code(&site.run(Verb::Start, start())), Some(Code::SESSION_OF_OTHERS));
    assert!(site.records.sessions.is_empty());
}

#[test]
fn already_done_after_a_send_without_an_answer_is_our_own_doing() {
    let mut site = equivalent(0);
    site.faults = [Some(Fault::NeverArrived), Some(Fault::Overtaken)].into();
    assert_eq!(site.run(Verb::Backup, backup_steps(BackupMode::Suspend, false)), OperationEnd::Done);
    assert_eq!(site.records.generations.len(), 1);
}

#[test]
fn a_lost_reply_is_looked_up_and_not_repeated() {
    let mut site = Site::new(Vec::new(), 0);
    site.faults = [Some(Fault::ReplyLost)].into();
    assert_eq!(site.run(Verb::Start, start()), OperationEnd::Done);
    assert_eq!(site.sent.len(), 1);
}

#[test]
fn a_start_that_never_arrives_is_sent_a_bounded_number_of_times() {
    let mut site = Site::new(Vec::new(), 0);
    site.faults = [Some(Fault::NeverArrived); 9].into();
    let end = site.run(Verb::Start, start());
    assert!(matches!(&end, OperationEnd::OutcomeUnknown { why } if why.contains("no session to 0x1")), "{end:?}");
    assert_eq!(site.sent.len() as u32, Limits::default().unknown_sends);
    assert!(site.records.sessions.contains_key(&pair(1)), "what may have been made is ours until somebody has looked");
}

#[test]
fn a_remote_start_without_an_answer_is_looked_for_at_both_boxes_before_it_is_sent_again() {
    let far = VolumeId { box_id: "00ETERNUSDXM##ET092DC#####LN4610901099##".parse().unwrap(), ..volume(1) };
    let pair = Pair::new(volume(0), far);
    let steps = || vec![PlanStep::StartFull(StartFullStep { pair, blocks: Blocks(1000), modes: None })];
    let mut site = Site::new(Vec::new(), 0);
    site.faults = [Some(Fault::ReplyLost)].into();
    site.near_lost = true;
    let end = site.run(Verb::Start, steps());
    assert!(matches!(&end, OperationEnd::Failed { code: Code::HALF_OPEN, .. }), "{end:?}");
    assert_eq!(site.sent.len(), 1, "what arrived is not sent again");
    assert!(site.records.sessions.contains_key(&pair), "the half that is there stays ours");
    // Neither box has it: it never arrived.
    let mut site = Site::new(Vec::new(), 0);
    site.faults = [Some(Fault::NeverArrived)].into();
    assert_eq!(site.run(Verb::Start, steps()), OperationEnd::Done);
    assert_eq!(site.sent.len(), 2);
}

#[test]
fn accepted_is_believed_only_when_observed() {
    let mut site = equivalent(0);
    assert_eq!(site.run(Verb::Backup, backup_steps(BackupMode::Suspend, false)), OperationEnd::Done);
    assert_eq!(site.records.generations_of(volume(0)).next().unwrap().suspend_complete_by, None);
    assert_eq!(site.records.generations_of(volume(0)).next().unwrap().copied_in.unwrap().to_string(), "14 min full");
    let mut site = equivalent(0);
    site.faults = [Some(Fault::AcceptedLate)].into();
    assert_eq!(site.run(Verb::Backup, backup_steps(BackupMode::Suspend, false)), OperationEnd::Done);
    let generation = site.records.generations_of(volume(0)).next().unwrap();
    let complete_by = generation.suspend_complete_by.expect("the suspend went on after its answer");
    assert!(complete_by > generation.taken_at && complete_by <= site.now, "{generation:?}");
    let mut site = equivalent(0);
    site.faults = [Some(Fault::AcceptedNever)].into();
    let end = site.run(Verb::Backup, backup_steps(BackupMode::Suspend, false));
    assert!(matches!(end, OperationEnd::OutcomeUnknown { .. }));
    assert!(site.records.generations.is_empty());
}

/// Three backups at one instant.
fn at_one_instant() -> (Site, Vec<PlanStep>) {
    let sessions = (1..=3).map(|target| session(target, Status::Active, Phase::Equivalent));
    let site = Site::new(sessions.collect(), 0);
    let steps = backup_steps(BackupMode::Suspend, false);
    let PlanStep::Record(one) = &steps[1] else { unreachable!() };
    let new = |olu| NewGeneration { backup_volume: volume(olu), ..one.generations[0] };
    let together = vec![
        PlanStep::Suspend(SuspendStep { pairs: (1..=3).map(pair).collect(), force: false }),
        PlanStep::Record(RecordStep { generations: (1..=3).map(new).collect() }),
    ];
    (site, together)
}

#[test]
fn where_one_of_several_is_refused_the_others_are_resumed_and_the_outcome_is_known() {
    let (mut site, steps) = at_one_instant();
    site.refuses = vec![pair(2)];
    let end = site.run(Verb::Backup, steps);
    let OperationEnd::Failed { code, why } = &end else { panic!("{end:?}") };
    assert_eq!(*code, Code::STEP_FAILED);
    assert!(why.contains("2 of 3") && why.contains("E5321") && why.contains("resumed"), "{why}");
    assert!(site.records.generations.is_empty());
    assert!(site.sessions.iter().all(|session| session.status == Status::Active), "{:?}", site.sessions);
    let resumed: Vec<&Command> = site.sent.iter().filter(|sent| matches!(sent, Command::Resume { .. })).collect();
    assert!(matches!(resumed[..], [Command::Resume { pairs }] if pairs == &[pair(1), pair(3)]), "{resumed:?}");
    assert!(site.records.operations.is_empty(), "it is closed");
}

#[test]
fn an_engine_that_dies_at_any_point_of_it_resumes_the_others_all_the_same() {
    for outputs in 1..40 {
        let (mut site, steps) = at_one_instant();
        site.refuses = vec![pair(2)];
        let open = site.open(Verb::Backup, steps);
        let mut operation = Operation::new(open, Limits::default());
        if site.drive(&mut operation, outputs).is_none() && !site.records.operations.is_empty() {
            let end = site.recover(10_000);
            assert!(
                matches!(end, Some(OperationEnd::Failed { .. } | OperationEnd::NotDone { .. })),
                "{outputs}: {end:?}"
            );
        }
        assert!(site.records.generations.is_empty(), "{outputs}");
        assert!(site.sessions.iter().all(|session| session.status == Status::Active), "{outputs}: {:?}", site.sessions);
    }
}

#[test]
fn a_busy_array_is_tried_again_within_a_limit() {
    let mut site = Site::new(Vec::new(), 0);
    site.faults = [Some(Fault::Busy), Some(Fault::Busy)].into();
    assert_eq!(site.run(Verb::Start, start()), OperationEnd::Done);
    let mut site = Site::new(Vec::new(), 0);
    site.faults = [Some(Fault::Busy); 100].into();
    assert_eq!(code(&site.run(Verb::Start, start())), Some(Code::ARRAY_BUSY));
    assert!(site.slept < Limits::default().busy * 2);
}

#[test]
fn a_refusal_carries_the_arrays_own_code() {
    let mut site = equivalent(0);
    site.faults = [Some(Fault::Refused)].into();
    let end = site.run(Verb::Backup, backup_steps(BackupMode::Suspend, false));
    assert!(matches!(&end, OperationEnd::NotDone { why, .. } if why.contains("E5321")), "{end:?}");
}

#[test]
fn an_array_lost_after_sending_leaves_the_outcome_unknown() {
    let mut site = Site::new(Vec::new(), 0);
    site.unreadable = true;
    assert!(matches!(site.run(Verb::Start, start()), OperationEnd::OutcomeUnknown { .. }));
    assert!(site.slept >= Limits::default().unreadable);
}

#[test]
fn nothing_is_sent_that_could_not_be_journaled() {
    let mut site = Site::new(Vec::new(), 0);
    let open = site.open(Verb::Start, start());
    let mut operation = Operation::new(open, Limits::default());
    site.full = true;
    assert_eq!(site.drive(&mut operation, 20), None);
    assert!(site.sent.is_empty());
    assert_eq!(operation.foreseen_end().and_then(code), Some(Code::CATALOGUE_UNAVAILABLE));
}

#[test]
fn a_catalogue_that_fills_up_after_sending_loses_no_outcome() {
    let mut site = equivalent(0);
    let open = site.open(Verb::Backup, backup_steps(BackupMode::Suspend, false));
    let mut operation = Operation::new(open, Limits::default());
    assert_eq!(site.drive(&mut operation, 2), None);
    assert_eq!(site.sent.len(), 1);
    // The answer is on its way when the disk fills up.
    site.full = true;
    let mut crashed = Operation::recover(site.records.operations.values().next().unwrap().clone(), Limits::default());
    assert_eq!(site.drive(&mut crashed, 50), None);
    site.full = false;
    assert_eq!(site.recover(1000), Some(OperationEnd::Done));
    assert_eq!(site.records.generations.len(), 1);
}

#[test]
fn a_held_generation_is_kept_whatever_the_plan_said() {
    let mut site = equivalent(2);
    let (transaction_volume, version) = (volume(0), Version(1));
    let held = Some("tape".into());
    site.records.apply(&Change::Entity(EntityChange::HoldGeneration { transaction_volume, version, held })).unwrap();
    assert_eq!(site.run(Verb::Backup, backup_steps(BackupMode::Suspend, true)), OperationEnd::Done);
    assert_eq!(site.records.generations_of(volume(0)).count(), 3);
    let end = site.run(Verb::Overwrite, vec![release(ReleaseReason::Overwritten), resume()]);
    assert_eq!(code(&end), Some(Code::GENERATION_HELD));
    assert_eq!(site.sent.len(), 1);
}

#[test]
fn nothing_is_given_up_for_a_generation_that_needs_attention() {
    let mut site = equivalent(2);
    let open = site.open(Verb::Backup, backup_steps(BackupMode::Suspend, true));
    let mut operation = Operation::new(open, Limits::default());
    // Intent, command, answer, reading, record: then the new one is found wanting.
    assert_eq!(site.drive(&mut operation, 5), None);
    assert_eq!(site.records.generations_of(volume(0)).count(), 3);
    let (transaction_volume, version) = (volume(0), Version(3));
    let state = GenerationState::NeedsAttention("thaw failed".into());
    site.records
        .apply(&Change::Entity(EntityChange::SetGenerationState { transaction_volume, version, state }))
        .unwrap();
    assert_eq!(site.recover(100), Some(OperationEnd::Done));
    assert_eq!(site.records.generations_of(volume(0)).count(), 3);
}

#[test]
fn an_operation_that_sent_nothing_is_closed_after_a_crash() {
    let mut site = Site::new(Vec::new(), 0);
    site.open(Verb::Start, start());
    let end = site.recover(10);
    assert_eq!(end.as_ref().and_then(code), Some(Code::INTERRUPTED));
    assert!(site.sent.is_empty() && site.records.operations.is_empty());
    assert!(site.events.iter().any(|event| matches!(event.kind, EventKind::Recovered { .. })));
}

/// What an operation starts from, and what must be so when it is done or not done.
struct Case {
    name: &'static str,
    site: fn() -> Site,
    steps: fn() -> Vec<PlanStep>,
    verb: Verb,
}

const CASES: [Case; 7] = [
    Case { name: "start", site: || Site::new(Vec::new(), 0), steps: start, verb: Verb::Start },
    Case { name: "resume", site: || suspended(0), steps: || vec![resume()], verb: Verb::Resume },
    Case {
        name: "suspend",
        site: || equivalent(0),
        steps: || vec![PlanStep::Suspend(SuspendStep { pairs: vec![pair(1)], force: false })],
        verb: Verb::Suspend,
    },
    Case {
        name: "cancel",
        site: || equivalent(0),
        steps: || vec![PlanStep::Stop(StopStep { pair: pair(1), force: true })],
        verb: Verb::Cancel,
    },
    Case {
        name: "backup, suspend",
        site: || equivalent(2),
        steps: || backup_steps(BackupMode::Suspend, true),
        verb: Verb::Backup,
    },
    Case {
        name: "backup, dissolve",
        site: || equivalent(2),
        steps: || backup_steps(BackupMode::Dissolve, true),
        verb: Verb::Backup,
    },
    Case {
        name: "overwrite",
        site: || suspended(2),
        steps: || vec![release(ReleaseReason::Overwritten), resume()],
        verb: Verb::Overwrite,
    },
];

const FAULTS: [Option<Fault>; 7] = [
    None,
    Some(Fault::ReplyLost),
    Some(Fault::NeverArrived),
    Some(Fault::Busy),
    Some(Fault::AcceptedLate),
    Some(Fault::Refused),
    Some(Fault::Overtaken),
];

/// More outputs than any of the cases has without a crash.
const MOST: usize = 60;

/// What must hold after every output, whatever crashed.
fn check(site: &Site, case: &Case) {
    let name = case.name;
    let recorded = site.records.generations_of(volume(0)).any(|generation| generation.operation.is_some());
    let suspends = site.sent.iter().any(|command| command.verb() == crate::model::copy::CommandVerb::Suspend);
    assert!(!recorded || suspends, "{name}: a generation without a suspend");
    let released = case.verb == Verb::Backup && !site.records.generations.contains_key(&(volume(0), Version(1)));
    assert!(!released || recorded, "{name}: given up before recording");
    let resumed = site.sessions.iter().any(|session| session.status == Status::Active);
    let kept = site.records.generations.contains_key(&(volume(0), Version(1)));
    assert!(!(case.verb == Verb::Overwrite && resumed && kept), "{name}: resumed over a kept generation");
}

#[allow(clippy::match_same_arms, reason = "a table reads row by row")]
/// After the end: catalogue and array tell the same story.
fn check_end(site: &Site, case: &Case, end: &OperationEnd) {
    let name = case.name;
    assert!(site.records.operations.is_empty() && site.records.claims.is_empty(), "{name}: {end:?}");
    let ended = site.events.iter().filter(|event| matches!(event.kind, EventKind::OperationEnded { .. })).count();
    assert_eq!(ended, 1, "{name}: told once");
    let state = site.sessions.first().map(|session| session.status);
    let ours = site.records.sessions.contains_key(&pair(1));
    let generations = site.records.generations_of(volume(0)).count();
    match (case.verb, end) {
        (Verb::Start | Verb::Resume | Verb::Overwrite, OperationEnd::Done) => {
            assert!(ours && state == Some(Status::Active), "{name}");
        }
        (Verb::Suspend, OperationEnd::Done) => assert_eq!(state, Some(Status::Suspended)),
        (Verb::Cancel, OperationEnd::Done) => assert_eq!(state, None),
        (Verb::Backup, OperationEnd::Done) => assert_eq!(generations, 2, "{name}"),
        (Verb::Backup, OperationEnd::NotDone { .. }) => assert_eq!(generations, 2, "{name}"),
        (_, OperationEnd::NotDone { .. }) => assert!(!ours, "{name}"),
        (_, OperationEnd::Failed { .. }) => {}
        (_, end) => panic!("{name}: {end:?}"),
    }
}

#[test]
fn every_crash_point_is_survived_and_so_is_a_second_crash() {
    let mut crashes = 0;
    for case in &CASES {
        for fault in FAULTS {
            for first in 1..MOST {
                let mut begun = (case.site)();
                begun.faults = [fault].into();
                let open = begun.open(case.verb, (case.steps)());
                let mut operation = Operation::new(open, Limits::default());
                if let Some(end) = begun.drive(&mut operation, first) {
                    check_end(&begun, case, &end);
                    break;
                }
                check(&begun, case);
                for second in 1..MOST {
                    let mut again = begun.clone();
                    let crashed = again.recover(second);
                    check(&again, case);
                    crashes += 1;
                    if let Some(end) = crashed {
                        check_end(&again, case, &end);
                        break;
                    }
                    if let Some(end) = again.recover(10_000) {
                        check_end(&again, case, &end);
                    }
                }
            }
        }
    }
    assert!(crashes > 1000, "{crashes}");
}
