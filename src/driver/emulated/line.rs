//! The client's end of the embedded array's socket, for the driver and for administration.

use super::wire::{Failure, REMEDY, Request, hello};
use crate::process::frames::{FrameError, FrameReader, greet, send};
use crate::process::instance::{InstanceError, start_detached};
use crate::process::paths::Home;
use crate::process::peer::HowToEnd;
use serde::de::DeserializeOwned;
use std::path::PathBuf;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;

/// How long the hello may take.
const HELLO_LIMIT: Duration = Duration::from_secs(5);
/// How long a server may take to die, and how often it is looked at.
const DYING_LIMIT: Duration = Duration::from_secs(3);
const DYING_PAUSE: Duration = Duration::from_millis(20);
/// Lines that are kept for the next request.
const KEPT_LINES: usize = 2;
/// What a started server is told.
const SERVE: [&str; 3] = ["array", "serve", "--detached"];

#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// Nothing was sent.
    #[error("the embedded array is not running: `ecdeck array start` starts it")]
    NotRunning,
    /// Nothing was sent: whether it runs cannot be seen.
    #[error("the socket {} of the embedded array may not be used by this user: {why}; repeat it as the user whose it is", socket.display())]
    NoAccess { socket: PathBuf, why: std::io::Error },
    #[error(transparent)]
    NotStarted(#[from] InstanceError),
    /// Nothing was sent, or not whole.
    #[error("the embedded array was not reached: {0}")]
    NotSent(FrameError),
    /// Nothing was sent: somebody took the line and says nothing.
    #[error("the embedded array took the line but said nothing for {} s: it hangs, or another program has its socket", .0.as_secs())]
    NoHello(Duration),
    /// It was sent; nothing more is known.
    #[error("the line to the embedded array was lost after sending: {0}")]
    Lost(FrameError),
    #[error("the embedded array did not answer within {} s", .0.as_secs_f32())]
    TimeLimit(Duration),
    #[error(transparent)]
    Failed(#[from] Failure),
}

impl LineError {
    /// Whether the request can have been done.
    pub fn was_sent(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::TimeLimit(_))
    }
}

/// Lines to the array server of a home, opened as they are needed.
#[derive(Debug)]
pub struct Lines {
    home: Home,
    may_start: bool,
    free: Mutex<Vec<Line>>,
}

#[derive(Debug)]
struct Line {
    reader: FrameReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Lines {
    /// `may_start`: whether a server that is not there is started.
    pub fn new(home: Home, may_start: bool) -> Self {
        Self { home, may_start, free: Mutex::default() }
    }

    /// Asks once. A line on which no answer came is never used again, so a late answer meets nobody.
    pub async fn ask<T: DeserializeOwned>(&self, request: &Request, limit: Duration) -> Result<T, LineError> {
        let mut line = self.send(request).await?;
        let answer = tokio::time::timeout(limit, line.reader.receive::<Result<T, Failure>>()).await;
        match answer {
            Err(_) => Err(LineError::TimeLimit(limit)),
            Ok(Err(error)) => Err(LineError::Lost(error)),
            Ok(Ok(None)) => Err(LineError::Lost(FrameError::Closed)),
            Ok(Ok(Some(answer))) => {
                let mut free = self.free.lock().await;
                if free.len() < KEPT_LINES {
                    free.push(line);
                }
                Ok(answer?)
            }
        }
    }

    /// Sends on a free line, or on a new one when the free ones are dead: a frame that could not be written whole was
    /// not understood by anybody.
    async fn send(&self, request: &Request) -> Result<Line, LineError> {
        loop {
            let kept = self.free.lock().await.pop();
            let Some(mut line) = kept else { break };
            if !line.reader.is_over().await && send(&mut line.writer, request).await.is_ok() {
                return Ok(line);
            }
        }
        let mut line = self.open().await?;
        send(&mut line.writer, request).await.map_err(LineError::NotSent)?;
        Ok(line)
    }

    /// A server that is just dying still takes a line, and loses it: that is tried again for a moment.
    async fn open(&self) -> Result<Line, LineError> {
        let deadline = tokio::time::Instant::now() + DYING_LIMIT;
        loop {
            match self.open_once().await {
                Err(LineError::NotSent(FrameError::Line(_) | FrameError::Closed))
                    if tokio::time::Instant::now() < deadline =>
                {
                    tokio::time::sleep(DYING_PAUSE).await;
                }
                opened => return opened,
            }
        }
    }

    async fn open_once(&self) -> Result<Line, LineError> {
        let place = self.home.array_server();
        let stream = match UnixStream::connect(&place.socket).await {
            Ok(stream) => stream,
            Err(why) if why.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(LineError::NoAccess { socket: place.socket, why });
            }
            Err(_) if self.may_start => {
                let home = self.home.clone();
                let started = tokio::task::spawn_blocking(move || start_detached(&home, &home.array_server(), &SERVE));
                started.await.map_err(|error| LineError::NotSent(std::io::Error::other(error).into()))??;
                let again = UnixStream::connect(&place.socket).await;
                again.map_err(|error| LineError::NotSent(error.into()))?
            }
            Err(_) => return Err(LineError::NotRunning),
        };
        // The service manager's restart leaves an embedded array alone.
        let process = HowToEnd::peer(&stream, false);
        let (read, mut writer) = stream.into_split();
        let mut reader = FrameReader::new(read);
        let greeted = tokio::time::timeout(HELLO_LIMIT, greet(&mut reader, &mut writer, &hello(), REMEDY)).await;
        greeted.map_err(|_| LineError::NoHello(HELLO_LIMIT))?.map_err(|error| {
            LineError::NotSent(match error {
                FrameError::Mismatch(mismatch) => FrameError::Mismatch(Box::new(mismatch.of_process(process))),
                other => other,
            })
        })?;
        Ok(Line { reader, writer })
    }
}
