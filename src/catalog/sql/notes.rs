//! What is known of a generation beside its own row: writing and reading.

use super::column_codec::{from_json, json, parse, signed, unsigned};
use super::failure::Failure;
use super::rows::Touched;
use crate::model::identity::VolumeId;
use crate::model::records::{Generation, Records};
use crate::model::units::{Timestamp, Version};
use crate::model::volume_group::GroupCopy;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row, query};

/// A generation of which nothing is to be noted has no row.
pub async fn put(to: &mut AnyConnection, touched: &mut Touched, generation: &Generation) -> Result<(), Failure> {
    let (volume, version) = (generation.transaction_volume, generation.version);
    if let Some(why) = &generation.crash_consistent {
        touched.note(volume, version);
        query("INSERT INTO generation_note (transaction_volume, version, crash_consistent) VALUES ($1, $2, $3)")
            .bind(volume.to_string())
            .bind(signed(version.0))
            .bind(json(why)?)
            .execute(&mut *to)
            .await?;
    }
    if let Some(at) = generation.suspend_complete_by {
        touched.suspend_of(volume, version);
        query("INSERT INTO generation_suspend (transaction_volume, version, complete_by) VALUES ($1, $2, $3)")
            .bind(volume.to_string())
            .bind(signed(version.0))
            .bind(at.0)
            .execute(&mut *to)
            .await?;
    }
    if let Some(set) = &generation.set {
        touched.set_of(volume, version);
        query("INSERT INTO generation_set (transaction_volume, version, document) VALUES ($1, $2, $3)")
            .bind(volume.to_string())
            .bind(signed(version.0))
            .bind(json(set)?)
            .execute(&mut *to)
            .await?;
    }
    if let Some(group) = &generation.group {
        put_group(to, touched, volume, version, group).await?;
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
    touched.group_of(volume, version);
    let statement = "INSERT INTO generation_group (transaction_volume, version, document) VALUES ($1, $2, $3)
        ON CONFLICT (transaction_volume, version) DO UPDATE SET document = excluded.document";
    query(statement).bind(volume.to_string()).bind(signed(version.0)).bind(json(group)?).execute(to).await?;
    Ok(())
}

/// Adds to the records what is noted of generations, which are loaded before.
pub async fn load(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    let notes = "SELECT transaction_volume, version, crash_consistent FROM generation_note";
    for row in query(notes).fetch_all(&mut *from).await? {
        let note = || Ok((key(&row)?, from_json(&row.try_get::<String, _>(2)?)?));
        let (key, why) = note().map_err(|failure: Failure| failure.in_row("generation_note", &row, 2))?;
        if let Some(generation) = find(records, &key) {
            generation.crash_consistent = Some(why);
        }
    }
    let suspends = "SELECT transaction_volume, version, complete_by FROM generation_suspend";
    for row in query(suspends).fetch_all(&mut *from).await? {
        let suspend = || Ok((key(&row)?, Timestamp(row.try_get(2)?)));
        let (key, at) = suspend().map_err(|failure: Failure| failure.in_row("generation_suspend", &row, 2))?;
        if let Some(generation) = find(records, &key) {
            generation.suspend_complete_by = Some(at);
        }
    }
    let groups = "SELECT transaction_volume, version, document FROM generation_group";
    for row in query(groups).fetch_all(&mut *from).await? {
        let group = || Ok((key(&row)?, from_json(&row.try_get::<String, _>(2)?)?));
        let (key, group) = group().map_err(|failure: Failure| failure.in_row("generation_group", &row, 2))?;
        if let Some(generation) = find(records, &key) {
            generation.group = Some(group);
        }
    }
    for row in query("SELECT transaction_volume, version, document FROM generation_set").fetch_all(from).await? {
        let set = || Ok((key(&row)?, from_json(&row.try_get::<String, _>(2)?)?));
        let (key, set) = set().map_err(|failure: Failure| failure.in_row("generation_set", &row, 2))?;
        if let Some(generation) = find(records, &key) {
            generation.set = Some(set);
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
