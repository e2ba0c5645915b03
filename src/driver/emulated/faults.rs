//! What can be made to go wrong on an emulated array.

use super::codes::ArrayCode;
use crate::model::copy::CommandVerb;
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
    /// The next commands are refused with this code.
    Refuse { times: u32, code: RefusedWith },
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
    /// The REC buffer of a copy in consistency mode cannot keep up: the array halts the copy.
    BufferOverrun { pair: Pair },
    /// A session is reported with a status word that nobody knows.
    StrangeWord { pair: Pair, word: String },
    /// The box does not answer.
    Unreachable,
    /// Starts are refused: the copy table has no room.
    CopyTableFull,
    /// The next suspends of RECs are refused: the transfer buffer is late.
    BufferLate { times: u32 },
    /// Every call takes so much longer.
    Slow { millis: u32 },
    /// All faults of the box end. What they did to sessions stays.
    Clear,
}

/// Codes that a real array may answer with at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RefusedWith {
    /// Somebody else holds the resource.
    #[serde(rename = "E0060")]
    Locked,
    /// Repeating helps.
    #[serde(rename = "E5360")]
    Retry,
    /// A bad sector in the source: what a start is refused with.
    #[serde(rename = "E5305")]
    BadSource,
    /// The licence to copy has ended: what a start is refused with.
    #[serde(rename = "E5200")]
    NoLicence,
}

impl RefusedWith {
    pub const ALL: [Self; 4] = [Self::Locked, Self::Retry, Self::BadSource, Self::NoLicence];

    pub fn code(self) -> ArrayCode {
        match self {
            Self::Locked => ArrayCode::Locked,
            Self::Retry => ArrayCode::Retry,
            Self::BadSource => ArrayCode::BadSource,
            Self::NoLicence => ArrayCode::NoLicence,
        }
    }
}

/// What happens to the next command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum InjectedFault {
    Busy,
    Refuse { code: RefusedWith },
    LostRequest,
    LostReply,
    LateReply { millis: u32 },
}

/// The faults that a box has now. They outlast its process, as a broken part outlasts a power cut, until they are cleared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Faults {
    /// In their order, each with how often it happens.
    #[serde(rename = "mishaps")]
    queued: VecDeque<(InjectedFault, u32)>,
    pub unreachable: bool,
    pub copy_table_full: bool,
    pub buffer_late: u32,
    pub slow_millis: u32,
    bad_blocks: BTreeSet<(VolumeId, u64)>,
    pub strange_words: Vec<(Pair, String)>,
}

impl Faults {
    /// The longest queue of different injected faults; a person who wants more wants `Unreachable`.
    const MAX_INJECTED_FAULTS: usize = 1_000;

    pub fn queue(&mut self, fault: InjectedFault, times: u32) {
        let room = self.queued.len() < Self::MAX_INJECTED_FAULTS;
        match self.queued.back_mut() {
            _ if times == 0 => {}
            Some((last, count)) if *last == fault => *count = count.saturating_add(times),
            _ if room => self.queued.push_back((fault, times)),
            _ => {}
        }
    }

    /// What happens to the command that comes in now. Only what begins to copy is refused because of its source or a licence.
    pub fn next_mishap(&mut self, verb: CommandVerb) -> Option<InjectedFault> {
        let copies = matches!(verb, CommandVerb::Start | CommandVerb::StartOpc | CommandVerb::Resume);
        let (fault, count) = self.queued.front_mut()?;
        let fault = *fault;
        let of_copies = [RefusedWith::BadSource, RefusedWith::NoLicence];
        if matches!(fault, InjectedFault::Refuse { code } if of_copies.contains(&code)) && !copies {
            return None;
        }
        *count -= 1;
        if *count == 0 {
            self.queued.pop_front();
        }
        Some(fault)
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
        let fault = |(fault, times): &(InjectedFault, u32)| match (*fault, *times) {
            (InjectedFault::Busy, times) => Fault::Busy { times },
            (InjectedFault::Refuse { code }, times) => Fault::Refuse { times, code },
            (InjectedFault::LostRequest, times) => Fault::LostRequest { times },
            (InjectedFault::LostReply, times) => Fault::LostReply { times },
            (InjectedFault::LateReply { millis }, times) => Fault::LateReply { times, millis },
        };
        let bad = self.bad_blocks.iter().map(|(volume, block)| Fault::BadBlock { volume: *volume, block: *block });
        let words =
            self.strange_words.iter().map(|(pair, word)| Fault::StrangeWord { pair: *pair, word: word.clone() });
        let slow = (self.slow_millis > 0).then_some(Fault::Slow { millis: self.slow_millis });
        let plain = [
            self.unreachable.then_some(Fault::Unreachable),
            self.copy_table_full.then_some(Fault::CopyTableFull),
            (self.buffer_late > 0).then_some(Fault::BufferLate { times: self.buffer_late }),
            slow,
        ];
        self.queued.iter().map(fault).chain(plain.into_iter().flatten()).chain(bad).chain(words).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mishaps_happen_in_their_order_and_as_often_as_asked() {
        let mut faults = Faults::default();
        for (fault, times) in [
            (InjectedFault::Busy, 1),
            (InjectedFault::Busy, 1),
            (InjectedFault::LostReply, 1),
            (InjectedFault::Busy, 0),
        ] {
            faults.queue(fault, times);
        }
        let kept = serde_json::to_string(&faults).unwrap();
        let mut again: Faults = serde_json::from_str(&kept).unwrap();
        assert_eq!(again, faults);
        assert_eq!(again.list(), [Fault::Busy { times: 2 }, Fault::LostReply { times: 1 }]);
        let happened: Vec<_> = std::iter::from_fn(|| again.next_mishap(CommandVerb::Suspend)).collect();
        assert_eq!(happened, [InjectedFault::Busy, InjectedFault::Busy, InjectedFault::LostReply]);
    }
}
