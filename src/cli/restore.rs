//! `ecdeck restore`: a generation back to another volume or to its own, and the way out of a restore.

use super::arguments::Restore;
use super::change::{self, Then};
use super::link::Link;
use super::wait::Deadline;
use super::{CliError, Exit, names, set, times};
use crate::model::codes::Code;
use crate::model::entity::OperationId;
use crate::model::identity::VolumeId;
use crate::model::request::{Action, Request};
use crate::model::set_instants::{self, KeptInstant};
use crate::model::snapshot::Snapshot;
use crate::model::step::{PlanItem, PlanStep};
use crate::model::units::Version;
use crate::model::untrusted::escaped;
use crate::model::verb::Verb;
use crate::model::volume_set::VolumeSet;
use std::fmt::Write;

pub async fn run(asked: &Restore, link: &mut Link, deadline: Deadline) -> Result<Exit, CliError> {
    let named: Vec<&String> = [&asked.volume, &asked.to, &asked.cancel].into_iter().flatten().collect();
    let snapshot = match &asked.set {
        Some(name) => set::view(link, name).await?,
        None => link.view(&named).await?,
    };
    change::run(link, &asked.change, request(asked, &snapshot)?, deadline, Then::Return).await
}

/// What is asked for, also of a set.
pub fn request(asked: &Restore, snapshot: &Snapshot) -> Result<Request, CliError> {
    let request = change::request(action(asked, snapshot)?, &asked.change);
    Ok(Request { set: asked.set.clone(), ..request })
}

fn action(asked: &Restore, snapshot: &Snapshot) -> Result<Action, CliError> {
    if let Some(target) = &asked.cancel {
        return Ok(Action::CancelRestore { target: names::volume(snapshot, target)? });
    }
    let (unmounted, without_present_state) = (asked.unmounted, asked.without_present_state);
    if let Some(name) = &asked.set {
        let set = set::stored(snapshot, name)?;
        let instant = instant(asked, snapshot, set)?;
        return Ok(Action::RestoreSet { volumes: set.members.clone(), instant, unmounted, without_present_state });
    }
    let (Some(volume), Some(version)) = (&asked.volume, asked.version) else {
        return Err(CliError::usage("name the transaction volume and its --version, or give --cancel VOLUME"));
    };
    let to = asked.to.as_deref().map(|target| names::volume(snapshot, target)).transpose()?;
    let volume = names::volume(snapshot, volume)?;
    Ok(Action::Restore { volume, version: Version(version), to, unmounted, without_present_state })
}

/// The backup of a set that is meant.
fn instant(asked: &Restore, snapshot: &Snapshot, set: &VolumeSet) -> Result<OperationId, CliError> {
    let kept = set_instants::kept(snapshot, set);
    let refused = |why: String| {
        let kept: Vec<String> = kept.iter().map(|instant| one_line(instant, set, snapshot)).collect();
        let kept = if kept.is_empty() {
            "\nno backup of the whole set is kept".to_owned()
        } else {
            format!("\nkept of it, newest first:\n  {}", kept.join("\n  "))
        };
        CliError::coded(Code::NO_SUCH_GENERATION, format!("{why} ({}){kept}", Code::NO_SUCH_GENERATION))
    };
    let found = match (asked.version, asked.instant) {
        (Some(version), _) => set_instants::with_version(&kept, Version(version)).map_err(&refused)?,
        (None, Some(limit)) => set_instants::before(&kept, limit).ok_or_else(|| {
            let limit = times::minute(limit);
            refused(format!("no backup of all volumes of set {} is valid and of before {limit}", set.name))
        })?,
        (None, None) => return Err(CliError::usage("give --version or --instant")),
    };
    Ok(found.operation)
}

/// `Mon 2026-11-23 02:00  v3 v3 v4`, and what is wrong with it.
fn one_line(instant: &KeptInstant, set: &VolumeSet, snapshot: &Snapshot) -> String {
    let version = |id: &VolumeId| {
        let version = instant.versions.get(id).map_or_else(|| "none".to_owned(), ToString::to_string);
        format!("{} {version}", escaped(&snapshot.label(*id)))
    };
    let versions: Vec<String> = set.members.iter().map(version).collect();
    let wrong = match (instant.is_whole, instant.is_valid) {
        (false, _) => "  (not of all volumes)",
        (true, false) => "  (not all are valid)",
        (true, true) => "",
    };
    format!("{}  {}{wrong}", times::weekday(instant.taken_at), versions.join(", "))
}

/// What to do with a generation that was restored beside its volume: to mount it there, and to give the volume back.
/// `snapshot`: of before the restore.
pub fn afterwards(item: &PlanItem, snapshot: &Snapshot) -> Option<String> {
    // A practice copies too, and leaves nothing behind.
    if item.verb != Verb::Restore {
        return None;
    }
    if let (Some(set), Verb::Restore) = (&item.set, item.verb) {
        return Some(format!(
            "All volumes of set {set} are restored. Check them (`fsck -n DEVICE`) before you mount them.\n\
             `ecdeck sync start --set {set}` synchronizes them again: every suspended pair copies in full.\n"
        ));
    }
    let (version, target) = item.steps.iter().find_map(|step| match step {
        PlanStep::AwaitOpc(step) => Some((step.version, step.pair.target)),
        _ => None,
    })?;
    let (name, label, place) = (snapshot.label(item.volume), snapshot.label(target), snapshot.location(target));
    if target == item.volume {
        return Some(format!(
            "{version} of {name} is on {name} again. Check it (`fsck -n DEVICE`) before you mount it.\n\
             `ecdeck sync start {name}` synchronizes it again: every suspended pair copies in full.\n"
        ));
    }
    let mut text = format!(
        "{version} of {name} is on {label} ({place}). DEVICE is that volume on a host:\n  \
         to look at it:    mount -o ro DEVICE /mnt/restored\n  \
         with LVM:         vgimportclone DEVICE, then activate and mount\n  \
         to be done:       umount /mnt/restored\n"
    );
    if snapshot.transaction_volume(target).is_some() {
        return Some(text);
    }
    let _ = match given_back(target, snapshot) {
        Some(line) => writeln!(text, "  to give it back:  {line}"),
        None => writeln!(text, "{label} is in no pool: ecdeck does not use it, and there is nothing to give back."),
    };
    Some(text)
}

/// The command that puts a volume into the pool again that a restore took out of it.
fn given_back(target: VolumeId, snapshot: &Snapshot) -> Option<String> {
    let view = snapshot.backup_volume(target)?;
    let name = view.volume.name.as_ref().map_or_else(String::new, |name| format!(" --name {name}"));
    Some(format!("ecdeck volume add --backup {}{name}", snapshot.location(target)))
}
