//! What is not known, or runs the wrong way, permits nothing: directions, kinds, modes, lists, copies into a live volume.

use crate::site::{Site, all_remedies_work, backup, code, notices, resume, round, start, steps, suspend, volume};
use ecdeck::model::codes::Code;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::records::BackupMode;
use ecdeck::model::request::{Action, CancelScope};
use ecdeck::model::session::{CopyKind, Direction, Others, Pair, Phase, RecModes, Status, TransferMode, UnknownRow};
use ecdeck::model::snapshot::{BackupState, Ready, TransactionState};
use ecdeck::model::step::{PlanStep, StartFullStep, StopStep, SuspendStep};
use ecdeck::model::units::Version;

fn state(site: &Site, id: VolumeId) -> TransactionState {
    site.snapshot().transaction_volume(id).unwrap().state
}

fn on(site: &Site, id: VolumeId) -> BackupState {
    site.snapshot().backup_volume(id).unwrap().state
}

fn cancel(source: VolumeId, target: VolumeId) -> Action {
    Action::Cancel { volumes: vec![source], scope: CancelScope::One(target) }
}

/// All that reads the volume's data or overwrites one.
fn verbs_that_copy(source: VolumeId, target: VolumeId) -> [Action; 4] {
    let onto = Action::Start { volumes: vec![source], targets: vec![(source, target)], together: false };
    [start(&[source]), onto, resume(source), backup(source, None)]
}

/// A session of `source` and the first target, turned round, in each way in which arrays may present it.
fn turned(status: Status, phase: Phase) -> Vec<(Site, VolumeId, [VolumeId; 3])> {
    let marked = {
        let (mut site, source, targets) = round();
        site.session(source, targets[0], status, phase).direction = Direction::Reversed;
        (site, source, targets)
    };
    let exchanged = {
        let (mut site, source, targets) = round();
        let session = site.session(source, targets[0], status, phase);
        session.pair = session.pair.turned();
        (site, source, targets)
    };
    let of_unknown_kind = {
        let (mut site, source, targets) = round();
        let session = site.session(source, targets[0], status, phase);
        session.pair = Pair { kind: CopyKind::Other, ..session.pair.turned() };
        (site, source, targets)
    };
    vec![marked, exchanged, of_unknown_kind]
}

#[test]
fn a_reversed_session_is_a_state_of_its_own_and_only_ends() {
    for (status, phase) in [
        (Status::Suspended, Phase::Equivalent),
        (Status::Active, Phase::Copying),
        (Status::Active, Phase::Equivalent),
        (Status::Halted, Phase::Equivalent),
        (Status::ErrorSuspended, Phase::Copying),
    ] {
        for (at, (site, source, [target, ..])) in turned(status, phase).into_iter().enumerate() {
            let snapshot = site.snapshot();
            let view = snapshot.transaction_volume(source).unwrap();
            assert_eq!((view.state, view.ready), (TransactionState::Reversed, Ready::Never), "{status} {phase} {at}");
            assert_eq!(view.problem.as_ref().unwrap().code, Code::REVERSED);
            assert_eq!(on(&site, target), BackupState::Reversed);
            assert!(snapshot.session(&Pair::new(source, target)).unwrap().ours);
            for action in verbs_that_copy(source, target).into_iter().chain([suspend(source)]) {
                let refusal = site.plan(action).unwrap_err();
                assert_eq!(refusal.code, Code::REVERSED, "{status} {phase} {at}: {refusal:?}");
                assert!(!refusal.remedies.is_empty());
                all_remedies_work(&site, &refusal);
            }
            let known_kind = at < 2;
            let ended = site.plan(cancel(source, target));
            if known_kind {
                assert!(notices(&ended.unwrap()).contains(&Code::REVERSED), "people read what they end");
            } else {
                assert_eq!(code(ended), Code::KIND_UNKNOWN);
            }
            let force_stop = Action::ForceStop { volume: source, target: Some(target) };
            assert!(notices(&site.plan(force_stop).unwrap()).contains(&Code::REVERSED));
        }
    }
}

#[test]
fn a_generation_on_a_reversed_session_is_neither_overwritten_nor_deleted() {
    for (mut site, source, [target, ..]) in turned(Status::Suspended, Phase::Equivalent) {
        let version = site.generation(source, target);
        for action in
            [Action::Overwrite { volume: source, version }, Action::DeleteGeneration { volume: source, version }]
        {
            assert_eq!(code(site.plan(action)), Code::REVERSED);
        }
    }
}

#[test]
fn where_an_array_reports_ours_and_its_reverse_nobody_knows_which_one_is_true() {
    for (status, phase) in [(Status::Active, Phase::Copying), (Status::Suspended, Phase::Equivalent)] {
        let (mut site, source, [target, ..]) = round();
        site.session(source, target, Status::Suspended, Phase::Equivalent);
        site.foreign(target, source, status, phase);
        for action in verbs_that_copy(source, target) {
            assert_ne!(code(site.plan(action)), Code::RESUME_FIRST);
        }
        assert_eq!(code(site.plan(resume(source))), Code::DIRECTION_UNKNOWN);
    }
}

#[test]
fn a_direction_that_is_not_known_permits_an_end_and_nothing_else() {
    for (status, phase) in [(Status::Suspended, Phase::Equivalent), (Status::Active, Phase::Equivalent)] {
        let (mut site, source, [target, ..]) = round();
        site.session(source, target, status, phase).direction = Direction::Unknown;
        assert_eq!(state(&site, source), TransactionState::Unknown);
        for action in verbs_that_copy(source, target).into_iter().chain([suspend(source)]) {
            assert_eq!(code(site.plan(action)), Code::DIRECTION_UNKNOWN);
        }
        site.plan(cancel(source, target)).unwrap();
    }
}

#[test]
fn two_boxes_that_give_different_directions_leave_it_unknown() {
    use Direction::{Forward, Reversed, Unknown};
    let (mut site, source, _) = round();
    let target = site.backup_volume(1, 0x31, 48);
    site.session(source, target, Status::Suspended, Phase::Equivalent);
    let half = site.sessions[0].clone();
    let pair = Pair::new(source, target);
    let snapshot = |directions: [Direction; 2]| {
        let mut site = site.clone();
        site.sessions.clear();
        site.halves =
            directions.map(|direction| Some(ecdeck::model::session::SessionReading { direction, ..half.clone() }));
        site.snapshot().session(&pair).unwrap().direction
    };
    assert_eq!(snapshot([Forward, Forward]), Forward);
    assert_eq!(snapshot([Reversed, Reversed]), Reversed);
    assert_eq!(snapshot([Forward, Reversed]), Unknown);
    assert_eq!(snapshot([Reversed, Forward]), Unknown);
    assert_eq!(snapshot([Forward, Unknown]), Forward, "a box that gives none contradicts nobody");
    assert_eq!(snapshot([Unknown, Reversed]), Reversed);
}

/// Ways in which something else writes into the transaction volume.
fn inbound() -> Vec<(&'static str, Site, VolumeId)> {
    let mut all = Vec::new();
    for (status, phase) in [
        (Status::Active, Phase::Copying),
        (Status::Active, Phase::Equivalent),
        (Status::Reserved, Phase::NoPair),
        (Status::Halted, Phase::Equivalent),
        (Status::ErrorSuspended, Phase::Copying),
        (Status::Suspended, Phase::Copying),
        (Status::Unknown, Phase::Unknown),
        (Status::Suspended, Phase::Unknown),
    ] {
        for kind in [CopyKind::Ec, CopyKind::Opc, CopyKind::QuickOpc, CopyKind::SnapOpcPlus, CopyKind::Other] {
            let (mut site, source, _) = round();
            site.foreign(volume(0, 0x77), source, status, phase).pair.kind = kind;
            all.push(("a copy", site, source));
        }
    }
    let (mut site, source, _) = round();
    site.foreign(volume(1, 0x77), source, Status::Active, Phase::Copying);
    all.push(("a REC", site, source));
    let (mut site, source, _) = round();
    site.foreign(source, volume(0, 0x77), Status::Active, Phase::Equivalent).direction = Direction::Reversed;
    all.push(("a reversed copy", site, source));
    let (mut site, source, _) = round();
    site.foreign(source, volume(0, 0x77), Status::Active, Phase::Equivalent).direction = Direction::Unknown;
    all.push(("a copy in a direction that is not known", site, source));
    let (mut site, source, [target, ..]) = round();
    site.foreign(target, source, Status::Active, Phase::Copying).pair.kind = CopyKind::Opc;
    all.push(("an OPC back from a backup volume", site, source));
    let (mut site, source, _) = round();
    let may_copy_to = vec![source];
    site.unknown_rows.push(UnknownRow {
        words: "<odd>".into(),
        why: "odd".to_owned(),
        names: may_copy_to.clone(),
        may_copy_to,
        is_no_pair: false,
    });
    all.push(("a line that cannot be read", site, source));
    all
}

#[test]
fn while_something_copies_into_a_transaction_volume_it_is_neither_copied_from_nor_backed_up() {
    for (what, mut site, source) in inbound() {
        let target = volume(0, 0x23);
        assert_eq!(code(site.plan(start(&[source]))), Code::INBOUND, "{what}");
        site.session(source, target, Status::Active, Phase::Equivalent);
        let snapshot = site.snapshot();
        let view = snapshot.transaction_volume(source).unwrap();
        assert_eq!((view.state, view.ready), (TransactionState::Inbound, Ready::Never), "{what}");
        assert_eq!(view.problem.as_ref().unwrap().code, Code::INBOUND, "{what}");
        assert_eq!(code(site.plan(backup(source, None))), Code::INBOUND, "{what}");
        site.plan(suspend(source)).expect(what);
        site.plan(cancel(source, target)).expect(what);
    }
}

#[test]
fn a_copy_into_the_volume_that_is_whole_and_at_rest_hinders_nothing() {
    for (kind, status, phase) in
        [(CopyKind::Ec, Status::Suspended, Phase::Equivalent), (CopyKind::QuickOpc, Status::Active, Phase::Tracking)]
    {
        let (mut site, source, _) = round();
        site.foreign(volume(0, 0x77), source, status, phase).pair.kind = kind;
        site.plan(start(&[source])).unwrap();
    }
}

/// An equivalent REC, and what is known of its modes.
fn rec(modes: Option<RecModes>) -> (Site, VolumeId, VolumeId) {
    let (mut site, source, _) = round();
    let target = site.backup_volume(1, 0x31, 48);
    site.session(source, target, Status::Active, Phase::Equivalent).modes = modes;
    (site, source, target)
}

fn in_mode(transfer: TransferMode) -> RecModes {
    RecModes { transfer, ..RecModes::default() }
}

#[test]
fn a_backup_of_a_rec_whose_modes_are_not_known_is_refused_and_never_ready() {
    let (site, source, _) = rec(None);
    assert_eq!(code(site.plan(backup(source, None))), Code::MODES_UNKNOWN);
    let ready = |site: &Site, id| site.snapshot().transaction_volume(id).unwrap().ready;
    assert_eq!(ready(&site, source), Ready::Never);
    for transfer in [TransferMode::Stack, TransferMode::Through] {
        let (site, source, _) = rec(Some(in_mode(transfer)));
        assert_eq!(ready(&site, source), Ready::Never, "{transfer}");
    }
    let (site, source, _) = rec(Some(in_mode(TransferMode::Consistency)));
    assert_eq!(ready(&site, source), Ready::Now);
}

#[test]
fn a_rec_in_consistency_mode_is_ended_by_force_and_the_plan_says_so() {
    let force =
        |steps: &[PlanStep]| steps.iter().any(|step| matches!(step, PlanStep::Stop(StopStep { force: true, .. })));
    for (transfer, forced) in [(TransferMode::Consistency, true), (TransferMode::Synchronous, false)] {
        let (mut site, source, target) = rec(Some(in_mode(transfer)));
        let dissolve = site.plan(backup(source, Some(BackupMode::Dissolve))).unwrap();
        assert_eq!(force(steps(&dissolve)), forced, "{transfer}");
        assert_eq!(notices(&dissolve).contains(&Code::NEEDS_FORCE), forced);
        let order: Vec<bool> =
            steps(&dissolve).iter().map(|s| matches!(s, PlanStep::Suspend(SuspendStep { force: false, .. }))).collect();
        assert!(order[0], "it is suspended, and seen to be, before it is ended");
        for status in [Status::Active, Status::Suspended] {
            site.sessions[0].status = status;
            let cancelled = site.plan(cancel(source, target)).unwrap();
            assert_eq!(force(steps(&cancelled)), forced, "{transfer}, {status}");
            assert_eq!(notices(&cancelled).contains(&Code::NEEDS_FORCE), forced);
        }
    }
}

#[test]
fn lists_that_could_not_be_read_refuse_what_depends_on_them_and_nothing_else() {
    let failed = || Others::Failed { why: "E9008".into() };
    for at in [0, 1] {
        let (mut site, source, [target, ..]) = round();
        let far = site.backup_volume(1, 0x31, 48);
        site.others[at] = failed();
        let onto = |target| Action::Start { volumes: vec![source], targets: vec![(source, target)], together: false };
        if at == 0 {
            assert_eq!(code(site.plan(start(&[source]))), Code::SESSIONS_UNREAD);
        } else {
            site.plan(start(&[source])).expect("the other array is not touched");
        }
        assert_eq!(code(site.plan(onto(far))), Code::SESSIONS_UNREAD);
        let near = if at == 0 { target } else { far };
        site.session(source, near, Status::Active, Phase::Equivalent);
        assert_eq!(code(site.plan(backup(source, None))), Code::SESSIONS_UNREAD);
        site.plan(suspend(source)).unwrap();
        site.plan(cancel(source, near)).unwrap();
        site.sessions[0].status = Status::Suspended;
        assert_eq!(code(site.plan(resume(source))), Code::SESSIONS_UNREAD);
        if at == 0 {
            assert_eq!(code(site.plan(start(&[source]))), Code::SESSIONS_UNREAD);
        } else {
            let full = site.plan(start(&[source])).unwrap();
            assert!(notices(&full).contains(&Code::BOUND_NOT_USABLE), "the near volumes are left, and it says so");
        }
        let version = site.generation(source, near);
        assert_eq!(code(site.plan(Action::Overwrite { volume: source, version })), Code::SESSIONS_UNREAD);
        site.plan(Action::DeleteGeneration { volume: source, version }).unwrap();
        let attentions = site.snapshot().arrays[at].attentions.clone();
        assert!(attentions.iter().any(|it| it.failed && it.code == Code::SESSIONS_UNREAD), "{attentions:?}");
    }
}

#[test]
fn lists_that_an_array_cannot_show_are_said_in_every_start_and_refuse_nothing() {
    let (mut site, source, [target, ..]) = round();
    site.others[0] = Others::NotShown { why: "CCM before 15".to_owned() };
    let plan = site.plan(start(&[source])).unwrap();
    assert!(notices(&plan).contains(&Code::OTHERS_NOT_SEEN));
    let attentions = site.snapshot().arrays[0].attentions.clone();
    assert!(attentions.iter().any(|it| !it.failed && it.code == Code::OTHERS_NOT_SEEN));
    site.session(source, target, Status::Suspended, Phase::Equivalent);
    let resumed = site.plan(resume(source)).unwrap();
    assert!(notices(&resumed).contains(&Code::OTHERS_NOT_SEEN));
    let version = site.generation(source, target);
    let overwritten = site.plan(Action::Overwrite { volume: source, version }).unwrap();
    assert!(notices(&overwritten).contains(&Code::OTHERS_NOT_SEEN));
    site.sessions.clear();
    site.session(source, volume(0, 0x22), Status::Active, Phase::Equivalent);
    site.plan(backup(source, None)).unwrap();
}

#[test]
fn volumes_that_an_unreadable_line_names_are_taken_for_volumes_in_use() {
    let (mut site, source, targets) = round();
    let row = |may_copy_to| UnknownRow {
        words: "?? \u{1b}[2J".into(),
        why: "no target".to_owned(),
        may_copy_to,
        names: Vec::new(),
        is_no_pair: true,
    };
    site.unknown_rows.push(row(vec![targets[0]]));
    assert_eq!(on(&site, targets[0]), BackupState::Foreign);
    let plan = site.plan(start(&[source])).unwrap();
    let PlanStep::StartFull(StartFullStep { pair, .. }) = steps(&plan)[0] else { panic!("{plan:?}") };
    assert_eq!(pair.target, targets[1]);
    assert!(notices(&plan).contains(&Code::ROW_UNREADABLE), "and every start says that there is such a line");
    assert!(plan.items()[0].notices.iter().all(|notice| !notice.text.contains('\u{1b}')));
    site.session(source, targets[0], Status::Suspended, Phase::Equivalent);
    let version = site.generation(source, targets[0]);
    assert_eq!(code(site.plan(Action::Overwrite { volume: source, version })), Code::SESSION_OF_OTHERS);
    site.unknown_rows = vec![row(Vec::new())];
    assert_eq!(on(&site, targets[0]), BackupState::SuspendedGeneration);
}

#[test]
fn no_copy_goes_to_a_volume_whose_array_inhibits_copies() {
    let (mut site, source, targets) = round();
    for id in &targets[..2] {
        site.volumes.iter_mut().find(|volume| volume.id == *id).unwrap().copy_inhibited = Some(true);
    }
    let plan = site.plan(start(&[source])).unwrap();
    let PlanStep::StartFull(StartFullStep { pair, .. }) = steps(&plan)[0] else { panic!("{plan:?}") };
    assert_eq!(pair.target, targets[2]);
    let onto = Action::Start { volumes: vec![source], targets: vec![(source, targets[0])], together: false };
    assert_eq!(code(site.plan(onto)), Code::COPY_INHIBITED);
    site.session(source, targets[1], Status::Suspended, Phase::Equivalent);
    assert_eq!(code(site.plan(resume(source))), Code::COPY_INHIBITED);
    let version = site.generation(source, targets[1]);
    assert_eq!(version, Version(1));
    assert_eq!(code(site.plan(Action::Overwrite { volume: source, version })), Code::COPY_INHIBITED);
}

#[test]
fn a_rec_suspended_here_and_halted_there_goes_on_by_a_resume() {
    let (mut site, source, _) = round();
    let target = site.backup_volume(1, 0x31, 48);
    site.session(source, target, Status::Suspended, Phase::Equivalent);
    let half = site.sessions.remove(0);
    let there = |status| Some(ecdeck::model::session::SessionReading { status, ..half.clone() });
    site.halves = [there(Status::Suspended), there(Status::Halted)];
    assert_eq!(state(&site, source), TransactionState::Suspended);
    let plan = site.plan(resume(source)).unwrap();
    assert!(matches!(steps(&plan)[0], PlanStep::Resume(_)));
    assert!(notices(&plan).contains(&Code::HALTED), "the path must be back");
    site.plan(start(&[source])).unwrap();
    let ended = site.plan(cancel(source, target)).unwrap();
    assert!(notices(&ended).contains(&Code::HALF_OPEN), "a half may be left over");
    site.halves[1] = there(Status::ErrorSuspended);
    assert_eq!(code(site.plan(resume(source))), Code::HALF_OPEN, "any other disagreement has no such way on");
}

#[test]
fn a_session_that_was_not_read_is_neither_replaced_nor_called_ended() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::Active, Phase::Equivalent);
    site.sessions.clear();
    let row = |names| UnknownRow {
        words: "??".into(),
        why: "odd".to_owned(),
        may_copy_to: Vec::new(),
        names,
        is_no_pair: false,
    };
    site.unknown_rows.push(row(vec![source, targets[0]]));
    let cancel = |scope| Action::Cancel { volumes: vec![source], scope };
    let onto = Action::Start { volumes: vec![source], targets: vec![(source, targets[1])], together: false };
    for action in [
        start(&[source]),
        onto,
        resume(source),
        suspend(source),
        backup(source, None),
        cancel(CancelScope::Live),
        cancel(CancelScope::One(targets[0])),
        cancel(CancelScope::All),
        Action::ForceStop { volume: source, target: None },
        Action::Unregister { volume: source },
    ] {
        assert_eq!(code(site.ensure(action.clone())), Code::ROW_UNREADABLE, "{action:?}");
    }
    assert_eq!(code(site.plan(Action::Unregister { volume: targets[0] })), Code::VOLUME_IN_USE);
    // Another pair's line hides nothing of this one: it is gone, and may be let go of.
    site.unknown_rows = vec![row(vec![targets[1], targets[2]])];
    site.plan(cancel(CancelScope::One(targets[0]))).unwrap();
}
