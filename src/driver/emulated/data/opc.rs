//! One-point copies: the target holds the source as it was at the start, whatever hosts write to either side afterwards.
//!
//! An EC's map errs towards dirty. Here that would be wrong: where a host has written since, copying again brings a later
//! moment. So before a host's first write into 4 MiB of either side, what is left of that extent is copied, made durable
//! and recorded; after a crash everything else is copied once more, from a source that has not changed there.

use super::attached::Attached;
use super::extents::EXTENT;
use super::image::Buffer;
use super::map::{REGION, RegionMap};
use super::point_in_time::bytes_of;
use super::shared::Shared;
use super::types::TARGET_FAILED;
use std::io;
use std::ops::Range;

impl Attached {
    /// The target as hosts see it at once: what was not copied yet is read from the source. The range must be held there.
    pub(super) fn read_through(&self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let region = at / REGION;
            let missing = at < self.size && self.is_running() && self.map.is_dirty(region);
            let end = if missing { ((region + 1) * REGION).min(self.size) } else { (region + 1) * REGION };
            let (part, others) = rest.split_at_mut(((end - at) as usize).min(rest.len()));
            let side = if missing { self.from() } else { self.to() };
            side.image.read(at, part)?;
            at += part.len() as u64;
            rest = others;
        }
        Ok(())
    }
}

impl Shared {
    /// The one-point copy that runs into a volume.
    pub(super) fn moment_of(&self, id: crate::model::identity::VolumeId) -> Option<std::sync::Arc<Attached>> {
        let table = self.sessions.read();
        let into = |session: &&std::sync::Arc<Attached>| {
            session.moment().is_some() && session.is_running() && session.to().id == id
        };
        table.by_volume.get(&id)?.iter().find(into).cloned()
    }

    /// Before a host writes: the extents that it touches hold the moment for certain. A side that fails ends the copy,
    /// never the host's write.
    pub(super) fn settle(&self, session: &Attached, range: &Range<u64>) {
        let Some(moment) = session.moment() else { return };
        let range = range.start..range.end.min(session.size);
        for extent in (range.start / EXTENT) as u32..range.end.div_ceil(EXTENT) as u32 {
            if moment.is_settled(extent) {
                continue;
            }
            let bytes = bytes_of(extent, session.size);
            let _alone = session.from().image.locks.lock(bytes.clone());
            if !session.is_running() {
                return;
            }
            let copied = self.copy(session, &RegionMap::regions_of(&bytes), &mut Buffer::new());
            let settled = copied.and_then(|()| {
                let durable = session.to().image.sync().and_then(|()| moment.record(&[extent]));
                durable.map_err(|error| (TARGET_FAILED, error.to_string()))
            });
            if let Err((error, detail)) = settled {
                self.fail(session, error, detail);
                return;
            }
        }
    }

    /// Records the extents that the copier is through with, so that a crash does not begin anew.
    pub(super) fn settle_copied(&self, session: &Attached) -> io::Result<()> {
        let Some(moment) = session.moment().filter(|_| session.is_running()) else { return Ok(()) };
        let extents = 0..session.size.div_ceil(EXTENT) as u32;
        let through = |extent: &u32| session.map.is_clean(&RegionMap::regions_of(&bytes_of(*extent, session.size)));
        let fresh: Vec<u32> = extents.filter(|extent| through(extent) && !moment.is_settled(*extent)).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        session.to().image.sync().and_then(|()| moment.record(&fresh)).inspect_err(|error| {
            self.fail(session, TARGET_FAILED, error.to_string());
        })
    }
}
