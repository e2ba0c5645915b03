//! `ecdeck volume`: which volumes belong to the site.

use super::arguments::{Change, VolumeVerb};
use super::change::{self, Then};
use super::document::{self, BackupVolumeEntry, TransactionVolumeEntry, UnregisteredEntry};
use super::link::{Link, Need, SiteContext};
use super::table::{Align, Table};
use super::wait::Deadline;
use super::{CliError, Exit, json, names, out};
use crate::model::request::{Action, VolumeRole};
use crate::model::snapshot::{BackupVolumeView, Snapshot};
use serde::Serialize;

pub async fn run(verb: &VolumeVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    match verb {
        VolumeVerb::List { json } => {
            let snapshot = site_context.open(Need::Reading).await?.reread().await?;
            if *json { list_json(&snapshot) } else { list_text(&snapshot) }
        }
        VolumeVerb::Add { transaction, volume, name, change, .. } => {
            let role = if *transaction { VolumeRole::Transaction } else { VolumeRole::Backup };
            let deadline = Deadline::new(change.time_limit);
            let mut link = super::opened(site_context, deadline).await?;
            let volume = match names::volume(&*link.snapshot().await?, volume) {
                Ok(volume) => volume,
                Err(_) => names::volume(&*link.reread().await?, volume)?,
            };
            act(&mut link, change, Action::Register { volume, role, name: name.clone() }, deadline).await
        }
        VolumeVerb::Rename { volume, name, change } => {
            let deadline = Deadline::new(change.time_limit);
            let mut link = super::opened(site_context, deadline).await?;
            let volume = names::volume(&*link.snapshot().await?, volume)?;
            act(&mut link, change, Action::Rename { volume, name: name.clone() }, deadline).await
        }
        VolumeVerb::Remove { volume, change } => {
            let deadline = Deadline::new(change.time_limit);
            let mut link = super::opened(site_context, deadline).await?;
            let volume = names::volume(&*link.snapshot().await?, volume)?;
            act(&mut link, change, Action::Unregister { volume }, deadline).await
        }
    }
}

async fn act(link: &mut Link, change: &Change, action: Action, deadline: Deadline) -> Result<Exit, CliError> {
    change::run(link, change, change::request(action, change), deadline, Then::Return).await
}

#[derive(Serialize)]
struct Document<'a> {
    transaction_volumes: Vec<TransactionVolumeEntry<'a>>,
    pool: Vec<BackupVolumeEntry<'a>>,
    unregistered: Vec<UnregisteredEntry<'a>>,
}

fn list_json(snapshot: &Snapshot) -> Result<Exit, CliError> {
    let document = Document {
        transaction_volumes: document::transaction_volumes(snapshot),
        pool: document::pool(snapshot),
        unregistered: snapshot.unregistered.iter().map(|volume| UnregisteredEntry::new(volume, snapshot)).collect(),
    };
    json::print(snapshot.site.demo, &document)?;
    Ok(Exit::Done)
}

/// What a backup volume is used for, and by whom.
fn use_of(view: &BackupVolumeView, snapshot: &Snapshot) -> String {
    let Some(owner) = view.transaction_volume.map(|id| snapshot.label(id)) else { return view.state.to_string() };
    match view.generation {
        Some(version) => format!("{}, {version} of {owner}", view.state),
        None => format!("{}, {owner}", view.state),
    }
}

fn list_text(snapshot: &Snapshot) -> Result<Exit, CliError> {
    let mut table = Table::new(&[
        ("volume", Align::Left),
        ("role", Align::Left),
        ("size", Align::Right),
        ("blocks", Align::Right),
        ("state", Align::Left),
        ("name", Align::Left),
    ]);
    for view in &snapshot.transaction_volumes {
        let volume = &view.volume;
        let (size, blocks) = (volume.blocks.to_string(), volume.blocks.0.to_string());
        table.row([
            snapshot.location(volume.id),
            "transaction".into(),
            size,
            blocks,
            view.state.to_string(),
            volume.name.to_string(),
        ]);
    }
    for view in &snapshot.pool {
        let volume = &view.volume;
        let name = volume.name.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let (size, blocks) = (volume.blocks.to_string(), volume.blocks.0.to_string());
        table.row([snapshot.location(volume.id), "backup".into(), size, blocks, use_of(view, snapshot), name]);
    }
    for volume in &snapshot.unregistered {
        let (size, blocks) = (volume.blocks.to_string(), volume.blocks.0.to_string());
        table.row([
            snapshot.location(volume.id),
            "-".into(),
            size,
            blocks,
            "unregistered".into(),
            volume.label.escaped(),
        ]);
    }
    out::print(&table.render())?;
    Ok(Exit::Done)
}
