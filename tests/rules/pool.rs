//! Which backup volume a start takes, and what is said when none will do.

use crate::site::{Site, all_remedies_work, notices, resume, round, start, steps, volume};
use ecdeck::model::codes::Code;
use ecdeck::model::identity::VolumeId;
use ecdeck::model::request::Action;
use ecdeck::model::session::{Pair, Phase, Status};
use ecdeck::model::step::{PlanStep, ResumeStep, StartFullStep};
use ecdeck::model::units::Blocks;

#[test]
fn a_start_takes_the_lowest_unused_volume_of_equal_blocks_in_the_same_array() {
    let mut site = Site::new();
    let source = site.transaction_volume("ora01", 1, 0x10, 48);
    site.backup_volume(0, 0x1, 48);
    site.backup_volume(1, 0x20, 96);
    let near = site.backup_volume(1, 0x22, 48);
    site.backup_volume(1, 0x23, 48);
    let plan = site.plan(start(&[source])).unwrap();
    let pair = Pair::new(source, near);
    assert_eq!(steps(&plan), [PlanStep::StartFull(StartFullStep { pair, blocks: Blocks::from_mib(48), modes: None })]);
    assert_eq!(plan.items()[0].claims, [source, near]);
}

#[test]
fn a_start_prefers_the_bound_volume_with_least_to_copy_and_unknown_amounts_last() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::Suspended, Phase::Tracking);
    site.session(source, targets[1], Status::Suspended, Phase::Tracking).difference = Some(Blocks(900));
    site.session(source, targets[2], Status::Suspended, Phase::Tracking).difference = Some(Blocks(800));
    let plan = site.plan(start(&[source])).unwrap();
    let pair = Pair::new(source, targets[2]);
    assert_eq!(steps(&plan), [PlanStep::Resume(ResumeStep { pair, difference: Some(Blocks(800)) })]);
    assert_eq!(notices(&plan), [Code::NEW_DATA_LOST]);
}

#[test]
fn a_suspended_volume_with_a_generation_is_never_taken_by_a_start() {
    let (mut site, source, targets) = round();
    for target in &targets[..2] {
        site.session(source, *target, Status::Suspended, Phase::Tracking);
        site.generation(source, *target);
    }
    let plan = site.plan(start(&[source])).unwrap();
    assert!(matches!(steps(&plan), [PlanStep::StartFull(StartFullStep { pair, .. })] if pair.target == targets[2]));
    let refusal = site.plan(resume(source)).unwrap_err();
    assert_eq!(refusal.code, Code::NOTHING_TO_RESUME);
    all_remedies_work(&site, &refusal);
}

#[test]
fn twelve_starts_with_nine_possible_run_nine_and_tell_three_why() {
    let mut site = Site::new();
    let sources: Vec<VolumeId> =
        (0..12).map(|n| site.transaction_volume(&format!("tv{n:02}"), 0, 0x10 + n, 48)).collect();
    for n in 0..9 {
        site.backup_volume((n % 2) as usize, 0x40 + n, 48);
    }
    let plan = site.plan(start(&sources)).unwrap();
    assert_eq!((plan.items().len(), plan.refused().len()), (9, 3));
    for refusal in plan.refused() {
        assert_eq!(refusal.code, Code::NO_BACKUP_VOLUME);
        assert_eq!(refusal.near_misses.len(), 9, "{refusal:?}");
    }
    let backwards: Vec<VolumeId> = sources.into_iter().rev().collect();
    assert_eq!(site.plan(start(&backwards)).unwrap().items(), plan.items(), "the order of asking changes nothing");
}

#[test]
fn nobody_takes_another_arrays_volume_that_its_own_volumes_need() {
    let mut site = Site::new();
    let sources = [
        site.transaction_volume("a1", 0, 0x10, 48),
        site.transaction_volume("a2", 0, 0x11, 48),
        site.transaction_volume("b1", 1, 0x10, 48),
    ];
    site.backup_volume(0, 0x20, 48);
    let other = [site.backup_volume(1, 0x20, 48), site.backup_volume(1, 0x21, 48)];
    let plan = site.plan(start(&sources)).unwrap();
    let target_of = |source: VolumeId| {
        plan.items().iter().find_map(|item| item.claims.contains(&source).then(|| item.claims.clone())).unwrap()
    };
    assert_eq!(target_of(sources[2]), [sources[2], other[0]]);
    assert_eq!(target_of(sources[1]), [sources[1], other[1]]);
}

#[test]
fn an_exhausted_pool_is_refused_with_ways_on_that_all_work() {
    let (mut site, source, targets) = round();
    let other = site.transaction_volume("ora02", 0, 0x11, 48);
    site.generation(source, targets[0]);
    site.session(source, targets[1], Status::Suspended, Phase::Tracking);
    site.generation(source, targets[1]);
    site.session(other, targets[2], Status::Suspended, Phase::Tracking);
    site.unregistered(0, 0x30, 48);
    site.unregistered(0, 0x31, 96);
    let refusal = site.plan(start(&[source])).unwrap_err();
    assert_eq!(refusal.code, Code::NO_BACKUP_VOLUME);
    assert_eq!(refusal.near_misses.len(), 3);
    let labels: Vec<&str> = refusal.remedies.iter().map(|remedy| remedy.label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "register DEMO1/0x30 as a backup volume",
            "cancel the session of ora02 with DEMO1/0x23",
            "release v1 of ora01, which frees DEMO1/0x21",
            "overwrite v1 of ora01 on DEMO1/0x21",
        ]
    );
    all_remedies_work(&site, &refusal);
}

#[test]
fn a_mapped_volume_is_taken_or_refused_for_what_it_is() {
    let mut site = Site::new();
    let source = site.transaction_volume("ora01", 0, 0x10, 48);
    let other = site.transaction_volume("ora02", 0, 0x11, 48);
    let cases: Vec<(VolumeId, Option<Code>)> = vec![
        (site.backup_volume(0, 0x20, 48), None),
        (site.backup_volume(0, 0x21, 96), Some(Code::UNEQUAL_SIZE)),
        (site.backup_volume(0, 0x22, 48), Some(Code::BOUND_TO_ANOTHER)),
        (site.backup_volume(0, 0x23, 48), Some(Code::HOLDS_A_GENERATION)),
        (site.backup_volume(0, 0x24, 48), Some(Code::BACKUP_VOLUME_BUSY)),
        (site.backup_volume(0, 0x25, 48), Some(Code::SESSION_OF_OTHERS)),
        (site.backup_volume(0, 0x26, 48), Some(Code::HELD_BY_OTHER)),
        (site.unregistered(0, 0x27, 48), Some(Code::NOT_A_BACKUP_VOLUME)),
    ];
    site.session(other, volume(0, 0x22), Status::Suspended, Phase::Tracking);
    site.generation(source, volume(0, 0x23));
    site.session(other, volume(0, 0x24), Status::Active, Phase::Copying);
    site.foreign(other, volume(0, 0x25), Status::Active, Phase::Equivalent);
    site.claim(&[volume(0, 0x26)]);
    for (target, expected) in cases {
        let action = Action::Start { volumes: vec![source], targets: vec![(source, target)], together: false };
        let answer = site.plan(action);
        match expected {
            None => assert!(answer.is_ok(), "{answer:?}"),
            Some(code) => {
                let refusal = answer.unwrap_err();
                assert_eq!(refusal.code, code, "{refusal}");
                all_remedies_work(&site, &refusal);
            }
        }
    }
}

#[test]
fn unused_volumes_of_other_sizes_are_told_nearest_first_and_what_is_left_off_is_counted() {
    let mut site = Site::new();
    let source = site.transaction_volume("ora01", 0, 0x10, 48);
    for (n, mib) in [4, 1000, 52, 40].into_iter().enumerate() {
        site.backup_volume(0, 0x21 + n as u32, mib);
    }
    let refusal = site.plan(start(&[source])).unwrap_err();
    let names: Vec<&str> = refusal.near_misses.iter().map(|miss| miss.name.as_str()).collect();
    assert_eq!(names, ["DEMO1/0x23", "DEMO1/0x24", "DEMO1/0x21", "DEMO1/0x22"]);
    assert!(refusal.near_misses[2].why.contains("8192 blocks, ora01 has 98304"), "{refusal:?}");
    assert_eq!(refusal.near_misses_left_off, 0);
    for n in 0..30 {
        site.backup_volume(1, 0x21 + n, 64);
    }
    let refusal = site.plan(start(&[source])).unwrap_err();
    assert_eq!(refusal.near_misses.len() + refusal.near_misses_left_off, 34);
    assert!(refusal.near_misses_left_off > 0);
}

#[test]
fn a_bound_volume_that_cannot_be_used_now_is_no_silent_reason_for_a_full_copy() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::Suspended, Phase::Tracking);
    site.generation(source, targets[0]);
    site.session(source, targets[1], Status::Suspended, Phase::Tracking);
    site.claim(&[targets[1]]);
    let plan = site.plan(start(&[source])).unwrap();
    assert!(
        matches!(steps(&plan), [PlanStep::StartFull(StartFullStep { pair, .. })] if pair.target == targets[2]),
        "{plan:?}"
    );
    assert_eq!(notices(&plan), [Code::BOUND_NOT_USABLE]);
    assert!(plan.items()[0].notices[0].text.contains("DEMO1/0x22 is held by operation"), "{plan:?}");
}

#[test]
fn a_held_oldest_generation_is_let_go_of_before_a_newer_one_is_given_up() {
    let (mut site, source, targets) = round();
    for target in targets {
        site.session(source, target, Status::Suspended, Phase::Tracking);
        let version = site.generation(source, target);
        if target == targets[0] {
            site.hold(source, version);
        }
    }
    let refusal = site.plan(start(&[source])).unwrap_err();
    assert_eq!(refusal.remedies[0].label, "release the hold of v1 of ora01");
    assert!(!refusal.remedies[0].destroys);
    all_remedies_work(&site, &refusal);
}

#[test]
fn a_second_start_of_what_is_equivalent_offers_the_backup() {
    let (mut site, source, targets) = round();
    site.session(source, targets[0], Status::Active, Phase::Equivalent);
    let refusal = site.plan(start(&[source])).unwrap_err();
    assert_eq!(refusal.code, Code::ALREADY_SYNCHRONIZING);
    assert_eq!(refusal.remedies[0].label, "back up ora01, which is equivalent");
    all_remedies_work(&site, &refusal);
}
