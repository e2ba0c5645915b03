//! A site as the text of a site file. What is written reads back to the same site.

use super::FORMAT;
use super::policy::keys_of;
use crate::model::entity::Policy;
use crate::model::identity::VolumeId;
use crate::model::snapshot::Snapshot;
use std::fmt::Write as _;
use toml::Value;

/// The key of the volume group that a volume is.
fn group_text(group: Option<&impl ToString>) -> String {
    group.map_or_else(String::new, |group| format!(", group = {}", text(&group.to_string())))
}

/// The whole site, a line a volume and a line a pair.
pub fn write(snapshot: &Snapshot) -> String {
    let mut out = String::new();
    // Writing to a `String` cannot fail.
    let _ = writeln!(
        out,
        "# A site of ecdeck. `ecdeck site diff FILE` shows what this file would change, `ecdeck site apply FILE` does it.\n\
         # What the file does not name stays as it is: a line that you take out deletes nothing.\n\
         # Arrays, hosts and hooks are configuration: they stand in config.toml.\n\
         format = {FORMAT}\nsite = {}\n\ntransaction_volumes = [",
        text(&snapshot.site.name)
    );
    for view in &snapshot.transaction_volumes {
        let volume = &view.volume;
        let policy = volume.policy.map_or_else(String::new, |policy| format!(", policy = {}", policy_text(policy)));
        let group = group_text(volume.group.as_deref());
        let (place, name) = (place(snapshot, volume.id), text(volume.name.as_str()));
        let _ = writeln!(out, "  {{ volume = {place}, name = {name}, blocks = {}{group}{policy} }},", volume.blocks.0);
    }
    out.push_str("]\n\nbackup_volumes = [\n");
    for view in &snapshot.pool {
        let volume = &view.volume;
        let name = volume.name.as_ref().map_or_else(String::new, |name| format!(", name = {}", text(name.as_str())));
        let (place, group) = (place(snapshot, volume.id), group_text(volume.group.as_deref()));
        let _ = writeln!(out, "  {{ volume = {place}{name}, blocks = {}{group} }},", volume.blocks.0);
    }
    out.push_str(
        "]\n\n# The box behind each name, so that the file is not applied to volumes of another one.\n[arrays]\n",
    );
    for array in &snapshot.arrays {
        if let Some(box_id) = array.box_id {
            let _ = writeln!(out, "{} = {}", text(array.name.as_str()), text(box_id.as_str()));
        }
    }
    for set in &snapshot.volume_sets {
        let members: Vec<String> = set.members.iter().map(|id| text(&snapshot.label(*id))).collect();
        let _ = writeln!(out, "\n[[sets]]\nname = {}\nmembers = [", text(set.name.as_str()));
        for member in members {
            let _ = writeln!(out, "  {member},");
        }
        out.push_str("]\n");
    }
    for set in &snapshot.map_sets {
        let _ = writeln!(out, "\n[[map_sets]]\nname = {}", text(set.name.as_str()));
        for round in &set.rounds {
            let _ = writeln!(out, "\n[[map_sets.rounds]]\nname = {}\npairs = [", text(round.name.as_str()));
            for row in &round.rows {
                let label = |id: VolumeId| text(&snapshot.label(id));
                let _ = writeln!(out, "  [{}, {}],", label(row.transaction_volume), label(row.backup_volume));
            }
            out.push_str("]\n");
        }
    }
    out
}

fn place(snapshot: &Snapshot, id: VolumeId) -> String {
    text(&snapshot.location(id))
}

/// A text in quotes.
fn text(text: &str) -> String {
    Value::from(text).to_string()
}

/// `{ generations = 3, interval_days = 1, mode = "suspend" }`.
fn policy_text(policy: Policy) -> String {
    let keys = keys_of(policy).into_iter().map(|(key, value)| match value {
        serde_json::Value::String(word) => format!("{key} = {}", text(&word)),
        other => format!("{key} = {other}"),
    });
    format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
}
