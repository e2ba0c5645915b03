//! Host writes that go on by themselves: seeded, within a range, at a rate.

use super::arrays::{Arrays, ArraysError};
use super::data::DataError;
use super::troubles::ArrayProblem;
use super::wire::Work;
use crate::model::identity::VolumeId;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes of one write.
const WRITE: u64 = 16 << 10;
/// No two writes are closer together: what is behind is written in one go.
const MIN_PAUSE: Duration = Duration::from_millis(20);
/// The longest pause, whatever the rate.
const MAX_PAUSE: Duration = Duration::from_secs(10);
/// How long a volume that takes no writes is left alone.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// The workloads of a home, one a volume at most.
#[derive(Debug, Default)]
pub struct Workloads(Mutex<BTreeMap<VolumeId, Running>>);

#[derive(Debug)]
struct Running {
    work: Work,
    /// Dropping it ends the thread.
    life: Sender<()>,
    thread: JoinHandle<()>,
}

impl Running {
    /// When this returns, nothing more is written.
    fn end(self) {
        drop(self.life);
        let _ = self.thread.join();
    }
}

impl Workloads {
    pub(super) fn start(&self, arrays: &Arc<Arrays>, volume: VolumeId, work: Work) {
        self.stop(volume);
        let (life, end) = channel::<()>();
        let weak = Arc::downgrade(arrays);
        let of_thread = work.clone();
        let thread = std::thread::spawn(move || {
            let mut writer = Writer::new(volume, &of_thread);
            let mut pause = MIN_PAUSE;
            while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(pause) {
                match writer.turn(&weak, &end) {
                    Some(next) => pause = next,
                    None => return,
                }
            }
        });
        self.0.lock().insert(volume, Running { work, life, thread });
    }

    pub(super) fn stop(&self, volume: VolumeId) {
        let running = self.0.lock().remove(&volume);
        if let Some(running) = running {
            running.end();
        }
    }

    pub(super) fn stop_all(&self) {
        let all = std::mem::take(&mut *self.0.lock());
        all.into_values().for_each(Running::end);
    }

    pub fn all(&self) -> BTreeMap<VolumeId, Work> {
        self.0.lock().iter().map(|(volume, running)| (*volume, running.work.clone())).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

/// What a workload writes, one write after the other: it follows from the seed, so a state of the volume can be told apart
/// from every other one.
#[derive(Debug)]
pub struct Writes {
    random: fastrand::Rng,
    start: u64,
    /// Bytes that may be written to, from `start` on.
    room: u64,
}

impl Writes {
    /// On a volume of so many bytes.
    pub fn new(work: &Work, size: u64) -> Self {
        let end = if work.end == 0 { size } else { work.end.min(size) };
        Self { random: fastrand::Rng::with_seed(work.seed), start: work.start, room: end.saturating_sub(work.start) }
    }
}

/// Where, in bytes, and what.
impl Iterator for Writes {
    type Item = (u64, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        let length = WRITE.min(self.room);
        let places = ((self.room - length) / 512).max(1);
        let offset = self.start + self.random.u64(0..places) * 512;
        Some((offset, seeded(self.random.u64(..), length as usize)))
    }
}

struct Writer {
    volume: VolumeId,
    work: Work,
    /// Made at the first write, when the volume's size is known.
    writes: Option<Writes>,
    begun: Instant,
    written: u64,
}

impl Writer {
    fn new(volume: VolumeId, work: &Work) -> Self {
        Self { volume, work: work.clone(), writes: None, begun: Instant::now(), written: 0 }
    }

    /// Writes what is due, and tells when the next is; `None` when it was ended or the arrays are gone.
    fn turn(&mut self, arrays: &Weak<Arrays>, end: &Receiver<()>) -> Option<Duration> {
        let arrays = arrays.upgrade()?;
        let rate = self.work.bytes_per_second.max(1);
        while self.due_in(rate).is_zero() {
            if end.try_recv() == Err(TryRecvError::Disconnected) {
                return None;
            }
            match self.write_one(&arrays) {
                Ok(()) => {
                    self.written += WRITE;
                    arrays.troubles().end(&ArrayProblem::Workload(self.volume));
                }
                Err(ArraysError::Data(DataError::NotReady(_)) | ArraysError::Core(_)) => {
                    self.start_anew();
                    return Some(REFUSED_PAUSE);
                }
                Err(error) => {
                    arrays.troubles().judge::<(), _>(ArrayProblem::Workload(self.volume), Err(error));
                    self.start_anew();
                    return Some(MAX_PAUSE);
                }
            }
            // A rate beyond what the disk does must not become a debt.
            if self.begun.elapsed() > MAX_PAUSE {
                self.start_anew();
            }
        }
        Some(self.due_in(rate).clamp(MIN_PAUSE, MAX_PAUSE))
    }

    fn due_in(&self, rate: u64) -> Duration {
        Duration::from_secs_f64(self.written as f64 / rate as f64).saturating_sub(self.begun.elapsed())
    }

    fn start_anew(&mut self) {
        (self.begun, self.written) = (Instant::now(), WRITE);
    }

    fn write_one(&mut self, arrays: &Arrays) -> Result<(), ArraysError> {
        let size = arrays.data().blocks(self.volume)?.bytes();
        let writes = self.writes.get_or_insert_with(|| Writes::new(&self.work, size));
        let Some((offset, bytes)) = writes.next() else { return Ok(()) };
        arrays.write_as_host(self.volume, offset, &bytes)
    }
}

/// Bytes that follow from a seed: each 512-byte block is unlike every other one, and cheap to make.
pub fn seeded(seed: u64, length: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut bytes = vec![0; length];
    for block in bytes.chunks_mut(512) {
        let stamp = random.u64(..).to_le_bytes();
        let (head, tail) = block.split_at_mut(block.len().min(8));
        head.copy_from_slice(&stamp[..head.len()]);
        tail.fill(stamp[7]);
    }
    bytes
}
