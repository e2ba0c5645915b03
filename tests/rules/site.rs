//! A site in a few lines: records and readings that the tests put together, and the snapshot of them.

use ecdeck::model::actor::Actor;
use ecdeck::model::advice::UnknownTerm;
use ecdeck::model::codes::Code;
use ecdeck::model::copy::{Ability, Capabilities, CommandVerb};
use ecdeck::model::identity::{BoxId, Olu, VolumeId};
use ecdeck::model::observe::{ArraySource, Sources, Tracker, build};
use ecdeck::model::plan::{Plan, Refusal, plan};
use ecdeck::model::pool::NamedPool;
use ecdeck::model::records::{
    BackupMode, BackupVolume, Change, EntityChange, Generation, GenerationState, OpenOperation, OperationId,
    OurSession, Policy, Records, TransactionVolume,
};
use ecdeck::model::request::{Action, Request, Verb};
use ecdeck::model::session::{
    ArrayVolume, ArrayWords, CopyKind, Direction, Others, Pair, Phase, Reading, RecModes, SessionReading, Status,
    UnknownRow,
};
use ecdeck::model::snapshot::{Reach, RecRoute, Site as SiteView, Snapshot};
use ecdeck::model::step::{PlanItem, PlanStep};
use ecdeck::model::units::{Blocks, Progress, Timestamp, Version};
use ecdeck::model::untrusted::Untrusted;
use std::sync::Arc;

pub const BOXES: [&str; 2] = ["00ETERNUSDXL##ET08E21A####LN4310901078##", "00ETERNUSDXM##ET092DC#####LN4610901099##"];
pub const POLL_MILLIS: u32 = 1000;

pub fn volume(array: usize, olu: u32) -> VolumeId {
    let box_id: BoxId = BOXES[array].parse().unwrap();
    VolumeId { box_id, olu: Olu(olu) }
}

/// What the arrays and the catalogue hold. Arrays are `DEMO1` and `DEMO2`.
#[derive(Debug, Clone)]
pub struct Site {
    pub now: Timestamp,
    pub records: Records,
    pub sessions: Vec<SessionReading>,
    pub volumes: Vec<ArrayVolume>,
    pub reach: [Reach; 2],
    /// How long ago the arrays were read, in milliseconds.
    pub age: [i64; 2],
    pub capabilities: Capabilities,
    /// The configured modes of remote copies.
    pub rec: Vec<RecRoute>,
    pub pools: Vec<NamedPool>,
    /// What each array shows of the sessions of others.
    pub others: [Others; 2],
    /// Lines of the first array that could not be read.
    pub unknown_rows: Vec<UnknownRow>,
    /// Words and titles of the first array that have no meaning.
    pub unknown_terms: Vec<UnknownTerm>,
    /// A session that each array reports in its own way, beside the others.
    pub halves: [Option<SessionReading>; 2],
}

impl Site {
    pub fn new() -> Self {
        let verbs = [CopyKind::Ec, CopyKind::Rec].into_iter().flat_map(|kind| {
            [CommandVerb::Start, CommandVerb::Resume, CommandVerb::Suspend, CommandVerb::Stop].map(|verb| (kind, verb))
        });
        Self {
            now: Timestamp(1_000 * Timestamp::DAY),
            records: Records::default(),
            sessions: Vec::new(),
            volumes: Vec::new(),
            reach: [Reach::Reachable, Reach::Reachable],
            age: [0, 0],
            capabilities: Capabilities {
                verbs: verbs.collect(),
                atomic_suspend: Ability::Yes,
                sessions_per_source: 8,
                sees_target_writes: Ability::Yes,
                reads_bytes: true,
                limited: None,
                message_ids: Vec::new(),
                tool_commands: Vec::new(),
            },
            rec: Vec::new(),
            pools: Vec::new(),
            others: [Others::Read, Others::Read],
            unknown_rows: Vec::new(),
            unknown_terms: Vec::new(),
            halves: [None, None],
        }
    }

    pub fn put(&mut self, change: &Change) {
        self.records.apply(change).unwrap();
    }

    pub fn unregistered(&mut self, array: usize, olu: u32, mib: u64) -> VolumeId {
        let id = volume(array, olu);
        self.volumes.push(ArrayVolume {
            id,
            label: Untrusted::default(),
            blocks: Blocks::from_mib(mib),
            copy_inhibited: None,
        });
        id
    }

    pub fn transaction_volume(&mut self, name: &str, array: usize, olu: u32, mib: u64) -> VolumeId {
        let id = self.unregistered(array, olu, mib);
        self.put(&Change::Entity(EntityChange::PutTransactionVolume(TransactionVolume {
            id,
            name: name.parse().unwrap(),
            blocks: Blocks::from_mib(mib),
            policy: None,
            registered_at: Timestamp(0),
            next_version: Version(1),
            group: None,
            window_since: None,
        })));
        id
    }

    pub fn backup_volume(&mut self, array: usize, olu: u32, mib: u64) -> VolumeId {
        let id = self.unregistered(array, olu, mib);
        let blocks = Blocks::from_mib(mib);
        self.put(&Change::Entity(EntityChange::PutBackupVolume(BackupVolume {
            id,
            name: None,
            blocks,
            registered_at: Timestamp(0),
            group: None,
        })));
        id
    }

    pub fn policy(&mut self, id: VolumeId, generations: u16, mode: BackupMode) {
        self.change_policy(id, |_| Some(Policy::new(generations, 1, mode)));
    }

    /// Changes the policy that a volume has.
    pub fn change_policy(&mut self, id: VolumeId, change: impl FnOnce(Option<Policy>) -> Option<Policy>) {
        let known = self.records.transaction_volumes[&id].clone();
        let policy = change(known.policy);
        let window_since = policy.and_then(|policy| policy.window).map(|_| known.registered_at);
        let changed = TransactionVolume { policy, window_since, ..known };
        self.put(&Change::Entity(EntityChange::PutTransactionVolume(changed)));
    }

    /// One of our sessions.
    pub fn session(&mut self, source: VolumeId, target: VolumeId, status: Status, phase: Phase) -> &mut SessionReading {
        let pair = Pair::new(source, target);
        self.put(&Change::Entity(EntityChange::PutSession(OurSession {
            pair,
            since: Timestamp(0),
            operation: None,
            full: true,
        })));
        self.foreign(source, target, status, phase)
    }

    /// A session that the catalogue does not know.
    pub fn foreign(&mut self, source: VolumeId, target: VolumeId, status: Status, phase: Phase) -> &mut SessionReading {
        let copies = status == Status::Active && phase == Phase::Copying;
        self.sessions.push(SessionReading {
            sid: self.sessions.len() as u32,
            pair: Pair::new(source, target),
            status,
            phase,
            progress: copies.then_some(Progress { done: Blocks(74), total: Blocks(100) }),
            difference: None,
            error: None,
            modes: (source.box_id != target.box_id).then(RecModes::default),
            direction: Direction::Forward,
            target_written: None,
            requestor: "AdvancedCopy Manager".into(),
            started: None,
            words: ArrayWords { status: status.to_string().as_str().into(), phase: phase.to_string().as_str().into() },
        });
        self.sessions.last_mut().unwrap()
    }

    pub fn generation(&mut self, source: VolumeId, target: VolumeId) -> Version {
        let version = self.records.transaction_volumes[&source].next_version;
        self.put(&Change::Entity(EntityChange::AddGeneration(Generation {
            transaction_volume: source,
            version,
            backup_volume: target,
            blocks: self.records.backup_volumes[&target].blocks,
            taken_at: Timestamp(0),
            mode: BackupMode::Suspend,
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
        })));
        version
    }

    pub fn hold(&mut self, transaction_volume: VolumeId, version: Version) {
        self.put(&Change::Entity(EntityChange::HoldGeneration {
            transaction_volume,
            version,
            held: Some("tape".into()),
        }));
    }

    /// Another operation has these volumes.
    pub fn claim(&mut self, volumes: &[VolumeId]) {
        let item = PlanItem {
            verb: Verb::Backup,
            volume: volumes[0],
            steps: Vec::new(),
            claims: volumes.to_vec(),
            notices: Vec::new(),
            confirmation: None,
            until: None,
            set: None,
        };
        let actor = Actor { uid: 1001, user: Some("ana".to_owned()), ..Actor::default() };
        let operation = OpenOperation {
            id: OperationId(self.records.next_operation),
            actor,
            started: self.now,
            reason: None,
            item,
            journal: Vec::new(),
        };
        let epoch = self.records.next_epoch;
        self.put(&Change::Open { operation, claims: volumes.to_vec(), epoch });
    }

    pub fn snapshot(&self) -> Snapshot {
        let mut tracker = Tracker::default();
        let arrays: Vec<ArraySource> = (0..2).map(|at| self.array(at, &mut tracker)).collect();
        let site = SiteView {
            name: "test".to_owned(),
            demo: false,
            poll_millis: POLL_MILLIS,
            rec: self.rec.clone(),
            hooks: Vec::new(),
            pools: self.pools.clone(),
        };
        build(&Sources {
            zone: &jiff::tz::TimeZone::UTC,
            sequence: 1,
            now: self.now,
            moment: ecdeck::model::moment::Moment::at(self.now),
            mark: ecdeck::model::moment::ReadingMark::default(),
            site: &site,
            records: &self.records,
            set_aside: &[],
            arrays: &arrays,
            tracker: &tracker,
            kernels: &std::collections::BTreeMap::new(),
            operations: &[],
            events: &[],
        })
    }

    fn array(&self, at: usize, tracker: &mut Tracker) -> ArraySource {
        let box_id: BoxId = BOXES[at].parse().unwrap();
        let touches =
            |session: &&SessionReading| session.pair.source.box_id == box_id || session.pair.target.box_id == box_id;
        let sessions = self.sessions.iter().filter(touches).chain(&self.halves[at]).cloned().collect();
        let unknown_rows = if at == 0 { self.unknown_rows.clone() } else { Vec::new() };
        let complete = Reading::complete(box_id, self.now.plus_millis(-self.age[at]), sessions);
        let unknown_terms = if at == 0 { self.unknown_terms.clone() } else { Vec::new() };
        let reading = Reading { others: self.others[at].clone(), unknown_rows, unknown_terms, ..complete };
        let long_ago = ecdeck::model::moment::Moment(1);
        tracker.take(&Reading { taken_at: Timestamp(1), began: long_ago, ..reading.clone() });
        ArraySource {
            name: format!("DEMO{}", at + 1).parse().unwrap(),
            box_id: Some(box_id),
            reach: self.reach[at].clone(),
            capabilities: Some(self.capabilities.clone()),
            took_millis: 0,
            reading: Some(Arc::new(reading)),
            volumes: Some(Arc::new(self.volumes.iter().filter(|v| v.id.box_id == box_id).cloned().collect())),
        }
    }

    pub fn plan(&self, action: Action) -> Result<Plan, Refusal> {
        plan(&self.snapshot(), &Request::new(action))
    }

    pub fn ensure(&self, action: Action) -> Result<Plan, Refusal> {
        plan(&self.snapshot(), &Request { ensure: true, ..Request::new(action) })
    }
}

pub fn start(volumes: &[VolumeId]) -> Action {
    Action::Start { volumes: volumes.to_vec(), targets: Vec::new(), together: false }
}

pub fn resume(volume: VolumeId) -> Action {
    Action::Resume { volumes: vec![volume], target: None }
}

pub fn suspend(volume: VolumeId) -> Action {
    Action::Suspend { volumes: vec![volume], target: None }
}

pub fn backup(volume: VolumeId, mode: Option<BackupMode>) -> Action {
    Action::Backup { volumes: vec![volume], mode, together: false }
}

pub fn steps(plan: &Plan) -> &[PlanStep] {
    assert_eq!(plan.items().len(), 1, "{plan:?}");
    &plan.items()[0].steps
}

pub fn code<T: std::fmt::Debug>(answer: Result<T, Refusal>) -> Code {
    answer.unwrap_err().code
}

pub fn notices(plan: &Plan) -> Vec<Code> {
    plan.items().iter().flat_map(|item| &item.notices).map(|notice| notice.code).collect()
}

/// Every way on that a refusal offers can be gone.
pub fn all_remedies_work(site: &Site, refusal: &Refusal) {
    for remedy in &refusal.remedies {
        let planned = plan(&site.snapshot(), &remedy.request);
        assert!(planned.is_ok(), "{}: {:?}", remedy.label, planned.unwrap_err());
        assert_eq!(planned.unwrap().destroys(), remedy.destroys, "{}", remedy.label);
    }
}

/// A volume of 48 MiB with a policy of two generations and three backup volumes.
pub fn round() -> (Site, VolumeId, [VolumeId; 3]) {
    let mut site = Site::new();
    let source = site.transaction_volume("ora01", 0, 0x10, 48);
    let targets = [0x21, 0x22, 0x23].map(|olu| site.backup_volume(0, olu, 48));
    site.policy(source, 2, BackupMode::Suspend);
    (site, source, targets)
}
