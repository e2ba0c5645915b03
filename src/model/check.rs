//! What was found when the ways to an array were examined, each with what to do about it.

use serde::Serialize;

/// One thing that was looked at. The texts are fit for a terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    pub way: Way,
    pub what: &'static str,
    pub verdict: Verdict,
    pub told: String,
    /// What the operator can do; absent when nothing has to be done.
    pub remedy: Option<String>,
    /// Lines for the configuration, ready to paste.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paste: Vec<String>,
}

/// The way to the array that a check is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    #[default]
    First,
    /// The one for forced stops.
    Second,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Good,
    /// It works, and something should be known or done.
    Attention,
    Bad,
}
