//! Standard output and standard error: whatever is at their other ends, writing to them never panics.

use super::Trouble;
use std::io::{self, ErrorKind, Write};

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

/// Says a line beside what is printed: troubles, what is waited for, what to know.
pub fn say(line: &str) {
    // There is nobody left to be told that it cannot be said.
    let _ = writeln!(io::stderr().lock(), "{line}");
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
    fn a_reader_that_went_away_is_no_failure_and_a_full_disk_is_one() {
        assert_eq!(write_to(&mut Broken(ErrorKind::BrokenPipe), b"text").unwrap(), Reader::Gone);
        let trouble = write_to(&mut Broken(ErrorKind::StorageFull), b"text").unwrap_err();
        assert_eq!(trouble.exit, Exit::Failed);
        assert!(trouble.text.contains("cannot be written"), "{}", trouble.text);
    }
}
