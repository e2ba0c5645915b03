//! Whether a transaction volume can be brought back to a state that is young enough: one word, the same everywhere.

use super::duration::people;
use super::entity::Generation;
use super::plan::rotation::is_sound;
use super::snapshot::{Snapshot, TransactionVolumeView};
use super::units::{Timestamp, Version};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The one word, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recoverable {
    /// The newest sound generation is not older than interval and grace.
    Yes,
    /// A sound generation is there, and older than that.
    Late,
    /// Nobody said how old it may be.
    NoPolicy,
    /// What would be young enough, or all that there is, is in doubt: it has to be looked at first.
    InDoubt,
    /// There is no generation.
    No,
}

impl fmt::Display for Recoverable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Yes => "yes",
            Self::Late => "late",
            Self::NoPolicy => "no policy",
            Self::InDoubt => "in doubt",
            Self::No => "no",
        })
    }
}

/// The word with what it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    pub word: Recoverable,
    /// The newest sound generation.
    pub point: Option<(Version, Timestamp)>,
    /// The age of that one, in milliseconds; `None` where it is dated in the future, too.
    pub age: Option<i64>,
    /// Why it is not `yes`, as half a sentence.
    pub why: String,
}

/// Decides by the catalogue's generations and what the arrays show of their volumes. One whose array is silent is in doubt.
pub fn recoverable(snapshot: &Snapshot, view: &TransactionVolumeView) -> Recovery {
    let backups = || snapshot.generations_of(view.volume.id).iter().rev().filter(|kept| !kept.is_before_restore());
    let age = |kept: &Generation| Some(snapshot.taken_at.since(kept.taken_at)).filter(|age| *age >= 0);
    let sound =
        backups().filter(|kept| is_sound(snapshot, kept)).max_by_key(|kept| (age(kept).is_some(), kept.version));
    let point = sound.map(|kept| (kept.version, kept.taken_at));
    let recovery = |word, why| Recovery { word, point, age: sound.and_then(age), why };
    let Some(policy) = view.volume.policy else {
        return recovery(Recoverable::NoPolicy, "no policy says how old a backup may be".to_owned());
    };
    let in_time = |kept: &Generation| age(kept).is_some_and(|age| age <= policy.limit());
    if sound.is_some_and(in_time) {
        return recovery(Recoverable::Yes, String::new());
    }
    let why_not = |kept: &Generation| {
        let version = kept.version;
        match &kept.state {
            super::entity::GenerationState::Valid => format!("{version} cannot be seen on its array now"),
            state => format!("{version} is {state}"),
        }
    };
    let limit = people(policy.limit());
    match (sound, backups().find(|kept| in_time(kept)), backups().next()) {
        (_, Some(doubtful), _) => recovery(Recoverable::InDoubt, why_not(doubtful)),
        (Some(sound), None, _) => {
            let old = age(sound).map_or_else(|| "dated in the future".to_owned(), |age| format!("{} old", people(age)));
            recovery(Recoverable::Late, format!("{} is {old}, the limit is {limit}", sound.version))
        }
        (None, None, Some(newest)) => recovery(Recoverable::InDoubt, why_not(newest)),
        (None, None, None) => recovery(Recoverable::No, "there is no backup".to_owned()),
    }
}
