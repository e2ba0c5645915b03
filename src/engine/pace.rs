//! How long a poller waits from one reading of an array to the next: often where something is about to happen, and never so
//! often that questions take the array's time.

use crate::model::session::{Pair, Phase, Reading, SessionReading, Status};
use crate::model::snapshot::Snapshot;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// While something moves, an array is read at least so often.
const WHILE_MOVING: Duration = Duration::from_secs(1);
/// A copy that has just begun may be a short one.
const AFTER_A_START: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(200), Duration::from_millis(400)];
/// A copy that is nearly done is looked at no more often than this.
const NEARLY_DONE: Duration = Duration::from_millis(100);
/// A copy without progress for so long is not about to end.
const STANDSTILL: Duration = Duration::from_secs(2);

/// What the last reading showed of the copies that move.
#[derive(Debug, Default)]
pub struct Pace {
    moving: BTreeMap<Pair, Left>,
    /// All sessions of the last reading, in its order: whether each was equivalent or on its way there.
    seen: Vec<(Pair, bool)>,
    /// Which of the short pauses is next.
    short: usize,
}

/// What a copy had left at its last reading. Arrays copy in bursts: one reading without progress is no standstill.
#[derive(Debug, Clone, Copy)]
struct Left {
    blocks: Option<u64>,
    at: Instant,
    step: Option<Step>,
}

/// A copy's last step forward.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// The blocks that were left before it, and when that was read.
    from: u64,
    since: Instant,
    /// When it was seen.
    seen: Instant,
}

impl Pace {
    /// The pause after a reading that took so long. `interval`: between readings while nothing moves; `busy`: an operation runs.
    pub fn after(
        &mut self,
        reading: &Reading,
        at: Instant,
        took: Duration,
        interval: Duration,
        busy: bool,
    ) -> Duration {
        let moving: Vec<&SessionReading> = reading.sessions.iter().filter(|session| moves(session)).collect();
        let mut pause = if busy || !moving.is_empty() { interval.min(WHILE_MOVING) } else { interval };
        // A copy may be over before it was seen at all: whoever waits for it waits for the next reading.
        if !self.seen.is_empty() && self.jumped(reading) {
            pause = pause.min(AFTER_A_START[0]);
        }
        self.seen.clear();
        self.seen.extend(reading.sessions.iter().map(|session| (session.pair, is_active(session))));
        let is_new = |session: &&SessionReading| !self.moving.contains_key(&session.pair);
        if moving.iter().any(is_new) {
            self.short = 0;
        }
        if !moving.is_empty()
            && let Some(short) = AFTER_A_START.get(self.short)
        {
            self.short += 1;
            pause = pause.min(*short);
        }
        let mut now = BTreeMap::new();
        for session in moving {
            let left = Left::after(self.moving.get(&session.pair), left(session), at);
            if let Some(remaining) = left.remaining() {
                pause = pause.min(remaining.max(NEARLY_DONE));
            }
            now.insert(session.pair, left);
        }
        self.moving = now;
        pause.max(Duration::from_millis(Snapshot::rest_after(took.as_millis() as u64)))
    }

    /// Whether a session is equivalent that was at rest in the last reading.
    fn jumped(&self, reading: &Reading) -> bool {
        let both = self.seen.iter().zip(&reading.sessions);
        both.into_iter().any(|((pair, was_active), now)| *pair == now.pair && !was_active && is_active(now))
    }

    /// The pause after a reading that failed: what moved may still move.
    pub fn after_failure(&self, interval: Duration, busy: bool) -> Duration {
        if busy || !self.moving.is_empty() { interval.min(WHILE_MOVING) } else { interval }
    }
}

/// Whether the array changes the session by itself.
fn moves(session: &SessionReading) -> bool {
    match session.status {
        Status::Reserved => true,
        Status::Active => matches!(session.phase, Phase::Copying | Phase::TrackingAndCopying | Phase::Readying),
        _ => false,
    }
}

fn is_active(session: &SessionReading) -> bool {
    session.status == Status::Active
}

fn left(session: &SessionReading) -> Option<u64> {
    session.progress.map(|progress| progress.left().0)
}

impl Left {
    fn after(before: Option<&Self>, blocks: Option<u64>, at: Instant) -> Self {
        let step = before.and_then(|before| match (before.blocks, blocks) {
            (Some(earlier), Some(left)) if left < earlier => Some(Step { from: earlier, since: before.at, seen: at }),
            (Some(earlier), Some(left)) if left == earlier => before.step,
            _ => None,
        });
        Self { blocks, at, step }
    }

    /// How long the copy needs for the rest, at the speed of its last step; `None` where it stands still.
    fn remaining(&self) -> Option<Duration> {
        let step = self.step.filter(|step| self.at.duration_since(step.seen) < STANDSTILL)?;
        let left = self.blocks?;
        Some(self.at.duration_since(step.since).mul_f64(left as f64 / step.from.saturating_sub(left).max(1) as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::{BoxId, Olu, VolumeId};
    use crate::model::units::{Blocks, Progress, Timestamp};
    use crate::testkit::readings;

    const INTERVAL: Duration = Duration::from_secs(5);

    fn box_id() -> BoxId {
        "00ETERNUSDXL##ET08E21A####LN4310901078##".parse().unwrap()
    }

    /// A copy onto this volume that has so much of a thousand blocks left; `None`: it is equivalent.
    fn copy(onto: u32, left: Option<u64>) -> SessionReading {
        let volume = |olu| VolumeId { box_id: box_id(), olu: Olu(olu) };
        let phase = if left.is_some() { Phase::Copying } else { Phase::Equivalent };
        SessionReading {
            progress: left.map(|left| Progress { done: Blocks(1_000 - left), total: Blocks(1_000) }),
            ..readings::session(Pair::new(volume(1), volume(onto)), Status::Active, phase)
        }
    }

    struct Array {
        pace: Pace,
        at: Instant,
        took: Duration,
    }

    impl Array {
        fn new(took: Duration) -> Self {
            Self { pace: Pace::default(), at: Instant::now(), took }
        }

        /// Reads, and waits as long as it is told to; in milliseconds.
        fn reads(&mut self, sessions: Vec<SessionReading>) -> u128 {
            let reading = Reading::complete(box_id(), Timestamp(0), sessions);
            let pause = self.pace.after(&reading, self.at, self.took, INTERVAL, false);
            self.at += pause;
            pause.as_millis()
        }
    }

    #[test]
    fn a_copy_that_begins_is_looked_at_soon_and_then_each_second() {
        let mut array = Array::new(Duration::ZERO);
        assert_eq!(array.reads(vec![copy(2, None)]), 5_000);
        let pauses: Vec<u128> = (0..5).map(|_| array.reads(vec![copy(2, Some(900))])).collect();
        assert_eq!(pauses, [100, 200, 400, 1_000, 1_000]);
        assert_eq!(array.reads(vec![copy(2, Some(900)), copy(3, Some(900))]), 100, "a second one begins");
        assert_eq!(array.reads(vec![copy(2, None), copy(3, None)]), 5_000);
    }

    #[test]
    fn a_copy_that_was_over_before_it_was_seen_is_looked_at_once_more_soon() {
        let mut array = Array::new(Duration::ZERO);
        let suspended = || SessionReading { status: Status::Suspended, ..copy(2, None) };
        assert_eq!(array.reads(vec![suspended()]), 5_000);
        assert_eq!(array.reads(vec![copy(2, None)]), 100, "it was resumed, and nothing was left to copy");
        assert_eq!(array.reads(vec![copy(2, None)]), 5_000);
        assert_eq!(array.reads(vec![suspended()]), 5_000);
    }

    #[test]
    fn the_end_of_a_copy_is_awaited_by_its_own_speed() {
        let mut array = Array::new(Duration::ZERO);
        for left in [1_000, 980, 940, 860] {
            array.reads(vec![copy(2, Some(left))]);
        }
        assert_eq!(array.reads(vec![copy(2, Some(660))]), 1_000, "200 blocks a second: 3.3 seconds are left");
        assert_eq!(array.reads(vec![copy(2, Some(100))]), 178);
        assert_eq!(array.reads(vec![copy(2, Some(1))]), 100);
        let pauses: Vec<u128> = (0..30).map(|_| array.reads(vec![copy(2, Some(1))])).collect();
        assert!(pauses[..19].iter().all(|pause| *pause == 100), "it copies in bursts: {pauses:?}");
        assert_eq!(pauses[29], 1_000, "it stands still");
    }

    #[test]
    fn questions_take_at_most_three_tenths_of_an_array_s_time() {
        for took in [30, 1_000, 20_000].map(Duration::from_millis) {
            let mut array = Array::new(took);
            for left in [900, 800, 700, 10, 5] {
                let pause = array.reads(vec![copy(2, Some(left))]);
                assert!(took.as_millis() * 10 <= 3 * (took.as_millis() + pause) + 10, "{took:?}: {pause}");
            }
        }
    }
}
