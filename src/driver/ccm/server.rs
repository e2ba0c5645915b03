//! One CCM server: whose turn it is, the arrays that it knows, the groups that are ours in it.
//!
//! CCM works on files of its own and wants one command at a time. Arrays that share a server share this.

use super::command::{self, Argv};
use super::names::{ArrayName, GroupName, PairName};
use super::reply::{ReplyError, arrays};
use super::transport::{ExecError, RawReply, Transport};
use crate::model::copy::ErrorClass;
use crate::model::identity::BoxId;
use crate::model::untrusted::Untrusted;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::MutexGuard;
use tokio::time::Instant;

/// Characters of an answer that go to the log.
const LOGGED: usize = 4096;

/// A question or command that led to nothing usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    #[error(transparent)]
    Exec(#[from] ExecError),
    #[error(transparent)]
    Reply(#[from] ReplyError),
    #[error("CCM {place} does not know an array named {name}; it knows {known}")]
    NoSuchArray { place: String, name: ArrayName, known: String },
    #[error("CCM {place} does not know the box {box_id}: add the array there with `acarray add`")]
    NoSuchBox { place: String, box_id: BoxId },
    #[error("the copy group {group} in CCM {place} is for {found} and not for {wanted}: rename or remove it")]
    GroupOfOthers { place: String, group: GroupName, found: String, wanted: String },
}

impl ServerError {
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Exec(ExecError::NotRun { class, .. }) => *class,
            Self::Exec(ExecError::Lost { .. }) => ErrorClass::Transport,
            Self::Reply(ReplyError::Refused { refusal, .. }) => refusal.class,
            Self::Reply(_) => ErrorClass::Protocol,
            Self::NoSuchArray { .. } | Self::NoSuchBox { .. } | Self::GroupOfOthers { .. } => ErrorClass::Config,
        }
    }

    /// Whether CCM answered, and the answer was no.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Reply(ReplyError::Refused { .. }))
    }
}

/// What is known of one of our groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    Absent,
    /// With these pairs in it, when it was last looked at.
    Present(BTreeSet<PairName>),
}

/// The arrays that the server knows, both ways round.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    boxes: BTreeMap<ArrayName, BoxId>,
    names: BTreeMap<BoxId, ArrayName>,
}

impl Names {
    pub fn box_of(&self, name: &str) -> Option<BoxId> {
        name.parse::<ArrayName>().ok().and_then(|name| self.boxes.get(&name).copied()).or_else(|| name.parse().ok())
    }

    pub fn name_of(&self, id: BoxId) -> Option<&ArrayName> {
        self.names.get(&id)
    }

    pub fn all(&self) -> impl Iterator<Item = &ArrayName> {
        self.boxes.keys()
    }
}

/// A CCM server.
pub struct Server {
    transport: Arc<dyn Transport>,
    groups: tokio::sync::Mutex<BTreeMap<GroupName, Group>>,
    names: Mutex<Option<Arc<Names>>>,
}

impl Server {
    pub fn new(transport: Arc<dyn Transport>) -> Arc<Self> {
        Arc::new(Self { transport, groups: tokio::sync::Mutex::default(), names: Mutex::new(None) })
    }

    pub fn place(&self) -> String {
        self.transport.place()
    }

    /// The names as last read, if ever: for people, without asking.
    pub fn names_so_far(&self) -> Option<Arc<Names>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for its turn. `None` when the time is over first: nothing was sent.
    pub async fn turn(&self, deadline: Instant) -> Option<Turn<'_>> {
        let groups = tokio::time::timeout_at(deadline, self.groups.lock()).await.ok()?;
        Some(Turn { server: self, groups, deadline })
    }
}

/// The right to send commands, until it is dropped.
pub struct Turn<'a> {
    server: &'a Server,
    pub groups: MutexGuard<'a, BTreeMap<GroupName, Group>>,
    deadline: Instant,
}

impl Turn<'_> {
    /// Sends one command, within what is left of the time.
    pub async fn send(&self, argv: &Argv) -> Result<RawReply, ExecError> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left < Duration::from_millis(1) {
            return Err(ExecError::NotRun {
                command: argv.to_string(),
                place: self.server.place(),
                class: ErrorClass::Transport,
                why: "the time for it was over before it was sent".into(),
            });
        }
        let result = self.server.transport.exec(argv, left).await;
        match &result {
            Ok(reply) => tracing::debug!(
                command = %argv,
                exit = reply.exit,
                stdout = %logged(&reply.stdout),
                stderr = %logged(&reply.stderr),
                "CCM answered"
            ),
            Err(wrong) => tracing::debug!(command = %argv, "CCM did not answer: {wrong}"),
        }
        result
    }

    /// The names, read once in the server's life; afresh when `again`.
    pub async fn names(&self, again: bool) -> Result<Arc<Names>, ServerError> {
        if let Some(names) = self.server.names_so_far().filter(|_| !again) {
            return Ok(names);
        }
        let argv = command::list_arrays();
        let reply = self.send(&argv).await?;
        let mut names = Names::default();
        for array in arrays::list(&argv, &reply.stdout)? {
            match array.name.raw().parse::<ArrayName>() {
                Ok(name) => {
                    names.boxes.insert(name.clone(), array.box_id);
                    names.names.insert(array.box_id, name);
                }
                Err(wrong) => tracing::warn!("an array that CCM knows is left out: {wrong}"),
            }
        }
        let names = Arc::new(names);
        *self.server.names.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&names));
        Ok(names)
    }

    pub fn place(&self) -> String {
        self.server.place()
    }
}

/// The beginning of an answer, fit for a log.
fn logged(bytes: &[u8]) -> String {
    let text = Untrusted::from_bytes(&bytes[..bytes.len().min(LOGGED)]).escaped();
    if bytes.len() > LOGGED { format!("{text} ... ({} bytes)", bytes.len()) } else { text }
}
