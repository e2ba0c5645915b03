//! Answers in CCM's two forms: text for people, XML for programs.

use super::{Answer, Failure};
use crate::driver::transport::RawReply;
use std::fmt::Write;

/// What a command answers when it does not fail as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// `Successful completion.`
    Done,
    /// A display command's list and table.
    Display { list: Vec<(&'static str, String)>, table: Option<Table> },
    /// An execution command's results.
    Results(Vec<PairResult>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    pub titles: &'static [&'static str],
    pub rows: Vec<Vec<String>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairResult {
    pub object: String,
    /// The lines of a success, or the message of a failure.
    pub outcome: Result<Vec<String>, String>,
}

const DONE: &str = "Successful completion.";

pub fn render(answer: Answer, xml: bool) -> RawReply {
    let (exit, text) = match (answer, xml) {
        (Ok(output), true) => as_xml(&output),
        (Ok(output), false) => as_text(&output),
        (Err(failure), true) => (failure.code, response(failure.code, &failure.message, "")),
        (Err(failure), false) => (failure.code, failure_as_text(&failure)),
    };
    RawReply { exit, stdout: text.into_bytes(), stderr: Vec::new() }
}

fn code_of(results: &[PairResult]) -> i32 {
    if results.iter().all(|result| result.outcome.is_ok()) { 0 } else { 6 }
}

fn response(code: i32, message: &str, body: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response version=\"1.0\">\n  <ReturnCode>{code}</ReturnCode>\n  \
         <Message>{}</Message>\n{body}</Response>\n",
        escaped(message)
    )
}

fn as_xml(output: &Output) -> (i32, String) {
    let mut body = String::new();
    match output {
        Output::Done => (0, response(0, DONE, "")),
        Output::Display { list, table } => {
            if !list.is_empty() {
                body.push_str("  <List>\n");
                for (title, value) in list {
                    datum(&mut body, "    ", title, value);
                }
                body.push_str("  </List>\n");
            }
            if let Some(table) = table {
                body.push_str("  <Table>\n");
                for row in &table.rows {
                    body.push_str("    <Row>\n");
                    for (title, value) in table.titles.iter().zip(row) {
                        datum(&mut body, "      ", title, value);
                    }
                    body.push_str("    </Row>\n");
                }
                body.push_str("  </Table>\n");
            }
            (0, response(0, "", &body))
        }
        Output::Results(results) => {
            body.push_str("  <ResultList>\n");
            for result in results {
                let (status, message, detail) = match &result.outcome {
                    Ok(lines) => {
                        ("Succeeded", "", lines.iter().map(|line| escaped(line)).collect::<Vec<_>>().join("&#13;\n"))
                    }
                    Err(message) => ("Failed", message.as_str(), String::new()),
                };
                let _ = write!(
                    body,
                    "    <Result>\n      <Object>{}</Object>\n      <Status>{status}</Status>\n      \
                     <Message>{}</Message>\n      <Detail>{detail}</Detail>\n    </Result>\n",
                    escaped(&result.object),
                    escaped(message)
                );
            }
            body.push_str("  </ResultList>\n");
            let code = code_of(results);
            (code, response(code, if code == 0 { DONE } else { "" }, &body))
        }
    }
}

fn datum(body: &mut String, indent: &str, title: &str, value: &str) {
    let _ = writeln!(body, "{indent}<Data id=\"{}\">{}</Data>", escaped(title), escaped(value));
}

/// XML has no way to write most control characters, so they become a replacement character.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn failure_as_text(failure: &Failure) -> String {
    match failure.usage {
        Some(usage) => format!("{}\n\nUsage:\n        {usage}\n", failure.message),
        None => format!("{}\n", failure.message),
    }
}

fn as_text(output: &Output) -> (i32, String) {
    let mut text = String::new();
    match output {
        Output::Done => (0, format!("{DONE}\n")),
        Output::Display { list, table } => {
            if !list.is_empty() {
                let width = list.iter().map(|(title, _)| title.len()).max().unwrap_or(0);
                text.push('\n');
                for (title, value) in list {
                    let _ = writeln!(text, "{title:width$} : {value}");
                }
            }
            if let Some(table) = table {
                text.push('\n');
                table_as_text(table, &mut text);
            }
            (0, text)
        }
        Output::Results(results) => {
            for result in results {
                let _ = writeln!(text, "\n{}", result.object);
                match &result.outcome {
                    Ok(lines) => lines.iter().for_each(|line| {
                        let _ = writeln!(text, "# {line}");
                    }),
                    Err(message) => {
                        let _ = writeln!(text, "{message}");
                    }
                }
            }
            let succeeded = results.iter().filter(|result| result.outcome.is_ok()).count();
            let _ = write!(text, "\n  Succeeded : {succeeded}\n  Failed    : {}\n", results.len() - succeeded);
            (code_of(results), text)
        }
    }
}

fn table_as_text(table: &Table, text: &mut String) {
    let mut widths: Vec<usize> = table.titles.iter().map(|title| title.len()).collect();
    for row in &table.rows {
        for (width, value) in widths.iter_mut().zip(row) {
            *width = (*width).max(value.chars().count());
        }
    }
    let mut write = |cells: &mut dyn Iterator<Item = String>| {
        let line = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>().join(" ");
        text.push_str(line.trim_end());
        text.push('\n');
    };
    write(&mut table.titles.iter().map(ToString::to_string));
    write(&mut widths.iter().map(|width| "-".repeat(*width)));
    for row in &table.rows {
        write(&mut row.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::ccm::xml;

    #[test]
    fn both_forms_have_the_layout_of_the_manuals() {
        let results = Output::Results(vec![
            PairResult {
                object: "KYOTO1/0x11:KYOTO1/0x21".to_owned(),
                outcome: Ok(vec!["DATE : 2026/03/02 21:15:07 - << EC Started >> ".to_owned(), "From:x".to_owned()]),
            },
            PairResult {
                object: "KYOTO1/0x12:KYOTO1/0x22".to_owned(),
                outcome: Err("ccm5004 Operation failed.".to_owned()),
            },
        ]);
        let text = render(Ok(results.clone()), false);
        assert_eq!(text.exit, 6);
        let text = String::from_utf8(text.stdout).unwrap();
        assert!(text.contains("# DATE : 2026/03/02 21:15:07 - << EC Started >> \n# From:x\n"), "{text}");
        assert!(text.ends_with("\n  Succeeded : 1\n  Failed    : 1\n"), "{text}");

        let response = xml::read(&render(Ok(results), true).stdout).unwrap();
        let results = response.results.unwrap();
        assert_eq!(response.code, 6);
        assert_eq!(results[0].detail, "DATE : 2026/03/02 21:15:07 - << EC Started >> \r\nFrom:x");
        assert!(!results[1].succeeded);
    }

    #[test]
    fn whatever_a_volume_is_called_the_xml_stays_xml() {
        let table = Table { titles: &["LV Name"], rows: vec![vec!["<&\">\u{1b}[2J\u{0}ü".to_owned()]] };
        let reply = render(Ok(Output::Display { list: Vec::new(), table: Some(table) }), true);
        let row = &xml::read(&reply.stdout).unwrap().table.unwrap()[0];
        assert_eq!(row[0].value, "<&\">\u{fffd}[2J\u{fffd}ü");
    }
}
