//! Hooks: the site's scripts before and after a backup or a restore, as they are configured, and how a run of one ended.
//!
//! A hook is one name with up to four scripts. For every script before a backup or a restore that was started, the script
//! after it runs, whatever became of the first one.

use super::identity::Name;
use super::untrusted::Untrusted;
use super::volume_group::GroupCopy;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A configured hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    pub name: Name,
    /// The transaction volumes that it belongs to, by name; empty: all.
    #[serde(default)]
    pub volumes: Vec<Name>,
    /// Program and arguments; the program by its absolute path. No shell reads it.
    #[serde(default)]
    pub before_backup: Option<Vec<String>>,
    #[serde(default)]
    pub after_backup: Option<Vec<String>>,
    /// For a restore onto the volume.
    #[serde(default)]
    pub before_restore: Option<Vec<String>>,
    #[serde(default)]
    pub after_restore: Option<Vec<String>>,
    pub need: HookNeed,
    /// Where it runs; `None`: on the engine's machine.
    #[serde(default)]
    pub host: Option<Name>,
    /// The user that it runs as; `None`: the engine's, or the one that ssh logs in as.
    #[serde(default)]
    pub run_as: Option<String>,
    /// For one run, in milliseconds: then TERM, and after [`Hook::GRACE_MILLIS`] KILL.
    pub limit_millis: u64,
    /// From the start of an operation's first script before the backup: at this time, in milliseconds, the guard begins to
    /// run the scripts after it, whatever the engine does.
    pub pause_millis: u64,
    /// Variables that both scripts get beside the documented ones.
    #[serde(default)]
    pub environment: Vec<(String, String)>,
}

impl Hook {
    /// Between TERM and KILL.
    pub const GRACE_MILLIS: u64 = 5_000;
    /// After KILL: a process that the kernel does not let go of is waited for no longer.
    pub const REAP_MILLIS: u64 = 2_000;

    /// The script of a phase.
    pub fn script(&self, phase: HookPhase) -> Option<&Vec<String>> {
        match phase {
            HookPhase::BeforeBackup => self.before_backup.as_ref(),
            HookPhase::AfterBackup => self.after_backup.as_ref(),
            HookPhase::BeforeRestore => self.before_restore.as_ref(),
            HookPhase::AfterRestore => self.after_restore.as_ref(),
        }
    }

    /// All its scripts, each with its phase.
    pub fn scripts(&self) -> impl Iterator<Item = (HookPhase, &Vec<String>)> {
        HookPhase::ALL.into_iter().filter_map(|phase| Some((phase, self.script(phase)?)))
    }

    /// Whether it belongs to this transaction volume.
    pub fn is_for(&self, volume: &Name) -> bool {
        self.volumes.is_empty() || self.volumes.contains(volume)
    }
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookPhase {
    BeforeBackup,
    AfterBackup,
    BeforeRestore,
    AfterRestore,
}

impl HookPhase {
    pub const ALL: [Self; 4] = [Self::BeforeBackup, Self::AfterBackup, Self::BeforeRestore, Self::AfterRestore];

    pub fn is_of_restore(self) -> bool {
        matches!(self, Self::BeforeRestore | Self::AfterRestore)
    }

    /// `before the backup`.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::BeforeBackup => "before the backup",
            Self::AfterBackup => "after the backup",
            Self::BeforeRestore => "before the restore",
            Self::AfterRestore => "after the restore",
        }
    }

    pub fn is_before(self) -> bool {
        matches!(self, Self::BeforeBackup | Self::BeforeRestore)
    }

    /// The word in `ECDECK_PHASE`.
    pub fn word(self) -> &'static str {
        match self {
            Self::BeforeBackup => "before-backup",
            Self::AfterBackup => "after-backup",
            Self::BeforeRestore => "before-restore",
            Self::AfterRestore => "after-restore",
        }
    }
}

/// What follows from a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookNeed {
    /// Before a backup or a restore: there is none. After a backup: the generation needs attention.
    #[default]
    Required,
    /// A warning.
    Advisory,
}

impl HookNeed {
    pub fn word(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Advisory => "advisory",
        }
    }
}

/// What a script after a backup or a restore is told of it in `ECDECK_RESULT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookResult {
    /// The suspend was observed and the generation is recorded; all of the generation was copied back.
    Done,
    /// There is no generation of it; nothing was copied back.
    Failed,
    /// A restore did not come to its end: part of the volume may be the generation's.
    Incomplete,
    /// Whether there will be one is not known: the guard ran the script because its time had come.
    Unknown,
}

impl HookResult {
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Incomplete => "incomplete",
            Self::Unknown => "unknown",
        }
    }
}

/// How one run of a script ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "end")]
pub enum ScriptEnd {
    /// By itself. 0 is success. 1 to 99 are the numbers of the scripts that come with ecdeck, 100 to 255 the site's.
    Exited {
        status: i32,
    },
    Signalled {
        signal: i32,
    },
    /// It was ended at its limit, in milliseconds. `left`: not even KILL ended it.
    TimedOut {
        limit_millis: u64,
        left: bool,
    },
    /// It did not run at all.
    NotStarted,
    /// Nobody who knows how it ended is left.
    Unknown,
}

/// One run of a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptReport {
    pub end: ScriptEnd,
    /// Why it did not start, where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Untrusted>,
    /// The beginning of what it wrote, both outputs together.
    pub output: Untrusted,
    /// Bytes of output beyond that.
    #[serde(default)]
    pub dropped: u64,
    pub took_millis: u64,
}

/// A script of a hook that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookRun {
    pub report: ScriptReport,
    /// The guard ran it because its time had come, and not because the engine asked.
    #[serde(default)]
    pub by_deadline: bool,
    /// No script ran: the text of the group on a copy was read, and nothing is written before it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Box<GroupCopy>>,
}

impl HookRun {
    /// A run that nobody knows the end of.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::of(ScriptReport::unknown(why))
    }

    /// A run that the engine asked for.
    pub fn of(report: ScriptReport) -> Self {
        Self { report, by_deadline: false, group: None }
    }

    /// What the engine did itself, and could not do.
    pub fn failed(why: impl Into<String>) -> Self {
        let end = ScriptEnd::Exited { status: 1 };
        let report = ScriptReport {
            end,
            why: Some(Untrusted::new(why)),
            output: Untrusted::default(),
            dropped: 0,
            took_millis: 0,
        };
        Self::of(report)
    }
}

impl ScriptReport {
    /// Characters of output that a sentence quotes.
    const QUOTED: usize = 200;

    pub fn is_success(&self) -> bool {
        self.end == ScriptEnd::Exited { status: 0 }
    }

    /// A run that did not come about.
    pub fn not_started(why: impl Into<String>) -> Self {
        Self::without_output(ScriptEnd::NotStarted, why)
    }

    /// A run of which nobody knows the end.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self::without_output(ScriptEnd::Unknown, why)
    }

    fn without_output(end: ScriptEnd, why: impl Into<String>) -> Self {
        let why = Some(Untrusted::new(why));
        Self { end, why, output: Untrusted::default(), dropped: 0, took_millis: 0 }
    }
}

impl ScriptReport {
    /// How it ended, without what it wrote.
    pub fn end_text(&self) -> String {
        Self { output: Untrusted::default(), ..self.clone() }.to_string()
    }
}

/// How it ended, in half a sentence that begins with a verb; the script's own words are escaped.
impl fmt::Display for ScriptReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.end {
            ScriptEnd::Exited { status: 0 } => f.write_str("succeeded")?,
            ScriptEnd::Exited { status } => write!(f, "ended with status {status}")?,
            ScriptEnd::Signalled { signal } => write!(f, "was ended by signal {signal}")?,
            ScriptEnd::TimedOut { limit_millis, left } => {
                write!(f, "had not ended after {} s", seconds(limit_millis))?;
                f.write_str(if left { " and could not be ended: it still runs" } else { " and was ended" })?;
            }
            ScriptEnd::NotStarted => f.write_str("could not be started")?,
            ScriptEnd::Unknown => f.write_str("has an unknown end")?,
        }
        if let Some(why) = &self.why {
            write!(f, ": {}", why.escaped())?;
        }
        let text = self.output.raw().trim();
        if !text.is_empty() && !self.is_success() {
            let short: String = text.chars().take(Self::QUOTED).collect();
            let cut = if short.len() < text.len() { "..." } else { "" };
            write!(f, " ({}{cut})", Untrusted::new(short).escaped())?;
        }
        Ok(())
    }
}

/// Milliseconds as seconds with at most one decimal.
pub fn seconds(millis: u64) -> String {
    match millis % 1_000 / 100 {
        0 => (millis / 1_000).to_string(),
        tenth => format!("{}.{tenth}", millis / 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_sentence_in_which_nothing_can_act_on_a_terminal() {
        let report = |end, output: &str| ScriptReport {
            end,
            why: None,
            output: Untrusted::from(output),
            dropped: 0,
            took_millis: 1,
        };
        for (end, text) in [
            (ScriptEnd::Exited { status: 0 }, "succeeded"),
            (ScriptEnd::Exited { status: 31 }, "ended with status 31 (no \\u{1b}[2Jroom)"),
            (ScriptEnd::Signalled { signal: 9 }, "was ended by signal 9 (no \\u{1b}[2Jroom)"),
            (
                ScriptEnd::TimedOut { limit_millis: 1_500, left: true },
                "had not ended after 1.5 s and could not be ended: it still runs (no \\u{1b}[2Jroom)",
            ),
        ] {
            assert_eq!(report(end, "no \u{1b}[2Jroom\n").to_string(), text);
        }
        let long = report(ScriptEnd::Exited { status: 1 }, &"x".repeat(1_000)).to_string();
        assert!(long.len() < 300 && long.ends_with("...)"), "{long}");
        assert_eq!(ScriptReport::not_started("it is missing").to_string(), "could not be started: it is missing");
    }
}
