//! `ecdeck sync`: start, suspend, resume, cancel, force-stop.

use super::arguments::{OnSession, Sync};
use super::change::{self, Then};
use super::link::Link;
use super::wait::Deadline;
use super::{CliError, Exit};
use super::{map, names, set};
use crate::model::identity::{Name, VolumeId};
use crate::model::request::{Action, CancelScope, Request};
use crate::model::snapshot::Snapshot;
use crate::model::units::Version;

pub async fn run(verb: &Sync, link: &mut Link, deadline: Deadline) -> Result<Exit, CliError> {
    if let Sync::Start { volumes, map: Some(file), host, wait, change, .. } = verb {
        let snapshot = link.snapshot().await?;
        let (action, of_map) = map::start(&snapshot, volumes, file, host.as_ref())?;
        let exit = change::run(link, change, change::request(action, change), deadline, after_start(*wait)).await?;
        return Ok(Exit::together([exit, of_map]));
    }
    let named = verb.set();
    let snapshot = match named {
        Some(name) => set::view(link, name).await?,
        None => link.view(&verb.names()).await?,
    };
    let (action, then) = action(verb, &snapshot)?;
    let request = Request { set: named.cloned(), ..change::request(action, verb.change()) };
    change::run(link, verb.change(), request, deadline, then).await
}

impl Sync {
    /// The set that it names instead of volumes.
    pub fn set(&self) -> Option<&Name> {
        match self {
            Self::Start { set, .. } => set.as_ref(),
            _ => None,
        }
    }

    /// The volumes that it names.
    fn names(&self) -> Vec<&str> {
        match self {
            Self::Start { volumes, .. } => volumes.iter().map(String::as_str).collect(),
            Self::Suspend(on) | Self::Resume(on) | Self::Cancel { on, .. } => {
                on.volumes.iter().chain(&on.volume).map(String::as_str).collect()
            }
            Self::ForceStop { volume, target, .. } => {
                std::iter::once(volume).chain(target).map(String::as_str).collect()
            }
        }
    }
}

fn after_start(wait: bool) -> Then {
    if wait { Then::UntilEquivalent } else { Then::Return }
}

pub fn action(verb: &Sync, snapshot: &Snapshot) -> Result<(Action, Then), CliError> {
    Ok(match verb {
        Sync::Start { set: Some(name), wait, .. } => {
            let volumes = set::stored(snapshot, name)?.members.clone();
            (Action::Start { volumes, targets: Vec::new(), together: true }, after_start(*wait))
        }
        Sync::Start { volumes, wait, overwrite_version: None, .. } => {
            let volumes = names::volumes(snapshot, volumes)?;
            (Action::Start { volumes, targets: Vec::new(), together: false }, after_start(*wait))
        }
        Sync::Start { volumes, wait, overwrite_version: Some(version), .. } => {
            let [volume] = volumes.as_slice() else {
                return Err(CliError::usage("--overwrite-version goes with one transaction volume"));
            };
            (
                Action::Overwrite { volume: names::volume(snapshot, volume)?, version: Version(*version) },
                after_start(*wait),
            )
        }
        Sync::Suspend(on) => {
            let (volumes, target) = on_session(on, snapshot)?;
            (Action::Suspend { volumes, target }, Then::Return)
        }
        Sync::Resume(on) => {
            let (volumes, target) = on_session(on, snapshot)?;
            (Action::Resume { volumes, target }, after_start(on.wait))
        }
        Sync::Cancel { on, all } => {
            let (volumes, target) = on_session(on, snapshot)?;
            let scope = match target {
                Some(target) => CancelScope::One(target),
                None if *all => CancelScope::All,
                None => CancelScope::Live,
            };
            (Action::Cancel { volumes, scope }, Then::Return)
        }
        Sync::ForceStop { volume, target, .. } => {
            let target = target.as_deref().map(|target| names::volume(snapshot, target)).transpose()?;
            (Action::ForceStop { volume: names::volume(snapshot, volume)?, target }, Then::Return)
        }
    })
}

fn on_session(on: &OnSession, snapshot: &Snapshot) -> Result<(Vec<VolumeId>, Option<VolumeId>), CliError> {
    if on.volume.is_some() && on.volumes.len() > 1 {
        return Err(CliError::usage("--volume goes with one transaction volume"));
    }
    let target = on.volume.as_deref().map(|target| names::volume(snapshot, target)).transpose()?;
    Ok((names::volumes(snapshot, &on.volumes)?, target))
}
