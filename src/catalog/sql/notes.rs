//! What is known of a generation beside its own row: writing and reading.
//!
//! Each fact has a table of its own, in which only the generations that have the fact have a row.

use super::column_codec::{from_json, json, parse, signed, unsigned};
use super::failure::Failure;
use super::rows::{
    GENERATION_COPY, GENERATION_FINGERPRINT, GENERATION_GROUP, GENERATION_NOTE, GENERATION_SET, GENERATION_SUSPEND,
    Table, Touched,
};
use crate::model::identity::VolumeId;
use crate::model::records::{Generation, Records};
use crate::model::units::{Timestamp, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row, query};

/// A fact that is one JSON document in one column: its table, and the statements that write and read it.
pub struct Fact {
    table: &'static Table,
    put: &'static str,
    load: &'static str,
}

const NOTE: Fact = Fact {
    table: GENERATION_NOTE,
    put: "INSERT INTO generation_note (transaction_volume, version, crash_consistent) VALUES ($1, $2, $3)",
    load: "SELECT transaction_volume, version, crash_consistent FROM generation_note",
};
const SET: Fact = Fact {
    table: GENERATION_SET,
    put: "INSERT INTO generation_set (transaction_volume, version, document) VALUES ($1, $2, $3)",
    load: "SELECT transaction_volume, version, document FROM generation_set",
};
/// The text of its group. It is added, or replaced.
pub const GROUP: Fact = Fact {
    table: GENERATION_GROUP,
    put: "INSERT INTO generation_group (transaction_volume, version, document) VALUES ($1, $2, $3)
        ON CONFLICT (transaction_volume, version) DO UPDATE SET document = excluded.document",
    load: "SELECT transaction_volume, version, document FROM generation_group",
};
const COPY: Fact = Fact {
    table: GENERATION_COPY,
    put: "INSERT INTO generation_copy (transaction_volume, version, document) VALUES ($1, $2, $3)",
    load: "SELECT transaction_volume, version, document FROM generation_copy",
};
/// What it was read to hold. It is added, or replaced.
pub const FINGERPRINT: Fact = Fact {
    table: GENERATION_FINGERPRINT,
    put: "INSERT INTO generation_fingerprint (transaction_volume, version, document) VALUES ($1, $2, $3)
        ON CONFLICT (transaction_volume, version) DO UPDATE SET document = excluded.document",
    load: "SELECT transaction_volume, version, document FROM generation_fingerprint",
};

/// A generation of which nothing is to be noted has no row.
pub async fn put(to: &mut AnyConnection, touched: &mut Touched, generation: &Generation) -> Result<(), Failure> {
    let (volume, version) = (generation.transaction_volume, generation.version);
    let key = (volume, version);
    if let Some(why) = &generation.crash_consistent {
        NOTE.put(to, touched, key, why).await?;
    }
    if let Some(at) = generation.suspend_complete_by {
        touched.generation(GENERATION_SUSPEND, volume, version);
        query("INSERT INTO generation_suspend (transaction_volume, version, complete_by) VALUES ($1, $2, $3)")
            .bind(volume.to_string())
            .bind(signed(version.0))
            .bind(at.0)
            .execute(&mut *to)
            .await?;
    }
    if let Some(set) = &generation.set {
        SET.put(to, touched, key, set).await?;
    }
    if let Some(group) = &generation.group {
        GROUP.put(to, touched, key, group).await?;
    }
    if let Some(time) = &generation.copied_in {
        COPY.put(to, touched, key, time).await?;
    }
    if let Some(fingerprint) = &generation.fingerprint {
        FINGERPRINT.put(to, touched, key, fingerprint).await?;
    }
    Ok(())
}

impl Fact {
    pub async fn put(
        &self,
        to: &mut AnyConnection,
        touched: &mut Touched,
        (volume, version): (VolumeId, Version),
        what: &impl Serialize,
    ) -> Result<(), Failure> {
        touched.generation(self.table, volume, version);
        query(self.put).bind(volume.to_string()).bind(signed(version.0)).bind(json(what)?).execute(to).await?;
        Ok(())
    }

    async fn load<T: DeserializeOwned>(
        &self,
        from: &mut AnyConnection,
        records: &mut Records,
        take: impl Fn(&mut Generation, T),
    ) -> Result<(), Failure> {
        for row in query(self.load).fetch_all(from).await? {
            let found = || Ok((key(&row)?, from_json(&row.try_get::<String, _>(2)?)?));
            let (key, what) = found().map_err(|failure: Failure| failure.in_row(self.table.name, &row, 2))?;
            if let Some(generation) = find(records, &key) {
                take(generation, what);
            }
        }
        Ok(())
    }
}

/// Adds to the records what is noted of generations, which are loaded before.
pub async fn load(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    NOTE.load(from, records, |generation, why| generation.crash_consistent = Some(why)).await?;
    let suspends = "SELECT transaction_volume, version, complete_by FROM generation_suspend";
    for row in query(suspends).fetch_all(&mut *from).await? {
        let suspend = || Ok((key(&row)?, Timestamp(row.try_get(2)?)));
        let (key, at) = suspend().map_err(|failure: Failure| failure.in_row("generation_suspend", &row, 2))?;
        if let Some(generation) = find(records, &key) {
            generation.suspend_complete_by = Some(at);
        }
    }
    GROUP.load(from, records, |generation, group| generation.group = Some(group)).await?;
    SET.load(from, records, |generation, set| generation.set = Some(set)).await?;
    FINGERPRINT.load(from, records, |generation, read| generation.fingerprint = Some(read)).await?;
    COPY.load(from, records, |generation, time| generation.copied_in = Some(time)).await
}

/// The generation, kept or released.
fn find<'a>(records: &'a mut Records, key: &(VolumeId, Version)) -> Option<&'a mut Generation> {
    let released = records.released.values_mut().map(|released| &mut released.generation);
    let mut released = released.filter(|it| (it.transaction_volume, it.version) == *key);
    records.generations.get_mut(key).or_else(|| released.next())
}

fn key(row: &AnyRow) -> Result<(VolumeId, Version), Failure> {
    Ok((parse::<VolumeId>(&row.try_get::<String, _>(0)?)?, Version(unsigned(row.try_get(1)?))))
}
