//! The copier: plain threads that take turns on all running sessions, a chunk at a time.

use super::attached::Attached;
use super::image::{Buffer, Image};
use super::map::{REGION, RegionMap};
use super::shared::Shared;
use super::types::{BAD_SECTOR, OUT_OF_SERVICE, Report, TARGET_FAILED};
use crate::model::identity::VolumeId;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Regions of a chunk.
const CHUNK_REGIONS: u64 = Buffer::LENGTH as u64 / REGION;
/// A run that is no longer is a short one: more threads copy it than longer ones.
const SHORT_RUN: u64 = 4;
/// No wait for tokens is shorter: a wake-up for less is not worth it.
const MIN_WAIT: Duration = Duration::from_millis(5);

/// What a turn on one session came to.
enum Turn {
    Copied,
    Nothing,
    Wait(Duration),
}

/// What a copier thread is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Duty {
    /// Everything that is to be copied.
    All,
    /// Short runs past the page cache: they take a disk longer to find than to copy.
    ShortRuns,
}

impl Duty {
    fn concerns(self, session: &Attached) -> bool {
        self == Self::All || session.copies_direct() && session.is_unlimited()
    }

    /// Regions of the longest run that it takes.
    fn longest(self) -> u64 {
        if self == Self::All { CHUNK_REGIONS } else { SHORT_RUN }
    }
}

/// The life of one copier thread.
pub(super) fn work(data: &Shared, first: usize, duty: Duty) {
    let mut buffer = Buffer::new();
    let mut next = first;
    loop {
        let (sessions, seen) = data.copying();
        let mut copied = false;
        let mut wait: Option<Duration> = None;
        for step in 0..sessions.len() {
            if data.is_stopping() {
                return;
            }
            match turn(data, &sessions[(next + step) % sessions.len()], &mut buffer, duty) {
                Turn::Copied => copied = true,
                Turn::Nothing => {}
                Turn::Wait(time) => wait = Some(wait.map_or(time, |shortest| shortest.min(time))),
            }
        }
        next = next.wrapping_add(1);
        if !copied && !data.sleep(seen, wait.map(|time| time.max(MIN_WAIT)), duty) {
            return;
        }
    }
}

fn turn(data: &Shared, session: &Arc<Attached>, buffer: &mut Buffer, duty: Duty) -> Turn {
    // Before `busy`, as a barrier takes them in this order.
    let _admitted = data.is_known_elsewhere(session).then(|| data.admission.read());
    let _busy = session.busy.read();
    if !session.is_copying() {
        return Turn::Nothing;
    }
    if session.map.dirty() == 0 {
        if !session.announced.swap(true, Ordering::SeqCst) {
            (data.report)(Report::Equivalent(session.pair));
        }
        return Turn::Nothing;
    }
    if !duty.concerns(session) {
        return Turn::Nothing;
    }
    // Before a chunk is taken in hand: one that has to wait would leave a hole behind.
    if let Err(wait) = session.wait_for_tokens(Instant::now()) {
        return Turn::Wait(wait);
    }
    let Some(chunk) = session.next_chunk(CHUNK_REGIONS, duty.longest()) else { return Turn::Nothing };
    if duty == Duty::All && chunk.end - chunk.start <= SHORT_RUN && Duty::ShortRuns.concerns(session) {
        data.call_for_short_runs();
    }
    let bytes = session.bytes_of(&chunk);
    session.spend_tokens(bytes.end - bytes.start);
    let _alone = session.from().image.locks.lock_to_copy(bytes.clone(), session.copies_direct());
    match data.copy(session, &chunk, buffer) {
        Ok(()) => Turn::Copied,
        Err((error, detail)) => {
            data.fail(session, error, detail);
            Turn::Nothing
        }
    }
}

/// The error byte of a side that failed, and what happened.
fn why_failed(image: &Image, byte: u8, error: &std::io::Error) -> (u8, String) {
    (if image.why_out().is_some() { OUT_OF_SERVICE } else { byte }, error.to_string())
}

impl Shared {
    /// Copies what is still dirty of the chunk; its range is held.
    pub(super) fn copy(&self, session: &Attached, chunk: &Range<u64>, buffer: &mut Buffer) -> Result<(), (u8, String)> {
        let (source, target, direct) = (session.from().image, session.to(), session.copies_direct());
        let readers = self.readers(session);
        let mut from = chunk.start;
        while let Some(run) = session.map.next_run(from, CHUNK_REGIONS).filter(|run| run.start < chunk.end) {
            let run = run.start..run.end.min(chunk.end);
            let bytes = session.bytes_of(&run);
            let held = self.hold_target(target, &readers, &bytes, direct);
            let _held = held.map_err(|error| why_failed(target.image, TARGET_FAILED, &error))?;
            for reader in &readers.sessions {
                reader.mark(bytes.clone());
            }
            let part = &mut buffer.bytes()[..(bytes.end - bytes.start) as usize];
            source.read_to_copy(direct, bytes.start, part).map_err(|error| why_failed(source, BAD_SECTOR, &error))?;
            let written = target.image.write_copied(direct, bytes.start, part);
            let healed = written.map_err(|error| why_failed(target.image, TARGET_FAILED, &error))?;
            self.tell_healed(target.id, healed);
            session.map.clear(run.clone());
            session.count_copied(run.end - run.start);
            from = run.end;
        }
        if readers.sessions.iter().any(|reader| reader.is_running()) {
            self.wake();
        }
        Ok(())
    }

    /// Writes into a volume.
    pub(super) fn put(&self, id: VolumeId, image: &Image, offset: u64, bytes: &[u8]) -> std::io::Result<()> {
        let healed = image.write(offset, bytes)?;
        self.tell_healed(id, healed);
        Ok(())
    }

    fn tell_healed(&self, id: VolumeId, healed: bool) {
        if healed {
            (self.report)(Report::Healed(id));
        }
    }

    /// Ends a session's run because of an error: everything from here on is tracked only.
    pub(super) fn fail(&self, session: &Attached, error: u8, detail: String) {
        if session.is_running() {
            session.track();
            (self.report)(Report::Failed { pair: session.pair, error, detail });
        }
    }

    /// The sessions that copiers work on, and the count of wakes at that time.
    fn copying(&self) -> (Vec<Arc<Attached>>, u64) {
        let seen = self.alarm.state.lock().wakes;
        let table = self.sessions.read();
        (table.by_pair.values().filter(|session| session.is_copying()).cloned().collect(), seen)
    }

    fn is_stopping(&self) -> bool {
        self.alarm.state.lock().stop
    }

    /// Sleeps until something was woken since `seen`, or the time is over; `false` when all ends.
    fn sleep(&self, seen: u64, time: Option<Duration>, duty: Duty) -> bool {
        let mut state = self.alarm.state.lock();
        let is_helper = duty == Duty::ShortRuns;
        self.alarm.resting_helpers.fetch_add(usize::from(is_helper), Ordering::SeqCst);
        let end = time.map(|time| Instant::now() + time);
        while !state.stop && state.wakes == seen {
            let Some(end) = end else {
                self.alarm.rung.wait(&mut state);
                continue;
            };
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            self.alarm.rung.wait_for(&mut state, left);
        }
        self.alarm.resting_helpers.fetch_sub(usize::from(is_helper), Ordering::SeqCst);
        !state.stop
    }

    /// Wakes those who rest because there were only long runs.
    fn call_for_short_runs(&self) {
        if self.alarm.resting_helpers.load(Ordering::SeqCst) > 0 {
            self.wake();
        }
    }

    /// A host write, region by region of what it touches: to a copied region both sides, to another the source only.
    pub(super) fn mirror(&self, session: &Attached, offset: u64, bytes: &[u8]) {
        let range = offset..offset + bytes.len() as u64;
        let (target, readers) = (session.to(), self.readers(session));
        for region in RegionMap::regions_of(&range) {
            if session.map.is_dirty(region) {
                continue;
            }
            let part = (region * REGION).max(range.start)..((region + 1) * REGION).min(range.end);
            let slice = &bytes[(part.start - offset) as usize..(part.end - offset) as usize];
            if let Err(error) = self.write_on(target, &readers, part.start, slice) {
                session.map.set(range);
                self.fail(session, TARGET_FAILED, error.to_string());
                return;
            }
        }
    }
}
