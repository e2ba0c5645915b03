//! What the emulated array answers to a command: its rules, with the codes of the real ones.

use super::codes::ArrayCode;
use super::core::{Core, RecBuffer, SESSIONS_PER_SOURCE};
use super::faults::InjectedFault;
use super::regions::RegionMap;
use super::sessions::{Half, Placed, Session, SessionKey};
use crate::model::copy::{Command, ErrorClass, Outcome, PairOutcome};
use crate::model::identity::{BoxId, VolumeId};
use crate::model::session::{Automation, CopyKind, Pair, Phase, RecModes, Status, TransferMode};
use crate::model::units::{Blocks, Timestamp};
use crate::model::untrusted::Untrusted;

/// What comes back from a box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Answered(Vec<PairOutcome>),
    /// Done, but the answer takes so much longer.
    Late(Vec<PairOutcome>, u32),
    /// Nothing comes back, and nothing tells whether it was done.
    Silence,
    /// Nothing was sent.
    Unreachable,
}

/// The box does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotReached;

/// The result of a rule: `Ok` when the command may act.
type Verdict = Result<(), ArrayCode>;

impl Core {
    /// Sends a command to a box. `by` is the requestor that new sessions carry.
    pub fn execute(&mut self, at: BoxId, command: &Command, by: &str, now: Timestamp) -> Reply {
        let Ok(fault) = self.receive(at, command) else { return Reply::Unreachable };
        match fault {
            None => Reply::Answered(self.obey(at, command, by, now)),
            Some(InjectedFault::LateReply { millis }) => Reply::Late(self.obey(at, command, by, now), millis),
            Some(InjectedFault::LostRequest) => Reply::Silence,
            Some(InjectedFault::LostReply) => {
                self.obey(at, command, by, now);
                Reply::Silence
            }
            Some(InjectedFault::Busy) => Reply::Answered(refuse_all(command, ArrayCode::Busy)),
            Some(InjectedFault::Refuse { code }) => Reply::Answered(refuse_all(command, code.code())),
        }
    }

    /// What goes wrong with the next command to a box; an error when it does not even arrive.
    pub(super) fn receive(&mut self, at: BoxId, command: &Command) -> Result<Option<InjectedFault>, NotReached> {
        let reached = self.boxes.get_mut(&at).filter(|cabinet| !cabinet.faults.unreachable);
        Ok(reached.ok_or(NotReached)?.faults.next_mishap(command.verb()))
    }

    /// Carries a command out by the rules.
    pub(super) fn obey(&mut self, at: BoxId, command: &Command, by: &str, now: Timestamp) -> Vec<PairOutcome> {
        if let Command::Suspend { pairs, force, together: true } = command {
            let outcomes = self.suspend_together(at, pairs, *force);
            self.buffer_was_asked(at, command);
            self.hold_back();
            return outcomes;
        }
        let each = |pair: &Pair| {
            let verdict = match command {
                Command::Start { modes, .. } => self.start(at, pair, *modes, by, now),
                Command::StartOpc { .. } => self.start_opc(at, pair, by, now),
                Command::Resume { .. } => self.resume(at, pair),
                Command::Suspend { force, .. } => self.suspend(at, pair, *force),
                Command::Stop { force, .. } => self.stop(at, pair, *force),
                Command::Reverse { .. } => self.reverse(at, pair),
                Command::ChangeMode { modes, .. } => self.change_mode(at, pair, *modes),
            };
            let outcome = match verdict {
                Ok(()) if matches!(command, Command::Suspend { .. } | Command::Stop { .. }) => {
                    self.outcome_so_far(pair)
                }
                Ok(()) => Outcome::Done,
                // A stop that finds nothing has what it wanted.
                Err(ArrayCode::AlreadyDeleted) if matches!(command, Command::Stop { .. }) => Outcome::AlreadyDone,
                Err(code) => code.outcome(),
            };
            PairOutcome { pair: *pair, outcome }
        };
        let outcomes = command.pairs().iter().map(each).collect();
        self.buffer_was_asked(at, command);
        self.hold_back();
        outcomes
    }

    /// One suspend of RECs fewer is refused because of the buffer.
    fn buffer_was_asked(&mut self, at: BoxId, command: &Command) {
        let suspends = matches!(command, Command::Suspend { .. });
        if suspends
            && command.pairs().iter().any(|pair| pair.kind == CopyKind::Rec)
            && let Some(cabinet) = self.boxes.get_mut(&at)
        {
            cabinet.faults.buffer_late = cabinet.faults.buffer_late.saturating_sub(1);
        }
    }

    fn start(&mut self, at: BoxId, pair: &Pair, modes: Option<RecModes>, by: &str, now: Timestamp) -> Verdict {
        if pair.source.box_id != at || pair.kind != CopyKind::between(pair.source, pair.target) {
            return Err(ArrayCode::BadParameter);
        }
        let remote = pair.kind == CopyKind::Rec;
        let through = modes.is_some_and(|modes| modes.transfer == TransferMode::Through);
        if (through && !self.is_documented(at)) || (modes.is_some() && !remote) {
            return Err(ArrayCode::BadParameter);
        }
        let modes = remote.then(|| modes.unwrap_or_default());
        if self.is_documented(at) && modes.is_some_and(splits_without_mirror) {
            return Err(ArrayCode::BadParameter);
        }
        let blocks = self.may_begin(pair)?;
        self.buffer_is_there(pair.source, pair.target, modes, None)?;
        if self.is_second_in_consistency(pair, modes) {
            return Err(ArrayCode::SourceLimit);
        }
        self.begin(pair, blocks, modes, by, now);
        Ok(())
    }

    fn start_opc(&mut self, at: BoxId, pair: &Pair, by: &str, now: Timestamp) -> Verdict {
        if pair.source.box_id != at || pair.target.box_id != at || pair.kind != CopyKind::Opc {
            return Err(ArrayCode::BadParameter);
        }
        // "It is so already" would be wrong: the moment of the one that runs has passed.
        let blocks = self.may_begin(pair).map_err(|code| match code {
            ArrayCode::AlreadySet => ArrayCode::CopyAtWork,
            code => code,
        })?;
        // What other sessions know of the target is wrong from now on.
        self.mark_elsewhere(None, pair.target, &(0..u32::MAX));
        self.begin(pair, blocks, None, by, now);
        Ok(())
    }

    fn begin(&mut self, pair: &Pair, blocks: Blocks, modes: Option<RecModes>, by: &str, now: Timestamp) {
        self.completed.remove(pair);
        self.last_session += 1;
        let key = SessionKey(self.last_session);
        let sid = self.free_sid(pair.source.box_id);
        let remote_sid = (pair.kind == CopyKind::Rec).then(|| self.free_sid(pair.target.box_id));
        let mut session = Session {
            key,
            pair: *pair,
            sid,
            status: Status::Active,
            phase: Phase::Copying,
            total: Blocks(0),
            error: None,
            modes,
            reversed: false,
            requestor: Untrusted::from(by),
            started: now,
            remote: None,
            suspending: None,
            starting: self.start_ticks(pair),
            stopping: None,
            telling: None,
            held: false,
            measured: None,
            map: RegionMap::all_dirty(blocks),
            in_hand: Vec::new(),
            cursor: 0,
        };
        if session.starting.is_some() {
            // The moment of an OPC is that of its start: it is active before it copies.
            let is_opc = pair.kind == CopyKind::Opc;
            (session.status, session.phase) =
                if is_opc { (Status::Active, Phase::Readying) } else { (Status::Reserved, Phase::NoPair) };
            session.total = session.difference();
        } else {
            session.begin_copy();
        }
        // The other box knows of the session before it knows how far it is.
        session.remote =
            remote_sid.map(|sid| Half { sid, status: Status::Reserved, phase: Phase::NoPair, ..session.half() });
        self.sessions.insert(key, session);
        self.pending_events.insert(key);
    }

    /// Puts a session in the middle of its life, past the rules; both boxes know of it. Its map is the data plane's.
    pub(super) fn place(&mut self, placed: &Placed) {
        let blocks = self.blocks_of(placed.pair.source).unwrap_or_default();
        self.begin(&placed.pair, blocks, placed.modes, super::driver::REQUESTOR, placed.started);
        if let Some(session) = self.sessions.get_mut(&SessionKey(self.last_session)) {
            (session.status, session.phase, session.error) = (placed.status, placed.phase, placed.error);
            session.starting = None;
            session.total = placed.total;
            session.tell_remote();
        }
    }

    /// The rules of a new session; the blocks that it will copy.
    fn may_begin(&self, pair: &Pair) -> Result<Blocks, ArrayCode> {
        if pair.source == pair.target {
            return Err(ArrayCode::BadParameter);
        }
        let (source, target) = (self.blocks_of(pair.source)?, self.blocks_of(pair.target)?);
        if self.volume(pair.target).is_ok_and(|volume| volume.protected) {
            return Err(ArrayCode::Protected);
        }
        self.path_is_normal(pair)?;
        match self.session(pair) {
            Some(session) if session.stopping.is_some() => return Err(ArrayCode::Busy),
            Some(session) if session.is_live() => return Err(ArrayCode::AlreadySet),
            Some(session) if self.is_documented(pair.source.box_id) => {
                let failed = session.status == Status::ErrorSuspended;
                return Err(if failed { ArrayCode::ErrorSuspended } else { ArrayCode::AlreadySet });
            }
            Some(_) | None => {}
        }
        if source > target {
            return Err(ArrayCode::SourceLarger);
        }
        let boxes = [pair.source.box_id, pair.target.box_id];
        if boxes.iter().any(|id| self.boxes.get(id).is_some_and(|cabinet| cabinet.faults.copy_table_full)) {
            return Err(ArrayCode::TableFull);
        }
        self.resolutions_agree(pair)?;
        self.table_has_room(pair, None)?;
        self.no_overlap(pair)?;
        if boxes.iter().any(|id| self.sids(*id).len() >= self.session_limit(*id)) {
            return Err(ArrayCode::BoxLimit);
        }
        // A reversed session counts at the volume that it copies from.
        if self.sessions.values().filter(|session| session.flow().0 == pair.source).count() >= SESSIONS_PER_SOURCE {
            return Err(ArrayCode::SourceLimit);
        }
        Ok(source)
    }

    /// A destination belongs to one session; and what moves may feed what moves in a cascade only.
    fn no_overlap(&self, pair: &Pair) -> Verdict {
        let orphaned = |cabinet: &super::core::Cabinet| cabinet.orphans.iter().any(|o| o.pair.target == pair.target);
        if self.boxes.get(&pair.target.box_id).is_some_and(orphaned) {
            return Err(ArrayCode::TargetOverlaps);
        }
        if self.sessions.values().any(|session| session.pair.target == pair.target || session.flow().1 == pair.target) {
            return Err(ArrayCode::TargetOverlaps);
        }
        self.may_cascade(pair, None)
    }

    fn suspend_together(&mut self, at: BoxId, pairs: &[Pair], force: bool) -> Vec<PairOutcome> {
        let verdicts: Vec<Verdict> =
            pairs.iter().map(|pair| self.may_suspend_with_others(at, pair, force).map(|_| ())).collect();
        let all = verdicts.iter().all(Result::is_ok);
        // Where one of them takes its time, all of them wait for it: they are suspended at one tick, by one barrier.
        let ticks = pairs.iter().filter_map(|pair| self.suspend_ticks(self.session(pair)?)).max();
        let one = |(pair, verdict): (&Pair, &Verdict)| {
            let outcome = match verdict {
                Ok(()) if all => match self.suspend_within(at, pair, force, ticks) {
                    Ok(()) => self.outcome_so_far(pair),
                    Err(code) => code.outcome(),
                },
                Ok(()) => ArrayCode::NotCertified.outcome(),
                Err(code) => code.outcome(),
            };
            PairOutcome { pair: *pair, outcome }
        };
        pairs.iter().zip(&verdicts).map(one).collect()
    }

    fn suspend(&mut self, at: BoxId, pair: &Pair, force: bool) -> Verdict {
        let ticks = self.session(pair).and_then(|session| self.suspend_ticks(session));
        self.suspend_within(at, pair, force, ticks)
    }

    /// Suspends now, or after so many ticks.
    fn suspend_within(&mut self, at: BoxId, pair: &Pair, force: bool, ticks: Option<u32>) -> Verdict {
        let key = self.may_suspend(at, pair, force)?;
        if let Some(session) = self.sessions.get_mut(&key) {
            match ticks {
                None => session.status = Status::Suspended,
                Some(_) => session.suspending = ticks,
            }
            self.pending_events.insert(key);
        }
        Ok(())
    }

    /// What a suspend or a stop that may act is answered with.
    fn outcome_so_far(&self, pair: &Pair) -> Outcome {
        let goes_on =
            self.session(pair).is_some_and(|session| session.suspending.is_some() || session.stopping.is_some());
        if goes_on { Outcome::Accepted } else { Outcome::Done }
    }

    /// As [`Core::may_suspend`], where it is to be at one instant with others.
    fn may_suspend_with_others(&self, at: BoxId, pair: &Pair, force: bool) -> Result<SessionKey, ArrayCode> {
        if self.is_documented(at) && pair.source.box_id != at && self.session(pair).is_some() {
            return Err(ArrayCode::ForeignSource);
        }
        self.may_suspend(at, pair, force)
    }

    /// Whether a suspend would act on a pair now.
    pub fn may_suspend(&self, at: BoxId, pair: &Pair, force: bool) -> Result<SessionKey, ArrayCode> {
        let session = self.commanded(at, pair)?;
        if self.is_documented(at) && may_not_be_suspended_in_its_mode(session) {
            return Err(ArrayCode::WrongState);
        }
        match (session.status, session.phase) {
            _ if session.stopping.is_some() => Err(ArrayCode::Busy),
            _ if pair.kind == CopyKind::Opc => Err(ArrayCode::WrongState),
            _ if session.suspending.is_some() => Err(ArrayCode::ConcurrentSuspend),
            (Status::Active, _) if self.waits(session) => Err(ArrayCode::WrongState),
            (Status::Active, _) if pair.kind == CopyKind::Rec && self.buffer_is_late(at) => Err(ArrayCode::BufferLate),
            (Status::Suspended, _) => Err(ArrayCode::AlreadySuspended),
            (Status::ErrorSuspended, _) => Err(ArrayCode::ErrorSuspended),
            (Status::Active, Phase::Equivalent) => Ok(session.key),
            (Status::Active | Status::Halted, _) if force => Ok(session.key),
            (Status::Active | Status::Halted, _) => Err(ArrayCode::NeedsForce),
            _ => Err(ArrayCode::WrongState),
        }
    }

    fn buffer_is_late(&self, at: BoxId) -> bool {
        self.boxes.get(&at).is_some_and(|cabinet| cabinet.faults.buffer_late > 0)
    }

    /// Whether another live session in consistency mode takes this source to the same other box.
    fn is_second_in_consistency(&self, pair: &Pair, modes: Option<RecModes>) -> bool {
        let consistent = |modes: Option<RecModes>| modes.is_some_and(|m| m.transfer == TransferMode::Consistency);
        let same = |other: &Session| {
            other.pair != *pair
                && other.pair.source == pair.source
                && other.pair.target.box_id == pair.target.box_id
                && other.is_live()
                && consistent(other.modes)
        };
        pair.kind == CopyKind::Rec
            && self.is_documented(pair.source.box_id)
            && consistent(modes)
            && self.sessions.values().any(same)
    }

    fn resume(&mut self, at: BoxId, pair: &Pair) -> Verdict {
        let session = self.commanded(at, pair)?;
        let (key, modes, (from, to)) = (session.key, session.modes, session.flow());
        match session.status {
            _ if session.stopping.is_some() => return Err(ArrayCode::Busy),
            Status::Active => return Err(ArrayCode::AlreadyActive),
            // A one-point copy that failed has lost its moment.
            _ if pair.kind == CopyKind::Opc => return Err(ArrayCode::WrongState),
            Status::ErrorSuspended if self.is_documented(at) && self.still_fails(session) => {
                return Err(ArrayCode::ErrorSuspended);
            }
            Status::Suspended | Status::ErrorSuspended => {}
            _ => return Err(ArrayCode::WrongState),
        }
        self.path_is_normal(pair)?;
        let documented = self.is_documented(at);
        if documented
            && pair.kind == CopyKind::Rec
            && self.sessions.get(&key).is_some_and(|known| known.remote.is_none())
        {
            return Err(ArrayCode::WrongState);
        }
        self.table_has_room(pair, Some(key))?;
        self.buffer_is_there(from, to, modes, Some(ArrayCode::BufferWrongWay))?;
        if self.is_second_in_consistency(pair, self.sessions.get(&key).and_then(|known| known.modes)) {
            return Err(ArrayCode::SourceLimit);
        }
        self.may_cascade(pair, Some(key))?;
        if let Some(session) = self.sessions.get_mut(&key) {
            session.begin_copy();
            self.pending_events.insert(key);
        }
        Ok(())
    }

    fn stop(&mut self, at: BoxId, pair: &Pair, force: bool) -> Verdict {
        if let Some(cabinet) = self.boxes.get_mut(&at)
            && let Some(found) = cabinet.orphans.iter().position(|orphan| orphan.pair == *pair)
        {
            cabinet.orphans.remove(found);
            return Ok(());
        }
        let session = self.session(pair).ok_or(ArrayCode::AlreadyDeleted)?;
        let (key, has_far_half) = (session.key, session.remote.is_some());
        if pair.source.box_id != at {
            return Err(ArrayCode::BadParameter);
        }
        let documented = self.is_documented(at);
        if session.stopping.is_some() {
            return Err(ArrayCode::Busy);
        }
        if !force && stops_by_force_only(session, documented) {
            return Err(ArrayCode::NeedsForce);
        }
        if pair.kind == CopyKind::Rec && self.path_is_normal(pair).is_err() {
            if documented && !force {
                return Err(ArrayCode::PathError);
            }
            self.orphan(key);
            // The far half may have been gone before.
            return if has_far_half || !documented { Err(ArrayCode::RemoteLeftOver) } else { Ok(()) };
        }
        match self.stop_ticks(at) {
            None => drop(self.sessions.remove(&key)),
            ticks => {
                if let Some(session) = self.sessions.get_mut(&key) {
                    session.stopping = ticks;
                }
            }
        }
        Ok(())
    }

    /// Whether what stopped a session in error is still there: a block of its source that cannot be read.
    fn still_fails(&self, session: &Session) -> bool {
        let from = session.flow().0;
        let bad = |cabinet: &super::core::Cabinet| cabinet.faults.bad_blocks(from).next().is_some();
        session.error == Some(super::copying::BAD_SECTOR) && self.boxes.get(&from.box_id).is_some_and(bad)
    }

    /// Consistency mode needs the REC buffer of its path, in the direction of the copy. `wrong_way`: the answer where only
    /// the other direction has one.
    fn buffer_is_there(
        &self,
        from: VolumeId,
        to: VolumeId,
        modes: Option<RecModes>,
        wrong_way: Option<ArrayCode>,
    ) -> Verdict {
        if modes.is_none_or(|modes| modes.transfer != TransferMode::Consistency) {
            return Ok(());
        }
        let buffer = |from: VolumeId, to: VolumeId| self.buffer(from.box_id, to.box_id);
        match (buffer(from, to), buffer(to, from), wrong_way) {
            (Some(RecBuffer::Changing), ..) => Err(ArrayCode::BufferChanging),
            (Some(RecBuffer::None), Some(RecBuffer::Active), Some(code)) => Err(code),
            (Some(RecBuffer::None), ..) => Err(ArrayCode::BufferInactive),
            (Some(RecBuffer::Active) | None, ..) => Ok(()),
        }
    }

    fn reverse(&mut self, at: BoxId, pair: &Pair) -> Verdict {
        // Named the other way round, a reversed session is turned back; its source is now at the other end.
        let swapped = Pair { source: pair.target, target: pair.source, kind: pair.kind };
        if let Some(key) = self.session(&swapped).filter(|session| session.reversed).map(|session| session.key) {
            return if pair.source.box_id == at { self.turn(key, false) } else { Err(ArrayCode::BadParameter) };
        }
        let session = self.commanded(at, pair)?;
        if session.reversed {
            return Err(ArrayCode::AlreadyReversed);
        }
        self.turn(session.key, true)
    }

    fn turn(&mut self, key: SessionKey, reversed: bool) -> Verdict {
        let session = self.sessions.get(&key).ok_or(ArrayCode::AlreadyDeleted)?;
        let (pair, (from, to)) = (session.pair, session.flow());
        let documented = self.is_documented(pair.source.box_id);
        // Suspended by force, it may be turned as well: its old source is then restored from what the target has.
        if session.status != Status::Suspended || (session.phase != Phase::Equivalent && !documented) {
            return Err(ArrayCode::WrongState);
        }
        if session.stopping.is_some() {
            return Err(ArrayCode::Busy);
        }
        if documented {
            self.path_is_normal(&pair)?;
            self.buffer_is_there(to, from, session.modes, Some(ArrayCode::BufferWrongWayReversed))?;
        }
        if self.blocks_of(from)? != self.blocks_of(to)? {
            return Err(ArrayCode::ReverseFailed);
        }
        // What was the source becomes a destination, and a destination belongs to one session.
        if self.sessions.values().any(|other| other.key != key && other.flow().1 == from) {
            return Err(ArrayCode::ReverseOverlaps);
        }
        if let Some(session) = self.sessions.get_mut(&key) {
            session.reversed = reversed;
            self.pending_events.insert(key);
        }
        Ok(())
    }

    fn change_mode(&mut self, at: BoxId, pair: &Pair, modes: RecModes) -> Verdict {
        let session = self.commanded(at, pair)?;
        let key = session.key;
        if pair.kind != CopyKind::Rec || session.status != Status::Suspended {
            return Err(ArrayCode::WrongState);
        }
        let mut modes = modes;
        if self.is_documented(at) {
            let present = session.modes.unwrap_or_default();
            let was_synchronous = present.transfer == TransferMode::Synchronous;
            if modes.transfer != TransferMode::Synchronous {
                if splits_without_mirror(modes) && present.split != Automation::Manual {
                    return Err(ArrayCode::BadParameter);
                }
                // It stays so until the transfer is synchronous again.
                modes.split = if was_synchronous { Automation::Manual } else { present.split };
            }
            self.path_is_normal(pair)?;
        }
        if let Some(session) = self.sessions.get_mut(&key) {
            session.modes = Some(modes);
            self.pending_events.insert(key);
        }
        Ok(())
    }

    /// The session that a command is about; a REC is commanded at the box of its source.
    fn commanded(&self, at: BoxId, pair: &Pair) -> Result<&Session, ArrayCode> {
        if pair.source.box_id != at {
            return Err(ArrayCode::BadParameter);
        }
        self.session(pair).ok_or(ArrayCode::AlreadyDeleted)
    }

    fn blocks_of(&self, volume: VolumeId) -> Result<Blocks, ArrayCode> {
        if !self.boxes.contains_key(&volume.box_id) {
            return Err(ArrayCode::UnknownBox);
        }
        self.volume(volume).map(|volume| volume.blocks).map_err(|_| ArrayCode::NoSuchVolume)
    }

    fn path_is_normal(&self, pair: &Pair) -> Verdict {
        let (source, target) = (pair.source.box_id, pair.target.box_id);
        if source == target {
            return Ok(());
        }
        match self.path(source, target) {
            None => Err(ArrayCode::UnknownBox),
            Some(false) => Err(ArrayCode::PathError),
            Some(true) => Ok(()),
        }
    }

    /// The numbers in use at a box.
    fn sids(&self, at: BoxId) -> std::collections::BTreeSet<u32> {
        let own = self.sessions.values().filter(|session| session.pair.source.box_id == at).map(|session| session.sid);
        let halves = self.sessions.values().filter(|session| session.pair.target.box_id == at);
        let halves = halves.filter_map(|session| session.remote.as_ref()).map(|half| half.sid);
        let orphans = self.boxes.get(&at).into_iter().flat_map(|cabinet| &cabinet.orphans);
        own.chain(halves).chain(orphans.map(|orphan| orphan.half.sid)).collect()
    }

    /// The lowest number that no session of the box has: numbers are used again.
    fn free_sid(&self, at: BoxId) -> u32 {
        let used = self.sids(at);
        (1..=u32::MAX).find(|sid| !used.contains(sid)).unwrap_or(u32::MAX)
    }
}

/// Nothing is done, for the same reason for all pairs.
pub(super) fn refuse_all(command: &Command, code: ArrayCode) -> Vec<PairOutcome> {
    command.pairs().iter().map(|pair| PairOutcome { pair: *pair, outcome: Outcome::Refused(code.refusal()) }).collect()
}

/// A split is chosen for synchronous transfer only; what nobody chose is automatic.
fn splits_without_mirror(modes: RecModes) -> bool {
    modes.transfer != TransferMode::Synchronous && modes.split == Automation::Manual
}

/// Whether an un-forced stop of a session is refused.
fn stops_by_force_only(session: &Session, documented: bool) -> bool {
    if session.pair.kind == CopyKind::Opc && documented {
        return false;
    }
    let unfinished = matches!(session.status, Status::Suspended | Status::ErrorSuspended);
    let in_consistency = session.modes.is_some_and(|modes| modes.transfer == TransferMode::Consistency);
    session.status == Status::Halted
        || session.is_copying()
        || (documented && (in_consistency || (unfinished && session.phase != Phase::Equivalent)))
}

/// In through mode nothing is suspended; in stack mode only what is equivalent. Force changes neither.
fn may_not_be_suspended_in_its_mode(session: &Session) -> bool {
    let live = matches!(session.status, Status::Active | Status::Halted);
    match session.modes.map(|modes| modes.transfer) {
        Some(TransferMode::Through) => live,
        // By the phase, as the document says: what was halted while it was equivalent is suspended by force, and resumed.
        Some(TransferMode::Stack) => live && session.phase != Phase::Equivalent,
        _ => false,
    }
}

/// What a driver makes of a reply.
pub fn outcomes_of(reply: Reply, command: &Command) -> Vec<PairOutcome> {
    let all = |outcome: Outcome| {
        command.pairs().iter().map(|pair| PairOutcome { pair: *pair, outcome: outcome.clone() }).collect()
    };
    match reply {
        Reply::Answered(outcomes) | Reply::Late(outcomes, _) => outcomes,
        Reply::Silence => all(Outcome::Unknown { why: "the array did not answer".to_owned() }),
        Reply::Unreachable => all(unreachable("the array does not answer")),
    }
}

/// Nothing was sent.
pub fn unreachable(why: &str) -> Outcome {
    Outcome::Refused(crate::model::copy::ArrayRefusal {
        class: ErrorClass::Transport,
        code: String::new(),
        text: Untrusted::from(why),
    })
}
