//! How fast a copy goes and when it will be done, out of the last readings. Pure: the readings bring their times.

use super::snapshot::Ready;
use super::units::{Blocks, Progress, Timestamp};
use std::collections::VecDeque;

/// The last readings of one copy run. Bounded; starts afresh when the array's counter starts afresh.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RateHistory {
    samples: VecDeque<(Timestamp, Progress)>,
}

impl RateHistory {
    /// Readings kept.
    const MAX_SAMPLES: usize = 24;
    /// Readings older than this, seen from the newest, no longer count: rates change.
    const WINDOW_MILLIS: i64 = 60 * Timestamp::SECOND;
    /// Below this distance a rate would be noise.
    const MIN_MILLIS: i64 = 900;

    /// Takes a reading. One that is not later than the newest is left out; a total that differs or a count that went
    /// back is another run.
    pub fn add(&mut self, at: Timestamp, progress: Option<Progress>) {
        let Some(progress) = progress else {
            self.samples.clear();
            return;
        };
        if let Some((newest, last)) = self.samples.back() {
            if at <= *newest {
                return;
            }
            if last.total != progress.total || progress.done < last.done {
                self.samples.clear();
            }
        }
        self.samples.push_back((at, progress));
        while self.samples.len() > Self::MAX_SAMPLES
            || self.samples.front().is_some_and(|(first, _)| at.since(*first) > Self::WINDOW_MILLIS)
        {
            self.samples.pop_front();
        }
    }

    /// Bytes a second over the window; `None` until two readings are far enough apart.
    pub fn bytes_per_second(&self) -> Option<u64> {
        let (first, last) = (self.samples.front()?, self.samples.back()?);
        rate(*first, *last)
    }

    /// When the run ends at these rates: between the fastest and the slowest half of the window. One minute of
    /// difference, or a twentieth of what is left, is not worth a range.
    pub fn ready(&self) -> Ready {
        let Some(&(now, progress)) = self.samples.back() else { return Ready::NotYetKnown };
        let Some(overall) = self.bytes_per_second().filter(|rate| *rate > 0) else { return Ready::NotYetKnown };
        let middle = self.samples[self.samples.len() / 2];
        let halves = [rate(self.samples[0], middle), rate(middle, (now, progress))];
        let rates = || halves.iter().flatten().copied().filter(|rate| *rate > 0).chain([overall]);
        let at = |rate: u64| now.plus_millis(millis_for(progress.left(), rate));
        let earliest = at(rates().max().unwrap_or(overall));
        let latest = at(rates().min().unwrap_or(overall));
        let tolerance = (at(overall).since(now) / 20).max(60 * Timestamp::SECOND);
        if latest.since(earliest) <= tolerance {
            Ready::Between { earliest: at(overall), latest: at(overall) }
        } else {
            Ready::Between { earliest, latest }
        }
    }
}

fn rate(first: (Timestamp, Progress), last: (Timestamp, Progress)) -> Option<u64> {
    let millis = last.0.since(first.0);
    if millis < RateHistory::MIN_MILLIS {
        return None;
    }
    let bytes = last.1.done.saturating_sub(first.1.done).bytes();
    u64::try_from(u128::from(bytes) * 1000 / u128::from(millis.unsigned_abs())).ok()
}

/// Milliseconds for so many blocks at so many bytes a second, at most a year.
fn millis_for(left: Blocks, rate: u64) -> i64 {
    const YEAR: i64 = 366 * Timestamp::DAY;
    let millis = u128::from(left.bytes()) * 1000 / u128::from(rate.max(1));
    i64::try_from(millis).unwrap_or(YEAR).min(YEAR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reading(done: u64, total: u64) -> Progress {
        Progress { done: Blocks(done), total: Blocks(total) }
    }

    #[test]
    fn a_steady_copy_has_one_time_of_readiness() {
        let mut history = RateHistory::default();
        for second in 0..10 {
            history.add(Timestamp(second * 1000), Some(reading(second as u64 * 2048, 204_800)));
        }
        assert_eq!(history.bytes_per_second(), Some(2048 * 512));
        let end = Timestamp(100_000);
        assert_eq!(history.ready(), Ready::Between { earliest: end, latest: end });
    }

    #[test]
    fn a_copy_whose_rate_fell_has_a_range() {
        let mut history = RateHistory::default();
        let mut done = 0;
        for second in 0..20 {
            done += if second < 10 { 20_480 } else { 2_048 };
            history.add(Timestamp(second * 1000), Some(reading(done, 4_096_000)));
        }
        assert!(matches!(history.ready(), Ready::Between { earliest, latest } if earliest < latest));
    }

    #[test]
    fn a_counter_that_starts_again_starts_the_rate_again() {
        let mut history = RateHistory::default();
        history.add(Timestamp(0), Some(reading(100, 1000)));
        history.add(Timestamp(2000), Some(reading(10, 1000)));
        assert_eq!(history.bytes_per_second(), None);
        history.add(Timestamp(1000), Some(reading(900, 1000)));
        assert_eq!(history.bytes_per_second(), None, "a reading that comes late is left out");
    }

    proptest! {
        #[test]
        fn no_readings_make_a_time_in_the_past(
            readings in prop::collection::vec((0_i64..200_000, 0_u64..5000, 0_u64..5000), 0..60)
        ) {
            let mut history = RateHistory::default();
            let mut newest = Timestamp(i64::MIN);
            for (at, done, total) in readings {
                history.add(Timestamp(at), Some(reading(done, total)));
                newest = newest.max(Timestamp(at));
                prop_assert!(history.samples.len() <= RateHistory::MAX_SAMPLES);
                if let Ready::Between { earliest, latest } = history.ready() {
                    prop_assert!(earliest <= latest);
                    prop_assert!(earliest >= history.samples.back().map_or(newest, |sample| sample.0));
                }
            }
        }
    }
}
