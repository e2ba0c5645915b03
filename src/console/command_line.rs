//! What Tab makes of a line after `:`.

use super::types::LineGrammar;
use crate::model::snapshot::Snapshot;

/// The longest text that all continuations of a line have in common; `None` without one. `names`: the commands of the screen.
pub fn complete(grammar: LineGrammar, snapshot: &Snapshot, names: &[&str], line: &str) -> Option<String> {
    let (before, last) = line.rsplit_once(' ').map_or(("", line), |(before, last)| (before, last));
    let mut found = (grammar.candidates)(snapshot, line);
    if before.is_empty() {
        found.extend(names.iter().filter(|name| name.starts_with(last)).map(|name| (*name).to_owned()));
    }
    let first = found.first()?;
    let shared = found.iter().fold(first.len(), |shared, name| {
        let same = first.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
        shared.min(same)
    });
    let shared = (0..=shared).rev().find(|at| first.is_char_boundary(*at)).unwrap_or(0);
    let end = if found.len() == 1 { " " } else { "" };
    let gap = if before.is_empty() { "" } else { " " };
    Some(format!("{before}{gap}{}{end}", &first[..shared]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::typed;
    use crate::console::fixture;

    #[test]
    fn tab_completes_commands_options_and_names() {
        let grammar = LineGrammar { request: typed::request, candidates: typed::candidates };
        let done = |line| complete(grammar, &fixture::demo(), &["backup", "back", "start"], line);
        assert_eq!(done("sta"), Some("start ".to_owned()));
        assert_eq!(done("ba"), Some("back".to_owned()));
        assert_eq!(done("his"), Some("history ".to_owned()));
        assert_eq!(done("history ho"), Some("history hold ".to_owned()));
        assert_eq!(done("backup demo-o"), Some("backup demo-ora0".to_owned()));
        assert_eq!(done("backup demo-ma"), Some("backup demo-mail ".to_owned()));
        assert_eq!(done("backup demo-mail --d"), Some("backup demo-mail --dissolve ".to_owned()));
        assert_eq!(done("cancel --a"), Some("cancel --all ".to_owned()));
        assert_eq!(done("nothing"), None);
        assert_eq!(done("backup demo-mail --y"), None, "what is for a shell is not offered");
    }
}
