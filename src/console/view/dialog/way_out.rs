//! The way out of a red row: the cause, the array's own word and code, what works now, and whether the window holds.

use super::super::dialog_text;
use super::{Body, Content, keys_line};
use crate::console::app::App;
use crate::console::format::{Clock, rate};
use crate::console::keys::Command;
use crate::console::picture::is_moving;
use crate::console::requests;
use crate::console::sessions;
use crate::console::types::Subject;
use crate::model::advice::Advice;
use crate::model::identity::VolumeId;
use crate::model::snapshot::{Snapshot, TransactionVolumeView};
use crate::model::units::Timestamp;
use crate::model::verb::Verb;

/// The verbs that may help, in the order in which they are tried.
const WAYS: [Verb; 6] = [Verb::Resume, Verb::Suspend, Verb::Cancel, Verb::ForceStop, Verb::Start, Verb::Backup];

pub fn content(app: &App, volume: VolumeId, width: usize) -> Content {
    let theme = app.look.theme;
    let mut body = Body::new(width);
    let mut title = "Way out".to_owned();
    if let Some((snapshot, view)) =
        app.snapshot().and_then(|snapshot| Some((snapshot, snapshot.transaction_volume(volume)?)))
    {
        title = format!("Way out: {}", view.volume.name);
        cause(app, snapshot, view, &mut body);
        ways(app, snapshot, view, &mut body);
        body.gap();
        body.text(0, "The window", theme.title);
        for line in window(app, snapshot, view) {
            body.text(2, &line, theme.text);
        }
    } else {
        body.text(0, "The volume is no longer registered.", theme.dim);
    }
    let details = app.keys.key(Command::Details);
    let bottom = vec![keys_line(app, &[(&details, "all details"), ("Esc", "back")])];
    Content { title, body, bottom, typing: None, loud: true }
}

fn cause(app: &App, snapshot: &Snapshot, view: &TransactionVolumeView, body: &mut Body) {
    let theme = app.look.theme;
    body.text(0, "What happened", theme.title);
    if let Some(problem) = &view.problem {
        let since = problem.since.map_or_else(String::new, |at| format!(", since {}", app.clock.moment_or_minute(at)));
        body.text(2, &format!("{} ({}){since}", problem.text, problem.code), theme.problem);
        if let Some(row) = problem.code.explain() {
            body.text(2, &format!("{} {}", row.why, row.remedy), theme.dim);
        }
    } else {
        body.text(2, &format!("{} is {}.", view.volume.name, view.state), theme.text);
    }
    if let Some(session) = sessions::governing(snapshot, view.volume.id) {
        body.gap();
        body.field("the array says", &session.words.to_string(), theme.dim, theme.text);
        if let Some(error) = session.error.or(view.problem.as_ref().and_then(|problem| problem.array_error)) {
            body.field("its error code", &error.to_string(), theme.dim, theme.problem);
        }
        let target =
            format!("{} to {}, session {}", session.pair.kind, snapshot.label(session.pair.target), session.sid);
        body.field("the copy", &target, theme.dim, theme.text);
    }
    if let Some((version, at)) = view.last_backup {
        let text = format!("{version} of {}: it is not touched by this", app.clock.moment(at));
        body.field("last backup", &text, theme.dim, theme.text);
    }
}

/// What the rules allow now comes with its key; starting again is named even before it is possible.
fn ways(app: &App, snapshot: &Snapshot, view: &TransactionVolumeView, body: &mut Body) {
    let theme = app.look.theme;
    body.gap();
    body.text(0, "What works now", theme.title);
    if app.settings.read_only {
        body.text(2, "Nothing from this console: it was started with --read-only.", theme.dim);
        return;
    }
    let mut shown = Vec::new();
    let mut may_start = false;
    let requests = || {
        WAYS.into_iter()
            .filter_map(|verb| Some((verb, requests::request(snapshot, verb, Subject::Volume(view.volume.id))?)))
    };
    let mut advised: Vec<Advice> = Vec::new();
    for (_, request) in requests() {
        let refused = (app.planner)(snapshot, &request).err();
        for advice in refused.into_iter().flat_map(|refusal| refusal.advice) {
            if !advised.contains(&advice) {
                advised.push(advice);
            }
        }
    }
    for advice in &advised {
        body.hanging(2, "first  ", &advice.text, theme.key, theme.text);
        for line in &advice.lines {
            body.text(4, line, theme.accent);
        }
    }
    for (verb, request) in requests() {
        let Ok(plan) = (app.planner)(snapshot, &request) else { continue };
        may_start |= verb == Verb::Start;
        let what = dialog_text::in_short(snapshot, &plan);
        // Two verbs that come to the same are one way.
        if !shown.contains(&what) {
            body.hanging(2, &format!("{}  ", app.keys.key(Command::Verb(verb))), &what, theme.key, theme.text);
            shown.push(what);
        }
    }
    if shown.is_empty() {
        body.text(2, "No verb is allowed in this state; the cause has to be repaired on the array first.", theme.text);
    }
    if !may_start {
        let start = app.keys.key(Command::Verb(Verb::Start));
        body.hanging(
            2,
            &format!("{start}  "),
            "afterwards, when the cause is repaired, starts again",
            theme.key_off,
            theme.dim,
        );
    }
}

/// Whether the next backup can still be made in time.
fn window(app: &App, snapshot: &Snapshot, view: &TransactionVolumeView) -> Vec<String> {
    let Some(policy) = view.volume.policy else {
        return vec!["No policy is set, so there is no window to meet.".to_owned()];
    };
    let from = view.last_backup.map_or(view.volume.registered_at, |(_, at)| at);
    let due = from.plus_millis(i64::from(policy.interval_days) * Timestamp::DAY);
    let fastest = snapshot
        .sessions
        .iter()
        .filter(|session| is_moving(session) && session.pair.source.box_id == view.volume.id.box_id)
        .filter_map(|session| session.rate)
        .max();
    let due_words = app.clock.moment(due);
    let late = due <= app.clock.now;
    let mut lines = vec![if late {
        format!("The next backup was due {due_words}: it is late already.")
    } else {
        format!("The next backup is due {due_words}.")
    }];
    let Some(bytes) = fastest.filter(|rate| *rate > 0) else {
        lines.push("Nothing is being copied on this array now, so there is no rate to reckon with.".to_owned());
        return lines;
    };
    let millis = i64::try_from(view.volume.blocks.bytes().saturating_mul(1000) / bytes).unwrap_or(i64::MAX);
    let ready = app.clock.now.plus_millis(millis.max(60_000));
    let when = app.clock.moment_or_minute(ready);
    let verdict = match (late, ready <= due) {
        (true, _) => String::new(),
        (false, true) => ": in time".to_owned(),
        (false, false) => format!(": too late by {}", Clock::span(ready.since(due))),
    };
    let (rate, span) = (rate(bytes), Clock::span(millis));
    lines.push(format!("Started again in full now, at {rate}, it takes {span} and is ready at {when}{verdict}."));
    lines
}
