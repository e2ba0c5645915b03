//! What a host reports of itself, by its own tools: `lsblk`, `lvm`, `dmsetup` and `findmnt`, here or over ssh.
//!
//! Belongs here: the tools' command lines, running them within limits, reading what they print, joining it into a report.
//! Does not: what follows from a report (`model::plan`), which hosts there are (`config`).

mod assemble;
mod device_mapper;
mod lsblk;
mod lvm;
mod mounts;
#[cfg(test)]
mod tests;
mod tools;

pub(super) use lvm::{duplicates as read_duplicates, duplicates_line, groups as read_groups, groups_line};
pub use tools::{HostTools, MAX_READ};

use crate::model::host_report::HostReport;
use crate::model::host_report::KernelGroups;
use futures_util::future::BoxFuture;
use std::fmt::Debug;

/// A host that can be asked what it has. A test gives recorded reports in its place.
pub trait ReportsItself: Debug + Send + Sync {
    /// Reads everything once. What cannot be read is absent from the report, with the reason.
    fn report(&self) -> BoxFuture<'_, HostReport>;

    /// Asks the kernel only which groups are active. It takes no lock of LVM and reads no disk.
    fn kernel_groups(&self) -> BoxFuture<'_, KernelGroups>;

    /// Runs one tool with these words and gives what it printed. `as_root`: by `sudo -n` where the host wants it.
    /// The error is one sentence.
    fn call(&self, words: Vec<String>, as_root: bool, input: Option<Vec<u8>>)
    -> BoxFuture<'_, Result<Vec<u8>, String>>;

    /// Whether it is this machine, so that its processes can be looked at.
    fn is_here(&self) -> bool {
        false
    }

    /// Where the tools run, for people: `this machine`, or the destination of ssh.
    fn place(&self) -> String;
}

/// What one tool printed, or one sentence on why it did not.
type Printed = Result<Vec<u8>, String>;

/// Things of one kind that are read of one host at most.
const MAX_ROWS: usize = 20_000;

/// Reads a tool's JSON.
fn json<T: serde::de::DeserializeOwned>(tool: &str, printed: &[u8]) -> Result<T, String> {
    serde_json::from_slice(printed).map_err(|error| format!("the output of {tool} cannot be read: {error}"))
}

/// A number that a tool prints as a number or, in other releases, as text.
#[derive(Debug, serde::Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u64),
    Text(String),
}

impl Number {
    fn value(&self, tool: &str, of: &str) -> Result<u64, String> {
        match self {
            Self::Plain(number) => Ok(*number),
            Self::Text(text) => number(text, tool, of),
        }
    }
}

fn number(text: &str, tool: &str, of: &str) -> Result<u64, String> {
    text.trim().parse().map_err(|_| format!("{tool} gives {text:?} as {of}: that is no number"))
}
