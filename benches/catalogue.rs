//! What a durable command costs with 10,000 volumes and 1,000,000 rows of history and events, and how long a screen waits.
//!
//! Commands come in rounds, and those of the calmest count: on a machine with other work on it, the others tell of that work.
//! `ECDECK_BENCH_ROWS` changes the number of rows, `ECDECK_BENCH_DIR` the folder (a temporary one by default).

use ecdeck::catalog::sql::{CataloguePlace, OpenOptions, SqlCatalogue};
use ecdeck::catalog::{Catalogue, EventRange, Generations, HistoryQuery};
use ecdeck::model::actor::Actor;
use ecdeck::model::event::{EventKind, NewEvent};
use ecdeck::model::identity::{Olu, VolumeId};
use ecdeck::model::records::{
    BackupMode, Change, EntityChange, Generation, GenerationState, JournalEntry, OpenOperation, OperationEnd,
    OperationId, ReleaseReason,
};
use ecdeck::model::request::Verb;
use ecdeck::model::step::PlanItem;
use ecdeck::model::units::{Blocks, Timestamp, Version};
use sqlx::{ConnectOptions, Connection};
use std::path::Path;
use std::time::{Duration, Instant};

type Error = Box<dyn std::error::Error>;

const BOX: &str = "00ETERNUSDXL##ET08E21A####LN4310901078##";
const VOLUMES: u32 = 10_000;
const KEPT: u64 = 3;
const COMMANDS: u32 = 1_000;
/// Times that make a round.
const ROUND: usize = 100;
const SCREENS: u32 = 500;

fn main() -> Result<(), Error> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(run())
}

async fn run() -> Result<(), Error> {
    let rows: u64 = std::env::var("ECDECK_BENCH_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_000_000);
    let folder = match std::env::var_os("ECDECK_BENCH_DIR") {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let path = folder.path().join("catalogue.db");
    let place = CataloguePlace::Sqlite(path.clone());
    SqlCatalogue::open(&place, OpenOptions::default()).await?.close().await;
    let filled = Instant::now();
    fill(&path, rows).await?;
    let size = path.metadata()?.len() >> 20;
    println!("{VOLUMES} volumes, {rows} generations, {rows} events, {size} MiB, filled in {:.1?}", filled.elapsed());

    let began = Instant::now();
    let catalogue = SqlCatalogue::open(&place, OpenOptions::default()).await?;
    println!("open                            {:>9.1?}", began.elapsed());
    let began = Instant::now();
    let records = catalogue.load().await?;
    println!("load ({} generations kept)   {:>9.1?}", records.generations.len(), began.elapsed());

    let versions = rows / u64::from(VOLUMES);
    let (mut open, mut journal, mut close) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..COMMANDS {
        let (tv, id) = (number * 7 % VOLUMES, OperationId(u64::from(number)));
        open.push(timed(&catalogue, vec![opened(id, tv, versions)?]).await?);
        let entry = JournalEntry::Intent { step: 0, attempt: 1, at: Timestamp(1) };
        journal.push(timed(&catalogue, vec![Change::Journal { operation: id, entry }]).await?);
        close.push(timed(&catalogue, backed_up(id, tv, versions)?).await?);
    }
    report("open an operation, claim two", &open);
    report("journal an intent", &journal);
    report("record, release, end", &close);

    let (mut newest, mut of_one, mut of_all) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..SCREENS {
        newest.push(time(catalogue.events(EventRange::Newest(200))).await?);
        let of = Generations::OfTransactionVolume(volume(number * 97 % VOLUMES)?);
        of_one.push(time(catalogue.history(HistoryQuery { of, most: 200 })).await?);
        of_all.push(time(catalogue.history(HistoryQuery { of: Generations::All, most: 200 })).await?);
    }
    report("newest 200 events", &newest);
    report("history of one volume", &of_one);
    report("history of all, newest 200", &of_all);
    catalogue.close().await;
    Ok(())
}

fn volume(number: u32) -> Result<VolumeId, Error> {
    Ok(VolumeId { box_id: BOX.parse()?, olu: Olu(number) })
}

/// The backup volume of a version: one more than are kept, in turn.
fn pool(tv: u32, version: u64) -> Result<VolumeId, Error> {
    let turn = u32::try_from(version % (KEPT + 1))?;
    volume(tv + 0x1_0000 * (turn + 1))
}

fn opened(id: OperationId, tv: u32, versions: u64) -> Result<Change, Error> {
    let claims = vec![volume(tv)?, pool(tv, versions + 1)?];
    let item = PlanItem {
        verb: Verb::Backup,
        volume: volume(tv)?,
        steps: Vec::new(),
        claims: claims.clone(),
        notices: Vec::new(),
        confirmation: None,
        until: None,
        set: None,
    };
    let actor = Actor { uid: 1001, user: Some("ana".into()), ..Actor::default() };
    let operation = OpenOperation { id, actor, started: Timestamp(1), reason: None, item, journal: Vec::new() };
    Ok(Change::Open { operation, claims, epoch: id.0 })
}

/// What ends a backup: one transaction records the new generation, gives up the oldest and closes the operation.
fn backed_up(id: OperationId, tv: u32, versions: u64) -> Result<Vec<Change>, Error> {
    let transaction_volume = volume(tv)?;
    let generation = Generation {
        transaction_volume,
        version: Version(versions + 1),
        backup_volume: pool(tv, versions + 1)?,
        blocks: Blocks::from_mib(48),
        taken_at: Timestamp(i64::MAX / 2),
        mode: BackupMode::Suspend,
        state: GenerationState::Valid,
        held: None,
        provisioned: false,
        crash_consistent: None,
        group: None,
        copied_in: None,
        fingerprint: None,
        suspend_complete_by: None,
        set: None,
        operation: Some(id),
    };
    let (version, why) = (Version(versions - KEPT + 1), ReleaseReason::Retention);
    Ok(vec![
        Change::Entity(EntityChange::AddGeneration(generation)),
        Change::Entity(EntityChange::ReleaseGeneration { transaction_volume, version, at: Timestamp(2), why }),
        Change::Close { operation: id, end: OperationEnd::Done, at: Timestamp(3) },
    ])
}

async fn timed(catalogue: &SqlCatalogue, changes: Vec<Change>) -> Result<Duration, Error> {
    let event = NewEvent::by_engine(Timestamp(1), EventKind::Overdue { volume: volume(1)?, days: 1 });
    time(catalogue.commit(changes, vec![event])).await
}

async fn time<T, E: Into<Error>>(work: impl Future<Output = Result<T, E>>) -> Result<Duration, Error> {
    let began = Instant::now();
    work.await.map_err(Into::into)?;
    Ok(began.elapsed())
}

fn report(what: &str, times: &[Duration]) {
    let calmest = times.chunks(ROUND).min_by_key(|round| round.iter().max());
    let mut times = calmest.unwrap_or_default().to_vec();
    times.sort();
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    println!("{what:<30}  p50 {:>9.1?}  p99 {:>9.1?}  most {:>9.1?}", at(50), at(99), at(100));
}

/// Rows as commits would have left them, written by the database itself: a million commits are not what is measured.
async fn fill(path: &Path, rows: u64) -> Result<(), Error> {
    let versions = rows / u64::from(VOLUMES);
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(path).connect().await?;
    let hash = "0".repeat(64);
    let statements = format!(
        "BEGIN;
        CREATE TEMP TABLE volume AS
            WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {VOLUMES})
            SELECT n, '{BOX}/' || printf('0x%X', n) AS tv FROM n;
        CREATE TEMP TABLE pool AS
            WITH RECURSIVE k (k) AS (SELECT 0 UNION ALL SELECT k + 1 FROM k WHERE k < {KEPT})
            SELECT n, k, '{BOX}/' || printf('0x%X', n + 65536 * (k + 1)) AS bv FROM volume, k;
        CREATE INDEX temp.pool_by_place ON pool (n, k);
        INSERT INTO transaction_volume (id, blocks, generations, interval_days, mode, registered_at, next_version)
            SELECT tv, 98304, {KEPT}, 1, 'suspend', 1, {versions} + 1 FROM volume;
        INSERT INTO volume_name (name, volume) SELECT 'tv' || n, tv FROM volume;
        INSERT INTO backup_volume (id, blocks, registered_at) SELECT bv, 98304, 1 FROM pool;
        INSERT INTO generation (transaction_volume, version, backup_volume, blocks, taken_at, mode, state, provisioned,
                released_at, release_reason)
            WITH RECURSIVE v (v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM v WHERE v < {versions})
            SELECT tv, v, (SELECT bv FROM pool WHERE pool.n = volume.n AND k = v % ({KEPT} + 1)), 98304, v * 86400000 + n, 'suspend', 'valid', 0,
                CASE WHEN v + {KEPT} > {versions} THEN NULL ELSE v * 86400000 END,
                CASE WHEN v + {KEPT} > {versions} THEN NULL ELSE 'retention' END FROM v, volume;
        INSERT INTO event (sequence, at, what, volume, hash, document)
            WITH RECURSIVE s (s) AS (SELECT 1 UNION ALL SELECT s + 1 FROM s WHERE s < {rows})
            SELECT s, s, 'overdue', '{BOX}/' || printf('0x%X', s % {VOLUMES}), '{hash}',
                '{{\"at\":' || s || ',\"actor\":null,\"operation\":null,'
                    || '\"kind\":{{\"what\":\"overdue\",\"volume\":\"{BOX}/0x1\",\"days\":1}}}}' FROM s;
        UPDATE head SET sequence = {rows}, hash = '{hash}';
        COMMIT;"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut connection).await?;
    connection.close().await?;
    Ok(())
}
