//! An engine for tests of the dialogue: it plans by the real rules on the demonstration site, and runs nothing.

use super::CliError;
use super::link::{Channel, Link};
use crate::demo::{Declaration, LiveState, records_of};
use crate::engine::protocol::{Answer, Ask, PlannedAnswer};
use crate::model::codes::Code;
use crate::model::copy::{Ability, Capabilities, CommandVerb};
use crate::model::identity::VolumeId;
use crate::model::observe::{ArraySource, Sources, Tracker, build};
use crate::model::plan::{Refusal, plan};
use crate::model::records::{OperationEnd, OperationId, Records};
use crate::model::request::Request;
use crate::model::session::{
    ArrayVolume, ArrayWords, CopyKind, Direction, ErrorByte, Pair, Phase, Reading, SessionReading, Status,
};
use crate::model::snapshot::{Reach, Site, Snapshot};
use crate::model::units::{Blocks, Progress, Timestamp};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

const NOW: Timestamp = Timestamp(1_790_000_000_000);

/// The demonstration site's snapshot right after it was made.
pub fn snapshot() -> Snapshot {
    let declaration = Declaration::built_in().unwrap();
    let mut records = Records::default();
    records.apply_all(&records_of(&declaration, NOW).0).unwrap();
    let verbs = [CommandVerb::Start, CommandVerb::Resume, CommandVerb::Suspend, CommandVerb::Stop];
    let capabilities = Capabilities {
        verbs: [CopyKind::Ec, CopyKind::Rec].into_iter().flat_map(|kind| verbs.map(|verb| (kind, verb))).collect(),
        atomic_suspend: Ability::Yes,
        sessions_per_source: 8,
        sees_target_writes: Ability::Unknown,
        reads_bytes: true,
        limited: None,
        message_ids: Vec::new(),
        tool_commands: Vec::new(),
    };
    let mut tracker = Tracker::default();
    let arrays: Vec<ArraySource> = declaration
        .arrays
        .iter()
        .map(|array| {
            let of_box = |id: &VolumeId| id.box_id == array.box_id;
            let sessions = readings(&declaration, &records);
            let sessions = sessions
                .into_iter()
                .filter(|session| of_box(&session.pair.source) || of_box(&session.pair.target))
                .collect();
            let reading = Reading::complete(array.box_id, NOW, sessions);
            tracker.take(&reading);
            let volumes = declaration.volumes().filter(|(id, _)| of_box(id));
            let mut volumes: Vec<ArrayVolume> = volumes
                .map(|(id, blocks)| ArrayVolume { id, label: "demo".into(), blocks, copy_inhibited: None })
                .collect();
            volumes.sort_by_key(|volume| volume.id);
            ArraySource {
                name: array.name.clone(),
                box_id: Some(array.box_id),
                reach: Reach::Reachable,
                capabilities: Some(capabilities.clone()),
                took_millis: 0,
                reading: Some(Arc::new(reading)),
                volumes: Some(Arc::new(volumes)),
            }
        })
        .collect();
    let site = Site {
        name: declaration.site.to_string(),
        demo: true,
        poll_millis: 1000,
        rec: Vec::new(),
        hooks: Vec::new(),
        pools: Vec::new(),
    };
    build(&Sources {
        zone: &jiff::tz::TimeZone::UTC,
        sequence: 1,
        now: NOW,
        moment: crate::model::moment::Moment::at(NOW),
        mark: crate::model::moment::ReadingMark::default(),
        site: &site,
        records: &records,
        set_aside: &[],
        arrays: &arrays,
        tracker: &tracker,
        kernels: &std::collections::BTreeMap::new(),
        operations: &[],
        events: &[],
    })
}

fn readings(declaration: &Declaration, records: &Records) -> Vec<SessionReading> {
    let live =
        |pair: &Pair| declaration.transaction_volumes.iter().filter_map(|v| v.live).find(|live| live.pair == *pair);
    let reading = |(index, pair): (usize, &Pair)| {
        let blocks = records.backup_volumes[&pair.target].blocks;
        let state = live(pair).map_or(LiveState::Suspended, |live| live.state);
        let (status, phase) = match state {
            LiveState::Copying => (Status::Active, Phase::Copying),
            LiveState::Equivalent => (Status::Active, Phase::Equivalent),
            LiveState::Suspended => (Status::Suspended, Phase::Equivalent),
            LiveState::Error => (Status::ErrorSuspended, Phase::Copying),
            LiveState::Halted => (Status::Halted, Phase::Copying),
        };
        let progress = Progress { done: Blocks(blocks.0 / 3), total: blocks };
        SessionReading {
            sid: index as u32,
            pair: *pair,
            status,
            phase,
            progress: (state == LiveState::Copying).then_some(progress),
            difference: None,
            error: (state == LiveState::Error).then_some(ErrorByte(0xBA)),
            modes: None,
            direction: Direction::Forward,
            target_written: None,
            requestor: "ecdeck".into(),
            started: None,
            words: ArrayWords::default(),
        }
    };
    records.sessions.keys().enumerate().map(reading).collect()
}

/// What the engine was asked, and what it is told to answer instead of what it would.
#[derive(Clone, Default)]
pub struct Fake {
    pub asked: Arc<Mutex<Vec<Ask>>>,
    pub answers: Arc<Mutex<VecDeque<Answer>>>,
    pub ends: Arc<Mutex<VecDeque<OperationEnd>>>,
}

impl Fake {
    pub fn link(&self) -> Link {
        Link::new(Line { fake: self.clone(), snapshot: Arc::new(snapshot()) }, vec!["--demo".to_owned()])
    }

    pub fn ran(&self) -> bool {
        self.asked.lock().iter().any(|ask| matches!(ask, Ask::Run { .. }))
    }
}

struct Line {
    fake: Fake,
    snapshot: Arc<Snapshot>,
}

impl Line {
    fn planned(&self, request: &Request) -> Answer {
        match plan(&self.snapshot, request) {
            Ok(plan) => Answer::Planned(PlannedAnswer { commands: Vec::new(), sequence: 1, plan }),
            Err(refusal) => Answer::Refused { refusal },
        }
    }

    fn answer(&self, ask: &Ask) -> Answer {
        match ask {
            Ask::Snapshot | Ask::View { .. } | Ask::Reread => {
                Answer::Snapshot { snapshot: Box::new(Snapshot::clone(&self.snapshot)) }
            }
            Ask::OpenPages => Answer::PagesOpened { site: Box::new(self.snapshot.without_rows()) },
            Ask::Page { list, from } => Answer::Page(self.snapshot.page(*list, *from)),
            Ask::Plan { request, .. } | Ask::Propose { request } => self.planned(request),
            Ask::Run { request, agreed, confirmation } => {
                if let Ok(plan) = plan(&self.snapshot, request)
                    && plan.confirmation().is_some_and(|wanted| confirmation.as_ref() != Some(&wanted.name))
                {
                    return Answer::Refused { refusal: Refusal::new(Code::CONFIRMATION_MISMATCH, "another name") };
                }
                if let Some(answer) = self.fake.answers.lock().pop_front() {
                    return answer;
                }
                let Answer::Planned(planned) = self.planned(request) else {
                    panic!("what was planned is planned again")
                };
                assert_eq!(planned.plan.agreement(), *agreed);
                let operations = (1..=planned.plan.items().len() as u64).map(OperationId).collect();
                let refused = planned.plan.refused().to_vec();
                Answer::Running { operations, ran: Box::new(planned), refused, changed: None }
            }
            Ask::Wait { operations } => {
                let mut ends = self.fake.ends.lock();
                let end = |id: &OperationId| (*id, ends.pop_front().unwrap_or(OperationEnd::Done));
                Answer::Ended { ends: operations.iter().map(end).collect(), mark: self.snapshot.mark }
            }
            other => panic!("{other:?} is not asked here"),
        }
    }
}

impl Channel for Line {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'_, Result<Answer, CliError>> {
        let answer = self.answer(&ask);
        self.fake.asked.lock().push(ask);
        Box::pin(async { Ok(answer) })
    }

    fn next_snapshot(&mut self) -> BoxFuture<'_, Result<Arc<Snapshot>, CliError>> {
        let snapshot = Arc::clone(&self.snapshot);
        Box::pin(async { Ok(snapshot) })
    }
}
