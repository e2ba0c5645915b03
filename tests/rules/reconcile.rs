//! What the catalogue and the arrays disagree on, what is proposed, and what is adopted from another program.

use crate::site::{Site, backup, code, notices, round, start, steps, volume};
use ecdeck::model::codes::Code;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::plan::Plan;
use ecdeck::model::proposal_kind::ProposalKind;
use ecdeck::model::reconcile::{Finding, Proposal, findings};
use ecdeck::model::records::{Change, EntityChange, GenerationState, OperationId, Records};
use ecdeck::model::request::{Action, ListedBackup};
use ecdeck::model::session::{CopyKind, Direction, Pair, Phase, SessionReading, Status};
use ecdeck::model::step::{Done, PlanStep};
use ecdeck::model::units::{Timestamp, Version};
use std::collections::BTreeMap;

fn accept(volumes: &[VolumeId]) -> Action {
    Action::Reconcile { volumes: volumes.to_vec(), only: Vec::new(), kinds: Vec::new(), listed: Vec::new() }
}

/// Does what a plan changes in the catalogue, as an operation would.
fn keep(site: &mut Site, plan: &Plan) {
    for item in plan.items() {
        for step in &item.steps {
            let suspends = BTreeMap::new();
            let done = Done {
                operation: OperationId(9),
                item,
                now: site.now,
                seen_at: site.now,
                own_suspends: &suspends,
                catalogue: &site.records,
                compared: None,
            };
            let made = step.changes(&done).unwrap();
            for change in made.changes {
                site.records.apply(&Change::Entity(change)).unwrap();
            }
        }
    }
}

fn only_row(site: &Site) -> Finding {
    let rows = findings(&site.snapshot());
    assert_eq!(rows.len(), 1, "{rows:#?}");
    rows.into_iter().next().unwrap()
}

fn kinds(site: &Site) -> Vec<ProposalKind> {
    findings(&site.snapshot()).iter().map(|row| row.proposal.kind()).collect()
}

#[test]
fn where_both_agree_there_is_no_row() {
    let (mut site, source, [first, second, _]) = round();
    assert_eq!(findings(&site.snapshot()), []);
    site.session(source, first, Status::Active, Phase::Copying);
    site.session(source, second, Status::Suspended, Phase::Tracking);
    site.generation(source, second);
    assert_eq!(findings(&site.snapshot()), []);
    assert_eq!(code(site.plan(accept(&[source]))), Code::NOTHING_TO_RECONCILE);
    assert_eq!(code(site.ensure(accept(&[source]))), Code::ALREADY_SO);
}

#[test]
fn a_suspended_pair_of_another_program_is_adopted_unproved_and_held() {
    let (mut site, source, [target, other, _]) = round();
    site.foreign(source, target, Status::Suspended, Phase::Tracking);
    assert!(matches!(only_row(&site).proposal, Proposal::Adopt { with_generation: true, .. }));
    assert_eq!(code(site.plan(start(&[source]))), Code::VOLUME_OBSERVED, "nothing is started beside it");
    let plan = site.plan(accept(&[source])).unwrap();
    assert_eq!(notices(&plan), [Code::ADOPTED_UNPROVED]);
    assert_eq!(plan.items()[0].claims, [source, target]);
    assert!(plan.items()[0].commands().next().is_none(), "nothing is sent to the array");
    keep(&mut site, &plan);
    assert_eq!(findings(&site.snapshot()), []);
    let kept = site.records.generation_on(target).unwrap();
    assert!(matches!(&kept.state, GenerationState::InDoubt(why) if why.starts_with("from ACM, unproved")), "{kept:?}");
    assert_eq!(kept.held.as_ref().unwrap().raw(), "from ACM, unproved");
    assert!(site.snapshot().is_adopted(source));
    // The start after it takes another volume: what ACM made is overwritten by nothing.
    let plan = site.plan(start(&[source])).unwrap();
    let PlanStep::StartFull(full) = &steps(&plan)[0] else { panic!("{plan:?}") };
    assert_eq!(full.pair.target, other);
    assert_eq!(
        code(site.plan(Action::DeleteGeneration { volume: source, version: Version(1) })),
        Code::GENERATION_HELD
    );
}

#[test]
fn a_list_of_acm_gives_a_generation_its_time_and_names_what_has_no_session() {
    let (mut site, source, [suspended, dissolved, free]) = round();
    site.foreign(source, suspended, Status::Suspended, Phase::Tracking);
    let at = |backup_volume, day: i64| ListedBackup { volume: source, backup_volume, taken_at: Timestamp(day) };
    let action = Action::Reconcile {
        volumes: vec![source],
        only: Vec::new(),
        kinds: Vec::new(),
        listed: vec![at(suspended, 5), at(dissolved, 3)],
    };
    let plan = site.plan(action).unwrap();
    keep(&mut site, &plan);
    let times: Vec<_> = site.records.generations_of(source).map(|kept| (kept.backup_volume, kept.taken_at)).collect();
    assert_eq!(times, [(suspended, Timestamp(5)), (dissolved, Timestamp(3))]);
    assert!(site.records.generations_of(source).all(|kept| kept.held.is_some()));
    assert!(site.records.generation_on(free).is_none());
    assert_eq!(site.records.sessions.len(), 1, "no session is made of a line");
}

#[test]
fn a_session_beside_an_adopted_pair_says_that_the_other_program_still_runs() {
    let (mut site, source, [target, other, _]) = round();
    site.foreign(source, target, Status::Active, Phase::Equivalent);
    let plan = site.plan(accept(&[source])).unwrap();
    keep(&mut site, &plan);
    assert_eq!(site.records.generations.len(), 0, "what is equivalent is no backup");
    let view = |site: &Site| site.snapshot().transaction_volume(source).unwrap().clone();
    assert!(!view(&site).is_troubled());
    site.foreign(source, other, Status::Active, Phase::Copying);
    let problem = view(&site).problem.unwrap();
    assert_eq!(problem.code, Code::OTHER_PROGRAM_RUNS);
    assert!(problem.text.starts_with("ACM still runs on "), "{}", problem.text);
    assert!(view(&site).is_troubled());
}

#[test]
fn an_adopted_volume_is_given_back_with_all_that_was_adopted() {
    let (mut site, source, [target, own, _]) = round();
    site.foreign(source, target, Status::Suspended, Phase::Tracking);
    assert_eq!(code(site.plan(Action::GiveBack { volume: source })), Code::NOT_ADOPTED);
    let plan = site.plan(accept(&[source])).unwrap();
    keep(&mut site, &plan);
    let plan = site.plan(Action::GiveBack { volume: source }).unwrap();
    assert!(plan.confirmation().is_none());
    let before = site.clone();
    keep(&mut site, &plan);
    assert!(site.records.sessions.is_empty() && site.records.generations.is_empty());
    assert!(site.records.released.is_empty(), "it cannot be reinstated: the other program may write there");
    assert_eq!(code(site.plan(start(&[source]))), Code::VOLUME_OBSERVED);
    assert_eq!(code(site.plan(Action::GiveBack { volume: source })), Code::ALREADY_SO);
    assert_eq!(kinds(&site), [ProposalKind::Adopt], "and it can be taken over again");
    // What ecdeck backed up itself is named before it leaves the history.
    let mut site = before;
    site.session(source, own, Status::Suspended, Phase::Tracking);
    let version = site.generation(source, own);
    let plan = site.plan(Action::GiveBack { volume: source }).unwrap();
    assert!(plan.confirmation().unwrap().what.contains(&version.to_string()));
}

#[test]
fn the_record_of_a_session_that_is_gone_is_forgotten_and_its_generation_stays() {
    for with_generation in [false, true] {
        let (mut site, source, [target, ..]) = round();
        site.session(source, target, Status::Suspended, Phase::Tracking);
        if with_generation {
            site.generation(source, target);
        }
        site.sessions.clear();
        assert!(matches!(only_row(&site).proposal, Proposal::ForgetSession { .. }));
        let plan = site.plan(accept(&[source])).unwrap();
        assert!(plan.items()[0].commands().next().is_none() && plan.confirmation().is_none());
        keep(&mut site, &plan);
        assert_eq!(findings(&site.snapshot()), []);
        assert_eq!(site.records.generations.len(), usize::from(with_generation));
        assert!(site.plan(start(&[source])).is_ok());
    }
}

#[test]
fn a_bound_pair_that_the_array_shows_elsewhere_is_two_rows() {
    let (mut site, source, [here, elsewhere, _]) = round();
    site.session(source, here, Status::Suspended, Phase::Tracking);
    site.sessions.clear();
    site.foreign(source, elsewhere, Status::Suspended, Phase::Tracking);
    let mut both = kinds(&site);
    both.sort();
    assert_eq!(both, [ProposalKind::Adopt, ProposalKind::Forget]);
    let row = findings(&site.snapshot()).into_iter().find(|row| row.subject == here).unwrap();
    assert!(row.array.starts_with("no such session, but one with "), "{}", row.array);
    // One row alone.
    let one = Action::Reconcile { volumes: vec![source], only: vec![here], kinds: Vec::new(), listed: Vec::new() };
    assert!(matches!(steps(&site.plan(one).unwrap()), [PlanStep::ForgetSession(_)]));
    let plan = site.plan(accept(&[source])).unwrap();
    keep(&mut site, &plan);
    assert_eq!(findings(&site.snapshot()), []);
}

#[test]
fn a_copy_onto_the_pool_from_a_volume_that_nobody_registered_is_released_by_name() {
    let (mut site, _, [target, ..]) = round();
    let stranger = site.unregistered(0, 0x77, 48);
    for kind in [CopyKind::Ec, CopyKind::Opc] {
        site.sessions.clear();
        site.foreign(stranger, target, Status::Active, Phase::Copying).pair.kind = kind;
        let row = only_row(&site);
        assert_eq!((row.owner, row.proposal.kind()), (target, ProposalKind::Release));
    }
    site.sessions[0].pair.kind = CopyKind::Ec;
    let plan = site.plan(accept(&[target])).unwrap();
    assert!(matches!(steps(&plan), [PlanStep::Stop(stop)] if stop.force));
    assert!(plan.confirmation().is_some(), "another program's copy ends only by name");
    assert_eq!(plan.items()[0].claims, [target, stranger]);
}

#[test]
fn what_is_not_understood_of_a_session_of_others_is_left_to_a_person() {
    let (mut site, _, [target, ..]) = round();
    let stranger = site.unregistered(0, 0x77, 48);
    let session = site.foreign(stranger, target, Status::Active, Phase::Copying);
    session.direction = Direction::Unknown;
    assert!(matches!(only_row(&site).proposal, Proposal::ByHand { .. }));
    assert_eq!(code(site.plan(accept(&[target]))), Code::RECONCILED_BY_HAND);
}

#[test]
fn half_of_a_remote_session_is_ended_where_it_is() {
    let (mut site, source, _) = round();
    let far = site.backup_volume(1, 0x50, 48);
    let half = site.session(source, far, Status::Suspended, Phase::Tracking).clone();
    site.sessions.clear();
    for (at, left_over) in [(0, false), (1, true)] {
        site.halves = [None, None];
        site.halves[at] = Some(half.clone());
        let row = only_row(&site);
        assert!(matches!(row.proposal, Proposal::Stop { at_target, .. } if at_target == left_over), "{at}: {row:?}");
        let plan = site.plan(accept(&[source])).unwrap();
        assert_eq!(matches!(steps(&plan)[0], PlanStep::StopLeftOver(_)), left_over);
    }
}

#[test]
fn halves_that_disagree_are_left_to_a_person() {
    let (mut site, source, _) = round();
    let far = site.backup_volume(1, 0x50, 48);
    let near = site.session(source, far, Status::Active, Phase::Equivalent).clone();
    site.sessions.clear();
    let told = |status, phase| SessionReading { status, phase, ..near.clone() };
    site.halves = [Some(near.clone()), Some(told(Status::Suspended, Phase::Tracking))];
    let row = only_row(&site);
    assert!(
        row.array.contains("says active, equivalent, ") && row.array.contains("says suspended, tracking"),
        "{row:?}"
    );
    let Proposal::ByHand { way } = &row.proposal else { panic!("{row:?}") };
    assert!(way.contains("`ecdeck sync force-stop ora01 --volume DEMO2/0x50`"), "{way}");
    assert_eq!(code(site.plan(accept(&[source]))), Code::RECONCILED_BY_HAND);
    site.halves = [Some(told(Status::Suspended, Phase::Equivalent)), Some(told(Status::Halted, Phase::Equivalent))];
    assert_eq!(findings(&site.snapshot()), []);
}

#[test]
fn a_session_of_ours_that_runs_backwards_is_a_row() {
    let (mut site, source, [target, ..]) = round();
    site.session(source, target, Status::Suspended, Phase::Tracking).direction = Direction::Reversed;
    assert!(matches!(only_row(&site).proposal, Proposal::Stop { .. }));
}

#[test]
fn a_generation_without_its_volume_is_forgotten_by_name_and_a_held_one_is_not() {
    let (mut site, source, [target, ..]) = round();
    site.session(source, target, Status::Suspended, Phase::Tracking);
    let version = site.generation(source, target);
    site.records.sessions.clear();
    site.sessions.clear();
    site.volumes.retain(|volume| volume.id != target);
    assert!(matches!(only_row(&site).proposal, Proposal::ForgetGeneration { .. }));
    let plan = site.plan(accept(&[source])).unwrap();
    assert!(plan.confirmation().unwrap().what.contains(&version.to_string()));
    let mut held = site.clone();
    held.hold(source, version);
    assert_eq!(code(held.plan(accept(&[source]))), Code::RECONCILED_BY_HAND);
    keep(&mut site, &plan);
    assert_eq!(site.records.generations.len(), 0);
}

#[test]
fn what_is_not_read_or_held_makes_no_row_and_no_plan() {
    let (mut site, source, [target, ..]) = round();
    site.foreign(source, target, Status::Suspended, Phase::Tracking);
    let mut stale = site.clone();
    stale.age = [3_600_000, 3_600_000];
    assert_eq!(findings(&stale.snapshot()), []);
    assert_eq!(ecdeck::model::reconcile::unread(&stale.snapshot()), ["DEMO1", "DEMO2"]);
    site.claim(&[source, target]);
    assert_eq!(findings(&site.snapshot()), []);
    assert_eq!(code(site.plan(accept(&[source]))), Code::NOTHING_TO_RECONCILE);
    assert_eq!(code(site.plan(accept(&[volume(0, 0x99)]))), Code::UNKNOWN_VOLUME);
}

/// The catalogue is gone, the volumes are registered again: nothing that is on the array is overwritten unnamed.
#[test]
fn after_a_lost_catalogue_no_volume_with_a_session_is_taken() {
    let (mut site, source, [kept, bound, free]) = round();
    site.session(source, kept, Status::Suspended, Phase::Tracking);
    site.generation(source, kept);
    site.session(source, bound, Status::Suspended, Phase::Tracking);
    let lost = std::mem::take(&mut site.records);
    for known in lost.transaction_volumes.into_values() {
        let anew = ecdeck::model::records::TransactionVolume { next_version: Version(1), ..known };
        site.records.apply(&Change::Entity(EntityChange::PutTransactionVolume(anew))).unwrap();
    }
    for known in lost.backup_volumes.into_values() {
        site.records.apply(&Change::Entity(EntityChange::PutBackupVolume(known))).unwrap();
    }
    assert_eq!(code(site.plan(start(&[source]))), Code::VOLUME_OBSERVED);
    let plan = site.plan(accept(&[source])).unwrap();
    keep(&mut site, &plan);
    assert_eq!(site.records.generations.len(), 2, "what may be a backup is kept until somebody says that it is none");
    let plan = site.plan(start(&[source])).unwrap();
    let PlanStep::StartFull(full) = &steps(&plan)[0] else { panic!("{plan:?}") };
    assert_eq!(full.pair.target, free);
    site.session(source, free, Status::Active, Phase::Equivalent);
    let plan = site.plan(backup(source, None)).unwrap();
    let releases = steps(&plan).iter().any(|step| matches!(step, PlanStep::GiveUp(_)));
    assert!(!releases, "retention releases nothing that was adopted: {plan:?}");
}

/// An older copy of the catalogue was loaded: it has a session that is over, and lacks one that was made since.
#[test]
fn after_an_older_catalogue_copy_each_difference_is_named() {
    let (mut site, source, [old, new, _]) = round();
    site.session(source, old, Status::Suspended, Phase::Tracking);
    let older: Records = site.records.clone();
    site.sessions.clear();
    site.session(source, new, Status::Suspended, Phase::Tracking);
    site.records = older;
    let rows = findings(&site.snapshot());
    assert_eq!(rows.iter().map(|row| row.subject).collect::<Vec<_>>(), [old, new]);
    let plan = site.plan(start(&[source]));
    let takes = |plan: &Plan| plan.items().iter().any(|item| item.claims.contains(&new));
    assert!(!plan.as_ref().is_ok_and(takes), "{plan:?}");
}

/// Two sites with one pool: the other one's session makes the volume foreign, and only a typed name ends it.
#[test]
fn a_volume_of_the_pool_that_another_site_uses_is_never_taken() {
    let (mut site, source, [theirs, ..]) = round();
    let far = site.unregistered(0, 0x70, 48);
    site.foreign(far, theirs, Status::Suspended, Phase::Tracking).requestor = "ecdeck".into();
    let plan = site.plan(start(&[source])).unwrap();
    assert!(!plan.items()[0].claims.contains(&theirs));
    let row = only_row(&site);
    assert!(row.array.contains("of ecdeck"), "{}", row.array);
    assert!(site.plan(accept(&[theirs])).unwrap().confirmation().is_some());
    assert!(matches!(row.proposal, Proposal::Stop { pair, .. } if pair == Pair::new(far, theirs)));
}
