//! The array's rules, code by code, and random histories on which its map never lies.

use super::copying::BAD_SECTOR;
use super::core::SESSIONS_PER_SOURCE;
use super::faults::{Fault, Side};
use super::regions::REGION_BLOCKS;
use super::rule_table::RuleSet;
use super::rules::Reply;
use crate::model::copy::{Command, Outcome};
use crate::model::identity::{BoxId, VolumeId};
use crate::model::session::{
    Automation, CopyKind, Direction, ErrorByte, Pair, Phase, RecModes, SessionReading, Status, TransferMode,
};
use crate::model::units::{Blocks, Timestamp};
use crate::testkit::memory::Memory;
use proptest::prelude::*;

const REGIONS: u64 = 40;
const NOW: Timestamp = Timestamp(1_000);

pub(super) struct Site {
    pub(super) arrays: Memory,
    pub(super) one: BoxId,
    pub(super) other: BoxId,
    pub(super) volumes: Vec<VolumeId>,
    remote: Vec<VolumeId>,
}

impl Site {
    /// Two boxes with a path, and so many equal volumes in each.
    pub(super) fn new(volumes: usize) -> Self {
        let mut arrays = Memory::new();
        let one = arrays.add_box(&"ONE".parse().unwrap()).unwrap();
        let other = arrays.add_box(&"TWO".parse().unwrap()).unwrap();
        arrays.core_mut().add_path(one, other).unwrap();
        for at in [one, other] {
            arrays.core_mut().set_rules(at, RuleSet::Documented).unwrap();
        }
        let size = Blocks(REGIONS * REGION_BLOCKS - 3);
        let mut make = |at| (0..volumes).map(|_| arrays.add_volume(at, None, "v", size).unwrap()).collect();
        let (local, remote) = (make(one), make(other));
        Self { arrays, one, other, volumes: local, remote }
    }

    pub(super) fn ec(&self, source: usize, target: usize) -> Pair {
        Pair::new(self.volumes[source], self.volumes[target])
    }

    pub(super) fn rec(&self, source: usize, target: usize) -> Pair {
        Pair::new(self.volumes[source], self.remote[target])
    }

    /// A REC from the other box.
    pub(super) fn turned_rec(&self, source: usize, target: usize) -> Pair {
        Pair::new(self.remote[source], self.volumes[target])
    }

    pub(super) fn send(&mut self, command: &Command) -> Vec<Outcome> {
        let at = command.pairs()[0].source.box_id;
        match self.arrays.execute(at, command, "test", NOW) {
            Reply::Answered(outcomes) => outcomes.into_iter().map(|outcome| outcome.outcome).collect(),
            reply => panic!("{reply:?}"),
        }
    }

    /// `done`, `already`, or the code of the refusal.
    pub(super) fn word(&mut self, command: &Command) -> String {
        match self.send(command).remove(0) {
            Outcome::Done => "done".into(),
            Outcome::AlreadyDone => "already".into(),
            Outcome::Refused(refusal) => refusal.code,
            outcome => panic!("{outcome:?}"),
        }
    }

    /// Both boxes go by the rules of earlier releases.
    pub(super) fn lenient(&mut self) {
        for at in [self.one, self.other] {
            self.arrays.core_mut().set_rules(at, RuleSet::Lenient).unwrap();
        }
    }

    pub(super) fn start(&mut self, pair: Pair) -> String {
        self.word(&Command::Start { pairs: vec![pair], modes: None })
    }

    pub(super) fn suspend(&mut self, pair: Pair, force: bool) -> String {
        self.word(&Command::Suspend { pairs: vec![pair], force, together: false })
    }

    pub(super) fn resume(&mut self, pair: Pair) -> String {
        self.word(&Command::Resume { pairs: vec![pair] })
    }

    pub(super) fn stop(&mut self, pair: Pair, force: bool) -> String {
        self.word(&Command::Stop { pairs: vec![pair], force })
    }

    pub(super) fn equivalent(&mut self, pair: Pair) {
        assert_eq!(self.start(pair), "done");
        self.arrays.settle();
        assert_eq!(self.state(&pair), (Status::Active, Phase::Equivalent));
    }

    pub(super) fn half(&self, at: BoxId, pair: &Pair) -> Option<SessionReading> {
        self.arrays.core().reading(at, NOW).unwrap().look_for(pair).shown().cloned()
    }

    pub(super) fn state(&self, pair: &Pair) -> (Status, Phase) {
        let half = self.half(pair.source.box_id, pair).unwrap();
        (half.status, half.phase)
    }
}

#[test]
fn a_start_copies_until_both_sides_are_the_same() {
    let mut site = Site::new(2);
    let pair = site.ec(0, 1);
    assert_eq!(site.start(pair), "done");
    site.arrays.advance(Blocks(10 * REGION_BLOCKS));
    let progress = site.half(site.one, &pair).unwrap().progress.unwrap();
    assert_eq!((progress.done, progress.percent().unwrap().get()), (Blocks(10 * REGION_BLOCKS), 25));
    site.arrays.settle();
    let half = site.half(site.one, &pair).unwrap();
    assert!(half.is_equivalent() && half.progress.is_none());
    assert_eq!(site.arrays.content(pair.source), site.arrays.content(pair.target));
}

#[test]
fn a_start_is_refused_with_the_code_of_what_is_in_its_way() {
    let mut site = Site::new(12);
    let (pair, one, other) = (site.ec(0, 1), site.one, site.other);
    let lost = Pair::new(VolumeId { olu: crate::model::identity::Olu(99), ..pair.source }, pair.target);
    assert_eq!(site.start(lost), "E0110");
    assert_eq!(site.start(Pair { kind: CopyKind::Rec, ..pair }), "E5310");
    assert_eq!(site.start(Pair::new(pair.source, pair.source)), "E5310");
    let small = site.arrays.add_volume(one, None, "small", Blocks(100)).unwrap();
    assert_eq!(site.start(Pair::new(pair.source, small)), "E5311");
    site.arrays.core_mut().inject(one, Fault::CopyTableFull).unwrap();
    assert_eq!(site.start(pair), "E5347");
    site.arrays.core_mut().inject(one, Fault::Clear).unwrap();
    assert_eq!(site.start(pair), "done");
    assert_eq!(site.start(pair), "already");
    assert_eq!(site.start(site.ec(2, 1)), "E5315");
    for target in 2..=SESSIONS_PER_SOURCE {
        assert_eq!(site.start(site.ec(0, target)), "done");
    }
    assert_eq!(site.start(site.ec(0, 10)), "E5333");
    let rec = site.rec(11, 0);
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    assert_eq!(site.start(rec), "E5300");
    let far = site.arrays.add_box(&"FAR".parse().unwrap()).unwrap();
    let away = site.arrays.add_volume(far, None, "v", Blocks(100_000)).unwrap();
    assert_eq!(site.start(Pair::new(rec.source, away)), "E5353");
}

#[test]
fn a_suspend_before_equivalence_needs_force_and_leaves_the_phase_at_copying() {
    let mut site = Site::new(2);
    let pair = site.ec(0, 1);
    assert_eq!(site.suspend(pair, false), "E5343");
    site.start(pair);
    assert_eq!(site.suspend(pair, false), "E5323");
    assert_eq!(site.suspend(pair, true), "done");
    assert_eq!(site.state(&pair), (Status::Suspended, Phase::Copying));
    assert!(!site.half(site.one, &pair).unwrap().is_cleanly_suspended());
}

#[test]
fn a_resume_copies_only_what_changed() {
    let mut site = Site::new(2);
    let pair = site.ec(0, 1);
    site.equivalent(pair);
    assert_eq!(site.resume(pair), "already");
    assert_eq!(site.suspend(pair, false), "done");
    assert_eq!(site.suspend(pair, false), "already");
    assert!(site.half(site.one, &pair).unwrap().is_cleanly_suspended());
    site.arrays.write(pair.source, 3).unwrap();
    site.arrays.write(pair.source, 3).unwrap();
    site.arrays.write(pair.target, 7).unwrap();
    assert_eq!(site.half(site.one, &pair).unwrap().difference, Some(Blocks(2 * REGION_BLOCKS)));
    assert_eq!(site.resume(pair), "done");
    assert_eq!(site.arrays.advance(Blocks(u64::from(u16::MAX))), Blocks(2 * REGION_BLOCKS));
    assert_eq!(site.state(&pair), (Status::Active, Phase::Equivalent));
    assert_eq!(site.arrays.content(pair.source), site.arrays.content(pair.target));
}

#[test]
fn a_concurrent_suspend_takes_all_or_none() {
    let mut site = Site::new(4);
    let (ready, copying) = (site.ec(0, 1), site.ec(2, 3));
    site.equivalent(ready);
    site.start(copying);
    let together = |pairs: &[Pair]| Command::Suspend { pairs: pairs.to_vec(), force: false, together: true };
    let codes: Vec<_> = site
        .send(&together(&[ready, copying]))
        .into_iter()
        .map(|outcome| if let Outcome::Refused(refusal) = outcome { refusal.code } else { "done".into() })
        .collect();
    assert_eq!(codes, ["E5391", "E5323"]);
    assert_eq!(site.state(&ready), (Status::Active, Phase::Equivalent));
    site.arrays.settle();
    assert_eq!(site.send(&together(&[ready, copying])), [Outcome::Done, Outcome::Done]);
}

#[test]
fn a_stop_while_copying_needs_force_and_a_second_stop_finds_nothing() {
    let mut site = Site::new(3);
    let (pair, next) = (site.ec(0, 1), site.ec(0, 2));
    site.start(pair);
    assert_eq!(site.stop(pair, false), "E5323");
    assert_eq!(site.stop(pair, true), "done");
    assert_eq!(site.stop(pair, true), "already");
    site.equivalent(next);
    assert_eq!(site.half(site.one, &next).unwrap().sid, 1, "numbers are used again");
    assert_eq!(site.stop(next, false), "done");
}

#[test]
fn a_reverse_turns_a_clean_suspended_session_once() {
    let mut site = Site::new(2);
    let pair = site.ec(0, 1);
    let reverse = |pair| Command::Reverse { pairs: vec![pair] };
    site.start(pair);
    assert_eq!(site.word(&reverse(pair)), "E5321");
    site.arrays.settle();
    site.suspend(pair, false);
    assert_eq!(site.word(&reverse(pair)), "done");
    assert_eq!(site.word(&reverse(pair)), "already");
    site.arrays.write(pair.target, 5).unwrap();
    let wanted = site.arrays.content(pair.target).to_vec();
    site.resume(pair);
    site.arrays.settle();
    assert_eq!(site.arrays.content(pair.source), wanted);
    site.suspend(pair, false);
    let back = Pair { source: pair.target, target: pair.source, kind: pair.kind };
    assert_eq!(site.word(&reverse(back)), "done");
    assert_eq!(site.half(site.one, &pair).unwrap().direction, Direction::Forward);
}

#[test]
fn a_reverse_is_refused_where_it_would_lose_bytes_or_share_a_destination() {
    let mut site = Site::new(4);
    let reverse = |pair| Command::Reverse { pairs: vec![pair] };
    let longer = site.arrays.add_volume(site.one, None, "longer", Blocks(2 * REGIONS * REGION_BLOCKS)).unwrap();
    let uneven = Pair::new(site.volumes[0], longer);
    let (first, second) = (site.ec(0, 1), site.ec(0, 2));
    for pair in [uneven, first, second] {
        site.equivalent(pair);
        site.suspend(pair, false);
    }
    assert_eq!(site.word(&reverse(uneven)), "E5312");
    assert_eq!(site.word(&reverse(first)), "done");
    assert_eq!(site.word(&reverse(second)), "E5339", "the source is a destination already");
    let restore = Pair { kind: CopyKind::Opc, source: site.volumes[3], target: site.volumes[0] };
    assert_eq!(site.word(&Command::StartOpc { pairs: vec![restore] }), "E5315");
    let rec = site.rec(3, 3);
    site.equivalent(rec);
    site.suspend(rec, false);
    assert_eq!(site.word(&reverse(rec)), "done");
    let back = Pair { source: rec.target, target: rec.source, kind: rec.kind };
    let Reply::Answered(outcomes) = site.arrays.execute(site.one, &reverse(back), "test", NOW) else { panic!() };
    assert!(matches!(&outcomes[0].outcome, Outcome::Refused(refusal) if refusal.code == "E5310"));
    assert_eq!(site.word(&reverse(back)), "done", "it is commanded where its source is now");
}

#[test]
fn a_one_point_copy_that_runs_is_not_taken_for_a_new_one() {
    let mut site = Site::new(3);
    let pair = Pair { kind: CopyKind::Opc, ..site.ec(0, 1) };
    let start = |pair| Command::StartOpc { pairs: vec![pair] };
    assert_eq!(site.word(&start(Pair { kind: CopyKind::Opc, ..site.rec(0, 0) })), "E5310", "inside one box only");
    assert_eq!(site.word(&start(pair)), "done");
    assert_eq!(site.word(&start(pair)), "E5367");
    assert_eq!(site.stop(pair, false), "done", "force makes no difference");
    assert_eq!(site.word(&start(pair)), "done");
    site.lenient();
    assert_eq!(site.stop(pair, false), "E5323");
}

#[test]
fn what_is_not_equivalent_is_stopped_by_force_only_suspended_or_failed() {
    let mut site = Site::new(4);
    let (suspended, failed, whole) = (site.ec(0, 1), site.ec(0, 2), site.ec(0, 3));
    let one = site.one;
    site.start(suspended);
    site.suspend(suspended, true);
    site.start(failed);
    site.arrays.core_mut().inject(one, Fault::ErrorSuspend { pair: failed, byte: ErrorByte(0xBA) }).unwrap();
    for pair in [suspended, failed] {
        assert_eq!(site.stop(pair, false), "E5323");
    }
    site.equivalent(whole);
    site.arrays.core_mut().inject(one, Fault::ErrorSuspend { pair: whole, byte: ErrorByte(0xBA) }).unwrap();
    assert_eq!(site.stop(whole, false), "done", "it failed while both sides were the same");
    assert_eq!(site.stop(suspended, true), "done");
    site.lenient();
    assert_eq!(site.stop(failed, false), "done");
}

#[test]
fn nothing_crosses_a_dead_path() {
    let mut site = Site::new(2);
    let (pair, idle, one, other) = (site.rec(0, 0), site.rec(1, 1), site.one, site.other);
    for pair in [pair, idle] {
        site.equivalent(pair);
    }
    site.suspend(idle, false);
    site.arrays.advance(Blocks(0));
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    assert_eq!(site.suspend(pair, true), "done", "the near half only");
    site.arrays.advance(Blocks(0));
    site.arrays.advance(Blocks(0));
    assert_eq!(site.half(one, &pair).unwrap().status, Status::Suspended);
    assert_eq!(site.half(other, &pair).unwrap().status, Status::Halted);
    assert!(!site.arrays.core().wants_tick(), "nobody waits for what cannot come");
    assert!(site.arrays.write(pair.target, 0).is_err(), "the far box still mirrors, as it knows");
    let change = Command::ChangeMode { pairs: vec![idle], modes: RecModes::default() };
    assert_eq!(site.word(&change), "E5300");
    assert_eq!(site.word(&Command::Reverse { pairs: vec![idle] }), "E5300");
    assert_eq!(site.stop(idle, false), "E5300");
    assert!(site.half(one, &idle).is_some() && site.half(other, &idle).is_some(), "nothing was done");
    site.arrays.core_mut().set_path(one, other, true).unwrap();
    assert!(site.arrays.core().wants_tick());
    site.arrays.advance(Blocks(0));
    assert_eq!(site.half(other, &pair).unwrap().status, Status::Suspended);
    assert_eq!(site.resume(pair), "done");
    assert_eq!(site.stop(idle, false), "done");
}

#[test]
fn a_forced_stop_over_a_dead_path_leaves_over_only_what_is_there() {
    let mut site = Site::new(1);
    let (pair, one, other) = (site.rec(0, 0), site.one, site.other);
    site.equivalent(pair);
    site.arrays.core_mut().inject(one, Fault::HalfOpen { pair, missing: Side::Target }).unwrap();
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    assert_eq!(site.stop(pair, true), "done");
}

#[test]
fn a_half_that_is_left_over_holds_its_volume_until_it_is_stopped_there() {
    let mut site = Site::new(1);
    let (pair, one, other) = (site.rec(0, 0), site.one, site.other);
    site.equivalent(pair);
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    assert_eq!(site.stop(pair, true), "E5354");
    assert!(site.arrays.write(pair.target, 0).is_err());
    let stop = Command::Stop { pairs: vec![pair], force: true };
    let Reply::Answered(_) = site.arrays.execute(other, &stop, "test", NOW) else { panic!() };
    assert!(site.arrays.write(pair.target, 0).is_ok());
}

#[test]
fn the_transfer_mode_says_what_is_suspended_and_what_a_lost_path_stops() {
    let by_hand = RecModes { split: Automation::Manual, recovery: Automation::Manual, ..RecModes::default() };
    let mut site = Site::new(3);
    let (stack, changed, one, other) = (site.rec(0, 0), site.rec(1, 1), site.one, site.other);
    assert_eq!(site.word(&Command::Start { pairs: vec![stack], modes: Some(by_hand) }), "done");
    site.arrays.settle();
    assert_eq!(site.suspend(stack, false), "done");
    let modes = RecModes { transfer: TransferMode::Stack, ..by_hand };
    assert_eq!(site.word(&Command::ChangeMode { pairs: vec![stack], modes }), "done");
    site.arrays.write(stack.source, 0).unwrap();
    assert_eq!(site.resume(stack), "done");
    assert_eq!(site.suspend(stack, true), "E5321", "not even by force before it is equivalent");
    site.arrays.settle();
    assert_eq!(site.suspend(stack, false), "done");
    site.resume(stack);
    site.equivalent(changed);
    site.suspend(changed, false);
    let change =
        |transfer| Command::ChangeMode { pairs: vec![changed], modes: RecModes { transfer, ..RecModes::default() } };
    assert_eq!(site.word(&change(TransferMode::Through)), "done");
    let modes = site.half(one, &changed).unwrap().modes.unwrap();
    assert_eq!(modes.split, Automation::Manual, "and it stays so");
    site.resume(changed);
    site.arrays.settle();
    for force in [false, true] {
        assert_eq!(site.suspend(changed, force), "E5321");
    }
    // Only where writes are mirrored does a lost path stop them.
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    assert!(site.arrays.write(stack.source, 0).is_ok());
    site.lenient();
    assert!(site.arrays.write(stack.source, 0).is_err());
    assert_eq!(site.suspend(changed, true), "done");
}

#[test]
fn modes_change_only_on_a_suspended_rec() {
    let mut site = Site::new(3);
    let (rec, ec) = (site.rec(0, 0), site.ec(1, 2));
    let modes = RecModes { transfer: TransferMode::Consistency, ..RecModes::default() };
    let change = |pair| Command::ChangeMode { pairs: vec![pair], modes };
    site.equivalent(rec);
    site.equivalent(ec);
    assert_eq!(site.word(&change(rec)), "E5321");
    for pair in [rec, ec] {
        site.suspend(pair, false);
    }
    assert_eq!(site.word(&change(ec)), "E5321");
    assert_eq!(site.word(&change(rec)), "done");
    assert_eq!(site.half(site.one, &rec).unwrap().modes, Some(RecModes { split: Automation::Manual, ..modes }));
}

#[test]
fn the_remote_half_of_a_rec_is_a_little_late() {
    let mut site = Site::new(1);
    let pair = site.rec(0, 0);
    site.equivalent(pair);
    site.suspend(pair, false);
    assert_eq!(site.half(site.one, &pair).unwrap().status, Status::Suspended);
    assert_eq!(site.half(site.other, &pair).unwrap().status, Status::Active);
    site.arrays.advance(Blocks(0));
    assert_eq!(site.half(site.other, &pair).unwrap().status, Status::Suspended);
}

#[test]
fn a_lost_path_halts_a_rec_and_its_return_lets_it_go_on() {
    let mut site = Site::new(1);
    let (pair, one, other) = (site.rec(0, 0), site.one, site.other);
    site.equivalent(pair);
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    assert_eq!(site.state(&pair).0, Status::Halted);
    assert_eq!(site.half(other, &pair).unwrap().status, Status::Halted);
    site.arrays.write(pair.source, 1).unwrap();
    site.arrays.core_mut().set_path(one, other, true).unwrap();
    assert_eq!(site.state(&pair), (Status::Active, Phase::Copying));
    site.arrays.settle();
    assert_eq!(site.arrays.content(pair.source), site.arrays.content(pair.target));
}

#[test]
fn a_rec_with_manual_recovery_waits_for_a_forced_suspend_and_a_resume() {
    let mut site = Site::new(1);
    let (pair, one, other) = (site.rec(0, 0), site.one, site.other);
    let modes = RecModes { recovery: Automation::Manual, ..RecModes::default() };
    site.word(&Command::Start { pairs: vec![pair], modes: Some(modes) });
    site.arrays.settle();
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    site.arrays.core_mut().set_path(one, other, true).unwrap();
    assert_eq!(site.state(&pair).0, Status::Halted);
    assert_eq!(site.resume(pair), "E5321");
    assert_eq!(site.suspend(pair, false), "E5323");
    assert_eq!(site.suspend(pair, true), "done");
    assert_eq!(site.resume(pair), "done");
}

#[test]
fn a_stop_without_a_path_leaves_the_remote_half_over() {
    let mut site = Site::new(2);
    let (pair, one, other) = (site.rec(0, 0), site.one, site.other);
    site.equivalent(pair);
    site.arrays.core_mut().set_path(one, other, false).unwrap();
    assert_eq!(site.stop(pair, true), "E5354");
    assert!(site.half(one, &pair).is_none());
    assert!(site.half(other, &pair).is_some());
    site.arrays.core_mut().set_path(one, other, true).unwrap();
    assert_eq!(site.start(site.rec(1, 0)), "E5315");
    let stop = Command::Stop { pairs: vec![pair], force: true };
    let Reply::Answered(outcomes) = site.arrays.execute(other, &stop, "test", NOW) else { panic!() };
    assert_eq!(outcomes[0].outcome, Outcome::Done);
    assert_eq!(site.start(site.rec(1, 0)), "done");
}

#[test]
fn an_error_suspended_session_says_so_until_it_is_resumed() {
    let mut site = Site::new(2);
    let (pair, one) = (site.ec(0, 1), site.one);
    site.equivalent(pair);
    site.arrays.core_mut().inject(one, Fault::ErrorSuspend { pair, byte: ErrorByte(0xBA) }).unwrap();
    assert_eq!(site.half(one, &pair).unwrap().error, Some(ErrorByte(0xBA)));
    assert_eq!(site.suspend(pair, false), "E5319");
    site.arrays.write(pair.source, 2).unwrap();
    assert_eq!(site.resume(pair), "done");
    site.arrays.settle();
    assert_eq!(site.arrays.content(pair.source), site.arrays.content(pair.target));
}

#[test]
fn a_bad_block_stops_the_copy_in_error() {
    let mut site = Site::new(2);
    let (pair, one) = (site.ec(0, 1), site.one);
    let bad = Fault::BadBlock { volume: pair.source, block: 5 * REGION_BLOCKS };
    site.arrays.core_mut().inject(one, bad).unwrap();
    site.start(pair);
    site.arrays.settle();
    let half = site.half(one, &pair).unwrap();
    assert_eq!((half.status, half.error), (Status::ErrorSuspended, Some(BAD_SECTOR)));
    assert!(half.difference.unwrap().0 > 0);
}

#[test]
fn mishaps_of_the_line_are_told_from_refusals() {
    let mut site = Site::new(2);
    let (pair, one) = (site.ec(0, 1), site.one);
    let start = Command::Start { pairs: vec![pair], modes: None };
    site.arrays.core_mut().inject(one, Fault::Busy { times: 1 }).unwrap();
    assert_eq!(site.start(pair), "E0070");
    site.arrays.core_mut().inject(one, Fault::LostRequest { times: 1 }).unwrap();
    assert_eq!(site.arrays.execute(one, &start, "test", NOW), Reply::Silence);
    assert!(site.half(one, &pair).is_none());
    site.arrays.core_mut().inject(one, Fault::LostReply { times: 1 }).unwrap();
    assert_eq!(site.arrays.execute(one, &start, "test", NOW), Reply::Silence);
    assert!(site.half(one, &pair).is_some());
    site.arrays.core_mut().inject(one, Fault::Unreachable).unwrap();
    assert_eq!(site.arrays.execute(one, &start, "test", NOW), Reply::Unreachable);
}

#[test]
fn a_half_open_rec_is_missing_at_one_box() {
    for (missing, left) in [(Side::Source, 1), (Side::Target, 0)] {
        let mut site = Site::new(1);
        let (pair, boxes) = (site.rec(0, 0), [site.one, site.other]);
        site.equivalent(pair);
        site.arrays.core_mut().inject(boxes[0], Fault::HalfOpen { pair, missing }).unwrap();
        assert!(site.half(boxes[left], &pair).is_some());
        assert!(site.half(boxes[1 - left], &pair).is_none());
    }
}

#[test]
fn an_unknown_word_is_reported_as_unknown_with_the_word() {
    let mut site = Site::new(2);
    let (pair, one) = (site.ec(0, 1), site.one);
    site.equivalent(pair);
    site.arrays.core_mut().inject(one, Fault::StrangeWord { pair, word: "Zombie".into() }).unwrap();
    let half = site.half(one, &pair).unwrap();
    assert_eq!((half.status, half.words.status.raw()), (Status::Unknown, "Zombie"));
}

#[test]
fn a_destination_of_a_live_copy_takes_no_writes() {
    let mut site = Site::new(2);
    let pair = site.ec(0, 1);
    site.start(pair);
    assert!(site.arrays.write(pair.target, 0).is_err());
    site.suspend(pair, true);
    assert!(site.arrays.write(pair.target, 0).is_ok());
}

#[test]
fn a_one_point_copy_keeps_the_moment_of_its_start() {
    let mut site = Site::new(2);
    let pair = Pair { kind: CopyKind::Opc, ..site.ec(0, 1) };
    let wanted = site.arrays.content(pair.source).to_vec();
    assert_eq!(site.word(&Command::StartOpc { pairs: vec![pair] }), "done");
    for region in [0, 20, 39] {
        site.arrays.write(pair.source, region).unwrap();
    }
    site.arrays.settle();
    assert_eq!(site.arrays.content(pair.target), wanted);
    assert!(site.half(site.one, &pair).is_none(), "it ends when it is copied");
}

#[derive(Debug, Clone)]
enum Act {
    Start(usize, usize, bool),
    Opc(usize, usize),
    Resume(usize),
    Suspend(usize, bool),
    Stop(usize, bool),
    Reverse(usize),
    Advance(u64),
    Write(usize, bool, u32),
    Path(bool),
    Fail(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let volume = 0_usize..4;
    prop_oneof![
        (volume.clone(), volume.clone(), any::<bool>()).prop_map(|(a, b, c)| Act::Start(a, b, c)),
        (volume.clone(), volume.clone()).prop_map(|(a, b)| Act::Opc(a, b)),
        (0_usize..6).prop_map(Act::Resume),
        (0_usize..6, any::<bool>()).prop_map(|(a, b)| Act::Suspend(a, b)),
        (0_usize..6, any::<bool>()).prop_map(|(a, b)| Act::Stop(a, b)),
        (0_usize..6).prop_map(Act::Reverse),
        (1_u64..60 * REGION_BLOCKS).prop_map(Act::Advance),
        (volume.clone(), any::<bool>(), 0_u32..REGIONS as u32).prop_map(|(a, b, c)| Act::Write(a, b, c)),
        (volume, any::<bool>(), 0_u32..REGIONS as u32).prop_map(|(a, b, c)| Act::Write(a, b, c)),
        any::<bool>().prop_map(Act::Path),
        (0_usize..6).prop_map(Act::Fail),
    ]
}

proptest! {
    #[test]
    fn a_region_that_differs_is_never_called_clean(acts in prop::collection::vec(act(), 1..120)) {
        let mut site = Site::new(4);
        for act in acts {
            let nth = |site: &Site, n: usize| site.arrays.core().sessions().nth(n).map(|session| session.pair);
            match act {
                Act::Start(a, b, true) => { let pair = site.rec(a, b); site.start(pair); }
                Act::Start(a, b, false) => { let pair = site.ec(a, b); site.start(pair); }
                Act::Opc(a, b) => {
                    let pair = Pair { kind: CopyKind::Opc, ..site.ec(a, b) };
                    site.send(&Command::StartOpc { pairs: vec![pair] });
                }
                Act::Resume(n) => if let Some(pair) = nth(&site, n) { site.resume(pair); },
                Act::Suspend(n, force) => if let Some(pair) = nth(&site, n) { site.suspend(pair, force); },
                Act::Stop(n, force) => if let Some(pair) = nth(&site, n) { site.stop(pair, force); },
                Act::Reverse(n) => if let Some(pair) = nth(&site, n) { site.send(&Command::Reverse { pairs: vec![pair] }); },
                Act::Advance(blocks) => { site.arrays.advance(Blocks(blocks)); }
                Act::Write(n, remote, region) => {
                    let volume = if remote { site.remote[n] } else { site.volumes[n] };
                    let _ = site.arrays.write(volume, region);
                }
                Act::Path(up) => {
                    let (one, other) = (site.one, site.other);
                    site.arrays.core_mut().set_path(one, other, up).unwrap();
                }
                Act::Fail(n) => if let Some(pair) = nth(&site, n) {
                    let one = site.one;
                    site.arrays.core_mut().inject(one, Fault::ErrorSuspend { pair, byte: ErrorByte(1) }).unwrap();
                },
            }
            prop_assert_eq!(site.arrays.lies(), vec![]);
            for session in site.arrays.core().sessions().filter(|session| session.reading().is_equivalent()) {
                prop_assert_eq!(site.arrays.content(session.pair.source), site.arrays.content(session.pair.target));
                let into = |other: &&super::sessions::Session| other.is_live() && other.flow().1 == session.flow().0;
                if let Some(first) = site.arrays.core().sessions().find(into) {
                    prop_assert_eq!(first.phase, Phase::Equivalent);
                    let mut live = site.arrays.core().sessions().filter(|other| other.is_live());
                    prop_assert!(live.all(|other| other.flow().1 != first.flow().0), "no third hop");
                }
            }
        }
    }
}
