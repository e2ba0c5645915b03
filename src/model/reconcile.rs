//! What the catalogue and the arrays disagree on, and what is proposed for each: a pure function of a snapshot.
//!
//! Belongs here: the rows of `ecdeck reconcile` and of its screen. Does not: whether a proposal may run (plan).

use super::codes::Code;
use super::doubt::cause_now;
use super::identity::{BoxId, VolumeId};
use super::proposal_kind::ProposalKind;
use super::records::{Generation, GenerationState};
use super::session::{CopyKind, Direction, Pair, Phase, Status};
use super::session_halves::halves;
use super::snapshot::{BackupVolumeView, Halves, Reach, SessionView, Snapshot};
use super::take_over::{TakeOver, TakeOverState, program};
use super::units::Version;
use std::collections::BTreeMap;

/// One thing that the catalogue and an array tell differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The volume that it is agreed to under: the transaction volume where one is registered, else one of the pool.
    pub owner: VolumeId,
    /// The volume that it is about: that of the pool where one is.
    pub subject: VolumeId,
    /// What the catalogue says; nothing in it can act on a terminal.
    pub catalogue: String,
    pub array: String,
    pub proposal: Proposal,
}

/// What would bring them together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    /// The session becomes ours. `with_generation`: what is on its target is kept, unproved.
    Adopt { pair: Pair, with_generation: bool },
    /// The record of a session that the array has not is dropped.
    ForgetSession { pair: Pair },
    /// A generation whose bytes are gone is released.
    ForgetGeneration { volume: VolumeId, version: Version, backup_volume: VolumeId },
    /// The session is ended on the array, by force; `at_target`: what is left of it on its target's box.
    Stop { pair: Pair, at_target: bool },
    /// Nothing that can be proposed: what a person does.
    ByHand { way: String },
}

impl Proposal {
    pub fn kind(&self) -> ProposalKind {
        match self {
            Self::Adopt { .. } => ProposalKind::Adopt,
            Self::ForgetSession { .. } | Self::ForgetGeneration { .. } => ProposalKind::Forget,
            Self::Stop { .. } => ProposalKind::Release,
            Self::ByHand { .. } => ProposalKind::ByHand,
        }
    }

    /// The sort and the sentence, for where both are shown.
    pub fn offered(&self, snapshot: &Snapshot) -> String {
        let words = self.in_words(snapshot);
        match self {
            Self::ByHand { .. } => format!("nothing: {words}"),
            // These sentences begin with the word.
            Self::Adopt { .. } | Self::ForgetSession { .. } | Self::ForgetGeneration { .. } => words,
            Self::Stop { .. } => format!("{}: {words}", self.kind()),
        }
    }

    /// One sentence: what is done, and its price.
    pub fn in_words(&self, snapshot: &Snapshot) -> String {
        match self {
            Self::Adopt { with_generation: true, .. } => {
                "adopt the pair and its generation, unproved and held; nothing is sent to the array".to_owned()
            }
            Self::Adopt { .. } => "adopt the session; nothing is sent to the array".to_owned(),
            Self::ForgetSession { .. } => "forget the session; nothing is sent to the array".to_owned(),
            Self::ForgetGeneration { version, .. } => format!("forget {version}: it stays in history only"),
            Self::Stop { pair, at_target } => {
                let at = if *at_target { pair.target } else { pair.source };
                let array = snapshot.array(at.box_id).map_or_else(|| at.box_id.to_string(), |a| a.name.to_string());
                format!("end the session on {array} by force; the next copy of the pair is a full one")
            }
            Self::ByHand { way } => way.clone(),
        }
    }
}

/// Whether what the array shows can be believed now.
fn is_read(snapshot: &Snapshot, box_id: BoxId) -> bool {
    snapshot.array(box_id).is_some_and(|array| array.reach == Reach::Reachable && !snapshot.is_stale(array))
}

/// The arrays of registered volumes whose side is not known now, by name: their rows are missing.
pub fn unread(snapshot: &Snapshot) -> Vec<String> {
    let is_unread = |array: &&super::snapshot::ArrayView| match array.box_id {
        Some(box_id) => !is_read(snapshot, box_id) || array.failed_reading().is_some(),
        None => true,
    };
    snapshot.arrays.iter().filter(is_unread).map(|array| array.name.to_string()).collect()
}

/// What is on each volume of the pool, put together once.
struct Kept<'a> {
    generations: BTreeMap<VolumeId, &'a Generation>,
    /// How many sessions have it as their target.
    sessions: BTreeMap<VolumeId, usize>,
}

impl<'a> Kept<'a> {
    fn of(snapshot: &'a Snapshot) -> Self {
        let generations = snapshot.generations.iter().map(|kept| (kept.backup_volume, kept)).collect();
        let mut sessions = BTreeMap::new();
        for session in &snapshot.sessions {
            *sessions.entry(session.pair.target).or_default() += 1;
        }
        Self { generations, sessions }
    }

    fn on(&self, id: VolumeId) -> Option<&'a Generation> {
        self.generations.get(&id).copied()
    }
}

/// All rows, by owner and subject. What is not surely known makes none.
pub fn findings(snapshot: &Snapshot) -> Vec<Finding> {
    let kept = Kept::of(snapshot);
    let mut all = Vec::new();
    for session in &snapshot.sessions {
        let finding = if session.ours { of_ours(snapshot, session) } else { of_others(snapshot, &kept, session) };
        all.extend(finding);
    }
    for view in &snapshot.pool {
        all.extend(gone(snapshot, &kept, view));
        all.extend(generation(snapshot, &kept, view));
        all.extend(missing(snapshot, view));
    }
    for view in &snapshot.transaction_volumes {
        let problem = view.problem.as_ref().filter(|problem| problem.code == Code::VOLUME_MISSING);
        if let Some(problem) = problem.filter(|_| is_read(snapshot, view.volume.id.box_id)) {
            let way =
                format!("if it is gone for good, remove it: `ecdeck volume remove {}`", snapshot.label(view.volume.id));
            all.push(Finding {
                owner: view.volume.id,
                subject: view.volume.id,
                catalogue: format!("a transaction volume of {}", view.volume.blocks),
                array: problem.text.clone(),
                proposal: Proposal::ByHand { way },
            });
        }
    }
    all.sort_by_key(|finding| (finding.owner, finding.subject));
    all
}

/// The volume that a pair's rows are agreed to under; `None` where neither end is registered.
fn owner(snapshot: &Snapshot, pair: Pair) -> Option<(VolumeId, VolumeId)> {
    let of_pool = [pair.target, pair.source].into_iter().find(|id| snapshot.backup_volume(*id).is_some());
    let live = [pair.source, pair.target].into_iter().find(|id| snapshot.transaction_volume(*id).is_some());
    let subject = of_pool.or(live)?;
    Some((live.unwrap_or(subject), subject))
}

fn state_of(session: &SessionView) -> String {
    format!("{}, {}", session.status, session.phase)
}

/// `EC db01 to DEMO1/0x21 of ACM: suspended, equivalent`.
fn in_words(snapshot: &Snapshot, session: &SessionView) -> String {
    let Pair { source, target, .. } = session.pair;
    let whose = if session.ours { String::new() } else { format!(" of {}", program(&session.requestor)) };
    format!(
        "{} {} to {}{whose}: {}",
        session.reported_kind,
        snapshot.label(source),
        snapshot.label(target),
        state_of(session)
    )
}

/// The half that is left of a session, if one is.
fn left_over(session: &SessionView) -> Option<bool> {
    match session.halves {
        Halves::Missing { source_reports } => Some(!source_reports),
        _ => None,
    }
}

fn stop(session: &SessionView) -> Proposal {
    Proposal::Stop { pair: session.pair, at_target: left_over(session).unwrap_or(false) }
}

fn of_ours(snapshot: &Snapshot, session: &SessionView) -> Option<Finding> {
    let pair = session.pair;
    if !pair.kind.is_synchronization() {
        return None;
    }
    let (owner, subject) = owner(snapshot, pair)?;
    // While an operation has the volume, it says itself what is the case.
    if claimed(snapshot, owner) || claimed(snapshot, subject) || !is_read(snapshot, session.reported_by()) {
        return None;
    }
    let finding = |catalogue: String, proposal| {
        let array = match &session.halves {
            Halves::Missing { .. } | Halves::Disagree { .. } => halves(session, snapshot),
            _ => in_words(snapshot, session),
        };
        Some(Finding { owner, subject, catalogue, array, proposal })
    };
    let ours = format!("our {} session with {}", pair.kind, snapshot.label(pair.target));
    if left_over(session).is_some() {
        return finding(format!("{ours}, on both boxes"), stop(session));
    }
    if !session.is_forward() {
        return finding(format!("{ours}, from {} to it", snapshot.label(pair.source)), stop(session));
    }
    if session.reported_kind != pair.kind {
        return finding(ours, stop(session));
    }
    // What waits for the path has its own way on.
    if session.is_half_open() {
        let (name, on) = (snapshot.label(pair.source), snapshot.label(pair.target));
        let way = format!(
            "look at the path first; a suspend or a resume tells both arrays again, and `ecdeck sync force-stop {name} --volume \
             {on}` ends it"
        );
        return finding(format!("{ours}, one state on both boxes"), Proposal::ByHand { way });
    }
    None
}

fn claimed(snapshot: &Snapshot, id: VolumeId) -> bool {
    snapshot.transaction_volume(id).is_some_and(|view| view.claimed.is_some())
        || snapshot.backup_volume(id).is_some_and(|view| view.claimed.is_some())
}

fn of_others(snapshot: &Snapshot, kept: &Kept<'_>, session: &SessionView) -> Option<Finding> {
    let pair = session.pair;
    let (owner, subject) = owner(snapshot, pair)?;
    // What only reads a volume disagrees with nothing.
    let writes = session
        .destinations()
        .any(|id| snapshot.backup_volume(id).is_some() || snapshot.transaction_volume(id).is_some());
    let synchronizes = pair.kind.is_synchronization();
    let of_ours = synchronizes && snapshot.transaction_volume(pair.source).is_some();
    if !(writes || of_ours) {
        return None;
    }
    if claimed(snapshot, owner) || claimed(snapshot, subject) || !is_read(snapshot, session.reported_by()) {
        return None;
    }
    let proposal = if writes {
        match adoptable(snapshot, kept, session) {
            Ok(with_generation) => Proposal::Adopt { pair, with_generation },
            // What is not understood is not ended either.
            Err(why) if is_unclear(session) => {
                Proposal::ByHand { way: format!("{why}: look at it with the program that made it") }
            }
            Err(_) => stop(session),
        }
    } else {
        let way =
            format!("add {} to the pool, then adopt: `ecdeck volume add --backup {0}`", snapshot.location(pair.target));
        Proposal::ByHand { way }
    };
    let catalogue = catalogue_of(snapshot, kept, subject);
    Some(Finding { owner, subject, catalogue, array: in_words(snapshot, session), proposal })
}

/// The array's words for its state, kind or direction are not known.
fn is_unclear(session: &SessionView) -> bool {
    session.says_unknown_words() || session.direction == Direction::Unknown || session.reported_kind == CopyKind::Other
}

/// Whether a session of another program can become ours, and with a generation on its target.
///
/// # Errors
/// Why not, as half a sentence.
fn adoptable(snapshot: &Snapshot, kept: &Kept<'_>, session: &SessionView) -> Result<bool, String> {
    let pair = session.pair;
    let (Some(source), Some(target)) = (snapshot.transaction_volume(pair.source), snapshot.backup_volume(pair.target))
    else {
        return Err("its volumes are not registered as a transaction volume and one of the pool".to_owned());
    };
    if !pair.kind.is_synchronization() || !session.is_forward() || session.reported_kind != pair.kind {
        return Err("it is no EC or REC that surely copies to the backup volume".to_owned());
    }
    if source.volume.blocks != target.volume.blocks {
        return Err("its volumes have different sizes".to_owned());
    }
    if session.says_unknown_words() || matches!(session.halves, Halves::Missing { .. } | Halves::Disagree { .. }) {
        return Err("its state is not known on both boxes".to_owned());
    }
    if kept.sessions.get(&pair.target).is_some_and(|count| *count > 1) {
        return Err("another session is onto its backup volume".to_owned());
    }
    let kept = kept.on(pair.target);
    if kept.is_some_and(|kept| kept.transaction_volume != pair.source) {
        return Err("its backup volume holds a generation of another volume".to_owned());
    }
    match (session.status, session.phase) {
        (Status::Suspended, Phase::Unknown) | (Status::Unknown | Status::Idle, _) => {
            Err("its state is not known".to_owned())
        }
        (Status::Suspended, phase) => Ok(phase.is_whole() && kept.is_none()),
        (Status::Active | Status::Reserved | Status::Halted | Status::ErrorSuspended, _) => {
            let live = snapshot.sessions_of(pair.source).iter().any(|other| {
                other.ours && other.pair != pair && !matches!(other.status, Status::Suspended | Status::Idle)
            });
            if live { Err("its volume has a live session of ours".to_owned()) } else { Ok(false) }
        }
    }
}

/// What the catalogue has of a volume of the pool, or of a transaction volume.
fn catalogue_of(snapshot: &Snapshot, kept: &Kept<'_>, id: VolumeId) -> String {
    if let Some(kept) = kept.on(id) {
        return format!("{} of {}, {}", kept.version, snapshot.label(kept.transaction_volume), kept.state);
    }
    match snapshot.backup_volume(id) {
        Some(_) => "unused, no session of ours".to_owned(),
        None => "no session of ours".to_owned(),
    }
}

/// The record of a session that the array has not.
fn gone(snapshot: &Snapshot, kept: &Kept<'_>, view: &BackupVolumeView) -> Option<Finding> {
    let source = view.session_gone?;
    let target = view.volume.id;
    if claimed(snapshot, source) || view.claimed.is_some() || !is_read(snapshot, source.box_id) {
        return None;
    }
    let pair = Pair::new(source, target);
    let ours = format!("our {} session with {}", pair.kind, snapshot.label(target));
    let catalogue = match kept.on(target) {
        Some(kept) => format!("{ours}, {} is on it", kept.version),
        None => ours,
    };
    let elsewhere: Vec<String> = snapshot
        .sessions_of(source)
        .iter()
        .filter(|session| !session.ours && session.pair.kind.is_synchronization())
        .map(|session| snapshot.label(session.pair.target))
        .collect();
    let array = if elsewhere.is_empty() {
        "no such session".to_owned()
    } else {
        format!("no such session, but one with {}", elsewhere.join(", "))
    };
    Some(Finding { owner: source, subject: target, catalogue, array, proposal: Proposal::ForgetSession { pair } })
}

/// A kept generation whose bytes are gone, or may be.
fn generation(snapshot: &Snapshot, kept: &Kept<'_>, view: &BackupVolumeView) -> Option<Finding> {
    let target = view.volume.id;
    let kept = kept.on(target).filter(|kept| kept.state != GenerationState::Valid)?;
    if view.claimed.is_some() || !is_read(snapshot, target.box_id) {
        return None;
    }
    let cause = cause_now(snapshot, kept)?;
    let (volume, version) = (kept.transaction_volume, kept.version);
    let name = snapshot.label(volume);
    let is_missing = view.problem.as_ref().is_some_and(|problem| problem.code == Code::VOLUME_MISSING);
    let overwritten = snapshot
        .session(&Pair::new(volume, target))
        .is_some_and(|session| session.ours && matches!(session.status, Status::Active | Status::Reserved));
    let proposal = if kept.held.is_some() {
        let way = format!("it is held: `ecdeck history unhold {name} --version N` ends that, then it can be forgotten");
        Proposal::ByHand { way }
    } else if is_missing || overwritten {
        Proposal::ForgetGeneration { volume, version, backup_volume: target }
    } else {
        let way = format!(
            "it stays in doubt; look at it, then `ecdeck history accept {name} --version N` or `ecdeck history delete {name} --version N`"
        );
        Proposal::ByHand { way }
    };
    let catalogue = format!("{version} of {name} on {}", snapshot.label(target));
    Some(Finding { owner: volume, subject: target, catalogue, array: cause, proposal })
}

/// A volume of the pool that its array has not, or of another size, and that nothing is kept on.
fn missing(snapshot: &Snapshot, view: &BackupVolumeView) -> Option<Finding> {
    let problem = view.problem.as_ref().filter(|problem| problem.code == Code::VOLUME_MISSING)?;
    let id = view.volume.id;
    if view.generation.is_some() || view.session_gone.is_some() || !is_read(snapshot, id.box_id) {
        return None;
    }
    let way = format!("if it is gone for good, remove it: `ecdeck volume remove {}`", snapshot.label(id));
    Some(Finding {
        owner: id,
        subject: id,
        catalogue: format!("in the pool, {}", view.volume.blocks),
        array: problem.text.clone(),
        proposal: Proposal::ByHand { way },
    })
}

impl Snapshot {
    /// Whether nothing is started on a transaction volume, because another program makes its backups: it was given back, or
    /// its sessions with the pool are that program's and none is ours.
    pub fn observed(&self, id: VolumeId) -> Option<String> {
        match self.take_over(id) {
            Some(known) if known.state == TakeOverState::Observed => return Some(program(&known.by)),
            Some(_) => return None,
            None => {}
        }
        self.transaction_volume(id)?;
        let synchronizations = |session: &&SessionView| session.pair.kind.is_synchronization();
        let mut sessions = self.sessions_of(id).iter().filter(synchronizations);
        let foreign =
            sessions.clone().find(|session| self.backup_volume(session.pair.target).is_some() && !session.ours)?;
        let nothing_ours = !sessions.any(|session| session.ours) && self.generations_of(id).is_empty();
        nothing_ours.then(|| program(&foreign.requestor))
    }

    /// Whether its pairs were taken over from another program.
    pub fn is_adopted(&self, id: VolumeId) -> bool {
        self.take_over(id).is_some_and(|known| known.state == TakeOverState::Adopted)
    }

    /// How a volume stands between ecdeck and another program; `None` where it was never taken over.
    pub fn take_over(&self, id: VolumeId) -> Option<&TakeOver> {
        let at = self.take_overs.binary_search_by_key(&id, |known| known.volume).ok()?;
        self.take_overs.get(at)
    }
}
