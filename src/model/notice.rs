//! What the site's notification hook is given: which troubles are new, go on or are over, and which are said again when.
//!
//! Pure: the engine keeps what comes out of it in the catalogue, so that a restart gives nothing twice.

use super::acknowledgement::Acknowledgement;
use super::codes::Code;
use super::entity_change::EntityChange;
use super::identity::{BoxId, Name, VolumeId};
use super::notice_record::{NoticeRecord, TroubleNotice};
use super::preview::preview;
use super::snapshot::{Reach, Snapshot};
use super::trouble::OpenTrouble;
use super::trouble_kind::{TroubleId, TroubleKind};
use super::units::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Between two notifications of one trouble that comes and goes, in milliseconds.
pub const MIN_GAP: i64 = 5 * 60 * Timestamp::SECOND;
/// A start that will find no backup volume is notified so long before it, in milliseconds: in the evening for the night.
pub const EVENING: i64 = 12 * 60 * 60 * Timestamp::SECOND;

/// The configured notification hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyHook {
    /// Program and arguments; the program by its absolute path. No shell reads it.
    pub command: Vec<String>,
    /// Where it runs; `None`: on the engine's machine.
    pub host: Option<Name>,
    /// The user that it runs as; `None`: the engine's, or the one that ssh logs in as.
    pub run_as: Option<String>,
    pub limit_millis: u64,
    pub environment: Vec<(String, String)>,
    pub kinds: BTreeSet<TroubleKind>,
    /// A summary of each job.
    pub jobs: bool,
    /// Between two notifications of a trouble that lasts; 0: it is said once.
    pub repeat_millis: i64,
}

impl NotifyHook {
    /// What can be notified. The hook cannot report itself, and a volume without a backup is notified when it is overdue.
    pub fn kinds() -> impl Iterator<Item = TroubleKind> {
        let no_news = [TroubleKind::NotifyHook, TroubleKind::NoBackup];
        TroubleKind::ALL.iter().copied().filter(move |kind| !no_news.contains(kind))
    }
}

/// What there is to be changed in the notices when these troubles are there. `is_judged`: whether a trouble that is not
/// among them is surely over; of what cannot be seen now nothing is said.
pub fn compare(
    known: &BTreeMap<String, NoticeRecord>,
    troubles: &[OpenTrouble],
    is_judged: &dyn Fn(&TroubleNotice) -> Judged,
    now: Timestamp,
    repeat_millis: i64,
) -> Vec<EntityChange> {
    let passed = |since: Timestamp, limit: i64| now < since || now.since(since) >= limit;
    let mut changes = Vec::new();
    let mut put = |key: &str, notice: TroubleNotice| {
        changes.push(EntityChange::PutNotice { key: key.to_owned(), notice: Box::new(NoticeRecord::Trouble(notice)) });
    };
    let open: BTreeMap<String, &OpenTrouble> =
        troubles.iter().map(|trouble| (format!("trouble {}", trouble.id), trouble)).collect();
    for (key, trouble) in &open {
        let before = match known.get(key) {
            Some(NoticeRecord::Trouble(before)) => Some(before),
            _ => None,
        };
        let notice = |since, times| TroubleNotice {
            kind: trouble.kind,
            code: trouble.code,
            volume: trouble.volume,
            array: trouble.array.clone(),
            text: trouble.text.clone(),
            since,
            over: false,
            said: now,
            times,
            sent: false,
        };
        match before {
            // A person knows of it.
            _ if trouble.acknowledged.is_some() => {}
            None => put(key, notice(now, 0)),
            Some(before) if before.over && passed(before.said, MIN_GAP) => put(key, notice(now, 0)),
            Some(before) if before.over => {}
            Some(before) => {
                if before.sent && repeat_millis > 0 && passed(before.said, repeat_millis) {
                    put(key, notice(before.since, before.times + 1));
                }
            }
        }
    }
    let mut gone = Vec::new();
    for (key, before) in known {
        let NoticeRecord::Trouble(before) = before else { continue };
        if open.contains_key(key) {
            continue;
        }
        match is_judged(before) {
            Judged::Forgotten => gone.push(key.clone()),
            Judged::Over if !before.over => {
                put(key, TroubleNotice { over: true, said: now, sent: false, ..before.clone() });
            }
            Judged::Over if before.sent && passed(before.said, MIN_GAP) => gone.push(key.clone()),
            Judged::Unseen | Judged::Over => {}
        }
    }
    changes.extend(gone.into_iter().map(|key| EntityChange::RemoveNotice { key }));
    changes
}

/// What can be said of a trouble that is not among the open ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judged {
    Over,
    /// Nobody can see it now.
    Unseen,
    /// Its volume or array is not of the site any more, or its kind is not notified.
    Forgotten,
}

/// Which of the open troubles are surely there, and how those that are not are judged.
pub struct NoticeSight<'a> {
    snapshot: &'a Snapshot,
    /// Boxes whose last reading is good.
    read: BTreeSet<BoxId>,
    kinds: &'a BTreeSet<TroubleKind>,
}

impl<'a> NoticeSight<'a> {
    pub fn new(snapshot: &'a Snapshot, kinds: &'a BTreeSet<TroubleKind>) -> Self {
        let is_read = |array: &&super::snapshot::ArrayView| {
            array.reach == Reach::Reachable && array.taken_at.is_some() && !snapshot.is_stale(array)
        };
        let read = snapshot.arrays.iter().filter(is_read).filter_map(|array| array.box_id).collect();
        Self { snapshot, read, kinds }
    }

    /// Whether the arrays of all that a volume's state rests on are read.
    fn is_seen(&self, id: VolumeId) -> bool {
        let is_read = |box_id: BoxId| self.read.contains(&box_id);
        is_read(id.box_id)
            && self.snapshot.generations_of(id).iter().all(|kept| is_read(kept.backup_volume.box_id))
            && self.snapshot.sessions_of(id).iter().all(|session| is_read(session.pair.target.box_id))
    }

    /// Every array was read: what nobody sees cannot be short.
    pub fn is_whole(&self) -> bool {
        self.snapshot.arrays.iter().all(|array| array.box_id.is_some_and(|box_id| self.read.contains(&box_id)))
    }

    pub fn judge(&self, notice: &TroubleNotice) -> Judged {
        if !self.kinds.contains(&notice.kind) {
            return Judged::Forgotten;
        }
        self.judge_absent(notice.kind, notice.volume, notice.array.as_ref())
    }

    /// What becomes of acknowledgements: those whose time has come, or whose trouble is over, end.
    pub fn ended<'b>(&self, troubles: &[OpenTrouble], now: Timestamp) -> Vec<&'b TroubleId>
    where
        'a: 'b,
    {
        let is_over = |known: &&Acknowledgement| {
            let is_there = troubles.iter().any(|trouble| trouble.id == known.trouble);
            let judged = || self.judge_absent(known.kind, known.volume, known.array.as_ref());
            !known.counts_at(now) || (!is_there && judged() != Judged::Unseen)
        };
        self.snapshot.acknowledged.iter().filter(is_over).map(|known| &known.trouble).collect()
    }

    fn judge_absent(&self, kind: TroubleKind, volume: Option<VolumeId>, array: Option<&Name>) -> Judged {
        let snapshot = self.snapshot;
        if let Some(id) = volume {
            if snapshot.transaction_volume(id).is_none() && snapshot.backup_volume(id).is_none() {
                return Judged::Forgotten;
            }
            let is_seen = if kind == TroubleKind::PoolShort { self.is_whole() } else { self.is_seen(id) };
            return if is_seen { Judged::Over } else { Judged::Unseen };
        }
        let Some(name) = array else { return Judged::Over };
        match snapshot.arrays.iter().find(|array| array.name == *name).map(|array| &array.reach) {
            None => Judged::Forgotten,
            Some(Reach::Waiting) => Judged::Unseen,
            Some(Reach::Unreachable { .. }) if kind == TroubleKind::Array => Judged::Unseen,
            Some(_) => Judged::Over,
        }
    }

    /// The troubles that are worth a notification: of a wanted kind, seen by a reading, and said by no other one.
    pub fn worth_saying(&self, troubles: Vec<OpenTrouble>) -> Vec<OpenTrouble> {
        let of_generations: BTreeSet<VolumeId> = troubles
            .iter()
            .filter(|trouble| trouble.kind == TroubleKind::InDoubt && trouble.version.is_some())
            .filter_map(|trouble| trouble.volume)
            .collect();
        let waits = |array: &Name| {
            let view = self.snapshot.arrays.iter().find(|view| view.name == *array);
            view.is_none_or(|view| view.reach == Reach::Waiting)
        };
        let is_repeated = |trouble: &OpenTrouble| {
            trouble.kind == TroubleKind::InDoubt
                && trouble.version.is_none()
                && trouble.volume.is_some_and(|id| of_generations.contains(&id))
        };
        let mut troubles = troubles;
        troubles.retain(|trouble| {
            self.kinds.contains(&trouble.kind)
                && trouble.array.as_ref().is_none_or(|array| !waits(array))
                && (trouble.kind == TroubleKind::PoolShort || trouble.volume.is_none_or(|id| self.is_seen(id)))
                && !is_repeated(trouble)
        });
        troubles
    }
}

/// The volumes whose next start, if it comes before long, finds no backup volume.
pub fn pool_short(snapshot: &Snapshot) -> Vec<OpenTrouble> {
    short_tonight(snapshot).iter().map(|(volume, code, why)| OpenTrouble::pool_short(*volume, *code, why)).collect()
}

/// The same volumes, each with the refusal of its start.
pub fn short_tonight(snapshot: &Snapshot) -> Vec<(VolumeId, Code, String)> {
    let mut looked_at: BTreeSet<VolumeId> = BTreeSet::new();
    let mut short = Vec::new();
    for view in snapshot.transaction_volumes.iter().filter(|view| view.volume.policy.is_some()) {
        if looked_at.contains(&view.volume.id) {
            continue;
        }
        let next = preview(snapshot, view.volume.id, 1);
        looked_at.extend(next.volumes.iter().copied());
        looked_at.insert(view.volume.id);
        let soon = next.nights.iter().filter(|night| night.at.since(snapshot.taken_at) <= EVENING);
        for backup in soon.flat_map(super::preview::Night::without_volume) {
            if let super::preview::NightEnd::Refused { code, reason, .. } = &backup.end {
                short.push((backup.volume, *code, reason.clone()));
            }
        }
    }
    short
}
