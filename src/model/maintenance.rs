//! Maintenance of an array, as a person declares it: no copy is started there until a time, and what comes of it is expected.

use super::identity::Name;
use super::session::Pair;
use super::units::Timestamp;
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};

/// A maintenance that was begun and not ended. After its time it is no longer in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maintenance {
    pub array: Name,
    pub since: Timestamp,
    pub until: Timestamp,
    /// Who began it, for people; escaped.
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Untrusted>,
    /// Our sessions of the array that copied or were equivalent when it began: what is to run again after it.
    #[serde(default)]
    pub live: Vec<Pair>,
}

impl Maintenance {
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        now < self.until
    }

    /// `maintenance of DX1: new firmware`, for where its author is named already.
    pub fn what(&self) -> String {
        format!("maintenance of {}{}", self.array, self.why())
    }

    /// `maintenance of DX1, begun by ana (uid 1001): new firmware`.
    pub fn in_words(&self) -> String {
        format!("maintenance of {}, begun by {}{}", self.array, self.by, self.why())
    }

    fn why(&self) -> String {
        self.reason.as_ref().map_or_else(String::new, |reason| format!(": {}", reason.escaped()))
    }
}
