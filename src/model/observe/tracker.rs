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
    boxes: BTreeMap<BoxId, TrackedBox>,
    /// Sessions that we ended, and when that was known, by the boxes that have not been read since.
    ended: BTreeMap<(Pair, BoxId), Moment>,
    /// When this engine wrote the rows of sessions; those of earlier ones were there before its first reading.
    made: BTreeMap<Pair, Moment>,
}

/// One box through its readings.
#[derive(Debug, Clone, Default)]
struct TrackedBox {
    /// When its last reading began; `None` before the first one.
    read: Option<Moment>,
    sessions: Vec<Tracked>,
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
    /// When its copy began; `None` where that was before anybody looked.
    began: Option<Moment>,
    /// Milliseconds that its last copy took until it was equivalent; `None` where not all of it was watched.
    pub copied_in: Option<u64>,
}

impl Tracker {
    /// Takes a reading of a box. One that is older than what is known of the box must not be given: the poller drops it.
    pub fn take(&mut self, reading: &Reading) {
        let TrackedBox { read, sessions } = self.boxes.remove(&reading.box_id).unwrap_or_default();
        let mut known = sessions.into_iter().peekable();
        let mut tracked: Vec<Tracked> = Vec::with_capacity(reading.sessions.len());
        // What this reading could not tell of goes on from where it was, once it can.
        let goes_on = |one: &Tracked| matches!(reading.look_for(&one.pair), Sight::NotRead(_));
        for session in by_pair(reading) {
            if tracked.last().is_none_or(|last| last.pair != session.pair) {
                while let Some(one) = known.next_if(|one| one.pair < session.pair) {
                    tracked.extend(Some(one).filter(goes_on));
                }
                let known = known.next_if(|one| one.pair == session.pair);
                tracked.push(known.unwrap_or_else(|| Tracked::new(session, reading, read)));
            }
            if let Some(last) = tracked.last_mut() {
                last.follow(session, reading, read);
            }
        }
        tracked.extend(known.filter(goes_on));
        self.boxes.insert(reading.box_id, TrackedBox { read: Some(reading.began), sessions: tracked });
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
        let sessions = self.boxes.values_mut().flat_map(|tracked| &mut tracked.sessions);
        sessions.for_each(|tracked| tracked.rate = RateHistory::default());
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
        self.boxes.get(&box_id).map_or(&[], |tracked| &tracked.sessions)
    }
}

impl Tracked {
    /// `read`: when the reading before this one began, in which the session was not.
    fn new(session: &SessionReading, reading: &Reading, read: Option<Moment>) -> Self {
        let SessionReading { pair, status, phase, direction, .. } = *session;
        let (since, changed) = (reading.taken_at, reading.began);
        let (began, copied_in) = match (status, phase) {
            (Status::Active, Phase::Copying) => (read.map(|_| reading.began), None),
            // It copied all between two readings.
            (Status::Active, Phase::Equivalent) => (None, read.map(|read| millis(read, reading.began))),
            _ => (None, None),
        };
        Self { pair, status, phase, direction, since, changed, rate: RateHistory::default(), began, copied_in }
    }

    fn follow(&mut self, session: &SessionReading, reading: &Reading, read: Option<Moment>) {
        let at = reading.taken_at;
        match ((self.status, self.phase), (session.status, session.phase)) {
            (old, new) if old == new => {}
            // What a lost path or an error stopped goes on; everything else begins anew.
            ((old, _), (Status::Active, Phase::Copying)) => {
                let goes_on = matches!(old, Status::Halted | Status::ErrorSuspended | Status::Unknown);
                if !goes_on {
                    self.began = Some(reading.began);
                }
                self.copied_in = None;
            }
            ((_, Phase::Copying), (Status::Active, Phase::Equivalent)) => {
                self.copied_in = self.began.take().map(|began| millis(began, reading.began));
            }
            ((Status::Suspended | Status::Reserved, _), (Status::Active, Phase::Equivalent)) => {
                self.copied_in = read.map(|read| millis(read, reading.began));
            }
            _ => {}
        }
        if (self.status, self.phase, self.direction) != (session.status, session.phase, session.direction) {
            (self.status, self.phase, self.direction) = (session.status, session.phase, session.direction);
            (self.since, self.changed) = (at, reading.began);
        }
        let moves = session.status == Status::Active && session.phase == Phase::Copying;
        self.rate.add(at, session.progress.filter(|_| moves));
    }
}

fn millis(from: Moment, to: Moment) -> u64 {
    u64::try_from(to.since(from)).unwrap_or(0)
}

/// The sessions of a reading by pair; those of one pair stay in their order.
pub(super) fn by_pair(reading: &Reading) -> Vec<&SessionReading> {
    let mut sessions: Vec<&SessionReading> = reading.sessions.iter().collect();
    sessions.sort_by_key(|session| session.pair);
    sessions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::{Olu, VolumeId};
    use crate::model::session::CopyKind;
    use crate::testkit::readings::session;

    fn reading(second: i64, state: Option<(Status, Phase)>) -> Reading {
        let box_id: BoxId = format!("{:#<40}", "00ONE").parse().unwrap();
        let volume = |olu| VolumeId { box_id, olu: Olu(olu) };
        let pair = Pair { source: volume(1), target: volume(2), kind: CopyKind::Ec };
        let sessions = state.map(|(status, phase)| session(pair, status, phase)).into_iter().collect();
        let at = Timestamp(second * Timestamp::SECOND);
        Reading { began: Moment::at(at), ..Reading::complete(box_id, at, sessions) }
    }

    /// What the tracker says of the copy's time after each reading, ten seconds apart.
    fn times(states: &[Option<(Status, Phase)>]) -> Vec<Option<u64>> {
        let mut tracker = Tracker::default();
        let each = states.iter().zip(0..).map(|(state, number)| {
            let reading = reading(10 * number, *state);
            tracker.take(&reading);
            tracker.of(reading.box_id).first().and_then(|tracked| tracked.copied_in)
        });
        each.collect()
    }

    const COPYING: Option<(Status, Phase)> = Some((Status::Active, Phase::Copying));
    const EQUIVALENT: Option<(Status, Phase)> = Some((Status::Active, Phase::Equivalent));
    const SUSPENDED: Option<(Status, Phase)> = Some((Status::Suspended, Phase::Equivalent));
    const HALTED: Option<(Status, Phase)> = Some((Status::Halted, Phase::Copying));

    #[test]
    fn a_copy_takes_from_where_it_is_seen_to_where_it_is_equivalent() {
        let seen = [None, COPYING, COPYING, EQUIVALENT, EQUIVALENT, SUSPENDED, COPYING, EQUIVALENT];
        let times = times(&seen);
        assert_eq!(times[1..4], [None, None, Some(20_000)]);
        assert_eq!(times[4..], [Some(20_000), Some(20_000), None, Some(10_000)]);
    }

    #[test]
    fn a_copy_between_two_readings_took_no_longer_than_that() {
        assert_eq!(times(&[None, EQUIVALENT]), [None, Some(10_000)]);
        assert_eq!(times(&[None, EQUIVALENT, SUSPENDED, EQUIVALENT])[3], Some(10_000));
    }

    #[test]
    fn what_was_not_watched_from_its_begin_has_no_time() {
        assert_eq!(times(&[COPYING, COPYING, EQUIVALENT]), [None, None, None]);
        assert_eq!(times(&[EQUIVALENT, EQUIVALENT]), [None, None]);
    }

    #[test]
    fn a_lost_path_is_part_of_the_time() {
        assert_eq!(times(&[None, COPYING, HALTED, COPYING, EQUIVALENT])[4], Some(30_000));
    }
}
