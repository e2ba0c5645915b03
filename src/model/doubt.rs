//! What happens to the volume of a kept generation without us, and so puts the generation in doubt.
//!
//! Belongs here: which sights mean that the bytes may be others than those that were recorded. Does not: keeping it in the
//! catalogue (engine), taking it back (plan).

use super::codes::Code;
use super::identity::VolumeId;
use super::records::{Generation, GenerationState, Records, ReleasedGeneration};
use super::session::{Pair, Status};
use super::snapshot::{BackupVolumeView, SessionView, Snapshot};
use super::units::Version;
use std::collections::BTreeSet;

/// What is seen now that puts this generation in doubt. `ours` is our session of its pair; `onto` a session of another
/// program that copies, or copied, onto its backup volume. `post_processed`: its own operation wrote to the volume, to restore
/// the identity of a volume group.
pub(super) fn cause(
    ours: Option<&SessionView>,
    onto: Option<&SessionView>,
    volume: Option<&BackupVolumeView>,
    post_processed: bool,
) -> Option<String> {
    if let Some(problem) = volume.and_then(|view| view.problem.as_ref())
        && problem.code == Code::VOLUME_MISSING
    {
        return Some(problem.text.clone());
    }
    if let Some(session) = onto {
        let by = if session.requestor.is_empty() { "another program".to_owned() } else { session.requestor.escaped() };
        return Some(format!("a copy ({} of {by}) was made onto its volume", session.reported_kind));
    }
    let session = ours?;
    match session.status {
        Status::ErrorSuspended => Some(in_doubt(session)),
        // The suspend that made it was undone by hand: the volume follows its source again.
        Status::Active | Status::Reserved if session.is_forward() => {
            Some("its session was resumed without ecdeck, which copies over it".to_owned())
        }
        Status::Suspended if session.target_written == Some(true) && !post_processed => {
            Some("a host wrote on its volume after the backup".to_owned())
        }
        _ => None,
    }
}

/// Why a generation on a session's backup volume cannot be trusted.
pub(super) fn in_doubt(session: &SessionView) -> String {
    match session.error {
        Some(error) => format!("the array reported error {error} on its session"),
        None => "the array reported an error on its session".to_owned(),
    }
}

/// The sessions of others that write onto volumes, by volume: few sites have any.
pub(super) fn written_by_others(sessions: &[SessionView]) -> Vec<(VolumeId, &SessionView)> {
    let foreign = sessions.iter().filter(|session| !session.ours);
    foreign.flat_map(|session| session.destinations().map(move |volume| (volume, session))).collect()
}

/// What is seen in a snapshot that puts a generation in doubt.
pub fn cause_now(snapshot: &Snapshot, generation: &Generation) -> Option<String> {
    let target = generation.backup_volume;
    let ours = snapshot.session(&Pair::new(generation.transaction_volume, target)).filter(|session| session.ours);
    let onto = snapshot.sessions.iter().find(|session| !session.ours && session.destinations().any(|id| id == target));
    cause(ours, onto, snapshot.backup_volume(target), generation.group.is_some())
}

/// The generations that a snapshot shows in doubt and the catalogue still has as valid, and why.
pub fn to_keep(snapshot: &Snapshot, records: &Records) -> Vec<(VolumeId, Version, GenerationState)> {
    let doubtful = snapshot.generations.iter().filter(|shown| matches!(shown.state, GenerationState::InDoubt(_)));
    doubtful
        .filter_map(|shown| {
            let key = (shown.transaction_volume, shown.version);
            let kept = records.generations.get(&key)?;
            // An operation that has the volume says itself what becomes of its generation.
            let is_free = !records.claims.contains_key(&shown.backup_volume);
            (is_free && kept.state == GenerationState::Valid).then(|| (key.0, key.1, shown.state.clone()))
        })
        .collect()
}

/// The released generations that another program's copy has overwritten, or that a session resumed without us has.
pub fn released_to_forget<'a>(snapshot: &Snapshot, records: &'a Records) -> Vec<&'a ReleasedGeneration> {
    if records.released.is_empty() {
        return Vec::new();
    }
    let writes = |session: &&SessionView| !session.ours || !session.is_at_rest();
    let destinations = snapshot.sessions.iter().filter(writes).flat_map(SessionView::destinations);
    let overwritten: BTreeSet<VolumeId> = destinations.filter(|id| !records.claims.contains_key(id)).collect();
    overwritten.iter().filter_map(|id| records.released.get(id)).collect()
}
