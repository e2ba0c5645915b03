//! The array's tools on another machine, through the system's OpenSSH client: the operator's `ssh_config`, agent, jump hosts, hardware keys
//! and `known_hosts` all work. One shared connection; commands are channels in it.
//!
//! Connecting and running are two steps. A connection that fails is a command that surely did not run; a command is sent
//! through the shared connection only, so that ssh never connects behind our back with the command already on its way.

use super::{ExecError, RawReply, Transport, local, unless_never_run};
use crate::driver::transport::argv::Argv;
use crate::driver::transport::argv::Word;
use crate::model::copy::ErrorClass;
use crate::model::untrusted::Untrusted;
use crate::process::child::{self, ChildError};
use crate::process::paths::MAX_SOCKET_PATH;
use crate::process::ssh::{Destination, SshArgumentError, SshPath, without_tokens};
use futures_util::future::BoxFuture;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;
use tokio::time::Instant;

/// Seconds that the shared connection outlives its last command.
const PERSIST_SECONDS: u32 = 120;
/// For the keys and the first command, once the server has greeted.
const AFTER_GREETING: Duration = Duration::from_secs(5);
/// For asking the shared connection to end.
const EXIT_TIMEOUT: Duration = Duration::from_secs(3);
/// ssh puts a random ending behind the socket's name while it makes it.
const SOCKET_ENDING: usize = 18;
/// What the client ends with when it failed itself.
const CLIENT_FAILED: i32 = 255;
/// A way to the server that leads nowhere: for a client that finds no shared connection and would make one of its own.
const NOWHERE: &str = "ProxyCommand=false";

/// Runs the tools over one shared ssh connection.
#[derive(Debug)]
pub struct Ssh {
    destination: Destination,
    sudo: bool,
    folder: Option<Word>,
    connect_limit: Duration,
    /// The shared connection's socket; its messages go to the file beside it.
    socket: PathBuf,
    /// Nobody else uses the connection, and it ends with this.
    alone: bool,
}

/// A destination that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SshError {
    #[error(transparent)]
    Runtime(#[from] SshArgumentError),
    #[error("the folder {0} is too long for a socket: set ECDECK_HOME or XDG_RUNTIME_DIR to a shorter one")]
    Folder(PathBuf),
}

impl Ssh {
    /// `runtime`: a folder of mode 0700 for the shared connection's socket.
    pub fn new(
        destination: Destination,
        sudo: bool,
        folder: Option<Word>,
        connect_limit: Duration,
        runtime: &Path,
    ) -> Result<Self, SshError> {
        SshPath::try_from(runtime.to_owned())?;
        let key = blake3::hash(format!("{destination:?}").as_bytes()).to_hex();
        let socket = runtime.join(format!("ssh-{}", &key[..12]));
        if socket.as_os_str().len() + SOCKET_ENDING > MAX_SOCKET_PATH {
            return Err(SshError::Folder(runtime.to_owned()));
        }
        Ok(Self { destination, sudo, folder, connect_limit, socket, alone: false })
    }

    /// With a connection of this process alone: one that an engine has made tells nothing of keys and rights of today.
    #[must_use]
    pub fn alone(mut self) -> Self {
        self.socket.set_file_name(format!("ssh-{}", std::process::id()));
        self.alone = true;
        self
    }

    /// What every call of the client is told.
    fn client(&self) -> Command {
        let mut command = Command::new("ssh");
        // The socket's folder was checked when this was made.
        let socket = format!("ControlPath=\"{}\"", without_tokens(&self.socket));
        command.args(self.destination.client_arguments(self.connect_limit)).arg("-o").arg(socket);
        command
    }

    /// Makes the shared connection. Nothing of a tool's command is in it, so a failure is one before sending.
    async fn connect(&self) -> Result<(), (ErrorClass, String)> {
        let config = |why: String| (ErrorClass::Config, why);
        // A dead connection leaves its socket behind, and a socket that is in the way would not be used.
        let _ = std::fs::remove_file(&self.socket);
        let mut command = self.client();
        command.args(["-o", "ControlMaster=yes", "-o"]).arg(format!("ControlPersist={PERSIST_SECONDS}"));
        command.arg("--").arg(self.destination.named()).arg("true");
        let limit = self.connect_limit.saturating_add(AFTER_GREETING);
        // The connection stays after this client ends, and with it whatever ProxyCommand started.
        let ended = match child::run_and_leave(command, limit).await {
            Ok(ended) => ended,
            Err(ChildError::TooLong { limit }) => {
                return Err((ErrorClass::Transport, format!("no connection after {} s", limit.as_secs())));
            }
            Err(ChildError::NotStarted(why)) => {
                return Err(config(format!("the OpenSSH client cannot be started: {why}")));
            }
            Err(why) => return Err((ErrorClass::Transport, format!("the OpenSSH client made no connection: {why}"))),
        };
        if ended.exit == 0 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ended.stderr).trim().to_owned();
        Err(why_not_connected(Some(ended.exit), &said))
    }

    /// Sends a command through the shared connection, or not at all. The tools answer in the language of their locale, and the
    /// account's own is not known: `env` sets it, before sudo, whose rules name the programs.
    async fn send(&self, full: &Argv, limit: Duration) -> Result<RawReply, ChildError> {
        let mut command = self.client();
        command.args(["-o", "ControlMaster=no", "-o", NOWHERE]);
        command.arg("--").arg(self.destination.named()).args(local::LOCALE).args(full.words());
        child::run(command, None, limit).await
    }

    fn lost(&self, argv: &Argv, why: impl Into<String>) -> ExecError {
        ExecError::Lost { command: argv.to_string(), place: self.place(), why: Untrusted::new(why) }
    }

    fn not_run(&self, argv: &Argv, class: ErrorClass, why: impl Into<String>) -> ExecError {
        ExecError::NotRun { command: argv.to_string(), place: self.place(), class, why: Untrusted::new(why) }
    }

    async fn run(&self, argv: &Argv, limit: Duration) -> Result<RawReply, ExecError> {
        let deadline = Instant::now() + limit;
        let full = argv.behind(&local::prefix(self.sudo), self.folder.as_ref());
        for fresh in [false, true] {
            if fresh || !self.socket.exists() {
                self.connect().await.map_err(|(class, why)| self.not_run(argv, class, why))?;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(self.not_run(argv, ErrorClass::Transport, "connecting took all of its time"));
            }
            match self.send(&full, left).await {
                Ok(reply) if was_not_sent(&reply) => {}
                // ssh's own status, which no command of the tools is known to have: the line may have gone behind a whole answer.
                Ok(reply) if reply.exit == CLIENT_FAILED => {
                    let told = String::from_utf8_lossy(&reply.stderr).trim().to_owned();
                    return Err(self.lost(argv, format!("the connection was lost ({told})")));
                }
                Ok(reply) => return unless_never_run(argv, &self.place(), reply, self.sudo),
                Err(ChildError::NotStarted(why)) => {
                    return Err(self.not_run(argv, ErrorClass::Config, format!("the OpenSSH client: {why}")));
                }
                Err(why) => return Err(self.lost(argv, why.to_string())),
            }
        }
        Err(self.not_run(argv, ErrorClass::Transport, "the shared connection is refused"))
    }
}

/// Whether the client's own words prove that the command did not leave this machine: it found no shared connection, or
/// was refused a channel in it, and its own way led nowhere. One line too many and it is no proof: a connection that goes
/// while a channel is being opened leads nowhere afterwards, too.
fn was_not_sent(reply: &RawReply) -> bool {
    const PROOFS: [&str; 5] = [
        "Control socket connect(",
        "session request failed: Session open refused by peer",
        "ssh_exchange_identification: ",
        "kex_exchange_identification: ",
        "Connection closed by UNKNOWN port ",
    ];
    let told = String::from_utf8_lossy(&reply.stderr);
    let mut lines = told.lines().map(str::trim).filter(|line| !line.is_empty());
    reply.exit == CLIENT_FAILED
        && reply.stdout.is_empty()
        && told.contains("exchange_identification: ")
        && lines.all(|line| PROOFS.iter().any(|proof| line.contains(proof)))
}

/// What ssh's words mean for the operator. The words are kept.
pub fn why_not_connected(exit: Option<i32>, told: &str) -> (ErrorClass, String) {
    let has = |text: &str| told.contains(text);
    let (class, meaning) = if has("REMOTE HOST IDENTIFICATION HAS CHANGED") || has("WARNING: POSSIBLE DNS SPOOFING") {
        (
            ErrorClass::Auth,
            "the server's host key has CHANGED: find out why before anything else; work on this array stops",
        )
    } else if has("Host key verification failed") || has("No ED25519 host key is known") || has("host key is known for")
    {
        (
            ErrorClass::Auth,
            "the server's host key is not known: add it with `ecdeck array add`, or to known_hosts after checking it",
        )
    } else if has("Permission denied") || has("Too many authentication failures") {
        (ErrorClass::Auth, "the server accepts no key of this user")
    } else if has("Could not resolve hostname") {
        (ErrorClass::Config, "the server's name is not known")
    } else if has("Bad configuration option") || has("Bad owner or permissions") || has("terminating") {
        (ErrorClass::Config, "ssh's own configuration is wrong")
    } else if exit.is_some_and(|exit| exit != CLIENT_FAILED) {
        (ErrorClass::Config, "the server let us in and ran no command")
    } else {
        (ErrorClass::Transport, "the server cannot be reached")
    };
    let told = in_short(told);
    (class, if told.is_empty() { meaning.to_owned() } else { format!("{meaning} ({told})") })
}

/// ssh's words without their frame of `@`; of the page about a changed key, what a person compares and where it stands.
fn in_short(told: &str) -> String {
    let lines = || told.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('@'));
    let shown = lines().find_map(|line| line.starts_with("SHA256:").then(|| line.trim_end_matches('.')));
    let known = lines().find_map(|line| line.split_once("key in ").filter(|(start, _)| start.starts_with("Offending")));
    match (shown, known) {
        (Some(shown), Some((_, place))) => format!("it shows {shown}; another one is known, in {place}"),
        _ => lines().collect::<Vec<_>>().join("; "),
    }
}

impl Drop for Ssh {
    fn drop(&mut self) {
        if !self.alone {
            return;
        }
        // Where there is no connection, there is nothing to end.
        if self.socket.exists() {
            let mut command = self.client();
            command.args(["-O", "exit", "--"]).arg(self.destination.named());
            child::run_quietly(command.into_std(), EXIT_TIMEOUT);
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Transport for Ssh {
    fn exec<'a>(&'a self, argv: &'a Argv, limit: Duration) -> BoxFuture<'a, Result<RawReply, ExecError>> {
        Box::pin(self.run(argv, limit))
    }

    fn place(&self) -> String {
        format!("on {} over ssh", self.destination.host.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_words_become_what_the_operator_can_do() {
        for (told, class, hint) in [
            (
                "No ED25519 host key is known for mgmt01 and you have requested strict checking.",
                ErrorClass::Auth,
                "not known",
            ),
            ("root@mgmt01: Permission denied (publickey).", ErrorClass::Auth, "no key"),
            ("ssh: Could not resolve hostname mgmt01: Name or service not known", ErrorClass::Config, "name"),
            ("ssh: connect to host mgmt01 port 22: Connection refused", ErrorClass::Transport, "reached"),
        ] {
            let (found, why) = why_not_connected(Some(255), told);
            assert_eq!(found, class, "{told}");
            assert!(why.contains(hint) && why.contains(told), "{why}");
        }
        assert_eq!(why_not_connected(Some(1), "This account is for sftp only").0, ErrorClass::Config);
    }

    #[test]
    fn of_the_page_about_a_changed_key_the_operator_is_told_what_to_compare() {
        let page = "@@@@@@@\r\n@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\n@@@@@@@\r\n\
                    IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r\n\
                    The fingerprint for the ED25519 key sent by the remote host is\nSHA256:abc.\r\n\
                    Offending ED25519 key in /home/me/.ssh/known_hosts:7\r\nHost key verification failed.";
        let (class, why) = why_not_connected(Some(255), page);
        assert_eq!(class, ErrorClass::Auth);
        assert!(
            why.contains("CHANGED")
                && why.ends_with("(it shows SHA256:abc; another one is known, in /home/me/.ssh/known_hosts:7)"),
            "{why}"
        );
        assert_eq!(in_short("one\r\n\r\ntwo"), "one; two");
    }

    #[test]
    fn only_the_clients_own_words_prove_that_nothing_was_sent() {
        let reply = |stderr: &str| RawReply { exit: 255, stdout: Vec::new(), stderr: stderr.into() };
        let no_socket = "Control socket connect(/run/x): Connection refused\n";
        let nowhere = "kex_exchange_identification: Connection closed by remote host\r\n";
        let older = "ssh_exchange_identification: Connection closed by remote host\n";
        assert!(was_not_sent(&reply(nowhere)) && was_not_sent(&reply(older)));
        assert!(was_not_sent(&reply(&format!("{no_socket}{nowhere}Connection closed by UNKNOWN port 65535\n"))));
        let refused = "mux_client_request_session: session request failed: Session open refused by peer\n";
        assert!(was_not_sent(&reply(&format!("{refused}{nowhere}"))));
        for unclear in [
            String::new(),
            "Shared connection to mgmt01 closed.\n".to_owned(),
            format!("mux_client_request_session: read from master failed: Broken pipe\n{nowhere}"),
        ] {
            assert!(!was_not_sent(&reply(&unclear)), "{unclear:?}");
        }
        assert!(!was_not_sent(&RawReply { exit: 1, ..reply(nowhere) }));
    }

    #[test]
    fn the_socket_of_the_shared_connection_must_fit() {
        let make = |folder: &str| {
            let destination = Destination::at("mgmt01".parse().unwrap());
            Ssh::new(destination, false, None, Duration::from_secs(5), Path::new(folder))
        };
        assert!(matches!(make(&format!("/{}", "x".repeat(90))), Err(SshError::Folder(_))));
        assert!(matches!(make("/run/${x}"), Err(SshError::Runtime(_))));
        assert!(make("/run/user/1000/ecdeck").is_ok());
    }

    #[tokio::test]
    async fn a_server_that_nobody_answers_at_is_one_that_nothing_was_sent_to() {
        let folder = tempfile::tempdir().unwrap();
        let port = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let destination = Destination {
            port: Some(port),
            ssh_config: Some(PathBuf::from("/dev/null").try_into().unwrap()),
            ..Destination::at("127.0.0.1".parse().unwrap())
        };
        let ssh = Ssh::new(destination, false, None, Duration::from_secs(2), folder.path()).unwrap();
        let argv = Argv::new(["acarray", "list", "-xml"]).unwrap();
        let error = ssh.exec(&argv, Duration::from_secs(20)).await.unwrap_err();
        assert!(matches!(error, ExecError::NotRun { .. }), "{error}");
    }
}
