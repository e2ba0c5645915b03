//! Which generation is to be practised: copied to a spare volume and compared there.

use super::identity::VolumeId;
use super::plan::{Refusal, plan};
use super::records::{Generation, GenerationState};
use super::request::{Action, Request};
use super::snapshot::Snapshot;
use super::units::{Timestamp, Version};
use std::cmp::Reverse;

/// The newest generation that can be compared with something, else the newest.
pub fn newest(snapshot: &Snapshot, volume: VolumeId) -> Option<Version> {
    let kept = snapshot.generations_of(volume);
    let sound = kept.iter().rev().find(|kept| kept.state == GenerationState::Valid && kept.fingerprint.is_some());
    sound.or_else(|| kept.last()).map(|kept| kept.version)
}

/// The newest generation of each volume, where it was not practised yet: first the one whose volume was practised longest ago,
/// or never.
pub fn due(snapshot: &Snapshot) -> Vec<(VolumeId, Version)> {
    let mut waiting: Vec<(Option<Timestamp>, Reverse<usize>, VolumeId, Version)> = Vec::new();
    for view in &snapshot.transaction_volumes {
        let id = view.volume.id;
        let kept = snapshot.generations_of(id);
        let Some(version) = newest(snapshot, id) else { continue };
        let at = |kept: &Generation| Some(kept.fingerprint.as_ref()?.practised.as_ref()?.at);
        let is_open =
            |kept: &Generation| kept.fingerprint.is_some() && at(kept).is_none() && view.volume.group.is_none();
        if kept.iter().any(|kept| kept.version == version && is_open(kept)) {
            // Of those that were never practised, the one with most at stake first.
            waiting.push((kept.iter().filter_map(at).max(), Reverse(kept.len()), id, version));
        }
    }
    waiting.sort_unstable();
    waiting.into_iter().map(|(_, _, id, version)| (id, version)).collect()
}

/// The practice of the first of these for which there is one.
///
/// # Errors
/// Why there is none of the very first.
pub fn first_possible(snapshot: &Snapshot, waiting: &[(VolumeId, Version)]) -> Result<Action, Box<str>> {
    let mut first: Option<Refusal> = None;
    for &(volume, version) in waiting {
        let action = Action::Practice { volume, version };
        match plan(snapshot, &Request::new(action.clone())) {
            Ok(_) => return Ok(action),
            Err(refusal) => {
                first.get_or_insert(refusal);
            }
        }
    }
    Err(first
        .map_or_else(|| "nothing is due".into(), |refusal| format!("{} ({})", refusal.reason, refusal.code).into()))
}
