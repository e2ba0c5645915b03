//! The program on a real terminal: every byte that it writes, and when.

use super::Error;
use parking_lot::{Condvar, Mutex};
use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_ecdeck");
/// What does not come within this time does not come.
const MAX_LENGTH: Duration = Duration::from_mins(1);

/// How the console ends a frame.
const FRAME_END: &[u8] = b"\x1b[?2026l";

struct Seen {
    screen: vt100::Parser,
    bytes: usize,
    frames: usize,
    /// The last few bytes, for a frame's end that comes in two pieces.
    tail: Vec<u8>,
    /// When the last bytes came.
    at: Instant,
}

impl Seen {
    fn take(&mut self, bytes: &[u8], at: Instant) {
        (self.bytes, self.at) = (self.bytes + bytes.len(), at);
        self.screen.process(bytes);
        self.tail.extend(bytes);
        self.frames += self.tail.windows(FRAME_END.len()).filter(|window| *window == FRAME_END).count();
        let rest = self.tail.len().min(FRAME_END.len() - 1);
        self.tail.drain(..self.tail.len() - rest);
    }
}

pub struct Console {
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
    started: Instant,
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

impl Console {
    /// Starts the console on a home, on a terminal of so many columns and rows.
    pub fn start(home: &Path, words: &[&str], (columns, rows): (u16, u16)) -> Result<Self, Error> {
        let pair = native_pty_system().openpty(PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 })?;
        let mut command = CommandBuilder::new(PROGRAM);
        command.args(words);
        command.env_clear();
        for (name, value) in [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("TZ", "UTC")] {
            command.env(name, value);
        }
        command.env("ECDECK_HOME", home);
        let screen = vt100::Parser::new(rows.try_into()?, columns.try_into()?, 0);
        let nothing = Seen { screen, bytes: 0, frames: 0, tail: Vec::new(), at: Instant::now() };
        let seen = Arc::new((Mutex::new(nothing), Condvar::new()));
        let mut reader = pair.master.try_clone_reader()?;
        let into = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                let at = Instant::now();
                let mut seen = into.0.lock();
                seen.take(&buffer[..read], at);
                into.1.notify_all();
            }
        });
        let started = Instant::now();
        let child = pair.slave.spawn_command(command)?;
        drop(pair.slave);
        let writer = pair.master.take_writer()?;
        Ok(Self { writer, child, seen, started, _master: pair.master })
    }

    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap_or(0)
    }

    /// Bytes that it has written so far.
    pub fn bytes(&self) -> usize {
        self.seen.0.lock().bytes
    }

    /// Waits until its screen has a text; gives the time since its start at which the bytes came that made it so.
    pub fn until(&self, text: &str) -> Result<Duration, Error> {
        self.wait(text, |seen| seen.screen.screen().contents().contains(text)).map(|at| at - self.started)
    }

    /// Types a key; gives the time until the whole frame that answers it is there.
    pub fn key(&mut self, key: &[u8]) -> Result<Duration, Error> {
        let before = self.seen.0.lock().frames;
        let typed = Instant::now();
        self.writer.write_all(key)?;
        self.writer.flush()?;
        self.wait("an answer to a key", |seen| seen.frames > before).map(|at| at - typed)
    }

    fn wait(&self, what: &str, fulfilled: impl Fn(&Seen) -> bool) -> Result<Instant, Error> {
        let (lock, changed) = &*self.seen;
        let mut seen = lock.lock();
        let timeout = changed.wait_while_for(&mut seen, |seen| !fulfilled(seen), MAX_LENGTH);
        if timeout.timed_out() {
            return Err(format!("{what} did not come:\n{}", seen.screen.screen().contents()).into());
        }
        Ok(seen.at)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
