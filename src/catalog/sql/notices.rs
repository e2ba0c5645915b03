//! What the notification hook was given: writing and reading.

use super::column_codec::{from_json, json};
use super::failure::Failure;
use super::rows::{NOTICE, Touched};
use crate::model::notice_record::NoticeRecord;
use crate::model::records::{ChangeError, Records};
use sqlx::{AnyConnection, Row, query};

pub async fn put(
    to: &mut AnyConnection,
    touched: &mut Touched,
    key: &str,
    notice: &NoticeRecord,
) -> Result<(), Failure> {
    touched.text(NOTICE, &key);
    let statement = "INSERT INTO notice (key, document) VALUES ($1, $2)
        ON CONFLICT (key) DO UPDATE SET document = excluded.document";
    query(statement).bind(key).bind(json(notice)?).execute(to).await?;
    Ok(())
}

pub async fn remove(to: &mut AnyConnection, touched: &mut Touched, key: &str) -> Result<(), Failure> {
    touched.text(NOTICE, &key);
    let removed = query("DELETE FROM notice WHERE key = $1").bind(key).execute(to).await?;
    if removed.rows_affected() == 0 {
        return Err(ChangeError::Missing(format!("notice {key}")).into());
    }
    Ok(())
}

/// Adds the notices to the records.
pub async fn load(from: &mut AnyConnection, records: &mut Records) -> Result<(), Failure> {
    for row in query("SELECT key, document FROM notice").fetch_all(from).await? {
        let notice = || {
            let (key, document): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            Ok((key, from_json(&document)?))
        };
        let (key, notice) = notice().map_err(|failure: Failure| failure.in_row("notice", &row, 1))?;
        records.notices.insert(key, notice);
    }
    Ok(())
}
