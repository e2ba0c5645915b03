//! The tables, as numbered migrations. A migration that has been released is never changed; a new one is added.

use super::Dialect;
use super::column_codec::signed;
use super::connections::Connections;
use super::failure::Failure;
use super::verify::write_baseline;
use crate::catalog::now;
use crate::model::chain::chain;
use crate::model::event::{ChainHash, ChainHead, EventKind, NewEvent};
use sqlx::{AnyConnection, query, query_scalar};

/// The format that this program writes: the number of the last migration.
pub const FORMAT: u32 = MIGRATIONS.len() as u32;

/// Statements of each migration, in order. BIGINT, TEXT, `$1` and ON CONFLICT mean the same in SQLite and PostgreSQL.
const MIGRATIONS: &[&[&str]] = &[
    TABLES_OF_FORMAT_1,
    TABLES_OF_FORMAT_2,
    TABLES_OF_FORMAT_3,
    TABLES_OF_FORMAT_4,
    TABLES_OF_FORMAT_5,
    TABLES_OF_FORMAT_6,
    TABLES_OF_FORMAT_7,
    TABLES_OF_FORMAT_8,
    TABLES_OF_FORMAT_9,
    TABLES_OF_FORMAT_10,
    TABLES_OF_FORMAT_11,
    TABLES_OF_FORMAT_12,
    TABLES_OF_FORMAT_13,
    TABLES_OF_FORMAT_14,
    TABLES_OF_FORMAT_15,
    TABLES_OF_FORMAT_16,
    TABLES_OF_FORMAT_17,
    TABLES_OF_FORMAT_18,
    TABLES_OF_FORMAT_19,
];

/// The first format whose events carry the digests of the rows that they write.
const FIRST_COMPARED: u32 = 2;

const TABLES_OF_FORMAT_1: &[&str] = &[
    // One row: the end of the audit chain and the counters, changed by every commit, so that writers meet there.
    "CREATE TABLE head (
        one BIGINT PRIMARY KEY CHECK (one = 1),
        sequence BIGINT NOT NULL,
        hash TEXT NOT NULL,
        next_operation BIGINT NOT NULL,
        next_epoch BIGINT NOT NULL,
        commits BIGINT NOT NULL,
        token BIGINT NOT NULL)",
    "CREATE TABLE event (
        sequence BIGINT PRIMARY KEY,
        at BIGINT NOT NULL,
        what TEXT NOT NULL,
        operation BIGINT,
        volume TEXT,
        uid BIGINT,
        hash TEXT NOT NULL,
        document TEXT NOT NULL)",
    "CREATE INDEX event_by_volume ON event (volume, sequence)",
    "CREATE INDEX event_by_operation ON event (operation, sequence)",
    // One name space for both roles: a name means one volume.
    "CREATE TABLE volume_name (
        name TEXT PRIMARY KEY,
        volume TEXT NOT NULL UNIQUE)",
    "CREATE TABLE transaction_volume (
        id TEXT PRIMARY KEY,
        blocks BIGINT NOT NULL,
        generations BIGINT,
        interval_days BIGINT,
        mode TEXT,
        registered_at BIGINT NOT NULL,
        next_version BIGINT NOT NULL)",
    "CREATE TABLE retired_volume (
        id TEXT PRIMARY KEY,
        next_version BIGINT NOT NULL)",
    "CREATE TABLE backup_volume (
        id TEXT PRIMARY KEY,
        blocks BIGINT NOT NULL,
        registered_at BIGINT NOT NULL)",
    "CREATE TABLE generation (
        transaction_volume TEXT NOT NULL,
        version BIGINT NOT NULL,
        backup_volume TEXT NOT NULL,
        blocks BIGINT NOT NULL,
        taken_at BIGINT NOT NULL,
        mode TEXT NOT NULL,
        state TEXT NOT NULL,
        why TEXT,
        held TEXT,
        provisioned BIGINT NOT NULL,
        operation BIGINT,
        released_at BIGINT,
        release_reason TEXT,
        PRIMARY KEY (transaction_volume, version))",
    "CREATE INDEX generation_kept ON generation (transaction_volume, version) WHERE released_at IS NULL",
    "CREATE INDEX generation_by_time ON generation (taken_at DESC, transaction_volume, version DESC)",
    // A backup volume holds one kept generation, whoever writes.
    "CREATE UNIQUE INDEX generation_on ON generation (backup_volume) WHERE released_at IS NULL",
    "CREATE INDEX generation_by_backup_volume ON generation (backup_volume)",
    "CREATE TABLE our_session (
        source TEXT NOT NULL,
        target TEXT NOT NULL,
        kind TEXT NOT NULL,
        since BIGINT NOT NULL,
        operation BIGINT,
        full_copy BIGINT NOT NULL,
        PRIMARY KEY (source, target, kind))",
    "CREATE TABLE known_array (
        name TEXT PRIMARY KEY,
        box_id TEXT NOT NULL)",
    "CREATE TABLE operation (
        id BIGINT PRIMARY KEY,
        verb TEXT NOT NULL,
        volume TEXT NOT NULL,
        actor TEXT NOT NULL,
        started BIGINT NOT NULL,
        reason TEXT,
        item TEXT NOT NULL,
        journal_length BIGINT NOT NULL,
        ended_at BIGINT,
        outcome TEXT)",
    "CREATE INDEX operation_open ON operation (id) WHERE ended_at IS NULL",
    "CREATE INDEX operation_by_volume ON operation (volume, id)",
    "CREATE TABLE journal (
        operation BIGINT NOT NULL,
        number BIGINT NOT NULL,
        entry TEXT NOT NULL,
        PRIMARY KEY (operation, number))",
    "CREATE TABLE claim (
        volume TEXT PRIMARY KEY,
        operation BIGINT NOT NULL,
        holder TEXT NOT NULL,
        since BIGINT NOT NULL,
        epoch BIGINT NOT NULL)",
    "CREATE INDEX claim_by_operation ON claim (operation)",
];

const TABLES_OF_FORMAT_2: &[&str] = &[
    // The digests of the rows that an older format wrote: from them on, events carry the digests of the rows they write.
    "CREATE TABLE baseline (
        table_name TEXT NOT NULL,
        row_key TEXT NOT NULL,
        digest TEXT NOT NULL,
        PRIMARY KEY (table_name, row_key))",
    // Which engine has the catalogue to itself, on a server.
    "CREATE TABLE engine_lock (
        one BIGINT PRIMARY KEY CHECK (one = 1),
        instance TEXT NOT NULL,
        host TEXT NOT NULL,
        pid BIGINT NOT NULL,
        since BIGINT NOT NULL)",
];

const TABLES_OF_FORMAT_3: &[&str] = &[
    // The rounds and their pairs are one document: they are only ever replaced as a whole.
    "CREATE TABLE map_set (
        name TEXT PRIMARY KEY,
        document TEXT NOT NULL)",
    // A transaction volume is in one map set, whoever writes.
    "CREATE TABLE map_member (
        transaction_volume TEXT PRIMARY KEY,
        map_set TEXT NOT NULL)",
    "CREATE INDEX map_member_by_set ON map_member (map_set)",
    "CREATE TABLE map_use (
        transaction_volume TEXT NOT NULL,
        backup_volume TEXT NOT NULL,
        operation BIGINT NOT NULL,
        PRIMARY KEY (transaction_volume, backup_volume))",
    // What a policy says beside its numbers; only volumes that have such an option have a row.
    "CREATE TABLE policy_option (
        volume TEXT PRIMARY KEY,
        reuse_oldest BIGINT NOT NULL)",
];

const TABLES_OF_FORMAT_4: &[&str] = &[
    // What is known of a generation beside its own row; only those that something is known of have one.
    "CREATE TABLE generation_note (
        transaction_volume TEXT NOT NULL,
        version BIGINT NOT NULL,
        crash_consistent TEXT NOT NULL,
        PRIMARY KEY (transaction_volume, version))",
];

const TABLES_OF_FORMAT_5: &[&str] = &[
    // Generations whose suspend went on after its answer; milliseconds since 1970.
    "CREATE TABLE generation_suspend (
        transaction_volume TEXT NOT NULL,
        version BIGINT NOT NULL,
        complete_by BIGINT NOT NULL,
        PRIMARY KEY (transaction_volume, version))",
    // History over all volumes is in the order in which the generations were made.
    "CREATE INDEX generation_by_operation ON generation
        ((COALESCE(operation, -1)) DESC, taken_at DESC, transaction_volume, version DESC)",
];

const TABLES_OF_FORMAT_6: &[&str] = &[
    // What limits routine retention; only volumes whose policy sets one of the limits have a row. Seconds.
    "CREATE TABLE policy_guard (
        volume TEXT PRIMARY KEY,
        floor BIGINT,
        min_interval BIGINT,
        grace BIGINT)",
];

const TABLES_OF_FORMAT_7: &[&str] = &[
    // The generation that a backup volume held last, while nothing was started onto the volume since its release.
    "CREATE TABLE released_generation (
        backup_volume TEXT PRIMARY KEY,
        transaction_volume TEXT NOT NULL,
        version BIGINT NOT NULL)",
    "CREATE INDEX released_generation_of ON released_generation (transaction_volume, version)",
];

const TABLES_OF_FORMAT_8: &[&str] = &[
    // The volumes of a set are one document: they are only ever replaced as a whole.
    "CREATE TABLE volume_set (
        name TEXT PRIMARY KEY,
        document TEXT NOT NULL)",
    // A transaction volume is in one set, whoever writes.
    "CREATE TABLE volume_set_member (
        transaction_volume TEXT PRIMARY KEY,
        volume_set TEXT NOT NULL)",
    "CREATE INDEX volume_set_member_by_set ON volume_set_member (volume_set)",
];

const TABLES_OF_FORMAT_9: &[&str] = &[
    // Transaction volumes that are volume groups: the group and its disk, by identity.
    "CREATE TABLE volume_group (
        volume TEXT PRIMARY KEY,
        host TEXT NOT NULL,
        name TEXT NOT NULL,
        uuid TEXT NOT NULL,
        disk TEXT NOT NULL)",
];

const TABLES_OF_FORMAT_10: &[&str] = &[
    // Generations that were made as those of a set, with the proof of their instant.
    "CREATE TABLE generation_set (
        transaction_volume TEXT NOT NULL,
        version BIGINT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (transaction_volume, version))",
];

const TABLES_OF_FORMAT_11: &[&str] = &[
    // Backup volumes that are volume groups: the group and its disk, by identity.
    "CREATE TABLE backup_group (
        volume TEXT PRIMARY KEY,
        document TEXT NOT NULL)",
    // The text of the group in a generation, under the identity of its backup volume's group.
    "CREATE TABLE generation_group (
        transaction_volume TEXT NOT NULL,
        version BIGINT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (transaction_volume, version))",
];

const TABLES_OF_FORMAT_12: &[&str] = &[
    // Groups of backup volumes that sessions are onto: whether each was active when its session began.
    "CREATE TABLE group_watch (
        backup_volume TEXT PRIMARY KEY,
        document TEXT NOT NULL)",
];

const TABLES_OF_FORMAT_13: &[&str] = &[
    // How long the copies before generations took, where that was watched.
    "CREATE TABLE generation_copy (
        transaction_volume TEXT NOT NULL,
        version BIGINT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (transaction_volume, version))",
];

const TABLES_OF_FORMAT_14: &[&str] = &[
    // What the site's notification hook was given, so that no restart gives it again.
    "CREATE TABLE notice (
        key TEXT PRIMARY KEY,
        document TEXT NOT NULL)",
];

const TABLES_OF_FORMAT_15: &[&str] = &[
    // Troubles that a person knows of, until a time.
    "CREATE TABLE acknowledgement (
        trouble TEXT PRIMARY KEY,
        document TEXT NOT NULL)",
];

const TABLES_OF_FORMAT_16: &[&str] = &[
    // The backup windows of policies, in minutes of the local day, and since when (ms) each is in force.
    "CREATE TABLE policy_window (
        volume TEXT PRIMARY KEY,
        begins BIGINT NOT NULL,
        ends BIGINT NOT NULL,
        since BIGINT)",
];

const TABLES_OF_FORMAT_17: &[&str] = &[
    // Arrays whose maintenance was begun and not ended.
    "CREATE TABLE maintenance (
        array_name TEXT PRIMARY KEY,
        document TEXT NOT NULL)",
];

const TABLES_OF_FORMAT_18: &[&str] = &[
    // Transaction volumes that were taken over from another program, or given back to it.
    "CREATE TABLE take_over (
        volume TEXT PRIMARY KEY,
        document TEXT NOT NULL)",
];

const TABLES_OF_FORMAT_19: &[&str] = &[
    // What generations were read to hold.
    "CREATE TABLE generation_fingerprint (
        transaction_volume TEXT NOT NULL,
        version BIGINT NOT NULL,
        document TEXT NOT NULL,
        PRIMARY KEY (transaction_volume, version))",
    // The leaves of what a backup volume was read to hold last, in parts. The audit does not compare them: the root over
    // them is in `generation_fingerprint`, and whoever reads them compares with it.
    "CREATE TABLE volume_leaves (
        backup_volume TEXT NOT NULL,
        part BIGINT NOT NULL,
        root TEXT NOT NULL,
        mark TEXT,
        leaves TEXT NOT NULL,
        PRIMARY KEY (backup_volume, part))",
];

/// What is in the database before anything was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    Nothing,
    Format(u32),
    /// Tables, but not ours.
    Foreign,
}

/// Looks without writing.
pub async fn look(connection: &mut AnyConnection, dialect: Dialect) -> Result<Found, sqlx::Error> {
    let (ours, all) = match dialect {
        Dialect::Sqlite => (
            "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'migration'",
            "SELECT COUNT(*) FROM sqlite_master",
        ),
        // A schema of PostgreSQL may have tables of others; only ours concern us.
        Dialect::Postgres => (
            "SELECT COUNT(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND tablename = 'migration'",
            "SELECT CAST(0 AS BIGINT)",
        ),
    };
    if query_scalar::<_, i64>(ours).fetch_one(&mut *connection).await? == 0 {
        let tables = query_scalar::<_, i64>(all).fetch_one(&mut *connection).await?;
        return Ok(if tables == 0 { Found::Nothing } else { Found::Foreign });
    }
    let format = query_scalar::<_, i64>("SELECT COALESCE(MAX(number), 0) FROM migration").fetch_one(connection).await?;
    Ok(Found::Format(u32::try_from(format).unwrap_or(u32::MAX)))
}

/// Brings the tables to [`FORMAT`] in one transaction.
pub async fn migrate(connections: &Connections) -> Result<(), Failure> {
    let mut transaction = connections.begin_write().await?;
    let dialect = connections.dialect();
    // Looked at once more: here nobody else writes.
    let done = match look(&mut transaction, dialect).await? {
        Found::Format(FORMAT) => {
            transaction.roll_back().await;
            return Ok(());
        }
        Found::Format(format) => format,
        Found::Nothing | Found::Foreign => {
            query("CREATE TABLE migration (number BIGINT PRIMARY KEY)").execute(&mut *transaction).await?;
            0
        }
    };
    for (number, statements) in (1_u32..).zip(MIGRATIONS).skip(done as usize) {
        for statement in *statements {
            query(*statement).execute(&mut *transaction).await?;
        }
        query("INSERT INTO migration (number) VALUES ($1)").bind(i64::from(number)).execute(&mut *transaction).await?;
    }
    let start = ChainHead { sequence: 0, hash: ChainHash::start() };
    query(
        "INSERT INTO head (one, sequence, hash, next_operation, next_epoch, commits, token)
         VALUES (1, 0, $1, 0, 0, 0, 0) ON CONFLICT (one) DO NOTHING",
    )
    .bind(start.hash.as_str())
    .execute(&mut *transaction)
    .await?;
    // Migrations after that one only add tables: what is there already stays compared from where it was.
    if (1..FIRST_COMPARED).contains(&done) {
        begin_to_compare(&mut transaction).await?;
    }
    transaction.commit().await.map_err(Failure::at_commit)
}

/// Keeps the digests of all rows, and writes the event from which on the tables are compared with the events. A new
/// catalogue needs none: there, every row is of an event.
async fn begin_to_compare(to: &mut AnyConnection) -> Result<(), Failure> {
    query("DELETE FROM baseline").execute(&mut *to).await?;
    let tables = write_baseline(to).await?;
    let head = super::read::head(&mut *to).await?;
    let event = NewEvent::by_engine(now(), EventKind::AuditBaseline { format: FORMAT, tables });
    for event in chain(&head, vec![event]).map_err(Failure::Unfit)? {
        super::append(&mut *to, &event).await?;
        query("UPDATE head SET sequence = $1, hash = $2 WHERE one = 1")
            .bind(signed(event.event.sequence))
            .bind(event.event.hash.as_str())
            .execute(&mut *to)
            .await?;
    }
    Ok(())
}
