//! Restores that have not come to their end, and what their targets are called.

use super::{Index, Sources};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::request::Verb;
use crate::model::session::Pair;
use crate::model::snapshot::{BackupState, Problem, RestoreView, TransactionState};

/// Every mark of the catalogue, by target. It runs while the operation that set the mark is open.
pub(super) fn of(sources: &Sources<'_>) -> Vec<RestoreView> {
    let records = sources.records;
    let view = |mark: &crate::model::records::OurSession| {
        let Pair { source, target, .. } = mark.pair;
        let verb = |id: &crate::model::records::OperationId| {
            let open = records.operations.get(id).filter(|open| !sources.is_set_aside(open.id))?;
            matches!(open.item.verb, Verb::Restore | Verb::Snapshot | Verb::Practice).then_some(open.item.verb)
        };
        let running = mark.operation.filter(|id| verb(id).is_some());
        let practice = running.as_ref().and_then(verb) == Some(Verb::Practice);
        let generation = records.generation_on(source).map(|kept| (kept.transaction_volume, kept.version));
        RestoreView { target, source, generation, since: mark.since, running, practice }
    };
    let mut restores: Vec<RestoreView> = records.restores().map(view).collect();
    restores.sort_by_key(|restore| (restore.target, restore.source));
    restores
}

impl<'a> Index<'a> {
    /// The restore to a volume: the one that runs, where there are several marks.
    pub(super) fn restore_to(&self, target: VolumeId) -> Option<&'a RestoreView> {
        let start = self.restores.partition_point(|restore| restore.target < target);
        let of_target = self.restores[start..].iter().take_while(|restore| restore.target == target);
        of_target.max_by_key(|restore| restore.running.is_some())
    }
}

/// The word for a transaction volume that is restored to.
pub(super) fn transaction_state(restore: &RestoreView) -> TransactionState {
    if restore.running.is_some() { TransactionState::Restoring } else { TransactionState::RestoreIncomplete }
}

/// The word for a backup volume that is restored to.
pub(super) fn backup_state(restore: &RestoreView) -> BackupState {
    match (restore.running.is_some(), restore.practice) {
        (true, true) => BackupState::Practice,
        (true, false) => BackupState::Restoring,
        (false, _) => BackupState::RestoreIncomplete,
    }
}

/// What is wrong with the target of a restore that did not end.
pub(super) fn problem(sources: &Sources<'_>, restore: &RestoreView) -> Option<Problem> {
    if restore.running.is_some() {
        return None;
    }
    let from = sources.place(restore.source);
    if sources.records.transaction_volumes.contains_key(&restore.source) {
        let text = format!("the copy of the present state of {from} did not come to its end");
        return Some(Problem { code: Code::RESTORE_INCOMPLETE, text, array_error: None, since: Some(restore.since) });
    }
    let what = match restore.generation {
        Some((volume, version)) => format!("{version} of {} from {from}", sources.place(volume)),
        None => format!("a generation from {from}"),
    };
    let text = format!("the restore of {what} did not come to its end: its content is partly old");
    Some(Problem { code: Code::RESTORE_INCOMPLETE, text, array_error: None, since: Some(restore.since) })
}
