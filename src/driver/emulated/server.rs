//! The embedded array's process: one for all arrays of a home, on one socket.

use super::administration::{Answer, answer};
use super::arrays::{Arrays, ArraysError};
use super::wire::{Administration, Failure, FailureKind, REMEDY, Request, hello};
use crate::model::untrusted::Untrusted;
use crate::process::admission::{Admission, turn_away};
use crate::process::frames::{FrameError, FrameMemory, FrameReader, greet, send};
use crate::process::instance::{
    Claim, InstanceError, InstanceLock, Ready, asked_to_end, claim_or_wait, idle_for, private_folder, set_private_umask,
};
use crate::process::paths::Home;
use rustix::fs::FlockOperation;
use serde_json::Value;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;

/// A client greets within this.
const GREETING_TIMEOUT: Duration = Duration::from_secs(5);
/// Memory for the long requests of all clients together.
const REQUEST_MEMORY: usize = 64 << 20;
/// How long a server that a command started stays without anything to do.
const IDLE_LIMIT: Duration = Duration::from_mins(10);

/// How long a server that was killed may take to let go of a folder, and how often that is looked at.
const LOCK_LIMIT: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(20);
/// Bytes that are read of what the holder of a lock says of itself.
const MAX_HOLDER: u64 = 512;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Life(#[from] InstanceError),
    #[error(transparent)]
    Arrays(#[from] ArraysError),
    #[error(
        "another array server has the images in {}: {holder}. Two servers would destroy them: end that one, or use another \
         folder",
        folder.display()
    )]
    OtherServer { folder: PathBuf, holder: String },
    #[error("the embedded array cannot run: {0}")]
    System(#[from] std::io::Error),
}

/// Serves the home's arrays until a signal, a request or idleness ends it. `ready` is there when a command started it.
pub async fn serve(home: &Home, ready: Option<Ready>) -> Result<(), ServeError> {
    let on_demand = ready.is_some();
    match begin(home).await {
        Ok(Some(begun)) => {
            if let Some(ready) = ready {
                ready.say();
            }
            begun.run(on_demand).await
        }
        Ok(None) => {
            if let Some(ready) = ready {
                ready.say();
                return Ok(());
            }
            let why = "another process already serves the arrays of this home".to_owned();
            Err(InstanceError::Start("embedded array", why).into())
        }
        Err(error) => {
            if let Some(ready) = ready {
                ready.fail(&error);
            }
            Err(error)
        }
    }
}

/// Becomes the server; `None` when another process is, and answers.
async fn begin(home: &Home) -> Result<Option<Server>, ServeError> {
    set_private_umask();
    let place = home.array_server();
    let folder = home.arrays_dir();
    tokio::task::spawn_blocking(move || {
        let Claim::Ours(instance_lock) = claim_or_wait(&place)? else { return Ok(None) };
        private_folder(&folder)?;
        let guard = guard_folder(&folder)?;
        let arrays = Arrays::open(&folder)?;
        Ok(Some((instance_lock, guard, arrays)))
    })
    .await
    .map_err(std::io::Error::other)?
    .and_then(|begun: Option<_>| {
        let Some((instance_lock, guard, arrays)) = begun else { return Ok(None) };
        let listener = instance_lock.bind()?;
        Ok(Some(Server { instance_lock, _guard: guard, listener, shared: Arc::new(Shared::of(arrays)) }))
    })
}

/// The lock on a folder of arrays, in the folder itself: it is the same one by whatever path the folder is reached, by a
/// symbolic link, a bind mount or the home of another user.
fn guard_folder(folder: &Path) -> Result<File, ServeError> {
    let path = folder.join("server.lock");
    let mut options = OpenOptions::new();
    let mut lock = options.create(true).truncate(false).read(true).write(true).mode(0o600).open(&path)?;
    let deadline = Instant::now() + LOCK_LIMIT;
    while rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() > deadline {
            let mut holder = String::new();
            // What another process wrote there is shown and not believed.
            let _ = (&lock).take(MAX_HOLDER).read_to_string(&mut holder);
            let holder = Untrusted::new(holder.trim()).escaped();
            return Err(ServeError::OtherServer { folder: folder.to_owned(), holder });
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    lock.set_len(0)?;
    // A full disk is no reason not to serve.
    let _ = write!(lock, "process {}, {}", std::process::id(), folder.display());
    Ok(lock)
}

struct Server {
    instance_lock: InstanceLock,
    /// Held for life.
    _guard: File,
    listener: UnixListener,
    shared: Arc<Shared>,
}

struct Shared {
    arrays: Arc<Arrays>,
    clients: Admission,
    memory: FrameMemory,
    stop: Notify,
}

impl Shared {
    fn of(arrays: Arc<Arrays>) -> Self {
        let (clients, memory) = (Admission::new("embedded array"), FrameMemory::of_bytes(REQUEST_MEMORY));
        Self { arrays, clients, memory, stop: Notify::new() }
    }

    fn is_idle(&self) -> bool {
        self.clients.count() == 0 && self.arrays.is_idle()
    }
}

impl Server {
    async fn run(self, on_demand: bool) -> Result<(), ServeError> {
        let shared = Arc::clone(&self.shared);
        let idle = async {
            if on_demand {
                idle_for(IDLE_LIMIT, || shared.is_idle()).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            ended = asked_to_end() => ended?,
            () = self.shared.stop.notified() => {}
            () = idle => {}
            () = accept(&self.listener, &self.shared) => {}
        }
        let Self { instance_lock, _guard: guard, listener, shared } = self;
        drop(listener);
        let arrays = Arc::clone(&shared.arrays);
        tokio::task::spawn_blocking(move || arrays.shut_down()).await.map_err(std::io::Error::other)??;
        drop((guard, instance_lock));
        Ok(())
    }
}

async fn accept(listener: &UnixListener, shared: &Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let Ok(uid) = stream.peer_cred().map(|peer| peer.uid()) else { continue };
                let place = match shared.clients.enter(uid) {
                    Ok(place) => place,
                    Err(full) => {
                        turn_away(&stream, &hello(), &full);
                        continue;
                    }
                };
                let shared = Arc::clone(shared);
                tokio::spawn(async move {
                    let _place = place;
                    if let Err(error) = converse(stream, &shared).await {
                        tracing::debug!("a client's line ended: {error}");
                    }
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: a client that leaves frees some.
                tracing::warn!("a client's connection was not accepted: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: UnixStream, shared: &Arc<Shared>) -> Result<(), FrameError> {
    let (read, mut write) = stream.into_split();
    let mut reader = FrameReader::of_client(read, shared.memory.clone());
    let ours = hello();
    let greeting = greet(&mut reader, &mut write, &ours, REMEDY);
    tokio::time::timeout(GREETING_TIMEOUT, greeting).await.map_err(|_| FrameError::TooSlow(GREETING_TIMEOUT))??;
    reader.accept_questions();
    while let Some(request) = reader.receive::<Request>().await? {
        // The memory of a long request, until it is answered.
        let _hold = reader.take_hold();
        let stop = matches!(request, Request::Administer(Administration::Stop));
        let arrays = Arc::clone(&shared.arrays);
        let answered = tokio::task::spawn_blocking(move || answer(&arrays, request)).await;
        let answered = answered.unwrap_or_else(|error| {
            Err(Failure { kind: FailureKind::Internal, text: format!("the request ended with a fault: {error}") })
        });
        let reply: Result<Value, Failure> = match answered {
            Ok(Answer::Silence) => continue,
            Ok(Answer::Value(value)) => Ok(value),
            Ok(Answer::Late(value, millis)) => {
                tokio::time::sleep(Duration::from_millis(millis.into())).await;
                Ok(value)
            }
            Err(failure) => Err(failure),
        };
        send(&mut write, &reply).await?;
        if stop {
            shared.stop.notify_one();
        }
    }
    Ok(())
}
