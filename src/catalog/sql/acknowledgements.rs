//! Troubles that a person knows of: writing and reading.

use super::column_codec::{from_json, json};
use super::failure::Failure;
use super::rows::{ACKNOWLEDGEMENT, Touched};
use crate::model::acknowledgement::Acknowledgement;
use crate::model::records::{ChangeError, Records};
use crate::model::trouble_kind::TroubleId;
use sqlx::{AnyConnection, Row, query};

pub async fn put(to: &mut AnyConnection, touched: &mut Touched, known: &Acknowledgement) -> Result<(), Failure> {
    touched.text(ACKNOWLEDGEMENT, &known.trouble);
    let statement = "INSERT INTO acknowledgement (trouble, document) VALUES ($1, $2)
        ON CONFLICT (trouble) DO UPDATE SET document = excluded.document";
    query(statement).bind(known.trouble.to_string()).bind(json(known)?).execute(to).await?;
    Ok(())
}

pub async fn remove(to: &mut AnyConnection, touched: &mut Touched, trouble: &TroubleId) -> Result<(), Failure> {
    touched.text(ACKNOWLEDGEMENT, trouble);
    let statement = "DELETE FROM acknowledgement WHERE trouble = $1";
    let removed = query(statement).bind(trouble.to_string()).execute(to).await?;
    if removed.rows_affected() == 0 {
        return Err(ChangeError::Missing(format!("acknowledgement of {trouble}")).into());
    }
    Ok(())
}

/// Adds the acknowledgements to the records.
pub async fn load(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    for row in query("SELECT trouble, document FROM acknowledgement").fetch_all(from).await? {
        let known = || from_json::<Acknowledgement>(&row.try_get::<String, _>(1)?);
        let known = known().map_err(|failure: Failure| failure.in_row("acknowledgement", &row, 1))?;
        records.acknowledgements.insert(known.trouble.clone(), known);
    }
    Ok(())
}
