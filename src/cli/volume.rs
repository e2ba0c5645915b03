//! `ecdeck volume`: which volumes belong to the site.

use super::arguments::VolumeVerb;
use super::change::{self, Then};
use super::document::{self, BackupVolumeEntry, TransactionVolumeEntry, UnregisteredEntry};
use super::link::{Need, SiteContext};
use super::table::{Align, Table};
use super::wait::Deadline;
use super::{CliError, Exit, json, names, out};
use crate::model::request::{Action, VolumeRole};
use crate::model::snapshot::{BackupVolumeView, Snapshot};
use serde::Serialize;

pub async fn run(verb: &VolumeVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    let Some(change) = verb.change() else {
        let snapshot = site_context.open(Need::Reading).await?.reread().await?;
        return if matches!(verb, VolumeVerb::List { json: true }) {
            list_json(&snapshot)
        } else {
            list_text(&snapshot)
        };
    };
    let deadline = Deadline::new(change.time_limit);
    let mut link = super::opened(site_context, deadline).await?;
    let mut action = action(verb, &*link.snapshot().await?);
    // What is to be registered may be newer on its array than the last reading.
    if matches!(verb, VolumeVerb::Add { .. }) && action.is_err() {
        action = self::action(verb, &*link.reread().await?);
    }
    change::run(&mut link, change, change::request(action?, change), deadline, Then::Return).await
}

/// What is asked for. A list asks for nothing.
pub fn action(verb: &VolumeVerb, snapshot: &Snapshot) -> Result<Action, CliError> {
    Ok(match verb {
        VolumeVerb::List { .. } => return Err(CliError::usage("a list changes nothing")),
        VolumeVerb::Add { transaction, volume, name, .. } => {
            let role = if *transaction { VolumeRole::Transaction } else { VolumeRole::Backup };
            Action::Register { volume: names::volume(snapshot, volume)?, role, name: name.clone() }
        }
        VolumeVerb::Rename { volume, name, .. } => {
            Action::Rename { volume: names::volume(snapshot, volume)?, name: name.clone() }
        }
        VolumeVerb::Remove { volume, .. } => Action::Unregister { volume: names::volume(snapshot, volume)? },
    })
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
