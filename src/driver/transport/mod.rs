//! How command line tools of an array's management server are run: as a local process, by the system's OpenSSH client. Shared by
//! all drivers that drive arrays by such tools. The test kit has a third way.
//!
//! Belongs here: running one command line and telling what surely did not run from what may have. Does not: what the
//! answer means (`reply`), whose turn it is (`server`).

pub mod argv;
pub mod local;
pub mod ssh;

use crate::model::copy::ErrorClass;
use crate::model::untrusted::Untrusted;
use argv::Argv;
use futures_util::future::BoxFuture;
use std::time::Duration;

/// What a command left behind: it ran to its end.
pub use crate::process::child::Ended as RawReply;

/// A command without an end that we saw.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// It surely did not run.
    #[error("`{command}` was not run {place}: {}", why.escaped())]
    NotRun { command: String, place: String, class: ErrorClass, why: Untrusted },
    /// It may have run, in part or to its end.
    #[error("`{command}` was sent {place} and has no answer: {}", why.escaped())]
    Lost { command: String, place: String, why: Untrusted },
}

/// Runs command lines on one management server.
pub trait Transport: Send + Sync {
    /// Runs a command once, within a time limit. Never runs it twice, whatever happens.
    fn exec<'a>(&'a self, argv: &'a Argv, limit: Duration) -> BoxFuture<'a, Result<RawReply, ExecError>>;

    /// Where it runs, as a phrase: `on this machine`, `on mgmt01 over ssh`.
    fn place(&self) -> String;
}

/// Tells the shell's and sudo's own failures from an answer of the command: in those, it did not run.
pub(crate) fn unless_never_run(argv: &Argv, place: &str, reply: RawReply, sudo: bool) -> Result<RawReply, ExecError> {
    let not_run = |class, why: String| {
        Err(ExecError::NotRun { command: argv.to_string(), place: place.to_owned(), class, why: Untrusted::new(why) })
    };
    if !reply.stdout.is_empty() {
        return Ok(reply);
    }
    let told = String::from_utf8_lossy(&reply.stderr).trim().to_owned();
    match reply.exit {
        127 if sudo && told.contains("sudo") => {
            not_run(ErrorClass::Auth, format!("sudo is not there, and `sudo` is set in the configuration ({told})"))
        }
        127 => not_run(
            ErrorClass::Config,
            format!(
                "the command was not found; name the folder of the array's tools with `directory` in the configuration ({told})"
            ),
        ),
        126 => not_run(
            ErrorClass::Auth,
            format!("the command may not be run by this user; see `sudo` in the configuration ({told})"),
        ),
        1 if sudo && told.starts_with("sudo:") => not_run(
            ErrorClass::Auth,
            format!("sudo refused it; allow the array's tools without a password for this user ({told})"),
        ),
        _ => Ok(reply),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(exit: i32, stdout: &str, stderr: &str, sudo: bool) -> Result<RawReply, ExecError> {
        let reply = RawReply { exit, stdout: stdout.into(), stderr: stderr.into() };
        unless_never_run(&Argv::new(["acarray", "list"]).unwrap(), "here", reply, sudo)
    }

    #[test]
    fn a_missing_program_and_missing_rights_are_told_from_answers() {
        let class = |result| match result {
            Err(ExecError::NotRun { class, .. }) => Some(class),
            _ => None,
        };
        assert_eq!(class(judge(127, "", "sh: acarray: not found", false)), Some(ErrorClass::Config));
        assert_eq!(class(judge(127, "", "bash: line 1: sudo: command not found", true)), Some(ErrorClass::Auth));
        assert_eq!(class(judge(126, "", "sh: acarray: Permission denied", false)), Some(ErrorClass::Auth));
        assert_eq!(class(judge(1, "", "sudo: a password is required", true)), Some(ErrorClass::Auth));
        assert_eq!(class(judge(1, "<Response>", "", true)), None, "an answer is an answer");
        assert_eq!(class(judge(1, "", "ccm0001", false)), None);
    }
}
