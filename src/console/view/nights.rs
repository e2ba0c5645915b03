//! The nights to come of one volume as a table.

use super::canvas::Canvas;
use super::highlight;
use crate::console::format::Clock;
use crate::model::identity::VolumeId;
use crate::model::preview::{Night, NightBackup, NightCopy, NightEnd};
use crate::model::snapshot::Snapshot;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Widths of the columns night, takes, copy, records, unused; releases has the rest.
const WIDTHS: [u16; 5] = [12, 14, 11, 8, 8];
/// The column of a number.
const UNUSED: usize = 4;
const HEADINGS: [&str; 6] = ["night", "takes", "copy", "records", "unused", "releases, or why not"];
/// The column of what a night takes, and the last one.
const TAKES: usize = 1;
const RELEASES: usize = 5;

/// The nights of a volume from one row on.
pub struct NightTable<'a> {
    pub nights: &'a [&'a Night],
    pub volume: VolumeId,
    pub offset: usize,
}

impl NightTable<'_> {
    /// Draws heading and rows. `selected`: the row with the bar.
    pub fn draw(&self, snapshot: &Snapshot, clock: &Clock, canvas: &mut Canvas, inner: Rect, selected: Option<usize>) {
        if inner.is_empty() {
            return;
        }
        let theme = canvas.look.theme;
        cells(canvas, Rect { height: 1, ..inner }, &HEADINGS.map(str::to_owned), &[theme.dim; 6]);
        let rows = Rect { y: inner.y + 1, height: inner.height - 1, ..inner };
        let Self { nights, volume, offset } = *self;
        if nights.is_empty() {
            canvas.empty(rows, &["No backup is due in these weeks."]);
        }
        for line in 0..rows.height {
            let index = offset + usize::from(line);
            let Some(night) = nights.get(index) else { break };
            let row = Rect { y: rows.y + line, height: 1, ..rows };
            let backup = night.of(volume);
            let refused = backup.is_some_and(|backup| matches!(backup.end, NightEnd::Refused { .. }));
            let mut texts = texts(snapshot, clock, night, backup);
            let mut styles = [if backup.is_none() { theme.dim } else { theme.text }; 6];
            if refused {
                (styles[TAKES], styles[RELEASES]) = (theme.problem, theme.problem);
                // One cause is said once, above the nights that it costs.
                let before = index.checked_sub(1).filter(|_| line > 0).and_then(|before| nights.get(before));
                if before.and_then(|before| before.of(volume)).map(|backup| &backup.end)
                    == backup.map(|backup| &backup.end)
                {
                    "the same".clone_into(&mut texts[RELEASES]);
                    styles[RELEASES] = theme.dim;
                }
            }
            // Another volume of the pool finds none.
            if night.without_volume().next().is_some() {
                styles[UNUSED] = theme.warning;
            }
            cells(canvas, row, &texts, &styles);
            if Some(index) == selected {
                highlight(canvas, row, true);
            }
        }
        canvas.more(rows, offset, nights.len());
    }
}

fn cells(canvas: &mut Canvas, row: Rect, texts: &[String; 6], styles: &[Style; 6]) {
    let mut x = row.x + 2;
    for (at, (text, style)) in texts.iter().zip(*styles).enumerate() {
        let left = row.right().saturating_sub(x + 1);
        let width = WIDTHS.get(at).map_or(left, |width| (width - 1).min(left));
        if at == UNUSED {
            canvas.right(x, row.y, width.saturating_sub(1), text, style);
        } else {
            canvas.text(x, row.y, width, text, style);
        }
        x += WIDTHS.get(at).copied().unwrap_or(left);
    }
}

fn texts(snapshot: &Snapshot, clock: &Clock, night: &Night, backup: Option<&NightBackup>) -> [String; 6] {
    let dash = || "-".to_owned();
    let (at, unused) = (clock.night(night.at), night.unused.to_string());
    let policy = |id| snapshot.transaction_volume(id).and_then(|view| view.volume.policy);
    match backup.map(|backup| (&backup.end, policy(backup.volume))) {
        None => [at, "not due".to_owned(), dash(), dash(), unused, dash()],
        Some((NightEnd::Refused { code, reason, .. }, _)) => {
            [at, "no backup".to_owned(), dash(), dash(), unused, format!("{code} {reason}")]
        }
        Some((NightEnd::Kept { version, backup_volume, copy, released }, policy)) => {
            let kept = policy.map_or(0, |policy| policy.generations);
            let released: Vec<String> = released.iter().map(|one| one.sentence(kept)).collect();
            let released = if released.is_empty() { dash() } else { released.join("; ") };
            [at, snapshot.label(*backup_volume), copy_word(*copy).to_owned(), version.to_string(), unused, released]
        }
    }
}

/// What is copied before a night's backup, in one word.
pub fn copy_word(copy: NightCopy) -> &'static str {
    match copy {
        NightCopy::Full => "full",
        NightCopy::Differential => "difference",
        NightCopy::Running => "runs now",
    }
}
