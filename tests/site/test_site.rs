//! A home of its own for each test: the real program in it, and whatever servers it starts, ended with it.

use ecdeck::process::instance;
use ecdeck::process::paths::{Home, Place};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_ecdeck");
/// Nothing that is waited for takes longer, unless something is wrong.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// For one command, with everything that it waits for.
const LONGEST_COMMAND: Duration = Duration::from_mins(3);

pub struct TestSite {
    folder: tempfile::TempDir,
    /// Every command is told that the demonstration site is meant.
    demonstration: bool,
}

/// What a command did.
pub struct Ran {
    pub words: String,
    pub exit: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails the test when the command did not end like this.
    #[track_caller]
    pub fn ends(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "{self:?}");
        self
    }
}

impl std::fmt::Debug for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`ecdeck {}` ended with {}\n{}{}", self.words, self.exit, self.out, self.err)
    }
}

impl TestSite {
    pub fn new() -> Self {
        crate::watchdog::watch();
        let folder = tempfile::Builder::new().prefix("ecdeck").tempdir().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o700)).unwrap();
        Self { folder, demonstration: false }
    }

    /// A test site whose commands mean the demonstration site: without a terminal they have to say so.
    pub fn of_the_demonstration() -> Self {
        let mut test_site = Self::new();
        test_site.demonstration = true;
        test_site
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn home(&self) -> Home {
        Home::in_folder(self.path())
    }

    /// The program in this home, with nothing else of the surroundings, and nobody at a terminal.
    pub fn command<W: AsRef<str>>(&self, words: &[W]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words.iter().map(AsRef::as_ref)).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("ECDECK_HOME", self.path()).stdin(Stdio::null());
        if self.demonstration {
            command.env("ECDECK_DEMO", "1");
        }
        command
    }

    /// Runs words that are separated by blanks.
    pub fn run(&self, words: &str) -> Ran {
        self.run_words(&words.split_whitespace().collect::<Vec<_>>())
    }

    pub fn run_words<W: AsRef<str>>(&self, words: &[W]) -> Ran {
        ran(words, &self.command(words).in_time())
    }

    /// Starts without waiting.
    pub fn spawn(&self, words: &str) -> Running {
        let words: Vec<&str> = words.split_whitespace().collect();
        let child = self.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running { words: words.join(" "), child, heard: Vec::new() }
    }

    /// Runs, wants a good end, and reads the document.
    #[track_caller]
    pub fn json(&self, words: &str) -> Value {
        self.run(&format!("{words} --json")).ends(0).json()
    }

    pub fn status(&self) -> Value {
        self.json("status")
    }

    /// What `history` says of a volume, or of all: without the fingerprints, which are made meanwhile.
    #[track_caller]
    pub fn generations(&self, of: &str) -> Vec<Value> {
        let mut generations = self.json(&format!("history {of}"))["generations"].as_array().unwrap().clone();
        for generation in &mut generations {
            generation["fingerprint"].take();
        }
        generations
    }

    /// Waits until the status fulfils something.
    #[track_caller]
    pub fn wait_for(&self, what: &str, fulfilled: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let ran = self.run("status --json");
            if ran.exit == 0 {
                let status = ran.json();
                if fulfilled(&status) {
                    return status;
                }
                assert!(Instant::now() < deadline, "{what} did not come true: {status:#}");
            }
            assert!(Instant::now() < deadline, "{what} did not come true: {ran:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Ends a server with a signal and waits until it is gone; whether there was one.
    #[expect(clippy::unused_self, reason = "a test site's servers are its own")]
    pub fn signal(&self, place: &Place, signal: Signal) -> bool {
        let Some(pid) = instance::pid_of(place) else { return false };
        kill(pid, signal);
        true
    }

    pub fn kill_engine(&self) -> bool {
        self.signal(&self.home().engine(), Signal::KILL)
    }

    pub fn kill_arrays(&self) -> bool {
        self.signal(&self.home().array_server(), Signal::KILL)
    }
}

/// A command of a test is waited for, but not for ever: one that hangs would block the whole run.
pub trait InTime {
    /// What it says, and how it ends. One that does not end fails the test, and is ended.
    fn in_time(&mut self) -> Output;
}

impl InTime for Command {
    #[track_caller]
    fn in_time(&mut self) -> Output {
        let child = self.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = child.id();
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || send.send(child.wait_with_output()));
        let Ok(output) = receive.recv_timeout(LONGEST_COMMAND) else {
            let waits = std::fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
            if let Some(id) = Pid::from_raw(pid.cast_signed()) {
                let _ = kill_process(id, Signal::KILL);
            }
            panic!("{self:?} does not end within {LONGEST_COMMAND:?}; it was in {waits:?}");
        };
        output.unwrap()
    }
}

/// Sends a signal and waits until the process is gone.
pub fn kill(pid: u32, signal: Signal) {
    let Some(id) = Pid::from_raw(pid.cast_signed()) else { return };
    let _ = kill_process(id, signal);
    let deadline = Instant::now() + DEADLINE;
    while is_there(pid) {
        assert!(Instant::now() < deadline, "process {pid} does not end by {signal:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process runs; one that is dead and not yet waited for does not.
fn is_there(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next());
    // The process counts as dead before its other threads are; until then its sockets and locks are held.
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
    state.is_some_and(|state| state != "Z" && state != "X") || threads > 1
}

impl Drop for TestSite {
    fn drop(&mut self) {
        let homes = [self.home(), self.home().demonstration()];
        for place in homes.iter().flat_map(|home| [home.engine(), home.array_server()]) {
            self.signal(&place, Signal::KILL);
        }
        if std::thread::panicking() {
            show_logs(&self.home().log_dir());
        }
    }
}

/// What the servers logged, when a test failed.
fn show_logs(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let tail: Vec<&str> = text.lines().rev().take(40).collect();
        eprintln!("{}:", entry.path().display());
        tail.iter().rev().for_each(|line| eprintln!("  {line}"));
    }
}

/// A command that runs.
pub struct Running {
    words: String,
    child: Child,
    /// What it said on standard error and was read already.
    heard: Vec<u8>,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn interrupt(&self) {
        let id = Pid::from_raw(self.pid().cast_signed()).unwrap();
        kill_process(id, Signal::INT).unwrap();
    }

    /// Reads what it says on standard error until this is said.
    #[track_caller]
    pub fn until_it_says(&mut self, text: &str) {
        let err = self.child.stderr.as_mut().unwrap();
        let mut some = [0; 256];
        while !String::from_utf8_lossy(&self.heard).contains(text) {
            let count = err.read(&mut some).unwrap();
            assert!(count > 0, "it never said {text:?}: {}", String::from_utf8_lossy(&self.heard));
            self.heard.extend_from_slice(&some[..count]);
        }
    }

    pub fn end(self) -> Ran {
        let mut output = self.child.wait_with_output().unwrap();
        output.stderr = [self.heard, output.stderr].concat();
        ran(&[self.words], &output)
    }
}

pub fn ran<W: AsRef<str>>(words: &[W], output: &Output) -> Ran {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    Ran {
        words: words.join(" "),
        exit: output.status.code().unwrap_or(-1),
        out: text(&output.stdout),
        err: text(&output.stderr),
    }
}

/// Asks a process to end. Whoever started it waits for it.
pub fn kill_softly(pid: u32) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::TERM).unwrap();
}
