//! Bytes: both sides equal when they are said to be, and never called equal when they are not.

use super::*;
use crate::model::identity::{BoxId, Olu};
use proptest::prelude::*;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

pub(super) const SIZE: u64 = 8 << 20;

pub(super) struct Bench {
    folder: tempfile::TempDir,
    pub(super) plane: Option<DataPlane>,
    reports: Receiver<Report>,
}

fn box_id(number: u8) -> BoxId {
    format!("00ETERNUSDXL##ET08E21A####LN43109000{number:02}##").parse().unwrap()
}

pub(super) fn volume(number: u8, olu: u32) -> VolumeId {
    VolumeId { box_id: box_id(number), olu: Olu(olu) }
}

pub(super) fn pair() -> Pair {
    Pair::new(volume(1, 1), volume(1, 0x21))
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).unwrap();
        }
    }
}

/// Random writes of 1 to 9,000 bytes.
pub(super) fn scatter(plane: &DataPlane, id: VolumeId, seed: u64, writes: usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..writes {
        let bytes = vec![random.u8(..); random.usize(1..9000)];
        let offset = random.u64(0..SIZE - bytes.len() as u64);
        plane.write(id, offset, &bytes).unwrap();
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = Self { folder, plane: None, reports: channel().1 };
        bench.open();
        for id in [pair().source, pair().target, volume(2, 9)] {
            bench.plane().create(id, Blocks::from_bytes(SIZE).unwrap()).unwrap();
        }
        bench
    }

    pub(super) fn open(&mut self) {
        self.open_on(Disk::default());
    }

    pub(super) fn open_on(&mut self, disk: Disk) {
        let (sender, reports) = channel();
        let report = Box::new(move |report| drop(sender.send(report)));
        self.plane = Some(DataPlane::open_registered(self.folder.path(), &BTreeMap::new(), disk, report).unwrap());
        self.reports = reports;
    }

    /// What a crash at this instant would leave, for itself.
    pub(super) fn as_after_a_crash_now(&self) -> Self {
        let mut bench = self.copied();
        bench.open();
        bench
    }

    /// The same files in another folder, not opened.
    pub(super) fn copied(&self) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(self.folder.path(), folder.path());
        Self { folder, plane: None, reports: channel().1 }
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn plane(&self) -> &DataPlane {
        self.plane.as_ref().unwrap()
    }

    /// As `kill -9` leaves it: no last checkpoint. Files keep what was written to them.
    pub(super) fn crash(&mut self) {
        self.plane = None;
        self.open();
    }

    pub(super) fn report(&self) -> Report {
        self.reports.recv_timeout(Duration::from_secs(20)).expect("a report within 20 s")
    }

    pub(super) fn fill(&self, id: VolumeId, seed: u64) {
        let mut bytes = vec![0; SIZE as usize];
        fastrand::Rng::with_seed(seed).fill(&mut bytes);
        self.plane().write(id, 0, &bytes).unwrap();
    }

    /// Random writes of 1 to 9,000 bytes.
    pub(super) fn scatter(&self, id: VolumeId, seed: u64, writes: usize) {
        scatter(self.plane(), id, seed, writes);
    }

    pub(super) fn equal(&self, pair: Pair) -> bool {
        self.plane().fingerprint(pair.source).unwrap() == self.plane().fingerprint(pair.target).unwrap()
    }

    pub(super) fn synchronize(&self) {
        self.plane().attach(pair(), Attach::Full, Flow::Running).unwrap();
        assert_eq!(self.report(), Report::Equivalent(pair()));
    }

    /// Every region that differs is dirty in the map.
    pub(super) fn map_covers_differences(&self, pair: Pair) -> bool {
        let (mut left, mut right) = (vec![0; REGION as usize], vec![0; REGION as usize]);
        let session = self.plane().data.session(pair).unwrap();
        (0..SIZE / REGION).all(|region| {
            self.plane().read(pair.source, region * REGION, &mut left).unwrap();
            self.plane().read(pair.target, region * REGION, &mut right).unwrap();
            left == right || session.map.is_dirty(region)
        })
    }
}

#[test]
fn a_full_copy_under_host_writes_ends_with_equal_sides_and_stays_so() {
    let bench = Bench::new();
    bench.fill(pair().source, 1);
    bench.plane().set_rate(Some(64 << 20), None).unwrap();
    bench.plane().attach(pair(), Attach::Full, Flow::Running).unwrap();
    std::thread::scope(|scope| {
        for seed in 0..3 {
            let bench = bench.plane();
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..300 {
                    let bytes = vec![random.u8(..); random.usize(1..200_000)];
                    bench.write(pair().source, random.u64(0..SIZE - bytes.len() as u64), &bytes).unwrap();
                }
            });
        }
    });
    assert_eq!(bench.report(), Report::Equivalent(pair()));
    bench.scatter(pair().source, 9, 50);
    bench.plane().suspend(&[pair()], false).unwrap();
    assert!(bench.equal(pair()));
}

#[test]
fn a_suspend_before_equivalence_does_nothing_unless_forced() {
    let bench = Bench::new();
    bench.fill(pair().source, 1);
    bench.plane().set_rate(Some(1 << 20), None).unwrap();
    bench.plane().attach(pair(), Attach::Full, Flow::Running).unwrap();
    assert!(matches!(bench.plane().suspend(&[pair()], false), Err(DataError::NotEquivalent(_))));
    assert_eq!(bench.plane().state(pair()).unwrap().flow, Flow::Running);
    bench.plane().suspend(&[pair()], true).unwrap();
    let left = bench.plane().state(pair()).unwrap();
    assert!(left.flow == Flow::Tracking && left.dirty.0 > 0);
}

#[test]
fn a_resume_copies_exactly_the_regions_that_changed_on_either_side() {
    let bench = Bench::new();
    bench.fill(pair().source, 1);
    bench.synchronize();
    bench.plane().suspend(&[pair()], false).unwrap();
    let before = bench.plane().state(pair()).unwrap().copied_regions;
    for region in [0, 7, 100] {
        bench.plane().write(pair().source, region * REGION + 5, b"changed").unwrap();
    }
    bench.plane().write(pair().target, 50 * REGION - 1, b"two regions").unwrap();
    assert_eq!(bench.plane().state(pair()).unwrap().dirty, Blocks(5 * REGION / 512));
    bench.plane().run(pair()).unwrap();
    assert_eq!(bench.report(), Report::Equivalent(pair()));
    assert_eq!(bench.plane().state(pair()).unwrap().copied_regions - before, 5);
    assert!(bench.equal(pair()));
}

#[test]
fn the_target_of_a_running_copy_takes_no_host_writes() {
    let bench = Bench::new();
    bench.synchronize();
    assert!(matches!(bench.plane().write(pair().target, 0, b"x"), Err(DataError::NotReady(_))));
}

#[test]
fn a_bad_sector_on_the_source_ends_the_run_with_its_code_until_it_is_overwritten() {
    let bench = Bench::new();
    bench.fill(pair().source, 1);
    bench.plane().set_bad_blocks(pair().source, 3 * REGION, 512).unwrap();
    bench.plane().attach(pair(), Attach::Full, Flow::Running).unwrap();
    assert!(matches!(bench.report(), Report::Failed { error: BAD_SECTOR, .. }));
    bench.plane().write(pair().source, 3 * REGION, &[1; 512]).unwrap();
    assert_eq!(bench.report(), Report::Healed(pair().source));
    bench.plane().run(pair()).unwrap();
    assert_eq!(bench.report(), Report::Equivalent(pair()));
    assert!(bench.equal(pair()));
}

#[test]
fn a_target_that_fails_ends_the_run_and_the_hosts_write_succeeds() {
    let bench = Bench::new();
    bench.fill(pair().source, 1);
    bench.synchronize();
    bench.plane().fail_target(pair().target, true).unwrap();
    bench.plane().write(pair().source, 100, b"only here").unwrap();
    assert!(matches!(bench.report(), Report::Failed { error: TARGET_FAILED, .. }));
    assert!(!bench.equal(pair()) && bench.map_covers_differences(pair()));
    let mut read = [0; 9];
    bench.plane().read(pair().source, 100, &mut read).unwrap();
    assert_eq!(&read, b"only here");
}

#[test]
fn after_a_crash_no_differing_region_is_clean_and_only_hot_extents_are_copied_again() {
    for seed in 0..12 {
        let mut bench = Bench::new();
        bench.fill(pair().source, seed);
        bench.synchronize();
        bench.plane().checkpoint().unwrap();
        if seed % 2 == 0 {
            bench.plane().suspend(&[pair()], false).unwrap();
        }
        bench.plane().write(pair().source, seed % 2 * EXTENT + 77, b"after the checkpoint").unwrap();
        bench.crash();
        let report = bench.plane().attach(pair(), Attach::Stored, Flow::Tracking).unwrap();
        assert!(!report.map_lost);
        assert_eq!(report.dirty, Blocks(EXTENT / 512), "the one extent that was written");
        assert!(bench.map_covers_differences(pair()));
        bench.plane().run(pair()).unwrap();
        assert_eq!(bench.report(), Report::Equivalent(pair()));
        assert!(bench.equal(pair()));
    }
}

#[test]
fn a_second_crash_before_the_first_checkpoint_loses_no_mark() {
    let mut bench = Bench::new();
    bench.fill(pair().source, 5);
    bench.synchronize();
    bench.plane().suspend(&[pair()], false).unwrap();
    bench.plane().checkpoint().unwrap();
    bench.scatter(pair().source, 6, 10);
    bench.crash();
    bench.crash();
    bench.plane().attach(pair(), Attach::Stored, Flow::Tracking).unwrap();
    assert!(bench.map_covers_differences(pair()));
}

#[test]
fn a_crash_in_mid_copy_goes_on_where_the_map_says() {
    let mut bench = Bench::new();
    bench.fill(pair().source, 3);
    bench.plane().set_rate(Some(4 << 20), None).unwrap();
    bench.plane().attach(pair(), Attach::Full, Flow::Running).unwrap();
    while bench.plane().state(pair()).unwrap().copied_regions < 32 {
        std::thread::yield_now();
    }
    bench.plane().checkpoint().unwrap();
    bench.crash();
    let report = bench.plane().attach(pair(), Attach::Stored, Flow::Running).unwrap();
    assert!(report.dirty.bytes() < SIZE, "what the checkpoint knew as copied is not copied again");
    assert_eq!(bench.report(), Report::Equivalent(pair()));
    assert!(bench.equal(pair()));
}

#[test]
fn a_lost_map_is_all_dirty_and_said_to_be_lost() {
    let mut bench = Bench::new();
    bench.fill(pair().source, 3);
    bench.synchronize();
    let path = bench.plane().data.map_path(pair());
    bench.plane = None;
    fs::write(path, b"scribble").unwrap();
    bench.open();
    let report = bench.plane().attach(pair(), Attach::Stored, Flow::Tracking).unwrap();
    assert!(report.map_lost);
    assert_eq!(report.dirty.bytes(), SIZE);
}

#[test]
fn several_pairs_are_suspended_at_one_instant_or_none_is() {
    let bench = Bench::new();
    let far = Pair::new(pair().source, volume(2, 9));
    bench.fill(pair().source, 3);
    bench.synchronize();
    bench.plane().set_rate(Some(1 << 20), None).unwrap();
    bench.plane().attach(far, Attach::Full, Flow::Running).unwrap();
    assert!(bench.plane().suspend(&[pair(), far], false).is_err());
    assert_eq!(bench.plane().state(pair()).unwrap().flow, Flow::Running);
    bench.plane().set_rate(None, None).unwrap();
    assert_eq!(bench.report(), Report::Equivalent(far));
    bench.scatter(pair().source, 4, 20);
    bench.plane().suspend(&[pair(), far], false).unwrap();
    assert!(bench.equal(pair()) && bench.equal(far));
}

#[derive(Debug, Clone)]
enum Act {
    Write(u8, u64),
    Run(bool),
    Suspend(bool),
    Track(bool),
    Turn(bool),
    Checkpoint,
    Crash,
    /// The newest slot of a map goes bad while the power is off. A slot that is bad already can be read again.
    CrashAndDamage(bool),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0_u8..3, any::<u64>()).prop_map(|(volume, seed)| Act::Write(volume, seed)),
        2 => any::<bool>().prop_map(Act::Run),
        2 => any::<bool>().prop_map(Act::Suspend),
        1 => any::<bool>().prop_map(Act::Track),
        2 => any::<bool>().prop_map(Act::Turn),
        2 => Just(Act::Checkpoint),
        3 => Just(Act::Crash),
        1 => any::<bool>().prop_map(Act::CrashAndDamage),
    ]
}

impl Bench {
    /// Crashes, and looks at all maps before anything is copied again.
    fn crash_and_check(&mut self, pairs: [Pair; 2], damaged: Option<Pair>) -> bool {
        let flows = pairs.map(|pair| self.plane().state(pair).unwrap().flow);
        let reversed = pairs.map(|pair| self.is_reversed(pair));
        self.plane = None;
        if let Some(pair) = damaged {
            self.damage_newest_slot(pair);
        }
        self.open();
        for (pair, reversed) in pairs.into_iter().zip(reversed) {
            self.plane().attach(pair, Attach::Stored, Flow::Tracking).unwrap();
            self.plane().turn(pair, reversed).unwrap();
        }
        let honest = pairs.into_iter().all(|pair| self.map_covers_differences(pair));
        for (pair, flow) in pairs.into_iter().zip(flows) {
            if flow == Flow::Running {
                self.plane().run(pair).unwrap();
            }
        }
        honest
    }

    fn is_reversed(&self, pair: Pair) -> bool {
        self.plane().data.session(pair).unwrap().from().id == pair.target
    }

    fn runs(&self, pair: Pair) -> bool {
        self.plane().state(pair).unwrap().flow == Flow::Running
    }

    fn map_file(&self, pair: Pair) -> std::path::PathBuf {
        let mark = blake3::hash(pair.target.box_id.as_str().as_bytes()).to_hex();
        let name = format!("{}-{}-{}.map", pair.source.olu, &mark[..8], pair.target.olu);
        self.folder.path().join(pair.source.box_id.as_str()).join("maps").join(name)
    }

    /// Makes the newest slot unreadable, or readable again if it was made so before.
    fn damage_newest_slot(&self, pair: Pair) {
        let bytes = std::fs::read(self.map_file(pair)).unwrap();
        let epoch = |at: usize| bytes.get(at + 8).copied().unwrap_or(0);
        self.flip(pair, if epoch(SECOND_SLOT) > epoch(0) { SECOND_SLOT } else { 0 });
    }

    fn flip(&self, pair: Pair, slot: usize) {
        let mut bytes = std::fs::read(self.map_file(pair)).unwrap();
        if let Some(byte) = bytes.get_mut(slot + 48) {
            *byte ^= 0xFF;
        }
        std::fs::write(self.map_file(pair), bytes).unwrap();
    }

    /// A suspended pair whose stored map calls everything clean, and a write that only the log knows.
    fn written_after_a_clean_map() -> Self {
        let bench = Self::new();
        bench.fill(pair().source, 1);
        bench.synchronize();
        bench.plane().suspend(&[pair()], false).unwrap();
        bench.plane().write(pair().source, 3 * REGION, b"after the suspend").unwrap();
        bench
    }

    fn restart_after(&mut self, meanwhile: impl FnOnce(&Self)) -> AttachReport {
        self.plane = None;
        meanwhile(self);
        self.open();
        self.plane().attach(pair(), Attach::Stored, Flow::Tracking).unwrap()
    }
}

/// Where the second slot of a small map begins in its file.
const SECOND_SLOT: usize = 4096;

#[test]
fn a_slot_that_can_be_read_again_after_a_checkpoint_is_not_believed() {
    let mut bench = Bench::written_after_a_clean_map();
    let newest = |bench: &Bench| bench.damage_newest_slot(pair());
    assert!(!bench.restart_after(newest).map_lost, "the older slot and its logs are enough");
    bench.plane().checkpoint().unwrap();
    bench.restart_after(newest);
    assert!(bench.map_covers_differences(pair()));
}

#[test]
fn two_slots_that_can_be_read_again_after_a_checkpoint_are_not_believed() {
    let mut bench = Bench::written_after_a_clean_map();
    let both = |bench: &Bench| [0, SECOND_SLOT].into_iter().for_each(|slot| bench.flip(pair(), slot));
    // One slot has to be newer than the first that a map with an unknown past gets.
    for _ in 0..3 {
        bench.plane().mark_dirty(pair(), 0, 1).unwrap();
    }
    let old = std::fs::read(bench.map_file(pair())).unwrap();
    bench.plane().write(pair().source, 100 * REGION, b"later").unwrap();
    assert!(bench.restart_after(both).map_lost);
    bench.plane().checkpoint().unwrap();
    let new = std::fs::read(bench.map_file(pair())).unwrap();
    let kept = |slot: &usize| new[*slot..*slot + 48] == old[*slot..*slot + 48];
    bench.restart_after(|bench| [0, SECOND_SLOT].into_iter().filter(kept).for_each(|slot| bench.flip(pair(), slot)));
    assert!(bench.map_covers_differences(pair()));
}

#[test]
fn the_map_of_an_earlier_session_is_not_believed_when_the_newer_slot_goes_bad() {
    let mut bench = Bench::written_after_a_clean_map();
    bench.plane().run(pair()).unwrap();
    assert_eq!(bench.report(), Report::Equivalent(pair()));
    bench.plane().suspend(&[pair()], false).unwrap();
    let left_behind = std::fs::read(bench.map_file(pair())).unwrap();
    bench.plane().detach(pair()).unwrap();
    std::fs::write(bench.map_file(pair()), left_behind).unwrap();
    bench.plane().write(pair().source, 100 * REGION, b"no session marks this").unwrap();
    bench.plane().attach(pair(), Attach::Full, Flow::Tracking).unwrap();
    bench.restart_after(|bench| bench.damage_newest_slot(pair()));
    assert!(bench.map_covers_differences(pair()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn whatever_happened_before_a_crash_no_differing_region_is_clean(acts in prop::collection::vec(act(), 1..16)) {
        let mut bench = Bench::new();
        let pairs = [pair(), Pair::new(volume(1, 1), volume(2, 9))];
        for (seed, volume) in [pairs[0].source, pairs[0].target, pairs[1].target].into_iter().enumerate() {
            bench.fill(volume, seed as u64);
        }
        for pair in pairs {
            bench.plane().attach(pair, Attach::Full, Flow::Running).unwrap();
        }
        let of = |second: bool| pairs[usize::from(second)];
        for act in acts {
            match act {
                Act::Write(at, seed) => {
                    let id = [pairs[0].source, pairs[0].target, pairs[1].target][usize::from(at)];
                    let bytes = vec![seed as u8; 1 + (seed % 9000) as usize];
                    // A target of a running copy takes none.
                    let _ = bench.plane().write(id, seed % (SIZE - bytes.len() as u64), &bytes);
                }
                // One that is turned round makes a cascade with the other one.
                Act::Run(second) => bench.plane().run(of(second)).unwrap(),
                Act::Turn(second) => {
                    let (pair, other) = (of(second), of(!second));
                    if !bench.runs(pair) && (bench.is_reversed(pair) || !bench.is_reversed(other)) {
                        bench.plane().turn(pair, !bench.is_reversed(pair)).unwrap();
                    }
                }
                Act::Suspend(force) => {
                    let _ = bench.plane().suspend(&pairs, force);
                }
                Act::Track(second) => bench.plane().track(of(second)).unwrap(),
                Act::Checkpoint => bench.plane().checkpoint().unwrap(),
                Act::Crash => prop_assert!(bench.crash_and_check(pairs, None)),
                Act::CrashAndDamage(second) => prop_assert!(bench.crash_and_check(pairs, Some(of(second)))),
            }
        }
        prop_assert!(bench.crash_and_check(pairs, None));
    }
}
