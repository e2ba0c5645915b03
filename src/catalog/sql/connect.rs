//! How a database is reached, and what is looked at before it is used.

use super::connections::Connections;
use super::failure::Failure;
use super::schema::{self, FORMAT, Found};
use super::{ATTEMPTS, CataloguePlace, Dialect, OpenOptions, back_off};
use crate::catalog::CatalogueError;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, ConnectOptions, Connection, Executor, Pool, query, query_scalar};
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Once};
use std::time::Duration;

/// Connections at once: one writes, the others read beside it.
const CONNECTIONS: u32 = 4;
/// How long a connection may take to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest file, in bytes, whose every page is read at the start.
const CHECKED_UP_TO: i64 = 512 << 20;

fn install_drivers() {
    static DRIVERS: Once = Once::new();
    DRIVERS.call_once(sqlx::any::install_default_drivers);
}

pub fn address(place: &CataloguePlace) -> Result<AnyConnectOptions, sqlx::Error> {
    install_drivers();
    let options = match place {
        CataloguePlace::Sqlite(path) => AnyConnectOptions::from_str(&format!("sqlite://{}", url_path(path))),
        CataloguePlace::Postgres(url) => AnyConnectOptions::from_str(url.as_str()),
    };
    options.map(ConnectOptions::disable_statement_logging)
}

/// Statements that every connection begins with. The journal mode is not among them: setting it writes, and a newer
/// catalogue must not be touched.
pub fn pragmas(dialect: Dialect, options: OpenOptions) -> Arc<str> {
    let pages = options.most_pages.map_or(String::new(), |pages| format!("PRAGMA max_page_count = {pages};"));
    match dialect {
        Dialect::Sqlite => format!("PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000; {pages}").into(),
        Dialect::Postgres => "".into(),
    }
}

async fn begin_with_pragmas(connection: &mut AnyConnection, pragmas: &str) -> Result<(), sqlx::Error> {
    if !pragmas.is_empty() {
        connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(pragmas.to_owned()))).await?;
    }
    Ok(())
}

pub async fn connect(address: &AnyConnectOptions, pragmas: &str) -> Result<AnyConnection, Failure> {
    let connecting = async {
        let mut connection = AnyConnection::connect_with(address).await?;
        begin_with_pragmas(&mut connection, pragmas).await?;
        Ok(connection)
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => connected,
        Err(_) => Err(Failure::Sql(sqlx::Error::PoolTimedOut)),
    }
}

pub fn pool(address: AnyConnectOptions, dialect: Dialect, pragmas: Arc<str>) -> Pool<Any> {
    let options = AnyPoolOptions::new()
        .max_connections(CONNECTIONS)
        .acquire_timeout(CONNECT_TIMEOUT)
        // A line over a network may have died since it was used.
        .test_before_acquire(dialect == Dialect::Postgres)
        // Without these two limits the pool has no upkeep task that wakes up.
        .idle_timeout(None)
        .max_lifetime(None)
        .after_connect(move |connection, _| {
            let pragmas = Arc::clone(&pragmas);
            Box::pin(async move { begin_with_pragmas(connection, &pragmas).await })
        });
    options.connect_lazy_with(address)
}

/// The path with everything encoded that a URL reads otherwise.
fn url_path(path: &Path) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut out = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-') {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Looks before anything is written; then chooses SQLite's journal.
pub async fn examine(connection: &mut AnyConnection, dialect: Dialect, place: &str) -> Result<(), CatalogueError> {
    let explain = |failure: Failure| failure.explain(place);
    if dialect == Dialect::Sqlite {
        check_file(connection).await.map_err(explain)?;
    }
    match schema::look(connection, dialect).await.map_err(|error| explain(error.into()))? {
        Found::Format(found) if found > FORMAT => {
            return Err(CatalogueError::Newer { place: place.to_owned(), found, known: FORMAT });
        }
        Found::Foreign => return Err(explain(Failure::Damaged("it is a database of another program".into()))),
        Found::Nothing | Found::Format(_) => {}
    }
    if dialect == Dialect::Sqlite { use_wal(connection, place).await } else { Ok(()) }
}

/// Brings the tables to this program's format, and proves that they can be written.
pub async fn prepare(connections: &Connections) -> Result<(), Failure> {
    let mut attempt = 1;
    loop {
        match schema::migrate(connections).await {
            Err(failure) if failure.is_conflict() && attempt < ATTEMPTS => back_off(attempt).await,
            done => break done?,
        }
        attempt += 1;
    }
    connections.store_holder().await?;
    prove_writable(connections).await
}

async fn use_wal(connection: &mut AnyConnection, place: &str) -> Result<(), CatalogueError> {
    let mode = query_scalar::<_, String>("PRAGMA journal_mode = WAL").fetch_one(connection).await;
    let mode = mode.map_err(|error| Failure::from(error).explain(place))?;
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    let detail = format!("the file system does not let SQLite keep a write-ahead log (journal mode is {mode})");
    Err(CatalogueError::ReadOnly { place: place.to_owned(), detail })
}

/// Reads every page once, unless the file is so large that a start would wait for it: there, damage is told where it is
/// met. A file that is not a database fails at the first statement.
async fn check_file(connection: &mut AnyConnection) -> Result<(), Failure> {
    let pages = query_scalar::<_, i64>("PRAGMA page_count").fetch_one(&mut *connection).await?;
    let page_bytes = query_scalar::<_, i64>("PRAGMA page_size").fetch_one(&mut *connection).await?;
    if pages.saturating_mul(page_bytes) > CHECKED_UP_TO {
        return Ok(());
    }
    let found = query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_one(connection).await?;
    if found == "ok" { Ok(()) } else { Err(Failure::Damaged(found)) }
}

/// A file or a server that only reads is found out now, not at the first backup.
async fn prove_writable(connections: &Connections) -> Result<(), Failure> {
    let mut transaction = connections.begin_write().await?;
    let touched = query("UPDATE head SET token = token WHERE one = 1").execute(&mut *transaction).await;
    transaction.roll_back().await;
    let rows = match touched {
        Ok(result) => result.rows_affected(),
        // Others write: so can we.
        Err(error) => match Failure::from(error) {
            failure if failure.is_conflict() => 1,
            failure => return Err(failure),
        },
    };
    if rows == 1 { Ok(()) } else { Err(Failure::Damaged("the row with the end of the audit is missing".into())) }
}
