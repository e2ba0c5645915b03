//! What has to be copied next, and what a host's write has to do: decisions without moving a byte.

use super::core::{Core, CoreError};
use super::regions::{Run, bytes_of, regions_of};
use super::sessions::SessionKey;
use crate::model::identity::VolumeId;
use crate::model::session::{Automation, CopyKind, ErrorByte, Phase, Status, TransferMode};
use crate::model::units::Blocks;
use std::ops::Range;

/// The error byte of a block that cannot be read.
pub const BAD_SECTOR: ErrorByte = ErrorByte(0xBA);

/// Regions of one session that a copier has taken in hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    pub key: SessionKey,
    pub from: VolumeId,
    pub to: VolumeId,
    pub run: Run,
    pub bytes: Range<u64>,
    /// Done before: one-point copies that still need what the destination holds.
    pub first: Vec<Self>,
}

/// What a host's write to a volume entails, decided once its regions are locked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WritePlan {
    /// Done before the write: one-point copies that still need the old data.
    pub copy_first: Vec<Work>,
    /// Written as well before the host hears that it is done.
    pub mirrors: Vec<Mirror>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    pub key: SessionKey,
    pub to: VolumeId,
    pub bytes: Range<u64>,
}

impl Core {
    /// The next regions to copy, at most `longest`, fair among the sessions that copy.
    pub fn next_work(&mut self, longest: u32) -> Option<Work> {
        self.next_work_where(longest, |_| true)
    }

    /// As [`Core::next_work`], only of sessions that `may` copy now.
    pub fn next_work_where(&mut self, longest: u32, may: impl Fn(SessionKey) -> bool) -> Option<Work> {
        let after = SessionKey(self.turn.0 + 1);
        let order: Vec<SessionKey> =
            self.sessions.range(after..).chain(self.sessions.range(..after)).map(|(key, _)| *key).collect();
        order.into_iter().filter(|key| may(*key)).find_map(|key| self.work_of(key, longest))
    }

    fn work_of(&mut self, key: SessionKey, longest: u32) -> Option<Work> {
        let session = self.sessions.get_mut(&key).filter(|session| session.is_copying())?;
        let on = session.map.next_dirty(session.cursor, longest, &session.in_hand);
        let run = on.or_else(|| session.map.next_dirty(0, longest, &session.in_hand))?;
        session.cursor = run.end;
        session.in_hand.push(run.clone());
        let (from, to) = session.flow();
        let source = session.pair.source;
        self.turn = key;
        let mut first = Vec::new();
        self.settle(to, &run, false, &mut first);
        // Whoever else knows the destination must know of the change before it happens.
        self.mark_elsewhere(Some(key), to, &run);
        let blocks = self.volume(source).ok()?.blocks;
        Some(Work { key, from, to, bytes: bytes_of(&run, blocks), run, first })
    }

    /// Before a volume is written: what one-point copies out of it, or `into` it as well, have not copied of these regions yet.
    /// It counts as copied from here on.
    fn settle(&mut self, volume: VolumeId, regions: &Run, into: bool, first: &mut Vec<Work>) {
        let concerned = |session: &&super::sessions::Session| {
            let (from, to) = session.flow();
            let still = session.pair.kind == CopyKind::Opc && session.status == Status::Active;
            still && (from == volume || into && to == volume)
        };
        let keys: Vec<SessionKey> = self.sessions.values().filter(concerned).map(|session| session.key).collect();
        for key in keys {
            let mut at = regions.start;
            while let Some(session) = self.sessions.get_mut(&key) {
                let run = session.map.next_dirty(at, 1, &[]).filter(|run| run.start < regions.end);
                let Some(run) = run else { break };
                session.map.clear(&run);
                let (from, to) = session.flow();
                at = run.end;
                // What is copied writes into a volume, too.
                self.settle(to, &run, false, first);
                self.mark_elsewhere(Some(key), to, &run);
                // A shorter source does not reach into the rest of its destination.
                let Ok(blocks) = self.volume(from).map(|volume| volume.blocks) else { break };
                first.push(Work { key, from, to, bytes: bytes_of(&run, blocks), run, first: Vec::new() });
            }
        }
    }

    /// The regions are the same on both sides now.
    pub fn copied(&mut self, work: &Work) {
        if let Some(session) = self.sessions.get_mut(&work.key) {
            session.in_hand.retain(|run| *run != work.run);
            session.map.clear(&work.run);
        }
    }

    /// The work was not done; its regions stay dirty.
    pub fn not_copied(&mut self, work: &Work) {
        if let Some(session) = self.sessions.get_mut(&work.key) {
            session.in_hand.retain(|run| *run != work.run);
        }
    }

    /// A side failed: the session stops in error, what was dirty stays so.
    pub fn fail(&mut self, key: SessionKey, byte: ErrorByte) {
        if let Some(session) = self.sessions.get_mut(&key) {
            session.stop_in_error(byte);
            self.pending_events.insert(key);
        }
    }

    /// The first bad block of a range, where a fault put one.
    pub fn bad_block(&self, volume: VolumeId, bytes: &Range<u64>) -> Option<u64> {
        let faults = &self.boxes.get(&volume.box_id)?.faults;
        let hit = |block: u64| block * Blocks::BYTES < bytes.end && (block + 1) * Blocks::BYTES > bytes.start;
        faults.bad_blocks(volume).find(|block| hit(*block))
    }

    /// Decides what a host's write entails, and marks what it makes different. Its regions must be locked.
    pub fn admit_write(&mut self, volume: VolumeId, bytes: &Range<u64>) -> Result<WritePlan, CoreError> {
        let blocks = self.volume(volume)?.blocks;
        if bytes.end > blocks.bytes() {
            return Err(CoreError::BeyondEnd { volume, block: bytes.end / Blocks::BYTES });
        }
        self.takes_writes(volume)?;
        let regions = regions_of(bytes);
        let mut plan = WritePlan::default();
        self.settle(volume, &regions, true, &mut plan.copy_first);
        self.mirror(volume, bytes, None, &mut plan);
        Ok(plan)
    }

    /// What a write to a volume by a host, or by the session `by`, means to the sessions that know the volume: those that are
    /// equal there write it as well, and so on along a cascade; the others remember it.
    fn mirror(&mut self, volume: VolumeId, bytes: &Range<u64>, by: Option<SessionKey>, plan: &mut WritePlan) {
        let Ok(blocks) = self.volume(volume).map(|volume| volume.blocks) else { return };
        let regions = regions_of(bytes);
        let knows = |session: &&mut super::sessions::Session| {
            session.touches(volume) && session.pair.kind != CopyKind::Opc && Some(session.key) != by
        };
        let mut mirrors: Vec<Mirror> = Vec::new();
        for session in self.sessions.values_mut().filter(knows) {
            let (from, to) = session.flow();
            if session.status != Status::Active || from != volume {
                session.map.mark(&regions);
                continue;
            }
            for region in regions.clone().filter(|region| !session.map.is_dirty(*region)) {
                let region = bytes_of(&(region..region + 1), blocks);
                let part = region.start.max(bytes.start)..region.end.min(bytes.end);
                match mirrors.last_mut() {
                    Some(last) if last.key == session.key && last.bytes.end == part.start => last.bytes.end = part.end,
                    _ => mirrors.push(Mirror { key: session.key, to, bytes: part }),
                }
            }
        }
        for mirror in mirrors {
            self.settle(mirror.to, &regions_of(&mirror.bytes), false, &mut plan.copy_first);
            self.mirror(mirror.to, &mirror.bytes, Some(mirror.key), plan);
            plan.mirrors.push(mirror);
        }
    }

    /// Whether a host may write to the volume now: not to what is copied onto, nor to a source that was split by hand.
    pub fn takes_writes(&self, volume: VolumeId) -> Result<(), CoreError> {
        let documented = self.is_documented(volume.box_id);
        let orphans = self.boxes.get(&volume.box_id).into_iter().flat_map(|cabinet| &cabinet.orphans);
        let holds =
            |half: &super::sessions::Half| matches!(half.status, Status::Active | Status::Halted | Status::Reserved);
        // What this box knows counts, though the other one has forgotten the session.
        if documented && orphans.filter(|orphan| orphan.pair.target == volume).any(|orphan| holds(&orphan.half)) {
            return Err(CoreError::IsDestination(volume));
        }
        for session in self.sessions.values().filter(|session| session.touches(volume)) {
            let (from, to) = session.flow();
            let live = session.is_live() && session.pair.kind != CopyKind::Opc;
            // Over a dead path the far box goes by what it knew last.
            let far = session.remote.as_ref().filter(|_| session.pair.target == volume && !self.crosses(session.key));
            if (live || far.is_some_and(holds)) && to == volume {
                return Err(CoreError::IsDestination(volume));
            }
            let by_hand = session.modes.is_some_and(|modes| {
                let mirrored = modes.transfer == TransferMode::Synchronous && session.phase == Phase::Equivalent;
                modes.split == Automation::Manual && (mirrored || !documented)
            });
            if by_hand && from == volume && session.status == Status::Halted {
                return Err(CoreError::WaitsForSplit(volume));
            }
        }
        Ok(())
    }

    /// Whether a host may read a volume now: not while it is copied to. The target of a one-point copy is usable at once.
    pub fn takes_reads(&self, volume: VolumeId) -> Result<(), CoreError> {
        let copied_to = |session: &super::sessions::Session| {
            session.pair.kind != CopyKind::Opc && session.flow().1 == volume && session.is_copying()
        };
        if self.is_documented(volume.box_id) && self.sessions.values().any(copied_to) {
            return Err(CoreError::IsBeingCopied(volume));
        }
        Ok(())
    }

    /// Marks regions of a volume in the maps of all sessions that know it, but for the one that keeps them the same.
    pub(super) fn mark_elsewhere(&mut self, but: Option<SessionKey>, volume: VolumeId, run: &Run) {
        for session in self.sessions.values_mut() {
            let keeps = Some(session.key) == but || session.pair.kind == CopyKind::Opc;
            if !keeps && session.touches(volume) {
                session.map.mark(run);
            }
        }
    }

    /// Whether any session has something to copy.
    pub fn has_work(&self) -> bool {
        self.sessions.values().any(|session| session.is_copying() && !session.map.is_clean())
    }

    /// Whether data moves, or would if a path were there.
    pub fn has_live_session(&self) -> bool {
        self.sessions.values().any(super::sessions::Session::is_live)
    }
}
