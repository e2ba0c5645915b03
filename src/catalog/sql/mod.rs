//! The catalogue in SQL, through sqlx's Any driver: one set of statements for SQLite and PostgreSQL.
//!
//! Belongs here: tables, statements, and what each database's errors mean. Does not: what a change means (model).

mod change;
mod connect;
mod failure;
mod place;
mod read;
mod schema;
mod words;

pub use crate::model::catalogue_url::CataloguePlace;
pub use schema::FORMAT;

use super::{Catalogue, CatalogueError, EventRange, HistoryQuery, Pending};
use crate::model::chain::{ChainLink, ChainedEvent, chain};
use crate::model::event::{ChainHash, ChainHead, Event, NewEvent};
use crate::model::records::{Change, OperationEnd, OperationId, PastGeneration, Records};
use change::Counters;
use failure::Failure;
use place::OwnedFile;
use sqlx::{Any, Connection, Pool, Row, Transaction, query, query_scalar};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use words::{signed, unsigned};

/// The two databases, where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// SQLite's own BEGIN takes the lock at the first write, which then may fail half way.
    fn begin_write(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        }
    }

    /// All reads of it are of one moment.
    fn begin_read(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN",
            Self::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }
}

/// How a catalogue is opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct OpenOptions {
    /// SQLite only: the most pages that the file may have.
    pub most_pages: Option<u32>,
}

/// How often a transaction is tried that others are in the way of.
const ATTEMPTS: u32 = 20;
/// How often it is looked up whether a lost commit was kept.
const LOOK_UPS: u32 = 3;

/// The catalogue in a SQLite file or a PostgreSQL database. Clones share it.
#[derive(Debug, Clone)]
pub struct SqlCatalogue {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    pool: Pool<Any>,
    dialect: Dialect,
    place: String,
    /// Commits of this process go one after the other: waiting here is cheaper than a conflict in the database.
    turn: tokio::sync::Mutex<()>,
    /// The disk failed at a commit: what the file holds is only known after it was opened again.
    failed: AtomicBool,
    _file: Option<OwnedFile>,
}

impl SqlCatalogue {
    /// Opens the catalogue, makes it where there is none, and brings an older one up to date.
    pub async fn open(place: &CataloguePlace, options: OpenOptions) -> Result<Self, CatalogueError> {
        let shown = place.to_string();
        let (dialect, file) = match place {
            CataloguePlace::Sqlite(path) => (Dialect::Sqlite, Some(place::own_file(path)?)),
            CataloguePlace::Postgres(_) => (Dialect::Postgres, None),
        };
        let explain = |failure: Failure| failure.explain(&shown);
        let address = connect::address(place).map_err(|error| explain(error.into()))?;
        let pragmas = connect::pragmas(dialect, options);
        // One line of its own first: a pool hides what is wrong behind its time limit.
        let mut connection = connect::connect(&address, &pragmas).await.map_err(explain)?;
        connect::prepare(&mut connection, dialect, &shown).await?;
        connection.close().await.map_err(|error| explain(error.into()))?;
        let turn = tokio::sync::Mutex::new(());
        let pool = connect::pool(address, dialect, pragmas);
        let inner = Inner { pool, dialect, place: shown, turn, failed: AtomicBool::new(false), _file: file };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Ends all connections in good order; SQLite then folds its log into the file.
    pub async fn close(&self) {
        self.inner.pool.close().await;
    }

    pub fn place(&self) -> &str {
        &self.inner.place
    }
}

/// What a transaction finds in the head row when it takes it.
struct Taken {
    head: ChainHead,
    counters: Counters,
}

impl Inner {
    fn explain(&self, failure: Failure) -> CatalogueError {
        failure.explain(&self.place)
    }

    async fn commit(&self, changes: &[Change], events: &[NewEvent]) -> Result<Vec<Event>, CatalogueError> {
        let _turn = self.turn.lock().await;
        if self.failed.load(Ordering::Relaxed) {
            let detail = "writing failed before; check the disk, then start the engine again".to_owned();
            return Err(CatalogueError::Unreachable { place: self.place.clone(), detail });
        }
        let mut attempt = 1;
        loop {
            let token = fastrand::i64(..);
            match self.try_commit(changes, events, token).await {
                Ok(kept) => return Ok(kept),
                Err((failure, _)) if failure.is_conflict() && attempt < ATTEMPTS => back_off(attempt).await,
                Err((failure @ Failure::LostAtCommit(_), written)) => {
                    return self.look_up(failure, token, written).await;
                }
                Err((failure, _)) => return Err(self.explain(failure)),
            }
            attempt += 1;
        }
    }

    /// One transaction, whole. With the error come the events as they would have been kept.
    async fn try_commit(
        &self,
        changes: &[Change],
        events: &[NewEvent],
        token: i64,
    ) -> Result<Vec<Event>, (Failure, Vec<ChainedEvent>)> {
        let early = |failure: Failure| (failure, Vec::new());
        let begun = self.pool.begin_with(self.dialect.begin_write()).await;
        let mut transaction = begun.map_err(|error| early(error.into()))?;
        let written = self.write(&mut transaction, changes, events, token).await;
        match written {
            // An awaited rollback, so that the next commit does not meet this one's lock.
            Err(failure) => {
                let _ = transaction.rollback().await;
                Err(early(failure))
            }
            Ok(chained) => match transaction.commit().await {
                Ok(()) => Ok(chained.into_iter().map(|event| event.event).collect()),
                Err(error) => Err((Failure::at_commit(error), chained)),
            },
        }
    }

    async fn write(
        &self,
        transaction: &mut Transaction<'_, Any>,
        changes: &[Change],
        events: &[NewEvent],
        token: i64,
    ) -> Result<Vec<ChainedEvent>, Failure> {
        let Taken { mut head, mut counters } = take_head(transaction, token).await?;
        for change in changes {
            change::apply(transaction, &mut counters, change).await?;
        }
        let chained = chain(&head, events.to_vec()).map_err(Failure::Unfit)?;
        for event in &chained {
            append(transaction, event).await?;
        }
        if let Some(last) = chained.last() {
            head = ChainHead { sequence: last.event.sequence, hash: last.event.hash.clone() };
        }
        query("UPDATE head SET sequence = $1, hash = $2, next_operation = $3, next_epoch = $4 WHERE one = 1")
            .bind(signed(head.sequence))
            .bind(head.hash.as_str())
            .bind(signed(counters.next_operation))
            .bind(signed(counters.next_epoch))
            .execute(&mut **transaction)
            .await?;
        Ok(chained)
    }

    /// Finds out whether a commit was kept whose answer was lost.
    async fn look_up(
        &self,
        lost: Failure,
        token: i64,
        written: Vec<ChainedEvent>,
    ) -> Result<Vec<Event>, CatalogueError> {
        if self.dialect == Dialect::Sqlite {
            // SQLite shows what it could not make durable: only a new start tells what the disk has.
            self.failed.store(true, Ordering::Relaxed);
            return Err(self.explain(lost));
        }
        for attempt in 1..=LOOK_UPS {
            match self.was_kept(token, &written).await {
                Ok(Some(true)) => return Ok(written.into_iter().map(|event| event.event).collect()),
                Ok(Some(false)) => {
                    let detail = "the line was lost while committing; nothing was kept".to_owned();
                    return Err(CatalogueError::Unreachable { place: self.place.clone(), detail });
                }
                Ok(None) => break,
                Err(_) => back_off(attempt).await,
            }
        }
        Err(self.explain(lost))
    }

    /// `None`: others committed since, and there is no event to know ours by.
    async fn was_kept(&self, token: i64, written: &[ChainedEvent]) -> Result<Option<bool>, Failure> {
        let mut transaction = self.pool.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await?;
        // The row's lock waits until the lost transaction is over, one way or the other.
        let last = query_scalar::<_, i64>("UPDATE head SET token = token WHERE one = 1 RETURNING token")
            .fetch_one(&mut *transaction)
            .await?;
        let kept = if last == token {
            Some(true)
        } else if let Some(event) = written.first() {
            let hash = query_scalar::<_, String>("SELECT hash FROM event WHERE sequence = $1")
                .bind(signed(event.event.sequence))
                .fetch_optional(&mut *transaction)
                .await?;
            Some(hash.as_deref() == Some(event.event.hash.as_str()))
        } else {
            None
        };
        let _ = transaction.rollback().await;
        Ok(kept)
    }

    async fn reading(&self) -> Result<Transaction<'static, Any>, Failure> {
        Ok(self.pool.begin_with(self.dialect.begin_read()).await?)
    }

    async fn load(&self) -> Result<Records, Failure> {
        let mut transaction = self.reading().await?;
        let records = read::load(&mut transaction).await?;
        transaction.rollback().await?;
        Ok(records)
    }
}

/// Takes the head row: from here on no other transaction commits before this one.
async fn take_head(transaction: &mut Transaction<'_, Any>, token: i64) -> Result<Taken, Failure> {
    let statement = "UPDATE head SET commits = commits + 1, token = $1 WHERE one = 1
        RETURNING sequence, hash, next_operation, next_epoch";
    let row = query(statement).bind(token).fetch_one(&mut **transaction).await?;
    let head = ChainHead { sequence: unsigned(row.try_get(0)?), hash: ChainHash::from_stored(row.try_get(1)?) };
    let counters = Counters { next_operation: unsigned(row.try_get(2)?), next_epoch: unsigned(row.try_get(3)?) };
    Ok(Taken { head, counters })
}

async fn append(transaction: &mut Transaction<'_, Any>, event: &ChainedEvent) -> Result<(), Failure> {
    let statement = "INSERT INTO event (sequence, at, what, operation, volume, uid, hash, document)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let new = &event.event.event;
    let kind = serde_json::to_value(&new.kind).map_err(Failure::Unfit)?;
    query(statement)
        .bind(signed(event.event.sequence))
        .bind(new.at.0)
        .bind(kind["what"].as_str().unwrap_or_default().to_owned())
        .bind(new.operation.map(|operation| signed(operation.0)))
        .bind(event.volume.map(|volume| volume.to_string()))
        .bind(new.actor.as_ref().map(|actor| i64::from(actor.uid)))
        .bind(event.event.hash.as_str())
        .bind(&event.text)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Waits a little, longer each time, and not as long as another engine that was refused with us.
async fn back_off(attempt: u32) {
    let most = 4_u64 << attempt.min(6);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=most))).await;
}

impl Catalogue for SqlCatalogue {
    fn load(&self) -> Pending<'_, Result<Records, CatalogueError>> {
        Box::pin(async { self.inner.load().await.map_err(|failure| self.inner.explain(failure)) })
    }

    fn commit(&self, changes: Vec<Change>, events: Vec<NewEvent>) -> Pending<'_, Result<Vec<Event>, CatalogueError>> {
        let inner = Arc::clone(&self.inner);
        Box::pin(async move {
            // A task of its own: a caller that gives up waiting does not take a commit back half way.
            let place = inner.place.clone();
            let task = tokio::spawn(async move { inner.commit(&changes, &events).await });
            match task.await {
                Ok(result) => result,
                Err(error) => Err(CatalogueError::OutcomeUnknown { place, detail: error.to_string() }),
            }
        })
    }

    fn events(&self, range: EventRange) -> Pending<'_, Result<Vec<Event>, CatalogueError>> {
        Box::pin(async move {
            let links = self.links(range).await?;
            let event = |link: ChainLink| match serde_json::from_str(&link.text) {
                Ok(event) => Ok(Event { sequence: link.sequence, event, hash: link.hash }),
                Err(error) => {
                    let detail = format!("event {} cannot be read ({error})", link.sequence);
                    Err(CatalogueError::Corrupt { place: self.inner.place.clone(), detail })
                }
            };
            links.into_iter().map(event).collect()
        })
    }

    fn links(&self, range: EventRange) -> Pending<'_, Result<Vec<ChainLink>, CatalogueError>> {
        Box::pin(async move {
            let read = async { read::links(&mut *self.inner.pool.acquire().await?, range).await };
            read.await.map_err(|failure| self.inner.explain(failure))
        })
    }

    fn head(&self) -> Pending<'_, Result<ChainHead, CatalogueError>> {
        Box::pin(async move {
            let read = async { read::head(&mut *self.inner.pool.acquire().await?).await };
            read.await.map_err(|failure| self.inner.explain(failure))
        })
    }

    fn history(&self, wanted: HistoryQuery) -> Pending<'_, Result<Vec<PastGeneration>, CatalogueError>> {
        Box::pin(async move {
            let read = async { read::history(&mut *self.inner.pool.acquire().await?, wanted).await };
            read.await.map_err(|failure| self.inner.explain(failure))
        })
    }

    fn operation_end(&self, id: OperationId) -> Pending<'_, Result<Option<OperationEnd>, CatalogueError>> {
        Box::pin(async move {
            let read = async { read::operation_end(&mut *self.inner.pool.acquire().await?, id).await };
            read.await.map_err(|failure| self.inner.explain(failure))
        })
    }
}
