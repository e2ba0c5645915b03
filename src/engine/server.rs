//! The engine's end of its socket: greets, hears questions, gives answers and snapshots. No client can slow the engine.

use super::core::Core;
use super::hosts::Hosts;
use super::ledger::Ledger;
use super::notifier::NotifyTest;
use super::protocol::{Answer, Ask, Message, Question, REMEDY, hello};
use super::roles::{Caller, Roles};
use super::runner::{HostReading, Runner};
use crate::catalog::{CatalogueError, EventRange, Generations, HistoryQuery, Outside};
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::pieces::{PIECE_ROWS, Piece};
use crate::model::snapshot::Snapshot;
use crate::model::snapshot_change::SnapshotChange;
use crate::model::verb::Role;
use crate::process::admission::{Admission, turn_away};
use crate::process::frames::{FrameError, FrameMemory, FrameReader, Hello, encode, greet};
use crate::process::peer;
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Memory for the long questions of all clients together.
const QUESTION_MEMORY: usize = 64 << 20;
/// Questions of one client that are being answered.
const MAX_QUESTIONS: usize = 64;
/// Rows of one answer.
const MAX_ROWS: u32 = 10_000;
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
/// A client that takes nothing for so long is let go.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// The shortest and the longest pause between heartbeats: often enough to notice a stuck engine, and rarer than polls
/// usually come, so that an idle client is woken by polls only.
const HEARTBEAT: RangeInclusive<Duration> = Duration::from_secs(2)..=Duration::from_secs(6);
/// A client without a sign of life for so long is let go. It may be a verb that waits for a person's yes, or a stopped job.
const CLIENT_SILENCE_TIMEOUT: Duration = Duration::from_hours(1);
/// When no line can be accepted because the process has no descriptors left.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Everything that answering needs. Clones share it.
#[derive(Clone)]
pub struct Server {
    core: Arc<Core>,
    ledger: Ledger,
    runner: Runner,
    hosts: Hosts,
    roles: Arc<Roles>,
    clients: Admission,
    memory: FrameMemory,
    encoded: Arc<Encoded>,
    configuration: Option<String>,
    notify: Option<Arc<NotifyTest>>,
}

impl Server {
    pub fn new(
        core: Arc<Core>,
        ledger: Ledger,
        runner: Runner,
        hosts: Hosts,
        roles: Roles,
        (configuration, notify): (Option<String>, Option<NotifyTest>),
    ) -> Self {
        let (clients, memory) = (Admission::new("engine"), FrameMemory::of_bytes(QUESTION_MEMORY));
        let (roles, encoded) = (Arc::new(roles), Arc::default());
        Self {
            core,
            ledger,
            runner,
            hosts,
            roles,
            clients,
            memory,
            encoded,
            configuration,
            notify: notify.map(Arc::new),
        }
    }

    /// Lines that are open now.
    pub fn clients(&self) -> usize {
        self.clients.count()
    }

    /// Accepts clients for as long as the engine lives.
    pub async fn accept(self, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.take(stream),
                Err(error) => {
                    tracing::warn!(%error, "no client can be accepted");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    /// Serves a client in a task of its own, where there is a place for it.
    fn take(&self, stream: UnixStream) {
        let Ok(uid) = stream.peer_cred().map(|peer| peer.uid()) else { return };
        match self.clients.enter(uid) {
            Ok(place) => {
                let server = self.clone();
                tokio::spawn(async move {
                    let _place = place;
                    if let Err(error) = server.serve(stream).await {
                        tracing::info!(%error, "a client is gone");
                    }
                });
            }
            Err(full) => turn_away(&stream, &hello(), &full),
        }
    }

    async fn serve(&self, stream: UnixStream) -> Result<(), FrameError> {
        let actor = peer::of(&stream)?;
        let role = self.roles.of(actor.uid, &peer::groups(&stream)?);
        let (reader, mut writer) = stream.into_split();
        let mut reader = FrameReader::of_client(reader, self.memory.clone());
        let ours = Hello { configuration: self.configuration.clone(), ..hello() };
        let greeting = greet(&mut reader, &mut writer, &ours, REMEDY);
        let theirs = tokio::time::timeout(GREETING_TIMEOUT, greeting).await;
        let theirs = theirs.map_err(|_| FrameError::TooSlow(GREETING_TIMEOUT))??;
        reader.accept_questions();
        let caller = Caller { actor, role: lowered(role, theirs.role.as_deref()) };
        let (watching, watched) = watch::channel(Watched::default());
        let (answers, ready) = mpsc::channel(MAX_QUESTIONS);
        let every = self.heartbeat();
        let (server, sent_at) = (self.clone(), Instant::now());
        let line =
            ClientWriter { server, writer, answers: ready, watched, sent: None, sent_at, motion_waits: false, every };
        let hearing = self.hear(reader, &caller, answers, watching);
        tokio::select! { ended = hearing => ended, ended = line.speak() => ended }
    }

    /// The pause between heartbeats: a little more than the poll interval, for every poll is news to those who watch.
    fn heartbeat(&self) -> Duration {
        let poll = Duration::from_millis(self.core.snapshots().borrow().site.poll_millis.into());
        (poll + poll / 5).clamp(*HEARTBEAT.start(), *HEARTBEAT.end())
    }

    /// Takes questions, each answered in a task of its own; no more than so many at once.
    async fn hear(
        &self,
        mut reader: FrameReader<OwnedReadHalf>,
        caller: &Caller,
        answers: mpsc::Sender<Message>,
        watching: watch::Sender<Watched>,
    ) -> Result<(), FrameError> {
        let held = PagedMoment::default();
        loop {
            let received = tokio::time::timeout(CLIENT_SILENCE_TIMEOUT, reader.receive::<Question>()).await;
            let Ok(received) = received else {
                tracing::info!(actor = %caller.actor, "a client without a sign of life is let go");
                return Ok(());
            };
            let Some(question) = received? else { return Ok(()) };
            if question.ask == Ask::Alive {
                continue;
            }
            let Ok(place) = answers.clone().reserve_owned().await else { return Ok(()) };
            let hold = reader.take_hold();
            if caller.role.is_some() {
                watching.send_if_modified(|watched| watched.take(&question.ask));
            }
            let (server, caller, held) = (self.clone(), caller.clone(), Arc::clone(&held));
            tokio::spawn(async move {
                let mut answer = Box::new(server.answer(question.ask, &caller, &held).await);
                caller.only_permitted(&mut answer);
                drop(hold);
                place.send(Message::Answer { number: question.number, answer });
            });
        }
    }

    /// What is asked of one volume's history: the generations on it where it is a backup volume, else those of it.
    fn generations(&self, volume: Option<VolumeId>) -> Generations {
        let is_backup = |id: &VolumeId| self.core.with_records(|records| records.backup_volumes.contains_key(id));
        match volume {
            None => Generations::All,
            Some(id) if is_backup(&id) => Generations::OnBackupVolume(id),
            Some(id) => Generations::OfTransactionVolume(id),
        }
    }

    async fn answer(&self, ask: Ask, caller: &Caller, held: &PagedMoment) -> Answer {
        let Caller { actor, role } = caller;
        if role.is_none() {
            let why = format!("{actor} has no role on this site: ask an administrator for one");
            return Answer::Failed { why, code: Some(Code::NOT_AUTHORISED) };
        }
        let catalogue = self.ledger.catalogue();
        match ask {
            Ask::Snapshot => Answer::Snapshot { snapshot: Box::new(Snapshot::clone(&self.core.look())) },
            Ask::Reread => {
                self.runner.reread().await;
                Answer::Snapshot { snapshot: Box::new(Snapshot::clone(&self.core.look())) }
            }
            Ask::OpenPages => {
                let snapshot = self.core.look();
                let site = Box::new(snapshot.without_rows());
                *held.lock() = Some(snapshot);
                Answer::PagesOpened { site }
            }
            Ask::Page { list, from } => {
                let snapshot = held.lock().clone();
                let lost = "the line to the engine was lost while the site was read: repeat the command";
                let page = snapshot.map(|snapshot| Answer::Page(snapshot.page(list, from)));
                page.unwrap_or_else(|| Answer::Failed { why: lost.to_owned(), code: None })
            }
            Ask::View { names, volumes } => Answer::Snapshot { snapshot: Box::new(self.core.view(&names, volumes)) },
            Ask::Watch | Ask::WatchScreen { .. } | Ask::WatchVolumes { .. } | Ask::Alive => Answer::Watching,
            Ask::Plan { request, read_hosts } => {
                let reading = if read_hosts { HostReading::Fresh } else { HostReading::Recent };
                self.runner.look(&request, reading).await
            }
            Ask::Propose { request } => self.runner.propose(&request, caller).await,
            Ask::Run { request, agreed, confirmation } => {
                self.runner.run(request, &agreed, confirmation.as_deref(), caller).await
            }
            Ask::Wait { operations } => self.runner.wait(&operations).await,
            Ask::History { volume, most } => {
                let query = HistoryQuery { of: self.generations(volume), most: most.min(MAX_ROWS) };
                or_why(catalogue.history(query).await, |generations| Answer::History { generations })
            }
            Ask::Events { most } => {
                let range = EventRange::Newest(most.min(MAX_ROWS));
                or_why(catalogue.events(range).await, |events| Answer::Events { events })
            }
            Ask::EventsFrom { sequence, most } => {
                let range = EventRange::From { sequence, most: most.min(MAX_ROWS) };
                or_why(catalogue.events(range).await, |events| Answer::Events { events })
            }
            Ask::Report { since } => super::reports::since(catalogue, &self.core.look(), since).await,
            Ask::Acknowledge { trouble, reason, until } => {
                super::reports::acknowledge(&self.core, &self.ledger, &trouble, (reason, until), caller).await
            }
            Ask::BeginMaintenance { array, until, reason, dry_run } => {
                let of_site = (&*self.core, &self.ledger);
                super::maintenance::begin(of_site, &array, (until, reason), dry_run, caller).await
            }
            Ask::EndMaintenance { array, dry_run } => {
                super::maintenance::end((&self.core, &self.ledger), &array, dry_run, caller).await
            }
            Ask::Verify { volume, version } => {
                super::fingerprints::verify((&self.core, &self.ledger), (volume, version), caller).await
            }
            Ask::Hooks => self.runner.list_hooks(),
            Ask::TestHook { hook, volume } => self.runner.test_hook(&hook, volume, caller).await,
            Ask::TestNotify => match &self.notify {
                Some(hook) => hook.run(&self.core, &self.ledger, caller).await,
                None => Answer::NotifyTested { report: None },
            },
            Ask::Hosts { host } => {
                let hosts = self.hosts.views(host.as_ref()).await;
                let services = self.hosts.services(host.as_ref(), &hosts);
                Answer::Hosts { hosts, services, configured: self.hosts.names().cloned().collect() }
            }
            Ask::CatalogueCopies => {
                let copies = catalogue.copies();
                let why = |error: std::io::Error| Answer::Failed { why: error.to_string(), code: None };
                copies.map_or_else(why, |copies| Answer::CatalogueCopies { copies })
            }
            Ask::SaveCatalogue => {
                if let Err(refusal) = caller.needs(Role::Administrator, "saving the catalogue") {
                    return Answer::Refused { refusal };
                }
                or_why(catalogue.save_copy().await, |copy| Answer::CatalogueSaved { copy })
            }
            Ask::VerifyAudit { heads } => {
                let outside = Outside { anchors: Vec::new(), heads };
                or_why(catalogue.verify(outside).await, |report| Answer::Audit { report: Box::new(report) })
            }
            Ask::ChainHead => or_why(catalogue.head().await, |head| Answer::ChainHead { head }),
        }
    }
}

fn or_why<T>(result: Result<T, CatalogueError>, answer: impl FnOnce(T) -> Answer) -> Answer {
    result.map_or_else(|error| Answer::Failed { why: error.to_string(), code: Some(error.code()) }, answer)
}

/// What is answered in the place of an answer that cannot be sent.
fn too_long(message: Message, error: &FrameError) -> Message {
    tracing::error!(%error, "an answer was not sent");
    let Message::Answer { number, .. } = message else { return message };
    let why = format!("the engine's answer cannot be sent: {error}; ask for fewer volumes at a time");
    Message::Answer { number, answer: Box::new(Answer::Failed { why, code: None }) }
}

/// A client that acts in a lower role than it has. A word that is not known gives none.
fn lowered(role: Option<Role>, wanted: Option<&str>) -> Option<Role> {
    match wanted {
        None => role,
        Some(word) => Some(role?.min(word.parse().ok()?)),
    }
}

/// The moment of the site that a line holds, to be read page by page.
type PagedMoment = Arc<Mutex<Option<Arc<Snapshot>>>>;

/// A message as it is sent, without a copy of the rows: [`Message::Piece`] is what comes of it.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum Sent<'a> {
    Piece { piece: &'a Piece<'a> },
}

/// A change of so many rows is longer than the whole snapshot would be worth: that one is sent, in pieces.
const MAX_CHANGED_ROWS: usize = 1 << 15;

/// A screen is told no more often than this that copies go on: arrays are read more often than anybody looks, and each
/// change costs the screen's line and processor. What is more than motion is told at once.
const MOTION_SPACING: Duration = Duration::from_secs(1);

/// What a client watches.
#[derive(Debug, Clone, Default)]
struct Watched {
    /// How many times it asked to watch; each time it is given a whole snapshot of what it asked for.
    times: u64,
    /// Only these volumes, with what belongs to them.
    only: Option<Arc<BTreeSet<VolumeId>>>,
    /// It shows all to a person.
    is_screen: bool,
    /// The rows that it shows first, before the whole of a large site.
    first_rows: u16,
}

impl Watched {
    /// Takes a question; whether it is one to watch.
    fn take(&mut self, ask: &Ask) -> bool {
        let (only, is_screen, first_rows) = match ask {
            Ask::Watch => (None, false, 0),
            Ask::WatchScreen { rows } => (None, true, *rows),
            Ask::WatchVolumes { volumes } => (Some(Arc::new(volumes.iter().copied().collect())), false, 0),
            _ => return false,
        };
        *self = Self { times: self.times + 1, only, is_screen, first_rows };
        true
    }

    /// A snapshot as this client is shown it.
    fn of(&self, snapshot: &Arc<Snapshot>) -> Arc<Snapshot> {
        self.only.as_ref().map_or_else(|| Arc::clone(snapshot), |only| Arc::new(snapshot.of_volumes(only)))
    }
}

/// The writing side of one line.
struct ClientWriter {
    server: Server,
    writer: OwnedWriteHalf,
    answers: mpsc::Receiver<Message>,
    watched: watch::Receiver<Watched>,
    /// What a watching client has by now.
    sent: Option<Arc<Snapshot>>,
    /// When it was sent, and whether something newer waits that is only motion.
    sent_at: Instant,
    motion_waits: bool,
    /// Between heartbeats.
    every: Duration,
}

impl ClientWriter {
    async fn speak(mut self) -> Result<(), FrameError> {
        let mut snapshots = self.server.core.snapshots();
        let heartbeat =
            encode(&Message::Heartbeat { every_millis: u32::try_from(self.every.as_millis()).unwrap_or(u32::MAX) })?;
        self.write(&heartbeat).await?;
        loop {
            let next_heartbeat = Instant::now() + self.every;
            tokio::select! {
                () = tokio::time::sleep_until(next_heartbeat) => self.write(&heartbeat).await?,
                message = self.answers.recv() => match message {
                    Some(message) => self.answer(message).await?,
                    None => return Ok(()),
                },
                Ok(()) = self.watched.changed() => {
                    let watched = self.watched.borrow_and_update().clone();
                    let snapshot = watched.of(&snapshots.borrow_and_update());
                    self.whole(&snapshot, watched.first_rows.into()).await?;
                    (self.sent, self.sent_at) = (Some(snapshot), Instant::now());
                }
                () = tokio::time::sleep_until(self.sent_at + MOTION_SPACING), if self.motion_waits => {
                    let snapshot = Arc::clone(&snapshots.borrow_and_update());
                    self.news(&snapshot).await?;
                }
                Ok(()) = snapshots.changed(), if self.sent.is_some() => {
                    let snapshot = Arc::clone(&snapshots.borrow_and_update());
                    self.news(&snapshot).await?;
                }
            }
        }
    }

    /// Sends what is new since the client was sent something, unless that can wait.
    async fn news(&mut self, snapshot: &Arc<Snapshot>) -> Result<(), FrameError> {
        let watched = self.watched.borrow().clone();
        let snapshot = watched.of(snapshot);
        let Some(sent) = self.sent.clone() else { return Ok(()) };
        let waits = watched.is_screen && self.sent_at.elapsed() < MOTION_SPACING;
        self.motion_waits = waits && SnapshotChange::between(&sent, &snapshot).only_moves(&sent);
        if self.motion_waits {
            return Ok(());
        }
        let frame = if watched.only.is_some() {
            // Nobody else is given just this.
            change_frame(&sent, &snapshot)?
        } else {
            self.server.encoded.change(&sent, &snapshot)?
        };
        match frame {
            Some(frame) => self.write(&frame).await?,
            None => self.whole(&snapshot, 0).await?,
        }
        (self.sent, self.sent_at) = (Some(snapshot), Instant::now());
        Ok(())
    }

    /// Sends an answer; the rows of a large snapshot before it, in pieces.
    async fn answer(&mut self, message: Message) -> Result<(), FrameError> {
        let message = match message {
            Message::Answer { number, answer } => match *answer {
                Answer::Snapshot { snapshot } => {
                    let snapshot = Box::new(self.pieces(&snapshot).await?);
                    Message::Answer { number, answer: Box::new(Answer::Snapshot { snapshot }) }
                }
                answer => Message::Answer { number, answer: Box::new(answer) },
            },
            other => other,
        };
        let frame = encode(&message).or_else(|error| encode(&too_long(message, &error)))?;
        self.write(&frame).await
    }

    /// Sends a whole snapshot to a watching client.
    async fn whole(&mut self, snapshot: &Snapshot, first_rows: usize) -> Result<(), FrameError> {
        if first_rows > 0 && snapshot.row_count() > PIECE_ROWS {
            self.write(&encode(&Message::FirstRows { first: snapshot.first_rows(first_rows) })?).await?;
        }
        let snapshot = Box::new(self.pieces(snapshot).await?);
        self.write(&encode(&Message::Snapshot { snapshot })?).await
    }

    /// Sends the rows of a large snapshot in pieces; gives what is still to be sent. One piece at a time is in memory.
    async fn pieces(&mut self, snapshot: &Snapshot) -> Result<Snapshot, FrameError> {
        let (pieces, end) = snapshot.cut();
        for piece in &pieces {
            self.write(&encode(&Sent::Piece { piece })?).await?;
        }
        Ok(end)
    }

    async fn write(&mut self, frame: &[u8]) -> Result<(), FrameError> {
        let written = tokio::time::timeout(WRITE_TIMEOUT, self.writer.write_all(frame)).await;
        written.map_err(|_| FrameError::Closed)?.map_err(FrameError::from)
    }
}

/// The last change as bytes: clients that keep up share it. One that does not is given the difference to what it has,
/// however many snapshots were made meanwhile: never a queue.
#[derive(Default)]
struct Encoded(Mutex<Option<EncodedChange>>);

struct EncodedChange {
    base: u64,
    sequence: u64,
    frame: ChangeFrame,
}

/// A change as bytes; `None`: so much is different that the whole snapshot is sent.
type ChangeFrame = Option<Arc<Vec<u8>>>;

fn change_frame(old: &Snapshot, new: &Snapshot) -> Result<ChangeFrame, FrameError> {
    let change = Box::new(SnapshotChange::between(old, new));
    if change.row_count() > MAX_CHANGED_ROWS {
        return Ok(None);
    }
    encode(&Message::Change { change }).map(|frame| Some(Arc::new(frame)))
}

impl Encoded {
    fn change(&self, old: &Snapshot, new: &Snapshot) -> Result<ChangeFrame, FrameError> {
        let mut last = self.0.lock();
        if let Some(known) = &*last
            && (known.base, known.sequence) == (old.sequence, new.sequence)
        {
            return Ok(known.frame.clone());
        }
        let frame = change_frame(old, new)?;
        *last = Some(EncodedChange { base: old.sequence, sequence: new.sequence, frame: frame.clone() });
        Ok(frame)
    }
}
