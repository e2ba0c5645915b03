//! One CCM server: whose turn it is, the arrays that it knows, the groups that are ours in it.
//!
//! CCM works on files of its own and wants one command at a time. Arrays that share a server share this.

use super::command;
use super::looks::{Looks, Number};
use super::names::{ArrayName, GroupName, GroupType, PairName};
use super::reply::{ReplyError, arrays, copies};
use super::word_table::{MessageMeaning, Words};
use crate::driver::transport::argv::Argv;
use crate::driver::transport::{ExecError, RawReply, Transport};
use crate::model::copy::{ArrayRefusal, ErrorClass};
use crate::model::identity::BoxId;
use crate::model::untrusted::Untrusted;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::MutexGuard;
use tokio::time::Instant;

/// What is waited for before a question that CCM was too busy for is asked again.
const BUSY_PAUSES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(200), Duration::from_millis(500)];
/// How long those who share a server wait for one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// A question waits in the line with the commands, so that one answer serves many, and no longer than this: people watch.
    pub question: Duration,
    /// The age at which a look serves nobody any more: other programs work on the same pairs.
    pub look: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        Self { question: Duration::from_secs(30), look: Duration::from_secs(30) }
    }
}

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
    #[error("the copy group {group} in CCM {place} does not exist, though it was made: look at it with `acec query`")]
    GroupNotMade { place: String, group: GroupName },
}

impl ServerError {
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Exec(ExecError::NotRun { class, .. }) => *class,
            Self::Exec(ExecError::Lost { .. }) => ErrorClass::Transport,
            Self::Reply(ReplyError::Refused { refusal, .. }) => refusal.class,
            Self::Reply(_) | Self::GroupNotMade { .. } => ErrorClass::Protocol,
            Self::NoSuchArray { .. } | Self::NoSuchBox { .. } | Self::GroupOfOthers { .. } => ErrorClass::Config,
        }
    }

    /// Whether CCM answered, and the answer was no.
    pub fn is_refusal(&self) -> bool {
        self.refusal().is_some()
    }

    /// The no that CCM answered.
    pub fn refusal(&self) -> Option<&ArrayRefusal> {
        match self {
            Self::Reply(ReplyError::Refused { refusal, .. }) => Some(refusal),
            _ => None,
        }
    }
}

/// What is known of one of our groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Group {
    /// It was not there then. Somebody may have made it since, so it is looked for again now and then.
    Absent {
        since: Instant,
        /// It was removed from here, when nothing was in it.
        by_us: bool,
    },
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
    waits: Waits,
    /// Everybody who wants to send something, first come, first served.
    line: tokio::sync::Mutex<()>,
    /// Whose turn it is. A question that waited in the line for long enough comes here past it.
    groups: tokio::sync::Mutex<BTreeMap<GroupName, Group>>,
    numbers: AtomicU64,
    looks: Mutex<Looks>,
    /// Arrays that are driven by way of it.
    arrays: AtomicU32,
    names: Mutex<Option<Arc<Names>>>,
    /// How CCM refuses a query of a group that does not exist: which code that has is on no public page.
    no_such_group: Mutex<BTreeSet<String>>,
}

impl Server {
    pub fn new(transport: Arc<dyn Transport>) -> Arc<Self> {
        Self::with_waits(transport, Waits::default())
    }

    pub fn with_waits(transport: Arc<dyn Transport>, waits: Waits) -> Arc<Self> {
        Arc::new(Self {
            transport,
            waits,
            line: tokio::sync::Mutex::default(),
            groups: tokio::sync::Mutex::default(),
            numbers: AtomicU64::default(),
            looks: Mutex::new(Looks::new(waits.look)),
            arrays: AtomicU32::default(),
            names: Mutex::new(None),
            no_such_group: Mutex::default(),
        })
    }

    pub fn place(&self) -> String {
        self.transport.place()
    }

    /// The names as last read, if ever: for people, without asking.
    pub fn names_so_far(&self) -> Option<Arc<Names>> {
        self.names.lock().clone()
    }

    /// The next number: what was drawn later is greater.
    pub(super) fn draw(&self) -> Number {
        Number(self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn waits(&self) -> Waits {
        self.waits
    }

    /// Counts an array that is driven from here.
    pub(super) fn add_array(&self) {
        self.arrays.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_array(&self) {
        self.arrays.fetch_sub(1, Ordering::Relaxed);
    }

    /// Arrays that share this server.
    pub(super) fn arrays(&self) -> u32 {
        self.arrays.load(Ordering::Relaxed).max(1)
    }

    /// Waits for the turn to send a command. Those before it in the line have limits of their own. `limit` counts from here.
    pub async fn turn(&self, limit: Duration) -> Turn<'_> {
        let place = self.line.lock().await;
        let groups = self.groups.lock().await;
        Turn { server: self, groups, deadline: Instant::now() + limit, _place: Some(place) }
    }

    /// Waits for the turn to ask something. It comes at the latest [`Waits::question`] later, after the command of then.
    /// `None` when that command took longer than `limit`: nothing was sent. `limit` counts anew from the turn.
    pub async fn question(&self, limit: Duration) -> Option<Turn<'_>> {
        let place = match self.line.try_lock() {
            Ok(place) => Some(place),
            Err(_) => tokio::time::timeout(self.waits.question, self.line.lock()).await.ok(),
        };
        let groups = match self.groups.try_lock() {
            Ok(groups) => groups,
            Err(_) => tokio::time::timeout(limit, self.groups.lock()).await.ok()?,
        };
        Some(Turn { server: self, groups, deadline: Instant::now() + limit, _place: place })
    }
}

/// The right to send commands, until it is dropped.
pub struct Turn<'a> {
    server: &'a Server,
    pub groups: MutexGuard<'a, BTreeMap<GroupName, Group>>,
    deadline: Instant,
    _place: Option<MutexGuard<'a, ()>>,
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

    /// Asks a question and reads its answer. One that CCM is too busy for changed nothing and is asked again.
    pub async fn ask<T>(&self, argv: &Argv, read: impl Fn(&[u8]) -> Result<T, ReplyError>) -> Result<T, ServerError> {
        for pause in BUSY_PAUSES {
            let reply = self.send(argv).await?;
            match read(&reply.stdout).map_err(ServerError::from) {
                Err(busy) if busy.is_refusal() && busy.class() == ErrorClass::Busy => rest(pause).await,
                answer => return answer,
            }
        }
        let reply = self.send(argv).await?;
        Ok(read(&reply.stdout)?)
    }

    /// The names, read once in the server's life; afresh when `again`.
    pub async fn names(&self, words: &Words, again: bool) -> Result<Arc<Names>, ServerError> {
        if let Some(names) = self.server.names_so_far().filter(|_| !again) {
            return Ok(names);
        }
        let argv = command::list_arrays();
        let mut names = Names::default();
        for array in self.ask(&argv, |stdout| arrays::list(&argv, stdout, words)).await? {
            match array.name.raw().parse::<ArrayName>() {
                Ok(name) => {
                    names.boxes.insert(name.clone(), array.box_id);
                    names.names.insert(array.box_id, name);
                }
                Err(wrong) => tracing::warn!("an array that CCM knows is left out: {wrong}"),
            }
        }
        let names = Arc::new(names);
        *self.server.names.lock() = Some(Arc::clone(&names));
        Ok(names)
    }

    /// Whether a refused query says that its group does not exist. Everything else is a query that failed.
    ///
    /// Which code CCM has for it is learnt by comparing: a group of a name that surely does not exist is asked for in the
    /// same way. Codes that are known to say something else are never taken for it, nor is a refusal while CCM answers
    /// nothing at all.
    pub async fn says_no_such_group(
        &self,
        refused: &ServerError,
        group_type: GroupType,
        words: &Words,
    ) -> Result<bool, ServerError> {
        let Some(refusal) = refused.refusal() else { return Ok(false) };
        if words.meaning(refusal) == Some(MessageMeaning::NoSuchGroup) {
            return Ok(true);
        }
        let Some(mark) = mark_of(refusal) else { return Ok(false) };
        if self.learnt().contains(&mark) {
            return Ok(true);
        }
        let argv = command::query(&GroupName::of_nobody(), group_type);
        let probe = self.ask(&argv, |stdout| copies::group(&argv, stdout, words)).await.err();
        let is_same = probe.as_ref().and_then(ServerError::refusal).and_then(mark_of).as_ref() == Some(&mark);
        if !is_same {
            return Ok(false);
        }
        // CCM itself is well: else it refuses everything in the same way.
        self.names(words, true).await?;
        tracing::info!(%mark, "this is how CCM says that a copy group does not exist");
        self.learnt().insert(mark);
        Ok(true)
    }

    /// The next number.
    pub(super) fn draw(&self) -> Number {
        self.server.draw()
    }

    /// What groups were like when they were last looked at.
    pub(super) fn looks(&self) -> parking_lot::MutexGuard<'_, Looks> {
        self.server.looks.lock()
    }

    fn learnt(&self) -> parking_lot::MutexGuard<'_, BTreeSet<String>> {
        self.server.no_such_group.lock()
    }

    pub fn place(&self) -> String {
        self.server.place()
    }
}

/// Waits, where something measures time: in a simulation nothing does, and nothing is busy for long.
async fn rest(pause: Duration) {
    if tokio::runtime::Handle::try_current().is_ok() {
        tokio::time::sleep(pause).await;
    }
}

/// What two refusals of the same kind have in common: the code, or the text where there is none. `None` for codes that are
/// known to say something else: an argument that CCM does not know, a call of the array that failed, a file that cannot be
/// opened, missing rights, and whatever its code or words give a class.
fn mark_of(refusal: &ArrayRefusal) -> Option<String> {
    const OTHERS: [&str; 5] = ["ccm1001", "ccm4012", "ccm4013", "ccm4014", "ccm5004"];
    let known = refusal.class != ErrorClass::Internal
        || OTHERS.contains(&refusal.code.as_str())
        || refusal.code.starts_with("ccm8")
        || refusal.code.starts_with("ccm9");
    let has_code = refusal.code != "ccm";
    (!known).then(|| if has_code { refusal.code.clone() } else { refusal.text.raw().to_owned() })
}

/// The beginning of an answer, fit for a log.
fn logged(bytes: &[u8]) -> String {
    let text = Untrusted::from_bytes(&bytes[..bytes.len().min(LOGGED)]).escaped();
    if bytes.len() > LOGGED { format!("{text} ... ({} bytes)", bytes.len()) } else { text }
}
