//! `ecdeck explain`: what a code means, why it is so, what to do.

use super::arguments::Explain;
use super::table::{Align, Table};
use super::{CliError, Exit, json, out};
use crate::driver::emulated::admin;
use crate::model::codes::{Code, Explanation, TABLE};
use serde::Serialize;

#[derive(Serialize)]
struct Row {
    code: String,
    text: &'static str,
    why: &'static str,
    remedy: &'static str,
}

#[derive(Serialize)]
struct Rows {
    codes: Vec<Row>,
}

impl From<&'static Explanation> for Row {
    fn from(row: &'static Explanation) -> Self {
        Self { code: row.code.to_string(), text: row.text, why: row.why, remedy: row.remedy }
    }
}

#[derive(Serialize)]
struct ArrayRules {
    rules: &'static [admin::Rule],
}

/// The rules of the embedded arrays.
fn array(as_json: bool) -> Result<Exit, CliError> {
    if as_json {
        json::print(false, &ArrayRules { rules: admin::RULES })?;
        return Ok(Exit::Done);
    }
    let headings = [("rule", Align::Left), ("code", Align::Left), ("basis", Align::Left), ("source", Align::Left)];
    let mut table = Table::new(&headings);
    for row in admin::RULES {
        let code = row.code.map_or("-", |code| code.row().0);
        let basis = if row.basis == admin::Basis::Documented { "documented" } else { "inferred" };
        let mark = if row.documented_only { " *" } else { "" };
        let mark = if row.lenient_only { " +" } else { mark };
        let rule = format!("{}{mark}", row.rule);
        table.row([rule, code.to_owned(), basis.to_owned(), row.source.to_owned()]);
    }
    let note = "* an array with `ecdeck array rules ARRAY lenient`, or of an earlier release, does not keep it\n\
                + only such an array keeps it\n";
    out::print(&(table.render() + note))?;
    Ok(Exit::Done)
}

pub fn run(asked: &Explain) -> Result<Exit, CliError> {
    if asked.array {
        return array(asked.json);
    }
    let row = asked.code.and_then(Code::explain);
    match (row, asked.json) {
        (Some(row), true) => json::print(false, &Row::from(row))?,
        (None, true) => json::print(false, &Rows { codes: TABLE.iter().map(Row::from).collect() })?,
        (Some(row), false) => {
            out::print(&format!("{}: {}\n\n{}\n\nWhat to do: {}\n", row.code, row.text, row.why, row.remedy))?;
        }
        (None, false) => {
            let mut table = Table::new(&[("code", Align::Left), ("means", Align::Left)]);
            for row in TABLE {
                table.row([row.code.to_string(), row.text.to_owned()]);
            }
            out::print(&table.render())?;
        }
    }
    Ok(Exit::Done)
}
