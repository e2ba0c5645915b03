//! `ecdeck set`: transaction volumes that are backed up together.

use super::arguments::{Change, SetVerb};
use super::change::{self, Then};
use super::document::SetEntry;
use super::link::{Link, Need, SiteContext};
use super::table::{Align, Table};
use super::wait::Deadline;
use super::{CliError, Exit, json, names, out, times};
use crate::model::codes::Code;
use crate::model::identity::Name;
use crate::model::pages::PageList;
use crate::model::plan::{not_at_one_instant, state_of_set};
use crate::model::request::Action;
use crate::model::snapshot::Snapshot;
use crate::model::units::listed;
use crate::model::untrusted::escaped;
use crate::model::volume_set::VolumeSet;
use serde::Serialize;
use std::sync::Arc;

/// Names that one line lists at most.
const LISTED: usize = 6;

pub async fn run(verb: &SetVerb, site_context: &dyn SiteContext) -> Result<Exit, CliError> {
    let Some(change) = verb.change() else {
        let mut link = site_context.open(Need::Reading).await?;
        return match verb {
            SetVerb::Show { name, json } => show(&*view(&mut link, name).await?, name, *json),
            SetVerb::List { json } => list(&*view_of_all(&mut link).await?, *json),
            SetVerb::Add { .. } | SetVerb::Remove { .. } => Ok(Exit::Done),
        };
    };
    let deadline = Deadline::new(change.time_limit);
    let mut link = super::opened(site_context, deadline).await?;
    let action = action(verb, &*link.view(verb.volumes()).await?)?;
    change::run(&mut link, change, change::request(action, change), deadline, Then::Return).await
}

impl SetVerb {
    pub fn change(&self) -> Option<&Change> {
        match self {
            Self::Add { change, .. } | Self::Remove { change, .. } => Some(change),
            Self::List { .. } | Self::Show { .. } => None,
        }
    }

    /// The volumes that it names.
    fn volumes(&self) -> &[String] {
        match self {
            Self::Add { volumes, .. } | Self::Remove { volumes, .. } => volumes,
            Self::List { .. } | Self::Show { .. } => &[],
        }
    }
}

/// What is asked for. Showing asks for nothing.
pub fn action(verb: &SetVerb, snapshot: &Snapshot) -> Result<Action, CliError> {
    match verb {
        SetVerb::Add { name, volumes, .. } => {
            Ok(Action::AddToSet { name: name.clone(), volumes: names::volumes(snapshot, volumes)? })
        }
        SetVerb::Remove { name, volumes, .. } => {
            Ok(Action::RemoveFromSet { name: name.clone(), volumes: names::volumes(snapshot, volumes)? })
        }
        SetVerb::List { .. } | SetVerb::Show { .. } => Err(CliError::usage("a list changes nothing")),
    }
}

/// The volumes of a stored set, and what belongs to them.
pub async fn view(link: &mut Link, name: &Name) -> Result<Arc<Snapshot>, CliError> {
    let sets = all(link).await?;
    let members = stored(&sets, name)?.members.clone();
    link.view_of(members).await
}

/// The volumes of all sets, and what belongs to them.
async fn view_of_all(link: &mut Link) -> Result<Arc<Snapshot>, CliError> {
    let members = all(link).await?.volume_sets.iter().flat_map(|set| set.members.iter().copied()).collect();
    link.view_of(members).await
}

/// The site with its sets, and without their volumes.
async fn all(link: &mut Link) -> Result<Snapshot, CliError> {
    let site = link.open_pages().await?;
    let mut sets = Vec::new();
    let mut from = Some(0);
    while let Some(at) = from {
        let page = link.page(PageList::Sets, at).await?;
        sets.extend(page.part.volume_sets.iter().cloned());
        from = page.next;
    }
    Ok(Snapshot { volume_sets: sets.into(), ..Snapshot::clone(&site) })
}

/// The stored set of this name.
pub fn stored<'a>(snapshot: &'a Snapshot, name: &Name) -> Result<&'a VolumeSet, CliError> {
    snapshot.volume_set(name.as_str()).ok_or_else(|| {
        let known: Vec<&str> = snapshot.volume_sets.iter().map(|set| set.name.as_str()).collect();
        let known =
            if known.is_empty() { "there is none".to_owned() } else { format!("there are: {}", known.join(", ")) };
        CliError::coded(Code::SET_UNKNOWN, format!("there is no set {name}; {known} ({})", Code::SET_UNKNOWN))
    })
}

#[derive(Serialize)]
struct ListDocument<'a> {
    sets: Vec<SetEntry<'a>>,
}

fn list(snapshot: &Snapshot, as_json: bool) -> Result<Exit, CliError> {
    if as_json {
        let sets = snapshot.volume_sets.iter().map(|set| SetEntry::new(set, snapshot)).collect();
        json::print(snapshot.site.demo, &ListDocument { sets })?;
        return Ok(Exit::Done);
    }
    let table = table(snapshot);
    if table.is_empty() {
        out::print("there is no set; `ecdeck set add SET TV...` makes one\n")?;
    } else {
        out::print(&table.render())?;
    }
    Ok(Exit::Done)
}

/// A line a set.
pub fn table(snapshot: &Snapshot) -> Table {
    let mut table = Table::new(&[
        ("set", Align::Left),
        ("state", Align::Left),
        ("one instant", Align::Left),
        ("volumes", Align::Right),
        ("", Align::Left),
    ]);
    for set in &snapshot.volume_sets {
        let instant = if not_at_one_instant(snapshot, &set.members).is_none() { "yes" } else { "no" };
        table.row([
            set.name.to_string(),
            state_of_set(snapshot, set).to_string(),
            instant.to_owned(),
            set.members.len().to_string(),
            listed(set.members.iter().map(|id| snapshot.label(*id)), LISTED),
        ]);
    }
    table
}

#[derive(Serialize)]
struct ShowDocument<'a> {
    set: SetEntry<'a>,
}

fn show(snapshot: &Snapshot, name: &Name, as_json: bool) -> Result<Exit, CliError> {
    let set = stored(snapshot, name)?;
    if as_json {
        json::print(snapshot.site.demo, &ShowDocument { set: SetEntry::new(set, snapshot) })?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&[
        ("volume", Align::Left),
        ("where", Align::Left),
        ("size", Align::Right),
        ("synchronization", Align::Left),
        ("last backup", Align::Left),
    ]);
    for &id in &set.members {
        let Some(view) = snapshot.transaction_volume(id) else {
            table.row([snapshot.label(id), snapshot.location(id), "-".into(), "not registered".into(), "-".into()]);
            continue;
        };
        let last = view.last_backup.map(|(version, at)| format!("{version} {}", times::minute(at)));
        table.row([
            view.volume.name.to_string(),
            snapshot.location(id),
            view.volume.blocks.to_string(),
            view.state.to_string(),
            last.unwrap_or_else(|| "never".to_owned()),
        ]);
    }
    let instant = match not_at_one_instant(snapshot, &set.members) {
        None => format!("`ecdeck backup --set {name}` backs all of them up at one instant.\n"),
        Some(why) => format!("! not at one instant: {} ({})\n", escaped(&why), Code::SET_NOT_AT_ONE_INSTANT),
    };
    out::print(&format!("{}\n{instant}", table.render()))?;
    Ok(Exit::Done)
}
