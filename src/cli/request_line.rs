//! A request as the command line that makes it: what remedies are offered as.

use crate::model::duration::written;
use crate::model::identity::VolumeId;
use crate::model::plan::{Remedy, plan};
use crate::model::records::{BackupMode, RotationGuard};
use crate::model::request::{Action, CancelScope, Request, VolumeRole};
use crate::model::set_instants;
use crate::model::snapshot::Snapshot;
use crate::model::units::Version;

/// What command lines are written for: the site as it is, and the words that chose it.
#[derive(Debug, Clone, Copy)]
pub struct RenderContext<'a> {
    pub snapshot: &'a Snapshot,
    /// `--demo` or `--config FILE` as they were typed: without them a copied line could act on another site.
    pub site: &'a [String],
}

/// The words after `ecdeck`, without those that agree. `None` when no verb of the command line makes the request.
pub fn words(request: &Request, render_context: RenderContext<'_>) -> Option<Vec<String>> {
    let mut line = Line { words: Vec::new(), snapshot: render_context.snapshot };
    line.say(request.action.verb().info().command);
    match &request.action {
        Action::Start { volumes, targets, .. } => {
            if !targets.is_empty() {
                return None;
            }
            line.volumes_or_set(request, volumes);
        }
        Action::Resume { volumes, target } | Action::Suspend { volumes, target } => {
            line.volumes(volumes).target(*target);
        }
        Action::Overwrite { volume, version } => {
            line.volumes(&[*volume]).say(&["--overwrite-version", &version.0.to_string()]);
        }
        Action::Restore { volume, version, to, unmounted, without_present_state } => {
            line.volumes(&[*volume]).say(&["--version", &version.0.to_string()]);
            if let Some(target) = to {
                line.say(&["--to"]).volumes(&[*target]);
            }
            if *unmounted {
                line.say(&["--unmounted"]);
            }
            if *without_present_state {
                line.say(&["--without-present-state"]);
            }
        }
        Action::RestoreSet { volumes, instant, unmounted, without_present_state } => {
            let snapshot = render_context.snapshot;
            let set = snapshot.volume_set(request.set.as_ref()?.as_str())?;
            let kept = set_instants::kept(snapshot, set);
            let of_it = |version: &Version| {
                set_instants::with_version(&kept, *version).is_ok_and(|found| found.operation == *instant)
            };
            let versions = volumes.iter().filter_map(|id| set_instants::generation_of(snapshot, *id, *instant));
            let version = versions.map(|kept| kept.version).find(of_it)?;
            line.say(&["--set", set.name.as_str(), "--version", &version.0.to_string()]);
            if *unmounted {
                line.say(&["--unmounted"]);
            }
            if *without_present_state {
                line.say(&["--without-present-state"]);
            }
        }
        Action::Reconcile { volumes, only, kinds, listed } => {
            // The list is a file.
            if !listed.is_empty() {
                return None;
            }
            line.volumes(if only.is_empty() { volumes } else { only }).say(&["--accept"]);
            if !kinds.is_empty() {
                let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
                line.say(&["--only", &kinds.join(",")]);
            }
        }
        Action::Practice { volume, version } => {
            line.volumes(&[*volume]).say(&["--version", &version.0.to_string()]);
        }
        Action::Snapshot { volume } | Action::Unregister { volume } | Action::GiveBack { volume } => {
            line.volumes(&[*volume]);
        }
        Action::CancelRestore { target } => {
            line.say(&["--cancel"]).volumes(&[*target]);
        }
        Action::Cancel { volumes, scope } => {
            line.volumes(volumes);
            match scope {
                CancelScope::Live => {}
                CancelScope::One(target) => {
                    line.target(Some(*target));
                }
                CancelScope::All => {
                    line.say(&["--all"]);
                }
            }
        }
        Action::ForceStop { volume, target } => {
            line.volumes(&[*volume]).target(*target);
        }
        Action::Backup { volumes, mode, .. } => {
            line.volumes_or_set(request, volumes);
            if request.crash_consistent {
                line.say(&["--crash-consistent"]);
            }
            if let Some(id) = request.release_backlog {
                line.say(&["--confirm", &render_context.snapshot.label(id)]);
            }
            match mode {
                None => {}
                Some(BackupMode::Suspend) => {
                    line.say(&["--suspend"]);
                }
                Some(BackupMode::Dissolve) => {
                    line.say(&["--dissolve"]);
                }
            }
        }
        Action::SetPolicy { volume, policy } => {
            line.volumes(&[*volume]);
            line.say(&["--generations", &policy.generations.to_string()]);
            line.say(&["--interval", &policy.interval_days.to_string(), "--mode", &policy.mode.to_string()]);
            if policy.reuse_oldest {
                line.say(&["--reuse-oldest"]);
            }
            let RotationGuard { floor, min_interval, grace } = policy.guard;
            if let Some(floor) = floor {
                line.say(&["--floor", &floor.to_string()]);
            }
            for (option, seconds) in [("--min-interval", min_interval), ("--grace", grace)] {
                if let Some(seconds) = seconds {
                    line.say(&[option, &written(seconds)]);
                }
            }
            if let Some(window) = policy.window {
                line.say(&["--window", &window.to_string()]);
            }
        }
        Action::Register { volume, role, name } => {
            line.say(&[role_option(*role)]).volumes(&[*volume]);
            if let Some(name) = name {
                line.say(&["--name", name.as_str()]);
            }
        }
        Action::RegisterGroup { volume, name, group } => {
            line.say(&[role_option(VolumeRole::Transaction)]).volumes(&[*volume]).say(&["--group", &group.to_string()]);
            if let Some(name) = name {
                line.say(&["--name", name.as_str()]);
            }
        }
        Action::RegisterBackupGroup { volume, name, group } => {
            line.say(&[role_option(VolumeRole::Backup)]).volumes(&[*volume]).say(&["--group", &group.to_string()]);
            if let Some(name) = name {
                line.say(&["--name", name.as_str()]);
            }
        }
        // Names belong to one volume each, and one line has one role.
        Action::RegisterAll { volumes } => {
            if let [new] = &volumes[..] {
                line.say(&[role_option(new.role)]).volumes(&[new.volume]);
                if let Some(group) = &new.group {
                    line.say(&["--group", &group.place().to_string()]);
                }
                if let Some(name) = &new.name {
                    line.say(&["--name", name.as_str()]);
                }
            } else {
                let role = volumes.first()?.role;
                if volumes.iter().any(|new| new.role != role || new.name.is_some() || new.group.is_some()) {
                    return None;
                }
                let ids: Vec<VolumeId> = volumes.iter().map(|new| new.volume).collect();
                line.say(&[role_option(role)]).volumes(&ids);
            }
        }
        Action::Rename { volume, name } => {
            line.volumes(&[*volume]).say(&[name.as_str()]);
        }
        // The pairs come from files or an editor.
        Action::ImportMap { .. } | Action::EditMap { .. } | Action::ApplySite { .. } => return None,
        Action::RemoveMap { name } => {
            line.say(&[name.as_str()]);
        }
        Action::AddToSet { name, volumes } | Action::RemoveFromSet { name, volumes } => {
            line.say(&[name.as_str()]).volumes(volumes);
        }
        Action::AcceptAll { .. } => {
            line.say(&["--all"]);
        }
        // A verb of one generation: its words follow. That each verb's line is read back to its request is tested.
        _ => {}
    }
    if let Some((volume, version)) = request.action.generation() {
        line.volumes(&[volume]).say(&["--version", &version.0.to_string()]);
    }
    if let Some(reason) = request.action.reason().or(request.reason.as_ref()) {
        line.say(&["--reason", &reason.escaped()]);
    }
    line.words.extend_from_slice(render_context.site);
    Some(line.words)
}

/// As one text for people, to be copied to a prompt. What destroys has the name in it that its plan wants confirmed; the plan
/// is still shown and agreed to.
pub fn text(remedy: &Remedy, render_context: RenderContext<'_>) -> Option<String> {
    let mut words = words(&remedy.request, render_context)?;
    if let Some(name) = wanted_name(remedy, render_context.snapshot) {
        words.extend(["--confirm".to_owned(), name]);
    }
    let quoted: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    Some(format!("ecdeck {}", quoted.join(" ")))
}

fn wanted_name(remedy: &Remedy, snapshot: &Snapshot) -> Option<String> {
    let plan = plan(snapshot, &remedy.request).ok().filter(|_| remedy.destroys)?;
    plan.confirmation().map(|confirmation| confirmation.name.clone())
}

/// As a shell reads it back: in single quotes where anything but plain letters is in it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn role_option(role: VolumeRole) -> &'static str {
    match role {
        VolumeRole::Transaction => "--transaction",
        VolumeRole::Backup => "--backup",
    }
}

struct Line<'a> {
    words: Vec<String>,
    snapshot: &'a Snapshot,
}

impl Line<'_> {
    fn say(&mut self, words: &[&str]) -> &mut Self {
        self.words.extend(words.iter().map(|word| (*word).to_owned()));
        self
    }

    /// The set that a request names, else its volumes.
    fn volumes_or_set(&mut self, request: &Request, volumes: &[VolumeId]) -> &mut Self {
        match &request.set {
            Some(set) => self.say(&["--set", set.as_str()]),
            None => self.volumes(volumes),
        }
    }

    fn volumes(&mut self, volumes: &[VolumeId]) -> &mut Self {
        let labels = volumes.iter().map(|volume| self.snapshot.label(*volume));
        self.words.extend(labels);
        self
    }

    fn target(&mut self, target: Option<VolumeId>) -> &mut Self {
        if let Some(target) = target {
            self.words.extend(["--volume".to_owned(), self.snapshot.label(target)]);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_as_a_shell_reads_them_back() {
        assert_eq!(quoted("LAB1/0x21"), "LAB1/0x21");
        assert_eq!(quoted("00EMUL##A1####/0x21"), "'00EMUL##A1####/0x21'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
