//! What was found on the ways to an array, for people: a line each, in columns, with what to do below it.

use crate::model::check::{Check, Verdict, Way};
use std::fmt::Write;
use unicode_width::UnicodeWidthStr;

/// Columns that a line takes at most.
const WIDTH: usize = 100;
/// The longest word for a verdict.
const VERDICT: usize = 4;

/// All of it, with what it comes to in the last line.
pub fn text(array: &str, checks: &[Check]) -> String {
    let mut out = format!("The way to {array}:\n");
    let what = checks.iter().map(|check| check.what.width()).max().unwrap_or(0);
    let mut before = Way::First;
    for check in checks {
        if check.way != before {
            out.push_str("\nThe second way, for forced stops:\n");
            before = check.way;
        }
        let verdict = match check.verdict {
            Verdict::Good => "ok",
            Verdict::Attention => "note",
            Verdict::Bad => "BAD",
        };
        let head = format!("  {verdict:VERDICT$}  {}{}  ", check.what, " ".repeat(what - check.what.width()));
        paragraph(&mut out, &head, &check.told);
        if let Some(remedy) = &check.remedy {
            paragraph(&mut out, &format!("{}-> ", " ".repeat(VERDICT + 4)), remedy);
        }
        // As they are, from the first column on: a terminal's selection can be pasted into the file.
        for line in &check.paste {
            let _ = writeln!(out, "{line}");
        }
    }
    let _ = writeln!(out, "\n{}", summary(checks));
    out
}

fn summary(checks: &[Check]) -> String {
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let (bad, notes) = (count(Verdict::Bad), count(Verdict::Attention));
    let notes = match notes {
        0 => String::new(),
        1 => "; one thing to know".to_owned(),
        many => format!("; {many} things to know"),
    };
    match bad {
        0 => format!("Nothing is wrong{notes}."),
        1 => format!("One thing is wrong, and what builds on it was not examined{notes}."),
        many => format!("{many} things are wrong, and what builds on them was not examined{notes}."),
    }
}

/// Words after a head; further lines stand below the first word.
fn paragraph(out: &mut String, head: &str, text: &str) {
    let indent = head.width();
    let room = WIDTH.saturating_sub(indent).max(WIDTH / 3);
    let mut line = String::new();
    let mut lines = Vec::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.width() + 1 + word.width() > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    for (at, line) in lines.iter().enumerate() {
        let before = if at == 0 { head.to_owned() } else { " ".repeat(indent) };
        let _ = writeln!(out, "{}", format!("{before}{line}").trim_end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(way: Way, what: &'static str, verdict: Verdict, told: &str, remedy: Option<&str>) -> Check {
        Check { way, what, verdict, told: told.to_owned(), remedy: remedy.map(str::to_owned), paste: Vec::new() }
    }

    #[test]
    fn checks_stand_in_columns_and_each_remedy_below_what_it_is_for() {
        let long = "the server accepts no key of this user (backup@127.0.0.1: Permission denied (publickey).)";
        let checks = [
            check(Way::First, "the server is reached", Verdict::Good, "on ccm01 over ssh", None),
            check(Way::First, "its clock is ours", Verdict::Attention, "it differs by 90 s", Some("follow one clock")),
            check(Way::Second, "the server is reached", Verdict::Bad, long, Some("check the host key")),
        ];
        let wanted = "\
The way to DX1:
  ok    the server is reached  on ccm01 over ssh
  note  its clock is ours      it differs by 90 s
        -> follow one clock

The second way, for forced stops:
  BAD   the server is reached  the server accepts no key of this user (backup@127.0.0.1: Permission
                               denied (publickey).)
        -> check the host key

One thing is wrong, and what builds on it was not examined; one thing to know.
";
        assert_eq!(text("DX1", &checks), wanted);
        assert!(text("DX1", &checks[..1]).ends_with("\nNothing is wrong.\n"));
        let lines = vec!["[[array.ccm.words]]".to_owned(), "word = \"EC  Suspend\"".to_owned()];
        let pasted = Check { paste: lines, ..checks[1].clone() };
        assert!(text("DX1", &[pasted]).contains("one clock\n[[array.ccm.words]]\nword = \"EC  Suspend\"\n"));
    }
}
