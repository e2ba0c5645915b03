//! The refusal dialog drawn: why not, what nearly fits, and what a person can do.

use super::super::dialog_text;
use super::super::price;
use super::{Body, Content, keys_line};
use crate::console::app::App;
use crate::console::dialog::refused::RefusedDialog;
use crate::model::plan::Refusal;
use crate::model::request::Action;
use crate::model::session::Pair;
use crate::model::snapshot::TransactionState;

/// What the tools of the volume's array would say: the engine gives it with its answers; for a refusal of our own, the
/// capabilities of the array have it.
fn message_id<'a>(app: &'a App, refusal: &'a Refusal) -> Option<&'a str> {
    let ours = || {
        let array = app.snapshot()?.array(refusal.volume?.box_id)?;
        array.capabilities.as_ref()?.message_id(refusal.code)
    };
    refusal.array_code.as_deref().or_else(ours)
}

pub fn content(app: &App, dialog: &RefusedDialog, width: usize) -> Content {
    let theme = app.look.theme;
    let refusal = &dialog.refusal;
    let mut body = Body::new(width);
    if let Some(text) = backed_up(app, dialog) {
        body.text(0, &text, theme.good);
        body.gap();
    }
    body.text(0, &dialog_text::refusal(app, refusal), theme.text);
    for also in &refusal.also {
        let name = also.volume.zip(app.snapshot()).map_or_else(String::new, |(id, snapshot)| snapshot.label(id) + ": ");
        body.hanging(2, &name, &dialog_text::refusal(app, also), theme.text, theme.warning);
    }
    body.gap();
    let array = message_id(app, refusal).map_or_else(String::new, |id| format!(", the array would say {id}"));
    match refusal.code.explain() {
        Some(row) => {
            body.hanging(0, &format!("{} ", refusal.code), &format!("{}{array}", row.text), theme.accent, theme.text);
            body.text(2, row.why, theme.dim);
            body.text(2, row.remedy, theme.dim);
        }
        None => body.text(0, &format!("{}{array}", refusal.code), theme.accent),
    }
    if !refusal.advice.is_empty() {
        body.gap();
        body.text(0, "First, without any loss:", theme.title);
        for advice in &refusal.advice {
            body.text(2, &advice.text, theme.text);
            for line in &advice.lines {
                body.text(4, line, theme.accent);
            }
        }
    }
    if !refusal.remedies.is_empty() {
        body.gap();
        body.text(0, "What you can do (each shows its plan first):", theme.title);
        for (index, remedy) in refusal.remedies.iter().enumerate() {
            let key = if index < 9 { format!("{} ", index + 1) } else { "  ".to_owned() };
            let style = if remedy.destroys { theme.danger } else { theme.text };
            let destroys = if remedy.destroys { " - destroys data" } else { "" };
            body.hanging(2, &key, &format!("{}{destroys}", remedy.label), theme.key, style);
            let planned =
                app.snapshot().and_then(|snapshot| Some((snapshot, (app.planner)(snapshot, &remedy.request).ok()?)));
            if let Some((snapshot, plan)) = planned {
                for line in plan.items().iter().flat_map(|item| price::of(app, snapshot, item)) {
                    body.text(4, &line, theme.dim);
                }
            }
        }
    }
    if !refusal.near_misses.is_empty() {
        body.gap();
        body.text(0, "Nearly:", theme.title);
        for miss in &refusal.near_misses {
            let text =
                if miss.why.contains(&miss.name) { miss.why.clone() } else { format!("{}: {}", miss.name, miss.why) };
            body.text(2, &text, theme.dim);
        }
        if refusal.near_misses_left_off > 0 {
            body.text(2, &format!("and {} more", refusal.near_misses_left_off), theme.dim);
        }
    }
    let verb = dialog.request.action.verb().info().title;
    let what = dialog.request.action.volumes();
    let title = match (what, app.snapshot()) {
        ([one], Some(snapshot)) => format!("Refused - {verb}: {}", snapshot.label(*one)),
        _ => format!("Refused - {verb}"),
    };
    let ways = match refusal.remedies.len() {
        0 | 1 => "1".to_owned(),
        several => format!("1-{}", several.min(9)),
    };
    let keys = [(ways.as_str(), "take that way"), ("Esc", "back")];
    let keys = if refusal.remedies.is_empty() { &keys[1..] } else { &keys };
    Content { title, body, bottom: vec![keys_line(app, keys)], typing: None, loud: false }
}

/// A backup that is asked for again: the one that is there comes first.
fn backed_up(app: &App, dialog: &RefusedDialog) -> Option<String> {
    let Action::Backup { volumes, .. } = &dialog.request.action else { return None };
    let ([id], snapshot) = (&volumes[..], app.snapshot()?) else { return None };
    let view = snapshot.transaction_volume(*id)?;
    let (version, at) = view.last_backup.filter(|_| view.state == TransactionState::Suspended)?;
    let generation = snapshot.generation(*id, version)?;
    let session = snapshot.session(&Pair::new(*id, generation.backup_volume))?;
    let when = app.clock.moment_or_minute(at);
    Some(match session.difference {
        Some(difference) if difference.0 == 0 => {
            format!("Backed up at {when} as {version}; nothing changed since. Nothing to do.")
        }
        Some(difference) => format!("Backed up at {when} as {version}; {difference} changed since."),
        None => format!("Backed up at {when} as {version}."),
    })
}
