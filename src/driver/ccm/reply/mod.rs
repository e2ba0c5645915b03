//! CCM's answers, typed: a file for each family of commands.
//!
//! Belongs here: what an answer says. Does not: how XML is read (`xml`), what a word means (`words`), what follows from it.

pub mod arrays;
pub mod copies;
pub mod execution;
pub mod volumes;

use super::word_table::{Column, Words};
use super::xml::{self, Field, Response};
use crate::driver::transport::argv::Argv;
use crate::model::copy::ArrayRefusal;
use crate::model::untrusted::Untrusted;

/// An answer that could not be used. Each variant names the command, so that it can be tried by hand.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    #[error("the answer of `{command}` is not the XML that CCM documents: {}", why.escaped())]
    Form { command: String, why: Untrusted },
    #[error("the answer of `{command}` cannot be understood: {}", why.escaped())]
    Content { command: String, why: Untrusted },
    #[error("`{command}` was refused with code {code}: {}", refusal.text.escaped())]
    Refused { command: String, code: i32, refusal: ArrayRefusal },
}

/// A display command's answer: its two parts, and the command for errors.
#[derive(Debug, Clone)]
pub struct Display {
    command: String,
    list: Vec<Field>,
    rows: Vec<Vec<Field>>,
}

/// Reads an answer as XML, whatever it says.
pub fn response(argv: &Argv, stdout: &[u8]) -> Result<Response, ReplyError> {
    xml::read(stdout)
        .map_err(|wrong| ReplyError::Form { command: argv.to_string(), why: Untrusted::new(wrong.to_string()) })
}

/// Reads the answer of a command that shows something; a refusal is an error.
pub fn display(argv: &Argv, stdout: &[u8], words: &Words) -> Result<Display, ReplyError> {
    let response = response(argv, stdout)?;
    if response.code != 0 {
        let refusal = words.judge(super::refusal::of_message(&response.message));
        return Err(ReplyError::Refused { command: argv.to_string(), code: response.code, refusal });
    }
    if response.results.is_some() {
        return Err(ReplyError::Content {
            command: argv.to_string(),
            why: "it has results, and this command shows a table".into(),
        });
    }
    Ok(Display {
        command: argv.to_string(),
        list: response.list.unwrap_or_default(),
        rows: response.table.unwrap_or_default(),
    })
}

impl Display {
    fn wrong(&self, why: impl Into<String>) -> ReplyError {
        ReplyError::Content { command: self.command.clone(), why: Untrusted::new(why) }
    }

    /// The value of a column that the answer is nothing without.
    fn needed<'a>(&self, fields: &'a [Field], column: Column, words: &Words) -> Result<&'a str, ReplyError> {
        words.find(column, fields).ok_or_else(|| {
            let titles: Vec<&str> = fields.iter().map(|field| field.id.trim()).collect();
            self.wrong(format!(
                "no title of it is known as that of {column} ({}); its titles are {titles:?}. Add the right one to \
                 [[array.ccm.titles]] in the configuration, with column = \"{column}\"",
                words.titles(column).join(", ")
            ))
        })
    }
}

/// A line of a table as it is, for people.
fn row_words(row: &[Field]) -> Untrusted {
    let cells: Vec<String> = row.iter().map(|field| format!("{} {}", field.id.trim(), field.value.trim())).collect();
    Untrusted::new(cells.join(", "))
}

/// `0x41` or `65`; `N/A`, `-` and nothing are no number.
fn number(text: &str) -> Result<Option<u64>, String> {
    let text = text.trim();
    if matches!(text, "" | "-" | "N/A") {
        return Ok(None);
    }
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()
        }
        None if text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok(),
        Some(_) | None => None,
    };
    parsed.map(Some).ok_or_else(|| format!("{text:?} is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_in_both_notations_and_never_guessed() {
        assert_eq!(number("0x41"), Ok(Some(65)));
        assert_eq!(number(" 1048576 "), Ok(Some(1_048_576)));
        for none in ["N/A", "-", ""] {
            assert_eq!(number(none), Ok(None));
        }
        for wrong in ["1,048", "0x", "x41", "-1", "+1", "99999999999999999999", "1.5"] {
            assert!(number(wrong).is_err(), "{wrong}");
        }
    }
}
