//! What single readings cannot tell: since when a session is as it is, how fast it moves, and that it was ended since.

use crate::model::identity::BoxId;
use crate::model::moment::Moment;
use crate::model::progress::RateHistory;
use crate::model::records::{Change, EntityChange, OurSession};
use crate::model::session::{Direction, Pair, Phase, Reading, SessionReading, Sight, Status};
use crate::model::units::Timestamp;
use std::collections::BTreeMap;

/// Follows the sessions through their readings.
#[derive(Debug, Clone, Default)]
pub struct Tracker {
    /// By the box that reports them, for the halves of a REC move by themselves; sorted by pair.
    boxes: BTreeMap<BoxId, Vec<Tracked>>,
    /// Sessions that we ended, and when that was known, by the boxes that have not been read since.
    ended: BTreeMap<(Pair, BoxId), Moment>,
    /// When this engine wrote the rows of sessions; those of earlier ones were there before its first reading.
    made: BTreeMap<Pair, Moment>,
}

/// A session of one box, through its readings.
#[derive(Debug, Clone)]
pub(super) struct Tracked {
    pub pair: Pair,
    status: Status,
    phase: Phase,
    direction: Direction,
    /// Since when this half has its present status, phase and direction.
    pub since: Timestamp,
    /// The same on a clock that never jumps: ages are told by it.
    pub changed: Moment,
    pub rate: RateHistory,
}

impl Tracker {
    /// Takes a reading of a box. One that is older than what is known of the box must not be given: the poller drops it.
    pub fn take(&mut self, reading: &Reading) {
        let mut known = self.boxes.remove(&reading.box_id).unwrap_or_default().into_iter().peekable();
        let mut tracked: Vec<Tracked> = Vec::with_capacity(reading.sessions.len());
        // What this reading could not tell of goes on from where it was, once it can.
        let goes_on = |one: &Tracked| matches!(reading.look_for(&one.pair), Sight::NotRead(_));
        for session in by_pair(reading) {
            if tracked.last().is_none_or(|last| last.pair != session.pair) {
                while let Some(one) = known.next_if(|one| one.pair < session.pair) {
                    tracked.extend(Some(one).filter(goes_on));
                }
                let known = known.next_if(|one| one.pair == session.pair);
                tracked.push(known.unwrap_or_else(|| Tracked::new(session, reading)));
            }
            if let Some(last) = tracked.last_mut() {
                last.follow(session, reading);
            }
        }
        tracked.extend(known.filter(goes_on));
        self.boxes.insert(reading.box_id, tracked);
        self.ended.retain(|(_, box_id), at| *box_id != reading.box_id || *at >= reading.began);
    }

    /// Takes what the catalogue kept at `at`: of a session that is ours no more, or not yet, older readings tell nothing.
    pub fn kept(&mut self, changes: &[Change], at: Moment) {
        for change in changes {
            match change {
                Change::Entity(EntityChange::RemoveSession { pair }) => self.end(*pair, at),
                Change::Entity(EntityChange::PutSession(session)) => {
                    self.made.insert(session.pair, at);
                }
                _ => {}
            }
        }
    }

    /// Rates begin anew: the wall clock was stepped, and they are told by the times of readings.
    pub fn restart_rates(&mut self) {
        self.boxes.values_mut().flatten().for_each(|tracked| tracked.rate = RateHistory::default());
    }

    /// Whether a reading began after the row of this session was written.
    pub(super) fn is_later(&self, reading: &Reading, session: &OurSession) -> bool {
        match self.made.get(&session.pair) {
            Some(made) => reading.began > *made,
            None => true,
        }
    }

    /// A session of ours was known at `at` to be no more.
    pub fn end(&mut self, pair: Pair, at: Moment) {
        self.made.remove(&pair);
        self.ended.extend([pair.source.box_id, pair.target.box_id].map(|box_id| ((pair, box_id), at)));
    }

    /// Whether the session was ended after this reading of it began.
    pub(super) fn is_past(&self, pair: Pair, reading: &Reading) -> bool {
        self.ended.get(&(pair, reading.box_id)).is_some_and(|at| *at >= reading.began)
    }

    /// The sessions of a box, sorted by pair.
    pub(super) fn of(&self, box_id: BoxId) -> &[Tracked] {
        self.boxes.get(&box_id).map_or(&[], Vec::as_slice)
    }
}

impl Tracked {
    fn new(session: &SessionReading, reading: &Reading) -> Self {
        let SessionReading { pair, status, phase, direction, .. } = *session;
        let (since, changed) = (reading.taken_at, reading.began);
        Self { pair, status, phase, direction, since, changed, rate: RateHistory::default() }
    }

    fn follow(&mut self, session: &SessionReading, reading: &Reading) {
        let at = reading.taken_at;
        if (self.status, self.phase, self.direction) != (session.status, session.phase, session.direction) {
            (self.status, self.phase, self.direction) = (session.status, session.phase, session.direction);
            (self.since, self.changed) = (at, reading.began);
        }
        let moves = session.status == Status::Active && session.phase == Phase::Copying;
        self.rate.add(at, session.progress.filter(|_| moves));
    }
}

/// The sessions of a reading by pair; those of one pair stay in their order.
pub(super) fn by_pair(reading: &Reading) -> Vec<&SessionReading> {
    let mut sessions: Vec<&SessionReading> = reading.sessions.iter().collect();
    sessions.sort_by_key(|session| session.pair);
    sessions
}
