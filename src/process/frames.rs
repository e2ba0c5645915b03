//! Frames on a Unix socket: four bytes of length, then one JSON document; and the hello that opens a connection.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The longest document: far more than a snapshot of 30,000 volumes, far less than would hurt.
pub const LONGEST_FRAME: usize = 64 << 20;
/// Room that a line keeps for what arrives. A whole snapshot of a large site comes once: its room is given back.
const KEPT_ROOM: usize = 256 << 10;

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the line was lost: {0}")]
    Line(#[from] std::io::Error),
    #[error("the other end closed the line")]
    Closed,
    #[error("the other end announces a message of {0} bytes; at most {LONGEST_FRAME} are accepted")]
    TooLong(usize),
    #[error("a message could not be read: {0}")]
    Document(#[from] serde_json::Error),
    #[error("{0}")]
    Mismatch(#[from] Mismatch),
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
}

impl Hello {
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
    pub remedy: &'static str,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ours, theirs) = (&self.ours, &self.theirs);
        write!(
            f,
            "the other end is {} with protocol {} and format {}, this is {} with protocol {} and format {}: {}",
            theirs.program.escape_debug(),
            theirs.protocol,
            theirs.format,
            ours.program,
            ours.protocol,
            ours.format,
            self.remedy
        )
    }
}

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
    send(writer, ours).await?;
    let theirs: Hello = reader.receive().await?.ok_or(FrameError::Closed)?;
    if ours.understands(&theirs) {
        return Ok(theirs);
    }
    Err(FrameError::Mismatch(Mismatch { ours: ours.clone(), theirs, remedy }))
}

/// One document as the bytes of a frame.
pub fn encode<T: Serialize>(document: &T) -> Result<Vec<u8>, FrameError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, document)?;
    let length = bytes.len() - 4;
    match u32::try_from(length) {
        Ok(short) if length <= LONGEST_FRAME => bytes[..4].copy_from_slice(&short.to_be_bytes()),
        _ => return Err(FrameError::TooLong(length)),
    }
    Ok(bytes)
}

/// Sends one document. Not to be dropped half-way: the next frame would not be understood.
pub async fn send<W: AsyncWrite + Unpin, T: Serialize>(writer: &mut W, document: &T) -> Result<(), FrameError> {
    writer.write_all(&encode(document)?).await?;
    Ok(writer.flush().await?)
}

/// The reading half of a line. What has arrived of a frame is kept, so `receive` may be dropped and called again.
#[derive(Debug)]
pub struct FrameReader<R> {
    inner: R,
    arrived: Vec<u8>,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub fn new(inner: R) -> Self {
        Self { inner, arrived: Vec::new() }
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
                    return Ok(Some(document?));
                }
                self.arrived.reserve(4 + length - self.arrived.len());
            }
            if self.inner.read_buf(&mut self.arrived).await? == 0 {
                return if self.arrived.is_empty() { Ok(None) } else { Err(FrameError::Closed) };
            }
        }
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
        if length > LONGEST_FRAME { Err(FrameError::TooLong(length)) } else { Ok(Some(length)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(protocol: u32) -> Hello {
        Hello { program: "ecdeck-test".into(), protocol, format: 1, configuration: None }
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
}
