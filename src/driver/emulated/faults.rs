//! What can be made to go wrong on an emulated array.

use crate::model::identity::VolumeId;
use crate::model::session::{ErrorByte, Pair};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, VecDeque};

/// Which half of a REC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    Source,
    Target,
}

/// A fault, as administration injects it into one box.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum Fault {
    /// The next commands are answered with "busy".
    Busy { times: u32 },
    /// The next commands never arrive; nobody can tell from outside.
    LostRequest { times: u32 },
    /// The next commands are done and their answers lost.
    LostReply { times: u32 },
    /// The next commands are done at once and answered after so long.
    LateReply { times: u32, millis: u32 },
    /// A session goes into Error Suspend.
    ErrorSuspend { pair: Pair, byte: ErrorByte },
    /// A block of a volume cannot be read.
    BadBlock { volume: VolumeId, block: u64 },
    /// One half of a REC is gone.
    HalfOpen { pair: Pair, missing: Side },
    /// A session is reported with a status word that nobody knows.
    StrangeWord { pair: Pair, word: String },
    /// The box does not answer.
    Unreachable,
    /// Starts are refused: the copy table has no room.
    CopyTableFull,
    /// Every call takes so much longer.
    Slow { millis: u32 },
    /// All faults of the box end. What they did to sessions stays.
    Clear,
}

/// What happens to the next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mishap {
    Busy,
    LostRequest,
    LostReply,
    LateReply { millis: u32 },
}

/// The faults that a box has now. They outlast its process, as a broken part outlasts a power cut, until they are cleared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Faults {
    /// In their order, each with how often it happens.
    mishaps: VecDeque<(Mishap, u32)>,
    pub unreachable: bool,
    pub copy_table_full: bool,
    pub slow_millis: u32,
    bad_blocks: BTreeSet<(VolumeId, u64)>,
    pub strange_words: Vec<(Pair, String)>,
}

impl Faults {
    /// The longest queue of different mishaps; a person who wants more wants `Unreachable`.
    const MOST_MISHAPS: usize = 1_000;

    pub fn queue(&mut self, mishap: Mishap, times: u32) {
        let room = self.mishaps.len() < Self::MOST_MISHAPS;
        match self.mishaps.back_mut() {
            _ if times == 0 => {}
            Some((last, count)) if *last == mishap => *count = count.saturating_add(times),
            _ if room => self.mishaps.push_back((mishap, times)),
            _ => {}
        }
    }

    /// What happens to the command that comes in now.
    pub fn next_mishap(&mut self) -> Option<Mishap> {
        let (mishap, count) = self.mishaps.front_mut()?;
        let mishap = *mishap;
        *count -= 1;
        if *count == 0 {
            self.mishaps.pop_front();
        }
        Some(mishap)
    }

    pub fn add_bad_block(&mut self, volume: VolumeId, block: u64) {
        self.bad_blocks.insert((volume, block));
    }

    /// The blocks of a volume that cannot be read.
    pub fn bad_blocks(&self, volume: VolumeId) -> impl Iterator<Item = u64> {
        self.bad_blocks.range((volume, 0)..=(volume, u64::MAX)).map(|(_, block)| *block)
    }

    /// Of a volume's bad blocks only these stay so.
    pub fn retain_bad_blocks(&mut self, volume: VolumeId, still: impl Fn(u64) -> bool) {
        self.bad_blocks.retain(|(bad, block)| *bad != volume || still(*block));
    }

    /// As they would be injected anew.
    pub fn list(&self) -> Vec<Fault> {
        let mishap = |(mishap, times): &(Mishap, u32)| match (*mishap, *times) {
            (Mishap::Busy, times) => Fault::Busy { times },
            (Mishap::LostRequest, times) => Fault::LostRequest { times },
            (Mishap::LostReply, times) => Fault::LostReply { times },
            (Mishap::LateReply { millis }, times) => Fault::LateReply { times, millis },
        };
        let bad = self.bad_blocks.iter().map(|(volume, block)| Fault::BadBlock { volume: *volume, block: *block });
        let words =
            self.strange_words.iter().map(|(pair, word)| Fault::StrangeWord { pair: *pair, word: word.clone() });
        let slow = (self.slow_millis > 0).then_some(Fault::Slow { millis: self.slow_millis });
        let plain = [
            self.unreachable.then_some(Fault::Unreachable),
            self.copy_table_full.then_some(Fault::CopyTableFull),
            slow,
        ];
        self.mishaps.iter().map(mishap).chain(plain.into_iter().flatten()).chain(bad).chain(words).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mishaps_happen_in_their_order_and_as_often_as_asked() {
        let mut faults = Faults::default();
        for (mishap, times) in [(Mishap::Busy, 1), (Mishap::Busy, 1), (Mishap::LostReply, 1), (Mishap::Busy, 0)] {
            faults.queue(mishap, times);
        }
        let kept = serde_json::to_string(&faults).unwrap();
        let mut again: Faults = serde_json::from_str(&kept).unwrap();
        assert_eq!(again, faults);
        assert_eq!(again.list(), [Fault::Busy { times: 2 }, Fault::LostReply { times: 1 }]);
        let happened: Vec<_> = std::iter::from_fn(|| again.next_mishap()).collect();
        assert_eq!(happened, [Mishap::Busy, Mishap::Busy, Mishap::LostReply]);
    }
}
