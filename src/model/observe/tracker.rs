//! What single readings cannot tell: since when a session is as it is, how fast it moves, and that it was ended since.

use crate::model::identity::BoxId;
use crate::model::progress::RateHistory;
use crate::model::records::Change;
use crate::model::session::{Pair, Phase, Reading, SessionReading, Status};
use crate::model::units::Timestamp;
use std::collections::BTreeMap;

/// Follows the sessions through their readings.
#[derive(Debug, Clone, Default)]
pub struct Tracker {
    /// By pair and by the box that reports it: the halves of a REC move by themselves.
    halves: BTreeMap<(Pair, BoxId), Tracked>,
    /// Sessions that we ended, and when that was known, by the boxes that have not been read since.
    ended: BTreeMap<(Pair, BoxId), Timestamp>,
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
        self.ended.retain(|(_, box_id), at| *box_id != reading.box_id || *at >= reading.taken_at);
    }

    /// Takes what the catalogue kept at `at`: of a session that is ours no more, older readings tell nothing.
    pub fn kept(&mut self, changes: &[Change], at: Timestamp) {
        for change in changes {
            if let Change::RemoveSession { pair } = change {
                self.end(*pair, at);
            }
        }
    }

    /// A session of ours was known at `at` to be no more.
    pub fn end(&mut self, pair: Pair, at: Timestamp) {
        self.ended.extend([pair.source.box_id, pair.target.box_id].map(|box_id| ((pair, box_id), at)));
    }

    /// Whether the session was ended after this reading of it began.
    pub(super) fn is_past(&self, pair: Pair, reading: &Reading) -> bool {
        self.ended.get(&(pair, reading.box_id)).is_some_and(|at| *at >= reading.taken_at)
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
