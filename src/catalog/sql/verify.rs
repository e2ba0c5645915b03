//! The check of the whole audit in one moment: the chain of the events, and the rows of the tables against the events.

use super::column_codec::{signed, unsigned};
use super::connections::Transaction;
use super::failure::Failure;
use super::rows::{TABLES, Table};
use crate::catalog::Outside;
use crate::model::audit::{AuditReport, ComparedRows, WantedHeads};
use crate::model::chain::{ChainLink, ChainVerifier, rows_of};
use crate::model::event::{ChainHash, ChainHead, EventKind, NewEvent, TableDigest};
use crate::model::untrusted::escaped;
use futures_util::TryStreamExt;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row, query, query_scalar};
use std::collections::HashMap;

/// Events that are read at once.
const EVENTS_AT_ONCE: i64 = 1_000;
/// Rows of the baseline that are written by one statement.
const ROWS_AT_ONCE: usize = 1_000;

/// What the events say of a row: its digest, and which event says it.
type Expected = HashMap<u128, (u128, u64)>;

struct Check {
    expected: Expected,
    compared_from: u64,
    compared: ComparedRows,
}

/// Checks everything; all reads are of the transaction's moment.
pub async fn verify(from: &mut Transaction, outside: Outside) -> Result<AuditReport, Failure> {
    let mut chain = ChainVerifier::new(&outside.anchors);
    let mut wanted = WantedHeads::new(&outside.heads);
    let mut check = Check { expected: Expected::new(), compared_from: 1, compared: ComparedRows::default() };
    let mut next = 1;
    loop {
        let page = events(from, next).await?;
        let Some(last) = page.last() else { break };
        next = last.0.sequence + 1;
        for (link, columns) in page {
            chain.take(&link);
            wanted.found(&link.hash);
            check.event(from, &link, &columns).await?;
        }
    }
    let verdict = chain.finish();
    for table in TABLES {
        check.table(from, table).await?;
    }
    check.missing(from).await?;
    check.head_row(from, &verdict.head).await?;
    let compared = ComparedRows { from: Some(check.compared_from), ..check.compared };
    Ok(AuditReport::of_catalogue(verdict, wanted, compared))
}

/// The columns of an event's row that repeat what its text says, for those who search.
struct Columns {
    at: i64,
    what: String,
    operation: Option<i64>,
    volume: Option<String>,
    uid: Option<i64>,
}

async fn events(from: &mut AnyConnection, next: u64) -> Result<Vec<(ChainLink, Columns)>, Failure> {
    let statement = "SELECT sequence, document, hash, at, what, operation, volume, uid FROM event
        WHERE sequence >= $1 ORDER BY sequence LIMIT $2";
    let rows = query(statement).bind(signed(next)).bind(EVENTS_AT_ONCE).fetch_all(from).await?;
    let read = |row: &AnyRow| -> Result<(ChainLink, Columns), sqlx::Error> {
        let hash = ChainHash::from_stored(row.try_get(2)?);
        let link = ChainLink { sequence: unsigned(row.try_get(0)?), text: row.try_get(1)?, hash };
        let (at, what, operation) = (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
        Ok((link, Columns { at, what, operation, volume: row.try_get(6)?, uid: row.try_get(7)? }))
    };
    rows.iter().map(|row| read(row).map_err(|error| Failure::damaged_row("event", &error))).collect()
}

impl Check {
    fn differs(&mut self, sentence: String) {
        self.compared.differs(sentence);
    }

    /// Takes what an event says of rows, and compares its searchable columns with its text.
    async fn event(&mut self, from: &mut AnyConnection, link: &ChainLink, columns: &Columns) -> Result<(), Failure> {
        let sequence = link.sequence;
        let Ok(event) = serde_json::from_str::<NewEvent>(&link.text) else {
            self.differs(format!("event {sequence} cannot be read"));
            return Ok(());
        };
        let what = serde_json::to_value(&event.kind).map_err(Failure::Unfit)?;
        let same = columns.at == event.at.0
            && what["what"].as_str() == Some(columns.what.as_str())
            && columns.operation == event.operation.map(|operation| signed(operation.0))
            && columns.volume == event.volume().map(|volume| volume.to_string())
            && columns.uid == event.actor.as_ref().map(|actor| i64::from(actor.uid));
        if !same {
            self.differs(format!(
                "event {sequence}: its time, kind, operation, volume or user in the table is not its own"
            ));
        }
        if let EventKind::AuditBaseline { tables, .. } = &event.kind {
            self.baseline(from, sequence, tables).await?;
        }
        for row in rows_of(&link.text).unwrap_or_default() {
            let key = name_of(&row.table, &row.key);
            match row.digest.as_deref().and_then(|digest| u128::from_str_radix(digest, 16).ok()) {
                Some(digest) => self.expected.insert(key, (digest, sequence)),
                None => self.expected.remove(&key),
            };
        }
        Ok(())
    }

    /// The rows that were there when comparing began.
    async fn baseline(&mut self, from: &mut AnyConnection, at: u64, tables: &[TableDigest]) -> Result<(), Failure> {
        self.expected.clear();
        self.compared_from = at;
        for table in tables {
            let found = digest_of_baseline(from, &table.name).await?;
            if found != *table {
                self.differs(format!("the digests of table {} that belong to event {at} were altered", table.name));
            }
            let statement = "SELECT row_key, digest FROM baseline WHERE table_name = $1";
            let mut rows = query(statement).bind(table.name.clone()).fetch(&mut *from);
            while let Some(row) = rows.try_next().await? {
                let (key, digest): (String, String) = (row.try_get(0)?, row.try_get(1)?);
                if let Ok(digest) = u128::from_str_radix(&digest, 16) {
                    self.expected.insert(name_of(&table.name, &key), (digest, at));
                }
            }
        }
        Ok(())
    }

    async fn table(&mut self, from: &mut AnyConnection, table: &Table) -> Result<(), Failure> {
        let statement = table.select_all();
        let mut rows = query(AssertSqlSafe(statement)).fetch(from);
        while let Some(row) = rows.try_next().await? {
            self.compared.rows += 1;
            let (key, digest) = table.digest(&row);
            let expected = self.expected.remove(&name_of(table.name, &key));
            let (key, name) = (escaped(&key), table.name);
            match expected {
                None => self.differs(format!("table {name}, row {key}: no event wrote this row")),
                Some((wrote, _)) if u128::from_str_radix(&digest, 16) == Ok(wrote) => {}
                Some((_, event)) => {
                    self.differs(format!("table {name}, row {key}: it is not what event {event} wrote"));
                }
            }
        }
        Ok(())
    }

    /// What is expected and was not found: the events are read once more, for the names.
    async fn missing(&mut self, from: &mut AnyConnection) -> Result<(), Failure> {
        let mut next = self.compared_from;
        while !self.expected.is_empty() {
            let page = events(from, next).await?;
            let Some(last) = page.last() else { break };
            next = last.0.sequence + 1;
            for (link, _) in page {
                for row in rows_of(&link.text).unwrap_or_default() {
                    self.is_missing(&row.table, &row.key, link.sequence);
                }
            }
        }
        let all = "SELECT table_name, row_key FROM baseline";
        if !self.expected.is_empty() {
            for row in query(all).fetch_all(from).await? {
                let (table, key): (String, String) = (row.try_get(0)?, row.try_get(1)?);
                self.is_missing(&table, &key, u64::MAX);
            }
        }
        Ok(())
    }

    /// `event`: the row counts as missing when this event, or an earlier one, was the last to write it.
    fn is_missing(&mut self, table: &str, key: &str, event: u64) {
        let name = name_of(table, key);
        if let Some((_, wrote)) = self.expected.get(&name).copied()
            && wrote <= event
        {
            self.expected.remove(&name);
            self.differs(format!("table {}, row {}: it is gone; event {wrote} wrote it", escaped(table), escaped(key)));
        }
    }

    async fn head_row(&mut self, from: &mut AnyConnection, head: &ChainHead) -> Result<(), Failure> {
        let stored = super::read::head(&mut *from).await?;
        if stored != *head {
            self.differs(format!("table head: it says that the audit ends at event {}", stored.sequence));
        }
        let behind = "SELECT COUNT(*) FROM head WHERE next_operation <= (SELECT COALESCE(MAX(id), -1) FROM operation)";
        if query_scalar::<_, i64>(behind).fetch_one(from).await? > 0 {
            self.differs("table head: the number of the next operation was used already".to_owned());
        }
        Ok(())
    }
}

fn name_of(table: &str, key: &str) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(table.as_bytes()).update(b"\0").update(key.as_bytes());
    let bytes = hasher.finalize();
    let mut half = [0; 16];
    half.copy_from_slice(&bytes.as_bytes()[..16]);
    u128::from_be_bytes(half)
}

/// Keeps the digest of every row, and gives those of the tables, for the event from which on rows are compared.
pub async fn write_baseline(to: &mut AnyConnection) -> Result<Vec<TableDigest>, Failure> {
    let mut digests = Vec::with_capacity(TABLES.len());
    for table in TABLES {
        let mut after = None;
        loop {
            let (page, last) = table.page(&mut *to, after, ROWS_AT_ONCE).await?;
            if page.is_empty() {
                break;
            }
            let marks = (0..page.len()).map(|at| format!("($1, ${}, ${})", 2 * at + 2, 2 * at + 3));
            let marks = marks.collect::<Vec<_>>().join(", ");
            let statement = format!("INSERT INTO baseline (table_name, row_key, digest) VALUES {marks}");
            let insert = query(AssertSqlSafe(statement)).bind(table.name);
            let insert = page.into_iter().fold(insert, |insert, (key, digest)| insert.bind(key).bind(digest));
            insert.execute(&mut *to).await?;
            after = last;
        }
        digests.push(digest_of_baseline(to, table.name).await?);
    }
    Ok(digests)
}

/// Over the rows in the order of their keys' bytes, whatever the database's language.
async fn digest_of_baseline(from: &mut AnyConnection, table: &str) -> Result<TableDigest, Failure> {
    let statement = "SELECT row_key, digest FROM baseline WHERE table_name = $1";
    let mut keys = Vec::new();
    let mut rows = query(statement).bind(table.to_owned()).fetch(from);
    while let Some(row) = rows.try_next().await? {
        keys.push((row.try_get::<String, _>(0)?, row.try_get::<String, _>(1)?));
    }
    keys.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for (key, digest) in &keys {
        hasher.update(&(key.len() as u64).to_be_bytes()).update(key.as_bytes()).update(digest.as_bytes());
    }
    let digest = hasher.finalize().to_hex().to_string();
    Ok(TableDigest { name: table.to_owned(), rows: keys.len() as u64, digest })
}
