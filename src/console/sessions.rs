//! Words for sessions and states that several panes share.

use super::picture::is_moving;
use crate::model::identity::VolumeId;
use crate::model::observe::session_state;
use crate::model::snapshot::{SessionView, Snapshot, TransactionState};

/// The session of ours that a transaction volume's one word is about.
pub fn governing(snapshot: &Snapshot, volume: VolumeId) -> Option<&SessionView> {
    let sessions = snapshot.sessions_of(volume);
    let rank = |session: &&SessionView| {
        let state = session_state(session);
        (state != TransactionState::Suspended && state != TransactionState::None, state, session.since)
    };
    sessions.iter().filter(|session| session.ours).max_by_key(rank)
}

/// The share copied, where there is a total and a copy that runs.
pub fn share(session: &SessionView) -> Option<f64> {
    if is_moving(session) { session.progress?.share() } else { None }
}
