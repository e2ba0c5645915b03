//! `ecdeck explain`: what a code means, why it is so, what to do.

use super::arguments::Explain;
use super::table::{Lean, Table};
use super::{Exit, Trouble, json, out};
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

pub fn run(asked: &Explain) -> Result<Exit, Trouble> {
    let row = asked.code.and_then(Code::explain);
    match (row, asked.json) {
        (Some(row), true) => json::print(false, &Row::from(row))?,
        (None, true) => json::print(false, &Rows { codes: TABLE.iter().map(Row::from).collect() })?,
        (Some(row), false) => {
            out::print(&format!("{}: {}\n\n{}\n\nWhat to do: {}\n", row.code, row.text, row.why, row.remedy))?;
        }
        (None, false) => {
            let mut table = Table::new(&[("code", Lean::Left), ("means", Lean::Left)]);
            for row in TABLE {
                table.row([row.code.to_string(), row.text.to_owned()]);
            }
            out::print(&table.render())?;
        }
    }
    Ok(Exit::Done)
}
