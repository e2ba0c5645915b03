//! What can be made to go wrong on an emulated array.

use crate::model::identity::VolumeId;
use crate::model::session::{ErrorByte, Pair};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mishap {
    Busy,
    LostRequest,
    LostReply,
    LateReply { millis: u32 },
}

/// The faults that a box has now. They do not outlast its process.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    pub mishaps: VecDeque<Mishap>,
    pub unreachable: bool,
    pub copy_table_full: bool,
    pub slow_millis: u32,
    pub bad_blocks: Vec<(VolumeId, u64)>,
    pub strange_words: Vec<(Pair, String)>,
}

impl Faults {
    /// The longest queue of mishaps; a person who wants more wants `Unreachable`.
    const MOST_MISHAPS: usize = 10_000;

    pub fn queue(&mut self, mishap: Mishap, times: u32) {
        let room = Self::MOST_MISHAPS.saturating_sub(self.mishaps.len());
        self.mishaps.extend(std::iter::repeat_n(mishap, room.min(times as usize)));
    }
}
