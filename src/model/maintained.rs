//! What a maintenance of an array means for the site: which copies it found, what became of them, and what it refuses. Pure.

use super::identity::Name;
use super::maintenance::Maintenance;
use super::observe::session_state;
use super::session::Pair;
use super::snapshot::{Snapshot, TransactionState};

/// Our sessions that an array has a part in and that copy or mirror now.
pub fn live_sessions(snapshot: &Snapshot, array: &Name) -> Vec<Pair> {
    let box_id = snapshot.arrays.iter().find(|view| view.name == *array).and_then(|view| view.box_id);
    let is_part = |pair: &Pair| [pair.source, pair.target].iter().any(|id| Some(id.box_id) == box_id);
    let is_live = |state| matches!(state, TransactionState::Copying | TransactionState::Equivalent);
    let sessions = snapshot.sessions.iter().filter(|session| session.ours && is_part(&session.pair));
    sessions.filter(|session| is_live(session_state(session))).map(|session| session.pair).collect()
}

/// What became of the sessions that were live when a maintenance began.
#[derive(Debug, Default)]
pub struct Afterwards {
    /// Live still, or again.
    pub live: Vec<Pair>,
    /// Suspended: a resume makes them live again.
    pub suspended: Vec<Pair>,
    /// Everything else, with the word for it.
    pub others: Vec<(Pair, String)>,
}

pub fn afterwards(snapshot: &Snapshot, maintenance: &Maintenance) -> Afterwards {
    let mut after = Afterwards::default();
    for pair in &maintenance.live {
        match snapshot.session(pair).filter(|session| session.ours).map(session_state) {
            Some(TransactionState::Copying | TransactionState::Equivalent) => after.live.push(*pair),
            Some(TransactionState::Suspended) => {
                match snapshot.backup_volume(pair.target).and_then(|view| view.generation) {
                    // It was backed up since: what follows is an ordinary start.
                    Some(version) => after.others.push((*pair, format!("its backup volume holds {version}"))),
                    None => after.suspended.push(*pair),
                }
            }
            Some(state) => after.others.push((*pair, state.to_string())),
            None => after.others.push((*pair, "no session".to_owned())),
        }
    }
    after
}
