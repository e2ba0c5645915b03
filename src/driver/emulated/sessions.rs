//! One session as the boxes keep it: its state, its map, and the two halves of a REC.

use super::regions::{RegionMap, Run};
use crate::model::identity::VolumeId;
use crate::model::session::{
    ArrayWords, CopyKind, Direction, ErrorByte, Pair, Phase, RecModes, SessionReading, Status,
};
use crate::model::units::{Blocks, Progress, Timestamp};
use crate::model::untrusted::Untrusted;
use serde::{Deserialize, Serialize};

/// A session's own number in this home, never used again. Sids, which people see, are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionKey(pub u64);

/// What one box believes of a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Half {
    pub sid: u32,
    pub status: Status,
    pub phase: Phase,
    pub progress: Option<Progress>,
    pub difference: Option<Blocks>,
    pub error: Option<ErrorByte>,
    pub modes: Option<RecModes>,
    pub reversed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub key: SessionKey,
    pub pair: Pair,
    pub sid: u32,
    pub status: Status,
    pub phase: Phase,
    /// What the running copy had to do when it began.
    pub total: Blocks,
    pub error: Option<ErrorByte>,
    pub modes: Option<RecModes>,
    pub reversed: bool,
    pub requestor: Untrusted,
    pub started: Timestamp,
    /// REC: what the other box has heard so far; `None` when its half is missing.
    pub remote: Option<Half>,
    /// An accepted suspend goes on for so many ticks more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspending: Option<u32>,
    /// It is reserved for so many ticks more before it copies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting: Option<u32>,
    /// An accepted stop goes on for so many ticks more; then the session is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopping: Option<u32>,
    /// The other box hears of what has become of the session in so many ticks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub telling: Option<u32>,
    /// It has nothing left to copy, and waits for the copy into its source.
    #[serde(skip)]
    pub held: bool,
    /// What may differ as the data plane counts it, where one has the map instead of [`Session::map`].
    #[serde(skip)]
    pub measured: Option<Blocks>,
    /// Both sides may differ here.
    #[serde(skip)]
    pub map: RegionMap,
    /// Runs that a copier has in hand. They are dirty until it is done.
    #[serde(skip)]
    pub in_hand: Vec<Run>,
    /// Where the copier looks on.
    #[serde(skip)]
    pub cursor: u32,
}

/// A session that is put in the middle of its life.
#[derive(Debug, Clone)]
pub struct Placed {
    pub pair: Pair,
    pub status: Status,
    pub phase: Phase,
    pub total: Blocks,
    pub error: Option<ErrorByte>,
    pub modes: Option<RecModes>,
    pub started: Timestamp,
}

impl Session {
    /// Where data comes from and where it goes.
    pub fn flow(&self) -> (VolumeId, VolumeId) {
        if self.reversed { (self.pair.target, self.pair.source) } else { (self.pair.source, self.pair.target) }
    }

    pub fn touches(&self, volume: VolumeId) -> bool {
        self.pair.source == volume || self.pair.target == volume
    }

    /// Data moves, or would if the path were there.
    pub fn is_live(&self) -> bool {
        matches!(self.status, Status::Reserved | Status::Active | Status::Halted)
    }

    pub fn is_copying(&self) -> bool {
        self.status == Status::Active && self.phase == Phase::Copying
    }

    /// What may differ.
    pub fn difference(&self) -> Blocks {
        self.measured.unwrap_or_else(|| self.map.dirty_blocks())
    }

    /// From now on the copier has to make the sides the same.
    pub fn begin_copy(&mut self) {
        (self.status, self.phase, self.error) = (Status::Active, Phase::Copying, None);
        (self.suspending, self.starting, self.held) = (None, None, false);
        (self.total, self.cursor) = (self.difference(), 0);
    }

    pub fn stop_in_error(&mut self, byte: ErrorByte) {
        (self.status, self.error) = (Status::ErrorSuspended, Some(byte));
        (self.suspending, self.starting) = (None, None);
    }

    pub fn progress(&self) -> Option<Progress> {
        (self.is_copying() && self.total.0 > 0).then(|| {
            let left = self.difference().0.min(self.total.0);
            Progress { done: Blocks(self.total.0 - left), total: self.total }
        })
    }

    /// What this session's own box believes: the truth.
    pub fn half(&self) -> Half {
        let waits = matches!(self.status, Status::Suspended | Status::ErrorSuspended | Status::Halted);
        Half {
            sid: self.sid,
            status: self.status,
            phase: self.phase,
            progress: self.progress(),
            difference: waits.then(|| self.difference()),
            error: self.error,
            modes: self.modes,
            reversed: self.reversed,
        }
    }

    /// Tells the other box what has become of the session.
    pub fn tell_remote(&mut self) {
        let now = self.half();
        if let Some(remote) = &mut self.remote {
            *remote = Half { sid: remote.sid, ..now };
        }
    }

    pub fn reading(&self) -> SessionReading {
        reading_of(self.pair, &self.half(), &self.requestor, self.started)
    }

    /// As the box at the other end of a REC reports it.
    pub fn remote_reading(&self) -> Option<SessionReading> {
        self.remote.as_ref().map(|half| reading_of(self.pair, half, &self.requestor, self.started))
    }
}

/// A half of a REC whose other half is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphan {
    pub pair: Pair,
    pub half: Half,
    pub requestor: Untrusted,
    pub started: Timestamp,
}

impl Orphan {
    pub fn reading(&self) -> SessionReading {
        reading_of(self.pair, &self.half, &self.requestor, self.started)
    }
}

fn reading_of(pair: Pair, half: &Half, requestor: &Untrusted, started: Timestamp) -> SessionReading {
    SessionReading {
        sid: half.sid,
        pair,
        status: half.status,
        phase: half.phase,
        progress: half.progress,
        difference: half.difference,
        error: half.error,
        modes: half.modes.filter(|_| pair.kind == CopyKind::Rec),
        direction: if half.reversed { Direction::Reversed } else { Direction::Forward },
        target_written: None,
        requestor: requestor.clone(),
        started: Some(started),
        words: words(half.status, half.phase),
    }
}

/// The words that the human dialect of the command line has for them.
fn words(status: Status, phase: Phase) -> ArrayWords {
    let status = match status {
        Status::Idle => "Idle",
        Status::Reserved => "Reserved",
        Status::Active => "Active",
        Status::Suspended => "Suspend",
        Status::ErrorSuspended => "Error Suspend",
        Status::Halted => "Halt",
        Status::Unknown => "?",
    };
    let phase = match phase {
        Phase::NoPair => "No Pair",
        Phase::Copying => "Copying",
        Phase::Equivalent => "Equivalent",
        Phase::Tracking => "Tracking",
        Phase::TrackingAndCopying => "Tracking & Copying",
        Phase::Readying => "Readying",
        Phase::Unknown => "?",
    };
    ArrayWords { status: status.into(), phase: phase.into() }
}
