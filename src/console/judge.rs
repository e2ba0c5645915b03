//! What the verbs' keys would do on the selected row: a key is dim because the rules refuse it, and says why.

use super::app::{App, Pane};
use super::keys::Command;
use crate::model::codes::Code;
use crate::model::identity::VolumeId;
use crate::model::plan::{Plan, Refusal};
use crate::model::request::{Action, CancelScope, Request};
use crate::model::session::{Phase, Status};
use crate::model::snapshot::{SessionView, Snapshot};
use crate::model::units::Version;
use crate::model::untrusted::Untrusted;
use crate::model::verb::Verb;

/// The verbs' answers for one row of one snapshot.
#[derive(Debug, Default)]
pub struct VerbAvailability {
    of: Option<(u64, Pane, Option<Subject>, bool)>,
    verbs: Vec<(Verb, Result<Plan, Refusal>)>,
}

/// What a verb acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    Volume(VolumeId),
    /// One session of a volume.
    Session {
        source: VolumeId,
        target: VolumeId,
        live: bool,
    },
    Generation {
        volume: VolumeId,
        version: Version,
        held: bool,
    },
    /// A volume of the pool, with whose data are on it and as which version.
    Backup {
        id: VolumeId,
        owner: Option<VolumeId>,
        version: Option<Version>,
        held: bool,
    },
}

impl Subject {
    /// The transaction volume that it belongs to.
    pub fn owner(self) -> Option<VolumeId> {
        match self {
            Self::Volume(id) => Some(id),
            Self::Session { source, .. } => Some(source),
            Self::Generation { volume, .. } => Some(volume),
            Self::Backup { owner, .. } => owner,
        }
    }
}

/// The verbs that the footer and the hint tell about.
pub const VERBS: [Verb; 6] = [Verb::Start, Verb::Suspend, Verb::Resume, Verb::Backup, Verb::Cancel, Verb::ForceStop];

impl VerbAvailability {
    pub fn verdict(&self, verb: Verb) -> Option<&Result<Plan, Refusal>> {
        self.verbs.iter().find(|(availability, _)| *availability == verb).map(|(_, verdict)| verdict)
    }

    /// Whether the key would lead to a plan. What was not planned may be tried.
    pub fn allows(&self, command: Command) -> bool {
        match command {
            Command::Verb(verb) => self.verdict(verb).is_none_or(Result::is_ok),
            _ => true,
        }
    }
}

/// Judges the selected row anew, if row, snapshot or marks are others than last time.
pub fn refresh(app: &mut App) {
    let Some(snapshot) = app.snapshot() else { return };
    let several = app.focus == Pane::Volumes && !app.marks.is_empty();
    let subject = subject(app);
    let of = (snapshot.sequence, app.focus, subject, several);
    if app.availability.of == Some(of) {
        return;
    }
    // Several volumes are planned when their dialog opens: it says for each.
    let mut verbs = Vec::new();
    if !several {
        for verb in VERBS {
            if let Some(request) = subject.and_then(|subject| request(verb, subject)) {
                let verdict = if app.settings.read_only { Err(read_only()) } else { (app.planner)(snapshot, &request) };
                verbs.push((verb, verdict));
            }
        }
    }
    app.availability = VerbAvailability { of: Some(of), verbs };
}

/// What the focused pane's row is about.
pub fn subject(app: &App) -> Option<Subject> {
    let picture = app.picture.as_ref()?;
    match app.focus {
        Pane::Volumes | Pane::Events => app.selected_volume().map(|view| Subject::Volume(view.volume.id)),
        Pane::Copies => match picture.session(app.copies.selected) {
            Some(session) => Some(of_session(session)),
            None => app.selected_volume().map(|view| Subject::Volume(view.volume.id)),
        },
        Pane::Pool => picture.backup_volume(app.pool.selected).map(|view| Subject::Backup {
            id: view.volume.id,
            owner: view.transaction_volume,
            version: view.generation,
            held: is_held(&picture.snapshot, view.transaction_volume, view.generation),
        }),
        Pane::Generations => {
            let volume = app.selected_volume()?.volume.id;
            let generations = picture.snapshot.generations_of(volume);
            let index = generations.len().checked_sub(app.generations.selected + 1)?;
            let generation = generations.get(index)?;
            Some(Subject::Generation { volume, version: generation.version, held: generation.held.is_some() })
        }
    }
}

fn of_session(session: &SessionView) -> Subject {
    let live = session.status != Status::Suspended && session.phase != Phase::NoPair;
    Subject::Session { source: session.pair.source, target: session.pair.target, live }
}

fn is_held(snapshot: &Snapshot, volume: Option<VolumeId>, version: Option<Version>) -> bool {
    let (Some(volume), Some(version)) = (volume, version) else { return false };
    snapshot.generations_of(volume).iter().any(|generation| generation.version == version && generation.held.is_some())
}

/// The request that a verb's key makes of a subject; `None` where the verb has no meaning there, or needs words of its own.
pub fn request(verb: Verb, subject: Subject) -> Option<Request> {
    let volumes = || subject.owner().map(|owner| vec![owner]);
    let target = match subject {
        Subject::Session { target, .. } => Some(target),
        Subject::Backup { id, owner: Some(_), .. } => Some(id),
        _ => None,
    };
    let action = match verb {
        Verb::Start => Action::Start { volumes: volumes()?, targets: Vec::new(), together: false },
        Verb::Resume => Action::Resume { volumes: volumes()?, target },
        Verb::Suspend => Action::Suspend { volumes: volumes()?, target },
        Verb::Backup => Action::Backup { volumes: volumes()?, mode: None, together: false },
        Verb::Cancel => {
            let scope = target.map_or(CancelScope::Live, CancelScope::One);
            Action::Cancel { volumes: volumes()?, scope }
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
        Verb::Hold | Verb::AcceptGeneration | Verb::SetPolicy | Verb::Overwrite | Verb::Register | Verb::Unregister => {
            return None;
        }
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
    let action = match verb {
        Verb::Start => Action::Start { volumes, targets: Vec::new(), together: false },
        Verb::Resume => Action::Resume { volumes, target: None },
        Verb::Suspend => Action::Suspend { volumes, target: None },
        Verb::Backup => Action::Backup { volumes, mode: None, together: false },
        Verb::Cancel => Action::Cancel { volumes, scope: CancelScope::Live },
        Verb::ForceStop
        | Verb::DeleteGeneration
        | Verb::AcceptGeneration
        | Verb::Hold
        | Verb::Unhold
        | Verb::SetPolicy
        | Verb::Overwrite
        | Verb::Register
        | Verb::Unregister => return None,
    };
    Some(Request::new(action))
}

/// The refusal of a console that only looks.
pub fn read_only() -> Refusal {
    Refusal::new(Code::NOT_AUTHORISED, "this console was started with --read-only")
}
