//! Hooks within an operation against the fake: their order, what failures lead to, and every crash point with a second crash.

use super::fake::{Fault, Site, backup_steps, pair, session, volume};
use super::{Limits, Operation};
use crate::model::codes::Code;
use crate::model::copy::{Command, CommandVerb};
use crate::model::hook::{Hook, HookNeed, HookResult};
use crate::model::records::{BackupMode, GenerationState, OperationEnd};
use crate::model::request::Verb;
use crate::model::session::{Pair, Phase, Status};
use crate::model::step::{
    AwaitOpcStep, BeginPresentStateStep, BeginRestoreStep, CopyPresentStateStep, HookPhase, HookStep,
    KeepPresentStateStep, NewGeneration, PlanStep, RecordStep, StartOpcStep, SuspendStep,
};
use crate::model::units::{Blocks, Version};

fn script(name: &str, phase: HookPhase, need: HookNeed) -> PlanStep {
    let argv = vec![format!("/etc/ecdeck/hooks/{name}")];
    let hook = Hook {
        name: name.parse().unwrap(),
        volumes: Vec::new(),
        before_backup: Some(argv.clone()),
        after_backup: Some(argv.clone()),
        before_restore: Some(argv.clone()),
        after_restore: Some(argv.clone()),
        need,
        host: None,
        run_as: None,
        limit_millis: 1_000,
        pause_millis: 2_000,
        environment: Vec::new(),
    };
    PlanStep::Hook(HookStep { phase, volume: volume(0), argv, hook: Some(Box::new(hook)), identity: None, node: None })
}

/// Steps 0 and 1 are the scripts before the backup of `a` and `b`; 2 suspends, 3 records; 4 and 5 are those after it of `b` and
/// `a`.
fn steps(mode: BackupMode, need: HookNeed) -> Vec<PlanStep> {
    let mut steps = backup_steps(mode, true);
    steps.insert(2, script("a", HookPhase::AfterBackup, need));
    steps.insert(2, script("b", HookPhase::AfterBackup, need));
    steps.insert(0, script("b", HookPhase::BeforeBackup, need));
    steps.insert(0, script("a", HookPhase::BeforeBackup, need));
    steps
}

fn equivalent() -> Site {
    Site::new(vec![session(1, Status::Active, Phase::Equivalent)], 2)
}

fn suspends(site: &Site) -> usize {
    site.sent.iter().filter(|command| command.verb() == CommandVerb::Suspend).count()
}

fn versions(site: &Site) -> Vec<u64> {
    site.records.generations_of(volume(0)).map(|generation| generation.version.0).collect()
}

#[test]
fn scripts_run_around_the_suspend_in_their_order() {
    for mode in [BackupMode::Suspend, BackupMode::Dissolve] {
        let mut site = equivalent();
        assert_eq!(site.run(Verb::Backup, steps(mode, HookNeed::Required)), OperationEnd::Done);
        let ran: Vec<usize> = site.scripts.iter().map(|(step, _)| *step).collect();
        assert_eq!(ran, [0, 1, 4, 5]);
        assert!(site.scripts[2..].iter().all(|(_, result)| *result == HookResult::Done));
        assert_eq!(versions(&site), [2, 3]);
        assert_eq!(site.records.generations[&(volume(0), Version(3))].crash_consistent, None);
    }
}

#[test]
fn a_required_script_that_fails_before_the_backup_ends_it_and_what_was_begun_is_undone() {
    for (failing, ran) in [(0, vec![0, 5]), (1, vec![0, 1, 4, 5])] {
        let mut site = equivalent();
        site.failing = vec![failing];
        let end = site.run(Verb::Backup, steps(BackupMode::Suspend, HookNeed::Required));
        assert!(matches!(end, OperationEnd::NotDone { code: Code::HOOK_FAILED, .. }), "{end:?}");
        assert_eq!(site.scripts.iter().map(|(step, _)| *step).collect::<Vec<_>>(), ran);
        assert!(site.scripts.iter().skip(ran.len() / 2).all(|(_, result)| *result == HookResult::Failed));
        assert_eq!((suspends(&site), versions(&site)), (0, vec![1, 2]));
    }
}

#[test]
fn a_refused_suspend_undoes_what_the_scripts_did() {
    let mut site = equivalent();
    site.faults = [Some(Fault::Refused)].into();
    let end = site.run(Verb::Backup, steps(BackupMode::Suspend, HookNeed::Required));
    assert!(matches!(end, OperationEnd::NotDone { .. }), "{end:?}");
    assert_eq!(site.scripts.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 1, 4, 5]);
}

#[test]
fn a_required_script_that_fails_after_the_backup_stops_releases() {
    let mut site = equivalent();
    site.failing = vec![4];
    let end = site.run(Verb::Backup, steps(BackupMode::Suspend, HookNeed::Required));
    assert!(matches!(end, OperationEnd::Failed { code: Code::NEEDS_ATTENTION, .. }), "{end:?}");
    assert_eq!(versions(&site), [1, 2, 3], "nothing is released");
    let newest = &site.records.generations[&(volume(0), Version(3))];
    assert!(matches!(newest.state, GenerationState::NeedsAttention(_)), "{newest:?}");
    assert_eq!(site.scripts.len(), 4, "the other one runs all the same");
}

#[test]
fn an_advisory_script_that_fails_is_told_with_the_generation() {
    let mut site = equivalent();
    site.failing = vec![1, 4];
    assert_eq!(site.run(Verb::Backup, steps(BackupMode::Suspend, HookNeed::Advisory)), OperationEnd::Done);
    let newest = &site.records.generations[&(volume(0), Version(3))];
    assert!(newest.state == GenerationState::Valid && newest.crash_consistent.is_some(), "{newest:?}");
}

#[test]
fn a_pause_that_is_over_sends_nothing_and_one_that_ends_later_is_recorded_as_such() {
    let mut site = equivalent();
    site.holds = 0;
    let end = site.run(Verb::Backup, steps(BackupMode::Suspend, HookNeed::Required));
    assert!(matches!(end, OperationEnd::NotDone { code: Code::PAUSE_OVER, .. }), "{end:?}");
    assert_eq!((suspends(&site), site.scripts.len()), (0, 4));
    let mut site = equivalent();
    site.holds = 1;
    assert_eq!(site.run(Verb::Backup, steps(BackupMode::Suspend, HookNeed::Required)), OperationEnd::Done);
    assert!(site.records.generations[&(volume(0), Version(3))].crash_consistent.is_some());
}

/// Whatever was begun is undone by the end, and nothing is recorded for more than it is.
fn check_end(site: &Site, holds: usize, what: &str) {
    assert!(site.records.operations.is_empty() && site.records.claims.is_empty(), "{what}");
    for (before, after) in [(0, 5), (1, 4)] {
        let last = |wanted: usize| site.scripts.iter().rposition(|(step, _)| *step == wanted);
        assert!(last(before) <= last(after), "{what}: {:?}", site.scripts);
    }
    let recorded = site.records.generations_of(volume(0)).filter(|generation| generation.operation.is_some());
    for generation in recorded {
        assert!(suspends(site) > 0, "{what}");
        assert!(holds > 1 || generation.crash_consistent.is_some(), "{what}: {generation:?}");
    }
    assert!(holds > 0 || suspends(site) == 0, "{what}");
    let first_is_kept = site.records.generations.contains_key(&(volume(0), Version(1)));
    let sound = |generation: &crate::model::records::Generation| {
        generation.operation.is_some() && generation.state == GenerationState::Valid
    };
    assert!(first_is_kept || site.records.generations_of(volume(0)).any(sound), "{what}: released for nothing");
    assert!(site.sessions.iter().all(|session| session.pair == pair(1)));
}

/// A set of three with one script around it.
fn set_of_three() -> (Site, Vec<PlanStep>) {
    let sessions = (1..=3).map(|target| session(target, Status::Active, Phase::Equivalent));
    let site = Site::new(sessions.collect(), 0);
    let PlanStep::Record(one) = &backup_steps(BackupMode::Suspend, false)[1] else { unreachable!() };
    let new = |olu| NewGeneration { backup_volume: volume(olu), ..one.generations[0] };
    let steps = vec![
        script("a", HookPhase::BeforeBackup, HookNeed::Required),
        PlanStep::Suspend(SuspendStep { pairs: (1..=3).map(pair).collect(), force: false }),
        PlanStep::Record(RecordStep { generations: (1..=3).map(new).collect() }),
        script("a", HookPhase::AfterBackup, HookNeed::Required),
    ];
    (site, steps)
}

/// No volume of the set has a generation, and no session stays suspended.
fn set_is_as_before(site: &Site, what: &str) {
    assert!(site.records.operations.is_empty() && site.records.claims.is_empty(), "{what}");
    assert!(site.records.generations.is_empty(), "{what}: {:?}", site.records.generations);
    assert_eq!(site.sessions.len(), 3, "{what}");
    let suspended = site.sessions.iter().filter(|session| session.status == Status::Suspended);
    assert_eq!(suspended.count(), 0, "{what}: {:?}", site.sessions);
    let ran = |wanted| site.scripts.iter().any(|(step, _)| *step == wanted);
    assert!(ran(3) || !ran(0), "{what}: {:?}", site.scripts);
}

#[test]
fn a_set_whose_pause_ended_too_early_is_resumed_and_not_recorded() {
    let (mut site, steps) = set_of_three();
    site.holds = 1;
    let end = site.run(Verb::Backup, steps);
    let OperationEnd::Failed { code: Code::PAUSE_OVER, why } = &end else { panic!("{end:?}") };
    assert!(why.contains("they were resumed") && why.contains("no generation"), "{why}");
    set_is_as_before(&site, "a pause that ended");
    assert_eq!(site.scripts.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [0, 3]);
}

#[test]
fn a_set_whose_pause_ended_is_resumed_whatever_crashes_there_are() {
    let mut crashes = 0;
    for fault in [None, Some(Fault::ReplyLost), Some(Fault::AcceptedLate)] {
        for first in 1..80 {
            let (mut begun, steps) = set_of_three();
            (begun.holds, begun.faults) = (1, [None, fault].into());
            let open = begun.open(Verb::Backup, steps);
            let mut operation = Operation::new(open, Limits::default());
            if begun.drive(&mut operation, first).is_some() {
                set_is_as_before(&begun, &format!("{fault:?}"));
                break;
            }
            // The guard's word is not asked twice: after the crash the pause is over.
            begun.holds = 0;
            for second in 1..80 {
                let mut again = begun.clone();
                crashes += 1;
                if again.recover(second).is_none() {
                    again.recover(10_000);
                }
                set_is_as_before(&again, &format!("{fault:?}, crashes at {first} and {second}"));
            }
        }
    }
    assert!(crashes > 100, "{crashes}");
}

#[test]
fn every_crash_between_scripts_is_survived_and_so_is_a_second_one() {
    let mut crashes = 0;
    for mode in [BackupMode::Suspend, BackupMode::Dissolve] {
        for failing in [vec![], vec![0], vec![1], vec![4], vec![4, 5]] {
            for holds in [0, 1, usize::MAX] {
                for fault in [None, Some(Fault::ReplyLost), Some(Fault::AcceptedLate), Some(Fault::Refused)] {
                    let what = format!("{mode} {failing:?} {holds} {fault:?}");
                    for first in 1..80 {
                        let mut begun = equivalent();
                        (begun.failing, begun.holds, begun.faults) = (failing.clone(), holds, [fault].into());
                        let open = begun.open(Verb::Backup, steps(mode, HookNeed::Required));
                        let mut operation = Operation::new(open, Limits::default());
                        if begun.drive(&mut operation, first).is_some() {
                            check_end(&begun, holds, &what);
                            break;
                        }
                        for second in 1..80 {
                            let mut again = begun.clone();
                            crashes += 1;
                            if again.recover(second).is_some() {
                                check_end(&again, holds, &what);
                                break;
                            }
                            again.recover(10_000);
                            check_end(&again, holds, &format!("{what}, crashes at {first} and {second}"));
                        }
                    }
                }
            }
        }
    }
    assert!(crashes > 5_000, "{crashes}");
}

/// Step 0 is the script before the restore of v1 onto its own volume, 1 marks it, 2 and 3 copy; 4 is the script after it.
fn restore_steps(need: HookNeed) -> Vec<PlanStep> {
    let (transaction_volume, version, pair) = (volume(0), Version(1), Pair::opc(volume(2), volume(0)));
    vec![
        script("a", HookPhase::BeforeRestore, need),
        PlanStep::BeginRestore(BeginRestoreStep { transaction_volume, version, pair }),
        PlanStep::StartOpc(StartOpcStep { pair, version, blocks: Blocks(1000) }),
        PlanStep::AwaitOpc(AwaitOpcStep { transaction_volume, version, pair, keeps_mark: false }),
        script("a", HookPhase::AfterRestore, need),
    ]
}

#[test]
fn scripts_run_around_a_restore_and_know_how_it_ended() {
    for (failing, fault, ran, restored) in [
        (vec![], None, vec![(0, None), (4, Some(HookResult::Done))], true),
        (vec![0], None, vec![(0, None), (4, Some(HookResult::Failed))], false),
        (vec![], Some(Fault::Refused), vec![(0, None), (4, Some(HookResult::Incomplete))], false),
        (vec![4], None, vec![(0, None), (4, Some(HookResult::Done))], true),
    ] {
        let mut site = Site::new(Vec::new(), 1);
        (site.failing, site.faults) = (failing.clone(), [fault].into());
        let end = site.run(Verb::Restore, restore_steps(HookNeed::Required));
        let found: Vec<_> =
            site.scripts.iter().map(|(step, result)| (*step, (*step == 4).then_some(*result))).collect();
        assert_eq!(found, ran, "{failing:?} {fault:?}");
        assert_eq!(!is_marked(&site), restored || failing == [0], "{failing:?} {fault:?}");
        match (&failing[..], fault) {
            ([], None) => assert_eq!(end, OperationEnd::Done),
            ([0], _) => assert!(matches!(end, OperationEnd::NotDone { code: Code::HOOK_FAILED, .. }), "{end:?}"),
            ([4], _) => {
                assert!(matches!(end, OperationEnd::Failed { code: Code::AFTER_RESTORE_FAILED, .. }), "{end:?}");
            }
            _ => assert!(matches!(end, OperationEnd::Failed { .. }), "{end:?}"),
        }
    }
    let mut site = Site::new(Vec::new(), 1);
    site.failing = vec![0, 4];
    assert_eq!(site.run(Verb::Restore, restore_steps(HookNeed::Advisory)), OperationEnd::Done);
}

/// A restore to the volume has not come to its end.
fn is_marked(site: &Site) -> bool {
    site.records.sessions.keys().any(|pair| pair.target == volume(0))
}

/// What was begun is undone with the truth: `done` only where all was copied, `failed` only where nothing was.
fn check_restore(site: &Site, what: &str) {
    assert!(site.records.operations.is_empty() && site.records.claims.is_empty(), "{what}");
    let last = |wanted: usize| site.scripts.iter().rposition(|(step, _)| *step == wanted);
    assert!(last(0) <= last(4), "{what}: {:?}", site.scripts);
    let copied = site.sent.iter().any(|command| command.verb() == CommandVerb::StartOpc);
    let marked = is_marked(site);
    for (_, result) in site.scripts.iter().filter(|(step, _)| *step == 4) {
        match result {
            HookResult::Done => assert!(copied && !marked, "{what}"),
            HookResult::Failed => assert!(!copied && !marked, "{what}"),
            HookResult::Incomplete | HookResult::Unknown => assert!(marked, "{what}"),
        }
    }
}

#[test]
fn every_crash_around_a_restore_is_survived_and_so_is_a_second_one() {
    let mut crashes = 0;
    for failing in [vec![], vec![0], vec![4]] {
        for fault in [None, Some(Fault::ReplyLost), Some(Fault::AcceptedLate), Some(Fault::Refused)] {
            let what = format!("{failing:?} {fault:?}");
            for first in 1..80 {
                let mut begun = Site::new(Vec::new(), 1);
                (begun.failing, begun.faults) = (failing.clone(), [fault].into());
                let open = begun.open(Verb::Restore, restore_steps(HookNeed::Required));
                let mut operation = Operation::new(open, Limits::default());
                if begun.drive(&mut operation, first).is_some() {
                    check_restore(&begun, &what);
                    break;
                }
                for second in 1..80 {
                    let mut again = begun.clone();
                    crashes += 1;
                    if again.recover(second).is_none() {
                        again.recover(10_000);
                    }
                    check_restore(&again, &format!("{what}, crashes at {first} and {second}"));
                }
            }
        }
    }
    assert!(crashes > 500, "{crashes}");
}

/// The same with the present state: steps 1 to 3 keep it on volume 3, 4 to 6 restore, 7 is the script after it.
fn steps_with_present_state(need: HookNeed) -> Vec<PlanStep> {
    let (pair, blocks) = (Pair::opc(volume(0), volume(3)), Blocks(1000));
    let mut steps = restore_steps(need);
    let keeps = [
        PlanStep::BeginPresentState(BeginPresentStateStep { pair }),
        PlanStep::CopyPresentState(CopyPresentStateStep { pair, blocks }),
        PlanStep::KeepPresentState(KeepPresentStateStep { pair, blocks, is_backup: false }),
    ];
    steps.splice(1..1, keeps);
    steps
}

/// The target is marked only after its present state was kept; nothing is left on the volume of one that was not.
fn check_present_state(site: &Site, what: &str) {
    let of_last: Vec<HookResult> =
        site.scripts.iter().filter(|(step, _)| *step == 7).map(|(_, result)| *result).collect();
    let kept = site.records.generation_on(volume(3));
    assert!(site.records.operations.is_empty() && site.records.claims.is_empty(), "{what}");
    let is_closed = site.records.sessions.keys().any(|pair| pair.target == volume(3));
    if of_last.last() != Some(&HookResult::Unknown) {
        assert!(!is_closed, "{what}: unused, or a generation");
        assert!(site.sessions.iter().all(|session| session.pair.target != volume(3)), "{what}: the copy is over");
    }
    let overwritten = |command: &Command| command.pairs().iter().any(|pair| pair.target == volume(0));
    let overwritten = site.sent.iter().any(overwritten);
    assert!(kept.is_some() || !overwritten, "{what}");
    if let Some(kept) = kept {
        assert!(kept.is_before_restore() && kept.state == GenerationState::Valid, "{what}: {kept:?}");
        assert_eq!(kept.crash_consistent, kept.held, "{what}: a script before the restore pauses nothing");
    }
    for result in of_last {
        match result {
            HookResult::Done => assert!(overwritten && !is_marked(site), "{what}"),
            HookResult::Failed => assert!(!overwritten && !is_marked(site), "{what}"),
            HookResult::Incomplete => assert!(is_marked(site), "{what}"),
            HookResult::Unknown => assert!(is_marked(site) || is_closed, "{what}"),
        }
    }
}

#[test]
fn every_crash_while_the_present_state_is_kept_between_scripts_is_survived() {
    let (mut crashes, mut kept_only) = (0, 0);
    for (need, failing) in [
        (HookNeed::Required, vec![]),
        (HookNeed::Required, vec![0]),
        (HookNeed::Required, vec![7]),
        (HookNeed::Advisory, vec![0, 7]),
    ] {
        for fault in [None, Some(Fault::ReplyLost), Some(Fault::AcceptedLate), Some(Fault::Refused)] {
            let what = format!("{need:?} {failing:?} {fault:?}");
            for first in 1..120 {
                let mut begun = Site::new(Vec::new(), 1);
                (begun.failing, begun.faults) = (failing.clone(), [fault].into());
                let open = begun.open(Verb::Restore, steps_with_present_state(need));
                let mut operation = Operation::new(open, Limits::default());
                if begun.drive(&mut operation, first).is_some() {
                    check_present_state(&begun, &what);
                    break;
                }
                for second in 1..120 {
                    let mut again = begun.clone();
                    crashes += 1;
                    let ended = again.recover(second).is_some();
                    if !ended {
                        again.recover(10_000);
                    }
                    check_present_state(&again, &format!("{what}, crashes at {first} and {second}"));
                    let overwritten = again.sent.iter().flat_map(Command::pairs).any(|pair| pair.target == volume(0));
                    kept_only += usize::from(again.records.generation_on(volume(3)).is_some() && !overwritten);
                    if ended {
                        break;
                    }
                }
            }
        }
    }
    assert!(crashes > 500 && kept_only > 20, "{crashes} {kept_only}");
}
