//! A session's bytes: its two images, its map, and how its copy run stands.

use super::held;
use super::image::Image;
use super::map::{Logs, MapFile, REGION, RegionMap};
use super::{CopyState, Flow};
use crate::model::session::Pair;
use crate::model::units::Progress;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Attached {
    pub(super) pair: Pair,
    pub(super) source: Arc<Image>,
    pub(super) target: Arc<Image>,
    pub(super) map: RegionMap,
    file: MapFile,
    epoch: Mutex<u64>,
    /// [`RegionMap::changes`] before the map was read that is on disk; `None`: none of this life.
    saved: Mutex<Option<u64>>,
    running: AtomicBool,
    /// Regions that this run had to copy when it began.
    run_total: AtomicU64,
    /// Regions copied since the session was attached.
    copied: AtomicU64,
    /// Where the next chunk is looked for.
    cursor: Mutex<u64>,
    /// Equivalence of this run was reported.
    pub(super) announced: AtomicBool,
    /// Copiers share it for a chunk; who stops the run takes it alone, so that no chunk is under way afterwards.
    pub(super) busy: RwLock<()>,
    bucket: Mutex<Bucket>,
}

/// A map on its way to disk.
#[derive(Debug)]
pub(super) struct MapToSave {
    logs: Logs,
    changes: u64,
    bits: Vec<u8>,
}

/// Bytes that may be copied now; refilled as time passes.
#[derive(Debug)]
struct Bucket {
    rate: Option<u64>,
    tokens: f64,
    filled: Instant,
}

impl Attached {
    pub(super) fn new(pair: Pair, images: (Arc<Image>, Arc<Image>), map: RegionMap, file: MapFile, epoch: u64) -> Self {
        let bucket = Bucket { rate: None, tokens: 0.0, filled: Instant::now() };
        Self {
            pair,
            source: images.0,
            target: images.1,
            run_total: AtomicU64::new(map.dirty()),
            map,
            file,
            epoch: Mutex::new(epoch),
            saved: Mutex::new(None),
            running: AtomicBool::new(false),
            copied: AtomicU64::new(0),
            cursor: Mutex::new(0),
            announced: AtomicBool::new(false),
            busy: RwLock::new(()),
            bucket: Mutex::new(bucket),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst)
    }

    pub(super) fn run(&self) {
        self.run_total.store(self.map.dirty(), Ordering::SeqCst);
        self.announced.store(false, Ordering::SeqCst);
        *held(&self.cursor) = 0;
        self.running.store(true, Ordering::SeqCst);
    }

    /// Stops the run without waiting for a chunk that is under way.
    pub(super) fn track(&self) {
        self.running.store(false, Ordering::SeqCst);
    }

    pub(super) fn state(&self) -> CopyState {
        let dirty = self.map.dirty();
        let total = self.run_total.load(Ordering::SeqCst).max(dirty);
        let blocks = |regions| RegionMap::blocks(regions, self.source.blocks);
        CopyState {
            dirty: blocks(dirty),
            run: Progress { done: blocks(total).saturating_sub(blocks(dirty)), total: blocks(total) },
            flow: if self.is_running() { Flow::Running } else { Flow::Tracking },
            copied_regions: self.copied.load(Ordering::SeqCst),
        }
    }

    /// The bytes of a run of regions, cut at the volume's end.
    pub(super) fn bytes_of(&self, regions: &Range<u64>) -> Range<u64> {
        regions.start * REGION..(regions.end * REGION).min(self.source.blocks.bytes())
    }

    /// The next dirty regions that nobody else was given in this pass.
    pub(super) fn next_chunk(&self, most: u64) -> Option<Range<u64>> {
        let mut cursor = held(&self.cursor);
        let run = self.map.next_run(*cursor, most).or_else(|| self.map.next_run(0, most))?;
        *cursor = run.end;
        Some(run)
    }

    pub(super) fn count_copied(&self, regions: u64) {
        self.copied.fetch_add(regions, Ordering::SeqCst);
    }

    /// Takes bytes from the bucket, or tells how long to wait until there are any. One chunk may be borrowed.
    pub(super) fn take_tokens(&self, bytes: u64, now: Instant) -> Result<(), Duration> {
        let mut bucket = held(&self.bucket);
        let Some(rate) = bucket.rate else { return Ok(()) };
        let refill = now.saturating_duration_since(bucket.filled).as_secs_f64() * rate as f64;
        bucket.tokens = (bucket.tokens + refill).min(rate as f64 / 4.0);
        bucket.filled = now;
        if bucket.tokens < 0.0 {
            return Err(Duration::from_secs_f64(-bucket.tokens / rate.max(1) as f64));
        }
        bucket.tokens -= bytes as f64;
        Ok(())
    }

    pub(super) fn set_rate(&self, rate: Option<u64>) {
        let mut bucket = held(&self.bucket);
        bucket.rate = rate.filter(|rate| *rate > 0);
        bucket.tokens = 0.0;
        bucket.filled = Instant::now();
    }

    /// Whether the map on disk says the same as this one.
    pub(super) fn is_saved(&self) -> bool {
        *held(&self.saved) == Some(self.map.changes())
    }

    /// The stored map is this one, as it is now.
    pub(super) fn take_as_saved(&self) {
        *held(&self.saved) = Some(self.map.changes());
    }

    /// The map as it is to be saved; what changes from now on must be in these logs or later ones.
    pub(super) fn to_save(&self, logs: Logs) -> MapToSave {
        MapToSave { logs, changes: self.map.changes(), bits: self.map.to_bytes() }
    }

    /// Writes a map into the next slot.
    pub(super) fn save(&self, map: &MapToSave) -> io::Result<()> {
        let mut epoch = held(&self.epoch);
        *epoch += 1;
        self.file.save(*epoch, map.logs, self.source.blocks.bytes().div_ceil(REGION), &map.bits)?;
        *held(&self.saved) = Some(map.changes);
        Ok(())
    }

    pub(super) fn remove_file(&self) {
        self.file.remove();
    }
}
