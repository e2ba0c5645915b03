//! The plan dialog drawn: what would be done, what to know before, and the agreement.

use super::super::dialog_text;
use super::super::price;
use super::{Body, Content, Typing, around_restore, keys_line};
use crate::console::app::App;
use crate::console::dialog::plan::{Detail, Note, PlanDialog, Stage};
use crate::console::gate::Readiness;
use crate::console::keys::Command;
use crate::console::requests;
use crate::console::types::{ANSWER_TIMEOUT, Link};
use crate::engine::client::ENGINE_SILENCE_TIMEOUT;
use crate::model::codes::Code;
use crate::model::plan::{AroundRestore, Plan, step_text};
use crate::model::records::ReleaseReason;
use crate::model::snapshot::Snapshot;
use crate::model::step::{GiveUpStep, Notice, PlanStep};
use crate::model::units::Timestamp;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

/// What is given up stands first, then what is done. `None`: there is no plan yet.
pub fn body(app: &App, dialog: &PlanDialog, width: usize) -> Option<Body> {
    let theme = app.look.theme;
    let (answer, snapshot) = (dialog.answer()?, app.snapshot()?);
    let plan = &answer.plan;
    let mut body = Body::new(width);
    match dialog.note {
        Some(Note::Changed) => body.text(0, "The site has changed: this is the plan now.", theme.warning),
        Some(Note::NothingRan) => {
            body.text(
                0,
                "The plan had changed when it was agreed to. Nothing ran; this is the plan now.",
                theme.warning,
            );
        }
        Some(Note::WrongName) | None => {}
    }
    body.gap();
    losses(app, plan, snapshot, &mut body);
    body.gap();
    let several = plan.items().len() + plan.refused().len() > 1;
    if let ([item], false) = (plan.items(), several)
        && !requests::is_about_a_map_set(item.verb)
        && let Some(now) = dialog_text::situation(snapshot, item.volume)
    {
        body.text(0, &now, theme.dim);
        body.gap();
    }
    for (index, item) in plan.items().iter().enumerate() {
        if several {
            body.text(0, &dialog_text::item_name(snapshot, item), theme.title);
        }
        let indent = if several { 2 } else { 0 };
        let commands = answer.commands.get(index).map_or(&[][..], Vec::as_slice);
        let around = AroundRestore::of(snapshot, item);
        around_restore::by_hand(app, &around.before, indent, &mut body);
        for (number, step) in item.steps.iter().enumerate() {
            let lead = format!("{} ", number + 1);
            body.hanging(indent, &lead, &step_text::step(step, snapshot), theme.dim, theme.text);
            for part in step_text::parts(step, snapshot) {
                body.hanging(indent + 2, "", &part, theme.dim, theme.dim);
            }
            for command in commands.iter().filter(|command| dialog.detail == Detail::Commands && command.step == number)
            {
                body.hanging(indent + 2, "$ ", &command.line, theme.frame, theme.dim);
            }
        }
        around_restore::by_hand(app, &around.after, indent, &mut body);
        around_restore::next_jobs(app, &around, indent, &mut body);
        for line in price::of(app, snapshot, item) {
            body.text(indent + 2, &line, theme.dim);
        }
        let lead = format!("{} ", app.look.glyphs.attention);
        for notice in item.notices.iter().filter(|notice| !is_loss(notice)) {
            body.hanging(indent, &lead, &format!("{} ({})", notice.text, notice.code), theme.warning, theme.warning);
        }
        if several {
            body.gap();
        }
    }
    if !plan.refused().is_empty() {
        body.gap();
        body.text(0, "Not these:", theme.title);
        for refusal in plan.refused() {
            let name = refusal.volume.map_or_else(String::new, |id| format!("{}: ", snapshot.label(id)));
            body.hanging(2, &name, &dialog_text::refusal(app, refusal), theme.text, theme.dim);
        }
    }
    if plan.items().len() > 1 {
        body.gap();
        body.text(0, "Each volume for itself, not at one instant.", theme.dim);
    }
    Some(body)
}

/// What a person loses by it: the sentences of what must be confirmed, every other generation that is given up, and data
/// that a host wrote on a copy.
fn losses(app: &App, plan: &Plan, snapshot: &Snapshot, body: &mut Body) {
    let theme = app.look.theme;
    let lead = format!("{} ", app.look.glyphs.attention);
    for item in plan.items() {
        if let Some(confirmation) = &item.confirmation {
            body.hanging(0, &lead, &confirmation.what, theme.danger, theme.danger);
        }
        for lost in around_restore::losses(app, &AroundRestore::of(snapshot, item)) {
            body.hanging(0, &lead, &lost, theme.warning, theme.warning);
        }
        for notice in item.notices.iter().filter(|notice| is_loss(notice)) {
            let text = format!("{}: {} ({})", dialog_text::item_name(snapshot, item), notice.text, notice.code);
            body.hanging(0, &lead, &text, theme.warning, theme.warning);
        }
        for step in &item.steps {
            if let PlanStep::GiveUp(GiveUpStep { transaction_volume, why, .. }) = step
                && (item.confirmation.is_none() || *why == ReleaseReason::Retention)
            {
                let text = format!("{}: {}", snapshot.label(*transaction_volume), step_text::step(step, snapshot));
                body.hanging(0, &lead, &text, theme.warning, theme.warning);
            }
        }
    }
}

/// Notices of data that will be gone stand with what is given up.
fn is_loss(notice: &Notice) -> bool {
    notice.code == Code::NEW_DATA_LOST
}

pub fn content(app: &App, dialog: &PlanDialog, width: usize) -> Content {
    let theme = app.look.theme;
    let verb = dialog.request.action.verb().info().title;
    let (Some(answer), Some(snapshot), Some(body)) = (dialog.answer(), app.snapshot(), body(app, dialog, width)) else {
        let mut body = Body::new(width);
        body.text(0, &asking(app, dialog), theme.dim);
        let bottom = vec![cancel_line(app, None)];
        return Content { title: verb.to_owned(), body, bottom, typing: None, loud: false };
    };
    let plan = &answer.plan;
    let mut bottom = Vec::new();
    let mut typing = None;
    if let Some(confirmation) = plan.confirmation() {
        let lead = format!("Type {} to agree: ", confirmation.name);
        let column = lead.width() + dialog.name.visual_cursor();
        if dialog.typing {
            typing = Some(Typing::Bottom(bottom.len(), column as u16));
        }
        let mut line = vec![
            Span::styled(lead, if dialog.typing { theme.text } else { theme.dim }),
            Span::styled(dialog.name.value().to_owned(), theme.title),
        ];
        if dialog.note == Some(Note::WrongName) {
            line.push(Span::styled("  this is another name", theme.warning));
        }
        bottom.push(Line::from(line));
    }
    bottom.push(cancel_line(app, Some((dialog, app.gate.readiness(app.size, dialog, body.lines.len())))));
    let loud = plan.confirmation().is_some();
    Content { title: dialog_text::title(snapshot, plan), body, bottom, typing, loud }
}

/// Who is waited for before there is a plan, and for how long.
fn asking(app: &App, dialog: &PlanDialog) -> String {
    let limit = ANSWER_TIMEOUT.as_secs();
    match &app.link {
        Link::Silent { since, engine } => silent(app, *since, engine),
        Link::Lost { .. } | Link::Connecting => {
            "There is no line to the engine. It is asked when it is back.".to_owned()
        }
        Link::Live if dialog.ticket.is_none() && !app.being_read().is_empty() => {
            format!("The plan comes with the first reading of {}.", app.being_read().join(" and "))
        }
        Link::Live if dialog.ticket.is_none() => {
            "The engine did not answer. It is asked again with its next news.".to_owned()
        }
        Link::Live if dialog.slow => format!(
            "The engine has not answered yet: it reads an array whose last reading is too old. It is waited for {limit} s \
             at most."
        ),
        Link::Live => "Asking the engine what this would do.".to_owned(),
    }
}

/// Who is waited for after the agreement.
fn running(app: &App, dialog: &PlanDialog) -> String {
    match &app.link {
        Link::Silent { since, engine } => silent(app, *since, engine),
        _ if dialog.slow => {
            format!("Agreed; the engine has not answered yet. It is waited for {} s at most.", ANSWER_TIMEOUT.as_secs())
        }
        _ => "Agreed; waiting for the engine.".to_owned(),
    }
}

fn silent(app: &App, since: Timestamp, engine: &str) -> String {
    let since = app.clock.moment_or_minute(since);
    format!(
        "Waiting for {engine}: no sign of life since {since}. It ends after {} s.",
        ENGINE_SILENCE_TIMEOUT.as_secs()
    )
}

/// Cancel, which has the focus, and the key that agrees.
fn cancel_line(app: &App, dialog: Option<(&PlanDialog, Readiness)>) -> Line<'static> {
    let theme = app.look.theme;
    let typing = dialog.is_some_and(|(dialog, _)| dialog.typing);
    let mut spans =
        vec![Span::styled(" Cancel ", if typing { theme.button } else { theme.button_focused }), Span::raw("   ")];
    let Some((dialog, readiness, answer)) = dialog.and_then(|(dialog, ready)| Some((dialog, ready, dialog.answer()?)))
    else {
        spans.extend(keys_line(app, &[("Esc", "back")]).spans);
        return Line::from(spans);
    };
    if matches!(dialog.stage, Stage::Running(_)) {
        spans.push(Span::styled(running(app, dialog), theme.accent));
        return Line::from(spans);
    }
    let (run, all) = (answer.plan.items().len(), answer.plan.items().len() + answer.plan.refused().len());
    let what = match app.snapshot().and_then(|snapshot| around_restore::what_it_overwrites(snapshot, &answer.plan)) {
        Some(what) => what,
        None if all > 1 => format!("run {run} of {all}"),
        None => "run".to_owned(),
    };
    let agree = app.keys.key(Command::Agree);
    let named = answer.plan.confirmation().is_some();
    match readiness {
        Readiness::Unseen { last, of } => {
            // Agreeing is not on offer before the end has been seen.
            let key = app.keys.keys(Command::Down).last().map_or_else(|| "-".to_owned(), ToString::to_string);
            let more = format!("more, {last} of {of}, then {agree}");
            spans.extend(keys_line(app, &[(&key, &more)]).spans);
        }
        Readiness::Resting => spans.push(Span::styled(format!("{agree} in a moment"), theme.key_off)),
        Readiness::Open if typing => spans.extend(keys_line(app, &[("Enter", &what)]).spans),
        Readiness::Open if named => spans.extend(keys_line(app, &[(&agree, "type the name")]).spans),
        Readiness::Open => spans.extend(keys_line(app, &[(&agree, &what)]).spans),
    }
    spans.push(Span::raw("   "));
    spans.extend(keys_line(app, &[("Esc", "back")]).spans);
    let details = app.keys.key(Command::Details);
    if dialog.detail == Detail::Commands {
        // The digest is what the audit keeps of the agreement.
        let digest = answer.plan.digest().as_str();
        spans.push(Span::styled(format!("   plan {}", digest.get(..8).unwrap_or(digest)), theme.dim));
    } else if !typing && answer.commands.iter().any(|commands| !commands.is_empty()) {
        spans.push(Span::raw("   "));
        spans.extend(keys_line(app, &[(&details, "commands")]).spans);
    }
    Line::from(spans)
}
