//! What follows from the state of a backup volume's group: the red row, what is refused, and the way out.

use super::codes::Code;
use super::group_watch::GroupStateView;
use super::host_report::Activation;
use super::identity::VolumeId;
use super::snapshot::{BackupVolumeView, Problem, Snapshot};
use super::untrusted::Untrusted;
use super::volume_group::BackupGroup;

/// Why nothing may be done on the host with the group of this backup volume; `None`: it may.
pub fn refuses(view: &BackupVolumeView) -> Option<(Code, String)> {
    let (group, state) = (view.volume.group.as_deref()?, view.group_state.as_deref()?);
    if state.deactivated.is_some() {
        return Some((Code::GROUP_DEACTIVATED, deactivated(group)));
    }
    if state.now == Activation::Unknown && !state.never_active {
        let why = state.why_unknown.as_ref().map_or_else(String::new, |why| format!(": {}", Untrusted::escaped(why)));
        let text = format!("whether the volume group {group} is still active is not known{why}");
        return Some((Code::GROUP_ACTIVATION_UNKNOWN, text));
    }
    None
}

fn deactivated(group: &BackupGroup) -> String {
    format!(
        "the volume group {group} was deactivated while its volume is synchronized: it cannot be activated again, and \
         nothing that needs the host works"
    )
}

/// The red row's reason.
pub fn problem(group: &BackupGroup, state: &GroupStateView) -> Option<Problem> {
    let since = Some(state.deactivated?);
    Some(Problem { code: Code::GROUP_DEACTIVATED, text: deactivated(group), array_error: None, since })
}

/// The way out of a deactivated group, as lines to type, in this order. `None`: this backup volume has no such trouble.
pub fn way_out(snapshot: &Snapshot, backup_volume: VolumeId) -> Option<Vec<String>> {
    let view = snapshot.backup_volume(backup_volume)?;
    let group = view.volume.group.as_deref()?;
    view.group_state.as_deref()?.deactivated?;
    let transaction = view.transaction_volume?;
    let (name, target) = (snapshot.label(transaction), snapshot.location(backup_volume));
    // A stored map set pairs it by itself.
    let map = snapshot.map_set_of(transaction).map_or("FILE", |set| set.name.as_str());
    Some(vec![
        format!("ecdeck sync force-stop {name} --volume {target}"),
        format!("vgchange -ay {}    # on {}", group.identity.name.as_str(), group.host),
        format!("ecdeck sync start {name} --map {map}"),
    ])
}
