//! What clap says: help on standard output, wrong usage on standard error, neither with a byte of what was typed as it is.

use super::arguments::CommandLine;
use super::{CliError, Exit, out};
use crate::model::untrusted::{escaped, is_unsafe};
use clap::Parser;
use std::ffi::OsString;
use std::io::IsTerminal;

/// Reads the words of a command line, the program's name first. `Err`: what there was to say has been said.
pub fn parse(words: &[OsString]) -> Result<CommandLine, Exit> {
    CommandLine::try_parse_from(words).map_err(|error| print(&error, words))
}

/// Prints clap's help or error for these words, and gives the status to end with.
pub fn print(error: &clap::Error, words: &[OsString]) -> Exit {
    if error.use_stderr() {
        out::say(&text(error, words));
        return Exit::Usage;
    }
    let page = error.render();
    let page = if in_colour() { page.ansi().to_string() } else { page.to_string() };
    match out::write(page.as_bytes()) {
        Ok(_) => Exit::Done,
        Err(cli_error) => {
            cli_error.print(false, false);
            cli_error.exit
        }
    }
}

/// The error as it is for the same words escaped: clap would leave out what it takes for colours.
fn text(error: &clap::Error, words: &[OsString]) -> String {
    let shown: Vec<String> = words.iter().map(|word| escaped(&word.to_string_lossy())).collect();
    let plain = words.iter().all(|word| word.to_str().is_some_and(|word| !word.contains(is_unsafe)));
    let again = if plain { None } else { CommandLine::try_parse_from(&shown).err().filter(clap::Error::use_stderr) };
    let text = again.as_ref().unwrap_or(error).render().to_string();
    text.trim_end().to_owned()
}

fn in_colour() -> bool {
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    std::io::stdout().is_terminal() && unset("NO_COLOR") && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
}

/// What went wrong before there was a verb.
pub fn fail(cli_error: &CliError) -> Exit {
    cli_error.print(false, false);
    cli_error.exit
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    fn said(words: &[&[u8]]) -> String {
        let words: Vec<OsString> = std::iter::once(&b"ecdeck"[..])
            .chain(words.iter().copied())
            .map(|word| OsString::from_vec(word.to_vec()))
            .collect();
        let error = CommandLine::try_parse_from(&words).unwrap_err();
        text(&error, &words)
    }

    #[test]
    fn what_was_typed_is_shown_and_not_obeyed() {
        let planted = "a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}b\rc".as_bytes();
        let option = [b"--", planted].concat();
        for words in [
            &[planted][..],
            &[b"serve", planted],
            &[&option],
            &[b"status", b"--watch", planted],
            &[b"backup", b"t", b"--time-limit", planted],
        ] {
            let text = said(words);
            assert!(text.contains("\\u{1b}]0;x\\u{7}\\u{9b}2J\\u{202e}b\\u{d}c"), "{text}");
        }
        let text = said(&[b"status", b"\xff\x9b2J"]);
        assert!(text.contains("status") && !text.contains('\u{9b}'), "{text:?}");
    }
}
