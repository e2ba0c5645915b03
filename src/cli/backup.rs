//! `ecdeck backup`, now or when the live sessions have become equivalent.

use super::arguments::Backup;
use super::change::{self, Then};
use super::link::Link;
use super::wait::{self, Patience, ProgressLine};
use super::{Exit, Trouble, names};
use crate::model::identity::VolumeId;
use crate::model::records::BackupMode;
use crate::model::request::Action;

pub async fn run(asked: &Backup, link: &mut Link) -> Result<Exit, Trouble> {
    let patience = Patience::new(asked.change.time_limit);
    let snapshot = link.snapshot().await?;
    let volumes = names::volumes(&snapshot, &asked.volumes)?;
    if asked.wait
        && let Some(exit) = wait_for_equivalence(link, &volumes, asked, patience).await?
    {
        return Ok(exit);
    }
    let mode = match (asked.suspend, asked.dissolve) {
        (true, _) => Some(BackupMode::Suspend),
        (_, true) => Some(BackupMode::Dissolve),
        _ => None,
    };
    let action = Action::Backup { volumes, mode, together: false };
    change::run(link, &asked.change, change::request(action, &asked.change), patience, Then::Return).await
}

/// Waits for the sessions that are on their way; an exit when waiting ended first. A volume without a session is left
/// to the plan, which refuses it: at once when none is on its way.
async fn wait_for_equivalence(
    link: &mut Link,
    volumes: &[VolumeId],
    asked: &Backup,
    patience: Patience,
) -> Result<Option<Exit>, Trouble> {
    let snapshot = link.snapshot().await?;
    let pairs = wait::on_their_way(&snapshot, volumes);
    if pairs.is_empty() || asked.change.dry_run {
        return Ok(None);
    }
    let progress = ProgressLine::new(asked.change.json);
    // The first snapshot of the watch may be older than this one, from before the session.
    let since = snapshot.arrays.iter().filter_map(|array| array.taken_at).max().unwrap_or_default();
    let waited = patience.wait(wait::until_equivalent(link, &pairs, since, progress)).await?;
    match wait::told(&waited) {
        None => Ok(None),
        Some((_, exit, text)) => Err(Trouble::new(exit, format!("no backup was taken: {text}"))),
    }
}
