//! The documents of `--json`: shapes that scripts rely on.

use super::request_line::{self, RenderContext};
use super::times;
use crate::engine::protocol::{PlannedAnswer, StepCommand};
use crate::model::acknowledgement::Acknowledgement;
use crate::model::advice::Advice;
use crate::model::backup_window::{WindowState, WindowView};
use crate::model::catalogue_copy::NotCopied;
use crate::model::codes::Code;
use crate::model::fingerprint::{Fingerprint, Verification};
use crate::model::group_watch::GroupStateView;
use crate::model::identity::{BoxId, Name, VolumeId};
use crate::model::maintenance::Maintenance;
use crate::model::notice_record::NotifyTrouble;
use crate::model::pages::PageList;
use crate::model::plan::rotation::backlog;
use crate::model::plan::{NearMiss, Refusal, not_at_one_instant, state_of_set, step_text};
use crate::model::proof::{BytesProof, of_bytes};
use crate::model::records::{
    BackupMode, CopyTime, Generation, GenerationState, OperationEnd, PastGeneration, Policy, ReleaseReason, SetInstant,
};
use crate::model::recoverable::{Recoverable, Recovery, recoverable};
use crate::model::request::{Request, Verb};
use crate::model::session::{ArrayVolume, ArrayWords, CopyKind, Direction, ErrorByte, Pair, Phase, RecModes, Status};
use crate::model::snapshot::{
    ArrayView, Attention, BackupState, BackupVolumeView, CatalogueTrouble, ClaimView, Due, Halves, OperationView,
    Problem, Reach, Ready, RestoreView, SessionView, Snapshot, TransactionState, TransactionVolumeView,
};
use crate::model::step::{Confirmation, Notice, PlanStep};
use crate::model::trouble_kind::TroubleId;
use crate::model::units::{Blocks, Percent, Progress, Timestamp, Version};
use crate::model::untrusted::Untrusted;
use crate::model::volume_set::VolumeSet;
use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// An instant as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy)]
pub struct Stamp(pub Timestamp);

impl Serialize for Stamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&times::stamp(self.0))
    }
}

/// A volume as something else refers to it.
#[derive(Debug, Clone, Serialize)]
pub struct VolumeRef {
    pub id: VolumeId,
    pub name: String,
    /// `ARRAY/0x21`.
    pub location: String,
}

impl VolumeRef {
    pub fn new(id: VolumeId, snapshot: &Snapshot) -> Self {
        Self { id, name: snapshot.label(id), location: snapshot.location(id) }
    }
}

/// That a person knows of a trouble.
#[derive(Serialize)]
pub struct AcknowledgedEntry {
    id: TroubleId,
    until: Stamp,
    at: Stamp,
    by: String,
    reason: String,
    text: String,
}

impl AcknowledgedEntry {
    pub fn new(known: &Acknowledgement) -> Self {
        Self {
            id: known.trouble.clone(),
            until: Stamp(known.until),
            at: Stamp(known.at),
            by: known.by.clone(),
            reason: known.reason.raw().to_owned(),
            text: known.text.clone(),
        }
    }
}

/// The maintenance of an array.
#[derive(Serialize)]
pub struct MaintenanceEntry {
    array: Name,
    since: Stamp,
    until: Stamp,
    in_force: bool,
    by: String,
    reason: Option<String>,
    /// What was live when it began.
    live: Vec<LivePair>,
}

#[derive(Serialize)]
struct LivePair {
    source: VolumeRef,
    target: VolumeRef,
}

impl MaintenanceEntry {
    pub fn new(known: &Maintenance, snapshot: &Snapshot) -> Self {
        let volume = |id| VolumeRef::new(id, snapshot);
        let live = known.live.iter().map(|pair| LivePair { source: volume(pair.source), target: volume(pair.target) });
        Self {
            array: known.array.clone(),
            since: Stamp(known.since),
            until: Stamp(known.until),
            in_force: known.is_in_force(snapshot.taken_at),
            by: known.by.clone(),
            reason: known.reason.as_ref().map(|reason| reason.raw().to_owned()),
            live: live.collect(),
        }
    }
}

/// `status --json`.
#[derive(Serialize)]
pub struct StatusDocument<'a> {
    pub site: &'a str,
    pub sequence: u64,
    pub taken_at: Stamp,
    pub catalogue: CatalogueEntry<'a>,
    /// What the notification hook does wrong; null while it works, and where there is none.
    pub notify: Option<NotifyEntry<'a>>,
    /// Why no copy of the catalogue is made; null while copies are made.
    not_copied: Option<NotCopiedEntry<'a>>,
    /// Troubles that a person knows of.
    acknowledged: Vec<AcknowledgedEntry>,
    maintenance: Vec<MaintenanceEntry>,
    pub arrays: Vec<ArrayEntry<'a>>,
    transaction_volumes: Listed<'a>,
    pool: Listed<'a>,
    sessions: Listed<'a>,
    restores: Listed<'a>,
    sets: Listed<'a>,
    operations: Listed<'a>,
}

/// Whether the catalogue takes writes; the rest is null while it does.
#[derive(Serialize)]
pub struct CatalogueEntry<'a> {
    pub writable: bool,
    pub since: Option<Stamp>,
    pub why: Option<&'a str>,
    pub remedy: Option<&'a str>,
    pub code: Option<Code>,
}

impl<'a> CatalogueEntry<'a> {
    fn new(cli_error: Option<&'a CatalogueTrouble>) -> Self {
        Self {
            writable: cli_error.is_none(),
            since: cli_error.map(|cli_error| Stamp(cli_error.since)),
            why: cli_error.map(|cli_error| cli_error.why.raw()),
            remedy: cli_error.map(|cli_error| cli_error.remedy.as_str()),
            code: cli_error.map(|cli_error| cli_error.code),
        }
    }
}

/// A notification hook that does not do its work.
#[derive(Serialize)]
pub struct NotifyEntry<'a> {
    since: Stamp,
    why: &'a str,
    /// Notifications and summaries that it was not given.
    waiting: usize,
    code: Code,
}

#[derive(Serialize)]
struct NotCopiedEntry<'a> {
    since: Stamp,
    why: &'a str,
    code: Code,
}

impl<'a> NotCopiedEntry<'a> {
    fn new(NotCopied { since, why }: &'a NotCopied) -> Self {
        Self { since: Stamp(*since), why: why.raw(), code: Code::CATALOGUE_NOT_COPIED }
    }
}

impl<'a> NotifyEntry<'a> {
    fn new(trouble: &'a NotifyTrouble) -> Self {
        let NotifyTrouble { since, why, waiting } = trouble;
        Self { since: Stamp(*since), why: why.raw(), waiting: *waiting, code: Code::NOTIFY_FAILED }
    }
}

impl<'a> StatusDocument<'a> {
    /// The lists of the document, in its order: who brings them page by page brings them so.
    pub const LISTS: [PageList; 6] = [
        PageList::TransactionVolumes,
        PageList::Pool,
        PageList::Sessions,
        PageList::Restores,
        PageList::Sets,
        PageList::Operations,
    ];

    /// Of a snapshot that is here whole, or all of it that is asked for.
    pub fn new(snapshot: &'a Snapshot) -> Self {
        Self::of_pages(snapshot, snapshot)
    }

    /// `site` may have no rows: they come from `pages` while the document is written.
    pub fn of_pages(site: &'a Snapshot, pages: &'a dyn Pages) -> Self {
        let [transaction_volumes, pool, sessions, restores, sets, operations] =
            Self::LISTS.map(|list| Listed { list, pages });
        Self {
            site: &site.site.name,
            sequence: site.sequence,
            taken_at: Stamp(site.taken_at),
            catalogue: CatalogueEntry::new(site.catalogue.as_ref()),
            notify: site.notify.as_ref().map(NotifyEntry::new),
            not_copied: site.not_copied.as_ref().map(NotCopiedEntry::new),
            maintenance: site.maintenance.iter().map(|known| MaintenanceEntry::new(known, site)).collect(),
            acknowledged: {
                let counting = site.acknowledged.iter().filter(|known| known.counts_at(site.taken_at));
                counting.map(AcknowledgedEntry::new).collect()
            },
            arrays: site.arrays.iter().map(ArrayEntry::new).collect(),
            transaction_volumes,
            pool,
            sessions,
            restores,
            sets,
            operations,
        }
    }
}

/// Where the lists of a document come from.
pub trait Pages {
    /// The rows of a list from one on, with what they refer to, and where the next rows begin.
    ///
    /// # Errors
    /// When the rows do not come: the document ends there.
    fn page(&self, list: PageList, from: usize) -> Result<(Cow<'_, Snapshot>, Option<usize>), String>;
}

impl Pages for Snapshot {
    fn page(&self, _: PageList, _: usize) -> Result<(Cow<'_, Snapshot>, Option<usize>), String> {
        Ok((Cow::Borrowed(self), None))
    }
}

/// A list of a document, of which only one page is in memory at a time.
struct Listed<'a> {
    list: PageList,
    pages: &'a dyn Pages,
}

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut rows = serializer.serialize_seq(None)?;
        let mut from = Some(0);
        while let Some(at) = from {
            let (part, next) = self.pages.page(self.list, at).map_err(serde::ser::Error::custom)?;
            let part = &*part;
            match self.list {
                PageList::TransactionVolumes => put(&mut rows, transaction_volumes(part))?,
                PageList::Pool => put(&mut rows, pool(part))?,
                PageList::Sessions => {
                    put(&mut rows, part.sessions.iter().map(|session| SessionEntry::new(session, part)))?;
                }
                PageList::Restores => {
                    put(&mut rows, part.restores.iter().map(|restore| RestoreEntry::new(restore, part)))?;
                }
                PageList::Sets => put(&mut rows, part.volume_sets.iter().map(|set| SetEntry::new(set, part)))?,
                PageList::Operations => {
                    put(&mut rows, part.operations.iter().map(|operation| OperationEntry::new(operation, part)))?;
                }
            }
            from = next;
        }
        rows.end()
    }
}

fn put<S: SerializeSeq>(rows: &mut S, entries: impl IntoIterator<Item: Serialize>) -> Result<(), S::Error> {
    entries.into_iter().try_for_each(|entry| rows.serialize_element(&entry))
}

/// A set, with its volumes and what they have in common.
#[derive(Serialize)]
pub struct SetEntry<'a> {
    pub name: &'a Name,
    /// The state of the volume that is furthest from a backup.
    pub state: TransactionState,
    /// Why it cannot be backed up at one instant, whatever the state; null where it can.
    pub not_at_one_instant: Option<String>,
    pub transaction_volumes: Vec<SetMemberEntry>,
}

/// A volume of a set.
#[derive(Serialize)]
pub struct SetMemberEntry {
    #[serde(flatten)]
    volume: VolumeRef,
    /// Null where the volume is not registered.
    state: Option<TransactionState>,
}

impl<'a> SetEntry<'a> {
    pub fn new(set: &'a VolumeSet, snapshot: &'a Snapshot) -> Self {
        let member = |&id: &VolumeId| SetMemberEntry {
            volume: VolumeRef::new(id, snapshot),
            state: snapshot.transaction_volume(id).map(|view| view.state),
        };
        Self {
            name: &set.name,
            state: state_of_set(snapshot, set),
            not_at_one_instant: not_at_one_instant(snapshot, &set.members),
            transaction_volumes: set.members.iter().map(member).collect(),
        }
    }
}

pub fn transaction_volumes(snapshot: &Snapshot) -> Vec<TransactionVolumeEntry<'_>> {
    snapshot.transaction_volumes.iter().map(|view| TransactionVolumeEntry::new(view, snapshot)).collect()
}

pub fn pool(snapshot: &Snapshot) -> Vec<BackupVolumeEntry<'_>> {
    snapshot.pool.iter().map(|view| BackupVolumeEntry::new(view, snapshot)).collect()
}

#[derive(Serialize)]
pub struct ArrayEntry<'a> {
    name: &'a Name,
    box_id: Option<BoxId>,
    reachable: bool,
    /// Why it is not reachable, or not for everything.
    why: Option<String>,
    taken_at: Option<Stamp>,
    /// What it does not show, and what could not be read of it.
    attentions: &'a [Attention],
}

impl<'a> ArrayEntry<'a> {
    fn new(view: &'a ArrayView) -> Self {
        let why = match &view.reach {
            Reach::Reachable => view.limited().map(str::to_owned),
            Reach::Waiting => Some("not asked yet".to_owned()),
            Reach::Unreachable { why, .. } => Some(why.raw().to_owned()),
            Reach::IdentityChanged { found } => Some(format!("another box answers: {found}")),
        };
        let reachable = view.reach == Reach::Reachable;
        let (taken_at, attentions) = (view.taken_at.map(Stamp), &view.attentions[..]);
        Self { name: &view.name, box_id: view.box_id, reachable, why, taken_at, attentions }
    }
}

#[derive(Serialize)]
pub struct TransactionVolumeEntry<'a> {
    id: VolumeId,
    name: &'a Name,
    location: String,
    blocks: Blocks,
    state: TransactionState,
    policy: Option<Policy>,
    kept: u16,
    /// `yes`, `late`, `in-doubt`, `no` or `no-policy`.
    recoverable: Recoverable,
    /// The newest sound generation.
    recovery_point: Option<Backup>,
    /// What is known of its bytes: `not-fingerprinted`, `fingerprinted`, `verified`, `practised` or `differs`.
    recovery_point_bytes: Option<BytesProof>,
    /// Generations that the policy does not keep and that are not held.
    over_by: usize,
    next_version: Version,
    /// `HOST:VG`, where the volume is a volume group.
    group: Option<String>,
    /// The configured pool whose backup volumes it takes; null: the one of all others.
    pool: Option<Name>,
    last_backup: Option<Backup>,
    /// Days over the policy's interval; 0 when not overdue.
    overdue_days: u32,
    /// null: its policy has no window.
    window: Option<WindowEntry<'a>>,
    /// Whether a backup is possible now.
    ready: bool,
    /// When it will be, at the latest, if that is known.
    ready_at: Option<Stamp>,
    problem: Option<ProblemEntry<'a>>,
    held_by: Option<ClaimEntry>,
}

#[derive(Serialize)]
struct Backup {
    version: Version,
    taken_at: Stamp,
}

/// How a volume stands to the window of its policy.
#[derive(Serialize)]
pub struct WindowEntry<'a> {
    begins: Stamp,
    ends: Stamp,
    state: WindowState,
    why: &'a str,
}

impl<'a> WindowEntry<'a> {
    pub fn new(window: &'a WindowView) -> Self {
        Self { begins: Stamp(window.start), ends: Stamp(window.end), state: window.state, why: &window.why }
    }
}

#[derive(Serialize)]
struct ProblemEntry<'a> {
    code: Code,
    text: &'a str,
    array_error: Option<String>,
    since: Option<Stamp>,
}

impl<'a> ProblemEntry<'a> {
    fn new(problem: &'a Problem) -> Self {
        let array_error = problem.array_error.as_ref().map(ErrorByte::to_string);
        Self { code: problem.code, text: &problem.text, array_error, since: problem.since.map(Stamp) }
    }
}

/// Who has a volume, and since when.
#[derive(Debug, Clone, Serialize)]
struct ClaimEntry {
    operation: u64,
    verb: Verb,
    holder: String,
    since: Stamp,
}

impl ClaimEntry {
    fn new(claim: &ClaimView) -> Self {
        Self {
            operation: claim.operation.0,
            verb: claim.verb,
            holder: claim.holder.to_string(),
            since: Stamp(claim.since),
        }
    }
}

impl<'a> TransactionVolumeEntry<'a> {
    fn new(view: &'a TransactionVolumeView, snapshot: &Snapshot) -> Self {
        let volume = &view.volume;
        let recovery = recoverable(snapshot, view);
        Self {
            id: volume.id,
            name: &volume.name,
            location: snapshot.location(volume.id),
            blocks: volume.blocks,
            state: view.state,
            policy: volume.policy,
            kept: view.kept,
            recoverable: recovery.word,
            recovery_point: recovery.point.map(|(version, at)| Backup { version, taken_at: Stamp(at) }),
            recovery_point_bytes: bytes_of_point(snapshot, view, &recovery).map(|generation| of_bytes(generation).0),
            over_by: backlog(snapshot, volume.id).len(),
            next_version: volume.next_version,
            group: volume.group.as_ref().map(ToString::to_string),
            pool: snapshot.pool_key(view).pool,
            last_backup: view.last_backup.map(|(version, at)| Backup { version, taken_at: Stamp(at) }),
            overdue_days: if let Due::Overdue(days) = view.due { days } else { 0 },
            window: view.window.as_deref().map(WindowEntry::new),
            ready: view.ready == Ready::Now,
            ready_at: latest(view.ready),
            problem: view.problem.as_deref().map(ProblemEntry::new),
            held_by: view.claimed.as_deref().map(ClaimEntry::new),
        }
    }
}

/// The generation that recovery rests on.
pub fn bytes_of_point<'a>(
    snapshot: &'a Snapshot,
    view: &TransactionVolumeView,
    recovery: &Recovery,
) -> Option<&'a Generation> {
    let (version, _) = recovery.point?;
    snapshot.generation(view.volume.id, version)
}

/// What a generation was read to hold.
#[derive(Serialize)]
struct FingerprintEntry<'a> {
    /// BLAKE3 of the whole volume.
    blake3: &'a str,
    at: Stamp,
    millis: u64,
    /// When its volume was read again last, and what differed; null until then.
    verified: Option<VerificationEntry<'a>>,
    /// When a copy of it was made for practice last, how long all of that took, and what differed; null until then.
    practised: Option<VerificationEntry<'a>>,
}

#[derive(Serialize)]
struct VerificationEntry<'a> {
    at: Stamp,
    millis: u64,
    /// null: nothing.
    differs: Option<&'a str>,
}

impl<'a> FingerprintEntry<'a> {
    fn new(fingerprint: &'a Fingerprint) -> Self {
        let entry = |again: &'a Verification| VerificationEntry {
            at: Stamp(again.at),
            millis: again.millis,
            differs: again.differs.as_deref(),
        };
        Self {
            blake3: &fingerprint.blake3,
            at: Stamp(fingerprint.at),
            millis: fingerprint.millis,
            verified: fingerprint.verified.as_ref().map(entry),
            practised: fingerprint.practised.as_ref().map(entry),
        }
    }
}

fn latest(ready: Ready) -> Option<Stamp> {
    if let Ready::Between { latest, .. } = ready { Some(Stamp(latest)) } else { None }
}

#[derive(Serialize)]
pub struct BackupVolumeEntry<'a> {
    id: VolumeId,
    name: Option<&'a Name>,
    location: String,
    blocks: Blocks,
    state: BackupState,
    /// Whose generation or session is on it.
    transaction_volume: Option<VolumeRef>,
    generation: Option<Version>,
    /// The volume group that it is; null: a plain volume.
    group: Option<String>,
    /// The configured pool that it is in; null: the one of all others.
    pool: Option<Name>,
    /// While a session is onto the group: `active`, `inactive`, `deactivated` or `unknown`; else null.
    group_state: Option<&'static str>,
    problem: Option<ProblemEntry<'a>>,
    held_by: Option<ClaimEntry>,
}

impl<'a> BackupVolumeEntry<'a> {
    fn new(view: &'a BackupVolumeView, snapshot: &Snapshot) -> Self {
        Self {
            id: view.volume.id,
            name: view.volume.name.as_ref(),
            location: snapshot.location(view.volume.id),
            blocks: view.volume.blocks,
            state: view.state,
            transaction_volume: view.transaction_volume.map(|id| VolumeRef::new(id, snapshot)),
            generation: view.generation,
            group: view.volume.group.as_ref().map(ToString::to_string),
            pool: snapshot.backup_key(view).pool,
            group_state: view.group_state.as_deref().map(GroupStateView::word),
            problem: view.problem.as_deref().map(ProblemEntry::new),
            held_by: view.claimed.as_deref().map(ClaimEntry::new),
        }
    }
}

/// A volume of an array that nobody registered.
#[derive(Serialize)]
pub struct UnregisteredEntry<'a> {
    id: VolumeId,
    label: &'a Untrusted,
    location: String,
    blocks: Blocks,
}

impl<'a> UnregisteredEntry<'a> {
    pub fn new(volume: &'a ArrayVolume, snapshot: &Snapshot) -> Self {
        Self { id: volume.id, label: &volume.label, location: snapshot.location(volume.id), blocks: volume.blocks }
    }
}

/// A restore that runs, or that did not come to its end.
#[derive(Serialize)]
pub struct RestoreEntry {
    target: VolumeRef,
    source: VolumeRef,
    /// What is restored; both null once the generation is no longer kept there.
    transaction_volume: Option<VolumeRef>,
    version: Option<Version>,
    state: &'static str,
    since: Stamp,
    operation: Option<u64>,
}

impl RestoreEntry {
    fn new(restore: &RestoreView, snapshot: &Snapshot) -> Self {
        Self {
            target: VolumeRef::new(restore.target, snapshot),
            source: VolumeRef::new(restore.source, snapshot),
            transaction_volume: restore.generation.map(|(volume, _)| VolumeRef::new(volume, snapshot)),
            version: restore.generation.map(|(_, version)| version),
            state: restore.state(),
            since: Stamp(restore.since),
            operation: restore.running.map(|operation| operation.0),
        }
    }
}

#[derive(Serialize)]
pub struct SessionEntry<'a> {
    kind: CopyKind,
    source: VolumeRef,
    target: VolumeRef,
    status: Status,
    phase: Phase,
    /// Seen from source and target: a reversed copy writes to the source.
    direction: Direction,
    /// Of a REC; null where the array does not tell them, and for an EC.
    modes: Option<RecModes>,
    /// Of the copy that runs now; null without a total.
    percent: Option<Percent>,
    blocks_done: Option<Blocks>,
    blocks_total: Option<Blocks>,
    /// What a resume would copy, where the array tells.
    difference_blocks: Option<Blocks>,
    array_words: &'a ArrayWords,
    error: Option<String>,
    ours: bool,
    full: Option<bool>,
    bytes_per_second: Option<u64>,
    ready: bool,
    ready_at: Option<Stamp>,
    halves: &'a Halves,
    requestor: &'a Untrusted,
    since: Stamp,
    taken_at: Option<Stamp>,
    sid: u32,
}

impl<'a> SessionEntry<'a> {
    fn new(session: &'a SessionView, snapshot: &Snapshot) -> Self {
        Self {
            kind: session.pair.kind,
            source: VolumeRef::new(session.pair.source, snapshot),
            target: VolumeRef::new(session.pair.target, snapshot),
            status: session.status,
            phase: session.phase,
            direction: session.direction,
            modes: session.modes,
            percent: session.progress.and_then(Progress::percent),
            blocks_done: session.progress.map(|progress| progress.done),
            blocks_total: session.progress.map(|progress| progress.total),
            difference_blocks: session.difference,
            array_words: &session.words,
            error: session.error.as_ref().map(ErrorByte::to_string),
            ours: session.ours,
            full: session.full,
            bytes_per_second: session.rate,
            ready: session.ready == Ready::Now,
            ready_at: latest(session.ready),
            halves: &session.halves,
            requestor: &session.requestor,
            since: Stamp(session.since),
            taken_at: snapshot.read_at(session).map(Stamp),
            sid: session.sid,
        }
    }
}

#[derive(Serialize)]
pub struct OperationEntry<'a> {
    id: u64,
    verb: Verb,
    volume: VolumeRef,
    actor: String,
    started: Stamp,
    step: &'a str,
    /// The control plane whose turn it waits for, with nothing of its next command sent; null while it runs.
    waits_for: Option<&'a str>,
    steps_done: usize,
    steps_total: usize,
    ended: Option<Stamp>,
    end: Option<&'a OperationEnd>,
}

impl<'a> OperationEntry<'a> {
    fn new(view: &'a OperationView, snapshot: &Snapshot) -> Self {
        Self {
            id: view.id.0,
            verb: view.verb,
            volume: VolumeRef::new(view.volume, snapshot),
            actor: view.actor.to_string(),
            started: Stamp(view.started),
            step: &view.step,
            waits_for: view.waits_for.as_deref(),
            steps_done: view.steps_done,
            steps_total: view.steps_total,
            ended: view.end.as_ref().map(|(at, _)| Stamp(*at)),
            end: view.end.as_ref().map(|(_, end)| end),
        }
    }
}

/// One generation of `history --json`.
#[derive(Serialize)]
pub struct GenerationEntry<'a> {
    version: Version,
    transaction_volume: VolumeRef,
    backup_volume: VolumeRef,
    blocks: Blocks,
    taken_at: Stamp,
    /// When its suspend was first seen complete, where it went on after its answer; else null.
    suspend_complete_by: Option<Stamp>,
    /// How long the copy before it took, in milliseconds, and whether it was a full one; null where not all of it was watched.
    copied_in: Option<CopyTime>,
    /// The set that it is of one instant with, and who says so; null where it was made alone.
    set: Option<&'a SetInstant>,
    mode: BackupMode,
    #[serde(flatten)]
    state: &'a GenerationState,
    held: Option<&'a Untrusted>,
    provisioned: bool,
    /// Why it is what a power cut would leave; null where nothing says so.
    crash_consistent: Option<&'a Untrusted>,
    /// null: not fingerprinted.
    fingerprint: Option<FingerprintEntry<'a>>,
    operation: Option<u64>,
    /// Why it was made, if that was said.
    reason: Option<&'a Untrusted>,
    kept: bool,
    released_at: Option<Stamp>,
    released_why: Option<ReleaseReason>,
}

impl<'a> GenerationEntry<'a> {
    pub fn new(past: &'a PastGeneration, snapshot: &Snapshot) -> Self {
        let generation = &past.generation;
        Self {
            version: generation.version,
            transaction_volume: VolumeRef::new(generation.transaction_volume, snapshot),
            backup_volume: VolumeRef::new(generation.backup_volume, snapshot),
            blocks: generation.blocks,
            taken_at: Stamp(generation.taken_at),
            suspend_complete_by: generation.suspend_complete_by.map(Stamp),
            copied_in: generation.copied_in,
            set: generation.set.as_ref(),
            mode: generation.mode,
            state: &generation.state,
            held: generation.held.as_ref(),
            provisioned: generation.provisioned,
            crash_consistent: generation.crash_consistent.as_ref(),
            fingerprint: generation.fingerprint.as_deref().map(FingerprintEntry::new),
            operation: generation.operation.map(|operation| operation.0),
            reason: past.reason.as_ref(),
            kept: past.released.is_none(),
            released_at: past.released.map(|(at, _)| Stamp(at)),
            released_why: past.released.map(|(_, why)| why),
        }
    }
}

/// A plan, for `--dry-run` and beside what came of it.
#[derive(Serialize)]
pub struct PlanDocument<'a> {
    digest: &'a str,
    sequence: u64,
    items: Vec<PlanItemEntry<'a>>,
    refused: Vec<RefusalDocument>,
    /// What `--confirm` has to name.
    confirmation: Option<&'a Confirmation>,
}

#[derive(Serialize)]
struct PlanItemEntry<'a> {
    verb: Verb,
    volume: VolumeRef,
    steps: &'a [PlanStep],
    /// The steps in words.
    texts: Vec<String>,
    /// The exact commands to the arrays.
    commands: Vec<&'a str>,
    notices: &'a [Notice],
    confirmation: Option<&'a Confirmation>,
}

impl<'a> PlanDocument<'a> {
    pub fn new(planned: &'a PlannedAnswer, render_context: RenderContext<'_>) -> Self {
        let snapshot = render_context.snapshot;
        let lines = |commands: &'a Vec<StepCommand>| commands.iter().map(|command| command.line.as_str()).collect();
        let commands = planned.commands.iter().map(lines).chain(std::iter::repeat_with(Vec::new));
        let items = planned.plan.items().iter().zip(commands).map(|(item, commands)| PlanItemEntry {
            verb: item.verb,
            volume: VolumeRef::new(item.volume, snapshot),
            steps: &item.steps,
            texts: item.steps.iter().map(|step| step_text::step(step, snapshot)).collect(),
            commands,
            notices: &item.notices,
            confirmation: item.confirmation.as_ref(),
        });
        Self {
            digest: planned.plan.digest().as_str(),
            sequence: planned.sequence,
            items: items.collect(),
            refused: planned
                .plan
                .refused()
                .iter()
                .map(|refusal| RefusalDocument::new(refusal, render_context))
                .collect(),
            confirmation: planned.plan.confirmation(),
        }
    }
}

/// A refusal with its ways on, each also as the command line that takes it.
#[derive(Debug, Clone, Serialize)]
pub struct RefusalDocument {
    code: Code,
    volume: Option<VolumeRef>,
    reason: String,
    near_misses: Vec<NearMiss>,
    /// How many more there are than those.
    near_misses_left_off: usize,
    /// What to do before any of the remedies: it gives nothing up.
    advice: Vec<Advice>,
    remedies: Vec<RemedyEntry>,
    array_code: Option<String>,
    /// When what is waited for will be so, at the latest.
    ready_at: Option<Stamp>,
    held_by: Option<ClaimEntry>,
    /// The other volumes that were refused too.
    also: Vec<RefusalDocument>,
}

#[derive(Debug, Clone, Serialize)]
struct RemedyEntry {
    label: String,
    /// The words after `ecdeck`; what agrees (`--yes`, `--confirm`) is left to whoever takes it.
    command: Option<Vec<String>>,
    destroys: bool,
    request: Request,
}

impl RefusalDocument {
    pub fn new(refusal: &Refusal, render_context: RenderContext<'_>) -> Self {
        let snapshot = render_context.snapshot;
        let remedies = refusal.remedies.iter().map(|remedy| RemedyEntry {
            label: remedy.label.clone(),
            command: request_line::words(&remedy.request, render_context),
            destroys: remedy.destroys,
            request: remedy.request.clone(),
        });
        Self {
            code: refusal.code,
            volume: refusal.volume.map(|id| VolumeRef::new(id, snapshot)),
            reason: refusal.reason.clone(),
            near_misses: refusal.near_misses.clone(),
            near_misses_left_off: refusal.near_misses_left_off,
            advice: refusal.advice.clone(),
            remedies: remedies.collect(),
            array_code: refusal.array_code.clone(),
            ready_at: refusal.ready.and_then(latest),
            held_by: refusal.held_by.as_ref().map(ClaimEntry::new),
            also: refusal.also.iter().map(|other| Self::new(other, render_context)).collect(),
        }
    }

    /// The volume that was refused, as people call it.
    pub fn name(&self) -> Option<&str> {
        self.volume.as_ref().map(|volume| volume.name.as_str())
    }

    pub fn has_remedies(&self) -> bool {
        !self.remedies.is_empty() || !self.advice.is_empty()
    }
}

/// What came of one operation.
#[derive(Serialize)]
pub struct OutcomeEntry {
    pub operation: u64,
    pub volume: VolumeRef,
    /// Null while it goes on.
    pub end: Option<OperationEnd>,
}

/// A volume that was not equivalent in time.
#[derive(Debug, Clone, Serialize)]
pub struct LateEntry {
    pub volume: VolumeRef,
    percent: Option<Percent>,
    ready_at: Option<Stamp>,
}

impl LateEntry {
    pub fn new(pair: Pair, snapshot: &Snapshot) -> Self {
        let session = snapshot.session(&pair);
        Self {
            volume: VolumeRef::new(pair.source, snapshot),
            percent: session.and_then(|session| session.progress).and_then(Progress::percent),
            ready_at: session.and_then(|session| latest(session.ready)),
        }
    }

    /// `db01 was not backed up: 74 % copied, ready 01:47`.
    pub fn text(&self) -> String {
        let percent =
            self.percent.map_or_else(|| "not yet equivalent".to_owned(), |percent| format!("{percent} copied"));
        let ready = match &self.ready_at {
            Some(at) => format!("ready {}", times::minute(at.0)),
            None => "when it is ready is not known".to_owned(),
        };
        format!("{} was not backed up: {percent}, {ready}", self.volume.name)
    }
}

/// What a changing verb did.
#[derive(Serialize)]
pub struct ChangeDocument<'a> {
    pub verb: Verb,
    /// `planned` (a dry run), `already-so`, `changed` (another plan than the one agreed to: nothing ran), `ended`,
    /// `detached`, `time-limit`.
    pub result: &'static str,
    pub plan: Option<PlanDocument<'a>>,
    pub refused: Vec<RefusalDocument>,
    pub operations: Vec<OutcomeEntry>,
    /// Volumes that were not equivalent in time, so that nothing was done for them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub late: Vec<LateEntry>,
    /// What else there is to say, as a sentence.
    pub text: Option<String>,
    pub exit: u8,
}

/// The copy of a pair, for waiting messages.
pub fn pair_text(pair: Pair, snapshot: &Snapshot) -> String {
    format!("{} -> {}", snapshot.label(pair.source), step_text::place(pair.target, snapshot))
}
