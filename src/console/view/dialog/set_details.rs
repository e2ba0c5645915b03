//! All about a set, or about one backup of it: its volumes, and the proof that they are of one instant.

use super::Body;
use crate::console::app::App;
use crate::model::identity::VolumeId;
use crate::model::plan::{not_at_one_instant, state_of_set};
use crate::model::records::OperationId;
use crate::model::set_instants::{self, KeptInstant};
use crate::model::snapshot::Snapshot;
use crate::model::units::count;

pub fn set(app: &App, snapshot: &Snapshot, volume: VolumeId, body: &mut Body) -> Option<String> {
    let (dim, text, title) = (app.look.theme.dim, app.look.theme.text, app.look.theme.title);
    let set = snapshot.volume_set_of(volume)?;
    let state = state_of_set(snapshot, set);
    body.field("volumes", &set.members.len().to_string(), dim, text);
    body.field("state", &state.to_string(), dim, app.look.theme.transaction(state));
    match not_at_one_instant(snapshot, &set.members) {
        None => body.field("one instant", "the array suspends all of them at once", dim, text),
        Some(why) => body.field("one instant", &format!("no: {why}"), dim, app.look.theme.warning),
    }
    body.gap();
    body.text(0, "Volumes", title);
    for id in &set.members {
        let Some(view) = snapshot.transaction_volume(*id) else {
            body.field(&snapshot.label(*id), "not registered", dim, app.look.theme.warning);
            continue;
        };
        let last = view.last_backup.map_or_else(
            || "never backed up".to_owned(),
            |(version, at)| format!("{version} of {}", app.clock.moment(at)),
        );
        let style = app.look.theme.transaction(view.state);
        body.field(view.volume.name.as_str(), &format!("{}, {}, {last}", view.volume.blocks, view.state), dim, style);
    }
    for instant in set_instants::kept(snapshot, set) {
        body.gap();
        let when = app.clock.moment_to_the_second(instant.taken_at);
        body.text(0, &format!("Backup of {when}"), title);
        describe(app, snapshot, &instant, body);
    }
    Some(format!("Set {}", set.name))
}

pub fn instant(
    app: &App,
    snapshot: &Snapshot,
    (volume, operation): (VolumeId, OperationId),
    body: &mut Body,
) -> Option<String> {
    let set = snapshot.volume_set_of(volume)?;
    let instants = set_instants::kept(snapshot, set);
    let instant = instants.iter().find(|instant| instant.operation == operation)?;
    describe(app, snapshot, instant, body);
    for (id, version) in &instant.versions {
        let kept = snapshot.generation(*id, *version);
        let text = kept.map_or_else(String::new, |kept| {
            format!("{version} on {}, {}", snapshot.label(kept.backup_volume), kept.state)
        });
        body.field(&snapshot.label(*id), &text, app.look.theme.dim, app.look.theme.text);
    }
    Some(format!("Set {}, {}", set.name, app.clock.moment(instant.taken_at)))
}

fn describe(app: &App, snapshot: &Snapshot, instant: &KeptInstant, body: &mut Body) {
    let (dim, text, warning) = (app.look.theme.dim, app.look.theme.text, app.look.theme.warning);
    body.field("taken", &app.clock.moment_to_the_second(instant.taken_at), dim, text);
    let of = count(instant.versions.len(), "volume", "volumes");
    let all = if instant.is_whole { format!("of all {of}") } else { format!("of {of} only: not of the whole set") };
    body.field("kept", &all, dim, if instant.is_whole { text } else { warning });
    if let Some(proof) = instant.proof(snapshot) {
        body.field("one instant", &proof.in_words(), dim, text);
    }
    let (word, style) = if instant.is_valid { ("valid", text) } else { ("not all of it is valid", warning) };
    body.field("state", word, dim, style);
    body.field("made by", &instant.operation.to_string(), dim, text);
}
