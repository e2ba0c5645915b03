//! What is kept and shown of notifications.

use super::codes::Code;
use super::identity::{Name, VolumeId};
use super::trouble_kind::TroubleKind;
use super::units::{Timestamp, count};
use super::untrusted::Untrusted;
use serde::{Deserialize, Serialize};

/// A notification hook that does not do its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotifyTrouble {
    pub since: Timestamp,
    pub why: Untrusted,
    /// Notifications and summaries that it was not given.
    pub waiting: usize,
}

impl NotifyTrouble {
    pub fn sentence(&self) -> String {
        let waiting = count(self.waiting, "notification waits", "notifications wait");
        format!("the notification hook fails: {}; {waiting}", self.why.escaped())
    }
}

/// What is kept of notifications, by key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "notice")]
pub enum NoticeRecord {
    Trouble(TroubleNotice),
    Log(NoticeLog),
}

/// One trouble, as it was said last or is to be said next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleNotice {
    pub kind: TroubleKind,
    pub code: Option<Code>,
    pub volume: Option<VolumeId>,
    pub array: Option<Name>,
    pub text: String,
    /// When it was seen first.
    pub since: Timestamp,
    /// It is over.
    pub over: bool,
    /// When it was last decided to say this.
    pub said: Timestamp,
    /// How often it was said before, as long as it lasts.
    pub times: u32,
    /// The hook was given this.
    pub sent: bool,
}

/// Deliveries so far, and which jobs were summed up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeLog {
    /// The number of the last delivery that the hook took.
    pub number: u64,
    /// All jobs whose first event is older than this one are done with.
    pub from: u64,
    /// Jobs after that which were summed up, by the numbers of their first events.
    pub done: Vec<u64>,
}

impl NoticeLog {
    pub const KEY: &str = "log";
}
