//! Each verb in the situations that operators meet: what the plan says, or the refusal, the remedies and the warnings.

use crate::site::{Site, all_remedies_work, backup, code, notices, resume, round, start, steps, suspend, volume};
use ecdeck::model::codes::Code;
use ecdeck::model::copy::CommandVerb;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::plan::plan;
use ecdeck::model::records::{
    BackupMode, EntityChange, GenerationState, OperationId, Policy, ReleaseReason, TransactionVolume,
};
use ecdeck::model::request::{Action, CancelScope, VolumeRole};
use ecdeck::model::session::{Automation, ErrorByte, Pair, Phase, RecModes, Status, TransferMode};
use ecdeck::model::snapshot::{Reach, RecRoute};
use ecdeck::model::step::{
    Done, GiveUpStep, PlanStep, RecordStep, RegisterTransactionStep, RenameStep, ResumeStep, SetGenerationStateStep,
    StartFullStep, Step, StopLeftOverStep, StopStep, SuspendStep,
};
use ecdeck::model::units::{Blocks, Timestamp, Version};

#[test]
fn volumes_that_belong_together_start_all_or_not_at_all() {
    let (mut site, source, _) = round();
    let second = site.transaction_volume("ora02", 0, 0x11, 48);
    let third = site.transaction_volume("ora03", 0, 0x12, 999);
    let action =
        |volumes: &[VolumeId]| Action::Start { volumes: volumes.to_vec(), targets: Vec::new(), together: true };
    let plan = site.plan(action(&[source, second])).unwrap();
    assert_eq!(steps(&plan).len(), 2);
    assert_eq!(code(site.plan(action(&[source, second, third]))), Code::NO_BACKUP_VOLUME);
}

#[test]
fn a_backup_before_equivalence_is_refused_with_figures() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::Active, Phase::Copying);
    let refusal = site.plan(backup(source, None)).unwrap_err();
    assert_eq!(refusal.to_string(), "ora01 is 74 % copied, not yet equivalent (ecd-1301)");
    assert!(refusal.ready.is_some());
}

#[test]
fn a_backup_in_suspend_mode_suspends_records_and_then_gives_up_the_oldest() {
    let (mut site, source, targets) = round();
    for target in &targets[..2] {
        site.session(source, *target, Status::Suspended, Phase::Tracking);
        site.generation(source, *target);
    }
    site.session(source, targets[2], Status::Active, Phase::Equivalent);
    let plan = site.plan(backup(source, None)).unwrap();
    let pair = Pair::new(source, targets[2]);
    assert!(matches!(
        steps(&plan),
        [
            PlanStep::Suspend(SuspendStep { pairs, force: false }),
            PlanStep::Record(RecordStep { generations }),
            PlanStep::GiveUp(GiveUpStep { version: Version(1), why: ReleaseReason::Retention, .. }),
        ] if pairs == &[pair] && generations.len() == 1
    ));
    assert_eq!(plan.items()[0].claims, [source, targets[0], targets[2]]);
    assert!(plan.confirmation().is_none(), "routine roll-over does not destroy");
}

#[test]
fn a_backup_in_dissolve_mode_ends_the_session_after_recording() {
    let (mut site, source, targets) = round();
    site.policy(source, 1, BackupMode::Dissolve);
    site.generation(source, targets[0]);
    site.session(source, targets[1], Status::Active, Phase::Equivalent);
    let plan = site.plan(backup(source, None)).unwrap();
    assert!(matches!(
        steps(&plan),
        [
            PlanStep::Suspend(SuspendStep { force: false, .. }),
            PlanStep::Record(_),
            PlanStep::Stop(StopStep { force: false, .. }),
            PlanStep::GiveUp(GiveUpStep { version: Version(1), .. })
        ]
    ));
    assert!(notices(&plan).is_empty());
    let other_mode = site.plan(backup(source, Some(BackupMode::Suspend))).unwrap();
    assert_eq!(notices(&other_mode), [Code::MODE_DEVIATES]);
    assert_ne!(other_mode.digest(), plan.digest());
}

#[test]
fn a_held_oldest_generation_stays_and_nothing_newer_is_given_up_in_its_place() {
    let (mut site, source, targets) = round();
    site.generation(source, targets[0]);
    site.generation(source, targets[1]);
    site.hold(source, Version(1));
    site.session(source, targets[2], Status::Active, Phase::Equivalent);
    let plan = site.plan(backup(source, None)).unwrap();
    assert_eq!(steps(&plan).len(), 2);
    assert_eq!(notices(&plan), [Code::OVER_LIMIT_HELD]);
}

#[test]
fn nothing_is_given_up_while_a_generation_needs_attention() {
    let (mut site, source, targets) = round();
    site.generation(source, targets[0]);
    site.generation(source, targets[1]);
    let newest = site.records.generations.get_mut(&(source, Version(2))).unwrap();
    newest.state = GenerationState::NeedsAttention("the post-hook ended with 3".to_owned());
    site.session(source, targets[2], Status::Active, Phase::Equivalent);
    let plan = site.plan(backup(source, None)).unwrap();
    assert_eq!(steps(&plan).len(), 2);
    assert_eq!(notices(&plan), [Code::OVER_LIMIT_HELD]);
}

#[test]
fn a_backup_without_a_session_on_a_suspended_pair_or_without_a_policy_is_refused() {
    let (mut site, source, targets) = round();
    let refusal = site.plan(backup(source, None)).unwrap_err();
    assert_eq!(refusal.code, Code::NO_SESSION);
    all_remedies_work(&site, &refusal);
    site.session(source, targets[0], Status::Suspended, Phase::Tracking);
    let refusal = site.plan(backup(source, None)).unwrap_err();
    assert_eq!(refusal.code, Code::RESUME_FIRST);
    all_remedies_work(&site, &refusal);
    let other = site.transaction_volume("ora02", 0, 0x11, 48);
    site.session(other, targets[1], Status::Active, Phase::Equivalent);
    assert_eq!(code(site.plan(backup(other, None))), Code::NO_POLICY);
}

#[test]
fn a_remote_copy_starts_in_the_configured_modes_and_people_agree_to_them() {
    let mut site = Site::new();
    let source = site.transaction_volume("ora01", 0, 0x10, 48);
    let target = site.backup_volume(1, 0x20, 48);
    site.backup_volume(1, 0x21, 48);
    let usual = site.plan(start(&[source])).unwrap();
    let blocks = Blocks::from_mib(48);
    let pair = Pair::new(source, target);
    assert_eq!(steps(&usual), [PlanStep::StartFull(StartFullStep { pair, blocks, modes: Some(RecModes::default()) })]);
    assert_eq!(notices(&usual), []);

    let modes = RecModes { transfer: TransferMode::Stack, recovery: Automation::Manual, ..RecModes::default() };
    let route = |from: &str, to: &str| RecRoute { from: from.parse().unwrap(), to: to.parse().unwrap(), modes };
    site.rec = vec![route("DEMO2", "DEMO1")];
    assert_eq!(site.plan(start(&[source])).unwrap().digest(), usual.digest(), "the other direction's are its own");
    site.rec.push(route("DEMO1", "DEMO2"));
    let stack = site.plan(start(&[source])).unwrap();
    assert_eq!(steps(&stack), [PlanStep::StartFull(StartFullStep { pair, blocks, modes: Some(modes) })]);
    assert_ne!(stack.digest(), usual.digest(), "other modes are another plan");
    assert_eq!(notices(&stack), [Code::NO_BACKUP_IN_THIS_MODE], "said before the copy, not when the backup is due");
    assert!(stack.items()[0].notices[0].text.contains("stack, recovery manual"), "{stack:?}");
}

#[test]
fn an_array_that_only_its_second_way_leads_to_says_so_and_lets_sessions_be_ended() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::Active, Phase::Equivalent);
    let other = site.transaction_volume("ora02", 0, 0x11, 48);
    site.capabilities.verbs.retain(|(_, verb)| *verb == CommandVerb::Stop);
    site.capabilities.limited = Some("only its second way leads there".to_owned());
    for action in [start(&[other]), suspend(source), backup(source, None)] {
        let refusal = site.plan(action).unwrap_err();
        assert_eq!(refusal.code, Code::UNSUPPORTED);
        assert!(refusal.reason.contains("only its second way leads there"), "{refusal:?}");
    }
    let stop = site.plan(Action::ForceStop { volume: source, target: None }).unwrap();
    assert!(matches!(steps(&stop), [PlanStep::Stop(StopStep { force: true, .. })]));
}

#[test]
fn no_backup_of_a_remote_copy_in_stack_or_through_mode() {
    for (transfer, possible) in [
        (TransferMode::Synchronous, true),
        (TransferMode::Consistency, true),
        (TransferMode::Stack, false),
        (TransferMode::Through, false),
    ] {
        let mut site = Site::new();
        let source = site.transaction_volume("ora01", 0, 0x10, 48);
        let target = site.backup_volume(1, 0x20, 48);
        site.policy(source, 2, BackupMode::Suspend);
        let modes = RecModes { transfer, ..RecModes::default() };
        site.session(source, target, Status::Active, Phase::Equivalent).modes = Some(modes);
        let answer = site.plan(backup(source, None));
        assert_eq!(answer.is_ok(), possible, "{transfer:?}: {answer:?}");
        if !possible {
            assert_eq!(code(answer), Code::NO_BACKUP_IN_THIS_MODE);
        }
    }
}

#[test]
fn backups_together_are_one_item_at_one_instant_or_refused() {
    let (mut site, source, targets) = round();
    let second = site.transaction_volume("ora02", 0, 0x11, 48);
    site.policy(second, 1, BackupMode::Dissolve);
    site.session(source, targets[0], Status::Active, Phase::Equivalent);
    site.session(second, targets[1], Status::Active, Phase::Equivalent);
    let action = Action::Backup { volumes: vec![source, second], mode: None, together: true };
    let plan = site.plan(action.clone()).unwrap();
    assert!(matches!(
        steps(&plan),
        [PlanStep::Suspend(SuspendStep { pairs, .. }), PlanStep::Record(RecordStep { generations }), PlanStep::Stop(StopStep { pair, .. })]
            if pairs.len() == 2 && generations.len() == 2 && pair.source == second
    ));
    site.capabilities.atomic_suspend = ecdeck::model::copy::Ability::Unknown;
    let refusal = site.plan(action.clone()).unwrap_err();
    assert_eq!(refusal.code, Code::UNSUPPORTED);
    assert!(refusal.reason.contains("not known"), "{refusal:?}");
    assert_eq!(refusal.remedies.len(), 1, "each by itself");
    all_remedies_work(&site, &refusal);
    site.sessions[1].phase = Phase::Copying;
    let refusal = site.plan(action).unwrap_err();
    assert_eq!((refusal.code, refusal.volume), (Code::NOT_EQUIVALENT, Some(second)));
}

#[test]
fn an_overwrite_gives_the_generation_up_first_and_wants_the_volumes_name() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::Suspended, Phase::Tracking);
    let suspended = site.generation(source, targets[0]);
    let dissolved = site.generation(source, targets[1]);
    let plan = site.plan(Action::Overwrite { volume: source, version: suspended }).unwrap();
    assert!(matches!(
        steps(&plan),
        [PlanStep::GiveUp(GiveUpStep { why: ReleaseReason::Overwritten, .. }), PlanStep::Resume(ResumeStep { pair, .. })] if pair.target == targets[0]
    ));
    assert_eq!(plan.confirmation().unwrap().name, "DEMO1/0x21");
    let plan = site.plan(Action::Overwrite { volume: source, version: dissolved }).unwrap();
    assert!(matches!(steps(&plan), [PlanStep::GiveUp(_), PlanStep::StartFull(_)]));
    site.hold(source, suspended);
    let refusal = site.plan(Action::Overwrite { volume: source, version: suspended }).unwrap_err();
    assert_eq!(refusal.code, Code::GENERATION_HELD);
    all_remedies_work(&site, &refusal);
    assert_eq!(code(site.plan(Action::Overwrite { volume: source, version: Version(9) })), Code::NO_SUCH_GENERATION);
}

#[test]
fn deleting_a_generation_ends_no_session_and_wants_the_volumes_name() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::Suspended, Phase::Tracking);
    let version = site.generation(source, targets[0]);
    let plan = site.plan(Action::DeleteGeneration { volume: source, version }).unwrap();
    assert!(matches!(steps(&plan), [PlanStep::GiveUp(GiveUpStep { why: ReleaseReason::Deleted, .. })]));
    assert_eq!(plan.confirmation().unwrap().name, "DEMO1/0x21");
    site.hold(source, version);
    assert_eq!(code(site.plan(Action::DeleteGeneration { volume: source, version })), Code::GENERATION_HELD);
}

#[test]
fn a_cancel_without_a_name_ends_the_live_session_only() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::Suspended, Phase::Tracking);
    let cancel = |scope| Action::Cancel { volumes: vec![source], scope };
    let refusal = site.plan(cancel(CancelScope::Live)).unwrap_err();
    assert_eq!(refusal.code, Code::ONLY_SUSPENDED);
    all_remedies_work(&site, &refusal);
    site.session(source, targets[1], Status::Active, Phase::Copying);
    let plan = site.plan(cancel(CancelScope::Live)).unwrap();
    assert!(matches!(steps(&plan), [PlanStep::Stop(StopStep { pair, force: true })] if pair.target == targets[1]));
    assert_eq!(notices(&plan), [Code::NEEDS_FORCE]);
    let plan = site.plan(cancel(CancelScope::One(targets[0]))).unwrap();
    assert!(matches!(steps(&plan), [PlanStep::Stop(StopStep { force: false, .. })]));
    assert_eq!(steps(&site.plan(cancel(CancelScope::All)).unwrap()).len(), 2);
}

#[test]
fn sessions_of_other_programs_are_counted_and_never_touched() {
    let (mut site, source, targets) = round();
    site.foreign(source, targets[0], Status::Active, Phase::Equivalent);
    let target = Some(targets[0]);
    for action in [
        backup(source, None),
        suspend(source),
        Action::Cancel { volumes: vec![source], scope: CancelScope::One(targets[0]) },
        Action::Cancel { volumes: vec![source], scope: CancelScope::Live },
        Action::Cancel { volumes: vec![source], scope: CancelScope::All },
        Action::ForceStop { volume: source, target },
        Action::ForceStop { volume: source, target: None },
    ] {
        let refusal = site.plan(action.clone()).unwrap_err();
        assert_eq!(refusal.code, Code::SESSION_OF_OTHERS, "{action:?}: {refusal}");
    }
    // Nothing is ours: that program makes the backups of this volume.
    assert_eq!(code(site.plan(start(&[source]))), Code::VOLUME_OBSERVED);
    site.generation(source, targets[2]);
    let plan = site.plan(start(&[source])).unwrap();
    assert!(matches!(steps(&plan), [PlanStep::StartFull(StartFullStep { pair, .. })] if pair.target == targets[1]));
    site.capabilities.sessions_per_source = 1;
    assert_eq!(code(site.plan(start(&[source]))), Code::SESSION_LIMIT);
}

#[test]
fn an_error_blocks_its_volume_and_cancel_is_the_way_out() {
    let (mut site, source, targets) = round();
    let session = site.session(source, targets[0], Status::ErrorSuspended, Phase::Copying);
    session.error = Some(ErrorByte(0xBA));
    for action in [start(&[source]), backup(source, None), resume(source), suspend(source)] {
        let refusal = site.plan(action).unwrap_err();
        assert_eq!(refusal.code, Code::ERROR_SUSPENDED);
        assert!(refusal.reason.contains("0xBA"), "{refusal}");
        all_remedies_work(&site, &refusal);
    }
}

#[test]
fn an_error_on_a_kept_generation_does_not_block_the_next_synchronization() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::ErrorSuspended, Phase::Tracking);
    site.generation(source, targets[0]);
    assert!(site.plan(start(&[source])).is_ok());
}

#[test]
fn a_generation_whose_session_ended_in_error_is_in_doubt_and_stays_so_after_a_cancel() {
    let (mut site, source, targets) = round();
    let version = site.generation(source, targets[0]);
    site.session(source, targets[0], Status::ErrorSuspended, Phase::Tracking).error = Some(ErrorByte(0xBB));
    let doubt = GenerationState::InDoubt("the array reported error 0xBB on its session".to_owned());
    assert_eq!(site.snapshot().generations[0].state, doubt);
    let cancel = Action::Cancel { volumes: vec![source], scope: CancelScope::One(targets[0]) };
    let plan = site.plan(cancel).unwrap();
    assert_eq!(
        steps(&plan),
        [
            PlanStep::SetGenerationState(SetGenerationStateStep { volume: source, version, state: doubt }),
            PlanStep::Stop(StopStep { pair: Pair::new(source, targets[0]), force: true })
        ]
    );
}

#[test]
fn halted_and_half_open_remote_copies_lead_out() {
    let mut site = Site::new();
    let source = site.transaction_volume("ora01", 0, 0x10, 48);
    let target = site.backup_volume(1, 0x20, 48);
    site.policy(source, 1, BackupMode::Suspend);
    site.session(source, target, Status::Halted, Phase::Equivalent);
    let refusal = site.plan(backup(source, None)).unwrap_err();
    assert_eq!(refusal.code, Code::HALTED);
    all_remedies_work(&site, &refusal);
    assert!(matches!(
        steps(&site.plan(suspend(source)).unwrap()),
        [PlanStep::Suspend(SuspendStep { force: true, .. })]
    ));
    let mut half = site.snapshot();
    half.sessions[0].halves = ecdeck::model::snapshot::Halves::Missing { source_reports: true };
    for action in [start(&[source]), backup(source, None), suspend(source), resume(source)] {
        let request = ecdeck::model::request::Request::new(action);
        let refusal = plan(&half, &request).unwrap_err();
        assert_eq!(refusal.code, Code::HALF_OPEN);
        assert!(refusal.remedies.iter().all(|remedy| plan(&half, &remedy.request).is_ok()));
    }
}

#[test]
fn a_half_that_only_the_targets_box_has_is_ended_there_even_while_the_sources_box_is_gone() {
    let mut site = Site::new();
    let source = site.transaction_volume("ora01", 0, 0x10, 48);
    let target = site.backup_volume(1, 0x20, 48);
    site.session(source, target, Status::Halted, Phase::Equivalent);
    let mut half = site.snapshot();
    half.sessions[0].halves = ecdeck::model::snapshot::Halves::Missing { source_reports: false };
    half.arrays[0].reach = Reach::Unreachable { since: site.now, why: "no route".into() };
    let request = ecdeck::model::request::Request::new(Action::ForceStop { volume: source, target: None });
    let plan = plan(&half, &request).unwrap();
    assert_eq!(steps(&plan), [PlanStep::StopLeftOver(StopLeftOverStep { pair: Pair::new(source, target) })]);
    assert_eq!(ecdeck::engine::operation::boxes_to_read(&plan), [target.box_id].into());
}

#[test]
fn nothing_is_decided_on_an_array_that_is_stale_gone_or_another_one() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::Active, Phase::Equivalent);
    let actions = [backup(source, None), suspend(source), Action::ForceStop { volume: source, target: None }];
    let all = |site: &Site, expected: Code| {
        for action in &actions {
            assert_eq!(code(site.plan(action.clone())), expected);
        }
    };
    site.age[0] = 3000;
    assert!(site.plan(actions[0].clone()).is_ok(), "three poll intervals are still fresh");
    site.age[0] = 3001;
    all(&site, Code::ARRAY_STALE);
    site.reach[0] = Reach::Unreachable { since: site.now, why: "no route".into() };
    all(&site, Code::ARRAY_UNREACHABLE);
    site.reach[0] = Reach::IdentityChanged { found: crate::site::BOXES[1].parse().unwrap() };
    all(&site, Code::IDENTITY_CHANGED);
}

#[test]
fn a_volume_that_is_held_says_who_has_it_and_since_when() {
    let (mut site, source, targets) = round();
    site.claim(&[source, targets[0]]);
    for action in [start(&[source]), suspend(source), backup(source, None)] {
        let refusal = site.plan(action).unwrap_err();
        assert_eq!(refusal.code, Code::HELD_BY_OTHER);
        assert!(refusal.reason.contains("ana"), "{refusal}");
        assert_eq!(refusal.held_by.unwrap().since, site.now);
    }
}

#[test]
fn a_policy_that_the_pool_or_the_array_cannot_serve_is_accepted_with_figures() {
    let (mut site, source, _) = round();
    let other = site.transaction_volume("ora02", 0, 0x11, 48);
    site.policy(other, 3, BackupMode::Dissolve);
    let policy = |generations, mode| Action::SetPolicy { volume: source, policy: Policy::new(generations, 7, mode) };
    let plan = site.plan(policy(4, BackupMode::Dissolve)).unwrap();
    assert_eq!(notices(&plan), [Code::POOL_TOO_SMALL_FOR_POLICY]);
    assert!(plan.items()[0].notices[0].text.starts_with("6 backup volumes of 48 MiB missing"), "{plan:?}");
    let plan = site.plan(policy(8, BackupMode::Suspend)).unwrap();
    assert_eq!(notices(&plan), [Code::TOO_MANY_SESSIONS_FOR_POLICY, Code::POOL_TOO_SMALL_FOR_POLICY]);
    assert_eq!(code(site.plan(policy(0, BackupMode::Suspend))), Code::POLICY_OUT_OF_RANGE);
    assert_eq!(code(site.plan(policy(100, BackupMode::Suspend))), Code::POLICY_OUT_OF_RANGE);
}

#[test]
fn a_rename_changes_the_name_and_nothing_else() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::Suspended, Phase::Tracking);
    site.generation(source, targets[0]);
    let rename = |volume, name: &str| Action::Rename { volume, name: name.parse().unwrap() };
    let plan = site.plan(rename(source, "orders")).unwrap();
    assert_eq!(steps(&plan), [PlanStep::Rename(RenameStep { volume: source, name: "orders".parse().unwrap() })]);
    assert_eq!(plan.confirmation(), None, "nothing is lost by it");
    assert_eq!(plan.items()[0].claims, [source], "the session and the generation are not touched");
    let known = site.records.transaction_volumes[&source].clone();
    let item = plan.items()[0].clone();
    let own_suspends = std::collections::BTreeMap::new();
    let done = Done {
        operation: OperationId(1),
        item: &item,
        now: Timestamp(7),
        seen_at: Timestamp(7),
        own_suspends: &own_suspends,
        catalogue: &site.records,
        compared: None,
    };
    let kept = item.steps[0].changes(&done).unwrap();
    let renamed = TransactionVolume { name: "orders".parse().unwrap(), ..known };
    assert_eq!(kept.changes, [EntityChange::PutTransactionVolume(renamed)]);
    // The present name, in another case too, is no other volume's; what another one has, or what reads as a number, is.
    assert!(site.plan(rename(source, "ORA01")).is_ok());
    assert_eq!(code(site.plan(rename(source, "ora01"))), Code::ALREADY_SO);
    assert_eq!(code(site.ensure(rename(source, "ora01"))), Code::ALREADY_SO);
    assert_eq!(code(site.plan(rename(targets[0], "Ora01"))), Code::NAME_TAKEN);
    assert_eq!(code(site.plan(rename(targets[0], "0x21"))), Code::NAME_TAKEN);
    assert_eq!(code(site.plan(rename(targets[0], "all"))), Code::NAME_TAKEN);
    assert_eq!(code(site.plan(rename(volume(0, 0x99), "new"))), Code::UNKNOWN_VOLUME);
    // Another volume got the name between plan and step.
    let taken = RenameStep { volume: targets[0], name: "ora01".parse().unwrap() };
    assert_eq!(taken.changes(&done).unwrap_err().code, Code::NAME_TAKEN);
    let gone = RenameStep { volume: volume(0, 0x99), name: "new".parse().unwrap() };
    assert_eq!(gone.changes(&done).unwrap_err().code, Code::UNKNOWN_VOLUME);
}

#[test]
fn volumes_are_registered_once_and_taken_out_when_nothing_is_on_them() {
    let (mut site, source, targets) = round();
    let new = site.unregistered(0, 0x30, 48);
    let register = |volume, role, name: Option<&str>| Action::Register {
        volume,
        role,
        name: name.map(|name| name.parse().unwrap()),
    };
    let plan = site.plan(register(new, VolumeRole::Transaction, None)).unwrap();
    assert!(
        matches!(steps(&plan), [PlanStep::RegisterTransaction(RegisterTransactionStep { volume })] if volume.name.as_str() == "DEMO1-0x30")
    );
    assert_eq!(code(site.plan(register(new, VolumeRole::Backup, Some("ora01")))), Code::NAME_TAKEN);
    assert_eq!(code(site.plan(register(targets[0], VolumeRole::Backup, None))), Code::ALREADY_REGISTERED);
    assert_eq!(code(site.ensure(register(targets[0], VolumeRole::Backup, None))), Code::ALREADY_SO);
    assert_eq!(code(site.plan(register(volume(0, 0x99), VolumeRole::Backup, None))), Code::UNKNOWN_VOLUME);
    site.session(source, targets[0], Status::Suspended, Phase::Tracking);
    site.generation(source, targets[0]);
    for id in [source, targets[0]] {
        let refusal = site.plan(Action::Unregister { volume: id }).unwrap_err();
        assert_eq!(refusal.code, Code::VOLUME_IN_USE);
        all_remedies_work(&site, &refusal);
    }
    assert!(site.plan(Action::Unregister { volume: targets[1] }).is_ok());
}

#[test]
fn with_ensure_what_is_so_already_has_the_code_that_says_so() {
    let (mut site, source, targets) = round();
    let cancel = Action::Cancel { volumes: vec![source], scope: CancelScope::Live };
    assert_eq!(code(site.ensure(cancel.clone())), Code::ALREADY_SO);
    assert_eq!(code(site.plan(cancel)), Code::NO_SESSION);
    site.session(source, targets[0], Status::Active, Phase::Copying);
    assert_eq!(code(site.ensure(start(&[source]))), Code::ALREADY_SO);
    assert_eq!(code(site.plan(start(&[source]))), Code::ALREADY_SYNCHRONIZING);
    assert_eq!(code(site.ensure(backup(source, None))), Code::NOT_EQUIVALENT);
    let elsewhere = Action::Start { volumes: vec![source], targets: vec![(source, targets[1])], together: false };
    assert_eq!(code(site.ensure(elsewhere)), Code::ALREADY_SYNCHRONIZING, "with another volume it is not so");
}

#[test]
fn a_vanished_session_is_let_go_by_its_name() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::Active, Phase::Copying);
    site.sessions.clear();
    let cancel = Action::Cancel { volumes: vec![source], scope: CancelScope::One(targets[0]) };
    let plan = site.plan(cancel).unwrap();
    assert_eq!(notices(&plan), [Code::VANISHED]);
    let action = Action::Start { volumes: vec![source], targets: vec![(source, targets[0])], together: false };
    assert_eq!(code(site.plan(action)), Code::BACKUP_VOLUME_UNVERIFIED);
    let started = site.plan(start(&[source])).unwrap();
    assert!(matches!(steps(&started), [PlanStep::StartFull(StartFullStep { pair, .. })] if pair.target == targets[1]));
}
