//! The reconcile screen drawn: the rows above, all of the selected one below.

use super::state::{ReconcileScreen, is_offered};
use crate::console::screens::screen::Context;
use crate::console::screens::two_panels;
use crate::console::view::canvas::{Canvas, wrap};
use crate::console::view::highlight;
use crate::model::proposal_kind::ProposalKind;
use crate::model::units::{count, listed};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// The columns of the mark, the volume and the proposal; the two stories share the rest.
const MARK: u16 = 3;
const VOLUME: u16 = 15;
const PROPOSED: u16 = 9;
/// Arrays that one line lists at most.
const LISTED: usize = 4;

pub fn draw(screen: &ReconcileScreen, context: &Context, canvas: &mut Canvas, area: Rect) {
    let [above, below] = two_panels::split(area);
    let theme = canvas.look.theme;
    let title = [Span::styled("Catalogue and arrays", theme.title_focused)];
    let note = match screen.rows.len() {
        0 => String::new(),
        rows if screen.marks.is_empty() => count(rows, "row", "rows"),
        rows => format!("{} marked of {rows}", screen.marks.len()),
    };
    let inner = canvas.panel(above, &title, &note, true);
    if screen.rows.is_empty() {
        let unread = not_read(screen);
        canvas.empty(inner, &["The catalogue and the arrays agree.", &unread]);
        canvas.panel(below, &[], "", false);
        return;
    }
    list(screen, context, canvas, inner);
    selected(screen, context, canvas, below);
}

fn not_read(screen: &ReconcileScreen) -> String {
    if screen.unread.is_empty() {
        return "All arrays were read.".to_owned();
    }
    format!("Not read, or not in full: {}. Rows about them may be missing.", listed(screen.unread.clone(), LISTED))
}

fn list(screen: &ReconcileScreen, context: &Context, canvas: &mut Canvas, inner: Rect) {
    let theme = canvas.look.theme;
    let stories = inner.width.saturating_sub(MARK + VOLUME + PROPOSED) / 2;
    let columns = |x: u16| {
        let volume = x + MARK;
        [volume, volume + VOLUME, volume + VOLUME + stories, volume + VOLUME + 2 * stories]
    };
    let [volume, catalogue, array, proposed] = columns(inner.x);
    for (x, text) in
        [(volume, "volume"), (catalogue, "the catalogue says"), (array, "the array says"), (proposed, "proposed")]
    {
        canvas.text(x, inner.y, stories.max(PROPOSED), text, theme.dim);
    }
    let rows = Rect { y: inner.y + 1, height: inner.height.saturating_sub(1), ..inner };
    for line in 0..rows.height {
        let index = screen.cursor.offset + usize::from(line);
        let Some(finding) = screen.rows.get(index) else { break };
        let row = Rect { y: rows.y + line, height: 1, ..rows };
        if screen.is_marked(finding) {
            canvas.put(row.x + 1, row.y, canvas.look.glyphs.mark, theme.text);
        }
        let kind = finding.proposal.kind();
        let word = match kind {
            ProposalKind::ByHand => theme.dim,
            ProposalKind::Release => theme.warning,
            ProposalKind::Adopt | ProposalKind::Forget => theme.text,
        };
        canvas.text(volume, row.y, VOLUME - 1, &context.snapshot().label(finding.subject), theme.text);
        canvas.text(catalogue, row.y, stories.saturating_sub(1), &finding.catalogue, theme.text);
        canvas.text(array, row.y, stories.saturating_sub(1), &finding.array, theme.text);
        canvas.text(proposed, row.y, PROPOSED, &kind.to_string(), word);
        if index == screen.cursor.selected {
            highlight(canvas, row, true);
        }
    }
    canvas.more(rows, screen.cursor.offset, screen.rows.len());
}

/// Both stories in full, and what is proposed with its price.
fn selected(screen: &ReconcileScreen, context: &Context, canvas: &mut Canvas, area: Rect) {
    let (snapshot, theme) = (context.snapshot(), canvas.look.theme);
    let Some(finding) = screen.selected() else {
        canvas.panel(area, &[], "", false);
        return;
    };
    let (owner, subject) = (snapshot.label(finding.owner), snapshot.label(finding.subject));
    let about = if owner == subject { owner } else { format!("{subject} of {owner}") };
    let inner = canvas.panel(area, &[Span::styled(about, theme.title)], "", false);
    let width = usize::from(two_panels::text_width(inner));
    let parts = [
        format!("The catalogue says: {}", finding.catalogue),
        format!("The array says: {}", finding.array),
        format!("Proposed: {}", finding.proposal.offered(snapshot)),
    ];
    let mut lines: Vec<(String, Style)> = Vec::new();
    for text in parts {
        lines.extend(wrap(&text, width).into_iter().map(|line| (line, theme.text)));
    }
    if !screen.unread.is_empty() {
        lines.extend(wrap(&not_read(screen), width).into_iter().map(|line| (line, theme.warning)));
    }
    two_panels::text(canvas, inner, &lines);
}

pub fn hint(screen: &ReconcileScreen) -> String {
    match screen.selected() {
        None => "nothing is to be reconciled".to_owned(),
        Some(_) if !screen.marks.is_empty() => {
            format!("x shows the plan of {}", count(screen.marks.len(), "marked row", "marked rows"))
        }
        Some(finding) if is_offered(finding) => "x shows the plan of this row; nothing is done before that".to_owned(),
        Some(_) => "nothing is proposed for this row: the sentence below says what a person can do".to_owned(),
    }
}
