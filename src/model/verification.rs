//! Which generation is to be read next for its fingerprint, and what came of reading one again.

use super::fingerprint::Verification;
use super::identity::VolumeId;
use super::records::{Generation, GenerationState, Records};
use super::snapshot::{Reach, SessionView, Snapshot};
use super::units::{Timestamp, Version};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

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
        let array = snapshot.array(generation.backup_volume.box_id);
        array.is_some_and(|array| array.reach == Reach::Reachable && array.reads_bytes())
    };
    let open = records.generations.values().filter(|generation| still_due(records, generation));
    let free = open.filter(|generation| !later(&(generation.transaction_volume, generation.version)));
    let mut readable = free.filter(|generation| readable(generation)).peekable();
    // This is asked with every snapshot, and mostly nothing is due: the sessions are looked at once, and only if something is.
    readable.peek()?;
    let moving = snapshot.sessions.iter().filter(|session| !session.is_at_rest());
    let written: HashSet<VolumeId> = moving.flat_map(SessionView::destinations).collect();
    readable
        .filter(|generation| !written.contains(&generation.backup_volume))
        .max_by_key(|generation| generation.taken_at)
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
