//! `ecdeck practice`: a generation is copied to a spare volume and compared there.

use super::arguments::Practice;
use super::change::{self, Then};
use super::link::Link;
use super::wait::Deadline;
use super::{CliError, Exit, names, out};
use crate::model::codes::Code;
use crate::model::duration;
use crate::model::entity::OperationEnd;
use crate::model::identity::VolumeId;
use crate::model::practice;
use crate::model::request::Action;
use crate::model::snapshot::Snapshot;
use crate::model::units::Version;
use crate::model::verb::Verb;

pub async fn run(asked: &Practice, link: &mut Link, deadline: Deadline) -> Result<Exit, CliError> {
    let action = if asked.due {
        match due(&*link.snapshot().await?) {
            Ok(action) => action,
            Err(note) => {
                out::say(&note);
                return Ok(Exit::Done);
            }
        }
    } else {
        let named: Vec<&String> = asked.volume.iter().collect();
        action(asked, &*link.view(&named).await?)?
    };
    let practised = match action {
        Action::Practice { volume, version } => Some((volume, version)),
        _ => None,
    };
    let exit = change::run(link, &asked.change, change::request(action, &asked.change), deadline, Then::Return).await?;
    if asked.due && exit == Exit::Failed && gave_way(link, practised).await? {
        return Ok(Exit::Done);
    }
    match practised.filter(|_| exit == Exit::Done && !asked.change.dry_run) {
        Some((volume, version)) => outcome(link, asked, volume, version).await,
        None => Ok(exit),
    }
}

pub fn action(asked: &Practice, snapshot: &Snapshot) -> Result<Action, CliError> {
    let Some(volume) = &asked.volume else {
        return Err(CliError::usage("name the transaction volume, or give --due"));
    };
    let volume = names::volume(snapshot, volume)?;
    if asked.cancel {
        let of = snapshot
            .restores
            .iter()
            .find(|restore| restore.practice && restore.generation.is_some_and(|(practised, _)| practised == volume));
        let Some(running) = of else {
            return Err(CliError::new(
                Exit::Refused,
                format!("no generation of {} is practised now", snapshot.label(volume)),
            ));
        };
        return Ok(Action::CancelRestore { target: running.target });
    }
    let version = match asked.version {
        Some(version) => Version(version),
        None => practice::newest(snapshot, volume).ok_or_else(|| {
            CliError::new(Exit::Refused, format!("{} has no generation to practise", snapshot.label(volume)))
        })?,
    };
    Ok(Action::Practice { volume, version })
}

/// What `--due` practises; else a note why there is nothing.
fn due(snapshot: &Snapshot) -> Result<Action, String> {
    let waiting = practice::due(snapshot);
    let Some((volume, version)) = waiting.first() else {
        return Err("nothing is due: the newest generation of every volume was practised, or cannot be".to_owned());
    };
    practice::first_possible(snapshot, &waiting).map_err(|refusal| {
        let rest = match waiting.len() {
            1 => String::new(),
            more => format!("; nor one of {} other volumes", more - 1),
        };
        format!("nothing was practised: {version} of {}: {refusal}{rest}", snapshot.label(*volume))
    })
}

/// Whether a practice ended because something else needed its volumes: no fault, for a timer.
async fn gave_way(link: &mut Link, practised: Option<(VolumeId, Version)>) -> Result<bool, CliError> {
    let Some((volume, _)) = practised else { return Ok(false) };
    let snapshot = link.view_of(vec![volume]).await?;
    let of = snapshot.operations.iter().filter(|one| one.verb == Verb::Practice && one.volume == volume);
    let last = of.max_by_key(|one| one.id).and_then(|one| one.end.as_ref());
    Ok(matches!(last, Some((_, OperationEnd::Failed { code: Code::PRACTICE_GAVE_WAY, .. }))))
}

/// What came of it, and the status.
async fn outcome(link: &mut Link, asked: &Practice, volume: VolumeId, version: Version) -> Result<Exit, CliError> {
    let snapshot = link.view_of(vec![volume]).await?;
    let generation = snapshot.generation(volume, version);
    let came = generation.and_then(|kept| kept.fingerprint.as_ref()?.practised.clone());
    let name = snapshot.label(volume);
    let Some(came) = came else {
        return Err(CliError::failed(format!("what came of the practice of {version} of {name} is not recorded")));
    };
    let time = duration::people(i64::try_from(came.millis).unwrap_or(i64::MAX));
    let (text, exit) = match &came.differs {
        None => (format!("{version} of {name} came back in {time}, with the bytes of its fingerprint"), Exit::Done),
        Some(what) => (
            format!("{version} of {name} came back in {time}, and is not what was backed up: {what} (in doubt)"),
            Exit::Failed,
        ),
    };
    if !asked.change.json {
        out::print(&format!("{text}\n"))?;
    }
    Ok(exit)
}
