//! What is known of a generation beside its own row: writing and reading.
//!
//! Each fact has a table of its own, in which only the generations that have the fact have a row.

use super::column_codec::{from_json, json, parse, signed, unsigned};
use super::failure::Failure;
use super::rows::{
    GENERATION_COPY, GENERATION_FINGERPRINT, GENERATION_GROUP, GENERATION_NOTE, GENERATION_SET, GENERATION_SUSPEND,
    Table, Touched,
};
use crate::model::fingerprint::Fingerprint;
use crate::model::identity::VolumeId;
use crate::model::records::{Generation, Records};
use crate::model::units::{Timestamp, Version};
use crate::model::volume_group::GroupCopy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row, query};

/// A fact that is one JSON document in one column: its table, and the statements that write and read it.
struct Fact {
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
const GROUP: Fact = Fact {
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

const FINGERPRINT: Fact = Fact {
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
        put_fact(to, touched, &NOTE, key, why).await?;
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
        put_fact(to, touched, &SET, key, set).await?;
    }
    if let Some(group) = &generation.group {
        put_fact(to, touched, &GROUP, key, group).await?;
    }
    if let Some(time) = &generation.copied_in {
        put_fact(to, touched, &COPY, key, time).await?;
    }
    if let Some(fingerprint) = &generation.fingerprint {
        put_fact(to, touched, &FINGERPRINT, key, fingerprint).await?;
    }
    Ok(())
}

/// Adds or replaces the text of the group in a generation.
pub async fn put_group(
    to: &mut AnyConnection,
    touched: &mut Touched,
    volume: VolumeId,
    version: Version,
    group: &GroupCopy,
) -> Result<(), Failure> {
    put_fact(to, touched, &GROUP, (volume, version), group).await
}

/// Adds or replaces what a generation was read to hold.
pub async fn put_fingerprint(
    to: &mut AnyConnection,
    touched: &mut Touched,
    volume: VolumeId,
    version: Version,
    fingerprint: &Fingerprint,
) -> Result<(), Failure> {
    put_fact(to, touched, &FINGERPRINT, (volume, version), fingerprint).await
}

async fn put_fact<T: Serialize>(
    to: &mut AnyConnection,
    touched: &mut Touched,
    fact: &Fact,
    (volume, version): (VolumeId, Version),
    what: &T,
) -> Result<(), Failure> {
    touched.generation(fact.table, volume, version);
    query(fact.put).bind(volume.to_string()).bind(signed(version.0)).bind(json(what)?).execute(to).await?;
    Ok(())
}

/// Adds to the records what is noted of generations, which are loaded before.
pub async fn load(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    load_fact(from, records, &NOTE, |generation, why| generation.crash_consistent = Some(why)).await?;
    let suspends = "SELECT transaction_volume, version, complete_by FROM generation_suspend";
    for row in query(suspends).fetch_all(&mut *from).await? {
        let suspend = || Ok((key(&row)?, Timestamp(row.try_get(2)?)));
        let (key, at) = suspend().map_err(|failure: Failure| failure.in_row("generation_suspend", &row, 2))?;
        if let Some(generation) = find(records, &key) {
            generation.suspend_complete_by = Some(at);
        }
    }
    load_fact(from, records, &GROUP, |generation, group| generation.group = Some(group)).await?;
    load_fact(from, records, &SET, |generation, set| generation.set = Some(set)).await?;
    load_fact(from, records, &FINGERPRINT, |generation, read| generation.fingerprint = Some(read)).await?;
    load_fact(from, records, &COPY, |generation, time| generation.copied_in = Some(time)).await
}

async fn load_fact<T: DeserializeOwned>(
    from: &mut AnyConnection,
    records: &mut Records,
    fact: &Fact,
    take: impl Fn(&mut Generation, T),
) -> Result<(), Failure> {
    for row in query(fact.load).fetch_all(from).await? {
        let found = || Ok((key(&row)?, from_json(&row.try_get::<String, _>(2)?)?));
        let (key, what) = found().map_err(|failure: Failure| failure.in_row(fact.table.name, &row, 2))?;
        if let Some(generation) = find(records, &key) {
            take(generation, what);
        }
    }
    Ok(())
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
