//! Arrays in maintenance: writing and reading.

use super::column_codec::{from_json, json};
use super::failure::Failure;
use super::rows::{MAINTENANCE, Touched};
use crate::model::identity::Name;
use crate::model::maintenance::Maintenance;
use crate::model::records::{ChangeError, Records};
use sqlx::{AnyConnection, Row, query};

pub async fn put(to: &mut AnyConnection, touched: &mut Touched, known: &Maintenance) -> Result<(), Failure> {
    touched.text(MAINTENANCE, &known.array);
    let statement = "INSERT INTO maintenance (array_name, document) VALUES ($1, $2)
        ON CONFLICT (array_name) DO UPDATE SET document = excluded.document";
    query(statement).bind(known.array.as_str()).bind(json(known)?).execute(to).await?;
    Ok(())
}

pub async fn remove(to: &mut AnyConnection, touched: &mut Touched, array: &Name) -> Result<(), Failure> {
    touched.text(MAINTENANCE, array);
    let removed = query("DELETE FROM maintenance WHERE array_name = $1").bind(array.as_str()).execute(to).await?;
    if removed.rows_affected() == 0 {
        return Err(ChangeError::Missing(format!("maintenance of {array}")).into());
    }
    Ok(())
}

/// Adds the maintenances to the records.
pub async fn load(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    for row in query("SELECT array_name, document FROM maintenance").fetch_all(from).await? {
        let known = || from_json::<Maintenance>(&row.try_get::<String, _>(1)?);
        let known = known().map_err(|failure: Failure| failure.in_row("maintenance", &row, 1))?;
        records.maintenance.insert(known.array.clone(), known);
    }
    Ok(())
}
