//! Making a whole site of arrays at once: volumes with seeded content, and sessions in the middle of their lives.
//!
//! Content is a base and rounds of changes upon it, so that a volume after its third round and one after its fifth are
//! two generations of the same data: real bytes, and it is known where they differ.

use super::arrays::{Arrays, ArraysError, now};
use super::core::Core;
use super::data::{Attach, BAD_SECTOR, DataPlane, Flow};
use super::faults::Fault;
use super::regions::{REGION, REGION_BLOCKS, bytes_of};
use super::sessions::Placed;
use super::wire::Work;
use super::workload::seeded;
use crate::model::identity::{BoxId, Name, VolumeId};
use crate::model::session::{CopyKind, ErrorByte, Pair, Phase, RecModes, Status};
use crate::model::units::{Blocks, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Regions that one round changes: one in so many of those that are filled.
const CHANGED_SHARE: u32 = 12;

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Provision {
    pub arrays: Vec<NewArray>,
    pub volumes: Vec<NewVolume>,
    pub sessions: Vec<NewSession>,
    /// Of each session.
    pub bytes_per_second: Option<u64>,
    pub workloads: Vec<(VolumeId, Work)>,
}

/// All arrays are connected with each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewArray {
    pub name: Name,
    pub box_id: BoxId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewVolume {
    pub id: VolumeId,
    pub label: String,
    pub blocks: Blocks,
    /// `None`: a hole from beginning to end.
    pub content: Option<Content>,
}

/// What is on a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub seed: u64,
    /// Bytes that are no hole, scattered over the volume.
    pub filled: u64,
    /// Rounds of changes that have happened.
    pub rounds: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewSession {
    pub pair: Pair,
    pub state: NewState,
    /// Copying and error: whole percent that are done of what there was to copy.
    pub percent: u8,
    /// Copying and error: the copy is of everything, not of the difference.
    pub full: bool,
    pub modes: Option<RecModes>,
    pub started: Option<Timestamp>,
}

/// Where in its life a session is. What differs while it is suspended or halted follows from the volumes' content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewState {
    Copying,
    Equivalent,
    Suspended,
    Error(u8),
    /// Stopped by a block of the source that cannot be read: a real fault, at the first region that was not copied.
    BadSector,
    Halted,
}

/// The regions of a volume that are no hole, each with the seed of its bytes.
type Stamps = BTreeMap<u32, u64>;

impl Content {
    fn stamps(self, blocks: Blocks) -> Stamps {
        let regions = blocks.0.div_ceil(REGION_BLOCKS).max(1) as u32;
        let filled = self.filled.div_ceil(REGION).clamp(1, u64::from(regions)) as u32;
        let place = |index: u32| (u64::from(index) * u64::from(regions) / u64::from(filled)) as u32;
        let stamp = |region: u32, round: u32| {
            let mixed = self.seed ^ (u64::from(region) << 32 | u64::from(round)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            fastrand::Rng::with_seed(mixed).u64(..)
        };
        let mut stamps: Stamps = (0..filled).map(|index| (place(index), stamp(place(index), 0))).collect();
        for round in 1..=self.rounds {
            let mut random = fastrand::Rng::with_seed(self.seed.wrapping_add(u64::from(round)));
            for _ in 0..filled.div_ceil(CHANGED_SHARE) {
                let region = place(random.u32(0..filled));
                stamps.insert(region, stamp(region, round));
            }
        }
        stamps
    }
}

/// Makes everything, or nothing that outlasts the server.
pub fn provision(arrays: &Arc<Arrays>, wanted: &Provision) -> Result<(), ArraysError> {
    let running = arrays.provision(|core, data| {
        make_boxes(core, wanted)?;
        let mut stamps = BTreeMap::new();
        for volume in &wanted.volumes {
            core.add_volume(volume.id.box_id, Some(volume.id.olu), &volume.label, volume.blocks)?;
            data.create(volume.id, volume.blocks)?;
            stamps.insert(volume.id, volume.content.map(|content| content.stamps(volume.blocks)).unwrap_or_default());
        }
        let mut dirty = Vec::new();
        for session in &wanted.sessions {
            let blocks = core.volume(session.pair.source)?.blocks;
            dirty.push(settle(session, blocks, &mut stamps));
        }
        write_all(core, data, &stamps)?;
        let sessions = wanted.sessions.iter().zip(&dirty);
        sessions.map(|(session, differs)| place(core, data, session, differs)).collect::<Result<Vec<_>, _>>()
    })?;
    arrays.set_rate(wanted.bytes_per_second, None)?;
    for pair in running.into_iter().flatten() {
        arrays.data().run(pair)?;
    }
    for (volume, work) in &wanted.workloads {
        arrays.set_workload(*volume, Some(work.clone()))?;
    }
    Ok(())
}

fn make_boxes(core: &mut Core, wanted: &Provision) -> Result<(), ArraysError> {
    for array in &wanted.arrays {
        core.add_box_as(&array.name, array.box_id)?;
    }
    for (index, one) in wanted.arrays.iter().enumerate() {
        for other in &wanted.arrays[index + 1..] {
            core.add_path(one.box_id, other.box_id)?;
        }
    }
    Ok(())
}

/// What differs in a session, and what was to be copied.
struct Differs {
    regions: Vec<u32>,
    total: Blocks,
}

/// Puts on the target what the session has copied there, and tells what differs.
fn settle(session: &NewSession, blocks: Blocks, stamps: &mut BTreeMap<VolumeId, Stamps>) -> Differs {
    let source = stamps.get(&session.pair.source).cloned().unwrap_or_default();
    let target = stamps.entry(session.pair.target).or_default();
    let regions = blocks.0.div_ceil(REGION_BLOCKS) as u32;
    let differing = || (0..regions).filter(|region| source.get(region) != target.get(region)).collect::<Vec<_>>();
    let (to_copy, percent) = match session.state {
        NewState::Equivalent => (differing(), 100),
        NewState::Suspended | NewState::Halted => (differing(), 0),
        NewState::Copying | NewState::Error(_) | NewState::BadSector if session.full => {
            ((0..regions).collect(), session.percent.min(99))
        }
        NewState::Copying | NewState::Error(_) | NewState::BadSector => (differing(), session.percent.min(99)),
    };
    let copied = to_copy.len() * usize::from(percent) / 100;
    for region in &to_copy[..copied] {
        match source.get(region) {
            Some(stamp) => target.insert(*region, *stamp),
            None => target.remove(region),
        };
    }
    let length = |region: &u32| bytes_of(&(*region..region + 1), blocks);
    let total = to_copy.iter().map(length).map(|bytes| bytes.end - bytes.start).sum::<u64>() / Blocks::BYTES;
    Differs { regions: to_copy[copied..].to_vec(), total: Blocks(total) }
}

fn write_all(core: &Core, data: &DataPlane, stamps: &BTreeMap<VolumeId, Stamps>) -> Result<(), ArraysError> {
    for (volume, stamps) in stamps {
        let blocks = core.volume(*volume)?.blocks;
        for (region, stamp) in stamps {
            let bytes = bytes_of(&(*region..region + 1), blocks);
            data.write(*volume, bytes.start, &seeded(*stamp, (bytes.end - bytes.start) as usize))?;
        }
    }
    Ok(())
}

/// Makes the session known, still; the pair when its copying is to go on.
fn place(
    core: &mut Core,
    data: &DataPlane,
    session: &NewSession,
    differs: &Differs,
) -> Result<Option<Pair>, ArraysError> {
    let pair = session.pair;
    data.attach(pair, Attach::Clean, Flow::Tracking)?;
    let blocks = core.volume(pair.source)?.blocks;
    let ranges: Vec<_> = differs.regions.iter().map(|region| bytes_of(&(*region..region + 1), blocks)).collect();
    if !ranges.is_empty() {
        data.mark_ranges(pair, &ranges)?;
    }
    let (status, phase, error) = match session.state {
        NewState::Copying => (Status::Active, Phase::Copying, None),
        NewState::Equivalent => (Status::Active, Phase::Equivalent, None),
        NewState::Suspended => (Status::Suspended, Phase::Equivalent, None),
        NewState::Error(byte) => (Status::ErrorSuspended, Phase::Copying, Some(ErrorByte(byte))),
        NewState::BadSector => (Status::ErrorSuspended, Phase::Copying, Some(ErrorByte(BAD_SECTOR))),
        NewState::Halted => (Status::Halted, Phase::Equivalent, None),
    };
    if session.state == NewState::BadSector
        && let Some(first) = ranges.first()
    {
        core.inject(pair.source.box_id, Fault::BadBlock { volume: pair.source, block: first.start / Blocks::BYTES })?;
        data.set_bad_blocks(pair.source, first.start, Blocks::BYTES)?;
    }
    let modes = (pair.kind == CopyKind::Rec).then(|| session.modes.unwrap_or_default());
    let started = session.started.unwrap_or_else(now);
    core.place(&Placed { pair, status, phase, total: differs.total, error, modes, started });
    Ok((status == Status::Active).then_some(pair))
}
