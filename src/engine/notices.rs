//! What the engine tells by itself: what differs between two snapshots and is worth an event. Never progress.

use crate::model::codes::Code;
use crate::model::event::{Event, EventKind};
use crate::model::identity::VolumeId;
use crate::model::session::Pair;
use crate::model::snapshot::{ArrayView, Due, Reach, SessionView, Snapshot, TransactionState, TransactionVolumeView};
use std::collections::{BTreeMap, BTreeSet};

/// What has been told already, so that it is told once.
#[derive(Debug, Default)]
pub struct Notices {
    /// Days overdue that were told last.
    overdue: BTreeMap<VolumeId, u32>,
    vanished: BTreeSet<Pair>,
    foreign: BTreeSet<Pair>,
    /// Words that an earlier engine told last: what changed while none was there is told at the first reading.
    states: BTreeMap<VolumeId, TransactionState>,
}

impl Notices {
    /// Remembers what an earlier engine told.
    pub fn recall(events: &[Event]) -> Self {
        let mut notices = Self::default();
        for event in events {
            match &event.event.kind {
                EventKind::Overdue { volume, days } => {
                    notices.overdue.insert(*volume, *days);
                }
                EventKind::StateChanged { volume, to, .. } => {
                    notices.states.insert(*volume, *to);
                }
                EventKind::SessionVanished { pair } => {
                    notices.vanished.insert(*pair);
                }
                EventKind::ForeignSession { pair, .. } => {
                    notices.foreign.insert(*pair);
                }
                _ => {}
            }
        }
        notices
    }

    /// What is to be told of the step from one snapshot to the next.
    pub fn compare(&mut self, old: &Snapshot, new: &Snapshot) -> Vec<EventKind> {
        let mut told = Vec::new();
        told.extend(new.arrays.iter().filter_map(|array| reach(old, array)));
        let views = new.transaction_volumes.iter().enumerate();
        told.extend(views.filter_map(|(at, view)| self.state(old, new, at, view)));
        told.extend(new.transaction_volumes.iter().filter_map(|view| self.overdue(view)));
        self.sessions(new, &mut told);
        told
    }

    /// A change of a volume's one word. What an array looked like before its first reading is no state.
    fn state(&mut self, old: &Snapshot, new: &Snapshot, at: usize, view: &TransactionVolumeView) -> Option<EventKind> {
        let volume = view.volume.id;
        let was_read =
            |snapshot: &Snapshot| snapshot.array(volume.box_id).is_some_and(|array| array.taken_at.is_some());
        if !was_read(new) {
            return None;
        }
        let recalled = self.states.remove(&volume);
        // Volumes come and go rarely: nearly always it stands where it stood.
        let stood = || old.transaction_volumes.get(at).filter(|view| view.volume.id == volume);
        let known = || stood().or_else(|| old.transaction_volume(volume)).map(|view| view.state);
        // What was wrong before anybody looked is news too, once.
        let at_start = || recalled.or(view.state.is_trouble().then_some(TransactionState::None));
        let before = if was_read(old) { known() } else { at_start() };
        let (from, to) = (before.filter(|before| *before != view.state)?, view.state);
        let error = new.sessions_of(volume).iter().find_map(|session| session.error);
        Some(EventKind::StateChanged { volume, from, to, error })
    }

    /// Once a day as long as it lasts.
    fn overdue(&mut self, view: &TransactionVolumeView) -> Option<EventKind> {
        let volume = view.volume.id;
        match view.due {
            Due::Overdue(days) if self.overdue.insert(volume, days) != Some(days) => {
                Some(EventKind::Overdue { volume, days })
            }
            Due::Overdue(_) => None,
            Due::NoPolicy | Due::Ok => {
                self.overdue.remove(&volume);
                None
            }
        }
    }

    fn sessions(&mut self, new: &Snapshot, told: &mut Vec<EventKind>) {
        let foreign: Vec<&SessionView> = new.sessions.iter().filter(|session| concerns_us(new, session)).collect();
        for session in &foreign {
            if self.foreign.insert(session.pair) {
                let (pair, kind, requestor) = (session.pair, session.pair.kind, session.requestor.clone());
                told.push(EventKind::ForeignSession { pair, kind, requestor });
            }
        }
        if all_read(new) {
            self.foreign.retain(|pair| foreign.iter().any(|session| session.pair == *pair));
        }
        let lost =
            new.pool.iter().filter(|view| view.problem.as_ref().is_some_and(|problem| problem.code == Code::VANISHED));
        let lost: BTreeSet<Pair> =
            lost.filter_map(|view| Some(Pair::new(view.transaction_volume?, view.volume.id))).collect();
        told.extend(lost.difference(&self.vanished).map(|pair| EventKind::SessionVanished { pair: *pair }));
        if all_read(new) {
            self.vanished = lost;
        } else {
            self.vanished.extend(lost);
        }
    }
}

/// A session of another program that uses one of the site's volumes.
fn concerns_us(snapshot: &Snapshot, session: &SessionView) -> bool {
    let known = |id| snapshot.transaction_volume(id).is_some() || snapshot.backup_volume(id).is_some();
    !session.ours && (known(session.pair.source) || known(session.pair.target))
}

fn all_read(snapshot: &Snapshot) -> bool {
    snapshot.arrays.iter().all(|array| array.reach == Reach::Reachable)
}

fn reach(old: &Snapshot, array: &ArrayView) -> Option<EventKind> {
    let before = old.arrays.iter().find(|view| view.name == array.name).map(|view| &view.reach);
    let name = array.name.clone();
    match (before, &array.reach) {
        (Some(Reach::Unreachable { .. }), Reach::Unreachable { .. }) => None,
        (_, Reach::Unreachable { why, .. }) => Some(EventKind::ArrayUnreachable { array: name, why: why.clone() }),
        (Some(Reach::Unreachable { .. } | Reach::IdentityChanged { .. }), Reach::Reachable) => {
            Some(EventKind::ArrayReachable { array: name })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::{Olu, VolumeId};
    use crate::model::records::{Records, TransactionVolume};
    use crate::model::session::{Phase, Reading, Status};
    use crate::model::snapshot::Site;
    use crate::model::units::{Blocks, Timestamp, Version};
    use crate::model::untrusted::Untrusted;
    use crate::testkit::readings;
    use std::sync::Arc;

    fn volume(olu: u32) -> VolumeId {
        VolumeId { box_id: "00ETERNUSDXL##ET08E21A####LN4310901078##".parse().unwrap(), olu: Olu(olu) }
    }

    fn pair() -> Pair {
        Pair::new(volume(1), volume(2))
    }

    /// A site of one volume with one session of ours, or of somebody else; `None`: not read yet.
    fn site(status: Option<Status>, ours: bool, reach: Reach) -> Snapshot {
        use crate::model::observe::{ArraySource, Sources, Tracker, build};
        let mut records = Records::default();
        let (id, registered_at, next_version) = (volume(1), Timestamp(0), Version(1));
        let name = "tv".parse().unwrap();
        let transaction = TransactionVolume {
            id,
            name,
            blocks: Blocks(1),
            policy: None,
            registered_at,
            next_version,
            group: None,
            window_since: None,
        };
        records.keep_transaction_volume(transaction);
        if ours {
            let ours =
                crate::model::records::OurSession { pair: pair(), since: Timestamp(0), operation: None, full: true };
            records.sessions.insert(pair(), ours);
        }
        let reading = status.map(|status| {
            let sessions = vec![readings::session(pair(), status, Phase::Equivalent)];
            Arc::new(Reading::complete(volume(1).box_id, Timestamp(1), sessions))
        });
        let name = "A1".parse().unwrap();
        let box_id = Some(volume(1).box_id);
        let arrays = [ArraySource { name, box_id, reach, capabilities: None, reading, took_millis: 0, volumes: None }];
        let site = Site {
            name: "test".into(),
            demo: false,
            poll_millis: 1000,
            rec: Vec::new(),
            hooks: Vec::new(),
            pools: Vec::new(),
        };
        let (tracker, now) = (Tracker::default(), Timestamp(2));
        build(&Sources {
            sequence: 1,
            now,
            moment: crate::model::moment::Moment::at(now),
            mark: crate::model::moment::ReadingMark::default(),
            site: &site,
            records: &records,
            set_aside: &[],
            arrays: &arrays,
            tracker: &tracker,
            kernels: &std::collections::BTreeMap::new(),
            operations: &[],
            events: &[],
            zone: &jiff::tz::TimeZone::UTC,
        })
    }

    fn state_changes(told: &[EventKind]) -> Vec<(TransactionState, TransactionState)> {
        told.iter()
            .filter_map(|kind| match kind {
                EventKind::StateChanged { from, to, .. } => Some((*from, *to)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_change_of_state_is_told_and_a_first_reading_is_none() {
        let mut notices = Notices::default();
        let unread = site(None, true, Reach::Waiting);
        let equivalent = site(Some(Status::Active), true, Reach::Reachable);
        let halted = site(Some(Status::Halted), true, Reach::Reachable);
        assert!(state_changes(&notices.compare(&unread, &equivalent)).is_empty());
        let told = notices.compare(&equivalent, &halted);
        assert_eq!(state_changes(&told), [(TransactionState::Equivalent, TransactionState::Halted)]);
        assert!(notices.compare(&halted, &halted).is_empty());
    }

    #[test]
    fn what_changed_while_no_engine_was_there_is_told_at_the_first_reading() {
        let (volume, from) = (volume(1), TransactionState::Copying);
        let kind = EventKind::StateChanged { volume, from, to: TransactionState::Equivalent, error: None };
        let hash = crate::model::event::ChainHash::start();
        let event = crate::model::event::NewEvent::by_engine(Timestamp(0), kind);
        let mut notices = Notices::recall(&[Event { sequence: 1, event, hash, rows: Vec::new() }]);
        let unread = site(None, true, Reach::Waiting);
        let failed = site(Some(Status::ErrorSuspended), true, Reach::Reachable);
        let told = notices.compare(&unread, &failed);
        assert_eq!(state_changes(&told), [(TransactionState::Equivalent, TransactionState::Error)]);
    }

    #[test]
    fn what_is_wrong_at_the_first_reading_is_told_once_in_all() {
        let unread = site(None, true, Reach::Waiting);
        let halted = site(Some(Status::Halted), true, Reach::Reachable);
        let told = Notices::default().compare(&unread, &halted);
        assert_eq!(state_changes(&told), [(TransactionState::None, TransactionState::Halted)]);
        let hash = crate::model::event::ChainHash::start();
        let events = told.into_iter().map(|kind| {
            let event = crate::model::event::NewEvent::by_engine(Timestamp(0), kind);
            Event { sequence: 1, event, hash: hash.clone(), rows: Vec::new() }
        });
        let mut next = Notices::recall(&events.collect::<Vec<_>>());
        assert!(state_changes(&next.compare(&unread, &halted)).is_empty());
    }

    #[test]
    fn a_session_of_others_and_a_lost_array_are_told_once() {
        let mut notices = Notices::default();
        let before = site(Some(Status::Active), false, Reach::Reachable);
        let foreign =
            |told: &[EventKind]| told.iter().filter(|kind| matches!(kind, EventKind::ForeignSession { .. })).count();
        assert_eq!(foreign(&notices.compare(&before, &before)), 1);
        assert_eq!(foreign(&notices.compare(&before, &before)), 0);
        let lost = |why: &str| Reach::Unreachable { since: Timestamp(2), why: Untrusted::from(why) };
        let away = site(Some(Status::Active), false, lost("no route"));
        let still = site(Some(Status::Active), false, lost("time-out"));
        assert!(matches!(notices.compare(&before, &away)[..], [EventKind::ArrayUnreachable { .. }]));
        assert!(notices.compare(&away, &still).is_empty());
        assert!(matches!(notices.compare(&still, &before)[..], [EventKind::ArrayReachable { .. }]));
    }
}
