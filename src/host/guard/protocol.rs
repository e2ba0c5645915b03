//! What is said between the engine and a guard: one JSON document a line.

use crate::host::script::Script;
use crate::model::hook::HookResult;
pub use crate::model::hook::HookRun;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What a guard is started with, on its standard input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardOrder {
    /// Where the guard serves the engine.
    pub socket: PathBuf,
    /// Where it leaves its report when nobody asked for it in time; written only after the pause.
    pub record: PathBuf,
    /// In the order of their scripts before the backup.
    pub hooks: Vec<GuardHook>,
    /// From the start of the first script, in milliseconds; `None`: there is no deadline, as around a restore.
    #[serde(default)]
    pub pause_millis: Option<u64>,
    /// The site's variable for the result of the backup.
    pub result_variable: String,
}

/// The scripts of one hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardHook {
    pub before: Option<Script>,
    pub after: Option<Script>,
}

/// One question of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
pub enum GuardAsk {
    /// Run the script before the backup of this hook, once.
    Before { hook: usize },
    /// Run the script after the backup, once; from now on the pause does not hold. `version`: the generation's.
    After { hook: usize, result: HookResult, version: Option<String> },
    /// How things stand.
    View,
    /// Everything is recorded: the guard may go.
    Leave,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "answer")]
pub enum GuardAnswer {
    Ran(HookRun),
    View(GuardView),
    Gone,
    Refused { why: String },
}

/// How things stand with a guard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GuardView {
    /// No script after the backup has begun.
    pub holds: bool,
    /// Of each hook.
    pub before: Vec<Option<HookRun>>,
    pub after: Vec<Option<HookRun>>,
}
