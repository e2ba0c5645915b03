//! What the two halves of a remote session say of it, for people.

use super::identity::VolumeId;
use super::session::{Phase, Status};
use super::snapshot::{Halves, SessionView, Snapshot};

/// What the two halves say, as half a sentence.
pub fn halves(session: &SessionView, snapshot: &Snapshot) -> String {
    let array = |id: VolumeId| snapshot.array(id.box_id).map_or_else(|| id.box_id.to_string(), |a| a.name.to_string());
    let (source, target) = (array(session.pair.source), array(session.pair.target));
    match &session.halves {
        Halves::Disagree { other_status, other_phase, other_words, .. }
            if *other_status == Status::Unknown || *other_phase == Phase::Unknown =>
        {
            format!("{source} says {}, {}, {target} says \"{other_words}\"", session.status, session.phase)
        }
        Halves::Disagree { other_status, other_phase, .. } => {
            format!("{source} says {}, {}, {target} says {other_status}, {other_phase}", session.status, session.phase)
        }
        Halves::Missing { source_reports: true } => format!("{target} has no such session"),
        Halves::Missing { source_reports: false } => format!("{source} has no such session"),
        Halves::OtherUnread => format!("{target} has not been read"),
        Halves::One | Halves::Agree => format!("{source} says {}, {}", session.status, session.phase),
    }
}
