//! The lock that an engine holds in a PostgreSQL database for as long as it lives, so that a second engine is refused.
//!
//! It is a session-level advisory lock on a connection of its own. Who holds it is stored beside it. Every commit proves in
//! its own statement that the lock's session still lives and that nobody took the catalogue over meanwhile.

use super::failure::Failure;
use crate::catalog::{Holder, now};
use sqlx::{AnyConnection, Connection, Row, query, query_scalar};

/// Names the lock among the advisory locks of a database: "ecdk" as a number.
const LOCK_CLASS: i32 = 0x6563_646B;

/// The lock, held until this is let go of or the connection is lost.
#[derive(Debug)]
pub struct ServerLock {
    /// `None` only while it is let go of.
    connection: parking_lot::Mutex<AnyConnection>,
    backend: i64,
}

impl ServerLock {
    /// Takes the lock. `before`: the backend of this process's lost connection, which may still hold it on the server.
    ///
    /// Errors: [`Failure::HeldBy`] when another engine has the lock, [`Failure::TakenOver`] when another one had it since.
    pub async fn take(mut connection: AnyConnection, instance: &str, before: Option<i64>) -> Result<Self, Failure> {
        if let Some(before) = before {
            // Without effect when that session ended with its connection.
            let _ = query("SELECT pg_terminate_backend(CAST($1 AS INTEGER)) FROM pg_stat_activity WHERE pid = $1 AND usename = current_user
                AND EXISTS (SELECT 1 FROM pg_locks WHERE pg_locks.pid = $1 AND locktype = 'advisory')")
                .bind(before)
                .execute(&mut connection)
                .await;
        }
        let backend: i64 = query_scalar("SELECT CAST(pg_backend_pid() AS BIGINT)").fetch_one(&mut connection).await?;
        let wanted = format!("SELECT pg_try_advisory_lock({LOCK_CLASS}, hashtext(current_schema()))");
        let taken: bool = query_scalar(sqlx::AssertSqlSafe(wanted)).fetch_one(&mut connection).await?;
        let stored = stored_holder(&mut connection).await?;
        if !taken {
            let holder = stored.map(|(_, holder)| holder);
            return Err(Failure::HeldBy(holder));
        }
        if let (Some(_), Some((other, holder))) = (before, stored)
            && other != instance
        {
            // Let go of at once: it is not for this process any more.
            let _ = connection.close().await;
            return Err(Failure::TakenOver(holder));
        }
        Ok(Self { connection: parking_lot::Mutex::new(connection), backend })
    }

    /// The server's process that holds the lock.
    pub fn backend(&self) -> i64 {
        self.backend
    }

    pub async fn let_go(self) {
        let connection = self.connection.into_inner();
        let _ = connection.close().await;
    }
}

/// Stores who holds the catalogue. In the transaction of the caller, which has the lock.
pub async fn store_holder(to: &mut AnyConnection, instance: &str) -> Result<(), Failure> {
    let holder = Holder::this_process(now());
    let statement = "INSERT INTO engine_lock (one, instance, host, pid, since) VALUES (1, $1, $2, $3, $4)
        ON CONFLICT (one) DO UPDATE SET instance = excluded.instance, host = excluded.host, pid = excluded.pid,
            since = excluded.since";
    query(statement)
        .bind(instance.to_owned())
        .bind(holder.host)
        .bind(i64::from(holder.pid))
        .bind(holder.since.0)
        .execute(to)
        .await?;
    Ok(())
}

/// Who stored itself last; `None` in a catalogue that does not have the table yet.
async fn stored_holder(from: &mut AnyConnection) -> Result<Option<(String, Holder)>, Failure> {
    let there =
        "SELECT COUNT(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND tablename = 'engine_lock'";
    if query_scalar::<_, i64>(there).fetch_one(&mut *from).await? == 0 {
        return Ok(None);
    }
    let row = query("SELECT instance, host, pid, since FROM engine_lock WHERE one = 1").fetch_optional(from).await?;
    let Some(row) = row else { return Ok(None) };
    let holder = Holder {
        host: row.try_get(1)?,
        pid: u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or_default(),
        since: crate::model::units::Timestamp(row.try_get(3)?),
    };
    Ok(Some((row.try_get(0)?, holder)))
}
