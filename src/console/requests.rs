//! What a verb's key asks for: a verb and its subject become a request.

use super::types::Subject;
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::plan::Refusal;
use crate::model::request::{Action, CancelScope, Request};
use crate::model::units::Version;
use crate::model::untrusted::Untrusted;
use crate::model::verb::Verb;

/// The request that a verb's key makes of a subject; `None` where the verb has no meaning there, or needs words of its own.
pub fn request(verb: Verb, subject: Subject) -> Option<Request> {
    let target = match subject {
        Subject::Session { target, .. } => Some(target),
        Subject::Backup { id, owner: Some(_), .. } => Some(id),
        _ => None,
    };
    let action = match verb {
        Verb::Start | Verb::Resume | Verb::Suspend | Verb::Backup | Verb::Cancel => {
            on_volumes(verb, vec![subject.owner()?], target)?
        }
        Verb::ForceStop => Action::ForceStop { volume: subject.owner()?, target },
        Verb::DeleteGeneration => {
            let (volume, version) = generation(subject)?;
            Action::DeleteGeneration { volume, version }
        }
        Verb::Unhold => {
            let (volume, version) = generation(subject)?;
            Action::Unhold { volume, version }
        }
        Verb::Hold
        | Verb::AcceptGeneration
        | Verb::PostProcess
        | Verb::SetPolicy
        | Verb::Overwrite
        | Verb::Register
        | Verb::Rename
        | Verb::Unregister
        | Verb::ImportMap
        | Verb::EditMap
        | Verb::RemoveMap => return None,
    };
    Some(Request::new(action))
}

/// The request to hold a subject's generation, for a reason.
pub fn hold(subject: Subject, why: &str) -> Option<Request> {
    let (volume, version) = generation(subject)?;
    Some(Request::new(Action::Hold { volume, version, why: Untrusted::new(why) }))
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
    on_volumes(verb, volumes, None).map(Request::new)
}

/// A verb that takes several volumes; `target` is the backup volume whose session is meant.
fn on_volumes(verb: Verb, volumes: Vec<VolumeId>, target: Option<VolumeId>) -> Option<Action> {
    Some(match verb {
        Verb::Start => Action::Start { volumes, targets: Vec::new(), together: false },
        Verb::Resume => Action::Resume { volumes, target },
        Verb::Suspend => Action::Suspend { volumes, target },
        Verb::Backup => Action::Backup { volumes, mode: None, together: false },
        Verb::Cancel => Action::Cancel { volumes, scope: target.map_or(CancelScope::Live, CancelScope::One) },
        Verb::ForceStop
        | Verb::DeleteGeneration
        | Verb::AcceptGeneration
        | Verb::PostProcess
        | Verb::Hold
        | Verb::Unhold
        | Verb::SetPolicy
        | Verb::Overwrite
        | Verb::Register
        | Verb::Rename
        | Verb::Unregister
        | Verb::ImportMap
        | Verb::EditMap
        | Verb::RemoveMap => return None,
    })
}

/// The refusal of a console that only looks.
pub fn read_only() -> Refusal {
    Refusal::new(Code::NOT_AUTHORISED, "this console was started with --read-only")
}
