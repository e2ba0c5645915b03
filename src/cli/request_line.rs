//! A request as the command line that makes it: what remedies are offered as.

use crate::model::identity::VolumeId;
use crate::model::records::BackupMode;
use crate::model::request::{Action, CancelScope, Request, VolumeRole};
use crate::model::snapshot::Snapshot;

/// The words after `ecdeck`, without those that agree. `None` when no verb of the command line makes the request.
pub fn words(request: &Request, snapshot: &Snapshot) -> Option<Vec<String>> {
    let mut line = Line { words: Vec::new(), snapshot };
    match &request.action {
        Action::Start { volumes, targets, .. } => {
            if !targets.is_empty() {
                return None;
            }
            line.say(&["sync", "start"]).volumes(volumes);
        }
        Action::Resume { volumes, target } => {
            line.say(&["sync", "resume"]).volumes(volumes).target(*target);
        }
        Action::Overwrite { volume, version } => {
            line.say(&["sync", "start"]).volumes(&[*volume]).say(&["--overwrite-version", &version.0.to_string()]);
        }
        Action::Suspend { volumes, target } => {
            line.say(&["sync", "suspend"]).volumes(volumes).target(*target);
        }
        Action::Cancel { volumes, scope } => {
            line.say(&["sync", "cancel"]).volumes(volumes);
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
            line.say(&["sync", "force-stop"]).volumes(&[*volume]).target(*target);
        }
        Action::Backup { volumes, mode, .. } => {
            line.say(&["backup"]).volumes(volumes);
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
            line.say(&["policy", "set"]).volumes(&[*volume]);
            line.say(&["--generations", &policy.generations.to_string()]);
            line.say(&["--interval", &policy.interval_days.to_string(), "--mode", &policy.mode.to_string()]);
        }
        Action::Register { volume, role, name } => {
            let role = match role {
                VolumeRole::Transaction => "--transaction",
                VolumeRole::Backup => "--backup",
            };
            line.say(&["volume", "add", role]).volumes(&[*volume]);
            if let Some(name) = name {
                line.say(&["--name", name.as_str()]);
            }
        }
        Action::Unregister { volume } => {
            line.say(&["volume", "remove"]).volumes(&[*volume]);
        }
        Action::Hold { volume, version, why } => {
            line.say(&["history", "hold"]).volumes(&[*volume]);
            line.say(&["--version", &version.0.to_string(), "--reason", &why.escaped()]);
        }
        Action::Unhold { volume, version } => {
            line.say(&["history", "unhold"]).volumes(&[*volume]).say(&["--version", &version.0.to_string()]);
        }
        Action::DeleteGeneration { volume, version } => {
            line.say(&["history", "delete"]).volumes(&[*volume]).say(&["--version", &version.0.to_string()]);
        }
    }
    Some(line.words)
}

/// As one text for people.
pub fn text(request: &Request, snapshot: &Snapshot) -> Option<String> {
    let words = words(request, snapshot)?;
    let quoted = words.iter().map(|word| {
        if word.contains(|c: char| c.is_whitespace() || c == '\'' || c == '#') {
            format!("'{word}'")
        } else {
            word.clone()
        }
    });
    Some(format!("ecdeck {}", quoted.collect::<Vec<_>>().join(" ")))
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
