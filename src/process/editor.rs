//! The person's own editor on a file: in the foreground, on the same terminal, for as long as it takes.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::process::{Command, ExitStatus};

/// The editor that `$VISUAL` or `$EDITOR` names, with its options; else `vi`. No shell reads it: words are parted at blanks.
pub fn words() -> Vec<OsString> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(std::env::var_os).find(|value| !is_blank(value));
    let Some(named) = named else { return vec!["vi".into()] };
    match named.to_str() {
        Some(text) => text.split_whitespace().map(OsString::from).collect(),
        None => vec![named],
    }
}

fn is_blank(value: &OsStr) -> bool {
    value.to_str().is_some_and(|text| text.trim().is_empty())
}

/// Runs the editor to its end.
///
/// # Errors
/// When it cannot be started.
pub fn edit(file: &Path) -> io::Result<ExitStatus> {
    command(file).status()
}

/// The editor with its options and the file, on this process's terminal.
pub fn command(file: &Path) -> Command {
    let mut words = words().into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).arg(file);
    command
}
