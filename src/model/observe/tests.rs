//! Whether healthy or failed: what is shown for what the records and the readings say.

use super::{ArraySource, Sources, Tracker, build};
use crate::model::codes::Code;
use crate::model::identity::{BoxId, Olu, VolumeId};
use crate::model::records::{
    BackupMode, BackupVolume, Change, EntityChange, Generation, GenerationState, OurSession, Policy, Records,
    TransactionVolume,
};
use crate::model::session::{
    ArrayVolume, ArrayWords, ErrorByte, Others, Pair, Phase, Reading, SessionReading, Status, UnknownRow, UnreadVolumes,
};
use crate::model::snapshot::{BackupState, Due, Halves, Reach, Ready, Site, Snapshot, TransactionState};
use crate::model::snapshot_change::SnapshotChange;
use crate::model::units::{Blocks, Progress, Timestamp, Version};
use crate::testkit::readings::session;
use std::sync::Arc;

const SIZE: Blocks = Blocks(204_800);

fn near() -> BoxId {
    "00ETERNUSDXL##ET08E21A####LN4310900001##".parse().unwrap()
}

fn far() -> BoxId {
    "00ETERNUSDXL##ET08E21A####LN4310900002##".parse().unwrap()
}

fn volume(box_id: BoxId, olu: u32) -> VolumeId {
    VolumeId { box_id, olu: Olu(olu) }
}

/// One transaction volume at 0x1, backup volumes at 0x21 and 0x22 of its box and at 0x9 of the other one.
struct Bench {
    records: Records,
    tracker: Tracker,
    arrays: Vec<ArraySource>,
    now: Timestamp,
}

impl Bench {
    fn new() -> Self {
        let now = Timestamp(100 * Timestamp::DAY);
        let mut records = Records::default();
        let policy = Policy::new(2, 1, BackupMode::Suspend);
        let transaction_volume = TransactionVolume {
            id: volume(near(), 1),
            name: "db01".parse().unwrap(),
            blocks: SIZE,
            policy: Some(policy),
            registered_at: now,
            next_version: Version(1),
            group: None,
            window_since: None,
        };
        records.apply(&Change::Entity(EntityChange::PutTransactionVolume(transaction_volume))).unwrap();
        for id in [volume(near(), 0x21), volume(near(), 0x22), volume(far(), 9)] {
            let backup_volume = BackupVolume { id, name: None, blocks: SIZE, registered_at: now, group: None };
            records.apply(&Change::Entity(EntityChange::PutBackupVolume(backup_volume))).unwrap();
        }
        let array = |name: &str, box_id, olus: &[u32]| {
            let list = |olu: &u32| ArrayVolume {
                id: volume(box_id, *olu),
                label: "lv".into(),
                blocks: SIZE,
                copy_inhibited: None,
            };
            ArraySource {
                name: name.parse().unwrap(),
                box_id: Some(box_id),
                reach: Reach::Reachable,
                capabilities: None,
                took_millis: 0,
                reading: None,
                volumes: Some(Arc::new(olus.iter().map(list).collect())),
            }
        };
        let arrays = vec![array("A", near(), &[1, 0x21, 0x22, 0x30]), array("B", far(), &[9])];
        let mut bench = Self { records, tracker: Tracker::default(), arrays, now };
        bench.read(0, vec![]);
        bench.read(1, vec![]);
        bench
    }

    /// A second later, the array reports these sessions.
    fn read(&mut self, array: usize, sessions: Vec<SessionReading>) {
        self.now = self.now.plus_millis(1000);
        let box_id = self.arrays[array].box_id.unwrap();
        self.take(array, Reading::complete(box_id, self.now, sessions));
    }

    fn take(&mut self, array: usize, reading: Reading) {
        self.tracker.take(&reading);
        self.arrays[array].reading = Some(Arc::new(reading));
    }

    fn own(&mut self, pair: Pair) {
        let session = OurSession { pair, since: self.now, operation: None, full: true };
        self.records.apply(&Change::Entity(EntityChange::PutSession(session))).unwrap();
    }

    fn keep(&mut self, olu: u32) {
        let transaction_volume = volume(near(), 1);
        let version = self.records.transaction_volumes[&transaction_volume].next_version;
        let generation = Generation {
            transaction_volume,
            version,
            backup_volume: volume(near(), olu),
            blocks: SIZE,
            taken_at: self.now,
            mode: BackupMode::Suspend,
            state: GenerationState::Valid,
            held: None,
            provisioned: false,
            operation: None,
            crash_consistent: None,
            group: None,
            copied_in: None,
            fingerprint: None,
            suspend_complete_by: None,
            set: None,
        };
        self.records.apply(&Change::Entity(EntityChange::AddGeneration(generation))).unwrap();
    }

    fn snapshot(&self) -> Snapshot {
        let site = Site {
            name: "test".into(),
            demo: false,
            poll_millis: 1000,
            rec: Vec::new(),
            hooks: Vec::new(),
            pools: Vec::new(),
        };
        let kernels = std::collections::BTreeMap::new();
        let sources = Sources {
            sequence: 1,
            now: self.now,
            moment: crate::model::moment::Moment::at(self.now),
            mark: crate::model::moment::ReadingMark::default(),
            site: &site,
            records: &self.records,
            set_aside: &[],
            arrays: &self.arrays,
            tracker: &self.tracker,
            kernels: &kernels,
            operations: &[],
            events: &[],
            zone: &jiff::tz::TimeZone::UTC,
        };
        let whole = build(&sources);
        for olu in [1, 9, 0x21, 0x22, 0x30] {
            for box_id in [near(), far()] {
                narrow::agrees_with(&sources, &whole, volume(box_id, olu));
            }
        }
        whole
    }
}

/// What is built of one volume is what the site's snapshot says of it.
mod narrow {
    use super::*;
    use crate::model::observe::{build_near, joined};
    use std::collections::BTreeSet;

    pub fn agrees_with(sources: &Sources<'_>, whole: &Snapshot, id: VolumeId) {
        let only = BTreeSet::from([id]);
        assert_eq!(build_near(sources, &joined(sources, &only)).of_volumes(&only), whole.of_volumes(&only));
        let near = build_near(sources, &only);
        assert_eq!(near.transaction_volume(id), whole.transaction_volume(id));
        assert_eq!(near.backup_volume(id), whole.backup_volume(id));
        assert_eq!(near.sessions_of(id), whole.sessions_of(id));
        assert_eq!(near.generations_of(id), whole.generations_of(id));
    }
}

fn ec(olu: u32) -> Pair {
    Pair::new(volume(near(), 1), volume(near(), olu))
}

fn copying(pair: Pair, done: u64) -> SessionReading {
    let progress = Some(Progress { done: Blocks(done), total: SIZE });
    SessionReading { progress, ..session(pair, Status::Active, Phase::Copying) }
}

#[test]
fn a_volume_at_rest_has_no_session_and_an_unused_pool() {
    let snapshot = Bench::new().snapshot();
    let view = &snapshot.transaction_volumes[0];
    assert_eq!((view.state, view.ready, view.kept), (TransactionState::None, Ready::Never, 0));
    assert!(snapshot.pool.iter().all(|view| view.state == BackupState::Unused));
    let unregistered: Vec<_> = snapshot.unregistered.iter().map(|volume| volume.id).collect();
    assert_eq!(unregistered, [volume(near(), 0x30)]);
}

#[test]
fn a_copy_shows_its_rate_and_when_it_will_be_ready() {
    let mut bench = Bench::new();
    bench.own(ec(0x21));
    bench.read(0, vec![copying(ec(0x21), 2048)]);
    bench.read(0, vec![copying(ec(0x21), 4096)]);
    let snapshot = bench.snapshot();
    assert_eq!(snapshot.transaction_volumes[0].state, TransactionState::Copying);
    assert_eq!(snapshot.sessions[0].rate, Some(2048 * 512));
    let end = bench.now.plus_millis((204_800 - 4096) * 1000 / 2048);
    assert_eq!(snapshot.transaction_volumes[0].ready, Ready::Between { earliest: end, latest: end });
    assert_eq!(snapshot.backup_volume(volume(near(), 0x21)).unwrap().state, BackupState::Copying);
}

#[test]
fn equivalence_is_ready_now_and_a_suspend_binds_the_backup_volume() {
    let mut bench = Bench::new();
    bench.own(ec(0x21));
    bench.read(0, vec![session(ec(0x21), Status::Active, Phase::Equivalent)]);
    assert_eq!(bench.snapshot().transaction_volumes[0].ready, Ready::Now);
    bench.read(0, vec![session(ec(0x21), Status::Suspended, Phase::Equivalent)]);
    assert_eq!(bench.snapshot().pool[0].state, BackupState::Bound);
    bench.keep(0x21);
    assert_eq!(bench.snapshot().pool[0].state, BackupState::SuspendedGeneration);
    assert_eq!(bench.snapshot().pool[0].generation, Some(Version(1)));
}

#[test]
fn the_worst_live_session_names_the_transaction_volume() {
    let mut bench = Bench::new();
    bench.own(ec(0x21));
    bench.own(ec(0x22));
    let error =
        SessionReading { error: Some(ErrorByte(0xBA)), ..session(ec(0x22), Status::ErrorSuspended, Phase::Copying) };
    bench.read(0, vec![session(ec(0x21), Status::Suspended, Phase::Equivalent), error]);
    let snapshot = bench.snapshot();
    let view = &snapshot.transaction_volumes[0];
    let problem = view.problem.as_ref().unwrap();
    assert_eq!((view.state, problem.code), (TransactionState::Error, Code::ERROR_SUSPENDED));
    assert!(problem.text.contains("0xBA, bad sector on the source"), "{}", problem.text);
}

#[test]
fn what_vanished_is_a_generation_if_it_held_one_and_unverified_if_not() {
    let mut bench = Bench::new();
    bench.own(ec(0x21));
    bench.own(ec(0x22));
    bench.keep(0x21);
    bench.read(0, vec![]);
    let snapshot = bench.snapshot();
    assert_eq!(snapshot.pool[0].state, BackupState::Generation);
    assert_eq!(snapshot.pool[1].state, BackupState::Unverified);
    assert_eq!(snapshot.transaction_volumes[0].problem.as_ref().unwrap().code, Code::VANISHED);
}

#[test]
fn a_session_that_could_not_be_read_is_not_gone() {
    let row = |names: Vec<VolumeId>| UnknownRow {
        words: "??".into(),
        why: "no word is known".to_owned(),
        may_copy_to: Vec::new(),
        names,
        is_no_pair: false,
    };
    let of_it = vec![volume(near(), 1), volume(near(), 0x21)];
    let of_another = vec![volume(near(), 1), volume(near(), 0x22)];
    let failed = Others::Failed { why: "no answer".into() };
    let own_list = vec![(near(), near())];
    let estimation = UnknownRow { is_no_pair: true, ..row(Vec::new()) };
    for (unknown_rows, others, own_lists, is_gone) in [
        (vec![], Others::Read, vec![], true),
        (vec![row(of_it)], Others::Read, vec![], false),
        (vec![row(of_another)], Others::Read, vec![], true),
        (vec![row(Vec::new())], Others::Read, vec![], false),
        (vec![estimation], Others::Read, vec![], true),
        (vec![], failed.clone(), vec![], false),
        (vec![], failed, own_list, true),
    ] {
        let mut bench = Bench::new();
        bench.own(ec(0x21));
        let reading = Reading { others, unknown_rows, own_lists, ..Reading::complete(near(), bench.now, Vec::new()) };
        let case = format!("{reading:?}");
        bench.take(0, reading);
        let snapshot = bench.snapshot();
        assert_eq!(snapshot.lacks(&ec(0x21)), is_gone, "{case}");
        assert_eq!(snapshot.pool[0].problem.is_some(), is_gone, "{case}");
        let state = if is_gone { TransactionState::None } else { TransactionState::Unknown };
        assert_eq!(snapshot.transaction_volumes[0].state, state, "{case}");
        assert_eq!(snapshot.unread_sessions_of(volume(near(), 1)).count(), usize::from(!is_gone), "{case}");
    }
}

#[test]
fn a_volume_whose_line_could_not_be_read_is_not_missing() {
    for (unread, is_missing) in [
        (UnreadVolumes::default(), true),
        (UnreadVolumes { named: vec![volume(near(), 0x21)], any: false }, false),
        (UnreadVolumes { named: Vec::new(), any: true }, false),
    ] {
        let mut bench = Bench::new();
        bench.keep(0x21);
        bench.arrays[0].volumes = Some(Arc::new(Vec::new()));
        bench.take(0, Reading { unread_volumes: unread, ..Reading::complete(near(), bench.now, Vec::new()) });
        let snapshot = bench.snapshot();
        let code = snapshot.pool[0].problem.as_ref().unwrap().code;
        assert_eq!(code == Code::VOLUME_MISSING, is_missing);
        let is_in_doubt = matches!(snapshot.generations[0].state, GenerationState::InDoubt(_));
        assert_eq!(is_in_doubt, is_missing, "what was not read puts nothing in doubt");
    }
}

#[test]
fn a_session_of_others_is_foreign_and_leaves_the_volume_without_one_of_ours() {
    let mut bench = Bench::new();
    bench.read(0, vec![copying(ec(0x21), 1)]);
    let snapshot = bench.snapshot();
    assert_eq!(snapshot.pool[0].state, BackupState::Foreign);
    assert_eq!(snapshot.transaction_volumes[0].state, TransactionState::None);
    assert!(!snapshot.sessions[0].ours);
}

#[test]
fn halves_that_differ_for_a_moment_agree_and_for_long_are_half_open() {
    let mut bench = Bench::new();
    let rec = Pair::new(volume(near(), 1), volume(far(), 9));
    bench.own(rec);
    bench.read(0, vec![session(rec, Status::Active, Phase::Equivalent)]);
    bench.read(1, vec![session(rec, Status::Active, Phase::Copying)]);
    assert_eq!(bench.snapshot().sessions[0].halves, Halves::Agree);
    for _ in 0..4 {
        bench.read(0, vec![session(rec, Status::Active, Phase::Equivalent)]);
        bench.read(1, vec![session(rec, Status::Active, Phase::Copying)]);
    }
    assert_eq!(bench.snapshot().transaction_volumes[0].state, TransactionState::HalfOpen);
    bench.read(1, vec![]);
    assert_eq!(bench.snapshot().sessions[0].halves, Halves::Missing { source_reports: true });
}

#[test]
fn nothing_is_ready_that_a_backup_would_be_refused_for() {
    let equivalent = |pair| session(pair, Status::Active, Phase::Equivalent);
    let ready = |bench: &Bench| bench.snapshot().transaction_volumes[0].ready;

    let mut silent = Bench::new();
    silent.own(ec(0x21));
    silent.read(0, vec![equivalent(ec(0x21))]);
    assert_eq!(ready(&silent), Ready::Now);
    silent.now = silent.now.plus_millis(10_000);
    assert_eq!(ready(&silent), Ready::Never, "its reading is old");
    silent.read(0, vec![equivalent(ec(0x21))]);
    silent.arrays[0].reach = Reach::Unreachable { since: silent.now, why: "gone".into() };
    assert_eq!(ready(&silent), Ready::Never, "its array does not answer");

    let mut unruled = Bench::new();
    unruled.own(ec(0x21));
    unruled.read(0, vec![equivalent(ec(0x21))]);
    let mut volume = unruled.records.transaction_volumes[&ec(0x21).source].clone();
    volume.policy = None;
    unruled.records.apply(&Change::Entity(EntityChange::PutTransactionVolume(volume))).unwrap();
    assert_eq!(ready(&unruled), Ready::Never, "it has no policy");

    let mut torn = Bench::new();
    let rec = Pair::new(self::volume(near(), 1), self::volume(far(), 9));
    torn.own(rec);
    for _ in 0..5 {
        torn.read(0, vec![equivalent(rec)]);
        torn.read(1, vec![]);
    }
    assert_eq!(torn.snapshot().transaction_volumes[0].state, TransactionState::HalfOpen);
    assert_eq!(ready(&torn), Ready::Never, "it is half-open");
}

#[test]
fn unknown_words_of_either_half_are_quoted_and_go_before_the_halves_disagreement() {
    let rec = Pair::new(volume(near(), 1), volume(far(), 9));
    let strange = |status| {
        let words = ArrayWords { status: "REC Pondering".into(), phase: "Paired".into() };
        SessionReading { words, ..session(rec, status, Phase::Equivalent) }
    };
    for (halves, state) in [
        ([strange(Status::Unknown), session(rec, Status::Active, Phase::Equivalent)], TransactionState::Unknown),
        ([session(rec, Status::Active, Phase::Equivalent), strange(Status::Unknown)], TransactionState::HalfOpen),
    ] {
        let mut bench = Bench::new();
        bench.own(rec);
        for _ in 0..5 {
            bench.read(0, vec![halves[0].clone()]);
            bench.read(1, vec![halves[1].clone()]);
        }
        let snapshot = bench.snapshot();
        let view = &snapshot.transaction_volumes[0];
        assert_eq!(view.state, state);
        let text = &view.problem.as_ref().unwrap().text;
        assert!(text.contains("\"REC Pondering / Paired\", which is not known here"), "{text}");
    }
}

#[test]
fn unknown_words_are_shown_and_guessed_at_by_nobody() {
    let mut bench = Bench::new();
    bench.own(ec(0x21));
    let words = ArrayWords { status: "EC Pondering\u{1b}".into(), phase: "Paired".into() };
    bench.read(0, vec![SessionReading { words, ..session(ec(0x21), Status::Unknown, Phase::Equivalent) }]);
    let snapshot = bench.snapshot();
    let problem = snapshot.transaction_volumes[0].problem.as_ref().unwrap();
    assert_eq!(problem.code, Code::UNKNOWN_WORDS);
    assert!(problem.text.contains("EC Pondering\\u{1b}"), "{}", problem.text);
    assert_eq!(snapshot.pool[0].state, BackupState::Unverified);
}

#[test]
fn a_backup_is_overdue_once_interval_and_grace_have_passed() {
    let mut bench = Bench::new();
    bench.keep(0x21);
    // A tenth of a day: a night that is a minute later than the one before is in time.
    bench.now = bench.now.plus_millis(Timestamp::DAY + Timestamp::DAY / 10);
    assert_eq!(bench.snapshot().transaction_volumes[0].due, Due::Ok);
    bench.now = bench.now.plus_millis(1);
    let snapshot = bench.snapshot();
    assert_eq!(snapshot.transaction_volumes[0].due, Due::Overdue(1));
    assert_eq!(snapshot.overdue_text(&snapshot.transaction_volumes[0]).unwrap(), "2 h", "since the interval's end");
    bench.now = bench.now.plus_millis(2 * Timestamp::DAY);
    assert_eq!(bench.snapshot().transaction_volumes[0].due, Due::Overdue(3));
}

#[test]
fn a_volume_that_the_array_lost_or_resized_is_a_problem() {
    let mut bench = Bench::new();
    bench.arrays[0].volumes = Some(Arc::new(vec![ArrayVolume {
        id: volume(near(), 1),
        label: "lv".into(),
        blocks: Blocks(SIZE.0 - 1),
        copy_inhibited: None,
    }]));
    let snapshot = bench.snapshot();
    assert!(snapshot.transaction_volumes[0].problem.as_ref().unwrap().text.contains("204799 blocks"));
    assert_eq!(snapshot.pool[0].problem.as_ref().unwrap().code, Code::VOLUME_MISSING);
}

#[test]
fn the_change_between_two_snapshots_makes_the_second_out_of_the_first() {
    let mut bench = Bench::new();
    bench.own(ec(0x21));
    bench.read(0, vec![copying(ec(0x21), 2048)]);
    let mut old = bench.snapshot();
    bench.keep(0x22);
    bench.records.apply(&Change::Entity(EntityChange::RemoveBackupVolume { id: volume(far(), 9) })).unwrap();
    bench.read(0, vec![session(ec(0x21), Status::Active, Phase::Equivalent)]);
    let mut new = bench.snapshot();
    new.sequence = 2;
    let change = SnapshotChange::between(&old, &new);
    assert!(SnapshotChange::between(&new, &new).pool.is_empty());
    change.clone().apply(&mut old).unwrap();
    assert_eq!(old, new);
    assert!(change.apply(&mut old).is_err(), "a change fits its own base only");
}

#[test]
fn a_session_that_we_ended_is_not_found_again_in_an_older_reading() {
    let mut bench = Bench::new();
    let pair = Pair::new(volume(near(), 1), volume(far(), 9));
    bench.own(pair);
    let equivalent = || vec![session(pair, Status::Active, Phase::Equivalent)];
    bench.read(1, equivalent());
    bench.read(0, equivalent());
    // It is ended; the box of its source shows so, that of its target was not read since.
    bench.read(0, Vec::new());
    let end = [Change::Entity(EntityChange::RemoveSession { pair })];
    bench.records.apply_all(&end).unwrap();
    bench.tracker.kept(&end, crate::model::moment::Moment::at(bench.now));
    let snapshot = bench.snapshot();
    assert!(snapshot.sessions.is_empty(), "{:?}", snapshot.sessions);
    assert_eq!(snapshot.backup_volume(pair.target).unwrap().state, BackupState::Unused);
    // What a later reading shows is there.
    bench.read(1, equivalent());
    assert_eq!(bench.snapshot().backup_volume(pair.target).unwrap().state, BackupState::Foreign);
}

#[test]
fn what_only_moves_is_told_as_motion_and_what_stands_is_shared() {
    let mut bench = Bench::new();
    bench.own(ec(0x21));
    bench.read(0, vec![copying(ec(0x21), 2048)]);
    bench.read(0, vec![copying(ec(0x21), 4096)]);
    let mut old = bench.snapshot();
    bench.read(0, vec![copying(ec(0x21), 8192)]);
    let new = Snapshot { sequence: 2, ..bench.snapshot() }.sharing(&old);
    assert!(new.pool.are(&old.pool) && !new.sessions.are(&old.sessions));
    let change = SnapshotChange::between(&old, &new);
    assert!(change.sessions.is_empty() && change.transaction_volumes.is_empty() && change.pool.is_empty());
    assert_eq!((change.moved.len(), change.ready.len()), (1, 1));
    assert!(change.only_moves(&old));
    change.apply(&mut old).unwrap();
    assert_eq!(old, new);
    // Whatever else happens is more than motion, also on an array that has no copy.
    bench.read(0, vec![session(ec(0x21), Status::Active, Phase::Equivalent)]);
    let equivalent = Snapshot { sequence: 3, ..bench.snapshot() };
    assert!(!SnapshotChange::between(&new, &equivalent).only_moves(&new));
    bench.arrays[1].reach = Reach::IdentityChanged { found: near() };
    let changed = Snapshot { sequence: 4, ..bench.snapshot() };
    assert!(!SnapshotChange::between(&equivalent, &changed).only_moves(&equivalent));
    let told = Snapshot {
        restores: vec![crate::model::snapshot::RestoreView {
            practice: false,
            target: volume(near(), 1),
            source: volume(near(), 0x21),
            generation: None,
            since: bench.now,
            running: None,
        }],
        sequence: 5,
        ..changed.clone()
    };
    assert!(!SnapshotChange::between(&changed, &told).only_moves(&changed));
}
