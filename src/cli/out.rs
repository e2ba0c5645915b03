//! Standard output and standard error: whatever is at their other ends, writing to them never panics, and whatever is
//! written, no control character of somebody else reaches a terminal. Nothing else in the program writes to them.

use super::{CliError, Exit};
use crate::model::untrusted::{escaped, is_unsafe};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::borrow::Cow;
use std::io::{self, BufRead, BufWriter, ErrorKind, Write};
use std::time::{Duration, Instant};
use unicode_width::UnicodeWidthStr;

/// What is collected before it is written.
const ROOM: usize = 64 << 10;

/// Whether somebody still reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    There,
    /// It went away, which is no failure of ours; whoever prints on and on may stop.
    Gone,
}

/// Prints what was asked for: lines of text.
pub fn print(text: &str) -> Result<Reader, CliError> {
    write(safe(text).as_bytes())
}

/// Text of several lines without any character that a terminal would act on. What is escaped already stays as it is.
fn safe(text: &str) -> Cow<'_, str> {
    if text.chars().all(|c| c == '\n' || !is_unsafe(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split('\n').map(escaped).collect::<Vec<_>>().join("\n"))
}

/// As [`print`], for what is made by this program alone and may hold any byte: JSON (escaped by its writer), scripts, help.
pub fn write(bytes: &[u8]) -> Result<Reader, CliError> {
    write_to(&mut io::stdout().lock(), bytes)
}

/// As [`write`], for what is made while it is written.
pub fn stream(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<Reader, CliError> {
    let mut out = BufWriter::with_capacity(ROOM, io::stdout().lock());
    ended(write(&mut out).and_then(|()| out.flush()))
}

fn write_to(out: &mut impl Write, bytes: &[u8]) -> Result<Reader, CliError> {
    ended(out.write_all(bytes).and_then(|()| out.flush()))
}

fn ended(written: io::Result<()>) -> Result<Reader, CliError> {
    match written {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(CliError::failed(format!(
            "standard output cannot be written: {error}; make room there or write to another place, and look with `ecdeck status`"
        ))),
    }
}

/// How often it is looked whether somebody still reads.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until whoever reads standard output is gone; for ever where that cannot be told.
pub async fn reader_gone() {
    loop {
        let stdout = io::stdout();
        let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
        let told = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        if told.is_ok() && asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Says something beside what is printed: troubles, what is waited for, what to know. A terminal gets it wrapped at words.
pub fn say(text: &str) {
    let mut err = io::stderr().lock();
    let width = rustix::termios::tcgetwinsize(&err).map_or(0, |size| usize::from(size.ws_col));
    let text = safe(text);
    let text = if width < NARROWEST { text.into_owned() } else { wrapped(&text, width) };
    // There is nobody left to be told that it cannot be said.
    let _ = writeln!(err, "{text}");
}

/// How long a question waits for its answer, where nobody said how long: a terminal that was left must not hold what it asks
/// about.
pub const ANSWER_TIMEOUT: Duration = Duration::from_mins(5);

/// Asks a question on standard error, so that standard output stays what was asked for, and reads the answer.
///
/// # Errors
/// When the terminal cannot be read, or nobody answers within `limit`.
pub fn ask(question: &str, limit: Duration) -> Result<String, CliError> {
    let failed = |error: io::Error| CliError::failed(format!("the terminal cannot be read: {error}"));
    let mut err = io::stderr().lock();
    err.write_all(safe(question).as_bytes()).and_then(|()| err.flush()).map_err(failed)?;
    if !answered_within(limit).map_err(failed)? {
        let _ = writeln!(err);
        let text = format!("nobody answered within {} s: nothing was done", limit.as_secs());
        return Err(CliError::new(Exit::TimeLimit, text));
    }
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line).map_err(failed)?;
    Ok(line.trim().to_owned())
}

/// Waits until a line can be read from standard input, or its end; whether that came in time.
fn answered_within(limit: Duration) -> io::Result<bool> {
    let until = Instant::now() + limit;
    let stdin = io::stdin();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let wait =
            Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&wait)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Writes a line of standard error, which is a terminal, anew; an empty one clears it.
pub fn overwrite(line: &str) {
    // Without a terminal at its other end the line is of no use to anybody.
    let _ = write!(io::stderr(), "\r\x1b[K{}", escaped(line));
}

/// A narrower terminal wraps by itself, and one that says 0 does not know.
const NARROWEST: usize = 40;

/// Lines that are no wider, broken between words and indented as they begin. Command lines stay whole: they are to be copied.
fn wrapped(text: &str, width: usize) -> String {
    let lines: Vec<String> = text.lines().map(|line| wrapped_line(line, width)).collect();
    lines.join("\n")
}

fn wrapped_line(line: &str, width: usize) -> String {
    let words = line.trim_start_matches(' ');
    let indent = &line[..line.len() - words.len()];
    if line.width() <= width || words.starts_with("ecdeck ") {
        return line.to_owned();
    }
    let (mut out, mut column) = (indent.to_owned(), indent.width());
    for (number, word) in words.split(' ').enumerate() {
        if number > 0 && column + 1 + word.width() > width {
            out = out + "\n" + indent + "  ";
            column = indent.width() + 2;
        } else if number > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += word.width();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn only_line_ends_pass_as_control_characters() {
        assert_eq!(safe("a\nb"), "a\nb");
        assert_eq!(safe("a\x1b[2J\n\u{9b}m\r\t\u{202e}b\0"), "a\\u{1b}[2J\n\\u{9b}m\\u{d}\\u{9}\\u{202e}b\\u{0}");
        assert_eq!(safe(&safe("\u{7}")), "\\u{7}", "what is escaped is not escaped again");
    }

    #[test]
    fn prose_is_broken_between_words_and_command_lines_stay_whole() {
        let text = "ecdeck: db01 is suspended with p1 already\n  way on: resume db01 with the volume p1\n    ecdeck sync resume db01 --volume p1 --config /a/long/path";
        assert_eq!(
            wrapped(text, 30),
            "ecdeck: db01 is suspended with\n  p1 already\n  way on: resume db01 with the\n    volume p1\n    ecdeck sync resume db01 --volume p1 --config /a/long/path"
        );
        assert_eq!(wrapped("short", 30), "short");
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is_one() {
        assert_eq!(write_to(&mut Broken(ErrorKind::BrokenPipe), b"text").unwrap(), Reader::Gone);
        let cli_error = write_to(&mut Broken(ErrorKind::StorageFull), b"text").unwrap_err();
        assert_eq!(cli_error.exit, Exit::Failed);
        assert!(cli_error.text.contains("cannot be written"), "{}", cli_error.text);
    }
}
