//! Quantities and durations of an array, and what happens where they are met.

use super::rules_tests::Site;
use super::settings::{Setting, SettingsChange, TABLE_LOST};
use crate::driver::emulated::core::CoreError;
use crate::driver::emulated::faults::{Fault, Side};
use crate::model::copy::{Command, Outcome};
use crate::model::session::{Automation, Pair, Phase, RecModes, Status, TransferMode};
use crate::model::units::Blocks;

impl Site {
    fn set(&mut self, change: SettingsChange) {
        let at = self.one;
        self.arrays.core_mut().set(at, change).unwrap();
    }

    /// A copy table for so many copies of one of the volumes.
    fn set_table(&mut self, copies: u64) {
        let size = self.arrays.core().volume(self.volumes[0]).unwrap().blocks;
        let table = Setting::To(Blocks(size.0 * copies));
        self.set(SettingsChange { copy_table: Some(table), ..SettingsChange::default() });
    }
}

fn consistency() -> RecModes {
    RecModes { transfer: TransferMode::Consistency, split: Automation::Manual, ..RecModes::default() }
}

#[test]
fn a_copy_table_is_a_quantity_that_counts_at_start_and_at_resume() {
    let mut site = Site::new(5);
    site.set_table(0);
    assert_eq!(site.start(site.ec(0, 1)), "E5346");
    site.set_table(2);
    site.equivalent(site.ec(0, 1));
    site.equivalent(site.ec(0, 2));
    assert_eq!(site.start(site.ec(0, 3)), "E5347");
    // What is suspended still records.
    assert_eq!(site.suspend(site.ec(0, 1), false), "done");
    assert_eq!(site.start(site.ec(0, 3)), "E5347");
    // The newest copy fails when the table is made smaller; there is no room for its resume either.
    site.set_table(1);
    let half = site.half(site.one, &site.ec(0, 2)).unwrap();
    assert_eq!((half.status, half.error), (Status::ErrorSuspended, Some(TABLE_LOST)));
    assert_eq!(site.state(&site.ec(0, 1)).0, Status::Suspended);
    assert_eq!(site.resume(site.ec(0, 2)), "E5347");
    assert_eq!(site.resume(site.ec(0, 1)), "done");
    site.set(SettingsChange { copy_table: Some(Setting::Unlimited), ..SettingsChange::default() });
    assert_eq!(site.resume(site.ec(0, 2)), "done");
}

#[test]
fn a_table_of_the_other_box_counts_too() {
    let mut site = Site::new(2);
    let other = site.other;
    let none = SettingsChange { copy_table: Some(Setting::To(Blocks(0))), ..SettingsChange::default() };
    site.arrays.core_mut().set(other, none).unwrap();
    assert_eq!(site.start(site.rec(0, 0)), "E5346");
    assert_eq!(site.start(site.ec(0, 1)), "done");
}

#[test]
fn a_box_has_as_many_sessions_as_it_may_have() {
    let mut site = Site::new(5);
    site.set(SettingsChange { sessions: Some(Setting::To(1)), ..SettingsChange::default() });
    assert_eq!(site.start(site.ec(0, 1)), "done");
    assert_eq!(site.start(site.ec(2, 3)), "E5331");
    site.set(SettingsChange { sessions: Some(Setting::Unlimited), ..SettingsChange::default() });
    assert_eq!(site.start(site.ec(2, 3)), "done");
}

#[test]
fn a_remote_suspend_continues_after_its_answer_and_is_done_later() {
    let mut site = Site::new(2);
    let pair = site.rec(0, 0);
    site.equivalent(pair);
    site.set(SettingsChange { suspend_millis: Some(Setting::To(600)), ..SettingsChange::default() });
    let suspend = Command::Suspend { pairs: vec![pair], force: false, together: false };
    assert_eq!(site.send(&suspend), [Outcome::Accepted]);
    assert_eq!(site.suspend(pair, false), "E5322");
    // What hosts write until then is mirrored.
    site.arrays.write(pair.source, 3).unwrap();
    for _ in 0..2 {
        assert_eq!(site.state(&pair), (Status::Active, Phase::Equivalent));
        site.arrays.advance(Blocks(0));
    }
    assert_eq!(site.arrays.content(pair.source), site.arrays.content(pair.target));
    site.arrays.advance(Blocks(0));
    assert_eq!(site.state(&pair), (Status::Suspended, Phase::Equivalent));
    site.arrays.write(pair.source, 4).unwrap();
    assert_ne!(site.arrays.content(pair.source), site.arrays.content(pair.target));
    // A copy in one box is suspended at once.
    site.equivalent(site.ec(0, 1));
    assert_eq!(site.suspend(site.ec(0, 1), false), "done");
}

#[test]
fn a_suspend_at_one_instant_waits_for_the_slowest_and_splits_no_write() {
    let mut site = Site::new(3);
    let (remote, local) = (site.rec(0, 0), site.ec(1, 2));
    site.equivalent(remote);
    site.equivalent(local);
    site.set(SettingsChange { suspend_millis: Some(Setting::To(600)), ..SettingsChange::default() });
    let both = Command::Suspend { pairs: vec![local, remote], force: false, together: true };
    assert_eq!(site.send(&both), [Outcome::Accepted, Outcome::Accepted]);
    for number in 0..3 {
        // What is in one of the two backups until then is in the other one too.
        site.arrays.write(remote.source, 3 + number).unwrap();
        site.arrays.write(local.source, 3 + number).unwrap();
        assert_eq!((site.state(&remote), site.state(&local)), (site.state(&local), site.state(&remote)));
        let suspended = site.state(&local).0 == Status::Suspended;
        for pair in [remote, local] {
            let mirrored = site.arrays.content(pair.source) == site.arrays.content(pair.target);
            assert_eq!(mirrored, !suspended, "{pair:?}");
        }
        site.arrays.advance(Blocks(0));
    }
    assert_eq!((site.state(&remote).0, site.state(&local).0), (Status::Suspended, Status::Suspended));
}

#[test]
fn a_path_that_goes_down_ends_a_suspend_that_was_accepted() {
    let mut site = Site::new(1);
    let pair = site.rec(0, 0);
    site.equivalent(pair);
    site.set(SettingsChange { suspend_millis: Some(Setting::To(1)), ..SettingsChange::default() });
    let suspend = Command::Suspend { pairs: vec![pair], force: false, together: false };
    assert_eq!(site.send(&suspend), [Outcome::Accepted]);
    let (one, other) = (site.one, site.other);
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    site.arrays.settle();
    assert_eq!(site.state(&pair).0, Status::Halted);
}

#[test]
fn a_late_buffer_refuses_as_many_suspends_of_remote_copies() {
    let mut site = Site::new(2);
    site.equivalent(site.rec(0, 0));
    site.equivalent(site.ec(0, 1));
    let one = site.one;
    site.arrays.core_mut().inject(one, Fault::BufferLate { times: 2 }).unwrap();
    assert_eq!(site.suspend(site.ec(0, 1), false), "done");
    assert_eq!(site.suspend(site.rec(0, 0), false), "E5327");
    let together = Command::Suspend { pairs: vec![site.rec(0, 0)], force: false, together: true };
    assert_eq!(site.word(&together), "E5327");
    assert_eq!(site.suspend(site.rec(0, 0), false), "done");
}

#[test]
fn a_source_has_one_live_copy_in_consistency_mode_to_another_box() {
    let mut site = Site::new(3);
    let start = |pair: Pair| Command::Start { pairs: vec![pair], modes: Some(consistency()) };
    assert_eq!(site.word(&start(site.rec(0, 0))), "done");
    assert_eq!(site.word(&start(site.rec(0, 1))), "E5333");
    assert_eq!(site.word(&start(site.rec(1, 1))), "done");
    site.arrays.settle();
    assert_eq!(site.suspend(site.rec(0, 0), false), "done");
    assert_eq!(site.word(&start(site.rec(0, 2))), "done");
    assert_eq!(site.resume(site.rec(0, 0)), "E5333");
    site.lenient();
    assert_eq!(site.resume(site.rec(0, 0)), "done");
}

#[test]
fn a_protected_volume_is_no_target_and_a_deleted_one_is_gone() {
    let mut site = Site::new(4);
    let (pair, target) = (site.ec(0, 1), site.volumes[1]);
    site.arrays.core_mut().protect(target, true).unwrap();
    assert_eq!(site.start(pair), "E5325");
    site.arrays.core_mut().protect(target, false).unwrap();
    assert_eq!(site.start(pair), "done");
    assert_eq!(site.arrays.core_mut().delete_volume(target, false), Err(CoreError::HasSession(target)));
    assert_eq!(site.arrays.core().is_in_no_session(target), Err(CoreError::HasSession(target)));
    site.arrays.core_mut().delete_volume(target, true).unwrap();
    assert!(site.half(site.one, &pair).is_none());
    assert_eq!(site.start(pair), "E0110");
    // Of a remote copy the other box keeps its half.
    let remote = site.rec(0, 0);
    site.equivalent(remote);
    let source = site.volumes[0];
    site.arrays.core_mut().delete_volume(source, true).unwrap();
    assert!(site.half(site.one, &remote).is_none() && site.half(site.other, &remote).is_some());
}

#[test]
fn a_source_whose_far_half_is_gone_halts_and_is_not_resumed() {
    let mut site = Site::new(2);
    let (pair, one) = (site.rec(0, 0), site.one);
    site.equivalent(pair);
    site.arrays.core_mut().inject(one, Fault::HalfOpen { pair, missing: Side::Target }).unwrap();
    assert_eq!(site.state(&pair).0, Status::Halted);
    assert_eq!(site.suspend(pair, true), "done");
    assert_eq!(site.resume(pair), "E5321");
}

#[test]
fn a_volume_that_is_being_copied_to_is_not_read() {
    let mut site = Site::new(2);
    let pair = site.ec(0, 1);
    assert_eq!(site.start(pair), "done");
    assert_eq!(site.arrays.core().takes_reads(pair.target), Err(CoreError::IsBeingCopied(pair.target)));
    site.arrays.core().takes_reads(pair.source).unwrap();
    site.arrays.settle();
    site.arrays.core().takes_reads(pair.target).unwrap();
    assert_eq!(site.suspend(pair, false), "done");
    site.arrays.write(pair.source, 1).unwrap();
    site.arrays.core().takes_reads(pair.target).unwrap();
}
