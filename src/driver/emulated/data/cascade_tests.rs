//! Cascades, byte by byte: what one copy writes the next one copies or mirrors, through crashes as well.

use super::tests::{Bench, SIZE, pair, scatter, volume};
use super::*;
use crate::model::session::CopyKind;
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn second() -> Pair {
    Pair::new(pair().target, volume(2, 9))
}

const CHAIN: fn() -> [Pair; 2] = || [pair(), second()];

fn bytes(bench: &Bench, id: VolumeId) -> Vec<u8> {
    let mut bytes = vec![0; SIZE as usize];
    bench.plane().read(id, 0, &mut bytes).unwrap();
    bytes
}

fn dirty(bench: &Bench, pair: Pair) -> u64 {
    bench.plane().state(pair).unwrap().dirty.0
}

/// Waits until both copies have nothing left.
fn settle(bench: &Bench) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while CHAIN().iter().any(|pair| dirty(bench, *pair) > 0) {
        assert!(Instant::now() < deadline, "the cascade does not become equivalent");
        std::thread::yield_now();
    }
}

fn run_chain(bench: &Bench, order: [Pair; 2]) {
    for (seed, id) in [pair().source, pair().target, second().target].into_iter().enumerate() {
        bench.fill(id, seed as u64);
    }
    for pair in order {
        bench.plane().attach(pair, Attach::Full, Flow::Running).unwrap();
    }
}

#[test]
fn a_cascade_under_host_writes_ends_with_three_equal_volumes() {
    for order in [CHAIN(), [second(), pair()]] {
        let bench = Bench::new();
        bench.plane().set_rate(Some(64 << 20), None).unwrap();
        run_chain(&bench, order);
        std::thread::scope(|scope| {
            for seed in 0..3 {
                let plane = bench.plane();
                scope.spawn(move || scatter(plane, pair().source, seed, 200));
            }
        });
        settle(&bench);
        // Equivalent, it stays so while hosts write.
        std::thread::scope(|scope| {
            let plane = bench.plane();
            let writer = scope.spawn(move || scatter(plane, pair().source, 9, 300));
            while !writer.is_finished() {
                assert_eq!(dirty(&bench, second()), 0, "what is mirrored is mirrored to the end");
            }
        });
        assert!(bench.equal(pair()) && bench.equal(second()));
    }
}

#[test]
fn a_suspend_of_the_last_copy_holds_one_instant_of_the_first() {
    let bench = Bench::new();
    run_chain(&bench, CHAIN());
    settle(&bench);
    for round in 0..20_u64 {
        std::thread::scope(|scope| {
            let plane = bench.plane();
            let writer = scope.spawn(move || {
                // One number after the other, in two places far from each other.
                for number in 1..200_u64 {
                    let text = (round * 1000 + number).to_le_bytes();
                    plane.write(pair().source, 5, &text).unwrap();
                    plane.write(pair().source, SIZE - 9, &text).unwrap();
                }
            });
            let mut text = [0; 8];
            while u64::from_le_bytes(text) != round * 1000 + 20 && !writer.is_finished() {
                plane.read(pair().source, 5, &mut text).unwrap();
            }
            bench.plane().suspend(&[second()], false).unwrap();
        });
        let kept = bytes(&bench, second().target);
        let number = |at: usize| u64::from_le_bytes(kept[at..at + 8].try_into().unwrap());
        let (one, other) = (number(5), number(SIZE as usize - 9));
        assert!(one == other || one == other + 1, "{one} and {other} are not of one instant");
        assert!(bench.equal(pair()) && bench.map_covers_differences(second()));
        bench.plane().run(second()).unwrap();
        settle(&bench);
        assert!(bench.equal(second()));
    }
}

#[test]
fn the_end_of_the_last_copy_is_reported_anew_after_a_change() {
    let bench = Bench::new();
    bench.fill(pair().source, 1);
    bench.plane().attach(second(), Attach::Full, Flow::Running).unwrap();
    assert_eq!(bench.report(), Report::Equivalent(second()));
    bench.plane().attach(pair(), Attach::Full, Flow::Running).unwrap();
    let mut missing = CHAIN().to_vec();
    while !missing.is_empty() {
        match bench.report() {
            Report::Equivalent(one) => missing.retain(|pair| *pair != one),
            other => panic!("{other:?}"),
        }
    }
    settle(&bench);
    assert!(bench.equal(pair()) && bench.equal(second()));
}

#[test]
fn a_target_that_fails_at_the_end_ends_the_last_copy_only() {
    let bench = Bench::new();
    run_chain(&bench, CHAIN());
    settle(&bench);
    bench.plane().fail_target(second().target, true).unwrap();
    bench.plane().write(pair().source, 100, b"as far as it goes").unwrap();
    let runs = |pair| bench.plane().state(pair).unwrap().flow == Flow::Running;
    assert!(runs(pair()) && !runs(second()));
    assert!(bench.equal(pair()) && !bench.equal(second()) && bench.map_covers_differences(second()));
}

#[test]
fn a_cascade_that_is_killed_at_any_time_goes_on_and_ends_equal() {
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..8 {
        let mut bench = Bench::new();
        run_chain(&bench, if round % 2 == 0 { CHAIN() } else { [second(), pair()] });
        bench.plane().set_rate(Some(24 << 20), None).unwrap();
        for crash in 0..3 {
            if crash == 2 {
                settle(&bench);
            }
            bench.scatter(pair().source, round * 10 + crash, random.usize(0..40));
            if random.bool() {
                bench.plane().checkpoint().unwrap();
                bench.scatter(pair().source, round * 10 + crash + 100, random.usize(0..10));
            }
            bench.crash();
            for pair in CHAIN() {
                bench.plane().attach(pair, Attach::Stored, Flow::Tracking).unwrap();
            }
            assert!(CHAIN().iter().all(|pair| bench.map_covers_differences(*pair)), "round {round}, crash {crash}");
            for pair in CHAIN() {
                bench.plane().run(pair).unwrap();
            }
        }
        settle(&bench);
        assert!(bench.equal(pair()) && bench.equal(second()));
    }
}

#[test]
fn a_moment_holds_while_its_source_is_copied_and_mirrored_to() {
    let mut bench = Bench::new();
    for (seed, id) in [pair().source, pair().target, second().target].into_iter().enumerate() {
        bench.fill(id, seed as u64);
    }
    let moment = bytes(&bench, pair().target);
    let out = Pair { source: pair().target, target: volume(1, 0x40), kind: CopyKind::Opc };
    bench.plane().create(out.target, Blocks::from_bytes(SIZE).unwrap()).unwrap();
    bench.plane().set_rate(Some(1 << 20), None).unwrap();
    bench.plane().attach(out, Attach::Full, Flow::Tracking).unwrap();
    bench.plane().run(out).unwrap();
    bench.plane().set_rate(None, None).unwrap();
    bench.plane().set_rate(Some(1 << 18), Some(out)).unwrap();
    bench.plane().attach(pair(), Attach::Full, Flow::Running).unwrap();
    bench.scatter(pair().source, 5, 60);
    assert!(bytes(&bench, out.target) == moment, "as a host sees it");
    bench.crash();
    bench.plane().attach(out, Attach::Stored, Flow::Running).unwrap();
    bench.plane().attach(pair(), Attach::Stored, Flow::Running).unwrap();
    bench.scatter(pair().source, 6, 60);
    while dirty(&bench, out) + dirty(&bench, pair()) > 0 {
        std::thread::yield_now();
    }
    assert!(fs::read(bench.plane().image(out.target).unwrap()).unwrap() == moment);
    assert!(bench.equal(pair()));
}

#[test]
fn a_one_point_copy_into_the_source_of_a_live_copy_is_copied_on() {
    let bench = Bench::new();
    bench.fill(pair().source, 1);
    bench.fill(pair().target, 2);
    bench.plane().attach(second(), Attach::Full, Flow::Running).unwrap();
    while dirty(&bench, second()) > 0 {
        std::thread::yield_now();
    }
    let restore = Pair { kind: CopyKind::Opc, ..pair() };
    let wanted = bytes(&bench, restore.source);
    bench.plane().set_rate(Some(8 << 20), Some(second())).unwrap();
    bench.plane().attach(restore, Attach::Full, Flow::Tracking).unwrap();
    assert_eq!(dirty(&bench, second()), SIZE / 512);
    bench.plane().run(restore).unwrap();
    // Hosts write on both sides of it.
    bench.plane().write(restore.source, 5 * REGION, b"later").unwrap();
    bench.plane().write(restore.target, 9 * REGION, b"its own").unwrap();
    bench.plane().set_rate(None, None).unwrap();
    while dirty(&bench, restore) + dirty(&bench, second()) > 0 {
        std::thread::yield_now();
    }
    let mut expected = wanted;
    expected[9 * REGION as usize..][..7].copy_from_slice(b"its own");
    assert!(bytes(&bench, restore.target) == expected);
    assert!(bench.equal(second()));
}

#[derive(Debug, Clone)]
enum Act {
    Write(bool, u64),
    Run(bool),
    Suspend(bool),
    Moment,
    Rate(bool),
    Checkpoint,
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => (any::<bool>(), any::<u64>()).prop_map(|(middle, seed)| Act::Write(middle, seed)),
        3 => any::<bool>().prop_map(Act::Run),
        2 => any::<bool>().prop_map(Act::Suspend),
        2 => Just(Act::Moment),
        1 => any::<bool>().prop_map(Act::Rate),
        2 => Just(Act::Checkpoint),
        3 => Just(Act::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn whatever_happens_a_cascade_ends_equal_and_moments_hold(acts in prop::collection::vec(act(), 1..20)) {
        let mut bench = Bench::new();
        run_chain(&bench, CHAIN());
        // Of the volume in the middle.
        let out = Pair { source: pair().target, target: volume(1, 0x40), kind: CopyKind::Opc };
        bench.plane().create(out.target, Blocks::from_bytes(SIZE).unwrap()).unwrap();
        let mut moment = None;
        let mut runs = [true, true];
        for act in acts {
            match act {
                Act::Write(middle, seed) => {
                    let id = if middle { pair().target } else { pair().source };
                    let bytes = vec![seed as u8; 1 + (seed % 9000) as usize];
                    // The target of a running copy takes none.
                    let _ = bench.plane().write(id, seed % (SIZE - bytes.len() as u64), &bytes);
                }
                Act::Run(last) => {
                    bench.plane().run(CHAIN()[usize::from(last)]).unwrap();
                    runs[usize::from(last)] = true;
                }
                Act::Suspend(last) => {
                    bench.plane().suspend(&[CHAIN()[usize::from(last)]], true).unwrap();
                    runs[usize::from(last)] = false;
                }
                Act::Moment if moment.is_none() => {
                    // Nothing writes there between the look and the start.
                    bench.plane().suspend(&[pair()], true).unwrap();
                    moment = Some(bytes(&bench, out.source));
                    bench.plane().attach(out, Attach::Full, Flow::Tracking).unwrap();
                    bench.plane().set_rate(Some(1 << 20), Some(out)).unwrap();
                    bench.plane().run(out).unwrap();
                    if runs[0] {
                        bench.plane().run(pair()).unwrap();
                    }
                }
                Act::Moment => {}
                Act::Rate(slow) => bench.plane().set_rate(slow.then_some(16 << 20), None).unwrap(),
                Act::Checkpoint => bench.plane().checkpoint().unwrap(),
                Act::Crash => {
                    bench.crash();
                    let known: Vec<Pair> = CHAIN().into_iter().chain(moment.is_some().then_some(out)).collect();
                    for pair in known {
                        bench.plane().attach(pair, Attach::Stored, Flow::Tracking).unwrap();
                    }
                    prop_assert!(CHAIN().iter().all(|pair| bench.map_covers_differences(*pair)));
                    if moment.is_some() {
                        bench.plane().run(out).unwrap();
                    }
                    for (pair, runs) in CHAIN().into_iter().zip(runs) {
                        if runs {
                            bench.plane().run(pair).unwrap();
                        }
                    }
                }
            }
            if let Some(moment) = &moment {
                prop_assert!(bytes(&bench, out.target) == *moment);
            }
        }
        bench.plane().set_rate(None, None).unwrap();
        for pair in CHAIN() {
            bench.plane().run(pair).unwrap();
        }
        settle(&bench);
        prop_assert!(bench.equal(pair()) && bench.equal(second()));
    }
}
