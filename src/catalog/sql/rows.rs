//! The rows of the tables as the audit sees them: each has a key and a digest, and every commit's event carries those that
//! it wrote. By that the tables can be compared with the events.

use super::column_codec::signed;
use super::failure::Failure;
use crate::model::event::RowDigest;
use crate::model::identity::VolumeId;
use crate::model::records::OperationId;
use crate::model::session::Pair;
use crate::model::units::Version;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row, query};
use std::collections::BTreeSet;

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Number,
}
use Kind::{Number, Text};

/// A table and its columns, the key's first.
#[derive(Debug, PartialEq, Eq)]
pub struct Table {
    pub name: &'static str,
    key: usize,
    columns: &'static [(&'static str, Kind)],
}

macro_rules! tables {
    ($($constant:ident $name:literal key $key:literal: $($column:literal $kind:ident),+;)+) => {
        $(pub const $constant: &Table = &Table { name: $name, key: $key, columns: &[$(($column, $kind)),+] };)+
        /// Every table that commits write to, but the head row and the events themselves.
        pub const TABLES: &[&Table] = &[$($constant),+];
    };
}

tables! {
    VOLUME_NAME "volume_name" key 1: "volume" Text, "name" Text;
    TRANSACTION_VOLUME "transaction_volume" key 1: "id" Text, "blocks" Number, "generations" Number,
        "interval_days" Number, "mode" Text, "registered_at" Number, "next_version" Number;
    RETIRED_VOLUME "retired_volume" key 1: "id" Text, "next_version" Number;
    BACKUP_VOLUME "backup_volume" key 1: "id" Text, "blocks" Number, "registered_at" Number;
    GENERATION "generation" key 2: "transaction_volume" Text, "version" Number, "backup_volume" Text, "blocks" Number,
        "taken_at" Number, "mode" Text, "state" Text, "why" Text, "held" Text, "provisioned" Number,
        "operation" Number, "released_at" Number, "release_reason" Text;
    OUR_SESSION "our_session" key 3: "source" Text, "target" Text, "kind" Text, "since" Number, "operation" Number,
        "full_copy" Number;
    KNOWN_ARRAY "known_array" key 1: "name" Text, "box_id" Text;
    OPERATION "operation" key 1: "id" Number, "verb" Text, "volume" Text, "actor" Text, "started" Number,
        "reason" Text, "item" Text, "journal_length" Number, "ended_at" Number, "outcome" Text;
    JOURNAL "journal" key 2: "operation" Number, "number" Number, "entry" Text;
    MAP_SET "map_set" key 1: "name" Text, "document" Text;
    MAP_MEMBER "map_member" key 1: "transaction_volume" Text, "map_set" Text;
    MAP_USE "map_use" key 2: "transaction_volume" Text, "backup_volume" Text, "operation" Number;
    VOLUME_SET "volume_set" key 1: "name" Text, "document" Text;
    VOLUME_SET_MEMBER "volume_set_member" key 1: "transaction_volume" Text, "volume_set" Text;
    POLICY_OPTION "policy_option" key 1: "volume" Text, "reuse_oldest" Number;
    POLICY_GUARD "policy_guard" key 1: "volume" Text, "floor" Number, "min_interval" Number, "grace" Number;
    POLICY_WINDOW "policy_window" key 1: "volume" Text, "begins" Number, "ends" Number, "since" Number;
    VOLUME_GROUP "volume_group" key 1: "volume" Text, "host" Text, "name" Text, "uuid" Text, "disk" Text;
    BACKUP_GROUP "backup_group" key 1: "volume" Text, "document" Text;
    GROUP_WATCH "group_watch" key 1: "backup_volume" Text, "document" Text;
    RELEASED_GENERATION "released_generation" key 1: "backup_volume" Text, "transaction_volume" Text, "version" Number;
    GENERATION_NOTE "generation_note" key 2: "transaction_volume" Text, "version" Number, "crash_consistent" Text;
    GENERATION_SUSPEND "generation_suspend" key 2: "transaction_volume" Text, "version" Number, "complete_by" Number;
    GENERATION_SET "generation_set" key 2: "transaction_volume" Text, "version" Number, "document" Text;
    GENERATION_GROUP "generation_group" key 2: "transaction_volume" Text, "version" Number, "document" Text;
    GENERATION_COPY "generation_copy" key 2: "transaction_volume" Text, "version" Number, "document" Text;
    GENERATION_FINGERPRINT "generation_fingerprint" key 2: "transaction_volume" Text, "version" Number, "document" Text;
    NOTICE "notice" key 1: "key" Text, "document" Text;
    MAINTENANCE "maintenance" key 1: "array_name" Text, "document" Text;
    TAKE_OVER "take_over" key 1: "volume" Text, "document" Text;
    ACKNOWLEDGEMENT "acknowledgement" key 1: "trouble" Text, "document" Text;
    CLAIM "claim" key 1: "volume" Text, "operation" Number, "holder" Text, "since" Number, "epoch" Number;
}

/// A part of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Text(String),
    Number(i64),
}

impl Table {
    fn columns(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    }

    /// All rows, by key.
    pub fn select_all(&self) -> String {
        let keys: Vec<&str> = self.columns[..self.key].iter().map(|(name, _)| *name).collect();
        format!("SELECT {} FROM {} ORDER BY {}", self.columns(), self.name, keys.join(", "))
    }

    fn select_one(&self) -> String {
        let keys = self.columns[..self.key].iter().enumerate().map(|(at, (name, _))| format!("{name} = ${}", at + 1));
        format!("SELECT {} FROM {} WHERE {}", self.columns(), self.name, keys.collect::<Vec<_>>().join(" AND "))
    }

    /// The key as text, and the digest over all columns. A column that cannot be read as what it is has no honest digest.
    pub fn digest(&self, row: &AnyRow) -> (String, String) {
        let mut hasher = blake3::Hasher::new();
        hasher.update(self.name.as_bytes());
        let mut key = Vec::with_capacity(self.key);
        for (at, (_, kind)) in self.columns.iter().enumerate() {
            let value = match kind {
                Text => row.try_get::<Option<String>, _>(at),
                Number => row.try_get::<Option<i64>, _>(at).map(|number| number.map(|number| number.to_string())),
            };
            let value = match value {
                Ok(None) => {
                    hasher.update(b"\0null");
                    None
                }
                Ok(Some(value)) => {
                    hasher.update(b"\0some");
                    hasher.update(&(value.len() as u64).to_be_bytes());
                    hasher.update(value.as_bytes());
                    Some(value)
                }
                Err(_) => {
                    hasher.update(b"\0unreadable");
                    None
                }
            };
            if at < self.key {
                key.push(value.unwrap_or_else(|| "?".to_owned()));
            }
        }
        (key.join(" "), hasher.finalize().to_hex()[..DIGEST_CHARACTERS].to_owned())
    }
}

/// 128 bits: nobody finds two rows of one digest.
const DIGEST_CHARACTERS: usize = 32;

/// The rows that a commit wrote to, or took away.
#[derive(Debug, Default)]
pub struct Touched(BTreeSet<(usize, Vec<Part>)>);

impl Touched {
    fn row(&mut self, table: &'static Table, key: Vec<Part>) {
        let at = TABLES.iter().position(|known| known.name == table.name).unwrap_or_default();
        self.0.insert((at, key));
    }

    /// A row of a table whose key is a volume, or another single text.
    pub fn text(&mut self, table: &'static Table, key: &impl ToString) {
        self.row(table, vec![Part::Text(key.to_string())]);
    }

    /// A row of a table that is about a generation.
    pub fn generation(&mut self, table: &'static Table, volume: VolumeId, version: Version) {
        self.row(table, vec![Part::Text(volume.to_string()), Part::Number(signed(version.0))]);
    }

    pub fn session(&mut self, pair: &Pair, kind: String) {
        let key = vec![Part::Text(pair.source.to_string()), Part::Text(pair.target.to_string()), Part::Text(kind)];
        self.row(OUR_SESSION, key);
    }

    pub fn map_use(&mut self, transaction_volume: VolumeId, backup_volume: VolumeId) {
        self.row(MAP_USE, vec![Part::Text(transaction_volume.to_string()), Part::Text(backup_volume.to_string())]);
    }

    pub fn operation(&mut self, operation: OperationId) {
        self.row(OPERATION, vec![Part::Number(signed(operation.0))]);
    }

    pub fn journal(&mut self, operation: OperationId, number: i64) {
        self.row(JOURNAL, vec![Part::Number(signed(operation.0)), Part::Number(number)]);
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rows as they are now, in the transaction that wrote them.
    pub async fn digests(&self, from: &mut AnyConnection) -> Result<Vec<RowDigest>, Failure> {
        let mut digests = Vec::with_capacity(self.0.len());
        for (at, key) in &self.0 {
            let table = TABLES[*at];
            let mut select = query(AssertSqlSafe(table.select_one()));
            for part in key {
                select = match part {
                    Part::Text(text) => select.bind(text.clone()),
                    Part::Number(number) => select.bind(*number),
                };
            }
            let row = select.fetch_optional(&mut *from).await?;
            let digest = row.map(|row| table.digest(&row).1);
            let key: Vec<String> = key
                .iter()
                .map(|part| match part {
                    Part::Text(text) => text.clone(),
                    Part::Number(number) => number.to_string(),
                })
                .collect();
            digests.push(RowDigest { table: table.name.to_owned(), key: key.join(" "), digest });
        }
        Ok(digests)
    }
}

impl Table {
    /// The next rows after a key: key and digest of each, and the last one's key.
    pub async fn page(
        &self,
        from: &mut AnyConnection,
        after: Option<Vec<Part>>,
        most: usize,
    ) -> Result<(Vec<(String, String)>, Option<Vec<Part>>), Failure> {
        let keys: Vec<&str> = self.columns[..self.key].iter().map(|(name, _)| *name).collect();
        let keys = keys.join(", ");
        let marks: Vec<String> = (1..=self.key).map(|at| format!("${at}")).collect();
        let beyond = after.as_ref().map_or_else(String::new, |_| format!("WHERE ({keys}) > ({})", marks.join(", ")));
        let statement = format!("SELECT {} FROM {} {beyond} ORDER BY {keys} LIMIT {most}", self.columns(), self.name);
        let mut select = query(AssertSqlSafe(statement));
        for part in after.into_iter().flatten() {
            select = match part {
                Part::Text(text) => select.bind(text),
                Part::Number(number) => select.bind(number),
            };
        }
        let rows = select.fetch_all(from).await?;
        let last = rows.last().map(|row| self.key_of(row)).transpose()?;
        Ok((rows.iter().map(|row| self.digest(row)).collect(), last))
    }

    fn key_of(&self, row: &AnyRow) -> Result<Vec<Part>, Failure> {
        let part = |(at, (_, kind)): (usize, &(&str, Kind))| match kind {
            Text => row.try_get(at).map(Part::Text),
            Number => row.try_get(at).map(Part::Number),
        };
        let parts: Result<Vec<Part>, sqlx::Error> = self.columns[..self.key].iter().enumerate().map(part).collect();
        parts.map_err(|error| Failure::damaged_row(self.name, &error))
    }
}
