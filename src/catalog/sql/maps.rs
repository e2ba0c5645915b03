//! Map sets, what was started by them, and the options of policies: writing and reading.

use super::column_codec::{from_json, json, parse, signed, small, unsigned};
use super::failure::Failure;
use super::rows::{MAP_MEMBER, MAP_SET, POLICY_GUARD, POLICY_OPTION, POLICY_WINDOW, Touched};
use crate::model::backup_window::BackupWindow;
use crate::model::device_map::MapSet;
use crate::model::entity::RotationGuard;
use crate::model::identity::{Name, VolumeId};
use crate::model::records::{ChangeError, OperationId, Records, TransactionVolume};
use crate::model::units::Timestamp;
use sqlx::{AnyConnection, Row, query, query_scalar};

/// Adds or replaces a map set.
pub async fn put(to: &mut AnyConnection, touched: &mut Touched, set: &MapSet) -> Result<(), Failure> {
    forget_members(to, touched, &set.name).await?;
    for volume in set.transaction_volumes() {
        touched.text(MAP_MEMBER, &volume);
        let statement = "INSERT INTO map_member (transaction_volume, map_set) VALUES ($1, $2)
            ON CONFLICT (transaction_volume) DO NOTHING";
        let put = query(statement).bind(volume.to_string()).bind(set.name.as_str()).execute(&mut *to).await?;
        if put.rows_affected() == 0 {
            return Err(ChangeError::mapped(volume).into());
        }
    }
    touched.text(MAP_SET, &set.name);
    let statement = "INSERT INTO map_set (name, document) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET document = excluded.document";
    query(statement).bind(set.name.as_str()).bind(json(&set.rounds)?).execute(to).await?;
    Ok(())
}

pub async fn remove(to: &mut AnyConnection, touched: &mut Touched, name: &Name) -> Result<(), Failure> {
    forget_members(to, touched, name).await?;
    touched.text(MAP_SET, name);
    let removed = query("DELETE FROM map_set WHERE name = $1").bind(name.as_str()).execute(to).await?;
    if removed.rows_affected() == 0 {
        return Err(ChangeError::Missing(format!("map set {name}")).into());
    }
    Ok(())
}

async fn forget_members(to: &mut AnyConnection, touched: &mut Touched, name: &Name) -> Result<(), Failure> {
    let members = "DELETE FROM map_member WHERE map_set = $1 RETURNING transaction_volume";
    for volume in query_scalar::<_, String>(members).bind(name.as_str()).fetch_all(to).await? {
        touched.text(MAP_MEMBER, &volume);
    }
    Ok(())
}

/// Keeps the later one of the known operation and this one.
pub async fn mark_used(
    to: &mut AnyConnection,
    touched: &mut Touched,
    transaction_volume: VolumeId,
    backup_volume: VolumeId,
    operation: OperationId,
) -> Result<(), Failure> {
    touched.map_use(transaction_volume, backup_volume);
    let statement = "INSERT INTO map_use (transaction_volume, backup_volume, operation) VALUES ($1, $2, $3)
        ON CONFLICT (transaction_volume, backup_volume) DO UPDATE SET operation =
            CASE WHEN excluded.operation > map_use.operation THEN excluded.operation ELSE map_use.operation END";
    query(statement)
        .bind(transaction_volume.to_string())
        .bind(backup_volume.to_string())
        .bind(signed(operation.0))
        .execute(to)
        .await?;
    Ok(())
}

/// A volume without options has no row.
pub async fn set_policy_option(
    to: &mut AnyConnection,
    touched: &mut Touched,
    volume: &TransactionVolume,
) -> Result<(), Failure> {
    remove_policy_option(to, touched, volume.id).await?;
    if volume.policy.is_some_and(|policy| policy.reuse_oldest) {
        touched.text(POLICY_OPTION, &volume.id);
        let statement = "INSERT INTO policy_option (volume, reuse_oldest) VALUES ($1, 1)";
        query(statement).bind(volume.id.to_string()).execute(&mut *to).await?;
    }
    let guard = volume.policy.map(|policy| policy.guard).filter(|guard| !guard.is_default());
    if let Some(RotationGuard { floor, min_interval, grace }) = guard {
        touched.text(POLICY_GUARD, &volume.id);
        query("INSERT INTO policy_guard (volume, floor, min_interval, grace) VALUES ($1, $2, $3, $4)")
            .bind(volume.id.to_string())
            .bind(floor.map(i64::from))
            .bind(min_interval.map(i64::from))
            .bind(grace.map(i64::from))
            .execute(&mut *to)
            .await?;
    }
    if let Some(window) = volume.policy.and_then(|policy| policy.window) {
        let (begins, ends) = window.minutes();
        touched.text(POLICY_WINDOW, &volume.id);
        query("INSERT INTO policy_window (volume, begins, ends, since) VALUES ($1, $2, $3, $4)")
            .bind(volume.id.to_string())
            .bind(i64::from(begins))
            .bind(i64::from(ends))
            .bind(volume.window_since.map(|since| since.0))
            .execute(to)
            .await?;
    }
    Ok(())
}

pub async fn remove_policy_option(to: &mut AnyConnection, touched: &mut Touched, id: VolumeId) -> Result<(), Failure> {
    let removed = query("DELETE FROM policy_option WHERE volume = $1").bind(id.to_string()).execute(&mut *to).await?;
    if removed.rows_affected() > 0 {
        touched.text(POLICY_OPTION, &id);
    }
    let removed = query("DELETE FROM policy_guard WHERE volume = $1").bind(id.to_string()).execute(&mut *to).await?;
    if removed.rows_affected() > 0 {
        touched.text(POLICY_GUARD, &id);
    }
    let removed = query("DELETE FROM policy_window WHERE volume = $1").bind(id.to_string()).execute(to).await?;
    if removed.rows_affected() > 0 {
        touched.text(POLICY_WINDOW, &id);
    }
    Ok(())
}

/// Adds to the records what this file's tables hold. The transaction volumes are loaded before.
pub async fn load(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    for row in query("SELECT name, document FROM map_set").fetch_all(&mut *from).await? {
        let set = || {
            let (name, document): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            Ok(MapSet { name: parse(&name)?, rounds: from_json(&document)? })
        };
        let set = set().map_err(|failure: Failure| failure.in_row("map_set", &row, 1))?;
        records.map_sets.insert(set.name.clone(), set);
    }
    let uses = "SELECT transaction_volume, backup_volume, operation FROM map_use";
    for row in query(uses).fetch_all(&mut *from).await? {
        let pair = || {
            let (source, target): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            Ok(((parse(&source)?, parse(&target)?), OperationId(unsigned(row.try_get(2)?))))
        };
        let (pair, operation) = pair().map_err(|failure: Failure| failure.in_row("map_use", &row, 2))?;
        records.map_uses.insert(pair, operation);
    }
    for row in query("SELECT volume, reuse_oldest FROM policy_option").fetch_all(&mut *from).await? {
        let option = || Ok((parse::<VolumeId>(&row.try_get::<String, _>(0)?)?, row.try_get::<i64, _>(1)? != 0));
        let (id, reuse) = option().map_err(|failure: Failure| failure.in_row("policy_option", &row, 1))?;
        if let Some(policy) = records.transaction_volumes.get_mut(&id).and_then(|volume| volume.policy.as_mut()) {
            policy.reuse_oldest = reuse;
        }
    }
    for row in query("SELECT volume, floor, min_interval, grace FROM policy_guard").fetch_all(&mut *from).await? {
        let guard = || {
            let floor = row.try_get::<Option<i64>, _>(1)?.map(small).transpose()?;
            let [min_interval, grace] = [
                row.try_get::<Option<i64>, _>(2)?.map(small).transpose()?,
                row.try_get::<Option<i64>, _>(3)?.map(small).transpose()?,
            ];
            Ok((parse::<VolumeId>(&row.try_get::<String, _>(0)?)?, RotationGuard { floor, min_interval, grace }))
        };
        let (id, guard) = guard().map_err(|failure: Failure| failure.in_row("policy_guard", &row, 1))?;
        if let Some(policy) = records.transaction_volumes.get_mut(&id).and_then(|volume| volume.policy.as_mut()) {
            policy.guard = guard;
        }
    }
    for row in query("SELECT volume, begins, ends, since FROM policy_window").fetch_all(from).await? {
        let window = || {
            let (begins, ends) = (small(row.try_get(1)?)?, small(row.try_get(2)?)?);
            let wrong =
                || Failure::Unfit(serde::de::Error::custom(format!("no window from minute {begins} to {ends}")));
            let window = BackupWindow::new(begins, ends).ok_or_else(wrong)?;
            let since = row.try_get::<Option<i64>, _>(3)?.map(Timestamp);
            Ok((parse::<VolumeId>(&row.try_get::<String, _>(0)?)?, window, since))
        };
        let (id, window, since) = window().map_err(|failure: Failure| failure.in_row("policy_window", &row, 1))?;
        let Some(volume) = records.transaction_volumes.get_mut(&id) else { continue };
        if let Some(policy) = volume.policy.as_mut() {
            policy.window = Some(window);
            volume.window_since = since;
        }
    }
    Ok(())
}
