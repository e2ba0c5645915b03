//! What a verb's key asks for: a verb and its subject become a request.

use super::types::Subject;
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::plan::Refusal;
use crate::model::request::{Action, Request};
use crate::model::snapshot::Snapshot;
use crate::model::units::Version;
use crate::model::untrusted::Untrusted;
use crate::model::verb::{GenerationVerb, Verb, VerbObject};
use crate::model::volume_set::VolumeSet;

/// The request that a verb's key makes of a subject; `None` where the verb has no meaning there, or needs words of its own.
pub fn request(snapshot: &Snapshot, verb: Verb, subject: Subject) -> Option<Request> {
    if let Some(set) = subject.set() {
        return on_set(verb, snapshot.volume_set_of(set)?);
    }
    let action = match verb.info().object {
        VerbObject::Generation(GenerationVerb { reason: Some(_), .. }) | VerbObject::Other => return None,
        VerbObject::Generation(GenerationVerb { reason: None, .. }) => on_generation(verb, subject, "")?,
        VerbObject::Volumes | VerbObject::Volume => {
            let target = match subject {
                Subject::Session { target, .. } => Some(target),
                Subject::Backup { id, owner: Some(_), .. } => Some(id),
                _ => None,
            };
            Action::on_volumes(verb, vec![subject.owner()?], target)?
        }
    };
    Some(Request::new(action))
}

/// A verb for a whole set, as `--set` asks for it: a start and a backup are of all of it or of none. What has no such word
/// is done to each of its volumes.
fn on_set(verb: Verb, set: &VolumeSet) -> Option<Request> {
    let volumes = set.members.clone();
    let action = match verb {
        Verb::Start => Action::Start { volumes, targets: Vec::new(), together: true },
        Verb::Backup => Action::Backup { volumes, mode: None, together: true },
        Verb::Suspend | Verb::Resume | Verb::Cancel => return batch(verb, volumes),
        _ => return None,
    };
    Some(Request { set: Some(set.name.clone()), ..Request::new(action) })
}

/// A verb that needs a reason, on a subject's generation.
pub fn with_reason(verb: Verb, subject: Subject, reason: &str) -> Option<Request> {
    let action = on_generation(verb, subject, reason)?;
    Some(Request { reason: Some(Untrusted::new(reason)), ..Request::new(action) })
}

fn on_generation(verb: Verb, subject: Subject, reason: &str) -> Option<Action> {
    let (volume, version) = generation(subject)?;
    Action::on_generation(verb, volume, version, reason)
}

/// The generation that a subject is or carries.
pub fn generation(subject: Subject) -> Option<(VolumeId, Version)> {
    match subject {
        Subject::Generation { volume, version, .. } => Some((volume, version)),
        Subject::Backup { owner: Some(owner), version: Some(version), .. } => Some((owner, version)),
        _ => None,
    }
}

/// One verb for several volumes.
pub fn batch(verb: Verb, volumes: Vec<VolumeId>) -> Option<Request> {
    Action::on_volumes(verb, volumes, None).map(Request::new)
}

/// Whether a verb is about a whole map set or site, and about no volume by itself.
pub fn is_about_a_map_set(verb: Verb) -> bool {
    matches!(
        verb,
        Verb::ImportMap | Verb::EditMap | Verb::RemoveMap | Verb::ApplySite | Verb::AddToSet | Verb::RemoveFromSet
    )
}

/// The refusal of a console that only looks.
pub fn read_only() -> Refusal {
    Refusal::new(Code::NOT_AUTHORISED, "this console was started with --read-only")
}
