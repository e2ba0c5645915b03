//! Transaction volumes whose backups another program made: taken over from it, or given back.

use super::identity::VolumeId;
use super::units::Timestamp;
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};

/// How a volume stands between ecdeck and the program that made its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TakeOverState {
    /// Its sessions are shown; nothing is started on it.
    Observed,
    /// Its pairs are ours. A session that we did not make means that the other program still runs.
    Adopted,
}

/// A volume that was taken over, or given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakeOver {
    pub volume: VolumeId,
    pub state: TakeOverState,
    /// Who made its sessions, as the array names them.
    pub by: Untrusted,
    pub since: Timestamp,
}

impl TakeOver {
    /// Whether the volume is the other program's again.
    pub fn is_given_back(&self) -> bool {
        self.state == TakeOverState::Observed
    }
}

/// What ecdeck calls itself where an array asks who makes a session: one that the catalogue does not know is of another one.
pub const OWN_REQUESTOR: &str = "ecdeck";

/// A requestor as people call it; escaped.
pub fn program(requestor: &Untrusted) -> String {
    if requestor.is_empty() {
        "another program".to_owned()
    } else if requestor.raw().contains("AdvancedCopy") {
        "ACM".to_owned()
    } else if requestor.raw() == OWN_REQUESTOR {
        "another catalogue of ecdeck".to_owned()
    } else {
        requestor.escaped()
    }
}

/// Why an adopted generation is held and in doubt until a person says otherwise.
pub fn unproved(requestor: &Untrusted) -> String {
    format!("from {}, unproved", program(requestor))
}

/// Whether a hold is that of an adopted generation.
pub fn is_unproved(held: Option<&Untrusted>) -> bool {
    held.is_some_and(|why| why.raw().starts_with("from ") && why.raw().ends_with(", unproved"))
}
