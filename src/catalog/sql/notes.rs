//! What is known of a generation beside its own row: writing and reading.

use super::column_codec::{from_json, json, parse, signed, unsigned};
use super::failure::Failure;
use super::rows::Touched;
use crate::model::identity::VolumeId;
use crate::model::records::{Generation, Records};
use crate::model::units::Version;
use sqlx::{AnyConnection, Row, query};

/// A generation of which nothing is to be noted has no row.
pub async fn put(to: &mut AnyConnection, touched: &mut Touched, generation: &Generation) -> Result<(), Failure> {
    let Some(why) = &generation.crash_consistent else { return Ok(()) };
    touched.note(generation.transaction_volume, generation.version);
    query("INSERT INTO generation_note (transaction_volume, version, crash_consistent) VALUES ($1, $2, $3)")
        .bind(generation.transaction_volume.to_string())
        .bind(signed(generation.version.0))
        .bind(json(why)?)
        .execute(to)
        .await?;
    Ok(())
}

/// Adds to the records what is noted of kept generations, which are loaded before.
pub async fn load(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    let notes = "SELECT transaction_volume, version, crash_consistent FROM generation_note";
    for row in query(notes).fetch_all(from).await? {
        let note = || {
            let (volume, why): (String, String) = (row.try_get(0)?, row.try_get(2)?);
            Ok(((parse::<VolumeId>(&volume)?, Version(unsigned(row.try_get(1)?))), from_json(&why)?))
        };
        let (key, why) = note().map_err(|failure: Failure| failure.in_row("generation_note", &row, 2))?;
        if let Some(generation) = records.generations.get_mut(&key) {
            generation.crash_consistent = Some(why);
        }
    }
    Ok(())
}
