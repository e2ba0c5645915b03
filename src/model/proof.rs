//! By which means a generation is proved, as far as the catalogue knows: what it says nothing of is not claimed.

use super::entity::{Generation, GenerationState, InstantProof, SetInstant};
use super::units::{Timestamp, count};
use serde::Serialize;
use std::fmt;

/// The state in one or two words: why it is not valid is in [`proof`].
pub fn state(generation: &Generation) -> &'static str {
    match generation.state {
        GenerationState::Valid if generation.held.is_some() => "valid, held",
        GenerationState::Valid => "valid",
        GenerationState::InDoubt(_) => "in doubt",
        GenerationState::NeedsAttention(_) => "attention",
    }
}

/// What is known of the bytes on its volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BytesProof {
    NotFingerprinted,
    /// Its volume was read once.
    Fingerprinted,
    /// Its volume was read again and held the same, at the time.
    Verified,
    /// It was copied to another volume, which held the same.
    Practised,
    /// Its volume, or a copy of it, was read again and held something else.
    Differs,
}

impl fmt::Display for BytesProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::NotFingerprinted => "not fingerprinted",
            Self::Fingerprinted => "fingerprinted",
            Self::Verified => "verified",
            Self::Practised => "practised",
            Self::Differs => "differs",
        })
    }
}

/// The word, and when its volume, or a copy of it, was read again last.
pub fn of_bytes(generation: &Generation) -> (BytesProof, Option<Timestamp>) {
    let Some(fingerprint) = &generation.fingerprint else { return (BytesProof::NotFingerprinted, None) };
    let verified = fingerprint.verified.iter().map(|again| (again, BytesProof::Verified));
    let practised = fingerprint.practised.iter().map(|again| (again, BytesProof::Practised));
    match verified.chain(practised).max_by_key(|(again, _)| again.at) {
        None => (BytesProof::Fingerprinted, None),
        Some((again, word)) => (if again.differs.is_none() { word } else { BytesProof::Differs }, Some(again.at)),
    }
}

/// The same in words; `moment` writes a time.
pub fn bytes_in_words(generation: &Generation, moment: impl Fn(Timestamp) -> String) -> String {
    match of_bytes(generation) {
        (word, Some(at)) => format!("{word} on {}", moment(at)),
        (word, None) => word.to_string(),
    }
}

/// What proves it, or speaks against it; `none` where the catalogue has nothing but the backup itself.
pub fn proof(generation: &Generation, moment: impl Fn(Timestamp) -> String) -> String {
    let mut known: Vec<String> = Vec::new();
    match &generation.state {
        GenerationState::Valid => {}
        state => known.push(state.to_string()),
    }
    if generation.fingerprint.is_some() {
        known.push(bytes_in_words(generation, moment));
    }
    if let Some(SetInstant { name, volumes, by: InstantProof::Array, .. }) = &generation.set {
        known.push(format!("one instant, set {name} ({})", count(*volumes as usize, "volume", "volumes")));
    }
    if let Some(why) = &generation.crash_consistent {
        known.push(format!("crash-consistent: {}", why.escaped()));
    }
    if generation.provisioned {
        known.push("set up, not backed up".to_owned());
    }
    if known.is_empty() { "none".to_owned() } else { known.join("; ") }
}
