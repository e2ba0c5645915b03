//! A line to the PostgreSQL server that can be cut exactly when COMMIT goes over it.

use crate::postgres::SOCKET;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// Where the line is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server never hears of it.
    BeforeSending,
    /// The server does it; its answer is lost.
    AfterSending,
}

pub struct LossyLine {
    next: Arc<Mutex<Option<Cut>>>,
}

impl LossyLine {
    /// Listens in a folder under the server's own socket name.
    pub fn listen(folder: &Path, server: &Path) -> Self {
        let listener = UnixListener::bind(folder.join(SOCKET)).unwrap();
        let next = Arc::new(Mutex::new(None));
        let (armed, server) = (Arc::clone(&next), server.to_owned());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server.clone(), Arc::clone(&armed)));
            }
        });
        Self { next }
    }

    pub fn cut_next_commit(&self, how: Cut) {
        *self.next.lock().unwrap() = Some(how);
    }

    pub fn was_cut(&self) -> bool {
        self.next.lock().unwrap().is_none()
    }
}

/// Carries bytes both ways until one side ends or the line is cut.
async fn carry(client: UnixStream, server: PathBuf, armed: Arc<Mutex<Option<Cut>>>) {
    let Ok(server) = UnixStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back = async move { tokio::io::copy(&mut from_server, &mut to_client).await };
    let forth = async move {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let sent = &buffer[..length];
            let cut = if sent.windows(6).any(|word| word == b"COMMIT") { armed.lock().unwrap().take() } else { None };
            if cut != Some(Cut::BeforeSending) && to_server.write_all(sent).await.is_err() {
                return;
            }
            if cut.is_some() {
                return;
            }
        }
    };
    tokio::select! {
        () = forth => {}
        _ = back => {}
    }
}
