//! The only way to a connection of the database. It is borrowed for one use; whatever did not end cleanly is closed.
//!
//! A connection whose transaction ended uncleanly (disk full, I/O error, lost line, dropped future) may still be inside of
//! that transaction. It goes back to the pool only by [`Borrowed::give_back`] or by a clean end of its [`Transaction`].

use super::connect::{self, CONNECT_TIMEOUT};
use super::failure::Failure;
use super::place::{OpenedFiles, OwnedFile, own_file};
use super::server_lock::{self, ServerLock};
use super::{CataloguePlace, Dialect, OpenOptions};
use crate::catalog::{CatalogueError, Holder};
use parking_lot::Mutex;
use sqlx::any::AnyConnectOptions;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, Connection, Executor, Pool, Row, query, raw_sql};
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

/// The connections of one catalogue, and what proves that the catalogue is still the one that was opened.
pub struct Connections {
    dialect: Dialect,
    address: AnyConnectOptions,
    pragmas: Arc<str>,
    state: Arc<RwLock<Option<Opened>>>,
    /// Something ended so that what the database holds is known only after it was opened again.
    suspect: AtomicBool,
    /// Names this process's use of a server's catalogue: nobody else has this word.
    instance: String,
    /// The server's process that held the lock last.
    last_backend: Mutex<Option<i64>>,
    /// Another engine had the server's catalogue meanwhile: what this process knows of it is old.
    lost_to: Mutex<Option<Holder>>,
    closed: AtomicBool,
    file: Option<OwnedFile>,
}

/// Without the address: it may name a user and more.
impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").field("dialect", &self.dialect).field("file", &self.file).finish_non_exhaustive()
    }
}

/// What is open, and what holds it.
struct Opened {
    pool: Pool<Any>,
    hold: Hold,
}

enum Hold {
    /// A connection that stays open keeps SQLite from removing its log: the log's identity then tells whether it was replaced.
    File {
        keeper: Mutex<AnyConnection>,
        files: OpenedFiles,
    },
    Server(ServerLock),
}

/// A connection for one use. Dropping it closes it.
pub struct Borrowed {
    connection: PoolConnection<Any>,
    clean: bool,
    /// While somebody uses a connection the catalogue is not opened anew.
    _opened: OwnedRwLockReadGuard<Option<Opened>>,
}

impl Borrowed {
    /// The last use ended cleanly, outside of any transaction: the next one may have the connection.
    pub fn give_back(mut self) {
        self.clean = true;
    }

    /// Begins a transaction; `begin` is the statement of the dialect.
    async fn begin(mut self, begin: &'static str) -> Result<Transaction, Failure> {
        self.connection.execute(raw_sql(begin)).await?;
        Ok(Transaction { borrowed: self })
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if !self.clean {
            self.connection.close_on_drop();
        }
    }
}

impl Deref for Borrowed {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.connection
    }
}

impl DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }
}

/// An open transaction. Dropping it closes its connection, which takes everything back.
#[must_use = "a transaction that is dropped is taken back and its connection closed"]
pub struct Transaction {
    borrowed: Borrowed,
}

impl Transaction {
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.borrowed.connection.execute(raw_sql("COMMIT")).await?;
        self.borrowed.give_back();
        Ok(())
    }

    /// Takes everything back. When even that fails the connection is closed, which does the same.
    pub async fn roll_back(mut self) {
        if self.borrowed.connection.execute(raw_sql("ROLLBACK")).await.is_ok() {
            self.borrowed.give_back();
        }
    }
}

impl Deref for Transaction {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        &self.borrowed
    }
}

impl DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        &mut self.borrowed
    }
}

impl Connections {
    /// Looks at the database without writing, makes it this process's own, and opens it. The tables are the caller's.
    pub async fn open(place: &CataloguePlace, options: OpenOptions, shown: &str) -> Result<Self, CatalogueError> {
        let explain = |failure: Failure| failure.explain(shown);
        let (dialect, file) = match place {
            CataloguePlace::Sqlite(path) => (Dialect::Sqlite, Some(own_file(path)?)),
            CataloguePlace::Postgres(_) => (Dialect::Postgres, None),
        };
        // The file itself, whatever link leads to it: SQLite puts its log beside it.
        let own = file.as_ref().map(|file| CataloguePlace::Sqlite(file.path().to_owned()));
        let address = connect::address(own.as_ref().unwrap_or(place)).map_err(|error| explain(error.into()))?;
        let pragmas = connect::pragmas(dialect, options);
        // One connection of its own first: a pool hides what is wrong behind its time limit.
        let mut first = connect::connect(&address, &pragmas).await.map_err(explain)?;
        connect::examine(&mut first, dialect, shown).await?;
        first.close().await.map_err(|error| explain(error.into()))?;
        let instance = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
        let this = Self {
            dialect,
            address,
            pragmas,
            state: Arc::default(),
            suspect: AtomicBool::new(false),
            instance,
            last_backend: Mutex::default(),
            lost_to: Mutex::default(),
            closed: AtomicBool::new(false),
            file,
        };
        this.open_again().await.map_err(explain)?;
        Ok(this)
    }

    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// A connection for one statement that reads.
    pub async fn borrow(&self) -> Result<Borrowed, Failure> {
        let opened = self.opened().await?;
        let Some(pool) = opened.as_ref().map(|opened| opened.pool.clone()) else { return Err(Failure::Closed) };
        let connection = pool.acquire().await?;
        Ok(Borrowed { connection, clean: false, _opened: opened })
    }

    /// A transaction whose reads are all of one moment.
    pub async fn begin_read(&self) -> Result<Transaction, Failure> {
        self.borrow().await?.begin(self.dialect.begin_read()).await
    }

    pub async fn begin_write(&self) -> Result<Transaction, Failure> {
        self.borrow().await?.begin(self.dialect.begin_write()).await
    }

    /// A transaction that waits for those before it instead of failing because of them.
    pub async fn begin_look_up(&self) -> Result<Transaction, Failure> {
        self.borrow().await?.begin(self.dialect.begin_look_up()).await
    }

    /// The server's backend that holds the lock of this process, and this process's own word; nothing on SQLite.
    pub async fn fence(&self) -> Result<Option<(i64, String)>, Failure> {
        let opened = self.opened().await?;
        Ok(match opened.as_ref().map(|opened| &opened.hold) {
            Some(Hold::Server(lock)) => Some((lock.backend(), self.instance.clone())),
            _ => None,
        })
    }

    /// On a server, stores which engine has the catalogue.
    pub async fn store_holder(&self) -> Result<(), Failure> {
        if self.dialect == Dialect::Sqlite {
            return Ok(());
        }
        let mut transaction = self.begin_write().await?;
        server_lock::store_holder(&mut transaction, &self.instance).await?;
        transaction.commit().await.map_err(Failure::at_commit)
    }

    /// From now on nothing is read or written before the catalogue was opened again.
    pub fn suspect(&self) {
        self.suspect.store(true, Ordering::Relaxed);
    }

    /// Whether the catalogue is still the one that was opened; opens it anew where that is what helps.
    pub async fn check(&self) -> Result<(), Failure> {
        self.opened().await.map(drop)
    }

    /// Ends all connections in good order; SQLite then folds its log into the file.
    pub async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        if let Some(opened) = self.state.write().await.take() {
            opened.close().await;
        }
    }

    async fn opened(&self) -> Result<OwnedRwLockReadGuard<Option<Opened>>, Failure> {
        let state = Arc::clone(&self.state).read_owned().await;
        if self.is_sound(state.as_ref()) {
            return Ok(state);
        }
        drop(state);
        self.open_again().await?;
        Ok(Arc::clone(&self.state).read_owned().await)
    }

    fn is_sound(&self, state: Option<&Opened>) -> bool {
        let same = |opened: &Opened| match &opened.hold {
            Hold::File { files, .. } => files.are_there(),
            Hold::Server(_) => true,
        };
        !self.suspect.load(Ordering::Relaxed) && state.is_some_and(same)
    }

    /// Saves what can be saved, closes everything, and opens it anew. What fails here fails again at the next use.
    async fn open_again(&self) -> Result<(), Failure> {
        let mut state = self.state.write().await;
        if self.closed.load(Ordering::Relaxed) {
            return Err(Failure::Closed);
        }
        if self.is_sound(state.as_ref()) {
            // Somebody else did it while this one waited.
            return Ok(());
        }
        match self.dialect {
            Dialect::Sqlite => self.open_file(&mut state).await?,
            Dialect::Postgres => self.open_server(&mut state).await?,
        }
        self.suspect.store(false, Ordering::Relaxed);
        Ok(())
    }

    async fn open_file(&self, state: &mut Option<Opened>) -> Result<(), Failure> {
        let path = self.file.as_ref().map(|file| file.path().to_owned()).unwrap_or_default();
        let reopened = state.is_some() || self.suspect.load(Ordering::Relaxed);
        if let Some(opened) = state.as_mut() {
            self.save_log(opened).await?;
        }
        if let Some(opened) = state.take() {
            opened.close().await;
        }
        let mut keeper = connect::connect(&self.address, &self.pragmas).await?;
        if reopened {
            // What the log holds may never have reached the disk: copied into the file anew and flushed, it has.
            fold_log(&mut keeper).await?;
        }
        // The first reading makes and opens the log.
        keeper.execute(query("SELECT COUNT(*) FROM sqlite_master")).await?;
        let files = OpenedFiles::look(&path).map_err(|error| Failure::Replaced(error.to_string()))?;
        if let Some(file) = &self.file
            && !files.is_database(file.identity())
        {
            return Err(Failure::Replaced(format!("{} is another file now", path.display())));
        }
        let pool = connect::pool(self.address.clone(), self.dialect, Arc::clone(&self.pragmas));
        *state = Some(Opened { pool, hold: Hold::File { keeper: Mutex::new(keeper), files } });
        if reopened {
            tracing::warn!(catalogue = %path.display(), "the catalogue was closed and opened again");
        }
        Ok(())
    }

    /// The log of an open file was removed or replaced: the open one still has every commit, and they go into the file now.
    async fn save_log(&self, opened: &mut Opened) -> Result<(), Failure> {
        let Hold::File { keeper, files } = &mut opened.hold else { return Ok(()) };
        if let Some(why) = files.lost_database() {
            return Err(Failure::Replaced(why));
        }
        if files.are_there() {
            return Ok(());
        }
        tracing::error!("the write-ahead log of the catalogue was removed or replaced by another program");
        fold_log(keeper.get_mut()).await?;
        // What lies there now is not of this catalogue: read as its log, it would destroy it.
        files.set_strangers_aside().map_err(|error| Failure::Replaced(error.to_string()))
    }

    async fn open_server(&self, state: &mut Option<Opened>) -> Result<(), Failure> {
        if let Some(opened) = state.take() {
            opened.close().await;
        }
        if let Some(holder) = self.lost_to.lock().clone() {
            return Err(Failure::TakenOver(holder));
        }
        let before = *self.last_backend.lock();
        let connection = connect::connect(&self.address, &self.pragmas).await?;
        let lock = ServerLock::take(connection, &self.instance, before).await.inspect_err(|failure| {
            if let Failure::TakenOver(holder) = failure {
                *self.lost_to.lock() = Some(holder.clone());
            }
        })?;
        *self.last_backend.lock() = Some(lock.backend());
        let pool = connect::pool(self.address.clone(), self.dialect, Arc::clone(&self.pragmas));
        *state = Some(Opened { pool, hold: Hold::Server(lock) });
        Ok(())
    }
}

impl Opened {
    async fn close(self) {
        let closing = async {
            self.pool.close().await;
            match self.hold {
                Hold::File { keeper, .. } => {
                    let _ = keeper.into_inner().close().await;
                }
                Hold::Server(lock) => lock.let_go().await,
            }
        };
        // A server that is gone does not answer a farewell.
        let _ = tokio::time::timeout(CONNECT_TIMEOUT, closing).await;
    }
}

/// Copies the whole log into the file, flushed.
async fn fold_log(connection: &mut AnyConnection) -> Result<(), Failure> {
    let row = query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;
    match row.try_get::<i64, _>(0)? {
        0 => Ok(()),
        _ => Err(Failure::Held("another program reads it".to_owned())),
    }
}
