//! The array's tools on this machine.

use super::{ExecError, RawReply, Transport, unless_never_run};
use crate::driver::transport::argv::Argv;
use crate::driver::transport::argv::Word;
use crate::model::copy::ErrorClass;
use crate::model::untrusted::Untrusted;
use crate::process::child::{self, ChildError};
use futures_util::future::BoxFuture;
use std::time::Duration;
use tokio::process::Command;

/// Runs the tools as children of this process.
#[derive(Debug, Default)]
pub struct Local {
    pub sudo: bool,
    pub folder: Option<Word>,
    /// Variables that the commands get on top of ours.
    pub environment: Vec<(String, String)>,
}

/// What comes before a command line so that the tools answer in English: its codes and words are what is read.
pub(super) const LOCALE: [&str; 3] = ["env", "LC_ALL=C", "LANG=C"];

/// The words before every command.
pub(super) fn prefix(sudo: bool) -> Vec<Word> {
    if sudo { ["sudo", "-n"].iter().filter_map(|word| word.parse().ok()).collect() } else { Vec::new() }
}

impl Transport for Local {
    fn exec<'a>(&'a self, argv: &'a Argv, limit: Duration) -> BoxFuture<'a, Result<RawReply, ExecError>> {
        Box::pin(async move {
            let full = argv.behind(&prefix(self.sudo), self.folder.as_ref());
            let mut words = full.words();
            let mut command = Command::new(words.next().unwrap_or_default());
            command
                .args(words)
                .env("LC_ALL", "C")
                .env("LANG", "C")
                .envs(self.environment.iter().map(|(key, value)| (key, value)));
            match child::run(command, None, limit).await {
                Ok(reply) => unless_never_run(argv, &self.place(), reply, self.sudo),
                Err(ChildError::NotStarted(why)) => Err(ExecError::NotRun {
                    command: argv.to_string(),
                    place: self.place(),
                    class: ErrorClass::Config,
                    why: Untrusted::new(format!(
                        "{why}; name the folder of the array's tools with `directory` in the configuration"
                    )),
                }),
                Err(why) => Err(ExecError::Lost {
                    command: argv.to_string(),
                    place: self.place(),
                    why: Untrusted::new(why.to_string()),
                }),
            }
        })
    }

    fn place(&self) -> String {
        "on this machine".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_is_missing_surely_did_not_run() {
        let local = Local { folder: Some("/nowhere".parse().unwrap()), ..Local::default() };
        let error =
            local.exec(&Argv::new(["acarray", "list", "-xml"]).unwrap(), Duration::from_secs(5)).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ExecError::NotRun { class: ErrorClass::Config, .. }), "{text}");
        assert!(text.contains("acarray list -xml") && text.contains("directory"), "{text}");
    }

    #[tokio::test]
    async fn output_without_end_is_an_error_that_names_the_command() {
        let local = Local { folder: Some("/usr/bin".parse().unwrap()), ..Local::default() };
        let argv = Argv::new(["head", "-c", "67108864", "/dev/zero"]).unwrap();
        let error = local.exec(&argv, Duration::from_secs(30)).await.unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ExecError::Lost { .. }), "it ran: {text}");
        assert!(text.contains("head -c 67108864 /dev/zero") && text.contains("16 MiB"), "{text}");
    }

    #[tokio::test]
    async fn words_arrive_as_they_are() {
        let local = Local { folder: Some("/bin".parse().unwrap()), ..Local::default() };
        let argv = Argv::new(["echo", "KYOTO1/0x1:KYOTO1/0x6", "-xml"]).unwrap();
        let reply = local.exec(&argv, Duration::from_secs(5)).await.unwrap();
        assert_eq!(reply.stdout, b"KYOTO1/0x1:KYOTO1/0x6 -xml\n");
    }
}
