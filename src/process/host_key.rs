//! The host key of a machine that is met for the first time: fetched, shown, and kept once it is confirmed.

use super::child::{self, ChildError, Ended};
use super::ssh::Destination;
use crate::model::untrusted::Untrusted;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::process::Command;

/// How long a server may take to show its keys.
const LIMIT: Duration = Duration::from_secs(20);

/// A key as `known_hosts` has it, and its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// The whole line of `known_hosts`.
    line: String,
    /// `SHA256:...`
    pub fingerprint: String,
    pub algorithm: String,
}

#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    #[error("{program}, which comes with OpenSSH, shows no key: {why}")]
    Program { program: &'static str, why: ChildError },
    #[error("{0} shows no host key: is an ssh server there? Behind a jump host, add its key to known_hosts yourself")]
    None(String),
    #[error("{program} said something that is not a fingerprint: {}", said.escaped())]
    Said { program: &'static str, said: Untrusted },
    #[error("{file} cannot be written: {why}")]
    Keep { file: String, why: std::io::Error },
}

/// The keys that a server shows. Whether they are its own is for a person to say.
pub async fn shown_by(destination: &Destination) -> Result<Vec<HostKey>, HostKeyError> {
    const PROGRAM: &str = "ssh-keyscan";
    let port = destination.port.unwrap_or(22);
    let host = destination.host.as_str();
    let mut command = Command::new(PROGRAM);
    command.args(["-T", "5", "-p", &port.to_string(), "-t", "ed25519,ecdsa,rsa", "--", host]);
    let reply = run(PROGRAM, command, None).await?;
    let text = String::from_utf8_lossy(&reply.stdout).into_owned();
    let mut keys = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        keys.push(with_fingerprint(line).await?);
    }
    if keys.is_empty() { Err(HostKeyError::None(host.to_owned())) } else { Ok(keys) }
}

async fn with_fingerprint(line: &str) -> Result<HostKey, HostKeyError> {
    const PROGRAM: &str = "ssh-keygen";
    let mut command = Command::new(PROGRAM);
    command.args(["-l", "-f", "-"]);
    let reply = run(PROGRAM, command, Some(line)).await?;
    let said = String::from_utf8_lossy(&reply.stdout).into_owned();
    let fingerprint = said.split_whitespace().find(|word| word.starts_with("SHA256:"));
    let algorithm = line.split_whitespace().nth(1).unwrap_or_default();
    match fingerprint {
        Some(fingerprint) => Ok(HostKey {
            line: line.trim().to_owned(),
            fingerprint: Untrusted::from(fingerprint).escaped(),
            algorithm: Untrusted::from(algorithm).escaped(),
        }),
        None => Err(HostKeyError::Said { program: PROGRAM, said: Untrusted::new(said) }),
    }
}

async fn run(program: &'static str, command: Command, input: Option<&str>) -> Result<Ended, HostKeyError> {
    child::run(command, input.map(str::as_bytes), LIMIT).await.map_err(|why| HostKeyError::Program { program, why })
}

/// Adds confirmed keys to a `known_hosts` file of our own.
pub fn keep(keys: &[HostKey], file: &Path) -> Result<(), HostKeyError> {
    let wrong = |why| HostKeyError::Keep { file: file.display().to_string(), why };
    let before = std::fs::read_to_string(file).unwrap_or_default();
    let mut open = std::fs::OpenOptions::new();
    let mut out = open.create(true).append(true).mode(0o600).open(file).map_err(wrong)?;
    for key in keys.iter().filter(|key| !before.lines().any(|line| line.trim() == key.line)) {
        writeln!(out, "{}", key.line).map_err(wrong)?;
    }
    out.sync_all().map_err(wrong)
}
