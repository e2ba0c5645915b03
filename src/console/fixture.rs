//! A site for tests and benchmarks: volumes in every state of life, or as many as wanted, all of them moving.

use crate::model::actor::Actor;
use crate::model::codes::Code;
use crate::model::copy::{Ability, Capabilities, CommandVerb};
use crate::model::identity::{BoxId, Olu, VolumeId};
use crate::model::moment::{Moment, ReadingMark};
use crate::model::records::{
    BackupMode, BackupVolume, CopyTime, Generation, GenerationState, OperationId, Policy, TransactionVolume,
};
use crate::model::request::Verb;
use crate::model::rows::Rows;
use crate::model::session::{ArrayVolume, ArrayWords, CopyKind, Direction, ErrorByte, Pair, Phase, RecModes, Status};
use crate::model::snapshot::{
    ArrayView, BackupState, BackupVolumeView, ClaimView, Due, EventLine, Halves, OperationView, Problem, Reach, Ready,
    SessionView, Severity, Site, Snapshot, TransactionState, TransactionVolumeView,
};
use crate::model::units::{Blocks, Progress, Timestamp, Version};
use crate::model::untrusted::Untrusted;

/// Tuesday, 24 November 2026, 01:31 UTC.
pub const NOW: Timestamp = Timestamp(1_795_483_860_000);
const MINUTE: i64 = 60 * Timestamp::SECOND;
const DAY: i64 = Timestamp::DAY;

pub fn box_id(number: u8) -> BoxId {
    format!("00ETERNUSDXLS5ET0{number:02}DEMO####LN4310901{number:03}#").parse().unwrap()
}

/// A volume of DEMO1.
pub fn one(olu: u32) -> VolumeId {
    VolumeId { box_id: box_id(1), olu: Olu(olu) }
}

/// A volume of DEMO2.
pub fn two(olu: u32) -> VolumeId {
    VolumeId { box_id: box_id(2), olu: Olu(olu) }
}

fn ago(minutes: i64) -> Timestamp {
    NOW.plus_millis(-minutes * MINUTE)
}

fn ready_in(earliest: i64, latest: i64) -> Ready {
    Ready::Between { earliest: NOW.plus_millis(earliest * MINUTE), latest: NOW.plus_millis(latest * MINUTE) }
}

fn array(name: &str, number: u8) -> ArrayView {
    let verbs = [CommandVerb::Start, CommandVerb::Resume, CommandVerb::Suspend, CommandVerb::Stop];
    let kinds = [CopyKind::Ec, CopyKind::Rec];
    ArrayView {
        name: name.parse().unwrap(),
        box_id: Some(box_id(number)),
        reach: Reach::Reachable,
        took_millis: 0,
        taken_at: Some(NOW),
        reading: 1,
        began: Some(Moment::at(NOW)),
        capabilities: Some(Capabilities {
            verbs: kinds
                .iter()
                .flat_map(|kind| verbs.map(|verb| (*kind, verb)))
                .chain([(CopyKind::Opc, CommandVerb::StartOpc), (CopyKind::Opc, CommandVerb::Stop)])
                .collect(),
            atomic_suspend: Ability::Yes,
            sessions_per_source: 8,
            sees_target_writes: Ability::Unknown,
            reads_bytes: true,
            limited: None,
            message_ids: vec![(Code::NOT_EQUIVALENT, "ccm4014".to_owned())],
            tool_commands: Vec::new(),
        }),
        attentions: Vec::new(),
        unknown_terms: Vec::new(),
    }
}

fn transaction(olu: u32, name: &str, mib: u64, policy: Option<(u16, u16, BackupMode)>) -> TransactionVolumeView {
    let policy = policy.map(|(generations, interval_days, mode)| Policy::new(generations, interval_days, mode));
    TransactionVolumeView {
        volume: TransactionVolume {
            id: one(olu),
            name: name.parse().unwrap(),
            blocks: Blocks::from_mib(mib),
            policy,
            registered_at: NOW.plus_millis(-40 * DAY),
            next_version: Version(1),
            group: None,
            window_since: None,
        },
        state: TransactionState::None,
        kept: 0,
        last_backup: None,
        due: if policy.is_some() { Due::Ok } else { Due::NoPolicy },
        window: None,
        ready: Ready::Never,
        claimed: None,
        problem: None,
    }
}

fn session(source: VolumeId, target: VolumeId, status: Status, phase: Phase, words: (&str, &str)) -> SessionView {
    SessionView {
        pair: Pair::new(source, target),
        status,
        phase,
        words: ArrayWords { status: words.0.into(), phase: words.1.into() },
        halves: if source.box_id == target.box_id { Halves::One } else { Halves::Agree },
        ours: true,
        full: Some(true),
        progress: None,
        difference: None,
        target_written: None,
        error: None,
        modes: (source.box_id != target.box_id).then(RecModes::default),
        direction: Direction::Forward,
        reported_kind: Pair::new(source, target).kind,
        requestor: "ecdeck".into(),
        rate: None,
        ready: Ready::Never,
        since: ago(23 * 60),
        copied_in: None,
        by_target: false,
        sid: target.olu.0,
    }
}

fn suspended(source: VolumeId, target: VolumeId, difference: u64) -> SessionView {
    let mut view = session(source, target, Status::Suspended, Phase::Tracking, ("EC Suspend", "Tracking"));
    view.difference = Some(Blocks(difference));
    view
}

/// Progress of a copy of so many MiB, at so many MiB a second.
fn moving(mut view: SessionView, full: bool, mib: u64, percent: u64, rate: u64, ready: Ready) -> SessionView {
    let total = Blocks::from_mib(mib);
    view.full = Some(full);
    view.progress = Some(Progress { done: Blocks(total.0 * percent / 100), total });
    view.rate = Some(rate << 20);
    view.ready = ready;
    view.since = ago(4);
    view
}

fn ana() -> Actor {
    Actor { uid: 1001, user: Some("ana".to_owned()), ssh: Some("192.0.2.7".to_owned()), pid: 4711, ..Actor::default() }
}

/// The picture of the README: a demonstration site in which everything that can be is the case.
pub fn demo() -> Snapshot {
    let suspend = |generations, days| Some((generations, days, BackupMode::Suspend));
    let mut ora01 = transaction(0x10, "demo-ora01", 192, suspend(3, 1));
    ora01.state = TransactionState::Copying;
    ora01.ready = ready_in(16, 16);
    let mut ora02 = transaction(0x11, "demo-ora02", 192, suspend(3, 1));
    ora02.state = TransactionState::Equivalent;
    ora02.ready = Ready::Now;
    let mut mail = transaction(0x12, "demo-mail", 96, suspend(2, 1));
    mail.state = TransactionState::Copying;
    mail.ready = ready_in(19, 24);
    mail.due = Due::Overdue(2);
    let mut web = transaction(0x13, "demo-web", 48, suspend(2, 1));
    web.state = TransactionState::Suspended;
    let mut dwh = transaction(0x14, "demo-dwh", 192, suspend(3, 1));
    dwh.state = TransactionState::Error;
    dwh.problem = Some(Box::new(Problem {
        code: Code::ERROR_SUSPENDED,
        text: "bad sector on the source".to_owned(),
        array_error: Some(ErrorByte(0xBA)),
        since: Some(ago(19)),
    }));
    let mut vg01 = transaction(0x15, "demo-vg01", 96, suspend(2, 1));
    vg01.due = Due::Overdue(1);
    let mut files = transaction(0x16, "demo-files", 96, Some((2, 7, BackupMode::Dissolve)));
    files.state = TransactionState::None;
    let mut crm = transaction(0x17, "demo-crm", 48, suspend(1, 1));
    crm.state = TransactionState::Halted;
    crm.problem = Some(Box::new(Problem {
        code: Code::HALTED,
        text: "the path to DEMO2 is lost".to_owned(),
        array_error: None,
        since: Some(ago(31)),
    }));
    let mut log = transaction(0x18, "demo-log", 48, suspend(1, 1));
    log.state = TransactionState::Equivalent;
    log.ready = Ready::Now;
    let claim = ClaimView { operation: OperationId(41), verb: Verb::Backup, holder: ana(), since: ago(1) };
    log.claimed = Some(Box::new(claim));
    let test = transaction(0x19, "demo-test", 48, None);
    let erp = transaction(0x1A, "demo-erp", 192, suspend(2, 1));

    let copy = ("EC Executing", "Copying");
    let paired = ("EC Executing", "Paired");
    let mut error =
        session(one(0x14), one(0x2A), Status::ErrorSuspended, Phase::Copying, ("EC Error Suspend", "Copying"));
    error.error = Some(ErrorByte(0xBA));
    error.since = ago(19);
    let mut halted = session(one(0x17), two(0x0B), Status::Halted, Phase::Equivalent, ("REC Halt", "Paired"));
    halted.since = ago(31);
    let mut ready02 = session(one(0x11), one(0x24), Status::Active, Phase::Equivalent, paired);
    ready02.since = ago(1);
    let mut foreign = session(one(0x16), one(0x2F), Status::Active, Phase::Copying, ("OPC Executing", "Copying"));
    foreign.ours = false;
    foreign.full = None;
    foreign.requestor = "GUI (admin)".into();
    let mut sessions = vec![
        moving(
            session(one(0x10), one(0x21), Status::Active, Phase::Copying, copy),
            true,
            192,
            74,
            12,
            ready_in(16, 16),
        ),
        suspended(one(0x10), one(0x22), 3_072),
        suspended(one(0x10), one(0x23), 9_216),
        ready02,
        suspended(one(0x11), one(0x25), 2_048),
        suspended(one(0x11), one(0x26), 6_144),
        suspended(one(0x11), one(0x27), 11_264),
        moving(
            session(one(0x12), two(0x09), Status::Active, Phase::TrackingAndCopying, ("REC Executing", "Copying")),
            false,
            33,
            12,
            4,
            ready_in(19, 24),
        ),
        suspended(one(0x12), two(0x0A), 70_000),
        suspended(one(0x13), one(0x31), 8_396),
        suspended(one(0x13), one(0x32), 20_480),
        error,
        suspended(one(0x14), one(0x28), 12_000),
        foreign,
        halted,
        session(one(0x18), one(0x33), Status::Active, Phase::Equivalent, paired),
    ];
    sessions.sort_by_key(|view| view.pair);

    let kept = |olu: u32, version: u64, target: VolumeId, mib: u64, days: i64| Generation {
        transaction_volume: one(olu),
        version: Version(version),
        backup_volume: target,
        blocks: Blocks::from_mib(mib),
        taken_at: NOW.plus_millis(29 * MINUTE - days * DAY),
        mode: BackupMode::Suspend,
        state: GenerationState::Valid,
        held: None,
        provisioned: false,
        crash_consistent: None,
        group: None,
        copied_in: (days < 3).then_some(CopyTime { millis: mib * 4_100 + version * 900, full: days == 2 }),
        fingerprint: None,
        suspend_complete_by: None,
        set: None,
        operation: Some(OperationId(30)),
    };
    let mut generations = vec![
        kept(0x10, 16, one(0x23), 192, 2),
        kept(0x10, 17, one(0x22), 192, 1),
        kept(0x11, 16, one(0x27), 192, 3),
        kept(0x11, 17, one(0x26), 192, 2),
        kept(0x11, 18, one(0x25), 192, 1),
        kept(0x12, 9, two(0x0A), 96, 3),
        kept(0x13, 4, one(0x32), 48, 2),
        kept(0x13, 5, one(0x31), 48, 1),
        kept(0x14, 21, one(0x29), 192, 3),
        kept(0x14, 22, one(0x28), 192, 2),
        kept(0x16, 2, one(0x2C), 96, 12),
        kept(0x16, 3, one(0x2D), 96, 5),
    ];
    generations[0].held = Some("tape".into());
    generations[2].provisioned = true;
    generations[8].mode = BackupMode::Dissolve;
    generations[9].state = GenerationState::InDoubt("the array reported 0xBA".to_owned());
    generations[10].mode = BackupMode::Dissolve;
    generations[11].mode = BackupMode::Dissolve;
    generations[11].state = GenerationState::NeedsAttention("the post-processing script failed".to_owned());

    let sizes: Vec<(VolumeId, u64)> = (0x21..=0x2A)
        .map(|olu| (one(olu), 192))
        .chain([0x2C, 0x2D, 0x2E].map(|olu| (one(olu), 96)))
        .chain([0x31, 0x32, 0x33, 0x34, 0x35].map(|olu| (one(olu), 48)))
        .chain([(two(0x09), 96), (two(0x0A), 96), (two(0x0B), 48)])
        .collect();
    let mut transaction_volumes = vec![ora01, ora02, mail, web, dwh, vg01, files, crm, log, test, erp];
    for view in &mut transaction_volumes {
        let own: Vec<_> = generations.iter().filter(|kept| kept.transaction_volume == view.volume.id).collect();
        view.kept = own.len() as u16;
        view.last_backup = own.last().map(|generation| (generation.version, generation.taken_at));
        view.volume.next_version = Version(view.last_backup.map_or(1, |(version, _)| version.0 + 1));
    }
    let pool = pool(&sizes, &sessions, &generations);
    let line = |sequence: u64, minutes: i64, severity, volume: Option<u32>, text: &str| EventLine {
        sequence,
        at: ago(minutes),
        severity,
        volume: volume.map(one),
        text: text.to_owned(),
        news: true,
    };
    Snapshot {
        sequence: 7,
        catalogue: None,
        notify: None,
        not_copied: None,
        acknowledged: Rows::default(),
        take_overs: Vec::new().into(),
        maintenance: Rows::default(),
        map_sets: Rows::default(),
        map_uses: Rows::default(),
        volume_sets: Rows::default(),
        restores: Vec::new(),
        released: Rows::default(),
        taken_at: NOW,
        moment: Moment::at(NOW),
        mark: ReadingMark::default(),
        site: Site {
            name: "db01".to_owned(),
            demo: true,
            poll_millis: 1_000,
            rec: Vec::new(),
            hooks: Vec::new(),
            pools: Vec::new(),
        },
        arrays: vec![array("DEMO1", 1), array("DEMO2", 2)],
        transaction_volumes: transaction_volumes.into(),
        pool: pool.into(),
        sessions: sessions.into(),
        generations: generations.into(),
        operations: vec![OperationView {
            id: OperationId(41),
            verb: Verb::Backup,
            volume: one(0x18),
            actor: ana(),
            started: ago(1),
            step: "waiting for DEMO1's answer to suspend".to_owned(),
            waits_for: None,
            steps_done: 1,
            steps_total: 3,
            end: None,
        }],
        unregistered: [(0x40, 96), (0x41, 192)]
            .map(|(olu, mib)| ArrayVolume {
                id: one(olu),
                label: "spare".into(),
                blocks: Blocks::from_mib(mib),
                copy_inhibited: None,
            })
            .into_iter()
            .collect(),
        events: vec![
            line(88, 1_500, Severity::Good, Some(0x11), "demo-ora02: generation v17 recorded on DEMO1/0x26"),
            line(90, 31, Severity::Warning, Some(0x17), "demo-crm: halted, the path to DEMO2 is lost"),
            line(91, 24, Severity::Info, Some(0x11), "ana: start of demo-ora02, full to DEMO1/0x24 (op38)"),
            line(92, 19, Severity::Problem, Some(0x14), "demo-dwh: bad sector on the source (0xBA)"),
            line(93, 12, Severity::Warning, Some(0x15), "demo-vg01: the backup is overdue by 1 day"),
            line(94, 4, Severity::Info, Some(0x10), "ana: start of demo-ora01, full to DEMO1/0x21 (op39)"),
            line(95, 4, Severity::Info, Some(0x12), "ana: resume of demo-mail, the difference to DEMO2/0x9 (op40)"),
            line(96, 1, Severity::Good, Some(0x11), "demo-ora02 is equivalent, ready to back up"),
            line(97, 1, Severity::Info, Some(0x18), "ana: backup of demo-log (op41)"),
        ],
    }
}

/// Backup volumes with the state that sessions and generations give them.
fn pool(sizes: &[(VolumeId, u64)], sessions: &[SessionView], generations: &[Generation]) -> Vec<BackupVolumeView> {
    let mut pool: Vec<BackupVolumeView> = sizes
        .iter()
        .map(|&(id, mib)| {
            let session = sessions.iter().find(|view| view.pair.target == id);
            let generation = generations.iter().find(|generation| generation.backup_volume == id);
            let state = match (session.map(|view| (view.status, view.phase)), generation) {
                (None, None) => BackupState::Unused,
                (None, Some(_)) => BackupState::Generation,
                (Some((Status::Suspended, _)), Some(_)) => BackupState::SuspendedGeneration,
                (Some((Status::Suspended, _)), None) => BackupState::Bound,
                (Some((Status::ErrorSuspended, _)), _) => BackupState::Error,
                (Some((_, Phase::Equivalent)), _) => BackupState::Equivalent,
                (Some(_), _) => BackupState::Copying,
            };
            BackupVolumeView {
                volume: BackupVolume { id, name: None, blocks: Blocks::from_mib(mib), registered_at: NOW, group: None },
                state,
                transaction_volume: session
                    .map(|view| view.pair.source)
                    .or(generation.map(|generation| generation.transaction_volume)),
                generation: generation.map(|generation| generation.version),
                session_unread: false,
                session_gone: None,
                group_state: None,
                claimed: None,
                problem: None,
            }
        })
        .collect();
    pool.sort_by_key(|view| view.volume.id);
    pool
}

/// So many transaction volumes, each with a session that copies and a generation that is kept.
pub fn large(volumes: u32) -> Snapshot {
    let mut snapshot = demo();
    snapshot.events.clear();
    snapshot.operations.clear();
    let first = 0x1_0000;
    let target = |index: u32| one(first + volumes + 2 * index);
    snapshot.transaction_volumes = (0..volumes)
        .map(|index| {
            let policy = Some((2, 1, BackupMode::Suspend));
            let mut view = transaction(first + index, &format!("vol{index:05}"), 192, policy);
            view.state = TransactionState::Copying;
            view.kept = 1;
            view.last_backup = Some((Version(1), ago(1_400)));
            view.volume.next_version = Version(2);
            view.ready = ready_in(10, 10);
            view
        })
        .collect();
    snapshot.sessions = (0..volumes)
        .map(|index| {
            let view =
                session(one(first + index), target(index), Status::Active, Phase::Copying, ("EC Executing", "Copying"));
            moving(view, true, 192, u64::from(index * 7 % 90), 12, ready_in(10, 10))
        })
        .collect();
    snapshot.generations = (0..volumes)
        .map(|index| Generation {
            transaction_volume: one(first + index),
            version: Version(1),
            backup_volume: one(first + volumes + 2 * index + 1),
            blocks: Blocks::from_mib(192),
            taken_at: ago(1_400),
            mode: BackupMode::Dissolve,
            state: GenerationState::Valid,
            held: None,
            provisioned: false,
            crash_consistent: None,
            group: None,
            copied_in: None,
            fingerprint: None,
            suspend_complete_by: None,
            set: None,
            operation: None,
        })
        .collect();
    snapshot.pool = (0..2 * volumes)
        .map(|index| {
            let kept = index % 2 == 1;
            BackupVolumeView {
                volume: BackupVolume {
                    id: one(first + volumes + index),
                    name: None,
                    blocks: Blocks::from_mib(192),
                    registered_at: NOW,
                    group: None,
                },
                state: if kept { BackupState::Generation } else { BackupState::Copying },
                transaction_volume: Some(one(first + index / 2)),
                generation: kept.then_some(Version(1)),
                session_unread: false,
                session_gone: None,
                group_state: None,
                claimed: None,
                problem: None,
            }
        })
        .collect();
    snapshot
}

/// The same site a second later: every copy has gone on at its rate, some a little slower.
pub fn later(snapshot: &Snapshot, seconds: u64) -> Snapshot {
    let mut next = snapshot.clone();
    next.sequence += 1;
    next.taken_at = next.taken_at.plus_millis(i64::try_from(seconds).unwrap() * 1_000);
    next.moment = Moment::at(next.taken_at);
    for (index, view) in next.sessions.iter_mut().enumerate() {
        let (Some(progress), Some(rate)) = (&mut view.progress, &mut view.rate) else { continue };
        let sway = (next.sequence + index as u64) % 5 * 40_000;
        let moved = (*rate + sway) * seconds / Blocks::BYTES / 8;
        progress.done = Blocks((progress.done.0 + moved) % progress.total.0.max(1));
        *rate = (12 << 20) + sway;
    }
    for array in &mut next.arrays {
        array.taken_at = Some(next.taken_at);
        array.began = Some(next.moment);
    }
    next
}

/// Text from outside with everything in it that must never reach a terminal.
pub fn hostile() -> Untrusted {
    Untrusted::from("a\u{1b}[2J\u{202e}b\u{7}")
}
