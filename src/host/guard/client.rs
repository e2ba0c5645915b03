//! The engine's line to a guard: starting one, finding one again after a crash, and asking it.

use super::protocol::{GuardAnswer, GuardAsk, GuardOrder, GuardView, HookRun};
use super::server::WORD;
use crate::model::hook::HookResult;
use crate::process::instance::{self, READY};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::Command;

/// For a guard to begin to serve.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// For an answer that needs no script.
const VIEW_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a guard could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    #[error("the guard of the hooks could not be started: {0}")]
    NotStarted(String),
    /// Whether the script ran is not known.
    #[error("the guard of the hooks is gone: {0}")]
    Gone(String),
    /// Nothing was run.
    #[error("the guard of the hooks refused: {0}")]
    Refused(String),
}

/// The files of one operation's guard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardFiles {
    pub socket: PathBuf,
    pub record: PathBuf,
}

impl GuardFiles {
    /// `folder`: for sockets, of mode 0700 or 0750. `key`: what only this operation has.
    pub fn of(folder: &Path, key: &str) -> Self {
        let file = |ending: &str| folder.join(format!("hook-{key}.{ending}"));
        Self { socket: file("sock"), record: file("json") }
    }

    /// The report that a guard left because no engine came for it in time.
    pub fn left_report(&self) -> Option<GuardView> {
        serde_json::from_slice(&std::fs::read(&self.record).ok()?).ok()
    }

    pub fn remove(&self) {
        let _ = std::fs::remove_file(&self.record);
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// A guard that serves.
#[derive(Debug, Clone)]
pub struct Guard {
    files: GuardFiles,
}

impl Guard {
    /// Starts a guard with this program. `program`: another file of it; tests are not the program that they test.
    pub async fn start(program: Option<&Path>, order: &GuardOrder) -> Result<Self, GuardError> {
        let failed = |why: String| GuardError::NotStarted(why);
        let files = GuardFiles { socket: order.socket.clone(), record: order.record.clone() };
        if let Some(folder) = files.socket.parent() {
            instance::socket_folder(folder).map_err(|error| failed(error.to_string()))?;
        }
        files.remove();
        let program = program.unwrap_or(Path::new("/proc/self/exe"));
        let mut command = Command::new(program);
        command.arg0("ecdeck").arg(WORD).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        // It outlives this process on purpose, and is no zombie while this one lives.
        tokio::spawn(async move { child.wait().await });
        let order = serde_json::to_vec(order).map_err(|error| failed(error.to_string()))?;
        let begin = async {
            let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else { return Ok(String::new()) };
            stdin.write_all(&order).await?;
            drop(stdin);
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).await?;
            Ok::<_, std::io::Error>(line)
        };
        match tokio::time::timeout(START_TIMEOUT, begin).await {
            Ok(Ok(line)) if line.trim() == READY => Ok(Self { files }),
            Ok(Ok(line)) if line.trim().is_empty() => Err(failed("it ended without a word".to_owned())),
            Ok(Ok(line)) => Err(failed(line.trim().to_owned())),
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(_) => Err(failed(format!("it did not answer within {} s", START_TIMEOUT.as_secs()))),
        }
    }

    /// The guard that an earlier engine started, if it serves.
    pub async fn find(files: GuardFiles) -> Option<Self> {
        let guard = Self { files };
        guard.view().await.ok().map(|_| guard)
    }

    /// Runs the script before the backup, once; a second question gives the end of the first run.
    pub async fn before(&self, hook: usize, limit: Duration) -> Result<HookRun, GuardError> {
        self.ran(GuardAsk::Before { hook }, limit).await
    }

    /// Runs the script after the backup, once. From now on the pause does not hold.
    pub async fn after(
        &self,
        hook: usize,
        result: HookResult,
        version: Option<String>,
        limit: Duration,
    ) -> Result<HookRun, GuardError> {
        self.ran(GuardAsk::After { hook, result, version }, limit).await
    }

    pub async fn view(&self) -> Result<GuardView, GuardError> {
        match self.ask(&GuardAsk::View, VIEW_TIMEOUT).await? {
            GuardAnswer::View(view) => Ok(view),
            other => Err(unexpected(&other)),
        }
    }

    /// Everything is recorded: the guard ends, and leaves nothing behind.
    pub async fn leave(&self) -> Result<(), GuardError> {
        match self.ask(&GuardAsk::Leave, VIEW_TIMEOUT).await? {
            GuardAnswer::Gone => Ok(()),
            other => Err(unexpected(&other)),
        }
    }

    async fn ran(&self, ask: GuardAsk, limit: Duration) -> Result<HookRun, GuardError> {
        match self.ask(&ask, limit).await? {
            GuardAnswer::Ran(run) => Ok(run),
            other => Err(unexpected(&other)),
        }
    }

    async fn ask(&self, ask: &GuardAsk, limit: Duration) -> Result<GuardAnswer, GuardError> {
        let gone = |error: std::io::Error| GuardError::Gone(error.to_string());
        let question = async {
            let mut stream = UnixStream::connect(&self.files.socket).await.map_err(gone)?;
            let mut text = serde_json::to_vec(ask).map_err(|error| GuardError::Refused(error.to_string()))?;
            text.push(b'\n');
            stream.write_all(&text).await.map_err(gone)?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).await.map_err(gone)?;
            serde_json::from_str(&line).map_err(|error| GuardError::Gone(format!("no answer ({error})")))
        };
        let late = || GuardError::Gone(format!("no answer within {} s", limit.as_secs()));
        tokio::time::timeout(limit, question).await.unwrap_or_else(|_| Err(late()))
    }
}

fn unexpected(answer: &GuardAnswer) -> GuardError {
    match answer {
        GuardAnswer::Refused { why } => GuardError::Refused(why.clone()),
        _ => GuardError::Gone("it gave another answer than was asked for".to_owned()),
    }
}
