//! Standard output and standard error: whatever is at their other ends, writing to them never panics.

use super::Trouble;
use std::io::{self, ErrorKind, Write};
use unicode_width::UnicodeWidthStr;

/// Whether somebody still reads what is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    There,
    /// It went away, which is no failure of ours; whoever prints on and on may stop.
    Gone,
}

/// Prints what was asked for.
pub fn print(text: &str) -> Result<Reader, Trouble> {
    write(text.as_bytes())
}

/// As [`print`], for what is made as bytes.
pub fn write(bytes: &[u8]) -> Result<Reader, Trouble> {
    write_to(&mut io::stdout().lock(), bytes)
}

fn write_to(out: &mut impl Write, bytes: &[u8]) -> Result<Reader, Trouble> {
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Ok(Reader::There),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(Trouble::failed(format!(
            "standard output cannot be written: {error}; make room there or write to another place, and look with `ecdeck status`"
        ))),
    }
}

/// Says something beside what is printed: troubles, what is waited for, what to know. A terminal gets it wrapped at words.
pub fn say(text: &str) {
    let mut err = io::stderr().lock();
    let width = rustix::termios::tcgetwinsize(&err).map_or(0, |size| usize::from(size.ws_col));
    let text = if width < NARROWEST { text.to_owned() } else { wrapped(text, width) };
    // There is nobody left to be told that it cannot be said.
    let _ = writeln!(err, "{text}");
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
    use crate::cli::Exit;

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
        let trouble = write_to(&mut Broken(ErrorKind::StorageFull), b"text").unwrap_err();
        assert_eq!(trouble.exit, Exit::Failed);
        assert!(trouble.text.contains("cannot be written"), "{}", trouble.text);
    }
}
