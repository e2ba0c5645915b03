//! The leaves of what backup volumes were read to hold: those of the last reading of each, in parts.

use super::column_codec::signed;
use super::failure::Failure;
use crate::model::fingerprint::{Leaves, VolumeLeaves};
use crate::model::identity::VolumeId;
use sqlx::{AnyConnection, Row, query};

/// Leaves in one row: a row of 4 GiB has 256 KiB of text.
const PART: usize = 4096;

/// Replaces the leaves of the volume.
pub async fn put(to: &mut AnyConnection, known: &VolumeLeaves) -> Result<(), Failure> {
    remove(&mut *to, known.backup_volume).await?;
    for (part, leaves) in (0_u64..).zip(known.leaves.0.chunks(PART)) {
        query("INSERT INTO volume_leaves (backup_volume, part, root, mark, leaves) VALUES ($1, $2, $3, $4, $5)")
            .bind(known.backup_volume.to_string())
            .bind(signed(part))
            .bind(&known.root)
            .bind(known.mark.as_deref())
            .bind(Leaves(leaves.to_vec()).text())
            .execute(&mut *to)
            .await?;
    }
    Ok(())
}

pub async fn remove(to: &mut AnyConnection, backup_volume: VolumeId) -> Result<(), Failure> {
    query("DELETE FROM volume_leaves WHERE backup_volume = $1").bind(backup_volume.to_string()).execute(to).await?;
    Ok(())
}

/// `None` where none are known; leaves that cannot be read are none, as they can be read from the volume again.
pub async fn load(from: &mut AnyConnection, backup_volume: VolumeId) -> Result<Option<VolumeLeaves>, Failure> {
    let rows = query("SELECT root, mark, leaves FROM volume_leaves WHERE backup_volume = $1 ORDER BY part")
        .bind(backup_volume.to_string())
        .fetch_all(from)
        .await?;
    let Some(first) = rows.first() else { return Ok(None) };
    let (root, mark) = (first.try_get(0)?, first.try_get(1)?);
    let mut leaves = Leaves::default();
    for row in &rows {
        let Some(part) = Leaves::from_text(&row.try_get::<String, _>(2)?) else { return Ok(None) };
        leaves.0.extend(part.0);
    }
    Ok(Some(VolumeLeaves { backup_volume, root, mark, leaves }))
}
