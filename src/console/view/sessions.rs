//! Words for sessions and states that several panes share.

use super::super::picture::is_moving;
use crate::model::identity::VolumeId;
use crate::model::observe::session_state;
use crate::model::request::Verb;
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

/// What an operation is doing to a volume, in at most ten columns.
pub fn doing(verb: Verb) -> &'static str {
    match verb {
        Verb::Start => "starting",
        Verb::Resume => "resuming",
        Verb::Overwrite => "overwrites",
        Verb::Suspend => "suspending",
        Verb::Cancel => "cancelling",
        Verb::ForceStop => "stopping",
        Verb::Backup => "backing up",
        Verb::SetPolicy => "policy",
        Verb::Register | Verb::Unregister => "registers",
        Verb::Hold | Verb::Unhold => "holding",
        Verb::DeleteGeneration => "deleting",
    }
}
