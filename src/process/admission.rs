//! How many clients a server has at the same time: limits for all and for each user, and places that are kept free.

use super::frames::{Hello, encode};
use parking_lot::{Mutex, MutexGuard};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::net::UnixStream;

/// Clients at the same time, but root's.
pub const MAX_CLIENTS: usize = 256;
/// Of these, kept free for the user that the server runs as.
pub const RESERVED_FOR_OWNER: usize = 16;
/// Beyond these, for root.
pub const RESERVED_FOR_ROOT: usize = 16;
/// Clients of one user who is neither root nor the server's own.
pub const MAX_CLIENTS_OF_USER: usize = 64;

/// Why a client is turned away, as a sentence for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    #[error(
        "the {server} is full: it serves {clients} clients, which is its limit; end some consoles, or try again later"
    )]
    Server { server: &'static str, clients: usize },
    #[error(
        "the {server} takes no more clients of your user: it serves {clients} of them, which is the limit for one user; end \
         some, or try again later"
    )]
    User { server: &'static str, clients: usize },
}

/// The clients of a server. Clones share them.
#[derive(Debug, Clone)]
pub struct Admission {
    server: &'static str,
    owner: u32,
    clients: Arc<Mutex<Clients>>,
}

#[derive(Debug, Default)]
struct Clients {
    all: usize,
    by_user: HashMap<u32, usize>,
}

impl Admission {
    /// Of a server that runs as this process's user. `server`: its word for people.
    pub fn new(server: &'static str) -> Self {
        Self { server, owner: rustix::process::geteuid().as_raw(), clients: Arc::default() }
    }

    /// Clients that are there now.
    pub fn count(&self) -> usize {
        self.clients().all
    }

    /// A place for a client of this user, for as long as it is kept.
    pub fn enter(&self, uid: u32) -> Result<Place, Full> {
        let mut clients = self.clients();
        let of_user = clients.by_user.get(&uid).copied().unwrap_or_default();
        let limit = match uid {
            0 => MAX_CLIENTS + RESERVED_FOR_ROOT,
            uid if uid == self.owner => MAX_CLIENTS,
            _ => MAX_CLIENTS - RESERVED_FOR_OWNER,
        };
        if clients.all >= limit {
            return Err(Full::Server { server: self.server, clients: clients.all });
        }
        if uid != 0 && uid != self.owner && of_user >= MAX_CLIENTS_OF_USER {
            return Err(Full::User { server: self.server, clients: of_user });
        }
        clients.all += 1;
        *clients.by_user.entry(uid).or_default() += 1;
        Ok(Place { uid, clients: Arc::clone(&self.clients) })
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        self.clients.lock()
    }
}

/// The place of one client.
#[derive(Debug)]
#[must_use = "the place is free again when it is dropped"]
pub struct Place {
    uid: u32,
    clients: Arc<Mutex<Clients>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut clients = self.clients.lock();
        clients.all -= 1;
        if let Some(count) = clients.by_user.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                clients.by_user.remove(&self.uid);
            }
        }
    }
}

/// Tells a client why it is not served. A fresh line takes one short message without waiting.
pub fn turn_away(stream: &UnixStream, ours: &Hello, full: &Full) {
    tracing::warn!("a client was turned away: {full}");
    if let Ok(frame) = encode(&Hello { full: Some(full.to_string()), ..ours.clone() }) {
        // Whoever has left already need not be told.
        let _ = stream.try_write(&frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_owner(owner: u32) -> Admission {
        Admission { owner, ..Admission::new("engine") }
    }

    fn enter_all(admission: &Admission, uid: u32) -> Vec<Place> {
        std::iter::from_fn(|| admission.enter(uid).ok()).collect()
    }

    #[test]
    fn one_user_does_not_take_the_places_of_the_others() {
        let admission = of_owner(900);
        let places = enter_all(&admission, 1001);
        assert_eq!(places.len(), MAX_CLIENTS_OF_USER);
        assert!(matches!(admission.enter(1001), Err(Full::User { .. })));
        assert!(admission.enter(1002).is_ok());
        drop(places);
        assert_eq!(admission.count(), 0);
        assert!(admission.clients().by_user.is_empty());
    }

    #[test]
    fn the_engines_own_user_and_root_come_in_when_it_is_full_for_all_others() {
        let admission = of_owner(900);
        let others: Vec<Vec<Place>> = (1..20).map(|uid| enter_all(&admission, uid)).collect();
        assert!(matches!(admission.enter(50), Err(Full::Server { .. })));
        let owner = enter_all(&admission, 900);
        assert_eq!(owner.len(), RESERVED_FOR_OWNER);
        let root = enter_all(&admission, 0);
        assert_eq!(root.len(), RESERVED_FOR_ROOT);
        let why = admission.enter(0).unwrap_err().to_string();
        assert!(why.starts_with("the engine is full: it serves 272 clients"), "{why}");
        drop(others);
        assert!(admission.enter(50).is_ok());
    }
}
