//! `ecdeck restore`: a generation back to another volume or to its own, and the way out of a restore.

use super::arguments::Restore;
use super::change::{self, Then};
use super::link::Link;
use super::wait::Deadline;
use super::{CliError, Exit, names};
use crate::model::identity::VolumeId;
use crate::model::request::Action;
use crate::model::snapshot::Snapshot;
use crate::model::step::{PlanItem, PlanStep};
use crate::model::units::Version;
use std::fmt::Write;

pub async fn run(asked: &Restore, link: &mut Link, deadline: Deadline) -> Result<Exit, CliError> {
    let named: Vec<&String> = [&asked.volume, &asked.to, &asked.cancel].into_iter().flatten().collect();
    let snapshot = link.view(&named).await?;
    let request = change::request(action(asked, &snapshot)?, &asked.change);
    change::run(link, &asked.change, request, deadline, Then::Return).await
}

pub fn action(asked: &Restore, snapshot: &Snapshot) -> Result<Action, CliError> {
    if let Some(target) = &asked.cancel {
        return Ok(Action::CancelRestore { target: names::volume(snapshot, target)? });
    }
    let (Some(volume), Some(version)) = (&asked.volume, asked.version) else {
        return Err(CliError::usage("name the transaction volume and its --version, or give --cancel VOLUME"));
    };
    let to = asked.to.as_deref().map(|target| names::volume(snapshot, target)).transpose()?;
    let volume = names::volume(snapshot, volume)?;
    let without_present_state = asked.without_present_state;
    Ok(Action::Restore { volume, version: Version(version), to, unmounted: asked.unmounted, without_present_state })
}

/// What to do with a generation that was restored beside its volume: to mount it there, and to give the volume back.
/// `snapshot`: of before the restore.
pub fn afterwards(item: &PlanItem, snapshot: &Snapshot) -> Option<String> {
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
