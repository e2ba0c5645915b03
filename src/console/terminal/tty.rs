//! The terminal as a device: raw mode and back, whatever happens; reading and writing without ever blocking.
//!
//! It is opened anew as `/dev/tty`: the flags of that opening are ours alone, so the shell's descriptors stay as they are.

use crossterm::cursor::{Hide, Show};
use crossterm::queue;
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen};
use parking_lot::Mutex;
use rustix::fs::{Mode, OFlags};
use rustix::termios::{OptionalActions, QueueSelector, Termios};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pastes are marked as such, or not. Crossterm has these only together with its event reader.
const MARK_PASTES: &str = "\x1b[?2004h";
const DO_NOT_MARK_PASTES: &str = "\x1b[?2004l";
/// Reports of mice in every form (9, 1000 to 1003, 1005, 1006, 1015, 1016), of the focus (1004), of colour schemes (2031)
/// and of sizes (2048) off.
const NO_REPORTS: &str = "\x1b[?9;1000;1001;1002;1003;1004;1005;1006;1015;1016;2031;2048l";
/// Keys as every terminal sends them: Kitty's protocol and xterm's modifyOtherKeys off, cursor keys and keypad in their
/// normal modes.
const PLAIN_KEYS: &str = "\x1b[=0u\x1b[>4m\x1b[?1l\x1b>";
/// Output as frames expect it: characters of the usual set, no inserting, no margins at the sides, no origin, lines that
/// wrap, all rows.
const PLAIN_OUTPUT: &str = "\x1b(B\x0f\x1b[4l\x1b[?69l\x1b[?6l\x1b[?7h\x1b[r";
/// How long a terminal that does not take bytes is waited for at the end.
const TERMINAL_TIMEOUT: Duration = Duration::from_millis(250);

/// Size that is assumed of a terminal that does not tell.
const USUAL: (u16, u16) = (80, 24);

#[derive(Debug, thiserror::Error)]
pub enum TtyError {
    #[error("the console needs a terminal; `ecdeck status` and `ecdeck status --json` work without one ({0})")]
    None(rustix::io::Errno),
    #[error("the terminal cannot be set up: {0}")]
    Modes(rustix::io::Errno),
}

#[derive(Debug)]
struct Device {
    fd: OwnedFd,
    /// The modes that it had before.
    saved: Termios,
}

/// The terminal that is in our hands, for whoever has to give it back: the panic hook does not know the loop.
static HELD: Mutex<Option<Arc<Device>>> = Mutex::new(None);

/// The terminal in raw mode and on the alternate screen, until it is dropped.
#[derive(Debug)]
pub struct Tty {
    device: Arc<Device>,
}

impl Tty {
    /// Takes the terminal over. A panic anywhere in the process gives it back before its message is printed.
    pub fn take() -> Result<Self, TtyError> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = rustix::fs::open("/dev/tty", flags, Mode::empty()).map_err(TtyError::None)?;
        let saved = rustix::termios::tcgetattr(&fd).map_err(TtyError::None)?;
        let tty = Self { device: Arc::new(Device { fd, saved }) };
        give_back_on_panic();
        tty.enter()?;
        Ok(tty)
    }

    /// Into raw mode and onto the alternate screen, at the start and when the shell gives the terminal back.
    pub fn enter(&self) -> Result<(), TtyError> {
        let mut raw = self.device.saved.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(&self.device.fd, OptionalActions::Now, &raw).map_err(TtyError::Modes)?;
        *HELD.lock() = Some(Arc::clone(&self.device));
        self.device.write_patiently(&entering());
        Ok(())
    }

    /// Gives the terminal back as it was. More than once does no harm.
    pub fn leave(&self) {
        give_back();
    }

    /// Asks the terminal something. Before the first frame only: a question inside of a frame would tear it.
    pub fn ask(&self, question: &[u8]) {
        self.device.write_patiently(question);
    }

    /// Columns and rows.
    pub fn size(&self) -> (u16, u16) {
        match rustix::termios::tcgetwinsize(&self.device.fd) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => USUAL,
        }
    }

    /// Reads what is there. `WouldBlock`: nothing; an end of file or any other error: the terminal is gone.
    pub fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match rustix::io::read(&self.device.fd, buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other.map_err(io::Error::from),
        }
    }

    /// Writes what the terminal takes now.
    pub fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        rustix::io::write(&self.device.fd, bytes).map_err(io::Error::from)
    }

    /// Throws away what has come and was not read: before the shell has the terminal, that is, and never in between, where
    /// the rest of what has begun would be taken for keys.
    pub fn drop_input(&self) {
        let _ = rustix::termios::tcflush(&self.device.fd, QueueSelector::IFlush);
    }

    /// A handle for waiting until it can be read or written.
    pub fn waiter(&self) -> Waiter {
        Waiter(Arc::clone(&self.device))
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        give_back();
    }
}

/// The terminal's descriptor, to wait on.
#[derive(Debug)]
pub struct Waiter(Arc<Device>);

impl AsRawFd for Waiter {
    fn as_raw_fd(&self) -> RawFd {
        self.0.fd.as_raw_fd()
    }
}

impl AsFd for Waiter {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

impl Device {
    /// Writes all of it, unless the terminal takes nothing for a while: then it is dead or stopped, and must not stop us.
    fn write_patiently(&self, mut bytes: &[u8]) {
        let deadline = Instant::now() + TERMINAL_TIMEOUT;
        while !bytes.is_empty() {
            match rustix::io::write(&self.fd, bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    let mut fds = [rustix::event::PollFd::new(&self.fd, rustix::event::PollFlags::OUT)];
                    let timeout = rustix::event::Timespec::try_from(left).ok();
                    if left.is_zero() || rustix::event::poll(&mut fds, timeout.as_ref()).is_err() {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }
}

/// Alternate screen, no cursor, pastes marked as such, and nothing on that a dead program may have left.
fn entering() -> Vec<u8> {
    let mut bytes = Vec::new();
    // A vector takes everything.
    let _ = queue!(
        bytes,
        Print(NO_REPORTS),
        Print(PLAIN_KEYS),
        EnterAlternateScreen,
        // Kitty's protocol has flags for each of the two screens.
        Print(PLAIN_KEYS),
        Print(PLAIN_OUTPUT),
        Hide,
        Print(MARK_PASTES),
        SetAttribute(Attribute::Reset),
        Clear(ClearType::All)
    );
    bytes
}

/// All of it undone, and an unfinished synchronized frame ended.
fn leaving() -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = queue!(
        bytes,
        EndSynchronizedUpdate,
        Print(DO_NOT_MARK_PASTES),
        Print(NO_REPORTS),
        SetAttribute(Attribute::Reset),
        Show,
        LeaveAlternateScreen
    );
    bytes
}

fn give_back() {
    let held = HELD.lock().take();
    if let Some(device) = held {
        // What the terminal has not taken yet is a frame that nobody will see.
        let _ = rustix::termios::tcflush(&device.fd, QueueSelector::OFlush);
        device.write_patiently(&leaving());
        let _ = rustix::termios::tcsetattr(&device.fd, OptionalActions::Now, &device.saved);
    }
}

fn give_back_on_panic() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            give_back();
            before(info);
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_at_the_start_is_unset_at_the_end() {
        let mut screen = vt100::Parser::default();
        // As a program leaves it that was killed.
        screen.process(b"\x1b[?1003h\x1b[?1006h\x1b[?1h\x1b=\x1b[5;9r\x1b[?6h");
        screen.process(&entering());
        assert_eq!(screen.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        assert!(!screen.screen().application_cursor() && !screen.screen().application_keypad());
        let state = |screen: &vt100::Parser| {
            let screen = screen.screen();
            (screen.alternate_screen(), screen.hide_cursor(), screen.bracketed_paste())
        };
        assert_eq!(state(&screen), (true, true, true));
        screen.process(&leaving());
        assert_eq!(state(&screen), (false, false, false));
    }
}
