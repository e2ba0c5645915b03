//! One conformance suite for every catalogue: in memory, SQLite, PostgreSQL.

use crate::needs::needs;
use crate::postgres::Server;
use ecdeck::catalog::sql::{CataloguePlace, OpenOptions, SqlCatalogue};
use ecdeck::catalog::{Catalogue, CatalogueError, EventRange, Generations, HistoryQuery, Outside};
use ecdeck::model::acknowledgement::Acknowledgement;
use ecdeck::model::actor::Actor;
use ecdeck::model::backup_window::BackupWindow;
use ecdeck::model::chain::verify;
use ecdeck::model::codes::Code;
use ecdeck::model::copy::{Outcome, PairOutcome};
use ecdeck::model::device_map::{MapRound, MapRow, MapSet};
use ecdeck::model::event::{Event, EventKind, NewEvent};
use ecdeck::model::fingerprint::{Fingerprint, Leaf, Leaves, Verification, VolumeLeaves};
use ecdeck::model::group_watch::GroupWatch;
use ecdeck::model::host_report::Activation;
use ecdeck::model::identity::{Olu, VolumeId};
use ecdeck::model::lvm_text::GroupIdentity;
use ecdeck::model::notice_record::{NoticeLog, NoticeRecord};
use ecdeck::model::records::{
    BackupMode, BackupVolume, Change, ChangeError, CopyTime, EntityChange, Generation, GenerationState, InstantProof,
    JournalEntry, OpenOperation, OperationEnd, OperationId, OurSession, PastGeneration, Policy, Records, ReleaseReason,
    SetInstant, TransactionVolume,
};
use ecdeck::model::request::Verb;
use ecdeck::model::session::Pair;
use ecdeck::model::step::{PlanItem, PlanStep, ResumeStep};
use ecdeck::model::trouble_kind::{TroubleId, TroubleKind};
use ecdeck::model::units::{Blocks, Timestamp, Version};
use ecdeck::model::untrusted::Untrusted;
use ecdeck::model::volume_group::{BackupGroup, GroupCopy, RegisteredGroup};
use ecdeck::model::volume_set::VolumeSet;
use ecdeck::testkit::catalogue::MemoryCatalogue;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::path::Path;
use std::sync::{Arc, OnceLock};

const BOX: &str = "00ETERNUSDXL##ET08E21A####LN4310901078##";

pub fn volume(olu: u32) -> VolumeId {
    VolumeId { box_id: BOX.parse().unwrap(), olu: Olu(olu) }
}

fn transaction_volume(olu: u32) -> TransactionVolume {
    TransactionVolume {
        id: volume(olu),
        name: format!("tv{olu}").parse().unwrap(),
        blocks: Blocks::from_mib(48),
        policy: Some(Policy {
            window: BackupWindow::new(22 * 60, 5 * 60).filter(|_| olu == 2),
            ..Policy::new(3, 1, BackupMode::Suspend)
        }),
        registered_at: Timestamp(1_000),
        next_version: Version(1),
        window_since: (olu == 2).then_some(Timestamp(2_000)),
        group: olu.is_multiple_of(2).then(|| {
            let word = |text: &str| text.parse().unwrap();
            Box::new(RegisteredGroup {
                host: "db03".parse().unwrap(),
                name: word("vg01"),
                uuid: word(&format!("NaLPCz-{olu}")),
                disk: format!("600000e00d2a0000002a0115{olu:04x}0000").parse().unwrap(),
            })
        }),
    }
}

fn group_identity(olu: u32) -> GroupIdentity {
    let word = |text: String| text.parse().unwrap();
    GroupIdentity {
        name: word(format!("vg{olu}b")),
        uuid: word(format!("u-{olu}")),
        physical: word(format!("p-{olu}")),
    }
}

fn backup_group(olu: u32) -> BackupGroup {
    let disk = format!("600000e00d2a0000002a0115{olu:04x}0000").parse().unwrap();
    BackupGroup { host: "db03".parse().unwrap(), identity: group_identity(olu), disk }
}

fn group_copy(olu: u32) -> GroupCopy {
    GroupCopy { copied: group_identity(1), identity: group_identity(olu), text: "vg01b { \"ä\n\" }".to_owned() }
}

fn read_bytes(version: u64) -> Fingerprint {
    let verified = Verification { at: Timestamp(9), millis: 3, differs: (version == 3).then(|| "MiB 7".to_owned()) };
    let blake3 = format!("{version:064x}");
    let practised = version.is_multiple_of(3).then(|| verified.clone());
    Fingerprint {
        blake3,
        at: Timestamp(8),
        millis: 4,
        verified: version.is_multiple_of(2).then_some(verified),
        practised,
    }
}

fn volume_leaves(olu: u32, version: u64) -> VolumeLeaves {
    let leaves = (0..5_000).map(|leaf| Leaf::of(leaf, &version.to_le_bytes(), 5_000 << 20)).collect();
    let mark = version.is_multiple_of(2).then(|| format!("m.{version}"));
    VolumeLeaves { backup_volume: volume(olu), root: format!("{version:064x}"), mark, leaves: Leaves(leaves) }
}

fn generation(olu: u32, version: u64) -> Generation {
    Generation {
        transaction_volume: volume(olu),
        version: Version(version),
        backup_volume: volume(0x100 + olu),
        blocks: Blocks::from_mib(48),
        taken_at: Timestamp(version.cast_signed() * 86_400_000),
        set: version.is_multiple_of(2).then(|| SetInstant {
            name: "erp".parse().unwrap(),
            volumes: 5,
            within_millis: u32::MAX,
            by: InstantProof::Array,
        }),
        copied_in: version.is_multiple_of(4).then_some(CopyTime { millis: version * 60_000, full: version == 4 }),
        fingerprint: version.is_multiple_of(3).then(|| Box::new(read_bytes(version))),
        suspend_complete_by: version.is_multiple_of(3).then_some(Timestamp(version.cast_signed() * 86_400_000 + 6_000)),
        mode: BackupMode::Suspend,
        state: GenerationState::Valid,
        held: None,
        provisioned: false,
        group: version.is_multiple_of(3).then(|| Box::new(group_copy(olu))),
        crash_consistent: version.is_multiple_of(2).then(|| "the pause was over".into()),
        operation: None,
    }
}

fn operation(id: u64, olu: u32) -> OpenOperation {
    OpenOperation {
        id: OperationId(id),
        actor: Actor { uid: 1001, user: Some("ana".into()), ssh: Some("192.0.2.7".into()), ..Actor::default() },
        started: Timestamp(5_000),
        reason: Some(Untrusted::from("nightly\u{0}\u{1b}[2J")),
        item: PlanItem {
            verb: Verb::Start,
            volume: volume(olu),
            steps: vec![PlanStep::Resume(ResumeStep {
                pair: Pair::new(volume(olu), volume(0x100 + olu)),
                difference: Some(Blocks(128)),
            })],
            claims: vec![volume(olu)],
            notices: Vec::new(),
            confirmation: None,
            until: None,
            set: None,
        },
        journal: Vec::new(),
    }
}

pub fn open(id: u64, olu: u32, claims: &[u32]) -> Change {
    Change::Open { operation: operation(id, olu), claims: claims.iter().copied().map(volume).collect(), epoch: id }
}

pub fn event(number: i64) -> NewEvent {
    NewEvent::by_engine(Timestamp(number), EventKind::Overdue { volume: volume(1), days: number.unsigned_abs() as u32 })
}

pub const ALL: EventRange = EventRange::From { sequence: 1, most: u32::MAX };
const WHOLE_HISTORY: HistoryQuery = HistoryQuery { of: Generations::All, most: 1_000 };

pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(future)
}

pub fn sqlite(folder: &Path) -> CataloguePlace {
    CataloguePlace::Sqlite(folder.join("cata logue#100%?.db"))
}

pub async fn open_sql(place: &CataloguePlace) -> SqlCatalogue {
    SqlCatalogue::open(place, OpenOptions::default()).await.unwrap()
}

/// Runs a test against every kind of catalogue that this machine has, each empty.
fn with_every_catalogue(name: &str, test: impl AsyncFn(Arc<dyn Catalogue>)) {
    block_on(async {
        test(Arc::new(MemoryCatalogue::new())).await;
        let folder = tempfile::tempdir().unwrap();
        let in_file = open_sql(&sqlite(folder.path())).await;
        test(Arc::new(in_file.clone())).await;
        in_file.close().await;
        if let Some(server) = server() {
            let on_server = open_sql(&server.new_database(name).parse().unwrap()).await;
            test(Arc::new(on_server.clone())).await;
            on_server.close().await;
        }
    });
}

/// The server that all tests use, each with databases of its own names; `None` where the host has none: the test is skipped.
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let programs = needs("postgresql")?;
    Some(SERVER.get_or_init(|| Server::start(programs).unwrap()))
}

/// A server that one test may end.
pub fn server_of_its_own() -> Option<Server> {
    Some(Server::start(needs("postgresql")?).unwrap())
}

#[test]
fn the_leaves_of_the_last_reading_of_a_volume_come_back() {
    with_every_catalogue("leaves", async |catalogue| {
        let keep = |version: u64, leaves: Option<VolumeLeaves>| {
            let fingerprint = Box::new(read_bytes(version));
            let (transaction_volume, version, leaves) = (volume(1), Version(version), leaves.map(Box::new));
            Change::Entity(EntityChange::KeepFingerprint { transaction_volume, version, fingerprint, leaves })
        };
        let (id, blocks) = (volume(0x101), Blocks::from_mib(48));
        let pool = BackupVolume { id, name: None, blocks, registered_at: Timestamp(7), group: None };
        let pool = Change::Entity(EntityChange::PutBackupVolume(pool));
        let kept = Change::Entity(EntityChange::AddGeneration(generation(1, 1)));
        let added = Change::Entity(EntityChange::PutTransactionVolume(transaction_volume(1)));
        catalogue.commit(vec![added, pool, kept], vec![event(1)]).await.unwrap();
        assert_eq!(catalogue.leaves(volume(0x101)).await.unwrap(), None);
        for version in [1, 2] {
            let read = volume_leaves(0x101, version);
            catalogue.commit(vec![keep(1, Some(read.clone()))], vec![event(2)]).await.unwrap();
            assert_eq!(catalogue.leaves(volume(0x101)).await.unwrap(), Some(read));
        }
        let known = || async { catalogue.load().await.unwrap().generations[&(volume(1), Version(1))].clone() };
        assert_eq!(known().await.fingerprint, Some(Box::new(read_bytes(1))));
        catalogue.commit(vec![keep(1, None)], vec![event(3)]).await.unwrap();
        assert!(catalogue.leaves(volume(0x101)).await.unwrap().is_some(), "what was not read again stays");
        assert!(
            catalogue.commit(vec![keep(7, None)], vec![event(4)]).await.is_err(),
            "of a generation that is not kept"
        );
        let report = catalogue.verify(Outside::default()).await.unwrap();
        assert!(report.is_intact(), "{:?}", report.findings());
    });
}

#[test]
fn what_was_committed_is_loaded_and_told() {
    with_every_catalogue("committed", async |catalogue| {
        let pair = Pair::new(volume(1), volume(0x101));
        let second = Generation { operation: Some(OperationId(1)), ..generation(1, 2) };
        let end = OperationEnd::Failed { code: Code::PLAN_CHANGED, why: "busy".into() };
        let changes = vec![
            Change::Entity(EntityChange::PutTransactionVolume(transaction_volume(1))),
            Change::Entity(EntityChange::PutBackupVolume(BackupVolume {
                id: volume(0x101),
                name: None,
                blocks: Blocks::from_mib(48),
                registered_at: Timestamp(7),
                group: None,
            })),
            Change::Entity(EntityChange::PutSession(OurSession {
                pair,
                since: Timestamp(8),
                operation: Some(OperationId(1)),
                full: true,
            })),
            Change::Entity(EntityChange::AddGeneration(generation(1, 1))),
            Change::Entity(EntityChange::ReleaseGeneration {
                transaction_volume: volume(1),
                version: Version(1),
                at: Timestamp(9),
                why: ReleaseReason::Retention,
            }),
            Change::Entity(EntityChange::AddGeneration(second.clone())),
            open(1, 1, &[1, 0x101]),
            Change::Journal {
                operation: OperationId(1),
                entry: JournalEntry::Intent { step: 0, attempt: 1, at: Timestamp(7) },
            },
            Change::Entity(EntityChange::KnowArray { name: "DX1".parse().unwrap(), box_id: BOX.parse().unwrap() }),
        ];
        let mut expected = Records::default();
        expected.apply_all(&changes).unwrap();
        let events = catalogue.commit(changes, vec![event(1), event(2)]).await.unwrap();
        assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(catalogue.load().await.unwrap(), expected);
        assert_eq!(catalogue.events(ALL).await.unwrap(), events);
        assert_eq!(catalogue.head().await.unwrap().hash, events[1].hash);
        assert_eq!(catalogue.operation_end(OperationId(1)).await.unwrap(), None);

        let close = Change::Close { operation: OperationId(1), end: end.clone(), at: Timestamp(10) };
        catalogue.commit(vec![close], Vec::new()).await.unwrap();
        assert_eq!(catalogue.operation_end(OperationId(1)).await.unwrap(), Some(end));
        assert_eq!(catalogue.operation_end(OperationId(2)).await.unwrap(), None);
        let records = catalogue.load().await.unwrap();
        assert!(records.operations.is_empty() && records.claims.is_empty());

        let history = catalogue.history(WHOLE_HISTORY).await.unwrap();
        let released = Some((Timestamp(9), ReleaseReason::Retention));
        assert_eq!(
            history,
            [
                PastGeneration { generation: second, released: None, reason: operation(1, 1).reason },
                PastGeneration { generation: generation(1, 1), released, reason: None },
            ]
        );
    });
}

#[test]
fn a_held_volume_is_told_with_its_holder_and_nothing_of_the_batch_is_kept() {
    with_every_catalogue("held", async |catalogue| {
        catalogue.commit(vec![open(1, 1, &[1, 2])], vec![event(1)]).await.unwrap();
        let before = catalogue.load().await.unwrap();
        let batch =
            vec![Change::Entity(EntityChange::PutTransactionVolume(transaction_volume(3))), open(2, 3, &[2, 3])];
        let refused = catalogue.commit(batch, vec![event(2)]).await.unwrap_err();
        let CatalogueError::Change(ChangeError::Held(claim)) = refused else { panic!("{refused}") };
        assert_eq!((claim.volume, claim.operation, claim.epoch), (volume(2), OperationId(1), 1));
        assert_eq!(claim.holder.user.as_deref(), Some("ana"));
        assert_eq!(catalogue.load().await.unwrap(), before);
        assert_eq!(catalogue.head().await.unwrap().sequence, 1);
    });
}

#[test]
fn a_name_means_one_volume_in_whichever_role() {
    with_every_catalogue("names", async |catalogue| {
        let named = |olu: u32, name: &str| {
            Change::Entity(EntityChange::PutTransactionVolume(TransactionVolume {
                name: name.parse().unwrap(),
                ..transaction_volume(olu)
            }))
        };
        let pooled = |olu: u32, name: Option<&str>| {
            let (name, registered_at) = (name.map(|name| name.parse().unwrap()), Timestamp(7));
            Change::Entity(EntityChange::PutBackupVolume(BackupVolume {
                id: volume(olu),
                name,
                blocks: Blocks(1),
                registered_at,
                group: None,
            }))
        };
        let commit = async |change: Change| catalogue.commit(vec![change], vec![event(1)]).await.map(drop);
        let taken = |name: &str| Err(CatalogueError::Change(ChangeError::name_taken(&name.parse().unwrap())));
        assert_eq!(commit(named(1, "db01")).await, Ok(()));
        assert_eq!(commit(named(2, "db01")).await, taken("db01"));
        assert_eq!(commit(pooled(0x101, Some("db01"))).await, taken("db01"));
        assert_eq!(commit(pooled(0x101, Some("tape"))).await, Ok(()));
        assert_eq!(commit(named(2, "tape")).await, taken("tape"));
        assert_eq!(commit(pooled(0x102, Some("tape"))).await, taken("tape"));
        // Its own name is no hindrance, and a name that was given up is free.
        assert_eq!(commit(named(1, "db01")).await, Ok(()));
        assert_eq!(commit(named(1, "db02")).await, Ok(()));
        assert_eq!(commit(pooled(0x101, None)).await, Ok(()));
        assert_eq!(commit(named(2, "tape")).await, Ok(()));
        assert_eq!(commit(Change::Entity(EntityChange::RemoveTransactionVolume { id: volume(1) })).await, Ok(()));
        assert_eq!(commit(pooled(0x102, Some("db02"))).await, Ok(()));
        let other_role = Err(CatalogueError::Change(ChangeError::other_role(volume(2))));
        assert_eq!(commit(pooled(2, None)).await, other_role);
        assert_eq!(catalogue.head().await.unwrap().sequence, 8);
    });
}

#[test]
fn a_backup_volume_holds_one_kept_generation() {
    with_every_catalogue("holds", async |catalogue| {
        let changes = [1, 2].map(|olu| Change::Entity(EntityChange::PutTransactionVolume(transaction_volume(olu))));
        catalogue.commit(changes.to_vec(), Vec::new()).await.unwrap();
        let add = |generation: Generation| vec![Change::Entity(EntityChange::AddGeneration(generation))];
        catalogue.commit(add(generation(1, 1)), Vec::new()).await.unwrap();
        let backup_volume = generation(1, 1).backup_volume;
        let held = Err(CatalogueError::Change(ChangeError::holds_generation(backup_volume)));
        assert_eq!(catalogue.commit(add(generation(1, 2)), Vec::new()).await, held);
        let of_another = Generation { backup_volume, ..generation(2, 1) };
        assert_eq!(catalogue.commit(add(of_another.clone()), Vec::new()).await, held);
        let release = Change::Entity(EntityChange::ReleaseGeneration {
            transaction_volume: volume(1),
            version: Version(1),
            at: Timestamp(9),
            why: ReleaseReason::Deleted,
        });
        catalogue
            .commit(vec![release, Change::Entity(EntityChange::AddGeneration(of_another))], Vec::new())
            .await
            .unwrap();
    });
}

#[test]
fn a_version_is_not_used_again_when_its_volume_comes_back() {
    with_every_catalogue("versions", async |catalogue| {
        let put = || Change::Entity(EntityChange::PutTransactionVolume(transaction_volume(1)));
        let first = vec![
            put(),
            Change::Entity(EntityChange::AddGeneration(generation(1, 1))),
            Change::Entity(EntityChange::ReleaseGeneration {
                transaction_volume: volume(1),
                version: Version(1),
                at: Timestamp(9),
                why: ReleaseReason::Deleted,
            }),
            Change::Entity(EntityChange::RemoveTransactionVolume { id: volume(1) }),
        ];
        catalogue.commit(first, Vec::new()).await.unwrap();
        catalogue.commit(vec![put()], Vec::new()).await.unwrap();
        assert_eq!(catalogue.load().await.unwrap().transaction_volumes[&volume(1)].next_version, Version(2));
        let again =
            catalogue.commit(vec![Change::Entity(EntityChange::AddGeneration(generation(1, 1)))], Vec::new()).await;
        assert!(matches!(again, Err(CatalogueError::Change(ChangeError::Exists(_)))), "{again:?}");
        assert_eq!(catalogue.history(WHOLE_HISTORY).await.unwrap().len(), 1);
    });
}

#[test]
fn events_are_one_gapless_chain_whatever_fails_between() {
    with_every_catalogue("chain", async |catalogue| {
        for number in 0..30 {
            let changes = if number % 3 == 1 {
                vec![Change::Entity(EntityChange::RemoveBackupVolume { id: volume(9) })]
            } else {
                Vec::new()
            };
            let _ = catalogue.commit(changes, vec![event(number), event(number + 100)]).await;
        }
        let links = catalogue.links(ALL).await.unwrap();
        let verdict = verify(&links, &[catalogue.head().await.unwrap()]);
        assert!(verdict.is_intact() && verdict.events == 40 && verdict.anchors_matched == 1, "{verdict:?}");
        let newest = catalogue.events(EventRange::Newest(3)).await.unwrap();
        assert_eq!(newest.iter().map(|event| event.sequence).collect::<Vec<_>>(), [38, 39, 40]);
        let from = catalogue.events(EventRange::From { sequence: 39, most: 1 }).await.unwrap();
        assert_eq!(from.iter().map(|event| event.sequence).collect::<Vec<_>>(), [39]);
        assert!(catalogue.events(EventRange::From { sequence: 41, most: 5 }).await.unwrap().is_empty());
    });
}

/// A set of one round that pairs these transaction volumes.
fn map_set(name: &str, volumes: &[u32]) -> MapSet {
    let row = |olu: &u32| MapRow {
        transaction_volume: volume(*olu),
        backup_volume: volume(0x100 + olu),
        transaction_name: Untrusted::new(format!("tv{olu}\u{0}")),
        backup_name: Untrusted::new("DX1/0x21"),
    };
    let round = MapRound::new("A".parse().unwrap(), volumes.iter().map(row).collect());
    MapSet { name: name.parse().unwrap(), rounds: vec![round] }
}

#[test]
fn a_transaction_volume_is_in_one_map_set() {
    with_every_catalogue("maps", async |catalogue| {
        let commit = async |change: Change| catalogue.commit(vec![change], vec![event(1)]).await.map(drop);
        let mapped = |olu: u32| Err(CatalogueError::Change(ChangeError::mapped(volume(olu))));
        let name = |name: &str| name.parse::<ecdeck::model::identity::Name>().unwrap();
        assert_eq!(commit(Change::Entity(EntityChange::PutMapSet(map_set("nightly", &[1, 2])))).await, Ok(()));
        assert_eq!(commit(Change::Entity(EntityChange::PutMapSet(map_set("weekly", &[3, 2])))).await, mapped(2));
        // What left a set, or whose set is gone, may go into another one.
        assert_eq!(commit(Change::Entity(EntityChange::PutMapSet(map_set("nightly", &[1])))).await, Ok(()));
        assert_eq!(commit(Change::Entity(EntityChange::PutMapSet(map_set("weekly", &[3, 2])))).await, Ok(()));
        assert_eq!(commit(Change::Entity(EntityChange::RemoveMapSet { name: name("nightly") })).await, Ok(()));
        assert!(commit(Change::Entity(EntityChange::RemoveMapSet { name: name("nightly") })).await.is_err());
        let used = |operation| {
            Change::Entity(EntityChange::UseMapRow {
                transaction_volume: volume(1),
                backup_volume: volume(0x101),
                operation: OperationId(operation),
            })
        };
        for operation in [7, 9, 8] {
            assert_eq!(commit(used(operation)).await, Ok(()));
        }
        let records = catalogue.load().await.unwrap();
        assert_eq!(records.map_sets.into_values().collect::<Vec<_>>(), [map_set("weekly", &[3, 2])]);
        let uses: Vec<_> = records.map_uses.into_iter().collect();
        assert_eq!(uses, [((volume(1), volume(0x101)), OperationId(9))]);
        let report = catalogue.verify(Outside::default()).await.unwrap();
        assert!(report.is_intact(), "{:?}", report.findings());
    });
}

fn volume_set(name: &str, volumes: &[u32]) -> VolumeSet {
    VolumeSet::new(name.parse().unwrap(), volumes.iter().map(|olu| volume(*olu)).collect())
}

#[test]
fn a_transaction_volume_is_in_one_set() {
    with_every_catalogue("sets", async |catalogue| {
        let commit =
            async |change: EntityChange| catalogue.commit(vec![Change::Entity(change)], vec![event(1)]).await.map(drop);
        let taken = |olu: u32| Err(CatalogueError::Change(ChangeError::in_a_set(volume(olu))));
        let remove = |name: &str| EntityChange::RemoveVolumeSet { name: name.parse().unwrap() };
        assert_eq!(commit(EntityChange::PutVolumeSet(volume_set("erp", &[1, 2]))).await, Ok(()));
        assert_eq!(commit(EntityChange::PutVolumeSet(volume_set("web", &[3, 2]))).await, taken(2));
        assert_eq!(commit(EntityChange::PutVolumeSet(volume_set("erp", &[1]))).await, Ok(()));
        assert_eq!(commit(EntityChange::PutVolumeSet(volume_set("web", &[3, 2]))).await, Ok(()));
        assert_eq!(commit(remove("erp")).await, Ok(()));
        assert!(commit(remove("erp")).await.is_err());
        let records = catalogue.load().await.unwrap();
        assert_eq!(records.volume_sets.into_values().collect::<Vec<_>>(), [volume_set("web", &[2, 3])]);
        let report = catalogue.verify(Outside::default()).await.unwrap();
        assert!(report.is_intact(), "{:?}", report.findings());
    });
}

/// Any change, often one that does not fit.
fn any_change() -> impl Strategy<Value = Change> {
    let tv = 1_u32..4;
    let bv = 0x101_u32..0x105;
    let id = 0_u64..6;
    let version = 1_u64..5;
    let text = prop_oneof![Just(String::new()), "\\PC{0,6}", Just("a\u{0}b\u{202e}\"'".to_owned())];
    let text = text.boxed();
    let state = prop_oneof![
        Just(GenerationState::Valid),
        text.clone().prop_map(GenerationState::InDoubt),
        text.clone().prop_map(GenerationState::NeedsAttention),
    ];
    let end = prop_oneof![
        Just(OperationEnd::Done),
        text.clone().prop_map(|why| OperationEnd::OutcomeUnknown { why }),
        text.clone().prop_map(|why| OperationEnd::NotDone { code: Code::NOT_AGREED, why }),
    ];
    let pair = (tv.clone(), bv.clone()).prop_map(|(tv, bv)| Pair::new(volume(tv), volume(bv))).boxed();
    let held = proptest::option::of(text.clone().prop_map(Untrusted::new)).boxed();
    let outcome = prop_oneof![Just(Outcome::Done), text.prop_map(|why| Outcome::Unknown { why })];
    let entry = prop_oneof![
        (0_usize..3, 1_u32..3, 0_i64..9).prop_map(|(step, attempt, at)| JournalEntry::Intent {
            step,
            attempt,
            at: Timestamp(at)
        }),
        (0_usize..3).prop_map(|step| JournalEntry::Finished { step }),
        (pair.clone(), outcome).prop_map(|(pair, outcome)| JournalEntry::Answered {
            step: 1,
            outcomes: vec![PairOutcome { pair, outcome }]
        }),
    ];
    prop_oneof![
        3 => (tv.clone(), version.clone(), any::<bool>()).prop_map(|(tv, next, policy)| {
            let mut volume = transaction_volume(tv);
            volume.next_version = Version(next);
            volume.policy = volume.policy.filter(|_| policy);
            volume.window_since = volume.window_since.filter(|_| policy);
            if let Some(policy) = &mut volume.policy {
                policy.reuse_oldest = next % 2 == 0;
            }
            if next == 4 {
                volume.name = format!("tv{}", tv % 3 + 1).parse().unwrap();
            }
            Change::Entity(EntityChange::PutTransactionVolume(volume))
        }),
        1 => tv.clone().prop_map(|tv| Change::Entity(EntityChange::RemoveTransactionVolume { id: volume(tv) })),
        2 => (bv.clone(), 0_u32..4, 0_u64..u64::MAX).prop_map(|(bv, named, blocks)| Change::Entity(EntityChange::PutBackupVolume(BackupVolume {
            id: volume(bv),
            name: (named > 0).then(|| if named == 1 { format!("bv{bv}") } else { format!("tv{named}") }.parse().unwrap()),
            blocks: Blocks(blocks),
            registered_at: Timestamp(-1),
            group: blocks.is_multiple_of(2).then(|| Box::new(backup_group(bv))),
        }))),
        1 => bv.clone().prop_map(|bv| Change::Entity(EntityChange::RemoveBackupVolume { id: volume(bv) })),
        4 => (tv.clone(), bv.clone(), version.clone(), state.clone(), held.clone(), proptest::option::of(id.clone()))
            .prop_map(|(tv, bv, version, state, held, operation)| {
                let operation = operation.map(OperationId);
                let (mode, backup_volume) = (BackupMode::Dissolve, volume(bv));
                Change::Entity(EntityChange::AddGeneration(Generation { state, held, operation, mode, backup_volume, ..generation(tv, version) }))
            }),
        1 => (tv.clone(), version.clone(), state).prop_map(|(tv, version, state)| Change::Entity(EntityChange::SetGenerationState {
            transaction_volume: volume(tv),
            version: Version(version),
            state
        })),
        1 => (tv.clone(), version.clone(), held).prop_map(|(tv, version, held)| Change::Entity(EntityChange::HoldGeneration {
            transaction_volume: volume(tv),
            version: Version(version),
            held
        })),
        1 => (tv.clone(), version.clone(), bv.clone()).prop_map(|(tv, version, bv)| Change::Entity(EntityChange::KeepGroupCopy {
            transaction_volume: volume(tv),
            version: Version(version),
            group: Box::new(group_copy(bv)),
        })),
        1 => (tv.clone(), version.clone()).prop_map(|(tv, version)| Change::Entity(EntityChange::KeepFingerprint {
            transaction_volume: volume(tv),
            version: Version(version),
            fingerprint: Box::new(read_bytes(version)),
            leaves: None,
        })),
        2 => (tv.clone(), version).prop_map(|(tv, version)| Change::Entity(EntityChange::ReleaseGeneration {
            transaction_volume: volume(tv),
            version: Version(version),
            at: Timestamp(77),
            why: ReleaseReason::Overwritten
        })),
        2 => (tv.clone(), 1_u64..4).prop_map(|(tv, version)| Change::Entity(EntityChange::ReinstateGeneration {
            transaction_volume: volume(tv),
            version: Version(version),
            state: GenerationState::InDoubt("a host may have written".to_owned()),
            held: "reinstated".into(),
        })),
        1 => bv.clone().prop_map(|bv| Change::Entity(EntityChange::ForgetReleased { backup_volume: volume(bv) })),
        2 => (pair.clone(), any::<bool>()).prop_map(|(pair, full)| Change::Entity(EntityChange::PutSession(OurSession {
            pair,
            since: Timestamp(3),
            operation: None,
            full
        }))),
        1 => pair.prop_map(|pair| Change::Entity(EntityChange::RemoveSession { pair })),
        1 => (bv.clone(), any::<bool>()).prop_map(|(bv, lost)| Change::Entity(EntityChange::WatchGroup {
            backup_volume: volume(bv),
            watch: GroupWatch {
                group: "vg".parse().unwrap(),
                at_start: Activation::Active,
                deactivated: lost.then_some(Timestamp(5)),
            },
        })),
        1 => (0_u8..3, 0_u64..4).prop_map(|(key, number)| Change::Entity(EntityChange::PutNotice {
            key: key.to_string(),
            notice: Box::new(NoticeRecord::Log(NoticeLog { number, from: number, done: vec![number] })),
        })),
        1 => (0_u8..3, 0_i64..4).prop_map(|(key, until)| Change::Entity(EntityChange::Acknowledge(Box::new(Acknowledgement {
            trouble: trouble(key),
            kind: TroubleKind::Error,
            volume: None,
            array: Some("A1".parse().unwrap()),
            text: "an error".to_owned(),
            reason: "known".into(),
            at: Timestamp(1),
            until: Timestamp(until),
            by: "ana".to_owned(),
        })))),
        1 => (0_u8..3).prop_map(|key| Change::Entity(EntityChange::EndAcknowledgement { trouble: trouble(key) })),
        1 => (0_u8..3).prop_map(|key| Change::Entity(EntityChange::RemoveNotice { key: key.to_string() })),
        2 => (any::<bool>(), proptest::collection::vec(tv.clone(), 0..3)).prop_map(|(other, volumes)| {
            Change::Entity(EntityChange::PutMapSet(map_set(if other { "nightly" } else { "weekly" }, &volumes)))
        }),
        1 => any::<bool>().prop_map(|other| Change::Entity(EntityChange::RemoveMapSet {
            name: if other { "nightly" } else { "weekly" }.parse().unwrap(),
        })),
        2 => (any::<bool>(), proptest::collection::vec(tv.clone(), 1..3)).prop_map(|(other, volumes)| {
            Change::Entity(EntityChange::PutVolumeSet(volume_set(if other { "erp" } else { "web" }, &volumes)))
        }),
        1 => any::<bool>().prop_map(|other| Change::Entity(EntityChange::RemoveVolumeSet {
            name: if other { "erp" } else { "web" }.parse().unwrap(),
        })),
        1 => (tv.clone(), bv.clone(), id.clone()).prop_map(|(tv, bv, id)| Change::Entity(EntityChange::UseMapRow {
            transaction_volume: volume(tv),
            backup_volume: volume(bv),
            operation: OperationId(id),
        })),
        1 => any::<bool>().prop_map(|other| Change::Entity(EntityChange::KnowArray {
            name: "DX1".parse().unwrap(),
            box_id: if other { BOX.replace("DXL", "DXM") } else { BOX.to_owned() }.parse().unwrap(),
        })),
        3 => (id.clone(), tv.clone(), proptest::collection::vec(prop_oneof![tv, bv], 0..3))
            .prop_map(|(id, tv, claims)| open(id, tv, &claims)),
        2 => (id.clone(), entry).prop_map(|(id, entry)| Change::Journal { operation: OperationId(id), entry }),
        2 => (id, end).prop_map(|(id, end)| Change::Close { operation: OperationId(id), end, at: Timestamp(9) }),
    ]
}

/// The same batches to a catalogue and to the model: the same answers, the same records, the same history.
pub async fn agrees_with_the_model(catalogue: &dyn Catalogue, batches: &[Vec<Change>]) -> Result<(), TestCaseError> {
    let model = MemoryCatalogue::new();
    for (number, batch) in (0..).zip(batches) {
        let expected = model.commit(batch.clone(), vec![event(number)]).await;
        let found = catalogue.commit(batch.clone(), vec![event(number)]).await;
        // Events of tables carry the digests of rows as well, and have other hashes by that.
        let placed = |kept: Vec<Event>| -> Vec<(u64, NewEvent)> {
            kept.into_iter().map(|event| (event.sequence, event.event)).collect()
        };
        prop_assert_eq!(found.map(placed), expected.map(placed), "batch {}", number);
    }
    prop_assert_eq!(catalogue.load().await.unwrap(), model.records());
    let report = catalogue.verify(Outside::default()).await.unwrap();
    prop_assert!(report.is_intact(), "{:?}", report.findings());
    prop_assert_eq!(report.events, model.head().await.unwrap().sequence);
    let of_each = (1..=6).chain(0x101..=0x106).map(volume);
    let each = of_each.flat_map(|id| [Generations::OfTransactionVolume(id), Generations::OnBackupVolume(id)]);
    for of in each.chain([Generations::All]) {
        let wanted = HistoryQuery { of, most: 5 };
        prop_assert_eq!(catalogue.history(wanted).await.unwrap(), model.history(wanted).await.unwrap());
    }
    for id in (0..6).map(OperationId) {
        prop_assert_eq!(catalogue.operation_end(id).await.unwrap(), model.operation_end(id).await.unwrap());
    }
    Ok(())
}

/// How many random histories: `ECDECK_ROUNDS` times as many when that is set.
pub fn rounds(usual: u32) -> u32 {
    let factor = std::env::var("ECDECK_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    usual.saturating_mul(factor)
}

pub fn random_histories(cases: u32, test: impl Fn(Vec<Vec<Change>>) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let batch = proptest::collection::vec(any_change(), 1..4);
    TestRunner::new(config).run(&proptest::collection::vec(batch, 1..40), test).unwrap();
}

#[test]
fn random_changes_mean_the_same_in_sqlite() {
    random_histories(rounds(48), |batches| {
        block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let catalogue = open_sql(&sqlite(folder.path())).await;
            agrees_with_the_model(&catalogue, &batches).await?;
            catalogue.close().await;
            // What is in the file is what was in force.
            let before = catalogue_records(&batches).await;
            drop(catalogue);
            let again = open_sql(&sqlite(folder.path())).await;
            prop_assert_eq!(again.load().await.unwrap(), before);
            again.close().await;
            Ok(())
        })
    });
}

async fn catalogue_records(batches: &[Vec<Change>]) -> Records {
    let model = MemoryCatalogue::new();
    for batch in batches {
        let _ = model.commit(batch.clone(), Vec::new()).await;
    }
    model.records()
}

fn trouble(number: u8) -> TroubleId {
    format!("{number:08x}").parse().unwrap()
}
