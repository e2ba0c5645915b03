//! The catalogue in SQL, through sqlx's Any driver: one set of statements for SQLite and PostgreSQL.
//!
//! Belongs here: tables, statements, and what each database's errors mean. Does not: what a change means (model).

mod change;
mod column_codec;
mod connect;
mod connections;
mod copy;
mod documents;
mod failure;
mod groups;
mod leaves;
mod maps;
mod notes;
mod place;
mod read;
mod released;
mod rows;
mod schema;
mod server_lock;
mod verify;
mod volume_sets;

pub use crate::model::catalogue_url::CataloguePlace;
pub use place::beside;
pub use schema::FORMAT;

use super::{Catalogue, CatalogueError, EventRange, HistoryQuery, Outside, keeps_no_copies, now};
use crate::model::audit::AuditReport;
use crate::model::catalogue_copy::{CatalogueCopies, CatalogueCopy};
use crate::model::chain::{ChainLink, ChainedEvent, chain_with_rows, rows_of};
use crate::model::event::{ChainHash, ChainHead, Event, EventKind, NewEvent};
use crate::model::fingerprint::VolumeLeaves;
use crate::model::identity::VolumeId;
use crate::model::records::{Change, OperationEnd, OperationId, PastGeneration, Records};
use change::Counters;
use column_codec::{signed, unsigned};
use connections::{Connections, Transaction};
use failure::Failure;
use futures_util::future::BoxFuture;
use rows::Touched;
use sqlx::{Row, query, query_scalar};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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

    /// Waits until a transaction that has the head row is over, one way or the other.
    fn begin_look_up(self) -> &'static str {
        match self {
            Self::Sqlite => "BEGIN IMMEDIATE",
            Self::Postgres => "BEGIN ISOLATION LEVEL READ COMMITTED",
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
    connections: Connections,
    place: String,
    /// Commits of this process go one after the other: waiting here is cheaper than a conflict in the database.
    turn: tokio::sync::Mutex<()>,
}

impl SqlCatalogue {
    /// Opens the catalogue, makes it where there is none, and brings an older one up to date.
    pub async fn open(place: &CataloguePlace, options: OpenOptions) -> Result<Self, CatalogueError> {
        let shown = place.to_string();
        let connections = Connections::open(place, options, &shown).await?;
        connect::prepare(&connections).await.map_err(|failure| failure.explain(&shown))?;
        Ok(Self { inner: Arc::new(Inner { connections, place: shown, turn: tokio::sync::Mutex::new(()) }) })
    }

    /// Ends all connections in good order; SQLite then folds its log into the file.
    pub async fn close(&self) {
        self.inner.connections.close().await;
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
        let mut attempt = 1;
        loop {
            let token = fastrand::i64(..);
            match self.try_commit(changes, events, token).await {
                Ok(kept) => return self.settled(kept).await,
                Err((failure, _)) if failure.is_conflict() && attempt < ATTEMPTS => back_off(attempt).await,
                Err((Failure::LockLost, _)) if attempt < ATTEMPTS => {
                    // The next use takes the lock again, or says who has it now.
                    self.connections.suspect();
                    back_off(attempt).await;
                }
                Err((failure @ Failure::LostAtCommit(_), written)) => {
                    return self.look_up(failure, token, written).await;
                }
                Err((failure, _)) => return Err(self.explain(failure)),
            }
            attempt += 1;
        }
    }

    /// A commit counts when the file that has it is still where it was opened.
    async fn settled(&self, kept: Vec<Event>) -> Result<Vec<Event>, CatalogueError> {
        match self.connections.check().await {
            Ok(()) => Ok(kept),
            Err(failure) => {
                let detail = self.explain(failure).to_string();
                Err(CatalogueError::OutcomeUnknown { place: self.place.clone(), detail })
            }
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
        let fence = self.connections.fence().await.map_err(early)?;
        let mut transaction = self.connections.begin_write().await.map_err(early)?;
        match self.write(&mut transaction, changes, events, (token, fence)).await {
            // An awaited rollback, so that the next commit does not meet this one's lock.
            Err(failure) => {
                transaction.roll_back().await;
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
        transaction: &mut Transaction,
        changes: &[Change],
        events: &[NewEvent],
        (token, fence): (i64, Option<(i64, String)>),
    ) -> Result<Vec<ChainedEvent>, Failure> {
        let Taken { mut head, mut counters } = take_head(transaction, token, fence).await?;
        let mut touched = Touched::default();
        for change in changes {
            change::apply(transaction, &mut counters, &mut touched, change).await?;
        }
        let mut events = events.to_vec();
        if events.is_empty() && !touched.is_empty() {
            events.push(NewEvent::by_engine(now(), EventKind::RecordsWritten));
        }
        let digests = touched.digests(transaction).await?;
        let chained = chain_with_rows(&head, events, digests).map_err(Failure::Unfit)?;
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
        if self.connections.dialect() == Dialect::Sqlite {
            // SQLite may show what never reached the disk: only a file that was opened again tells what it has.
            self.connections.suspect();
        }
        for attempt in 1..=LOOK_UPS {
            match self.was_kept(token, &written).await {
                Ok(Some(true)) => return Ok(written.into_iter().map(|event| event.event).collect()),
                Ok(Some(false)) => return Err(self.explain(lost.nothing_kept())),
                Ok(None) => break,
                Err(_) => back_off(attempt).await,
            }
        }
        Err(self.explain(lost))
    }

    /// `None`: others committed since, and there is no event to know ours by.
    async fn was_kept(&self, token: i64, written: &[ChainedEvent]) -> Result<Option<bool>, Failure> {
        let mut transaction = self.connections.begin_look_up().await?;
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
        transaction.roll_back().await;
        Ok(kept)
    }

    async fn load(&self) -> Result<Records, Failure> {
        let mut transaction = self.connections.begin_read().await?;
        let records = read::load(&mut transaction).await?;
        transaction.roll_back().await;
        Ok(records)
    }

    async fn verify(&self, outside: Outside) -> Result<AuditReport, Failure> {
        let mut transaction = self.connections.begin_read().await?;
        let report = verify::verify(&mut transaction, outside).await?;
        transaction.roll_back().await;
        Ok(report)
    }

    async fn links(&self, range: EventRange) -> Result<Vec<ChainLink>, Failure> {
        let mut borrowed = self.connections.borrow().await?;
        let links = read::links(&mut borrowed, range).await?;
        borrowed.give_back();
        Ok(links)
    }

    async fn head(&self) -> Result<ChainHead, Failure> {
        let mut borrowed = self.connections.borrow().await?;
        let head = read::head(&mut borrowed).await?;
        borrowed.give_back();
        Ok(head)
    }

    async fn history(&self, wanted: HistoryQuery) -> Result<Vec<PastGeneration>, Failure> {
        let mut borrowed = self.connections.borrow().await?;
        let history = read::history(&mut borrowed, wanted).await?;
        borrowed.give_back();
        Ok(history)
    }

    async fn operation_end(&self, id: OperationId) -> Result<Option<OperationEnd>, Failure> {
        let mut borrowed = self.connections.borrow().await?;
        let end = read::operation_end(&mut borrowed, id).await?;
        borrowed.give_back();
        Ok(end)
    }

    async fn leaves(&self, backup_volume: VolumeId) -> Result<Option<VolumeLeaves>, Failure> {
        let mut borrowed = self.connections.borrow().await?;
        let leaves = leaves::load(&mut borrowed, backup_volume).await?;
        borrowed.give_back();
        Ok(leaves)
    }
}

/// Takes the head row: from here on no other transaction commits before this one. `fence`: on a server, the session that
/// holds this process's lock and this process's own word; without both there is nothing to take.
async fn take_head(transaction: &mut Transaction, token: i64, fence: Option<(i64, String)>) -> Result<Taken, Failure> {
    const TAKE: &str = "UPDATE head SET commits = commits + 1, token = $1 WHERE one = 1
        RETURNING sequence, hash, next_operation, next_epoch";
    const TAKE_FENCED: &str = "UPDATE head SET commits = commits + 1, token = $1 WHERE one = 1
            AND EXISTS (SELECT 1 FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND pid = $2)
            AND EXISTS (SELECT 1 FROM engine_lock WHERE one = 1 AND instance = $3)
        RETURNING sequence, hash, next_operation, next_epoch";
    let row = match fence {
        None => query(TAKE).bind(token).fetch_one(&mut **transaction).await?,
        Some((backend, instance)) => {
            let take = query(TAKE_FENCED).bind(token).bind(backend).bind(instance);
            take.fetch_optional(&mut **transaction).await?.ok_or(Failure::LockLost)?
        }
    };
    let head = ChainHead { sequence: unsigned(row.try_get(0)?), hash: ChainHash::from_stored(row.try_get(1)?) };
    let counters = Counters { next_operation: unsigned(row.try_get(2)?), next_epoch: unsigned(row.try_get(3)?) };
    Ok(Taken { head, counters })
}

async fn append(transaction: &mut sqlx::AnyConnection, event: &ChainedEvent) -> Result<(), Failure> {
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
        .execute(transaction)
        .await?;
    Ok(())
}

/// Waits a little, longer each time, and not as long as another engine that was refused with us.
async fn back_off(attempt: u32) {
    let most = 4_u64 << attempt.min(6);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=most))).await;
}

fn event_of(link: ChainLink) -> Result<Event, Failure> {
    let damaged = |error: serde_json::Error| {
        Failure::Damaged(format!("table event, row {}: it cannot be read ({error})", link.sequence))
    };
    let event = serde_json::from_str(&link.text).map_err(damaged)?;
    let rows = rows_of(&link.text).map_err(damaged)?;
    Ok(Event { sequence: link.sequence, event, hash: link.hash, rows })
}

impl Catalogue for SqlCatalogue {
    fn load(&self) -> BoxFuture<'_, Result<Records, CatalogueError>> {
        Box::pin(async { self.inner.load().await.map_err(|failure| self.inner.explain(failure)) })
    }

    fn commit(&self, changes: Vec<Change>, events: Vec<NewEvent>) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>> {
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

    fn events(&self, range: EventRange) -> BoxFuture<'_, Result<Vec<Event>, CatalogueError>> {
        Box::pin(async move {
            let links = self.links(range).await?;
            let events: Result<Vec<Event>, Failure> = links.into_iter().map(event_of).collect();
            events.map_err(|failure| self.inner.explain(failure))
        })
    }

    fn links(&self, range: EventRange) -> BoxFuture<'_, Result<Vec<ChainLink>, CatalogueError>> {
        Box::pin(async move { self.inner.links(range).await.map_err(|failure| self.inner.explain(failure)) })
    }

    fn head(&self) -> BoxFuture<'_, Result<ChainHead, CatalogueError>> {
        Box::pin(async move { self.inner.head().await.map_err(|failure| self.inner.explain(failure)) })
    }

    fn history(&self, wanted: HistoryQuery) -> BoxFuture<'_, Result<Vec<PastGeneration>, CatalogueError>> {
        Box::pin(async move { self.inner.history(wanted).await.map_err(|failure| self.inner.explain(failure)) })
    }

    fn operation_end(&self, id: OperationId) -> BoxFuture<'_, Result<Option<OperationEnd>, CatalogueError>> {
        Box::pin(async move { self.inner.operation_end(id).await.map_err(|failure| self.inner.explain(failure)) })
    }

    fn leaves(&self, backup_volume: VolumeId) -> BoxFuture<'_, Result<Option<VolumeLeaves>, CatalogueError>> {
        Box::pin(async move { self.inner.leaves(backup_volume).await.map_err(|failure| self.inner.explain(failure)) })
    }

    fn check(&self) -> BoxFuture<'_, Result<(), CatalogueError>> {
        Box::pin(async move { self.inner.connections.check().await.map_err(|failure| self.inner.explain(failure)) })
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.inner.connections.close())
    }

    fn verify(&self, outside: Outside) -> BoxFuture<'_, Result<AuditReport, CatalogueError>> {
        Box::pin(async move { self.inner.verify(outside).await.map_err(|failure| self.inner.explain(failure)) })
    }

    fn copy_to(&self, file: PathBuf) -> BoxFuture<'_, Result<ChainHead, CatalogueError>> {
        Box::pin(async move {
            if self.inner.connections.dialect() == Dialect::Postgres {
                return Err(CatalogueError::CopiedByItsServer { place: self.inner.place.clone() });
            }
            let place = file.display().to_string();
            let copied = copy::copy(&self.inner.connections, &file).await;
            copied.map_err(|failure| CatalogueError::NotCopied { detail: failure.explain(&place).to_string(), place })
        })
    }

    fn save_copy(&self) -> BoxFuture<'_, Result<CatalogueCopy, CatalogueError>> {
        keeps_no_copies()
    }

    fn copy_failed(&self) -> Option<String> {
        None
    }

    fn copies(&self) -> std::io::Result<CatalogueCopies> {
        Ok(CatalogueCopies::default())
    }
}
