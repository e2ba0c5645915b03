//! The engine's clients: one line to it for questions and snapshots, and one that comes back by itself for the console.

use super::clock::now;
use super::protocol::{Answer, Ask, Message, Question, REMEDY, hello};
use crate::model::identity::VolumeId;
use crate::model::pages::FirstRows;
use crate::model::pieces::Assembly;
use crate::model::snapshot::Snapshot;
use crate::model::units::Timestamp;
use crate::model::untrusted;
use crate::model::verb::Role;
use crate::process::frames::{FrameError, FrameReader, Hello, encode, encode_for_server, greet};
use crate::process::instance;
use crate::process::paths::Home;
use crate::process::peer::{HowToEnd, group_name};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// What the program is started with to become an engine that was started by a command: it says when it is ready, and ends
/// by itself when it has been idle for a while. What names the configuration follows.
pub const SERVE_ARGUMENTS: [&str; 2] = ["serve", "--detached"];
/// Questions that wait to be written; a person does not ask faster.
const MAX_WAITING: usize = 64;
/// An engine that accepts a line but does not greet is stuck.
const GREETING_TIMEOUT: Duration = Duration::from_secs(10);
/// Heartbeats of the engine that may be missed before it counts as silent.
const MISSED_HEARTBEATS: u32 = 3;
/// A question is given up when the engine has given no sign of life for so long.
pub const ENGINE_SILENCE_TIMEOUT: Duration = Duration::from_secs(20);
/// How long an engine that was killed may take to be gone, and the pause before it is tried again.
const DYING_LIMIT: Duration = Duration::from_secs(3);
const DYING_PAUSE: Duration = Duration::from_millis(20);
const FIRST_RETRY: Duration = Duration::from_millis(200);
const MAX_RETRY: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    #[error("no engine answers at {0}: start it with `ecdeck serve`")]
    NoEngine(String),
    #[error("the engine of this host's service does not answer at {0}: root starts it with `systemctl start ecdeck`")]
    NoService(String),
    /// The socket is not for this user (code 1001).
    #[error("{0}")]
    NotPermitted(String),
    /// The engine takes no more clients.
    #[error("{0}")]
    Full(String),
    #[error("{0}")]
    Start(String),
    /// The engine is of another version (code 1903).
    #[error("{0}")]
    Mismatch(String),
    #[error("the line to the engine was lost: {0}; its operations continue")]
    Lost(String),
    /// It was not sent, and sending it again would not help.
    #[error("the request cannot be sent: {0}; name fewer volumes at a time")]
    NotSent(String),
    /// The line stands, and nothing comes.
    #[error(
        "{engine} has given no sign of life for {seconds} s: it may be stopped or wait for a disk; look at its log, end it \
         (SIGTERM, then SIGKILL) and repeat: the next one goes on where it was"
    )]
    Silent { engine: String, seconds: u64 },
}

/// Whether an engine is started where none runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    Never,
    /// The engine is this host's service: whoever manages services starts it.
    ByServiceManager,
    /// With these arguments after [`SERVE_ARGUMENTS`].
    IfNeeded {
        arguments: Vec<String>,
    },
}

/// Snapshots as they come, the latest one only; `None` before the first.
pub type Snapshots = watch::Receiver<Option<Arc<Snapshot>>>;

/// The rows that a screen shows while the first snapshot of a large site is on its way; `None` before they come.
pub type FirstRowsWatch = watch::Receiver<Option<Arc<FirstRows>>>;

/// Rows of transaction volumes that come before the first snapshot: more than a tall screen has.
const FIRST_ROWS: u16 = 100;

/// Where what a line brings to a watching client goes.
#[derive(Debug, Clone, Default)]
struct Shown {
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    first: watch::Sender<Option<Arc<FirstRows>>>,
}

/// One line to the engine. Clones share it; questions are answered in any order.
#[derive(Debug, Clone)]
pub struct Client {
    line: Arc<Line>,
}

#[derive(Debug)]
struct Line {
    frames: mpsc::Sender<Vec<u8>>,
    waiting: Arc<Waiting>,
    next_number: AtomicU64,
    snapshots: Snapshots,
    lost: watch::Receiver<Option<ClientError>>,
    silence: watch::Receiver<Option<Instant>>,
    pid: Option<u32>,
    /// What the engine said of its configuration.
    configuration: Option<String>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Line {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Questions without an answer yet.
#[derive(Debug, Default)]
struct Waiting(Mutex<HashMap<u64, oneshot::Sender<Answer>>>);

impl Waiting {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<u64, oneshot::Sender<Answer>>) -> T) -> T {
        act(&mut self.0.lock())
    }
}

impl Client {
    /// Connects to the home's engine, starting one where that is allowed and none runs.
    pub async fn connect(home: &Home, start: &Start) -> Result<Self, ClientError> {
        Self::connect_as(home, start, None).await
    }

    /// As [`Self::connect`]. `role`: the highest one to act in, for who gives up rights.
    pub async fn connect_as(home: &Home, start: &Start, role: Option<Role>) -> Result<Self, ClientError> {
        Self::open(home, start, role, &Shown::default()).await
    }

    async fn open(home: &Home, start: &Start, role: Option<Role>, shown: &Shown) -> Result<Self, ClientError> {
        let deadline = tokio::time::Instant::now() + DYING_LIMIT;
        loop {
            match Self::open_once(home, start, role, shown.clone()).await {
                // An engine that was just killed still takes a line, and loses it.
                Err(ClientError::Lost(_)) if *start != Start::Never && tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(DYING_PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    async fn open_once(home: &Home, start: &Start, role: Option<Role>, shown: Shown) -> Result<Self, ClientError> {
        let socket = home.engine().socket;
        let stream = match (UnixStream::connect(&socket).await, start) {
            (Ok(stream), _) => stream,
            (Err(error), _) if error.kind() == ErrorKind::PermissionDenied => {
                return Err(ClientError::NotPermitted(not_permitted(&socket)));
            }
            (Err(error), _) if error.kind() == ErrorKind::WouldBlock => {
                let socket = socket.display();
                return Err(ClientError::Full(format!(
                    "the engine at {socket} is busy: more clients wait than it can accept; try again"
                )));
            }
            (Err(_), Start::IfNeeded { arguments }) => {
                start_engine(home, arguments).await?;
                UnixStream::connect(&socket).await.map_err(|error| ClientError::Lost(error.to_string()))?
            }
            (Err(_), Start::Never) => return Err(ClientError::NoEngine(socket.display().to_string())),
            (Err(_), Start::ByServiceManager) => return Err(ClientError::NoService(socket.display().to_string())),
        };
        Self::over(stream, role, shown).await
    }

    /// Speaks with an engine over a line that is there already.
    async fn over(stream: UnixStream, role: Option<Role>, shown: Shown) -> Result<Self, ClientError> {
        let process = HowToEnd::peer(&stream, true);
        let (reader, mut writer) = stream.into_split();
        let mut reader = FrameReader::new(reader);
        let ours = Hello { role: role.map(|role| role.to_string()), ..hello() };
        let greeting = greet(&mut reader, &mut writer, &ours, REMEDY);
        let theirs = match tokio::time::timeout(GREETING_TIMEOUT, greeting).await {
            Ok(Ok(theirs)) => theirs,
            Ok(Err(FrameError::Mismatch(mismatch))) => {
                return Err(ClientError::Mismatch(mismatch.of_process(process).to_string()));
            }
            Ok(Err(FrameError::Full(why))) => return Err(ClientError::Full(why)),
            Ok(Err(error)) => return Err(ClientError::Lost(error.to_string())),
            Err(_) => {
                let pid = process.map_or_else(String::new, |process| format!(" (pid {})", process.pid));
                let why = format!("the engine{pid} accepts it and says nothing for {} s", GREETING_TIMEOUT.as_secs());
                return Err(ClientError::Lost(why));
            }
        };
        let (frames, outgoing) = mpsc::channel(MAX_WAITING);
        let waiting = Arc::new(Waiting::default());
        let (told, lost) = watch::channel(None);
        let (silent, silence) = watch::channel(None);
        let line = Line {
            silence,
            pid: process.map(|process| process.pid),
            frames: frames.clone(),
            waiting: Arc::clone(&waiting),
            next_number: AtomicU64::new(1),
            snapshots: shown.snapshots.subscribe(),
            lost,
            configuration: theirs.configuration,
            tasks: [
                tokio::spawn(write(writer, outgoing)),
                tokio::spawn(async move {
                    let (assembly, waiting_for) = (Assembly::default(), &waiting);
                    let reading = Reading {
                        reader,
                        assembly,
                        waiting: waiting_for,
                        shown: &shown,
                        frames: &frames,
                        silent: &silent,
                    };
                    let why = reading.run().await;
                    // Told first: a question that comes between finds one of the two.
                    told.send_replace(Some(ClientError::Lost(why)));
                    waiting.with(HashMap::clear);
                }),
            ],
        };
        Ok(Self { line: Arc::new(line) })
    }

    /// The digest of the configuration that the engine serves, where it tells.
    pub fn configuration(&self) -> Option<&str> {
        self.line.configuration.as_deref()
    }

    /// Asks, and waits for the answer for as long as the engine gives signs of life. Dropping the future forgets the answer,
    /// not the question.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, ClientError> {
        tokio::select! {
            biased;
            answer = self.ask_without_limit(ask) => answer,
            error = self.silent_for(ENGINE_SILENCE_TIMEOUT) => Err(error),
        }
    }

    async fn ask_without_limit(&self, ask: Ask) -> Result<Answer, ClientError> {
        let number = self.line.next_number.fetch_add(1, Ordering::Relaxed);
        let (sender, answer) = oneshot::channel();
        self.line.waiting.with(|waiting| waiting.insert(number, sender));
        let frame =
            encode_for_server(&Question { number, ask }).map_err(|error| ClientError::NotSent(error.to_string()))?;
        if self.line.frames.send(frame).await.is_err() || self.line.lost.borrow().is_some() {
            return Err(self.why_lost());
        }
        answer.await.map_err(|_| self.why_lost())
    }

    /// Since when the engine has given no sign of life; `None` while it has missed fewer than three heartbeats.
    pub fn silence(&self) -> watch::Receiver<Option<Instant>> {
        self.line.silence.clone()
    }

    /// Waits until the engine has given no sign of life for so long, and at least for three heartbeats. Gives the sentence
    /// for it. A wait for snapshots or for anything else that the engine should bring is bounded by this.
    pub async fn silent_for(&self, limit: Duration) -> ClientError {
        let mut silence = self.silence();
        loop {
            let since = *silence.borrow_and_update();
            let limit_passed = async {
                match since {
                    Some(since) => tokio::time::sleep_until(since + limit).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                changed = silence.changed() => if changed.is_err() {
                    // The line was lost, which is another matter.
                    std::future::pending::<()>().await;
                },
                () = limit_passed => {
                    let seconds = since.map_or(limit, |since| since.elapsed()).as_secs();
                    return ClientError::Silent { engine: self.engine(), seconds };
                }
            }
        }
    }

    /// The engine as errors name it: with its pid, where the socket tells it.
    pub fn engine(&self) -> String {
        self.line.pid.map_or_else(|| "the engine".to_owned(), |pid| format!("the engine (pid {pid})"))
    }

    /// Begins to watch: gives snapshots from now on, the first one being there already.
    pub async fn watch(&self) -> Result<Snapshots, ClientError> {
        self.watch_as(Ask::Watch).await
    }

    /// As [`Self::watch`], of a few volumes and what belongs to them only.
    pub async fn watch_volumes(&self, volumes: Vec<VolumeId>) -> Result<Snapshots, ClientError> {
        self.watch_as(Ask::WatchVolumes { volumes }).await
    }

    async fn watch_as(&self, ask: Ask) -> Result<Snapshots, ClientError> {
        self.ask(ask).await?;
        let mut snapshots = self.line.snapshots.clone();
        let mut lost = self.line.lost.clone();
        tokio::select! {
            first = async { snapshots.wait_for(Option::is_some).await.is_ok() } => {
                if !first {
                    return Err(self.why_lost());
                }
            }
            _ = lost.wait_for(Option::is_some) => return Err(self.why_lost()),
            error = self.silent_for(ENGINE_SILENCE_TIMEOUT) => return Err(error),
        }
        Ok(snapshots)
    }

    /// Waits until the line is lost, and tells why.
    pub async fn lost(&self) -> ClientError {
        let mut lost = self.line.lost.clone();
        let _ = lost.wait_for(Option::is_some).await;
        self.why_lost()
    }

    fn why_lost(&self) -> ClientError {
        self.line.lost.borrow().clone().unwrap_or_else(|| ClientError::Lost("it was closed".to_owned()))
    }
}

/// Why this user does not reach a socket, and who can change that.
fn not_permitted(socket: &Path) -> String {
    let group = |path: &Path| {
        let found = path.metadata().ok()?;
        let open = found.mode() & 0o070 != 0;
        open.then(|| group_name(found.gid()).unwrap_or_else(|| format!("#{}", found.gid())))
    };
    let shown = untrusted::path(socket);
    // A folder that may not be entered hides the socket.
    match socket.ancestors().find_map(|path| path.metadata().is_ok().then(|| group(path))).flatten() {
        Some(group) => format!(
            "the engine at {shown} is for the members of the group {}: ask an administrator of this host to add you to it, \
             and log in again",
            untrusted::escaped(&group)
        ),
        None => format!(
            "the engine at {shown} is for the user that it runs as: ask an administrator of this host for a role"
        ),
    }
}

async fn start_engine(home: &Home, arguments: &[String]) -> Result<(), ClientError> {
    let home = home.clone();
    let arguments = arguments.to_vec();
    let start = move || {
        let all: Vec<&str> = SERVE_ARGUMENTS.into_iter().chain(arguments.iter().map(String::as_str)).collect();
        instance::start_detached(&home, &home.engine(), &all)
    };
    match tokio::task::spawn_blocking(start).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(ClientError::Start(error.to_string())),
        Err(error) => Err(ClientError::Start(error.to_string())),
    }
}

async fn write(mut writer: OwnedWriteHalf, mut frames: mpsc::Receiver<Vec<u8>>) {
    while let Some(frame) = frames.recv().await {
        // A line that cannot be written is lost for reading as well: the reader tells why.
        if writer.write_all(&frame).await.is_err() {
            return;
        }
    }
}

/// The reading side of a line.
struct Reading<'a> {
    reader: FrameReader<OwnedReadHalf>,
    /// The pieces of the snapshot that is on its way.
    assembly: Assembly,
    waiting: &'a Waiting,
    shown: &'a Shown,
    frames: &'a mpsc::Sender<Vec<u8>>,
    /// Since when nothing came, once that is too long.
    silent: &'a watch::Sender<Option<Instant>>,
}

impl Reading<'_> {
    /// Reads until the line is lost, and gives the reason. Our own heartbeat rides on what comes in: it costs no wake-up.
    async fn run(mut self) -> String {
        // Until the engine has said how often it gives a sign of life.
        let mut every = GREETING_TIMEOUT / MISSED_HEARTBEATS;
        let mut last = Instant::now();
        let mut answered = last;
        loop {
            let received = if self.silent.borrow().is_some() {
                self.reader.receive::<Message>().await
            } else {
                let limit = last + every * MISSED_HEARTBEATS;
                let Ok(received) = tokio::time::timeout_at(limit, self.reader.receive()).await else {
                    self.silent.send_replace(Some(last));
                    continue;
                };
                received
            };
            last = Instant::now();
            self.silent.send_if_modified(|silent| silent.take().is_some());
            match received {
                Ok(Some(Message::Heartbeat { every_millis })) => every = Duration::from_millis(every_millis.into()),
                Ok(Some(message)) => self.take(message).await,
                Ok(None) => return "the engine closed it".to_owned(),
                Err(error) => return error.to_string(),
            }
            if last - answered >= every {
                answered = last;
                self.ask_nobody(Ask::Alive).await;
            }
        }
    }

    async fn take(&mut self, message: Message) {
        match message {
            Message::Answer { number, mut answer } => {
                if let Answer::Snapshot { snapshot } = &mut *answer {
                    std::mem::take(&mut self.assembly).finish(snapshot);
                }
                if let Some(sender) = self.waiting.with(|waiting| waiting.remove(&number)) {
                    let _ = sender.send(*answer);
                }
            }
            Message::Snapshot { mut snapshot } => {
                std::mem::take(&mut self.assembly).finish(&mut snapshot);
                self.shown.snapshots.send_replace(Some(Arc::from(snapshot)));
                self.shown.first.send_replace(None);
            }
            Message::Piece { piece } => self.assembly.take(piece),
            Message::FirstRows { first } => {
                self.shown.first.send_replace(Some(Arc::new(first)));
            }
            Message::Change { change } => {
                let mut fits = true;
                self.shown.snapshots.send_modify(|current| {
                    fits = current.as_mut().is_some_and(|current| change.apply(Arc::make_mut(current)).is_ok());
                });
                if !fits {
                    self.ask_nobody(Ask::Watch).await;
                }
            }
            Message::Heartbeat { .. } => {}
        }
    }

    /// Number 0 is nobody's: its answer is dropped, what follows it is not.
    async fn ask_nobody(&self, ask: Ask) {
        if let Ok(frame) = encode(&Question { number: 0, ask }) {
            let _ = self.frames.send(frame).await;
        }
    }
}

/// How the console stands with the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Connection {
    Connecting,
    Connected,
    /// The line stands, and the engine has given no sign of life for three heartbeats.
    Silent {
        since: Timestamp,
        engine: String,
    },
    Lost {
        why: String,
        retry_at: Timestamp,
    },
}

/// A line that comes back by itself. The last snapshot stays while it is lost.
#[derive(Debug)]
pub struct ReconnectingClient {
    client: watch::Receiver<Option<Client>>,
    snapshots: Snapshots,
    first: FirstRowsWatch,
    connection: watch::Receiver<Connection>,
    task: JoinHandle<()>,
}

impl Drop for ReconnectingClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ReconnectingClient {
    /// Begins to connect and returns at once.
    pub fn open(home: Home, start: Start) -> Self {
        let shown = Shown::default();
        let (snapshots, first) = (shown.snapshots.subscribe(), shown.first.subscribe());
        let (connection_in, connection) = watch::channel(Connection::Connecting);
        let (client_in, client) = watch::channel(None);
        let task = tokio::spawn(async move {
            let mut pause = FIRST_RETRY;
            loop {
                let opened = async {
                    let client = Client::open(&home, &start, None, &shown).await?;
                    // Who has a snapshot goes on showing that one until the next is whole.
                    let is_first = shown.snapshots.borrow().is_none();
                    client.ask(Ask::WatchScreen { rows: if is_first { FIRST_ROWS } else { 0 } }).await?;
                    Ok::<_, ClientError>(client)
                };
                let error = match opened.await {
                    Ok(client) => {
                        pause = FIRST_RETRY;
                        client_in.send_replace(Some(client.clone()));
                        connection_in.send_replace(Connection::Connected);
                        let error = tokio::select! {
                            error = client.lost() => error,
                            () = report_silence(&client, &connection_in) => client.why_lost(),
                        };
                        client_in.send_replace(None);
                        error
                    }
                    Err(error) => error,
                };
                let retry_at = now().plus_millis(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX));
                connection_in.send_replace(Connection::Lost { why: error.to_string(), retry_at });
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_RETRY);
            }
        });
        Self { client, snapshots, first, connection, task }
    }

    pub fn snapshots(&self) -> Snapshots {
        self.snapshots.clone()
    }

    /// What can be shown before the first snapshot of a large site is whole; nothing once it is.
    pub fn first_rows(&self) -> FirstRowsWatch {
        self.first.clone()
    }

    pub fn connection(&self) -> watch::Receiver<Connection> {
        self.connection.clone()
    }

    /// Something that can ask, for as long as this lives, whatever becomes of the line meanwhile.
    pub fn asker(&self) -> Asker {
        Asker { client: self.client.clone(), connection: self.connection.clone() }
    }
}

/// Says how the line stands whenever the engine falls silent or is back. Ends with the line.
async fn report_silence(client: &Client, connection: &watch::Sender<Connection>) {
    let mut silence = client.silence();
    while silence.changed().await.is_ok() {
        let state = match *silence.borrow_and_update() {
            None => Connection::Connected,
            Some(since) => {
                let millis = i64::try_from(since.elapsed().as_millis()).unwrap_or(i64::MAX);
                Connection::Silent { since: now().plus_millis(-millis), engine: client.engine() }
            }
        };
        connection.send_replace(state);
    }
}

/// Asks over a line that comes back by itself.
#[derive(Debug, Clone)]
pub struct Asker {
    client: watch::Receiver<Option<Client>>,
    connection: watch::Receiver<Connection>,
}

impl Asker {
    /// Asks if there is a line, and says why not if there is none.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, ClientError> {
        let client = self.client.borrow().clone();
        match client {
            Some(client) => client.ask(ask).await,
            None => Err(match &*self.connection.borrow() {
                Connection::Lost { why, .. } => ClientError::Lost(why.clone()),
                _ => ClientError::Lost("not connected yet".to_owned()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client, and the engine's end of its line, which gives signs of life only when a test makes it.
    async fn line() -> (Client, FrameReader<OwnedReadHalf>, OwnedWriteHalf) {
        let (near, far) = UnixStream::pair().unwrap();
        let (reader, mut writer) = far.into_split();
        let mut reader = FrameReader::new(reader);
        let ours = hello();
        let (client, greeted) =
            tokio::join!(Client::over(near, None, Shown::default()), greet(&mut reader, &mut writer, &ours, REMEDY));
        greeted.unwrap();
        (client.unwrap(), reader, writer)
    }

    async fn beat(writer: &mut OwnedWriteHalf, every_millis: u32) {
        let frame = encode(&Message::Heartbeat { every_millis }).unwrap();
        writer.write_all(&frame).await.unwrap();
    }

    #[tokio::test]
    async fn an_engine_that_misses_three_heartbeats_is_silent_until_its_next_sign_of_life() {
        let (client, _reader, mut writer) = line().await;
        let mut silence = client.silence();
        beat(&mut writer, 5).await;
        let since = silence.wait_for(Option::is_some).await.unwrap().unwrap();
        assert!(since.elapsed() >= Duration::from_millis(15), "{:?}", since.elapsed());
        let limit = Duration::from_millis(20);
        let ClientError::Silent { engine, .. } = client.silent_for(limit).await else { panic!("another error") };
        assert_eq!(engine, format!("the engine (pid {})", std::process::id()));
        assert!(since.elapsed() >= limit);
        beat(&mut writer, 60_000).await;
        silence.wait_for(Option::is_none).await.unwrap();
    }

    #[tokio::test]
    async fn a_question_to_an_engine_that_lives_is_waited_for_and_the_client_gives_signs_of_life() {
        let (client, mut reader, mut writer) = line().await;
        let asked = tokio::spawn(async move { (client.ask(Ask::ChainHead).await, client) });
        let Some(Question { number, ask: Ask::ChainHead }) = reader.receive().await.unwrap() else {
            panic!("no question")
        };
        // The client's own heartbeat needs a message to ride on.
        loop {
            beat(&mut writer, 1).await;
            let question = tokio::time::timeout(Duration::from_millis(1), reader.receive::<Question>()).await;
            if let Ok(question) = question {
                assert_eq!(question.unwrap(), Some(Question { number: 0, ask: Ask::Alive }));
                break;
            }
        }
        let answer = Message::Answer { number, answer: Box::new(Answer::Watching) };
        writer.write_all(&encode(&answer).unwrap()).await.unwrap();
        assert_eq!(asked.await.unwrap().0, Ok(Answer::Watching));
    }
}
