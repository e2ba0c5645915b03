//! JSON as it is printed: one object a document, every non-printing character escaped.

use super::cli_error::CliError;
use super::document::StatusDocument;
use super::out::{self, Reader};
use crate::model::untrusted::is_unsafe;
use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};
use std::io::{self, Write};

/// Grows when a document changes in a way that a script could stumble over.
const SCHEMA: u32 = 1;

/// What every document begins with.
#[derive(Serialize)]
struct Document<'a, T: Serialize> {
    schema: u32,
    demo: bool,
    #[serde(flatten)]
    body: &'a T,
}

/// Prints a document over several lines.
pub fn print<T: Serialize>(demo: bool, body: &T) -> Result<(), CliError> {
    stream(demo, body, Safe(PrettyFormatter::new())).map(|_| ())
}

/// Prints a document as one line, where several follow each other.
pub fn print_line<T: Serialize>(demo: bool, body: &T) -> Result<Reader, CliError> {
    stream(demo, body, Safe(CompactFormatter))
}

/// As [`print`], for a document that is still coming: whether somebody reads it to its end.
pub fn print_from(demo: bool, body: &StatusDocument<'_>) -> Result<Reader, CliError> {
    stream(demo, body, Safe(PrettyFormatter::new()))
}

/// The same as one line.
pub fn print_line_from(demo: bool, body: &StatusDocument<'_>) -> Result<Reader, CliError> {
    print_line(demo, body)
}

/// Writes as it goes: a document of a large site is never in memory whole.
fn stream<T: Serialize, F: Formatter>(demo: bool, body: &T, formatter: F) -> Result<Reader, CliError> {
    out::stream(|out| render(&mut *out, demo, body, formatter))
}

fn render<W: Write, T: Serialize, F: Formatter>(mut out: W, demo: bool, body: &T, formatter: F) -> io::Result<()> {
    let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
    Document { schema: SCHEMA, demo, body }.serialize(&mut serializer)?;
    out.write_all(b"\n")
}

/// A formatter that also escapes what a terminal would act on: C1, bidirectional and zero-width characters.
struct Safe<F>(F);

macro_rules! delegate {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {$(
        fn $name<W: ?Sized + Write>(&mut self, writer: &mut W $(, $arg: $type)*) -> io::Result<()> {
            self.0.$name(writer $(, $arg)*)
        }
    )*};
}

impl<F: Formatter> Formatter for Safe<F> {
    delegate! {
        begin_array();
        end_array();
        begin_array_value(first: bool);
        end_array_value();
        begin_object();
        end_object();
        begin_object_key(first: bool);
        end_object_key();
        begin_object_value();
        end_object_value();
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain_from = 0;
        for (at, c) in fragment.char_indices().filter(|(_, c)| is_unsafe(*c)) {
            writer.write_all(&fragment.as_bytes()[plain_from..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain_from = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain_from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text_of(name: &str) -> String {
        #[derive(Serialize)]
        struct Body<'a> {
            name: &'a str,
        }
        let mut out = Vec::new();
        render(&mut out, true, &Body { name }, Safe(CompactFormatter)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        assert_eq!(
            text_of("a\u{1b}\u{9b}\u{202e}\u{7f}\u{e0041}ä"),
            "{\"schema\":1,\"demo\":true,\"name\":\"a\\u001b\\u009b\\u202e\\u007f\\udb40\\udc41ä\"}\n"
        );
    }

    proptest! {
        #[test]
        fn every_text_reads_back_and_holds_nothing_unsafe(text in any::<String>()) {
            let printed = text_of(&text);
            prop_assert!(!printed.trim_end().chars().any(is_unsafe));
            let read: serde_json::Value = serde_json::from_str(&printed).unwrap();
            prop_assert_eq!(read["name"].as_str(), Some(text.as_str()));
        }
    }
}
