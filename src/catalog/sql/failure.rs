//! What went wrong in the database, told apart by what it means for the caller.

use crate::catalog::{CatalogueError, Holder};
use crate::model::records::ChangeError;
use crate::model::untrusted::escaped;
use sqlx::Row;
use sqlx::any::AnyRow;

/// Why a transaction did not come about.
#[derive(Debug)]
pub enum Failure {
    Change(ChangeError),
    Sql(sqlx::Error),
    /// COMMIT was sent, and whether it was heard is not known.
    LostAtCommit(sqlx::Error),
    /// A row that this program did not write so.
    Damaged(String),
    /// The file is no longer the one that was opened.
    Replaced(String),
    /// Another engine has the catalogue.
    HeldBy(Option<Holder>),
    /// Another engine had the catalogue since this one lost its lock.
    TakenOver(Holder),
    /// Another program uses the file.
    Held(String),
    /// The session that holds this engine's lock is gone.
    LockLost,
    /// The catalogue was closed by this process.
    Closed,
    Unfit(serde_json::Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<ChangeError> for Failure {
    fn from(error: ChangeError) -> Self {
        Self::Change(error)
    }
}

impl Failure {
    /// The error of a COMMIT: the database's own word is final, anything else leaves it open.
    pub fn at_commit(error: sqlx::Error) -> Self {
        match meaning(&error) {
            Meaning::Conflict | Meaning::Full | Meaning::ReadOnly | Meaning::Busy => Self::Sql(error),
            _ => Self::LostAtCommit(error),
        }
    }

    /// A commit of unknown outcome, now that it was looked up: nothing of it was kept.
    #[must_use]
    pub fn nothing_kept(self) -> Self {
        match self {
            Self::LostAtCommit(error) => Self::Sql(error),
            other => other,
        }
    }

    /// A row of a table that cannot be read as what it is.
    pub fn damaged_row(table: &str, error: &sqlx::Error) -> Self {
        Self::Damaged(format!("table {table}: a row cannot be read ({error})"))
    }

    /// The same, with the table and the row in which a value cannot be read; `key`: how many columns name the row.
    #[must_use]
    pub fn in_row(self, table: &str, row: &AnyRow, key: usize) -> Self {
        let detail = match &self {
            Self::Damaged(detail) => detail.clone(),
            Self::Sql(error) if meaning(error) == Meaning::Corrupt => words(error),
            _ => return self,
        };
        let part = |at| {
            let number = || row.try_get::<i64, _>(at).map(|number| number.to_string());
            row.try_get::<String, _>(at).or_else(|_| number()).unwrap_or_else(|_| "?".to_owned())
        };
        let key: Vec<String> = (0..key).map(part).collect();
        Self::Damaged(format!("table {table}, row {}: {}", escaped(&key.join(" ")), escaped(&detail)))
    }

    /// Another transaction was in the way: the same one may be tried again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Sql(error) if meaning(error) == Meaning::Conflict)
    }

    pub fn explain(self, place: &str) -> CatalogueError {
        let place = place.to_owned();
        match self {
            Self::Change(error) => error.into(),
            Self::Unfit(error) => CatalogueError::unfit(&error),
            Self::Damaged(detail) => CatalogueError::Corrupt { place, detail },
            Self::LostAtCommit(error) => CatalogueError::OutcomeUnknown { place, detail: words(&error) },
            Self::Replaced(detail) => CatalogueError::Replaced { place, detail },
            Self::HeldBy(holder) => CatalogueError::InUse { place, holder },
            Self::TakenOver(holder) => CatalogueError::TakenOver { place, holder },
            Self::Held(detail) => CatalogueError::Unreachable { place, detail },
            Self::LockLost => {
                let detail = "the lock that keeps other engines out was lost; it is taken again".to_owned();
                CatalogueError::Unreachable { place, detail }
            }
            Self::Closed => CatalogueError::Unreachable { place, detail: "it was closed".to_owned() },
            Self::Sql(error) => {
                let detail = words(&error);
                match meaning(&error) {
                    Meaning::Full => CatalogueError::Full { place, detail },
                    Meaning::ReadOnly => CatalogueError::ReadOnly { place, detail },
                    Meaning::Corrupt => CatalogueError::Corrupt { place, detail },
                    Meaning::Busy => CatalogueError::InUse { place, holder: None },
                    Meaning::Device => CatalogueError::Device { place, detail },
                    Meaning::Conflict | Meaning::Other => CatalogueError::Unreachable { place, detail },
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Full,
    ReadOnly,
    Corrupt,
    Busy,
    Conflict,
    /// The disk fails.
    Device,
    Other,
}

/// SQLite gives its (extended) result code as a decimal number, PostgreSQL five characters.
fn meaning(error: &sqlx::Error) -> Meaning {
    use sqlx::Error as E;
    if let E::ColumnDecode { .. }
    | E::Decode(_)
    | E::ColumnIndexOutOfBounds { .. }
    | E::ColumnNotFound(_)
    | E::TypeNotFound { .. }
    | E::RowNotFound
    | E::AnyDriverError(_) = error
    {
        return Meaning::Corrupt;
    }
    let Some(code) = error.as_database_error().and_then(sqlx::error::DatabaseError::code) else {
        return Meaning::Other;
    };
    match code.as_ref() {
        "53100" => return Meaning::Full,
        "58030" => return Meaning::Device,
        "25006" | "42501" => return Meaning::ReadOnly,
        "XX001" | "XX002" => return Meaning::Corrupt,
        // Serialization, deadlock, and two engines that make the same table at once.
        "40001" | "40P01" | "42P07" | "23505" => return Meaning::Conflict,
        _ => {}
    }
    if code.len() == 5 {
        return Meaning::Other;
    }
    match code.parse::<u32>().map(|code| code & 0xFF) {
        Ok(5 | 6) => Meaning::Busy,
        Ok(8) => Meaning::ReadOnly,
        Ok(10) => Meaning::Device,
        Ok(11 | 26) => Meaning::Corrupt,
        Ok(13) => Meaning::Full,
        _ => Meaning::Other,
    }
}

/// The database's sentence. sqlx puts neither address nor password into it.
fn words(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::PoolTimedOut => "no connection within the time limit".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::{AnyConnection, Connection};
    use std::path::Path;

    /// Runs statements on a file, the last of which fails, and gives what is said of it.
    async fn said_of(file: &Path, statements: &[&'static str]) -> CatalogueError {
        sqlx::any::install_default_drivers();
        let mut connection = AnyConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        let (last, first) = statements.split_last().unwrap();
        for statement in first {
            sqlx::query(*statement).execute(&mut connection).await.unwrap();
        }
        Failure::from(sqlx::query(*last).execute(&mut connection).await.unwrap_err()).explain("here")
    }

    fn empty_file(folder: &tempfile::TempDir) -> std::path::PathBuf {
        let file = folder.path().join("some.db");
        std::fs::write(&file, "").unwrap();
        file
    }

    #[tokio::test(flavor = "current_thread")]
    async fn what_sqlite_says_is_understood() {
        let folder = tempfile::tempdir().unwrap();
        let file = empty_file(&folder);
        let read_only = said_of(&file, &["CREATE TABLE t (a TEXT)", "PRAGMA query_only = ON", "DELETE FROM t"]).await;
        assert!(matches!(read_only, CatalogueError::ReadOnly { .. }), "{read_only}");

        let full = ["PRAGMA max_page_count = 3", "CREATE TABLE u (a BLOB)", "INSERT INTO u VALUES (zeroblob(99999))"];
        let full = said_of(&file, &full).await;
        assert!(matches!(full, CatalogueError::Full { .. }), "{full}");

        let unknown = said_of(&file, &["SELECT * FROM nothing"]).await;
        assert!(matches!(unknown, CatalogueError::Unreachable { .. }), "{unknown}");

        std::fs::write(&file, "not a database ".repeat(99)).unwrap();
        let damaged = said_of(&file, &["SELECT * FROM sqlite_master"]).await;
        assert!(matches!(damaged, CatalogueError::Corrupt { .. }), "{damaged}");
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_file_that_another_program_writes_to_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let file = empty_file(&folder);
        sqlx::any::install_default_drivers();
        let mut other = AnyConnection::connect(&format!("sqlite://{}", file.display())).await.unwrap();
        let _writing = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let busy = said_of(&file, &["PRAGMA busy_timeout = 0", "CREATE TABLE t (a TEXT)"]).await;
        assert!(matches!(busy, CatalogueError::InUse { .. }), "{busy}");
    }
}
