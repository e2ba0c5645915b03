//! Emulated arrays whose volumes are lists of stamps, one a region: real enough to tell whether a copy is one, and
//! deterministic. For the simulator and for tests.

use crate::driver::emulated::copying::{BAD_SECTOR, Work};
use crate::driver::emulated::core::{Core, CoreError};
use crate::driver::emulated::regions::{REGION_BLOCKS, bytes_of};
use crate::driver::emulated::rules::Reply;
use crate::model::copy::Command;
use crate::model::identity::{BoxId, Name, Olu, VolumeId};
use crate::model::session::{CopyKind, Pair};
use crate::model::units::{Blocks, Timestamp};
use std::collections::BTreeMap;

/// Regions that are copied in one piece, as the server's copier does.
const PIECE: u32 = 16;

#[derive(Debug, Clone, Default)]
pub struct Memory {
    core: Core,
    contents: BTreeMap<VolumeId, Vec<u64>>,
    last_stamp: u64,
}

impl Memory {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn core(&self) -> &Core {
        &self.core
    }

    /// For boxes, paths and faults. Volumes are made by [`Memory::add_volume`], writes by [`Memory::write`].
    pub fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    pub fn add_box(&mut self, name: &Name) -> Result<BoxId, CoreError> {
        self.core.add_box(name)
    }

    /// A volume whose content is unlike that of every other one.
    pub fn add_volume(
        &mut self,
        at: BoxId,
        olu: Option<Olu>,
        label: &str,
        blocks: Blocks,
    ) -> Result<VolumeId, CoreError> {
        let id = self.core.add_volume(at, olu, label, blocks)?;
        let regions = blocks.0.div_ceil(REGION_BLOCKS);
        let stamps = (0..regions).map(|_| self.next_stamp()).collect();
        self.contents.insert(id, stamps);
        Ok(id)
    }

    pub fn execute(&mut self, at: BoxId, command: &Command, by: &str, now: Timestamp) -> Reply {
        self.core.execute(at, command, by, now)
    }

    /// Copies so many blocks, fairly, and lets time act once. Returns the blocks that were copied.
    pub fn advance(&mut self, blocks: Blocks) -> Blocks {
        let mut left = regions_for(blocks);
        let mut copied = 0;
        while blocks.0 > 0 && left > 0 {
            let Some(work) = self.core.next_work(left.min(PIECE)) else { break };
            work.first.iter().for_each(|first| self.copy(first));
            if self.core.bad_block(work.from, &work.bytes).is_some() {
                self.core.not_copied(&work);
                self.core.fail(work.key, BAD_SECTOR);
                continue;
            }
            left -= work.run.len() as u32;
            copied += u64::from(work.run.end - work.run.start) * REGION_BLOCKS;
            self.copy(&work);
            self.core.copied(&work);
        }
        self.tick();
        Blocks(copied)
    }

    /// Copies until nothing is left to copy.
    pub fn settle(&mut self) {
        while self.core.has_work() {
            self.advance(Blocks(REGION_BLOCKS * 1024));
        }
        self.tick();
        self.tick();
    }

    /// Time acts once. The bytes need no barrier: a write is mirrored at once.
    fn tick(&mut self) {
        self.core.tick();
        self.core.end_suspends();
        self.core.end_starts_and_stops();
    }

    /// A host's write to one region.
    pub fn write(&mut self, volume: VolumeId, region: u32) -> Result<(), CoreError> {
        let blocks = self.core.volume(volume)?.blocks;
        let bytes = bytes_of(&(region..region + 1), blocks);
        if bytes.start >= bytes.end {
            return Err(CoreError::BeyondEnd { volume, block: u64::from(region) * REGION_BLOCKS });
        }
        let plan = self.core.admit_write(volume, &bytes)?;
        for work in &plan.copy_first {
            self.copy(work);
            self.core.copied(work);
        }
        let stamp = self.next_stamp();
        for written in plan.mirrors.iter().map(|mirror| mirror.to).chain([volume]) {
            if let Some(slot) = self.contents.get_mut(&written).and_then(|stamps| stamps.get_mut(region as usize)) {
                *slot = stamp;
            }
        }
        Ok(())
    }

    /// The stamps of a volume, a region each: equal stamps, equal content.
    pub fn content(&self, volume: VolumeId) -> &[u64] {
        self.contents.get(&volume).map_or(&[], Vec::as_slice)
    }

    /// Regions that differ though their session says that they do not: none, unless the map is wrong.
    pub fn lies(&self) -> Vec<(Pair, u32)> {
        let sessions = self.core.sessions().filter(|session| session.pair.kind != CopyKind::Opc);
        let lie = |session: &crate::driver::emulated::sessions::Session| {
            let (source, target) = (self.content(session.pair.source), self.content(session.pair.target));
            let differs = source.iter().zip(target).enumerate().filter(|(_, (one, other))| one != other);
            let clean = differs.map(|(at, _)| at as u32).filter(|region| !session.map.is_dirty(*region));
            clean.map(|region| (session.pair, region)).collect::<Vec<_>>()
        };
        sessions.flat_map(lie).collect()
    }

    fn copy(&mut self, work: &Work) {
        let range = work.run.start as usize..work.run.end as usize;
        let Some(from) = self.contents.get(&work.from).and_then(|stamps| stamps.get(range.clone())) else { return };
        let stamps = from.to_vec();
        if let Some(to) = self.contents.get_mut(&work.to).and_then(|to| to.get_mut(range)) {
            to.copy_from_slice(&stamps);
        }
    }

    fn next_stamp(&mut self) -> u64 {
        self.last_stamp += 1;
        self.last_stamp
    }
}

/// Whole regions that so many blocks are worth, at least one.
fn regions_for(blocks: Blocks) -> u32 {
    blocks.0.div_ceil(REGION_BLOCKS).clamp(1, u64::from(u32::MAX)) as u32
}
