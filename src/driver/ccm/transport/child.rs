//! One child process with a time limit and capped output.

use super::{MOST_ERROR_OUTPUT, MOST_OUTPUT, RawReply};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

/// A child that did not come to its own end.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    #[error("it could not be started: {0}")]
    NotStarted(io::Error),
    #[error("it had not ended after {} s", limit.as_secs())]
    TooLong { limit: Duration },
    #[error("it gave more than {} MiB", MOST_OUTPUT >> 20)]
    TooMuch,
    #[error("it was ended by a signal")]
    Signalled,
    #[error("its output could not be read: {0}")]
    Unreadable(io::Error),
}

/// Runs a child to its end; one that takes too long or says too much is killed with all that it started.
pub async fn run(mut command: Command, limit: Duration) -> Result<RawReply, ChildError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let mut child = command.spawn().map_err(ChildError::NotStarted)?;
    let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let whole = async {
        let (stdout, stderr) = tokio::join!(read(stdout, MOST_OUTPUT), read_start(stderr, MOST_ERROR_OUTPUT));
        let stdout = stdout?;
        let status = child.wait().await.map_err(ChildError::Unreadable)?;
        Ok((status, stdout, stderr))
    };
    let ended = tokio::time::timeout(limit, whole).await.unwrap_or(Err(ChildError::TooLong { limit }));
    match ended {
        Ok((status, stdout, stderr)) => match status.code() {
            Some(exit) => Ok(RawReply { exit, stdout, stderr }),
            None => Err(ChildError::Signalled),
        },
        Err(wrong) => {
            if let Some(group) = group {
                // It may be gone already, which is what is wanted.
                let _ = kill_process_group(group, Signal::KILL);
            }
            let _ = child.wait().await;
            Err(wrong)
        }
    }
}

async fn read(from: Option<impl AsyncRead + Unpin>, most: usize) -> Result<Vec<u8>, ChildError> {
    let Some(from) = from else { return Ok(Vec::new()) };
    let mut bytes = Vec::new();
    from.take(most as u64 + 1).read_to_end(&mut bytes).await.map_err(ChildError::Unreadable)?;
    if bytes.len() > most { Err(ChildError::TooMuch) } else { Ok(bytes) }
}

/// The beginning of a stream; the rest is read and forgotten, so that the writer never waits.
async fn read_start(from: Option<impl AsyncRead + Unpin>, most: usize) -> Vec<u8> {
    let Some(mut from) = from else { return Vec::new() };
    let mut bytes = Vec::new();
    let mut chunk = [0_u8; 4096];
    while let Ok(count) = from.read(&mut chunk).await {
        if count == 0 {
            break;
        }
        let room = most.saturating_sub(bytes.len()).min(count);
        bytes.extend_from_slice(&chunk[..room]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn output_and_exit_status_are_kept_apart() {
        let reply = run(sh("echo out; echo err >&2; exit 6"), LONG).await.unwrap();
        assert_eq!((reply.exit, reply.stdout.as_slice(), reply.stderr.as_slice()), (6, &b"out\n"[..], &b"err\n"[..]));
    }

    #[tokio::test]
    async fn a_child_that_never_ends_is_killed_with_what_it_started() {
        let wrong = run(sh("sleep 3600 & sleep 3600"), Duration::from_millis(100)).await.unwrap_err();
        assert!(matches!(wrong, ChildError::TooLong { .. }), "{wrong}");
    }

    #[tokio::test]
    async fn a_child_that_says_too_much_is_killed() {
        let wrong = run(sh("head -c 67108864 /dev/zero"), LONG).await.unwrap_err();
        assert!(matches!(wrong, ChildError::TooMuch), "{wrong}");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_and_a_signal_are_told_apart() {
        assert!(matches!(run(Command::new("/nowhere/acec"), LONG).await, Err(ChildError::NotStarted(_))));
        assert!(matches!(run(sh("kill -9 $$"), LONG).await, Err(ChildError::Signalled)));
    }
}
