//! One transaction volume as the rules look at it: its sessions, who has it, whether its array can be relied on.

use super::harmless;
use super::legality::{Facts, Legality, PairVerb, legality};
use super::restore::cancel_remedy;
use super::{Refusal, Remedy};
use crate::model::advice::Advice;
use crate::model::codes::Code;
use crate::model::group_alarm;
use crate::model::identity::{BoxId, VolumeId};
use crate::model::records::Generation;
use crate::model::request::{Action, CancelScope, Request, Verb};
use crate::model::session::{Automation, Direction, Pair, Phase, Status};
use crate::model::session_halves::halves;
use crate::model::snapshot::{
    ArrayView, BackupState, BackupVolumeView, ClaimView, Reach, SessionView, Snapshot, TransactionState,
    TransactionVolumeView,
};

/// A transaction volume of the snapshot, and the request that is judged.
pub(super) struct Case<'a> {
    pub snapshot: &'a Snapshot,
    pub request: &'a Request,
    pub view: &'a TransactionVolumeView,
}

impl<'a> Case<'a> {
    pub fn new(snapshot: &'a Snapshot, request: &'a Request, id: VolumeId) -> Result<Self, Refusal> {
        let Some(view) = snapshot.transaction_volume(id) else {
            return Err(not_a_transaction_volume(snapshot, id));
        };
        Ok(Self { snapshot, request, view })
    }

    pub fn id(&self) -> VolumeId {
        self.view.volume.id
    }

    pub fn name(&self) -> &'a str {
        self.view.volume.name.as_str()
    }

    pub fn verb(&self) -> Verb {
        self.request.action.verb()
    }

    /// Our sessions of this source.
    pub fn ours(&self) -> impl Iterator<Item = &'a SessionView> + use<'a> {
        self.snapshot.sessions_of(self.id()).iter().filter(|session| session.ours)
    }

    pub fn generations(&self) -> &'a [Generation] {
        self.snapshot.generations_of(self.id())
    }

    pub fn generation_on(&self, backup_volume: VolumeId) -> Option<&'a Generation> {
        self.generations().iter().find(|generation| generation.backup_volume == backup_volume)
    }

    /// The session that stands in the way of another one: live, half-open, or ended by an error before it became a
    /// generation's. The worst one, where the array has several.
    pub fn blocking(&self) -> Option<&'a SessionView> {
        self.ours().filter(|session| self.blocks(session)).max_by_key(|session| badness(session))
    }

    fn blocks(&self, session: &SessionView) -> bool {
        match session.status {
            // What does not surely run forward blocks in every state: a resume would copy the other way.
            _ if !session.is_forward() => true,
            Status::Suspended => session.is_half_open() || session.phase == Phase::Unknown,
            Status::ErrorSuspended => self.generation_on(session.pair.target).is_none(),
            _ => true,
        }
    }

    /// Our sessions that are suspended and whole.
    pub fn suspended(&self) -> impl Iterator<Item = &'a SessionView> + use<'a> {
        self.ours().filter(|session| {
            session.status == Status::Suspended
                && session.phase != Phase::Unknown
                && session.is_forward()
                && !session.is_half_open()
        })
    }

    /// Our session to this backup volume.
    pub fn session_to(&self, backup_volume: VolumeId) -> Result<&'a SessionView, Refusal> {
        let pair = Pair::new(self.id(), backup_volume);
        let reason = || format!("{} has no session with {}", self.name(), self.snapshot.label(backup_volume));
        let session = self.snapshot.session(&pair).ok_or_else(|| self.absent(Code::NO_SESSION, reason()))?;
        if !session.ours {
            return Err(self.not_ours(session));
        }
        Ok(session)
    }

    /// The refusal because there is no session. Where one may be that could not be read, that is said instead.
    pub fn absent(&self, code: Code, reason: String) -> Refusal {
        self.all_read().err().unwrap_or_else(|| Refusal::new(code, reason).about(self.id()))
    }

    /// Whether the readings tell of every session of this volume. One that was not read is never taken for gone.
    pub fn all_read(&self) -> Result<(), Refusal> {
        let Some(pair) = self.snapshot.unread_sessions_of(self.id()).next() else { return Ok(()) };
        let array = self.snapshot.array(self.id().box_id);
        let failed = array.and_then(ArrayView::failed_reading).map(|failed| failed.code);
        let reason = format!(
            "whether {} still has its session with {} is not known: not all of the array's answer could be read",
            self.name(),
            self.snapshot.label(pair.target)
        );
        Err(Refusal::new(failed.unwrap_or(Code::ROW_UNREADABLE), reason).about(self.id()))
    }

    /// The vanished session that an unverified backup volume is left over from.
    pub fn vanished_to(&self, backup_volume: VolumeId) -> Option<Pair> {
        let view = self.snapshot.backup_volume(backup_volume)?;
        is_left_over(view, self.id()).then(|| Pair::new(self.id(), backup_volume))
    }

    pub fn not_ours(&self, session: &SessionView) -> Refusal {
        let reason = format!(
            "the session of {} with {} was made by {}",
            self.name(),
            self.snapshot.label(session.pair.target),
            if session.requestor.is_empty() { "another program".to_owned() } else { session.requestor.escaped() },
        );
        Refusal::new(Code::SESSION_OF_OTHERS, reason).about(self.id())
    }

    /// Nobody else has the volume, its array is read and known, and the array still has it.
    pub fn ready_to_act(&self) -> Result<(), Refusal> {
        self.unclaimed()?;
        readable(self.snapshot, self.id().box_id).map_err(|refusal| refusal.about(self.id()))?;
        match &self.view.problem {
            Some(problem) if matches!(problem.code, Code::VOLUME_MISSING | Code::ROW_UNREADABLE) => {
                Err(Refusal::new(problem.code, problem.text.as_str()).about(self.id()))
            }
            _ => Ok(()),
        }
    }

    pub fn unclaimed(&self) -> Result<(), Refusal> {
        match &self.view.claimed {
            Some(claim) => Err(held(self.name(), claim).about(self.id())),
            None => Ok(()),
        }
    }

    /// The backup volume is nobody else's just now and its array is read and known.
    pub fn other_side_ready(&self, backup_volume: VolumeId) -> Result<(), Refusal> {
        unclaimed(self.snapshot, backup_volume).map_err(|refusal| refusal.about(self.id()))?;
        readable(self.snapshot, backup_volume.box_id).map_err(|refusal| refusal.about(self.id()))
    }

    /// What a verb depends on beside the session: the lists that it must be able to believe, and that nothing else copies
    /// into the volume. Each verb says here what it needs.
    pub fn surroundings(&self, verb: PairVerb) -> Result<(), Refusal> {
        match verb {
            // What reads or overwrites volumes must know who else does.
            PairVerb::Start | PairVerb::Resume | PairVerb::Backup | PairVerb::Restore | PairVerb::ResumeOnto => {
                self.others_are_read(self.id())?;
                // A backup is of the session that it names, whatever else there is.
                if verb != PairVerb::Backup {
                    self.all_read()?;
                }
                if verb != PairVerb::Restore {
                    self.is_restored_whole()?;
                }
                self.nothing_copies_into_it()
            }
            // What only stops a copy, or changes the catalogue, harms no other program's.
            PairVerb::Suspend | PairVerb::Cancel | PairVerb::ForceStop | PairVerb::Delete => Ok(()),
        }
    }

    /// The sessions of others were read on the array of this volume, or cannot be seen there at all.
    pub fn others_are_read(&self, volume: VolumeId) -> Result<(), Refusal> {
        let array = self.snapshot.array(volume.box_id);
        match array.and_then(ArrayView::failed_reading) {
            Some(failed) => Err(Refusal::new(failed.code, failed.text.as_str()).about(self.id())),
            None => Ok(()),
        }
    }

    /// No restore to the volume was left unfinished: what is on it now is no state that anybody wants a copy of.
    fn is_restored_whole(&self) -> Result<(), Refusal> {
        if self.view.state != TransactionState::RestoreIncomplete {
            return Ok(());
        }
        let reason = format!("a restore to {} did not come to its end: its content is partly old", self.name());
        let refusal = Refusal::new(Code::RESTORE_INCOMPLETE, reason).about(self.id());
        Err(refusal.with_remedy(cancel_remedy(self.snapshot, self.id())))
    }

    fn nothing_copies_into_it(&self) -> Result<(), Refusal> {
        if self.view.state != TransactionState::Inbound {
            return Ok(());
        }
        let what = self.view.problem.as_ref().filter(|problem| problem.code == Code::INBOUND);
        let what = what.map_or("another copy writes into it", |problem| problem.text.as_str());
        Err(Refusal::new(Code::INBOUND, format!("{}: {what}", self.name())).about(self.id()))
    }

    /// What the table says of a verb on a session, as force or as a refusal with this case's names and figures.
    pub fn judge(&self, session: &SessionView, verb: PairVerb) -> Result<bool, Refusal> {
        self.group_allows(session.pair.target, verb)?;
        match judge(session, verb) {
            Legality::Legal => Ok(false),
            Legality::Force => Ok(true),
            Legality::Refused(code) => Err(self.refusal(session, code)),
        }
    }

    /// Whether the group of a backup volume lets a verb go on that does something on its host afterwards, or that would go on
    /// with a group that is lost. Of a lost one the session is ended by force on the array, and in no other way.
    pub fn group_allows(&self, target: VolumeId, verb: PairVerb) -> Result<(), Refusal> {
        let Some((code, reason)) = self.snapshot.backup_volume(target).and_then(group_alarm::refuses) else {
            return Ok(());
        };
        let deactivated = code == Code::GROUP_DEACTIVATED;
        let refused = match verb {
            PairVerb::Backup => deactivated || !self.request.crash_consistent,
            PairVerb::Start | PairVerb::Resume | PairVerb::ResumeOnto | PairVerb::Suspend | PairVerb::Cancel => {
                deactivated
            }
            // The array alone does these, or the catalogue.
            PairVerb::ForceStop | PairVerb::Delete | PairVerb::Restore => false,
        };
        if refused { Err(self.group_refusal(target, code, reason)) } else { Ok(()) }
    }

    /// The same for what runs on the host and nothing else.
    pub fn host_side_allowed(&self, target: VolumeId) -> Result<(), Refusal> {
        match self.snapshot.backup_volume(target).and_then(group_alarm::refuses) {
            Some((code, reason)) => Err(self.group_refusal(target, code, reason)),
            None => Ok(()),
        }
    }

    fn group_refusal(&self, target: VolumeId, code: Code, reason: String) -> Refusal {
        let refusal = Refusal::new(code, reason).about(self.id());
        let Some(lines) = group_alarm::way_out(self.snapshot, target) else { return refusal };
        let text =
            "end the session by force on the array, activate the group on its host, and start anew, in this order";
        let stop = Action::ForceStop { volume: self.id(), target: Some(target) };
        let label = format!("end the session of {} with {} by force", self.name(), self.snapshot.label(target));
        refusal.with_advice([Advice::new(text).with_lines(lines)]).with_remedy(Remedy::new(label, stop))
    }

    /// The refusal of a cell, told for this volume.
    pub fn refusal(&self, session: &SessionView, code: Code) -> Refusal {
        let refusal = Refusal::new(code, self.sentence(session, code)).about(self.id());
        let refusal = match code {
            Code::NOT_EQUIVALENT | Code::NOT_SUSPENDABLE | Code::ALREADY_SYNCHRONIZING => refusal.until(session.ready),
            _ => refusal,
        };
        refusal.with_advice(harmless::first(self.snapshot, session, code)).with_remedies(self.ways_on(session, code))
    }

    fn sentence(&self, session: &SessionView, code: Code) -> String {
        let (name, target) = (self.name(), self.snapshot.label(session.pair.target));
        let percent = session.progress.and_then(crate::model::units::Progress::percent);
        let copied = match (session.status, percent) {
            (Status::Active, Some(percent)) => format!("{percent} copied"),
            (Status::Active, None) => "still copying".to_owned(),
            (status, _) => status.to_string(),
        };
        match code {
            Code::NOT_EQUIVALENT => format!("{name} is {copied}, not yet equivalent"),
            Code::NOT_SUSPENDABLE => format!("{name} is {copied}; a suspend without force wants equivalence"),
            Code::ALREADY_SYNCHRONIZING if session.is_equivalent() => format!("{name} is equivalent with {target}"),
            Code::ALREADY_SYNCHRONIZING => format!("{name} is synchronizing with {target} already: {copied}"),
            Code::RESUME_FIRST => format!("{name} is suspended with {target}, which has the state of that suspend"),
            Code::ALREADY_SO => format!("{name} is suspended with {target} already"),
            Code::ERROR_SUSPENDED => match session.error {
                Some(error) => format!("the array stopped the copy of {name} to {target} with error {error}"),
                None => format!("the array stopped the copy of {name} to {target} with an error"),
            },
            Code::HALTED => {
                let recovery = match session.modes.map(|modes| modes.recovery) {
                    Some(Automation::Manual) => "it needs a forced suspend and a resume once the path is back",
                    Some(Automation::Automatic) => "it continues by itself when the path is back",
                    None => "its recovery mode is not known",
                };
                format!("the path from {name} to {target} is lost; {recovery}")
            }
            Code::HALF_OPEN => {
                format!("the session of {name} with {target} is half-open: {}", halves(session, self.snapshot))
            }
            Code::UNKNOWN_WORDS => format!(
                "the array says \"{}\" of the session of {name} with {target}, which is not known here",
                session.words
            ),
            Code::REVERSED => {
                format!("the session of {name} with {target} runs backwards: {target} is copied into {name}")
            }
            Code::DIRECTION_UNKNOWN => format!("which way the session of {name} with {target} copies is not known"),
            Code::KIND_UNKNOWN => {
                format!("the array's word for the kind of the session of {name} with {target} is not known here")
            }
            Code::MODES_UNKNOWN => format!("the transfer mode of the session of {name} with {target} is not known"),
            Code::NO_BACKUP_IN_THIS_MODE | Code::NO_SUSPEND_IN_THIS_MODE => match session.modes {
                Some(modes) => format!("{name} is copied to {target} in {} mode", modes.transfer),
                None => format!("{name} is copied to {target} in a mode that is not known"),
            },
            code => {
                let text = code.explain().map_or("it is refused", |row| row.text);
                format!("{name} with {target} is {}, {}: {text}", session.status, session.phase)
            }
        }
    }

    fn ways_on(&self, session: &SessionView, code: Code) -> Vec<Remedy> {
        let (id, target) = (self.id(), session.pair.target);
        let (name, label) = (self.name(), self.snapshot.label(target));
        let cancel = || {
            let action = Action::Cancel { volumes: vec![id], scope: CancelScope::One(target) };
            Remedy::new(format!("cancel the session of {name} with {label}"), action)
        };
        let force_stop = || {
            let action = Action::ForceStop { volume: id, target: Some(target) };
            Remedy::new(format!("stop the session of {name} with {label} by force"), action)
        };
        let back_up = || {
            let action = Action::Backup { volumes: vec![id], mode: None, together: false };
            Remedy::new(format!("back up {name}, which is equivalent"), action)
        };
        let resume = || {
            let action = Action::Resume { volumes: vec![id], target: Some(target) };
            Remedy::new(format!("resume {name} with {label}"), action)
        };
        match code {
            Code::RESUME_FIRST if self.generation_on(target).is_none() => vec![resume()],
            Code::RESUME_FIRST => vec![start(self)],
            Code::ALREADY_SYNCHRONIZING if session.is_equivalent() => vec![back_up(), cancel()],
            Code::ALREADY_SYNCHRONIZING
            | Code::NOT_SUSPENDABLE
            | Code::NO_SUSPEND_IN_THIS_MODE
            | Code::ERROR_SUSPENDED => vec![cancel()],
            Code::HALTED => {
                let action = Action::Suspend { volumes: vec![id], target: Some(target) };
                let suspend = Remedy::new(format!("suspend {name} by force, to resume it later"), action);
                vec![suspend, force_stop()]
            }
            Code::REVERSED | Code::DIRECTION_UNKNOWN => match judge(session, PairVerb::Cancel) {
                Legality::Refused(_) => vec![force_stop()],
                Legality::Legal | Legality::Force => vec![cancel()],
            },
            Code::HALF_OPEN | Code::UNKNOWN_WORDS | Code::KIND_UNKNOWN => vec![force_stop()],
            _ => Vec::new(),
        }
    }
}

/// Whether a backup volume is unverified because its session with this transaction volume vanished.
pub(super) fn is_left_over(view: &BackupVolumeView, owner: VolumeId) -> bool {
    view.state == BackupState::Unverified
        && view.transaction_volume == Some(owner)
        && view.problem.as_ref().is_some_and(|problem| problem.code == Code::VANISHED)
}

/// The remedy that starts a synchronization as the rules choose.
pub(super) fn start(case: &Case<'_>) -> Remedy {
    let action = Action::Start { volumes: vec![case.id()], targets: Vec::new(), together: false };
    Remedy::new(format!("synchronize {}", case.name()), action)
}

/// The table's cell for a session; halves that disagree leave forced stop and deleting.
pub(super) fn judge(session: &SessionView, verb: PairVerb) -> Legality {
    let torn = session.is_half_open() && !session.says_unknown_words();
    if torn && !matches!(verb, PairVerb::ForceStop | PairVerb::Delete) {
        return Legality::Refused(Code::HALF_OPEN);
    }
    legality(&Facts::of(session), verb)
}

/// Orders sessions by how bad they are: the worst is what a transaction volume shows.
pub(crate) fn badness(session: &SessionView) -> u8 {
    if session.direction == Direction::Reversed {
        return 9;
    }
    if session.is_half_open() && !session.says_unknown_words() {
        return 6;
    }
    if !session.is_forward() {
        return 5;
    }
    match (session.status, session.phase) {
        (Status::ErrorSuspended, _) => 8,
        (Status::Halted, _) => 7,
        (Status::Unknown | Status::Idle, _) | (_, Phase::Unknown) => 5,
        (Status::Active, Phase::Equivalent) => 2,
        (Status::Reserved | Status::Active, _) => 3,
        (Status::Suspended, _) => 1,
    }
}

/// Whether a box can be decided on: configured, the known one, answering, read within three rounds.
pub(super) fn readable(snapshot: &Snapshot, box_id: BoxId) -> Result<(), Refusal> {
    let Some(array) = snapshot.array(box_id) else {
        let reason = format!("no configured array is the box {box_id}");
        return Err(Refusal::new(Code::ARRAY_UNREACHABLE, reason));
    };
    match &array.reach {
        Reach::IdentityChanged { found } => {
            let reason = format!("{} is known as {box_id}, but {found} answers", array.name);
            Err(Refusal::new(Code::IDENTITY_CHANGED, reason))
        }
        Reach::Unreachable { why, .. } => {
            let reason = format!("{} does not answer: {}", array.name, why.escaped());
            Err(Refusal::new(Code::ARRAY_UNREACHABLE, reason))
        }
        Reach::Waiting => Err(Refusal::new(Code::ARRAY_STALE, format!("{} has not been read yet", array.name))),
        Reach::Reachable if snapshot.is_stale(array) => {
            let age = snapshot.age(array).unwrap_or(0) / 1000;
            let reason = format!("the last reading of {} is {age} s old", array.name);
            Err(Refusal::new(Code::ARRAY_STALE, reason))
        }
        Reach::Reachable => Ok(()),
    }
}

/// Whether no operation has this volume, in whichever role it is registered.
pub(super) fn unclaimed(snapshot: &Snapshot, volume: VolumeId) -> Result<(), Refusal> {
    match claim_on(snapshot, volume) {
        Some(claim) => Err(held(&snapshot.label(volume), claim).about(volume)),
        None => Ok(()),
    }
}

pub(super) fn claim_on(snapshot: &Snapshot, volume: VolumeId) -> Option<&ClaimView> {
    let transaction = snapshot.transaction_volume(volume).and_then(|view| view.claimed.as_deref());
    transaction.or_else(|| snapshot.backup_volume(volume).and_then(|view| view.claimed.as_deref()))
}

fn held(name: &str, claim: &ClaimView) -> Refusal {
    let reason = format!("{name} is held by operation {} ({}) of {}", claim.operation, claim.verb, claim.holder);
    Refusal::new(Code::HELD_BY_OTHER, reason).held(claim.clone())
}

/// Why an identity is no transaction volume.
pub(super) fn not_a_transaction_volume(snapshot: &Snapshot, id: VolumeId) -> Refusal {
    if snapshot.backup_volume(id).is_some() {
        let reason = format!("{} is a backup volume", snapshot.label(id));
        Refusal::new(Code::NOT_A_TRANSACTION_VOLUME, reason).about(id)
    } else {
        let reason = format!("{} is not registered in this site", snapshot.location(id));
        Refusal::new(Code::UNKNOWN_VOLUME, reason).about(id)
    }
}
