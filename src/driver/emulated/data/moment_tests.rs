//! One-point copies and reversed sessions, byte by byte.

use super::tests::{Bench, pair, volume};
use super::*;
use crate::model::session::CopyKind;
use proptest::prelude::*;

/// Bytes of the volumes of one-point copies: several extents, and an odd end.
const LONG: u64 = 3 * EXTENT + 5 * REGION + 512;

fn source() -> VolumeId {
    volume(1, 0x30)
}

fn target() -> VolumeId {
    volume(1, 0x31)
}

fn opc() -> Pair {
    Pair { source: source(), target: target(), kind: CopyKind::Opc }
}

/// A session of which the one-point copy's target is the source.
fn kept() -> Pair {
    Pair::new(target(), volume(1, 0x32))
}

fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// Volumes of [`LONG`] bytes with different contents, and what is on them.
fn long_volumes(bench: &Bench) -> (Vec<u8>, Vec<u8>) {
    for (seed, id) in [source(), target(), kept().target].into_iter().enumerate() {
        bench.plane().create(id, Blocks::from_bytes(LONG).unwrap()).unwrap();
        bench.plane().write(id, 0, &random(seed as u64, LONG as usize)).unwrap();
    }
    (random(0, LONG as usize), random(1, LONG as usize))
}

fn bytes(bench: &Bench, id: VolumeId) -> Vec<u8> {
    let mut bytes = vec![0; LONG as usize];
    bench.plane().read(id, 0, &mut bytes).unwrap();
    bytes
}

/// What is in the image, past what the plane reads through.
fn image(bench: &Bench, id: VolumeId) -> Vec<u8> {
    fs::read(bench.plane().image(id).unwrap()).unwrap()
}

/// As differences are counted.
fn whole_regions(bytes: u64) -> Blocks {
    Blocks(bytes.next_multiple_of(REGION) / Blocks::BYTES)
}

fn start(bench: &Bench) {
    start_as(bench, Flow::Running);
}

fn start_as(bench: &Bench, flow: Flow) {
    bench.plane().attach(opc(), Attach::Full, Flow::Tracking).unwrap();
    bench.plane().go_on(opc(), flow).unwrap();
}

#[test]
fn a_copy_that_is_held_has_its_moment_and_copies_only_what_a_host_changes() {
    let mut bench = Bench::new();
    let (moment, _) = long_volumes(&bench);
    start_as(&bench, Flow::Holding);
    let dirty = || bench.plane().state(opc()).unwrap().dirty;
    assert_eq!(dirty(), Blocks(LONG / 512));
    bench.plane().write(source(), EXTENT + 9, b"after the moment").unwrap();
    assert!(bytes(&bench, target()) == moment);
    assert_eq!(dirty(), whole_regions(LONG - EXTENT), "the extent that was written to, and nothing else");
    bench.crash();
    assert!(!bench.plane().attach(opc(), Attach::Stored, Flow::Holding).unwrap().map_lost);
    assert!(bytes(&bench, target()) == moment);
    bench.plane().run(opc()).unwrap();
    assert_eq!(bench.report(), Report::Equivalent(opc()));
    assert!(image(&bench, target()) == moment);
}

#[test]
fn the_target_is_the_moment_at_once_and_stays_it_while_hosts_write() {
    let bench = Bench::new();
    let (mut moment, _) = long_volumes(&bench);
    bench.plane().set_rate(Some(1 << 20), None).unwrap();
    start(&bench);
    assert!(bytes(&bench, target()) == moment, "before anything was copied");
    for (seed, offset) in [(10, 0), (11, EXTENT - 100), (12, 2 * EXTENT + 7), (13, LONG - 700)] {
        bench.plane().write(source(), offset, &random(seed, 700)).unwrap();
        assert!(bytes(&bench, target()) == moment);
    }
    // A host may use the target as well.
    let own = random(20, 5_000);
    bench.plane().write(target(), EXTENT + 33, &own).unwrap();
    moment[(EXTENT + 33) as usize..][..own.len()].copy_from_slice(&own);
    let print = bench.plane().fingerprint(target()).unwrap();
    assert_eq!(print, blake3::hash(&moment).to_hex().to_string());
    bench.plane().set_rate(None, None).unwrap();
    assert_eq!(bench.report(), Report::Equivalent(opc()));
    assert!(image(&bench, target()) == moment);
}

#[test]
fn a_killed_one_point_copy_goes_on_with_its_moment() {
    let mut bench = Bench::new();
    let (moment, _) = long_volumes(&bench);
    bench.plane().set_rate(Some(1 << 20), None).unwrap();
    start(&bench);
    bench.plane().write(source(), 0, &random(10, 9_000)).unwrap();
    bench.plane().write(source(), 2 * EXTENT, &random(11, 9_000)).unwrap();
    bench.crash();
    let found = bench.plane().attach(opc(), Attach::Stored, Flow::Running).unwrap();
    assert!(!found.map_lost);
    assert_eq!(found.dirty, whole_regions(LONG - 2 * EXTENT), "what hosts wrote to is through");
    assert_eq!(bench.report(), Report::Equivalent(opc()));
    assert!(image(&bench, target()) == moment);
}

#[test]
fn what_a_checkpoint_knew_as_copied_is_not_copied_again() {
    let mut bench = Bench::new();
    let (moment, _) = long_volumes(&bench);
    bench.plane().set_rate(Some(8 << 20), None).unwrap();
    start(&bench);
    while bench.plane().state(opc()).unwrap().copied_regions < EXTENT / REGION + 16 {
        std::thread::yield_now();
    }
    bench.plane().checkpoint().unwrap();
    bench.crash();
    let found = bench.plane().attach(opc(), Attach::Stored, Flow::Running).unwrap();
    assert!(found.dirty <= whole_regions(LONG - EXTENT), "{}", found.dirty);
    assert_eq!(bench.report(), Report::Equivalent(opc()));
    assert!(image(&bench, target()) == moment);
}

#[test]
fn a_lost_record_is_a_lost_moment_every_time_that_one_looks() {
    let mut bench = Bench::new();
    long_volumes(&bench);
    bench.plane().set_rate(Some(1 << 20), None).unwrap();
    start(&bench);
    bench.plane().write(source(), 0, &random(10, 9_000)).unwrap();
    let path = bench.plane().data.moment_path(opc());
    bench.plane = None;
    fs::remove_file(path).unwrap();
    for _ in 0..2 {
        bench.open();
        let found = bench.plane().attach(opc(), Attach::Stored, Flow::Tracking).unwrap();
        assert!(found.map_lost);
        bench.plane = None;
    }
}

#[test]
fn a_bad_sector_ends_a_one_point_copy_and_not_the_hosts_write() {
    let bench = Bench::new();
    long_volumes(&bench);
    bench.plane().set_rate(Some(1 << 16), None).unwrap();
    bench.plane().set_bad_blocks(source(), 2 * EXTENT + 512, 512).unwrap();
    start(&bench);
    bench.plane().write(source(), 2 * EXTENT + 4096, b"written").unwrap();
    assert!(matches!(bench.report(), Report::Failed { error: BAD_SECTOR, .. }));
    let mut read = [0; 7];
    bench.plane().read(source(), 2 * EXTENT + 4096, &mut read).unwrap();
    assert_eq!(&read, b"written");
}

#[test]
fn a_one_point_copy_into_a_source_is_marked_for_its_suspended_session_even_after_a_crash() {
    let mut bench = Bench::new();
    long_volumes(&bench);
    bench.plane().attach(kept(), Attach::Full, Flow::Running).unwrap();
    assert_eq!(bench.report(), Report::Equivalent(kept()));
    bench.plane().suspend(&[kept()], false).unwrap();
    bench.plane().checkpoint().unwrap();
    bench.plane().set_rate(Some(1 << 20), None).unwrap();
    start(&bench);
    assert_eq!(bench.plane().state(kept()).unwrap().dirty, Blocks(LONG / 512), "all of it changed at once");
    bench.crash();
    let found = bench.plane().attach(kept(), Attach::Stored, Flow::Tracking).unwrap();
    assert!(!found.map_lost && found.dirty == Blocks(LONG / 512), "{found:?}");
}

#[test]
fn a_reversed_session_copies_back_and_mirrors_the_other_way() {
    let mut bench = Bench::new();
    let pair = Pair::new(pair().source, volume(2, 9));
    bench.fill(pair.source, 1);
    bench.plane().attach(pair, Attach::Full, Flow::Running).unwrap();
    assert_eq!(bench.report(), Report::Equivalent(pair));
    assert!(matches!(bench.plane().turn(pair, true), Err(DataError::Running(_))));
    bench.plane().suspend(&[pair], false).unwrap();
    bench.plane().write(pair.source, 3 * REGION, b"lost by the reversed resume").unwrap();
    bench.plane().write(pair.target, 90 * REGION, b"wins").unwrap();
    bench.plane().turn(pair, true).unwrap();
    assert_eq!(bench.plane().state(pair).unwrap().dirty, Blocks(2 * REGION / 512), "both sides' marks stay");
    let wanted = bench.plane().fingerprint(pair.target).unwrap();
    bench.crash();
    bench.plane().attach(pair, Attach::Stored, Flow::Tracking).unwrap();
    bench.plane().turn(pair, true).unwrap();
    bench.plane().run(pair).unwrap();
    assert_eq!(bench.report(), Report::Equivalent(pair));
    assert_eq!(bench.plane().fingerprint(pair.source).unwrap(), wanted);
    assert!(matches!(bench.plane().write(pair.source, 0, b"x"), Err(DataError::NotReady(_))));
    bench.scatter(pair.target, 4, 20);
    bench.plane().suspend(&[pair], false).unwrap();
    assert!(bench.equal(pair));
}

#[derive(Debug, Clone)]
enum Act {
    Start,
    /// A start that copies only from a later act on.
    StartHeld,
    /// To the source, the target, or the kept session's own target.
    Write(u8, u64),
    Checkpoint,
    Copy(u64),
    Crash,
    Finish,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        2 => Just(Act::Start),
        2 => Just(Act::StartHeld),
        6 => (0_u8..3, any::<u64>()).prop_map(|(volume, seed)| Act::Write(volume, seed)),
        2 => Just(Act::Checkpoint),
        2 => (1_u64..80).prop_map(Act::Copy),
        3 => Just(Act::Crash),
        1 => Just(Act::Finish),
    ]
}

/// A model of what hosts must see on the two sides, beside the plane.
struct Model {
    bench: Bench,
    expected: [Vec<u8>; 2],
    /// Of the one-point copy.
    flow: Option<Flow>,
}

impl Model {
    fn new() -> Self {
        let bench = Bench::new();
        let (source, target) = long_volumes(&bench);
        bench.plane().attach(kept(), Attach::Full, Flow::Running).unwrap();
        assert_eq!(bench.report(), Report::Equivalent(kept()));
        bench.plane().suspend(&[kept()], false).unwrap();
        bench.plane().set_rate(Some(1), None).unwrap();
        Self { bench, expected: [source, target], flow: None }
    }

    fn act(&mut self, act: &Act) {
        let plane = self.bench.plane();
        match *act {
            Act::Start => self.start(Flow::Running),
            Act::StartHeld => self.start(Flow::Holding),
            Act::Write(at, seed) => {
                let id = [source(), target(), kept().target][usize::from(at)];
                let bytes = random(seed, 1 + (seed % 9_000) as usize);
                let offset = seed % (LONG - bytes.len() as u64);
                plane.write(id, offset, &bytes).unwrap();
                if let Some(expected) = self.expected.get_mut(usize::from(at)) {
                    expected[offset as usize..][..bytes.len()].copy_from_slice(&bytes);
                }
            }
            Act::Checkpoint => plane.checkpoint().unwrap(),
            Act::Copy(regions) if self.flow.is_some() => {
                self.go_on(Flow::Running);
                let plane = self.bench.plane();
                let state = || plane.state(opc()).unwrap();
                let before = state().copied_regions;
                plane.set_rate(None, Some(opc())).unwrap();
                while state().copied_regions < before + regions && state().dirty.0 > 0 {
                    std::thread::yield_now();
                }
                plane.set_rate(Some(1), Some(opc())).unwrap();
            }
            Act::Copy(_) => {}
            Act::Crash => self.crash(),
            Act::Finish => self.finish(),
        }
    }

    fn crash(&mut self) {
        self.bench.crash();
        let plane = self.bench.plane();
        plane.set_rate(Some(1), None).unwrap();
        plane.attach(kept(), Attach::Stored, Flow::Tracking).unwrap();
        if let Some(flow) = self.flow {
            assert!(!plane.attach(opc(), Attach::Stored, Flow::Tracking).unwrap().map_lost);
            plane.go_on(opc(), flow).unwrap();
        }
    }

    fn start(&mut self, flow: Flow) {
        if self.flow.is_some() {
            return self.go_on(flow);
        }
        start_as(&self.bench, flow);
        self.expected[1] = self.expected[0].clone();
        self.flow = Some(flow);
    }

    /// A copy that runs is not held back again.
    fn go_on(&mut self, flow: Flow) {
        if flow == Flow::Running && self.flow == Some(Flow::Holding) {
            assert_eq!(self.bench.plane().state(opc()).unwrap().flow, Flow::Holding);
            self.bench.plane().run(opc()).unwrap();
            self.flow = Some(flow);
        }
    }

    fn finish(&mut self) {
        if self.flow.is_none() {
            return;
        }
        self.go_on(Flow::Running);
        self.bench.plane().set_rate(None, Some(opc())).unwrap();
        assert_eq!(self.bench.report(), Report::Equivalent(opc()));
        self.bench.plane().secure(opc()).unwrap();
        self.bench.plane().detach(opc()).unwrap();
        self.flow = None;
    }

    fn is_as_hosts_left_it(&self) -> bool {
        bytes(&self.bench, source()) == self.expected[0] && bytes(&self.bench, target()) == self.expected[1]
    }

    /// Every region in which the kept session's sides differ is marked.
    fn kept_map_is_honest(&self) -> bool {
        let session = self.bench.plane().data.session(kept()).unwrap();
        let (one, other) = (bytes(&self.bench, target()), bytes(&self.bench, kept().target));
        let regions = one.chunks(REGION as usize).zip(other.chunks(REGION as usize));
        regions.enumerate().all(|(region, (one, other))| one == other || session.map.is_dirty(region as u64))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10))]
    #[test]
    fn whatever_happens_hosts_find_the_moment_and_their_own_writes(acts in prop::collection::vec(act(), 1..18)) {
        let mut model = Model::new();
        for act in acts {
            model.act(&act);
            prop_assert!(model.is_as_hosts_left_it(), "{act:?}");
            prop_assert!(model.kept_map_is_honest(), "{act:?}");
        }
        model.finish();
        prop_assert!(image(&model.bench, target()) == model.expected[1]);
    }
}
