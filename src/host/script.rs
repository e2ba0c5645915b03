//! One run of a script: an argument vector, an environment of its own, a time limit for its whole process group, and output
//! that is kept up to a bound and dropped beyond it.
//!
//! It blocks its thread. Whoever runs scripts around a frozen file system writes nothing and waits for nothing else here.

use super::permissions;
use crate::model::hook::{Hook, ScriptEnd, ScriptReport};
use crate::model::untrusted::Untrusted;
use crate::process::peer::user_name;
use crate::process::ssh::Destination;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Bytes of output that are kept of a run.
pub const MAX_OUTPUT: usize = 16 << 10;
/// For output that is in a pipe already when the script has ended.
const LAST_OUTPUT: Duration = Duration::from_millis(200);
/// For ssh to reach the machine.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Where programs are found; the engine's own PATH is none of a script's business.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    pub argv: Vec<String>,
    /// `None`: the user of this process, or the one that ssh logs in as.
    pub run_as: Option<String>,
    /// `None`: this machine.
    pub ssh: Option<Destination>,
    pub environment: Vec<(String, String)>,
    pub limit_millis: u64,
}

impl Script {
    /// Why it may not be run, as far as this machine can tell.
    ///
    /// # Errors
    /// One sentence with what to do.
    pub fn check(&self) -> Result<(), String> {
        let Some(program) = self.argv.first() else { return Err("it names no program".to_owned()) };
        match &self.ssh {
            None => permissions::check(program, self.other_user().is_some()),
            Some(_) if program.starts_with('/') => Ok(()),
            Some(_) => Err(format!("{} is no absolute path", Untrusted::from(program.as_str()).escaped())),
        }
    }

    /// The user to become, where that is another one than this process's.
    fn other_user(&self) -> Option<&str> {
        let wanted = self.run_as.as_deref()?;
        let ours = user_name(rustix::process::geteuid().as_raw());
        (self.ssh.is_some() || ours.as_deref() != Some(wanted)).then_some(wanted)
    }

    /// The command line as it is executed.
    pub fn command_line(&self) -> Vec<String> {
        let mut line: Vec<String> = Vec::new();
        if let Some(ssh) = &self.ssh {
            line.extend(client(ssh));
            let mut remote = vec!["env".to_owned()];
            remote.extend(self.environment.iter().map(|(key, value)| format!("{key}={value}")));
            remote.extend(self.become_user());
            // The client's end does not end what it started: the other machine keeps the limit itself.
            let grace = Hook::GRACE_MILLIS / 1_000;
            let limit = format!("{}.{:03}", self.limit_millis / 1_000, self.limit_millis % 1_000);
            remote.extend(["timeout".to_owned(), "-k".to_owned(), grace.to_string(), limit]);
            remote.extend(self.argv.iter().cloned());
            line.extend(remote.iter().map(|word| quoted(word)));
        } else {
            line.extend(self.become_user());
            line.extend(self.argv.iter().cloned());
        }
        line
    }

    fn become_user(&self) -> Vec<String> {
        let sudo = |user: &str| ["sudo", "-n", "-u", user, "--"].map(str::to_owned).to_vec();
        self.other_user().map(sudo).unwrap_or_default()
    }
}

/// A call of the client, up to the command of the other machine.
pub(super) fn client(host: &Destination) -> Vec<String> {
    let mut words = vec!["ssh".to_owned()];
    words.extend(host.client_arguments(CONNECT_LIMIT));
    // A connection of its own: it must not depend on another client's.
    words.extend(["-o", "ControlMaster=no", "-o", "ControlPath=none"].map(str::to_owned));
    words.extend(["--".to_owned(), host.named()]);
    words
}

/// One word for the shell of the other machine, whatever is in it.
pub(super) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Runs a script to its end, or ends it. Nothing of its process group is left behind; what makes a session of its own is.
pub fn run(script: &Script) -> ScriptReport {
    run_with(script, None)
}

/// The same with something on its input. A script that does not read it is no failure.
pub fn run_with_input(script: &Script, input: Vec<u8>) -> ScriptReport {
    run_with(script, Some(input))
}

fn run_with(script: &Script, input: Option<Vec<u8>>) -> ScriptReport {
    if let Err(why) = script.check() {
        return ScriptReport::not_started(why);
    }
    let line = script.command_line();
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).current_dir("/").env_clear().process_group(0);
    command.env("PATH", PATH).env("LC_ALL", "C").env("LANG", "C");
    if script.ssh.is_some() {
        // For the client: where its keys and its agent are.
        command.envs(
            ["HOME", "SSH_AUTH_SOCK", "USER", "LOGNAME"].iter().filter_map(|key| Some((*key, std::env::var_os(key)?))),
        );
    } else {
        command.envs(script.environment.iter().map(|(key, value)| (key, value)));
    }
    command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let began = Instant::now();
    match command.spawn() {
        Ok(mut child) => {
            if let (Some(mut pipe), Some(input)) = (child.stdin.take(), input) {
                // Its own thread: a script that reads nothing stops this one, until the script ends.
                std::thread::spawn(move || pipe.write_all(&input));
            }
            Running::new(child).until_end(Duration::from_millis(script.limit_millis), began)
        }
        Err(error) => ScriptReport::not_started(format!("{}: {error}", Untrusted::from(line[0].as_str()).escaped())),
    }
}

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    dropped: u64,
}

struct Running {
    child: Child,
    group: Option<Pid>,
    kept: Arc<Mutex<Kept>>,
    /// Closed when both outputs are at their ends.
    outputs: Receiver<()>,
    /// The child has ended and has not been waited for: until then its number belongs to nobody else.
    ended: Receiver<()>,
}

impl Running {
    fn new(mut child: Child) -> Self {
        let kept = Arc::new(Mutex::new(Kept::default()));
        let (open, outputs) = channel();
        let pipes = [child.stdout.take().map(Pipe::Out), child.stderr.take().map(Pipe::Error)];
        for mut pipe in pipes.into_iter().flatten() {
            let (kept, open) = (Arc::clone(&kept), open.clone());
            std::thread::spawn(move || {
                let _open = open;
                let mut chunk = [0_u8; 8 << 10];
                while let Ok(count @ 1..) = pipe.read(&mut chunk) {
                    let mut kept = kept.lock();
                    let room = MAX_OUTPUT.saturating_sub(kept.bytes.len()).min(count);
                    kept.bytes.extend_from_slice(&chunk[..room]);
                    kept.dropped += (count - room) as u64;
                }
            });
        }
        let group = Pid::from_raw(child.id().cast_signed());
        let (end, ended) = channel();
        if let Some(pid) = group {
            std::thread::spawn(move || {
                let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                while let Err(rustix::io::Errno::INTR) = waitid(WaitId::Pid(pid), options) {}
                let _ = end.send(());
            });
        }
        Self { child, group, kept, outputs, ended }
    }

    fn signal(&self, signal: Signal) -> bool {
        self.group.is_none_or(|group| kill_process_group(group, signal).is_ok())
    }

    fn ends_within(&self, limit: Duration) -> bool {
        self.ended.recv_timeout(limit).is_ok()
    }

    fn until_end(mut self, limit: Duration, began: Instant) -> ScriptReport {
        let mut timed_out = false;
        let mut left = false;
        if !self.ends_within(limit) {
            timed_out = true;
            let may = self.signal(Signal::TERM);
            if !(may && self.ends_within(Duration::from_millis(Hook::GRACE_MILLIS))) {
                let may = self.signal(Signal::KILL);
                left = !(may && self.ends_within(Duration::from_millis(Hook::REAP_MILLIS)));
            }
        }
        let mut end = ScriptEnd::TimedOut { limit_millis: limit.as_millis() as u64, left };
        if !left {
            // What it started and left behind in its group.
            self.signal(Signal::KILL);
            // Somebody of another session may hold its output open: that one is not waited for.
            let _ = self.outputs.recv_timeout(LAST_OUTPUT);
            if let Ok(status) = self.child.wait()
                && !timed_out
            {
                let signalled = || status.signal().map(|signal| ScriptEnd::Signalled { signal });
                let exited = status.code().map(|status| ScriptEnd::Exited { status });
                end = exited.or_else(signalled).unwrap_or(ScriptEnd::Unknown);
            }
        }
        let kept = self.kept.lock();
        let output = Untrusted::from_bytes(&kept.bytes);
        let took_millis = began.elapsed().as_millis() as u64;
        ScriptReport { end, why: None, output, dropped: kept.dropped, took_millis }
    }
}

enum Pipe {
    Out(std::process::ChildStdout),
    Error(std::process::ChildStderr),
}

impl Read for Pipe {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Out(pipe) => pipe.read(into),
            Self::Error(pipe) => pipe.read(into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn script(folder: &Path, text: &str, limit_millis: u64) -> Script {
        let path = folder.join("hook");
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let environment = vec![("ECDECK_PHASE".to_owned(), "before-backup".to_owned())];
        Script {
            argv: vec![path.to_str().unwrap().to_owned(), "one word".to_owned()],
            run_as: None,
            ssh: None,
            environment,
            limit_millis,
        }
    }

    /// Waits until the process whose number a script wrote is gone or a zombie.
    fn is_ended(file: &Path) {
        let pid = std::fs::read_to_string(file).unwrap().trim().to_owned();
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            if stat.is_empty() || stat.contains(") Z ") {
                return;
            }
            assert!(Instant::now() < deadline, "{pid} goes on: {stat}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_script_gets_its_words_and_its_own_environment_and_its_status_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        for status in [0, 5, 12, 31, 100, 255] {
            let text = format!("echo \"$1 $ECDECK_PHASE ${{HOME-none}} $PWD\"; exit {status}");
            let report = run(&script(folder.path(), &text, 30_000));
            assert_eq!(report.end, ScriptEnd::Exited { status });
            assert_eq!(report.is_success(), status == 0);
            assert_eq!(report.output.raw(), "one word before-backup none /\n");
        }
        let report = run(&script(folder.path(), "kill -9 $$", 30_000));
        assert_eq!(report.end, ScriptEnd::Signalled { signal: 9 });
    }

    #[test]
    fn a_script_that_hangs_is_ended_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let text =
            format!("sleep 3600 & echo $! > {}; trap 'echo asked; exit 0' TERM; sleep 3600 & wait", file.display());
        let report = run(&script(folder.path(), &text, 300));
        assert_eq!(report.end, ScriptEnd::TimedOut { limit_millis: 300, left: false });
        assert_eq!(report.output.raw(), "asked\n");
        is_ended(&file);
    }

    #[test]
    fn a_script_reads_its_input_or_leaves_it() {
        let folder = tempfile::tempdir().unwrap();
        let report =
            run_with_input(&script(folder.path(), "cat; wc -c < /dev/null", 30_000), b"{\"schema\":1}\n".to_vec());
        assert_eq!((report.is_success(), report.output.raw()), (true, "{\"schema\":1}\n0\n"));
        // More than a pipe holds, and nobody reads it.
        let report = run_with_input(&script(folder.path(), "exit 0", 30_000), vec![b'x'; 1 << 20]);
        assert!(report.is_success(), "{report}");
        let report = run(&script(folder.path(), "cat", 30_000));
        assert_eq!((report.is_success(), report.output.raw()), (true, ""));
    }

    #[test]
    fn what_a_script_leaves_behind_is_ended_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("pid");
        let text = format!("sleep 3600 & echo $! > {}; echo done", file.display());
        let report = run(&script(folder.path(), &text, 30_000));
        assert!(report.is_success() && report.took_millis < 20_000, "{report:?}");
        is_ended(&file);
        // A session of its own holds the output open.
        let text =
            format!("setsid sh -c 'echo $$ > {}; exec sleep 3600' & while ! [ -s {0} ]; do :; done", file.display());
        std::fs::remove_file(&file).unwrap();
        let report = run(&script(folder.path(), &text, 30_000));
        assert!(report.is_success() && report.took_millis < 20_000, "{report:?}");
        let pid: i32 = std::fs::read_to_string(&file).unwrap().trim().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }

    #[test]
    fn a_flood_is_cut_and_counted_and_hurts_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let report =
            run(&script(folder.path(), "head -c 5000000 /dev/zero; head -c 5000000 /dev/zero >&2; exit 3", 60_000));
        assert_eq!(report.end, ScriptEnd::Exited { status: 3 });
        assert_eq!(report.output.raw().len(), MAX_OUTPUT);
        assert_eq!(report.dropped, 10_000_000 - MAX_OUTPUT as u64);
    }

    #[test]
    fn what_cannot_be_run_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let mut missing = script(folder.path(), "", 1_000);
        missing.argv[0] = "/nowhere/hook".to_owned();
        assert_eq!(run(&missing).end, ScriptEnd::NotStarted);
        let text = script(folder.path(), "", 1_000);
        std::fs::write(&text.argv[0], "#!/nowhere/shell\n").unwrap();
        let report = run(&text);
        assert!(report.end == ScriptEnd::NotStarted && report.to_string().contains("No such file"), "{report}");
    }

    #[test]
    fn over_ssh_every_word_is_quoted_and_the_limit_is_kept_there() {
        let folder = tempfile::tempdir().unwrap();
        let ssh = Destination {
            user: Some("ecdeck".parse().unwrap()),
            port: Some(2_222),
            ..Destination::at("db03".parse().unwrap())
        };
        let script = Script { ssh: Some(ssh), run_as: Some("root".into()), ..script(folder.path(), "", 1_500) };
        let line = script.command_line();
        let at = line.iter().position(|word| word == "--").unwrap();
        assert_eq!(line[at + 1], "ecdeck@db03");
        let remote = line[at + 2..].join(" ");
        assert!(
            remote.starts_with(
                "'env' 'ECDECK_PHASE=before-backup' 'sudo' '-n' '-u' 'root' '--' 'timeout' '-k' '5' '1.500' '/"
            ),
            "{remote}"
        );
        assert!(remote.ends_with("'one word'"), "{remote}");
        assert_eq!(quoted("it's $(x)"), r"'it'\''s $(x)'");
    }
}
