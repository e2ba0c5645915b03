//! Quantities and durations of an array, and what happens where they are met.

use super::codes::ArrayCode;
use super::rules_tests::Site;
use super::settings::{Setting, SettingsChange, TABLE_LOST};
use crate::driver::emulated::core::{CoreError, LARGEST_VOLUME, RecBuffer, TICK_MILLIS};
use crate::driver::emulated::faults::{Fault, RefusedWith, Side};
use crate::driver::emulated::regions::REGION_BLOCKS;
use crate::model::copy::{Command, Outcome};
use crate::model::session::{Automation, CopyKind, ErrorByte, Pair, Phase, RecModes, Status, TransferMode};
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
    RecModes { transfer: TransferMode::Consistency, ..RecModes::default() }
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
    assert_eq!(site.arrays.core_mut().delete_volume(target, false), Err(CoreError::HasSessionToEnd(target)));
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

#[test]
fn a_new_copy_is_reserved_for_a_while_and_copies_then() {
    let mut site = Site::new(4);
    site.set(SettingsChange { start_millis: Some(Setting::To(400)), ..SettingsChange::default() });
    let pair = site.rec(0, 0);
    assert_eq!(site.start(pair), "done");
    assert_eq!(site.start(pair), "already");
    assert_eq!(site.suspend(pair, true), "E5321");
    let other = site.other;
    for _ in 0..2 {
        assert_eq!(site.state(&pair), (Status::Reserved, Phase::NoPair));
        assert_eq!(site.half(other, &pair).unwrap().status, Status::Reserved);
        // Nothing is copied, and the target is closed to hosts already.
        site.arrays.write(pair.source, 3).unwrap();
        assert_eq!(site.arrays.write(pair.target, 3), Err(CoreError::IsDestination(pair.target)));
        site.arrays.advance(Blocks(u64::from(u16::MAX)));
    }
    assert_eq!(site.state(&pair), (Status::Active, Phase::Copying));
    site.arrays.settle();
    assert_eq!(site.state(&pair), (Status::Active, Phase::Equivalent));
    assert_eq!(site.arrays.content(pair.source), site.arrays.content(pair.target));
    // A reserved one is stopped without force, and waits for its path.
    let (one, other) = (site.one, site.other);
    let second = site.rec(1, 1);
    assert_eq!(site.start(second), "done");
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    for _ in 0..4 {
        site.arrays.advance(Blocks(0));
    }
    assert_eq!(site.state(&second).0, Status::Reserved);
    site.arrays.core_mut().set_path(one, other, true).unwrap();
    site.arrays.advance(Blocks(0));
    assert_eq!(site.state(&second).0, Status::Active);
    let local = site.ec(2, 3);
    assert_eq!(site.start(local), "done");
    assert_eq!(site.word(&Command::Stop { pairs: vec![local], force: false }), "done");
    assert!(site.half(one, &local).is_none());
}

#[test]
fn a_one_point_copy_is_readying_for_a_while_and_keeps_its_moment() {
    let mut site = Site::new(2);
    site.set(SettingsChange { start_millis: Some(Setting::To(400)), ..SettingsChange::default() });
    let pair = Pair { kind: CopyKind::Opc, ..site.ec(0, 1) };
    site.arrays.write(pair.source, 1).unwrap();
    let moment = site.arrays.content(pair.source).to_vec();
    let start = Command::StartOpc { pairs: vec![pair] };
    assert_eq!(site.word(&start), "done");
    assert_eq!(site.word(&start), "E5367", "the moment of the one that is there has passed");
    for _ in 0..2 {
        assert_eq!(site.state(&pair), (Status::Active, Phase::Readying));
        assert!(site.arrays.core().session(&pair).unwrap().progress().is_none(), "nothing is copied yet");
        // What a host changes is copied first.
        site.arrays.write(pair.source, 3).unwrap();
        site.arrays.advance(Blocks(u64::from(u16::MAX)));
    }
    assert_eq!(site.state(&pair), (Status::Active, Phase::Copying));
    site.arrays.write(pair.source, 2).unwrap();
    site.arrays.settle();
    assert!(site.half(site.one, &pair).is_none(), "it ends by itself");
    assert_eq!(site.arrays.content(pair.target), moment);
    assert_ne!(site.arrays.content(pair.source), moment);
    // It is stopped without force while it is readying.
    assert_eq!(site.word(&start), "done");
    assert_eq!(site.state(&pair), (Status::Active, Phase::Readying));
    assert_eq!(site.word(&Command::Stop { pairs: vec![pair], force: false }), "done");
}

#[test]
fn a_stop_is_accepted_and_the_session_remains_for_a_while() {
    let mut site = Site::new(3);
    let (pair, one) = (site.ec(0, 1), site.one);
    site.equivalent(pair);
    site.set(SettingsChange { stop_millis: Some(Setting::To(400)), ..SettingsChange::default() });
    let stop = Command::Stop { pairs: vec![pair], force: false };
    assert_eq!(site.send(&stop), [Outcome::Accepted]);
    for busy in [&stop, &Command::Resume { pairs: vec![pair] }, &Command::Start { pairs: vec![pair], modes: None }] {
        assert_eq!(site.word(busy), "E0070");
    }
    assert_eq!(site.suspend(pair, true), "E0070");
    assert_eq!(site.start(site.ec(2, 1)), "E5315");
    site.arrays.advance(Blocks(0));
    assert!(site.half(one, &pair).is_some());
    site.arrays.advance(Blocks(0));
    assert!(site.half(one, &pair).is_none());
    assert_eq!(site.start(site.ec(2, 1)), "done");
    // Where the path went down meanwhile, the far half stays.
    let (remote, other) = (site.rec(0, 0), site.other);
    site.equivalent(remote);
    assert_eq!(site.send(&Command::Stop { pairs: vec![remote], force: false }), [Outcome::Accepted]);
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    site.arrays.advance(Blocks(0));
    site.arrays.advance(Blocks(0));
    assert!(site.half(one, &remote).is_none() && site.half(other, &remote).is_some());
}

#[test]
fn consistency_mode_needs_the_buffer_of_its_path_and_direction() {
    let mut site = Site::new(2);
    let (pair, one, other) = (site.rec(0, 0), site.one, site.other);
    let start = Command::Start { pairs: vec![pair], modes: Some(consistency()) };
    let set = |site: &mut Site, from, to, buffer| site.arrays.core_mut().set_buffer(from, to, buffer).unwrap();
    set(&mut site, one, other, RecBuffer::None);
    assert_eq!(site.word(&start), "E5348");
    // Synchronous transfer needs none.
    assert_eq!(site.start(site.rec(1, 1)), "done");
    set(&mut site, one, other, RecBuffer::Changing);
    assert_eq!(site.word(&start), "E5350");
    set(&mut site, one, other, RecBuffer::Active);
    assert_eq!(site.word(&start), "done");
    site.arrays.settle();
    assert_eq!(site.suspend(pair, false), "done");
    set(&mut site, one, other, RecBuffer::None);
    assert_eq!(site.resume(pair), "E5349");
    set(&mut site, other, one, RecBuffer::None);
    assert_eq!(site.resume(pair), "E5348");
    let reverse = Command::Reverse { pairs: vec![pair] };
    assert_eq!(site.word(&reverse), "E5348");
    set(&mut site, one, other, RecBuffer::Active);
    assert_eq!(site.word(&reverse), "E5351");
    set(&mut site, other, one, RecBuffer::Active);
    assert_eq!(site.word(&reverse), "done");
    assert_eq!(site.arrays.core_mut().set_buffer(one, one, RecBuffer::None), Err(CoreError::NoPath));
}

#[test]
fn a_volume_is_made_larger_only_and_only_without_a_copy() {
    let mut site = Site::new(3);
    let (id, size) = (site.volumes[1], site.arrays.core().volume(site.volumes[1]).unwrap().blocks);
    let larger = Blocks(size.0 + 8);
    site.equivalent(site.ec(0, 1));
    assert_eq!(site.arrays.core_mut().begin_expand(id, larger), Err(CoreError::HasSession(id)));
    assert_eq!(site.word(&Command::Stop { pairs: vec![site.ec(0, 1)], force: true }), "done");
    let same = CoreError::NotLarger { volume: id, present: size, wanted: size };
    assert_eq!(site.arrays.core_mut().begin_expand(id, size), Err(same));
    let huge = Blocks(LARGEST_VOLUME.0 + 1);
    assert_eq!(site.arrays.core_mut().begin_expand(id, huge), Err(CoreError::Size(huge)));
    // What the image has at the end counts.
    site.arrays.core_mut().begin_expand(id, larger).unwrap();
    assert_eq!(site.arrays.core().growing(), [id]);
    site.arrays.core_mut().end_expand(id, size).unwrap();
    assert_eq!(site.arrays.core().volume(id).unwrap().blocks, size);
    site.arrays.core_mut().end_expand(id, larger).unwrap();
    assert_eq!(site.arrays.core().volume(id).unwrap().blocks, size, "nobody had begun");
    site.arrays.core_mut().begin_expand(id, larger).unwrap();
    site.arrays.core_mut().end_expand(id, larger).unwrap();
    assert_eq!(site.arrays.core().volume(id).unwrap().blocks, larger);
    assert!(site.arrays.core().growing().is_empty());
}

#[test]
fn a_copy_that_is_there_is_not_started_again() {
    let mut site = Site::new(2);
    let (pair, one) = (site.ec(0, 1), site.one);
    site.equivalent(pair);
    assert_eq!(site.suspend(pair, false), "done");
    // "Already so", though nothing copies: whoever believes that it copies now is wrong.
    assert_eq!(ArrayCode::AlreadySet.row().0, "E5342");
    assert_eq!(site.start(pair), "already");
    assert_eq!(site.state(&pair).0, Status::Suspended);
    site.arrays.core_mut().inject(one, Fault::ErrorSuspend { pair, byte: ErrorByte(0xBA) }).unwrap();
    assert_eq!(site.start(pair), "E5319");
    site.lenient();
    assert_eq!(site.start(pair), "E5315");
}

#[test]
fn a_failed_copy_is_resumed_when_its_cause_is_gone() {
    let mut site = Site::new(2);
    let (pair, one) = (site.ec(0, 1), site.one);
    assert_eq!(site.start(pair), "done");
    site.arrays.core_mut().inject(one, Fault::BadBlock { volume: pair.source, block: 0 }).unwrap();
    site.arrays.settle();
    assert_eq!(site.state(&pair).0, Status::ErrorSuspended);
    assert_eq!(site.resume(pair), "E5319");
    site.arrays.core_mut().inject(one, Fault::Clear).unwrap();
    assert_eq!(site.resume(pair), "done");
}

#[test]
fn a_split_is_chosen_for_synchronous_transfer_only() {
    let mut site = Site::new(1);
    let pair = site.rec(0, 0);
    let modes = |transfer, split| RecModes { transfer, split, ..RecModes::default() };
    let start = |modes| Command::Start { pairs: vec![pair], modes: Some(modes) };
    assert_eq!(site.word(&start(modes(TransferMode::Stack, Automation::Manual))), "E5310");
    assert_eq!(site.word(&start(modes(TransferMode::Stack, Automation::Automatic))), "done");
    site.arrays.settle();
    assert_eq!(site.suspend(pair, false), "done");
    let change = |modes| Command::ChangeMode { pairs: vec![pair], modes };
    assert_eq!(site.word(&change(modes(TransferMode::Consistency, Automation::Manual))), "E5310");
    // From synchronous on it is manual, and stays so.
    assert_eq!(site.word(&change(modes(TransferMode::Synchronous, Automation::Automatic))), "done");
    for _ in 0..2 {
        assert_eq!(site.word(&change(modes(TransferMode::Stack, Automation::Automatic))), "done");
        assert_eq!(site.arrays.core().session(&pair).unwrap().modes.unwrap().split, Automation::Manual);
    }
}

#[test]
fn sources_of_two_boxes_are_not_suspended_at_one_instant() {
    let mut site = Site::new(3);
    let (local, far) = (site.ec(0, 1), site.turned_rec(0, 2));
    site.equivalent(local);
    assert_eq!(site.start(far), "done");
    site.arrays.settle();
    let both = Command::Suspend { pairs: vec![local, far], force: false, together: true };
    let codes: Vec<String> = site
        .send(&both)
        .into_iter()
        .map(|outcome| if let Outcome::Refused(refusal) = outcome { refusal.code } else { String::new() })
        .collect();
    assert_eq!(codes, ["E5391", "E5392"]);
    assert_eq!(site.state(&local).0, Status::Active);
}

#[test]
fn what_was_suspended_by_force_is_reversed_and_counts_at_its_new_source() {
    let mut site = Site::new(2);
    let pair = site.ec(0, 1);
    assert_eq!(site.start(pair), "done");
    assert_eq!(site.suspend(pair, true), "done");
    assert_eq!(site.state(&pair), (Status::Suspended, Phase::Copying));
    let reverse = Command::Reverse { pairs: vec![pair] };
    assert_eq!(site.word(&reverse), "done");
    let (from, to) = site.arrays.core().session(&pair).unwrap().flow();
    assert_eq!((from, to), (pair.target, pair.source));
    let mut lenient = Site::new(2);
    lenient.lenient();
    assert_eq!(lenient.start(pair), "done");
    assert_eq!(lenient.suspend(pair, true), "done");
    assert_eq!(lenient.word(&reverse), "E5321");
}

#[test]
fn a_buffer_that_cannot_keep_up_halts_copies_in_consistency_mode() {
    let mut site = Site::new(2);
    let (consistent, plain, one) = (site.rec(0, 0), site.rec(1, 1), site.one);
    let modes = RecModes { transfer: TransferMode::Consistency, ..RecModes::default() };
    let overrun = |pair| Fault::BufferOverrun { pair };
    assert_eq!(site.word(&Command::Start { pairs: vec![consistent], modes: Some(modes) }), "done");
    site.equivalent(plain);
    assert!(site.arrays.core_mut().inject(one, overrun(plain)).is_err(), "it has no buffer");
    site.arrays.core_mut().inject(one, overrun(consistent)).unwrap();
    assert_eq!(site.state(&consistent).0, Status::Halted);
    site.arrays.write(consistent.source, 3).unwrap();
    assert_eq!(site.suspend(consistent, false), "E5323");
    // Its recovery mode lets it go on by itself.
    site.arrays.core_mut().inject(one, Fault::Clear).unwrap();
    site.arrays.settle();
    assert_eq!(site.state(&consistent), (Status::Active, Phase::Equivalent));
    assert_eq!(site.arrays.content(consistent.source), site.arrays.content(consistent.target));
    site.arrays.core_mut().inject(one, overrun(consistent)).unwrap();
    assert_eq!(site.suspend(consistent, true), "done");
    assert_eq!(site.resume(consistent), "done");
}

#[test]
fn an_array_may_refuse_any_command_and_a_start_for_its_source() {
    let mut site = Site::new(2);
    let (pair, one) = (site.ec(0, 1), site.one);
    for code in RefusedWith::ALL {
        site.arrays.core_mut().inject(one, Fault::Refuse { times: 1, code }).unwrap();
    }
    assert_eq!(site.start(pair), "E0060");
    assert_eq!(site.start(pair), "E5360");
    assert_eq!(site.suspend(pair, false), "E5343", "no suspend is refused for a source");
    assert_eq!(site.start(pair), "E5305");
    assert_eq!(site.stop(pair, false), "already", "no stop is refused for a licence");
    assert_eq!(site.start(pair), "E5200");
    assert_eq!(site.start(pair), "done");
}

#[test]
fn a_difference_is_counted_in_units_of_the_resolution() {
    let mut site = Site::new(2);
    let (pair, far, one) = (site.ec(0, 1), site.rec(0, 0), site.one);
    let unit = Blocks(16 * REGION_BLOCKS);
    let change = |unit| SettingsChange { resolution: Some(unit), ..SettingsChange::default() };
    assert!(site.arrays.core_mut().set(one, change(Blocks(REGION_BLOCKS + 1))).is_err());
    site.set(change(unit));
    site.equivalent(pair);
    site.suspend(pair, false);
    let difference = |site: &Site| site.half(one, &pair).unwrap().difference.unwrap();
    assert_eq!(difference(&site), Blocks(0));
    for (regions, counted) in [(1, unit), (17, Blocks(2 * unit.0))] {
        for region in 0..regions {
            site.arrays.write(pair.source, region).unwrap();
        }
        assert_eq!(difference(&site), counted);
    }
    for region in 0..40 {
        site.arrays.write(pair.source, region).unwrap();
    }
    let size = site.arrays.core().volume(pair.source).unwrap().blocks;
    assert_eq!(difference(&site), size, "no more than there is");
    assert_eq!(site.start(far), "E5356");
    site.set(change(Blocks(REGION_BLOCKS)));
    assert_eq!(site.start(far), "done");
}

#[test]
fn a_rec_starts_in_through_mode_and_has_to_be_changed_before_it_can_be_suspended() {
    let mut site = Site::new(2);
    let pair = site.rec(0, 0);
    let through = RecModes { transfer: TransferMode::Through, ..RecModes::default() };
    let start = Command::Start { pairs: vec![pair], modes: Some(through) };
    assert_eq!(site.word(&start), "done");
    site.arrays.settle();
    assert_eq!(site.half(site.one, &pair).unwrap().modes, Some(through));
    assert_eq!(site.suspend(pair, false), "E5321");
    assert_eq!(site.stop(pair, true), "done");
    site.lenient();
    assert_eq!(site.word(&start), "E5310", "arrays of earlier releases refused it");
}

#[test]
fn a_suspended_rec_may_be_shown_in_the_mode_in_force() {
    let mut site = Site::new(3);
    let (pair, local) = (site.rec(0, 0), site.ec(1, 2));
    let other = site.other;
    assert_eq!(site.word(&Command::Start { pairs: vec![pair], modes: Some(consistency()) }), "done");
    site.equivalent(local);
    site.arrays.settle();
    site.set(SettingsChange { shows_mode_in_force: Some(true), ..SettingsChange::default() });
    let shown = |site: &Site, at, pair: &Pair| {
        let reading = site.arrays.core().reading(at, crate::model::units::Timestamp(0)).unwrap();
        reading.look_for(pair).shown().unwrap().modes.map(|modes| modes.transfer)
    };
    assert_eq!(shown(&site, site.one, &pair), Some(TransferMode::Consistency), "active: its own");
    for pair in [pair, local] {
        assert_eq!(site.suspend(pair, false), "done");
    }
    site.arrays.settle();
    assert_eq!(shown(&site, site.one, &pair), Some(TransferMode::Through));
    assert_eq!(shown(&site, other, &pair), Some(TransferMode::Consistency), "each box by its own setting");
    assert_eq!(shown(&site, site.one, &local), None);
    assert_eq!(site.stop(pair, false), "E5323", "and yet it is in consistency mode");
    assert_eq!(site.resume(pair), "done");
    assert_eq!(shown(&site, site.one, &pair), Some(TransferMode::Consistency));
}

#[test]
fn boxes_that_are_disconnected_refuse_each_other_until_they_are_connected_again() {
    let mut site = Site::new(1);
    let (pair, one, other) = (site.rec(0, 0), site.one, site.other);
    assert_eq!(site.start(pair), "done");
    let refused = site.arrays.core_mut().remove_path(other, one);
    assert!(matches!(refused, Err(CoreError::PathInUse(found)) if found == pair), "{refused:?}");
    assert_eq!(site.stop(pair, true), "done");
    site.arrays.settle();
    site.arrays.core_mut().remove_path(other, one).unwrap();
    assert_eq!(site.start(pair), "E5353");
    assert!(matches!(site.arrays.core_mut().set_path(one, other, true), Err(CoreError::NoPath)));
    assert!(matches!(site.arrays.core_mut().remove_path(one, other), Err(CoreError::NoPath)));
    site.arrays.core_mut().add_path(one, other).unwrap();
    assert_eq!(site.start(pair), "done");
}

#[test]
fn a_half_that_is_left_over_needs_its_path_as_well() {
    let mut site = Site::new(1);
    let (pair, one, other) = (site.rec(0, 0), site.one, site.other);
    site.equivalent(pair);
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    assert_eq!(site.stop(pair, true), "E5354");
    let refused = site.arrays.core_mut().remove_path(one, other);
    assert!(matches!(refused, Err(CoreError::PathInUse(found)) if found == pair), "{refused:?}");
}

#[test]
fn the_other_box_hears_later_of_what_became_of_a_rec() {
    let mut site = Site::new(1);
    let (pair, one, other) = (site.rec(0, 0), site.one, site.other);
    site.equivalent(pair);
    site.arrays.settle();
    let late = |millis| SettingsChange { far_millis: Some(Setting::To(millis)), ..SettingsChange::default() };
    site.set(late(TICK_MILLIS * 3));
    assert_eq!(site.suspend(pair, false), "done");
    let halves = |site: &Site| [one, other].map(|at| site.half(at, &pair).unwrap().status);
    for _ in 0..3 {
        site.arrays.advance(Blocks(0));
        assert_eq!(halves(&site), [Status::Suspended, Status::Active]);
    }
    site.arrays.advance(Blocks(0));
    assert_eq!(halves(&site), [Status::Suspended, Status::Suspended]);
    // While the path is down it hears nothing; the time counts from the change all the same.
    assert_eq!(site.resume(pair), "done");
    site.set(late(0));
    site.arrays.settle();
    assert_eq!(halves(&site), [Status::Active, Status::Active]);
}
