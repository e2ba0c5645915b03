//! Facts of the site that are one JSON document under one key: a table each, written and read alike.

use super::column_codec::{from_json, json};
use super::failure::Failure;
use super::rows::{ACKNOWLEDGEMENT, MAINTENANCE, NOTICE, TAKE_OVER, Table, Touched};
use crate::model::acknowledgement::Acknowledgement;
use crate::model::maintenance::Maintenance;
use crate::model::records::{ChangeError, Records};
use crate::model::take_over::TakeOver;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::{AnyConnection, Row, query};
use std::fmt::Display;

/// A table whose columns are a key and a document.
pub struct Documents {
    table: &'static Table,
    /// What one of them is called, before its key.
    called: &'static str,
    put: &'static str,
    remove: &'static str,
    load: &'static str,
}

/// Troubles that a person knows of.
pub const ACKNOWLEDGEMENTS: Documents = Documents {
    table: ACKNOWLEDGEMENT,
    called: "acknowledgement of",
    put: "INSERT INTO acknowledgement (trouble, document) VALUES ($1, $2)
        ON CONFLICT (trouble) DO UPDATE SET document = excluded.document",
    remove: "DELETE FROM acknowledgement WHERE trouble = $1",
    load: "SELECT trouble, document FROM acknowledgement",
};

/// Arrays in maintenance.
pub const MAINTENANCES: Documents = Documents {
    table: MAINTENANCE,
    called: "maintenance of",
    put: "INSERT INTO maintenance (array_name, document) VALUES ($1, $2)
        ON CONFLICT (array_name) DO UPDATE SET document = excluded.document",
    remove: "DELETE FROM maintenance WHERE array_name = $1",
    load: "SELECT array_name, document FROM maintenance",
};

/// Volumes that were taken over from another program, or given back.
pub const TAKE_OVERS: Documents = Documents {
    table: TAKE_OVER,
    called: "take-over of",
    put: "INSERT INTO take_over (volume, document) VALUES ($1, $2)
        ON CONFLICT (volume) DO UPDATE SET document = excluded.document",
    remove: "DELETE FROM take_over WHERE volume = $1",
    load: "SELECT volume, document FROM take_over",
};

/// What the notification hook was given.
pub const NOTICES: Documents = Documents {
    table: NOTICE,
    called: "notice",
    put: "INSERT INTO notice (key, document) VALUES ($1, $2)
        ON CONFLICT (key) DO UPDATE SET document = excluded.document",
    remove: "DELETE FROM notice WHERE key = $1",
    load: "SELECT key, document FROM notice",
};

impl Documents {
    /// Adds or replaces one.
    pub async fn put(
        &self,
        to: &mut AnyConnection,
        touched: &mut Touched,
        key: &impl Display,
        what: &impl Serialize,
    ) -> Result<(), Failure> {
        touched.text(self.table, key);
        query(self.put).bind(key.to_string()).bind(json(what)?).execute(to).await?;
        Ok(())
    }

    pub async fn remove(
        &self,
        to: &mut AnyConnection,
        touched: &mut Touched,
        key: &impl Display,
    ) -> Result<(), Failure> {
        touched.text(self.table, key);
        let removed = query(self.remove).bind(key.to_string()).execute(to).await?;
        if removed.rows_affected() == 0 {
            return Err(ChangeError::Missing(format!("{} {key}", self.called)).into());
        }
        Ok(())
    }

    async fn load<T: DeserializeOwned>(
        &self,
        from: &mut AnyConnection,
        mut take: impl FnMut(String, T),
    ) -> Result<(), Failure> {
        for row in query(self.load).fetch_all(from).await? {
            let found = || {
                let (key, document): (String, String) = (row.try_get(0)?, row.try_get(1)?);
                Ok((key, from_json(&document)?))
            };
            let (key, what) = found().map_err(|failure: Failure| failure.in_row(self.table.name, &row, 1))?;
            take(key, what);
        }
        Ok(())
    }
}

/// Adds all of them to the records.
pub async fn load(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    NOTICES.load(&mut *from, |key, notice| drop(records.notices.insert(key, notice))).await?;
    let acknowledged = &mut records.acknowledgements;
    let acknowledge = |_, known: Acknowledgement| {
        acknowledged.insert(known.trouble.clone(), known);
    };
    ACKNOWLEDGEMENTS.load(&mut *from, acknowledge).await?;
    let maintained = &mut records.maintenance;
    let maintain = |_, known: Maintenance| {
        maintained.insert(known.array.clone(), known);
    };
    MAINTENANCES.load(&mut *from, maintain).await?;
    let taken = &mut records.take_overs;
    let take = |_, known: TakeOver| {
        taken.insert(known.volume, known);
    };
    TAKE_OVERS.load(from, take).await
}
