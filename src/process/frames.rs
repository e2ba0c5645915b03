//! Frames on a Unix socket: four bytes of length, then one JSON document; and the hello that opens a connection.

use super::peer::HowToEnd;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The longest document of a server: a snapshot of some 800,000 transaction volumes. The first byte of a text that is no
/// frame announces more than this.
pub const MAX_FRAME: usize = 1 << 30;
/// Room that a line keeps for what arrives. A whole snapshot of a large site comes once: its room is given back.
const KEPT_ROOM: usize = 256 << 10;
/// The first room for a long message of a server; more as it arrives.
const FIRST_ROOM: usize = 1 << 20;
/// The first document of a client, the hello, is short.
pub const MAX_HELLO: usize = 16 << 10;
/// The longest document of a client: a request about 200,000 volumes.
pub const MAX_CLIENT_FRAME: usize = 16 << 20;
/// What a client has begun to send arrives within this, or its line is closed.
pub const CLIENT_FRAME_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes of a frame that every client has, whatever the others send.
const FREE_FRAME: usize = 64 << 10;
/// The unit in which [`FrameMemory`] counts.
const MEMORY_UNIT: usize = 1 << 10;

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the line was lost: {0}")]
    Line(#[from] std::io::Error),
    #[error("the other end closed the line")]
    Closed,
    #[error("the other end announces a message of {0} bytes; at most {MAX_FRAME} are accepted")]
    TooLong(usize),
    #[error("a message of {0} bytes is too long here")]
    TooLongForServer(usize),
    #[error("this message would be {0} bytes long; at most {limit} can be sent", limit = .1)]
    TooLongToSend(usize, usize),
    #[error("a message did not arrive whole within {} s", .0.as_secs())]
    TooSlow(Duration),
    #[error("no memory is left for long messages: too many clients are sending one")]
    NoMemory,
    /// The server takes no more clients: its sentence.
    #[error("{0}")]
    Full(String),
    #[error("a message could not be read: {}", beginning(.0))]
    Document(#[from] serde_json::Error),
    #[error("{0}")]
    Mismatch(Box<Mismatch>),
}

/// What is wrong with a document; it may quote as much of it as somebody sent.
fn beginning(error: &serde_json::Error) -> String {
    const MAX_QUOTED: usize = 200;
    let text = error.to_string();
    let short: String = text.chars().take(MAX_QUOTED).collect();
    let cut = if short.len() < text.len() { "..." } else { "" };
    format!("{}{cut}", crate::model::untrusted::escaped(&short))
}

/// The first document in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// `ecdeck-engine`, `ecdeck-array`.
    pub program: String,
    /// Of what is said on the line.
    pub protocol: u32,
    /// Of what the server keeps on disk.
    pub format: u32,
    /// A digest of what the server was configured with, where it says so. No reason not to understand each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration: Option<String>,
    /// A server that takes no more clients says why instead of serving.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<String>,
    /// A client that gives up rights: the word of the highest role that it acts in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

impl Hello {
    /// The greeting of a program that says nothing beyond what it understands.
    pub fn of(program: &str, protocol: u32, format: u32) -> Self {
        Self { program: program.to_owned(), protocol, format, configuration: None, full: None, role: None }
    }

    fn understands(&self, other: &Self) -> bool {
        let spoken = |hello: &Self| (hello.program.clone(), hello.protocol, hello.format);
        spoken(self) == spoken(other)
    }
}

/// Two ends that do not understand each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mismatch {
    pub ours: Hello,
    pub theirs: Hello,
    /// What a person does about it, where the process at the other end is not known.
    pub remedy: &'static str,
    /// The process at the other end and what ends it.
    pub process: Option<HowToEnd>,
}

impl Mismatch {
    /// The same, with the process at the other end.
    #[must_use]
    pub fn of_process(self, process: Option<HowToEnd>) -> Self {
        Self { process, ..self }
    }

    fn age(&self) -> &'static str {
        let (ours, theirs) = ((self.ours.protocol, self.ours.format), (self.theirs.protocol, self.theirs.format));
        match (theirs.0.cmp(&ours.0), theirs.1.cmp(&ours.1)) {
            (std::cmp::Ordering::Less, std::cmp::Ordering::Less | std::cmp::Ordering::Equal)
            | (std::cmp::Ordering::Equal, std::cmp::Ordering::Less) => "an earlier",
            (std::cmp::Ordering::Greater, std::cmp::Ordering::Greater | std::cmp::Ordering::Equal)
            | (std::cmp::Ordering::Equal, std::cmp::Ordering::Greater) => "a later",
            _ => "another",
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ours, theirs) = (&self.ours, &self.theirs);
        if ours.program != theirs.program {
            let (other, wanted) = (theirs.program.escape_debug(), &ours.program);
            return write!(f, "the program at the other end is {other}, not {wanted}: {}", self.remedy);
        }
        let server = match ours.program.as_str() {
            ENGINE => "engine",
            ARRAY => "embedded array",
            _ => "other end",
        };
        write!(f, "the running {server}")?;
        if let Some(process) = &self.process {
            write!(f, " (process {})", process.pid)?;
        }
        write!(
            f,
            " is of {} release: it has protocol {} and format {}, this program has protocol {} and format {}; ",
            self.age(),
            theirs.protocol,
            theirs.format,
            ours.protocol,
            ours.format,
        )?;
        match &self.process {
            Some(process) => write!(f, "end it: {process}; then repeat the command, and it continues where it was"),
            None => f.write_str(self.remedy),
        }
    }
}

/// The names of the programs in their greetings.
pub const ENGINE: &str = "ecdeck-engine";
pub const ARRAY: &str = "ecdeck-array";

/// Says hello and gives the other end's; both ends do this first. `remedy` is what a person does about a mismatch.
pub async fn greet<R, W>(
    reader: &mut FrameReader<R>,
    writer: &mut W,
    ours: &Hello,
    remedy: &'static str,
) -> Result<Hello, FrameError>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    // A server that turns this client away may have closed the line already. What it said is there to be read all the same.
    let sent = send(writer, ours).await;
    let theirs: Hello = reader.receive().await?.ok_or(FrameError::Closed)?;
    if !ours.understands(&theirs) {
        let mismatch = Mismatch { ours: ours.clone(), theirs, remedy, process: None };
        return Err(FrameError::Mismatch(Box::new(mismatch)));
    }
    if let Some(why) = theirs.full {
        return Err(FrameError::Full(why));
    }
    sent.map(|()| theirs)
}

/// One document as the bytes of a frame.
pub fn encode<T: Serialize>(document: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, document)?;
    let length = bytes.len() - 4;
    match u32::try_from(length) {
        Ok(short) if length <= MAX_FRAME => bytes[..4].copy_from_slice(&short.to_be_bytes()),
        _ => return Err(FrameError::TooLongToSend(length, MAX_FRAME)),
    }
    Ok(bytes)
}

/// The same for a client, of whom a server takes no more than [`MAX_CLIENT_FRAME`].
pub fn encode_for_server<T: Serialize>(document: &T) -> Result<Vec<u8>, FrameError> {
    let bytes = encode(document)?;
    let length = bytes.len() - 4;
    if length > MAX_CLIENT_FRAME { Err(FrameError::TooLongToSend(length, MAX_CLIENT_FRAME)) } else { Ok(bytes) }
}

/// Sends one document. Not to be dropped half-way: the next frame would not be understood.
pub async fn send<W: AsyncWrite + Unpin, T: Serialize>(writer: &mut W, document: &T) -> Result<(), FrameError> {
    writer.write_all(&encode(document)?).await?;
    Ok(writer.flush().await?)
}

/// Memory for the long messages of all clients of a server together. Clones share it.
#[derive(Debug, Clone)]
pub struct FrameMemory(Arc<Semaphore>);

impl FrameMemory {
    pub fn of_bytes(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes / MEMORY_UNIT)))
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, FrameError> {
        let units = u32::try_from(bytes.div_ceil(MEMORY_UNIT)).map_err(|_| FrameError::NoMemory)?;
        Arc::clone(&self.0).try_acquire_many_owned(units).map_err(|_| FrameError::NoMemory)
    }
}

/// What a server grants the messages of one client.
#[derive(Debug)]
struct Granted {
    longest: usize,
    memory: FrameMemory,
    /// What the present message holds of the memory.
    held: Option<OwnedSemaphorePermit>,
    /// When the first bytes of the present message came.
    since: Option<Instant>,
    /// For the whole of a message that has begun.
    timeout: Duration,
}

/// The reading half of a line. What has arrived of a frame is kept, so `receive` may be dropped and called again.
#[derive(Debug)]
pub struct FrameReader<R> {
    inner: R,
    arrived: Vec<u8>,
    /// `None`: the other end is our own server, which is trusted with [`MAX_FRAME`].
    granted: Option<Granted>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, arrived: Vec::new(), granted: None }
    }

    /// The line of a client, who is not trusted: at first for a hello only.
    pub fn of_client(inner: R, memory: FrameMemory) -> Self {
        let (longest, timeout) = (MAX_HELLO, CLIENT_FRAME_TIMEOUT);
        let granted = Granted { longest, memory, held: None, since: None, timeout };
        Self { granted: Some(granted), ..Self::new(inner) }
    }

    /// The client has greeted: its questions may be longer.
    pub fn accept_questions(&mut self) {
        if let Some(granted) = &mut self.granted {
            granted.longest = MAX_CLIENT_FRAME;
        }
    }

    /// What the message that was received last holds of the server's memory: to be kept until it is answered.
    pub fn take_hold(&mut self) -> Option<OwnedSemaphorePermit> {
        self.granted.as_mut()?.held.take()
    }

    /// The next document; `None` when the other end closed the line between two frames.
    pub async fn receive<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        loop {
            if let Some(length) = self.announced()? {
                if self.arrived.len() >= 4 + length {
                    let document = serde_json::from_slice(&self.arrived[4..4 + length]);
                    self.arrived.drain(..4 + length);
                    if self.arrived.capacity() > KEPT_ROOM {
                        self.arrived.shrink_to(KEPT_ROOM);
                    }
                    if let Some(granted) = &mut self.granted {
                        granted.since = (!self.arrived.is_empty()).then(Instant::now);
                    }
                    return Ok(Some(document?));
                }
                self.make_room(4 + length)?;
            }
            if self.read_some().await? == 0 {
                return if self.arrived.is_empty() { Ok(None) } else { Err(FrameError::Closed) };
            }
        }
    }

    async fn read_some(&mut self) -> Result<usize, FrameError> {
        let reading = self.inner.read_buf(&mut self.arrived);
        let Some(granted) = &mut self.granted else { return Ok(reading.await?) };
        let Some(since) = granted.since else {
            let count = reading.await?;
            granted.since = Some(Instant::now());
            return Ok(count);
        };
        let read = tokio::time::timeout_at(since + granted.timeout, reading).await;
        Ok(read.map_err(|_| FrameError::TooSlow(granted.timeout))??)
    }

    /// Room for a frame of so many bytes. A client gets it as its bytes come, whatever it announces.
    fn make_room(&mut self, frame: usize) -> Result<(), FrameError> {
        let here = self.arrived.len();
        let Some(granted) = &mut self.granted else {
            // Room grows with what has come: whoever announces a long message may not send it.
            if self.arrived.capacity() == here {
                self.arrived.reserve_exact(frame.min((2 * here).max(FIRST_ROOM)) - here);
            }
            return Ok(());
        };
        if self.arrived.capacity() > here {
            return Ok(());
        }
        let room = frame.min((2 * here).max(FREE_FRAME));
        let held = granted.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits) * MEMORY_UNIT;
        let more = room.saturating_sub(FREE_FRAME).saturating_sub(held);
        if more > 0 {
            let taken = granted.memory.take(more)?;
            match &mut granted.held {
                Some(held) => held.merge(taken),
                none => *none = Some(taken),
            }
        }
        self.arrived.reserve_exact(room - here);
        Ok(())
    }

    /// Whether the other end has closed the line, or said what nobody asked for: it is of no more use. Does not wait.
    pub async fn is_over(&mut self) -> bool {
        tokio::select! {
            biased;
            _ = self.inner.read_buf(&mut self.arrived) => true,
            () = std::future::ready(()) => !self.arrived.is_empty(),
        }
    }

    fn announced(&self) -> Result<Option<usize>, FrameError> {
        let Some(head) = self.arrived.first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        match &self.granted {
            Some(granted) if length > granted.longest => Err(FrameError::TooLongForServer(length)),
            None if length > MAX_FRAME => Err(FrameError::TooLong(length)),
            _ => Ok(Some(length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(protocol: u32) -> Hello {
        Hello::of("ecdeck-test", protocol, 1)
    }

    #[tokio::test]
    async fn documents_arrive_whole_however_they_are_cut() {
        let mut bytes = encode(&"one").unwrap();
        bytes.extend(encode(&vec![2; 1000]).unwrap());
        let (mut near, far) = tokio::io::duplex(3);
        let writing = tokio::spawn(async move { near.write_all(&bytes).await });
        let mut reader = FrameReader::new(far);
        assert_eq!(reader.receive::<String>().await.unwrap().unwrap(), "one");
        assert_eq!(reader.receive::<Vec<u16>>().await.unwrap().unwrap().len(), 1000);
        writing.await.unwrap().unwrap();
        assert!(reader.receive::<String>().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_message_beyond_the_limit_is_refused_unread() {
        let bytes = [0xFF; 8];
        assert!(matches!(FrameReader::new(&bytes[..]).receive::<String>().await, Err(FrameError::TooLong(_))));
    }

    #[tokio::test]
    async fn a_document_longer_than_64_mib_arrives_whole_and_its_room_is_given_back() {
        let long = "x".repeat(80 << 20);
        let bytes = encode(&long).unwrap();
        let mut reader = FrameReader::new(&bytes[..]);
        assert_eq!(reader.receive::<String>().await.unwrap().unwrap().len(), long.len());
        assert!(reader.arrived.capacity() <= KEPT_ROOM);
    }

    #[tokio::test]
    async fn an_announced_length_takes_no_memory_before_its_bytes_come() {
        let mut bytes = u32::try_from(MAX_FRAME).unwrap().to_be_bytes().to_vec();
        bytes.push(b'"');
        let mut reader = FrameReader::new(&bytes[..]);
        assert!(matches!(reader.receive::<String>().await, Err(FrameError::Closed)));
        assert!(reader.arrived.capacity() <= 2 * FIRST_ROOM, "{}", reader.arrived.capacity());
        let text = *b"HTTP/1.1";
        assert!(matches!(FrameReader::new(&text[..]).receive::<String>().await, Err(FrameError::TooLong(_))));
    }

    #[test]
    fn a_question_that_no_server_takes_is_named_by_the_client() {
        let error = encode_for_server(&"x".repeat(MAX_CLIENT_FRAME)).unwrap_err().to_string();
        assert!(error.contains("16777216"), "{error}");
    }

    #[tokio::test]
    async fn a_line_cut_inside_a_frame_is_an_error() {
        let bytes = [0, 0, 0, 9, b'"'];
        assert!(matches!(FrameReader::new(&bytes[..]).receive::<String>().await, Err(FrameError::Closed)));
    }

    #[tokio::test]
    async fn a_closed_line_is_known_to_be_over_and_a_quiet_one_is_not() {
        let (near, far) = tokio::io::duplex(64);
        let mut reader = FrameReader::new(far);
        assert!(!reader.is_over().await);
        drop(near);
        assert!(reader.is_over().await);
    }

    #[tokio::test]
    async fn another_configuration_is_told_and_understood() {
        let (near, far) = tokio::io::duplex(1024);
        let (near_read, mut near_write) = tokio::io::split(near);
        let (far_read, mut far_write) = tokio::io::split(far);
        let (mut near_read, mut far_read) = (FrameReader::new(near_read), FrameReader::new(far_read));
        let (asks, says) = (hello(1), Hello { configuration: Some("c0ffee".into()), ..hello(1) });
        let (a, b) = tokio::join!(
            greet(&mut near_read, &mut near_write, &asks, ""),
            greet(&mut far_read, &mut far_write, &says, "")
        );
        assert_eq!(a.unwrap().configuration.as_deref(), Some("c0ffee"));
        assert_eq!(b.unwrap().configuration, None);
    }

    #[tokio::test]
    async fn another_protocol_is_told_with_its_remedy() {
        let (near, far) = tokio::io::duplex(1024);
        let (near_read, mut near_write) = tokio::io::split(near);
        let (far_read, mut far_write) = tokio::io::split(far);
        let (mut near_read, mut far_read) = (FrameReader::new(near_read), FrameReader::new(far_read));
        let (old, new) = (hello(1), hello(2));
        let (a, b) = tokio::join!(
            greet(&mut near_read, &mut near_write, &old, "stop it"),
            greet(&mut far_read, &mut far_write, &new, "stop it")
        );
        assert!(b.is_err());
        let text = a.unwrap_err().to_string();
        assert!(text.contains("protocol 2") && text.ends_with("stop it"), "{text}");
    }

    #[tokio::test]
    async fn a_client_announces_much_and_gets_room_for_what_it_sends() {
        let memory = FrameMemory::of_bytes(1 << 20);
        let mut lines = Vec::new();
        for _ in 0..40 {
            let (mut near, far) = tokio::io::duplex(1 << 10);
            near.write_all(&(15_u32 << 20).to_be_bytes()).await.unwrap();
            let mut reader = FrameReader::of_client(far, memory.clone());
            reader.accept_questions();
            // Dropped while it waits for more.
            let waited = tokio::time::timeout(Duration::from_millis(1), reader.receive::<String>()).await;
            assert!(waited.is_err());
            assert!(reader.arrived.capacity() <= FREE_FRAME, "{}", reader.arrived.capacity());
            lines.push((near, reader));
        }
    }

    #[tokio::test]
    async fn half_read_messages_share_a_memory_and_give_it_back() {
        let memory = FrameMemory::of_bytes(512 << 10);
        let long = encode(&"x".repeat(400 << 10)).unwrap();
        let half = |memory: &FrameMemory| {
            let (near, far) = tokio::io::duplex(1 << 20);
            let mut reader = FrameReader::of_client(far, memory.clone());
            reader.accept_questions();
            (near, reader)
        };
        let (mut first_line, mut first) = half(&memory);
        first_line.write_all(&long[..300 << 10]).await.unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(1), first.receive::<String>()).await.is_err());
        let (mut second_line, mut second) = half(&memory);
        second_line.write_all(&long[..300 << 10]).await.unwrap();
        assert!(matches!(second.receive::<String>().await, Err(FrameError::NoMemory)));
        // Short messages need none of it.
        let (mut third_line, mut third) = half(&memory);
        third_line.write_all(&encode(&"short").unwrap()).await.unwrap();
        assert_eq!(third.receive::<String>().await.unwrap().unwrap(), "short");
        // What was given back is there for the next one.
        first_line.write_all(&long[300 << 10..]).await.unwrap();
        assert_eq!(first.receive::<String>().await.unwrap().unwrap().len(), 400 << 10);
        assert!(first.take_hold().is_some());
        let (mut fourth_line, mut fourth) = half(&memory);
        fourth_line.write_all(&long).await.unwrap();
        assert!(fourth.receive::<String>().await.unwrap().is_some());
    }

    #[tokio::test]
    async fn a_hello_is_short() {
        let (mut near, far) = tokio::io::duplex(1 << 10);
        near.write_all(&(MAX_HELLO as u32 + 1).to_be_bytes()).await.unwrap();
        let mut reader = FrameReader::of_client(far, FrameMemory::of_bytes(0));
        assert!(matches!(reader.receive::<Hello>().await, Err(FrameError::TooLongForServer(_))));
    }

    #[tokio::test]
    async fn a_message_that_never_ends_is_given_up_and_a_quiet_client_is_not() {
        let impatient = |far| {
            let mut reader = FrameReader::of_client(far, FrameMemory::of_bytes(0));
            reader.granted.as_mut().unwrap().timeout = Duration::from_millis(1);
            reader
        };
        let (mut near, far) = tokio::io::duplex(1 << 10);
        near.write_all(&[0, 0, 0, 9, b'"']).await.unwrap();
        assert!(matches!(impatient(far).receive::<String>().await, Err(FrameError::TooSlow(_))));
        let (mut near, far) = tokio::io::duplex(1 << 10);
        let mut quiet = impatient(far);
        for _ in 0..3 {
            let waited = tokio::time::timeout(Duration::from_millis(20), quiet.receive::<String>()).await;
            assert!(waited.is_err(), "no message has begun");
            near.write_all(&encode(&"whole").unwrap()).await.unwrap();
            assert_eq!(quiet.receive::<String>().await.unwrap().unwrap(), "whole");
        }
    }

    #[tokio::test]
    async fn who_is_turned_away_reads_why_although_the_line_is_closed() {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        let away = Hello { full: Some("the engine is full".into()), ..hello(1) };
        far.try_write(&encode(&away).unwrap()).unwrap();
        drop(far);
        let (read, mut write) = near.into_split();
        let error = greet(&mut FrameReader::new(read), &mut write, &hello(1), "").await.unwrap_err();
        assert_eq!(error.to_string(), "the engine is full");
    }

    #[test]
    fn the_release_at_the_other_end_is_named_in_both_directions() {
        let text = |ours, theirs| {
            let process = Some(HowToEnd { pid: 4711, command: "`kill 4711`".into() });
            let (ours, theirs) = (Hello::of(ENGINE, ours, 1), Hello::of(ENGINE, theirs, 1));
            Mismatch { ours, theirs, remedy: "end it", process }.to_string()
        };
        let earlier = text(3, 2);
        assert!(earlier.starts_with("the running engine (process 4711) is of an earlier release"), "{earlier}");
        assert!(earlier.contains("end it: `kill 4711`"), "{earlier}");
        assert!(text(2, 3).contains("is of a later release"));
    }
}
