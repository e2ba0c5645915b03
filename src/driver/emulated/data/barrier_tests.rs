//! Whom a barrier holds up, and what is on the disk while its flushes are under way.

use super::tests::{Bench, pair, volume};
use super::*;
use crate::driver::emulated::disk::faults::DiskFaults;
use std::thread::scope;

/// Operations on the disk of a suspend before its instant: a flush of both sides.
const FIRST_FLUSH: u64 = 2;
/// And after it: the same, and the map.
const AFTER_THE_INSTANT: u64 = 4;

fn synchronized() -> (Bench, std::sync::Arc<DiskFaults>) {
    let mut bench = Bench::new();
    let disk = DiskFaults::never();
    bench.plane = None;
    bench.open_on(disk.disk());
    bench.fill(pair().source, 1);
    bench.synchronize();
    (bench, disk)
}

#[test]
fn hosts_write_while_a_suspend_makes_its_instant_durable() {
    for flush in 0..AFTER_THE_INSTANT {
        let (mut bench, disk) = synchronized();
        bench.plane().write(pair().source, 0, b"before").unwrap();
        disk.hang_after(FIRST_FLUSH + flush);
        let plane = bench.plane();
        let crashed = scope(|scope| {
            let suspend = scope.spawn(|| plane.suspend(&[pair()], false));
            disk.wait_for_hang();
            // Each of these would wait for the flush for ever if the barrier lasted until its end.
            plane.write(pair().source, 7 * REGION, b"behind the instant").unwrap();
            plane.write(pair().target, 9 * REGION, b"behind the instant").unwrap();
            plane.write(volume(2, 9), 0, b"of no session").unwrap();
            assert!(!suspend.is_finished(), "its answer comes after it is durable");
            let crashed = bench.as_after_a_crash_now();
            disk.go_on();
            suspend.join().unwrap().unwrap();
            crashed
        });
        assert!(bench.map_covers_differences(pair()));
        bench.plane().write(pair().source, 7 * REGION, &[0; 18]).unwrap();
        bench.crash();
        for bench in [bench, crashed] {
            bench.plane().attach(pair(), Attach::Stored, Flow::Tracking).unwrap();
            assert!(bench.map_covers_differences(pair()), "after flush {flush}");
            // The instant is on the target, but for what its own host wrote.
            let mut region = vec![0; REGION as usize];
            bench.plane().read(pair().target, 7 * REGION, &mut region).unwrap();
            assert!(region.windows(18).all(|bytes| bytes != b"behind the instant"));
        }
    }
}

#[test]
fn a_barrier_that_waits_for_a_write_holds_up_no_other_volume() {
    let (bench, disk) = synchronized();
    let plane = bench.plane();
    let source = plane.data.find(pair().source).unwrap();
    disk.hang_after(0);
    scope(|scope| {
        // Its extent is marked already, so that its first operation is the write.
        let write = scope.spawn(|| plane.write(pair().source, 0, b"slow"));
        disk.wait_for_hang();
        let suspend = scope.spawn(|| plane.suspend(&[pair()], false));
        // A reader is turned away before its time when somebody waits to be alone.
        while source.admission.try_read().is_some() {
            std::thread::yield_now();
        }
        plane.write(volume(2, 9), 0, b"of no session").unwrap();
        assert!(!suspend.is_finished());
        disk.go_on();
        write.join().unwrap().unwrap();
        suspend.join().unwrap().unwrap();
    });
    assert!(bench.equal(pair()));
}

#[test]
fn a_session_begins_only_after_the_writes_that_know_nothing_of_it() {
    let bench = Bench::new();
    bench.fill(pair().source, 1);
    let plane = bench.plane();
    let source = plane.data.find(pair().source).unwrap();
    scope(|scope| {
        let held = source.locks.lock(0..REGION);
        // It has seen that the volume is in no session, and waits for its bytes.
        let write = scope.spawn(|| plane.write(pair().source, 0, b"of a host"));
        while source.admission.try_write().is_some() {
            std::thread::yield_now();
        }
        let attach = scope.spawn(|| plane.attach(pair(), Attach::Full, Flow::Running).unwrap());
        // A reader is turned away when somebody waits to be alone: that is the session.
        while source.admission.try_read().is_some() {
            assert!(!attach.is_finished(), "the copy could be over before the write");
            std::thread::yield_now();
        }
        drop(held);
        write.join().unwrap().unwrap();
        attach.join().unwrap();
    });
    assert_eq!(bench.report(), Report::Equivalent(pair()));
    assert!(bench.equal(pair()));
}
