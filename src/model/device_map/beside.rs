//! What is wrong with a map, written below its lines: for whoever corrects it in an editor.

use super::Finding;
use std::fmt::Write as _;

/// What a line begins with that says what is wrong. To every reader of maps it is a comment.
pub const FINDING_MARK: &str = "#! ";

/// Each finding below the line that it is about. Findings of lines that are not there come last.
pub fn with_findings(text: &str, findings: &[Finding]) -> String {
    let mut out = String::new();
    let lines = text.lines().count();
    let say = |out: &mut String, at: &dyn Fn(usize) -> bool| {
        for finding in findings.iter().filter(|finding| at(finding.line)) {
            let (severity, what, code, help) = (finding.severity, &finding.text, finding.code, &finding.help);
            // Writing to a `String` cannot fail.
            let _ = writeln!(out, "{FINDING_MARK}{severity}: {what} ({code}): {help}");
        }
    };
    for (number, line) in (1..).zip(text.lines()) {
        out.push_str(line);
        out.push('\n');
        say(&mut out, &|at| at == number);
    }
    say(&mut out, &|at| at > lines);
    out
}

/// The text without what [`with_findings`] wrote into it.
pub fn without_findings(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.starts_with(FINDING_MARK.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::device_map::parse;

    #[test]
    fn findings_stand_below_their_lines_and_go_when_the_text_is_read() {
        let text = "# round: A\ndb01\ndb02 x\n";
        let findings = parse(text.as_bytes()).unwrap_err();
        let beside = with_findings(text, &findings);
        let lines: Vec<&str> = beside.lines().collect();
        assert!(lines[2].starts_with("#! syntax error: db01 has no backup volume beside it (ecd-1210)"), "{beside}");
        assert_eq!((lines.len(), lines[3]), (4, "db02 x"));
        assert_eq!(without_findings(&beside), text);
        assert_eq!(with_findings("", &findings).lines().count(), 1, "no finding is lost");
    }
}
