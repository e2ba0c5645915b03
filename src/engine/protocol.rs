//! What engine and clients say to each other: one JSON document a frame.

use crate::catalog::sql::FORMAT;
use crate::model::acknowledgement::Acknowledgement;
use crate::model::audit::AuditReport;
use crate::model::catalogue_copy::{CatalogueCopies, CatalogueCopy};
use crate::model::codes::Code;
use crate::model::event::{ChainHash, ChainHead, Event};
use crate::model::hook::{Hook, ScriptReport};
use crate::model::host_report::HostView;
use crate::model::identity::{Name, VolumeId};
use crate::model::maintenance::Maintenance;
use crate::model::moment::ReadingMark;
use crate::model::pages::{FirstRows, Page, PageList};
use crate::model::pieces::Piece;
use crate::model::plan::{Agreement, Plan, Refusal};
use crate::model::records::{OperationEnd, OperationId, PastGeneration};
use crate::model::request::Request;
use crate::model::service_nodes::ServiceView;
use crate::model::since_report::SinceReport;
use crate::model::snapshot::Snapshot;
use crate::model::snapshot_change::SnapshotChange;
use crate::model::step::HookPhase;
use crate::model::trouble_kind::TroubleId;
use crate::model::units::{Timestamp, Version};
use crate::model::untrusted::Untrusted;
use crate::model::verification::Verified;
use crate::process::frames::{ENGINE, Hello};
use serde::{Deserialize, Serialize};

/// Grows with every change of what is on the wire that an older program would misread.
pub const PROTOCOL: u32 = 11;

/// What a person does about an engine that does not understand.
pub const REMEDY: &str =
    "end the engine (SIGTERM, or `systemctl restart ecdeck`) and repeat: it continues where it was";

/// The greeting of both ends.
pub fn hello() -> Hello {
    Hello::of(ENGINE, PROTOCOL, FORMAT)
}

/// Client to engine. Answers carry the number of the question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    pub number: u64,
    pub ask: Ask,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum Ask {
    /// One snapshot, now.
    Snapshot,
    /// One snapshot of the volumes that people name, of these ones and of what belongs to them. Where a name is not known, the
    /// whole one: whoever typed it is offered near names.
    View {
        names: Vec<String>,
        volumes: Vec<VolumeId>,
    },
    /// One snapshot, after every array was asked anew, for its volumes too.
    Reread,
    /// Keeps one moment of the site for this line, in the place of an earlier one, and gives it without rows: they are read
    /// page by page.
    OpenPages,
    /// A page of the moment that this line holds.
    Page {
        list: PageList,
        from: usize,
    },
    /// A snapshot, then changes, until the connection ends. A client that is slow gets a new whole one instead of a queue.
    Watch,
    /// The same for a screen: where a snapshot comes in pieces, so many rows of transaction volumes come first, those in
    /// trouble at the top.
    WatchScreen {
        rows: u16,
    },
    /// As [`Ask::Watch`], of these volumes and of what belongs to them only. It takes the place of what was watched on this line.
    WatchVolumes {
        volumes: Vec<VolumeId>,
    },
    /// The plan for a request on the engine's snapshot. Changes nothing. `read_hosts`: the hosts of its volume groups are read;
    /// else what was read of them a moment ago counts.
    Plan {
        request: Request,
        #[serde(default)]
        read_hosts: bool,
    },
    /// The plan for what somebody just asked for, by a verb or a key: a reading that is too old is waited for, and a refusal
    /// is an event. [`Ask::Plan`] is a look.
    Propose {
        request: Request,
    },
    /// Run a request as agreed to, each volume for itself: one whose plan has changed does not keep the others.
    Run {
        request: Request,
        agreed: Agreement,
        confirmation: Option<String>,
    },
    /// The ends of operations, as soon as all have ended.
    Wait {
        operations: Vec<OperationId>,
    },
    /// The generations of a transaction volume, those on a backup volume, or all.
    History {
        volume: Option<VolumeId>,
        most: u32,
    },
    /// The newest events.
    Events {
        most: u32,
    },
    /// Events from a sequence on, for export and for verifying.
    EventsFrom {
        sequence: u64,
        most: u32,
    },
    ChainHead,
    /// The client's heartbeat. It has no answer.
    Alive,
    /// The configured hooks, and what is wrong with their scripts.
    Hooks,
    /// Run the scripts of a hook once with `ECDECK_DRY_RUN=1`.
    TestHook {
        hook: Name,
        volume: VolumeId,
    },
    /// Run the notification hook once with a document that says it is a test.
    TestNotify,
    /// What one configured host, or every one, reports of itself now.
    Hosts {
        host: Option<Name>,
    },
    /// What happened since a moment.
    Report {
        since: Timestamp,
    },
    /// A person knows of a trouble, until then.
    Acknowledge {
        trouble: TroubleId,
        reason: Untrusted,
        until: Timestamp,
    },
    /// Nothing is started on an array until then.
    BeginMaintenance {
        array: Name,
        until: Timestamp,
        reason: Option<Untrusted>,
        dry_run: bool,
    },
    EndMaintenance {
        array: Name,
        dry_run: bool,
    },
    /// Read a generation again and compare it with its fingerprint; the answer comes when all of it was read.
    Verify {
        volume: VolumeId,
        version: Version,
    },
    /// The copies of the catalogue that are kept.
    CatalogueCopies,
    /// Make a copy of the catalogue now.
    SaveCatalogue,
    /// A check of the whole audit. `heads`: hashes that somebody noted elsewhere.
    VerifyAudit {
        heads: Vec<ChainHash>,
    },
}

/// Engine to client. What it is stands outside of what it holds, so that a whole snapshot is read into its place at once:
/// a tag inside would have it read twice, the first time into a tree of several times its size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    Answer {
        number: u64,
        answer: Box<Answer>,
    },
    /// To a watching client: everything, with the rows of the pieces that came before it.
    Snapshot {
        snapshot: Box<Snapshot>,
    },
    /// Rows of the next snapshot that is sent, in an answer or to a watching client. Nothing else comes in between.
    Piece {
        piece: Piece<'static>,
    },
    /// To a screen, before the first piece: what it can show at once.
    FirstRows {
        first: FirstRows,
    },
    /// To a watching client: what is different from the one before.
    Change {
        change: Box<SnapshotChange>,
    },
    /// The engine's heartbeat: the first message of a line, and again whenever nothing else was sent for so long.
    Heartbeat {
        every_millis: u32,
    },
}

/// Tagged as [`Message`] is, for the same reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// With the rows of the pieces that came before it.
    Snapshot {
        snapshot: Box<Snapshot>,
    },
    PagesOpened {
        /// Without rows.
        site: Box<Snapshot>,
    },
    Page(Page),
    CatalogueCopies {
        copies: CatalogueCopies,
    },
    CatalogueSaved {
        copy: CatalogueCopy,
    },
    Watching,
    Planned(PlannedAnswer),
    /// Nothing of it runs.
    Refused {
        refusal: Refusal,
    },
    /// Some of it runs.
    Running {
        /// In the order of the items of `ran`.
        operations: Vec<OperationId>,
        /// What runs, with the unused volumes that were chosen in the end.
        ran: Box<PlannedAnswer>,
        /// What does not run; a volume whose plan has changed is refused with the code of that.
        refused: Vec<Refusal>,
        /// The plan now for the volumes whose plan has changed, where there is one.
        changed: Option<Box<PlannedAnswer>>,
    },
    /// `--ensure`: it is so already.
    AlreadySo {
        refused: Vec<Refusal>,
    },
    /// Nothing ran: this is the plan now.
    PlanChanged(PlannedAnswer),
    Ended {
        ends: Vec<(OperationId, OperationEnd)>,
        /// The readings that had begun by then: what shows the outcome has a higher number.
        mark: ReadingMark,
    },
    History {
        generations: Vec<PastGeneration>,
    },
    Events {
        events: Vec<Event>,
    },
    ChainHead {
        head: ChainHead,
    },
    Audit {
        report: Box<AuditReport>,
    },
    Hooks {
        hooks: Vec<HookView>,
    },
    HookTested {
        scripts: Vec<TriedScript>,
    },
    /// `None`: no notification hook is configured.
    NotifyTested {
        report: Option<ScriptReport>,
    },
    Report {
        report: Box<SinceReport>,
    },
    Acknowledged {
        known: Box<Acknowledgement>,
    },
    /// As it is now, as it would be, or as it was when it ended.
    Maintenance {
        known: Box<Maintenance>,
    },
    Verified {
        verified: Box<Verified>,
    },
    Hosts {
        /// Machines; the nodes of a service that was asked for.
        hosts: Vec<HostView>,
        services: Vec<ServiceView>,
        /// The names of all configured hosts.
        configured: Vec<Name>,
    },
    /// The engine could not: a sentence with what to do.
    Failed {
        why: String,
        /// The code of the cause, where it has one.
        #[serde(default)]
        code: Option<Code>,
    },
}

/// A configured hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookView {
    #[serde(flatten)]
    pub hook: Hook,
    /// Why a script of it would not run; null where nothing is known against it.
    pub wrong: Option<Untrusted>,
}

/// A script that was tried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriedScript {
    pub phase: HookPhase,
    #[serde(flatten)]
    pub report: ScriptReport,
}

/// A command as its driver describes it, and the step of the item that it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCommand {
    pub step: usize,
    pub line: String,
}

/// A plan with the exact commands that its items would send, as the drivers describe them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedAnswer {
    pub plan: Plan,
    /// One list an item, in the order of its steps.
    pub commands: Vec<Vec<StepCommand>>,
    /// The snapshot that it was planned on.
    pub sequence: u64,
}
