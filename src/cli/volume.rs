//! `ecdeck volume`: which volumes belong to the site.

use super::arguments::VolumeVerb;
use super::change::{self, Then};
use super::document::{self, BackupVolumeEntry, TransactionVolumeEntry, UnregisteredEntry};
use super::host;
use super::link::{Link, Need, SiteContext};
use super::table::{Align, Table};
use super::wait::Deadline;
use super::{CliError, Exit, json, names, out};
use crate::model::codes::Code;
use crate::model::identity::{Name, Olu, VolumeId};
use crate::model::request::{Action, VolumeRole};
use crate::model::site_change::NewVolume;
use crate::model::snapshot::{BackupVolumeView, Snapshot};
use crate::model::untrusted::Untrusted;
use crate::model::volume_group::{GroupPlace, Unfit, identify, identify_backup};
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
    let mut action = action(verb, &*link.view(&named(verb)).await?);
    // What is to be registered may be newer on its array than the last reading.
    if matches!(verb, VolumeVerb::Add { .. }) && action.is_err() {
        action = self::action(verb, &*link.reread().await?);
    }
    let mut action = action?;
    if let VolumeVerb::Add { group: Some(place), .. } = verb {
        action = of_group(action, place, &mut link).await?;
    }
    change::run(&mut link, change, change::request(action, change), deadline, Then::Return).await
}

/// The volumes that a verb names.
fn named(verb: &VolumeVerb) -> Vec<&str> {
    match verb {
        VolumeVerb::List { .. } => Vec::new(),
        VolumeVerb::Add { volumes, .. } => volumes.iter().map(String::as_str).collect(),
        VolumeVerb::Rename { volume, .. } | VolumeVerb::Remove { volume, .. } => vec![volume],
    }
}

/// What is asked for. A list asks for nothing.
pub fn action(verb: &VolumeVerb, snapshot: &Snapshot) -> Result<Action, CliError> {
    Ok(match verb {
        VolumeVerb::List { .. } => return Err(CliError::usage("a list changes nothing")),
        VolumeVerb::Add { transaction, volumes, name, .. } => {
            let role = if *transaction { VolumeRole::Transaction } else { VolumeRole::Backup };
            add(snapshot, volumes, role, name.as_ref())?
        }
        VolumeVerb::Rename { volume, name, .. } => {
            Action::Rename { volume: names::volume(snapshot, volume)?, name: name.clone() }
        }
        VolumeVerb::Remove { volume, .. } => Action::Unregister { volume: names::volume(snapshot, volume)? },
    })
}

/// What is wrong with `--group` beside several volumes.
pub fn several_of_a_group() -> CliError {
    CliError::usage("--group is for one volume: a group is one physical disk")
}

/// The same for a volume that is a volume group, with the identities that its host reports.
async fn of_group(action: Action, place: &GroupPlace, link: &mut Link) -> Result<Action, CliError> {
    let Action::Register { volume, role, name } = action else {
        return Err(several_of_a_group());
    };
    let report = host::read(link, place).await?;
    let unfit = |unfit: Unfit| {
        let text = format!("{} ({})", unfit.reason, unfit.code);
        CliError::coded(unfit.code, text)
    };
    Ok(match role {
        VolumeRole::Transaction => {
            Action::RegisterGroup { volume, name, group: Box::new(identify(place, &report).map_err(unfit)?) }
        }
        VolumeRole::Backup => {
            let group = Box::new(identify_backup(place, &report).map_err(unfit)?);
            Action::RegisterBackupGroup { volume, name, group }
        }
    })
}

/// What registers these volumes. The error names every word that is no volume.
fn add(snapshot: &Snapshot, words: &[String], role: VolumeRole, name: Option<&Name>) -> Result<Action, CliError> {
    let (mut found, mut wrong) = (Vec::new(), Vec::new());
    for word in words {
        match in_range(snapshot, word).unwrap_or_else(|| names::volume(snapshot, word).map(|id| vec![id])) {
            Ok(volumes) => found.extend(volumes),
            Err(error) => wrong.push(error),
        }
    }
    if let Some(first) = wrong.first() {
        let texts: Vec<&str> = wrong.iter().map(|error| error.text.as_str()).collect();
        let error = CliError::new(first.exit, texts.join("\n"));
        return Err(match first.code {
            Some(code) => error.with_code(code),
            None => error,
        });
    }
    found.sort_unstable();
    found.dedup();
    match (found.as_slice(), name) {
        (&[volume], name) => Ok(Action::Register { volume, role, name: name.cloned() }),
        (_, Some(_)) => {
            Err(CliError::usage("--name names one volume; leave it away, or register one volume at a time"))
        }
        (volumes, None) => {
            let new = |&volume: &VolumeId| NewVolume { volume, role, name: None, group: None };
            Ok(Action::RegisterAll { volumes: volumes.iter().map(new).collect() })
        }
    }
}

/// The volumes of `ARRAY/0x20-0x2F` that the array has and that are not registered; `None`: the word is no such range.
fn in_range(snapshot: &Snapshot, word: &str) -> Option<Result<Vec<VolumeId>, CliError>> {
    let (array, numbers) = word.rsplit_once('/')?;
    let (first, last) = numbers.split_once('-')?;
    let (first, last): (Olu, Olu) = (first.parse().ok()?, last.parse().ok()?);
    let box_id = snapshot.located(&format!("{array}/{first}"))?.box_id;
    let (first, last) = (VolumeId { box_id, olu: first }, VolumeId { box_id, olu: last });
    let start = snapshot.unregistered.partition_point(|volume| volume.id < first);
    let rest = snapshot.unregistered.get(start..).unwrap_or_default();
    let found: Vec<VolumeId> = rest.iter().map(|volume| volume.id).take_while(|id| *id <= last).collect();
    if found.is_empty() {
        let word = Untrusted::new(word).escaped();
        let code = Code::UNKNOWN_VOLUME;
        let text =
            format!("there is no volume in {word} that could be registered: `ecdeck volume list` shows them ({code})");
        return Some(Err(CliError::coded(code, text)));
    }
    Some(Ok(found))
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
    // A site without groups has no column of them.
    let transaction = snapshot.transaction_volumes.iter().any(|view| view.volume.group.is_some());
    let has_groups = transaction || snapshot.pool.iter().any(|view| view.volume.group.is_some());
    let mut columns = vec![
        ("volume", Align::Left),
        ("role", Align::Left),
        ("size", Align::Right),
        ("blocks", Align::Right),
        ("state", Align::Left),
        ("name", Align::Left),
    ];
    columns.extend(has_groups.then_some(("group", Align::Left)));
    let has_pools = !snapshot.site.pools.is_empty();
    columns.extend(has_pools.then_some(("pool", Align::Left)));
    let mut table = Table::new(&columns);
    let mut add = |cells: [String; 6], group: Option<String>, pool: Option<Name>| {
        let group = has_groups.then(|| group.unwrap_or_else(|| "-".to_owned()));
        let pool = has_pools.then(|| pool.map_or_else(|| "-".to_owned(), |pool| pool.to_string()));
        table.row(cells.into_iter().chain(group).chain(pool));
    };
    for view in &snapshot.transaction_volumes {
        let volume = &view.volume;
        let (size, blocks) = (volume.blocks.to_string(), volume.blocks.0.to_string());
        let cells = [
            snapshot.location(volume.id),
            "transaction".into(),
            size,
            blocks,
            view.state.to_string(),
            volume.name.to_string(),
        ];
        add(cells, volume.group.as_ref().map(ToString::to_string), snapshot.pool_key(view).pool);
    }
    for view in &snapshot.pool {
        let volume = &view.volume;
        let name = volume.name.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        let (size, blocks) = (volume.blocks.to_string(), volume.blocks.0.to_string());
        let cells = [snapshot.location(volume.id), "backup".into(), size, blocks, use_of(view, snapshot), name];
        add(cells, volume.group.as_ref().map(ToString::to_string), snapshot.backup_key(view).pool);
    }
    for volume in &snapshot.unregistered {
        let (size, blocks) = (volume.blocks.to_string(), volume.blocks.0.to_string());
        let cells =
            [snapshot.location(volume.id), "-".into(), size, blocks, "unregistered".into(), volume.label.escaped()];
        add(cells, None, snapshot.plain_key(volume.id, volume.blocks).pool);
    }
    let mut text = table.render();
    super::status::problems(&mut text, snapshot);
    out::print(&text)?;
    Ok(Exit::Done)
}
