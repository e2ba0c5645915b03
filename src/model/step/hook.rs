//! The step that runs a script before or after a backup or a restore.

use super::{DigestText, Step, StepEffect, VolumeNames};
pub use crate::model::hook::HookPhase;
use crate::model::hook::{Hook, HookNeed};
use crate::model::identity::{Name, VolumeId};
use crate::model::units::Blocks;
use crate::model::untrusted::Untrusted;
use crate::model::volume_group::{BackupGroup, RegisteredGroup};
use serde::{Deserialize, Serialize};

/// A pre- or post-processing script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookStep {
    pub phase: HookPhase,
    pub volume: VolumeId,
    pub argv: Vec<String>,
    /// The hook as it was configured when this was agreed to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hook: Option<Box<Hook>>,
    /// No script of the site: the engine restores the identity of the group on the backup volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Box<IdentityTask>>,
    /// Where the host is a service: the node that its group was active on when the volumes were claimed. Every run of the
    /// step is there. It is not agreed to: a service may move between the plan and its run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
}

/// The group that a copy overwrote, and the one that was copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityTask {
    pub target: VolumeId,
    pub blocks: Blocks,
    pub transaction: RegisteredGroup,
    pub backup: BackupGroup,
}

impl HookStep {
    /// Post-processing of a backup of a volume group: the backup volume gets its own identity back.
    pub fn restoring(volume: VolumeId, task: IdentityTask) -> Self {
        let identity = Some(Box::new(task));
        Self { phase: HookPhase::AfterBackup, volume, argv: Vec::new(), hook: None, identity, node: None }
    }

    /// After a restore of a group onto its own volume: that one gets its own identity back. `task.backup` is its own group.
    pub fn restoring_own(volume: VolumeId, task: IdentityTask) -> Self {
        Self { phase: HookPhase::AfterRestore, ..Self::restoring(volume, task) }
    }

    pub fn need(&self) -> HookNeed {
        self.hook.as_ref().map_or(HookNeed::Required, |hook| hook.need)
    }

    /// The configured host that it runs on; `None`: the engine's machine.
    pub fn host(&self) -> Option<&Name> {
        match &self.identity {
            Some(task) => Some(&task.backup.host),
            None => self.hook.as_ref()?.host.as_ref(),
        }
    }

    /// The machine that it runs on: the node of a service, where it is known.
    fn machine(&self) -> Option<String> {
        let host = self.host()?;
        Some(self.node.as_ref().map_or_else(|| host.to_string(), |node| format!("{node} ({host})")))
    }

    /// What people call it.
    pub fn label(&self) -> String {
        if let Some(task) = &self.identity {
            return format!("identity of {}", task.backup);
        }
        let program = || self.argv.first().map_or_else(String::new, |word| Untrusted::new(word.as_str()).escaped());
        self.hook.as_ref().map_or_else(program, |hook| hook.name.to_string())
    }

    /// Whether both are of the same hook.
    pub fn is_of(&self, other: &Self) -> bool {
        match (&self.hook, &other.hook) {
            (Some(one), Some(other)) => one.name == other.name,
            _ => false,
        }
    }
}

impl Step for HookStep {
    fn agree(&self, digest: &mut DigestText) {
        if let Some(task) = &self.identity {
            digest.line(format_args!(" identity {} {} {:?}", self.volume, task.target, task.backup));
            return;
        }
        digest.line(format_args!(" hook {:?} {} {:?} {:?}", self.phase, self.volume, self.argv, self.hook));
    }

    fn sentence(&self, names: &dyn VolumeNames) -> String {
        if let Some(task) = &self.identity {
            let (group, place) = (&task.backup, names.place(task.target));
            let host = self.machine().unwrap_or_default();
            return format!("restore the identity of {group} on {place} (wipefs, pvcreate, vgcfgrestore on {host})");
        }
        let when = self.phase.in_words();
        let argv: Vec<String> = self.argv.iter().map(|word| Untrusted::new(word.as_str()).escaped()).collect();
        let Some(hook) = &self.hook else { return format!("run {} {when}", argv.join(" ")) };
        let user = hook.run_as.as_ref().map_or_else(String::new, |user| format!(" as {user}"));
        let place = self.machine().map_or_else(String::new, |host| format!(" on {host}"));
        format!("run {}{user}{place} {when} (hook {}, {})", argv.join(" "), hook.name, hook.need.word())
    }

    fn effect(&self) -> Option<StepEffect> {
        Some(StepEffect::Script { phase: self.phase, argv: self.argv.clone() })
    }
}
