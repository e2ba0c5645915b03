//! What a snapshot shows of volumes with generations, and the catalogue has to remember when the sight of it is gone.

use super::operation::Commit;
use crate::model::doubt::{released_to_forget, to_keep};
use crate::model::event::{EventKind, NewEvent};
use crate::model::records::{Change, EntityChange, Records};
use crate::model::snapshot::Snapshot;
use crate::model::units::Timestamp;

/// Kept generations that are in doubt stay so until somebody has verified or accepted them. Released ones that were overwritten
/// do not come back.
pub fn to_commit(snapshot: &Snapshot, records: &Records, now: Timestamp) -> Commit {
    let mut commit = Commit::default();
    for (transaction_volume, version, state) in to_keep(snapshot, records) {
        let kind = EventKind::GenerationStateSet { volume: transaction_volume, version, state: state.clone() };
        commit.changes.push(Change::Entity(EntityChange::SetGenerationState { transaction_volume, version, state }));
        commit.events.push(NewEvent::by_engine(now, kind));
    }
    for released in released_to_forget(snapshot, records) {
        let (volume, version) = (released.generation.transaction_volume, released.generation.version);
        let backup_volume = released.generation.backup_volume;
        commit.changes.push(Change::Entity(EntityChange::ForgetReleased { backup_volume }));
        commit.events.push(NewEvent::by_engine(now, EventKind::ReleasedLost { volume, version, backup_volume }));
    }
    commit
}
