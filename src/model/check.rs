//! What was found when an array's way was examined, each with what to do about it.

use serde::Serialize;

/// One thing that was looked at. The texts are fit for a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub what: &'static str,
    pub verdict: Verdict,
    pub told: String,
    /// What the operator can do; absent when nothing has to be done.
    pub remedy: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Good,
    /// It works, and something should be known or done.
    Attention,
    Bad,
}
