//! Step 4: the file as it will be written, the difference to what is stored, and a text that came back from the editor.

use super::super::draft::Draft;
use super::split;
use crate::console::screens::screen::footer_rows;
use crate::console::view::canvas::wrap;
use crate::model::device_map::{self, Finding, difference, write_set};
use crate::model::snapshot::Snapshot;

/// Columns of a screen from which on both panes stand side by side.
const SIDE_BY_SIDE: u16 = 110;

/// A text that came back from the editor and cannot be taken over.
#[derive(Debug)]
pub struct Edited {
    pub text: String,
    pub findings: Vec<Finding>,
}

#[derive(Debug, Default)]
pub struct WritePart {
    pub file: Vec<String>,
    pub difference: Vec<String>,
    pub edited: Option<Edited>,
    /// The lower, or right, pane has the focus.
    pub other: bool,
    pub scroll: usize,
    pub other_scroll: usize,
    /// Rows of the two panes.
    pub rows: (usize, usize),
    of: Option<(u64, u64)>,
}

impl WritePart {
    pub fn settle(&mut self, snapshot: &Snapshot, draft: &Draft, size: (u16, u16)) {
        let of = Some((snapshot.sequence, draft.revision));
        if self.of != of {
            self.of = of;
            let set = draft.to_store();
            self.file = write_set(&set, snapshot).trim_end().lines().map(str::to_owned).collect();
            let stored = snapshot.map_set(draft.name().as_str());
            self.difference = difference(stored, Some(&set)).iter().map(|change| change.in_words(snapshot)).collect();
        }
        let height = size.1.saturating_sub(1 + footer_rows(size.1));
        let (_, second, beside) = widths(size.0);
        let (upper, lower) = if beside {
            (height.saturating_sub(1), height.saturating_sub(1))
        } else {
            split(height, self.left().len() + 2, 8)
        };
        self.rows = (usize::from(upper.saturating_sub(2)), usize::from(lower.saturating_sub(2)));
        self.scroll = self.scroll.min(self.left().len().saturating_sub(self.rows.0));
        let lines = if self.edited.is_some() { self.wrong(second).len() } else { self.difference.len() };
        self.other_scroll = self.other_scroll.min(lines.saturating_sub(self.rows.1));
    }

    /// The lines of the first pane.
    pub fn left(&self) -> Vec<&str> {
        match &self.edited {
            Some(edited) => edited.text.lines().collect(),
            None => self.file.iter().map(String::as_str).collect(),
        }
    }

    /// What is wrong with the edited text, in lines of so many columns: what (`true`), then what can be done.
    pub fn wrong(&self, width: u16) -> Vec<(String, bool)> {
        let findings = self.edited.iter().flat_map(|edited| &edited.findings);
        let lines = |finding: &Finding| {
            let (line, column) = (finding.line, finding.column);
            let what = format!("{line}:{column} {}: {} ({})", finding.severity, finding.text, finding.code);
            let width = usize::from(width.saturating_sub(4));
            let what = wrap(&what, width).into_iter().map(|line| (line, true));
            let help =
                wrap(&finding.help, width.saturating_sub(2)).into_iter().map(|line| (format!("  {line}"), false));
            what.chain(help).collect::<Vec<_>>()
        };
        findings.flat_map(lines).collect()
    }
}

/// The widths of both panes, and whether they stand side by side.
pub fn widths(screen: u16) -> (u16, u16, bool) {
    if screen >= SIDE_BY_SIDE { (screen / 2, screen - screen / 2, true) } else { (screen, screen, false) }
}

/// The text for the editor: the pairs, and above them what they mean.
pub fn editor_text(snapshot: &Snapshot, draft: &Draft) -> String {
    format!(
        "# Map set {}: one pair a line, the transaction volume first, then the backup volume.\n\
         # A round begins with its line `# round: NAME`. Lines that begin with #! are taken out.\n\n{}",
        draft.name(),
        write_set(&draft.to_store(), snapshot)
    )
}

/// What comes of an edited text: a map set, or the text with everything that is wrong with it.
pub fn read(snapshot: &Snapshot, draft: &Draft, text: &str) -> Result<device_map::MapSet, Vec<Finding>> {
    let (map, mut findings) = device_map::parse_lines(text.as_bytes());
    let first = draft.round_names().next().cloned().or_else(|| device_map::grid::round_name(0));
    let Some(first) = first else { return Err(findings) };
    let (rounds, others) = device_map::rounds_of(&map, snapshot, draft.name(), &first);
    findings.extend(others);
    findings.sort_by_key(|finding| (finding.line, finding.column));
    if findings.is_empty() { Ok(device_map::MapSet { name: draft.name().clone(), rounds }) } else { Err(findings) }
}
