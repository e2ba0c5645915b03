//! Cascades by the rules: which there may be, and that the second copy waits for the first one.

use super::faults::Fault;
use super::rules_tests::Site;
use crate::model::copy::Command;
use crate::model::session::{CopyKind, ErrorByte, Pair, Phase, Status};
use crate::model::units::Blocks;

fn opc(pair: Pair) -> Pair {
    Pair { kind: CopyKind::Opc, ..pair }
}

impl Site {
    fn begin(&mut self, pair: Pair) -> String {
        if pair.kind == CopyKind::Opc { self.word(&Command::StartOpc { pairs: vec![pair] }) } else { self.start(pair) }
    }

    fn is_same(&self, pair: &Pair) -> bool {
        self.arrays.content(pair.source) == self.arrays.content(pair.target)
    }
}

const COPYING: (Status, Phase) = (Status::Active, Phase::Copying);
const EQUIVALENT: (Status, Phase) = (Status::Active, Phase::Equivalent);

#[test]
fn two_copies_may_be_set_up_one_behind_the_other_in_both_orders() {
    for first_is_opc in [false, true] {
        for from_the_end in [false, true] {
            let mut site = Site::new(3);
            let first = if first_is_opc { opc(site.ec(0, 1)) } else { site.ec(0, 1) };
            let second = site.ec(1, 2);
            if from_the_end {
                site.equivalent(second);
            }
            assert_eq!(site.begin(first), "done");
            if !from_the_end {
                assert_eq!(site.begin(second), "done");
            }
            assert_eq!(site.state(&second), COPYING);
            site.arrays.settle();
            assert_eq!(site.state(&second), EQUIVALENT);
            assert!(site.is_same(&first) && site.is_same(&second));
        }
    }
}

#[test]
fn a_cascade_of_both_kinds_crosses_boxes() {
    let mut site = Site::new(3);
    let (near, far) = (site.ec(0, 1), site.rec(1, 0));
    assert_eq!(site.begin(near), "done");
    assert_eq!(site.begin(far), "done");
    site.arrays.settle();
    assert_eq!(site.state(&far), EQUIVALENT);
    site.arrays.write(near.source, 3).unwrap();
    assert!(site.is_same(&near) && site.is_same(&far), "a host's write goes through to the end");
    assert_eq!((site.state(&near), site.state(&far)), (EQUIVALENT, EQUIVALENT));
    let (one, other) = (site.one, site.other);
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    site.arrays.write(near.source, 4).unwrap();
    site.arrays.core_mut().set_path(one, other, true).unwrap();
    site.arrays.settle();
    assert!(site.is_same(&far));
}

#[test]
fn a_third_hop_and_a_circle_are_refused() {
    let mut site = Site::new(5);
    for (from, to) in [(1, 2), (2, 3)] {
        let pair = site.ec(from, to);
        assert_eq!(site.start(pair), "done");
    }
    assert_eq!(site.start(site.ec(3, 4)), "E5318", "behind two");
    assert_eq!(site.start(site.ec(0, 1)), "E5318", "before two");
    assert_eq!(site.start(site.ec(3, 1)), "E5316");
    assert_eq!(site.begin(opc(site.ec(3, 1))), "E5316");
    assert_eq!(site.start(site.ec(2, 4)), "done", "two copies of one target");
    assert_eq!(site.start(site.ec(0, 3)), "E5315", "two copies onto one volume");
    let mut site = Site::new(2);
    let pair = site.ec(0, 1);
    site.equivalent(pair);
    assert_eq!(site.start(site.ec(1, 0)), "E5316");
    assert_eq!(site.begin(opc(site.ec(1, 0))), "E5316");
    site.suspend(pair, false);
    assert_eq!(site.begin(opc(site.ec(1, 0))), "done", "a restore");
    assert_eq!(site.resume(pair), "E5316");
    site.arrays.settle();
    assert_eq!(site.resume(pair), "done");
}

#[test]
fn what_joins_two_cascades_into_a_longer_one_is_refused() {
    let mut site = Site::new(5);
    for (from, to) in [(0, 1), (2, 3)] {
        let pair = site.ec(from, to);
        assert_eq!(site.start(pair), "done");
    }
    assert_eq!(site.start(site.ec(1, 2)), "E5318");
    let between = site.ec(3, 4);
    assert_eq!(site.start(between), "done");
}

#[test]
fn the_second_copy_waits_for_the_first_one_and_is_not_suspended() {
    let mut site = Site::new(3);
    let (first, second) = (site.ec(0, 1), site.ec(1, 2));
    site.equivalent(second);
    assert_eq!(site.start(first), "done");
    assert_eq!(site.state(&second), COPYING, "it was equivalent");
    for force in [false, true] {
        assert_eq!(site.suspend(second, force), "E5321");
    }
    // Nothing is left to copy of the second one; the first one has half of its way to go.
    site.arrays.advance(Blocks(20 * super::regions::REGION_BLOCKS));
    site.arrays.advance(Blocks(0));
    assert_eq!(site.state(&second), COPYING);
    assert_eq!(site.suspend(first, true), "done");
    site.arrays.settle();
    assert_eq!(site.state(&second), EQUIVALENT, "a suspended copy holds up nobody");
    assert!(site.is_same(&second) && !site.is_same(&first));
    assert_eq!(site.resume(first), "done");
    assert_eq!(site.state(&second), COPYING);
    site.arrays.settle();
    assert_eq!(site.suspend(second, false), "done");
    assert!(site.is_same(&second) && site.is_same(&first));
    let kept = site.arrays.content(second.target).to_vec();
    site.arrays.write(first.source, 7).unwrap();
    assert_eq!(site.arrays.content(second.target), kept);
    assert_eq!(site.resume(second), "done");
    site.arrays.settle();
    assert!(site.is_same(&second) && site.is_same(&first));
}

#[test]
fn a_first_copy_that_fails_or_ends_lets_the_second_one_go() {
    for fails in [false, true] {
        let mut site = Site::new(3);
        let (first, second, one) = (site.ec(0, 1), site.ec(1, 2), site.one);
        site.start(second);
        site.start(first);
        site.arrays.advance(Blocks(super::regions::REGION_BLOCKS));
        if fails {
            let fault = Fault::ErrorSuspend { pair: first, byte: ErrorByte(1) };
            site.arrays.core_mut().inject(one, fault).unwrap();
        } else {
            assert_eq!(site.word(&Command::Stop { pairs: vec![first], force: true }), "done");
        }
        site.arrays.settle();
        assert_eq!(site.state(&second), EQUIVALENT);
        assert!(site.is_same(&second));
    }
}

#[test]
fn a_copy_is_resumed_while_its_source_is_restored_and_waits() {
    let mut site = Site::new(3);
    let (kept, restore) = (site.ec(0, 1), opc(site.ec(2, 0)));
    site.equivalent(kept);
    site.suspend(kept, false);
    assert_eq!(site.begin(restore), "done");
    site.arrays.advance(Blocks(super::regions::REGION_BLOCKS));
    assert_eq!(site.resume(kept), "done");
    assert_eq!(site.suspend(kept, false), "E5321");
    site.arrays.settle();
    assert_eq!(site.state(&kept), EQUIVALENT);
    assert!(site.is_same(&kept) && site.is_same(&restore));
}

#[test]
fn a_moment_holds_while_its_source_is_copied_to() {
    let mut site = Site::new(4);
    let (moment, onto) = (opc(site.ec(1, 2)), site.ec(0, 1));
    let wanted = site.arrays.content(moment.source).to_vec();
    assert_eq!(site.begin(moment), "done");
    assert_eq!(site.begin(onto), "done");
    site.arrays.advance(Blocks(5 * super::regions::REGION_BLOCKS));
    site.arrays.write(onto.source, 0).unwrap();
    site.arrays.settle();
    assert_eq!(site.arrays.content(moment.target), wanted);
    assert!(site.is_same(&onto));
    // By a one-point copy as well, but not from where one still copies to.
    let (second, first) = (opc(site.ec(1, 2)), opc(site.ec(3, 1)));
    site.word(&Command::Stop { pairs: vec![onto], force: true });
    let wanted = site.arrays.content(second.source).to_vec();
    assert_eq!(site.begin(second), "done");
    assert_eq!(site.begin(first), "done");
    assert_eq!(site.begin(opc(site.ec(1, 0))), "E5367");
    site.arrays.write(first.source, 2).unwrap();
    site.arrays.write(second.source, 3).unwrap();
    site.arrays.settle();
    assert_eq!(site.arrays.content(second.target), wanted);
}

#[test]
fn a_lenient_array_knows_no_cascade() {
    let mut site = Site::new(4);
    site.lenient();
    let pair = site.ec(0, 1);
    assert_eq!(site.start(pair), "done");
    assert_eq!(site.start(site.ec(1, 2)), "E5329");
    assert_eq!(site.start(site.ec(2, 0)), "E5329");
    assert_eq!(site.begin(opc(site.ec(1, 2))), "E5314");
}

#[test]
fn a_plane_that_counts_is_believed_and_the_rules_own_map_is_not() {
    let mut site = Site::new(3);
    let (rec, opc) = (site.rec(0, 0), opc(site.ec(1, 2)));
    site.start(rec);
    site.begin(opc);
    // As after a start of the server: the maps are elsewhere.
    let core = site.arrays.core();
    let mut again: super::core::Core = serde_json::from_str(&serde_json::to_string(core).unwrap()).unwrap();
    again.measure(|_| Some(Blocks(8)));
    again.tick();
    assert!(again.session(&opc).is_some(), "it is not through");
    assert_eq!(again.session(&rec).unwrap().phase, Phase::Copying);
    again.became_equivalent(&rec);
    assert_eq!(again.session(&rec).unwrap().phase, Phase::Equivalent);
}
