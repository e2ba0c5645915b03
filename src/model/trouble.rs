//! What is wrong now, from a snapshot: one list for the report, the notifications and the console. Pure.

use super::acknowledgement::Acknowledgement;
use super::codes::Code;
use super::entity::GenerationState;
use super::identity::{Name, VolumeId};
use super::recoverable::{Recoverable, recoverable};
use super::snapshot::{Due, Problem, Reach, Snapshot, TransactionState, TransactionVolumeView};
use super::trouble_kind::{TroubleId, TroubleKind};
use super::units::{Timestamp, Version};
use super::untrusted::Untrusted;
use std::collections::BTreeSet;

/// Something that is wrong now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTrouble {
    pub id: TroubleId,
    pub kind: TroubleKind,
    pub code: Option<Code>,
    pub volume: Option<VolumeId>,
    pub array: Option<Name>,
    /// The generation that it is about.
    pub version: Option<Version>,
    /// One sentence or half of one; escaped.
    pub text: String,
    /// A person knows of it, until then.
    pub acknowledged: Option<Acknowledgement>,
}

impl OpenTrouble {
    fn of_site(kind: TroubleKind, code: Code, text: String) -> Self {
        let id = TroubleId::of(kind, None, "", Some(code));
        Self { id, kind, code: Some(code), volume: None, array: None, version: None, text, acknowledged: None }
    }

    fn of_array(kind: TroubleKind, array: &Name, code: Code, text: String) -> Self {
        let id = TroubleId::of(kind, None, array.as_str(), Some(code));
        Self {
            id,
            kind,
            code: Some(code),
            volume: None,
            array: Some(array.clone()),
            version: None,
            text,
            acknowledged: None,
        }
    }

    /// `place` tells troubles of the same kind, volume and code apart.
    fn of_volume(kind: TroubleKind, volume: VolumeId, place: &str, code: Option<Code>, text: String) -> Self {
        let id = TroubleId::of(kind, Some(volume), place, code);
        Self { id, kind, code, volume: Some(volume), array: None, version: None, text, acknowledged: None }
    }

    fn of_generation(kind: TroubleKind, volume: VolumeId, version: Version, code: Option<Code>, text: String) -> Self {
        Self { version: Some(version), ..Self::of_volume(kind, volume, &version.to_string(), code, text) }
    }

    /// A person knows of it.
    pub fn acknowledge(&self, reason: Untrusted, at: Timestamp, until: Timestamp, by: String) -> Acknowledgement {
        let Self { id, kind, volume, array, text, .. } = self;
        let (trouble, kind, volume, array, text) = (id.clone(), *kind, *volume, array.clone(), text.clone());
        Acknowledgement { trouble, kind, volume, array, text, reason, at, until, by }
    }

    /// The next start of a volume finds no backup volume.
    pub fn pool_short(volume: VolumeId, code: Code, why: &str) -> Self {
        let text = format!("its next start finds no backup volume: {why}");
        Self::of_volume(TroubleKind::PoolShort, volume, "", Some(code), text)
    }
}

/// All that is wrong now, worst places first: catalogue, arrays, volumes, pool, generations, backups that are too old.
pub fn open_troubles(snapshot: &Snapshot) -> Vec<OpenTrouble> {
    let mut all = Vec::new();
    if let Some(trouble) = &snapshot.catalogue {
        let text = format!("the catalogue takes no writes: {}", trouble.why.escaped());
        all.push(OpenTrouble::of_site(TroubleKind::Catalogue, trouble.code, text));
    }
    if let Some(trouble) = &snapshot.not_copied {
        all.push(OpenTrouble::of_site(TroubleKind::CatalogueCopy, Code::CATALOGUE_NOT_COPIED, trouble.sentence()));
    }
    if let Some(trouble) = &snapshot.notify {
        all.push(OpenTrouble::of_site(TroubleKind::NotifyHook, Code::NOTIFY_FAILED, trouble.sentence()));
    }
    arrays(snapshot, &mut all);
    let sources = snapshot.transaction_volumes.iter().map(|view| {
        let kind = match view.state {
            TransactionState::Error => TroubleKind::Error,
            TransactionState::Halted => TroubleKind::Halted,
            _ => TroubleKind::Problem,
        };
        (view.volume.id, kind, view.problem.as_deref())
    });
    // What is wrong with a copy is said once, of its transaction volume.
    let said = snapshot.transaction_volumes.iter().filter_map(|view| snapshot.same_problem_on(view));
    let said: BTreeSet<VolumeId> = said.collect();
    let targets = snapshot.pool.iter().filter(|view| !said.contains(&view.volume.id));
    let targets = targets.map(|view| (view.volume.id, TroubleKind::Problem, view.problem.as_deref()));
    for (id, kind, problem) in sources.chain(targets).filter_map(|(id, kind, problem)| Some((id, kind, problem?))) {
        all.push(of_problem(id, kind, problem));
    }
    for generation in &snapshot.generations {
        let (kind, code) = match generation.state {
            GenerationState::Valid => continue,
            GenerationState::InDoubt(_) => (TroubleKind::InDoubt, None),
            GenerationState::NeedsAttention(_) => (TroubleKind::NeedsAttention, Some(Code::NEEDS_ATTENTION)),
        };
        let text = format!("{} {}", generation.version, generation.state);
        all.push(OpenTrouble::of_generation(kind, generation.transaction_volume, generation.version, code, text));
    }
    all.extend(snapshot.transaction_volumes.iter().filter_map(|view| not_recoverable(snapshot, view)));
    all.extend(snapshot.transaction_volumes.iter().filter_map(late));
    mute_maintenance(snapshot, &mut all);
    mark_known(snapshot, &mut all);
    all
}

/// Says of each trouble whether a person knows of it.
pub fn mark_known(snapshot: &Snapshot, all: &mut [OpenTrouble]) {
    for known in snapshot.acknowledged.iter().filter(|known| known.counts_at(snapshot.taken_at)) {
        for trouble in all.iter_mut().filter(|trouble| trouble.id == known.trouble) {
            trouble.acknowledged = Some(known.clone());
        }
    }
}

/// What a maintenance explains is listed, and needs nobody while it is in force.
fn mute_maintenance(snapshot: &Snapshot, all: &mut [OpenTrouble]) {
    if snapshot.maintenance.is_empty() {
        return;
    }
    for trouble in all {
        let known = match (trouble.kind, trouble.volume, &trouble.array) {
            (TroubleKind::Overdue | TroubleKind::Late | TroubleKind::NoBackup | TroubleKind::Halted, Some(id), _) => {
                snapshot.maintenance_around(id)
            }
            (TroubleKind::Unreachable, _, Some(name)) => {
                snapshot.maintenance.iter().find(|known| known.array == *name && known.is_in_force(snapshot.taken_at))
            }
            _ => None,
        };
        if let Some(known) = known {
            let reason = Untrusted::from(known.what().as_str());
            trouble.acknowledged = Some(trouble.acknowledge(reason, known.since, known.until, known.by.clone()));
        }
    }
}

fn arrays(snapshot: &Snapshot, all: &mut Vec<OpenTrouble>) {
    for known in snapshot.maintenance.iter().filter(|known| !known.is_in_force(snapshot.taken_at)) {
        let text = format!("the {}, is past its time and was not ended", known.in_words());
        all.push(OpenTrouble::of_array(TroubleKind::Array, &known.array, Code::MAINTENANCE_EXPIRED, text));
    }
    for array in &snapshot.arrays {
        let name = &array.name;
        let mut say = |kind, code, text: String| all.push(OpenTrouble::of_array(kind, name, code, text));
        match &array.reach {
            Reach::Reachable if snapshot.is_stale(array) => {
                let text = format!("the last reading of {name} is too old");
                say(TroubleKind::Unreachable, Code::ARRAY_STALE, text);
            }
            Reach::Reachable => {}
            Reach::Waiting => {
                say(TroubleKind::Unreachable, Code::ARRAY_UNREACHABLE, format!("{name} has not answered yet"));
            }
            Reach::Unreachable { why, .. } => {
                let text = format!("{name} does not answer: {}", why.escaped());
                say(TroubleKind::Unreachable, Code::ARRAY_UNREACHABLE, text);
            }
            Reach::IdentityChanged { found } => {
                let text = format!("another box answers as {name}: {found}");
                say(TroubleKind::Unreachable, Code::IDENTITY_CHANGED, text);
            }
        }
        for attention in array.attentions.iter().filter(|attention| !attention.is_note()) {
            say(TroubleKind::Array, attention.code, attention.text.clone());
        }
    }
}

/// An error with another cause on the array is another trouble.
fn of_problem(id: VolumeId, kind: TroubleKind, problem: &Problem) -> OpenTrouble {
    let cause = problem.array_error.map_or_else(String::new, |error| error.to_string());
    OpenTrouble::of_volume(kind, id, &cause, Some(problem.code), problem.text.clone())
}

/// One that is late for its window, or missed it.
fn late(view: &TransactionVolumeView) -> Option<OpenTrouble> {
    let window = view.window.as_deref().filter(|window| window.state.is_trouble())?;
    let text = window.sentence();
    Some(OpenTrouble::of_volume(TroubleKind::Late, view.volume.id, "", None, text))
}

/// Without a policy nobody said how old a backup may be, and nobody waits for it.
fn not_recoverable(snapshot: &Snapshot, view: &TransactionVolumeView) -> Option<OpenTrouble> {
    let recovery = recoverable(snapshot, view);
    let is_overdue = matches!(view.due, Due::Overdue(_));
    let kind = match recovery.word {
        Recoverable::Yes | Recoverable::NoPolicy => return None,
        Recoverable::InDoubt => TroubleKind::InDoubt,
        Recoverable::Late => TroubleKind::Overdue,
        Recoverable::No if is_overdue => TroubleKind::Overdue,
        Recoverable::No => TroubleKind::NoBackup,
    };
    let text = format!("recoverable: {}; {}", recovery.word, recovery.why);
    Some(OpenTrouble::of_volume(kind, view.volume.id, "", None, text))
}
