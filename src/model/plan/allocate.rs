//! Which backup volume a start takes: the map's, else a bound one, else an unused one; for several volumes at once.
//!
//! Backup volumes of equal blocks serve any transaction volume of these blocks, so volumes of one box are alike to each
//! other: all are given volumes of their own box first, then what other boxes have left. That leaves none idle that
//! could serve, and no order of asking changes it.

use super::case::{Case, judge, readable, unclaimed};
use super::legality::{Legality, PairVerb};
use super::restore::cancel_remedy as cancel_restore;
use super::{NearMiss, Refusal, Remedy};
use crate::model::codes::Code;
use crate::model::copy::CommandVerb;
use crate::model::identity::{BoxId, Name, VolumeId};
use crate::model::pool::PoolKey;
use crate::model::request::{Action, CancelScope, Request, VolumeRole};
use crate::model::session::{ArrayVolume, CopyKind, Pair};
use crate::model::snapshot::{BackupState, BackupVolumeView, SessionView, Snapshot, TransactionVolumeView};
use crate::model::units::{Blocks, Version};
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Near misses that one refusal lists at most.
const NEAR_MISSES: usize = 20;
/// Remedies of one kind that one refusal offers at most.
const REMEDIES: usize = 3;

/// What a start does with the backup volume it got.
#[derive(Debug, Clone, Copy)]
pub(super) enum Allocation<'a> {
    Differential(&'a SessionView),
    Full(Pair),
}

/// The backup volumes of the sizes that are asked for, and what of them is still free in this plan.
pub(super) struct Pool<'a> {
    snapshot: &'a Snapshot,
    /// What may serve the same volumes.
    alike: BTreeMap<PoolKey, Alike<'a>>,
    /// All of a size, whatever pool they are in.
    sizes: BTreeMap<Blocks, Vec<&'a BackupVolumeView>>,
    taken: BTreeSet<VolumeId>,
    /// What map sets keep for a transaction volume.
    reserved: BTreeMap<VolumeId, VolumeId>,
    /// All unused volumes by size, gathered when the first refusal tells of those that do not fit.
    unused: OnceCell<Vec<&'a BackupVolumeView>>,
}

#[derive(Default)]
struct Alike<'a> {
    unused: BTreeMap<BoxId, VecDeque<VolumeId>>,
    all: usize,
    bound: Vec<&'a BackupVolumeView>,
    unregistered: Vec<&'a ArrayVolume>,
}

impl<'a> Pool<'a> {
    /// Looks at each backup volume once; only those of wanted sizes are kept.
    pub fn new(snapshot: &'a Snapshot, wanted: &BTreeSet<Blocks>) -> Self {
        let readable: BTreeSet<BoxId> = snapshot
            .arrays
            .iter()
            .filter_map(|array| array.box_id)
            .filter(|&box_id| readable(snapshot, box_id).is_ok())
            .filter(|&box_id| snapshot.array(box_id).is_none_or(|array| array.failed_reading().is_none()))
            .collect();
        let reserved = super::maps::reserved(snapshot);
        let mut alike: BTreeMap<PoolKey, Alike<'a>> = BTreeMap::new();
        let mut sizes: BTreeMap<Blocks, Vec<&'a BackupVolumeView>> = BTreeMap::new();
        for view in snapshot.pool.iter().filter(|view| wanted.contains(&view.volume.blocks)) {
            let (id, state) = (view.volume.id, view.state);
            sizes.entry(view.volume.blocks).or_default().push(view);
            let size = alike.entry(snapshot.backup_key(view)).or_default();
            size.all += 1;
            if state == BackupState::Bound {
                size.bound.push(view);
            }
            let free = state == BackupState::Unused && view.claimed.is_none() && view.problem.is_none();
            // A volume group is paired by a map only.
            let free = free && !reserved.contains_key(&id) && view.volume.group.is_none();
            if free && readable.contains(&id.box_id) {
                size.unused.entry(id.box_id).or_default().push_back(id);
            }
        }
        // One without a released generation first, then the one that was released longest ago: the rest can come back longer.
        for queue in alike.values_mut().flat_map(|size| size.unused.values_mut()) {
            let released = |id: &VolumeId| snapshot.released_on(*id).map(|released| released.at);
            queue.make_contiguous().sort_by_cached_key(released);
        }
        for volume in snapshot.unregistered.iter().filter(|volume| wanted.contains(&volume.blocks)) {
            let key = snapshot.plain_key(volume.id, volume.blocks);
            alike.entry(key).or_default().unregistered.push(volume);
        }
        Self { snapshot, alike, sizes, taken: BTreeSet::new(), reserved, unused: OnceCell::new() }
    }

    /// Takes a volume that a device map or a request names.
    pub fn named(&mut self, case: &Case<'_>, target: VolumeId) -> Result<Allocation<'a>, Refusal> {
        let allocation = named(self.snapshot, case, target)?;
        if !self.taken.insert(target) {
            return Err(self.named_twice(case, target));
        }
        Ok(allocation)
    }

    /// What [`Self::named`] would say, without taking the volume.
    pub fn would_take(&self, case: &Case<'_>, target: VolumeId) -> Result<(), Refusal> {
        let allocation = named(self.snapshot, case, target)?;
        if matches!(allocation, Allocation::Full(_)) {
            room_for_a_session(case)?;
        }
        if self.taken.contains(&target) {
            return Err(self.named_twice(case, target));
        }
        Ok(())
    }

    fn named_twice(&self, case: &Case<'_>, target: VolumeId) -> Refusal {
        let reason = format!("{} is named for another volume of this request too", self.snapshot.label(target));
        Refusal::new(Code::BACKUP_VOLUME_BUSY, reason).about(case.id())
    }

    /// The volume that an earlier plan chose, where it is still unused.
    pub fn chosen(&mut self, case: &Case<'_>, choice: VolumeId) -> Option<VolumeId> {
        let kind = Pair::new(case.id(), choice).kind;
        let boxes = [case.id().box_id, choice.box_id];
        let unused = self.alike.get(&key(case))?.unused.get(&choice.box_id)?;
        let is_free = unused.contains(&choice) && boxes.iter().all(|&box_id| can_start(self.snapshot, box_id, kind));
        (is_free && self.taken.insert(choice)).then_some(choice)
    }

    /// An unused volume of equal blocks in the same box.
    pub fn near(&mut self, case: &Case<'_>) -> Option<VolumeId> {
        if !can_start(self.snapshot, case.id().box_id, CopyKind::Ec) {
            return None;
        }
        let queue = self.alike.get_mut(&key(case))?.unused.get_mut(&case.id().box_id)?;
        first_free(queue, &mut self.taken)
    }

    /// An unused plain volume of equal blocks in the same box and pool, for a one-point copy.
    pub fn spare(&mut self, case: &Case<'_>) -> Option<VolumeId> {
        let key = self.snapshot.spare_key(case.view);
        let queue = self.alike.get_mut(&key)?.unused.get_mut(&case.id().box_id)?;
        first_free(queue, &mut self.taken)
    }

    /// An unused volume of equal blocks in another box, lowest identity first.
    pub fn far(&mut self, case: &Case<'_>) -> Option<VolumeId> {
        let source = case.id().box_id;
        if !can_start(self.snapshot, source, CopyKind::Rec) {
            return None;
        }
        let (snapshot, taken) = (self.snapshot, &mut self.taken);
        let boxes = &mut self.alike.get_mut(&key(case))?.unused;
        boxes
            .iter_mut()
            .filter(|(box_id, _)| **box_id != source && can_start(snapshot, **box_id, CopyKind::Rec))
            .find_map(|(_, queue)| first_free(queue, taken))
    }

    /// Why there is none, with every near miss and every way on.
    pub fn exhausted(&self, case: &Case<'_>) -> Refusal {
        let (name, blocks) = (case.name(), case.view.volume.blocks);
        let (empty, key) = (Alike::default(), key(case));
        let size = self.alike.get(&key).unwrap_or(&empty);
        let which = key.pool.as_ref().map_or_else(|| "the pool".to_owned(), |pool| format!("pool {pool}"));
        let reason = format!(
            "no backup volume of {blocks} ({} blocks) is unused or bound to {name}; {which} has {} of this size",
            blocks.0, size.all
        );
        let reason = super::release::with_backlog(case, reason);
        Refusal::new(Code::NO_BACKUP_VOLUME, reason)
            .about(case.id())
            .with_near_misses(self.near_misses(case), NEAR_MISSES)
            .with_remedies(remedies(case, size))
    }

    /// Every volume that might have served: those of this size, the volume's own first and those of other pools last, then
    /// unused ones of other sizes.
    fn near_misses<'b>(&'b self, case: &'b Case<'_>) -> impl Iterator<Item = NearMiss> + use<'a, 'b> {
        let (key, mut all) = (key(case), self.sizes.get(&case.view.volume.blocks).cloned().unwrap_or_default());
        let own = |view: &BackupVolumeView| view.transaction_volume == Some(case.id());
        all.sort_by_cached_key(|view| (!own(view), self.snapshot.backup_key(view) != key));
        all.into_iter().chain(self.of_other_sizes(case.view.volume.blocks)).map(|view| NearMiss {
            volume: view.volume.id,
            name: self.snapshot.label(view.volume.id),
            why: self.why_not(case, view),
        })
    }

    /// The unused volumes of all sizes but this one, those nearest to it first.
    fn of_other_sizes(&self, blocks: Blocks) -> impl Iterator<Item = &'a BackupVolumeView> + use<'a, '_> {
        let all = self.unused.get_or_init(|| {
            let mut all: Vec<_> = self.snapshot.pool.iter().filter(|view| view.state == BackupState::Unused).collect();
            all.sort_by_key(|view| (view.volume.blocks, view.volume.id));
            all
        });
        let below = &all[..all.partition_point(|view| view.volume.blocks < blocks)];
        let above = &all[all.partition_point(|view| view.volume.blocks <= blocks)..];
        let (mut below, mut above) = (below.iter().rev().peekable(), above.iter().peekable());
        let distance = move |view: &BackupVolumeView| view.volume.blocks.0.abs_diff(blocks.0);
        std::iter::from_fn(move || match (below.peek(), above.peek()) {
            (Some(smaller), Some(larger)) if distance(smaller) <= distance(larger) => below.next().copied(),
            (_, Some(_)) => above.next().copied(),
            (_, None) => below.next().copied(),
        })
    }

    fn why_not(&self, case: &Case<'_>, view: &BackupVolumeView) -> String {
        if self.taken.contains(&view.volume.id) {
            return "taken for another volume of this request".to_owned();
        }
        match named(self.snapshot, case, view.volume.id) {
            Err(refusal) => refusal.reason,
            Ok(_) => match self.reserved.get(&view.volume.id) {
                Some(other) => super::maps::kept_for(self.snapshot, view.volume.id, *other),
                None => "cannot be reached from here".to_owned(),
            },
        }
    }
}

/// The backup volumes that a transaction volume may take.
fn key(case: &Case<'_>) -> PoolKey {
    case.snapshot.pool_key(case.view)
}

fn first_free(queue: &mut VecDeque<VolumeId>, taken: &mut BTreeSet<VolumeId>) -> Option<VolumeId> {
    while let Some(id) = queue.pop_front() {
        if taken.insert(id) {
            return Some(id);
        }
    }
    None
}

/// The volume's own bound one: least to copy first, unknown amounts last, then lowest identity. `Err`: there are
/// suspended sessions, but none may be resumed.
pub(super) fn bound<'a>(case: &Case<'a>) -> Result<Option<&'a SessionView>, Refusal> {
    let mut obstacle = None;
    let mut best: Option<&SessionView> = None;
    for session in case.suspended() {
        match resumable(case, session) {
            Ok(()) => {
                let key = |s: &SessionView| (s.difference.is_none(), s.difference, s.pair.target);
                if best.is_none_or(|other| key(session) < key(other)) {
                    best = Some(session);
                }
            }
            // A generation on its volume is as it should be: anything else is the better reason.
            Err(refusal) if obstacle.is_none() || refusal.code != Code::HOLDS_A_GENERATION => obstacle = Some(refusal),
            Err(_) => {}
        }
    }
    match (best, obstacle) {
        (Some(session), _) => Ok(Some(session)),
        (None, Some(refusal)) => Err(refusal),
        (None, None) => Ok(None),
    }
}

/// Whether a suspended session may go on: no generation is on its volume, nobody else has it, both boxes are read.
pub(super) fn resumable(case: &Case<'_>, session: &SessionView) -> Result<(), Refusal> {
    let (snapshot, target) = (case.snapshot, session.pair.target);
    let label = snapshot.label(target);
    if let Some(generation) = case.generation_on(target) {
        let reason = format!("{label} holds {} of {}", generation.version, case.name());
        let remedy = overwrite(case, generation.version, &label);
        return Err(Refusal::new(Code::HOLDS_A_GENERATION, reason).about(case.id()).with_remedy(remedy));
    }
    let Some(view) = snapshot.backup_volume(target) else {
        return Err(not_a_backup_volume(snapshot, target).about(case.id()));
    };
    let kept = || snapshot.generations.iter().find(|generation| generation.backup_volume == target);
    if let Some(other) = view.generation.and_then(|_| kept()) {
        let reason = format!("{label} holds {} of {}", other.version, snapshot.label(other.transaction_volume));
        return Err(Refusal::new(Code::HOLDS_A_GENERATION, reason).about(case.id()));
    }
    case.other_side_ready(target)?;
    case.judge(session, PairVerb::Resume)?;
    case.others_are_read(target)?;
    equal_size(case, view)?;
    same_sort(case, view)?;
    in_one_pool(case.snapshot, case.view, view)?;
    not_inhibited(case, view)?;
    able(snapshot, &session.pair, CommandVerb::Resume).map_err(|refusal| refusal.about(case.id()))
}

/// A backup volume that the site and its array have, of the size of this transaction volume.
pub(super) fn fitting<'a>(case: &Case<'a>, target: VolumeId) -> Result<&'a BackupVolumeView, Refusal> {
    let Some(view) = case.snapshot.backup_volume(target) else {
        return Err(not_a_backup_volume(case.snapshot, target).about(case.id()));
    };
    let unusable = |code| matches!(code, Code::VOLUME_MISSING | Code::ROW_UNREADABLE);
    if let Some(problem) = view.problem.as_ref().filter(|problem| unusable(problem.code)) {
        return Err(Refusal::new(problem.code, problem.text.as_str()).about(case.id()));
    }
    equal_size(case, view)?;
    same_sort(case, view)?;
    in_one_pool(case.snapshot, case.view, view)?;
    not_inhibited(case, view)?;
    Ok(view)
}

/// Whether a start could use this backup volume for this transaction volume now; a pair that is synchronized already is
/// one that can. The rules of a start, without those of the transaction volume's own state.
pub fn pairing(snapshot: &Snapshot, transaction: VolumeId, backup: VolumeId) -> Result<(), Refusal> {
    let request = Request::new(Action::Start {
        volumes: vec![transaction],
        targets: vec![(transaction, backup)],
        together: false,
    });
    let case = Case::new(snapshot, &request, transaction)?;
    let live = |state| matches!(state, BackupState::Copying | BackupState::Equivalent);
    let view = fitting(&case, backup)?;
    if live(view.state) && view.transaction_volume == Some(transaction) {
        return Ok(());
    }
    named(snapshot, &case, backup).map(|_| ())
}

fn not_inhibited(case: &Case<'_>, view: &BackupVolumeView) -> Result<(), Refusal> {
    match view.problem.as_ref().filter(|problem| problem.code == Code::COPY_INHIBITED) {
        Some(problem) => {
            let reason = format!("{}: {}", case.snapshot.label(view.volume.id), problem.text);
            Err(Refusal::new(problem.code, reason).about(case.id()))
        }
        None => Ok(()),
    }
}

/// What the rules say to one named backup volume for this transaction volume.
fn named<'a>(snapshot: &'a Snapshot, case: &Case<'_>, target: VolumeId) -> Result<Allocation<'a>, Refusal> {
    let refuse = |code, reason| Refusal::new(code, reason).about(case.id());
    let (name, label) = (case.name(), snapshot.label(target));
    let view = fitting(case, target)?;
    unclaimed(snapshot, target).map_err(|refusal| refusal.about(case.id()))?;
    let owner = view.transaction_volume.map_or_else(|| "another volume".to_owned(), |id| snapshot.label(id));
    let own = view.transaction_volume == Some(case.id());
    match view.state {
        BackupState::Unused => {
            readable(snapshot, target.box_id).map_err(|refusal| refusal.about(case.id()))?;
            case.others_are_read(target)?;
            let pair = Pair::new(case.id(), target);
            able(snapshot, &pair, CommandVerb::Start).map_err(|refusal| refusal.about(case.id()))?;
            Ok(Allocation::Full(pair))
        }
        BackupState::Bound if own => {
            let session = snapshot.session(&Pair::new(case.id(), target));
            let Some(session) = session else {
                return Err(case.absent(Code::NOTHING_TO_RESUME, format!("{name} has no session with {label}")));
            };
            resumable(case, session)?;
            Ok(Allocation::Differential(session))
        }
        BackupState::Bound => {
            let refusal = refuse(Code::BOUND_TO_ANOTHER, format!("{label} is suspended with {owner}"));
            Err(refusal.with_remedies(view.transaction_volume.map(|other| release(snapshot, other, target))))
        }
        BackupState::Generation | BackupState::SuspendedGeneration => {
            let version = view.generation.map_or_else(|| "a generation".to_owned(), |version| version.to_string());
            let refusal = refuse(Code::HOLDS_A_GENERATION, format!("{label} holds {version} of {owner}"));
            let remedy = view.generation.filter(|_| own).map(|version| overwrite(case, version, &label));
            Err(refusal.with_remedies(remedy))
        }
        BackupState::Copying | BackupState::Equivalent => {
            Err(refuse(Code::BACKUP_VOLUME_BUSY, format!("{label} is {} with {owner}", view.state)))
        }
        BackupState::Error => Err(refuse(
            Code::ERROR_SUSPENDED,
            format!("the array reported an error on the session of {owner} with {label}"),
        )),
        BackupState::Reversed => {
            let reason = format!("the session of {owner} with {label} runs backwards: {label} is copied into {owner}");
            Err(refuse(Code::REVERSED, reason))
        }
        // Another practice has it: every other verb ends that one.
        BackupState::Practice => Err(refuse(Code::HELD_BY_OTHER, format!("a practice uses {label}"))),
        BackupState::Restoring | BackupState::RestoreIncomplete => {
            let reason = match view.state {
                BackupState::Restoring => format!("a generation is being restored to {label}"),
                _ => format!("a restore to {label} did not come to its end"),
            };
            Err(refuse(Code::RESTORE_INCOMPLETE, reason).with_remedy(cancel_restore(case.snapshot, target)))
        }
        BackupState::Foreign => {
            Err(refuse(Code::SESSION_OF_OTHERS, format!("another program has a session on {label}")))
        }
        BackupState::Unverified => {
            let reason = format!("the session of {owner} with {label} vanished; who uses it is not known");
            Err(refuse(Code::BACKUP_VOLUME_UNVERIFIED, reason))
        }
    }
}

/// Whether the source has room for one more session.
pub(super) fn room_for_a_session(case: &Case<'_>) -> Result<(), Refusal> {
    let sessions = case.snapshot.sessions_of(case.id());
    let granted = case.snapshot.array(case.id().box_id).and_then(|array| array.capabilities.as_ref());
    let Some(limit) = granted.map(|capabilities| usize::from(capabilities.sessions_per_source)) else { return Ok(()) };
    if sessions.len() < limit {
        return Ok(());
    }
    let foreign = sessions.iter().filter(|session| !session.ours).count();
    let reason = format!(
        "{} has {} sessions, {foreign} of them of other programs; the array grants {limit}",
        case.name(),
        sessions.len()
    );
    let suspended = |target: &VolumeId| case.suspended().any(|session| session.pair.target == *target);
    let oldest = case.generations().iter().map(|generation| generation.backup_volume).find(suspended);
    let remedy = oldest.map(|target| release(case.snapshot, case.id(), target));
    Err(Refusal::new(Code::SESSION_LIMIT, reason).about(case.id()).with_remedies(remedy))
}

/// Whether the drivers' tables of both boxes say that this can be done.
pub(super) fn able(snapshot: &Snapshot, pair: &Pair, verb: CommandVerb) -> Result<(), Refusal> {
    let boxes = [pair.source.box_id, pair.target.box_id];
    let unable = boxes.into_iter().find(|&box_id| !can(snapshot, box_id, pair.kind, verb));
    match unable.and_then(|box_id| snapshot.array(box_id)) {
        Some(array) => {
            let reason = match array.limited() {
                Some(why) => format!("{} cannot {verb} {} now: {why}", array.name, pair.kind),
                None => format!("{} cannot {verb} {}", array.name, pair.kind),
            };
            Err(Refusal::new(Code::UNSUPPORTED, reason))
        }
        None => Ok(()),
    }
}

/// Whether the array can copy at all just now: one that cannot leaves no volume of the pool to blame.
pub(super) fn can_copy_now(snapshot: &Snapshot, box_id: BoxId) -> Result<(), Refusal> {
    let Some(array) = snapshot.array(box_id) else { return Ok(()) };
    let copies = [CopyKind::Ec, CopyKind::Rec].into_iter().any(|kind| can_start(snapshot, box_id, kind));
    match array.limited() {
        Some(why) if !copies => Err(Refusal::new(Code::UNSUPPORTED, format!("{} cannot copy now: {why}", array.name))),
        _ => Ok(()),
    }
}

fn can_start(snapshot: &Snapshot, box_id: BoxId, kind: CopyKind) -> bool {
    can(snapshot, box_id, kind, CommandVerb::Start)
}

/// An array whose capabilities are not known yet is asked and may refuse itself.
fn can(snapshot: &Snapshot, box_id: BoxId, kind: CopyKind, verb: CommandVerb) -> bool {
    let known = snapshot.array(box_id).and_then(|array| array.capabilities.as_ref());
    known.is_none_or(|capabilities| capabilities.can(kind, verb))
}

fn equal_size(case: &Case<'_>, view: &BackupVolumeView) -> Result<(), Refusal> {
    let (want, have) = (case.view.volume.blocks, view.volume.blocks);
    if want == have {
        return Ok(());
    }
    let label = case.snapshot.label(view.volume.id);
    let reason = format!("{label} has {} blocks, {} has {}", have.0, case.name(), want.0);
    Err(Refusal::new(Code::UNEQUAL_SIZE, reason).about(case.id()))
}

/// A volume group is copied onto another volume group that its host sees, and nothing else is.
fn same_sort(case: &Case<'_>, view: &BackupVolumeView) -> Result<(), Refusal> {
    let label = case.snapshot.label(view.volume.id);
    let (code, reason) = match (&case.view.volume.group, &view.volume.group) {
        (Some(group), None) => {
            (Code::BACKUP_GROUP_MISSING, format!("{} is the volume group {group}, {label} is none", case.name()))
        }
        (None, Some(group)) => {
            (Code::BACKUP_GROUP_UNFIT, format!("{label} is the volume group {group}, {} is none", case.name()))
        }
        (Some(from), Some(onto)) if from.uuid == onto.identity.uuid || from.disk == onto.disk => {
            (Code::BACKUP_GROUP_UNFIT, format!("{label} is the same volume group as {}", case.name()))
        }
        (Some(from), Some(onto)) if from.host != onto.host => {
            let reason =
                format!("{label} is the volume group {onto}, {} is {from}: they have different hosts", case.name());
            (Code::BACKUP_GROUP_UNFIT, reason)
        }
        _ => return Ok(()),
    };
    Err(Refusal::new(code, reason).about(case.id()))
}

/// What is in another pool is not taken, whoever names it.
pub(super) fn in_one_pool(
    snapshot: &Snapshot,
    transaction: &TransactionVolumeView,
    view: &BackupVolumeView,
) -> Result<(), Refusal> {
    let (want, have) = (snapshot.pool_key(transaction).pool, snapshot.backup_key(view).pool);
    if want == have {
        return Ok(());
    }
    let (label, name) = (snapshot.label(view.volume.id), &transaction.volume.name);
    let reason = match (&want, &have) {
        (Some(want), Some(have)) => format!("{label} is in pool {have}, {name} in pool {want}"),
        (Some(want), None) => format!("{label} is in no named pool, {name} in pool {want}"),
        (None, have) => {
            let have = have.as_ref().map_or("-", Name::as_str);
            format!("{label} is in pool {have}, {name} in no named pool")
        }
    };
    Err(Refusal::new(Code::OTHER_POOL, reason).about(transaction.volume.id))
}

fn not_a_backup_volume(snapshot: &Snapshot, target: VolumeId) -> Refusal {
    let reason = format!("{} is not a backup volume of this site", snapshot.label(target));
    let refusal = Refusal::new(Code::NOT_A_BACKUP_VOLUME, reason);
    let unregistered = snapshot.unregistered_volume(target);
    refusal.with_remedies(unregistered.map(|volume| register(snapshot, volume)))
}

/// Ways to a backup volume, those that lose nothing first.
fn remedies(case: &Case<'_>, size: &Alike<'_>) -> Vec<Remedy> {
    let snapshot = case.snapshot;
    let (same_box, other_box): (Vec<_>, Vec<_>) =
        size.unregistered.iter().partition(|volume| volume.id.box_id == case.id().box_id);
    let usable = |generation: &&crate::model::records::Generation| {
        generation.held.is_none()
            && snapshot.backup_volume(generation.backup_volume).is_some_and(|view| {
                matches!(view.state, BackupState::Generation | BackupState::SuspendedGeneration)
                    && view.volume.blocks == case.view.volume.blocks
                    && view.claimed.is_none()
            })
    };
    let (oldest, first) = (case.generations().iter().find(usable), case.generations().first());
    let mut remedies: Vec<Remedy> =
        same_box.into_iter().chain(other_box).take(REMEDIES).map(|volume| register(snapshot, volume)).collect();
    let bound = size.bound.iter().filter(|view| view.claimed.is_none());
    let others = bound.filter_map(|view| view.transaction_volume.map(|owner| (owner, view.volume.id)));
    let others = others.filter(|(owner, _)| *owner != case.id());
    remedies.extend(others.take(REMEDIES).map(|(owner, target)| release(snapshot, owner, target)));
    // Where the oldest one is held, a newer one is not given up in its place without a word.
    remedies.extend(first.filter(|first| first.held.is_some()).map(|held| unhold(case, held.version)));
    if let Some(generation) = oldest {
        let label = snapshot.label(generation.backup_volume);
        let action = Action::DeleteGeneration { volume: case.id(), version: generation.version };
        let text = format!("release {} of {}, which frees {label}", generation.version, case.name());
        remedies.push(Remedy::destroying(text, action));
        remedies.push(overwrite(case, generation.version, &label));
    }
    remedies
}

fn register(snapshot: &Snapshot, volume: &ArrayVolume) -> Remedy {
    let action = Action::Register { volume: volume.id, role: VolumeRole::Backup, name: None };
    Remedy::new(format!("register {} as a backup volume", snapshot.location(volume.id)), action)
}

fn release(snapshot: &Snapshot, owner: VolumeId, target: VolumeId) -> Remedy {
    let action = Action::Cancel { volumes: vec![owner], scope: CancelScope::One(target) };
    Remedy::new(format!("cancel the session of {} with {}", snapshot.label(owner), snapshot.label(target)), action)
}

fn overwrite(case: &Case<'_>, version: Version, label: &str) -> Remedy {
    let action = Action::Overwrite { volume: case.id(), version };
    Remedy::destroying(format!("overwrite {version} of {} on {label}", case.name()), action)
}

pub(super) fn unhold(case: &Case<'_>, version: Version) -> Remedy {
    let action = Action::Unhold { volume: case.id(), version };
    Remedy::new(format!("release the hold of {version} of {}", case.name()), action)
}

/// Whether the table lets a suspended or absent session be overwritten.
pub(super) fn may_overwrite(session: &SessionView) -> Result<(), Code> {
    match judge(session, PairVerb::ResumeOnto) {
        Legality::Refused(code) => Err(code),
        Legality::Legal | Legality::Force => Ok(()),
    }
}
