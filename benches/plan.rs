//! What deciding costs: a snapshot of 10,000 transaction volumes and 20,000 backup volumes, plans on it, and the change
//! that clients are sent. Prints the least, the median and the 99th percentile of repeated runs: on a machine with other work
//! on it, the least is what the work itself costs.
//!
//! `cargo bench --bench plan`

#![allow(clippy::expect_used, clippy::cast_possible_wrap, reason = "a benchmark of made-up volumes")]

use ecdeck::model::copy::{Ability, Capabilities, CommandVerb};
use ecdeck::model::identity::{BoxId, Olu, VolumeId};
use ecdeck::model::observe::{ArraySource, Sources, Tracker, build};
use ecdeck::model::plan::plan;
use ecdeck::model::records::{
    BackupMode, BackupVolume, Change, EntityChange, OurSession, Policy, Records, TransactionVolume,
};
use ecdeck::model::request::{Action, Request};
use ecdeck::model::session::{ArrayVolume, CopyKind, Pair, Phase, Reading, SessionReading, Status};
use ecdeck::model::snapshot::{Reach, Site};
use ecdeck::model::snapshot_change::SnapshotChange;
use ecdeck::model::units::{Blocks, Progress, Timestamp, Version};
use ecdeck::model::untrusted::Untrusted;
use ecdeck::testkit::readings;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

const TRANSACTION_VOLUMES: u32 = 10_000;
const BACKUP_VOLUMES: u32 = 20_000;
const MOVING: u32 = 300;
const FIRST_BACKUP: u32 = 0x10_0000;
const ROUNDS: usize = 101;

fn main() {
    let scene = Scene::new();
    let snapshot = scene.snapshot(1, 0);
    let all: Vec<VolumeId> = (MOVING..TRANSACTION_VOLUMES).map(id).collect();
    let start = |volumes: Vec<VolumeId>| Request::new(Action::Start { volumes, targets: Vec::new(), together: false });
    let (one, many) = (start(vec![id(5000)]), start(all));
    assert_eq!(plan(&snapshot, &many).map(|plan| plan.items().len()), Ok((TRANSACTION_VOLUMES - MOVING) as usize));
    let later = scene.snapshot(2, 1000);

    report("snapshot out of records and readings", || black_box(scene.snapshot(1, 0)));
    report("plan: start one volume", || black_box(plan(&snapshot, &one)));
    report("plan: start 9,700 volumes jointly", || black_box(plan(&snapshot, &many)));
    report("snapshot and plan of one", || black_box(plan(&scene.snapshot(1, 0), &one)));
    report("change between two snapshots, 300 moving", || black_box(SnapshotChange::between(&snapshot, &later)));
}

fn report<T>(what: &str, mut run: impl FnMut() -> T) {
    let mut times: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            let result = run();
            let time = begin.elapsed();
            drop(result);
            time
        })
        .collect();
    times.sort_unstable();
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let [least, median, p99] = [0, ROUNDS / 2, ROUNDS * 99 / 100].map(|at| millis(times[at]));
    println!("{what:44} least {least:8.3} ms   median {median:8.3} ms   p99 {p99:8.3} ms");
}

fn box_id() -> BoxId {
    "00ETERNUSDXL##ET08E21A####LN4310900001##".parse().expect("40 characters")
}

fn id(olu: u32) -> VolumeId {
    VolumeId { box_id: box_id(), olu: Olu(olu) }
}

/// Volumes of ten sizes; the first 300 transaction volumes are copying.
struct Scene {
    records: Records,
    volumes: Arc<Vec<ArrayVolume>>,
    site: Site,
}

impl Scene {
    fn new() -> Self {
        let mut records = Records::default();
        let policy = Policy::new(1, 1, BackupMode::Suspend);
        let mut volumes = Vec::new();
        let size = |number: u32| Blocks::from_mib(1024 * u64::from(number % 10 + 1));
        let mut put = |change: Change| records.apply(&change).expect("a fresh volume");
        for number in 0..TRANSACTION_VOLUMES {
            put(Change::Entity(EntityChange::PutTransactionVolume(TransactionVolume {
                id: id(number),
                name: format!("db{number:05}").parse().expect("a name"),
                blocks: size(number),
                policy: Some(policy),
                registered_at: Timestamp(0),
                next_version: Version(1),
                group: None,
                window_since: None,
            })));
            volumes.push(ArrayVolume {
                id: id(number),
                label: Untrusted::default(),
                blocks: size(number),
                copy_inhibited: None,
            });
        }
        for number in 0..BACKUP_VOLUMES {
            let id = id(FIRST_BACKUP + number);
            let blocks = size(number);
            put(Change::Entity(EntityChange::PutBackupVolume(BackupVolume {
                id,
                name: None,
                blocks,
                registered_at: Timestamp(0),
                group: None,
            })));
            volumes.push(ArrayVolume { id, label: Untrusted::default(), blocks, copy_inhibited: None });
        }
        for number in 0..MOVING {
            put(Change::Entity(EntityChange::PutSession(OurSession {
                pair: Pair::new(id(number), id(FIRST_BACKUP + number)),
                since: Timestamp(0),
                operation: None,
                full: true,
            })));
        }
        let site = Site {
            name: "bench".into(),
            demo: false,
            poll_millis: 1000,
            rec: Vec::new(),
            hooks: Vec::new(),
            pools: Vec::new(),
        };
        Self { records, volumes: Arc::new(volumes), site }
    }

    fn snapshot(&self, sequence: u64, copied: u64) -> ecdeck::model::snapshot::Snapshot {
        let now = Timestamp(sequence as i64 * 1000);
        let progress = Some(Progress { done: Blocks(copied + 1), total: Blocks::from_mib(1024) });
        let sessions = (0..MOVING).map(|number| {
            let pair = Pair::new(id(number), id(FIRST_BACKUP + number));
            SessionReading { progress, ..readings::session(pair, Status::Active, Phase::Copying) }
        });
        let reading = Arc::new(Reading::complete(box_id(), now, sessions.collect()));
        let mut tracker = Tracker::default();
        tracker.take(&reading);
        let verbs = [CommandVerb::Start, CommandVerb::Resume, CommandVerb::Suspend, CommandVerb::Stop];
        let array = ArraySource {
            name: "ET001".parse().expect("a name"),
            box_id: Some(box_id()),
            reach: Reach::Reachable,
            capabilities: Some(Capabilities {
                verbs: verbs.map(|verb| (CopyKind::Ec, verb)).to_vec(),
                atomic_suspend: Ability::Yes,
                sessions_per_source: 8,
                sees_target_writes: Ability::Unknown,
                reads_bytes: false,
                limited: None,
                message_ids: Vec::new(),
                tool_commands: Vec::new(),
            }),
            took_millis: 0,
            reading: Some(reading),
            volumes: Some(Arc::clone(&self.volumes)),
        };
        build(&Sources {
            zone: &jiff::tz::TimeZone::UTC,
            sequence,
            now,
            moment: ecdeck::model::moment::Moment::at(now),
            mark: ecdeck::model::moment::ReadingMark::default(),
            site: &self.site,
            records: &self.records,
            set_aside: &[],
            arrays: &[array],
            tracker: &tracker,
            kernels: &std::collections::BTreeMap::new(),
            operations: &[],
            events: &[],
        })
    }
}
