//! Which generation is to be read next for its fingerprint, and what came of reading one again.

use super::fingerprint::Verification;
use super::identity::VolumeId;
use super::records::{Generation, GenerationState, Records};
use super::snapshot::{ArrayView, Reach, SessionView, Snapshot};
use super::units::{Timestamp, Version};
use serde::{Deserialize, Serialize};

/// What came of reading a generation again, for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    pub volume: VolumeId,
    pub version: Version,
    pub blake3: String,
    /// What it was compared with is older than this.
    pub fingerprinted_at: Timestamp,
    /// MiB that were read.
    pub leaves: u64,
    pub verification: Verification,
    /// How far it can be trusted now.
    pub state: GenerationState,
    /// Whether it was in doubt before.
    pub was_in_doubt: bool,
    /// Why it stays in doubt though its bytes are the same.
    pub stays: Option<String>,
}

/// The next generation that is to be fingerprinted: one that nobody doubts, whose volume nobody has and can be read, with its
/// session, if there is one, at rest. The newest first: it is what people need first. `later`: not now.
pub fn due<'a>(
    snapshot: &Snapshot,
    records: &'a Records,
    later: impl Fn(&(VolumeId, Version)) -> bool,
) -> Option<&'a Generation> {
    let readable = |generation: &Generation| {
        let array = snapshot.arrays.iter().find(|array| array.box_id == Some(generation.backup_volume.box_id));
        let reads = |array: &ArrayView| array.capabilities.as_ref().is_some_and(|known| known.reads_bytes);
        array.is_some_and(|array| array.reach == Reach::Reachable && reads(array))
    };
    let at_rest = |target: VolumeId| {
        let of_target = |session: &&SessionView| session.destinations().any(|id| id == target);
        snapshot.sessions.iter().filter(of_target).all(SessionView::is_at_rest)
    };
    let open = records.generations.values().filter(|generation| still_due(records, generation));
    let free = open.filter(|generation| !later(&(generation.transaction_volume, generation.version)));
    let now = free.filter(|generation| readable(generation) && at_rest(generation.backup_volume));
    now.max_by_key(|generation| generation.taken_at)
}

/// Whether a generation is still there, in doubt to nobody, without a fingerprint, and its volume free.
pub fn still_due(records: &Records, generation: &Generation) -> bool {
    let kept = records.generations.get(&(generation.transaction_volume, generation.version));
    kept.is_some_and(|kept| {
        kept.fingerprint.is_none()
            && kept.state == GenerationState::Valid
            && !records.claims.contains_key(&kept.backup_volume)
    })
}
