//! The power fails at every flush, with any part of what was not flushed: no region that differs is clean afterwards.

use super::tests::{Bench, pair, volume};
use super::*;
use crate::driver::emulated::disk_record::DiskRecord;

/// Nights with a resume under host writes, a suspend and checkpoints, all of it on record.
fn recorded(seed: u64) -> (Bench, Bench, Arc<DiskRecord>) {
    let mut bench = Bench::new();
    bench.fill(pair().source, seed);
    bench.synchronize();
    bench.plane().suspend(&[pair()], false).unwrap();
    bench.plane().checkpoint().unwrap();
    bench.plane = None;
    let before = bench.copied();
    let record = Arc::new(DiskRecord::default());
    bench.open_on(Disk::recorded_by(&record));
    let plane = bench.plane();
    plane.attach(pair(), Attach::Stored, Flow::Tracking).unwrap();
    for night in 0..3 {
        let seed = seed * 100 + night;
        bench.scatter(pair().source, seed, 6);
        bench.scatter(pair().target, seed + 10, 2);
        if night == 1 {
            plane.checkpoint().unwrap();
        }
        bench.scatter(pair().source, seed + 20, 2);
        plane.run(pair()).unwrap();
        bench.scatter(pair().source, seed + 30, 4);
        plane.checkpoint().unwrap();
        assert_eq!(bench.report(), Report::Equivalent(pair()));
        bench.scatter(pair().source, seed + 40, 2);
        plane.suspend(&[pair()], false).unwrap();
        bench.scatter(volume(2, 9), seed + 50, 1);
    }
    (bench, before, record)
}

#[test]
fn whatever_a_power_cut_leaves_no_differing_region_is_clean() {
    let (bench, before, record) = recorded(1);
    let mut random = fastrand::Rng::with_seed(1);
    let cuts = record.cuts();
    assert!(cuts.len() > 30, "{}", cuts.len());
    for (number, cut) in cuts.into_iter().enumerate() {
        // Nothing of it, all of it, and a half by chance.
        for kept in [0, 100, 50] {
            let mut after = before.copied();
            record.replay(cut, [bench.folder(), after.folder()], |_| false, || random.u8(0..100) < kept);
            after.open();
            after.plane().attach(pair(), Attach::Stored, Flow::Tracking).unwrap();
            assert!(after.map_covers_differences(pair()), "flush {number}, {kept} % of what was not flushed");
        }
    }
}

#[test]
fn a_disk_whose_flushes_do_nothing_loses_what_such_a_cut_can_lose() {
    let (bench, before, record) = recorded(2);
    let mut random = fastrand::Rng::with_seed(2);
    let is_volume = |path: &Path| path.extension().is_some_and(|ending| ending == "img");
    let lost = record.cuts().into_iter().any(|cut| {
        let mut after = before.copied();
        record.replay(cut, [bench.folder(), after.folder()], is_volume, || random.bool());
        after.open();
        after.plane().attach(pair(), Attach::Stored, Flow::Tracking).unwrap();
        !after.map_covers_differences(pair())
    });
    assert!(lost, "the cuts of the other test would find a flush that is missing");
}
