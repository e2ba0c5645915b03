//! Troubles that a person knows of: said as such until a time, and only as long as it is the same trouble.

use super::identity::{Name, VolumeId};
use super::trouble_kind::{TroubleId, TroubleKind};
use super::units::Timestamp;
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};

/// Characters of a reason at most.
pub const MAX_REASON: usize = 500;

/// One trouble that a person knows of. It ends at its time, or when the trouble does: the same one that comes back is new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    pub trouble: TroubleId,
    pub kind: TroubleKind,
    pub volume: Option<VolumeId>,
    pub array: Option<Name>,
    /// What it was when it was acknowledged.
    pub text: String,
    pub reason: Untrusted,
    pub at: Timestamp,
    pub until: Timestamp,
    /// Who did it, for people; escaped.
    pub by: String,
}

impl Acknowledgement {
    pub fn counts_at(&self, now: Timestamp) -> bool {
        now < self.until
    }
}
