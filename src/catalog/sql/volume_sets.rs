//! Sets of transaction volumes: writing and reading.

use super::column_codec::{from_json, json, parse};
use super::failure::Failure;
use super::rows::{Touched, VOLUME_SET, VOLUME_SET_MEMBER};
use crate::model::identity::Name;
use crate::model::records::{ChangeError, Records};
use crate::model::volume_set::VolumeSet;
use sqlx::{AnyConnection, Row, query, query_scalar};

/// Adds or replaces a set.
pub async fn put(to: &mut AnyConnection, touched: &mut Touched, set: &VolumeSet) -> Result<(), Failure> {
    forget_members(to, touched, &set.name).await?;
    for volume in &set.members {
        touched.text(VOLUME_SET_MEMBER, volume);
        let statement = "INSERT INTO volume_set_member (transaction_volume, volume_set) VALUES ($1, $2)
            ON CONFLICT (transaction_volume) DO NOTHING";
        let put = query(statement).bind(volume.to_string()).bind(set.name.as_str()).execute(&mut *to).await?;
        if put.rows_affected() == 0 {
            return Err(ChangeError::in_a_set(*volume).into());
        }
    }
    touched.text(VOLUME_SET, &set.name);
    let statement = "INSERT INTO volume_set (name, document) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET document = excluded.document";
    query(statement).bind(set.name.as_str()).bind(json(&set.members)?).execute(to).await?;
    Ok(())
}

pub async fn remove(to: &mut AnyConnection, touched: &mut Touched, name: &Name) -> Result<(), Failure> {
    forget_members(to, touched, name).await?;
    touched.text(VOLUME_SET, name);
    let removed = query("DELETE FROM volume_set WHERE name = $1").bind(name.as_str()).execute(to).await?;
    if removed.rows_affected() == 0 {
        return Err(ChangeError::Missing(format!("set {name}")).into());
    }
    Ok(())
}

async fn forget_members(to: &mut AnyConnection, touched: &mut Touched, name: &Name) -> Result<(), Failure> {
    let members = "DELETE FROM volume_set_member WHERE volume_set = $1 RETURNING transaction_volume";
    for volume in query_scalar::<_, String>(members).bind(name.as_str()).fetch_all(to).await? {
        touched.text(VOLUME_SET_MEMBER, &volume);
    }
    Ok(())
}

/// Adds the sets to the records.
pub async fn load(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    for row in query("SELECT name, document FROM volume_set").fetch_all(from).await? {
        let set = || {
            let (name, document): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            Ok(VolumeSet::new(parse(&name)?, from_json(&document)?))
        };
        let set = set().map_err(|failure: Failure| failure.in_row("volume_set", &row, 1))?;
        records.volume_sets.insert(set.name.clone(), set);
    }
    Ok(())
}
