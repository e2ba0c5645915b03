//! What single readings cannot tell: since when a session is as it is, and how fast it moves.

use crate::model::identity::BoxId;
use crate::model::progress::RateHistory;
use crate::model::session::{Pair, Phase, Reading, SessionReading, Status};
use crate::model::units::Timestamp;
use std::collections::BTreeMap;

/// Follows the sessions through their readings.
#[derive(Debug, Clone, Default)]
pub struct Tracker {
    /// By pair and by the box that reports it: the halves of a REC move by themselves.
    halves: BTreeMap<(Pair, BoxId), Tracked>,
}

#[derive(Debug, Clone)]
struct Tracked {
    status: Status,
    phase: Phase,
    since: Timestamp,
    rate: RateHistory,
}

impl Tracker {
    /// Takes a reading of a box. One that is older than what is known of the box must not be given: the poller drops it.
    pub fn take(&mut self, reading: &Reading) {
        for session in &reading.sessions {
            self.follow(reading, session);
        }
        let reported: std::collections::BTreeSet<Pair> = reading.sessions.iter().map(|session| session.pair).collect();
        self.halves.retain(|(pair, box_id), _| *box_id != reading.box_id || reported.contains(pair));
    }

    fn follow(&mut self, reading: &Reading, session: &SessionReading) {
        let tracked = self.halves.entry((session.pair, reading.box_id)).or_insert_with(|| Tracked {
            status: session.status,
            phase: session.phase,
            since: reading.taken_at,
            rate: RateHistory::default(),
        });
        if (tracked.status, tracked.phase) != (session.status, session.phase) {
            (tracked.status, tracked.phase, tracked.since) = (session.status, session.phase, reading.taken_at);
        }
        let moves = session.status == Status::Active && session.phase == Phase::Copying;
        tracked.rate.add(reading.taken_at, session.progress.filter(|_| moves));
    }

    /// Since when this half has its present status and phase.
    pub(super) fn since(&self, pair: Pair, box_id: BoxId) -> Option<Timestamp> {
        self.halves.get(&(pair, box_id)).map(|tracked| tracked.since)
    }

    pub(super) fn rate(&self, pair: Pair, box_id: BoxId) -> Option<&RateHistory> {
        self.halves.get(&(pair, box_id)).map(|tracked| &tracked.rate)
    }
}
