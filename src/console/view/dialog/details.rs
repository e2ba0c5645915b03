//! All about one row: figures, records, and the array's own words.

use super::{Body, Content, keys_line, set_details};
use crate::console::app::App;
use crate::console::format::rate;
use crate::console::types::Subject;
use crate::model::duration::people;
use crate::model::identity::VolumeId;
use crate::model::observe::session_state;
use crate::model::proof::bytes_in_words;
use crate::model::records::{Generation, GenerationState};
use crate::model::snapshot::{Due, Halves, Ready, SessionView, Snapshot};

pub fn content(app: &App, subject: Subject, width: usize) -> Content {
    let mut body = Body::new(width);
    let title = match app.snapshot() {
        None => "Details".to_owned(),
        Some(snapshot) => match subject {
            Subject::Volume(id) => transaction_volume(app, snapshot, id, &mut body),
            Subject::Session { source, target, .. } => {
                for session in snapshot.sessions_of(source).iter().filter(|session| session.pair.target == target) {
                    describe(app, snapshot, session, &mut body);
                }
                format!("Copy of {} to {}", snapshot.label(source), snapshot.label(target))
            }
            Subject::Backup { id, .. } => backup_volume(app, snapshot, id, &mut body),
            Subject::Generation { volume, version, .. } => {
                if let Some(generation) = snapshot.generation(volume, version) {
                    describe_generation(app, snapshot, generation, &mut body);
                }
                format!("{version} of {}", snapshot.label(volume))
            }
            Subject::Set(volume) => set_details::set(app, snapshot, volume, &mut body).unwrap_or_default(),
            Subject::Instant { set, operation } => {
                set_details::instant(app, snapshot, (set, operation), &mut body).unwrap_or_default()
            }
        },
    };
    if body.lines.is_empty() {
        body.text(0, "It is no longer there.", app.look.theme.dim);
    }
    Content { title, body, bottom: vec![keys_line(app, &[("Esc", "back")])], typing: None, loud: false }
}

/// What people should know of the array that has the volume.
fn array_attentions(app: &App, snapshot: &Snapshot, id: VolumeId, body: &mut Body) {
    let array = snapshot.array(id.box_id);
    for attention in array.iter().flat_map(|array| &array.attentions) {
        let style = if attention.failed { app.look.theme.problem } else { app.look.theme.warning };
        body.field("the array", &format!("{} ({})", attention.text, attention.code), app.look.theme.dim, style);
    }
}

fn transaction_volume(app: &App, snapshot: &Snapshot, id: VolumeId, body: &mut Body) -> String {
    let (dim, text) = (app.look.theme.dim, app.look.theme.text);
    let Some(view) = snapshot.transaction_volume(id) else { return "Details".to_owned() };
    let volume = &view.volume;
    body.field("where", &snapshot.location(id), dim, text);
    body.field("identity", &id.to_string(), dim, text);
    body.field("size", &format!("{}, {} blocks", volume.blocks, volume.blocks.0), dim, text);
    if let Some(group) = &volume.group {
        body.field("group", &format!("{group}, on disk {}", group.disk), dim, text);
    }
    let policy = match volume.policy {
        None => "none".to_owned(),
        Some(policy) => policy.to_string(),
    };
    body.field("policy", &policy, dim, text);
    body.field("kept", &format!("{}; the next one is {}", view.kept, volume.next_version), dim, text);
    let last =
        view.last_backup.map_or("never".to_owned(), |(version, at)| format!("{version}, {}", app.clock.moment(at)));
    body.field("last backup", &last, dim, text);
    let due = match view.due {
        Due::NoPolicy => "no policy".to_owned(),
        Due::Ok => "in time".to_owned(),
        Due::Overdue(_) => match snapshot.overdue_text(view) {
            Some(text) => format!("overdue: {text}"),
            None => "overdue".to_owned(),
        },
    };
    body.field("due", &due, dim, text);
    if let Some(window) = &view.window {
        let (from, to) = (app.clock.moment(window.start), app.clock.moment(window.end));
        let style = if window.state.is_trouble() { app.look.theme.problem } else { text };
        body.field("window", &format!("{from} to {to}: {}", window.sentence()), dim, style);
    }
    body.field("state", &view.state.to_string(), dim, app.look.theme.transaction(view.state));
    body.field("ready", &ready(app, view.ready), dim, text);
    if let Some(problem) = &view.problem {
        body.field("problem", &format!("{} ({})", problem.text, problem.code), dim, app.look.theme.problem);
    }
    array_attentions(app, snapshot, id, body);
    if let Some(claim) = &view.claimed {
        let since = app.clock.moment_or_minute(claim.since);
        let text_line = format!("{} {} by {}, since {since}", claim.verb, claim.operation, claim.holder);
        body.field("held by", &text_line, dim, text);
    }
    for session in snapshot.sessions_of(id) {
        body.gap();
        body.text(0, &format!("Copy to {}", snapshot.label(session.pair.target)), app.look.theme.title);
        describe(app, snapshot, session, body);
    }
    for generation in snapshot.generations_of(id).iter().rev() {
        body.gap();
        body.text(0, &format!("Generation {}", generation.version), app.look.theme.title);
        describe_generation(app, snapshot, generation, body);
    }
    format!("{}", volume.name)
}

fn backup_volume(app: &App, snapshot: &Snapshot, id: VolumeId, body: &mut Body) -> String {
    let (dim, text) = (app.look.theme.dim, app.look.theme.text);
    let Some(view) = snapshot.backup_volume(id) else { return "Details".to_owned() };
    body.field("where", &snapshot.location(id), dim, text);
    body.field("identity", &id.to_string(), dim, text);
    body.field("size", &format!("{}, {} blocks", view.volume.blocks, view.volume.blocks.0), dim, text);
    if let Some(group) = &view.volume.group {
        let state = view.group_state.as_ref().map_or_else(String::new, |state| format!(", {}", state.word()));
        body.field("group", &format!("{group}{state}, on disk {}", group.disk), dim, text);
    }
    body.field("state", &view.state.to_string(), dim, app.look.theme.backup(view.state));
    if let Some(owner) = view.transaction_volume {
        body.field("belongs to", &snapshot.label(owner), dim, text);
    }
    if let Some(problem) = &view.problem {
        body.field("problem", &format!("{} ({})", problem.text, problem.code), dim, app.look.theme.problem);
    }
    array_attentions(app, snapshot, id, body);
    if let Some(claim) = &view.claimed {
        let since = app.clock.moment_or_minute(claim.since);
        body.field("held by", &format!("{} by {}, since {since}", claim.operation, claim.holder), dim, text);
    }
    for session in snapshot.sessions.iter().filter(|session| session.pair.target == id) {
        body.gap();
        body.text(0, &format!("Copy from {}", snapshot.label(session.pair.source)), app.look.theme.title);
        describe(app, snapshot, session, body);
    }
    let owner = view.transaction_volume.zip(view.generation);
    if let Some((owner, version)) = owner {
        for generation in snapshot.generations_of(owner).iter().filter(|generation| generation.version == version) {
            body.gap();
            body.text(0, &format!("Generation {version}"), app.look.theme.title);
            describe_generation(app, snapshot, generation, body);
        }
    }
    format!("Backup volume {}", snapshot.label(id))
}

fn describe(app: &App, snapshot: &Snapshot, session: &SessionView, body: &mut Body) {
    let (dim, text) = (app.look.theme.dim, app.look.theme.text);
    if let Some(group) = snapshot.backup_volume(session.pair.target).and_then(|view| view.volume.group.as_ref()) {
        body.field("onto group", &group.to_string(), dim, text);
    }
    let state = session_state(session);
    let full = match session.full {
        Some(true) => ", full",
        Some(false) => ", difference",
        None => "",
    };
    body.field("kind", &format!("{}{full}, session {}", session.pair.kind, session.sid), dim, text);
    let ours = format!("{} / {}", session.status, session.phase);
    body.field("state", &ours, dim, app.look.theme.transaction(state));
    body.field("the array says", &session.words.to_string(), dim, text);
    if let Some(error) = session.error {
        body.field("its error code", &error.to_string(), dim, app.look.theme.problem);
    }
    if let Some(progress) = session.progress {
        let percent = progress.percent().map_or_else(String::new, |percent| format!(" ({percent})"));
        body.field("copied", &format!("{} of {}{percent}", progress.done, progress.total), dim, text);
    }
    if let Some(difference) = session.difference {
        body.field("changed since", &difference.to_string(), dim, text);
    }
    if session.ready != Ready::Never {
        body.field("ready", &ready(app, session.ready), dim, text);
    }
    if let Some(bytes) = session.rate {
        body.field("rate", &format!("{}  {}", rate(bytes), trace(app, session)), dim, text);
    }
    body.field("since", &app.clock.moment(session.since), dim, text);
    if let Some(modes) = session.modes {
        let until = if session.shows_mode_of_suspension() { "; in force while suspended" } else { "" };
        body.field("modes", &format!("{modes}{until}"), dim, text);
    }
    match &session.halves {
        Halves::One | Halves::Agree => {}
        Halves::Disagree { other_words, other_taken_at, .. } => {
            let line = format!("{other_words}, read at {}", app.clock.moment_or_minute(*other_taken_at));
            body.field("the other half", &line, dim, app.look.theme.problem);
        }
        Halves::Missing { source_reports } => {
            let line = if *source_reports { "missing on the target's box" } else { "missing on the source's box" };
            body.field("the other half", line, dim, app.look.theme.problem);
        }
        Halves::OtherUnread => body.field("the other half", "not read", dim, app.look.theme.warning),
    }
    let by = if session.ours { "ecdeck".to_owned() } else { session.requestor.escaped() };
    body.field("made by", &by, dim, text);
    let late = 2 * i64::from(snapshot.site.poll_millis);
    let is_late =
        snapshot.array(session.reported_by()).and_then(|array| snapshot.age(array)).is_some_and(|age| age > late);
    if let Some(read) = snapshot.read_at(session).filter(|_| is_late) {
        body.field("read", &app.clock.moment(read), dim, app.look.theme.warning);
    }
}

fn describe_generation(app: &App, snapshot: &Snapshot, generation: &Generation, body: &mut Body) {
    let (dim, text) = (app.look.theme.dim, app.look.theme.text);
    let taken = app.clock.moment(generation.taken_at);
    if app.clock.is_future(generation.taken_at) {
        body.field("taken", &format!("{taken}: in the future, by this clock"), dim, app.look.theme.warning);
    } else {
        body.field("taken", &taken, dim, text);
    }
    if let Some(at) = generation.suspend_complete_by {
        body.field(
            "complete by",
            &format!("{}: its suspend went on after the answer", app.clock.moment(at)),
            dim,
            text,
        );
    }
    if let Some(set) = &generation.set {
        body.field("set", &set.in_words(), dim, text);
    }
    if let Some(time) = generation.copied_in {
        let what = if time.full { "all of it" } else { "what had changed" };
        let time = people(i64::try_from(time.millis).unwrap_or(i64::MAX));
        body.field("copied in", &format!("{time}: {what}"), dim, text);
    }
    body.field("bytes", &bytes_in_words(generation, |at| app.clock.moment(at)), dim, text);
    if let Some(fingerprint) = &generation.fingerprint {
        body.field("BLAKE3", &crate::model::untrusted::escaped(&fingerprint.blake3), dim, text);
    }
    body.field("on", &snapshot.location(generation.backup_volume), dim, text);
    body.field("size", &generation.blocks.to_string(), dim, text);
    body.field("mode", &generation.mode.to_string(), dim, text);
    let style = if generation.state == GenerationState::Valid { text } else { app.look.theme.warning };
    body.field("state", &generation.state.to_string(), dim, style);
    if let Some(why) = &generation.held {
        body.field("held", &why.escaped(), dim, text);
    }
    let origin = match (generation.provisioned, generation.operation) {
        (true, _) => "set up with the demonstration site".to_owned(),
        (false, Some(operation)) => operation.to_string(),
        (false, None) => "adopted".to_owned(),
    };
    body.field("made by", &origin, dim, text);
}

fn ready(app: &App, ready: Ready) -> String {
    match ready {
        Ready::Never => "no copy runs".to_owned(),
        Ready::NotYetKnown => "not yet known".to_owned(),
        ready => app.clock.ready(ready, 30),
    }
}

/// Rates in the line of the details.
const MAX_TRACE: usize = 40;

/// The rate since the row was selected, as a line of heights.
fn trace(app: &App, session: &SessionView) -> String {
    let heights = app.look.glyphs.spark;
    let Some(trace) = app.main.trace.as_ref().filter(|trace| trace.pair == session.pair) else { return String::new() };
    let rates = &trace.rates[trace.rates.len().saturating_sub(MAX_TRACE)..];
    let (Some(most), false) = (rates.iter().max(), heights.is_empty()) else { return String::new() };
    let height = |rate: &u64| heights[(rate * (heights.len() as u64 - 1) / (*most).max(1)) as usize];
    rates.iter().map(height).collect()
}
