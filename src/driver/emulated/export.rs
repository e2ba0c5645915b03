//! Volumes as hosts reach them: each export serves one volume over NBD on a Unix socket. Every write goes the way of every
//! other host write: mirrored or tracked, as the volume's sessions say.

use super::arrays::{Arrays, ArraysError};
use super::data::DataError;
use super::nbd::{self, Disk, NbdError};
use crate::model::identity::VolumeId;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// Clients of one export at the same time.
const MAX_CLIENTS: usize = 16;

/// The exports of a home, one a volume at most. They end with the process: whoever wants them again asks again.
#[derive(Debug, Default)]
pub struct Exports(Mutex<BTreeMap<VolumeId, Running>>);

/// The lines of clients, each with its number.
type Clients = Arc<Mutex<Vec<(u64, UnixStream)>>>;

#[derive(Debug)]
struct Running {
    socket: PathBuf,
    ends: Arc<AtomicBool>,
    clients: Clients,
    thread: JoinHandle<()>,
}

impl Running {
    /// When this returns, nobody writes through it any more but a request that had begun.
    fn end(self) {
        self.ends.store(true, Ordering::Release);
        // The thread waits for a client: this is the last one.
        let _ = UnixStream::connect(&self.socket);
        let _ = self.thread.join();
        for (_, client) in self.clients.lock().drain(..) {
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Exports {
    /// Serves the volume on a socket from now on.
    pub(super) fn start(
        &self,
        arrays: &Arc<Arrays>,
        volume: VolumeId,
        name: String,
        socket: &Path,
    ) -> Result<(), ArraysError> {
        let wrong = |why: String| ArraysError::Request(format!("{} cannot be the socket: {why}", socket.display()));
        if !socket.is_absolute() {
            return Err(wrong("write the path from / on".to_owned()));
        }
        let mut exports = self.0.lock();
        if let Some(running) = exports.get(&volume) {
            let at = running.socket.display();
            return Err(ArraysError::Request(format!(
                "{name} is exported already, at {at}: end that with --stop first"
            )));
        }
        if let Ok(found) = std::fs::symlink_metadata(socket) {
            // One that nobody serves was left by a process that is gone.
            if !found.file_type().is_socket() || UnixStream::connect(socket).is_ok() {
                return Err(wrong("something is there already".to_owned()));
            }
            std::fs::remove_file(socket).map_err(|error| wrong(error.to_string()))?;
        }
        let listener = UnixListener::bind(socket).map_err(|error| wrong(error.to_string()))?;
        let (ends, clients) = (Arc::new(AtomicBool::new(false)), Clients::default());
        let served = Served { arrays: Arc::downgrade(arrays), volume, size: arrays.data().blocks(volume)?.bytes() };
        let thread = std::thread::spawn({
            let (ends, clients) = (Arc::clone(&ends), Arc::clone(&clients));
            move || accept(&listener, &name, &served, &ends, &clients)
        });
        exports.insert(volume, Running { socket: socket.to_owned(), ends, clients, thread });
        Ok(())
    }

    pub(super) fn stop(&self, volume: VolumeId) -> bool {
        let running = self.0.lock().remove(&volume);
        running.map(Running::end).is_some()
    }

    pub(super) fn stop_all(&self) {
        let all = std::mem::take(&mut *self.0.lock());
        all.into_values().for_each(Running::end);
    }

    /// Where each exported volume is served.
    pub fn all(&self) -> BTreeMap<VolumeId, PathBuf> {
        self.0.lock().iter().map(|(volume, running)| (*volume, running.socket.clone())).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

fn accept(listener: &UnixListener, name: &str, served: &Served, ends: &AtomicBool, clients: &Clients) {
    for (number, client) in (0_u64..).zip(listener.incoming()) {
        if ends.load(Ordering::Acquire) {
            return;
        }
        let Ok(mut client) = client else { continue };
        let mut all = clients.lock();
        if all.len() >= MAX_CLIENTS {
            continue;
        }
        let Ok(own) = client.try_clone() else { continue };
        all.push((number, own));
        drop(all);
        let (name, served, clients) = (name.to_owned(), served.clone(), Arc::clone(clients));
        std::thread::spawn(move || {
            if let Err(error) = nbd::serve(&mut client, &name, &served) {
                tracing::debug!("a client of the export of {name} is gone: {error}");
            }
            clients.lock().retain(|(other, _)| *other != number);
        });
    }
}

/// A volume behind a line.
#[derive(Debug, Clone)]
struct Served {
    arrays: Weak<Arrays>,
    volume: VolumeId,
    size: u64,
}

impl Served {
    fn arrays(&self) -> Result<Arc<Arrays>, NbdError> {
        self.arrays.upgrade().ok_or(NbdError::Io)
    }
}

impl Disk for Served {
    fn size(&self) -> u64 {
        self.size
    }

    fn read(&self, offset: u64, into: &mut [u8]) -> Result<(), NbdError> {
        self.arrays()?.read_as_host(self.volume, offset, into).map_err(|error| refused(&error))
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), NbdError> {
        self.arrays()?.write_as_host(self.volume, offset, bytes).map_err(|error| refused(&error))
    }

    fn flush(&self) -> Result<(), NbdError> {
        self.arrays()?.data().flush(self.volume).map_err(|error| refused(&error.into()))
    }
}

/// A copy's target takes no writes while it is copied to; everything else is a failure of the disk.
fn refused(error: &ArraysError) -> NbdError {
    match error {
        ArraysError::Data(DataError::NotReady(_)) | ArraysError::Core(_) => NbdError::NotPermitted,
        error => {
            tracing::warn!("a host's request failed: {error}");
            NbdError::Io
        }
    }
}
