//! The line to the engine as the verbs use it, and what `main` wires behind it.

use super::array_arguments::Add;
use super::catalogue::Load;
use super::wait::Deadline;
use super::{CliError, Exit};
use crate::engine::client::{Client, ClientError, ENGINE_SILENCE_TIMEOUT, Snapshots, Start};
use crate::engine::protocol::{Answer, Ask};
use crate::model::check::Check;
use crate::model::codes::Code;
use crate::model::identity::{Name, VolumeId};
use crate::model::pages::{PAGE_ROWS, Page, PageList};
use crate::model::snapshot::{Reach, Snapshot};
use crate::model::untrusted::Untrusted;
use crate::model::verb::Role;
use crate::process::paths::Home;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long the first reading of an array is waited for before a verb looks at what there is.
const FIRST_READING: Duration = Duration::from_secs(5);
/// For the one thing that is still told once a time limit has passed.
const LAST_WORD: Duration = Duration::from_secs(2);

/// What a verb is going to do with the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Reading,
    Changing,
}

/// An array of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredArray {
    pub name: Name,
    /// As its table in the configuration names it.
    pub driver: &'static str,
    /// Of an embedded one: the home whose process it is in.
    pub home: Option<Home>,
}

/// Opens the line to the site's engine, and starts the engine if need be.
pub trait SiteContext: Send + Sync {
    fn open(&self, need: Need) -> BoxFuture<'_, Result<Link, CliError>>;

    /// Is the site's engine until asked to end. `detached`: a command started it.
    fn serve(&self, detached: bool) -> BoxFuture<'_, Result<(), CliError>>;

    /// The home of an embedded array that is named, or of those without a home of their own.
    fn arrays_home(&self, need: Need, array: Option<&str>) -> Result<Home, CliError>;

    /// All homes of embedded arrays: the site's own, and those that its configuration names.
    fn array_homes(&self, need: Need) -> Result<Vec<Home>, CliError>;

    /// Is the embedded arrays' process until asked to end. `detached`: a command started it.
    fn serve_arrays(&self, detached: bool) -> BoxFuture<'_, Result<(), CliError>>;

    /// Examines the way to an array of the configuration.
    fn examine_array<'a>(&'a self, array: &'a str) -> BoxFuture<'a, Result<Vec<Check>, CliError>>;

    /// Adds an array to the configuration.
    fn add_array<'a>(&'a self, asked: &'a Add) -> BoxFuture<'a, Result<Exit, CliError>>;

    /// Puts a saved copy of the catalogue in its place, while no engine runs.
    fn load_catalogue<'a>(&'a self, asked: &'a Load) -> BoxFuture<'a, Result<Exit, CliError>>;

    /// The arrays that the configuration of the site has, where there is one.
    fn configured_arrays(&self) -> Result<Vec<ConfiguredArray>, CliError>;

    /// The pid of the site's engine, where one runs.
    fn engine_pid(&self) -> Option<u32>;

    /// The words that chose the site, as they were typed.
    fn site_words(&self) -> Vec<String>;

    /// Whether documents are marked as the demonstration's.
    fn is_demo(&self) -> bool;
}

/// How often a lost line is tried again before the verb gives up, and the pause between.
const REOPENED: u32 = 20;
const REOPEN_PAUSE: Duration = Duration::from_millis(250);

/// A line to an engine.
pub trait Channel: Send {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'_, Result<Answer, CliError>>;

    /// The next snapshot that differs from the one given before; the first call gives the present one.
    fn next_snapshot(&mut self) -> BoxFuture<'_, Result<Arc<Snapshot>, CliError>>;

    /// From now on only these volumes are watched, with what belongs to them. Who has no way to do so shows all.
    fn watch_only(&mut self, _volumes: &[VolumeId]) {}

    /// For questions that are asked before they are needed, where several at once are possible.
    fn client(&self) -> Option<Client> {
        None
    }
}

/// The line to an engine's socket. It comes back by itself for questions that change nothing: the engine may be killed and
/// started again while a verb waits.
pub struct EngineLine {
    home: Home,
    start: Start,
    role: Option<Role>,
    client: Client,
    snapshots: Option<Snapshots>,
    /// What is watched; everything when `None`.
    only: Option<Vec<VolumeId>>,
}

impl EngineLine {
    /// `role`: the highest one to act in.
    pub async fn open(home: Home, start: Start, role: Option<Role>) -> Result<Self, CliError> {
        let client = Client::connect_as(&home, &start, role).await.map_err(|error| not_open(&error))?;
        Ok(Self { home, start, role, client, snapshots: None, only: None })
    }

    /// The digest of the configuration that the engine was started with.
    pub fn configuration(&self) -> Option<&str> {
        self.client.configuration()
    }

    async fn reopen(&mut self) -> Result<(), CliError> {
        let mut last = ClientError::Lost("it was closed".to_owned());
        for _ in 0..REOPENED {
            match Client::connect_as(&self.home, &self.start, self.role).await {
                Ok(client) => {
                    (self.client, self.snapshots) = (client, None);
                    return Ok(());
                }
                Err(error @ (ClientError::Mismatch(_) | ClientError::NotPermitted(_))) => return Err(not_open(&error)),
                Err(error) => last = error,
            }
            tokio::time::sleep(REOPEN_PAUSE).await;
        }
        Err(not_open(&last))
    }

    async fn ask_again_when_lost(&mut self, ask: Ask) -> Result<Answer, CliError> {
        loop {
            match self.client.ask(ask.clone()).await {
                Ok(answer) => return Ok(answer),
                Err(error @ ClientError::NotSent(_)) => return Err(CliError::usage(error.to_string())),
                Err(error) if matches!(ask, Ask::Run { .. }) => {
                    let code = Code::OUTCOME_UNKNOWN;
                    return Err(CliError::coded(code, format!("{error}; whether it was begun is not known ({code})")));
                }
                Err(error @ ClientError::Silent { .. }) => return Err(not_open(&error)),
                Err(_) => self.reopen().await?,
            }
        }
    }

    async fn next(&mut self) -> Result<Arc<Snapshot>, CliError> {
        loop {
            if let Some(snapshots) = &mut self.snapshots {
                let changed = tokio::select! {
                    changed = snapshots.changed() => changed.is_ok(),
                    error = self.client.silent_for(ENGINE_SILENCE_TIMEOUT) => return Err(not_open(&error)),
                };
                if changed && let Some(snapshot) = snapshots.borrow_and_update().clone() {
                    return Ok(snapshot);
                }
                self.reopen().await?;
            }
            let watching = match self.only.clone() {
                None => self.client.watch().await,
                Some(only) => self.client.watch_volumes(only).await,
            };
            match watching {
                Ok(mut snapshots) => {
                    let first = snapshots.borrow_and_update().clone();
                    self.snapshots = Some(snapshots);
                    if let Some(first) = first {
                        return Ok(first);
                    }
                }
                Err(error @ ClientError::Silent { .. }) => return Err(not_open(&error)),
                Err(_) => self.reopen().await?,
            }
        }
    }
}

impl Channel for EngineLine {
    fn ask(&mut self, ask: Ask) -> BoxFuture<'_, Result<Answer, CliError>> {
        Box::pin(self.ask_again_when_lost(ask))
    }

    fn next_snapshot(&mut self) -> BoxFuture<'_, Result<Arc<Snapshot>, CliError>> {
        Box::pin(self.next())
    }

    fn watch_only(&mut self, volumes: &[VolumeId]) {
        (self.only, self.snapshots) = (Some(volumes.to_vec()), None);
    }

    fn client(&self) -> Option<Client> {
        Some(self.client.clone())
    }
}

/// Pages that are asked for before they are wanted, so that the engine makes the next one while the last one is printed.
const PAGES_AHEAD: usize = 3;

/// A page that was asked for.
struct PageAhead {
    list: PageList,
    from: usize,
    answer: JoinHandle<Result<Answer, ClientError>>,
}

fn not_open(error: &ClientError) -> CliError {
    match error {
        ClientError::Mismatch(text) => {
            CliError::coded(Code::ENGINE_MISMATCH, format!("{text} ({})", Code::ENGINE_MISMATCH))
        }
        ClientError::Start(text) => {
            let code = Code::named_in(text).unwrap_or(Code::ENGINE_NOT_STARTED);
            CliError::not_reachable(text.clone()).with_code(code)
        }
        ClientError::NotPermitted(text) => {
            CliError::coded(Code::NOT_AUTHORISED, format!("{text} ({})", Code::NOT_AUTHORISED))
        }
        ClientError::Full(text) => CliError::coded(Code::ENGINE_FULL, format!("{text} ({})", Code::ENGINE_FULL)),
        other => CliError::not_reachable(other.to_string()),
    }
}

/// The line, with the questions that verbs have.
pub struct Link {
    channel: Box<dyn Channel>,
    site: Vec<String>,
    deadline: Deadline,
    /// The engine's process, where it is known: whom a bounded wait names.
    engine: Option<u32>,
    /// In the order in which they are wanted.
    ahead: VecDeque<PageAhead>,
}

impl Link {
    /// `site`: the words that chose it, to be repeated in command lines that are offered.
    pub fn new(channel: impl Channel + 'static, site: Vec<String>) -> Self {
        Self { channel: Box::new(channel), site, deadline: Deadline::default(), engine: None, ahead: VecDeque::new() }
    }

    /// The same line, to the engine with this pid.
    #[must_use]
    pub fn to_engine(self, pid: Option<u32>) -> Self {
        Self { engine: pid, ..self }
    }

    /// From now on no question waits longer than this for its answer.
    pub fn bound_by(&mut self, deadline: Deadline) {
        self.deadline = deadline;
    }

    pub fn site(&self) -> &[String] {
        &self.site
    }

    /// Asks, and makes an engine that could not into an error. Only the ends of operations are waited for without a bound
    /// of its own: who asks for them bounds it.
    pub async fn ask(&mut self, ask: Ask) -> Result<Answer, CliError> {
        let runs = matches!(ask, Ask::Run { .. });
        let answer = if matches!(ask, Ask::Wait { .. }) {
            self.channel.ask(ask).await
        } else {
            let engine = self.engine;
            self.deadline
                .bound(|| format!("{}, which has not answered", engine_name(engine)), self.channel.ask(ask))
                .await
        };
        match answer {
            Err(cli_error) if runs && cli_error.exit == Exit::TimeLimit => {
                let code = Code::OUTCOME_UNKNOWN;
                Err(CliError::coded(code, format!("{}; whether it was begun is not known ({code})", cli_error.text)))
            }
            answer => made_sure(answer?),
        }
    }

    /// Tells the engine something once the time limit has passed; whether it was heard. It has a moment of its own for that.
    pub async fn last_word(&mut self, ask: Ask) -> bool {
        tokio::time::timeout(LAST_WORD, self.channel.ask(ask)).await.is_ok_and(|answer| answer.is_ok())
    }

    pub async fn next_snapshot(&mut self) -> Result<Arc<Snapshot>, CliError> {
        self.channel.next_snapshot().await
    }

    /// A snapshot after every array was asked anew, for its volumes too: somebody may just have made one.
    pub async fn reread(&mut self) -> Result<Arc<Snapshot>, CliError> {
        self.asked(Ask::Reread).await
    }

    /// A snapshot that every array has been asked for, as far as they answer within a few seconds.
    pub async fn snapshot(&mut self) -> Result<Arc<Snapshot>, CliError> {
        match self.asked(Ask::Snapshot).await? {
            snapshot if is_waiting(&snapshot) => self.first_reading().await,
            snapshot => Ok(snapshot),
        }
    }

    /// Has the engine keep one moment of the site for this line, and gives it without rows: [`Self::page`] brings them.
    pub async fn open_pages(&mut self) -> Result<Arc<Snapshot>, CliError> {
        let site = self.opened_pages().await?;
        if !is_waiting(&site) {
            return Ok(site);
        }
        // The arrays alone tell when they have been read.
        self.watch_only(&[]);
        self.first_reading().await?;
        self.opened_pages().await
    }

    async fn opened_pages(&mut self) -> Result<Arc<Snapshot>, CliError> {
        match self.ask(Ask::OpenPages).await? {
            Answer::PagesOpened { site } => Ok(Arc::from(site)),
            other => Err(unexpected(&other)),
        }
    }

    /// Whether the site is the demonstration's: what a document says of it, where it says nothing of volumes.
    pub async fn is_demo(&mut self) -> Result<bool, CliError> {
        Ok(self.asked(Ask::View { names: Vec::new(), volumes: Vec::new() }).await?.site.demo)
    }

    /// A page of the moment that was held last. It is not bound by the verb's deadline: who reads what is printed may take
    /// his time.
    pub async fn page(&mut self, list: PageList, from: usize) -> Result<Page, CliError> {
        let answer = match self.asked_ahead(list, from) {
            Some(answer) => answer.await.ok().and_then(Result::ok),
            None => None,
        };
        let answer = match answer {
            Some(answer) => answer,
            // A line that was lost is opened again, and the engine says what became of the moment.
            None => self.channel.ask(Ask::Page { list, from }).await?,
        };
        match made_sure(answer)? {
            Answer::Page(page) => {
                if page.next.is_none() {
                    self.ahead.clear();
                }
                Ok(page)
            }
            other => Err(unexpected(&other)),
        }
    }

    /// The answer to this page, if it was asked for, and those after it are. One that is past the end has no row.
    fn asked_ahead(&mut self, list: PageList, from: usize) -> Option<JoinHandle<Result<Answer, ClientError>>> {
        let client = self.channel.client()?;
        if self.ahead.front().is_some_and(|page| (page.list, page.from) != (list, from)) {
            self.ahead.clear();
        }
        while self.ahead.len() < PAGES_AHEAD {
            let from = self.ahead.back().map_or(from, |last| last.from + PAGE_ROWS);
            let client = client.clone();
            let answer = tokio::spawn(async move { client.ask(Ask::Page { list, from }).await });
            self.ahead.push_back(PageAhead { list, from, answer });
        }
        self.ahead.pop_front().map(|page| page.answer)
    }

    /// As [`Self::snapshot`], of the volumes with these names and what belongs to them: a verb on one volume costs the same on
    /// a large site. All of the site where one of the names is not known.
    pub async fn view<S: AsRef<str>>(&mut self, names: &[S]) -> Result<Arc<Snapshot>, CliError> {
        let names = names.iter().map(|name| name.as_ref().to_owned()).collect();
        self.viewed(Ask::View { names, volumes: Vec::new() }).await
    }

    /// As [`Self::view`], of these volumes.
    pub async fn view_of(&mut self, volumes: Vec<VolumeId>) -> Result<Arc<Snapshot>, CliError> {
        self.viewed(Ask::View { names: Vec::new(), volumes }).await
    }

    async fn viewed(&mut self, view: Ask) -> Result<Arc<Snapshot>, CliError> {
        match self.asked(view.clone()).await? {
            snapshot if is_waiting(&snapshot) => {
                self.first_reading().await?;
                self.asked(view).await
            }
            snapshot => Ok(snapshot),
        }
    }

    /// A snapshot of the same volumes, and of those that an answer names beside them, so that it can speak of each by its name.
    pub async fn with_all_in(
        &mut self,
        snapshot: Arc<Snapshot>,
        answer: &impl Serialize,
    ) -> Result<Arc<Snapshot>, CliError> {
        let mut named = volumes_in(&serde_json::to_value(answer).unwrap_or_default());
        if named.iter().all(|id| snapshot.knows(*id)) {
            return Ok(snapshot);
        }
        named.extend(snapshot.transaction_volumes.iter().map(|view| view.volume.id));
        named.extend(snapshot.pool.iter().map(|view| view.volume.id));
        self.view_of(named.into_iter().collect()).await
    }

    /// From now on [`Self::next_snapshot`] shows only these volumes, with what belongs to them.
    pub fn watch_only(&mut self, volumes: &[VolumeId]) {
        self.channel.watch_only(volumes);
    }

    async fn asked(&mut self, ask: Ask) -> Result<Arc<Snapshot>, CliError> {
        match self.ask(ask).await? {
            Answer::Snapshot { snapshot } => Ok(Arc::from(snapshot)),
            other => Err(unexpected(&other)),
        }
    }

    async fn first_reading(&mut self) -> Result<Arc<Snapshot>, CliError> {
        let until = Instant::now() + FIRST_READING;
        let engine = self.engine;
        let whom = || format!("the first snapshot of {}", engine_name(engine));
        let mut newest = self.deadline.bound(whom, self.channel.next_snapshot()).await?;
        while is_waiting(&newest) {
            match tokio::time::timeout_at(until, self.next_snapshot()).await {
                Ok(snapshot) => newest = snapshot?,
                Err(_) => break,
            }
        }
        Ok(newest)
    }
}

/// Every volume that a document names, wherever: an answer that grows needs no line here.
fn volumes_in(document: &Value) -> BTreeSet<VolumeId> {
    match document {
        Value::String(text) => text.parse().into_iter().collect(),
        Value::Array(list) => list.iter().flat_map(volumes_in).collect(),
        Value::Object(fields) => fields.values().flat_map(volumes_in).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => BTreeSet::new(),
    }
}

fn made_sure(answer: Answer) -> Result<Answer, CliError> {
    match answer {
        Answer::Failed { why, code: Some(code) } => Err(CliError::coded(code, format!("{why} ({code})"))),
        Answer::Failed { why, code: None } => Err(CliError::failed(why)),
        answer => Ok(answer),
    }
}

/// `the engine (pid 4711)`.
pub fn engine_name(pid: Option<u32>) -> String {
    pid.map_or_else(|| "the engine".to_owned(), |pid| format!("the engine (pid {pid})"))
}

fn is_waiting(snapshot: &Snapshot) -> bool {
    snapshot.arrays.iter().any(|array| array.reach == Reach::Waiting)
}

/// An answer to another question than the one that was asked.
pub fn unexpected(answer: &Answer) -> CliError {
    let json = serde_json::to_string(answer).unwrap_or_default();
    let short: String = json.chars().take(80).collect();
    CliError::failed(format!("the engine answered something else than was asked: {}", Untrusted::new(short).escaped()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_an_engine_that_does_not_come_up_is_the_code_of_the_verb() {
        let text = "the engine could not be started: the catalogue is another one; put it back (ecd-1904)";
        let cli_error = not_open(&ClientError::Start(text.to_owned()));
        assert_eq!((cli_error.code, cli_error.exit), (Some(Code::CATALOGUE_REPLACED), Exit::NotReachable));
        assert_eq!(not_open(&ClientError::Start("no memory".to_owned())).code, Some(Code::ENGINE_NOT_STARTED));
    }
}
