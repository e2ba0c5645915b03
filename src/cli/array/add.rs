//! `ecdeck array add`: the person at the terminal, and what is printed at the end.

use super::super::{CliError, Exit, checks, out};
use crate::driver::set_up::{Person, SetUpError};
use crate::model::check::Check;
use std::io::{IsTerminal, stderr, stdin};

/// Whoever typed the command.
pub struct Typist;

impl Person for Typist {
    fn say(&self, text: &str) {
        out::say(text);
    }

    fn answers(&self) -> bool {
        stdin().is_terminal() && stderr().is_terminal()
    }

    fn ask(&self, question: &str) -> Result<String, SetUpError> {
        out::ask(question, out::ANSWER_TIMEOUT).map_err(|error| SetUpError::Failed(error.text))
    }
}

/// What the examination found, and what was done.
pub fn print(array: &str, found: &[Check], done: Option<&str>) -> Result<Exit, CliError> {
    out::print(&checks::text(array, found))?;
    let bad = || CliError::not_reachable("the array was not added: what is marked with ! comes first");
    out::print(done.ok_or_else(bad)?)?;
    Ok(Exit::Done)
}

impl From<SetUpError> for CliError {
    fn from(error: SetUpError) -> Self {
        match error {
            SetUpError::Input(text) => Self::usage(text),
            SetUpError::NotReachable(text) => Self::not_reachable(text),
            SetUpError::Failed(text) => Self::failed(text),
        }
    }
}
