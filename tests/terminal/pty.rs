//! A terminal of a test: a real pty, and an emulator that shows what it shows.

use crate::test_site::DEADLINE;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What came out so far.
struct Seen {
    screen: vt100::Parser,
    bytes: Vec<u8>,
    /// Nothing more comes.
    closed: bool,
}

impl Seen {
    /// The screen is what the program meant it to be: a frame is whole, or the program draws none.
    fn is_whole(&self) -> bool {
        let last = |mark: &[u8]| self.bytes.windows(mark.len()).rposition(|window| window == mark);
        self.closed || last(FRAME_ENDS) >= last(FRAME_BEGINS)
    }
}

/// The marks of a synchronized update.
const FRAME_BEGINS: &[u8] = b"\x1b[?2026h";
const FRAME_ENDS: &[u8] = b"\x1b[?2026l";

pub struct Pty {
    master: Box<dyn MasterPty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

fn size((columns, rows): (u16, u16)) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

impl Pty {
    /// Runs a program with an environment of its own on a terminal of so many columns and rows.
    pub fn run<S: AsRef<OsStr>>(argv: &[S], environment: &[(&str, &str)], screen: (u16, u16)) -> Self {
        let pair = native_pty_system().openpty(size(screen)).unwrap();
        let mut command = CommandBuilder::new(&argv[0]);
        command.args(&argv[1..]);
        command.env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let parser = vt100::Parser::new(screen.1.try_into().unwrap(), screen.0.try_into().unwrap(), 0);
        let seen = Seen { screen: parser, bytes: Vec::new(), closed: false };
        let seen = Arc::new((Mutex::new(seen), Condvar::new()));
        let reader = pair.master.try_clone_reader().unwrap();
        let into = Arc::clone(&seen);
        std::thread::spawn(move || watch(reader, &into));
        Self { writer: pair.master.take_writer().unwrap(), master: pair.master, child, seen }
    }

    pub fn pid(&self) -> u32 {
        self.child.process_id().unwrap()
    }

    pub fn types(&mut self, text: &str) {
        self.writer.write_all(text.as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    pub fn resize(&mut self, screen: (u16, u16)) {
        self.seen
            .0
            .lock()
            .unwrap()
            .screen
            .screen_mut()
            .set_size(screen.1.try_into().unwrap(), screen.0.try_into().unwrap());
        self.master.resize(size(screen)).unwrap();
    }

    /// Waits until something is so on a screen that is whole; fails with the screen when it does not become so.
    #[track_caller]
    fn wait(&self, what: &str, fulfilled: impl Fn(&Seen) -> bool) -> MutexGuard<'_, Seen> {
        let deadline = Instant::now() + DEADLINE;
        let (lock, changed) = &*self.seen;
        let mut seen = lock.lock().unwrap();
        while !seen.is_whole() || !fulfilled(&seen) {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} did not come:\n{}", seen.screen.screen().contents());
            // What is waited for may not be written any more when the program is gone.
            assert!(!seen.closed, "{what} did not come before the end:\n{}", seen.screen.screen().contents());
            seen = changed.wait_timeout(seen, left.min(Duration::from_millis(500))).unwrap().0;
        }
        seen
    }

    /// Waits until a text is on the screen.
    #[track_caller]
    pub fn until(&self, text: &str) {
        drop(self.wait(text, |seen| seen.screen.screen().contents().contains(text)));
    }

    /// Waits until a text is no longer on the screen.
    #[track_caller]
    pub fn until_gone(&self, text: &str) {
        let gone = |seen: &Seen| !seen.screen.screen().contents().contains(text);
        drop(self.wait(&format!("a screen without {text}"), gone));
    }

    /// Waits until a text was written after so many bytes, whatever became of it since.
    #[track_caller]
    pub fn until_written(&self, from: usize, text: &str) {
        let text = text.as_bytes();
        drop(self.wait(&format!("{:?}", String::from_utf8_lossy(text)), |seen| {
            seen.bytes.len() > from && seen.bytes[from..].windows(text.len()).any(|window| window == text)
        }));
    }

    pub fn written(&self) -> usize {
        self.seen.0.lock().unwrap().bytes.len()
    }

    /// All that came out, as it came.
    #[allow(dead_code, reason = "for the tests that search outputs for what must not be in them")]
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.0.lock().unwrap().bytes.clone()
    }

    /// All that came out, when nothing more comes.
    #[allow(dead_code, reason = "for the tests that search outputs for what must not be in them")]
    pub fn everything(&self) -> Vec<u8> {
        let deadline = Instant::now() + DEADLINE;
        let (lock, changed) = &*self.seen;
        let mut seen = lock.lock().unwrap();
        while !seen.closed {
            assert!(Instant::now() < deadline, "it does not end:\n{}", seen.screen.screen().contents());
            seen = changed.wait_timeout(seen, Duration::from_millis(500)).unwrap().0;
        }
        seen.bytes.clone()
    }

    pub fn text(&self) -> String {
        self.look(vt100::Screen::contents)
    }

    /// Looks at the screen, when it is whole.
    #[track_caller]
    pub fn look<T>(&self, at: impl FnOnce(&vt100::Screen) -> T) -> T {
        at(self.wait("a whole screen", |_| true).screen.screen())
    }

    /// Waits until the program has ended; gives its exit status.
    #[track_caller]
    pub fn end(&mut self) -> u32 {
        let deadline = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.exit_code();
            }
            assert!(Instant::now() < deadline, "the program does not end:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether lines are edited and echoed, as a shell left them.
    pub fn is_cooked(&self) -> bool {
        let modes = format!("{:?}", self.master.get_termios().unwrap().local_flags);
        modes.contains("ICANON") && modes.contains("ECHO") && modes.contains("ISIG")
    }

    /// The terminal is as it was before: main screen, cursor, modes.
    #[track_caller]
    pub fn is_sane(&self) {
        drop(self.wait("the main screen with its cursor", |seen| {
            let screen = seen.screen.screen();
            !screen.alternate_screen() && !screen.hide_cursor() && !screen.bracketed_paste()
        }));
        assert!(self.is_cooked(), "the terminal is still in raw mode");
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn watch(mut reader: Box<dyn Read + Send>, into: &(Mutex<Seen>, Condvar)) {
    let mut buffer = [0; 8192];
    loop {
        let read = reader.read(&mut buffer).unwrap_or(0);
        let Ok(mut seen) = into.0.lock() else { return };
        if read == 0 {
            seen.closed = true;
        } else {
            seen.screen.process(&buffer[..read]);
            seen.bytes.extend(&buffer[..read]);
        }
        into.1.notify_all();
        if read == 0 {
            return;
        }
    }
}
