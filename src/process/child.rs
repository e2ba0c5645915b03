//! The one way to run a child: with limits on its time, on its output and on the whole process group that it leads.
//!
//! A child that ends by itself is waited for together with its output. One that takes too long or writes too much is
//! killed with its process group, and so is one whose caller has lost interest: nothing is left behind.

use parking_lot::{Mutex, MutexGuard};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// Bytes of output that are read of one child. Five hundred sessions take some 300 KiB.
pub const MAX_OUTPUT: usize = 16 << 20;
/// Bytes of error output that are kept: a message, not a log. More is read and dropped.
pub const MAX_ERROR_OUTPUT: usize = 64 << 10;
/// Bytes of error output after which a child is killed: it does not report a failure, it is one.
pub const MAX_ERROR_FLOOD: u64 = 16 << 20;
/// For what a failed child wrote right before its end.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long a killed child is waited for. One that the kernel does not let go of is left to the runtime.
const REAP_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a child that runs without a runtime is looked at.
const LOOK: Duration = Duration::from_millis(5);

/// A child that came to its own end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub exit: i32,
    pub stdout: Vec<u8>,
    /// Its beginning, [`MAX_ERROR_OUTPUT`] bytes at most.
    pub stderr: Vec<u8>,
}

/// A child that did not come to its own end.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    #[error("it could not be started: {0}")]
    NotStarted(io::Error),
    #[error("it had not ended after {} s", limit.as_secs())]
    TooLong { limit: Duration },
    #[error("it wrote more than {} MiB", MAX_OUTPUT >> 20)]
    TooMuch,
    #[error("it wrote more than {} MiB of error messages", MAX_ERROR_FLOOD >> 20)]
    TooManyErrors,
    #[error("it was ended by a signal")]
    Signalled,
    #[error("its output could not be read: {0}")]
    Unreadable(io::Error),
}

/// Runs a child to its end, which is when it has ended and nobody holds its output open any more.
///
/// # Errors
/// When it does not start, end in time, end by itself, or keep within the limits of its output.
pub async fn run(command: Command, input: Option<&[u8]>, limit: Duration) -> Result<Ended, ChildError> {
    let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut running = Running::spawn(command, stdin, Stdio::piped())?;
    let (stdin, stdout, stderr) =
        (running.child.stdin.take(), running.child.stdout.take(), running.child.stderr.take());
    let child = &mut running.child;
    let whole = async {
        let feed = async {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // What a child makes of input that it does not read, its exit status tells.
                let _ = stdin.write_all(input).await;
            }
            Ok(())
        };
        let kept = Kept::default();
        let ((), stdout, stderr) = tokio::try_join!(feed, read(stdout), read_errors(stderr, &kept))?;
        Ok((child.wait().await.map_err(ChildError::Unreadable)?, stdout, stderr))
    };
    let ended = tokio::time::timeout(limit, whole).await.unwrap_or(Err(ChildError::TooLong { limit }));
    match ended {
        Ok((status, stdout, stderr)) => {
            running.group.let_go();
            Ok(Ended { exit: status.code().ok_or(ChildError::Signalled)?, stdout, stderr })
        }
        Err(wrong) => {
            running.kill().await;
            Err(wrong)
        }
    }
}

/// Runs a child that leaves processes behind on purpose, as an ssh client that makes a shared connection. It ends when the
/// child itself ends; its standard output goes nowhere. What stays behind can still write error messages: they are read
/// and dropped, and one that floods loses its end of the pipe.
///
/// # Errors
/// As for [`run`]; then nothing stays behind.
pub async fn run_and_leave(command: Command, limit: Duration) -> Result<Ended, ChildError> {
    let mut running = Running::spawn(command, Stdio::null(), Stdio::null())?;
    let stderr = running.child.stderr.take();
    let kept = Kept::default();
    let mut reader = tokio::spawn({
        let kept = kept.clone();
        async move { read_errors(stderr, &kept).await }
    });
    let whole = async {
        tokio::select! {
            status = running.child.wait() => status.map_err(ChildError::Unreadable),
            read = &mut reader => match read {
                Ok(Err(wrong)) => Err(wrong),
                _ => running.child.wait().await.map_err(ChildError::Unreadable),
            },
        }
    };
    let ended = tokio::time::timeout(limit, whole).await.unwrap_or(Err(ChildError::TooLong { limit }));
    match ended {
        Ok(status) if status.success() => {
            running.group.let_go();
            Ok(Ended { exit: 0, stdout: Vec::new(), stderr: kept.bytes() })
        }
        Ok(status) => {
            running.group.kill();
            // Its last words are in the pipe already. Whoever else still holds the pipe is not waited for.
            if !reader.is_finished() {
                let _ = tokio::time::timeout(LAST_WORDS, &mut reader).await;
            }
            reader.abort();
            if kept.is_flood() {
                return Err(ChildError::TooManyErrors);
            }
            Ok(Ended { exit: status.code().ok_or(ChildError::Signalled)?, stdout: Vec::new(), stderr: kept.bytes() })
        }
        Err(wrong) => {
            running.kill().await;
            reader.abort();
            Err(wrong)
        }
    }
}

/// Runs a child without a runtime and without output, for the end of a value that holds something outside. Whatever the
/// child does, this returns within the limit.
pub fn run_quietly(mut command: std::process::Command, limit: Duration) {
    use std::os::unix::process::CommandExt;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let Ok(mut child) = command.spawn() else { return };
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(LOOK),
            Ok(Some(_)) | Err(_) => return,
        }
    }
    let mut group = Group(Pid::from_raw(child.id().cast_signed()));
    group.kill();
    let reaped = Instant::now() + REAP_TIMEOUT;
    while Instant::now() < reaped && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(LOOK);
    }
}

/// A child that runs, with the group that it leads.
struct Running {
    child: Child,
    group: Group,
}

impl Running {
    fn spawn(mut command: Command, stdin: Stdio, stdout: Stdio) -> Result<Self, ChildError> {
        command.stdin(stdin).stdout(stdout).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(ChildError::NotStarted)?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
        Ok(Self { child, group })
    }

    async fn kill(&mut self) {
        self.group.kill();
        let _ = tokio::time::timeout(REAP_TIMEOUT, self.child.wait()).await;
    }
}

/// A process group whose leader has not been waited for: its number belongs to nobody else yet. Killed when dropped.
struct Group(Option<Pid>);

impl Group {
    /// The leader has been waited for, or leaves others behind on purpose.
    fn let_go(&mut self) {
        self.0 = None;
    }

    fn kill(&mut self) {
        if let Some(group) = self.0.take() {
            // It may be gone already, which is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn read(from: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>, ChildError> {
    let Some(from) = from else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    from.take(MAX_OUTPUT as u64 + 1).read_to_end(&mut bytes).await.map_err(ChildError::Unreadable)?;
    if bytes.len() > MAX_OUTPUT { Err(ChildError::TooMuch) } else { Ok(bytes) }
}

/// A stream of error messages as far as it has come: its beginning, and how long it is.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<(Vec<u8>, u64)>>);

impl Kept {
    fn lock(&self) -> MutexGuard<'_, (Vec<u8>, u64)> {
        self.0.lock()
    }

    fn add(&self, bytes: &[u8]) {
        let (kept, count) = &mut *self.lock();
        let room = MAX_ERROR_OUTPUT.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(&bytes[..room]);
        *count += bytes.len() as u64;
    }

    fn is_flood(&self) -> bool {
        self.lock().1 > MAX_ERROR_FLOOD
    }

    fn bytes(&self) -> Vec<u8> {
        self.lock().0.clone()
    }
}

/// Reads a stream to its end and keeps its beginning, so that the writer never waits.
async fn read_errors(from: Option<impl AsyncRead + Unpin>, kept: &Kept) -> Result<Vec<u8>, ChildError> {
    let Some(mut from) = from else { return Ok(Vec::new()) };
    let mut chunk = [0_u8; 4096];
    while let Ok(read @ 1..) = from.read(&mut chunk).await {
        kept.add(&chunk[..read]);
        if kept.is_flood() {
            return Err(ChildError::TooManyErrors);
        }
    }
    Ok(kept.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    const LONG: Duration = Duration::from_secs(30);
    const SHORT: Duration = Duration::from_millis(200);

    /// Waits until the process whose number a script wrote is gone or a zombie.
    fn is_ended(file: &Path) {
        let pid = std::fs::read_to_string(file).unwrap().trim().to_owned();
        let deadline = Instant::now() + LONG;
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                return;
            }
            assert!(Instant::now() < deadline, "{pid} goes on: {stat}");
            std::thread::yield_now();
        }
    }

    #[tokio::test]
    async fn output_input_and_exit_status_are_kept_apart() {
        let reply = run(sh("echo out; cat; echo err >&2; exit 6"), Some(b"in\n"), LONG).await.unwrap();
        assert_eq!(
            (reply.exit, reply.stdout.as_slice(), reply.stderr.as_slice()),
            (6, &b"out\nin\n"[..], &b"err\n"[..])
        );
    }

    #[tokio::test]
    async fn a_child_that_never_ends_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 3600 & echo $! > {}; sleep 3600", file.display());
        let wrong = run(sh(&script), None, Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(wrong, ChildError::TooLong { .. }), "{wrong}");
        is_ended(&file);
        let wrong = run_and_leave(sh(&script), Duration::from_secs(1)).await.unwrap_err();
        assert!(matches!(wrong, ChildError::TooLong { .. }), "{wrong}");
        is_ended(&file);
    }

    #[tokio::test]
    async fn a_child_that_nobody_waits_for_any_more_is_killed_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 3600 & echo $! > {0}.new; mv {0}.new {0}; sleep 3600", file.display());
        let task = tokio::spawn(run(sh(&script), None, LONG));
        while !file.exists() {
            tokio::task::yield_now().await;
        }
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        is_ended(&file);
    }

    #[tokio::test]
    async fn a_child_that_writes_too_much_is_killed() {
        let wrong = run(sh("head -c 67108864 /dev/zero"), None, LONG).await.unwrap_err();
        assert!(matches!(wrong, ChildError::TooMuch), "{wrong}");
        for leave in [false, true] {
            let flood = sh("exec cat /dev/zero >&2");
            let ended = if leave { run_and_leave(flood, LONG).await } else { run(flood, None, LONG).await };
            assert!(matches!(ended, Err(ChildError::TooManyErrors)), "{ended:?}");
        }
        let reply = run(sh("head -c 1000000 /dev/zero >&2"), None, LONG).await.unwrap();
        assert_eq!((reply.exit, reply.stderr.len()), (0, MAX_ERROR_OUTPUT));
    }

    #[tokio::test]
    async fn what_a_child_leaves_behind_on_purpose_stays_and_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let script = format!("sleep 3600 & echo $! > {}; echo made >&2", file.display());
        let reply = run_and_leave(sh(&script), LONG).await.unwrap();
        assert_eq!(reply.exit, 0);
        let pid: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        let stays = Pid::from_raw(pid).unwrap();
        rustix::process::test_kill_process(stays).unwrap();
        rustix::process::kill_process(stays, Signal::KILL).unwrap();
        // A child that failed leaves nothing, and says why.
        let failed = format!("sleep 3600 & echo $! > {}; echo no >&2; exit 255", file.display());
        let reply = run_and_leave(sh(&failed), LONG).await.unwrap();
        assert_eq!((reply.exit, reply.stderr.as_slice()), (255, &b"no\n"[..]));
        is_ended(&file);
    }

    #[test]
    fn a_quiet_child_is_never_waited_for_longer_than_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &format!("trap '' TERM; echo $$ > {}; sleep 3600; sleep 3600", file.display())]);
        run_quietly(command, Duration::from_secs(1));
        is_ended(&file);
        run_quietly(std::process::Command::new("/nowhere/ssh"), SHORT);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_and_a_signal_are_told_apart() {
        assert!(matches!(run(Command::new("/nowhere/acec"), None, LONG).await, Err(ChildError::NotStarted(_))));
        assert!(matches!(run(sh("kill -9 $$"), None, LONG).await, Err(ChildError::Signalled)));
    }
}
