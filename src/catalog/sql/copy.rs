//! A copy of an SQLite catalogue: of one moment, while others write, and checked before it counts.

use super::connections::Connections;
use super::failure::Failure;
use super::{CataloguePlace, connect, read};
use crate::model::event::ChainHead;
use sqlx::{Connection, query, query_scalar};
use std::path::Path;

/// Copies to a file that is not there yet. The copy is read once: its pages, and that its newest event is the head's.
pub async fn copy(connections: &Connections, file: &Path) -> Result<ChainHead, Failure> {
    let name = file.to_str().ok_or_else(|| Failure::Damaged("the file's name is not UTF-8".into()))?.to_owned();
    let mut borrowed = connections.borrow().await?;
    query("VACUUM INTO $1").bind(name).execute(&mut *borrowed).await?;
    borrowed.give_back();
    let head = examined(file).await?;
    let copied = file.to_owned();
    let synced = tokio::task::spawn_blocking(move || std::fs::File::open(copied)?.sync_all()).await;
    let synced = synced.unwrap_or_else(|error| Err(std::io::Error::other(error.to_string())));
    synced.map_err(|error| Failure::Damaged(format!("it was not made durable: {error}")))?;
    Ok(head)
}

async fn examined(file: &Path) -> Result<ChainHead, Failure> {
    let address = connect::address(&CataloguePlace::Sqlite(file.to_owned()))?;
    let mut copied = connect::connect(&address, "").await?;
    let pages = query_scalar::<_, String>("PRAGMA quick_check(1)").fetch_one(&mut copied).await?;
    if pages != "ok" {
        return Err(Failure::Damaged(pages));
    }
    let head = read::head(&mut copied).await?;
    let newest = query_scalar::<_, String>("SELECT hash FROM event ORDER BY sequence DESC LIMIT 1");
    let newest = newest.fetch_optional(&mut copied).await?;
    if head.sequence > 0 && newest.as_deref() != Some(head.hash.as_str()) {
        return Err(Failure::Damaged("its newest event is not the one that its head names".into()));
    }
    copied.close().await?;
    Ok(head)
}
