//! What the engine tells by itself: what differs between two snapshots and is worth an event. Never progress.

use crate::model::codes::Code;
use crate::model::event::{Event, EventKind};
use crate::model::identity::VolumeId;
use crate::model::session::Pair;
use crate::model::snapshot::{ArrayView, Due, Reach, SessionView, Snapshot, TransactionVolumeView};
use std::collections::{BTreeMap, BTreeSet};

/// What has been told already, so that it is told once.
#[derive(Debug, Default)]
pub struct Notices {
    /// Days overdue that were told last.
    overdue: BTreeMap<VolumeId, u32>,
    vanished: BTreeSet<Pair>,
    foreign: BTreeSet<Pair>,
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
        told.extend(new.transaction_volumes.iter().filter_map(|view| state(old, new, view)));
        told.extend(new.transaction_volumes.iter().filter_map(|view| self.overdue(view)));
        self.sessions(new, &mut told);
        told
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

/// A change of a volume's one word. What an array looked like before its first reading is no state.
fn state(old: &Snapshot, new: &Snapshot, view: &TransactionVolumeView) -> Option<EventKind> {
    let volume = view.volume.id;
    let before = old.transaction_volume(volume)?;
    let was_read = |snapshot: &Snapshot| snapshot.array(volume.box_id).is_some_and(|array| array.taken_at.is_some());
    if before.state == view.state || !was_read(old) || !was_read(new) {
        return None;
    }
    let worst = new.sessions_of(volume).iter().find_map(|session| session.error);
    Some(EventKind::StateChanged { volume, from: before.state, to: view.state, error: worst })
}
