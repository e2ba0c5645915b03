//! Released generations whose volumes nothing was started onto since: writing and reading.

use super::column_codec::{from_word, signed};
use super::failure::Failure;
use super::rows::{RELEASED_GENERATION, Touched};
use crate::model::identity::VolumeId;
use crate::model::records::{ChangeError, Records, ReleasedGeneration};
use crate::model::units::{Timestamp, Version};
use sqlx::{AnyConnection, Row, query, query_scalar};

/// The generation that was on a backup volume last is one that can come back.
pub async fn put(
    to: &mut AnyConnection,
    touched: &mut Touched,
    backup_volume: VolumeId,
    transaction_volume: VolumeId,
    version: Version,
) -> Result<(), Failure> {
    touched.text(RELEASED_GENERATION, &backup_volume);
    let statement = "INSERT INTO released_generation (backup_volume, transaction_volume, version) VALUES ($1, $2, $3)
        ON CONFLICT (backup_volume) DO UPDATE SET transaction_volume = excluded.transaction_volume,
            version = excluded.version";
    query(statement)
        .bind(backup_volume.to_string())
        .bind(transaction_volume.to_string())
        .bind(signed(version.0))
        .execute(to)
        .await?;
    Ok(())
}

/// Something was started onto the volume, or it was taken out of the site.
pub async fn forget_on(to: &mut AnyConnection, touched: &mut Touched, backup_volume: VolumeId) -> Result<(), Failure> {
    let statement = "DELETE FROM released_generation WHERE backup_volume = $1";
    let gone = query(statement).bind(backup_volume.to_string()).execute(to).await?;
    if gone.rows_affected() > 0 {
        touched.text(RELEASED_GENERATION, &backup_volume);
    }
    Ok(())
}

/// The transaction volume was taken out of the site.
pub async fn forget_of(to: &mut AnyConnection, touched: &mut Touched, id: VolumeId) -> Result<(), Failure> {
    let statement = "DELETE FROM released_generation WHERE transaction_volume = $1 RETURNING backup_volume";
    for volume in query_scalar::<_, String>(statement).bind(id.to_string()).fetch_all(to).await? {
        touched.text(RELEASED_GENERATION, &volume);
    }
    Ok(())
}

/// Takes a generation back; its own row is changed by the caller.
pub async fn take(
    to: &mut AnyConnection,
    touched: &mut Touched,
    transaction_volume: VolumeId,
    version: Version,
) -> Result<(), Failure> {
    let statement = "DELETE FROM released_generation WHERE transaction_volume = $1 AND version = $2
        RETURNING backup_volume";
    let taken = query_scalar::<_, String>(statement)
        .bind(transaction_volume.to_string())
        .bind(signed(version.0))
        .fetch_optional(to)
        .await?;
    let volume = taken.ok_or_else(|| ChangeError::Missing(format!("released generation {version}")))?;
    touched.text(RELEASED_GENERATION, &volume);
    Ok(())
}

/// Adds to the records what this file's table holds.
pub async fn load(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    let released =
        "SELECT generation.transaction_volume, generation.version, generation.backup_volume, blocks, taken_at,
            mode, state, why, held, provisioned, operation, released_at, release_reason
        FROM generation JOIN released_generation ON released_generation.transaction_volume =
            generation.transaction_volume AND released_generation.version = generation.version
        WHERE released_at IS NOT NULL";
    for row in query(released).fetch_all(from).await? {
        let read = || {
            let generation = super::read::generation(&row)?;
            let at = Timestamp(row.try_get::<Option<i64>, _>(11)?.unwrap_or_default());
            let why = from_word(&row.try_get::<String, _>(12)?)?;
            Ok(ReleasedGeneration { generation, at, why })
        };
        let released = read().map_err(|failure: Failure| failure.in_row("released_generation", &row, 2))?;
        records.released.insert(released.generation.backup_volume, released);
    }
    Ok(())
}
