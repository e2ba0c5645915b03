//! The step that runs a script before or after a backup or a restore.

use super::{DigestText, Step, StepEffect, VolumeNames};
use crate::model::identity::VolumeId;
use crate::model::untrusted::Untrusted;
use serde::{Deserialize, Serialize};

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookPhase {
    BeforeBackup,
    AfterBackup,
    BeforeRestore,
    AfterRestore,
}

/// A pre- or post-processing script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookStep {
    pub phase: HookPhase,
    pub volume: VolumeId,
    pub argv: Vec<String>,
}

impl Step for HookStep {
    fn agree(&self, digest: &mut DigestText) {
        digest.line(format_args!(" hook {:?} {} {:?}", self.phase, self.volume, self.argv));
    }

    fn sentence(&self, _names: &dyn VolumeNames) -> String {
        let when = match self.phase {
            HookPhase::BeforeBackup => "before the backup",
            HookPhase::AfterBackup => "after the backup",
            HookPhase::BeforeRestore => "before the restore",
            HookPhase::AfterRestore => "after the restore",
        };
        let argv: Vec<String> = self.argv.iter().map(|word| Untrusted::new(word.as_str()).escaped()).collect();
        format!("run {} {when}", argv.join(" "))
    }

    fn effect(&self) -> Option<StepEffect> {
        Some(StepEffect::Script { phase: self.phase, argv: self.argv.clone() })
    }
}
