//! Volumes that are volume groups.

use super::column_codec::{from_json, json, parse};
use super::failure::Failure;
use super::rows::{BACKUP_GROUP, GROUP_WATCH, Table, Touched, VOLUME_GROUP};
use crate::model::group_watch::GroupWatch;
use crate::model::identity::VolumeId;
use crate::model::records::{BackupVolume, ChangeError, Records, TransactionVolume};
use crate::model::volume_group::RegisteredGroup;
use sqlx::{AnyConnection, Row, query};

/// A volume that is no group has no row.
pub async fn set(to: &mut AnyConnection, touched: &mut Touched, volume: &TransactionVolume) -> Result<(), Failure> {
    remove(to, touched, volume.id).await?;
    let Some(RegisteredGroup { host, name, uuid, disk }) = volume.group.as_deref() else { return Ok(()) };
    touched.text(VOLUME_GROUP, &volume.id);
    query("INSERT INTO volume_group (volume, host, name, uuid, disk) VALUES ($1, $2, $3, $4, $5)")
        .bind(volume.id.to_string())
        .bind(host.as_str())
        .bind(name.as_str())
        .bind(uuid.as_str())
        .bind(disk.as_str())
        .execute(to)
        .await?;
    Ok(())
}

pub async fn remove(to: &mut AnyConnection, touched: &mut Touched, id: VolumeId) -> Result<(), Failure> {
    remove_from(to, touched, (VOLUME_GROUP, "DELETE FROM volume_group WHERE volume = $1"), id).await
}

/// The same for a backup volume.
pub async fn set_backup(to: &mut AnyConnection, touched: &mut Touched, volume: &BackupVolume) -> Result<(), Failure> {
    remove_backup(to, touched, volume.id).await?;
    let Some(group) = &volume.group else { return Ok(()) };
    touched.text(BACKUP_GROUP, &volume.id);
    query("INSERT INTO backup_group (volume, document) VALUES ($1, $2)")
        .bind(volume.id.to_string())
        .bind(json(group)?)
        .execute(to)
        .await?;
    Ok(())
}

pub async fn remove_backup(to: &mut AnyConnection, touched: &mut Touched, id: VolumeId) -> Result<(), Failure> {
    remove_from(to, touched, (BACKUP_GROUP, "DELETE FROM backup_group WHERE volume = $1"), id).await
}

/// What is kept of a group while a session onto it lasts.
pub async fn watch(
    to: &mut AnyConnection,
    touched: &mut Touched,
    id: VolumeId,
    watch: &GroupWatch,
) -> Result<(), Failure> {
    let session = "SELECT 1 FROM our_session WHERE target = $1 LIMIT 1";
    if query(session).bind(id.to_string()).fetch_optional(&mut *to).await?.is_none() {
        return Err(ChangeError::Missing(format!("session to {id}")).into());
    }
    touched.text(GROUP_WATCH, &id);
    let statement = "INSERT INTO group_watch (backup_volume, document) VALUES ($1, $2)
        ON CONFLICT (backup_volume) DO UPDATE SET document = excluded.document";
    query(statement).bind(id.to_string()).bind(json(watch)?).execute(to).await?;
    Ok(())
}

pub async fn end_watch(to: &mut AnyConnection, touched: &mut Touched, id: VolumeId) -> Result<(), Failure> {
    remove_from(to, touched, (GROUP_WATCH, "DELETE FROM group_watch WHERE backup_volume = $1"), id).await
}

/// Only a row that was there is touched.
async fn remove_from(
    to: &mut AnyConnection,
    touched: &mut Touched,
    (table, delete): (&'static Table, &'static str),
    id: VolumeId,
) -> Result<(), Failure> {
    let removed = query(delete).bind(id.to_string()).execute(to).await?;
    if removed.rows_affected() > 0 {
        touched.text(table, &id);
    }
    Ok(())
}

/// Adds to the records what the tables hold. The volumes are loaded before.
pub async fn load(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    for row in query("SELECT volume, host, name, uuid, disk FROM volume_group").fetch_all(&mut *from).await? {
        let text = |column: usize| row.try_get::<String, _>(column);
        let group = || {
            let id = parse::<VolumeId>(&text(0)?)?;
            let (host, name) = (parse(&text(1)?)?, parse(&text(2)?)?);
            Ok((id, Box::new(RegisteredGroup { host, name, uuid: parse(&text(3)?)?, disk: parse(&text(4)?)? })))
        };
        let (id, group) = group().map_err(|failure: Failure| failure.in_row("volume_group", &row, 1))?;
        if let Some(volume) = records.transaction_volumes.get_mut(&id) {
            volume.group = Some(group);
        }
    }
    for row in query("SELECT backup_volume, document FROM group_watch").fetch_all(&mut *from).await? {
        let watch =
            || Ok((parse::<VolumeId>(&row.try_get::<String, _>(0)?)?, from_json(&row.try_get::<String, _>(1)?)?));
        let (id, watch) = watch().map_err(|failure: Failure| failure.in_row("group_watch", &row, 1))?;
        records.group_watches.insert(id, watch);
    }
    for row in query("SELECT volume, document FROM backup_group").fetch_all(from).await? {
        let group =
            || Ok((parse::<VolumeId>(&row.try_get::<String, _>(0)?)?, from_json(&row.try_get::<String, _>(1)?)?));
        let (id, group) = group().map_err(|failure: Failure| failure.in_row("backup_group", &row, 1))?;
        if let Some(volume) = records.backup_volumes.get_mut(&id) {
            volume.group = Some(group);
        }
    }
    Ok(())
}
