//! The screen of the nights to come drawn: the volume's nights above, the selected night of the whole pool below.

use super::state::NightsScreen;
use crate::console::screens::screen::Context;
use crate::console::screens::two_panels;
use crate::console::view::canvas::{Canvas, wrap};
use crate::console::view::nights::{NightTable, copy_word};
use crate::model::preview::{NightBackup, NightEnd, Preview};
use crate::model::units::{count, listed};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

/// Names that one line lists at most.
const LISTED: usize = 4;

pub fn draw(screen: &NightsScreen, context: &Context, canvas: &mut Canvas, area: Rect) {
    let [above, below] = two_panels::split(area);
    let snapshot = context.snapshot();
    let name = screen.volume.map_or_else(String::new, |id| format!(" of {}", snapshot.label(id)));
    let theme = canvas.look.theme;
    let title = [Span::styled(format!("Nights to come{name}"), theme.title_focused)];
    let note = screen.preview().map_or_else(String::new, pool);
    let inner = canvas.panel(above, &title, &note, true);
    let (Some(volume), Some(preview)) = (screen.volume, screen.preview()) else {
        let why = match screen.volume {
            None => "No transaction volume is selected.",
            Some(_) => "This volume has no policy, so no night is planned.",
        };
        canvas.empty(inner, &[why, "Esc goes back."]);
        canvas.panel(below, &[], "", false);
        return;
    };
    let table = NightTable { nights: &screen.nights(), volume, offset: screen.cursor.offset };
    table.draw(snapshot, context.clock, canvas, inner, Some(screen.cursor.selected));
    night(screen, context, canvas, below, preview);
}

fn pool(preview: &Preview) -> String {
    let sizes: Vec<String> = preview.pools.iter().map(ToString::to_string).collect();
    format!("pool of {}: {}", sizes.join(" and "), count(preview.pool, "volume", "volumes"))
}

/// The selected night: each volume of the pool, and what the plans say.
fn night(screen: &NightsScreen, context: &Context, canvas: &mut Canvas, area: Rect, preview: &Preview) {
    let (snapshot, theme) = (context.snapshot(), canvas.look.theme);
    let Some(night) = screen.selected() else {
        canvas.panel(area, &[], "", false);
        return;
    };
    let title = format!("{}, all volumes of the pool", context.clock.night(night.at));
    let note = format!("{} share it", count(preview.volumes.len(), "volume", "volumes"));
    let inner = canvas.panel(area, &[Span::styled(title, theme.title)], &note, false);
    let width = usize::from(two_panels::text_width(inner));
    let mut lines: Vec<(String, Style)> = Vec::new();
    // What is wrong first: a small screen shows the beginning.
    let mut backups: Vec<&NightBackup> = night.backups.iter().collect();
    backups.sort_by_key(|backup| !matches!(backup.end, NightEnd::Refused { .. }));
    for backup in backups {
        let name = snapshot.label(backup.volume);
        let (text, style) = match &backup.end {
            NightEnd::Refused { code, reason, .. } => (format!("{name}: no backup, {reason} ({code})"), theme.problem),
            NightEnd::Kept { version, backup_volume, copy, released } => {
                let gone: Vec<String> = released.iter().map(|one| one.version.to_string()).collect();
                let gone = if gone.is_empty() { String::new() } else { format!(", releases {}", gone.join(", ")) };
                let place = snapshot.label(*backup_volume);
                (format!("{name}: {version} on {place}, {}{gone}", copy_word(*copy)), theme.text)
            }
        };
        lines.extend(wrap(&text, width).into_iter().map(|line| (line, style)));
        for notice in &backup.notices {
            let text = format!("  {}", notice.text);
            lines.extend(wrap(&text, width).into_iter().map(|line| (line, theme.dim)));
        }
    }
    two_panels::text(canvas, inner, &lines);
}

/// Whether the pool lasts.
pub fn hint(screen: &NightsScreen, context: &Context) -> String {
    let Some(preview) = screen.preview() else { return String::new() };
    let without = screen.nights_without_backup();
    match preview.dry() {
        None if without > 0 => format!(
            "{} has no backup on {without} of {}; nothing is changed here",
            screen.volume.map_or_else(String::new, |id| context.snapshot().label(id)),
            count(preview.nights.len(), "night", "nights")
        ),
        None => format!(
            "the pool lasts for all {}; nothing is changed here",
            count(preview.nights.len(), "night", "nights")
        ),
        Some(night) => {
            let without: Vec<String> =
                night.without_volume().map(|backup| context.snapshot().label(backup.volume)).collect();
            let find = if without.len() == 1 { "finds" } else { "find" };
            let at = context.clock.night(night.at);
            format!("the pool runs dry on {at}: {} {find} no backup volume", listed(without, LISTED))
        }
    }
}
