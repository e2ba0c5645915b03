//! A session's bytes: its two images, which way they flow, its map, and how its copy run stands.

use super::image::{ALIGNMENT, Image};
use super::map::{REGION, RegionMap};
use super::point_in_time::PointInTimeCopy;
use super::slots::Slots;
use super::types::{CopyState, DataError, Flow, at};
use crate::model::identity::VolumeId;
use crate::model::session::Pair;
use crate::model::units::{Blocks, Progress};
use parking_lot::{Mutex, RwLock};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Attached {
    pub(super) pair: Pair,
    source: Arc<Image>,
    target: Arc<Image>,
    /// What is copied; a target may be longer.
    pub(super) size: u64,
    /// The bytes flow from the target to the source. Changed by barriers only.
    reversed: AtomicBool,
    pub(super) map: RegionMap,
    pub(super) kept: Kept,
    running: AtomicBool,
    /// It runs, and copies only what a host is about to change.
    holding: AtomicBool,
    /// Regions that this run had to copy when it began.
    run_total: AtomicU64,
    /// Regions copied since the session was attached.
    copied: AtomicU64,
    /// Where the next chunk is looked for.
    cursor: Mutex<u64>,
    /// The end of this run's copying was reported.
    pub(super) announced: AtomicBool,
    /// Copiers share it for a chunk; who stops the run takes it alone, so that no chunk is under way afterwards.
    pub(super) busy: RwLock<()>,
    bucket: Mutex<Bucket>,
}

/// What of a session's map outlasts the process. The two err in opposite directions: a region that is copied once too
/// often is right in an EC or REC, and in a one-point copy is of the wrong moment.
#[derive(Debug)]
pub(super) enum Kept {
    /// EC and REC: what may differ.
    Slots(Slots),
    /// One-point copies: what is copied for certain.
    PointInTimeCopy(PointInTimeCopy),
}

/// One side of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) id: VolumeId,
    pub(super) image: &'a Image,
}

/// Bytes that may be copied now; refilled as time passes.
#[derive(Debug)]
struct Bucket {
    rate: Option<u64>,
    tokens: f64,
    filled: Instant,
}

impl Attached {
    pub(super) fn new(pair: Pair, [source, target]: [Arc<Image>; 2], map: RegionMap, kept: Kept) -> Self {
        let bucket = Bucket { rate: None, tokens: 0.0, filled: Instant::now() };
        let size = source.blocks.bytes();
        Self {
            pair,
            source,
            target,
            size,
            reversed: AtomicBool::new(false),
            run_total: AtomicU64::new(map.dirty()),
            map,
            kept,
            running: AtomicBool::new(false),
            holding: AtomicBool::new(false),
            copied: AtomicU64::new(0),
            cursor: Mutex::new(0),
            announced: AtomicBool::new(false),
            busy: RwLock::new(()),
            bucket: Mutex::new(bucket),
        }
    }

    /// Both images, with their volumes.
    pub(super) fn images(&self) -> [(VolumeId, &Arc<Image>); 2] {
        [(self.pair.source, &self.source), (self.pair.target, &self.target)]
    }

    /// Where the bytes come from.
    pub(super) fn from(&self) -> End<'_> {
        self.side(self.reversed.load(Ordering::SeqCst))
    }

    /// Where they go.
    pub(super) fn to(&self) -> End<'_> {
        self.side(!self.reversed.load(Ordering::SeqCst))
    }

    fn side(&self, target: bool) -> End<'_> {
        if target {
            End { id: self.pair.target, image: &self.target }
        } else {
            End { id: self.pair.source, image: &self.source }
        }
    }

    /// Only inside a barrier, and while nothing runs: writers and copiers look at it once a write.
    pub(super) fn set_reversed(&self, reversed: bool) {
        self.reversed.store(reversed, Ordering::SeqCst);
    }

    /// Whether copying goes past the page cache, on both sides: half of it would be no faster.
    pub(super) fn copies_direct(&self) -> bool {
        self.size.is_multiple_of(ALIGNMENT as u64) && self.source.takes_direct() && self.target.takes_direct()
    }

    /// What a one-point copy keeps; `None` for EC and REC.
    pub(super) fn moment(&self) -> Option<&PointInTimeCopy> {
        if let Kept::PointInTimeCopy(moment) = &self.kept { Some(moment) } else { None }
    }

    /// Whether it mirrors, or holds its moment.
    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst)
    }

    /// Whether copiers work on it.
    pub(super) fn is_copying(&self) -> bool {
        self.is_running() && !self.holding.load(Ordering::SeqCst)
    }

    pub(super) fn run(&self) {
        self.begin(false);
    }

    /// A one-point copy holds its moment from now on, and copies later.
    pub(super) fn hold(&self) {
        self.begin(true);
    }

    fn begin(&self, holding: bool) {
        self.holding.store(holding, Ordering::SeqCst);
        self.run_total.store(self.map.dirty(), Ordering::SeqCst);
        self.announced.store(false, Ordering::SeqCst);
        *self.cursor.lock() = 0;
        self.running.store(true, Ordering::SeqCst);
    }

    /// These bytes may differ from now on. When they are the same again that is reported anew.
    pub(super) fn mark(&self, bytes: Range<u64>) {
        self.map.set(bytes);
        // In this order: a copier that finds nothing to copy in between would take the report for made.
        self.announced.store(false, Ordering::SeqCst);
    }

    /// Stops the run without waiting for a chunk that is under way.
    pub(super) fn track(&self) {
        self.running.store(false, Ordering::SeqCst);
    }

    pub(super) fn state(&self) -> CopyState {
        let dirty = self.map.dirty();
        let total = self.run_total.load(Ordering::SeqCst).max(dirty);
        let blocks = |regions| RegionMap::blocks(regions, Blocks(self.size / Blocks::BYTES));
        CopyState {
            dirty: blocks(dirty),
            run: Progress { done: blocks(total).saturating_sub(blocks(dirty)), total: blocks(total) },
            flow: match self.is_running() {
                false => Flow::Tracking,
                true if self.is_copying() => Flow::Running,
                true => Flow::Holding,
            },
            copied_regions: self.copied.load(Ordering::SeqCst),
        }
    }

    /// The bytes of a run of regions, cut at the volume's end.
    pub(super) fn bytes_of(&self, regions: &Range<u64>) -> Range<u64> {
        regions.start * REGION..(regions.end * REGION).min(self.size)
    }

    /// The next dirty regions that nobody else was given in this pass. A run that is longer than `longest` is left to others.
    pub(super) fn next_chunk(&self, most: u64, longest: u64) -> Option<Range<u64>> {
        let mut cursor = self.cursor.lock();
        let run = self.map.next_run(*cursor, most).or_else(|| self.map.next_run(0, most))?;
        if run.end - run.start > longest {
            return None;
        }
        *cursor = run.end;
        Some(run)
    }

    pub(super) fn count_copied(&self, regions: u64) {
        self.copied.fetch_add(regions, Ordering::SeqCst);
    }

    /// Tells how long to wait until there are bytes in the bucket. Each copier may borrow one chunk.
    pub(super) fn wait_for_tokens(&self, now: Instant) -> Result<(), Duration> {
        let mut bucket = self.bucket.lock();
        let Some(rate) = bucket.rate else { return Ok(()) };
        let refill = now.saturating_duration_since(bucket.filled).as_secs_f64() * rate as f64;
        bucket.tokens = (bucket.tokens + refill).min(rate as f64 / 4.0);
        bucket.filled = now;
        if bucket.tokens < 0.0 { Err(Duration::from_secs_f64(-bucket.tokens / rate.max(1) as f64)) } else { Ok(()) }
    }

    /// Whether no rate slows its copying.
    pub(super) fn is_unlimited(&self) -> bool {
        self.bucket.lock().rate.is_none()
    }

    pub(super) fn spend_tokens(&self, bytes: u64) {
        self.bucket.lock().tokens -= bytes as f64;
    }

    pub(super) fn set_rate(&self, rate: Option<u64>) {
        let mut bucket = self.bucket.lock();
        bucket.rate = rate.filter(|rate| *rate > 0);
        bucket.tokens = 0.0;
        bucket.filled = Instant::now();
    }

    pub(super) fn remove_file(&self) {
        match &self.kept {
            Kept::Slots(slots) => slots.remove(),
            Kept::PointInTimeCopy(moment) => moment.remove(),
        }
    }
}

/// Makes both sides durable.
pub(super) fn sync_both(session: &Attached) -> Result<(), DataError> {
    [session.from(), session.to()].into_iter().try_for_each(|end| end.image.sync().map_err(at(&end.image.path)))
}
